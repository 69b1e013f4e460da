"""Two heads on the same folds: one is better, they are as good as equal, or nobody can tell.

The folds of a cross-validation share most of their training photographs, so their scores are not
independent, and an ordinary t-test finds differences that are not there. Two remedies, on the same
corrected variance (1/J + tested/trained) s² of J differences:

- the corrected resampled t-test (Nadeau and Bengio, "Inference for the generalization error",
  *Machine Learning* 52, 2003);
- the Bayesian correlated t-test with a region of practical equivalence (Corani and Benavoli, 2015;
  Benavoli, Corani, Demšar and Zaffalon, "Time for a change", *JMLR* 18, 2017): how probable it is
  that the true difference is above the region, inside it, or below.

One head is called better only if both say so, the first after Holm's correction for the number of
comparisons that are shown: every head against the first one. Among ten heads of equal worth the
luckiest always looks better than the unluckiest, and the first one was picked for being first: at
a level of 0.05 one in six comparisons of ten equal heads would call some head better, at the 0.01
that is used one in twenty. Where the second alone says so, with 99 %, it is "probably better": of
ten equal heads 4 % are called so, less than a proof, and the best that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from features.arrays import Floats
from pipeline.evaluation.intervals import LEVEL, known
from pipeline.evaluation.metrics import LOWER_IS_BETTER

ROPE = 0.01
"""Differences of a score up to this one make no difference in practice."""

DECIDED = 0.95  # posterior probability from which two heads are called equivalent
_PROBABLE = 0.99  # from which one is called probably better
_SIGNIFICANT = 0.01  # of p-values after Holm's correction; the picking of the best counted in

A_BETTER, EQUIVALENT, B_BETTER, UNKNOWN = "a", "equivalent", "b", "unknown"
A_PROBABLY, B_PROBABLY = "probably a", "probably b"
UNDEFINED = "undefined"  # there are not two rounds that define the score of both
PAIRS_METHOD = (
    "Bayesian correlated t-test (99 % probability) and corrected resampled t-test with Holm's "
    "correction for the comparisons shown"
)


@dataclass(frozen=True)
class Pair:
    """Heads a and b by one score.

    Attributes:
        a, b: names.
        score: name of `pipeline.evaluation.metrics.SCORES`.
        difference: mean over the rounds by which a is better; negative where b is. nan where
            fewer than two rounds define the score of both.
        low, high: 95 % interval of it, from the corrected variance.
        p_value: two-sided, of the corrected resampled t-test.
        p_adjusted: the same after Holm's correction for the comparisons that are shown, those
            with the first head; of other pairs for all pairs.
        a_better, equivalent, b_better: probabilities that the true difference lies above the
            region of practical equivalence, inside it, and below. They sum to 1.
        rope: half the region's width.
        rounds: that both scores are defined in.
    """

    a: str
    b: str
    score: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    a_better: float
    equivalent: float
    b_better: float
    rope: float
    rounds: int

    @property
    def verdict(self) -> str:
        """Give A_BETTER, A_PROBABLY, EQUIVALENT, B_PROBABLY, B_BETTER, UNKNOWN or UNDEFINED."""
        if self.rounds < 2:
            return UNDEFINED
        if self.equivalent >= DECIDED:
            return EQUIVALENT
        if max(self.a_better, self.b_better) < _PROBABLE:
            return UNKNOWN
        sure = self.p_adjusted <= _SIGNIFICANT
        if self.a_better > self.b_better:
            return A_BETTER if sure else A_PROBABLY
        return B_BETTER if sure else B_PROBABLY

    @property
    def probability(self) -> str:
        """Say how probable it is that the better one is better, such as "99 %"; never 100 %."""
        more = np.nanmax([self.a_better, self.b_better, 0.0])
        return f"{min(math.floor(100 * more), 99)} %"

    def words(self) -> str:
        """Give the verdict as a sentence without its full stop."""
        return {
            A_BETTER: f"{self.a} is better than {self.b}",
            A_PROBABLY: f"{self.a} is probably better than {self.b} ({self.probability})",
            B_PROBABLY: f"{self.b} is probably better than {self.a} ({self.probability})",
            EQUIVALENT: f"no practical difference between {self.a} and {self.b}",
            B_BETTER: f"{self.b} is better than {self.a}",
            UNKNOWN: f"cannot tell {self.a} and {self.b} apart with this many parts",
            UNDEFINED: f"{self.score} is not defined for both {self.a} and {self.b}",
        }[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Give plain values for comparison.json; what is undefined is null."""
        numbers = (
            "difference", "low", "high", "p_value", "p_adjusted", "a_better", "equivalent",
            "b_better", "rope",
        )  # fmt: skip
        return {
            "a": self.a,
            "b": self.b,
            "score": self.score,
            "verdict": self.verdict,
            "words": self.words(),
            **{name: known(getattr(self, name)) for name in numbers},
            "rounds": self.rounds,
        }


def all_pairs(
    scores: Mapping[str, Floats], score: str, *, tested_to_trained: float, rope: float = ROPE
) -> list[Pair]:
    """Compare every two heads, in the order of `scores`; arguments as in `compare_pair`.

    The pairs of the first head are corrected for among themselves: these are shown.
    """
    pairs = [
        compare_pair(
            (a, b), (scores[a], scores[b]), score, tested_to_trained=tested_to_trained, rope=rope
        )
        for a, b in combinations(scores, 2)
    ]
    adjusted = _holm(np.array([pair.p_value for pair in pairs]))
    shown = max(len(scores) - 1, 0)
    adjusted[:shown] = _holm(np.array([pair.p_value for pair in pairs[:shown]]))
    return [replace(pair, p_adjusted=p) for pair, p in zip(pairs, adjusted.tolist(), strict=True)]


def _holm(p_values: Floats) -> Floats:
    """Adjust p-values by Holm's step-down (1979); nan stays nan."""
    order = np.argsort(p_values)  # nan last
    steps = np.arange(np.isfinite(p_values).sum(), 0, -1)
    steps = np.pad(steps, (0, len(p_values) - len(steps)), constant_values=1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * steps), 1)
    return adjusted


def compare_pair(
    names: tuple[str, str],
    scores: Sequence[Floats],
    score: str,
    *,
    tested_to_trained: float,
    rope: float = ROPE,
) -> Pair:
    """Compare two heads that were scored in the same rounds.

    Args:
        names: of a and b.
        scores: of a and b, float64 (rounds,) each; nan where undefined.
        score: its name; decides which way is better.
        tested_to_trained: photographs in a test part for each one in its training part; 0.25 for
            five folds.
        rope: differences up to this one make no difference in practice.
    """
    sign = -1 if score in LOWER_IS_BETTER else 1
    differences = sign * (scores[0] - scores[1])
    differences = differences[np.isfinite(differences)]
    rounds = len(differences)
    mean, reach, p_value, above, below = (
        _student(differences, tested_to_trained, rope) if rounds > 1 else (math.nan,) * 5
    )
    return Pair(
        *names,
        score,
        difference=mean,
        low=mean - reach,
        high=mean + reach,
        p_value=p_value,
        p_adjusted=p_value,
        a_better=above,
        equivalent=1 - above - below,
        b_better=below,
        rope=rope,
        rounds=rounds,
    )


def _student(
    differences: Floats, tested_to_trained: float, rope: float
) -> tuple[float, float, float, float, float]:
    """Compute mean, half the interval's width, p-value, and probabilities beyond the region."""
    mean, freedom = float(differences.mean()), len(differences) - 1
    # Student's t. Here, as it takes longer to import than `info` may take.
    from scipy.special import stdtr, stdtrit

    variance = (1 / len(differences) + tested_to_trained) * float(differences.var(ddof=1))
    spread = max(math.sqrt(variance), 1e-12)  # equal in every round: nothing to doubt
    reach = spread * float(stdtrit(freedom, (1 + LEVEL) / 2))
    p_value = 2 * float(stdtr(freedom, -abs(mean) / spread))
    above, below = (float(stdtr(freedom, (way * mean - rope) / spread)) for way in (1, -1))
    return mean, reach, p_value, above, below
