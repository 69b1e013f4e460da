"""Nights in which clocks change: an hour that is not there, and an hour that is there twice.

Cameras and phones write the time of the wall. In spring it jumps from 2:00 to 3:00, and a part that
is photographed at that moment seems to have been put aside for an hour. In autumn it goes back, and
the parts of two hours seem to have been photographed at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from features.arrays import Floats, Indices

_DAY, _HOUR = 86_400.0, 3600.0  # seconds
_SOON = 120.0  # seconds between shots, beside the hour: more is no part that goes on
_TWICE = (1, 4)  # the hours of the clock, one of which is there twice
_NIGHT = 6  # the hour at which it is over
_FEWEST = 2
_SUNDAY = 6


def even_clock(counted: Floats, seconds: Floats) -> tuple[Floats, str]:
    """Take clock changes out of capture times, as far as the photographs show them.

    Args:
        counted: float64 (n,), the counter in each name; nan where there is none.
        seconds: float64 (n,) by the clock of the wall, since 1970; nan where not known.

    Returns:
        The times with gaps as long as they were, and what a person should know; "" for nothing.
    """
    seconds, said = seconds.copy(), []
    for day in np.unique(seconds[np.isfinite(seconds)] // _DAY).astype(int).tolist():
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        if _may_change(date):
            since = seconds - day * _DAY
            night = np.flatnonzero((since >= 0) & (since < _NIGHT * _HOUR))
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


def _back(seconds: Floats, night: Indices, date: datetime, counted: Floats) -> list[str]:
    """Tell the two hours apart by a counter; say where there is none."""
    hours = seconds[night] % _DAY / _HOUR
    inside = int(((hours >= _TWICE[0]) & (hours < _TWICE[1])).sum())
    if inside < _FEWEST:
        return []
    known = len(np.unique(counted[night])) == len(night) and np.isfinite(counted[night]).all()
    order = night[np.argsort(counted[night])]
    fallen = np.flatnonzero(np.diff(seconds[order]) < 0)
    if known and not len(fallen):
        return []
    if not known or len(fallen) > 1 or np.diff(seconds[order])[fallen[0]] < -_HOUR:
        return [
            f"{inside:,} photographs are of {date:%Y-%m-%d} between {_TWICE[0]}:00 and "
            f"{_TWICE[1]}:00: if clocks were set back that night, parts of two hours have the same "
            "times and may be taken for one; look at them with “groups”, or say the parts"
        ]
    there = seconds[order[fallen[0]]]
    earlier = seconds < seconds[night[0]]
    earlier[order[: fallen[0] + 1]] = True
    seconds[earlier] -= _HOUR
    return [
        f"clocks were set back on {date:%Y-%m-%d}, as the counter in the names says: what follows "
        f"{_clock(there)} is an hour later than it seems"
    ]


def _clock(seconds: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%H:%M:%S")
