"""Read names and times, and find the reading that the evidence speaks for.

A phone or a camera takes the views of one part within seconds, and then the next part: runs in time
are parts, and a field of the name that recurs is a view. A fixture or a robot takes the same places
in rounds, hours apart: the field that recurs (position, cavity, serial number) is the part, and
time only counts the rounds. `pipeline.groups.rounds` weighs the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Flags, Indices
from features.cache.sample_table import TableRow
from features.errors import DataError
from pipeline.groups.counters_and_times import (
    MOST_COUNTED,
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
from pipeline.groups.rounds import COVERS, are_crossed, count, cycles, purity, weigh

_USUAL = 12  # photographs of the usual part by its name; of more, runs in time may know better
_RECURS = 1.5  # runs of a value in the order of shots, from which on it comes back
_PURE = 0.9  # share of pairs of a run that have the same value, so that the value is coarser
_SURE = 1.0  # weight from which on one of two readings is believed
_SHOWN = 4  # keys that are shown though they do not serve
_COUNTED = 2  # counters that are shown though they do not serve


@dataclass(frozen=True)
class Readings:
    """Hold what names and times say.

    Attributes:
        findings: each reading with what it implies; those that are used hold ties.
        basis: what the groups stand on: "times", "names", "counter", or "" for neither.
        line: capture times; None where photographs have none.
        spoken: bool (n,) photographs whose part is named or timed, so that pixels have no say.
        rounds: whether the same places are photographed again and again.
        undecided: the question that is left open between two readings; "" where there is none.
        cuts: the table of cuts (seconds, parts); empty without capture times.
    """

    findings: list[Finding]
    basis: str
    line: Line | None
    spoken: Flags
    rounds: bool
    undecided: str
    cuts: list[tuple[float, int]]


@dataclass(frozen=True)
class _Named:
    """A key with what it does to the photographs."""

    key: Key
    usual: float
    recurs: float | None
    agreement: float | None

    @property
    def codes(self) -> Indices:
        """Give the group of each photograph, int64 (n,); -1 for none."""
        return self.key.codes

    @property
    def groups(self) -> int:
        """Count the groups."""
        return count(self.codes)


class _Timed(NamedTuple):
    """Runs int64 (n,), -1 for none; the gap that cuts them, 0 for none; and why."""

    runs: Indices
    gap: float
    why: str


@dataclass(frozen=True)
class _Choice:
    """The name that serves, else the runs that do; and why, what is open, and whether of rounds."""

    name: _Named | None
    timed: _Timed | None
    why: str = ""
    question: str = ""
    rounds: bool = False


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
    stems = [PurePosixPath(path).stem for path in paths]
    line = time_line(stems, capture_time, TIMED if gap is None else 0.0)
    if line is None and gap is not None and paths:
        raise DataError(
            f"--group-gap: none of {len(paths):,} photographs, such as {paths[0]!r}, has a capture "
            "time in EXIF or in its name; say which belong together with --groups or --group-regex"
        )
    timed = None if line is None else _timed(line, gap)
    labels = [table_row.label for table_row in table_rows]
    keys, counters = read_names(paths, labels) if gap is None else ([], [])
    order = line or _one_counter(counters, len(paths))
    named = [_named(key, order, pixels) for key in keys]
    runs = None if timed is None else timed.runs
    best = _best(named, runs)
    counted = [] if timed or best else [_weigh_counter(counter, pixels) for counter in counters]
    by_counter = any(finding.evidence.used for finding in counted)
    recurring = named
    if best is not None:
        runs = best.codes
    else:
        recurring = [one for one in named if one.recurs is not None and one.recurs > _RECURS]
        recurring = [] if by_counter else recurring
        if runs is None and recurring and order is not None:
            runs = cycles(order, max(recurring, key=lambda one: one.groups).codes)
    plain = _Choice(best, timed)
    choice = plain if runs is None else _between(table_rows, line, plain, runs, recurring)
    found = _chosen(choice, line, named, len(paths))
    if by_counter:
        return replace(found, findings=[*counted, *found.findings], basis="counter")
    shown = counted[:_COUNTED] if choice is plain else []
    return replace(found, findings=[*found.findings, *shown])


def _timed(line: Line, gap: float | None) -> _Timed | None:
    """Cut runs in time; None where gaps are of one kind."""
    _, gaps = line.walk()
    if gap is not None:
        return _Timed(line.runs(gap), gap, "the gap was given")
    cut = find_cut(gaps, line.step)
    if cut is None:
        return None
    why = f"gaps are of two kinds: up to {round_gap(cut.gap):g} s, and about {cut.long:,.0f} s"
    return _Timed(line.runs(cut.gap), cut.gap, why)


def _one_counter(counters: Sequence[Line], count: int) -> Line | None:
    """Give a counter that runs through most photographs: the order of shots."""
    through = [c for c in counters if np.isfinite(c.values).sum() > 0.8 * count]
    return next((c for c in through if c.streams.max() == 0), None)


def _named(key: Key, order: Line | None, pixels: PixelEvidence) -> _Named:
    members = members_of(key.codes)
    sizes = [len(group) for group in members if len(group) > 1]
    recurs = None
    if order is not None:
        shots = key.codes[order.walk()[0]]
        shots = shots[shots >= 0]
        recurs = float((np.diff(shots) != 0).sum() + 1) / count(key.codes)
    return _Named(
        key,
        float(np.median(sizes)) if sizes else 0.0,
        recurs,
        pixels.agreement(*_group_pairs(members)),
    )


def _best(named: Sequence[_Named], runs: Indices | None) -> _Named | None:
    """Give the key that names parts one after the other; None where none does.

    Of several the one of the largest groups that are no larger than parts usually are: it keeps
    more photographs on one side of a split, which is the honest error.
    """
    able = []
    for one in named:
        if one.usual > MOST_SHOTS or (one.codes >= 0).mean() < COVERS:
            continue
        if one.recurs is None:
            agreed = one.agreement is not None and one.agreement >= AGREES
            fits = agreed or (one.key.leads and one.usual <= _USUAL)
        else:
            fits = one.recurs <= _RECURS or (runs is not None and purity(one.codes, runs) > _PURE)
        if fits:
            able.append(one)
    small = [one for one in able if one.usual <= _USUAL]
    if small:
        return min(small, key=lambda one: one.groups)
    return max(able, key=lambda one: one.groups, default=None)


def _between(
    table_rows: Sequence[TableRow],
    line: Line | None,
    choice: _Choice,
    runs: Indices,
    recurring: Sequence[_Named],
) -> _Choice:
    """Decide whether runs are parts and a recurring field their view, or the field is the part."""
    crossing = [one for one in recurring if are_crossed(one.codes, runs)]
    if not crossing:
        return choice
    name, timed = choice.name, choice.timed
    labels = np.unique([table_row.label for table_row in table_rows], return_inverse=True)[1]
    weighed = [
        (*weigh(one.key, runs, name.key if name else None, labels, line), one) for one in crossing
    ]
    score, votes, one = max(weighed, key=lambda each: (each[0], -each[2].groups))
    why, question = "; ".join(votes), ""
    if abs(score) < _SURE:
        question = (
            f"is {one.key.what} the part, photographed again and again (--group-regex "
            f"'{one.key.pattern}'), or a view of it"
        )
        score = 1.0 if one.groups <= count(runs) else -1.0
    if score > 0:
        return _Choice(one, timed, why, question, rounds=True)
    if timed is None and name is None:
        timed = _Timed(runs, 0.0, f"{one.key.what} starts anew with each part")
    return _Choice(name, timed, why, question)


def _chosen(choice: _Choice, line: Line | None, named: Sequence[_Named], n: int) -> Readings:
    """Give the readings as findings: the name that serves, else the runs; the others are shown."""
    name, timed, why = choice.name, choice.timed, choice.why
    if timed is not None:
        what = "runs of names"
        if line is not None and timed.gap:
            what = f"{line.what}, cut at {round_gap(timed.gap):g} s"
        reason = timed.why + ("; the names say it better" if name else f"; {why}" if why else "")
        findings = [Finding.of_groups("time", what, timed.runs, name is None, reason)]
    elif line is not None:
        what = f"{line.what}, all gaps of one kind"
        findings = [Finding.nothing("time", what, "nowhere to cut")]
    else:
        why_not = "no times that tell photographs apart (EXIF from 1970 on, or in names)"
        findings = [Finding.nothing("time", "none", why_not)]
    shown = [one for one in named if one is not name]
    shown.sort(key=lambda one: (one.usual > MOST_SHOTS, -one.groups))
    findings += [_name_finding(name, True, why)] if name else []
    findings += [_name_finding(one, False, "") for one in shown[:_SHOWN]]
    if not named:
        none = "names are too different from one another, or no part of them recurs"
        findings.append(Finding.nothing("name", "file names", none))
    codes = name.codes if name else timed.runs if timed else np.full(n, -1)
    cuts = [] if line is None else table_of_cuts(line, timed.gap if timed and timed.gap else 10.0)
    basis = "names" if name else "times" if timed else ""
    return Readings(findings, basis, line, codes >= 0, choice.rounds, choice.question, cuts)


def _name_finding(one: _Named, used: bool, reason: str) -> Finding:
    why = f"{one.groups:,} values, {one.usual:g} photographs each"
    if one.recurs is not None:
        order = "they come back" if one.recurs > _RECURS else "one after the other"
        why += f", {order} in the order of shots"
    else:
        why += f"; {in_percent(one.agreement)}"
    why += f"; {reason}" if reason else ""
    hint = "" if used else f"--group-regex '{one.key.pattern}'"
    return Finding.of_groups("name", one.key.what, one.codes, used, why, hint)


def _weigh_counter(line: Line, pixels: PixelEvidence) -> Finding:
    """Give runs of a counter between long gaps, if the pixels agree: it says little by itself."""
    order, gaps = line.walk()
    cut = find_cut(gaps, line.step, MOST_COUNTED)
    if cut is None:
        what = f"{line.what}, one after another"
        return Finding.nothing("name", what, "all gaps are of one kind")
    runs = np.split(order, np.flatnonzero(gaps > cut.gap) + 1)
    agreement = pixels.agreement(*_group_pairs([run.tolist() for run in runs]))
    sure = agreement is not None and agreement >= AGREES
    why = f"gaps are of two kinds (at most {cut.gap:,.0f}, or far more); {in_percent(agreement)}"
    what = f"{line.what}, at most {cut.gap:,.0f} apart"
    return Finding.of_groups("name", what, line.runs(cut.gap), sure, why)


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
