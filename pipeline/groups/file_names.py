"""File names as evidence: which of their numbers and words may name a part, or count.

Nothing is assumed of a naming scheme. Names of one shape ("exp3_num_31138" and "exp4_num_40450")
are cut into numbers and words; what differs between them is a field. A field, or the first few of
them together, is a candidate for a part's name if it puts photographs into small groups, and a
candidate for a counter if it hardly repeats. `counters_and_times` and `judge_key` decide.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np

from features.arrays import Indices
from pipeline.groups.counters_and_times import Line
from pipeline.groups.evidence import AGREES, CONTRADICTS, Finding, Witness, in_percent
from pipeline.groups.proposal import Evidence, Link

_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+|[\W_]|\d", re.UNICODE)
_TIME = re.compile(
    r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)[-_T ]?(\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)", re.ASCII
)
_FEWEST, _SMALLEST_SHARE = 8, 0.05  # names of one shape: so many, and so many of all
_FEWEST_GROUPS = 5
_MOST_PER_PART = 12  # photographs of the usual part by its name; more are lots or days
_LONGEST = 100
_COUNTS = 0.5  # share of a counter's values that differ
_COLLIDES = 0.05  # share of equal numbers above which a counter starts anew in each folder
_SHARED = 0.2  # share of a register's numbers that stand in two folders
_REGULAR = 0.8  # share of the groups that have the same rest of the name
_LONGEST_NUMBER = 15  # digits that a float64 holds


@dataclass(frozen=True)
class Key:
    """A part of names that may be the name of a physical part.

    Attributes:
        what: in words.
        values: (n,), "" where a photograph has none.
        rest: (n,) what else differs between names, as text.
        folders: (n,) the class folder of each photograph.
        leads: whether it stands first, or what else differs are words: "017_2" and "left_017" name
            part 17, but "2_017" may be the 17th photograph of day 2.
        pattern: for --group-regex.
    """

    what: str
    values: list[str]
    rest: list[str]
    folders: list[str]
    leads: bool
    pattern: str


@dataclass(frozen=True)
class _Shape:
    """Names of one shape: members, their tokens, and which of these differ (the fields)."""

    members: Indices
    tokens: list[list[str]]
    fields: list[int]

    def column(self, field: int) -> list[str]:
        return [tokens[field] for tokens in self.tokens]

    def describe(self) -> str:
        """As "exp#_num_#": # for numbers that differ, … for words that do."""
        first = self.tokens[0]
        return "".join(
            token if i not in self.fields else "#" if token.isdecimal() else "…"
            for i, token in enumerate(first)
        )

    def pattern(self, marked: Sequence[int]) -> str:
        """A regular expression for --group-regex whose parentheses hold the marked fields."""
        parts = []
        for i, token in enumerate(self.tokens[0]):
            text = re.escape(token)
            if i in self.fields:
                text = r"\d+" if token.isdecimal() else r"[^\W\d_]+"
            if i == marked[0]:
                text = "(" + text
            parts.append(text + ")" if i == marked[-1] else text)
        # From the first field on; what stands before it is needed only as far as its last letter.
        start = max(0, marked[0] - 2)
        return "".join(parts[start : marked[-1] + 3])


def read_names(paths: Sequence[str]) -> tuple[list[Key], list[Line]]:
    """Candidates for names of parts, and for counters, in the photographs' paths.

    Args:
        paths: relative to the data folder, "class/…/name.jpg".
    """
    folders = [path.split("/")[0] if "/" in path else "" for path in paths]
    keys: list[Key] = []
    lines: list[Line] = []
    for shape in _shapes(paths):
        keys += _keys(shape, folders)
        timed = _times(shape, paths)
        lines += [timed] if timed else list(_counters(shape, folders))
    return keys, lines


def judge_key(key: Key, witness: Witness) -> Finding:
    """Groups of photographs with one value, if they can be parts and are believed.

    They are believed where the pixels agree, or where the names are regular (each value comes with
    the same rest: view 1 to 4), it leads, and the pixels do not speak against it.
    """
    members: defaultdict[str, list[int]] = defaultdict(list)
    for number, value in enumerate(_once(key, witness)):
        if value:
            members[value].append(number)
    groups = [members[value] for value in sorted(members, key=_natural)]
    several = [group for group in groups if len(group) > 1]
    count = sum(map(len, several))
    usual = float(np.median([len(group) for group in several])) if several else 0.0
    too_many = usual > _MOST_PER_PART or max(map(len, several), default=0) > _LONGEST
    agreement = witness.agreement(*_group_pairs(groups))
    rests = Counter(tuple(sorted(key.rest[n] for n in group)) for group in groups)
    regular = rests.most_common(1)[0][1] >= _REGULAR * len(groups) if groups else False
    believed = agreement is not None and agreement >= AGREES
    believed |= regular and key.leads and (agreement is None or agreement >= CONTRADICTS)
    used = believed and not too_many and len(groups) >= _FEWEST_GROUPS and bool(several)
    why = f"{len(groups):,} values, {usual:g} photographs each"
    why += ", all with the same rest of the name; " if regular else "; "
    why += "too many for one part" if too_many else in_percent(agreement)
    hint = "" if used else f"--group-regex '{key.pattern}'"
    evidence = Evidence("name", key.what, count, len(several), used, why, hint)
    ties = [
        Link.between(a, b, "name", 0.0)
        for group in several if used
        for a, b in itertools.pairwise(group)
    ]  # fmt: skip
    return Finding(evidence, ties)


def _once(key: Key, witness: Witness) -> list[str]:
    """The values; with the folder in front where each class folder is numbered by itself.

    A register of parts has few numbers in two folders. Where many are, the same number in two
    folders is one part only if the pixels say so.
    """
    places: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for number, (value, folder) in enumerate(zip(key.values, key.folders, strict=True)):
        if value:
            places[value].setdefault(folder, number)
    shared = [list(found.values())[:2] for found in places.values() if len(found) > 1]
    if len(shared) <= _SHARED * len(places):
        return key.values
    a, b = np.array(shared, dtype=np.int64).T
    agreement = witness.agreement((a, b), (a, np.roll(b, 1)))
    if agreement is not None and agreement >= AGREES:
        return key.values
    return [f"{f}/{v}" if v else "" for f, v in zip(key.folders, key.values, strict=True)]


def _group_pairs(
    groups: list[list[int]],
) -> tuple[tuple[Indices, Indices], tuple[Indices, Indices]]:
    """Pairs within groups, and pairs of a group and the next one, place by place."""
    related = [(a, b) for group in groups for a, b in itertools.pairwise(group)]
    others = [
        (a, b)
        for group, following in itertools.pairwise(groups)
        for a, b in zip(group, following[1:] + following[:1], strict=False)
    ]
    as_arrays = [np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (related, others)]
    return (as_arrays[0][:, 0], as_arrays[0][:, 1]), (as_arrays[1][:, 0], as_arrays[1][:, 1])


def _shapes(paths: Sequence[str]) -> Iterator[_Shape]:
    """Names of one shape, cut into tokens; below the class folder, without the suffix."""
    found: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    cut = []
    for number, path in enumerate(paths):
        below = path.split("/", 1)[-1]
        tokens = _TOKEN.findall(str(PurePosixPath(below).with_suffix("")))
        cut.append(tokens)
        found[tuple(_sort(token) for token in tokens)].append(number)
    for sorts, numbers in found.items():
        if len(numbers) < max(_FEWEST, _SMALLEST_SHARE * len(paths)):
            continue
        tokens_of = [cut[number] for number in numbers]
        fields = [
            i
            for i, sort in enumerate(sorts)
            if sort in ("number", "word") and len({tokens[i] for tokens in tokens_of}) > 1
        ]
        if fields:
            yield _Shape(np.array(numbers, dtype=np.int64), tokens_of, fields)


def _sort(token: str) -> str:
    return "number" if token.isdecimal() else "word" if token.isalpha() else token


def _keys(shape: _Shape, folders: list[str]) -> Iterator[Key]:
    """Single fields and the first few together, as far as they make groups of several."""
    tried: set[tuple[int, ...]] = set()
    for end, field in enumerate(shape.fields):
        for chosen in (tuple(shape.fields[: end + 1]), (field,)):
            if chosen in tried:
                continue
            tried.add(chosen)
            values = ["_".join(tokens[i] for i in chosen) for tokens in shape.tokens]
            counts = Counter(values)
            together = sum(number for number in counts.values() if number > 1)
            if len(counts) < _FEWEST_GROUPS or together < _COUNTS * len(values):
                continue
            others = [i for i in shape.fields if i not in chosen]
            rest = ["_".join(tokens[i] for i in others) for tokens in shape.tokens]
            yield Key(
                f"{_numbered(shape, chosen)} of names like {shape.describe()}",
                _spread(values, shape.members, len(folders)),
                _spread(rest, shape.members, len(folders)),
                folders,
                chosen == tuple(shape.fields[: len(chosen)])
                or not any(shape.tokens[0][i].isdecimal() for i in others),
                shape.pattern(chosen),
            )


def _numbered(shape: _Shape, chosen: Sequence[int]) -> str:
    places = [
        f"{'number' if shape.tokens[0][i].isdecimal() else 'word'} {shape.fields.index(i) + 1}"
        for i in chosen
    ]
    return " with ".join(places)


def _counters(shape: _Shape, folders: list[str]) -> Iterator[Line]:
    """Numbers that hardly repeat, each as one line; per folder or word where they collide."""
    own = [folders[number] for number in shape.members]
    words = [i for i in shape.fields if not shape.tokens[0][i].isdecimal()]
    for field in shape.fields:
        column = shape.column(field)
        if not column[0].isdecimal() or len(set(column)) < _COUNTS * len(column):
            continue
        others = [i for i in shape.fields if i != field]
        numbers = [float(text) if len(text) <= _LONGEST_NUMBER else np.nan for text in column]
        for streams in (
            [""] * len(column),
            own,
            ["_".join([o, *(t[i] for i in words)]) for o, t in zip(own, shape.tokens, strict=True)],
            ["_".join([o, *(t[i] for i in others if i in words or _few(shape, i))])
             for o, t in zip(own, shape.tokens, strict=True)],
        ):  # fmt: skip
            distinct = len(set(zip(streams, numbers, strict=True)))
            if distinct >= (1 - _COLLIDES) * len(numbers):
                yield _line(shape, field, numbers, streams, len(folders))
                break


def _few(shape: _Shape, field: int) -> bool:
    return len(set(shape.column(field))) <= _MOST_PER_PART


def _line(shape: _Shape, field: int, numbers: list[float], streams: list[str], count: int) -> Line:
    values = np.full(count, np.nan)
    values[shape.members] = numbers
    codes = {stream: code for code, stream in enumerate(dict.fromkeys(streams))}
    placed = np.zeros(count, dtype=np.int64)
    placed[shape.members] = [codes[stream] for stream in streams]
    what = f"number {shape.fields.index(field) + 1} of names like {shape.describe()}"
    return Line("name", what, values, placed)


def _times(shape: _Shape, paths: Sequence[str]) -> Line | None:
    """Dates with times in names, as phones write them; None where not all have one."""
    values = np.full(len(paths), np.nan)
    for number in shape.members.tolist():
        match = _TIME.search(paths[number].rsplit("/", 1)[-1])
        if match is None:
            return None
        try:
            taken = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError:
            return None
        values[number] = taken.timestamp()
    what = f"time in names like {shape.describe()}"
    return Line("name", what, values, np.zeros(len(paths), dtype=np.int64), "s")


def _spread(values: list[str], members: Indices, count: int) -> list[str]:
    spread = [""] * count
    for number, value in zip(members.tolist(), values, strict=True):
        spread[number] = value
    return spread


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sorts "part-10" behind "part-9"."""
    return tuple(
        (int(token), "") if token.isdecimal() and len(token) < _LONGEST_NUMBER else (-1, token)
        for token in _TOKEN.findall(text)
    )
