"""From probabilities of photographs that no model learned from to calibration and thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import Band
from pipeline.evaluation.metrics import score
from pipeline.heads.calibration import Recalibration, Scale
from pipeline.thresholds.claims import Claim, claim
from pipeline.thresholds.costs import BALANCED, Curve, Weights, cheapest_band
from pipeline.thresholds.decision import OUT_OF_FOLD, SET_ASIDE, Decision, Unseen
from pipeline.thresholds.outcome import Outcome, Reliability, log_loss
from pipeline.thresholds.rule import ThresholdRule


@dataclass(frozen=True)
class Judged:
    """Training photographs and what models that did not learn from them say.

    Attributes:
        rows: int64 (n,), numbers within the training part.
        y, groups: int64 (n,), 1 for the defective class, and numbers of the parts.
        p: float64 (n,), probability of a defect as the head itself gives it.
        fold: int64 (n,); photographs of one number are calibrated by those of the others, to
            see what calibrating is worth.
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
    """What `choose` found.

    Attributes:
        decision: the thresholds.
        calibration: to be applied to the head's probabilities first; None where they are good as
            they are.
        p: float64 (n,), the photographs' probabilities with it.
    """

    decision: Decision
    calibration: Recalibration | None
    p: Floats


def choose(judged: Judged, rule: ThresholdRule, scale: Scale | None) -> Choice:
    """Calibrate, then find the thresholds.

    Args:
        judged: photographs of both classes.
        rule: what is wanted; not "fixed".
        scale: of the head's calibration, `pipeline.heads.base.Head.calibrate_on`.
    """
    calibration, checked = _calibrate(judged, scale)
    p = judged.p if calibration is None else _apply(calibration, judged.p)
    rate = float(np.mean(judged.y == 1)) if rule.defect_rate is None else rule.defect_rate
    curve = Curve.of(judged.y, p)
    band, claims = _band(rule, judged, p, curve, rate)
    y, groups = judged.y, judged.groups
    unseen = Unseen(
        SET_ASIDE if judged.aside else OUT_OF_FOLD,
        1 if judged.aside else len(np.unique(judged.fold)),
        Outcome.of(y, p, groups, band),
        score(y, np.column_stack([1 - p, p]), band.pass_below),
        curve.thinned(),
        Reliability.of(y, checked, groups),
        None if calibration is None else Reliability.of(y, judged.p, groups),
        judged.seconds,
    )
    note = "" if len(np.unique(groups)) < len(groups) else _NO_PARTS
    decision = Decision(
        band, rule, rule.method, note, defect_rate=rate, claims=tuple(claims), unseen=unseen
    )
    return Choice(decision, calibration, p)


_NO_PARTS = (
    "no two photographs are known to show one part, so each counts as a part of its own; where "
    "that is wrong, the thresholds and what is said of them are too"
)


def _band(
    rule: ThresholdRule, judged: Judged, p: Floats, curve: Curve, rate: float
) -> tuple[Band, list[Claim]]:
    if rule.method == "claim":
        return claim(rule, judged.y, p, judged.groups, rate)
    weights = weights_of(rule, rate)
    if rule.review is None:
        return Band.at(curve.cheapest(weights)), []
    return cheapest_band(curve, weights, rule.review, rate), []


def weights_of(rule: ThresholdRule, defect_rate: float) -> Weights:
    """What mistakes weigh: the rule's costs, or balanced accuracy."""
    if rule.cost_missed is None or rule.cost_false is None:
        return BALANCED
    return Weights.of(rule.cost_missed, rule.cost_false, defect_rate)


def _calibrate(judged: Judged, scale: Scale | None) -> tuple[Recalibration | None, Floats]:
    """The map, if it helps, and the probabilities with each fold calibrated by the others.

    It helps if log loss falls on photographs that it was not fitted on.
    """
    if scale is None:
        return None, judged.p
    checked = judged.p.copy()
    for number in np.unique(judged.fold):
        inside = judged.fold == number
        y = judged.y[~inside]
        made = Recalibration.fit(judged.p[~inside], y, scale) if len(set(y.tolist())) > 1 else None
        if made is None:
            return None, judged.p
        checked[inside] = _apply(made, judged.p[inside])
    whole = Recalibration.fit(judged.p, judged.y, scale)
    if whole is None or log_loss(judged.y, checked) >= log_loss(judged.y, judged.p):
        return None, judged.p
    return whole, checked


def _apply(calibration: Recalibration, p: Floats) -> Floats:
    return calibration.apply(np.column_stack([1 - p, p]))[:, 1]
