"""When photographs were taken: by the camera (EXIF), or where that is silent by the name.

A program that exports photographs may write its own clock into a file, or into a name. The capture
came first: of two clocks that tell different times the earlier is believed, if it is as fine.
"""

from __future__ import annotations

import numpy as np

from features.arrays import Floats, Indices
from pipeline.groups.file_names import Names
from pipeline.groups.timeline import MOST_SHOTS, Line

TIMED = 0.5
"""Share of photographs that have a time, so that it is evidence."""

_STUCK = 0.5  # share of photographs of one instant that is no clock
_SOON = 5.0  # seconds after the capture within which a name is given
_AS_FINE = 0.9  # different seconds that are told, of those of the other clock
_TOUCH = 0.2  # seconds: a clock of thousandths is no finer than a hand
_STEPS = (60.0, 1.0)  # seconds: clocks of whole minutes, and of whole seconds


def time_line(names: Names, capture_time: Indices | None, least: float = TIMED) -> Line | None:
    """Find capture times of photographs.

    Args:
        names: of the photographs.
        capture_time: int64 (n,) milliseconds since 1970; negative where the file is silent; None
            where nobody looked.
        least: share of the photographs that must have a time.

    Returns:
        None where fewer have one.
    """
    exif = np.full(len(names.seconds), np.nan)
    if capture_time is not None and len(capture_time):
        exif[capture_time >= 0] = capture_time[capture_time >= 0] / 1000.0
        # One instant for most is the clock of an export, or of a camera that was never set.
        values, counts = np.unique(exif[np.isfinite(exif)], return_counts=True)
        stuck = values[counts > min(MOST_SHOTS, _STUCK * len(exif))]
        exif[np.isin(exif, stuck)] = np.nan
    exif, named = _captured(exif, names.seconds)
    values = np.where(np.isfinite(exif), exif, named)
    placed = values[np.isfinite(values)]
    if len(placed) < max(1, least * len(values)):
        return None
    by_file = float(np.isfinite(exif).sum()) >= 0.5 * len(placed)
    what = "by the camera (EXIF)" if by_file else "in file names"
    step = next((step for step in _STEPS if (placed % step == 0).all()), _TOUCH)
    return Line(what, values, step)


def _captured(exif: Floats, named: Floats) -> tuple[Floats, Floats]:
    """Set both clocks to one zone, and leave out of EXIF what was written after the capture."""
    both = np.isfinite(exif) & np.isfinite(named)
    if not both.any():
        return exif, named
    zone = np.round(np.median(exif[both] - named[both]))  # PXL_ is in UTC, EXIF is local
    agree = float((abs(exif - named - zone)[both] <= _SOON).mean()) >= 0.5
    fine, of_exif = (len(np.unique(of[both] // 1)) for of in (named, exif))
    if agree:
        named = named + zone
    elif fine < _AS_FINE * of_exif:
        return exif, named
    return np.where(exif > named + _SOON, np.nan, exif), named
