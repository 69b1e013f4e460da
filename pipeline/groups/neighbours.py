"""The nearest others of every vector: all pairs of few, cells of many.

All pairs of 20,000 are looked at in seconds, of 100,000 in minutes. Beyond `ALL_PAIRS`,
vectors are dealt into cells around centres (k-means; inverted lists: Jégou, Douze and Schmid,
"Product quantization for nearest neighbor search", 2011, without the quantisation), and each is
compared with those of the cells nearest to it. Copies lie in the same or in a neighbouring cell;
`recall` measures on some vectors how many of the nearest are found.

Each block of vectors asks for itself (`Search`), so that threads, and workers of a cluster, may
take blocks of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Array, Indices
from features.cluster.parallel import each_by_threads
from pipeline.groups.pictures import Remade

ALL_PAIRS = 20_000
"""Vectors up to which every one is compared with all others."""

_BLOCK_VALUES = 4 * 2**20  # of the matrix of likenesses that a thread holds at a time
_ASKING = 256  # vectors of a block at most
_LOOKED_AT = 48  # cells for each vector
_ROUNDS = 6  # of k-means
_OF_EACH_CELL = 64  # vectors that the centres are made of
_MEASURED = 500  # vectors that are compared with all, to say how many of the nearest were found


Tick = Callable[[int], None]


def nearest(vectors: Array, count: int, tick: Tick | None = None) -> tuple[Indices, Array]:
    """Find the `count` others with the largest inner product, the most alike first.

    Args:
        vectors: float32 (n, width), n above `count`.
        count: of each.
        tick: called with the number of vectors that others were compared with since.

    Returns:
        Their numbers, int64 (n, count), and the inner products, float32 (n, count).
    """
    search = Search(vectors, cells_of(vectors))
    numbers = np.empty((len(vectors), count), np.int64)
    values = np.empty((len(vectors), count), np.float32)
    blocks = search.blocks()
    for block, found in zip(blocks, each_by_threads(_ask, blocks, search, count), strict=True):
        rows = search.rows(block)
        numbers[rows], values[rows] = found
        if tick is not None:
            tick(len(rows))
    return numbers, values


def _ask(block: Block, search: Search, count: int) -> tuple[Indices, Array]:
    return search.nearest(block, count)


Block = tuple[int, int]
"""First vector of a block, and the one behind its last, in the order of a search."""


class Cells(NamedTuple):
    """Say which vectors lie in which cell.

    Attributes:
        order: int64 (n,) vectors, cell by cell.
        first: int64 (cells + 1,) where in `order` each cell begins, and the end.
        near: int32 (n, looked at) cells that each vector asks, in this order; the first is its own.
    """

    order: Indices
    first: Indices
    near: Any


@dataclass(frozen=True)
class Search(Remade):
    """Vectors among which each is to find the nearest others.

    Attributes:
        vectors: float32 (n, width).
        cells: of them; None to compare all pairs.
    """

    vectors: Array
    cells: Cells | None = None

    @cached_property
    def _placed(self) -> Array:
        """Hold the vectors cell by cell."""
        return self.vectors if self.cells is None else self.vectors[self.cells.order]

    def blocks(self) -> list[Block]:
        """Cut the vectors into blocks that each ask for themselves."""
        n = len(self.vectors)
        height = _ASKING if self.cells else min(_ASKING, max(1, _BLOCK_VALUES // n))
        return [(start, min(start + height, n)) for start in range(0, n, height)]

    def rows(self, block: Block) -> Indices:
        """Give the numbers of a block's vectors, int64 (m,)."""
        return np.arange(*block) if self.cells is None else self.cells.order[slice(*block)]

    def nearest(self, block: Block, count: int) -> tuple[Indices, Array]:
        """Find the `count` nearest to each vector of a block; see `nearest`."""
        if self.cells is None:
            rows = self.rows(block)
            return most_alike(self.vectors[slice(*block)], self.vectors, count, rows)
        start, near = _starts(self.cells, block)
        if (start[:, -1] <= count).any():  # somebody's cells have too few
            rows = self.rows(block)
            return most_alike(self.vectors[rows], self.vectors, count, rows)
        alike = self._likenesses(block, near, start)
        places, values = _largest(alike, count)
        which = np.empty_like(places)
        for number, row in enumerate(start):
            which[number] = np.searchsorted(row, places[number], side="right") - 1
        inside = places - np.take_along_axis(start, which, axis=1)
        cell = np.take_along_axis(near, which, axis=1)
        return self.cells.order[self.cells.first[cell] + inside], values

    def _likenesses(self, block: Block, near: Indices, start: Indices) -> Array:
        """Compare a block with all members of its cells, (m, most members); the rest -inf.

        Args:
            block: of vectors (m).
            near: int64 (m, cells) that each asks.
            start: int64 (m, cells + 1) where the members of these stand in the line.
        """
        assert self.cells is not None
        asking = self._placed[slice(*block)]
        alike = np.full((len(asking), int(start[:, -1].max())), -np.inf, dtype=np.float32)
        flat, width = alike.reshape(-1), alike.shape[1]
        order = np.argsort(near, axis=None, kind="stable")
        row, rank = np.divmod(order, near.shape[1])
        found, begin = np.unique(near.reshape(-1)[order], return_index=True)
        for cell, some in zip(
            found.tolist(), np.split(np.arange(len(order)), begin[1:]), strict=True
        ):
            first, end = self.cells.first[cell : cell + 2].tolist()
            rows = row[some]
            into = rows * width + start[rows, rank[some]]
            flat[into[:, None] + np.arange(end - first)] = asking[rows] @ self._placed[first:end].T
        # Its own cell stands first in the line.
        own = np.arange(*block) - self.cells.first[near[:, 0]]
        alike[np.arange(len(asking)), own] = -np.inf
        return alike


def _starts(cells: Cells, block: Block) -> tuple[Indices, Indices]:
    """Say where in its line the members of each cell stand that a vector asks, and which cells."""
    near = cells.near[cells.order[slice(*block)]].astype(np.int64)
    sizes = np.diff(cells.first)[near]
    start = np.zeros((len(near), near.shape[1] + 1), np.int64)
    np.cumsum(sizes, axis=1, out=start[:, 1:])
    return start, near


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
        numbers[some], values[some] = _largest(block, count)
    return numbers, values


def _largest(block: Array, count: int) -> tuple[Indices, Array]:
    """Give the places of the largest values of each line, the largest first, and the values."""
    found = np.argpartition(block, block.shape[1] - count, axis=1)[:, -count:]
    values = np.take_along_axis(block, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def cells_of(vectors: Array) -> Cells | None:
    """Deal many vectors into cells; None for few, which are all compared."""
    if len(vectors) <= ALL_PAIRS:
        return None
    centres = _centres(vectors, round(len(vectors) ** 0.5))
    near = most_alike(vectors, centres, min(_LOOKED_AT, len(centres)))[0].astype(np.int32)
    sizes = np.bincount(near[:, 0], minlength=len(centres))
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Cells(np.argsort(near[:, 0], kind="stable"), first, near)


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
