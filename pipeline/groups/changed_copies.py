"""Copies that were turned by any angle, mirrored or cropped, found in the small grey pictures.

Of a turned copy the best of all angles counts (`pipeline.groups.along_rings`), judged as in
`pipeline.groups.similarity`: by each picture's own strangers. A copy of either kind is then laid on
its original, and what differs is compared with what differs where it is laid on others.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from features.arrays import Array, Flags, Floats, Indices
from features.cache.thumbnails import SIDE
from features.cluster.parallel import by_threads
from pipeline.groups.along_rings import BEHIND, LOOKED_AT, likely_turns
from pipeline.groups.neighbours import Tick, unit
from pipeline.groups.pictures import Pictures, shrink
from pipeline.groups.similarity import Tail

FEWEST = 40  # pictures; fewer do not tell noise from parts
MOST_CUT = 4000
"""Pictures up to which cropped copies are looked for: a minute or two."""
MANY = 8
"""Copies of one picture; more are of an augmented export, or no copies but the design."""

_LIKELY = 0.3  # expected strangers up to which a turned picture is laid on another
_BLOCK = 256  # pictures at once
_COARSE = (0.7, 0.77, 0.84, 0.91)  # sizes of windows that candidates are found by, both ways
_FINE = np.geomspace(0.69, 0.96, 14).tolist()  # and those that candidates are laid on
_STEP = 1.5  # pixels of the coarse picture between windows
_CUT_SIDE = 16
_NEAR = 0.12  # how far sizes lie apart, in logarithms, that are tried
_GRAINS, _FLAT = 32, 2.0  # along a side; grey levels of contrast below which there is only noise
_APART = 0.5  # of what those are unlike: as much as many of the best are unlike in a crowd
_LYING = 6.0  # degrees up to which a picture is not turned
_SAME = 0.2  # of what those leave, what each of many copies leaves at most
_USUAL = 0.75  # quantile of what candidates leave that is the usual
_PERHAPS, _SURELY = 0.6, 0.4  # of what is usual, what a copy leaves at half and at whole size
_LAID = 0.0099  # expected strangers of such a pair at most; the surest are tied first


class Pairs(NamedTuple):
    """Pictures that are probably copies: a < b, int64 (m,), and strangers expected, (m,)."""

    a: Indices
    b: Indices
    expected: Floats


def turned_copies(source: Pictures, tick: Tick | None = None) -> Pairs | None:
    """Find pictures that are others turned about their middle by any angle, or mirrored.

    Turning shifts the rings around the middle, all alike: the likeness under all angles is one
    inverse Fourier transform. Candidates are found by magnitudes, which no turn changes. A picture
    that is not square has been squeezed, and is found turned by quarters alone.

    Args:
        source: uint8 (n, 64, 64), all different.
        tick: of `ticks`; one pass.

    Returns:
        None where there are too few to say what is usual.
    """
    if source.count < FEWEST:
        return None
    found = likely_turns(source, tick)
    tail = Tail.of(found.nearest, source.count)
    numbers = found.numbers
    ends = np.repeat(np.arange(source.count), numbers.shape[1]), numbers.ravel()
    expected = tail.strangers(found.alike.ravel().astype(np.float64), *ends).reshape(numbers.shape)
    chosen = (expected[:, :-BEHIND] < _LIKELY).any(axis=1) | _in_crowds(found.alike)
    rows = np.flatnonzero(chosen)
    numbers, degrees, mirrored = numbers[rows], found.degrees[rows], found.mirrored[rows]
    left = _left_turned(source, rows, numbers, degrees, mirrored)
    lying = ~mirrored & (abs((degrees + 180) % 360 - 180) < _LYING)
    crowds = _crowds(np.where(lying, np.inf, left), left[:, -BEHIND:])
    left = _of_the_usual(left[:, :-BEHIND])
    # Copies that were cropped alike look turned, seen along rings: laid on one another they differ.
    left[expected[rows, :-BEHIND] >= _LIKELY] = np.inf
    return _copies(rows, numbers[:, :-BEHIND], left, source.count, crowds)


def _in_crowds(alike: Array) -> Flags:
    """Say which pictures have many candidates far more alike than those behind: bool (n,)."""
    return np.asarray(1 - alike[:, MANY] < _APART * (1 - alike[:, -BEHIND:].max(axis=1)))


def _crowds(left: Array, behind: Array) -> Array:
    """Say what candidates leave of what those behind them leave, where many leave next to nothing.

    An augmented export has more copies of each picture than strangers can be told by among the
    nearest. Parts of one design leave about as much, wherever they stand; those in one jig lie as
    the others do, where an export turns every copy in its own way.

    Args:
        left: float32 (m, k), of columns of `looked_at`; infinite where it is not turned.
        behind: of the last columns, whether turned or not.

    Returns:
        float32 (m, k - BEHIND), infinite for those that are not one of many.
    """
    behind = np.quantile(behind, _USUAL, axis=1, keepdims=True) if len(left) else behind[:, :1]
    share = left[:, :-BEHIND] / np.maximum(behind * _SAME, 1e-6) * np.float32(_SURELY)
    share[(share < _SURELY).sum(axis=1) <= MANY] = np.inf
    return np.asarray(share, dtype=np.float32)


def cropped_copies(source: Pictures) -> Pairs | None:
    """Find pictures that are windows of others, of 70 to 95 % of both sides.

    Candidates are those of which some coarse window looks most alike. Each is laid on the picture
    at every place and in many sizes, by the correlation of their fine structure, local contrast
    evened out: what is left of the difference is compared with what is left by the other
    candidates. A copy leaves less than half of it.

    Args:
        source: uint8 (n, 64, 64), all different.

    Returns:
        None where there are too few to say what is usual, or more than MOST_CUT.
    """
    if not FEWEST <= source.count <= MOST_CUT:
        return None
    pictures = source.grey.astype(np.float32)
    small = shrink(pictures, SIDE // 2)
    numbers, sizes = _like_windows(small)
    rows = np.arange(source.count)
    # A look at half the size spares nine in ten a look at the whole one.
    rows = rows[(_left(small, rows, numbers, sizes) < _PERHAPS).any(axis=1)]
    numbers, sizes = numbers[rows], sizes[rows]
    left = _left(pictures, rows, numbers, sizes)
    return _copies(rows, numbers, left, source.count)


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


def _left_turned(
    source: Pictures, rows: Indices, numbers: Indices, degrees: Array, mirrored: Flags
) -> Array:
    """Say what differs where pictures are turned and laid on candidates, inside a circle.

    Returns:
        float32 (m, k), of 1 less the correlation; m rows, k candidates of each.
    """
    used = np.unique(np.concatenate([rows, numbers.ravel()]))
    fine = np.empty((len(used), SIDE, SIDE), dtype=np.float16)  # half of the room of all pictures
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(used), _BLOCK)]
    for block, some in zip(blocks, by_threads(_fine_block, blocks, source, used), strict=True):
        fine[block] = some
    at, others = np.searchsorted(used, rows), np.searchsorted(used, numbers)
    calls = list(range(len(rows)))
    made = by_threads(_laid_turned, calls, fine, at, others, degrees, mirrored)
    return np.array(list(made), dtype=np.float32).reshape(numbers.shape)


def _fine_block(block: slice, source: Pictures, used: Indices) -> Array:
    return _fine(source.grey[used[block]].astype(np.float32), SIDE / _GRAINS)


def _laid_turned(
    row: int,
    fine: npt.NDArray[np.float16],
    at: Indices,
    others: Indices,
    degrees: Array,
    mirrored: Flags,
) -> Array:
    """Lay one picture, turned, on its candidates: what differs, float32 (k,)."""
    inside = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)) < SIDE / 2 - 1.5
    picture = fine[at[row]].astype(np.float32)
    both = [Image.fromarray(np.ascontiguousarray(one)) for one in (picture, picture[::-1])]
    turned = np.stack(
        [
            np.asarray(both[int(flip)].rotate(angle, Image.Resampling.BILINEAR))[inside]
            for flip, angle in zip(mirrored[row], degrees[row].tolist(), strict=True)
        ]
    )
    laid = fine[others[row]].astype(np.float32)[:, inside]
    one, other = (unit(x - x.mean(axis=1, keepdims=True)) for x in (turned, laid))
    return np.asarray(1 - (one * other).sum(axis=1), dtype=np.float32)


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
    count = min(LOOKED_AT, len(pictures) - 1)
    blocks = [alike[start : start + _BLOCK] for start in range(0, len(alike), _BLOCK)]
    numbers = np.vstack([np.argsort(-some, axis=1, kind="stable")[:, :count] for some in blocks])
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
    if not len(rows):
        return best
    grain = side / _GRAINS
    used, others = np.unique(numbers, return_inverse=True)
    others = others.reshape(numbers.shape)
    whole, power = _transforms(pictures[used], grain)
    for size in _FINE:
        width = round(size * side)
        room = side - width + 1
        covered = rfft2(np.ones((width, width), np.float32), shape).conj()
        lengths = np.empty((len(used), room, room), dtype=np.float32)
        for start in range(0, len(used), _BLOCK):
            block = slice(start, start + _BLOCK)
            energy = irfft2(power[block] * covered, shape)[:, :room, :room]
            lengths[block] = np.sqrt(np.maximum(energy, 1e-3))
        parts = _fine(_resized(pictures[rows], width), grain)
        parts -= parts.mean(axis=(1, 2), keepdims=True)
        parts /= np.sqrt((parts**2).sum(axis=(1, 2), keepdims=True)) + 1e-6
        seen = rfft2(parts, shape).conj()
        near = abs(np.log(size / sizes)) < _NEAR
        shown = _Shown(whole, seen, lengths, room)
        calls = np.flatnonzero(near.any(axis=1)).tolist()
        for at, found in zip(
            calls, by_threads(_best_places, calls, shown, others, near), strict=True
        ):
            best[at, near[at]] = np.maximum(best[at, near[at]], found)
    return _of_the_usual(1 - best)


def _transforms(pictures: Array, grain: float) -> tuple[Any, Any]:
    """Give the Fourier transforms of the fine structure and of its square."""
    from scipy.fft import rfft2

    fine = _fine(pictures, grain)
    return rfft2(fine, fine.shape[1:]), rfft2(fine**2, fine.shape[1:])


class _Shown(NamedTuple):
    """Hold windows of one size and their candidates as transforms, and how bright these are."""

    whole: Any
    seen: Any
    lengths: Array
    room: int


def _best_places(at: int, shown: _Shown, others: Indices, near: Flags) -> Array:
    """Lay a window on its candidates at every place: the largest correlation with each."""
    from scipy.fft import irfft2

    candidates, room = others[at, near[at]], shown.room
    products = shown.whole[candidates] * shown.seen[at]
    shape = (shown.whole.shape[1],) * 2
    found = irfft2(products, shape)[:, :room, :room] / shown.lengths[candidates]
    return np.asarray(found.max((1, 2)), dtype=np.float32)


def _resized(pictures: Array, side: int) -> Array:
    small = Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(p).resize((side, side), small)) for p in pictures])


def _fine(pictures: Array, grain: float) -> Array:
    """Leave the fine structure of pictures, its contrast evened out."""
    from scipy.ndimage import gaussian_filter

    left = pictures - gaussian_filter(pictures, (0, grain, grain))
    contrast = np.sqrt(gaussian_filter(left**2, (0, 2 * grain, 2 * grain)))
    return np.asarray(left / (contrast + _FLAT), dtype=np.float32)
