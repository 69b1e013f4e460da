"""The verdict on a model in words: what it would do to parts, and how many parts say so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.band import REVIEW
from pipeline.evaluation.head_pairs import (
    A_BETTER,
    A_PROBABLY,
    B_BETTER,
    B_PROBABLY,
    EQUIVALENT,
    UNKNOWN,
)
from pipeline.evaluation.metrics import TITLES
from pipeline.evaluation.predictions import Assessment, Predictions
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule
from pipeline.output.wording import between, count, interval, of, percent, score, sentence
from pipeline.report.page import KeyFigure, Verdict
from pipeline.thresholds.bounds import interval as interval_of_share
from pipeline.thresholds.bounds import parts_needed, upper_limit
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.facts import claims, expect_more
from pipeline.thresholds.outcome import Outcome
from pipeline.training.comparison import PARTS, Comparison, TableRow

_GOOD_RANKING = 0.8  # a ROC AUC from which on another threshold is worth a try
_TOLERABLE = 0.05  # a share of missed defects above which a person should look at what passes


def model_verdict(
    predicted: Predictions,
    scored: Assessment,
    warnings: Sequence[str],
    *,
    apart: bool = True,
    rule: GroupRule | None = None,
    decision: Decision | None = None,
    remedy: str | None = None,
) -> Verdict:
    """Say what a model did to photographs that it never saw.

    Args:
        predicted: the photographs.
        scored: their scores.
        warnings: what makes the numbers less trustworthy.
        apart: whether it is known that no photograph of their parts was trained on.
        rule: where it is known from which photographs show one part; None where somebody said.
        decision: where the model's thresholds come from.
        remedy: what to do where it is not known; None for `KEEP_APART`.
    """
    headline = f"This model {errors(predicted) if predicted.classes.binary else _rights(predicted)}"
    sentences = [behind(predicted, rule, apart=apart)]
    if predicted.classes.binary:
        sentences += doubts(predicted, scored, apart=apart)
        sentences += [*([f"{said}." for said in expect_more(decision)] if decision else [])]
        sentences += _promised(decision)
    else:
        sentences.append(_weakest(predicted))
    return Verdict(
        _first(
            f"{headline}{'' if apart else ', on parts that it may have been trained on'}.", rule
        ),
        [*sentences, _advice(predicted, scored, decision) if apart else remedy or KEEP_APART],
        [*figures(predicted, scored, apart=apart), _auc(scored)],
        warnings,
    )


def _first(headline: str, rule: GroupRule | None) -> str:
    """Say before anything else that parts are a proposal, where they are."""
    if rule is None or rule.kind != "proposed":
        return headline
    return f"Which photographs show one part is only proposed: {_inside(headline)}"


KEEP_APART = (
    "Do not rely on this yet. Say which photographs show one part (extract --groups, "
    "--group-regex or --group-gap), keep parts apart (--split grouped, the default), and look "
    "again."
)
"""What to do where photographs of one part may stand on both sides."""

TELL_PARTS = (
    "Do not rely on this yet. Say which photographs show one part (evaluate --groups, "
    "--group-regex or --group-gap), and look again."
)
"""What to do where that is not known of a new folder."""


def errors(predicted: Predictions) -> str:
    """Say, of two classes, what was missed and what was rejected, without its subject."""
    missed, defective, rejected, healthy = _counts(predicted)
    alarms = f"rejected {of(rejected, healthy, 'healthy ones')}{_sent_on(predicted)}"
    unit = predicted.unit
    if not defective:
        return f"{alarms}; there was no defective one to find"
    if missed:
        found = f"missed {of(missed, defective, f'defective {unit}s')}"
    elif predicted.band.has_review:
        found = f"passed none of {count(defective, f'defective {unit}')}"
    elif defective == 1:
        found = f"found the only defective {unit}"
    else:
        found = f"found all {defective:,} defective {unit}s"
    return f"{found} and {alarms}" if healthy else f"{found}; there was no healthy one to reject"


def _sent_on(predicted: Predictions) -> str:
    """Say, with a review band, what a person has to look at."""
    if not predicted.band.has_review:
        return ""
    reviewed = int((predicted.verdicts == REVIEW).sum())
    return f"; a person has to look at {of(reviewed, len(predicted.y), f'{predicted.unit}s')}"


def _counts(predicted: Predictions) -> tuple[int, int, int, int]:
    """Count missed and all defective photographs, rejected and all healthy ones."""
    positive = predicted.y == 1
    missed = int((positive & (predicted.verdicts == 0)).sum())
    rejected = int((~positive & (predicted.verdicts == 1)).sum())
    return missed, int(positive.sum()), rejected, int((~positive).sum())


def behind(predicted: Predictions, rule: GroupRule | None = None, *, apart: bool) -> str:
    """Say how much stands behind the numbers; arguments as in `model_verdict`."""
    if not apart:
        photographs = f"{count(len(predicted.table_rows), 'photograph')} of "
        return (
            f"Behind this stand {photographs if predicted.unit == 'photograph' else ''}"
            f"{say_parts(len(np.unique(predicted.groups)), rule)}. Photographs of the same parts "
            "may have been trained on: expect worse on parts that are really new."
        )
    if predicted.classes.binary:
        said = f"{predicted.parts(1):,} defective and {predicted.parts(0):,} healthy parts"
        return f"Behind this stand {said} that it was not trained on."
    fewest, title = min(
        (predicted.parts(i), name) for i, name in enumerate(predicted.classes.names)
    )
    parts = count(len(np.unique(predicted.groups)), "part")
    return f"Behind this stand {parts} not trained on; the fewest, {fewest:,}, are of {title}."


def doubts(predicted: Predictions, scored: Assessment, *, apart: bool) -> list[str]:
    """Say, of two classes, how far the share of missed defects is known."""
    missed, defective, *_ = _counts(predicted)
    parts = predicted.parts(1)
    what = count(parts, "defective part")
    if not defective:
        return []
    if missed:
        may = between(*_may_be_missed(predicted, scored))
        share = f"it may miss {may} of the defects (95 % interval from"
        if not apart:
            return [f"If these are as many parts, on other ones {share} {what}), else more."]
        return [f"On other parts {share} {what})."]
    most = percent(upper_limit(0, parts))
    if not apart:
        return [
            f"That is no proof that it misses none: {what} without a miss leave a share of up to "
            f"{most} possible if they are as many parts (95 % confidence), else more."
        ]
    return [
        f"That is no proof that it misses none: {what} without a miss "
        f"leave a share of up to {most} possible (95 % confidence)."
    ]


def _may_be_missed(predicted: Predictions, scored: Assessment) -> tuple[float, float]:
    """Give the 95 % interval of the share of defects that are passed.

    With a review band of all defects: the scores leave out those that a person has to look at.
    """
    if not predicted.band.has_review:
        low, high = scored.intervals["recall"]
        return 1 - high, 1 - low
    missed, defective, *_ = _counts(predicted)
    parts = predicted.parts(1)
    return interval_of_share(missed / defective * parts, parts)


def _promised(decision: Decision | None) -> list[str]:
    """Repeat what was claimed for the thresholds, unless these photographs contradict it."""
    if decision is None or decision.contradicted:
        return []
    said = [f"Its threshold was set so that {claim}." for claim in claims(decision)]
    outcome = decision.unseen.outcome if decision.unseen else None
    if said and outcome is not None and not outcome.good_parts.passed:
        done = "passed" if outcome.good_parts.reviewed else "spared from rejection"
        said.append(f"That is useless: to keep it, none of the good parts set aside was {done}.")
    return said


def _advice(predicted: Predictions, scored: Assessment, decision: Decision | None) -> str:
    if scored.intervals["roc_auc"][0] <= 0.5:
        return "Do not sort parts by it: on these parts its ranking cannot be told from chance."
    if not predicted.classes.binary:
        return "The confusion matrix says which classes it can be trusted with."
    *_, rejected, healthy = _counts(predicted)
    if healthy and rejected == healthy:
        return "Do not sort parts by it: it rejects every healthy one."
    most = _most_missed(predicted, decision)
    if most <= _TOLERABLE:
        return (
            f"If you can live with {percent(most)} of the defective parts missed, it can sort "
            "parts that are made and photographed as these were."
        )
    said = ["Do not let it pass parts alone: let a person look at what it calls healthy."]
    if _counts(predicted)[0] and scored.intervals["roc_auc"][0] >= _GOOD_RANKING:
        said.append("A lower threshold would find more.")
    if (here := predicted.parts(1)) < (needed := parts_needed(_TOLERABLE)):
        said.append(
            f"To show that at most {percent(_TOLERABLE)} are missed takes {needed} defective parts "
            f"or more; here are {here:,}."
        )
    return " ".join(said)


def _most_missed(predicted: Predictions, decision: Decision | None) -> float:
    """Give the largest share of missed parts that a claim, or else the photographs, leave."""
    promised = [c.share for c in decision.claims if c.what == "missed"] if decision else []
    if promised and decision is not None and not decision.contradicted:
        return promised[0]
    p = predicted.probabilities[:, 1]
    return Outcome.of(predicted.y, p, predicted.groups, predicted.band).missed_at_most


def figures(predicted: Predictions, scored: Assessment, *, apart: bool) -> list[KeyFigure]:
    """Give the errors of both kinds; of more than two classes, how often it is right.

    Nothing bounds the misses on other parts where some may have been trained on.
    """
    if not predicted.classes.binary:
        chance = f"chance is {percent(1 / len(predicted.classes.names))}"
        return [
            _share("Right verdicts", scored, "accuracy"),
            _share("Right, mean over classes", scored, "balanced_accuracy", f"; {chance}"),
        ]
    missed, defective, rejected, healthy = _counts(predicted)
    made = []
    if defective:
        possible = (
            f"95 %: {between(*_may_be_missed(predicted, scored))}"
            if missed
            else f"up to {percent(upper_limit(0, predicted.parts(1)))} possible"
        )
        note = f"{missed:,} of {defective:,}; {possible if apart else 'no bound for new parts'}"
        made.append(KeyFigure("Defects missed", percent(missed / defective), note))
    if healthy:
        note = f"{rejected:,} of {healthy:,}"
        made.append(KeyFigure("Healthy ones rejected", percent(rejected / healthy), note))
    if predicted.band.has_review:
        reviewed = int((predicted.verdicts == REVIEW).sum())
        note = f"{reviewed:,} of {count(len(predicted.y), predicted.unit)}"
        made.append(
            KeyFigure("For a person to look at", percent(reviewed / len(predicted.y)), note)
        )
    return made


def _share(label: str, scored: Assessment, name: str, more: str = "") -> KeyFigure:
    note = f"95 %: {between(*scored.intervals[name])}{more}"
    return KeyFigure(label, percent(scored.scores[name]), note)


def _auc(scored: Assessment) -> KeyFigure:
    value, bounds = scored.scores["roc_auc"], scored.intervals["roc_auc"]
    return KeyFigure("ROC AUC", score(value), f"95 %: {interval(*bounds)}; chance is 0.5")


def _rights(predicted: Predictions) -> str:
    right = int((predicted.verdicts == predicted.y).sum())
    return f"named the right class for {of(right, len(predicted.y), f'{predicted.unit}s')}"


def _weakest(predicted: Predictions) -> str:
    right = predicted.verdicts == predicted.y
    shares = [
        (float(right[mine].mean()), int(right[mine].sum()), int(mine.sum()), title)
        for number, title in enumerate(predicted.classes.names)
        if (mine := predicted.y == number).any()
    ]
    _, known, whole, title = min(shares)
    return f"It is weakest at {title}: {of(known, whole)} recognised."


def comparison_verdict(
    found: Comparison,
    predicted: Predictions,
    scored: Assessment,
    warnings: Sequence[str],
    *,
    apart: bool = True,
    rule: GroupRule | None = None,
) -> Verdict:
    """Say what a comparison of heads says.

    Args:
        found: the comparison.
        predicted: every photograph, judged by the best head in the fold that held it out.
        scored: the scores of these.
        warnings: what makes the numbers less trustworthy.
        apart: whether it is known that no part stands on both sides of a fold.
        rule: as in `model_verdict`.
    """
    best, *others = found.table()
    sentences = [behind(predicted, rule, apart=apart)]
    if predicted.classes.binary:
        sentences.append(
            f"At the threshold {predicted.threshold:.4g}, which “fit” would choose anew, "
            f"{best.head} {errors(predicted)}."
        )
        sentences += doubts(predicted, scored, apart=apart)
    if others:
        sentences += [" ".join(_others(found, best)), _choosing(found)]
    sentences.append(
        "Next: “fit --head best” trains it and scores it once more, on parts held out for that."
        if apart
        else KEEP_APART
    )
    return Verdict(
        _first(_best(found, best, predicted.classes.binary), rule),
        sentences,
        [_lead(found, best), *figures(predicted, scored, apart=apart)],
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
        unit = "part" if found.unit == PARTS else "photograph"
        return (
            f"{who}: shown a defective and a healthy {unit}, {what} tells which is which in "
            f"{100 * value:.0f} of 100 cases."
        )
    return f"{who}; the mean {TITLES[key]} of {what} is {score(value)}."


def _others(found: Comparison, best: TableRow) -> list[str]:
    """Say what can be said of the other heads, one sentence for each verdict."""
    heads: dict[str, list[str]] = {}
    for head, pair in found.findings.against_best().items():
        probably = pair.verdict in (A_PROBABLY, B_PROBABLY)
        said = f"{head} ({pair.probability})" if probably else head
        heads.setdefault(pair.verdict, []).append(said)
    parts = found.findings.intervals[best.head].parts
    sentences = {
        A_BETTER: "It is better than {}.",
        A_PROBABLY: "It is probably better than {}.",
        EQUIVALENT: "There is no practical difference between it and {}.",
        UNKNOWN: "With this many parts ("
        + f"{min(parts.values(), default=0):,} of the rarest class) nobody can tell it from {{}}.",
        B_PROBABLY: "It is probably worse than {}, although its mean is higher.",
        B_BETTER: "It is worse than {}, although its mean is higher.",
    }
    return [
        s.format(", ".join(heads[verdict]))
        for verdict, s in sentences.items()
        if heads.get(verdict)
    ]


def _choosing(found: Comparison) -> str:
    """Say what choosing the best of several costs."""
    nested = found.findings.nested
    if nested is None:
        return (
            f"Its score is flattered, since it was picked as the best of {len(found.heads)}; by "
            "how much cannot be said with so few parts."
        )
    return sentence(nested.sentence())


def _inside(title: str) -> str:
    """Give a head's title inside a sentence."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _lead(found: Comparison, best: TableRow) -> KeyFigure:
    key, nested = found.sort_by, found.findings.nested
    bounds = found.findings.intervals[best.head][key]
    if nested is None:
        note = f"95 %: {interval(*bounds)}; mean over {count(len(found.folds), 'fold')}"
        return KeyFigure(f"{TITLES[key]} of {best.head}", score(best.mean[key]), note)
    note = f"95 %: {interval(nested.low, nested.high)}; {best.head} itself {score(nested.naive)}"
    return KeyFigure(f"{TITLES[key]} to expect", score(nested.value), note)
