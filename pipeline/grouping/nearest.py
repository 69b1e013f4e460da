"""The vectors most like each of many vectors, block by block in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]  # (n, width)

_BLOCK_VALUES = 16 * 2**20  # of the matrix of likenesses that is held at a time


def nearest(vectors: Vectors, count: int) -> tuple[npt.NDArray[np.int64], Vectors]:
    """The `count` others with the largest inner product, the most alike first.

    Returns:
        Their numbers, int64 (n, count), and the inner products, float32 (n, count).
    """
    n = len(vectors)
    numbers, values = np.empty((n, count), np.int64), np.empty((n, count), np.float32)
    height = max(1, _BLOCK_VALUES // max(n, 1))
    for start in range(0, n, height):
        block = vectors[start : start + height] @ vectors.T
        own = np.arange(len(block))
        block[own, start + own] = -np.inf
        found = np.argpartition(block, n - count, axis=1)[:, n - count :]
        likeness = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-likeness, axis=1, kind="stable")
        numbers[start : start + height] = np.take_along_axis(found, order, axis=1)
        values[start : start + height] = np.take_along_axis(likeness, order, axis=1)
    return numbers, values
