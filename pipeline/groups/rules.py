"""Say which photographs show one physical part, so that no part stands on both sides of a split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Indices
from features.cache.sample_table import TableRow
from features.errors import CacheError, DataError
from features.photographs.file import Photograph
from pipeline.groups.name_pattern import groups_in_names
from pipeline.output.names import merged_spellings, one_spelling
from pipeline.output.read_table import PATH_COLUMNS, PathIndex, Table, read_table

GROUP_COLUMNS = (
    "group", "part", "part id", "groups", "parts", "gruppe", "teil", "serial", "group id",
    "part number", "part no", "serial number", "serial no", "item", "bauteil", "teilenummer",
    "seriennummer", "pieza", "pièce", "pezzo", "部品", "部品番号", "零件", "деталь",
)  # fmt: skip
"""What a column of parts is called, the surest first."""

_NOBODY_KNOWS = frozenset(
    ["nan", "n/a", "na", "#n/a", "n.a.", "none", "null", "-", "--", "?", "unknown", "tbd"]
)  # fmt: skip
"""What programs and people write into a cell instead of nothing, lower case."""

_MANY, _NEARLY, _OWN = 12, 0.9, 0.95  # photographs, in one part, and in parts of their own
_KINDS = ("file", "regex", "gap", "proposed", "none")


@dataclass(frozen=True)
class GroupRule:
    r"""Say where groups come from: a table, a pattern in file names, a gap in time, or a proposal.

    Attributes:
        kind: "file", "regex", "gap", "proposed" (nobody said; see `pipeline.groups.propose`) or
            "none". The capture times that a gap cuts are known when photographs have been looked
            at, as what a proposal rests on: see `from_photographs`.
        value: the table's path, the pattern, or the gap, as "10s".

    Example:
        >>> onepass.GroupRule("regex", r"part-(\d+)").describe()
        'from file names by part-(\\d+)'
    """

    kind: str = "none"
    value: str = ""

    @classmethod
    def told(
        cls, table: Path | None, regex: str | None, gap: str | None, *, none: bool = False
    ) -> GroupRule | None:
        """Give the rule that a person gave, None for nothing; `none` takes an earlier one back.

        Raises:
            DataError: several ways at once, or a gap that is no time span.
        """
        if sum((table is not None, regex is not None, gap is not None, none)) > 1:
            raise DataError(
                "found several of --groups, --group-regex, --group-gap and --no-groups; "
                "expected one"
            )
        if table is not None:
            return cls("file", str(table.resolve()))
        if regex is not None:
            return cls("regex", regex)
        if gap is not None:
            return cls("gap", f"{np.format_float_positional(parse_gap(gap), trim='-')}s")
        return cls() if none else None

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> GroupRule:
        """Read the rule out of a cache's note of its folder; "none" where nothing was noted.

        Raises:
            CacheError: the note holds something else.
        """
        rule = note.get("group_rule", {})
        known = isinstance(rule, dict) and set(rule) <= {"kind", "value"}
        if not known or str(rule.get("kind", "none")) not in _KINDS:
            raise CacheError(
                f"the cache notes the group rule {rule!r}; expected what extract wrote; extract "
                "into another --cache"
            )
        return cls(**{name: str(value) for name, value in rule.items()})

    def describe(self) -> str:
        """Describe the rule in one line for a person."""
        return {
            "file": f"from {self.value}",
            "regex": f"from file names by {self.value}",
            "gap": f"from capture times: after more than {self.value} a new part begins",
            "proposed": "proposed from what the photographs and their names tell",
            "none": "none given: they will be proposed",
        }[self.kind]

    @property
    def from_photographs(self) -> bool:
        """Say whether groups are made only after the photographs have been looked at."""
        return self.kind in ("none", "gap")

    @property
    def known(self) -> bool:
        """Say whether somebody said which photographs show one part."""
        return self.kind not in ("none", "proposed")

    @property
    def gap(self) -> float | None:
        """Give the seconds of a rule of this kind."""
        return parse_gap(self.value) if self.kind == "gap" else None


def parse_gap(text: str) -> float:
    """Read a time span as seconds: "10s", "10", "0.5 s", "500ms" or "2min".

    Raises:
        DataError: it is something else, or not more than 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*(ms|s|sec|min|m|h|)\s*", text, re.ASCII)
    seconds = 0.0
    if match:
        unit = {"ms": 0.001, "min": 60.0, "m": 60.0, "h": 3600.0}.get(match[2], 1.0)
        seconds = float(match[1].replace(",", ".")) * unit
    if not 0 < seconds < np.inf:
        raise DataError(
            f"--group-gap {text!r} is no time span; expected the longest time between two "
            "photographs of one part, such as 10s, 500ms or 2min"
        )
    return seconds


class Grouped(NamedTuple):
    """Photographs with their groups, in the order in which they came."""

    photographs: list[Photograph]
    ungrouped: int  # of them, which the rule says nothing of: each is its own part
    notes: list[str]  # what a person should know of the table

    def say(self) -> list[str]:
        """Give the notes, and how many photographs were given no part, where some were."""
        if not 0 < self.ungrouped < len(self.photographs):
            return self.notes
        return [
            *self.notes,
            f"{self.ungrouped:,} of {len(self.photographs):,} photographs are given no part: each "
            "is taken for a part of its own",
        ]


def apply_rule(rule: GroupRule, photographs: Sequence[Photograph]) -> Grouped:
    """Give the photographs their groups.

    Raises:
        DataError: the table or the pattern cannot be used, or fits no photograph at all.
    """
    if rule.from_photographs:
        return Grouped(list(photographs), 0 if rule.gap else len(photographs), [])
    notes: list[str] = []
    paths = [photograph.path for photograph in photographs]
    if rule.kind == "file":
        found, notes = match_groups(read_groups(Path(rule.value), paths), paths)
        groups = [found.get(path, "") for path in paths]
    else:
        groups = groups_in_names(rule.value, paths)
        if re.compile(rule.value).groups > 1:
            notes = [
                f"the pattern {rule.value} has several pairs of parentheses, and the first alone "
                f"names the part, such as {next(filter(None, groups), '')!r}; write one pair "
                "around all that names it, and (?:…) elsewhere"
            ]
    if not any(groups):
        raise DataError(
            f"groups {rule.describe()} fit none of {len(photographs)} photographs, such as "
            f"{photographs[0].path!r}; paths in the table are relative to the data folder, and a "
            "pattern is searched in them; leave it out, and parts are proposed"
        )
    labels = [photograph.label for photograph in photographs]
    if len(set(labels)) > 1 and len(set(groups)) == 1:
        raise DataError(
            f"groups {rule.describe()} put all {len(photographs):,} photographs of "
            f"{len(set(labels))} classes into one part, {groups[0]!r}; expected a name for each "
            r'part, such as the number in --group-regex "part-(\d+)"'
        )
    notes += doubts_of_parts(groups, labels)
    given = [p._replace(group=group) for p, group in zip(photographs, groups, strict=True)]
    return Grouped(given, sum(not group for group in groups), notes)


def doubts_of_parts(groups: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Find what parts that were told can hardly be: nearly all in one, or each photograph its own.

    A photograph of the group "" is its own; of one class, as of new photographs, none is doubted.
    """
    n, sizes = len(groups), Counter(filter(None, groups))
    if n < _MANY or len(set(labels)) < 2 or not sizes:
        return []
    name, largest = sizes.most_common(1)[0]
    look = "see that the table, the pattern or the gap tells each part from the next"
    if largest >= _NEARLY * n:
        return [
            f"{largest:,} of {n:,} photographs are in one part, {name!r}: expected many; {look}"
        ]
    of_class = Counter(labels)
    alone = [
        label
        for (label, group), count in Counter(zip(labels, groups, strict=True)).items()
        if group and count == of_class[label] >= _MANY
    ]
    said = [
        f"all {of_class[label]:,} photographs of {label} are in one part: expected several, to "
        f"hold some out; {look}"
        for label in alone
    ]
    parts = len(sizes) + groups.count("")
    if groups.count("") < _OWN * n and parts >= _OWN * n:
        said.append(
            f"the groups put {n:,} photographs into {parts:,} parts, so that nearly every "
            "photograph is a part of its own: if several show one part, every score is flattered"
        )
    return said


def read_groups(path: Path, names: Sequence[str] = ()) -> Table:
    """Read a table with the columns path and group, as `pipeline.output.read_table` reads it.

    Raises:
        DataError: no such file, or no such columns.
    """
    table = read_table(path, names)
    if table.find(PATH_COLUMNS) is None or table.find(GROUP_COLUMNS) is None:
        raise DataError(
            f"{path} has the columns {', '.join(table.columns) or 'none'}; "
            "expected a CSV file with the columns path and group"
        )
    return table


def match_groups(table: Table, paths: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Find the photographs that the lines of a table name, and their groups, however spelled.

    Returns:
        Path of a photograph -> its group ("" where its cell is empty), without those that the table
        does not name; and what a person should know of the table.

    Raises:
        DataError: one photograph with two groups.
    """
    index = PathIndex(paths)
    names = table.column(table.find(PATH_COLUMNS) or "")
    cells = table.column(table.find(GROUP_COLUMNS) or "")
    spelling = one_spelling(cell for cell in cells if cell.strip())
    groups: dict[str, str] = {}
    unknown: list[str] = []
    for name, cell in zip(names, cells, strict=True):
        path, group = index.find(name), spelling.get(cell, "")
        if path is None:
            unknown += [name] if name.strip() else []
        elif groups.setdefault(path, group) != group:
            raise DataError(
                f"{table.file} puts {path!r} into two groups, {groups[path]!r} and "
                f"{group!r}; expected one; correct the table"
            )
    notes = [table.note] if table.note else []
    if unknown:
        notes.append(
            f"{len(unknown):,} names in {table.file} fit none of the photographs that are read, or "
            f"several, such as {unknown[0]!r}"
        )
    for group, same in Counter(groups.values()).items():
        if same > 1 and group.strip().lower() in _NOBODY_KNOWS:
            notes.append(
                f"{same:,} photographs are taken for one part called {group!r}, as {table.file} "
                "says; where nobody knows the part, leave the cell empty"
            )
    merged = merged_spellings(spelling)
    if merged:
        shown = "; ".join(merged[:3]) + ("; …" if len(merged) > 3 else "")
        notes.append(
            f"groups that differ in spaces, letter case or Unicode form alone are one, "
            f"{len(merged):,} of them: {shown}"
        )
    return groups, notes


def number_groups(table_rows: Sequence[TableRow]) -> Indices:
    """Give groups as numbers, from 0 in order of first appearance: int64 (n,).

    The same given group or the same bytes are one; an exact copy in two groups joins them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table_rows)
    said: dict[tuple[str, str], int] = {}  # a group or digest -> its node behind the photographs
    ties = [
        (number, n + said.setdefault(tie, len(said)))
        for number, table_row in enumerate(table_rows)
        for tie in (("group", table_row.group), ("digest", table_row.digest))
        if tie[1]
    ]
    ends = np.array(ties, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(ties)), tuple(ends)), shape=(n + len(said),) * 2)
    joined = connected_components(graph, directed=False)[1][:n]
    _, first, numbers = np.unique(joined, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers].astype(np.int64)
