"""Write what the statistics found, as plain text. Nothing here computes or prints."""

from __future__ import annotations

from pathlib import Path

from pipeline.terminal import groups as grouping_text
from pipeline.training.compare_heads import HeadComparison
from pipeline.training.comparison import Comparison
from pipeline.training.comparison_table import (
    at_chance,
    comparison_notes,
    for_people,
    heads_table,
    letters_of,
)
from pipeline.training.learning_curve import LearningCurve


def comparison(found: HeadComparison, out: Path) -> str:
    """Write one line per head, best first, and what stands behind the numbers."""
    written = f"written: {out / 'comparison.csv'}, {out / 'comparison.json'}"
    optimism = ""
    shown = for_people(found)
    if shown.optimism:
        optimism = f"\n{grouping_text.optimism(shown.optimism)}\n"
    note = f"{found.note}\n" if found.note else ""
    return f"{heads(shown.result, found.split, shown.photographs)}\n{note}{optimism}{written}"


def heads(result: Comparison, split: str, photographs: Comparison | None = None) -> str:
    """Print one line per head, best first, with intervals and what can be said against the best."""
    letters = letters_of(result.contenders)
    table, nested = heads_table(result, photographs), result.findings.nested
    lines = [
        *comparison_notes(result, split, photographs),
        *(f"warning: {line}" for line in at_chance(result)),
        *([f"{nested.sentence()} ({nested.draws()})"] if nested else []),
    ]
    return "\n".join([table.text(), *(f"{sign}: {spec}" for spec, sign in letters.items()), *lines])


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
