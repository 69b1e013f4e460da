"""Read names and times, and find the reading that the evidence speaks for.

A phone or a camera takes the views of one part within seconds, and then the next part: runs in time
are parts, and a field of the name that recurs is a view. A fixture or a robot takes the same places
in rounds, hours apart: the field that recurs (position, cavity, serial number) is the part, and
time only counts the rounds. `pipeline.groups.rounds` weighs the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from features.arrays import Flags, Indices
from features.cache.sample_table import TableRow
from features.errors import DataError
from pipeline.groups.counters_and_times import (
    MOST_SHOTS,
    TIMED,
    Line,
    find_cut,
    round_gap,
    table_of_cuts,
    time_line,
)
from pipeline.groups.evidence import (
    AGREES,
    Finding,
    Pairs,
    PixelEvidence,
    in_percent,
    members_of,
)
from pipeline.groups.file_names import Key, read_names
from pipeline.groups.rounds import (
    COVERS,
    are_crossed,
    count,
    cycles,
    is_called_view,
    may_be_view,
    weigh,
)
from pipeline.groups.streams import by_camera, seem_several

_USUAL = 12  # photographs of the usual part by its name; of more, runs in time may know better
_RECURS = 1.5  # runs of a value in the order of shots, from which on it comes back
_ONE_MOMENT = 0.95  # share of gaps within runs that are 0, where a program wrote when it began
_SURE = 1.0  # weight from which on one of two readings is believed
_SHOWN = 4  # keys that are shown though they do not serve
_COUNTED = 2  # counters that are shown though they do not serve


@dataclass(frozen=True)
class Readings:
    """Hold what names and times say.

    Attributes:
        findings: each reading with what it implies; the one that is used holds ties.
        basis: what the groups stand on: "times", "names", "counter", or "" for neither.
        line: capture times; None where photographs have none.
        spoken: bool (n,) photographs whose part is named or timed, so that pixels have no say.
        undecided: the question that is left open between two readings; "" where there is none.
        cuts: the table of cuts (seconds, parts); empty without capture times.
        mixed: the question that is left open where the times that serve may have merged parts, of
            several cameras at once, or of one moment that a program wrote; "" where they have not.
    """

    findings: list[Finding]
    basis: str
    line: Line | None
    spoken: Flags
    undecided: str
    cuts: list[tuple[float, int]]
    mixed: str = ""


@dataclass(frozen=True, eq=False)
class _Reading:
    """One way to put photographs into parts.

    Attributes:
        basis, what, why: as in `Readings` and `Evidence`.
        codes: int64 (n,) the part of each photograph; -1 for none.
        gap: that cuts times; 0 for none.
        key: of names; None of others.
        usual: photographs of the usual part.
        recurs: runs of a value in the order of shots; None where there is no order.
        agreement: of the pixels.
    """

    basis: str
    what: str
    why: str
    codes: Indices
    gap: float = 0.0
    key: Key | None = None
    usual: float = 0.0
    recurs: float | None = None
    agreement: float | None = None

    @property
    def groups(self) -> int:
        """Count the groups."""
        return count(self.codes)

    def finding(self, used: bool, more: str = "") -> Finding:
        """Give it as a row of the table; `more` is why it is used or not."""
        kind = "time" if self.basis == "times" else "name"
        hint = f"--group-regex '{self.key.pattern}'" if self.key and not used else ""
        why = "; ".join(filter(None, (self.why, more)))
        return Finding.of_groups(kind, self.what, self.codes, used, why, hint)


def read_all(
    table_rows: Sequence[TableRow],
    capture_time: npt.NDArray[np.int64] | None,
    pixels: PixelEvidence,
    gap: float | None = None,
) -> Readings:
    """Read names and times, and decide between the readings.

    Args:
        table_rows: the photographs (n).
        capture_time: int64 (n,) milliseconds by EXIF, negative where it is silent; None for nobody
            looked.
        pixels: the pixels.
        gap: seconds; told by a person: times are cut there, and nothing else is read.

    Raises:
        DataError: a gap was told, and no photograph has a capture time.
    """
    paths = [table_row.path for table_row in table_rows]
    labels = [table_row.label for table_row in table_rows]
    named_as = [str(PurePosixPath(path).with_suffix("")) for path in paths]
    line = time_line(named_as, capture_time, TIMED if gap is None else 0.0)
    line = line and by_camera(line, named_as, gap)
    if line is None and gap is not None and paths:
        raise DataError(
            f"--group-gap: none of {len(paths):,} photographs, such as {paths[0]!r}, has a capture "
            "time in EXIF or in its name; say which belong together with --groups or --group-regex"
        )
    timed = None if line is None else _by_time(line, gap)
    keys, counters = read_names(paths, labels) if gap is None else ([], [])
    order = line or _one_counter(counters, len(paths))
    named = [_by_name(key, order, pixels) for key in keys]
    best = _best(named) or timed
    counted = [] if best else [_by_counter(counter, pixels) for counter in counters]
    sure = [one for one in counted if _confirmed(one)]
    chosen, why, question = best, "", ""
    if not sure:
        numbers = np.unique(labels, return_inverse=True)[1]
        chosen, why, question = _weighed(best, named, order, line, numbers)
    timed = chosen if chosen and not chosen.key else timed
    findings = [one.finding(True) for one in sure] + [_of_times(line, timed, chosen, why)]
    findings += [chosen.finding(True, why)] if chosen and chosen.key else []
    shown = [one for one in named if one is not chosen]
    shown.sort(key=lambda one: (one.usual > MOST_SHOTS, -one.groups))
    shown = shown[:_SHOWN] + [one for one in counted if one not in sure][:_COUNTED]
    findings += [one.finding(False) for one in shown]
    if not named:
        none = "names are too different from one another, or no part of them recurs"
        findings.append(Finding.nothing("name", "file names", none))
    spoken = np.zeros(len(paths), dtype=np.bool_) if chosen is None else chosen.codes >= 0
    cuts = [] if line is None else table_of_cuts(line, timed.gap if timed else 10.0)
    basis = "counter" if sure else chosen.basis if chosen else ""
    mixed = ""
    if line is not None and timed is not None and timed is chosen and gap is None and timed.gap:
        mixed = _may_be_merged(line, timed)
        question = question or line.question
    return Readings(findings, basis, line, spoken, question, cuts, mixed)


def _may_be_merged(line: Line, timed: _Reading) -> str:
    """Ask whether runs are of several parts; "" where nothing speaks for it."""
    gaps = line.walk()[1]
    if seem_several(gaps, timed.gap):
        return "did several cameras photograph at once (give each a folder, or --groups TABLE)"
    inside = gaps[gaps <= timed.gap]
    if (inside == 0).mean() >= _ONE_MOMENT and len(gaps) + 1 > _USUAL * timed.groups:
        return "do all photographs with the same time in their names show one part (--groups TABLE)"
    return ""


def _of_times(
    line: Line | None, timed: _Reading | None, chosen: _Reading | None, why: str
) -> Finding:
    if timed is not None:
        used = timed is chosen
        return timed.finding(used, why if used else "the names say it better")
    if line is not None:
        return Finding.nothing("time", f"{line.what}, all gaps of one kind", "nowhere to cut")
    why_not = "no times that tell photographs apart (EXIF from 1970 on, or in names)"
    return Finding.nothing("time", "none", why_not)


def _by_time(line: Line, gap: float | None) -> _Reading | None:
    """Cut runs in time; None where gaps are of one kind."""
    why = "the gap was given"
    if gap is None:
        cut = find_cut(line.walk()[1], line.step)
        if cut is None:
            return None
        gap = cut.gap
        why = f"gaps are of two kinds: up to {round_gap(gap):g} s, and about {cut.long:,.0f} s"
    what = f"{line.what}, cut at {round_gap(gap):g} s"
    return _Reading("times", what, why, line.runs(gap), gap)


def _one_counter(counters: Sequence[Line], count: int) -> Line | None:
    """Give a counter that runs through most photographs: the order of shots."""
    return next((c for c in counters if np.isfinite(c.values).sum() > 0.8 * count), None)


def _by_name(key: Key, order: Line | None, pixels: PixelEvidence) -> _Reading:
    members = members_of(key.codes)
    sizes = [len(group) for group in members if len(group) > 1]
    usual = float(np.median(sizes)) if sizes else 0.0
    agreement = pixels.agreement(*_group_pairs(members))
    recurs, why = None, f"; {in_percent(agreement)}"
    if order is not None:
        shots = key.codes[order.walk()[0]]
        shots = shots[shots >= 0]
        recurs = float((np.diff(shots) != 0).sum() + 1) / len(members)
        come = "they come back" if recurs > _RECURS else "one after the other"
        why = f", {come} in the order of shots"
    why = f"{len(members):,} values, {usual:g} photographs each{why}"
    return _Reading("names", key.what, why, key.codes, 0.0, key, usual, recurs, agreement)


def _confirmed(one: _Reading) -> bool:
    """Say whether the pixels agree; where they cannot be asked they do not."""
    return one.agreement is not None and one.agreement >= AGREES


def _best(named: Sequence[_Reading]) -> _Reading | None:
    """Give the key that names parts one after the other; None where none does.

    Of several the one of the largest groups that are no larger than parts usually are: it keeps
    more photographs on one side of a split, which is the honest error.
    """
    able = []
    for one in named:
        if one.usual > MOST_SHOTS or (one.codes >= 0).mean() < COVERS:
            continue
        follow = one.recurs is not None and one.recurs <= _RECURS
        # Pieces of a picture look alike, too: pixels agree to "row0" and "row256".
        if one.key and not follow and is_called_view(one.key):
            continue
        leads = one.key is not None and one.key.leads and one.usual <= _USUAL
        # Views of all parts look alike, too: the pixels agree to a few values of many photographs.
        confirmed = _confirmed(one) and not (one.usual > _USUAL and may_be_view(one.key))
        if follow or (one.recurs is None and (confirmed or leads)):
            able.append(one)
    small = [one for one in able if one.usual <= _USUAL]
    if small:
        return min(small, key=lambda one: one.groups)
    return max(able, key=lambda one: one.groups, default=None)


def _weighed(
    best: _Reading | None,
    named: Sequence[_Reading],
    order: Line | None,
    line: Line | None,
    labels: Indices,
) -> tuple[_Reading | None, str, str]:
    """Decide whether runs are parts and a recurring field their view, or the field is the part.

    Args:
        best: the runs, or the name, that would serve; None where only a field that starts anew
            can tell runs.
        named: the fields.
        order: of the shots; None for none.
        line: capture times; None for none.
        labels: int64 (n,) class numbers.

    Returns:
        The reading that serves, why, and the question that is left open; "" for none.
    """
    recurring = named
    if best is None or best.key is None:
        recurring = [one for one in named if one.recurs is not None and one.recurs > _RECURS]
    runs = best.codes if best else None
    if runs is None and recurring and order is not None:
        runs = cycles(order, max(recurring, key=lambda one: one.groups).codes)
    crossing = [] if runs is None else [one for one in recurring if are_crossed(one.codes, runs)]
    if runs is None or not crossing:
        return best, "", ""
    other = best.key if best else None
    weighed = [(*weigh(one.key, runs, other, labels, line), one) for one in crossing if one.key]
    score, votes, one = max(weighed, key=lambda each: (each[0], -each[2].groups))
    why, question = "; ".join(votes), ""
    if abs(score) < _SURE:
        pattern = one.key.pattern if one.key else ""
        question = (
            f"is {one.what} the part, photographed again and again (--group-regex '{pattern}'), "
            "or a view of it"
        )
        score = 1.0 if one.groups <= count(runs) else -1.0
    if score > 0:
        return one, why, question
    anew = f"{one.what} starts anew with each part"
    return best or _Reading("times", "runs of names", anew, runs), why, question


def _by_counter(line: Line, pixels: PixelEvidence) -> _Reading:
    """Give runs of a counter between long gaps; it says little by itself."""
    order, gaps = line.walk()
    cut = find_cut(gaps, line.step)
    if cut is None:
        nobody = np.full(len(line.values), -1)
        return _Reading(
            "counter", f"{line.what}, one after another", "all gaps are of one kind", nobody
        )
    runs = np.split(order, np.flatnonzero(gaps > cut.gap) + 1)
    agreement = pixels.agreement(*_group_pairs([run.tolist() for run in runs]))
    why = f"gaps are of two kinds (at most {cut.gap:,.0f}, or far more); {in_percent(agreement)}"
    what = f"{line.what}, at most {cut.gap:,.0f} apart"
    return _Reading("counter", what, why, line.runs(cut.gap), agreement=agreement)


def _group_pairs(groups: list[list[int]]) -> tuple[Pairs, Pairs]:
    """Pair photographs within groups, and those of a group and the next one, place by place."""
    related = [(a, b) for group in groups for a, b in itertools.pairwise(group)]
    others = [
        (a, b)
        for group, following in itertools.pairwise(groups)
        for a, b in zip(group, following[1:] + following[:1], strict=False)
    ]
    one, two = (np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (related, others))
    return (one[:, 0], one[:, 1]), (two[:, 0], two[:, 1])
