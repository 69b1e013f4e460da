"""The row space: n rows of d >> n values, described exactly by at most n coordinates each.

A head that sees nothing but distances and inner products cannot tell a row from its coordinates
along orthonormal axes of the span of the training rows, so it is trained on these: same
predictions, a fraction of the time. The coordinates come from the Gram matrix alone, which is
computed once and serves every fold: a Cholesky factor of it with pivots (Higham, "Analysis of the
Cholesky decomposition of a semi-definite matrix", 1990), a tenth of the work of its eigenvectors.
Who needs principal axes asks for them (kernel PCA with the linear kernel and nothing cut off:
Schölkopf, Smola and Müller, 1998).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from features.runtime import memory_limit, memory_share
from pipeline.heads.quasi_newton import Axes

_BLOCK_BYTES = 64 * 2**20  # float64 copies of blocks of rows that are held at a time, at most
_BLOCK_SHARE = 128  # of the memory limit
_RANK_TOLERANCE = 1e-12  # eigenvalues below this share of the largest are rounding noise
_PIVOT_TOLERANCE = 1e-10  # squared distances from the span of rows before that are rounding noise


BLOCK_COPIES = 6
"""Of a block of rows: as it is read, centred, and what is made of it, such as distances."""


def block_bytes() -> int:
    """Give the size of the blocks in which rows are read.

    Of a share of the memory limit they are those of the whole: sums have the same bits.
    """
    return min(_BLOCK_BYTES, memory_limit() // _BLOCK_SHARE)


def limit_that_holds(held: int) -> float:
    """Give the least memory limit for so many bytes and the blocks beside, which grow with it.

    Where several share the limit, it is that of all: each has its bytes and its blocks.
    """
    share = memory_share()
    most = (held + BLOCK_COPIES * _BLOCK_BYTES) / share
    left = share - BLOCK_COPIES / _BLOCK_SHARE
    return min(held / left, most) if left > 0 else most


class RowReader(Protocol):
    """Rows that need not fit into memory: anything that slices by rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give (n, d)."""
        ...

    def __getitem__(self, rows: slice | Indices) -> npt.NDArray[Any]:
        """Give some of the rows, float (m, d)."""
        ...


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
        height = max(1, block_bytes() // (8 * max(self.coordinates.shape[1], beside, 1)))
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
    """Centre, scale and orthonormal axes of a set of training rows, fitted on nothing else.

    Rows are centred on their mean and divided by one number, the root of their mean squared
    distance from it, so that settings such as C and gamma mean the same whatever the backbone.

    Attributes:
        train: the training rows.
        pivots: int64 (r,) training rows whose inner products with a row give its coordinates: the
            coordinates of these rows are the lower triangle that they are divided by. Of
            principal axes all of them, and they are multiplied with `way`.
        way: float64 (n, r) of principal axes, else None.
        scale: the one number.
        column_means: float64 (n,) means of the columns of the training rows' Gram matrix.
    """

    train: Placed
    pivots: Indices
    way: Floats | None
    scale: float
    column_means: Floats

    @classmethod
    def fit(cls, K: Floats, *, principal: bool = False) -> RowSpace:
        """Make the space of the Gram matrix of the training rows, float64 (n, n).

        Args:
            K: the Gram matrix.
            principal: take the principal axes, so that the columns of the training rows'
                coordinates are orthogonal, the longest first; else whatever axes are quickest.
        """
        means = K.mean(axis=0)
        # Centring rows that nobody has to hold: what remains of K has the mean of all rows at 0.
        centred = K - means[None, :]
        centred -= (means - means.mean())[:, None]
        scale = float(np.sqrt(max(np.trace(centred) / len(K), 0.0))) or 1.0
        centred /= scale**2
        coordinates, pivots, way = (_principal if principal else _pivoted)(centred)
        train = Placed(coordinates, np.zeros(len(K)))
        return cls(train, pivots, way, scale, means)

    def by_rows(self, weights: Floats | None = None) -> Floats:
        """Give weights of coordinates as weights of inner products with the training rows.

        Args:
            weights: float64 (r, k); None for one of each coordinate.

        Returns:
            float64 (n, k), or (n, r). Columns sum to 0: whatever inner products these are
            multiplied with, it does not matter where the rows are centred.
        """
        from scipy.linalg import solve_triangular

        if self.way is not None:
            part = self.way if weights is None else self.way @ weights
        else:
            triangle = self.train.coordinates[self.pivots]
            weights = np.eye(len(triangle)) if weights is None else weights
            part = solve_triangular(triangle, weights, trans=1, lower=True, check_finite=False)
        found = np.zeros((len(self.train), part.shape[1]))
        found[self.pivots] = part
        found -= found.mean(axis=0)
        found /= self.scale**2
        return found

    @cached_property
    def _scatter(self) -> Floats:
        """Give float64 (r, r): coordinates.T @ coordinates of the training rows."""
        found: Floats = self.train.coordinates.T @ self.train.coordinates
        return found

    @property
    def trace(self) -> float:
        """Give the sum of the squared lengths of the training rows' coordinates."""
        return float(np.trace(self._scatter))

    def products(self, targets: Floats) -> Floats:
        """Compute coordinates.T @ targets (n, k) of the training rows: (r, k)."""
        found: Floats = self.train.coordinates.T @ targets
        return found

    def solve(self, share: float, shift: float, B: Floats) -> Floats:
        """Solve (share * coordinates.T @ coordinates + shift * identity) @ x = B (r, k)."""
        return solve_shifted(self._scatter, share, shift, B)

    @cached_property
    def centred_rows(self) -> Rows:
        """Give float32 (n, r): the coordinates of the training rows."""
        return self.train.coordinates.astype(np.float32)

    @property
    def unit(self) -> float:
        """Say what `centred_rows` have to be divided by to be coordinates."""
        return 1.0

    @cached_property
    def axes(self) -> Axes:
        """Give the axes of their covariance, for `pipeline.heads.quasi_newton`."""
        return Axes.of(self.centred_rows)

    def place(self, K: Floats, squares: Floats) -> ByProducts:
        """Place other rows.

        Args:
            K: float64 (m, n) inner products with the training rows.
            squares: float64 (m,) inner products with themselves.
        """
        return ByProducts(self, K - self.column_means, squares - 2 * K.mean(axis=1))

    def components(
        self,
        X: npt.NDArray[Any] | RowReader,
        weights: Floats | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> tuple[Floats, npt.NDArray[Any]]:
        """Give the way from raw rows to coordinates.

        Args:
            X: (n, d) the training rows or their reader, in the order of the Gram matrix.
            weights: float64 (r, k), to get `projection @ weights` without the projection itself.
            dtype: of the projection, which may be the largest array of all.

        Returns:
            (mean, projection): float64 (d,) and (d, r), or (d, k) with weights, such that
            `(x - mean) @ projection` are the coordinates of x, or these times the weights.
        """
        basis = self.by_rows(weights)
        n, d = X.shape
        mean, projection = np.zeros(d), np.zeros((d, basis.shape[1]), dtype)
        height = max(1, block_bytes() // (8 * d))
        width = max(1, block_bytes() // (8 * basis.shape[1]))
        for start in range(0, n, height):
            block = X[start : start + height].astype(np.float64)
            mean += block.sum(axis=0) / n
            # The columns of the basis sum to 0, so the rows need no centring here.
            for left in range(0, d, width):
                columns = slice(left, left + width)
                projection[columns] += block[:, columns].T @ basis[start : start + height]
        return mean, projection


@dataclass(frozen=True)
class ByProducts:
    """Rows in a row space, by their inner products with its training rows.

    What is linear in them needs no coordinates; these are computed when somebody asks.

    Attributes:
        space: the row space.
        products: float64 (m, n) less their means over the training rows.
        squares: float64 (m,) squared distances from the training rows' mean, but for what is the
            same for all rows.
    """

    space: RowSpace
    products: Floats
    squares: Floats

    @cached_property
    def _placed(self) -> Placed:
        space = self.space
        coordinates = self.products @ space.by_rows()
        centred = self.squares + space.column_means.mean()
        # Pythagoras: of a new row's length, what its coordinates do not explain lies off the span.
        outside = centred / space.scale**2 - (coordinates**2).sum(axis=1)
        return Placed(coordinates, np.sqrt(np.maximum(outside, 0)))

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.squares)

    @property
    def coordinates(self) -> Floats:
        """Give float64 (m, r)."""
        return self._placed.coordinates

    @property
    def residual(self) -> Floats:
        """Give float64 (m,)."""
        return self._placed.residual

    def at(self, chosen: Indices) -> Floats:
        """Give coordinates (k, r) of some of the rows."""
        return self._placed.at(chosen)

    def blocks(self, beside: int = 0) -> Iterator[tuple[slice, Placed]]:
        """Give a few rows at a time; see `Placed.blocks`."""
        return self._placed.blocks(beside)

    def times(self, weights: Floats) -> Floats:
        """Compute coordinates @ weights (r, k): float64 (m, k)."""
        found: Floats = self.products @ self.space.by_rows(weights)
        return found

    def squared_distances(self, anchors: Floats) -> Floats:
        """Compute squared distances (m, k) to training rows given by coordinates (k, r)."""
        return self._placed.squared_distances(anchors)


def _pivoted(centred: Floats) -> tuple[Floats, Indices, Floats | None]:
    """Give coordinates (n, r) of rows, and pivots and way of `RowSpace`. Overwrites its argument.

    Of a space without any extent one column is left, of zeros, so that heads have something to
    train on.
    """
    from scipy.linalg.lapack import dpstrf

    most = max(float(np.diagonal(centred).max()), 1e-300)
    # Its transpose, which is the same, lies as LAPACK wants it.
    factor, order, rank, _ = dpstrf(centred.T, tol=_PIVOT_TOLERANCE * most, lower=1, overwrite_a=1)
    if rank == 0 or factor[0, 0] ** 2 <= _PIVOT_TOLERANCE * most:
        return np.zeros((len(centred), 1)), np.arange(len(centred)), np.zeros((len(centred), 1))
    order = order.astype(np.int64) - 1
    lower = np.tril(factor)[:, :rank]
    coordinates = np.empty((len(centred), rank))
    coordinates[order] = lower
    return coordinates, order[:rank], None


def _principal(centred: Floats) -> tuple[Floats, Indices, Floats | None]:
    """Give the same along principal axes."""
    values, vectors = np.linalg.eigh(centred)
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = max(1, int((values > _RANK_TOLERANCE * max(float(values[0]), 1e-300)).sum()))
    roots, vectors = np.sqrt(np.maximum(values[:rank], 0)), vectors[:, :rank]
    inverse = np.divide(1, roots, out=np.zeros_like(roots), where=roots > 0)
    return vectors * roots, np.arange(len(centred)), vectors * inverse


def solve_shifted(scatter: Floats, share: float, shift: float, B: Floats) -> Floats:
    """Solve (share * scatter + shift * identity) @ x = B (r, k)."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    matrix = share * scatter
    trace = float(np.trace(scatter))
    # Rows that do not vary within their classes leave nothing to divide by.
    matrix[np.diag_indices_from(matrix)] += max(shift, 1e-12 * share * trace, 1e-300)
    # Its transpose, which is the same, lies as LAPACK wants it.
    factor, _ = dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
    solved: Floats = dpotrs(factor, B, lower=1)[0]
    return solved


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
