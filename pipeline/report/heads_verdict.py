"""The verdict on a comparison of heads in words: which is best, and whether that means anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.comparison_table import Comparison, TableRow
from pipeline.judgements import Judgements
from pipeline.report.page import KeyFigure, Verdict
from pipeline.report.sections.scores import TITLES, Scored
from pipeline.report.verdict import KEEP_APART, behind, doubts, errors, figures
from pipeline.report.wording import count, interval, score
from pipeline.statistics.pairs import A_BETTER, B_BETTER, EQUIVALENT, UNKNOWN
from pipeline.statistics.text import NOTHING


def comparison_verdict(
    found: Comparison,
    judged: Judgements,
    scored: Scored,
    warnings: Sequence[str],
    *,
    apart: bool = True,
) -> Verdict:
    """What a comparison of heads says.

    Args:
        found: the comparison.
        judged: every photograph, judged by the best head in the fold that held it out.
        scored: the scores of these.
        warnings: what makes the numbers less trustworthy.
        apart: whether it is known that no part stands on both sides of a fold.
    """
    best, *others = found.table()
    sentences = [behind(judged, apart=apart)]
    if judged.classes.binary:
        sentences.append(
            f"At the threshold {judged.threshold:.4g}, which “fit” would choose anew, "
            f"{best.head} {errors(judged)}."
        )
        sentences += doubts(judged, scored, apart=apart)
    if others:
        sentences += [" ".join(_others(found, best)), _choosing(found)]
    sentences.append(
        "Next: “fit --head best” trains it and scores it once more, on parts held out for that."
        if apart
        else KEEP_APART
    )
    return Verdict(
        _best(found, best, judged.classes.binary),
        sentences,
        [_lead(found, best), *figures(judged, scored)],
        warnings,
    )


def _best(found: Comparison, best: TableRow, binary: bool) -> str:
    key, nested = found.sort_by, found.findings.nested
    value, what = (nested.value, "a head chosen so") if nested else (best.mean[key], "it")
    if len(found.heads) == 1:
        who = f"{best.title} alone was tried"
    else:
        alone = all(pair.verdict == A_BETTER for pair in found.findings.against_best().values())
        place = "is the best" if alone else "comes first"
        who = f"Of {len(found.heads)} heads, {_inside(best.title)} {place}"
    if key == "roc_auc" and math.isfinite(value) and binary:
        return (
            f"{who}: shown a defective and a healthy photograph, {what} tells which is which in "
            f"{100 * value:.0f} of 100 cases."
        )
    return f"{who}; the mean {TITLES[key]} of {what} is {score(value)}."


def _others(found: Comparison, best: TableRow) -> list[str]:
    """What can be said of the other heads, one sentence for each verdict."""
    heads: dict[str, list[str]] = {}
    for head, pair in found.findings.against_best().items():
        heads.setdefault(pair.verdict, []).append(head)
    parts = found.findings.intervals[best.head].parts
    sentences = {
        A_BETTER: "It is better than {}.",
        EQUIVALENT: "There is no practical difference between it and {}.",
        UNKNOWN: "With this many parts ("
        + f"{min(parts.values(), default=0):,} of the rarest class) nobody can tell it from {{}}.",
        B_BETTER: "It is worse than {}, although its mean is higher.",
    }
    return [
        s.format(", ".join(heads[verdict]))
        for verdict, s in sentences.items()
        if heads.get(verdict)
    ]


def _choosing(found: Comparison) -> str:
    """What choosing the best of several costs."""
    nested = found.findings.nested
    if nested is None:
        return (
            f"Its score is flattered, since it was picked as the best of {len(found.heads)}; by "
            "how much cannot be said with so few parts."
        )
    span = f"(95 % interval {interval(nested.low, nested.high)})"
    title = TITLES[nested.score]
    if nested.price < NOTHING:
        return (
            f"Choosing the best of {len(found.heads)} flatters its score by nothing that matters: "
            f"expect {title} {score(nested.value)} {span}."
        )
    return (
        f"Expect {title} {score(nested.value)} {span} of a head chosen so, not the "
        f"{score(nested.naive)} that won: the best of {len(found.heads)} is partly lucky."
    )


def _inside(title: str) -> str:
    """A head's title inside a sentence."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _lead(found: Comparison, best: TableRow) -> KeyFigure:
    key, nested = found.sort_by, found.findings.nested
    bounds = found.findings.intervals[best.head][key]
    if nested is None:
        note = f"95 %: {interval(*bounds)}; mean over {count(len(found.folds), 'fold')}"
        return KeyFigure(f"{TITLES[key]} of {best.head}", score(best.mean[key]), note)
    note = f"95 %: {interval(nested.low, nested.high)}; {best.head} itself {score(nested.naive)}"
    return KeyFigure(f"{TITLES[key]} to expect", score(nested.value), note)
