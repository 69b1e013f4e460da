"""Ask whether the reading that serves may have merged or torn parts, where nobody told them.

Several cameras, one moment that a program wrote, trays and lots of parts, sessions: what was taken
for parts may be more of them. A slower hand, sides of a part that is turned over, cameras that
count their shots: it may be fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.arrays import Indices
from pipeline.groups.copies_by_name import original_names
from pipeline.groups.evidence import PixelEvidence, members_of
from pipeline.groups.proposal import AT_LEAST, AT_MOST
from pipeline.groups.reading import (
    Reading,
    is_called_part,
    is_called_view,
    purity,
    say_gaps,
)
from pipeline.groups.streams import seem_several, seem_slower
from pipeline.groups.timeline import Line

USUAL = 12
"""Photographs of the usual part by its name; of more, runs in time may know better."""

WITHIN = 0.95
"""Share of pairs of one group that have one value of another, which holds the group then."""

_COIN = 0.1  # from a half, at most: photographs as much like those of the next group as their own
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


def are_lots(named: Reading, timed: Reading) -> bool:
    """Say whether values of many photographs each hold several runs in time: sessions, lots."""
    several = timed.groups >= _MORE * named.groups and bool(timed.gaps)
    return several and named.usual > USUAL and purity(named.codes, timed.codes) >= WITHIN


def ask_of_names(chosen: Reading, named: Sequence[Reading], labels: Indices) -> Reading:
    """Ask whether another reading of the names is the part, where no order of shots decides.

    A finer one, if pixels confirm neither: "h10-2" may be egg 2 of hen 10, or view 2 of egg 10. Or
    a serial number alone, if what stands before it tells the class: a kind of defect.
    """
    if not chosen.key or chosen.question or chosen.recurs is not None or is_called_part(chosen.key):
        return chosen
    kinds = [one for one in named if _holds(one, chosen) and purity(labels, one.codes) == 1]
    for one in named:
        if one.key is None or one.usual <= 1 or is_called_view(one.key):
            continue
        neither = one.key.leads and not (one.confirmed or chosen.confirmed)
        finer = neither and _holds(chosen, one) and one.groups >= _MORE * chosen.groups
        serial = one.key.sparse and one.usual <= USUAL and one not in kinds and labels.any()
        if finer or (serial and kinds and _holds(one, chosen)):
            question = f'is {one.what} the part (--group-regex "{one.key.pattern}")'
            return replace(chosen, bound=AT_LEAST if finer else AT_MOST, question=question)
    return chosen


def _holds(wide: Reading, fine: Reading) -> bool:
    """Say whether each part of one reading lies in one of another, which has fewer."""
    return wide.groups < fine.groups and purity(wide.codes, fine.codes) == 1


@dataclass(frozen=True)
class Doubts:
    """What speaks against the reading that serves."""

    line: Line | None  # capture times
    chosen: Reading  # that serves
    timed: Reading | None  # runs in time
    pixels: PixelEvidence

    def ask(self, paths: Sequence[str]) -> tuple[str, str]:
        """Ask what is open, or whether parts may be merged, and else whether they may be torn.

        Returns:
            AT_LEAST, AT_MOST, or "" where nothing is asked; and the question.
        """
        return next(self._all(paths), ("", ""))

    def _all(self, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
        chosen, timed = self.chosen, self.timed
        line = self.line if chosen.gaps else None
        if chosen.bound == AT_LEAST:
            yield AT_LEAST, chosen.question
        if line is not None:
            if line.question:
                yield AT_MOST, line.question
            if seem_several(line, chosen.gaps):
                yield AT_LEAST, _CAMERAS
            if self._are_of_one_moment(line):
                yield AT_LEAST, _MOMENT
        if self._are_trays():
            yield AT_LEAST, _TRAYS
        if timed is not None and chosen.key and are_lots(chosen, timed):
            yield AT_LEAST, _RUNS.format(gap=_widest(timed), what=chosen.what)
        if chosen.question:
            yield AT_MOST, chosen.question
        if line is not None:
            if seem_slower(line, chosen.gaps):
                yield AT_MOST, _SLOWER
            if self._are_sides(line):
                yield AT_MOST, _SIDES
        if self.line is not None and timed is not None and self._are_counted(self.line, timed):
            yield AT_MOST, _COUNTED.format(gap=_widest(timed))
        if self._are_copies(paths):
            yield AT_MOST, _COPIES

    def _are_of_one_moment(self, line: Line) -> bool:
        """Say whether shots of a run have one time, and may be of several parts."""
        gaps, widest = line.walk()[1], max(self.chosen.gaps)
        inside = gaps[gaps <= widest]
        of_one_moment = len(inside) > 0 and (inside == 0).mean() >= _ONE_MOMENT
        minutes = line.step >= _MINUTE and widest < line.step
        return bool(minutes or (of_one_moment and len(gaps) >= USUAL * self.chosen.groups))

    def _are_trays(self) -> bool:
        """Say whether photographs are as much like those of the next group as like their own."""
        if self.chosen.key is not None and is_called_part(self.chosen.key, places=False):
            return False
        alike = self.pixels.like_own(members_of(self.chosen.codes), views=True)
        return alike is not None and abs(alike - 0.5) <= _COIN

    def _are_sides(self, line: Line) -> bool:
        """Say whether runs are sides of a part: each second or third one shows the same."""
        order = line.walk()[0]
        runs = np.split(order, np.flatnonzero(np.diff(self.chosen.codes[order])) + 1)
        return self.pixels.of_sides([run.tolist() for run in runs])

    def _are_counted(self, line: Line, timed: Reading) -> bool:
        """Say whether cameras may count their shots, and runs of several values be the parts."""
        chosen = self.chosen
        if chosen.key is None or is_called_part(chosen.key):
            return False
        within = purity(timed.codes, chosen.codes) >= WITHIN
        fewer = _MORE * timed.groups <= chosen.groups
        gaps = line.walk()[1]
        inside = gaps[gaps <= max(timed.gaps, default=0.0)]
        shots = (inside > 0).sum() > _RUN * len(inside)  # else they have the time of a session
        return bool(within and fewer and shots)

    def _are_copies(self, paths: Sequence[str]) -> bool:
        """Say whether parts are no more than copies of one file by name, and not called parts."""
        chosen, names = self.chosen, original_names(paths)
        if chosen.key is None or not all(names) or is_called_part(chosen.key):
            return False
        both = {*zip(chosen.codes.tolist(), names, strict=True)}
        return WITHIN * len(both) <= max(len(set(names)), chosen.groups)


def _widest(timed: Reading) -> str:
    return say_gaps([max(timed.gaps)]) + "s"
