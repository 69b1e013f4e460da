"""The compared heads: scores over identical folds, what they are worth, and heads in pairs."""

from __future__ import annotations

import math

from pipeline.evaluation.metrics import TITLES
from pipeline.evaluation.nested import Nested
from pipeline.output.wording import NBSP, interval, score, sentence
from pipeline.report.html import Html, Row, element, folded, join, result_table
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import Axis, RowChart
from pipeline.training.comparison import Comparison
from pipeline.training.comparison_table import (
    at_chance,
    comparison_notes,
    further_scores,
    heads_table,
    pairs_table,
    short_names,
)


def section(result: Comparison, split: str, photographs: Comparison | None = None) -> Section:
    """Show every head, the best first; arguments as in `comparison_notes`."""
    pairs = result.findings.pairs
    body = [
        _chart(result).html(),
        _choice(result.findings.nested),
        element("h3", "All heads"),
        result_table(heads_table(result, photographs)),
        paragraphs(*map(sentence, comparison_notes(result, split, photographs))),
        paragraphs(*(f"Warning: {line}." for line in at_chance(result))),
        folded("Further scores as a table", result_table(further_scores(result))),
        folded("All pairs as a table", result_table(pairs_table(result))) if pairs else None,
    ]
    return Section("heads", "Heads: all that were compared", join(body))


def _choice(found: Nested | None) -> Html | None:
    """Say what a head is worth that is chosen as the best one was."""
    if found is None:
        return None
    return join([
        element("h3", "What the best of several is worth"),
        paragraphs(f"{sentence(found.sentence())} {sentence(found.draws())}"),
    ])  # fmt: skip


def _chart(found: Comparison) -> RowChart:
    key = found.sort_by
    entries, rows, names = [], list[Row](), short_names(found.contenders)
    for row in found.table():
        values = [result.scores[key] for result in found.of(row.head)]
        mean, bounds = row.mean[key], found.findings.intervals[row.head][key]
        low, high = (mean, mean) if math.isnan(bounds[0]) else bounds
        entries.append((names[row.head], values, mean, low, high))
        lowest, highest = score(min(values)), score(max(values))
        rows.append([row.head, score(mean), interval(*bounds), lowest, highest])
    seen = [value for _, points, _, low, high in entries for value in (*points, low, high)]
    best, last = entries[0], entries[-1]
    return RowChart(
        anchor="heads-chart", title=f"{TITLES[key]} of every head, fold by fold",
        description=(
            f"From {best[0]} with a mean of {score(best[2])} to {last[0]} with {score(last[2])}."
        ),
        x=Axis.covering(TITLES[key], [min(v, 1.0) for v in seen], at_least=(0.5, 1.0)),
        entries=entries,
        columns=["head", "mean", f"95{NBSP}%{NBSP}interval", "lowest fold", "highest fold"],
        rows=rows, legend=("one fold", "mean", "95 % interval of the mean"),
    )  # fmt: skip
