"""The nearest others of every vector: all pairs of few, cells of many.

Beyond `ALL_PAIRS`, vectors are dealt into cells around centres (k-means; inverted lists: Jégou,
Douze and Schmid, 2011), and the members of a cell are compared with those of the cells nearest to
it. Each block of vectors asks for itself (`Search`): here by threads, or on workers of a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.arrays import Array, Indices
from features.cluster.parallel import each_by_threads
from pipeline.groups.pictures import in_blocks

ALL_PAIRS = 20_000
"""Vectors up to which every one is compared with all others."""

_BLOCK_VALUES = 4 * 2**20  # of the matrix of likenesses that a thread holds at a time
_ASKING = 256  # vectors of a block at most
_LOOKED_AT = 48  # cells for each cell
_ROUNDS = 6  # of k-means
_OF_EACH_CELL = 64  # vectors that the centres are made of
_MEASURED = 500  # vectors that are compared with all, to say how many of the nearest were found

Tick = Callable[[int], None]
Block = Indices
"""Numbers of vectors, all of one cell, that ask together."""


def nearest(vectors: Array, count: int, tick: Tick | None = None) -> tuple[Indices, Array]:
    """Find the `count` others with the largest inner product, the most alike first.

    Returns:
        Their numbers, int64 (n, count), and the inner products, float32 (n, count).
    """
    search = Search(vectors, cells_of(vectors))
    numbers = np.empty((len(vectors), count), np.int64)
    values = np.empty((len(vectors), count), np.float32)
    blocks = search.blocks()
    for block, found in zip(blocks, each_by_threads(_ask, blocks, search, count), strict=True):
        numbers[block], values[block] = found
        if tick is not None:
            tick(len(block))
    return numbers, values


def _ask(block: Block, search: Search, count: int) -> tuple[Indices, Array]:
    return search.nearest(block, count)


@dataclass(frozen=True)
class Search:
    """Vectors, float32 (n, width), among which each is to find the nearest others.

    Attributes:
        cells: int32 (n, looked at) nearest to each, its own first; None to compare all pairs.
    """

    vectors: Array
    cells: Any

    def blocks(self) -> list[Block]:
        """Cut the vectors into blocks that each ask for themselves."""
        if self.cells is None:
            n = len(self.vectors)
            height = min(_ASKING, max(1, _BLOCK_VALUES // n))
            return in_blocks(np.arange(n), height)
        own = self.cells[:, 0]
        cells = np.split(np.argsort(own, kind="stable"), np.cumsum(np.bincount(own))[:-1])
        return [block for cell in cells if len(cell) for block in in_blocks(cell, _ASKING)]

    def nearest(self, block: Block, count: int) -> tuple[Indices, Array]:
        """Find the `count` nearest to each vector of a block; see `nearest`."""
        if self.cells is not None:
            pool = np.flatnonzero((self.cells == self.cells[block[0], 0]).any(axis=1))
            if len(pool) > count:
                own = np.searchsorted(pool, block)
                numbers, values = most_alike(self.vectors[block], self.vectors[pool], count, own)
                return pool[numbers], values
        return most_alike(self.vectors[block], self.vectors, count, block)


def most_alike(
    vectors: Array, pool: Array, count: int, own: Indices | None = None
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
        best = np.argpartition(block, block.shape[1] - count, axis=1)[:, -count:]
        alike = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-alike, axis=1, kind="stable")
        numbers[some] = np.take_along_axis(best, order, axis=1)
        values[some] = np.take_along_axis(alike, order, axis=1)
    return numbers, values


def cells_of(vectors: Array) -> Any:  # noqa: ANN401 - int32 (n, looked at) or None
    """Give the cells that lie nearest to each of many vectors; None for few, all compared."""
    from sklearn.cluster import KMeans

    n = len(vectors)
    if n <= ALL_PAIRS:
        return None
    cells = round(n**0.5)
    some = np.random.default_rng(0).permutation(n)[: cells * _OF_EACH_CELL]
    means = KMeans(cells, init="random", n_init=1, max_iter=_ROUNDS, random_state=0)
    centres = unit(means.fit(vectors[some]).cluster_centers_)
    return most_alike(vectors, centres, min(_LOOKED_AT, cells))[0].astype(np.int32)


def recall(vectors: Array, numbers: Indices) -> float:
    """Measure the share of some vectors found with the nearest of all others, by either of both."""
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
