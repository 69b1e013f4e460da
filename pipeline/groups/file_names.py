"""File names, each parsed once: its time, and the fields in which it differs from the others.

Names of one shape ("exp3_num_31138" and "exp4_num_40450") are cut into times, days, numbers and
words; what differs between them is a field. A field, or the first few of them together, is a
candidate for a part's name if it puts photographs into groups, and for a counter if it hardly
repeats. `pipeline.groups.readings` decides.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from pipeline.groups.timeline import Line
from pipeline.groups.times_in_names import clocks_in, time_of_name, without_time

_TIME, _DAY = "\0", "\1"  # begin a date and time, and a date alone
_DRAWN = "\2"  # begins what is drawn at random, or a digest: a word, whose digits are no numbers
_TOKEN = re.compile(rf"[{_TIME}{_DRAWN}][^\W_]+|{_DAY}[0-9]+|[0-9]+|[^\W\d_]+|[\W_]|\d", re.UNICODE)
_MARKS = {_TIME: "time", _DAY: "day", _DRAWN: "drawn"}
_FEWEST, _SMALLEST_SHARE = 8, 0.05  # names of one shape: so many, and so many of all
_FEWEST_DRAWN, _SHORTEST = 16, 4  # different words that are drawn, and letters and digits of each
_LETTERS_DIFFER = 3  # letters at one place of a serial number: more than two sides
_MIXED = 0.75  # share of their places that have letters and digits: a UUID's version is a digit
_FEWEST_GROUPS = 4
_MOST_KINDS = 12  # different words
_GROUPED = 0.5  # share of photographs in groups of several, so that a field may name parts
_SESSION = 0.5  # different times for a photograph, up to which they are those of sessions
_COLLIDES = 0.05  # share of equal numbers from which on they are no counter's
_SPARSE = 1.5  # numbers from the first to the last, of those that are there
_TWICE = 0.1  # of the names outside the largest folder, those that stand in several


class Names(NamedTuple):
    """Names, each parsed once."""

    folders: list[str]  # of the class, with those above it ("train/good"), or else the first
    seconds: Floats  # when they say that they were taken, since 1970 or midnight; or nan
    tokens: list[list[str]]  # below that folder: times, days, numbers, words and signs

    @classmethod
    def of(cls, paths: Sequence[str], labels: Sequence[str] = ()) -> Names:
        """Parse paths below the data folder, "class/…/name.jpg", with the classes if known."""
        folders = [
            _class_folder(*one) for one in itertools.zip_longest(paths, labels, fillvalue="")
        ]
        stems = [str(PurePosixPath(path).with_suffix("")) for path in paths]
        clocks = clocks_in(stems)
        times = [time_of_name(stem, clocks) for stem in stems]
        seconds = np.array([np.nan if one is None else one for one in times])
        bare = [
            without_time(
                stem[len(folder) :].lstrip("/"), clocks, _TIME, rf"{_DAY}\g<year>\g<month>\g<day>"
            )
            for stem, folder in zip(stems, folders, strict=True)
        ]
        return cls(folders, seconds, [*map(_TOKEN.findall, _mark_drawn(bare))])

    def cut(self) -> list[tuple[str, str, list[str]]]:
        """Cut each name into its folders, the words of its file, and the numbers of its file."""
        found = []
        for folder, tokens in zip(self.folders, self.tokens, strict=True):
            bare = [token for token in tokens if token[0] not in (_TIME, _DAY)]
            file = len(bare) - bare[::-1].index("/") if "/" in bare else 0
            words = "".join("#" if token.isdecimal() else token for token in bare[file:])
            numbers = [token for token in bare[file:] if token.isdecimal()]
            found.append(("/".join((folder, *bare[:file])), words, numbers))
        return found


@dataclass(frozen=True)
class Key:
    """A part of names that may be the name of a physical part.

    It leads where it stands first, or what else differs are words: "017_2" and "left_017" name part
    17, but "2_017" may be the 17th photograph of day 2.
    """

    what: str  # in words
    codes: Indices  # (n,), its values numbered; -1 where a photograph has none
    leads: bool
    before: str  # the word in front of its last field, such as "pos" or "view"; "" for none
    pattern: str  # for --group-regex
    sparse: bool = False  # values are words, or numbers that leave some out, as serial numbers do


@dataclass(frozen=True)
class _Shape:
    """Names of one shape."""

    members: Indices  # (m,), the photographs
    sorts: tuple[str, ...]  # of each token: number, word, drawn, time, day, or a sign itself
    columns: list[tuple[str, ...]]  # the tokens, by place
    fields: list[int]  # the places that differ
    folders: list[str]  # of the members
    kinds: list[str]  # the same, with words that are kinds, as in "crack_1" and "hole_1"
    names: list[str]  # without folders and kinds

    def values(self, places: Sequence[int]) -> list[str]:
        """Give what stands at some places of each name."""
        return ["_".join(one) for one in zip(*(self.columns[i] for i in places), strict=True)]

    def describe(self) -> str:
        """Describe the shape as "exp#_num_#": # for numbers that differ, … for words that do."""
        signs = {"time": "TIME", "day": "DATE", "number": "#"}
        return "".join(
            signs.get(sort, "…") if i in self.fields or sort == "time" else column[0]
            for i, (sort, column) in enumerate(zip(self.sorts, self.columns, strict=True))
        )

    def name(self, places: Sequence[int]) -> str:
        """Say which fields these are, in words."""
        dates = {"time": "time", "day": "date"}
        said = []
        for i in places:
            kind = "number" if self.sorts[i] == "number" else "word"
            said.append(dates.get(self.sorts[i], f"{kind} {self.fields.index(i) + 1}"))
        return " with ".join(said)

    def pattern(self, marked: Sequence[int]) -> str:
        """Give a regular expression for --group-regex whose parentheses hold the marked fields."""
        forms = {"number": r"\d+", "word": r"[^\W\d_]+", "drawn": r"[^\W_]+"}
        parts = []
        for i, (sort, column) in enumerate(zip(self.sorts, self.columns, strict=True)):
            text = forms.get(sort, "") if i in self.fields else re.escape(column[0])
            text = r"[-\d_. T]+" if sort in ("time", "day") else text
            parts.append("(" * (i == marked[0]) + text + ")" * (i == marked[-1]))
        # From the first field on; what stands before it is needed only as far as its last letter.
        return "".join(parts[max(0, marked[0] - 2) : marked[-1] + 3])


def read_names(names: Names, labels: Sequence[str] = ()) -> tuple[list[Key], list[Line]]:
    """Find candidates for names of parts, and for counters, in names of the same shape."""
    shapes, count = [*_shapes(names, labels)], len(names.tokens)
    keys = [key for shape in shapes for key in _keys(shape, count)]
    return keys, [line for shape in shapes for line in _counters(shape, count)]


def _class_folder(path: str, label: str) -> str:
    """Give a class's folder with those above it ("train/good"), or else the first folder."""
    folders = path.split("/")[:-1]
    return "/".join(folders[: 1 + (folders.index(label) if label in folders else 0)])


def _shapes(names: Names, labels: Sequence[str]) -> Iterator[_Shape]:
    """Put names of one shape together."""
    found: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, tokens in enumerate(names.tokens):
        found[tuple(map(_sort, tokens))].append(number)
    for sorts, members in found.items():
        if len(members) < max(_FEWEST, _SMALLEST_SHARE * len(names.tokens)):
            continue
        columns = [*zip(*(names.tokens[number] for number in members), strict=True)]
        folders = [names.folders[number] for number in members]
        fields, kinds, rest = [], folders, columns
        for i, (sort, column) in enumerate(zip(sorts, columns, strict=True)):
            values = len(set(column))
            # A time of several photographs is one of a session, which tells parts apart as a day.
            if sort == "time" and values > _SESSION * len(column):
                continue
            if sort == "word" and _are_kinds(column, [labels[n] for n in members if labels]):
                kinds = [*map("/".join, zip(kinds, column, strict=True))]
                rest = [other for other in rest if other is not column]
            elif len(sort) > 1 and values > 1:
                fields.append(i)
        own = [*map("".join, zip(*rest, strict=True))]
        yield _Shape(np.array(members), sorts, columns, fields, folders, kinds, own)


def _are_kinds(words: Sequence[str], labels: Sequence[str]) -> bool:
    """Say whether words name kinds of parts, as "good" and "crack" do: few, each of one class.

    Of one class alone they may as well be views.
    """
    few = 1 < len(set(words)) <= _MOST_KINDS and len(set(labels)) > 1
    return few and len({*zip(words, labels, strict=True)}) == len(set(words))


def _mark_drawn(names: Sequence[str]) -> list[str]:
    """Mark words of names that are digests, or drawn at random: what recurs in them is chance.

    They are as long as one another, and at most places of them stand letters as well as digits.
    """
    cut = [re.split(r"([\W_]+)", name) for name in names]
    alike: defaultdict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for words in cut:
        alike[tuple(words[1::2])].append(words)
    for several in alike.values():
        for place, column in enumerate(zip(*several, strict=True)):
            different, as_long = set(column), len({*map(len, column)}) == 1
            recur = len(different) <= _GROUPED * len(column)
            if (as_long and _are_drawn(different)) or (recur and _are_codes(different)):
                for words in several:
                    words[place] = _DRAWN + words[place]
    return ["".join(words) for words in cut]


def _are_drawn(words: set[str]) -> bool:
    mixed = [
        any(c.isdigit() for c in at) and any(c.isalpha() for c in at)
        for at in zip(*words, strict=True)
    ]
    several = len(words) >= _FEWEST_DRAWN and len(mixed) >= _SHORTEST
    return several and sum(mixed) >= _MIXED * len(mixed)


def _are_codes(words: set[str]) -> bool:
    """Say whether words are serial numbers of letters and digits, such as A3X07Q and B4K11Q.

    All have letters and digits at the same places, and letters at two of these differ much.
    """
    cut = [re.findall(r"[^\W\d_]+|\d+", word) for word in words]
    if len(words) < _FEWEST_DRAWN or {*map(len, cut)} != {len(cut[0])} or len(cut[0]) < _SHORTEST:
        return False
    kinds = [{run.isdecimal() for run in place} for place in zip(*cut, strict=True)]
    differ = [
        place for place, kind in zip(zip(*cut, strict=True), kinds, strict=True)
        if kind == {False} and len(set(place)) >= _LETTERS_DIFFER
    ]  # fmt: skip
    return all(len(kind) == 1 for kind in kinds) and len(differ) > 1


def _sort(token: str) -> str:
    if token.isdecimal():
        return "number"
    return _MARKS.get(token[0]) or ("word" if token.isalpha() else token)


def _keys(shape: _Shape, count: int) -> Iterator[Key]:
    """List single fields and the first few together, as far as they make groups of several."""
    first = itertools.accumulate((i,) for i in shape.fields)
    both = itertools.chain.from_iterable(zip(first, ((i,) for i in shape.fields), strict=True))
    for chosen in dict.fromkeys(both):
        if {shape.sorts[i] for i in chosen} <= {"time", "day"}:
            continue
        values = shape.values(chosen)
        if len(set(values)) < _FEWEST_GROUPS:
            continue
        # What follows the first field is a view, of all kinds.
        folders = shape.kinds if chosen[-1] == shape.fields[0] else shape.folders
        anew = _counted_anew(shape.names, folders)
        if anew and all(shape.sorts[i] != "drawn" for i in chosen):
            values = [*map("/".join, zip(folders, values, strict=True))]
        together = sum(number for number in Counter(values).values() if number > 1)
        if together < _GROUPED * len(values):
            continue
        others = {shape.sorts[i] for i in shape.fields if i not in chosen}
        codes = np.full(count, -1)
        codes[shape.members] = codes_of(values)
        yield Key(
            f"{shape.name(chosen)} of names like {shape.describe()}",
            codes,
            chosen == tuple(shape.fields[: len(chosen)]) or others <= {"word", "drawn"},
            _word_before(shape.columns, chosen[-1]),
            shape.pattern(chosen),
            _leave_out(shape.values(chosen[-1:])),
        )


def _leave_out(values: Sequence[str]) -> bool:
    """Say whether numbers leave many out between the first and the last, or are none."""
    if not all(value.isdecimal() for value in values):
        return True
    found = {*map(int, values)}
    return max(found) - min(found) + 1 > _SPARSE * len(found)


def _counted_anew(names: list[str], folders: list[str]) -> bool:
    """Say whether each folder is numbered by itself: the same names stand in several then.

    It is not where names complete one another, as where views of one item are of two classes.
    """
    both = {*zip(names, folders, strict=True)}
    several = sum(number > 1 for number in Counter(name for name, _ in both).values())
    largest = max(Counter(folder for _, folder in both).values())
    return several > _TWICE * (len(both) - largest)


def _word_before(columns: Sequence[Sequence[str]], field: int) -> str:
    """Give the word before a field, if a separator at most stands between; of words the first."""
    if columns[field][0].isalpha():
        return columns[field][0].lower()
    near = columns[max(0, field - 2) : field]
    return next((c[0].lower() for c in near[::-1] if c[0].isalpha() and len({*c}) == 1), "")


def _counters(shape: _Shape, count: int) -> Iterator[Line]:
    """Find numbers that hardly repeat, each as a line of `count` photographs."""
    for field in shape.fields:
        column = shape.columns[field]
        if shape.sorts[field] == "number" and len(set(column)) >= (1 - _COLLIDES) * len(column):
            numbers, values = [*map(int, column)], np.full(count, np.nan)
            least = min(numbers)  # from which float64 counts also where a number has 18 digits
            values[shape.members] = [number - least for number in numbers]
            yield Line(f"{shape.name([field])} of names like {shape.describe()}", values)


def codes_of(values: Sequence[str]) -> Indices:
    """Give different values numbers in order of first appearance: int64 (n,)."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)
