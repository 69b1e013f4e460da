"""The compared heads: scores over identical folds, what they are worth, and heads in pairs."""

from __future__ import annotations

import math

from pipeline.evaluation.head_pairs import PAIRS_METHOD, UNKNOWN, Pair
from pipeline.evaluation.metrics import LOWER_IS_BETTER
from pipeline.evaluation.nested import Nested
from pipeline.report.html import Child, Html, Row, element, folded, join, table
from pipeline.report.page import Section, paragraphs
from pipeline.report.sections.scores import TITLES, about_intervals
from pipeline.report.svg import Axis, RowChart
from pipeline.report.wording import NBSP, interval, percent, score
from pipeline.terminal.comparison import NOTHING, against_best, at_chance
from pipeline.training.comparison import Comparison, TableRow

_SHOWN = ("roc_auc", "average_precision", "balanced_accuracy", "recall", "precision", "brier")


def section(found: Comparison, split: str) -> Section:
    """Show every head, the best first.

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
    shown = list(dict.fromkeys((found.sort_by, *_SHOWN)))
    names = [TITLES[name] + (f"{NBSP}↓" if name in LOWER_IS_BETTER else "") for name in shown]
    intervals = found.findings.intervals[found.best]
    body = [
        paragraphs(
            f"All heads were trained and tested on the same {folds * repeats} folds "
            f"({folds} folds, drawn {repeats} times); {parts}. Whatever a head chooses, it chooses "
            "inside the training part."
        ),
        _chart(found).html(),
        _choice(found.findings.nested),
        _pairs(found),
        paragraphs(*(f"Warning: {line}." for line in at_chance(found))),
        element("h3", "All scores"),
        table(
            "Mean over the folds and 95 % interval, by head",
            ["head", *names, f"training,{NBSP}s"],
            [_row(found, row, shown) for row in found.table()],
        ),
        paragraphs(
            f"{about_intervals(intervals)} ↓: less is better. Here all verdicts are at the "
            "threshold 0.5; “fit” chooses one, on the training part.",
        ),
    ]
    return Section("heads", "Heads: all that were compared", join(body))


def _row(found: Comparison, row: TableRow, shown: list[str]) -> Row:
    intervals = found.findings.intervals[row.head]
    return [
        join([row.head, element("small", row.title)]),
        *(_with_interval(row.mean[name], intervals[name]) for name in shown),
        f"{row.fit_seconds:.2f}",
    ]


def _with_interval(mean: float, bounds: tuple[float, float]) -> Child:
    if math.isnan(bounds[0]):
        return score(mean)
    return [score(mean), element("small", interval(*bounds), class_="range")]


def _choice(found: Nested | None) -> Html | None:
    """Say what a head is worth that is chosen as the best one was."""
    if found is None:
        return None
    often = sorted(found.chosen.items(), key=lambda item: -item[1])[:3]
    others = ", ".join(f"{head} {percent(share)}" for head, share in often if share >= 0.005)
    title = TITLES[found.score]
    flattered = (
        f"Choosing the best of {len(found.chosen)} flatters its score by nothing that matters"
        if found.price < NOTHING
        else f"Its own score, {score(found.naive)}, is flattered by the choice"
    )
    return join([
        element("h3", "What the best of several is worth"),
        paragraphs(
            f"{flattered}: expect {title} {score(found.value)} of a head chosen so "
            f"(95 % interval {interval(found.low, found.high)}). Parts were drawn anew many "
            "times, and the head that was best on these scored on the others (bootstrap bias "
            f"correction over parts). The draws chose: {others}."
        ),
    ])  # fmt: skip


def _pairs(found: Comparison) -> Html | None:
    """Show every head against the best one, and all pairs."""
    pairs = found.findings.pairs
    if not pairs:
        return None
    against = list(found.findings.against_best().values())
    columns = [
        "heads", f"difference in {TITLES[found.sort_by]}", f"95{NBSP}%{NBSP}interval",
        "probability that it is less", "none that matters", "more",
    ]  # fmt: skip
    unknown = any(pair.verdict == UNKNOWN for pair in against)
    fewest = min(found.findings.intervals[found.best].parts.values(), default=0)
    return join([
        element("h3", f"Against the best head, {found.best}"),
        table(
            f"What can be said of every other head against {found.best}",
            ["head", "against the best", "in words"],
            [[pair.b, against_best(pair), f"{_words(pair)}."] for pair in against],
            texts=[1, 2],
        ),
        paragraphs(
            f"Differences of {TITLES[found.sort_by]} up to {found.rope:g} count as none that "
            f"matters (--rope). {PAIRS_METHOD}: both must agree before one head is called better; "
            "where the first alone says so, it is probably better.",
            f"Cannot tell: {fewest:,} parts of the rarest class are too few to tell such heads "
            "apart. More parts would help; more folds hardly." if unknown else None,
        ),
        folded(
            "All pairs as a table",
            table("Heads in pairs", columns, [_pair_row(pair) for pair in pairs]),
        ),
    ])  # fmt: skip


def _words(pair: Pair) -> str:
    words = pair.words()
    return words if words.startswith((pair.a, pair.b)) else words[:1].upper() + words[1:]


def _pair_row(pair: Pair) -> Row:
    return [
        f"{pair.a} less {pair.b}", score(pair.difference), interval(pair.low, pair.high),
        percent(pair.b_better), percent(pair.equivalent), percent(pair.a_better),
    ]  # fmt: skip


def _chart(found: Comparison) -> RowChart:
    key = found.sort_by
    entries, rows = [], list[Row]()
    for row in found.table():
        values = [result.scores[key] for result in found.of(row.head)]
        mean, bounds = row.mean[key], found.findings.intervals[row.head][key]
        low, high = (mean, mean) if math.isnan(bounds[0]) else bounds
        entries.append((row.head, values, mean, low, high))
        lowest, highest = score(min(values)), score(max(values))
        rows.append([row.head, score(mean), interval(*bounds), lowest, highest])
    seen = [value for _, points, _, low, high in entries for value in (*points, low, high)]
    best, last = entries[0], entries[-1]
    return RowChart(
        "heads-chart",
        f"{TITLES[key]} of every head, fold by fold",
        f"From {best[0]} with a mean of {score(best[2])} to {last[0]} with {score(last[2])}.",
        Axis.covering(TITLES[key], [min(v, 1.0) for v in seen], at_least=(0.5, 1.0)),
        entries,
        ["head", "mean", f"95{NBSP}%{NBSP}interval", "lowest fold", "highest fold"],
        rows,
        ("one fold", "mean", "95 % interval of the mean"),
    )
