"""pipeline.groups.streams: several cameras that photograph at once into one folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from features.cache.sample_table import TableRow
from pipeline.groups.evidence import PixelEvidence
from pipeline.groups.proposal import AT_LEAST
from pipeline.groups.readings import Readings, read_all

START = 1536138000  # 2018-09-05 09:00:00
Shots = list[tuple[float, int, int]]  # seconds, camera, part


def taken(*seeds: int, late: float = 0.0, most: int = 5) -> Shots:
    """Give bursts of 40 parts for each camera, 3.5 s between views and 25 s between parts."""
    found = []
    for camera, seed in enumerate(seeds):
        rng, now = np.random.default_rng(seed), START + late * camera
        for part in range(40):
            for view in range(int(rng.integers(max(1, most - 1), most + 1))):
                now += (3.5 if view else 25.0) * float(np.exp(0.3 * rng.standard_normal()))
                found.append((now, camera, 100 * seed + part))
    return sorted(found)


def read(shots: Shots, form: str, gap: float | None = None) -> Readings:
    """Read names and times; nobody asks the pixels."""
    own = [0] * 9
    names = []
    for n, (seconds, camera, _) in enumerate(shots):
        own[camera] += 1
        stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d_%H%M%S")
        word = ("IMG", "DSC", "PXL")[camera % 3]
        digest = f"{hash((n, 1)) % 2**60:015x}"
        names.append(
            form.format(
                t=stamp, camera=camera, word=word, own=own[camera] + 3000 * camera, digest=digest
            )
        )
    rows = [TableRow(f"a/{name}.jpg", "a", "", f"{n:064x}", n, "", 1, 1, 1, 1)
            for n, name in enumerate(names)]  # fmt: skip
    times = np.array([round(1000 * seconds) for seconds, *_ in shots])
    return read_all(rows, times, PixelEvidence(None, np.arange(len(rows))), gap)


def parts_of(readings: Readings) -> int:
    """Count the parts, each of several photographs."""
    return next(f.evidence.groups for f in readings.findings if f.evidence.used)


@pytest.mark.parametrize(
    "form",
    ["{word}_{own:04d}", "{own:05d}", "cam{camera}_{t}", "{t}_cam{camera}", "{camera}/{digest}"],
)
@pytest.mark.parametrize("seeds", [(1, 2), (3, 4, 5)])
def test_cameras_that_something_tells_are_read_by_themselves(
    form: str, seeds: Sequence[int]
) -> None:
    """Words, counters, numbers, folders: each camera's parts begin at times of their own."""
    found = read(taken(*seeds), form)
    assert 38 * len(seeds) <= parts_of(found) <= 40 * len(seeds)
    assert not found.bound
    assert "cameras by" in next(f.evidence.what for f in found.findings if f.evidence.used)


def test_cameras_that_nothing_tells_are_a_doubt() -> None:
    """Their parts run into one another, and that is said."""
    found = read(taken(1, 2), "{digest}")
    assert parts_of(found) < 50
    assert found.bound == AT_LEAST


@pytest.mark.parametrize("most", [2, 5, 9])
def test_one_camera_is_no_several(most: int) -> None:
    """However many views it takes of a part; its counter has a gap, as after a lunch."""
    shots = [
        (seconds, int(seconds > START + 900), part) for seconds, _, part in taken(7, most=most)
    ]
    found = read(shots, "{own:05d}")
    assert parts_of(found) <= 40
    assert not found.bound
    assert "cameras" not in next(f.evidence.what for f in found.findings if f.evidence.used)


@pytest.mark.parametrize("form", ["cam{camera}_{t}", "{camera}/{t}", "{word}_{t}"])
def test_two_cameras_at_one_part_are_not_torn(form: str) -> None:
    """Both change the part at once: their shots stay together."""
    found = read(taken(1, 1, late=0.4), form)
    assert 38 <= parts_of(found) <= 40


def test_lights_within_the_blink_of_an_eye_show_one_part() -> None:
    """Five of eight lights within 0.2 s, which no lag is told for, were cameras of their own."""
    begin = np.cumsum(9 + 0.5 * np.random.default_rng(1).random(40))
    shots = [
        (START + t + 0.05 * light, light, p) for p, t in enumerate(begin) for light in range(8)
    ]
    assert parts_of(read(shots, "L{camera}_{digest}")) == 40


def test_a_gap_that_is_told_cuts_each_camera() -> None:
    """It is the longest between two shots of one part, which one camera took."""
    assert parts_of(read(taken(1, 2), "cam{camera}_{t}", 12.0)) >= 76


@pytest.mark.parametrize("pause", [0, 1200])
def test_blocks_of_a_class_and_pauses_are_no_cameras(pause: int) -> None:
    """One photograph of each part, at an even pace; classes come in blocks, or as they like."""
    rng = np.random.default_rng(0)
    shots = [(START + 3.0 * n + pause * (n // 80), int(n // 20 % 3 == 2), n) for n in range(400)]
    if pause:
        shots = [(at, int(rng.random() < 0.3), part) for at, _, part in shots]
    assert read(shots, "{camera}/{digest}").basis == ""


@pytest.mark.parametrize("late", [3.0, 12.0, 37.0, 300.0])
@pytest.mark.parametrize("seeds", [(1, 1), (1, 1, 1)])
def test_cameras_with_other_clocks_look_at_the_same_parts(
    seeds: Sequence[int], late: float
) -> None:
    """Each part comes always as much later: its photographs of both stay together."""
    found = read(taken(*seeds, late=late), "cam{camera}_{t}")
    assert 38 <= parts_of(found) <= 40
    assert not found.question


def test_a_third_camera_with_parts_of_its_own_stays_apart() -> None:
    """Two of three look at the same parts."""
    assert 76 <= parts_of(read(taken(1, 1, 2, late=11.0), "cam{camera}_{t}")) <= 80


def test_cameras_whose_clocks_are_hours_apart_are_a_doubt() -> None:
    """They may be of two lots that a robot photographed: nobody puts them together unasked."""
    found = read(taken(1, 1, late=7200.0), "cam{camera}_{t}")
    assert parts_of(found) >= 76
    assert "same parts" in found.question


def test_each_camera_has_its_own_pace() -> None:
    """The pauses of a fast one are no longer than those within a part of a slow one."""
    slow = [(START + 2.2 * (at - START), 1, part + 100) for at, _, part in taken(2)]
    found = read(sorted(taken(1) + slow), "cam{camera}_{t}")
    assert 76 <= parts_of(found) <= 80


def on_a_line(lag: float, jitter: float) -> Readings:
    """Give one shot of each of 60 parts by two cameras, a part every eight seconds."""
    begin = (
        START + 8 * np.arange(60) + jitter * np.random.default_rng(0).standard_normal(60).cumsum()
    )
    shots = [(at + lag * camera, camera, n) for n, at in enumerate(begin) for camera in (0, 1)]
    return read(sorted(shots), "cam{camera}_{digest}")


@pytest.mark.parametrize("lag", [1.0, 5.0, 6.5, 7.5, 12.0])
def test_a_line_that_brings_parts_later_to_the_second_camera(lag: float) -> None:
    """Nearer to the next part than to its own: times that are not quite even tell it."""
    found = on_a_line(lag, 0.4)
    assert parts_of(found) == 60
    assert not found.question


def test_an_even_line_does_not_tell_which_part_is_whose() -> None:
    """Nothing settles it: it is asked."""
    assert "same parts" in on_a_line(5.0, 0.0).question
