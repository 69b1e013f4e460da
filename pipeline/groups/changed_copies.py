"""Copies that were turned by any angle, mirrored or cropped, found in the small grey pictures.

A turned copy differs from its original by what it was resampled with, and two parts of one design
by little more. So pictures are compared along directions in which parts differ more than a copy
does from its original: they are turned once more, the covariance of what that leaves is taken for
the noise, and every direction is whitened and weighted by the share of its variance that is no
noise (Wiener's filter). Of all angles the best likeness counts, judged as in
`pipeline.groups.similarity`: by each picture's own strangers. A copy of either kind is then laid on
its original, and what differs is compared with what differs where it is laid on others.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from features.arrays import Array, Flags, Floats, Indices
from features.cache.thumbnails import SIDE, Grey
from pipeline.groups.neighbours import nearest, unit
from pipeline.groups.registration import shrink
from pipeline.groups.similarity import LARGEST_GROUP, Tail, Tick

FEWEST = 40  # pictures; fewer do not tell noise from parts
MOST_CUT = 4000
"""Pictures up to which cropped copies are looked for: a minute or two."""
MANY = 8
"""Copies of one picture; more are of an augmented export, or no copies but the design."""

_LIKELY = 0.3  # expected strangers up to which a turned picture is laid on another
_CANDIDATES = 384  # for each picture, whose likeness under all angles is computed
_RINGS, _ANGLES, _WAVES = 12, 128, 24  # of a picture read around its middle
_TURN = 0.6  # radians, once, to see what turning does
_NOISE = 1 / 15  # of the deviation of all grey values: what compression does
_BLOCK = 64  # pictures at once
_COARSE = (0.7, 0.77, 0.84, 0.91)  # sizes of windows that candidates are found by, both ways
_FINE = np.geomspace(0.69, 0.96, 14).tolist()  # and those that candidates are laid on
_STEP = 1.5  # pixels of the coarse picture between windows
_CUT_SIDE = 16
_LOOKED_AT = 24  # candidates of each picture
_NEAR = 0.12  # how far sizes lie apart, in logarithms, that are tried
_GRAINS, _FLAT = 32, 2.0  # along a side; grey levels of contrast below which there is only noise
_BEHIND = 6  # further ones, behind what may all be copies
_APART = 0.5  # of what those are unlike: as much as many of the best are unlike in a crowd
_LYING = 6.0  # degrees up to which a picture is not turned
_SAME = 0.2  # of what those leave, what each of many copies leaves at most
_USUAL = 0.75  # quantile of what candidates leave that is the usual
_PERHAPS, _SURELY = 0.6, 0.4  # of what is usual, what a copy leaves at half and at whole size
_LAID = 0.0099  # expected strangers of such a pair at most; the surest are tied first

Complex = npt.NDArray[np.complex64]


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
        grey: uint8 (n, 64, 64), all different.
        tick: of `ticks`; one pass.

    Returns:
        None where there are too few to say what is usual.
    """
    if len(grey) < FEWEST:
        return None
    series = _weighted_series(grey)
    sizes = np.abs(series).reshape(len(grey), -1)
    numbers, _ = nearest(np.asarray(sizes, dtype=np.float32), min(_CANDIDATES, len(grey) - 1), tick)
    alike, degrees = (np.empty(numbers.shape, dtype=np.float32) for _ in range(2))
    mirrored = np.empty(numbers.shape, dtype=np.bool_)
    for start in range(0, len(grey), _BLOCK):
        block = slice(start, start + _BLOCK)
        found = _turns(series[block], series[numbers[block]])
        alike[block], degrees[block], mirrored[block] = found
    order = np.argsort(-alike, axis=1, kind="stable")
    tail = Tail.of(np.take_along_axis(alike, order, axis=1), len(grey))
    best = order[:, _looked_at(order.shape[1])]
    numbers, alike = (np.take_along_axis(numbers, best, 1), np.take_along_axis(alike, best, 1))
    degrees = np.take_along_axis(degrees, best, axis=1)
    mirrored = np.take_along_axis(mirrored, best, axis=1)
    ends = np.repeat(np.arange(len(grey)), numbers.shape[1]), numbers.ravel()
    expected = tail.strangers(alike.ravel().astype(np.float64), *ends).reshape(numbers.shape)
    rows = np.flatnonzero((expected[:, :-_BEHIND] < _LIKELY).any(axis=1) | _in_crowds(alike))
    left = _left_turned(grey, rows, numbers[rows], degrees[rows], mirrored[rows])
    lying = ~mirrored[rows] & (abs((degrees[rows] + 180) % 360 - 180) < _LYING)
    crowds = _crowds(np.where(lying, np.inf, left), left[:, -_BEHIND:])
    left = _of_the_usual(left[:, :-_BEHIND])
    # Copies that were cropped alike look turned, seen along rings: laid on one another they differ.
    left[expected[rows, :-_BEHIND] >= _LIKELY] = np.inf
    return _copies(rows, numbers[rows, :-_BEHIND], left, len(grey), crowds)


def _looked_at(count: int) -> Indices:
    """Choose columns of candidates, the best first: the best, and a few behind possible copies."""
    first = min(LARGEST_GROUP, count - _BEHIND)
    behind = np.linspace(first, min(2 * first, count) - 1, _BEHIND).astype(np.int64)
    return np.concatenate([np.arange(min(_LOOKED_AT, first)), behind])


def _in_crowds(alike: Array) -> Flags:
    """Say which pictures have many candidates far more alike than those behind: bool (n,)."""
    return np.asarray(1 - alike[:, MANY] < _APART * (1 - alike[:, -_BEHIND:].max(axis=1)))


def _crowds(left: Array, behind: Array) -> Array:
    """Say what candidates leave of what those behind them leave, where many leave next to nothing.

    An augmented export has more copies of each picture than strangers can be told by among the
    nearest. Parts of one design leave about as much, wherever they stand; those in one jig lie as
    the others do, where an export turns every copy in its own way.

    Args:
        left: float32 (m, k), of columns of `_looked_at`; infinite where it is not turned.
        behind: of the last columns, whether turned or not.

    Returns:
        float32 (m, k - _BEHIND), infinite for those that are not one of many.
    """
    behind = np.quantile(behind, _USUAL, axis=1, keepdims=True) if len(left) else behind[:, :1]
    share = left[:, :-_BEHIND] / np.maximum(behind * _SAME, 1e-6) * np.float32(_SURELY)
    share[(share < _SURELY).sum(axis=1) <= MANY] = np.inf
    return np.asarray(share, dtype=np.float32)


def cropped_copies(grey: Grey) -> Pairs | None:
    """Find pictures that are windows of others, of 70 to 95 % of both sides.

    Candidates are those of which some coarse window looks most alike. Each is laid on the picture
    at every place and in many sizes, by the correlation of their fine structure, local contrast
    evened out: what is left of the difference is compared with what is left by the other
    candidates. A copy leaves less than half of it.

    Args:
        grey: uint8 (n, 64, 64), all different.

    Returns:
        None where there are too few to say what is usual, or more than MOST_CUT.
    """
    if not FEWEST <= len(grey) <= MOST_CUT:
        return None
    pictures = grey.astype(np.float32)
    small = shrink(pictures, SIDE // 2)
    numbers, sizes = _like_windows(small)
    rows = np.arange(len(grey))
    # A look at half the size spares nine in ten a look at the whole one.
    rows = rows[(_left(small, rows, numbers, sizes) < _PERHAPS).any(axis=1)]
    numbers, sizes = numbers[rows], sizes[rows]
    left = _left(pictures, rows, numbers, sizes)
    return _copies(rows, numbers, left, len(grey))


def _copies(
    rows: Indices, numbers: Indices, left: Array, count: int, crowds: Array | None = None
) -> Pairs:
    """Find pairs that leave little of what is usual: (m,) rows, (m, k) candidates and shares."""
    # What most candidates share is the design.
    left[(left < _SURELY).sum(axis=1) > MANY] = np.inf
    left = left if crowds is None else np.minimum(left, crowds)
    copies = left < _SURELY
    a, b = rows[np.nonzero(copies)[0]], numbers[copies]
    order = np.argsort(left[copies], kind="stable")  # of a pair that is seen twice the surer one
    pairs = np.minimum(a, b)[order] * count + np.maximum(a, b)[order]
    pairs, first = np.unique(pairs, return_index=True)
    one, other = np.divmod(pairs, count)
    share = left[copies][order][first].astype(np.float64) / _SURELY
    return Pairs(one, other, _LAID * share**4)


def _of_the_usual(left: Array) -> Array:
    usual = np.quantile(left, _USUAL, axis=1, keepdims=True) if len(left) else left
    return np.asarray(left / np.maximum(usual, 1e-6), dtype=np.float32)


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


def _left_turned(
    grey: Grey, rows: Indices, numbers: Indices, degrees: Array, mirrored: Flags
) -> Array:
    """Say what differs where pictures are turned and laid on candidates, inside a circle.

    Returns:
        float32 (m, k), of 1 less the correlation; m rows, k candidates of each.
    """
    fine = _fine(grey.astype(np.float32), SIDE / _GRAINS)
    inside = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)) < SIDE / 2 - 1.5
    left = np.empty(numbers.shape, dtype=np.float32)
    for at, picture in enumerate(fine[rows]):
        both = [Image.fromarray(np.ascontiguousarray(one)) for one in (picture, picture[::-1])]
        turned = np.stack(
            [
                np.asarray(both[int(flip)].rotate(angle, Image.Resampling.BILINEAR))[inside]
                for flip, angle in zip(mirrored[at], degrees[at].tolist(), strict=True)
            ]
        )
        others = fine[numbers[at]][:, inside]
        one, other = (unit(x - x.mean(axis=1, keepdims=True)) for x in (turned, others))
        left[at] = 1 - (one * other).sum(axis=1)
    return left


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


def _series(pictures: Array) -> npt.NDArray[np.complex128]:
    middle = (SIDE - 1) / 2
    radius = np.linspace(1.5, middle - 0.9, _RINGS)[:, None]
    angle = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    rings = _sampled(pictures, middle + radius * np.sin(angle), middle + radius * np.cos(angle))
    rings = rings - rings.mean(axis=(1, 2), keepdims=True)
    rings = rings / (rings.std(axis=(1, 2), keepdims=True) + 1e-6)
    return np.asarray(np.fft.rfft(rings, axis=2)[:, :, :_WAVES] * np.sqrt(radius), np.complex128)


def _sampled(pictures: Array, y: Floats, x: Floats) -> Array:
    """Read all pictures at these places, bilinear: (n, *places); the edge goes on outside."""
    from scipy.ndimage import map_coordinates

    return np.stack([map_coordinates(one, (y, x), order=1, mode="nearest") for one in pictures])


def _noisy(pictures: Array) -> Array:
    rng = np.random.default_rng(len(pictures))
    return pictures + rng.normal(0, _NOISE * pictures.std(), pictures.shape).astype(np.float32)


def _like_windows(pictures: Array) -> tuple[Indices, Array]:
    """Find for each picture others of which a window looks like it, and the window's size.

    Returns:
        Their numbers, int64 (n, count), the best first, and the sizes, float32 (n, count).
    """
    whole = _window(pictures, 1.0, 0.0, 0.0)
    alike = np.full((len(pictures), len(pictures)), -1, dtype=np.float32)
    sizes = np.zeros_like(alike)
    for size in _COARSE:
        places = np.linspace(0, 1, round((1 - size) * len(pictures[0]) / _STEP) + 1).tolist()
        for down, right in itertools.product(places, places):
            part = _window(pictures, size, down, right)
            usual = part.mean(axis=0)  # what all show there, as the design, does not count
            found = unit(whole - usual) @ unit(part - usual).T
            sizes[found > alike] = size
            np.maximum(alike, found, out=alike)
    np.fill_diagonal(alike, -np.inf)
    numbers = np.argsort(-alike, axis=1, kind="stable")[:, : min(_LOOKED_AT, len(pictures) - 1)]
    return numbers, np.take_along_axis(sizes, numbers, axis=1)


def _window(pictures: Array, size: float, down: float, right: float) -> Array:
    """Cut a window out of all pictures: (n, 256), each with mean 0 and deviation 1."""
    side = pictures.shape[1]
    rows, columns = (_reading(side, size, place) for place in (down, right))
    cut = (rows @ pictures @ columns.T).reshape(len(pictures), -1)
    cut = cut - cut.mean(axis=1, keepdims=True)
    return np.asarray(cut / (cut.std(axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def _reading(side: int, size: float, place: float) -> Array:
    """Say how much of each pixel of a row a window's pixels take: (16, side); means of linear."""
    fine = 4
    along = (np.arange(_CUT_SIDE * fine) + 0.5) * size * side / (_CUT_SIDE * fine) - 0.5
    along = np.clip(along + place * (1 - size) * side, 0, side - 1)[:, None]
    taken = np.maximum(0, 1 - np.abs(along - np.arange(side)))
    return np.asarray(taken.reshape(_CUT_SIDE, fine, side).mean(axis=1), dtype=np.float32)


def _left(pictures: Array, rows: Indices, numbers: Indices, sizes: Array) -> Array:
    """Say what differs where pictures are laid on their candidates, 1 being what usually does.

    Args:
        pictures: float32 (n, side, side).
        rows: int64 (m,) those that are laid on others.
        numbers: int64 (m, count) their candidates.
        sizes: float32 (m, count), about how large the window is.

    Returns:
        float32 (m, count), of 1 less the largest normalised cross-correlation over places and
        sizes (by Fourier transforms: Lewis, "Fast normalized cross-correlation", 1995).
    """
    from scipy.fft import irfft2, rfft2

    side = pictures.shape[1]
    shape = (side, side)  # no window reaches over the edge, so that nothing wraps around
    best = np.zeros(numbers.shape, dtype=np.float32)
    grain = side / _GRAINS
    fine = _fine(pictures, grain)
    whole, power = rfft2(fine, shape), rfft2(fine**2, shape)
    for size in _FINE:
        width = round(size * side)
        room = side - width + 1
        covered = rfft2(np.ones((width, width), np.float32), shape).conj()
        energy = irfft2(power * covered, shape)[:, :room, :room]
        lengths = np.sqrt(np.maximum(energy, 1e-3))
        parts = _fine(_resized(pictures, width), grain)
        parts -= parts.mean(axis=(1, 2), keepdims=True)
        parts /= np.sqrt((parts**2).sum(axis=(1, 2), keepdims=True)) + 1e-6
        seen = rfft2(parts, shape).conj()
        near = abs(np.log(size / sizes)) < _NEAR
        for at in np.flatnonzero(near.any(axis=1)).tolist():
            others = numbers[at, near[at]]
            found = irfft2(whole[others] * seen[rows[at]], shape)[:, :room, :room] / lengths[others]
            best[at, near[at]] = np.maximum(best[at, near[at]], found.max((1, 2)))
    return _of_the_usual(1 - best)


def _resized(pictures: Array, side: int) -> Array:
    small = Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(p).resize((side, side), small)) for p in pictures])


def _fine(pictures: Array, grain: float) -> Array:
    """Leave the fine structure of pictures, its contrast evened out."""
    from scipy.ndimage import gaussian_filter

    left = pictures - gaussian_filter(pictures, (0, grain, grain))
    contrast = np.sqrt(gaussian_filter(left**2, (0, 2 * grain, 2 * grain)))
    return np.asarray(left / (contrast + _FLAT), dtype=np.float32)
