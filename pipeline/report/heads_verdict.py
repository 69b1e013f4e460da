"""The verdict on a comparison of heads in words: which is best, and whether that means anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.comparison_table import Comparison, TableRow
from pipeline.judgements import Judgements
from pipeline.report.page import KeyFigure, Verdict
from pipeline.report.sections.scores import TITLES, Scored
from pipeline.report.verdict import KEEP_APART, behind, doubts, errors, figures
from pipeline.report.wording import count, score
from pipeline.scores import LOWER_IS_BETTER


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
        sentences.append(f"At the threshold {judged.threshold:g} it {errors(judged)}.")
        sentences += doubts(judged, scored, apart=apart)
    if others:
        sentences.append(_others(found, best, others))
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
    key, value = found.sort_by, best.mean[found.sort_by]
    if len(found.heads) == 1:
        who = f"{best.title} alone was tried"
    else:
        who = f"Of {len(found.heads)} heads, {_inside(best.title)} is the best"
    if key == "roc_auc" and math.isfinite(value) and binary:
        return (
            f"{who}: shown a defective and a healthy photograph, it tells which is which in "
            f"{100 * value:.0f} of 100 cases."
        )
    return f"{who}, with a mean {TITLES[key]} of {score(value)}."


def _others(found: Comparison, best: TableRow, others: Sequence[TableRow]) -> str:
    key = found.sort_by
    sign = -1 if key in LOWER_IS_BETTER else 1
    near = [
        row.head
        for row in others
        if sign * (best.mean[key] - row.mean[key]) <= max(best.spread[key], row.spread[key])
    ]
    flattered = (
        f"Its score is slightly flattered, since it was picked as the best of {len(others) + 1}."
    )
    if not near:
        return flattered
    return (
        f"Its lead over {', '.join(near)} is within one standard deviation over the folds and may "
        f"be luck. {flattered}"
    )


def _inside(title: str) -> str:
    """A head's title inside a sentence."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _lead(found: Comparison, best: TableRow) -> KeyFigure:
    key = found.sort_by
    return KeyFigure(
        f"{TITLES[key]} of {best.head}",
        score(best.mean[key]),
        f"± {score(best.spread[key])} over {count(len(found.folds), 'fold')}",
    )
