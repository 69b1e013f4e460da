"""The verdict in words: what a model would do to parts, and how many parts say so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.comparison_table import Comparison, TableRow
from pipeline.judgements import Judgements
from pipeline.report.page import KeyFigure, Verdict
from pipeline.report.sections.scores import TITLES, Scored
from pipeline.report.wording import between, count, interval, of, percent, score
from pipeline.scores import LOWER_IS_BETTER

_DOUBT = 0.05  # of statements that are made "with 95 % confidence"
_GOOD_RANKING = 0.8  # a ROC AUC from which on another threshold is worth a try
_TOLERABLE = 0.05  # a share of missed defects above which a person should look at what passes


def model_verdict(judged: Judgements, scored: Scored, warnings: Sequence[str]) -> Verdict:
    """What a model did to photographs that it never saw.

    Args:
        judged: the photographs.
        scored: their scores.
        warnings: what makes the numbers less trustworthy.
    """
    if not judged.classes.binary:
        return _of_many_classes(judged, scored, warnings)
    sentences = [_parts(judged), *_doubts(judged, scored), _advice(judged, scored)]
    return Verdict(
        f"This model {_errors(judged)}.",
        sentences,
        [*_figures(judged, scored), _auc(scored)],
        warnings,
    )


def comparison_verdict(
    found: Comparison, judged: Judgements, scored: Scored, warnings: Sequence[str]
) -> Verdict:
    """What the comparison of heads says.

    Args:
        found: the comparison.
        judged: every photograph, judged by the best head in the fold that held it out.
        scored: the scores of these.
        warnings: what makes the numbers less trustworthy.
    """
    best, *others = found.table()
    sentences = [_parts(judged)]
    if judged.classes.binary:
        sentences.append(f"At the threshold {judged.threshold:g} it {_errors(judged)}.")
        sentences += _doubts(judged, scored)
    if others:
        sentences.append(_others(found, best, others))
    sentences.append(
        "Next: “fit --head best” trains it and scores it once more, on parts held out for that."
    )
    figures = [_comparison_figure(found, best)]
    figures += _figures(judged, scored) if judged.classes.binary else []
    return Verdict(_best(found, best), sentences, figures, warnings)


def parts_needed(tolerable: float = _TOLERABLE) -> int:
    """Defective parts, none of them missed, that show with 95 % confidence a smaller share."""
    return math.ceil(math.log(_DOUBT) / math.log(1 - tolerable))


def share_not_excluded(parts: int) -> float:
    """The largest share of missed parts that `parts` parts without a miss leave possible.

    Exact binomial bound with 95 % confidence (Clopper and Pearson, 1934, for no events).
    """
    return float(1 - _DOUBT ** (1 / parts))


def _counts(judged: Judgements) -> tuple[int, int, int, int]:
    """Missed and all defective photographs, rejected and all healthy ones."""
    positive, called = judged.y == 1, judged.verdicts == 1
    missed, rejected = int((positive & ~called).sum()), int((~positive & called).sum())
    return missed, int(positive.sum()), rejected, int((~positive).sum())


def _errors(judged: Judgements) -> str:
    missed, defective, rejected, healthy = _counts(judged)
    alarms = f"rejected {of(rejected, healthy, 'healthy ones')}"
    if not defective:
        return f"{alarms}; there was no defective one to find"
    if missed:
        found = f"missed {of(missed, defective, 'defective photographs')}"
    else:
        found = f"found {'the only one' if defective == 1 else f'all {defective:,}'} defective"
        found += " photographs" if defective > 1 else " photograph"
    return f"{found} and {alarms}" if healthy else f"{found}; there was no healthy one to reject"


def _parts(judged: Judgements) -> str:
    names = ("healthy", "defective") if judged.classes.binary else judged.classes.names
    each = [(judged.parts(number), title) for number, title in enumerate(names)]
    listed = " and ".join(f"{n:,} {title}" for n, title in each[:2]) if len(each) == 2 else ""
    if not listed:
        fewest, title = min(each)
        total = len(np.unique(judged.groups))
        listed = f"{total:,} parts; the fewest, {fewest:,}, are of the class {title}"
        return f"Behind this stand {listed}."
    return f"Behind this stand {listed} parts that it was not trained on."


def _doubts(judged: Judgements, scored: Scored) -> list[str]:
    """How far the share of missed defects is known."""
    missed, defective, *_ = _counts(judged)
    parts = judged.parts(1)
    if not defective:
        return []
    if missed:
        low, high = scored.intervals["recall"]
        said = f"On other parts it may miss {between(1 - high, 1 - low)} of the defects"
        return [f"{said} (95 % interval from {count(parts, 'defective part')})."]
    return [
        f"That is no proof that it misses none: {count(parts, 'defective part')} without a miss "
        f"leave a share of up to {percent(share_not_excluded(parts))} possible (95 % confidence)."
    ]


def _most_missed(judged: Judgements, scored: Scored) -> float:
    """The largest share of missed defects that the photographs leave possible."""
    parts = judged.parts(1)
    floor = share_not_excluded(parts) if parts else 1.0
    low = scored.intervals["recall"][0]
    return floor if math.isnan(low) else max(1 - low, floor)


def _advice(judged: Judgements, scored: Scored) -> str:
    low = scored.intervals["roc_auc"][0]
    parts, needed = judged.parts(1), parts_needed()
    if low <= 0.5:
        return "Do not sort parts by it: on these parts its ranking cannot be told from chance."
    most = _most_missed(judged, scored)
    if most <= _TOLERABLE:
        return (
            f"If you can live with {percent(most)} of the defects missed, it can sort parts that "
            "are made and photographed as these were."
        )
    more = (
        f" To show that at most {percent(_TOLERABLE)} are missed takes {needed} defective parts "
        f"or more; here are {parts}."
        if parts < needed
        else ""
    )
    lower = " A lower threshold would find more." if low >= _GOOD_RANKING else ""
    return (
        f"Do not let it pass parts alone: let a person look at what it calls healthy.{lower}{more}"
    )


def _figures(judged: Judgements, scored: Scored) -> list[KeyFigure]:
    missed, defective, rejected, healthy = _counts(judged)
    recall = scored.scores["recall"]
    low, high = scored.intervals["recall"]
    made = []
    if defective:
        made.append(KeyFigure(
            "Defects missed", percent(1 - recall),
            f"{missed:,} of {defective:,}; 95 %: {between(1 - high, 1 - low)}",
        ))  # fmt: skip
    if healthy:
        made.append(KeyFigure(
            "Healthy ones rejected", percent(rejected / healthy), f"{rejected:,} of {healthy:,}"
        ))  # fmt: skip
    return made


def _auc(scored: Scored) -> KeyFigure:
    value, bounds = scored.scores["roc_auc"], scored.intervals["roc_auc"]
    return KeyFigure("ROC AUC", score(value), f"95 %: {interval(*bounds)}; chance is 0.5")


def _of_many_classes(judged: Judgements, scored: Scored, warnings: Sequence[str]) -> Verdict:
    right = judged.verdicts == judged.y
    shares = [
        (float(right[judged.y == number].mean()), int((judged.y == number).sum()), title)
        for number, title in enumerate(judged.classes.names)
        if (judged.y == number).any()
    ]
    worst, photographs, title = min(shares)
    sentences = [
        _parts(judged),
        f"It is weakest at {title}: {of(round(worst * photographs), photographs)} recognised.",
    ]
    if scored.intervals["roc_auc"][0] <= 0.5:
        sentences.append("Do not sort parts by it: it cannot be told from chance on these parts.")
    accuracy, balanced = scored.scores["accuracy"], scored.scores["balanced_accuracy"]
    figures = [
        KeyFigure(
            "Right verdicts", percent(accuracy), f"95 %: {between(*scored.intervals['accuracy'])}"
        ),
        KeyFigure(
            "Mean over classes", percent(balanced),
            f"95 %: {between(*scored.intervals['balanced_accuracy'])}; "
            f"chance is {percent(1 / len(judged.classes.names))}",
        ),
        _auc(scored),
    ]  # fmt: skip
    headline = f"It named the right class for {of(int(right.sum()), len(right), 'photographs')}."
    return Verdict(headline, sentences, figures, warnings)


def _best(found: Comparison, best: TableRow) -> str:
    key, value = found.sort_by, best.mean[found.sort_by]
    if len(found.heads) == 1:
        who = f"{best.title} alone was tried"
    else:
        who = f"Of {len(found.heads)} heads, {_inside(best.title)} is the best"
    if key == "roc_auc" and math.isfinite(value):
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


def _comparison_figure(found: Comparison, best: TableRow) -> KeyFigure:
    key = found.sort_by
    return KeyFigure(
        f"{TITLES[key]} of {best.head}",
        score(best.mean[key]),
        f"± {score(best.spread[key])} over {count(len(found.folds), 'fold')}",
    )
