"""Read from file names when photographs were taken, where names of a folder say so together.

A four-digit year with a time is believed in a single name. All else that may be a date and a clock
("180905_151012", "2018-9-5 9-1-26", "2018-09-05/151012", "15-10-12") may as well be a lot and a
serial number: it is believed where nearly all names of many have a valid one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

_NO_TIMES = 0.05  # share of names without a valid time from which on their digits are no times
_MOST = 0.5  # share of names that have to have one
_FEWEST = 10  # names, or steps between numbers, that make a habit
_LATE = 40  # of 60: who counts parts and views in two or three numbers comes not so far
_HALF = 0.25  # share of numbers of three digits from 500 on, so that they are thousandths
_COUNT_ON = 0.8  # share of numbers that follow one another: they are serial numbers
_LOOKED_AT = 1000  # names
_LETTERS = str.maketrans("0123456789", "abcdefghij")  # no pattern of a time finds these again

_LONG, _SHORT = r"(?P<year>(?:19[89]|20\d)\d)", r"(?P<year>[0-3]\d)"
_TWO, _ONE_OR_TWO = r"\d\d", r"\d\d|\d(?!\d)"
_JOIN = r"(?:[-_T ,]{0,3}|[ _](?:[^\d_ ]{1,3} ){1,2})"  # "_", "T", " at ", " a las "
_FOLDER = r"[^/\d]*/[^/\d]*"  # between the date of a folder and the clock of its file
_BLANK = "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]?"


def _date(order: str, year: str, month: str, day: str) -> str:
    part = {"y": year, "m": f"(?P<month>{month})", "d": f"(?P<day>{day})"}
    one, two, three = (part[key] for key in order)
    return rf"{one}(?:年|(?P<sep>[-_. ]?)){two}(?:月|(?P=sep)){three}日?"


def _clock(hour: str, width: str, dot: str = r"\.?") -> str:
    return (
        rf"(?P<hour>{hour})(?:[h時时]|(?P<dot>[-_.: ]?))(?P<minute>{width})(?:[m分]|(?P=dot))"
        rf"(?P<second>{width})[s秒]?(?:{dot}(?P<fraction>\d{{3}})(?!\d))?"
        rf"(?:{_BLANK}(?P<half>[AaPp])\.?[Mm])?"
    )


def _compiled(*parts: str) -> re.Pattern[str]:
    return re.compile("".join((r"(?<!\d)", *parts)), re.ASCII)


_ORDERS = ("ymd", "dmy", "mdy")
_DATES = [
    _date(order, year, _ONE_OR_TWO, _ONE_OR_TWO) for year in (_LONG, _SHORT) for order in _ORDERS
]
_PADDED = [_date(order, _LONG, _TWO, _TWO) for order in _ORDERS[:2]]
_ANY_CLOCK = _clock(rf"\d(?=\d{{4}}(?!\d))|{_ONE_OR_TWO}", _ONE_OR_TWO)
_MINUTES = r"(?P<hour>\d\d)(?P<dot>[-_.:]?)(?P<minute>\d\d)(?!\d|(?P=dot)\d)"
_ALONE = _compiled(_clock(_TWO, _TWO), r"(?!\d)")
_EPOCH = re.compile(r"(?<!\d)(1[0-9]\d{8})(\d{3})?(?:\d{3}){0,2}(?!\d)", re.ASCII)
_SURE = (
    *(_compiled(day, _JOIN, _clock(r"\d\d|\d(?=[-_.:h ])", _TWO), r"(?!\d{4})") for day in _PADDED),
    _EPOCH,
)
_DOUBTFUL = (
    *(_compiled(day, f"(?:{_JOIN}|{_FOLDER})", _ANY_CLOCK, r"(?!\d)") for day in _DATES),
    *(_compiled(_ANY_CLOCK, "[-_ ,]{1,3}", day, r"(?!\d)") for day in _DATES[:3]),
    _ALONE,
    *(_compiled(day, _JOIN, _MINUTES) for day in _PADDED),
)
_THOUSANDTHS = [_compiled(day, _JOIN, _clock(_TWO, _TWO, "[-_]"), r"(?!\d)") for day in _PADDED]
_DAY = [
    _compiled(_date(order, _LONG, "0[1-9]|1[0-2]", r"0[1-9]|[12]\d|3[01]"), r"(?!\d)")
    for order in _ORDERS[:2]
]


def clocks_in(names: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """Give the patterns of times, without those that find serial numbers in these names.

    Six digits behind a date are none where they often are no time of day ("20240312_000075"), or
    count on in one minute ("20240312000007"), and ten digits are no seconds since 1970 where they
    count on ("1500000001", "1500000002"). A doubtful pattern comes first, where it alone reads most
    of them.
    """
    some = names[:: 1 + len(names) // _LOOKED_AT]
    sure = tuple(clock for clock in _SURE if _reads(clock, some) is not None)
    best, read = sure, sum(time_of_name(name, sure) is not None for name in some)
    for clock in _DOUBTFUL:
        found = _reads(clock, some, _FEWEST) or 0
        if found > max(read + _NO_TIMES * len(some), _MOST * len(some)):
            best, read = (clock, *sure), found
    thousandths = [clock for clock in _THOUSANDTHS if _fractions(clock, some)]
    return (*thousandths, *best)


def _reads(clock: re.Pattern[str], names: Sequence[str], fewest: int = 0) -> int | None:
    """Count names that have a valid time of a pattern; None where these are serial numbers.

    A serial number would be past 59 now and then, or stay in one minute, or count on. Of a doubtful
    pattern so many times at the `fewest` are evidence; 0 for one that is not doubtful.
    """
    found = [match for name in names if (match := next(_matches(clock, name), None))]
    read = sum(_seconds(match) is not None for match in found)
    if read < max(fewest, 1) or read <= (1 - _NO_TIMES) * len(found):
        return None if found or fewest else 0
    if clock is _EPOCH:
        return None if _count_on([int(match[1]) for match in found if not match[2]]) else read
    units = [unit for unit in ("hour", "minute", "second") if unit in clock.groupindex]
    told = [tuple(int(match[unit]) for unit in units) for match in found]
    above, last = {one[:-1] for one in told}, [one[-1] for one in told]
    if fewest:
        minutes = "second" not in units
        enough = above != {(0,)} if minutes else len(above) > 1 and max(last) >= _LATE
        return read if enough else None
    again = len(above) == 1 and len(set(last)) < len(last) and _count_on(last)
    return None if again else read


def _fractions(clock: re.Pattern[str], names: Sequence[str]) -> bool:
    """Say whether three digits behind most times are thousandths, and not numbers of views."""
    found = [match["fraction"] for name in names for match in [*_matches(clock, name)][:1]]
    behind = [int(digits) for digits in found if digits]
    late = sum(number >= 500 for number in behind)
    return len(behind) > _MOST * len(names) and late >= _HALF * len(behind)


def _count_on(numbers: Sequence[int]) -> bool:
    """Say whether numbers are those of a counter: most are followed by the next."""
    steps = np.diff(sorted(set(numbers)))
    return len(steps) >= _FEWEST and float((steps == 1).mean()) >= _COUNT_ON


def _matches(clock: re.Pattern[str], name: str) -> Iterator[re.Match[str]]:
    """Give what a pattern finds that is not of a folder alone."""
    return (found for found in clock.finditer(name) if "/" not in name[found.end() :])


def _seconds(match: re.Match[str]) -> float | None:
    """Give what a pattern found in seconds since 1970, or since midnight; None for no time."""
    part = match.groupdict()
    if not part:
        return float(f"{match[1]}.{match[2] or 0}")
    hour, year = int(part["hour"]), part.get("year") or "1970"
    if part.get("half"):  # 12 AM is 0 and 12 PM is 12
        hour = hour % 12 + 12 * (part["half"] in "Pp")
    try:
        day = datetime(
            int(year) + 2000 * (len(year) == 2), int(part.get("month") or 1),
            int(part.get("day") or 1), hour, int(part["minute"]), int(part.get("second") or 0),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    return day.timestamp() + float(f"0.{part.get('fraction') or 0}")


def time_of_name(name: str, clocks: Sequence[re.Pattern[str]] = _SURE) -> float | None:
    """Read from a file name when it was taken: seconds since 1970; None if it does not say.

    Dates with times as phones, cameras and screenshots write them, with or without thousandths
    ("IMG_20180905_151012", "PXL_20210203_101112345", "2018-09-05 15.10.12", "05.09.2018 15-10-12"),
    and seconds or milliseconds since 1970. WhatsApp's "IMG-20180905-WA0012" has no time.

    Example:
        >>> time_of_name("IMG_19700101_000012.jpg") is None, time_of_name("1536160212123.jpg")
        (True, 1536160212.123)
    """
    read = (_seconds(match) for clock in clocks for match in _matches(clock, name))
    return next((seconds for seconds in read if seconds is not None), None)


def without_time(
    name: str, clocks: Sequence[re.Pattern[str]] = _SURE, mark: str = "", day: str = ""
) -> str:
    """Give the name with date and time replaced by a mark, so that they are no number of a part.

    Behind a mark its digits follow as letters, "a" for 0. A date without a time is replaced by
    `day`, a template of `re` with year, month and day.
    """

    def marked(found: re.Match[str]) -> str:
        if "/" in found.string[found.end() :] or _seconds(found) is None:
            return found[0]
        return mark and mark + re.sub(r"\D", "", found[0]).translate(_LETTERS)

    for clock in clocks:
        name = clock.sub(marked, name)
    for stamp in _DAY:
        name = stamp.sub(day, name)
    return name
