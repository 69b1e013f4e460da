"""Which photographs show one physical part, so that no part stands on both sides of a split."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from features.cache.sample_table import Sample
from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.output.tables import from_cell


@dataclass(frozen=True)
class GroupRule:
    """Where groups come from: a table, a pattern in file names, a proposal, or nowhere.

    Attributes:
        kind: "file", "regex", "proposed" (nobody said; see `pipeline.groups.propose`) or "none".
        value: the table's path, or the pattern.
    """

    kind: str = "none"
    value: str = ""

    def describe(self) -> str:
        """One line for a person."""
        return {
            "file": f"from {self.value}",
            "regex": f"from file names by {self.value}",
            "proposed": "proposed from what the photographs and their names tell",
            "none": "none given: they will be proposed",
        }[self.kind]


def apply_rule(rule: GroupRule, photographs: Sequence[Photograph]) -> tuple[list[Photograph], int]:
    """Give the photographs their groups.

    Returns:
        The photographs, and how many of them the rule says nothing of (each is its own part).

    Raises:
        DataError: the table or the pattern cannot be used, or fits no photograph at all.
    """
    if rule.kind == "none":
        return list(photographs), len(photographs)
    if rule.kind == "file":
        table = read_groups(Path(rule.value))
        groups = [table.get(photograph.path, "") for photograph in photographs]
    else:
        groups = _match_groups(rule.value, photographs)
    if not any(groups):
        raise DataError(
            f"groups {rule.describe()} fit none of {len(photographs)} photographs, such as "
            f"{photographs[0].path!r}; paths in the table are relative to the data folder, and a "
            "pattern is searched in them"
        )
    given = [p._replace(group=group) for p, group in zip(photographs, groups, strict=True)]
    return given, sum(not group for group in groups)


def read_groups(path: Path) -> dict[str, str]:
    """Read a table with the columns path and group (CSV, UTF-8).

    Raises:
        DataError: no such file, no such columns, or one path with two groups.
    """
    try:
        # File names need not be UTF-8; they keep their bytes, as in the sample table.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            if not {"path", "group"} <= set(reader.fieldnames or ()):
                raise DataError(
                    f"{path} has the columns {', '.join(reader.fieldnames or ()) or 'none'}; "
                    "expected a CSV file with the columns path and group"
                )
            table: dict[str, str] = {}
            for row in reader:
                name = from_cell(row["path"] or "").replace("\\", "/").removeprefix("./")
                group = row["group"] or ""
                if table.setdefault(name, group) != group:
                    raise DataError(
                        f"{path} puts {name!r} into two groups, {table[name]!r} and {group!r}; "
                        "expected one; correct the table"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"the groups file {path} cannot be read ({error}); expected a CSV file (UTF-8) with "
            "the columns path and group"
        ) from error
    return table


def _match_groups(pattern: str, photographs: Iterable[Photograph]) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"--group-regex {pattern!r} is no regular expression ({error}); an example is "
            r"'part-(\d+)'"
        ) from error
    groups = []
    for photograph in photographs:
        match = compiled.search(photograph.path)
        # Of several parentheses the first counts; without any, the whole match.
        found = (match.group(1) if compiled.groups else match.group(0)) if match else ""
        groups.append(found or "")
    return groups


def number_groups(samples: Sequence[Sample]) -> npt.NDArray[np.int64]:
    """Groups as numbers: same given group or same bytes -> same number.

    A photograph that stands in two groups through an exact copy joins them (union-find).

    Returns:
        int64 (len(samples),), numbered from 0 in order of first appearance.
    """
    parent = list(range(len(samples)))

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    first: dict[tuple[str, str], int] = {}
    for number, sample in enumerate(samples):
        for tie in (("group", sample.group), ("digest", sample.digest)):
            if tie[1]:
                parent[root(number)] = root(first.setdefault(tie, number))
    roots = [root(number) for number in range(len(samples))]
    numbers = {found: number for number, found in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[found] for found in roots], dtype=np.int64)
