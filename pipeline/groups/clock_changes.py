"""Nights in which clocks change: an hour that is not there, and an hour that is there twice.

Cameras and phones write the time of the wall. In spring it jumps from 2:00 to 3:00, and a part that
is photographed at that moment seems to have been put aside for an hour. In autumn it goes back, and
the parts of two hours seem to have been photographed at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from features.arrays import Floats, Indices

_HOUR = 3600.0
_SOON = 120.0  # seconds between shots, beside the hour: more is no part that goes on
_TWICE = (1, 4)  # the hours of the clock, one of which is there twice
_NIGHT = 6  # the hour at which it is over
_FEWEST = 2
_SUNDAY = 6


def even_clock(counted: Sequence[int | None], seconds: Floats) -> tuple[Floats, str]:
    """Take clock changes out of capture times, as far as the photographs show them.

    Args:
        counted: the counter in each name; None where there is none.
        seconds: float64 (n,) by the clock of the wall, since 1970; nan where not known.

    Returns:
        The times with gaps as long as they were, and what a person should know; "" for nothing.
    """
    seconds, said = seconds.copy(), []
    days = np.unique(seconds[np.isfinite(seconds)] // 86_400).astype(int)
    for day in days.tolist():
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        if not _may_change(date):
            continue
        night = np.flatnonzero(
            (seconds >= day * 86_400) & (seconds < day * 86_400 + _NIGHT * _HOUR)
        )
        night = night[np.argsort(seconds[night], kind="stable")]
        said += _forward(seconds, night, date) or _back(seconds, night, date, counted)
    return seconds, "; ".join(said)


def _may_change(date: datetime) -> bool:
    """Say whether clocks change on this day somewhere: in Europe, America, or the south."""
    if date.weekday() != _SUNDAY:
        return False
    nth, last = (date.day - 1) // 7 + 1, (date + timedelta(days=7)).month != date.month
    known = {3: last or nth == 2, 4: nth == 1, 9: last, 10: last or nth == 1, 11: nth == 1}
    return known.get(date.month, False)


def _forward(seconds: Floats, night: Indices, date: datetime) -> list[str]:
    """Take an hour out, where shots go on behind an hour of the clock that has none."""
    times = seconds[night]
    hours = times // _HOUR
    for before, gap, missed in zip(times, np.diff(times), np.diff(hours), strict=False):
        if missed == 2 and _HOUR <= gap <= _HOUR + _SOON:
            seconds[seconds <= before] += _HOUR
            return [
                f"clocks were set forward on {date:%Y-%m-%d}, as it seems: between "
                f"{_clock(before)} and {_clock(before + gap)} lie {gap - _HOUR:.0f} s"
            ]
    return []


def _back(
    seconds: Floats, night: Indices, date: datetime, counted: Sequence[int | None]
) -> list[str]:
    """Tell the two hours apart by a counter; say where there is none."""
    first, last = (seconds[night] // 86_400 * 86_400 + hour * _HOUR for hour in _TWICE)
    inside = night[(seconds[night] >= first) & (seconds[night] < last)]
    if len(inside) < _FEWEST:
        return []
    numbers = [counted[i] for i in night.tolist()]
    known = [number for number in numbers if number is not None]
    order = night[np.argsort(known, kind="stable")] if len(set(known)) == len(night) else None
    steps = np.array([-1.0, -1.0]) if order is None else np.diff(seconds[order])
    fallen = np.flatnonzero(steps < 0)
    if not len(fallen):
        return []
    if order is None or len(fallen) > 1 or steps[fallen[0]] < -_HOUR:
        return [
            f"{len(inside):,} photographs are of {date:%Y-%m-%d} between {_TWICE[0]}:00 and "
            f"{_TWICE[1]}:00: if clocks were set back that night, parts of two hours have the same "
            "times and may be taken for one; look at them with “groups”, or say the parts"
        ]
    there = seconds[order[fallen[0]]]
    earlier = order[: fallen[0] + 1]
    rest = np.setdiff1d(np.flatnonzero(seconds < seconds[night].min()), earlier)
    seconds[np.concatenate([earlier, rest])] -= _HOUR
    return [
        f"clocks were set back on {date:%Y-%m-%d}, as the counter in the names says: what follows "
        f"{_clock(there)} is an hour later than it seems"
    ]


def _clock(seconds: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%H:%M:%S")


_NUMBER = re.compile(r"\d+", re.ASCII)


def counter_of(name: str) -> int | None:
    """Give the last number of a name, its time left out; None where there is none.

    Example:
        >>> counter_of("DSC_0412"), counter_of("part")
        (412, None)
    """
    numbers = _NUMBER.findall(name)
    return int(numbers[-1]) if numbers and len(numbers[-1]) < 12 else None
