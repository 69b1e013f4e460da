"""The row space: n rows of d >> n values, described exactly by at most n coordinates each.

A head that sees nothing but distances and inner products cannot tell a row from its coordinates
along the principal axes of the training rows, so it is trained on these: same predictions, a
fraction of the time. The coordinates come from the Gram matrix alone (kernel PCA with the linear
kernel and nothing cut off: Schölkopf, Smola and Müller, 1998), which is computed once and
serves every fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices
from features.runtime import memory_limit
from pipeline.data.splits import Fold

_BLOCK_BYTES = 64 * 2**20  # float64 copies of blocks of X that are held at a time
_RANK_TOLERANCE = 1e-12  # eigenvalues below this share of the largest are rounding noise


class RowReader(Protocol):
    """Rows that need not fit into memory: anything that slices by rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        ...

    def __getitem__(self, rows: slice | Indices) -> npt.NDArray[Any]:
        """Give some of the rows, float (m, d)."""
        ...


def gram(rows: npt.NDArray[Any] | RowReader, *, held_bytes: int | None = None) -> Floats:
    """Compute the inner products of all pairs of rows.

    Args:
        rows: (n, d) array, or a reader of consecutive rows.
        held_bytes: bound of the rows of a reader that are held at a time, as they come; None for
            the memory limit. With all of them within it, each row is read once.

    Returns:
        float64 (n, n), symmetric. Products are of float64 copies of a few columns at a time.
    """
    if isinstance(rows, np.ndarray):
        return _products(rows, rows)
    n, d = rows.shape
    held_bytes = held_bytes or memory_limit()
    # All rows at once, or two blocks of half as many.
    whole = 4 * n * d <= held_bytes
    height = n if whole else max(1, held_bytes // (2 * 4 * d))
    K = np.empty((n, n))
    for a in range(0, n, max(height, 1)):
        upper = rows[a : a + height]
        K[a : a + height, a : a + height] = _products(upper, upper)
        for b in range(a + height, n, height):
            product = _products(upper, rows[b : b + height])
            K[a : a + height, b : b + height] = product
            K[b : b + height, a : a + height] = product.T
    return K


def _products(A: npt.NDArray[Any], B: npt.NDArray[Any]) -> Floats:
    """Compute A @ B.T in float64, by blocks of columns."""
    K = np.zeros((len(A), len(B)))
    width = max(1, _BLOCK_BYTES // max(8 * (len(A) + len(B)), 1))
    for start in range(0, A.shape[1], width):
        left = A[:, start : start + width].astype(np.float64)
        # Of a block with itself NumPy sees the transpose and computes one triangle only.
        right = left if A is B else B[:, start : start + width].astype(np.float64)
        K += left @ right.T
    return K


@dataclass(frozen=True)
class Placed:
    """Rows in a row space.

    Attributes:
        coordinates: float64 (m, r) along the principal axes of the training rows, scaled.
        residual: float64 (m,) distance from the span of the training rows, in the same unit;
            0 for training rows. Inner products with training rows do not see it, distances do.
    """

    coordinates: Floats
    residual: Floats

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.residual)

    def at(self, chosen: Indices) -> Floats:
        """Give coordinates (k, r) of some of the rows."""
        found: Floats = self.coordinates[chosen]
        return found

    def blocks(self, beside: int = 0) -> Iterator[tuple[slice, Placed]]:
        """Give a few rows at a time, with room for so many values beside each, and their place."""
        height = max(1, _BLOCK_BYTES // (8 * max(self.coordinates.shape[1], beside, 1)))
        for at in range(0, len(self), height):
            place = slice(at, at + height)
            yield place, Placed(self.coordinates[place], self.residual[place])

    def times(self, weights: Floats) -> Floats:
        """Compute coordinates @ weights (r, k): float64 (m, k)."""
        found: Floats = self.coordinates @ weights
        return found

    def squared_distances(self, anchors: Floats) -> Floats:
        """Compute squared distances (m, k) to training rows given by coordinates (k, r)."""
        squares = (self.coordinates**2).sum(axis=1) + self.residual**2
        products = self.coordinates @ anchors.T
        # |a - b|² = |a|² + |b|² - 2ab, which rounding may leave just below 0.
        distances: Floats = squares[:, None] + (anchors**2).sum(axis=1)[None, :] - 2 * products
        np.maximum(distances, 0, out=distances)
        return distances


@dataclass(frozen=True)
class RowSpace:
    """Centre, scale and principal axes of a set of training rows, fitted on nothing else.

    Rows are centred on their mean and divided by one number, the root of their mean squared
    distance from it, so that settings such as C and gamma mean the same whatever the backbone.

    Attributes:
        train: the training rows; the columns of `train.coordinates` are orthogonal.
        basis: float64 (n, r); coordinates of a row are its centred inner products with the
            training rows times this. Its columns sum to 0.
        values: float64 (r,) squared lengths of the columns of `train.coordinates`.
        scale: the one number.
        column_means: float64 (n,) means of the columns of the training rows' Gram matrix.
    """

    train: Placed
    basis: Floats
    values: Floats
    scale: float
    column_means: Floats

    @classmethod
    def fit(cls, K: Floats) -> RowSpace:
        """Make the space of the Gram matrix of the training rows, float64 (n, n)."""
        means = K.mean(axis=0)
        # Centring rows that nobody has to hold: what remains of K has the mean of all rows at 0.
        centred = K - means[None, :] - means[:, None] + means.mean()
        scale = float(np.sqrt(max(np.trace(centred) / len(K), 0.0))) or 1.0
        values, vectors = np.linalg.eigh(centred / scale**2)
        values, vectors = values[::-1], vectors[:, ::-1]
        # One column at least, so that heads have something to train on if all rows are equal.
        rank = max(1, int((values > _RANK_TOLERANCE * max(float(values[0]), 1e-300)).sum()))
        values, vectors = np.maximum(values[:rank], 0), vectors[:, :rank]
        roots = np.sqrt(values)
        inverse = np.divide(1, roots, out=np.zeros_like(roots), where=roots > 0)
        train = Placed(vectors * roots, np.zeros(len(K)))
        return cls(train, vectors * inverse / scale**2, values, scale, means)

    @property
    def trace(self) -> float:
        """Sum of the squared lengths of the training rows' coordinates."""
        return float(self.values.sum())

    def products(self, targets: Floats) -> Floats:
        """Compute coordinates.T @ targets (n, k) of the training rows: (r, k)."""
        found: Floats = self.train.coordinates.T @ targets
        return found

    def solve(self, share: float, shift: float, B: Floats) -> Floats:
        """Solve (share * coordinates.T @ coordinates + shift * identity) @ x = B (r, k)."""
        diagonal = share * self.values + shift
        # Rows that do not vary within their classes leave nothing to divide by.
        found: Floats = B / np.maximum(diagonal, 1e-12 * max(diagonal.max(), 1e-12))[:, None]
        return found

    def place(self, K: Floats, squares: Floats) -> Placed:
        """Place other rows.

        Args:
            K: float64 (m, n) inner products with the training rows.
            squares: float64 (m,) inner products with themselves.
        """
        coordinates = (K - self.column_means) @ self.basis
        centred = squares - 2 * K.mean(axis=1) + self.column_means.mean()
        # Pythagoras: of a new row's length, what its coordinates do not explain lies off the span.
        outside = centred / self.scale**2 - (coordinates**2).sum(axis=1)
        return Placed(coordinates, np.sqrt(np.maximum(outside, 0)))

    def components(
        self, X: npt.NDArray[Any] | RowReader, weights: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Give the way from raw rows to coordinates.

        Args:
            X: (n, d) the training rows or their reader, in the order of the Gram matrix.
            weights: float64 (r, k), to get `projection @ weights` without the projection itself.

        Returns:
            (mean, projection): float64 (d,) and (d, r), or (d, k) with weights, such that
            `(x - mean) @ projection` are the coordinates of x, or these times the weights.
        """
        basis = self.basis if weights is None else self.basis @ weights
        n, d = X.shape
        mean, projection = np.zeros(d), np.zeros((d, basis.shape[1]))
        height = max(1, _BLOCK_BYTES // (8 * d))
        for start in range(0, n, height):
            block = X[start : start + height].astype(np.float64)
            mean += block.sum(axis=0) / n
            # The columns of the basis sum to 0, so the rows need no centring here.
            projection += block.T @ basis[start : start + height]
        return mean, projection


class GramSide:
    """All rows of a problem by their Gram matrix: spaces of parts and of their folds.

    Attributes:
        input_width: values in a raw row.
    """

    def __init__(self, K: Floats, input_width: int) -> None:
        """Take the Gram matrix (n, n) of rows of so many values."""
        self._K = K
        self.input_width = input_width

    def spaces(
        self, rows: Indices, rounds: Sequence[Fold]
    ) -> tuple[Callable[[], RowSpace], Callable[[], list[RowSpace]]]:
        """Make the space of these rows, and those of the training sides of rounds of them."""

        def of(chosen: Indices) -> RowSpace:
            """Make the space of these rows."""
            return RowSpace.fit(self._K[np.ix_(chosen, chosen)])

        return lambda: of(rows), lambda: [of(rows[fold.train]) for fold in rounds]

    def place(self, space: RowSpace, of: Indices, rows: Indices) -> Placed:
        """Place rows by their numbers in a space; `of` are the rows it was made of."""
        return space.place(self._K[np.ix_(rows, of)], np.diagonal(self._K)[rows])


def place_rows(
    X: npt.NDArray[Any], mean: npt.NDArray[Any], projection: npt.NDArray[Any], scale: float
) -> Placed:
    """Place raw rows (m, d) by a mean (d,) and a projection (d, r), block by block."""
    height = max(1, _BLOCK_BYTES // (8 * X.shape[1]))
    placed = []
    for start in range(0, len(X), height):
        centred = X[start : start + height].astype(projection.dtype) - mean
        coordinates = (centred @ projection).astype(np.float64)
        squares = np.einsum("ij,ij->i", centred, centred, dtype=np.float64) / scale**2
        outside = squares - (coordinates**2).sum(axis=1)
        placed.append(Placed(coordinates, np.sqrt(np.maximum(outside, 0))))
    if not placed:
        return Placed(np.empty((0, projection.shape[1])), np.empty(0))
    return Placed(
        np.concatenate([part.coordinates for part in placed]),
        np.concatenate([part.residual for part in placed]),
    )
