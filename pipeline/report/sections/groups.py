"""Show which photographs show one part, how that is known, and what a random split would hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.arrays import Indices
from features.cache.sample_table import TableRow
from pipeline.data.classes import Classes
from pipeline.groups.proposal import Proposal
from pipeline.groups.rules import GroupRule
from pipeline.output.tables import printable
from pipeline.output.wording import count, sentence
from pipeline.report.html import Child, Html, Row, element, folded, join, name, result_table, table
from pipeline.report.page import Section, paragraphs
from pipeline.training.optimism import Optimism

_LISTED = 20
_FROM = {
    "file": "A table that somebody made says which photographs show one part",
    "regex": "The part that a photograph shows is read from its file name, by a given pattern",
    "gap": "After a longer gap between capture times than was given, a new part begins",
    "proposed": "Nobody said which photographs show one part, so it was proposed from what the "
    "photographs and their names tell",
    "none": "Nobody said which photographs show one part, and nothing was proposed: only exact "
    "copies are kept together",
}


@dataclass(frozen=True)
class Grouped:
    """The input of this section.

    Attributes:
        classes: names and numbers.
        table_rows: the photographs (n).
        y, groups: int64 (n,) their class and part numbers.
        rule: where the parts are known from.
        proposal: what they rest on where they are proposed; None where that is not known.
        optimism: what one head scores on both kinds of split; None where that was not measured.
        no_optimism: why it was not, as a sentence; "" to say nothing.
    """

    classes: Classes
    table_rows: Sequence[TableRow]
    y: Indices
    groups: Indices
    rule: GroupRule
    proposal: Proposal | None = None
    optimism: Optimism | None = None
    no_optimism: str = ""


class Mixed(NamedTuple):
    """A part whose photographs stand in several classes: numbers of them, by class number."""

    members: dict[int, Indices]
    copies: bool


def section(given: Grouped) -> Section:
    """Say what the groups rest on, count their parts, and compare both kinds of split."""
    body = [
        _origin(given),
        element("h3", "How many parts"),
        _sizes(given),
        element("h3", "Parts in several classes"),
        *_in_several(given),
        *_optimism(given),
    ]
    return Section("groups", "Groups: which photographs show one part", join(body))


def _origin(given: Grouped) -> Html:
    """Say where groups are from; of proposed ones, every kind of evidence with its counts."""
    value = f" ({printable(given.rule.value)})" if given.rule.known else ""
    lead = f"{_FROM[given.rule.kind]}{value}. A split by part never puts two of them on two sides"
    lead += "." if given.rule.known else ", as far as the proposal is right."
    proposal = given.proposal
    if proposal is None:
        return paragraphs(lead)
    of_more = len(proposal.paths) != len(given.table_rows)
    found = proposal.describe()
    return join([
        paragraphs(lead, f"Found: {found}{'' if found.endswith('?') else '.'}"),
        result_table(proposal.table()),
        element("ul", [element("li", sentence(printable(why))) for why in proposal.reasons()]),
        paragraphs(
            f"These counts are of all {count(len(proposal.paths), 'photograph')} looked at, not "
            f"only of those in the classes here." if of_more else None,
            "A proposal may be wrong. “groups” draws sheets of it and writes a table to edit; "
            "“extract --groups” takes the table.",
            *(f"Note: {printable(note)}." for note in proposal.notes),
        ),
    ])  # fmt: skip


def _sizes(given: Grouped) -> Html:
    rows: list[Row] = []
    for number, title in enumerate(given.classes.names):
        sizes = np.unique(given.groups[given.y == number], return_counts=True)[1]
        rows.append(_size_row(name(title), sizes))
    rows.append(_size_row("all", np.unique(given.groups, return_counts=True)[1]))
    columns = ["class", "parts", "only one", "median", "most"]
    caption = "Parts of each class, and how many photographs a part has: only one, median, most"
    return table(caption, columns, rows)


def _size_row(title: Child, sizes: Indices) -> Row:
    if not len(sizes):
        return [title, "0", "0", "–", "–"]
    single = int((sizes == 1).sum())
    return [title, f"{len(sizes):,}", f"{single:,}", f"{np.median(sizes):g}", f"{sizes.max():,}"]


def mixed(given: Grouped) -> list[Mixed]:
    """Give the parts whose photographs stand in more than one class, the largest first."""
    cells = np.unique(np.stack([given.groups, given.y], axis=1), axis=0)
    groups, classes = np.unique(cells[:, 0], return_counts=True)
    found = []
    for group in groups[classes > 1]:
        numbers = np.flatnonzero(given.groups == group)
        members = {int(c): numbers[given.y[numbers] == c] for c in np.unique(given.y[numbers])}
        digests = [{given.table_rows[i].digest for i in of.tolist()} for of in members.values()]
        found.append(Mixed(members, sum(map(len, digests)) > len(set().union(*digests))))
    return sorted(found, key=lambda one: -sum(map(len, one.members.values())))


def _in_several(given: Grouped) -> Sequence[Html]:
    found = mixed(given)
    if not found:
        return [paragraphs("There are none.")]
    photographs = sum(len(of) for one in found for of in one.members.values())
    copied = sum(one.copies for one in found)
    rows = [_mixed_row(given, one) for one in found[:_LISTED]]
    every = count(len(found), "part")
    shown = f"The largest {len(rows)} of {every}" if len(rows) < len(found) else every
    columns = ["part", *(name(title) for title in given.classes.names), "such as"]
    same = f"; in {copied:,} of them the very same photograph lies in two classes" if copied else ""
    return [
        paragraphs(
            f"{count(len(found), 'part stands', 'parts stand')} in more than one class, with "
            f"{count(photographs, 'photograph')}{same}. Either a label is wrong, or the part is "
            "photographed with and without its defect, or these are several parts."
        ),
        folded(
            f"{shown}, as a table",
            table("Parts in several classes", columns, rows, texts=[len(columns) - 1]),
        ),
    ]


def _mixed_row(given: Grouped, one: Mixed) -> Row:
    first = [given.table_rows[int(of[0])] for of in one.members.values()]
    counts = [f"{len(one.members.get(c, ())):,}" for c in range(len(given.classes.names))]
    examples = [[", " if i else None, name(table_row.path)] for i, table_row in enumerate(first)]
    return [name(first[0].group or first[0].path), *counts, join(examples)]


def _optimism(given: Grouped) -> Sequence[Html]:
    """Show one head on both kinds of split."""
    optimism = given.optimism
    if optimism is None and not given.no_optimism:
        return []
    heading = element("h3", "By part, or at random")
    if optimism is None:
        return [heading, paragraphs(given.no_optimism)]
    said = sentence(optimism.sentence())
    if optimism.problem:
        return [heading, paragraphs(said)]
    return [heading, paragraphs(said), result_table(optimism.table())]
