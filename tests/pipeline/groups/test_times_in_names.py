"""pipeline.groups.times_in_names: what in names is a time, and what a serial number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from features.cache.sample_table import TableRow
from pipeline.groups.capture_times import time_line
from pipeline.groups.evidence import PixelEvidence
from pipeline.groups.file_names import Names
from pipeline.groups.readings import read_all
from pipeline.groups.times_in_names import clocks_in, time_of_name, without_time

START = 1536138000  # 2018-09-05 09:00:00
TIMES = START + np.random.default_rng(0).integers(1, 40, 120).cumsum() * 3  # over two hours


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("IMG_20180905_151012", 1536160212),
        ("IMG20180905151012", 1536160212),
        ("PXL_20180905_151012345", 1536160212.345),
        ("20180905_151012_007", 1536160212),
        ("WP_20180905_15_10_12_Pro", 1536160212),
        ("Screenshot_2018-09-05-15-10-12", 1536160212),
        ("Screenshot 2018-09-05 at 15.10.12", 1536160212),
        ("2018-09-05 15.10.12", 1536160212),
        ("2018-09-05T15:10:12", 1536160212),
        ("05.09.2018 15-10-12", 1536160212),
        ("WhatsApp Image 2018-09-05 at 3.10.12 PM", 1536160212),
        ("signal-2018-09-05-151012", 1536160212),
        ("photo_1536160212", 1536160212),
        ("1536160212345", 1536160212.345),
        ("IMG-20180905-WA0012", None),
        ("DSC_0012", None),
        ("IMG_20181905_151012", None),
        ("part-20180905", None),
        ("exp1_num_108719", None),
    ],
)
def test_times_in_names(name: str, seconds: float | None) -> None:
    """Phones, cameras, messengers and screenshots; what only looks like a time is none."""
    found = time_of_name(name)
    assert found == pytest.approx(seconds) if seconds else found is None


def test_epoch_seconds_that_do_not_count_on_are_times() -> None:
    """Seconds, milliseconds and nanoseconds since 1970; one-digit hours only before a separator."""
    names = [f"photo_{START + 3 * n}" for n in range(20)]
    assert np.isfinite([time_of_name(n, clocks_in(names)) for n in names]).all()
    assert time_of_name(f"{START}123456789") == pytest.approx(START + 0.123)
    assert time_of_name("20240312_000075") is None
    assert time_of_name("2018-09-05 at 3.10.12 PM") == 1536160212


def _written(form: str, seconds: int) -> str:
    """Give a time as a name; a minus before a letter leaves out the leading zero."""
    time, parts = datetime.fromtimestamp(seconds, UTC), form.split("%-")
    bare = [f"{int(time.strftime('%' + part[0]))}{part[1:]}" for part in parts[1:]]
    return time.strftime("".join([parts[0], *bare]))


@pytest.mark.parametrize(
    "form",
    [
        "%y%m%d_%H%M%S",
        "%y%m%d%H%M%S",
        "%d.%m.%y %H.%M.%S",
        "%Y-%m-%d %-H%M%S",
        "%Y-%-m-%-d %-H-%-M-%-S",
        "%-d.%-m.%Y %-H.%-M.%-S",
        "%m-%d-%Y %I-%M-%S %p",
        "%Y-%m-%d %-I.%M.%S\N{NARROW NO-BREAK SPACE}%p",
        "Bildschirmfoto %Y-%m-%d um %H.%M.%S",
        "Captura %Y-%m-%d a las %H.%M.%S",
        "%Y年%m月%d日%H时%M分%S秒",
        "%H-%M-%S_%Y-%m-%d",
        "%H%M%S_%Y%m%d",
        "good/2018-09-05/cam_%H%M%S",
        "good/180905/%H-%M-%S",
        "%H-%M-%S",
        "station_%H%M%S",
    ],
)
def test_clocks_that_names_tell_together(form: str) -> None:
    """Two-digit years, no leading zeros, the day of the folder, the clock alone: gaps are right."""
    times = TIMES + 20 * 86400 * form.startswith("%m")  # the 25th is no month
    names = [_written(form, int(t)) for t in times]
    line = time_line(Names.of([f"{name}.jpg" for name in names]), None)
    assert line is not None
    assert np.diff(line.values).tolist() == np.diff(times).tolist()
    assert len({without_time(name, clocks_in(names)) for name in names}) == 1


@pytest.mark.parametrize(
    "form",
    [
        "240312_{n:06d}",  # a lot and a serial number
        "240312_{m:06d}_{v}",  # that stays in one minute
        "20240312_{m:06d}_{v}",
        "{n:06d}",
        "part_{m:06d}_{v}",
        "{lot:02d}-{part:02d}-{v:02d}",  # lot, part and view
        "2024_{lot}_{part}_{v}_1_2",
        "{random:012d}",
        "{random:06d}",
    ],
)
def test_lots_and_serial_numbers_are_no_times(form: str) -> None:
    """What only looks like a date and a clock."""
    rng = np.random.default_rng(0)
    names = [
        form.format(
            n=99_950 + n, m=100_001 + n // 5, v=n % 5, lot=1 + n // 100, part=1 + n // 5 % 20,
            random=int(rng.integers(10**6)),
        )
        for n in range(250)
    ]  # fmt: skip
    clocks = clocks_in(names)
    assert not any(time_of_name(name, clocks) for name in names)


def test_three_digits_behind_a_second_are_thousandths_where_they_reach_so_far() -> None:
    """A burst within a second needs them; numbers of views end long before."""
    rng = np.random.default_rng(0).integers(0, 1000, len(TIMES))
    stamps = [_written("%Y%m%d_%H%M%S", int(t)) for t in TIMES]
    names = [f"{stamp}_{n:03d}" for stamp, n in zip(stamps, rng, strict=True)]
    assert time_of_name(names[0], clocks_in(names)) == pytest.approx(TIMES[0] + rng[0] / 1000)
    views = [f"{stamp}_{n % 5:03d}" for n, stamp in enumerate(stamps)]
    assert time_of_name(views[3], clocks_in(views)) == TIMES[3]


def test_a_day_of_the_calendar_is_no_number_and_a_serial_number_is_no_day() -> None:
    """A year with a running number behind it."""
    assert without_time("20240228_1", day="day") == "day_1"
    assert without_time("20240075_1", day="day") == "20240075_1"
    assert without_time("31.12.2024 7", day="day") == "day 7"


def test_the_time_of_a_folder_is_none_of_its_photographs() -> None:
    """A folder for each part, named by its time."""
    names = [f"good/20180905_1510{n // 4:02d}/IMG_{n:04d}" for n in range(80)]
    assert time_line(Names.of([f"{name}.jpg" for name in names]), None) is None
    assert without_time(names[0]) == "good/_151000/IMG_0000"  # its day goes


@pytest.mark.parametrize("form", ["%Y%m%d_%H%M_{n}", "Scan %Y-%m-%d %H.%M ({n})"])
@pytest.mark.parametrize(("every", "parts"), [(300, 40), (25, None)])
def test_clocks_of_whole_minutes(form: str, every: int, parts: int | None) -> None:
    """Parts that are minutes apart are found over the turn of one; faster ones are asked of."""
    rng, paths = np.random.default_rng(0), []
    for part in range(40):
        begin = START + every * part + int(rng.integers(60))
        paths += [f"a/{_written(form, begin + 9 * v).format(n=5 * part + v)}.jpg" for v in range(5)]
    rows = [TableRow(path, "a", "", f"{n:064x}", n, "", 1, 1, 1, 1) for n, path in enumerate(paths)]
    found = read_all(rows, None, PixelEvidence(None, np.arange(len(rows))))
    assert ("same time" in found.question) == (parts is None)
    used = next(f.evidence for f in found.findings if f.evidence.used)
    assert parts is None or used.groups == parts


def test_a_photograph_each_minute_is_no_part() -> None:
    """On time to the minute, by a schedule: nothing is said of parts, and pixels may speak."""
    paths = [f"a/{_written('%Y%m%d_%H%M', START + 60 * n)}.jpg" for n in range(200)]
    rows = [TableRow(path, "a", "", f"{n:064x}", n, "", 1, 1, 1, 1) for n, path in enumerate(paths)]
    found = read_all(rows, None, PixelEvidence(None, np.arange(len(rows))))
    assert found.basis == ""
    assert not found.spoken.any()


@pytest.mark.parametrize(
    ("export", "trusted"),
    [
        (lambda n, t: START + 10**6 + 0.3 * n, "names"),  # a program wrote them one by one
        (lambda n, t: START + 10**6 + n // 4 + 60 * (n // 30), "names"),
        (lambda n, t: t if n % 3 else START + 10**6, "names"),  # of some
        (lambda n, t: t + 7200.25, "EXIF"),  # another zone
        (lambda n, t: t - 10**6 - (n % 7), "EXIF"),  # the names are of the export
    ],
)
def test_the_earlier_of_two_clocks_is_the_capture(
    export: Callable[[int, int], float], trusted: str
) -> None:
    """EXIF of an export comes after the times in names, and does not beat them."""
    names = Names.of([f"a/{_written('%Y%m%d_%H%M%S', int(t))}.jpg" for t in TIMES])
    exif = np.array([export(n, int(t)) for n, t in enumerate(TIMES)])
    line = time_line(names, np.round(1000 * exif).astype(np.int64))
    assert line is not None
    right = TIMES if trusted == "names" else exif
    assert np.diff(line.values) == pytest.approx(np.diff(right), abs=0.01)
