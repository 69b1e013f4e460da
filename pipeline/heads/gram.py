"""The Gram matrix of all rows, computed once; a row space for each part of them and its folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices
from features.runtime import memory_room
from pipeline.data.splits import Fold
from pipeline.heads.row_space import ByProducts, RowReader, RowSpace, block_bytes


def gram(rows: npt.NDArray[Any] | RowReader, *, held_bytes: int | None = None) -> Floats:
    """Compute the inner products of all pairs of rows.

    Args:
        rows: (n, d) array, or a reader of consecutive rows.
        held_bytes: bound of the rows of a reader that are held at a time, as they come; None for
            what the memory's room has beside the products. With all of them within it, each row is
            read once.

    Returns:
        float64 (n, n), symmetric. Products are of float64 copies of a few columns at a time.
    """
    if isinstance(rows, np.ndarray):
        return _products(rows, rows)
    n, d = rows.shape
    held_bytes = held_bytes or max(memory_room() - 8 * n * n, memory_room() // 8)
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
    width = max(1, block_bytes() // max(8 * (len(A) + len(B)), 1))
    for start in range(0, A.shape[1], width):
        left = A[:, start : start + width].astype(np.float64)
        # Of a block with itself NumPy sees the transpose and computes one triangle only.
        right = left if A is B else B[:, start : start + width].astype(np.float64)
        K += left @ right.T
    return K


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

    def place(self, space: RowSpace, of: Indices, rows: Indices) -> ByProducts:
        """Place rows by their numbers in a space; `of` are the rows it was made of."""
        return space.place(self._K[np.ix_(rows, of)], np.diagonal(self._K)[rows])
