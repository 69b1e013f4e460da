"""pipeline.groups.clock_changes: nights in which clocks change."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from pipeline.groups.capture_times import time_line
from pipeline.groups.file_names import Names
from pipeline.groups.timeline import Line

CHANGES = {
    "forward": (datetime(2018, 3, 25, 2, 0), 1, datetime(2018, 3, 25, 1, 0)),
    "back": (datetime(2018, 10, 28, 3, 0), -1, datetime(2018, 10, 28, 1, 30)),
    "an ordinary night": (datetime(2018, 10, 21, 3, 0), 0, datetime(2018, 10, 21, 1, 30)),
}


def night(kind: str, *, counted: bool) -> tuple[Line, np.ndarray]:
    """Three views of each of 200 parts, a part every half minute; one of them over the change."""
    change, hours, start = CHANGES[kind]
    rng, names, parts = np.random.default_rng(1), list[str](), list[int]()
    begins = [start + timedelta(seconds=30 * n + int(rng.integers(0, 9))) for n in range(300)]
    begins[(change - start) // timedelta(seconds=30)] = change - timedelta(seconds=3)
    for part, begin in enumerate(begins):
        for view in range(3):
            real = begin + timedelta(seconds=2 * view)
            wall = real + timedelta(hours=hours if real >= change else 0)
            names.append(f"{f'DSC{len(names):05d}_' if counted else 'IMG_'}{wall:%Y%m%d_%H%M%S}")
            parts.append(part)
    line = time_line(Names.of(names), None)
    assert line is not None
    return line, np.array(parts)


@pytest.mark.parametrize(("kind", "counted"), [
    ("forward", False), ("back", True), ("an ordinary night", False),
])  # fmt: skip
def test_parts_are_neither_torn_nor_merged(kind: str, counted: bool) -> None:
    """The hour is taken out, or the counter in the names tells the two hours apart."""
    line, parts = night(kind, counted=counted)
    runs = line.runs(10.0)
    pairs = set(zip(runs.tolist(), parts.tolist(), strict=True))
    assert len(pairs) == len(np.unique(runs)) == len(np.unique(parts))
    assert ("clocks were set" in line.note) == (kind != "an ordinary night")


def test_an_hour_that_was_there_twice_is_said() -> None:
    """Without a counter nobody can tell the two hours apart: it is not done silently."""
    line, parts = night("back", counted=False)
    assert len(np.unique(line.runs(10.0))) < len(np.unique(parts))
    assert "of 2018-10-28 between 1:00 and 4:00: if clocks were set back" in line.note


def test_a_pause_of_an_hour_is_one() -> None:
    """In the day of the change, or an hour that has shots: nothing is moved."""
    names = ["IMG_20180325_115959", "IMG_20180325_130001", "IMG_20180325_130003"]
    line = time_line(Names.of(names), None)
    assert line is not None
    assert np.diff(line.values).tolist() == [3602.0, 2.0]
    assert not line.note
