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
import numpy.typing as npt

from features.arrays import Indices

Vectors = npt.NDArray[np.float32]  # (n, width)

ALL_PAIRS = 20_000
"""Vectors up to which every one is compared with all others."""

_BLOCK_VALUES = 16 * 2**20  # of the matrix of likenesses that is held at a time
_LOOKED_AT = 48  # cells for each vector
_ROUNDS = 6  # of k-means
_OF_EACH_CELL = 64  # vectors that the centres are made of


def nearest(
    vectors: Vectors, count: int, tick: Callable[[int], None] | None = None
) -> tuple[Indices, Vectors]:
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
    everything = np.arange(len(vectors))
    return among(vectors, everything, everything, count, tick)


def among(
    vectors: Vectors,
    rows: Indices,
    others: Indices,
    count: int,
    tick: Callable[[int], None] | None = None,
) -> tuple[Indices, Vectors]:
    """Find the nearest to each of `rows` among `others` (more than `count` numbers), not itself."""
    n = len(others)
    numbers, values = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), "f4")
    pool = vectors if n == len(vectors) else vectors[others]
    place = np.full(len(vectors), -1, np.int64)
    place[others] = np.arange(n)
    height = max(1, _BLOCK_VALUES // max(n, 1))
    for start in range(0, len(rows), height):
        some = rows[start : start + height]
        block = vectors[some] @ pool.T
        own = np.flatnonzero(place[some] >= 0)
        block[own, place[some[own]]] = -np.inf
        found = np.argpartition(block, n - count, axis=1)[:, n - count :]
        likeness = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-likeness, axis=1, kind="stable")
        numbers[start : start + height] = others[np.take_along_axis(found, order, axis=1)]
        values[start : start + height] = np.take_along_axis(likeness, order, axis=1)
        if tick is not None:
            tick(len(some))
    return numbers, values


def _by_cells(
    vectors: Vectors, count: int, tick: Callable[[int], None] | None
) -> tuple[Indices, Vectors]:
    """Find each vector's best among the members of its nearest cells, cell by cell."""
    centres = _centres(vectors, round(len(vectors) ** 0.5))
    looked_at = min(_LOOKED_AT, len(centres))
    near = _nearest_centres(vectors, centres, looked_at)
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
        block = np.concatenate([values[rows], block], axis=1)
        best = np.argpartition(block, block.shape[1] - count, axis=1)[:, -count:]
        values[rows] = np.take_along_axis(block, best, axis=1)
        known = np.take_along_axis(numbers[rows], np.minimum(best, count - 1), axis=1)
        new = others[np.maximum(best - count, 0)]
        numbers[rows] = np.where(best < count, known, new)
        if tick is not None:
            tick(len(others))
    return _sorted_and_whole(vectors, numbers, values)


def _sorted_and_whole(
    vectors: Vectors, numbers: Indices, values: Vectors
) -> tuple[Indices, Vectors]:
    """Give the most alike first; who found too few in its cells is compared with all."""
    order = np.argsort(-values, axis=1, kind="stable")
    numbers = np.take_along_axis(numbers, order, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    few = np.flatnonzero(~np.isfinite(values[:, -1]))
    if len(few):
        everything = np.arange(len(vectors))
        numbers[few], values[few] = among(vectors, few, everything, numbers.shape[1])
    return numbers, values


def _centres(vectors: Vectors, cells: int) -> Vectors:
    """Find centres by k-means on some of the vectors, each brought to length 1."""
    rng = np.random.default_rng(len(vectors))
    some = rng.permutation(len(vectors))[: cells * _OF_EACH_CELL]
    table_row = vectors[np.sort(some)]
    centres = table_row[rng.choice(len(table_row), cells, replace=False)]
    for _ in range(_ROUNDS):
        own = _nearest_centres(table_row, centres, 1)[:, 0]
        sums = np.zeros_like(centres)
        np.add.at(sums, own, table_row)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return centres


def _nearest_centres(vectors: Vectors, centres: Vectors, count: int) -> Indices:
    """Find the numbers (n, count) of the nearest centres, the nearest of all first."""
    found = np.empty((len(vectors), count), np.int64)
    height = max(1, _BLOCK_VALUES // len(centres))
    for at in range(0, len(vectors), height):
        alike = vectors[at : at + height] @ centres.T
        best = np.argpartition(alike, len(centres) - count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(alike, best, axis=1), axis=1)
        found[at : at + height] = np.take_along_axis(best, order, axis=1)
    return found


def recall(
    vectors: Vectors, numbers: Indices, *, nearest_pairs: bool = False, table_row: int = 500
) -> float:
    """Measure what share of the nearest others `numbers` has, for some vectors and all others.

    Args:
        vectors: float32 (n, width).
        numbers: int64 (n, count), as `nearest` found them.
        nearest_pairs: look for the pair with the nearest one alone, from one side or the other.
        table_row: vectors that are compared with all.
    """
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(len(vectors), min(table_row, len(vectors)), replace=False))
    count = 1 if nearest_pairs else numbers.shape[1]
    true, _ = among(vectors, rows, np.arange(len(vectors)), count)
    if nearest_pairs:
        pairs = zip(rows, true[:, 0], strict=True)
        return float(np.mean([a in numbers[b] or b in numbers[a] for a, b in pairs]))
    shared = [len(np.intersect1d(a, b)) for a, b in zip(true, numbers[rows], strict=True)]
    return float(np.mean(shared)) / count
