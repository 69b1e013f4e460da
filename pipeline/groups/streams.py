"""Cameras that photograph at the same time into one folder: read each by itself, or say the doubt.

On one line the shots of two stations mix. Names, folders or counters may tell the cameras apart;
whether what they tell is a camera is seen in the times: others photograph while a camera of its own
changes the part, and sooner after its shots than it could itself. Where two cameras look at one
part at once, nobody does then. Where one comes later by always the same, because its clock does or
the part comes to it later, both look at the same parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from features.arrays import Floats, Indices
from pipeline.groups.file_names import Names
from pipeline.groups.timeline import Line, find_cut

_MOST = 8  # cameras
_LEAST, _SHARE = 12, 0.1  # photographs of each, and their share of all
_COVERED = 0.9  # share of all photographs that are of such cameras
_GO_ON = 0.05  # share of a camera's gaps between parts in which others photograph
_SOON, _SOONER = 0.1, 0.5  # share of gaps that are short, and how much shorter between cameras
_JUMP = 20  # numbers that a counter leaves out at most
_TINY, _SEVERAL, _RARELY, _OFTEN = 0.25, 3, 0.01, 0.3  # of the usual gap; how many, shares of all
_UNEVEN = 0.3  # deviation of the photographs of a part, in means
_FEWEST_PARTS, _MEET = 10, 0.8  # parts of two cameras, and share of them that meet
_NEAR, _ONCE = 0.04, 2.0  # of a period, within which they meet; how much worse any other lag is
_TICK = 0.002  # seconds: of two clocks of thousandths
_AT_ONCE = 0.125  # of a period: cameras so near to one another look at one part at once

_STRETCH, _TORN = 12, 1.5  # runs, and photographs of each if they are torn
_LONGER = 1.25  # the longest gap within a part there, of that elsewhere

_ASKED = "do several cameras look at the same parts, one after the other (--groups TABLE)"


def by_camera(line: Line, names: Names, gap: float | None) -> Line:
    """Give each camera a line of its own, or the same line where no names tell them apart.

    Args:
        line: capture times.
        names: of the photographs.
        gap: that a person said cuts them; None for nobody.
    """
    order = line.walks()[0]
    cuts = [gap] if gap else [cut.gap for cut in line.cuts()]
    runs = line.runs(*cuts or [np.inf])
    found: list[tuple[bool, bool, int, Line]] = []
    for what, values in _told_by(names):
        codes = np.unique(values, return_inverse=True)[1]
        cameras = np.flatnonzero(np.bincount(codes[order]) >= max(_LEAST, _SHARE * len(order)))
        if not 1 < len(cameras) <= _MOST or np.isin(codes[order], cameras).mean() < _COVERED:
            continue
        apart = _are_apart(line, runs, codes, cameras.tolist())
        late, same, doubt = _lags(line, codes, cameras.tolist())
        asked = replace(line, question=_ASKED) if doubt else line
        if apart or late.any():
            lags = sorted({round(abs(one)) for one in late.tolist() if one})
            said = f"{line.what}, {len(cameras)} cameras by {what}"
            said += f", {' and '.join(f'{one:,}' for one in lags)} s apart" if lags else ""
            moved = line.values - late[codes]
            asked = replace(asked, what=said, values=moved, camera=same[codes])
        if asked is not line:
            found.append((_still_mixed(asked), not late.any(), len(found), asked))
    return min(found)[-1] if found else line


def _told_by(names: Names) -> Iterator[tuple[str, Sequence[str]]]:
    """Give what may tell cameras apart, in words, and its value for each name."""
    folders, words, numbers = zip(*names.cut(), strict=True)
    yield "folders", folders
    yield "the words of names", words
    for place in range(min(map(len, numbers))):
        yield f"number {place + 1} of names", [found[place] for found in numbers]
    if all(numbers):
        counted, which = np.unique([float(found[-1]) for found in numbers], return_inverse=True)
        jumps = np.concatenate([[0], np.cumsum(np.diff(counted) > _JUMP)])
        yield "counters", [str(one) for one in jumps[which]]


def _are_apart(line: Line, runs: Indices, camera: Indices, cameras: list[int]) -> bool:
    """Say whether others photograph while a camera changes the part, and sooner than one could.

    In pauses nobody does, and where both look at one part nobody does within a run of all shots.
    Photographs of a class are a camera's own: another class comes no sooner than its next shot.
    """
    order = line.walks()[0]
    times, runs, camera = line.values[order], runs[order], camera[order]
    soon, changes = [], []
    for one in cameras:
        own = camera == one
        mine, others = times[own], times[~own]
        gaps = np.diff(mine)
        cut = find_cut(gaps, line.step)
        if cut is None:
            return False
        within = gaps <= cut.gap
        soon.append(np.quantile(gaps[within], _SOON) if within.any() else np.inf)
        first, last = (np.searchsorted(others, mine[:-1] + part * gaps) for part in (0.25, 0.75))
        changes.append(((last > first) & (np.diff(runs[own]) == 0))[~within])
    pooled, between = np.concatenate(changes), np.diff(times)[np.diff(camera) != 0]
    sooner = np.quantile(between, _SOON) <= _SOONER * min(soon)
    return bool(sooner and len(pooled) and pooled.mean() >= _GO_ON)


def _lags(line: Line, camera: Indices, cameras: list[int]) -> tuple[Floats, Indices, bool]:
    """Find how many seconds each camera is later than another one at the same parts, and which.

    And whether it is open which of its parts are whose: they come so evenly that any may be, or the
    one camera was done before the other began.
    """
    late, same = np.zeros(int(camera.max()) + 1), np.arange(int(camera.max()) + 1)
    begin: dict[int, Floats] = {}
    doubt = False
    for one in cameras:
        own = np.sort(line.values[camera == one])
        own = own[np.isfinite(own)]
        cut = find_cut(np.diff(own), line.step)
        starts = own[np.diff(own, prepend=-np.inf) > (cut.gap if cut else 0.0)]
        beside = []  # of what share of the time between two parts it is beside others
        for first, others in begin.items():
            met = _later(others, starts, line.step)
            if met is None:
                continue
            lag, share, once = met
            if once:
                if max(others[0], starts[0]) > min(others[-1], starts[-1]):
                    doubt = True
                    continue
                late[one], same[one] = lag if abs(lag) > line.step else 0.0, first
                break
            beside.append(share)
        else:
            begin[one] = starts
            doubt |= min(beside, default=0.0) > _AT_ONCE
    return late, same, doubt


def _later(first: Floats, second: Floats, step: float) -> tuple[float, float, bool] | None:
    """Find how many seconds after the parts of one camera those of another begin, and if only so.

    Parts begin at uneven times: nearly all meet at one difference alone, where they are the same.
    Besides the seconds, give the share of the time between two parts that is beyond any number of
    parts, and whether nothing else fits half as well; None where they do not meet.
    """
    fewer, more = sorted((len(first), len(second)))
    if fewer < max(_FEWEST_PARTS, _MEET * more):
        return None
    some = first[max(0, len(first) // 2 - 100) :][:200]
    period = float(np.median(np.diff(some)))
    lags = np.sort((second - some[:, None]).ravel())
    meet = int(np.ceil(_MEET * min(len(some), len(second))))
    low, high = lags[: len(lags) - meet + 1], lags[meet - 1 :]
    width, tick = high - low, step if step >= 1 else _TICK
    as_near = np.flatnonzero(width <= width.min() + tick)
    best = as_near[abs(low + high)[as_near].argmin()]
    if width[best] > _NEAR * period:
        return None
    lag = float(np.median(lags[best : best + meet]))
    others = width[abs((high + low) / 2 - lag) > period / 2]
    once = bool(others.min(initial=np.inf) > _ONCE * (width[best] + tick))
    return lag, abs(lag / period - round(lag / period)), once


def _still_mixed(line: Line) -> bool:
    """Say whether a line still seems to be of several cameras: folders may be classes."""
    gaps = [cut.gap for cut in line.cuts()]
    return not gaps or seem_several(line, gaps)


def _cameras(line: Line, cuts: Sequence[float]) -> Iterator[tuple[Floats, Indices, float]]:
    """Give of each camera the gaps between shots, the run of each shot, and the cut."""
    for walk, cut in zip(line.walks(), cuts, strict=True):
        gaps = np.diff(line.values[walk])
        yield gaps, np.concatenate([[0], np.cumsum(gaps > cut)]), cut


def seem_several(line: Line, cuts: Sequence[float]) -> bool:
    """Say whether runs seem to be of several cameras: some gaps no hand is so fast for, and uneven.

    Two cameras know nothing of one another: shots of both fall together now and then, and their
    parts run into one another, two here and five there.
    """
    for gaps, runs, cut in _cameras(line, cuts):
        near = gaps[gaps <= cut]
        tiny = near < _TINY * np.median(near) if len(near) else near > 0
        sizes = np.bincount(runs)
        now_and_then = tiny.sum() >= _SEVERAL and _RARELY <= tiny.mean() <= _OFTEN
        if now_and_then and sizes.std() >= _UNEVEN * sizes.mean():
            return True
    return False


def seem_slower(line: Line, cuts: Sequence[float]) -> bool:
    """Say whether runs are torn for a while: photographs alone, whose gaps are of two kinds."""
    for gaps, runs, cut in _cameras(line, cuts):
        sizes = np.bincount(runs)
        if len(sizes) < _STRETCH:
            continue
        low = np.convolve(sizes, np.ones(_STRETCH), "valid") <= _TORN * _STRETCH
        slow = np.convolve(low, np.ones(_STRETCH)) > 0
        longer = find_cut(gaps[slow[runs[1:]] & slow[runs[:-1]]], line.step)
        if longer is not None and longer.gap > _LONGER * cut:
            return True
    return False
