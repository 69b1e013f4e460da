"""The compared heads: scores over identical folds, as a chart and as a table."""

from __future__ import annotations

import math

from pipeline.comparison_table import Comparison, TableRow
from pipeline.report.chart import RowChart
from pipeline.report.drawing import Axis
from pipeline.report.html import element, join
from pipeline.report.page import Section, paragraphs
from pipeline.report.sections.scores import TITLES
from pipeline.report.table import Row, table
from pipeline.report.wording import NBSP, score
from pipeline.scores import LOWER_IS_BETTER

_SHOWN = ("roc_auc", "average_precision", "balanced_accuracy", "recall", "precision", "brier")


def section(found: Comparison, split: str) -> Section:
    """Every head, the best first.

    Args:
        found: the comparison.
        split: "grouped" or "random".
    """
    folds, repeats = (len({getattr(f, of) for f in found.folds}) for of in ("fold", "repeat"))
    parts = (
        "no part stands on both sides of a fold"
        if split == "grouped"
        else "photographs were dealt out at random, so that one part may stand on both sides"
    )
    names = [TITLES[name] + (f"{NBSP}↓" if name in LOWER_IS_BETTER else "") for name in _SHOWN]
    body = [
        paragraphs(
            f"All heads were trained and tested on the same {folds * repeats} folds "
            f"({folds} folds, drawn {repeats} times); {parts}. Whatever a head chooses, it chooses "
            "inside the training part."
        ),
        _chart(found).html(),
        element("h3", "All scores"),
        table(
            "Mean and standard deviation over the folds, by head",
            ["head", *names, f"training,{NBSP}s"],
            [_row(row) for row in found.table()],
        ),
        paragraphs(
            "Mean ± standard deviation over the folds. The folds share photographs, so this "
            "spread is not an interval. ↓: less is better. Verdicts are at the threshold 0.5."
        ),
    ]
    return Section("heads", "Heads: all that were compared", join(body))


def _row(row: TableRow) -> Row:
    return [
        join([row.head, element("small", row.title)]),
        *(_with_spread(row.mean[name], row.spread[name]) for name in _SHOWN),
        f"{row.fit_seconds:.2f}",
    ]


def _with_spread(mean: float, spread: float) -> str:
    return score(mean) if math.isnan(spread) else f"{score(mean)} ± {score(spread)}"


def _chart(found: Comparison) -> RowChart:
    key = found.sort_by
    entries, rows = [], list[Row]()
    for row in found.table():
        values = [result.scores[key] for result in found.of(row.head)]
        mean, spread = row.mean[key], row.spread[key]
        low, high = (mean, mean) if math.isnan(spread) else (mean - spread, mean + spread)
        entries.append((row.head, values, mean, low, high))
        rows.append([row.head, score(mean), score(spread), score(min(values)), score(max(values))])
    seen = [value for _, points, _, low, high in entries for value in (*points, low, high)]
    best, last = entries[0], entries[-1]
    return RowChart(
        "heads-chart",
        f"{TITLES[key]} of every head, fold by fold",
        f"From {best[0]} with a mean of {score(best[2])} to {last[0]} with {score(last[2])}.",
        Axis.covering(TITLES[key], [min(v, 1.0) for v in seen], at_least=(0.5, 1.0)),
        entries,
        ["head", "mean", "standard deviation", "lowest fold", "highest fold"],
        rows,
        ("one fold", "mean", "± one standard deviation"),
    )
