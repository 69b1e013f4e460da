"""pipeline.thresholds: wishes, costs, review band, reliability, calibration, their record."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import sparse_rows

from features.errors import SplitError, ThresholdError
from pipeline.evaluation.band import REVIEW, Band, beside, log_odds
from pipeline.evaluation.metrics import binary_scores
from pipeline.feature_specs.heads import Contender
from pipeline.heads.calibration import Recalibration
from pipeline.thresholds.choose import OutOfFold, choose
from pipeline.thresholds.costs import (
    BALANCED,
    Curve,
    Weights,
    band_above,
    band_below,
    cheapest_band,
)
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.outcome import Counts, Outcome, Reliability, log_loss
from pipeline.thresholds.rule import ThresholdRule
from pipeline.thresholds.train import TrainingRows, train


def scored(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes, calibrated probabilities of a defect, and parts of three photographs."""
    rng = np.random.default_rng(seed)
    p = np.repeat(rng.beta(0.6, 1.4, n // 3), 3)
    y = (rng.random(n) < p).astype(np.int64)
    return y, p, np.arange(n) // 3


def both_classes(values: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Classes and probabilities in steps of a twentieth, with ties."""
    y = np.array([0, 1, *(int(label) for label, _ in values)])
    return y, np.array([3, 12, *(step for _, step in values)]) / 20


PHOTOGRAPHS = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=40)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"threshold": "high"}, "expected balanced, a probability"),
        ({"threshold": "1.5"}, "expected balanced, a probability"),
        ({"threshold": "0.6,0.2"}, "the smaller first"),
        ({"threshold": "nan"}, "expected balanced, a probability"),
        ({"cost_missed": 5.0}, "expected both"),
        ({"cost_missed": -1.0, "cost_false": 1.0}, "a number above 0"),
        ({"cost_missed": math.nan, "cost_false": 1.0}, "a number above 0"),
        ({"max_missed": 2.0}, "--max-missed is 2; expected a share between 0 and 1"),
        ({"review": 0.0}, "--review is 0"),
        ({"folds": 1}, "--folds is 1"),
        ({"threshold": "0.3", "max_missed": 0.1}, "found --threshold and --max-missed"),
        ({"threshold": "0.3", "review": 0.1}, "expected two numbers"),
        ({"cost_missed": 5.0, "cost_false": 1.0, "max_false": 0.1}, "expected one way"),
        ({"max_missed": 0.1, "max_false": 0.1, "review": 0.1}, "expected two of them"),
    ],
)
def test_wishes_that_clash_are_one_clear_line(wishes: dict[str, Any], expected: str) -> None:
    """Out of range, half said, or two at once: found, expected, what to do."""
    with pytest.raises(ThresholdError, match=expected):
        ThresholdRule.parse(**wishes)


def test_wishes_name_their_method() -> None:
    """Nothing said is balanced and may fall back; all else is asked for."""
    assert (ThresholdRule().method, ThresholdRule().asked) == ("balanced", False)
    assert not ThresholdRule.parse(folds=3).asked
    assert ThresholdRule.parse("balanced").asked
    assert ThresholdRule.parse("0.3").fixed == (0.3, 0.3)
    assert ThresholdRule.parse("0.2, 0.6").fixed == (0.2, 0.6)
    assert ThresholdRule(cost_missed=50, cost_false=1, review=0.1).method == "cost"
    assert ThresholdRule(max_false=0.1).method == "claim"


def test_a_band_passes_rejects_and_asks() -> None:
    """Below the first pass, from the second on reject, between them a person; equal: no review."""
    P = np.array([[1 - p, p] for p in (0.1, 0.2, 0.59, 0.6, 1.0)])
    assert Band(0.2, 0.6).decide(P).tolist() == [0, REVIEW, REVIEW, 1, 1]
    assert Band.at(0.2).decide(P).tolist() == [0, 1, 1, 1, 1]
    assert Band.at(0.2).decide(np.array([[0.2, 0.5, 0.3]])).tolist() == [1]


@settings(deadline=None)
@given(PHOTOGRAPHS)
def test_the_curve_counts_what_every_threshold_does(values: list[tuple[bool, int]]) -> None:
    """Each point of the curve is what counting says, from all rejected to all passed."""
    y, p = both_classes(values)
    curve = Curve.of(y, p)
    for threshold, missed, rejected in zip(
        curve.thresholds, curve.missed, curve.rejected, strict=True
    ):
        assert missed == pytest.approx((p[y == 1] < threshold).mean())
        assert rejected == pytest.approx((p[y == 0] >= threshold).mean())
    assert (curve.missed[0], curve.rejected[0]) == (0, 1)
    assert (curve.missed[-1], curve.rejected[-1]) == (1, 0)


@settings(deadline=None)
@given(PHOTOGRAPHS)
def test_no_threshold_is_better_balanced_than_the_chosen_one(
    values: list[tuple[bool, int]],
) -> None:
    """Against the score of the comparison itself; of equals the lowest is taken."""
    y, p = both_classes(values)
    chosen = Curve.of(y, p).cheapest(BALANCED)
    best = binary_scores(y, p, chosen)["balanced_accuracy"]
    for threshold in np.arange(0, 1.05, 0.05):
        other = binary_scores(y, p, threshold)["balanced_accuracy"]
        assert other <= best + 1e-9
        assert (p >= threshold).sum() <= (p >= chosen).sum() or other < best - 1e-12


def test_a_lucky_dip_is_not_chosen() -> None:
    """87 defective parts, a few good ones between 0.5 and 0.78: 0.78 is the best by count alone.

    The next defective parts lie there too, and at 0.78 they are missed: in the middle of the
    plateau, below 0.55, as few are missed here and four good parts of 150 are rejected.
    """
    defective = np.concatenate([np.linspace(0.02, 0.45, 4), np.linspace(0.785, 0.999, 83)])
    good = np.concatenate([np.linspace(0.01, 0.3, 146), [0.55, 0.62, 0.7, 0.775]])
    y, p = np.repeat([1, 0], [87, 150]), np.concatenate([defective, good])
    assert Curve.of(y, p).cheapest(BALANCED) == pytest.approx(0.78)
    chosen = Curve.smoothed(y, p).middle(BALANCED)
    assert 0.3 < chosen < 0.55
    assert (defective < chosen).sum() == 4


@pytest.mark.parametrize("parts", [5, 6, 7, 8])
def test_few_parts_well_apart_give_the_middle_of_the_plateau(parts: int) -> None:
    """Where classes are apart the threshold lies in the middle of what lies between, not at an end.

    The best threshold is 0 on log-odds; of 5 to 8 parts of each class it is hit within 0.4 or so.
    """
    rng = np.random.default_rng(parts)
    places, found = [], []
    for _ in range(60):
        good, defective = rng.normal(-4, 1, parts), rng.normal(4, 1, parts)
        y, odds = np.repeat([0, 1], parts), np.concatenate([good, defective])
        middle = Curve.smoothed(y, 1 / (1 + np.exp(-odds))).middle(BALANCED)
        found.append(float(log_odds(np.array([middle]))[0]))
        places.append((found[-1] - good.max()) / (defective.min() - good.max()))
    assert min(places) > 0.2
    assert max(places) < 0.8
    assert np.mean(np.abs(found)) < 0.5


def test_costs_find_the_threshold_that_calibration_foretells() -> None:
    """Of calibrated probabilities the cheapest threshold is false / (missed + false)."""
    y, p, _ = scored(60_000)
    weights = Weights.of(9, 1, float(y.mean()))
    assert Curve.of(y, p).cheapest(weights) == pytest.approx(0.1, abs=0.03)
    # Defects are rarer where the model will work: the threshold rises.
    assert Curve.of(y, p).cheapest(Weights.of(9, 1, 0.01)) > 0.5


@settings(deadline=None)
@given(PHOTOGRAPHS, st.floats(0, 0.9))
def test_no_band_within_the_share_is_cheaper(values: list[tuple[bool, int]], review: float) -> None:
    """All pairs of thresholds are tried by hand: none that sends as few to a person costs less."""
    y, p = both_classes(values)
    curve, rate = Curve.of(y, p), float(y.mean())

    def cost_and_share(band: Band) -> tuple[float, float]:
        missed = (p[y == 1] < band.pass_below).mean()
        rejected = (p[y == 0] >= band.reject_from).mean()
        share = ((p >= band.pass_below) & (p < band.reject_from)).mean()
        return (missed + rejected) / 2, share

    cost, share = cost_and_share(cheapest_band(curve, BALANCED, review, rate))
    assert share <= review + 1e-9
    for i, low in enumerate(curve.thresholds):
        for high in curve.thresholds[i:]:
            other, seen = cost_and_share(Band(low, high))
            if seen <= review:
                assert cost <= other + 1e-9
                assert other > cost + 1e-12 or share <= seen + 1e-9


@settings(deadline=None)
@given(PHOTOGRAPHS, st.integers(0, 20), st.floats(0, 0.9))
def test_a_band_from_one_end_is_as_wide_as_the_share_allows(
    values: list[tuple[bool, int]], step: int, review: float
) -> None:
    """From a fixed threshold up or down: within the share, and one value more is too many."""
    y, p = both_classes(values)
    rate, end = float(y.mean()), step / 20
    up, down = band_above(y, p, end, review, rate), band_below(y, p, end, review, rate)
    for band, rest in ((up, p[p >= up.reject_from]), (down, p[p < down.pass_below])):
        inside = ((p >= band.pass_below) & (p < band.reject_from)).mean()
        assert inside <= review + 1e-9
        if len(rest):
            more = rest.min() if band is up else rest.max()
            assert inside + (p == more).mean() > review
    assert (up.pass_below, down.reject_from) == (end, end)


def test_outcomes_are_counted_by_part_and_by_photograph() -> None:
    """A part counts for every kind of verdict that one of its photographs got."""
    y = np.array([1, 1, 0, 0, 0, 0])
    p = np.array([0.1, 0.9, 0.5, 0.1, 0.95, 0.2])
    groups = np.array([1, 1, 2, 2, 3, 4])
    found = Outcome.of(y, p, groups, Band(0.3, 0.8))
    assert found.defective_parts == Counts(1, passed=1, reviewed=0, rejected=1)
    assert found.good_parts == Counts(3, passed=2, reviewed=1, rejected=1)
    assert found.defective == Counts(2, passed=1, reviewed=0, rejected=1)
    assert found.good == Counts(4, passed=2, reviewed=1, rejected=1)
    assert found.share_reviewed() == pytest.approx(1 / 6)
    assert found.share_reviewed(0.2) == pytest.approx(0.8 / 4)


def test_reliability_of_calibrated_probabilities_lies_on_the_diagonal() -> None:
    """Told and found agree, intervals count parts and not photographs, losses are by hand."""
    y, p, groups = scored(30_000)
    found = Reliability.of(y, p, groups)
    assert sum(one.photographs for one in found.bins) == 30_000
    for one in found.bins:
        assert one.found == pytest.approx(one.told, abs=0.04)
        assert one.interval[0] <= one.found <= one.interval[1]
        assert one.parts * 3 == one.photographs
    alone = Reliability.of(y, p, np.arange(len(y)))
    assert np.ptp(alone.bins[5].interval) < 0.7 * np.ptp(found.bins[5].interval)
    assert log_loss(np.array([1, 0]), np.array([0.5, 0.0])) == pytest.approx(math.log(2) / 2)
    assert found.brier == pytest.approx(np.mean((y - p) ** 2))


def predicted(y: np.ndarray, p: np.ndarray, groups: np.ndarray) -> OutOfFold:
    return OutOfFold(np.arange(len(y)), y, groups, p, groups % 5, aside=False, seconds=1.0)


@pytest.mark.parametrize("scale", ["logit", "share"])
def test_calibrating_repairs_probabilities_that_are_too_sure(scale: Any) -> None:
    """An over-confident head's log loss falls, the order stays, and reliability is out of fold."""
    y, p, groups = scored(3000)
    sure = p**3 / (p**3 + (1 - p) ** 3)
    made = choose(predicted(y, sure, groups), ThresholdRule(part_rule="any"), scale)
    unseen = made.decision.unseen
    assert made.calibration is not None
    assert unseen is not None
    assert unseen.own is not None
    assert unseen.reliability.log_loss < unseen.own.log_loss - 0.02
    assert (np.diff(made.p[np.argsort(sure)]) >= 0).all()
    if scale == "logit":
        assert made.p == pytest.approx(p, abs=0.06)


def test_nothing_is_calibrated_where_it_would_not_help() -> None:
    """Good probabilities, heads that see to it themselves, and scores against the truth stay."""
    y, p, groups = scored(3000)
    assert choose(predicted(y, p, groups), ThresholdRule(), None).calibration is None
    noise = np.random.default_rng(0).uniform(0.4, 0.6, len(y))
    against = np.where(y == 1, noise - 0.2, noise)
    assert choose(predicted(y, against, groups), ThresholdRule(), "logit").calibration is None
    assert Recalibration.fit(against, y, "logit") is None


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_calibration_never_turns_the_order_round(a: float, b: float) -> None:
    """A higher own probability is never a lower calibrated one, and all stay in 0 to 1."""
    made = Recalibration("logit", 0.4, -2.0)
    low, high = made.apply(np.array([[1 - x, x] for x in sorted((a, b))]))[:, 1]
    assert 0 < low <= high < 1
    assert Recalibration.from_json(made.to_json()) == made


def test_calibration_keeps_apart_what_a_network_is_too_sure_of() -> None:
    """Probabilities of 1e-14 and 1e-12 are no longer alike, and certainty stays finite."""
    made = Recalibration("logit", 0.1, 0.0)
    p = np.array([0.0, 1e-14, 1e-12, 0.5, 1 - 6e-8, 1.0])
    found = made.apply(np.column_stack([1 - p, p]))[:, 1]
    assert (np.diff(found) > 1e-3).all()


RULES = [
    ThresholdRule(),
    ThresholdRule(cost_missed=50, cost_false=1, defect_rate=0.01),
    ThresholdRule(review=0.2),
    ThresholdRule(max_missed=0.1, max_false=0.2),
    ThresholdRule(max_missed=0.1, review=0.1),
    ThresholdRule(max_false=0.2, review=0.1),
    ThresholdRule.parse("0.2,0.6"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: json.dumps(rule.to_json()))
def test_a_decision_comes_back_from_json(rule: ThresholdRule) -> None:
    """All that a model says of its thresholds survives being written and read."""
    X, y, groups = sparse_rows(240, 40, effect=1.0)
    made = train(Contender("lda"), TrainingRows(X, y, groups, ("good", "bad"), 0.25), rule)
    found = made.decision
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Decision.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    assert (again.band, again.rule, again.method) == (found.band, rule, rule.method)
    if rule.review is not None:
        assert found.unseen is not None
        assert found.unseen.outcome.share_of_parts_reviewed() <= rule.review + 1e-9


def test_thresholds_are_chosen_on_rows_that_the_fold_did_not_see() -> None:
    """Where rows mean nothing, the chosen threshold finds no more than a coin does.

    Chosen on the rows that were trained on it would look perfect.
    """
    X, _, groups = sparse_rows(240, 400)
    y = np.random.default_rng(5).integers(0, 2, 80)[groups]
    rows = TrainingRows(X, y, groups, ("good", "bad"), 0.25)
    made = train(Contender("forest"), rows, ThresholdRule(), settings={"trees": 20})
    assert made.decision.unseen is not None
    assert made.decision.unseen.folds == 5
    assert made.decision.unseen.scores["roc_auc"] < 0.7
    assert binary_scores(y, made.head.predict_proba(X)[:, 1])["roc_auc"] > 0.9


def test_too_few_parts_fall_back_to_a_half_and_say_so_unless_asked() -> None:
    """With one part of a class the default is 0.5 with the reason; a wish is an error."""
    X, y, _ = sparse_rows(30, 40, effect=1.0)
    rows = TrainingRows(X, y, y * (1 + np.arange(30)), ("good", "bad"), 0.25)
    rows = rows._replace(groups=np.where(y == 1, 99, np.arange(30)))
    made = train(Contender("ridge"), rows, ThresholdRule())
    assert made.decision.band == Band.at(0.5)
    assert "too few parts to choose a threshold on: class 'bad' has 1 part" in made.decision.note
    with pytest.raises(SplitError, match="class 'bad' has 1 part"):
        train(Contender("ridge"), rows, ThresholdRule(balanced=True))


def test_more_than_two_classes_have_no_threshold() -> None:
    """The most probable class is the verdict; a wish is refused with the way on."""
    X, y, groups = sparse_rows(90, 40, n_classes=3, effect=1.0)
    rows = TrainingRows(X, y, groups, ("a", "b", "c"), 0.25)
    made = train(Contender("ridge"), rows, ThresholdRule())
    assert made.predicted is None
    assert "most probable" in made.decision.note
    with pytest.raises(ThresholdError, match=r"found 3 classes .*--positive"):
        train(Contender("ridge"), rows, ThresholdRule(max_missed=0.1))


def test_progress_runs_once_over_all_fits() -> None:
    """With epochs or without, progress rises to its total over the folds and the model."""
    X, y, groups = sparse_rows(60, 40, effect=1.0)
    rows = TrainingRows(X, y, groups, ("good", "bad"), 0.25)
    seen: list[tuple[int, int]] = []

    def say(done: int, total: int, _scores: Any) -> None:
        seen.append((done, total))

    for head, given_settings, total in (("ridge", {}, 3), ("dense", {"epochs": 2}, 6)):
        seen.clear()
        train(Contender(head), rows, ThresholdRule(folds=2), settings=given_settings, progress=say)
        assert seen == [(done, total) for done in range(1, total + 1)]


@pytest.mark.parametrize(
    ("p", "band", "said"),
    [
        (0.49, Band.at(0.0201), "49 % ≥ 2 %"),
        (0.012, Band.at(0.0201), "1 % < 2 %"),
        (0.0198, Band.at(0.0201), "1.98 % < 2.01 %"),
        (0.4, Band.at(0.5), "40 % < 50 %"),
        (0.0201, Band.at(0.0201), "2 % ≥ 2 %"),
        (0.023, Band(0.0201, 0.0271), "2.3 % in 2.0–2.7 %"),
        (0.001, Band(0.0201, 0.0271), "0.1 % < 2.0 %"),
        (0.03, Band(0.0201, 0.0271), "3.0 % ≥ 2.7 %"),
        (0.7, Band(0.0201, 1.1), "70 % in 2–100 %"),
        (0.0, Band.at(0.0), "0 % ≥ 0 %"),
        (0.999, Band.at(0.9995), "99.90 % < 99.95 %"),
        (3e-9, Band.at(5e-9), "3e-07 % < 5e-07 %"),
    ],
)
def test_a_probability_stands_beside_the_limit_that_decided(
    p: float, band: Band, said: str
) -> None:
    """With as few decimals as tell them apart, and true to the limit."""
    assert beside(p, band) == said


def test_a_probability_stands_beside_its_limit() -> None:
    """Also beside one just above 1, which nothing reaches, and one that is next to nothing."""
    assert beside(0.492, Band(0.02, 0.02)) == "49 % ≥ 2 %"
    assert beside(1.0, Band(np.nextafter(1.0, 2), np.nextafter(1.0, 2))) == "100 % < 100 %"
    assert beside(0.5, Band(0.4, 1.5)) == "50 % in 40–100 %"
    assert beside(0.999, Band(2e-6, 2e-6)).startswith("100 % ≥ 0.0002")
