"""pipeline.evaluation.part_rules: photographs to parts, by hand and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ThresholdError
from pipeline.evaluation.metrics import score
from pipeline.evaluation.part_rules import (
    CHOICES,
    RULES,
    by_part,
    choose_rule,
    combine,
    part_classes,
    why_not_by_part,
)


def columns(p: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - p, p])


def views(
    parts: int = 60, each: int = 5, *, noise: float = 1.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw parts: a third is defective, and every view shows it, more or less."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(parts), each)
    y = (groups < parts // 3).astype(np.int64)
    value = 2 * y - 1 + rng.normal(0, noise, len(y))
    return y, columns(1 / (1 + np.exp(-value))), groups


def auc_by_part(y: np.ndarray, P: np.ndarray, groups: np.ndarray, rule: str = "mean") -> float:
    table = by_part(y, P, groups, rule)
    return score(table.y, table.P)["roc_auc"]


def test_rules_by_hand() -> None:
    """Three photographs of part 4 and one of part 2, in mixed order."""
    p = np.array([0.2, 0.9, 0.5, 0.8])
    groups = np.array([4, 4, 2, 4])
    odds = (0.25 * 9 * 4) ** (1 / 3)
    expected = {
        "mean": odds / (1 + odds),
        "max": 0.9,
        "any": 0.9,
        "noisy-or": 1 - 0.8 * 0.1 * 0.2,
        "share": 1.9 / 3,
    }
    assert set(expected) == set(RULES) == {*CHOICES, "any", "noisy-or"}
    for rule, value in expected.items():
        found = combine(columns(p), groups, rule)
        assert found[:, 1] == pytest.approx([0.5, value])
        assert found.sum(axis=1) == pytest.approx(1)
    with pytest.raises(ThresholdError, match="expected one of mean, max, noisy-or, share, any"):
        combine(columns(p), groups, "median")


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(0, 1), max_size=30), n_classes=st.integers(2, 4))
def test_a_part_with_one_photograph_is_that_photograph(
    rule: str, values: list[float], n_classes: int
) -> None:
    """To the last bit, whatever the rule; and nothing is ever outside 0 to 1."""
    rest = (1 - np.array(values)) / (n_classes - 1)
    P = np.column_stack([np.array(values), *[rest] * (n_classes - 1)])
    groups = np.arange(len(values))[::-1]
    assert (combine(P, groups, rule) == P[::-1]).all()
    together = combine(P, groups // 2, rule)
    assert np.isfinite(together).all()
    assert ((together >= 0) & (together <= 1)).all()
    if len(values):
        assert together.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("rule", CHOICES)
def test_rules_rise_with_every_photograph(rule: str) -> None:
    """A photograph that looks more defective never makes its part look less so."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        p = rng.random(5)
        more = p.copy()
        more[rng.integers(5)] += 0.1
        groups = np.array([0, 0, 1, 1, 1])
        low, high = (combine(columns(np.minimum(x, 1)), groups, rule)[:, 1] for x in (p, more))
        assert (high >= low - 1e-12).all()


@pytest.mark.parametrize("rule", CHOICES)
def test_a_head_that_knows_nothing_ranks_no_part(rule: str) -> None:
    """However many photographs a part has: one probability for all is an AUC of exactly 0.5."""
    groups = np.repeat(np.arange(40), np.arange(40) % 7 + 1)
    y = (groups % 7 > 3).astype(np.int64)  # parts of more photographs are the defective ones
    P = columns(np.full(len(y), 0.24528301886792453))
    assert auc_by_part(y, P, groups, rule) == 0.5


def test_the_mean_survives_certainty() -> None:
    """A network that says 0 and 1 of one part is not sure of it, and gives no nan."""
    found = combine(columns(np.array([0.0, 1.0, 0.0, 0.0])), np.array([0, 0, 1, 1]))
    assert found[0, 1] == pytest.approx(0.5)
    assert 0 < found[1, 1] < 1e-6


def test_classes_of_parts() -> None:
    """Defective as soon as one photograph is; of more classes what most photographs are."""
    groups = np.array([0, 0, 0, 5, 5, 9])
    assert part_classes(np.array([0, 0, 1, 0, 0, 1]), groups).tolist() == [1, 0, 1]
    assert part_classes(np.array([2, 2, 1, 0, 1, 2]), groups, 3).tolist() == [2, 0, 2]


def test_parts_are_told_apart_better_than_photographs() -> None:
    """Five views of each part: the mean decides what single photographs cannot."""
    y, P, groups = views()
    single = auc_by_part(y, P, np.arange(len(y)))
    assert single < 0.9
    assert auc_by_part(y, P, groups) > 0.97
    assert auc_by_part(y, P, groups, "any") < 0.95
    table = by_part(y, P, groups)
    assert (table.groups[table.of_row] == groups).all()


def test_the_mean_is_chosen_where_it_makes_no_difference() -> None:
    """Views that all show the defect: the mean; one view in five that does: the largest."""
    kept = sum(choose_rule(*views(seed=seed)) == "mean" for seed in range(20))
    assert kept >= 18
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 5)
    y = (groups < 20).astype(np.int64)
    value = rng.normal(-1, 1, 300)
    value[np.arange(20) * 5 + rng.integers(0, 5, 20)] += 4
    assert choose_rule(y, columns(1 / (1 + np.exp(-value))), groups) == "max"


def test_where_parts_cannot_be_judged_it_is_said() -> None:
    """One photograph each; or an item always has its defect in one of its photographs."""
    y = np.array([0, 0, 1, 0, 0, 1])
    assert "one photograph" in why_not_by_part(y, np.arange(6))
    assert "all parts but 0" in why_not_by_part(y, np.arange(6) // 3)
    assert why_not_by_part(y, np.array([0, 0, 1, 2, 3, 1])) == ""
