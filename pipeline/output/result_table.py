"""Tables of results as values: made once, where the results are, and printed in several places.

A terminal prints `Table.text`, a page `pipeline.report.html.result_table`: the same columns, rows,
and characters in every cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.output.tables import align, fits, printable
from pipeline.output.wording import NBSP, percent, score


class Estimate(NamedTuple):
    """A score with the ends of its interval; these are nan where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


class Spread(NamedTuple):
    """A mean with its standard deviation, which is nan of a single value."""

    mean: float
    deviation: float


class Share(NamedTuple):
    """Some of all.

    Attributes:
        some, whole: counts.
        of: whether all stands beside the share: "3 of 14 (21 %)", else "3 (21 %)".
        right: whether these are right verdicts, which pages underline.
    """

    some: int
    whole: int
    of: bool = True
    right: bool = False


class Likely(NamedTuple):
    """A class that somebody else named, and the probability of it."""

    name: str
    probability: float


class Name(str):
    """The name of a file, class or part, which somebody else chose."""

    __slots__ = ()


Cell = str | int | float | Estimate | Spread | Share | Likely


class Column(NamedTuple):
    """A heading, and whether words stand below it; numbers are set to the right."""

    title: str
    words: bool = False


@dataclass(frozen=True)
class Table:
    """A table of results.

    Attributes:
        title: what it shows; pages print it above.
        columns: headings; the first column names the rows.
        rows: as many cells each as there are columns.
        meanings: what rows are, by their first cell, for pages, which have the room.

    Example:
        >>> columns = [Column("score"), Column("held out")]
        >>> print(Table("scores", columns, [["AUC", Estimate(0.9)]]).text())
        score  held out
        AUC       0.900
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    meanings: Sequence[str] = ()

    def text(self) -> str:
        """Print it for a terminal: columns that do not fit stand below the others.

        A count goes without its share where that makes room for all columns.
        """
        lines = self._lines(told)
        if not fits(lines):
            lines = self._lines(_count_alone)
        numbers = not all(column.words for column in self.columns[1:])
        return align(lines, right=numbers)

    def _lines(self, words: Callable[[Cell], str]) -> list[list[str]]:
        lines = [
            [column.title for column in self.columns],
            *([words(cell) for cell in row] for row in self.rows),
        ]
        return [[printable(cell.replace(NBSP, " ")) for cell in line] for line in lines]


@dataclass(frozen=True)
class Facts:
    """Names with what stands for each of them: a table of two columns that needs no headings.

    Example:
        >>> print(Facts([("threshold", "0.5, not chosen"), ("parts", "12")]).text())
        threshold  0.5, not chosen
        parts      12
    """

    pairs: Sequence[tuple[str, str]]

    def text(self) -> str:
        """Print them for a terminal, one below the other."""
        return align([(name, printable(said)) for name, said in self.pairs], right=False)


def shown(cell: Cell) -> tuple[str, str]:
    """Give the words of a cell, and what stands small beside them, such as an interval; or ""."""
    match cell:
        case Estimate(value, low, high):
            return score(value), interval(low, high)
        case Spread(mean, deviation):
            return score(mean), "" if math.isnan(deviation) else f"±{deviation:.3f}"
        case Share(some, whole, of, _):
            if not whole:
                return f"{some:,}" if not of else "–", ""
            return f"{some:,} of {whole:,}" if of else f"{some:,}", f"({percent(some / whole)})"
        case Likely(name, probability):
            return name, f"({percent(probability)})"
        case float():
            return score(cell), ""
        case int():
            return f"{cell:,}", ""
        case str():
            return cell, ""


def told(cell: Cell) -> str:
    """Give a cell in one line, such as "0.951 [0.902, 0.987]"."""
    return " ".join(filter(None, shown(cell)))


def interval(low: float, high: float) -> str:
    """Write such as "[0.902, 0.987]"; "" where there is none."""
    return f"[{low:.3f}, {high:.3f}]" if math.isfinite(low) and math.isfinite(high) else ""


def _count_alone(cell: Cell) -> str:
    return shown(cell)[0] if isinstance(cell, Share) and not cell.of else told(cell)
