"""What the statistics found, as plain text for a terminal. Nothing here computes or prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.evaluation.head_pairs import (
    A_BETTER,
    A_PROBABLY,
    B_BETTER,
    B_PROBABLY,
    EQUIVALENT,
    UNDEFINED,
    UNKNOWN,
    Pair,
)
from pipeline.evaluation.intervals import Intervals
from pipeline.evaluation.nested import Nested
from pipeline.output.tables import align, printable
from pipeline.training.comparison import Comparison, TableRow
from pipeline.training.learning_curve import BAND, SHOWN, TITLES, LearningCurve, Span

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

_AGAINST_BEST = {
    A_BETTER: "worse",
    A_PROBABLY: "probably worse",
    B_PROBABLY: "probably better",
    EQUIVALENT: "no practical difference",
    B_BETTER: "better",
    UNKNOWN: "cannot tell",
    UNDEFINED: "not defined",
}


def against_best(pair: Pair) -> str:
    """Give a pair's verdict, as it stands in the line of b, if a is the best head."""
    words = _AGAINST_BEST[pair.verdict]
    return f"{words} ({pair.probability})" if "probably" in words else words


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


def heads_table(result: Comparison, split: str, photographs: Comparison | None = None) -> str:
    """One line per head, best first, with intervals and what can be said against the best."""
    shown = list(dict.fromkeys((result.sort_by, *_SHOWN)))
    table, best = result.table(), result.best
    single = {} if photographs is result else _single_photographs(photographs, result)
    titles = [*(["by photo"] if single else []), *(SHORT_TITLES[name] for name in shown)]
    short, letters = _short_names([row.head for row in table])
    head = ["head", *titles, f"against {short[best]}", "fit s"]
    rows = [[short[row.head], *_head_cells(result, row, shown, single)[1:]] for row in table]
    intervals = result.findings.intervals[best]
    lines = [
        align([head, *rows]),
        *letters,
        *(
            [
                "by part: a part has one verdict, from all its photographs; by photo: "
                f"{SHORT_TITLES[result.sort_by]} of single photographs"
            ]
            if single
            else []
        ),
        f"mean over {len(result.folds)} folds ({split} split), sorted by "
        f"{SHORT_TITLES[result.sort_by]}; further scores in comparison.csv",
        *about_intervals({"all heads": intervals}),
    ]
    if len(table) > 1:
        lines += _about_pairs(result, intervals)
    lines += [f"warning: {line}" for line in at_chance(result)]
    if result.findings.nested is not None:
        lines.append(_about_choice(result.findings.nested))
    return "\n".join(lines)


_LONG = 24  # characters of a feature spec above which a letter stands for it


def _short_names(heads: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Names for a table of 80 columns, and lines that say which letter is which feature spec.

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


_CHANCE = 0.505  # balanced accuracy up to which verdicts are those of a coin


def at_chance(result: Comparison) -> list[str]:
    """Heads whose verdicts are worth nothing, though not made for that, as warnings."""
    said = []
    for row in result.table():
        value, auc = row.mean["balanced_accuracy"], row.mean["roc_auc"]
        if row.head.split(" ")[0] == "majority" or not value <= _CHANCE:
            continue
        why = (
            "it ranks them, but at the threshold 0.5 calls nearly all the same; fit chooses another"
            if auc > _RANKS
            else "it learned nothing that holds on other parts"
        )
        said.append(f"{row.head} has a balanced accuracy of {value:.3f}, which is chance: {why}")
    return said


_RANKS = 0.6  # a ROC AUC from which on a head ranks parts


def _single_photographs(photographs: Comparison | None, result: Comparison) -> dict[str, float]:
    if photographs is None:
        return {}
    return {row.head: row.mean[result.sort_by] for row in photographs.table()}


def _head_cells(
    result: Comparison, row: TableRow, shown: Sequence[str], single: Mapping[str, float]
) -> list[str]:
    intervals = result.findings.intervals[row.head]
    pair = result.findings.against_best().get(row.head)
    return [
        row.head,
        *([f"{single[row.head]:.3f}"] if single else []),
        *(scored(row.mean[name], intervals[name]) for name in shown),
        against_best(pair) if pair else "the first",
        f"{row.fit_seconds:.2f}",
    ]


def _about_pairs(result: Comparison, intervals: Intervals) -> list[str]:
    title = SHORT_TITLES[result.sort_by]
    lines = [
        f"against {result.best}: differences up to {result.rope:g} {title} count as none (--rope); "
        "better or worse where corrected resampled t-test and Bayesian correlated t-test agree, "
        "probably where the second alone says so"
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
            f"{row.size.parts:,.0f}",
            f"{row.size.rarest:,.0f}",
            f"{row.size.photographs:,.0f}",
            row.head,
            *(_span(row.scores[score]) for score in SHOWN),
        ]
        for row in found.rows()
    ]
    low, high = (round(100 * quantile) for quantile in BAND)
    lines = [
        align([head, *rows]),
        f"mean over {draws} draws of whole parts, on parts held out; in brackets: the {low} and "
        f"{high} % quantiles of the draws; verdicts at the threshold 0.5",
        "",
    ]
    lines += [found.note, ""] if found.note else []
    for (name, score), ahead in found.forecasts.items():
        if score == SHOWN[0]:
            lines.append(f"{name}: {ahead.sentence(TITLES[score])}")
    lines += [
        "from a power law through the errors; it knows nothing of kinds of defects that nobody "
        "has photographed yet",
        "",
        f"written: {found.table}, {found.page}",
    ]
    return "\n".join(lines)


def _span(found: Span) -> str:
    return "not defined" if math.isnan(found.mean) else scored(found.mean, found[1:])
