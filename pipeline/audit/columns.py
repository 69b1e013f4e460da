"""Photographs to columns of facts, and why some facts are not judged."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from features.cache.sample_table import TableRow
from features.photographs.metadata import FileFacts
from pipeline.audit.bins import Column
from pipeline.audit.metadata_facts import FACTS
from pipeline.data.class_words import split_of
from pipeline.groups.times_in_names import clocks_in, time_of_name
from pipeline.output.names import name_key

GONE = "needs the files, which are gone or were changed since extract"
CONSTANT = "the same for all"
ABSENT = "no photograph has it"
RARE = "too few parts of some class have it"
COPIED = "files written one after the other in a moment, as copies are"
IN_TIME = "part of the time in the file name"
RENUMBERED = "every class is numbered from the start"

_NUMBERS = ("number_1", "number_2", "number_3")
_FROM_FILES = (
    *("width", "height", "format", "mode", "jpeg_quality", "jpeg_tables"),
    *("brightness", "contrast", "sharpness", "red", "blue"),
    *("border_brightness", "border_red", "border_blue"),
    *("camera", "lens", "software", "flash", "orientation"),
    *("exposure", "aperture", "iso", "focal_length", "captured"),
)
_COPY_GAP = 1.0  # seconds: no person photographs part after part faster than this
_MOST_WITH_NUMBER = 0.95  # share of the names that must hold a number at this place


class Testable(NamedTuple):
    """Hold what there is to judge.

    Attributes:
        columns: one per fact, in the order of FACTS.
        words: by fact, the words that the whole numbers of its column stand for.
        left_out: by fact, why it is not judged.
    """

    columns: list[Column]
    words: dict[str, list[str]]
    left_out: dict[str, str]


def collect(
    table_rows: Sequence[TableRow],
    facts: Sequence[FileFacts | None],
    y: Indices,
    groups: Indices,
    *,
    least_parts: int = 2,
) -> Testable:
    """Collect the columns of all facts that vary and that two parts of each class have.

    Args:
        table_rows: n photographs.
        facts: of their files; None where the file is gone or another one now.
        y: int64 (n,) class numbers.
        groups: int64 (n,) part numbers.
        least_parts: of each class that must have a fact; 1 to describe a class with one part.
    """
    raw = _from_table(table_rows, y, groups) | _from_files(facts)
    found = Testable([], {}, {})
    for name, fact in FACTS.items():
        values = raw[name]
        if isinstance(values, str):
            found.left_out[name] = values
            continue
        column = _column(name, values, found.words)
        reason = _why_not(column, y, groups, least_parts)
        if reason is None:
            found.columns.append(column)
        else:
            gone = fact.name not in _TABLE_FACTS and not any(facts)
            found.left_out[name] = GONE if gone else reason
    return found


_Raw = Sequence[float] | Sequence[str] | str  # values of all photographs, or why there are none
_TABLE_FACTS = frozenset({"file_size", "file_time", "named_time", "subfolder", *_NUMBERS})


def _column(
    name: str, values: Sequence[float] | Sequence[str], words: dict[str, list[str]]
) -> Column:
    """Give numbers as they are; words as whole numbers, "" as not known."""
    if FACTS[name].show is not None:
        return Column(name, np.array(values, dtype=np.float64))
    words[name] = sorted({str(value) for value in values if value})
    code = {word: number for number, word in enumerate(words[name])}
    return Column(name, np.array([code.get(str(v), np.nan) for v in values]), ordered=False)


def _why_not(column: Column, y: Indices, groups: Indices, least_parts: int) -> str | None:
    known = column.known
    if not known.any():
        return ABSENT
    if len(np.unique(column.values[known])) < 2:
        return CONSTANT
    parts = [len(set(groups[known & (y == c)].tolist())) for c in range(int(y.max()) + 1)]
    return None if min(parts) >= least_parts else RARE


def _from_table(table_rows: Sequence[TableRow], y: Indices, groups: Indices) -> dict[str, _Raw]:
    """Give facts that the cache knows, whether the files are there or not."""
    times = np.array([table_row.mtime_ns / 1e9 for table_row in table_rows])
    copied = len(times) > 1 and float(np.median(np.diff(np.sort(times)))) < _COPY_GAP
    return {
        "file_size": [float(table_row.size) for table_row in table_rows],
        "file_time": COPIED if copied else times.tolist(),
        "subfolder": [_subfolder(table_row.path, table_row.label) for table_row in table_rows],
    } | _from_names([PurePosixPath(table_row.path).name for table_row in table_rows], y, groups)


def _subfolder(path: str, label: str) -> str:
    """Give the folders above and below the class, such as a day or a line; "." for none.

    Not those of a split, nor the class itself, which may stand in one name ("train_good").
    """
    key = name_key(label)
    names = [(folder, name_key(folder)) for folder in PurePosixPath(path).parts[:-1]]
    called = next((n for _, n in names if n == key), next((n for _, n in names if key in n), ""))
    return "/".join(f for f, name in names if name != called and not split_of(name)) or "."


def _from_names(names: Sequence[str], y: Indices, groups: Indices) -> dict[str, _Raw]:
    """Give the time that names tell, if they do; else the numbers in them."""
    clocks = clocks_in(names)
    times = [time_of_name(name, clocks) for name in names]
    known = [np.nan if one is None else one for one in times]
    if names and np.isfinite(known).mean() >= _MOST_WITH_NUMBER:
        return {"named_time": known, **dict.fromkeys(_NUMBERS, IN_TIME)}
    numbers = _name_numbers([PurePosixPath(name).stem for name in names], y, groups)
    return {"named_time": [np.nan] * len(names), **numbers}


def _name_numbers(names: Sequence[str], y: Indices, groups: Indices) -> dict[str, _Raw]:
    """Give the numbers in file names, by their place in it."""
    found = [[float(digits) for digits in re.findall(r"[0-9]+", name)] for name in names]
    raw: dict[str, _Raw] = {}
    for place, name in enumerate(_NUMBERS):
        values = [numbers[place] if len(numbers) > place else np.nan for numbers in found]
        there = np.isfinite(values).mean() if values else 0.0
        if there < _MOST_WITH_NUMBER:
            raw[name] = [np.nan] * len(values)
        else:
            raw[name] = RENUMBERED if _renumbered(np.array(values), y, groups) else values
    return raw


def _renumbered(values: Floats, y: Indices, groups: Indices) -> bool:
    """Say whether each class counts its photographs or parts from 0 or 1 on.

    Then a high number only says which class has more of them.
    """
    for number in range(int(y.max()) + 1):
        seen = np.unique(values[(y == number) & np.isfinite(values)])
        parts = len(np.unique(groups[y == number]))
        dense = len(seen) > 1 and seen[-1] - seen[0] + 1 <= 1.1 * len(seen)
        if not dense or seen[0] > 1 or len(seen) < parts / 2:
            return False
    return True


def _from_files(facts: Sequence[FileFacts | None]) -> dict[str, _Raw]:
    """Give facts that need the files."""
    blank = FileFacts()
    there = [blank if one is None else one for one in facts]
    raw: dict[str, _Raw] = {name: [getattr(one, name) for one in there] for name in _FROM_FILES}
    return raw | {
        "aspect": [one.width / one.height for one in there],
        "bytes_per_pixel": [one.bytes / (one.width * one.height) for one in there],
        "time_of_day": [one.captured % 86_400 for one in there],
        "has_exif": ["" if one is None else "there" if one.has_exif else "not" for one in facts],
    }


def reasons(left_out: dict[str, str]) -> dict[str, list[str]]:
    """List titles of the facts that are not judged, by reason."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, reason in left_out.items():
        found[reason].append(FACTS[name].title)
    return dict(found)
