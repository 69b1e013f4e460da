"""The price of choosing: known truth, where the best of ten looks better than any of them is."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.data.splits import folds
from pipeline.evaluation.intervals import Round, intervals_over_rounds
from pipeline.evaluation.metrics import score
from pipeline.evaluation.nested import Nested, find, nested_estimate


def heads_of_known_auc(
    rng: np.random.Generator, aucs: list[float], defective: int, healthy: int
) -> tuple[np.ndarray, np.ndarray, dict[str, list[Round]]]:
    """Five folds, scored by heads whose AUC on all parts there are is known."""
    groups = np.repeat(np.arange(defective + healthy), 3)
    y = (groups < defective).astype(np.int64)
    tested = [fold.test for fold in folds(y, groups, n_folds=5, repeats=1)]
    rounds = {}
    for number, auc in enumerate(aucs):
        shift = math.sqrt(2) * norm.ppf(auc)
        part = math.sqrt(0.7) * rng.standard_normal(defective + healthy)
        value = shift * y + part[groups] + math.sqrt(0.3) * rng.standard_normal(len(y))
        p = 1 / (1 + np.exp(shift / 2 - value))
        P = np.column_stack([1 - p, p])
        rounds[f"head{number}"] = [Round(rows, P[rows]) for rows in tested]
    return y, groups, rounds


def estimate(seed: int, aucs: list[float], draws: int = 100) -> Nested:
    rng = np.random.default_rng(seed)
    y, groups, rounds = heads_of_known_auc(rng, aucs, 12, 25)
    spans = {h: intervals_over_rounds(y, groups, r, draws=40) for h, r in rounds.items()}
    return nested_estimate(y, groups, rounds, "roc_auc", spans, draws=draws, seed=seed)


def test_the_best_of_ten_flatters_and_the_nested_estimate_does_not() -> None:
    """Ten heads of AUC 0.85: the best one's score is 0.05 too high, the nested one is right."""
    found = [estimate(seed, [0.85] * 10) for seed in range(25)]
    naive = np.mean([f.naive for f in found]) - 0.85
    nested = [f.value - 0.85 for f in found]
    error = np.std(nested) / math.sqrt(len(nested))
    assert naive > 0.04
    assert np.mean(nested) < 0.005 + 2 * error  # not optimistic
    assert np.mean(nested) > -0.02 - 2 * error  # and no more pessimistic than the method is known
    assert np.mean([f.low <= 0.85 <= f.high for f in found]) >= 0.9


def test_where_one_head_is_far_ahead_choosing_costs_nothing() -> None:
    """The winner is always the same, and its score stands."""
    found = estimate(0, [0.97, 0.55, 0.5])
    assert found.head == "head0"
    assert found.chosen["head0"] > 0.99
    assert found.value == pytest.approx(found.naive, abs=0.005)
    assert found.price == pytest.approx(found.naive - found.value)
    assert found.low < found.value < found.high


def test_losses_are_chosen_by_the_lowest_and_cost_upwards() -> None:
    """By Brier score the nested estimate is the higher one."""
    y, groups, rounds = heads_of_known_auc(np.random.default_rng(3), [0.8] * 6, 12, 25)
    mean = {h: np.array([score(y[r.rows], r.probabilities)["brier"] for r in rs])
            for h, rs in rounds.items()}  # fmt: skip
    order = sorted(rounds, key=lambda h: mean[h].mean())
    found = find(y, groups, {h: rounds[h] for h in order}, mean, "brier")
    assert found.nested is not None
    assert found.nested.head == order[0]
    assert found.nested.naive == pytest.approx(mean[order[0]].mean())
    assert found.nested.value >= found.nested.naive
    assert sum(found.nested.chosen.values()) == pytest.approx(1)
    assert list(found.against_best()) == order[1:]
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(record["pairs"]) == 15
    assert record["nested"]["price"] >= 0


def test_one_head_alone_was_not_chosen() -> None:
    """There is nothing to correct."""
    y, groups, rounds = heads_of_known_auc(np.random.default_rng(4), [0.8], 6, 12)
    found = find(y, groups, rounds, {"head0": np.full(5, 0.8)}, "roc_auc")
    assert found.nested is None
    assert list(found.pairs) == []
    assert json.loads(json.dumps(found.to_json()))["nested"] is None


def test_draws_of_many_parts_are_made_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other draws, of the same number and kind."""
    whole = estimate(0, [0.9, 0.8, 0.7], draws=300)
    monkeypatch.setattr("pipeline.evaluation.nested._AT_ONCE", 37 * 40)
    found = estimate(0, [0.9, 0.8, 0.7], draws=300)
    assert sum(found.chosen.values()) == pytest.approx(1)
    assert found.value == pytest.approx(whole.value, abs=0.02)
    assert found.value != whole.value
