"""Hold what was found about parts: groups, links, evidence, open questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Indices
from features.cache.sample_table import TableRow
from pipeline.groups.rules import GroupRule
from pipeline.output.result_table import Cell, Column, Table
from pipeline.output.tables import printable

KINDS = {
    "copy": "exact copies",
    "time": "capture times",
    "name": "names",
    "look": "near copies (pixels and rows)",
}
"""Kinds of evidence, the surest first, as a person calls them."""


AT_MOST = "at most"
"""Value of a proposed `GroupRule` whose number of parts is a bound alone."""

AT_LEAST = "at least"
"""The same, where parts of several cameras may have been taken for one."""


def say_parts(number: int, rule: GroupRule | None) -> str:
    """Say how many parts there are, as surely as it is known: in every place in these words.

    Args:
        number: of the parts.
        rule: where they are known from; None where somebody said.

    Example:
        >>> say_parts(58, GroupRule("proposed")), say_parts(222, GroupRule("proposed", AT_MOST))
        ('probably 58 parts', 'at most 222 parts, could be far fewer')
    """
    said = f"{number:,} part{'' if number == 1 else 's'}"
    if rule is None or rule.known:
        return said
    if rule.value == AT_LEAST:
        return f"at least {said}, could be far more"
    bound = rule.kind == "none" or rule.value == AT_MOST
    return f"at most {said}, could be far fewer" if bound else f"probably {said}"


def _title(kind: str) -> str:
    return KINDS[kind].split(" (")[0]


class Link(NamedTuple):
    """Two photographs that probably show one part.

    Attributes:
        a, b: their numbers, a < b.
        kind: one of KINDS.
        doubt: how many photographs of other parts would by chance be as alike; 0 is certain.
    """

    a: int
    b: int
    kind: str
    doubt: float


@dataclass(frozen=True)
class Evidence:
    """One thing that was looked at.

    Attributes:
        kind: one of KINDS.
        what: in words, such as "number 2 of names like exp#_num_#".
        photographs, groups: how many it ties together, by itself.
        used: whether the groups rest on it.
        why: why it was used or not.
        hint: what to type if it was not used and a person knows better; "" for nothing.
    """

    kind: str
    what: str
    photographs: int
    groups: int
    used: bool
    why: str
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """Two photographs that a person should look at.

    Attributes:
        a, b: their numbers.
        doubt: as in `Link`.
        together: whether they stand in one group now.
    """

    a: int
    b: int
    doubt: float
    together: bool


@dataclass
class Proposal:
    """Proposed groups of the photographs of a cache.

    Attributes:
        paths: the readable photographs, in the order of the cache.
        groups: int64 (n,), numbered from 0: the largest group first, then by first appearance.
        links: what ties photographs of one group; not all pairs.
        evidence: everything that was looked at, used or not.
        questions: the most doubtful pairs first.
        notes: what else a person should know.
        basis: what the groups stand on: "times", "names", "counter" (of the file names), "pixels",
            or "copies", which is nothing but the same bytes.
        bound: AT_MOST or AT_LEAST, where the number of groups only bounds that of parts; else "".
        question: the one question that settles what is open, with the option that answers it; ""
            where nothing is.
        cuts: how many parts each cut of the capture times makes: (seconds, parts).
    """

    paths: list[str]
    groups: Indices
    links: list[Link] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    basis: str = "copies"
    bound: str = ""
    question: str = ""
    cuts: list[tuple[float, int]] = field(default_factory=list)

    @property
    def sizes(self) -> Indices:
        """Count the photographs of each group, the largest first."""
        return np.bincount(self.groups) if len(self.groups) else np.zeros(0, dtype=np.int64)

    @property
    def rule(self) -> GroupRule:
        """Give where parts are known from: nobody said; and whether their number is a bound."""
        return GroupRule("proposed", self.bound)

    @property
    def shared(self) -> int:
        """Say how many groups have several photographs."""
        return int((self.sizes > 1).sum())

    def names(self) -> list[str]:
        """Give a name for each photograph's group, such as "part-0001"."""
        return [f"part-{number + 1:04d}" for number in self.groups.tolist()]

    def by_path(self) -> dict[str, str]:
        """Map each path to the name of its group."""
        return dict(zip(self.paths, self.names(), strict=True))

    def applied(self, table_rows: Sequence[TableRow]) -> list[TableRow]:
        """Give the photographs with the names of their proposed groups; "" for those it has not."""
        found = self.by_path()
        return [table_row._replace(group=found.get(table_row.path, "")) for table_row in table_rows]

    def tied_by(self) -> dict[int, str]:
        """Say for each group of several photographs which kinds of evidence made it."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        for link in self.links:
            found[int(self.groups[link.a])].add(link.kind)
        return {
            group: ", ".join(_title(kind) for kind in KINDS if kind in kinds)
            for group, kinds in found.items()
        }

    def describe(self) -> str:
        """Describe the proposal in one line for a person."""
        if not self.shared:
            return f"no two photographs seem to show one part; {self.how_many()}"
        tied = {link.kind for link in self.links}
        kinds = ", ".join(KINDS[kind] for kind in KINDS if kind in tied)
        members = int(self.sizes[self.sizes > 1].sum())
        groups = "1 group" if self.shared == 1 else f"{self.shared:,} groups"
        return f"{members:,} photographs in {groups}, from {kinds}; {self.how_many()}"

    def table(self) -> Table:
        """Give the evidence with what it ties together by itself, for whoever prints it."""
        names, used = ("evidence", "photographs", "groups", "used"), ("no", "yes")
        rows: list[list[Cell]] = [
            [f"{_title(e.kind)}: {printable(e.what)}", e.photographs, e.groups, used[e.used]]
            for e in self.evidence
        ]
        title = "What was looked at, and how many photographs it ties together by itself"
        return Table(title, [Column(name, words=name == "used") for name in names], rows)

    def reasons(self) -> list[str]:
        """Say of each evidence why it was used or not, and what to do if a person knows better."""
        return [
            f"{item.what}: {item.why}"
            + (f". If it does name the part: extract DATA {item.hint}" if item.hint else "")
            for item in self.evidence
        ]

    def how_many(self) -> str:
        """Say how many parts there are, and the question that would settle it."""
        said = say_parts(len(self.sizes), self.rule)
        asked = self.bound and self.question
        return f"{said}; what would settle it: {self.question}?" if asked else said

    def to_json(self) -> dict[str, Any]:
        """Give plain values; the inverse is `from_json`."""
        return {**asdict(self), "groups": self.groups.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Proposal:
        """Make a proposal from what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        proposal = cls(
            record["paths"],
            np.array(record["groups"], dtype=np.int64),
            [Link(*link) for link in record["links"]],
            [Evidence(**item) for item in record["evidence"]],
            [Question(**item) for item in record["questions"]],
            record["notes"],
            record["basis"],
            record["bound"],
            record["question"],
            [(gap, parts) for gap, parts in record["cuts"]],
        )
        pairs = [pair for two in (proposal.links, proposal.questions) for pair in two]
        numbers = [*proposal.groups.tolist(), *(i for pair in pairs for i in (pair.a, pair.b))]
        if not all(0 <= i < len(proposal.paths) == len(proposal.groups) for i in numbers):
            raise ValueError("numbers of photographs and groups were expected")
        return proposal
