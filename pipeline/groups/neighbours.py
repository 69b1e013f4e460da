"""The nearest others of every vector: all pairs of few, cells of many.

All pairs of 20,000 are looked at in seconds, of 100,000 in many minutes. Beyond `ALL_PAIRS`,
vectors are dealt into cells around centres (k-means; inverted lists: Jégou, Douze and Schmid,
"Product quantization for nearest neighbor search", 2011, without the quantisation), and each is
compared with those of the cells nearest to it. Copies lie in the same or in a neighbouring cell;
`recall` measures on some vectors how many of the nearest are found.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from features.arrays import Array, Indices

ALL_PAIRS = 20_000
"""Vectors up to which every one is compared with all others."""

_BLOCK_VALUES = 16 * 2**20  # of the matrix of likenesses that is held at a time
_LOOKED_AT = 48  # cells for each vector
_ROUNDS = 6  # of k-means
_OF_EACH_CELL = 64  # vectors that the centres are made of
_MEASURED = 500  # vectors that are compared with all, to say how many of the nearest were found


def nearest(
    vectors: Array, count: int, tick: Callable[[int], None] | None = None
) -> tuple[Indices, Array]:
    """Find the `count` others with the largest inner product, the most alike first.

    Args:
        vectors: float32 (n, width), n above `count`.
        count: of each.
        tick: called with the number of vectors that others were compared with since.

    Returns:
        Their numbers, int64 (n, count), and the inner products, float32 (n, count).
    """
    if len(vectors) > ALL_PAIRS:
        return _by_cells(vectors, count, tick)
    return most_alike(vectors, vectors, count, np.arange(len(vectors)), tick)


def most_alike(
    vectors: Array,
    pool: Array,
    count: int,
    own: Indices | None = None,
    tick: Callable[[int], None] | None = None,
) -> tuple[Indices, Array]:
    """Find the `count` of a pool nearest to each vector, but not itself: its `own` number there."""
    numbers = np.empty((len(vectors), count), np.int64)
    values = np.empty((len(vectors), count), np.float32)
    height = max(1, _BLOCK_VALUES // len(pool))
    for start in range(0, len(vectors), height):
        some = slice(start, start + height)
        block = vectors[some] @ pool.T
        if own is not None:
            block[np.arange(len(block)), own[some]] = -np.inf
        numbers[some], values[some] = _largest(block, count)
        if tick is not None:
            tick(len(block))
    return numbers, values


def _largest(block: Array, count: int) -> tuple[Indices, Array]:
    """Give the places of the largest values of each line, the largest first, and the values."""
    found = np.argpartition(block, block.shape[1] - count, axis=1)[:, -count:]
    values = np.take_along_axis(block, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def _by_cells(
    vectors: Array, count: int, tick: Callable[[int], None] | None
) -> tuple[Indices, Array]:
    """Find each vector's best among the members of its nearest cells, cell by cell."""
    centres = _centres(vectors, round(len(vectors) ** 0.5))
    looked_at = min(_LOOKED_AT, len(centres))
    near = most_alike(vectors, centres, looked_at)[0]
    members = np.split(
        np.argsort(near[:, 0], kind="stable"),
        np.cumsum(np.bincount(near[:, 0], minlength=len(centres)))[:-1],
    )
    asking = np.argsort(near.ravel(), kind="stable") // looked_at
    asked = np.cumsum(np.bincount(near.ravel(), minlength=len(centres)))
    numbers = np.full((len(vectors), count), -1, np.int64)
    values = np.full((len(vectors), count), -np.inf, np.float32)
    for others, rows in zip(members, np.split(asking, asked[:-1]), strict=True):
        if not len(others):
            continue
        block = vectors[rows] @ vectors[others].T
        block[rows[:, None] == others] = -np.inf
        best, values[rows] = _largest(np.concatenate([values[rows], block], axis=1), count)
        known = np.take_along_axis(numbers[rows], np.minimum(best, count - 1), axis=1)
        new = others[np.maximum(best - count, 0)]
        numbers[rows] = np.where(best < count, known, new)
        if tick is not None:
            tick(len(others))
    few = np.flatnonzero(~np.isfinite(values[:, -1]))  # who found too few in its cells
    if len(few):
        numbers[few], values[few] = most_alike(vectors[few], vectors, count, few)
    return numbers, values


def _centres(vectors: Array, cells: int) -> Array:
    """Find centres by k-means on some of the vectors, each brought to length 1."""
    from sklearn.cluster import KMeans

    some = np.random.default_rng(0).permutation(len(vectors))[: cells * _OF_EACH_CELL]
    means = KMeans(cells, init="random", n_init=1, max_iter=_ROUNDS, random_state=0)
    return unit(means.fit(vectors[some]).cluster_centers_)


def recall(vectors: Array, numbers: Indices) -> float:
    """Measure how many of some vectors are found with the nearest of all others, by either of both.

    Args:
        vectors: float32 (n, width).
        numbers: int64 (n, count), as `nearest` found them.

    Returns:
        A share.
    """
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(len(vectors), min(_MEASURED, len(vectors)), replace=False))
    true = most_alike(vectors[rows], vectors, 1, rows)[0][:, 0]
    return float(
        np.mean([a in numbers[b] or b in numbers[a] for a, b in zip(rows, true, strict=True)])
    )


def unit(vectors: Array) -> Array:
    """Bring each to length 1, float32 (n, width)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
