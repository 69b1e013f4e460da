"""How alike pictures are that may be turned by any angle or mirrored, seen along rings.

A turned copy differs from its original by what it was resampled with, and two parts of one design
by little more. So pictures are compared along directions in which parts differ more than a copy
does from its original: they are turned once more, the covariance of what that leaves is taken for
the noise, and every direction is whitened and weighted by the share of its variance that is no
noise (Wiener's filter). Turning shifts the rings around the middle, all alike: the likeness under
all angles is one inverse Fourier transform. Candidates are found by magnitudes, which no turn
changes.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Array, Flags, Floats, Indices
from features.cache.thumbnails import SIDE, Grey
from features.cluster.parallel import by_threads, each_by_threads
from features.runtime import Taken
from pipeline.groups.neighbours import Block, Cells, Search, Tick, cells_of
from pipeline.groups.pictures import Pictures, Remade
from pipeline.groups.similarity import LARGEST_GROUP, reach

BEHIND = 6  # further ones, behind what may all be copies
_CANDIDATES = 384  # for each picture, whose likeness under all angles is computed
_RINGS, _ANGLES, _WAVES = 12, 128, 24  # of a picture read around its middle
_TURN = 0.6  # radians, once, to see what turning does
_NOISE = 1 / 15  # of the deviation of all grey values: what compression does
_TURNED = 4000  # pictures that are turned at most to see what turning does
_COMPARED = 16  # of which the candidates are turned at once
_OF_EACH, _SCRATCH = 7000, 2 * 10**8  # bytes a picture, and of a process beside: series, searched
LOOKED_AT = 24  # candidates of each picture
Sparse = Any  # of SciPy, which has few types
Complex = npt.NDArray[np.complex64]
_BLOCK = 256  # pictures at once


class Turns(NamedTuple):
    """The most alike candidates of pictures under all angles.

    Attributes:
        nearest: float32 (n, reach) likenesses, the most alike first.
        numbers: int64 (n, k) candidates of the columns of `_looked_at`.
        alike: float32 (n, k) their likenesses.
        degrees: float32 (n, k) by which the picture is turned to be most like them.
        mirrored: bool (n, k) before that.
    """

    nearest: Array
    numbers: Indices
    alike: Array
    degrees: Array
    mirrored: Flags


def likely_turns(source: Pictures, tick: Tick | None) -> Turns:
    """Turn every picture against its candidates, here or on a cluster."""
    along = _AlongRings(source, *_ring_directions(source))
    along = along.but(cells=cells_of(along.sizes))
    blocks = along.search.blocks()
    taken = Taken(source.count * (source.grey[0].nbytes + _OF_EACH), _SCRATCH)
    found: list[Turns] = []
    for some in each_by_threads(_turned_block, blocks, along, taken=taken):
        found.append(some)
        if tick is not None:
            tick(len(some.nearest))
    placed = np.argsort(np.concatenate([along.search.rows(block) for block in blocks]))
    columns: list[Any] = [np.concatenate(column)[placed] for column in zip(*found, strict=True)]
    return Turns(*columns)


def _turned_block(block: Block, along: _AlongRings) -> Turns:
    rows, count = along.search.rows(block), min(_CANDIDATES, along.source.count - 1)
    numbers, _ = along.search.nearest(block, count)
    alike, degrees = (np.empty(numbers.shape, dtype=np.float32) for _ in range(2))
    mirrored = np.empty(numbers.shape, dtype=np.bool_)
    for start in range(0, len(rows), _COMPARED):
        some = slice(start, start + _COMPARED)
        turned = _turns(along.series[rows[some]], along.series[numbers[some]])
        alike[some], degrees[some], mirrored[some] = turned
    order = np.argsort(-alike, axis=1, kind="stable")
    nearest = np.take_along_axis(alike, order[:, : reach(along.source.count)], axis=1)
    best = order[:, _looked_at(order.shape[1])]
    return Turns(
        nearest,
        np.take_along_axis(numbers, best, axis=1),
        np.take_along_axis(alike, best, axis=1),
        np.take_along_axis(degrees, best, axis=1),
        np.take_along_axis(mirrored, best, axis=1),
    )


def _looked_at(count: int) -> Indices:
    """Choose columns of candidates, the best first: the best, and a few behind possible copies."""
    first = min(LARGEST_GROUP, count - BEHIND)
    behind = np.linspace(first, min(2 * first, count) - 1, BEHIND).astype(np.int64)
    return np.concatenate([np.arange(min(LOOKED_AT, first)), behind])


def _turns(series: Complex, others: Complex) -> tuple[Array, Array, Flags]:
    """Find how pictures are turned to be most like others.

    Args:
        series: complex64 (n, rings, waves).
        others: complex64 (n, k, rings, waves).

    Returns:
        Likenesses, degrees, and whether they are mirrored before: (n, k) each.
    """
    crossed = np.zeros((2, *others.shape[:2], _ANGLES // 2 + 1), dtype=np.complex64)
    for found, picture in zip(crossed, (series, series.conj()), strict=True):
        np.einsum("arw,abrw->abw", picture, others.conj(), out=found[:, :, :_WAVES])
    alike = np.fft.irfft(crossed, _ANGLES, axis=3)
    angles, best = alike.argmax(axis=3), alike.max(axis=3)
    mirrored = best[1] > best[0]
    degrees = np.where(mirrored, angles[1], angles[0]) * np.float32(360 / _ANGLES)
    return best.max(axis=0), degrees, mirrored


@dataclass(frozen=True)
class _AlongRings(Remade):
    """Pictures along rings around their middle, as weighted Fourier series.

    Attributes:
        source: the pictures.
        middle: complex128 (rings,) mean of the first wave, which does not count.
        axes: float64 (waves, rings, rings) directions of each wave, weighted, beside zeros.
        cells: in which those lie whose magnitudes are alike; None to compare all pairs.
    """

    source: Pictures
    middle: npt.NDArray[np.complex128]
    axes: Floats
    cells: Cells | None = None

    @cached_property
    def series(self) -> Complex:
        """Hold the series of all, complex64 (n, rings, waves), each of length 1."""
        blocks = self.source.blocks(_BLOCK)
        return np.concatenate(list(by_threads(_weighted, blocks, self)))

    @cached_property
    def sizes(self) -> Array:
        """Hold their magnitudes, which no turn changes: float32 (n, rings × waves)."""
        return np.abs(self.series).reshape(self.source.count, -1)

    @cached_property
    def search(self) -> Search:
        """Hold the way to candidates."""
        return Search(self.sizes, self.cells)


def _weighted(block: slice, along: _AlongRings) -> Complex:
    series = _series(along.source.grey[block])
    series[:, :, 0] -= along.middle
    found = np.matmul(series.transpose(2, 0, 1), along.axes).transpose(1, 2, 0)
    found[:, :, 0] /= np.sqrt(2)  # which has no mirror image among the waves
    lengths = np.sqrt((np.abs(found) ** 2).sum(axis=(1, 2), keepdims=True) * 2 / _ANGLES)
    return np.asarray(found / np.maximum(lengths, 1e-12), dtype=np.complex64)


def _ring_directions(source: Pictures) -> tuple[npt.NDArray[np.complex128], Floats]:
    """Find the mean of the first wave and the weighted directions of all; see `_AlongRings`."""
    blocks = source.blocks(_BLOCK)
    sums, squares = zip(*by_threads(_moments, blocks, source), strict=True)
    middle: npt.NDArray[np.complex128] = np.sum(sums, axis=0) / source.count
    values = np.sum(squares, axis=0) / source.count
    values[0] -= np.outer(middle.conj(), middle)
    noise = _noise_of_turning(source)
    axes = np.zeros((_WAVES, _RINGS, _RINGS))
    for wave in range(_WAVES):
        found, weights = _directions(values[wave].real, noise[wave].real)
        axes[wave, :, : len(weights)] = found * weights
    return middle, axes


def _moments(block: slice, source: Pictures) -> tuple[Any, Any]:
    """Add up the first wave (rings,), and products of rings of each wave (waves, rings, rings)."""
    series = _series(source.grey[block])
    return series[:, :, 0].sum(axis=0), _products(series)


def _products(series: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    by_wave = series.transpose(2, 0, 1)
    return np.asarray(np.matmul(by_wave.conj().transpose(0, 2, 1), by_wave), np.complex128)


def _noise_of_turning(source: Pictures) -> npt.NDArray[np.complex128]:
    """Turn some pictures once, and give the products of what that leaves, (waves, rings, rings)."""
    some = np.linspace(0, source.count - 1, min(source.count, _TURNED)).astype(np.int64)
    rng = np.random.default_rng(len(some))
    deviation = _NOISE * float(source.grey[some].std())
    middle = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - middle
    c, s = np.cos(_TURN), np.sin(_TURN)
    turning = _reading_at(middle + c * y + s * x, middle - s * y + c * x)
    back = np.exp(-1j * _TURN * np.arange(_WAVES))
    found = np.zeros((_WAVES, _RINGS, _RINGS), dtype=np.complex128)
    for start in range(0, len(some), _BLOCK):
        pictures = source.grey[some[start : start + _BLOCK]]
        turned = _sampled(pictures, turning).reshape(pictures.shape)
        turned += np.asarray(rng.normal(0, deviation, turned.shape), dtype=np.float32)
        found += _products(_series(turned) * back - _series(pictures))
    return found / len(some)


def _series(pictures: Grey | Array) -> npt.NDArray[np.complex128]:
    """Read pictures along rings, and give their Fourier series: (n, rings, waves)."""
    radius = _radii()[:, None]
    rings = _sampled(pictures, _rings()).reshape(len(pictures), _RINGS, _ANGLES)
    rings = rings - rings.mean(axis=(1, 2), keepdims=True)
    rings = rings / (rings.std(axis=(1, 2), keepdims=True) + 1e-6)
    return np.asarray(np.fft.rfft(rings, axis=2)[:, :, :_WAVES] * np.sqrt(radius), np.complex128)


def _radii() -> Floats:
    return np.linspace(1.5, (SIDE - 1) / 2 - 0.9, _RINGS)


@functools.cache
def _rings() -> Sparse:
    middle, radius = (SIDE - 1) / 2, _radii()[:, None]
    angle = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    return _reading_at(middle + radius * np.sin(angle), middle + radius * np.cos(angle))


def _reading_at(y: Floats, x: Floats) -> Sparse:
    """Give what reads pictures at these places, bilinear; the edge goes on outside.

    Returns:
        A sparse matrix of float32, (places, pixels): a tenth of the time of map_coordinates.
    """
    from scipy.sparse import csr_array

    y, x = (np.clip(one.ravel(), 0, SIDE - 1) for one in (y, x))
    top, left = (np.minimum(one.astype(np.int64), SIDE - 2) for one in (y, x))
    down, right = y - top, x - left
    places = np.arange(len(y))
    corners = (
        (down_by, right_by, (down if down_by else 1 - down) * (right if right_by else 1 - right))
        for down_by, right_by in itertools.product((0, 1), (0, 1))
    )
    parts = [(share, (top + a) * SIDE + left + b) for a, b, share in corners]
    shares, pixels = (np.concatenate(column) for column in zip(*parts, strict=True))
    shape = (len(y), SIDE * SIDE)
    return csr_array((shares.astype(np.float32), (np.tile(places, 4), pixels)), shape=shape)


def _sampled(pictures: Grey | Array, reading: Sparse) -> Array:
    """Read pictures with a matrix of `_reading_at`: float32 (n, places)."""
    flat = np.asarray(pictures, dtype=np.float32).reshape(len(pictures), -1)
    return np.ascontiguousarray((reading @ flat.T).T)


def _directions(values: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Find directions (width, k) that whiten values, weighted by what in them is no noise.

    Args:
        values: their covariance, float64 (width, width).
        noise: that of the noise.

    Returns:
        The directions, and their weights (k,).
    """
    variances, axes = np.linalg.eigh(values)
    there = variances > max(1e-9 * float(variances[-1]), 1e-12)
    white = axes[:, there] / np.sqrt(variances[there])
    shares, turned = np.linalg.eigh(white.T @ noise @ white)
    weights = 1 / (1 + np.maximum(shares, 0))
    return white @ turned * weights, weights
