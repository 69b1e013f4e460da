"""What the scores of a comparison are worth: intervals, pairs, and the price of choosing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.scores import Floats, Indices
from pipeline.statistics.intervals import Intervals, Round, intervals_over_rounds
from pipeline.statistics.nested import Nested, nested_estimate
from pipeline.statistics.pairs import METHOD, ROPE, Pair, all_pairs


@dataclass(frozen=True)
class Findings:
    """What a comparison's scores are worth.

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
        """By head, the pair of the best head and that one."""
        best = next(iter(self.intervals))
        return {pair.b: pair for pair in self.pairs if pair.a == best}

    def to_json(self) -> dict[str, Any]:
        """Pairs and nested estimate for comparison.json; intervals stand with their heads."""
        intervals = next(iter(self.intervals.values()))
        return {
            "interval_method": intervals.method,
            "no_interval_because": intervals.reason or None,
            "pairs_method": METHOD,
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
        rope: see `pipeline.statistics.pairs.compare_pair`.
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
