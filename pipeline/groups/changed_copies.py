"""Copies that were turned by any angle, mirrored or cropped, found in the small grey pictures.

Candidates are what looks alike along rings (`pipeline.groups.along_rings`), or through a window.
Each picture is then laid on its candidates as they say, by its fine structure: a copy leaves far
less of a difference than what is usual among the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from features.arrays import Array, Flags, Floats, Indices
from features.cache.thumbnails import SIDE
from features.cluster.parallel import by_threads
from pipeline.groups.along_rings import BEHIND, LOOKED_AT, likely_turns
from pipeline.groups.neighbours import Tick, unit
from pipeline.groups.pictures import Pictures, between, in_blocks, normalise, shrink
from pipeline.groups.similarity import Pairs, Tail

FEWEST = 40  # pictures; fewer do not tell noise from parts
MOST_CUT = 4000
"""Pictures up to which cropped copies are looked for: a minute or two."""
MOST_WHOLE = 20_000
"""Pictures up to which turned ones are laid at whole size; more would fill memory."""
MANY = 8
"""Copies of one picture; more are of an augmented export."""

_LIKELY = 0.3  # expected strangers up to which a turned picture is laid on another
_BLOCK, _ASKING = 64, 512  # pictures at once, and those that ask all others
_SMALL = SIDE // 2  # side of the pictures by which windows are found
_COARSE = (0.7, 0.77, 0.84, 0.91)  # sizes of windows that candidates are found by, both ways
_FINE = np.geomspace(0.69, 0.96, 14).tolist()  # and those that candidates are laid on
_STEP = 1.5  # pixels of the coarse picture between windows
_CUT_SIDE, _CUT_FINE = 16, 4  # pixels of a window, and places along each that are averaged
_NEAR = 0.12  # how far sizes lie apart, in logarithms, that are tried
_AS_IT_LIES, _MIRRORED = ((1, 1),), ((1, -1), (-1, 1), (-1, -1))  # steps down and right
_GRAINS, _FLAT = 32, 2.0  # along a side; grey levels of contrast below which there is only noise
_CROWDED = 2.0  # times as alike as those behind: many of the best, in a crowd
_LYING = 6.0  # degrees up to which a picture is not turned
_SAME = 0.5  # of what a copy leaves at most, what each of many copies does
_USUAL = 0.75  # quantile of what candidates leave that is the usual
_BETTER = 0.75  # of what a whole picture leaves on another, what it leaves as a window at most
_PERHAPS, _SURELY = 0.6, 0.4  # of what is usual, what a copy leaves at half and at whole size
_LAID = 0.0099  # expected strangers of such a pair at most; the surest are tied first


Steps = Sequence[tuple[int, int]]


class _Windows(NamedTuple):
    """Those of which a window looks like a picture, the best first, (n, k) each."""

    steps: Steps  # by which pictures are mirrored
    numbers: Indices
    sizes: Array  # about how large the window is
    ways: npt.NDArray[np.int8]  # by which of the steps the picture is mirrored before

    def of(self, rows: Indices) -> _Windows:
        """Give those of some pictures."""
        return _Windows(self.steps, self.numbers[rows], self.sizes[rows], self.ways[rows])


class _Ground(NamedTuple):
    """Pictures of one size, on which windows are laid."""

    wholes: Array  # (n, side, side) their fine structure, each of length 1
    waves: npt.NDArray[np.complex64]  # (n, side, side // 2 + 1) its Fourier transform
    lengths: dict[int, Array]  # by a window's width, of what it covers at each place: (n, …)


def turned_copies(source: Pictures, tick: Tick | None = None) -> Pairs | None:
    """Find pictures that are others turned about their middle by any angle, or mirrored.

    A picture that is not square has been squeezed, and is found turned by quarters alone.

    Returns:
        None where there are too few to say what is usual.
    """
    if source.count < FEWEST:
        return None
    found = likely_turns(source, tick)
    alike, pictures = found.alike, np.arange(source.count)
    expected = Tail.of(found.nearest, source.count).strangers(
        alike.astype(np.float64), pictures[:, None], found.numbers
    )
    # What lies as it is, is judged by `similarity`: parts in one jig lie alike.
    turned = found.mirrored | (abs((found.degrees + 180) % 360 - 180) >= _LYING)
    likely = turned & (expected < _LIKELY)
    # Of an augmented export many of the nearest are copies: too many to tell strangers by.
    many = alike[:, [MANY]] > _CROWDED * alike[:, -BEHIND:].max(axis=1, keepdims=True)
    crowded = turned & many
    rows = pictures[(likely | crowded)[:, :-BEHIND].any(axis=1)]
    numbers = found.numbers[rows]
    left = _laid_turned(source, rows, numbers, found.degrees[rows], found.mirrored[rows])
    left, behind = left[:, :-BEHIND], left[:, -BEHIND:]
    # Copies that were cropped alike look turned, seen along rings: laid on one another they differ.
    share = np.where(likely[rows, :-BEHIND], left / _usual(left), np.inf)
    same = np.where(crowded[rows, :-BEHIND], left / _usual(behind) / _SAME, np.inf)
    return _copies(rows, numbers[:, :-BEHIND], np.minimum(share, same), source.count)


def cropped_copies(source: Pictures) -> Pairs | None:
    """Find pictures that are windows of others, of 70 to 95 % of both sides, mirrored or not.

    Candidates are those of which some coarse window looks most alike.

    Returns:
        None where there are too few to say what is usual, or more than MOST_CUT.
    """
    if not FEWEST <= source.count <= MOST_CUT:
        return None
    small, every = shrink(source.grey, _SMALL), np.arange(source.count)
    # Apart: parts that lie as they are leave less than mirrored ones, which usually hide nothing.
    found = [_like_windows(small, steps) for steps in (_AS_IT_LIES, _MIRRORED)]
    ground = _ground(source, _SMALL)
    halves = [_laid_windows(source, every, windows, ground) for windows in found]
    ground = _ground(source, SIDE)
    for windows, share in zip(found, halves, strict=True):
        # A look at half the size spares nine in ten a look at the whole one.
        rows = np.flatnonzero((share < _PERHAPS).any(axis=1))
        share[:] = np.inf
        share[rows] = _laid_windows(source, rows, windows, ground)
        # Three ways to lie are three chances to look alike: as many strangers more, see `_copies`.
        share *= len(windows.steps) ** 0.25
    numbers = np.hstack([windows.numbers for windows in found])
    return _copies(every, numbers, np.hstack(halves), source.count)


def _copies(rows: Indices, numbers: Indices, share: Array, count: int) -> Pairs:
    """Find pairs that leave little of what is usual: (m,) rows, (m, k) candidates and shares."""
    copies = share < _SURELY
    a, b = rows[np.nonzero(copies)[0]], numbers[copies]
    expected = _LAID * (share[copies].astype(np.float64) / _SURELY) ** 4
    order = np.argsort(expected, kind="stable")  # of a pair that is seen twice the surer one
    pairs = np.minimum(a, b)[order] * count + np.maximum(a, b)[order]
    pairs, first = np.unique(pairs, return_index=True)
    return Pairs(*np.divmod(pairs, count), expected[order][first])


def _usual(left: Array) -> Array:
    """Say what is usually left, of each line: (m, 1)."""
    usual = np.quantile(left, _USUAL, axis=1, keepdims=True) if len(left) else left[:, :1]
    return np.maximum(usual, np.float32(1e-6))


def _laid_turned(
    source: Pictures, rows: Indices, numbers: Indices, degrees: Array, mirrored: Flags
) -> Array:
    """Lay pictures, turned, on their candidates: what differs inside a circle, float32 (m, k)."""
    side = SIDE if source.count <= MOST_WHOLE else SIDE // 2
    fine = np.empty((source.count, side, side), dtype=np.float16)
    for block in in_blocks(np.arange(source.count), _BLOCK):
        fine[block] = _fine(shrink(source.grey[block], side))
    calls = list(zip(rows.tolist(), numbers, degrees, mirrored, strict=True))
    made = list(by_threads(_turned_on, calls, fine))
    return np.array(made, dtype=np.float32).reshape(numbers.shape)


def _turned_on(call: tuple[int, Indices, Array, Flags], fine: Any) -> Array:  # noqa: ANN401
    """Lay one picture, turned and mirrored, on others: 1 less the correlation, float32 (k,)."""
    row, others, degrees, mirrored = call
    side = fine.shape[1]
    inside = np.hypot(*(np.mgrid[:side, :side] - (side - 1) / 2)) < side / 2 - 1.5
    picture = fine[row].astype(np.float32)
    both = [Image.fromarray(np.ascontiguousarray(one)) for one in (picture, picture[::-1])]
    turned = np.stack(
        [
            np.asarray(both[int(flip)].rotate(angle, Image.Resampling.BILINEAR))[inside]
            for flip, angle in zip(mirrored, degrees.tolist(), strict=True)
        ]
    )
    laid = fine[others].astype(np.float32)[:, inside]
    one, other = (unit(x - x.mean(axis=1, keepdims=True)) for x in (turned, laid))
    return np.asarray(1 - (one * other).sum(axis=1), dtype=np.float32)


def _like_windows(pictures: Array, steps: Steps) -> _Windows:
    """Find for each picture those of which a window looks like it."""
    n, side, _ = pictures.shape
    wholes = [_window(pictures[:, ::down, ::right], 1.0, 0.0, 0.0) for down, right in steps]
    alike, kinds = np.full((n, n), -np.inf, np.float32), np.zeros((n, n), np.int8)
    for kind, size in enumerate(_COARSE):
        places = np.linspace(0, 1, round((1 - size) * side / _STEP) + 1).tolist()
        for down, right in itertools.product(places, places):
            part = _window(pictures, size, down, right)
            usual = part.mean(axis=0)  # what all show there, as the design, does not count
            shown = unit(part - usual).T
            for way, whole in enumerate(wholes):
                asking = unit(whole - usual)
                for some in (slice(start, start + _ASKING) for start in range(0, n, _ASKING)):
                    found = asking[some] @ shown
                    np.copyto(kinds[some], kind * len(steps) + way, where=found > alike[some])
                    np.maximum(alike[some], found, out=alike[some])
    np.fill_diagonal(alike, -np.inf)
    best = (np.argsort(-line, kind="stable")[:LOOKED_AT] for line in alike)
    numbers = np.stack(list(best))
    size_of, ways = np.divmod(np.take_along_axis(kinds, numbers, axis=1), len(steps))
    return _Windows(steps, numbers, np.array(_COARSE, np.float32)[size_of], ways)


def _window(pictures: Array, size: float, down: float, right: float) -> Array:
    """Cut a window out of all pictures: (n, 256), each with mean 0 and deviation 1."""
    side, points = pictures.shape[1], _CUT_SIDE * _CUT_FINE
    along = (np.arange(points) + 0.5) * size * side / points - 0.5
    rows, columns = (
        between(along + place * (1 - size) * side, side).reshape(_CUT_SIDE, _CUT_FINE, side).mean(1)
        for place in (down, right)
    )
    return normalise(rows @ pictures @ columns.T).reshape(len(pictures), -1)


def _ground(source: Pictures, side: int) -> _Ground:
    """Make pictures of a size ready; in blocks, as what is made on the way takes far more."""
    from scipy.fft import rfft2

    n, widths = source.count, {round(size * side) for size in _FINE}
    ground = _Ground(
        np.empty((n, side, side), np.float32),
        np.empty((n, side, side // 2 + 1), np.complex64),
        {width: np.empty((n, *[side - width + 1] * 2), np.float32) for width in widths},
    )
    for block in in_blocks(np.arange(n), _BLOCK):
        fine = _fine(shrink(source.grey[block], side))
        ground.wholes[block] = normalise(fine) / side
        ground.waves[block] = rfft2(fine)
        sums = np.pad(fine**2, ((0, 0), (1, 0), (1, 0))).cumsum(1, np.float64).cumsum(2)
        for width, lengths in ground.lengths.items():
            lengths[block] = _lengths(sums, width)
    return ground


def _laid_windows(source: Pictures, rows: Indices, found: _Windows, ground: _Ground) -> Array:
    """Lay pictures (m,), as windows, on their candidates: what differs, 1 being what usually does.

    Returns:
        float32 (m, k), of 1 less the largest normalised cross-correlation over places and sizes
        (by Fourier transforms: Lewis, "Fast normalized cross-correlation", 1995).
    """
    blocks = in_blocks(rows, _BLOCK) if len(rows) else []
    made = by_threads(_laid_block, blocks, source, found, ground)
    return np.concatenate([*made, np.empty((0, found.numbers.shape[1]), np.float32)])


def _laid_block(rows: Indices, source: Pictures, windows: _Windows, ground: _Ground) -> Array:
    """Do what `_laid_windows` does with some pictures."""
    from scipy.fft import rfft2

    found, side = windows.of(rows), ground.wholes.shape[1]
    pictures = shrink(source.grey[rows], side)
    best = np.zeros(found.numbers.shape, dtype=np.float32)
    for size in _FINE:
        near, width = abs(np.log(size / found.sizes)) < _NEAR, round(size * side)
        parts = normalise(_fine(_resized(pictures, width), side)) / width
        for way, (down, right) in enumerate(found.steps):
            laid = near & (found.ways == way)
            some = np.flatnonzero(laid.any(axis=1))
            # No window reaches over the edge, so that nothing wraps around.
            seen = rfft2(parts[some, ::down, ::right], (side, side)).conj()
            for row, waves in zip(some, seen, strict=True):
                others = found.numbers[row, laid[row]]
                most = _best_places(waves, ground.waves[others], ground.lengths[width][others])
                best[row, laid[row]] = np.maximum(best[row, laid[row]], most)
    left = 1 - best
    cut = left < _BETTER * _left_by_wholes(rows, found, ground)
    return np.asarray(np.where(cut, left / _usual(left), np.inf), dtype=np.float32)


def _left_by_wholes(rows: Indices, found: _Windows, ground: _Ground) -> Array:
    """Lay whole pictures, mirrored as their windows are, on their candidates: what differs.

    Parts of one design that lie alike leave less so than as windows of one another.
    """
    left = np.zeros(found.numbers.shape, dtype=np.float32)
    for row, (picture, numbers) in enumerate(zip(ground.wholes[rows], found.numbers, strict=True)):
        ways = np.stack([picture[::down, ::right] for down, right in found.steps])
        shown = ways[found.ways[row]]
        left[row] = 1 - np.einsum("kij,kij->k", shown, ground.wholes[numbers])
    return left


def _lengths(sums: Floats, width: int) -> Array:
    """Give the length of what a window shows at each place, by sums: float32 (n, room, room)."""
    rows = sums[:, width:] - sums[:, :-width]
    squares = np.maximum(rows[:, :, width:] - rows[:, :, :-width], 1e-3)
    return np.asarray(np.sqrt(squares), dtype=np.float32)


def _best_places(window: Any, others: Any, lengths: Array) -> Array:  # noqa: ANN401
    """Lay a window on k pictures, transforms both, at every place: the largest correlations."""
    from scipy.fft import irfft2

    room, side = lengths.shape[1], others.shape[1]
    found = irfft2(others * window, (side, side))[:, :room, :room] / lengths
    return np.asarray(found.max(axis=(1, 2)), dtype=np.float32)


def _resized(pictures: Array, side: int) -> Array:
    small = Image.Resampling.BILINEAR
    return np.array(
        [np.asarray(Image.fromarray(p).resize((side, side), small)) for p in pictures], np.float32
    ).reshape(len(pictures), side, side)


def _fine(pictures: Array, side: int | None = None) -> Array:
    """Leave the fine structure of pictures, or of windows of a side, its contrast evened out."""
    from scipy.ndimage import gaussian_filter

    grain = (side or pictures.shape[1]) / _GRAINS
    left = pictures - gaussian_filter(pictures, (0, grain, grain))
    contrast = np.sqrt(gaussian_filter(left**2, (0, 2 * grain, 2 * grain)))
    return np.asarray(left / (contrast + _FLAT), dtype=np.float32)
