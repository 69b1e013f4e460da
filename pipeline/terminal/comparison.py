"""Write what the statistics found, as plain text. Nothing here computes or prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.feature_specs.heads import Contender
from pipeline.training.comparison import Comparison
from pipeline.training.comparison_table import at_chance, comparison_notes, heads_table
from pipeline.training.learning_curve import LearningCurve

_LONG = 24  # characters of a feature spec above which a letter stands for it


def heads(result: Comparison, split: str, photographs: Comparison | None = None) -> str:
    """Print one line per head, best first, with intervals and what can be said against the best."""
    names, letters = short_names(result.contenders)
    table, nested = heads_table(result, photographs), result.findings.nested
    lines = [
        *comparison_notes(result, split, photographs),
        *(f"warning: {line}" for line in at_chance(result)),
        *([f"{nested.sentence()} ({nested.draws()})"] if nested else []),
    ]
    for name in sorted(names, key=len, reverse=True):  # one may be the beginning of another
        lines = [line.replace(name, names[name]) for line in lines]
    table = replace(table, rows=[[names[str(row[0])], *row[1:]] for row in table.rows])
    return "\n".join([table.text(), *letters, *lines])


def short_names(contenders: Mapping[str, Contender]) -> tuple[dict[str, str], list[str]]:
    """Shorten names for a table of 80 columns; give lines that say which letter is which spec.

    Example:
        >>> long = onepass.FeatureSpec.parse("full+crops:mixed7-max+mixed8-max")
        >>> pair = onepass.Contender("ridge", long)
        >>> short_names({pair.name: pair})[1]
        ['A: full+crops:mixed7-max+mixed8-max']
    """
    specs = dict.fromkeys(pair.spec.text for pair in contenders.values())
    long = [text for text in specs if len(text) > _LONG]
    letter = {text: chr(ord("A") + number) for number, text in enumerate(long)}
    if len(letter) > ord("Z") - ord("A"):
        letter = {}
    short = {
        name: f"{pair.head} on {letter[pair.spec.text]}" if pair.spec.text in letter else name
        for name, pair in contenders.items()
    }
    lines = [f"{sign}: {text}" for text, sign in letter.items()]
    bare = [pair.spec.text for name, pair in contenders.items() if name == pair.head]
    return short, [*lines, *(f"no letter: {text}" for text in dict.fromkeys(bare) if letter)]


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
