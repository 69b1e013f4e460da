"""The price of choosing: what the best of several heads is worth once the choice is counted.

The head that comes first was partly lucky on the photographs that put it there. Method: bootstrap
bias correction (Tsamardinos, Greasidou and Borboudakis, "Bootstrapping the out-of-sample
predictions for efficient and accurate cross-validation", *Machine Learning* 107, 2018), with whole
parts: parts are drawn with replacement, the head that is best on the drawn ones is scored on the
others, and so many times. No head is trained again. Each head's scores on the others are moved so
that their mean over the draws is its own score: what is left out is fewer parts, and where parts
have different numbers of photographs that alone shifts a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.bootstrap import Parts
from pipeline.evaluation.head_pairs import PAIRS_METHOD, ROPE, Pair, all_pairs
from pipeline.evaluation.intervals import Intervals, Round, intervals_over_rounds, known
from pipeline.evaluation.metrics import LOWER_IS_BETTER, TITLES, weighted_score
from pipeline.output.result_table import Estimate, told

METHOD = "bootstrap bias correction over parts (BBC-CV): chosen on drawn parts, scored on the rest"

_DRAWS = 500
_AT_ONCE = 2**22  # weights that are drawn at once: of many parts few sets
_NOTHING = 0.0005  # of a score: what is rounded away
_OFTEN = 0.005  # share of the draws from which on a head that they chose is named


@dataclass(frozen=True)
class Nested:
    """Hold what a head is worth that is chosen as this one was.

    Attributes:
        score: name of `pipeline.evaluation.metrics.SCORES` that the choice was made by.
        head: the one that came first.
        naive: its own score, mean over the rounds.
        value: the score to expect of a head that is so chosen; never better than `naive`.
        low, high: 95 % interval: mean of the heads' intervals, each as often as it was chosen.
        chosen: share of the draws that would have chosen each head.
    """

    score: str
    head: str
    naive: float
    value: float
    low: float
    high: float
    chosen: dict[str, float]

    @property
    def price(self) -> float:
        """Say how much choosing flatters: 0 or more."""
        return abs(self.naive - self.value)

    def sentence(self) -> str:
        """Say what to expect of the best of so many heads."""
        best = f"the best of {len(self.chosen)} heads"
        span = f"{TITLES[self.score]} {told(Estimate(self.value, self.low, self.high))}"
        if self.price < _NOTHING:
            return f"choosing {best} flatters by nothing: expect {span}"
        return f"{best} flatters itself: expect {span} of a head chosen so, not {self.naive:.3f}"

    def draws(self) -> str:
        """Say how that is known, and which heads would have been chosen on other parts."""
        often = sorted(self.chosen.items(), key=lambda item: -item[1])[:3]
        others = ", ".join(
            f"{head} {100 * share:.0f} %" for head, share in often if share >= _OFTEN
        )
        return f"bootstrap bias correction over parts (BBC-CV); its draws chose {others}"

    def to_json(self) -> dict[str, Any]:
        """Give plain values for comparison.json; what is undefined is null."""
        numbers = ("naive", "value", "price", "low", "high")
        return {
            "score": self.score,
            "head": self.head,
            **{name: known(getattr(self, name)) for name in numbers},
            "chosen": self.chosen,
            "method": METHOD,
        }


def nested_estimate(
    y: Indices,
    groups: Indices,
    rounds: Mapping[str, Sequence[Round]],
    score: str,
    intervals: Mapping[str, Intervals],
    *,
    draws: int = _DRAWS,
    seed: int = 0,
) -> Nested:
    """Estimate what the best of these heads is worth.

    Args:
        y: int64 (n,).
        groups: int64 (n,), the same number for photographs of one part.
        rounds: by head, the same rounds for all.
        score: name of the score that chooses; defined for one head at least.
        intervals: by head.
        draws: of the bootstrap.
        seed: of the draws.
    """
    sign = -1 if score in LOWER_IS_BETTER else 1  # from here on, more is better
    parts = Parts.of(y, groups)
    rng, block = np.random.default_rng(seed), max(1, _AT_ONCE // len(parts))

    def scored(weights: Floats) -> Floats:
        """Score all heads, (heads, sets of weights)."""
        return sign * np.stack([_mean_scores(score, y, r, parts, weights) for r in rounds.values()])

    pairs = []
    for start in range(0, draws, block):
        counts = parts.with_replacement(rng, min(block, draws - start))
        pairs.append((scored(counts), scored((counts == 0).astype(np.float64))))
    drawn, others = (np.concatenate(each, axis=1) for each in zip(*pairs, strict=True))
    point = scored(np.ones((1, len(parts))))
    chosen = np.where(np.isfinite(drawn), drawn, -np.inf).argmax(axis=0)
    moved = others - _mean_finite(others.T)[:, None] + point
    best = float(np.nanmax(point))
    value = min(float(np.nanmean(moved[chosen, np.arange(draws)])), best)
    shares = np.bincount(chosen, minlength=len(rounds)) / draws
    bounds = np.array([intervals[head][score] for head in rounds])
    low, high = (shares[shares > 0] @ bounds[shares > 0]).tolist()
    return Nested(
        score,
        list(rounds)[int(np.nanargmax(point))],
        sign * best,
        sign * value,
        min(low, sign * value),
        max(high, sign * value),
        dict(zip(rounds, shares.tolist(), strict=True)),
    )


def _mean_scores(
    score: str, y: Indices, rounds: Sequence[Round], parts: Parts, weights: Floats
) -> Floats:
    """Average rounds (draws,) for weights of parts, leaving out rounds that lack a class."""
    values = np.stack(
        [weighted_score(score, y[rows], P, weights[:, parts.of_row[rows]]) for rows, P in rounds]
    )
    return _mean_finite(values)


def _mean_finite(values: Floats) -> Floats:
    """Average over the first axis what is a number; nan where nothing is."""
    defined = np.isfinite(values)
    count = defined.sum(axis=0).astype(np.float64)
    total = np.where(defined, values, 0).sum(axis=0)
    mean: Floats = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


@dataclass(frozen=True)
class Findings:
    """Hold what a comparison's scores are worth.

    Attributes:
        score: that heads are compared by.
        intervals: of all scores, by head, the best head first.
        pairs: every two heads, a before b in that order.
        nested: what a head is worth that is chosen so; None for one head alone, where parts are
            too few for intervals, and where the score is undefined.
    """

    score: str
    intervals: Mapping[str, Intervals]
    pairs: Sequence[Pair]
    nested: Nested | None

    def against_best(self) -> dict[str, Pair]:
        """Find by head the pair of the best head and that one."""
        best = next(iter(self.intervals))
        return {pair.b: pair for pair in self.pairs if pair.a == best}

    def renamed(self, names: Mapping[str, str]) -> Findings:
        """Give the same of heads that are called otherwise, each by its name here."""
        nested = self.nested
        if nested is not None:
            chosen = {names[head]: share for head, share in nested.chosen.items()}
            nested = replace(nested, head=names[nested.head], chosen=chosen)
        return replace(
            self,
            intervals={names[head]: found for head, found in self.intervals.items()},
            pairs=[replace(pair, a=names[pair.a], b=names[pair.b]) for pair in self.pairs],
            nested=nested,
        )

    def to_json(self) -> dict[str, Any]:
        """Give pairs and nested estimate for comparison.json; intervals stand with their heads."""
        intervals = next(iter(self.intervals.values()))
        return {
            "interval_method": intervals.method,
            "no_interval_because": intervals.reason or None,
            "pairs_method": PAIRS_METHOD,
            "pairs": [pair.to_json() for pair in self.pairs],
            "nested": self.nested.to_json() if self.nested else None,
        }


def find(
    y: Indices,
    groups: Indices,
    rounds: Mapping[str, Sequence[Round]],
    scores: Mapping[str, Floats],
    score: str,
    *,
    rope: float = ROPE,
    seed: int = 0,
) -> Findings:
    """Judge the scores of several heads on the same rounds.

    Args:
        y: int64 (n,).
        groups: int64 (n,), the same number for photographs of one part.
        rounds: by head, the best first; the same rows for all.
        scores: by head, float64 (rounds,) of `score`; nan where undefined.
        score: that decides which head is better.
        rope: see `pipeline.evaluation.head_pairs.compare_pair`.
        seed: of all draws.
    """
    found = {
        head: intervals_over_rounds(y, groups, tested, training_varies=True, seed=seed)
        for head, tested in rounds.items()
    }
    best = next(iter(rounds))
    shares = [len(r.rows) / (len(y) - len(r.rows)) for r in rounds[best]]
    pairs = all_pairs(
        {head: scores[head] for head in rounds},
        score,
        tested_to_trained=float(np.mean(shares)),
        rope=rope,
    )
    nested = None
    if len(rounds) > 1 and np.isfinite(found[best][score]).all():
        nested = nested_estimate(y, groups, rounds, score, found, seed=seed)
    return Findings(score, found, pairs, nested)
