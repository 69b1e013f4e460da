"""One way to put photographs into parts, by times, names or a counter, and what speaks for it.

A field of the names that recurs is the part, in rounds, or a view of the part, in bursts: names and
times look the same in both. What tells them apart: which of the two the classes go with, how far
apart the runs are, how few values recur, which number leads, and what people call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.arrays import Indices
from pipeline.groups.evidence import AGREES, Finding
from pipeline.groups.file_names import Key
from pipeline.groups.timeline import Line, round_gap

COVERS = 0.3
"""Share of all photographs that a field which names parts stands in."""

_REGULAR = 0.8  # share of cycles of one length, from which on there is a rule behind it
_CROSSED = 0.4  # share of pairs of one value of a field that share the other, at most
_DECIDES = 0.2  # difference of purities that means something
_ROUNDS_APART, _PARTS_APART = 900.0, 180.0  # seconds between rounds, and between parts
_SESSION = 3.0  # parts in a session, at least
_FEW = 8  # values of a view at most
_CALLED = {
    "part": "part piece item sn serial unit specimen id sample teil stueck stück nummer werkstück "
    "pieza pièce",
    "place": "pos position place slot cav cavity nest station platz posizione",
    "view": "view side pose cam camera face shot img image frame photo pic bild ansicht seite "
    "kamera vista vue top left right front back bottom rear oben unten links rechts vorn hinten "
    "exposure light row col column tile patch crop cropped window",
    "round": "r round run cycle pass rep repeat trial loop day shift batch lot session runde tag "
    "charge",
}
"""What people call a part in the names of its photographs, and what else recurs in them."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to put photographs into parts: what and why as in `Evidence`, basis in `Readings`."""

    basis: str
    what: str
    why: str
    codes: Indices  # (n,) the part of each photograph; -1 for none
    gaps: Sequence[float] = ()  # seconds at which the times of each camera are cut
    key: Key | None = None  # of names
    usual: float = 0.0  # photographs of the usual part
    recurs: float | None = None  # runs of a value in the order of shots; None for no order
    agreement: float | None = None  # of the pixels
    bound: str = ""  # AT_LEAST or AT_MOST, where another reading may be right as well
    question: str = ""  # that settles it

    @property
    def groups(self) -> int:
        """Count the groups."""
        return count(self.codes)

    @property
    def confirmed(self) -> bool:
        """Say whether the pixels agree; where they cannot be asked they do not."""
        return self.agreement is not None and self.agreement >= AGREES

    def finding(self, used: bool, more: str = "") -> Finding:
        """Give it as a row of the table; `more` is why it is used or not."""
        kind = "time" if self.basis == "times" else "name"
        hint = f'--group-regex "{self.key.pattern}"' if self.key and not used else ""
        why = "; ".join(filter(None, (self.why, more)))
        return Finding.of_groups(kind, self.what, self.codes, used, why, hint)


def weigh(
    key: Key, runs: Indices, other: Key | None, labels: Indices, line: Line | None
) -> tuple[float, list[str]]:
    """Weigh whether a value that recurs is the part, and runs rounds: the votes' sum, and why.

    Runs are of times, or else the values of the `other` field; the sum is below 0 where a run is
    the part. Labels are class numbers.
    """
    by_value, by_run = purity(labels, key.codes), purity(labels, runs)
    decides = _DECIDES * (1 - purity(labels, np.zeros(len(labels), dtype=np.int64)))
    apart = np.nan
    if line is not None:
        order, gaps = line.walk()
        between = gaps[np.diff(runs[order]) != 0]
        apart = float(np.median(between)) if len(between) else 0.0
    few = count(key.codes)
    votes = [
        (2.0, by_value - by_run > decides, "classes go with places"),
        (-2.0, by_run - by_value > decides, "classes go with runs"),
        (1.5, apart >= _ROUNDS_APART, f"runs are {apart / 60:,.0f} min apart"),
        (-1.5, apart <= _PARTS_APART, f"runs are {apart:,.0f} s apart"),
        (-1.0, few <= _FEW and count(runs) >= 2 * few, f"only {few} values recur"),
        (1.0, is_called_part(key), f"what recurs is called {key.before}"),
        (-1.0, is_called_view(key), f"what recurs is called {key.before}"),
    ]
    if other is not None:
        votes.append((-1.0, other.leads, "the other number leads"))
        votes.append((1.5, _is_called(other, "round"), f"the other is called {other.before}"))
    said = [(weight, why) for weight, holds, why in votes if holds]
    return sum(weight for weight, _ in said), [why for _, why in said]


def may_be_view(key: Key | None) -> bool:
    """Say whether a field is called a view or a round, or has few values and no word for parts."""
    if key is None or is_called_part(key):
        return False
    return is_called_view(key) or count(key.codes) <= _FEW


def is_called_part(key: Key, *, places: bool = True) -> bool:
    """Say whether a field is called a part, or a place: of a fixture it is one, of a tray not."""
    return _is_called(key, "part") or (places and _is_called(key, "place"))


def is_called_view(key: Key) -> bool:
    """Say whether a field is called a view, a piece of a picture, or a round."""
    return _is_called(key, "view") or _is_called(key, "round")


def _is_called(key: Key, what: str) -> bool:
    return key.before in _CALLED[what].split()


def are_crossed(one: Indices, other: Indices) -> bool:
    """Say whether values of each come with many values of the other, as places and rounds do."""
    both = (one >= 0) & (other >= 0)
    first, second = np.where(both, one, -1), np.where(both, other, -1)
    return purity(first, second) < _CROSSED and purity(second, first) < _CROSSED


def cycles(order: Line, codes: Indices, within: Indices | None = None) -> Indices | None:
    """Cut runs whenever a value comes back, and `within` others; None if lengths differ much."""
    runs = np.full(len(codes), -1, dtype=np.int64)
    outer = np.zeros_like(runs) if within is None else within
    seen: set[int] = set()
    run, last = 0, -1
    for shot in order.walk()[0].tolist():
        if int(codes[shot]) in seen or (seen and outer[shot] != last):
            run, seen = run + 1, set()
        seen.add(int(codes[shot]))
        runs[shot], last = run, int(outer[shot])
    sizes = np.bincount(runs[runs >= 0])
    regular = np.bincount(sizes).max() >= _REGULAR * len(sizes)
    return runs if regular and len(sizes) > 1 else None


def cut_sessions(timed: Reading, named: Sequence[Reading], line: Line) -> Reading:
    """Cut runs in time that are sessions: a view starts anew in each of them, again and again.

    A robot takes the next part as soon as the last view of a part: the only pauses are those
    between sessions. In every part a value of the view stands at the same place.
    """
    order, gaps = line.walk()
    between = gaps[np.diff(timed.codes[order]) != 0]
    if not len(between) or np.median(between) < _ROUNDS_APART:
        return timed
    for one in sorted(named, key=lambda one: one.groups):
        if one.key is None or is_called_part(one.key, places=False) or (one.codes < 0).any():
            continue
        runs = cycles(line, one.codes, timed.codes)
        if runs is None or count(runs) < _SESSION * timed.groups:
            continue
        begins = np.flatnonzero(np.diff(runs[order], prepend=-1))
        places = np.arange(len(order)) - begins[runs[order]]
        if places.max() and purity(one.codes[order], places) >= _REGULAR:
            what = f"{timed.what}, and where {one.what} starts anew"
            return replace(timed, what=what, codes=runs)
    return timed


def purity(values: Indices, groups: Indices) -> float:
    """Compute the share of pairs of one group that have the same value; 1 without pairs."""
    placed = groups >= 0
    cells = np.unique(np.stack([groups[placed], values[placed]]), axis=1, return_counts=True)[1]
    sizes = np.unique(groups[placed], return_counts=True)[1]
    pairs = float((sizes * (sizes - 1)).sum())
    return float((cells * (cells - 1)).sum()) / pairs if pairs else 1.0


def count(codes: Indices) -> int:
    """Count the different values."""
    return int(codes.max()) + 1


def say_gaps(gaps: Sequence[float]) -> str:
    """Say gaps as a person would: "7 and 12"."""
    return " and ".join(f"{gap:g}" for gap in sorted({*map(round_gap, gaps)}))
