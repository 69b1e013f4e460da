"""Small pictures moved onto one another, so that a shifted or cropped copy lies on its original.

Every picture is registered to the mean of those that look most like it, again and again: joint
alignment, called congealing (Learned-Miller, "Data driven image models through continuous joint
alignment", PAMI 2006). One registration is four numbers (shift and scale, both ways), found by
Gauss-Newton steps (Lucas and Kanade, IJCAI 1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.arrays import Array
from features.cluster.parallel import by_threads, each_by_threads
from features.runtime import Taken
from pipeline.groups.neighbours import Block, Cells, Search, Tick, cells_of
from pipeline.groups.pictures import Pictures, Remade, shrink

_ROUNDS = 2
_STEPS = 6  # of Gauss-Newton
_NEIGHBOURS = 96  # pictures in a mean: many, for a copy's nearest ones may be shifted as it is
_FARTHEST = 0.12  # of the side; a larger shift is another photograph
_LARGEST = 0.24  # growth
_DAMPING = 1e-3  # against directions in which a picture does not change
_BLOCK = 256  # pictures moved at once
_COARSE = 8  # side of the pictures by which neighbours are found
_SCRATCH = 10**8  # bytes of a process that registers, beside what is of all pictures
_FEWEST = 12  # pictures; the mean of fewer shows its members, not what they share


def align(source: Pictures, side: int, tick: Tick | None = None) -> Array:
    """Give registered copies of pictures, (n, side, side), each with mean 0 and deviation 1.

    Args:
        source: of at least this side.
        side: a multiple of 8.
        tick: called with the number of pictures registered since; two passes over all.
    """
    now = _Round(source, side)
    if source.count < _FEWEST:
        return now.moved
    for _ in range(_ROUNDS):
        now = now.but(cells=cells_of(now.coarse))
        moves = np.empty((source.count, 4), dtype=np.float32)
        blocks = now.search.blocks()
        # A new list at the end of each round: all means are of the same state.
        taken = Taken(source.count * (source.grey[0].nbytes + 5 * side**2), _SCRATCH)
        made = each_by_threads(_registered, blocks, now, taken=taken)
        for block, found in zip(blocks, made, strict=True):
            moves[now.search.rows(block)] = found
            if tick is not None:
                tick(len(found))
        now = _Round(source, side, moves)
    return now.moved


@dataclass(frozen=True)
class _Round(Remade):
    """All pictures as the round before left them.

    Attributes:
        source: as they were.
        side: to which they are brought.
        moves: float32 (n, 4), see `_register`; None before the first round.
        cells: in which those lie that look alike; None to compare all pairs.
    """

    source: Pictures
    side: int
    moves: Array | None = None
    cells: Cells | None = None

    @cached_property
    def moved(self) -> Array:
        """Hold all pictures, moved."""
        found = np.empty((self.source.count, self.side, self.side), dtype=np.float32)
        blocks = self.source.blocks(_BLOCK)
        for block, some in zip(blocks, by_threads(_moved, blocks, self), strict=True):
            found[block] = some
        return found

    @cached_property
    def coarse(self) -> Array:
        """Hold unit vectors by which to find pictures that look alike."""
        blocks = self.source.blocks(_BLOCK)
        return np.concatenate([_coarse(self.moved[block]) for block in blocks])

    @cached_property
    def search(self) -> Search:
        """Hold the way to the neighbours."""
        return Search(self.coarse, self.cells)


def _moved(block: slice, now: _Round) -> Array:
    plain = normalise(now.source.shrunk(block, now.side))
    return plain if now.moves is None else normalise(resample(plain, now.moves[block]))


def _registered(block: Block, now: _Round) -> Array:
    """Register a block's pictures to the means of their neighbours: moves, (m, 4)."""
    count = min(_NEIGHBOURS, now.source.count // 3)
    neighbours, _ = now.search.nearest(block, count)
    means = normalise(np.stack([now.moved[numbers].mean(axis=0) for numbers in neighbours]))
    plain = normalise(now.source.shrunk(now.search.rows(block), now.side))
    return _register(plain, means)


def normalise(pictures: Array) -> Array:
    """Bring each to mean 0 and deviation 1: brightness and contrast do not count."""
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(spread, 1e-6), dtype=np.float32)


def _coarse(pictures: Array) -> Array:
    """Give unit vectors by which to find pictures that look alike."""
    flat = normalise(shrink(pictures, _COARSE)).reshape(len(pictures), -1)
    return flat / np.float32(_COARSE)


def _register(pictures: Array, means: Array) -> Array:
    """Give the moves under which the pictures resemble the means most.

    Returns:
        float32 (n, 4): shift in x and y in pixels, growth in x and y.
    """
    n, side, _ = pictures.shape
    edge = max(1, side // 16)
    inside = (..., slice(edge, -edge), slice(edge, -edge))
    along = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    most = np.array([_FARTHEST * side] * 2 + [_LARGEST] * 2, dtype=np.float32)
    moves = best = np.zeros((n, 4), dtype=np.float32)
    score = np.full(n, -np.inf, dtype=np.float32)
    for _ in range(_STEPS + 1):
        now = normalise(resample(pictures, moves))
        likeness = (now * means)[inside].mean(axis=(1, 2))
        better = likeness > score
        best, score = np.where(better[:, None], moves, best), np.maximum(likeness, score)
        down, right = np.gradient(now, axis=(1, 2))
        change = np.stack([right, down, right * along, down * along[:, None]], axis=1)[inside]
        change = change.reshape(n, 4, -1)
        normal = change @ change.transpose(0, 2, 1)
        damping = _DAMPING * np.einsum("nii->n", normal) / 4 + 1e-6
        normal += damping[:, None, None] * np.eye(4, dtype=np.float32)
        right_side = change @ (means - now)[inside].reshape(n, -1, 1)
        step = np.linalg.solve(normal, right_side)[..., 0]
        moves = np.clip(moves + step, -most, most).astype(np.float32)
    return np.asarray(best, dtype=np.float32)


def resample(pictures: Array, moves: Array) -> Array:
    """Move the pictures, bilinear; beyond the edge its pixels are repeated."""
    side = pictures.shape[1]
    middle = np.float32((side - 1) / 2)
    along = np.arange(side, dtype=np.float32) - middle
    x = middle + moves[:, 0, None] + along * (1 + moves[:, 2, None])
    y = middle + moves[:, 1, None] + along * (1 + moves[:, 3, None])
    rows = _between(pictures, y)
    columns = _between(np.ascontiguousarray(rows.transpose(0, 2, 1)), x)
    return np.ascontiguousarray(columns.transpose(0, 2, 1))


def _between(pictures: Array, places: Array) -> Array:
    """Interpolate rows of the pictures at fractional places (n, side)."""
    places = np.clip(places, 0, pictures.shape[1] - 1.001)
    low = places.astype(np.int64)
    share = (places - low)[:, :, None]
    which = np.arange(len(pictures))[:, None]
    return np.asarray(
        pictures[which, low] * (1 - share) + pictures[which, low + 1] * share, dtype=np.float32
    )
