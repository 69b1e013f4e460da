"""Ask whether the reading that serves may have merged or torn parts, where nobody told them.

Several cameras, one moment that a program wrote, trays and lots of parts, sessions: what was taken
for parts may be more of them. A slower hand, sides of a part that is turned over, cameras that
count their shots: it may be fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.groups.copies_by_name import original_names
from pipeline.groups.evidence import COIN, PixelEvidence, members_of
from pipeline.groups.reading import Reading, say_gaps
from pipeline.groups.rounds import is_called_part, purity
from pipeline.groups.streams import seem_several, seem_slower
from pipeline.groups.timeline import Line

USUAL = 12
"""Photographs of the usual part by its name; of more, runs in time may know better."""

WITHIN = 0.95
"""Share of pairs of one group that have one value of another, which holds the group then."""

_ONE_MOMENT = 0.95  # share of gaps within runs that are 0, where a program wrote when it began
_MINUTE = 60.0  # seconds: a clock of which one moment may be of several parts
_RUN = 0.5  # share of gaps within runs that are more than none, where each shot has its own time
_SEVERAL = 1.5  # values of names in the usual run that may be a part, and the other way round


def ask(
    line: Line | None,
    chosen: Reading,
    timed: Reading | None,
    asked: str,
    pixels: PixelEvidence,
    paths: Sequence[str],
) -> tuple[str, str]:
    """Ask what is open: whether parts may be merged, and else whether they may be torn.

    Args:
        line: capture times; None for none.
        chosen: the reading that serves.
        timed: runs in time; None for none.
        asked: what is open between readings.
        pixels: the pixels.
        paths: of the photographs.
    """
    sides = line is not None and _are_sides(line, chosen, pixels)
    mixed = _may_be_merged(line, chosen, pixels, sides=sides)
    if timed is not None and chosen.key and not mixed and are_lots(chosen, timed):
        mixed = f"is a run of shots the part (--group-gap {_widest(timed)}), or {chosen.what}"
    if mixed:
        asked = ""
    elif line is not None and not asked and chosen.gaps and seem_slower(line, chosen.gaps):
        asked = "did somebody photograph more slowly for a while (--groups TABLE)"
    elif sides and not asked:
        asked = (
            "is each part turned over, with a pause that is taken for the change of the part "
            "(--group-gap 30s)"
        )
    elif line is not None and not asked and chosen.key and timed is not None:
        asked = _may_be_counted(line, timed, chosen, pixels)
    asked = asked or ("" if mixed else _ask_of_copies(chosen, paths))
    return mixed, (line.question if line is not None and chosen.gaps else "") or asked


def _ask_of_copies(chosen: Reading, paths: Sequence[str]) -> str:
    """Ask of parts that are no more than copies of one file by name; "" where they are more.

    A field that is called a part is one, whatever was copied.
    """
    names = original_names(paths)
    if chosen.key is None or not all(names) or is_called_part(chosen.key):
        return ""
    both = {*zip(chosen.codes.tolist(), names, strict=True)}
    if WITHIN * len(both) > max(len(set(names)), chosen.groups):
        return ""
    return "does each file that was copied or augmented show another part (--groups TABLE)"


def are_lots(named: Reading, timed: Reading) -> bool:
    """Say whether values of many photographs each hold several runs in time: sessions, lots."""
    several = timed.groups >= _SEVERAL * named.groups and bool(timed.gaps)
    return several and named.usual > USUAL and purity(named.codes, timed.codes) >= WITHIN


def _may_be_merged(
    line: Line | None, chosen: Reading, pixels: PixelEvidence, *, sides: bool
) -> str:
    """Ask whether groups are of several parts; "" where nothing speaks for it, or of sides."""
    if line is not None and chosen.gaps:
        if seem_several(line, chosen.gaps):
            return "did several cameras photograph at once (give each a folder, or --groups TABLE)"
        gaps = line.walk()[1]
        inside = gaps[gaps <= max(chosen.gaps)]
        of_one_moment = (inside == 0).mean() >= _ONE_MOMENT if len(inside) else False
        minutes = line.step >= _MINUTE and max(chosen.gaps) < line.step
        if minutes or (of_one_moment and len(gaps) >= USUAL * chosen.groups):
            return (
                "do all photographs with the same time in their names show one part "
                "(--groups TABLE)"
            )
    if sides or (chosen.key is not None and is_called_part(chosen.key, places=False)):
        return ""
    alike = pixels.like_own(members_of(chosen.codes), views=True)
    if alike is not None and abs(alike - 0.5) <= COIN:
        return "does each photograph show another part, as in trays and lots (--groups TABLE)"
    return ""


def _are_sides(line: Line, chosen: Reading, pixels: PixelEvidence) -> bool:
    """Say whether runs in time are sides of a part: each second or third one shows the same."""
    if not chosen.gaps:
        return False
    order = line.walk()[0]
    runs = np.split(order, np.flatnonzero(np.diff(chosen.codes[order])) + 1)
    return pixels.of_sides([run.tolist() for run in runs])


def _may_be_counted(line: Line, timed: Reading, chosen: Reading, pixels: PixelEvidence) -> str:
    """Ask whether cameras count their shots, and runs in time are parts; "" where it is not so.

    Runs of which each holds several values, and that look like parts, may be trays as well.
    """
    within = purity(timed.codes, chosen.codes) >= WITHIN
    fewer = _SEVERAL * timed.groups <= chosen.groups
    gaps = line.walk()[1]
    inside = gaps[gaps <= max(timed.gaps, default=0.0)]
    shots = (inside > 0).sum() > _RUN * len(inside)  # else they have the time of a session
    if not (within and fewer and shots) or (chosen.key and is_called_part(chosen.key)):
        return ""
    alike = pixels.like_own(members_of(timed.codes), views=True)
    if alike is not None and abs(alike - 0.5) <= COIN:
        return ""
    return (
        "does each camera count its shots, and a run of them show one part (--group-gap "
        f"{_widest(timed)})"
    )


def _widest(timed: Reading) -> str:
    return say_gaps([max(timed.gaps)]) + "s"
