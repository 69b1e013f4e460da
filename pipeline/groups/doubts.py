"""Ask whether the reading that serves may have merged or torn parts, where nobody told them.

Several cameras, one moment that a program wrote, trays and lots of parts, sessions: what was taken
for parts may be more of them. A slower hand, sides of a part that is turned over, cameras that
count their shots: it may be fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.groups.copies_by_name import original_names
from pipeline.groups.evidence import PixelEvidence, members_of
from pipeline.groups.reading import Reading, is_called_part, purity, say_gaps
from pipeline.groups.streams import seem_several, seem_slower
from pipeline.groups.timeline import Line

USUAL = 12
"""Photographs of the usual part by its name; of more, runs in time may know better."""

WITHIN = 0.95
"""Share of pairs of one group that have one value of another, which holds the group then."""

_ONE_MOMENT = 0.95  # share of gaps within runs that are 0, where a program wrote when it began
_MINUTE = 60.0  # seconds: a clock of which one moment may be of several parts
_RUN = 0.5  # share of gaps within runs that are more than none, where each shot has its own time
_MORE = 1.5  # values of names in the usual run that may be a part, and the other way round

_CAMERAS = "did several cameras photograph at once (give each a folder, or --groups TABLE)"
_MOMENT = "do all photographs with the same time in their names show one part (--groups TABLE)"
_TRAYS = "does each photograph show another part, as in trays and lots (--groups TABLE)"
_RUNS = "is a run of shots the part (--group-gap {gap}), or {what}"
_SLOWER = "did somebody photograph more slowly for a while (--groups TABLE)"
_SIDES = (
    "is each part turned over, with a pause that is taken for the change of the part "
    "(--group-gap 30s)"
)
_COUNTED = "does each camera count its shots, and a run of them show one part (--group-gap {gap})"
_COPIES = "does each file that was copied or augmented show another part (--groups TABLE)"


def ask(
    line: Line | None,
    chosen: Reading,
    timed: Reading | None,
    asked: str,
    pixels: PixelEvidence,
    paths: Sequence[str],
) -> tuple[str, str]:
    """Ask whether parts may be merged, and else what is open or whether they may be torn.

    Args:
        line: capture times.
        chosen: the reading that serves.
        timed: runs in time.
        asked: what is open between readings.
        pixels: the pixels.
        paths: of the photographs.
    """
    by_time = line if chosen.gaps else None
    sides = by_time is not None and _are_sides(by_time, chosen, pixels)
    mixed = _may_be_merged(by_time, chosen, pixels, sides=sides)
    if timed is not None and chosen.key and not mixed and are_lots(chosen, timed):
        mixed = _RUNS.format(gap=_widest(timed), what=chosen.what)
    if mixed:
        asked = ""
    elif not asked and by_time is not None and seem_slower(by_time, chosen.gaps):
        asked = _SLOWER
    elif not asked and sides:
        asked = _SIDES
    elif not asked and line is not None and timed is not None and chosen.key:
        asked = _may_be_counted(line, timed, chosen, pixels)
    if not mixed and not asked and _are_copies(chosen, paths):
        asked = _COPIES
    return mixed, (by_time.question if by_time else "") or asked


def are_lots(named: Reading, timed: Reading) -> bool:
    """Say whether values of many photographs each hold several runs in time: sessions, lots."""
    several = timed.groups >= _MORE * named.groups and bool(timed.gaps)
    return several and named.usual > USUAL and purity(named.codes, timed.codes) >= WITHIN


def _may_be_merged(
    line: Line | None, chosen: Reading, pixels: PixelEvidence, *, sides: bool
) -> str:
    """Ask whether groups are of several parts; `line` is None where they are no runs in time."""
    if line is not None:
        if seem_several(line, chosen.gaps):
            return _CAMERAS
        gaps = line.walk()[1]
        inside = gaps[gaps <= max(chosen.gaps)]
        of_one_moment = len(inside) > 0 and (inside == 0).mean() >= _ONE_MOMENT
        minutes = line.step >= _MINUTE and max(chosen.gaps) < line.step
        if minutes or (of_one_moment and len(gaps) >= USUAL * chosen.groups):
            return _MOMENT
    if sides or (chosen.key is not None and is_called_part(chosen.key, places=False)):
        return ""
    return _TRAYS if pixels.are_exchangeable(members_of(chosen.codes)) else ""


def _are_sides(line: Line, chosen: Reading, pixels: PixelEvidence) -> bool:
    """Say whether runs in time are sides of a part: each second or third one shows the same."""
    order = line.walk()[0]
    runs = np.split(order, np.flatnonzero(np.diff(chosen.codes[order])) + 1)
    return pixels.of_sides([run.tolist() for run in runs])


def _may_be_counted(line: Line, timed: Reading, chosen: Reading, pixels: PixelEvidence) -> str:
    """Ask whether cameras count their shots, and runs in time are parts; "" where it is not so.

    Runs of which each holds several values, and that look like parts, may be trays as well.
    """
    within = purity(timed.codes, chosen.codes) >= WITHIN
    fewer = _MORE * timed.groups <= chosen.groups
    gaps = line.walk()[1]
    inside = gaps[gaps <= max(timed.gaps, default=0.0)]
    shots = (inside > 0).sum() > _RUN * len(inside)  # else they have the time of a session
    if not (within and fewer and shots) or (chosen.key and is_called_part(chosen.key)):
        return ""
    trays = pixels.are_exchangeable(members_of(timed.codes))
    return "" if trays else _COUNTED.format(gap=_widest(timed))


def _are_copies(chosen: Reading, paths: Sequence[str]) -> bool:
    """Say whether parts are no more than copies of one file by name, and not called parts."""
    names = original_names(paths)
    if chosen.key is None or not all(names) or is_called_part(chosen.key):
        return False
    both = {*zip(chosen.codes.tolist(), names, strict=True)}
    return WITHIN * len(both) <= max(len(set(names)), chosen.groups)


def _widest(timed: Reading) -> str:
    return say_gaps([max(timed.gaps)]) + "s"
