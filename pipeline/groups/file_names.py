"""File names as evidence: what recurs in them, what counts, and which name a copy of another one.

Nothing is assumed of a naming scheme. Names of one shape ("exp3_num_31138" and "exp4_num_40450")
are cut into numbers and words; what differs between them is a field. A field, or the first few of
them together, is a candidate for a part's name if it puts photographs into groups, and a candidate
for a counter if it hardly repeats. `pipeline.groups.readings` decides.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from features.arrays import Indices
from pipeline.groups.counters_and_times import Line
from pipeline.groups.times_in_names import clocks_in, without_time

_TIME = "\0"  # stands for a date and time
_DAY = "\1"  # begins a date alone
_DRAWN = "\2"  # begins what is drawn at random, or a digest: a word, whose digits are no numbers
_TOKEN = re.compile(rf"{_DRAWN}[^\W_]+|{_DAY}[0-9]+|[0-9]+|[^\W\d_]+|[\W_]|\d", re.UNICODE)
_FEWEST, _SMALLEST_SHARE = 8, 0.05  # names of one shape: so many, and so many of all
_FEWEST_DRAWN, _SHORTEST = 16, 4  # different words that are drawn, and letters and digits of each
_MIXED = 0.75  # share of their places that have letters and digits: a UUID's version is a digit
_FEWEST_GROUPS = 4
_MOST_KINDS, _EVENLY = 12, 0.5  # words for kinds; views are there so evenly, the rarest to the most
_GROUPED = 0.5  # share of photographs in groups of several, so that a field may name parts
_COLLIDES = 0.05  # share of equal numbers from which on they are no counter's
_TWICE = 0.1  # of the values in two folders, names that are there twice
_FEW = 12  # copies of a name without a digit
_LONGEST_NUMBER = 15  # digits that a float64 holds
_MOST_COPIES = 0.2  # share of all photographs that can be copies of one

_COPY = re.compile(
    r"(?:\.rf\.[0-9a-f]{8,}"  # Roboflow's export
    r"|[_-](?:jpe?g|png|bmp|tiff?|webp)(?=\.rf\.|$)"
    r"|[ _-]+(?:copy|kopie|copie|copia|duplicate)(?:[ _-]*\(?\d+\)?)?"
    r"| \(\d+\)(?=$)|~\d+$"
    r"|[._ -](?:aug|augmented|h?v?flip(?:ped)?|mirror(?:ed)?|rot(?:ate[d]?)?|bright(?:ness)?|dark"
    r"|blur(?:red)?|noise|noisy|crop(?:ped)?|resized?|scaled?|shift(?:ed)?|zoom|edited|edit"
    r"|contrast|gamma|hsv|gr[ae]y|enhanced|compressed|lr|ud)[_-]?-?\d{0,3}(?=$|[._ -]))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Key:
    """A part of names that may be the name of a physical part.

    Attributes:
        what: in words.
        codes: int64 (n,), its values numbered; -1 where a photograph has none.
        leads: whether it stands first, or what else differs are words: "017_2" and "left_017" name
            part 17, but "2_017" may be the 17th photograph of day 2.
        before: the word in front of its last field, such as "pos" or "view"; "" for none.
        pattern: for --group-regex.
    """

    what: str
    codes: Indices
    leads: bool
    before: str
    pattern: str


@dataclass(frozen=True)
class _Shape:
    """Names of one shape: members, their tokens, and which of these differ (the fields).

    Of the fields some are words for kinds: "crack" and "hole" of "crack_1" and "hole_1".
    """

    members: Indices
    names: list[str]
    tokens: list[list[str]]
    fields: list[int]
    kinds: list[int]

    def column(self, field: int) -> list[str]:
        """Give a field of every name."""
        return [tokens[field] for tokens in self.tokens]

    def kindless(self) -> list[str]:
        """Give the names without the words for kinds."""
        if not self.kinds:
            return self.names
        return [
            "".join(token for i, token in enumerate(tokens) if i not in self.kinds)
            for tokens in self.tokens
        ]

    def describe(self) -> str:
        """Describe the shape as "exp#_num_#": # for numbers that differ, … for words that do."""
        first = self.tokens[0]
        return "".join(
            "TIME"
            if token == _TIME
            else token
            if i not in self.fields
            else "#"
            if token.isdecimal()
            else "DATE"
            if token.startswith(_DAY)
            else "…"
            for i, token in enumerate(first)
        )

    def pattern(self, marked: Sequence[int]) -> str:
        """Give a regular expression for --group-regex whose parentheses hold the marked fields."""
        parts = []
        for i, token in enumerate(self.tokens[0]):
            timed = token.startswith((_TIME, _DAY))
            text = r"[-\d_. T]+" if timed else re.escape(token)
            if i in self.fields and not timed:
                words = r"[^\W\d_]+" if token.isalpha() else r"[^\W_]+"
                text = r"\d+" if token.isdecimal() else words
            if i == marked[0]:
                text = "(" + text
            parts.append(text + ")" if i == marked[-1] else text)
        # From the first field on; what stands before it is needed only as far as its last letter.
        start = max(0, marked[0] - 2)
        return "".join(parts[start : marked[-1] + 3])


def original_names(paths: Sequence[str]) -> list[str]:
    """Find the original's name of each photograph whose name says that it, or another, is a copy.

    "x_jpg.rf.0a1b….jpg", "x_aug3.jpg", "x - Copy (2).jpg" and "x_rot90.jpg" all are "x", in
    whatever folder. Where a name has no digit and no original beside it, few may share it, and not
    by their numbers alone: "good (1)" to "good (9)" and "rolled-in_scale_1" to "rolled-in_scale_9"
    are numbered, not copied.

    Returns:
        (n,) names; "" where no two photographs share one, or where too many do.
    """
    stems = [PurePosixPath(path).stem for path in paths]
    found = []
    for stem in stems:
        short = stem
        while (cut := _COPY.sub("", short)) not in ("", short):
            short = cut
        found.append(short.casefold())
    own = {stem.casefold() for stem in stems}
    ways: defaultdict[str, set[str]] = defaultdict(set)
    for stem, short in zip(stems, found, strict=True):
        ways[short].add(re.sub(r"[0-9]+", "#", stem[len(short) :].casefold()))
    changed: Counter[str] = Counter(
        short for stem, short in zip(stems, found, strict=True) if short != stem.casefold()
    )
    counts = Counter(found)
    copied = {
        short
        for short in changed
        if 1 < counts[short] <= max(2, _MOST_COPIES * len(paths))
        and (
            any(c.isdigit() for c in short)
            or short in own
            or (counts[short] <= _FEW and len(ways[short]) > 1)
        )
    }
    return [short if short in copied else "" for short in found]


def read_names(paths: Sequence[str], labels: Sequence[str] = ()) -> tuple[list[Key], list[Line]]:
    """Find candidates for names of parts, and for counters, in the photographs' paths.

    Args:
        paths: relative to the data folder, "class/…/name.jpg" or "train/class/…/name.jpg".
        labels: their classes, where they are known.
    """
    folders = [_class_folder(*one) for one in itertools.zip_longest(paths, labels, fillvalue="")]
    keys: list[Key] = []
    lines: list[Line] = []
    for shape in _shapes(paths, folders, labels):
        keys += _keys(shape, folders)
        lines += _counters(shape, len(paths))
    return keys, lines


def _class_folder(path: str, label: str) -> str:
    """Give a class's folder with those above it ("train/good"), or else the first folder."""
    folders = path.split("/")[:-1]
    return "/".join(folders[: 1 + (folders.index(label) if label in folders else 0)])


def _shapes(
    paths: Sequence[str], folders: Sequence[str], labels: Sequence[str]
) -> Iterator[_Shape]:
    """Cut names into tokens, by shape; below the class folder, without the suffix."""
    found: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    day = rf"{_DAY}\g<year>\g<month>\g<day>"
    names = [
        str(PurePosixPath(path[len(folder) :].lstrip("/")).with_suffix(""))
        for path, folder in zip(paths, folders, strict=True)
    ]
    clocks = clocks_in(names)
    untimed = [without_time(name, _TIME, day, clocks) for name in names]
    cut = [*map(_TOKEN.findall, _mark_drawn(untimed))]
    for number, tokens in enumerate(cut):
        found[tuple(_sort(token) for token in tokens)].append(number)
    for sorts, numbers in found.items():
        if len(numbers) < max(_FEWEST, _SMALLEST_SHARE * len(paths)):
            continue
        tokens_of = [cut[number] for number in numbers]
        fields = [
            i
            for i, sort in enumerate(sorts)
            if sort in ("number", "word", "drawn", "day")
            and len({tokens[i] for tokens in tokens_of}) > 1
        ]
        if fields:
            own = [names[number] for number in numbers]
            classes = [labels[number] for number in numbers] if labels else []
            columns = {i: [tokens[i] for tokens in tokens_of] for i in fields if sorts[i] == "word"}
            kinds = [i for i, column in columns.items() if _are_kinds(column, classes)]
            yield _Shape(np.array(numbers, dtype=np.int64), own, tokens_of, fields, kinds)


def _are_kinds(words: Sequence[str], labels: Sequence[str]) -> bool:
    """Say whether words name kinds of parts, as "good" and "crack" do: few, each of one class.

    So do views of one class alone, but they are there about equally often.
    """
    counts = Counter(words)
    if (
        not labels
        or len(counts) > _MOST_KINDS
        or len(set(zip(words, labels, strict=True))) > len(counts)
    ):
        return False
    return len(set(labels)) > 1 or min(counts.values()) < _EVENLY * max(counts.values())


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
            if len({len(word) for word in column}) == 1 and _are_drawn(set(column)):
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


def _sort(token: str) -> str:
    if token.isdecimal():
        return "number"
    if token.startswith(_DAY):
        return "day"
    if token.startswith(_DRAWN):
        return "drawn"
    return "word" if token.isalpha() else token


def _keys(shape: _Shape, folders: list[str]) -> Iterator[Key]:
    """List single fields and the first few together, as far as they make groups of several."""
    tried: set[tuple[int, ...]] = set()
    able = [i for i in shape.fields if i not in shape.kinds]
    for end, field in enumerate(able):
        for chosen in (tuple(able[: end + 1]), (field,)):
            if chosen in tried or all(shape.tokens[0][i].startswith(_DAY) for i in chosen):
                continue
            tried.add(chosen)
            values = ["_".join(tokens[i] for i in chosen) for tokens in shape.tokens]
            if len(set(values)) < _FEWEST_GROUPS:
                continue
            kinds = shape.kinds if field == able[0] else []  # what follows is a view, of all kinds
            own = [
                "/".join((folders[number], *(tokens[i] for i in kinds)))
                for number, tokens in zip(shape.members, shape.tokens, strict=True)
            ]
            drawn = any(shape.tokens[0][i].startswith(_DRAWN) for i in chosen)  # not counted anew
            if not drawn and _counts_by_folder(shape, values, own):
                values = [f"{one}/{value}" for one, value in zip(own, values, strict=True)]
            together = sum(number for number in Counter(values).values() if number > 1)
            if together < _GROUPED * len(values):
                continue
            others = [i for i in able if i not in chosen]
            codes = np.full(len(folders), -1)
            codes[shape.members] = codes_of(values)
            yield Key(
                f"{_places(shape, chosen)} of names like {shape.describe()}",
                codes,
                chosen == tuple(able[: len(chosen)])
                or not any(shape.tokens[0][i].isdecimal() for i in others),
                _word_before(shape.tokens[0], chosen[-1]),
                shape.pattern(chosen),
            )


def _counts_by_folder(shape: _Shape, values: list[str], folders: list[str]) -> bool:
    """Say whether each class folder is numbered by itself: the same names stand in several then.

    It is not where names complete one another over the folders, as where view 5 of item 1 is
    defective and views 0 to 4 are good. A word for a kind counts as a folder.
    """
    names: defaultdict[str, set[str]] = defaultdict(set)
    places: defaultdict[str, set[str]] = defaultdict(set)
    for name, value, folder in zip(shape.kindless(), values, folders, strict=True):
        names[name].add(folder)
        places[value].add(folder)
    shared = sum(len(found) > 1 for found in places.values())
    twice = sum(len(found) > 1 for found in names.values())
    return twice > _TWICE * shared


def _word_before(tokens: list[str], field: int) -> str:
    """Give the word before a field, if a separator at most stands between; of a word itself."""
    if tokens[field].isalpha():
        return tokens[field].lower()
    words = [token for token in tokens[max(0, field - 2) : field] if token.isalpha()]
    return words[-1].lower() if words else ""


def _places(shape: _Shape, chosen: Sequence[int]) -> str:
    places = [
        "date"
        if shape.tokens[0][i].startswith(_DAY)
        else f"{'number' if shape.tokens[0][i].isdecimal() else 'word'} {shape.fields.index(i) + 1}"
        for i in chosen
    ]
    return " with ".join(places)


def _counters(shape: _Shape, count: int) -> Iterator[Line]:
    """Find numbers that hardly repeat, each as a line of `count` photographs."""
    for field in shape.fields:
        column = shape.column(field)
        if not column[0].isdecimal() or len(set(column)) < (1 - _COLLIDES) * len(column):
            continue
        values = np.full(count, np.nan)
        values[shape.members] = [
            float(text) if len(text) <= _LONGEST_NUMBER else np.nan for text in column
        ]
        yield Line(
            f"number {shape.fields.index(field) + 1} of names like {shape.describe()}", values
        )


def codes_of(values: Sequence[str]) -> Indices:
    """Give different values numbers in order of first appearance: int64 (n,)."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)
