"""Copies that were turned by any angle, mirrored or cropped, found in the small grey pictures.

A copy differs from its original by what it was resampled with, and two parts of one design by
little more. So each picture is compared along directions in which parts differ more than a copy
does from its original: the pictures are turned, or cut, once more, the covariance of what that
leaves is taken for the noise, and every direction is whitened and weighted by the share of its
variance that is no noise (Wiener's filter). Of all angles, or all windows, the best likeness
counts, and it is judged as in `pipeline.groups.similarity`: by each picture's own strangers.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices
from features.cache.thumbnails import SIDE, Grey
from pipeline.groups.neighbours import nearest
from pipeline.groups.similarity import Tail, Tick

FEWEST = 40  # pictures; fewer do not tell noise from parts
MOST_CUT = 4000
"""Pictures up to which all windows of each are compared with all others."""

_LIKELY = 0.3  # expected strangers up to which a pair is told of
_SURE = 0.01  # factor, where each is the other's nearest of all
_CANDIDATES = 384  # for each picture, whose likeness under all angles is computed
_RINGS, _ANGLES, _WAVES = 12, 128, 24  # of a picture read around its middle
_TURN = 0.6  # radians, once, to see what turning does
_NOISE = 1 / 15  # of the deviation of all grey values: what compression does
_BLOCK = 64  # pictures at once
_SIZES = (0.7, 0.77, 0.84, 0.91)  # of windows, both ways
_STEP = 1.5  # pixels between windows
_CUT_SIDE, _CUT_DIRECTIONS = 16, 150
_TRIED = 6  # windows that noise is measured on
_GROWS = 0.04  # how far a copy's size may lie from that of a window

Complex = npt.NDArray[np.complex64]
Vectors = npt.NDArray[np.float32]


class Pairs(NamedTuple):
    """Pictures that are probably copies: a < b, int64 (m,), and strangers expected, (m,)."""

    a: Indices
    b: Indices
    expected: Floats


def turned_copies(grey: Grey, tick: Tick | None = None) -> Pairs | None:
    """Find pictures that are others turned about their middle by any angle, or mirrored.

    Turning shifts the rings around the middle, all alike: the likeness under all angles is one
    inverse Fourier transform. Candidates are found by magnitudes, which no turn changes. A picture
    that is not square has been squeezed, and is found turned by quarters alone.

    Args:
        grey: uint8 (n, 32, 32), all different.
        tick: of `ticks`; one pass.

    Returns:
        None where there are too few to say what is usual.
    """
    if len(grey) < FEWEST:
        return None
    series = _weighted_series(grey)
    sizes = np.abs(series).reshape(len(grey), -1)
    numbers, _ = nearest(np.asarray(sizes, dtype=np.float32), min(_CANDIDATES, len(grey) - 1), tick)
    alike = np.empty(numbers.shape, dtype=np.float32)
    for start in range(0, len(grey), _BLOCK):
        one, others = series[start : start + _BLOCK], series[numbers[start : start + _BLOCK]].conj()
        crossed = np.zeros((*others.shape[:2], _ANGLES // 2 + 1), dtype=np.complex64)
        best = np.full(others.shape[:2], -np.inf, dtype=np.float32)
        for picture in (one, one.conj()):  # as it is, and mirrored
            crossed[:, :, :_WAVES] = np.einsum("arw,abrw->abw", picture, others)
            best = np.maximum(best, np.fft.irfft(crossed, _ANGLES, axis=2).max(axis=2))
        alike[start : start + _BLOCK] = best
    return _probable(numbers, alike)


def cropped_copies(grey: Grey) -> Pairs | None:
    """Find pictures that are windows of others, of 70 to 95 % of both sides.

    What all pictures show in a window, as the design of the parts, does not count.

    Args:
        grey: uint8 (n, 32, 32), all different.

    Returns:
        None where there are too few to say what is usual, or more than MOST_CUT.
    """
    if not FEWEST <= len(grey) <= MOST_CUT:
        return None
    pictures, windows = grey.astype(np.float32), _windows()
    axes = _directions_of_windows(pictures, windows)
    whole = _window(pictures, 1.0, 0.0, 0.0) @ axes
    alike = np.full((len(grey), len(grey)), -1, dtype=np.float32)
    for window in windows:
        part = _window(pictures, *window) @ axes
        usual = part.mean(axis=0)
        np.maximum(alike, _unit(part - usual) @ _unit(whole - usual).T, out=alike)
    alike = np.maximum(alike, alike.T)
    np.fill_diagonal(alike, -np.inf)
    count = min(_CANDIDATES, len(grey) - 1)
    numbers = np.argpartition(-alike, count - 1, axis=1)[:, :count]
    return _probable(numbers, np.take_along_axis(alike, numbers, axis=1))


def _probable(numbers: Indices, alike: Vectors) -> Pairs:
    """Find the most alike others of each picture: (n, count) numbers and likenesses, unsorted."""
    order = np.argsort(-alike, axis=1, kind="stable")
    numbers, alike = np.take_along_axis(numbers, order, 1), np.take_along_axis(alike, order, 1)
    tail, group = Tail.of(alike, len(alike))
    a, b = np.repeat(np.arange(len(alike)), group), numbers[:, :group].ravel()
    expected = tail.strangers(alike[:, :group].ravel().astype(np.float64), a, b)
    best = numbers[:, 0]
    # Of two strangers each is hardly ever the other's nearest, and so near: one link is enough.
    each_other = (best[a] == b) & (best[b] == a)
    expected = np.where(each_other & (expected < _LIKELY), _SURE * expected, expected)
    pairs, first = np.unique(np.minimum(a, b) * len(alike) + np.maximum(a, b), return_index=True)
    kept = expected[first] < _LIKELY
    one, other = np.divmod(pairs[kept], len(alike))
    return Pairs(one, other, expected[first][kept])


def _directions(values: Floats, noise: Floats, least: float = 1e-9) -> tuple[Floats, Floats]:
    """Find directions (width, k) that whiten values, weighted by what in them is no noise.

    Args:
        values: their covariance, float64 (width, width).
        noise: that of the noise.
        least: variance, of the largest, below which there is nothing.

    Returns:
        The directions, and their weights (k,).
    """
    variances, axes = np.linalg.eigh(values)
    there = variances > max(least * float(variances[-1]), 1e-12)
    white = axes[:, there] / np.sqrt(variances[there])
    shares, turned = np.linalg.eigh(white.T @ noise @ white)
    weights = 1 / (1 + np.maximum(shares, 0))
    return white @ turned * weights, weights


def _weighted_series(grey: Grey) -> Complex:
    """Compute Fourier series along the rings, (n, rings, waves), each of length 1."""
    pictures = grey.astype(np.float32)
    middle = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - middle
    c, s = np.cos(_TURN), np.sin(_TURN)
    turned = _noisy(_sampled(pictures, middle + c * y + s * x, middle - s * y + c * x))
    series = _series(pictures)
    changed = _series(turned) * np.exp(-1j * _TURN * np.arange(_WAVES)) - series
    series[:, :, 0] -= series[:, :, 0].mean(axis=0)
    found = np.zeros_like(series)
    for wave in range(_WAVES):
        values, noise = (
            (part.conj().T @ part).real / len(grey)
            for part in (series[:, :, wave], changed[:, :, wave])
        )
        axes, weights = _directions(values, noise)
        found[:, :, wave][:, : len(weights)] = series[:, :, wave] @ (axes * weights)
    found[:, :, 0] /= np.sqrt(2)  # which has no mirror image among the waves
    lengths = np.sqrt((np.abs(found) ** 2).sum(axis=(1, 2), keepdims=True) * 2 / _ANGLES)
    return np.asarray(found / np.maximum(lengths, 1e-12), dtype=np.complex64)


def _series(pictures: Vectors) -> npt.NDArray[np.complex128]:
    middle = (SIDE - 1) / 2
    radius = np.linspace(1.5, middle - 0.9, _RINGS)[:, None]
    angle = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    rings = _sampled(pictures, middle + radius * np.sin(angle), middle + radius * np.cos(angle))
    rings = rings - rings.mean(axis=(1, 2), keepdims=True)
    rings = rings / (rings.std(axis=(1, 2), keepdims=True) + 1e-6)
    return np.asarray(np.fft.rfft(rings, axis=2)[:, :, :_WAVES] * np.sqrt(radius), np.complex128)


def _sampled(pictures: Vectors, y: Floats, x: Floats) -> Vectors:
    """Read all pictures at these places, bilinear: (n, *places); the edge goes on outside."""
    y, x = (np.clip(along, 0, SIDE - 1.001) for along in (y, x))
    top, left = y.astype(np.int64), x.astype(np.int64)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = pictures[:, top, left] * (1 - right) + pictures[:, top, left + 1] * right
    lower = pictures[:, top + 1, left] * (1 - right) + pictures[:, top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def _noisy(pictures: Vectors) -> Vectors:
    rng = np.random.default_rng(len(pictures))
    return pictures + rng.normal(0, _NOISE * pictures.std(), pictures.shape).astype(np.float32)


Window = tuple[float, float, float]  # its size, and where it lies down and right, 0 to 1


def _windows() -> list[Window]:
    found: list[Window] = []
    for size in _SIZES:
        places = np.linspace(0, 1, round((1 - size) * SIDE / _STEP) + 1).tolist()
        found += [(size, down, right) for down, right in itertools.product(places, places)]
    return found


def _window(pictures: Vectors, size: float, down: float, right: float) -> Vectors:
    """Cut a window out of all pictures: (n, 256), each with mean 0 and deviation 1."""
    rows, columns = _reading(size, down), _reading(size, right)
    cut = (rows @ pictures @ columns.T).reshape(len(pictures), -1)
    cut = cut - cut.mean(axis=1, keepdims=True)
    return np.asarray(cut / (cut.std(axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def _reading(size: float, place: float) -> Vectors:
    """Say how much of each pixel of a row a window's pixels take: (16, 32); means of linear."""
    fine = 4
    step = size * SIDE / (_CUT_SIDE * fine)
    along = (np.arange(_CUT_SIDE * fine) + 0.5) * step - 0.5 + place * (1 - size) * SIDE
    along = np.clip(along, 0, SIDE - 1)[:, None]
    taken = np.maximum(0, 1 - np.abs(along - np.arange(SIDE)))
    return np.asarray(taken.reshape(_CUT_SIDE, fine, SIDE).mean(axis=1), dtype=np.float32)


def _directions_of_windows(pictures: Vectors, windows: list[Window]) -> Vectors:
    """Say in what windows of two parts differ more than two of one part that lie a little apart."""
    rng = np.random.default_rng(0)
    width = _CUT_SIDE**2
    values, noise = np.zeros((2, width, width))
    noisy = _noisy(pictures)
    for number in rng.choice(len(windows), _TRIED, replace=False):
        size, *places = windows[int(number)]
        moved = np.array(places) + rng.uniform(-0.5, 0.5, 2) * _STEP / (SIDE * (1 - size))
        cut = _window(pictures, size, *places)
        other = _window(noisy, size * float(np.exp(rng.uniform(-_GROWS, _GROWS))), *moved.tolist())
        for total, part in ((values, cut), (noise, cut - other)):
            apart = (part - part.mean(axis=0)).astype(np.float64)
            total += apart.T @ apart / (_TRIED * len(pictures))
    axes, weights = _directions(values, noise, 1e-5)
    return np.asarray(axes[:, np.argsort(-weights)[:_CUT_DIRECTIONS]], dtype=np.float32)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
