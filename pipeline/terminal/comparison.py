"""Write what the statistics found, as plain text. Nothing here computes or prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.output.result_table import Table
from pipeline.training.comparison import Comparison
from pipeline.training.comparison_table import at_chance, comparison_notes, heads_table
from pipeline.training.learning_curve import LearningCurve

_LONG = 24  # characters of a feature spec above which a letter stands for it


def heads(result: Comparison, split: str, photographs: Comparison | None = None) -> str:
    """Print one line per head, best first, with intervals and what can be said against the best."""
    table, letters = _short(heads_table(result, photographs))
    nested = result.findings.nested
    return "\n".join(
        [
            table.text(),
            *letters,
            *comparison_notes(result, split, photographs),
            *(f"warning: {line}" for line in at_chance(result)),
            *([f"{nested.sentence()} ({nested.draws()})"] if nested else []),
        ]
    )


def _short(table: Table) -> tuple[Table, list[str]]:
    """Give the table with names that leave room, and lines that say what their letters mean."""
    names, letters = _short_names([str(row[0]) for row in table.rows])
    return replace(table, rows=[[names[str(row[0])], *row[1:]] for row in table.rows]), letters


def _short_names(heads: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Shorten names for a table of 80 columns; give lines that say which letter is which spec.

    Example:
        >>> _short_names(["ridge", "ridge on full+crops:mixed7-max+mixed8-max"])[1]
        ['A: full+crops:mixed7-max+mixed8-max']
    """
    specs = dict.fromkeys(spec for head in heads if len(spec := head.partition(" on ")[2]) > _LONG)
    letter = {spec: chr(ord("A") + number) for number, spec in enumerate(specs)}
    if len(letter) > ord("Z") - ord("A"):
        letter = {}
    parts = {head: head.partition(" on ") for head in heads}
    short = {
        head: f"{name} on {letter[spec]}" if spec in letter else head
        for head, (name, _, spec) in parts.items()
    }
    return short, [f"{sign}: {spec}" for spec, sign in letter.items()]


def learning(found: LearningCurve) -> str:
    """Print one line per size and head, and what twice as many parts would bring to each head."""
    return "\n".join(
        [
            found.table_of_sizes().text(),
            found.how(),
            "",
            *([found.note, ""] if found.note else []),
            *found.outlook(),
            "",
            f"written: {found.table}, {found.page}",
        ]
    )
