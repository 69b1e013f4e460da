"""What the statistics found, as plain text for a terminal. Nothing here computes or prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.evaluation.head_pairs import A_BETTER, B_BETTER, EQUIVALENT, UNDEFINED, UNKNOWN
from pipeline.evaluation.intervals import Intervals
from pipeline.evaluation.nested import Nested
from pipeline.output.tables import align, printable
from pipeline.training.comparison import Comparison, TableRow
from pipeline.training.learning_curve import SHOWN, LearningCurve
from pipeline.training.learning_curve_picture import BAND, TITLES

SHORT_TITLES = {
    "roc_auc": "ROC AUC",
    "average_precision": "avg. prec.",
    "balanced_accuracy": "bal. acc.",
    "accuracy": "accuracy",
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "brier": "Brier",
    "log_loss": "log loss",
}
NOTHING = 0.0005
"""Of a score: what is rounded away."""

_SHOWN = ("roc_auc", "average_precision", "balanced_accuracy")

AGAINST_BEST = {
    A_BETTER: "worse",
    EQUIVALENT: "no practical difference",
    B_BETTER: "better",
    UNKNOWN: "cannot tell",
    UNDEFINED: "not defined",
}
"""A pair's verdict, as it stands in the line of b, if a is the best head."""


def scored(value: float, bounds: tuple[float | None, float | None] | Sequence[float | None]) -> str:
    """Such as "0.951 [0.902, 0.987]"; the score alone where it has no interval."""
    low, high = bounds
    if low is None or high is None or not math.isfinite(low):
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def about_intervals(sides: Mapping[str, Intervals]) -> list[str]:
    """How the numbers in brackets were made, and which side has none, and why."""
    methods = dict.fromkeys(found.method for found in sides.values() if not found.reason)
    return [f"in brackets: 95 % intervals ({method})" for method in methods] + [
        f"{name}: no intervals, for {found.reason}" for name, found in sides.items() if found.reason
    ]


def heads_table(result: Comparison, split: str) -> str:
    """One line per head, best first, with intervals and what can be said against the best."""
    shown = list(dict.fromkeys((result.sort_by, *_SHOWN)))
    table, best = result.table(), result.best
    head = ["head", *(SHORT_TITLES[name] for name in shown), f"against {best}", "fit s"]
    rows = [_head_cells(result, row, shown) for row in table]
    intervals = result.findings.intervals[best]
    lines = [
        align([head, *rows]),
        f"mean over {len(result.folds)} folds ({split} split), sorted by "
        f"{SHORT_TITLES[result.sort_by]}; further scores in comparison.csv",
        *about_intervals({"all heads": intervals}),
    ]
    if len(table) > 1:
        lines += _about_pairs(result, intervals)
    if result.findings.nested is not None:
        lines.append(_about_choice(result.findings.nested))
    return "\n".join(lines)


def _head_cells(result: Comparison, row: TableRow, shown: Sequence[str]) -> list[str]:
    intervals = result.findings.intervals[row.head]
    pair = result.findings.against_best().get(row.head)
    return [
        row.head,
        *(scored(row.mean[name], intervals[name]) for name in shown),
        AGAINST_BEST[pair.verdict] if pair else "the first",
        f"{row.fit_seconds:.2f}",
    ]


def _about_pairs(result: Comparison, intervals: Intervals) -> list[str]:
    title = SHORT_TITLES[result.sort_by]
    lines = [
        f"against {result.best}: differences up to {result.rope:g} {title} count as none (--rope); "
        "corrected resampled t-test and Bayesian correlated t-test must agree"
    ]
    if any(p.verdict == UNKNOWN for p in result.findings.against_best().values()):
        fewest = min(intervals.parts.values())
        lines.append(
            f"cannot tell: {fewest:,} parts of the rarest class are too few to tell such heads "
            "apart"
        )
    return lines


def _about_choice(nested: Nested) -> str:
    title = SHORT_TITLES[nested.score]
    often = sorted(nested.chosen.items(), key=lambda item: -item[1])[:3]
    others = ", ".join(f"{head} {share:.0%}" for head, share in often if share >= 0.005)
    span = scored(nested.value, (nested.low, nested.high))
    behind = f"(BBC-CV over parts; its draws chose {others})"
    if nested.price < NOTHING:
        return (
            f"choosing the best of {len(nested.chosen)} heads flatters by nothing: {span} {behind}"
        )
    return (
        f"the best of {len(nested.chosen)} heads flatters itself: expect {title} {span} of a head "
        f"chosen so, not {nested.naive:.3f} {behind}"
    )


def learning(found: LearningCurve) -> str:
    """One line per size and head, and what twice as many parts would bring to each head."""
    draws = len({fold.repeat for fold in found.result.folds})
    rarest = printable(found.rarest)
    head = ["parts", f"of {rarest}", "photographs", "head", *(TITLES[score] for score in SHOWN)]
    rows = [
        [
            f"{size.parts:,.0f}",
            f"{size.rarest:,.0f}",
            f"{size.photographs:,.0f}",
            name,
            *(_span(found, name, score, number) for score in SHOWN),
        ]
        for number, size in reversed(list(enumerate(found.sizes)))
        for name in found.result.heads
    ]
    low, high = (round(100 * quantile) for quantile in BAND)
    lines = [
        align([head, *rows]),
        f"mean over {draws} draws of whole parts, on parts held out; in brackets: the {low} and "
        f"{high} % quantiles of the draws; verdicts at the threshold 0.5",
        "",
    ]
    for (name, score), ahead in found.forecasts.items():
        if score == SHOWN[0]:
            lines.append(f"{name}: {ahead.sentence(TITLES[score])}")
    lines += [
        "from a power law through the errors; it knows nothing of kinds of defects that nobody "
        "has photographed yet",
        "",
        f"written: {found.picture}, {found.table}",
    ]
    return "\n".join(lines)


def _span(found: LearningCurve, head: str, score: str, size: int) -> str:
    values = found.scores(head, score)[:, size]
    values = values[np.isfinite(values)]
    if not len(values):
        return "not defined"
    low, high = np.quantile(values, BAND)
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"
