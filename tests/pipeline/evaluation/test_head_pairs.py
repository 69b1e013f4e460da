"""Comparing two heads: published numbers, numbers by hand, and few claims where nothing is true."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pipeline.evaluation.head_pairs import (
    A_BETTER,
    A_PROBABLY,
    B_BETTER,
    B_PROBABLY,
    EQUIVALENT,
    UNDEFINED,
    UNKNOWN,
    all_pairs,
    compare_pair,
)


def test_published_numbers() -> None:
    """The worked example of scikit-learn's user guide, "Statistical comparison of models".

    AUCs of two support vector machines on ten repeats of ten folds; the guide prints t 0.750,
    one-sided p 0.227, and 0.500, 0.432, 0.068 for better, practically equal and worse by 0.01.
    """
    differences = np.repeat([-0.12, -0.08, -0.04, 0, 0.04, 0.08, 0.2], [1, 2, 10, 53, 29, 4, 1])
    linear = np.full(100, 0.93)
    found = compare_pair(
        ("rbf", "linear"), (linear + differences, linear), "roc_auc", tested_to_trained=10 / 90
    )
    assert found.difference == pytest.approx(0.01)
    assert found.p_value / 2 == pytest.approx(0.227, abs=5e-4)
    chances = (found.a_better, found.equivalent, found.b_better)
    assert chances == pytest.approx((0.5, 0.432, 0.068), abs=5e-4)
    assert found.verdict == UNKNOWN
    assert found.words() == "cannot tell rbf and linear apart with this many parts"


def test_by_hand() -> None:
    """Three differences 0.1, 0.2, 0.3: mean 0.2, s² 0.01, corrected variance 0.01 (1/3 + 1/2).

    t = 0.2 / √0.008333 = 2.191 with 2 degrees of freedom, where p = 1 - t / √(t² + 2).
    """
    a, b = np.array([0.6, 0.8, 0.9]), np.array([0.5, 0.6, 0.6])
    found = compare_pair(("a", "b"), (a, b), "roc_auc", tested_to_trained=0.5)
    t = 0.2 / math.sqrt(0.01 * (1 / 3 + 1 / 2))
    assert found.p_value == pytest.approx(1 - t / math.sqrt(t**2 + 2))
    assert found.high - found.difference == pytest.approx(4.302653 * 0.0912871, rel=1e-5)
    assert found.a_better + found.equivalent + found.b_better == pytest.approx(1)


def test_verdicts() -> None:
    """Far apart, as good as equal, and neither; a lower loss is the better one."""
    rng = np.random.default_rng(0)
    noise = 0.002 * rng.standard_normal(15)
    base = np.full(15, 0.8)

    def verdict(difference: float, spread: float = 1.0, score: str = "roc_auc") -> str:
        other = base - difference + spread * noise
        return compare_pair(("a", "b"), (base, other), score, tested_to_trained=0.25).verdict

    assert verdict(0.1) == A_BETTER
    assert verdict(-0.1) == B_BETTER
    assert verdict(0.1, score="brier") == verdict(0.1, score="log_loss") == B_BETTER
    assert verdict(0.001) == EQUIVALENT
    assert verdict(0.001, spread=50) == UNKNOWN
    assert verdict(0.0, spread=0) == EQUIVALENT  # the same head twice
    assert verdict(0.05, spread=0) == A_BETTER


def test_undefined_rounds_are_left_out() -> None:
    """Rounds where one head has no score are not compared; with fewer than two nothing is said."""
    a = np.array([0.9, math.nan, 0.8, 0.9])
    b = np.array([0.7, 0.7, math.nan, 0.6])
    found = compare_pair(("a", "b"), (a, b), "precision", tested_to_trained=0.25)
    assert found.rounds == 2
    assert found.difference == pytest.approx(0.25)
    nothing = compare_pair(("a", "b"), (a[:2], b[:2]), "precision", tested_to_trained=0.25)
    assert nothing.verdict == UNDEFINED
    assert nothing.words() == "precision is not defined for both a and b"
    record = json.loads(json.dumps(nothing.to_json(), allow_nan=False))
    assert record["p_value"] is None
    assert record["verdict"] == "undefined"


def test_p_values_are_corrected_for_the_number_of_pairs() -> None:
    """Holm: the smallest times three, the next times two, never falling, never above 1."""
    rng = np.random.default_rng(1)
    scores = {name: 0.5 + level + 0.03 * rng.random(10) for name, level in
              (("a", 0.2), ("b", 0.19), ("c", 0.0))}  # fmt: skip
    pairs = all_pairs(scores, "roc_auc", tested_to_trained=0.25)
    assert [(p.a, p.b) for p in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    first, second, third = sorted(pairs, key=lambda p: p.p_value)
    assert first.p_adjusted == pytest.approx(3 * first.p_value)
    assert second.p_adjusted == pytest.approx(max(2 * second.p_value, first.p_adjusted))
    assert third.p_adjusted == pytest.approx(max(third.p_value, second.p_adjusted))
    assert [p.verdict for p in pairs[1:]] == [A_BETTER, A_BETTER]


def test_the_luckiest_of_ten_equal_heads_is_not_called_better() -> None:
    """Scores of ten heads that differ by chance alone: claims in at most 5 % of comparisons.

    The first head is the luckiest, as it is in a table, and is shown against the nine others.
    Without the correction claims come more than twice as often.
    """
    rng = np.random.default_rng(2)
    runs, claims, uncorrected, probable = 150, 0, 0, 0
    for _ in range(runs):
        # What NB's correction supposes: scores of the rounds correlate by tested / all, 1 in 5.
        common = rng.standard_normal((10, 1))
        values = 0.8 + 0.05 * (
            math.sqrt(0.2) * common + math.sqrt(0.8) * rng.standard_normal((10, 15))
        )
        values = values[np.argsort(-values.mean(axis=1))]
        scores = {str(number): row for number, row in enumerate(values)}
        pairs = all_pairs(scores, "roc_auc", tested_to_trained=0.25)[:9]
        claims += any(p.verdict in (A_BETTER, B_BETTER) for p in pairs)
        probable += sum(p.verdict in (A_PROBABLY, B_PROBABLY) for p in pairs)
        uncorrected += any(max(p.a_better, p.b_better) >= 0.95 for p in pairs)
    assert claims / runs <= 0.05
    assert probable / (9 * runs) <= 0.05
    assert uncorrected / runs >= 0.1


def test_between_better_and_unknown_stands_probably_better() -> None:
    """0.978 against 0.886 on the same folds, p 0.006 and one of nine: 99 %, and no proof."""
    rng = np.random.default_rng(0)
    differences = rng.standard_normal(15)
    differences = 0.092 + 0.0511 * (differences - differences.mean()) / differences.std(ddof=1)
    scores = {"ridge": 0.978 + 0 * differences, "dense": 0.978 - differences}
    others = {f"h{number}": 0.97 + 0.02 * rng.standard_normal(15) for number in range(8)}
    pair = all_pairs({**scores, **others}, "roc_auc", tested_to_trained=0.25)[0]
    assert pair.p_value == pytest.approx(0.006, abs=0.003)
    assert pair.verdict == A_PROBABLY
    assert pair.words() == "ridge is probably better than dense (99 %)"
    alone = all_pairs(scores, "roc_auc", tested_to_trained=0.25)[0]
    assert alone.p_adjusted == alone.p_value
