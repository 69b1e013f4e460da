"""How alike pictures are that may be turned by any angle or mirrored, seen along rings.

Turning shifts the rings around the middle: the likeness under all angles is one inverse Fourier
transform of each pair. Of each wave the rings are nearly whitened, as in
`pipeline.groups.similarity`. Candidates are found by magnitudes, which no turn changes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Array, Flags, Floats, Indices
from features.cache.thumbnails import SIDE, Grey
from features.cluster.parallel import by_threads, each_by_threads
from features.runtime import Taken
from pipeline.groups.neighbours import Block, Search, Tick, cells_of
from pipeline.groups.pictures import Pictures, between, in_blocks
from pipeline.groups.similarity import LARGEST_GROUP, reach, whitening

BEHIND = 6
"""Last candidates of each picture: behind those that may all be copies, what is usual."""

LOOKED_AT = 24
"""Candidates before these, the most alike first."""

_CANDIDATES = 384  # for each picture, whose likeness under all angles is computed
_RINGS, _ANGLES, _WAVES = 12, 128, 24  # of a picture read around its middle
_RADII = np.linspace(1.5, (SIDE - 1) / 2 - 0.9, _RINGS)[:, None]
_SEEN = 4000  # pictures at most that tell how rings vary
_COMPARED = 16  # of which the candidates are turned at once
_OF_EACH, _SCRATCH = 7000, 2 * 10**8  # bytes a picture, and of a process beside: series, searched
_BLOCK = 256  # pictures at once
Complex = npt.NDArray[np.complex64]


class Turns(NamedTuple):
    """The most alike candidates of pictures under all angles, and how the pictures are turned."""

    nearest: Array  # float32 (n, reach) likenesses, the most alike first
    numbers: Indices  # (n, k) candidates: the first are the most alike, BEHIND far behind them
    alike: Array  # float32 (n, k) their likenesses
    degrees: Array  # by which the picture is turned to be most like them
    mirrored: Flags  # before that


def likely_turns(source: Pictures, tick: Tick | None) -> Turns:
    """Turn every picture against its candidates, here or on a cluster."""
    along = _AlongRings(source, *_whitening(source))
    along.cells = cells_of(along.sizes)
    blocks = along.search.blocks()
    source.forget()  # of 100,000 pictures 0.4 GB, beside 0.4 GB of series
    taken = Taken(source.count * (SIDE * SIDE + _OF_EACH), _SCRATCH)
    found: list[Turns] = []
    for some in each_by_threads(_turned_block, blocks, along, taken=taken):
        found.append(some)
        if tick is not None:
            tick(len(some.nearest))
    placed = np.argsort(np.concatenate(blocks))
    columns: list[Any] = [np.concatenate(column)[placed] for column in zip(*found, strict=True)]
    return Turns(*columns)


@dataclass
class _AlongRings:
    """Pictures along rings around their middle, as weighted Fourier series."""

    source: Pictures
    middle: npt.NDArray[np.complex128]  # (rings,) mean of the first wave, which does not count
    axes: Floats  # (waves, rings, rings) that nearly whiten the rings of each wave
    cells: Any = None  # of the magnitudes, as of `Search`

    def __getstate__(self) -> dict[str, Any]:
        """Send the fields alone: series are large and quickly made, and each worker makes them."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @cached_property
    def series(self) -> Complex:
        """Hold the series of all, complex64 (n, rings, waves), each of length 1."""
        found = np.empty((self.source.count, _RINGS, _WAVES), dtype=np.complex64)
        blocks = in_blocks(np.arange(self.source.count), _BLOCK)
        for block, some in zip(blocks, by_threads(_weighted, blocks, self), strict=True):
            found[block] = some
        return found

    @cached_property
    def sizes(self) -> Array:
        """Hold their magnitudes, which no turn changes: float32 (n, rings × waves)."""
        return np.abs(self.series).reshape(self.source.count, -1)

    @property
    def search(self) -> Search:
        """Give the way to those with like magnitudes."""
        return Search(self.sizes, self.cells)


def _weighted(block: Block, along: _AlongRings) -> Complex:
    series = _series(along.source.grey[block])
    series[:, :, 0] -= along.middle
    found = np.matmul(series.transpose(2, 0, 1), along.axes).transpose(1, 2, 0)
    lengths = np.sqrt((np.abs(found) ** 2).sum(axis=(1, 2), keepdims=True) * 2 / _ANGLES)
    return np.asarray(found / np.maximum(lengths, 1e-12), dtype=np.complex64)


def _whitening(source: Pictures) -> tuple[npt.NDArray[np.complex128], Floats]:
    """Find the mean of the first wave, and what nearly whitens all; see `_AlongRings`."""
    some = np.linspace(0, source.count - 1, min(source.count, _SEEN)).astype(np.int64)
    series = np.concatenate([_series(source.grey[part]) for part in in_blocks(some, _BLOCK)])
    middle = series[:, :, 0].mean(axis=0)
    series[:, :, 0] -= middle
    by_wave = series.transpose(2, 0, 1)
    covariances = (by_wave.conj().transpose(0, 2, 1) @ by_wave).real / len(some)
    variances, axes = np.linalg.eigh(covariances)
    return middle, axes * np.stack([whitening(one) for one in variances])[:, None]


@functools.cache
def _rings() -> Any:  # noqa: ANN401 - SciPy has few types
    """Give what reads pictures along rings: sparse float32 (rings × angles, pixels)."""
    from scipy.sparse import csr_array

    middle, angles = (SIDE - 1) / 2, np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    down, right = (between(middle + _RADII * along(angles), SIDE) for along in (np.sin, np.cos))
    return csr_array((down[:, :, None] * right[:, None, :]).reshape(len(down), -1))


def _series(pictures: Grey) -> npt.NDArray[np.complex128]:
    """Read pictures along rings, and give their Fourier series: (n, rings, waves)."""
    flat = pictures.reshape(len(pictures), -1).T.astype(np.float32)
    rings = (_rings() @ flat).T.reshape(len(pictures), _RINGS, _ANGLES)
    rings = rings - rings.mean(axis=(1, 2), keepdims=True)
    rings = rings / (rings.std(axis=(1, 2), keepdims=True) + 1e-6)
    return np.asarray(np.fft.rfft(rings, axis=2)[:, :, :_WAVES] * np.sqrt(_RADII), np.complex128)


def _turned_block(block: Block, along: _AlongRings) -> Turns:
    count = min(_CANDIDATES, along.source.count - 1)
    numbers, _ = along.search.nearest(block, count)
    parts = in_blocks(np.arange(len(block)), _COMPARED)
    turns = [_turns(along.series[block[some]], along.series[numbers[some]]) for some in parts]
    alike, degrees, mirrored = map(np.concatenate, zip(*turns, strict=True))
    order = np.argsort(-alike, axis=1, kind="stable")
    first = min(LARGEST_GROUP, count - BEHIND)  # these may all be copies
    behind = np.linspace(first, min(2 * first, count) - 1, BEHIND).astype(np.int64)
    best = order[:, np.concatenate([np.arange(min(LOOKED_AT, first)), behind])]
    nearest = np.take_along_axis(alike, order[:, : reach(along.source.count)], axis=1)
    columns = (numbers, alike, degrees, mirrored)
    return Turns(nearest, *(np.take_along_axis(column, best, axis=1) for column in columns))


def _turns(series: Complex, others: Complex) -> tuple[Array, Array, Flags]:
    """Turn pictures (n, …) to be most like others (n, k, …): likenesses, degrees and mirrored."""
    crossed = np.zeros((2, *others.shape[:2], _ANGLES // 2 + 1), dtype=np.complex64)
    for found, picture in zip(crossed, (series, series.conj()), strict=True):
        np.einsum("arw,abrw->abw", picture, others.conj(), out=found[:, :, :_WAVES])
    alike = np.fft.irfft(crossed, _ANGLES, axis=3)
    angles, best = alike.argmax(axis=3), alike.max(axis=3)
    mirrored = best[1] > best[0]
    degrees = np.where(mirrored, angles[1], angles[0]) * np.float32(360 / _ANGLES)
    return best.max(axis=0), degrees, mirrored
