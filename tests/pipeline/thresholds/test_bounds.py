"""pipeline.thresholds.bounds and claims: exact numbers, and bounds that hold as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from features.errors import ThresholdError
from pipeline.feature_specs.heads import Contender
from pipeline.thresholds.bounds import (
    allowed_events,
    interval,
    lower_limit,
    parts_needed,
    pass_limit,
    reject_limit,
    upper_limit,
)
from pipeline.thresholds.claims import claim, parts_for, set_aside
from pipeline.thresholds.outcome import part_scores
from pipeline.thresholds.rule import ThresholdRule
from pipeline.thresholds.train import Trained, TrainingRows, train

SHARES = st.floats(0.001, 0.9)


@pytest.mark.parametrize(("share", "needed"), [(0.02, 149), (0.01, 299), (0.05, 59), (0.1, 29)])
def test_parts_needed_are_the_textbooks(share: float, needed: int) -> None:
    """Without a miss, log(0.05) / log(1 - share) parts: 149 for 2 %."""
    assert parts_needed(share) == needed


@settings(deadline=None)
@given(SHARES)
def test_one_part_fewer_is_too_few(share: float) -> None:
    """The number named suffices, and no smaller one does."""
    needed = parts_needed(share)
    assert allowed_events(needed, share) >= 0
    assert allowed_events(needed - 1, share) == -1


@settings(deadline=None)
@given(st.integers(1, 400), SHARES)
def test_allowed_events_are_those_of_clopper_and_pearson(trials: int, share: float) -> None:
    """Check that k events are allowed exactly if their upper limit is within the share."""
    k = allowed_events(trials, share)
    if k >= 0:
        assert upper_limit(k, trials) <= share + 1e-9
    assert upper_limit(k + 1, trials) > share - 1e-9


@settings(deadline=None)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_limits_are_scipys(counted: tuple[int, int]) -> None:
    """One-sided and two-sided limits equal scipy's exact binomial test."""
    k, n = counted
    two = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert interval(k, n) == pytest.approx((two.low, two.high), abs=1e-9)
    less = stats.binomtest(k, n, alternative="less").proportion_ci(0.95, "exact")
    more = stats.binomtest(k, n, alternative="greater").proportion_ci(0.95, "exact")
    assert upper_limit(k, n) == pytest.approx(less.high, abs=1e-9)
    assert lower_limit(k, n) == pytest.approx(more.low, abs=1e-9)


def test_no_trials_exclude_nothing() -> None:
    """Without parts every share is possible."""
    assert (upper_limit(0, 0), lower_limit(0, 0), interval(0, 0)) == (1.0, 0.0, (0.0, 1.0))


@pytest.mark.parametrize(("parts", "share"), [(160, 0.02), (250, 0.02), (64, 0.05), (105, 0.1)])
def test_the_missed_share_is_within_the_bound_in_95_of_100_draws(parts: int, share: float) -> None:
    """Of 4,000 draws of parts with uniform scores, at most 5 % miss more than was claimed.

    Of uniform scores the share below a threshold is the threshold. How often the claim breaks is
    known exactly, too: as often as a binomial count is no larger than what is allowed.
    """
    rng = np.random.default_rng(parts)
    missed = np.array([pass_limit(rng.random(parts), share) for _ in range(4000)])
    rejected = np.array([1 - reject_limit(rng.random(parts), share) for _ in range(4000)])
    exact = stats.binom.cdf(allowed_events(parts, share), parts, share)
    assert exact <= 0.05
    for found in (missed, rejected):
        broken = (found > share).mean()
        assert broken <= 0.05
        assert broken == pytest.approx(exact, abs=0.012)


def test_ties_make_the_bound_safer_never_weaker() -> None:
    """With scores of a few values only, the share that is missed is still within the bound."""
    rng = np.random.default_rng(1)
    values, chances = np.array([0.0, 0.1, 0.5, 0.9]), np.array([0.03, 0.05, 0.4, 0.52])
    broken = 0
    for _ in range(2000):
        threshold = pass_limit(rng.choice(values, 60, p=chances), 0.05)
        broken += chances[values < threshold].sum() > 0.05
    assert broken / 2000 <= 0.05


def test_a_part_is_missed_with_one_photograph() -> None:
    """Defective parts count with their lowest defective photograph, good ones with their highest.

    A healthy view of a defective part is neither a miss nor a false alarm.
    """
    y = np.array([1, 1, 0, 0, 0, 1])
    p = np.array([0.9, 0.4, 0.1, 0.2, 0.3, 0.6])
    groups = np.array([7, 7, 7, 3, 3, 5])
    found = part_scores(y, p, groups)
    assert found.defective.tolist() == [0.6, 0.4]
    assert found.good.tolist() == [0.3]


def parts_of(defective: int, good: int, each: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers and parts of photographs."""
    groups = np.repeat(np.arange(defective + good), each)
    return (groups < defective).astype(np.int64), groups


def test_too_few_parts_are_refused_with_the_number() -> None:
    """149 to be set aside, 50 to learn from: 199, and 266 before a quarter is held out."""
    y, groups = parts_of(198, 300)
    rule = ThresholdRule(max_missed=0.02)
    with pytest.raises(ThresholdError, match=r"found 198 defective .*expected 199 .*149 .*50.*266"):
        set_aside(rule, y, groups, seed=0, test_size=0.25)
    y, groups = parts_of(199, 300)
    aside = set_aside(rule, y, groups, seed=0, test_size=0.25)
    assert len(np.unique(groups[aside][y[aside] == 1])) == 149
    assert parts_for(0.02) == 199
    with pytest.raises(ThresholdError, match=r"found 11 good .*or claim less: --max-false 0\.32"):
        set_aside(ThresholdRule(max_false=0.05), *parts_of(90, 11), seed=0, test_size=0.25)


def test_parts_are_set_aside_whole_and_half_where_that_is_enough() -> None:
    """Of 400 defective parts 200 are set aside, of 100 good ones 50, each with all photographs."""
    y, groups = parts_of(400, 100)
    aside = set_aside(ThresholdRule(max_missed=0.02), y, groups, seed=3, test_size=0.25)
    chosen = np.isin(np.arange(len(y)), aside)
    counts = np.bincount(groups[chosen], minlength=500)
    assert set(counts.tolist()) == {0, 2}
    assert ((counts[:400] > 0).sum(), (counts[400:] > 0).sum()) == (200, 50)
    again = set_aside(ThresholdRule(max_missed=0.02), y, groups, seed=4, test_size=0.25)
    assert not np.array_equal(aside, again)


def test_two_claims_make_a_band_or_one_threshold() -> None:
    """Pass below the one limit, reject from the other; where they have swapped, their middle."""
    y, groups = parts_of(40, 40, 1)
    rule = ThresholdRule(max_missed=0.1, max_false=0.1)
    rng = np.random.default_rng(0)
    mixed = np.where(y == 1, rng.uniform(0.3, 1, 80), rng.uniform(0, 0.7, 80))
    band, claims = claim(rule, y, mixed, groups, 0.5)
    assert band.pass_below == mixed[y == 1].min()
    assert band.reject_from == np.nextafter(mixed[y == 0].max(), 2)
    assert [(c.what, c.parts, c.allowed) for c in claims] == [
        ("missed", 40, 0), ("rejected", 40, 0)
    ]  # fmt: skip
    apart = np.where(y == 1, rng.uniform(0.8, 1, 80), rng.uniform(0, 0.2, 80))
    band, _ = claim(rule, y, apart, groups, 0.5)
    assert not band.has_review
    assert apart[y == 0].max() < band.pass_below < apart[y == 1].min()


def rows_of(rng: np.random.Generator, y: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Rows of which defective ones carry a mark, on some of them faint."""
    strength = y * rng.gamma(2.0, 0.5, len(y))
    noise = rng.standard_normal((len(y), len(marks)))
    return (noise + strength[:, None] * marks).astype(np.float32)


def missed_and_claimed(seed: int, head: str) -> tuple[float, float, Trained]:
    """Shares of 2,000 new defective parts below two thresholds of one model.

    The one that `train` chose for "at most 10 % missed", and the one that the same order
    statistic of the rows that it learned from would be.
    """
    rng = np.random.default_rng(seed)
    marks = 0.3 * rng.standard_normal(150)
    y, groups = parts_of(80, 60, 1)
    X = rows_of(rng, y, marks)
    rows = TrainingRows(X, y, groups, ("good", "defective"), 0.25)
    made = train(Contender(head), rows, ThresholdRule(max_missed=0.1), seed=seed)
    new = made.head.predict_proba(rows_of(rng, np.ones(2000, dtype=np.int64), marks))[:, 1]
    own = made.head.predict_proba(X[made.learned])[y[made.learned] == 1, 1]
    chosen = made.decision.band.pass_below
    return float((new < chosen).mean()), float((new < pass_limit(own, 0.1)).mean()), made


def test_the_claim_holds_for_the_model_that_is_kept() -> None:
    """Head and threshold together: of 50 drawn data sets the claim holds in 95 % or more.

    With 40 parts set aside and none allowed it breaks in 1.5 % of the draws. The same threshold
    taken from the rows that the model learned from breaks in a quarter: the test can fail.
    """
    found = [missed_and_claimed(seed, "lda") for seed in range(50)]
    missed = np.array([entry[0] for entry in found])
    assert (missed <= 0.1).mean() >= 0.95
    assert 0.01 < missed.mean() < 0.05  # 1 in 41 on average
    assert (np.array([entry[1] for entry in found]) <= 0.1).mean() < 0.85
    made = found[0][2]
    assert made.predicted is not None
    assert made.predicted.aside
    assert not set(made.predicted.rows.tolist()) & set(made.learned.tolist())
