"""Read names and times, and find the reading that the evidence speaks for.

A phone or a camera takes the views of one part within seconds, and then the next part: runs in time
are parts, and a field of the name that recurs is a view. A fixture or a robot takes the same places
in rounds, hours apart: the field that recurs (position, cavity, serial number) is the part, and
time only counts the rounds. `pipeline.groups.reading` weighs the two. Last it is asked whether what
was taken for parts may be more of them: several cameras, one moment that a program wrote, trays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.arrays import Flags, Indices
from features.cache.sample_table import TableRow
from features.errors import DataError
from pipeline.groups.capture_times import TIMED, time_line
from pipeline.groups.doubts import USUAL, WITHIN, Doubts, are_lots, ask_of_names
from pipeline.groups.evidence import (
    Finding,
    PixelEvidence,
    in_percent,
    members_of,
)
from pipeline.groups.file_names import Key, Names, codes_of, read_names
from pipeline.groups.proposal import AT_LEAST, AT_MOST
from pipeline.groups.reading import (
    COVERS,
    Reading,
    are_crossed,
    count,
    cut_sessions,
    cycles,
    is_called_part,
    is_called_view,
    may_be_view,
    purity,
    say_gaps,
    weigh,
)
from pipeline.groups.streams import by_camera
from pipeline.groups.timeline import MOST_SHOTS, Line, table_of_cuts

_RECURS = 1.5  # runs of a value in the order of shots, from which on it comes back
_MINUTE = 60.0  # seconds: a clock that tells no shots of a part apart
_SURE = 1.0  # weight from which on one of two readings is believed
_SHOWN, _COUNTED = 4, 2  # keys and counters that are shown though they do not serve


@dataclass(frozen=True)
class Readings:
    """Hold what names and times say."""

    findings: list[Finding]  # each reading with what it implies; the one that is used holds ties
    basis: str  # what the groups stand on: "times", "names", "counter", or "" for neither
    line: Line | None  # capture times
    spoken: Flags  # (n,) photographs whose part is named or timed, so that pixels have no say
    cuts: list[tuple[float, int]]  # (seconds, parts); empty without capture times
    bound: str = ""  # AT_MOST or AT_LEAST, where their number only bounds that of parts
    question: str = ""  # that settles it


def read_all(
    table_rows: Sequence[TableRow],
    capture_time: Indices | None,
    pixels: PixelEvidence,
    gap: float | None = None,
) -> Readings:
    """Read names and times, and decide between the readings.

    Args:
        table_rows: the photographs (n).
        capture_time: int64 (n,) milliseconds by EXIF, negative for none; None for nobody looked.
        pixels: the pixels.
        gap: seconds; told by a person: times are cut there, and nothing else is read.

    Raises:
        DataError: a gap was told, and no photograph has a capture time.
    """
    paths = [table_row.path for table_row in table_rows]
    labels = [table_row.label for table_row in table_rows]
    names, classes = Names.of(paths, labels), codes_of(labels)
    line = time_line(names, capture_time, TIMED if gap is None else 0.0)
    line = line and by_camera(line, names, gap)
    if line is None and gap is not None and paths:
        raise DataError(
            f"--group-gap: none of {len(paths):,} photographs, such as {paths[0]!r}, has a capture "
            "time in EXIF or in its name; say which belong together with --groups or "
            "--group-regex, or leave it out, behind an extract with it: extract DATA --no-groups"
        )
    timed = None if line is None else _by_time(line, gap)
    keys, counters = read_names(names, labels) if gap is None else ([], [])
    order = line or _one_counter(counters, len(paths))
    named = [_by_name(key, order, pixels) for key in keys]
    timed = cut_sessions(timed, named, line) if timed and line else timed
    best = _best(named, timed) or (timed and _photographed_again(named, timed, classes))
    counted = [] if best else [_by_counter(counter, pixels) for counter in counters]
    sure = [one for one in counted if one.confirmed]
    chosen, bound, question = None if sure else _weighed(best, named, order, line, classes), "", ""
    timed = chosen if chosen and not chosen.key else timed
    if chosen is not None and gap is None:
        chosen = ask_of_names(chosen, named, classes)
        bound, question = Doubts(line, chosen, timed, pixels).ask(paths)
    return Readings(
        [
            *(one.finding(True) for one in sure),
            _of_times(line, timed, chosen),
            *_of_names(named, chosen),
            *[one.finding(False) for one in counted if one not in sure][:_COUNTED],
        ],
        "counter" if sure else chosen.basis if chosen else "",
        line,
        np.zeros(len(paths), dtype=np.bool_) if chosen is None else chosen.codes >= 0,
        [] if line is None else table_of_cuts(line, timed.gaps if timed and timed.gaps else [10.0]),
        bound,
        question,
    )


def _of_times(line: Line | None, timed: Reading | None, chosen: Reading | None) -> Finding:
    if timed is not None:
        used = timed is chosen
        return timed.finding(used, "" if used else "the names say it better")
    if line is not None:
        return Finding.nothing("time", f"{line.what}, all gaps of one kind", "nowhere to cut")
    why_not = "no times that tell photographs apart (EXIF from 1970 on, or in names)"
    return Finding.nothing("time", "none", why_not)


def _of_names(named: Sequence[Reading], chosen: Reading | None) -> list[Finding]:
    if not named:
        none = "names are too different from one another, or no part of them recurs"
        return [Finding.nothing("name", "file names", none)]
    key = chosen and chosen.key
    others = [one for one in named if one.key is not key]
    others.sort(key=lambda one: (one.usual > MOST_SHOTS, -one.groups))
    used = [chosen.finding(True)] if chosen and key else []
    return used + [one.finding(False) for one in others[:_SHOWN]]


def _by_time(line: Line, gap: float | None) -> Reading | None:
    """Cut runs in time; None where gaps are of one kind."""
    cuts, passed = line.cuts() if gap is None else [], line.walk()[1]
    gaps = [cut.gap for cut in cuts] or [gap or 0.0]
    if cuts:
        long = max(cut.long for cut in cuts)
        why = f"gaps are of two kinds: up to {say_gaps(gaps)} s, and about {long:,.0f} s"
    elif gap is not None:
        why = "the gap was given"
    elif line.step >= _MINUTE and 2 * (passed == 0).sum() > len(passed):
        rare = 2 * (passed > line.step).sum() > (passed > 0).sum()
        gaps = [line.step * (1.5 if rare else 0.5)]
        why = "times are whole minutes"
    else:
        return None
    return Reading("times", f"{line.what}, cut at {say_gaps(gaps)} s", why, line.runs(*gaps), gaps)


def _by_counter(line: Line, pixels: PixelEvidence) -> Reading:
    """Give runs of a counter between long gaps; it says little by itself."""
    cuts = line.cuts()
    if not cuts:
        nobody, none = np.full(len(line.values), -1), "all gaps are of one kind"
        return Reading("counter", f"{line.what}, one after another", none, nobody)
    gap = cuts[0].gap
    order, gaps = line.walk()
    runs = [run.tolist() for run in np.split(order, np.flatnonzero(gaps > gap) + 1)]
    agreement = pixels.like_own(runs, views=False)
    why = f"gaps are of two kinds (at most {gap:,.0f}, or far more); {in_percent(agreement)}"
    what = f"{line.what}, at most {gap:,.0f} apart"
    return Reading("counter", what, why, line.runs(gap), agreement=agreement)


def _one_counter(counters: Sequence[Line], count: int) -> Line | None:
    """Give a counter that runs through most photographs: the order of shots."""
    return next((c for c in counters if np.isfinite(c.values).sum() > 0.8 * count), None)


def _by_name(key: Key, order: Line | None, pixels: PixelEvidence) -> Reading:
    members = members_of(key.codes)
    sizes = [len(group) for group in members if len(group) > 1]
    usual = float(np.median(sizes)) if sizes else 0.0
    agreement = pixels.like_own(members, views=False)
    recurs, why = None, f"; {in_percent(agreement)}"
    if order is not None:
        shots = key.codes[order.walk(key.codes)[0]]
        shots = shots[shots >= 0]
        recurs = float((np.diff(shots) != 0).sum() + 1) / len(members)
        come = "they come back" if recurs > _RECURS else "one after the other"
        why = f", {come} in the order of shots"
    why = f"{len(members):,} values, {usual:g} photographs each{why}"
    return Reading("names", key.what, why, key.codes, (), key, usual, recurs, agreement)


def _best(named: Sequence[Reading], timed: Reading | None) -> Reading | None:
    """Give the key that names parts one after the other; None where none does.

    Of several the one of the largest groups that are no larger than parts usually are: it keeps
    more photographs on one side of a split, which is the honest error.
    """
    able = [one for one in named if _names_parts(one)]
    small = [one for one in able if one.usual <= USUAL]
    if small:
        return min(small, key=lambda one: one.groups)
    best = max(able, key=lambda one: one.groups, default=None)
    if best and best.key and timed and is_called_view(best.key) and are_lots(best, timed):
        return None
    return best


def _names_parts(one: Reading) -> bool:
    """Say whether the values of a key follow one another as parts do, or are told by pixels."""
    if one.key is None or one.usual > MOST_SHOTS or (one.codes >= 0).mean() < COVERS:
        return False
    if one.recurs is not None:
        return one.recurs <= _RECURS
    # Views of all parts, and pieces of a picture, look alike, too: pixels agree to "row0".
    if is_called_view(one.key):
        return False
    confirmed = one.confirmed and not (one.usual > USUAL and may_be_view(one.key))
    return confirmed or (one.key.leads and one.usual <= USUAL)


def _photographed_again(named: Sequence[Reading], timed: Reading, labels: Indices) -> Reading:
    """Find a field of which each run in time has one value, and a value several runs: the part.

    Serial numbers leave some out. Numbers that do not may be counted anew each day: then runs
    serve, and it is asked, unless the classes go with the runs.
    """
    for one in sorted(named, key=lambda one: one.groups):
        within = purity(one.codes, timed.codes) >= WITHIN
        covers = (one.codes >= 0).mean() >= COVERS
        if not (within and covers and one.key and 1 < one.usual <= USUAL):
            continue
        if purity(labels, timed.codes) - purity(labels, one.codes) > 1 - WITHIN:
            continue
        if one.key.sparse or is_called_part(one.key, places=False):
            return one
        asked = f'is {one.what} the part, photographed again (--group-regex "{one.key.pattern}")'
        return replace(timed, bound=AT_MOST, question=asked)
    return timed


def _weighed(
    best: Reading | None,
    named: Sequence[Reading],
    order: Line | None,
    line: Line | None,
    labels: Indices,
) -> Reading | None:
    """Decide whether runs are parts and a recurring field their view, or the field is the part.

    Args:
        best: the runs, or the name, that would serve; None where only a field that starts anew
            can tell runs.
        named: the fields.
        order: of the shots; None for none.
        line: capture times; None for none.
        labels: int64 (n,) class numbers.

    Returns:
        The reading that serves, with why and what is left open.
    """
    runs = best.codes if best else None
    recurring = [one for one in named if (one.recurs or 0.0) > _RECURS]
    if runs is None and recurring and order is not None:
        runs = cycles(order, max(recurring, key=lambda one: one.groups).codes)
    crossing = [] if runs is None else [one for one in named if are_crossed(one.codes, runs)]
    if runs is None or not crossing:
        return best
    other = best.key if best else None
    weighed = [(*weigh(one.key, runs, other, labels, line), one) for one in crossing if one.key]
    score, votes, one = max(weighed, key=lambda each: (each[0], -each[2].groups))
    is_open, merges = abs(score) < _SURE, one.groups <= count(runs)
    anew = f"{one.what} starts anew with each part"
    serves = best or Reading("times", "runs of names", anew, runs)
    if score >= _SURE or (is_open and merges):
        serves = one
    serves = replace(serves, why="; ".join([serves.why, *votes]))
    if is_open and one.key:
        asked = f'is {one.what} the part, photographed again and again (--group-regex "'
        asked += f'{one.key.pattern}"), or a view of it'
        serves = replace(serves, bound=AT_LEAST, question=asked)
    return serves
