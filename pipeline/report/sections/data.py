"""Show what was photographed: classes, parts, and the photographs that could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from features.arrays import Indices
from features.cache.sample_table import TableRow
from pipeline.data.classes import Classes
from pipeline.output.wording import sentence
from pipeline.report.html import Html, Row, element, facts, join, name, table
from pipeline.report.page import Section, paragraphs

_LISTED = 50


@dataclass(frozen=True)
class Data:
    """The input of this section.

    Attributes:
        classes: names and numbers.
        table_rows: the photographs (n).
        y, groups: int64 (n,) their class and part numbers.
        groups_from: where the parts are known from, in words.
        sides: numbers of photographs by the name of their side of the split; empty for no split.
        unreadable: photographs that could not be read, with their reasons.
        notes: what else was left out or counted otherwise, and why.
    """

    classes: Classes
    table_rows: Sequence[TableRow]
    y: Indices
    groups: Indices
    groups_from: str
    sides: Mapping[str, Indices] = field(default_factory=dict)
    unreadable: Sequence[TableRow] = ()
    notes: Sequence[str] = ()


def section(data: Data) -> Section:
    """Show classes and parts as a table, notes, and unreadable photographs with their reasons."""
    merged = set(data.classes.members) != set(data.classes.names)
    columns = ["class", *(["folders"] if merged else []), "all", *data.sides]
    rows = [_row(data, number, merged) for number in range(len(data.classes.names))]
    every = np.arange(len(data.y))
    total: Row = [
        "all", *([""] if merged else []), _counts(data, every),
        *(_counts(data, side) for side in data.sides.values()),
    ]  # fmt: skip
    body = [
        table(
            "Photographs of each class, and below of how many parts they are",
            columns,
            [*rows, total],
            texts=[1] if merged else [],
        ),
        facts(
            [
                ("groups", data.groups_from),
                ("photographs of one part", _sizes(data)),
                ("could not be read", f"{len(data.unreadable):,}" if data.unreadable else "none"),
            ]
        ),
        paragraphs(*map(sentence, data.notes)),
        _unreadable(data.unreadable),
    ]
    return Section("data", "Data: what was photographed", join(body))


def _row(data: Data, number: int, merged: bool) -> Row:
    members = np.flatnonzero(data.y == number)
    folders = [name(f) for f, of in sorted(data.classes.members.items()) if of == number]
    role = ["healthy", "defective"][number] if data.classes.binary else None
    title = data.classes.names[number]
    return [
        join([name(title), f" ({role})" if role and role != title else None]),
        *([join([[", " if i else None, f] for i, f in enumerate(folders)])] if merged else []),
        _counts(data, members),
        *(_counts(data, np.intersect1d(members, side)) for side in data.sides.values()),
    ]


def _counts(data: Data, members: Indices) -> Html:
    """Write how many photographs, and below it of how many parts: narrow enough for a phone."""
    parts = len(np.unique(data.groups[members]))
    return join([f"{len(members):,} ", element("small", f"of {parts:,}", class_="range")])


def _sizes(data: Data) -> str:
    sizes = np.unique(data.groups, return_counts=True)[1]
    if sizes.max() == 1:
        return "every photograph counts as a part of its own"
    return f"{np.median(sizes):g} in the median, {sizes.max():,} at most"


def _unreadable(table_rows: Sequence[TableRow]) -> Html:
    if not table_rows:
        return Html()
    rows: list[Row] = [[name(s.path), s.reason] for s in table_rows[:_LISTED]]
    more = len(table_rows) - len(rows)
    return join([
        element("h3", "Photographs that could not be read"),
        paragraphs("Nothing was put in their place, and no score knows them."),
        table("Photographs that could not be read", ["photograph", "reason"], rows, texts=[1]),
        paragraphs(f"… and {more:,} more.") if more else None,
    ])  # fmt: skip
