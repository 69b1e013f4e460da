"""Intervals hold the truth about as often as they say, also where a class has few parts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import beta, norm

from pipeline.evaluation.intervals import MIN_PARTS, Round, intervals, intervals_over_rounds
from pipeline.evaluation.metrics import SCORES, score


def two_columns(p: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - p, p])


def drawn_parts(
    rng: np.random.Generator, defective: int, healthy: int, *, hidden: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photographs of parts, 1 to 4 of each; a share of the defective parts look healthy.

    Parts differ more than the photographs of one part do. The other defective parts stand 4
    standard deviations above the healthy ones.
    """
    parts = defective + healthy
    groups = np.repeat(np.arange(parts), rng.integers(1, 5, parts))
    is_defective = np.arange(parts) < defective
    seen = is_defective & (rng.random(parts) >= hidden)
    value = 4.0 * seen + math.sqrt(0.7) * rng.standard_normal(parts)
    value = value[groups] + math.sqrt(0.3) * rng.standard_normal(len(groups))
    p = 1 / (1 + np.exp(2 - value))
    return is_defective[groups].astype(np.int64), two_columns(p), groups


def test_one_photograph_per_part_gives_the_exact_binomial() -> None:
    """Recall of 11 out of 14 parts has the bounds of Clopper and Pearson; so have 14 out of 14."""
    y = np.repeat([1, 0], [14, 30])
    for found in (11, 14, 0):
        p = np.concatenate([np.full(found, 0.9), np.full(14 - found, 0.1), np.full(30, 0.2)])
        low, high = intervals(y, two_columns(p), np.arange(44), draws=20_000)["recall"]
        exact_low = beta.ppf(0.025, found, 14 - found + 1) if found else 0.0
        exact_high = beta.ppf(0.975, found + 1, 14 - found) if found < 14 else 1.0
        assert (low, high) == pytest.approx((exact_low, exact_high), abs=0.01)


@pytest.mark.parametrize("defective", [3, 8, 25])
def test_intervals_cover_where_some_defects_are_of_a_kind_that_is_not_seen(defective: int) -> None:
    """The truth lies inside 95 % intervals, though few samples hold one of the 10 % hidden parts.

    An ordinary bootstrap over parts covers such an AUC in a third of samples with three parts and
    in half of those with eight (`benchmarks/coverage.py`).
    """
    rng = np.random.default_rng(defective)
    shift = 4 / math.sqrt(2)
    auc = 0.9 * norm.cdf(shift) + 0.1 * 0.5
    recall = 0.9 * norm.cdf(2) + 0.1 * norm.cdf(-2)
    held, widths, runs = np.zeros(2), [], 100
    for seed in range(runs):
        found = intervals(*drawn_parts(rng, defective, 25, hidden=0.1), draws=200, seed=seed)
        for number, (name, truth) in enumerate((("roc_auc", auc), ("recall", recall))):
            held[number] += found[name][0] <= truth <= found[name][1]
        widths.append(found["roc_auc"][1] - found["roc_auc"][0])
    assert (held / runs >= 0.93).all()  # 95 % less one standard error of 100 runs
    assert np.mean(widths) < {3: 0.5, 8: 0.35, 25: 0.2}[defective]  # and they are not idle


def test_perfect_scores_have_intervals_that_narrow_with_parts() -> None:
    """AUC 1.000 from three parts promises little, from fifty much; never [1, 1]."""
    lows = []
    for defective in (3, 10, 50):
        y = np.repeat([1, 0], [defective, 60])
        p = np.where(y == 1, 0.9, 0.1)
        found = intervals(y, two_columns(p + np.linspace(0, 0.01, len(y))), np.arange(len(y)))
        assert score(y, two_columns(p))["roc_auc"] == found["roc_auc"][1] == 1
        lows.append(found["roc_auc"][0])
    assert lows[0] < 0.75
    assert 0.8 < lows[1] < 0.93
    assert 0.93 < lows[2] < 0.97


def test_intervals_hold_the_score_and_repeat() -> None:
    """Intervals contain the point score and are the same for the same seed."""
    y, P, groups = drawn_parts(np.random.default_rng(0), 20, 40, hidden=0.3)
    found = intervals(y, P, groups, draws=300, seed=3)
    assert found == intervals(y, P, groups, draws=300, seed=3)
    assert found != intervals(y, P, groups, draws=300, seed=4)
    assert tuple(found) == SCORES
    for name, value in score(y, P).items():
        low, high = found[name]
        assert low <= value <= high, name
        assert low < high, name


def test_copies_bring_no_news() -> None:
    """Ten copies of each photograph in its part change nothing; as parts of their own they do."""
    y, P, _ = drawn_parts(np.random.default_rng(1), 20, 40, hidden=0.3)
    groups = np.arange(len(y))
    many = np.repeat(groups, 10)
    once = intervals(y, P, groups)
    copied = intervals(y[many], P[many], many)
    for name in SCORES:
        assert copied[name] == pytest.approx(once[name], abs=1e-9)
    loose = intervals(y[many], P[many], np.arange(len(many)))
    for name in ("accuracy", "roc_auc"):
        assert loose[name][1] - loose[name][0] < 0.5 * (once[name][1] - once[name][0])


def test_repeats_of_the_same_photographs_are_no_more_photographs() -> None:
    """Three rounds with the same predictions leave the interval as wide as one."""
    y, P, groups = drawn_parts(np.random.default_rng(2), 10, 20, hidden=0.2)
    everything = Round(np.arange(len(y)), P)
    once = intervals_over_rounds(y, groups, [everything], draws=200)
    thrice = intervals_over_rounds(y, groups, [everything] * 3, draws=200)
    for name in SCORES:
        assert thrice[name] == pytest.approx(once[name])


def test_training_that_varies_widens_and_stays_possible() -> None:
    """With a fourth as many tested as trained both ends move by √1.25, but not beyond 0 and 1."""
    y, P, groups = drawn_parts(np.random.default_rng(6), 20, 40, hidden=0.3)
    rows = np.flatnonzero(groups % 5 == 0)
    rounds = [Round(rows, P[rows])]
    plain = intervals_over_rounds(y, groups, rounds)
    varied = intervals_over_rounds(y, groups, rounds, training_varies=True)
    stretch = math.sqrt(1 + len(rows) / (len(y) - len(rows)))
    point = score(y[rows], P[rows])
    for name in SCORES:
        low, high = (point[name] + stretch * (end - point[name]) for end in plain[name])
        high = high if name == "log_loss" else min(high, 1)
        assert varied[name] == pytest.approx((max(low, 0), high))
    assert "training varies" in varied.method


def test_folds_are_scored_one_by_one() -> None:
    """Scores of two folds with different offsets are means over folds, not of pooled values."""
    rng = np.random.default_rng(3)
    y, groups = np.tile(np.repeat([1, 0], 10), 2), np.arange(40)
    p = np.where(y == 1, 0.4, 0.2) + 0.05 * rng.random(40)
    p[20:] += 0.4  # the second fold's model says higher probabilities throughout
    rounds = [Round(rows, two_columns(p[rows])) for rows in np.split(np.arange(40), 2)]
    assert intervals_over_rounds(y, groups, rounds)["roc_auc"][1] == 1
    assert intervals(y, two_columns(p), groups)["roc_auc"][1] < 1


def test_too_few_parts_are_said_so() -> None:
    """One part of a class, ten photographs of it or not, gives no interval but a reason."""
    y = np.repeat([1, 0], [10, 20])
    P = two_columns(np.linspace(0.9, 0.1, 30))
    found = intervals(y, P, np.repeat([0, 1, 2], 10))
    assert MIN_PARTS == 2
    assert (
        found.reason == "a class has 1 part here; expected at least 2 of each class for an interval"
    )
    assert all(math.isnan(end) for bounds in found.values() for end in bounds)
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["intervals_95"]["roc_auc"] == [None, None]
    assert record["no_interval_because"] == found.reason
    assert found.text("roc_auc") == ""
    assert "part" in intervals(y[:0], P[:0], y[:0]).reason
    enough = intervals(y, P, np.repeat([0, 1, 2, 3, 4, 5], 5))
    assert enough.reason == ""
    assert enough.parts == {0: 4, 1: 2}


def test_undefined_scores_have_no_interval() -> None:
    """With one class only, recall of the other and AUC have none; accuracy has."""
    y, p = np.zeros(20, dtype=np.int64), np.linspace(0, 0.9, 20)
    found = intervals(y, two_columns(p), np.arange(20))
    assert math.isnan(found["recall"][0])
    assert math.isnan(found["roc_auc"][0])
    assert 0 < found["accuracy"][0] < found["accuracy"][1] < 1


def test_a_head_that_says_the_same_of_all_has_an_auc_of_a_half() -> None:
    """No part, seen or not, can change that."""
    y, groups = np.repeat([1, 0], [10, 40]), np.arange(50)
    found = intervals(y, np.full((50, 2), (0.8, 0.2)), groups)
    assert found["roc_auc"] == pytest.approx((0.5, 0.5))


def test_parts_with_photographs_of_both_classes_count_in_the_rarer() -> None:
    """A part that has a crack on one of its photographs is drawn among the cracked parts."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(30), 3)
    y = ((groups < 8) & (np.arange(90) % 3 == 0)).astype(np.int64)
    P = two_columns(np.clip(0.2 + 0.5 * y + 0.2 * rng.standard_normal(90), 0, 1))
    found = intervals(y, P, groups)
    assert found.parts == {0: 30, 1: 8}
    for name, value in score(y, P).items():
        assert found[name][0] < value <= found[name][1], name


def test_several_classes() -> None:
    """Macro scores of four classes have intervals that hold them."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(40), 2)
    y = groups % 4
    P = rng.dirichlet(np.ones(4), 80) + np.eye(4)[y] * rng.random((80, 1))
    P /= P.sum(axis=1, keepdims=True)
    found = intervals(y, P, groups, draws=300)
    for name, value in score(y, P).items():
        low, high = found[name]
        assert low < value < high, name
    assert found["roc_auc"][1] - found["roc_auc"][0] < 0.35


def failing_folds(rng: np.random.Generator, failing: float) -> tuple[np.ndarray, list[Round]]:
    """Five folds of ten defective and ten healthy parts; some models say the same of all."""
    y, rounds = np.tile(np.repeat([1, 0], 10), 5), []
    for start in range(0, 100, 20):
        rows = np.arange(start, start + 20)
        p = 1 / (1 + np.exp(1 - 2 * y[rows] - rng.standard_normal(20)))
        if rng.random() < failing:
            p = np.full(20, 0.4)
        rounds.append(Round(rows, two_columns(p)))
    return y, rounds


def test_trainings_that_fail_may_have_been_luck() -> None:
    """Where some folds' models say the same of all, the interval is of trainings that may fail.

    Without that it would end at the score itself: no part can move the order of such folds.
    """
    rng = np.random.default_rng(7)
    truth = 0.4 * 0.5 + 0.6 * norm.cdf(2 / math.sqrt(2))
    held, runs = 0, 60
    for seed in range(runs):
        y, rounds = failing_folds(rng, 0.4)
        found = intervals_over_rounds(
            y, np.arange(100), rounds, training_varies=True, draws=200, seed=seed
        )
        low, high = found["roc_auc"]
        held += low <= truth <= high
    assert held / runs >= 0.88  # in one of eleven draws all models learn, or none does
    one = [Round(r.rows, two_columns(np.full(20, 0.4))) for r in rounds[:4]]
    some = [*one, Round(rounds[4].rows, two_columns(y[rounds[4].rows] * 0.8 + 0.1))]
    low, high = intervals_over_rounds(y, np.arange(100), some, training_varies=True)["roc_auc"]
    assert low < 0.55
    assert 0.7 < high < 1  # the score is 0.6
    all_fail = intervals_over_rounds(y, np.arange(80), one, training_varies=True)
    assert all_fail["roc_auc"] == pytest.approx((0.5, 0.5))
    assert "training failed" not in all_fail.method
