"""Parts that runs tear or names merge: serial numbers that come back, slower hands, trays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.groups import measure
from benchmarks.kinds_of_parts import KINDS, alone, nameless, phone, sides
from features.cache.sample_table import TableRow
from pipeline.groups.evidence import PixelEvidence
from pipeline.groups.proposal import AT_LEAST
from pipeline.groups.readings import Readings, read_all

START = 1536138000  # 2018-09-05 09:00:00


def read(names: list[str], labels: list[str], seconds: list[float] | None = None) -> Readings:
    """Read names and times; nobody asks the pixels."""
    rows = [
        TableRow(f"{label}/{name}.jpg", label, "", f"{n:064x}", n, "", 1, 1, 1, 1)
        for n, (name, label) in enumerate(zip(names, labels, strict=True))
    ]
    times = None if seconds is None else np.array([round(1000 * one) for one in seconds])
    return read_all(rows, times, PixelEvidence(None, np.arange(len(rows))))


def parts_of(found: Readings) -> int:
    """Count the groups of what is used."""
    return next(f.evidence.groups for f in found.findings if f.evidence.used)


def two_days(number: Callable[[int], int], label: Callable[[int, int], str]) -> Readings:
    """Give thirty numbers on each of two days, four photographs each, and when they were taken."""
    rng, names, labels = np.random.default_rng(1), list[str](), list[str]()
    for day in range(2):
        now = START + 86400.0 * day
        for part in range(30):
            for view in range(4):
                now += (3.5 if view else 25.0) * float(np.exp(0.3 * rng.standard_normal()))
                stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%d_%H%M%S")
                names.append(f"X{number(part):05d}_{stamp}")
                labels.append(label(part, day))
    return read(names, labels)


def test_a_serial_number_that_comes_back_is_one_part() -> None:
    """It was inspected again the next day: two runs in time, one part, which were torn."""
    found = two_days(lambda part: 4711 + 13 * part, lambda part, _: "ab"[part % 3 == 0])
    assert (parts_of(found), found.basis, found.question) == (30, "names", "")


def test_numbers_that_leave_none_out_may_be_counted_anew() -> None:
    """Runs serve and it is asked, unless the classes go with the runs."""
    found = two_days(lambda part: part, lambda *_: "a")
    assert (parts_of(found), found.basis) == (60, "times")
    assert "photographed again" in found.question
    found = two_days(lambda part: part, lambda part, day: "ab"[(part * 7 + 13 * day) % 5 < 2])
    assert (parts_of(found), found.question) == (60, "")


@pytest.mark.parametrize("slow", [(8.0, 60.0), (9.0, 90.0)])
def test_a_slower_hand_is_asked_about(slow: tuple[float, float]) -> None:
    """One cut does not do for two hands: the slower one's parts were torn, "probably"."""
    for hands, asked in ((((2.0, 10.0), slow), True), (((2.0, 10.0),) * 2, False)):
        rng, now, seconds = np.random.default_rng(2), float(START), list[float]()
        for within, between in hands:
            for shot in range(150):
                median = within if shot % 5 else between
                now += median * float(np.exp(0.3 * rng.standard_normal()))
                seconds.append(now)
        found = read([f"DSC_{n:04d}" for n in range(300)], ["a"] * 300, seconds)
        assert ("slowly" in found.question) == asked


def test_places_of_plates_are_no_parts() -> None:
    """Another part in each place of each plate: a place ties photographs of a dozen parts."""
    found, merged, said = measure(alone(lambda n: f"plate{n // 12:02d}_pos{n % 12:02d}", count=144))
    assert (found, said) == (1.0, "names, at least")
    assert merged > 0


def test_serial_numbers_of_letters_and_digits_are_one_word() -> None:
    """A3X07Q-2: what recurs in its letters is no lot, and no part."""
    rng = np.random.default_rng(1)
    letters = ["".join(rng.choice(list("ABCDEF"), 2)) for _ in range(40)]
    names = [
        f"{a}{part % 7}{b}{part:02d}Q-{view}"
        for part, (a, b) in enumerate(letters)
        for view in range(5)
    ]
    found = read(names, ["a"] * len(names))
    assert (parts_of(found), found.basis) == (40, "names")


def bursts(parts: int = 40) -> list[tuple[int, int, float]]:
    """Draw (part, view, seconds): five views of each part within seconds, then the next part."""
    rng, now, found = np.random.default_rng(3), float(START), []
    for part in range(parts):
        for view in range(5):
            now += (1.0 if view else 9.0) * float(np.exp(0.35 * rng.standard_normal()))
            found.append((part, view, now))
    return found


def test_views_that_words_tell_are_no_late_cameras() -> None:
    """front_…, back_… a second apart, the last view missing now and then: parts were torn."""
    words, shots = ("front", "back", "left", "right", "top"), bursts()
    kept = [(view, t) for part, view, t in shots if view < 4 or part % 3]
    names = [
        f"{words[view]}_{datetime.fromtimestamp(int(t), UTC):%Y%m%d_%H%M%S}" for view, t in kept
    ]
    assert 36 <= parts_of(read(names, ["a"] * len(names))) <= 40


def test_sessions_are_no_parts_where_times_tell_parts_in_them() -> None:
    """session2/DSC_0012: sessions of fifty photographs were parts; of another name it is asked."""
    for what, parts, asked in (("session", 40, ""), ("", 4, "is a run of shots the part")):
        names = [f"{what}{n // 50}/DSC_{n % 50:04d}" for n in range(200)]
        found = read(names, ["a"] * 200, [t for *_, t in bursts()])
        assert (parts_of(found), found.bound) == (parts, AT_LEAST if asked else "")
        assert asked in found.question


@pytest.mark.parametrize(("form", "cycles"), [("{t}_{v}", 8), ("{t}_cam{v}", 3)])
def test_a_view_that_starts_anew_tells_parts_of_a_session(form: str, cycles: int) -> None:
    """Shots at an even pace, sessions hours apart: whole sessions were parts, without a word."""
    shots = [(s, part, view) for s in range(6) for part in range(cycles) for view in range(5)]
    times = [START + 7200 * s + 4 * (5 * part + view) for s, part, view in shots]
    stamps = [f"{datetime.fromtimestamp(t, UTC):%Y%m%d_%H%M%S}" for t in times]
    names = [form.format(t=t, v=v) for t, (*_, v) in zip(stamps, shots, strict=True)]
    assert parts_of(read(names, ["a"] * len(names))) == 6 * cycles
    torn = [form.format(t=t, v=n % 7) for n, t in enumerate(stamps)]  # no place within a session
    assert parts_of(read(torn, ["a"] * len(names))) <= 7


def test_sides_of_a_part_that_is_turned_over_are_asked_about() -> None:
    """The pause is as long as that between parts: 80 sides were "probably 80 parts"."""
    assert measure(sides(2))[2] == "times, at most"
    assert measure(phone("%Y%m%d_%H%M%S"))[2] == "times"  # each run shows the same views


def test_copies_of_frames_are_no_parts_for_sure() -> None:
    """Three of each frame: the names say that these are copies, and of the frames nothing."""
    for word, asked in (("mp4-", True), ("part", False)):
        names = [f"video_{word}{n // 3}_jpg.rf.{nameless(n)}" for n in range(150)]
        found = read(names, ["a"] * 150)
        assert (parts_of(found), bool(found.question)) == (50, asked)


def test_each_camera_that_counts_its_shots_is_asked_about() -> None:
    """cam0/0007 and cam1/0007 are one view by two cameras, and a run of ten shots is the part."""
    shots = [(n, camera, t) for n, (*_, t) in enumerate(bursts()) for camera in (0, 1)]
    names = [f"cam{camera}/DSC_{n:04d}" for n, camera, _ in shots]
    found = read(names, ["a"] * len(names), [t + 0.3 * camera for _, camera, t in shots])
    assert "does each camera count its shots" in found.question


@pytest.mark.parametrize(
    ("kind", "parts", "said"),
    [
        ("clock before the day", 59, ""),
        ("day as folder, clock as name, days", 59, ""),
        ("a lot's time in names, EXIF right", 56, ""),
        ("twelve poses, four minutes a part, one of them bad", 24, ""),
        ("items over two classes, one file in both", 50, ""),
        ("rounds of ten minutes, only a number, one class", 8, AT_LEAST),  # of 24: it is asked
        ("sessions at an even pace, place behind time", 60, ""),
        ("a turntable, four times round each part", 30, ""),
        ("a fixture, twice round in each session", 12, ""),
        ("nothing: counted anew each day", 0, ""),
    ],
)
def test_kinds_that_one_condition_serves(kind: str, parts: int, said: str) -> None:
    """Each was silently torn or merged without one line of the reading of names and times."""
    shots = KINDS[kind]()
    rows = [
        TableRow(s.path, s.path.split("/")[0], "", f"{n:064x}", n, "", 1, 1, 1, 1)
        for n, s in enumerate(shots)
    ]
    times = np.array([s.thumbnail.capture_time for s in shots])
    found = read_all(rows, times, PixelEvidence(None, np.arange(len(rows))))
    groups = next((f.evidence.groups for f in found.findings if f.evidence.used), 0)
    assert (groups, found.bound) == (parts, said)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("views by words, behind digests", "copies, at most"),
        ("views by words, German", "copies, at most"),
        ("twelve views of ten parts, behind digests", "pixels, at most"),
        ("parts of one design, lying alike, named", "names"),
        ("side by a word before the part", "names"),
        ("turned over twice", "times, at most"),
    ],
)
def test_kinds_that_one_condition_serves_against_the_pixels(kind: str, said: str) -> None:
    """Views look more alike than parts, and parts of one design all alike."""
    _, merged, by = measure(KINDS[kind]())
    assert (by, merged) == (said, 0)
