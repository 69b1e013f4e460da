"""Cameras that photograph at the same time into one folder: read each by itself, or say the doubt.

On one line the shots of two stations mix, and what lies between two parts of one is filled by the
other. Names, folders or counters may tell the cameras apart; whether what they tell is a camera is
seen in the times: within one run of all shots, a camera of its own has changed the part. Where two
cameras look at one part at once, neither has. Where one comes later by always the same, because its
clock does or the part comes to it later, both look at the same parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from features.arrays import Flags, Floats, Indices
from pipeline.groups.counters_and_times import Line, find_cut
from pipeline.groups.times_in_names import clocks_in, without_time

_MOST = 8  # cameras
_LEAST, _SHARE = 12, 0.1  # photographs of each, and their share of all
_COVERED = 0.9  # share of all photographs that are of such cameras
_CHANGED = 0.1  # share of photographs in runs within which a camera has changed the part; of gaps
_JUMP = 20  # numbers that a counter leaves out at most
_TINY, _SEVERAL, _RARELY, _OFTEN = 0.25, 3, 0.01, 0.3  # of the usual gap; how many, shares of all
_FEWEST_PARTS, _NEAR, _MEET, _ONCE = 10, 0.02, 0.8, 0.7  # see `_later`
_SLOW = 0.5  # of the cut of the fastest camera to one's own, from which on it is another pace
_UNEVEN = 0.3  # deviation of the photographs of a part, in means
_DAY = 86_400.0


def by_camera(line: Line, names: Sequence[str], gap: float | None) -> Line:
    """Put the cameras behind one another on the line, where names tell them apart.

    Args:
        line: capture times.
        names: of files with their folders.
        gap: that a person said cuts them; None for nobody.

    Returns:
        The same line where nothing tells several cameras apart.
    """
    order, gaps = line.walk()
    cut = find_cut(gaps, line.step)
    widest = gap or (cut.gap if cut else None)
    runs = None if widest is None else line.runs(widest)[order]
    found = []
    for what, values in _told_by(names):
        codes = np.unique(values, return_inverse=True)[1][order]
        cameras = np.flatnonzero(np.bincount(codes) >= max(_LEAST, _SHARE * len(order)))
        if not 1 < len(cameras) <= _MOST or np.isin(codes, cameras).mean() < _COVERED:
            continue
        apart = _apart(line, codes, cameras, runs, gap or 0.0)
        clocks = _clocks(line, codes, cameras)
        if apart or clocks.late.any():
            pace = clocks.pace if gap is None else np.ones(len(clocks.pace))
            moved = line.values - line.values[order[0]]
            moved[order] = (moved[order] - clocks.late[codes]) * pace[codes]
            moved[order] += clocks.head[codes] * (np.ptp(line.values[order]) + _DAY)
            said = f"{line.what}, {len(cameras)} cameras by {what}{clocks.say(pace)}"
            doubt = _ASKED if clocks.apart or (clocks.even and apart) else ""
            found.append(replace(line, what=said, values=moved, question=doubt))
        elif clocks.apart:
            found.append(replace(line, question=_ASKED))
    return min(found, key=_still_mixed, default=line)


_ASKED = "do several cameras look at the same parts, one after the other (--groups TABLE)"


class _Clocks(NamedTuple):
    """Hold how the clocks of cameras run, for each code.

    Attributes:
        head: int64, the first camera of those that look at the same parts.
        late: float64, how many seconds after that one it does.
        pace: float64, by what its times are shortened, so that all are cut at the same gap.
        even: whether some are so even that they may be any number of parts late.
        apart: whether some are so late that the first one was done: they are not put together.
    """

    head: Indices
    late: Floats
    pace: Floats
    even: bool = False
    apart: bool = False

    def say(self, pace: Floats) -> str:
        """Say what was done to the clocks; "" for nothing."""
        lags = sorted({round(abs(one)) for one in self.late.tolist()} - {0})
        said = f", {' and '.join(f'{one:,}' for one in lags)} s apart" if lags else ""
        slow = sorted({f"{1 / one:.1f}" for one in pace.tolist()} - {"1.0"})
        return said + (f", gaps of the slower {' and '.join(slow)} times as long" if slow else "")


def _clocks(line: Line, codes: Indices, cameras: Indices) -> _Clocks:
    """Find cameras that look at the parts of another one, always as much later, or are slower."""
    times = line.values[line.walk()[0]]
    count = int(codes.max()) + 1
    found = _Clocks(np.arange(count), np.zeros(count), np.ones(count))
    begin: dict[int, Floats] = {}
    cuts: dict[int, float] = {}
    for camera in cameras.tolist():
        own = times[codes == camera]
        cut = find_cut(np.diff(own), line.step)
        if cut is None:
            continue
        starts = own[np.concatenate([[True], np.diff(own) > cut.gap])]
        cuts[camera] = cut.gap
        for first, others in begin.items():
            lag, once = _later(others, starts, line.step)
            met = abs(lag) > line.step and once
            done = max(others[0], starts[0]) > min(others[-1], starts[-1])
            found = found._replace(
                even=found.even or bool(lag and not once), apart=found.apart or (met and done)
            )
            if met and not done:
                found.head[camera], found.late[camera] = first, lag
                break
        else:
            begin[camera] = starts
    fastest = min((cuts[camera] for camera in begin), default=0.0)
    for camera in cuts:
        pace = fastest / cuts[int(found.head[camera])]
        found.pace[camera] = pace if pace < _SLOW else 1.0
    return found


def _later(first: Floats, second: Floats, step: float) -> tuple[float, bool]:
    """Find how many seconds after the parts of one camera those of another begin, and if only so.

    Parts begin at uneven times: nearly all meet at one difference alone, where they are the same.
    0 where they do not meet.
    """
    fewer, more = sorted((len(first), len(second)))
    if fewer < max(_FEWEST_PARTS, _MEET * more):
        return 0.0, False
    some = first[max(0, len(first) // 2 - 100) :][:200]
    period = float(np.median(np.diff(some)))
    lags = np.sort((second - some[:, None]).ravel())
    meet = np.searchsorted(lags, lags + 2 * max(step, _NEAR * period), "right")
    meet -= np.arange(len(lags))
    best = int(meet.argmax())
    if meet[best] < _MEET * min(len(some), len(second)):
        return 0.0, False
    lag = float(np.median(lags[best : best + meet[best]]))
    others = meet[abs(lags - lag) > period / 2]
    return lag, bool(others.max(initial=0) < _ONCE * meet[best])


def _still_mixed(line: Line) -> bool:
    """Say whether a line still seems to be of several cameras: folders may be classes."""
    gaps = line.walk()[1]
    cut = find_cut(gaps, line.step)
    return cut is None or seem_several(gaps, cut.gap)


def _told_by(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Give what may tell cameras apart, in words, and its value for each name."""
    clocks = clocks_in(names)
    bare = [without_time(name, clocks=clocks) for name in names]
    folders, files = zip(*(name.rpartition("/")[::2] for name in bare), strict=True)
    yield "folders", list(folders)
    yield "the words of names", [re.sub(r"\d+", "#", file) for file in files]
    numbers = [re.findall(r"\d+", file) for file in files]
    for place in range(min(map(len, numbers))):
        yield f"number {place + 1} of names", [found[place] for found in numbers]
    if all(numbers):
        last = np.array([float(found[-1]) for found in numbers])
        counted, which = np.unique(last, return_inverse=True)
        jumps = np.concatenate([[0], np.cumsum(np.diff(counted) > _JUMP)])
        yield "counters", [str(one) for one in jumps[which]]


def _apart(line: Line, codes: Indices, cameras: Indices, runs: Indices | None, told: float) -> bool:
    """Say whether cameras change parts by themselves, at times that the others do not know.

    Args:
        line: of all shots.
        codes: int64 (n,) the camera of each shot, in their order.
        cameras: int64 (k,) the codes that are asked about.
        runs: int64 (n,) of all shots together; None where their gaps are of one kind.
        told: seconds up to which a person said that a part goes on; 0 for nobody.
    """
    if runs is not None:
        several = np.bincount(np.unique(np.stack([runs, codes]), axis=1)[0]) > 1
        if several[runs].mean() < _CHANGED:
            return False
    times = line.values[line.walk()[0]]
    changed: set[int] = set()
    for camera in cameras.tolist():
        gaps = np.diff(times[codes == camera])
        cut = find_cut(gaps, line.step)
        if cut is None or (runs is None and not _go_on(times, codes == camera, cut.gap)):
            return False
        if runs is not None:
            mine = runs[codes == camera]
            inside = (gaps > max(cut.gap, told)) & (np.diff(mine) == 0)
            changed.update(mine[1:][inside].tolist())
    return runs is None or bool(np.isin(runs, list(changed)).mean() >= _CHANGED)


def _go_on(times: Floats, own: Flags, gap: float) -> bool:
    """Say whether others photograph within the runs of a camera, and while it changes the part.

    In pauses nobody does, and within a block of one class no other class does.
    """
    mine, others = times[own], times[~own]
    within = np.diff(mine) <= gap
    between = np.diff(np.flatnonzero(own)) > 1
    start, end = mine[:-1][~within], mine[1:][~within]
    first, last = (np.searchsorted(others, start + part * (end - start)) for part in (0.25, 0.75))
    shares = between[within].mean(), (last > first).mean()
    return bool(min(shares) >= _CHANGED)


def seem_several(gaps: Floats, gap: float) -> bool:
    """Say whether runs seem to be of several cameras: some gaps no hand is so fast for, and uneven.

    Two cameras know nothing of one another: shots of both fall together now and then, and their
    parts run into one another, two here and five there.
    """
    near = gaps[gaps <= gap]
    tiny = near < _TINY * np.median(near)
    sizes = np.bincount(np.concatenate([[0], np.cumsum(gaps > gap)]))
    now_and_then = tiny.sum() >= _SEVERAL and _RARELY <= tiny.mean() <= _OFTEN
    return bool(now_and_then and sizes.std() >= _UNEVEN * sizes.mean())
