"""From probabilities of photographs that no model learned from to calibration and thresholds.

What is decided is about parts: photographs are calibrated, put together part by part
(`pipeline.evaluation.part_rules`), calibrated as parts, and the thresholds are chosen on parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import Band
from pipeline.evaluation.metrics import score
from pipeline.evaluation.part_rules import ANY, MEAN, by_part, choose_rule, why_not_by_part
from pipeline.heads.calibration import Recalibration, Scale
from pipeline.thresholds.claims import Claim, claim
from pipeline.thresholds.costs import BALANCED, Curve, Weights, cheapest_band
from pipeline.thresholds.decision import (
    OUT_OF_FOLD,
    SET_ASIDE,
    Decision,
    Unseen,
    disagreement,
)
from pipeline.thresholds.outcome import Reliability, log_loss
from pipeline.thresholds.rule import ThresholdRule


@dataclass(frozen=True)
class OutOfFold:
    """Training photographs and what models that did not learn from them say.

    Attributes:
        rows: int64 (n,), numbers within the training part.
        y, groups: int64 (n,), 1 for the defective class, and numbers of the parts.
        p: float64 (n,), probability of a defect as the head itself gives it.
        fold: int64 (n,); photographs of one number are calibrated by those of the others, to
            see what calibrating is worth. All photographs of a part have the same.
        aside: whether it is the model that is saved that judged them.
        seconds: that it took.
    """

    rows: Indices
    y: Indices
    groups: Indices
    p: Floats
    fold: Indices
    aside: bool
    seconds: float


@dataclass(frozen=True)
class Choice:
    """Hold what `choose` found.

    Attributes:
        decision: the thresholds, and how parts are judged.
        calibration: to be applied to the head's probabilities first; None where they are good as
            they are.
        p: float64 (n,), the photographs' probabilities, each as if it were all there is of a part.
    """

    decision: Decision
    calibration: Recalibration | None
    p: Floats


@dataclass(frozen=True)
class _Unit:
    """Hold what is decided about: parts, or with the rule `any` photographs.

    Attributes:
        y, groups, fold: as in `OutOfFold`.
        p: float64 (n,), calibrated.
        honest: float64 (n,), the same with each fold calibrated by the others.
    """

    y: Indices
    groups: Indices
    fold: Indices
    p: Floats
    honest: Floats


def choose(
    predicted: OutOfFold,
    rule: ThresholdRule,
    scale: Scale | None,
    *,
    learned: OutOfFold | None = None,
    apart: str = "",
) -> Choice:
    """Calibrate, put photographs together to parts, then find the thresholds.

    Args:
        predicted: photographs of both classes.
        rule: what is wanted; not "fixed".
        scale: of the head's calibration, `pipeline.heads.base.Head.calibrate_on`.
        learned: of a claim, the photographs that the model learned from, judged out of fold. What
            changes the order of parts is chosen on these: a claim holds because on `predicted`
            nothing is chosen but the threshold.
        apart: why photographs are judged one by one; "" where parts are judged as wholes.
    """
    part_rule, note = how_parts_are_judged(rule, learned or predicted, apart)
    several = part_rule != ANY and len(np.unique(predicted.groups)) < len(predicted.groups)
    if predicted.aside and several:
        calibration = None if learned is None else _calibrate(_unit(learned), scale)[0]
        p = predicted.p if calibration is None else _apply(calibration, predicted.p)
        unit = replace(_unit(predicted), p=p, honest=p)
    else:
        calibration, unit = _calibrate(_unit(predicted), scale)
    own, part_calibration = unit.p, None
    as_it_is = _unit(predicted)
    if several:
        as_it_is = _as_parts(as_it_is, part_rule)
        part_calibration, unit = _calibrate(_as_parts(unit, part_rule), "logit")
    decision = _decide(unit, rule)
    decision = replace(
        decision, part_rule=part_rule, part_calibration=part_calibration,
        note="; ".join(filter(None, (note, decision.note))),
    )  # fmt: skip
    if several:
        decision = replace(decision, disagreement=_disagreement(own, predicted.groups))
    changed = calibration is not None or part_calibration is not None
    unseen = _unseen(predicted, decision, unit, own, as_it_is if changed else None)
    decision = replace(decision, unseen=unseen)
    return Choice(decision, calibration, decision.alone(_columns(own))[:, 1])


def how_parts_are_judged(
    rule: ThresholdRule, predicted: OutOfFold, apart: str = ""
) -> tuple[str, str]:
    """Give the part rule, and what a person should know of it.

    Args:
        rule: with what was asked for.
        predicted: photographs that the model did not learn from.
        apart: why photographs are judged one by one; "" where nothing speaks against parts.
    """
    if rule.part_rule is not None:
        return rule.part_rule, ""
    if len(np.unique(predicted.groups)) == len(predicted.groups):
        return MEAN, _NO_PARTS
    apart = apart or why_not_by_part(predicted.y, predicted.groups)
    if apart:
        return ANY, f"{apart}: every photograph is judged by itself"
    return choose_rule(predicted.y, _columns(predicted.p), predicted.groups), ""


_NO_PARTS = (
    "no two photographs are known to show one part, so each counts as a part of its own; where "
    "that is wrong, the thresholds and what is said of them are too"
)


_MOST = 0.99  # share of the parts whose photographs disagree less than the limit


def _disagreement(p: Floats, groups: Indices) -> float:
    numbers, sizes = np.unique(groups, return_counts=True)
    found = [disagreement(p[groups == number]) for number in numbers[sizes > 1]]
    return float(np.quantile(found, _MOST, method="higher"))


def _decide(unit: _Unit, rule: ThresholdRule) -> Decision:
    """Give the thresholds, on parts or photographs."""
    rate = float(np.mean(unit.y == 1)) if rule.defect_rate is None else rule.defect_rate
    band, claims = _band(rule, unit, rate)
    useless = _useless(unit, band, claimed=bool(claims))
    return Decision(band, rule, rule.method, useless, defect_rate=rate, claims=tuple(claims))


def _useless(unit: _Unit, band: Band, *, claimed: bool) -> str:
    """Say why thresholds are worth nothing: they keep a claim, or are best, by deciding nothing."""
    good, defective = unit.p[unit.y == 0], unit.p[unit.y == 1]
    why = "to keep the claim, " if claimed else ""
    which = "parts that were set aside" if claimed else "parts of the training part"
    if (good >= band.reject_from).all():
        return f"useless: {why}all good {which} are rejected"
    if (good >= band.pass_below).all():
        return f"useless: {why}none of the good {which} is passed"
    if (defective < band.pass_below).all():
        return f"useless: {why}all defective {which} are passed"
    return ""


def _unseen(
    predicted: OutOfFold, decision: Decision, unit: _Unit, p: Floats, as_it_is: _Unit | None
) -> Unseen:
    return Unseen(
        how=SET_ASIDE if predicted.aside else OUT_OF_FOLD,
        folds=1 if predicted.aside else len(np.unique(predicted.fold)),
        outcome=decision.outcome(predicted.y, _columns(p), predicted.groups),
        scores=score(unit.y, _columns(unit.p), decision.band.limits),
        curve=Curve.of(unit.y, unit.p).thinned(),
        reliability=Reliability.of(unit.y, unit.honest, unit.groups),
        own=None if as_it_is is None else Reliability.of(unit.y, as_it_is.p, unit.groups),
        seconds=predicted.seconds,
    )  # fmt: skip


def _band(rule: ThresholdRule, unit: _Unit, rate: float) -> tuple[Band, list[Claim]]:
    if rule.method == "claim":
        return claim(rule, unit.y, unit.p, unit.groups, rate)
    weights, curve = weights_of(rule, rate), Curve.smoothed(unit.y, unit.p)
    if rule.review is None:
        return Band.at(curve.middle(weights)), []
    counted = Curve.at(curve.thresholds, unit.y, unit.p)
    return cheapest_band(curve, weights, rule.review, rate, counted), []


def _unit(predicted: OutOfFold) -> _Unit:
    return _Unit(predicted.y, predicted.groups, predicted.fold, predicted.p, predicted.p)


def _as_parts(unit: _Unit, rule: str) -> _Unit:
    table = by_part(unit.y, _columns(unit.p), unit.groups, rule)
    honest = by_part(unit.y, _columns(unit.honest), unit.groups, rule)
    first = np.unique(unit.groups, return_index=True)[1]
    return _Unit(table.y, table.groups, unit.fold[first], table.P[:, 1], honest.P[:, 1])


def weights_of(rule: ThresholdRule, defect_rate: float) -> Weights:
    """Choose what mistakes weigh: the rule's costs, or balanced accuracy."""
    if rule.cost_missed is None or rule.cost_false is None:
        return BALANCED
    return Weights.of(rule.cost_missed, rule.cost_false, defect_rate)


def _calibrate(unit: _Unit, scale: Scale | None) -> tuple[Recalibration | None, _Unit]:
    """Give the map, if it helps, and what it makes of the probabilities.

    It helps if log loss falls where it was not fitted, each fold calibrated by the others.
    """
    if scale is None:
        return None, unit
    honest = unit.honest.copy()
    for number in np.unique(unit.fold):
        inside = unit.fold == number
        y = unit.y[~inside]
        made = Recalibration.fit(unit.p[~inside], y, scale) if len(set(y.tolist())) > 1 else None
        if made is None:
            return None, unit
        honest[inside] = _apply(made, honest[inside])
    whole = Recalibration.fit(unit.p, unit.y, scale)
    if whole is None or log_loss(unit.y, honest) >= log_loss(unit.y, unit.honest):
        return None, unit
    return whole, replace(unit, p=_apply(whole, unit.p), honest=honest)


def _apply(calibration: Recalibration, p: Floats) -> Floats:
    return calibration.apply(_columns(p))[:, 1]


def _columns(p: Floats) -> Floats:
    return np.column_stack([1 - p, p])
