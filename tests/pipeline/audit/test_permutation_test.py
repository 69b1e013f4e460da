"""Facts against classes: planted relations are found, chance is not, and parts are respected."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.audit.bins import BINS, Column, cut
from pipeline.audit.permutation_test import LEVEL, interval, tell_apart
from pipeline.data.splits import folds


def parts(rng, counts, per_part=4):
    """Class numbers and part numbers: `counts[c]` parts of class c."""
    of_part = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    groups = np.repeat(np.arange(len(of_part)), per_part)
    return of_part[groups], groups


def noise(rng, groups, share):
    """Numbers of which `share` of the variance is common to the photographs of a part."""
    common = rng.standard_normal(groups.max() + 1)[groups]
    return np.sqrt(share) * common + np.sqrt(1 - share) * rng.standard_normal(len(groups))


def predict_photographs(columns, y, groups, seed=0, shuffles=99, repeats=1):
    rounds = folds(y, groups, n_folds=5, repeats=repeats, seed=seed)
    named = [Column(str(i), values) for i, values in enumerate(columns)]
    return tell_apart(named, y, groups, rounds, shuffles=shuffles, seed=seed)


@pytest.mark.parametrize("bend", ["rises", "falls", "outside", "inside"])
def test_rising_falling_and_bent_relations_are_found(bend: str) -> None:
    """The class is told whether its values are higher, lower, more extreme or less."""
    rng = np.random.default_rng(1)
    y, groups = parts(rng, (40, 15))
    values = noise(rng, groups, 0.7)
    planted = {
        "rises": values + 2.5 * y,
        "falls": values - 2.5 * y,
        "outside": np.where(y == 1, 4 * values, values),
        "inside": np.where(y == 1, 0.15 * values, values),
    }[bend]
    told, chance = predict_photographs([planted, values], y, groups)
    assert told.auc > 0.75
    assert told.p_value <= 0.02
    assert told.low <= told.auc <= told.high
    assert told.low > 0.5
    assert told.auc > told.needed
    assert chance.p_value > LEVEL
    assert chance.auc < chance.needed


def test_false_alarms_among_many_facts_are_rare() -> None:
    """Of 40 sets of 12 facts without a relation, about 5 % may have a false alarm; not 46 %."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y, groups = parts(rng, ((30, 10), (14, 14), (60, 6))[seed % 3])
        columns = [noise(rng, groups, share) for share in (0, 0.5, 0.9, 1) * 3]
        alarms += (
            min(told.p_value for told in predict_photographs(columns, y, groups, seed)) <= LEVEL
        )
    assert alarms <= 5


def test_a_fact_of_the_part_alone_is_no_shortcut() -> None:
    """What names the part tells nothing of parts never seen, though it names the class of each."""
    rng = np.random.default_rng(3)
    y, groups = parts(rng, (30, 30))
    (told,) = predict_photographs([rng.permutation(60).astype(float)[groups]], y, groups)
    assert told.p_value > LEVEL


def test_classes_that_differ_inside_parts_are_shuffled_inside_parts() -> None:
    """Parts photographed good and then defective: a relation is found, and none invented."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(30), 4)
    y = np.tile([0, 0, 1, 1], 30)
    values = noise(rng, groups, 0.3)
    told, chance = predict_photographs([values + 2 * y, values], y, groups)
    assert told.p_value <= LEVEL < chance.p_value


def test_more_than_two_classes_are_judged_one_against_the_rest() -> None:
    """The class that stands out is named by its AUC; the mean is over the classes."""
    rng = np.random.default_rng(5)
    y, groups = parts(rng, (20, 20, 20))
    (told,) = predict_photographs([noise(rng, groups, 0.5) + 3 * (y == 2)], y, groups)
    assert told.p_value <= LEVEL
    assert int(np.argmax(told.per_class)) == 2
    assert told.per_class[2] > 0.9
    assert told.auc == pytest.approx(np.mean(told.per_class))


def test_words_are_told_apart_and_unknown_rows_left_out() -> None:
    """A camera that only one class has; photographs without the field count on no side."""
    rng = np.random.default_rng(6)
    y, groups = parts(rng, (25, 25))
    words = np.where(y == 1, 7.0, rng.integers(0, 7, len(y)))
    words[rng.random(len(y)) < 0.3] = np.nan
    rounds = folds(y, groups, n_folds=5, repeats=1)
    column = Column("camera", words, ordered=False)
    (told,) = tell_apart([column], y, groups, rounds, shuffles=99)
    assert told.auc > 0.95
    assert told.p_value <= LEVEL


def test_bins_are_fitted_on_training_rows_alone() -> None:
    """Another test side does not move a single cut; the unknown is -1."""
    rng = np.random.default_rng(7)
    values = rng.standard_normal(200)
    train = np.arange(150)
    codes = cut(Column("x", values), train)
    other = values.copy()
    other[150:] = 1e6
    other[199] = np.nan
    changed = cut(Column("x", other), train)
    np.testing.assert_array_equal(codes[:150], changed[:150])
    assert set(codes) == set(range(BINS))
    assert (changed[150:199] == BINS - 1).all()
    assert changed[199] == -1


def test_intervals_cover_the_truth() -> None:
    """Of 80 draws of a real relation with 12 parts, at least 88 % hold its mean AUC."""
    found = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        y, groups = parts(rng, (40, 12))
        (told,) = predict_photographs(
            [noise(rng, groups, 0.6) + 1.3 * y], y, groups, seed, shuffles=39
        )
        found.append((told.auc, told.low, told.high))
    auc, low, high = np.array(found).T
    assert ((low <= auc.mean()) & (auc.mean() <= high)).mean() >= 0.88
    assert (high - low).mean() < 0.4


def test_perfect_separation_is_not_perfectly_certain() -> None:
    """With few parts an AUC of 1 has a low end well below 1, nearer with more parts."""
    few, many = interval(1.0, 0.0, (5, 5)), interval(1.0, 0.0, (50, 50))
    assert few[1] == many[1] == 1
    assert 0.5 < few[0] < 0.9 < many[0] < 1
    assert all(map(math.isnan, interval(math.nan, 0.1, (5, 5))))
    assert interval(0.0, 0.0, (5, 5))[0] == 0


def test_the_same_seed_finds_the_same() -> None:
    """All that is random hangs on the seed."""
    rng = np.random.default_rng(8)
    y, groups = parts(rng, (20, 12))
    columns = [noise(rng, groups, 0.5) + y]
    assert predict_photographs(columns, y, groups, 3) == predict_photographs(columns, y, groups, 3)
    assert tell_apart([], y, groups, folds(y, groups)) == []


def test_a_fact_is_learned_from_the_training_side_alone() -> None:
    """Facts that mean nothing have an AUC of about one half; learned from the test side, more."""
    rng = np.random.default_rng(5)
    y, groups = parts(rng, (12, 12), per_part=1)
    told = predict_photographs([rng.standard_normal(24) for _ in range(60)], y, groups, shuffles=19)
    assert np.mean([one.auc for one in told]) == pytest.approx(0.5, abs=0.06)
