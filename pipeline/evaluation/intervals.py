"""95 % intervals of scores that respect parts and hold where a class has few of them.

Method: a Bayesian bootstrap of whole parts within each class, in which every class has one part
more than was seen. For the bad end of the interval the model fails on the unseen part: scores of
verdicts count it as wrong, scores of the order and of the probabilities give it those of the other
classes' photographs. For the good end it is right, or like the most convincing photograph of its
class. So the interval knows that a kind of defect may exist that nobody photographed, and has a
width where a score is perfect.

For yes-or-no scores with one photograph per part the bounds are Clopper and Pearson's; for means
of bounded values they are Gaffke's ("Three test statistics for a nonparametric one-sided
hypothesis on the mean of a nonnegative variable", 2005).

Scores of cross-validation are means over rounds that each trained anew. Drawing parts does not
vary the training, and no estimate of that is unbiased (Bengio and Grandvalet, 2004); following
Nadeau and Bengio's variance (2003) both ends are moved away from the score by the factor
√(1 + tested/trained), 1.12 for five folds.

A training may also fail, so that its model says the same of every photograph. Parts drawn anew
cannot move the order of such a round: an interval would end at the score itself, as if it were
certain that so many trainings fail. Where some rounds failed and others did not, each draw weights
the rounds, too, by a Dirichlet distribution under which their mean has Nadeau and Bengio's
variance, 1/rounds + tested/trained times that of a round.

`benchmarks/coverage.py` measures how often the truth lies inside, beside the ordinary bootstrap,
BCa, DeLong's and Nadeau and Bengio's intervals; the choice was made by its tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.bootstrap import Parts, TableRow
from pipeline.evaluation.metrics import LOWER_IS_BETTER, SCORES, Limits
from pipeline.output.result_table import Estimate, interval

LEVEL = 0.95
MIN_PARTS = 2  # of each class; one part alone does not tell how much parts differ
METHOD = "bootstrap over parts within each class, with one unseen part that the model gets wrong"
VARIED_METHOD = f"{METHOD}; widened by √(1 + tested/trained), for the training varies too"
FAILED_METHOD = f"{VARIED_METHOD}; rounds are drawn as well, for in some the training failed"
LEARNED = "the model learned from these photographs, so their scores estimate nothing"

_DRAWS = 1000
_SAME = 1e-9  # probabilities that differ by less are the same
_FEWEST_TRAININGS = 0.1  # what rounds weigh together at least, however few they are
_BLOCK_VALUES = 4_000_000  # weights held at once


class Round(NamedTuple):
    """Hold what was tested at once: a holdout, or one fold of cross-validation.

    Attributes:
        rows: int64 (k,) numbers of the photographs.
        probabilities: float64 (k, n_classes).
    """

    rows: Indices
    probabilities: Floats


@dataclass(frozen=True)
class Intervals(Mapping[str, tuple[float, float]]):
    """(low, high) by score; nan, nan where a score is undefined or the parts are too few.

    Attributes:
        bounds: by name of `pipeline.evaluation.metrics.SCORES`.
        parts: number of parts by class number.
        reason: why there are none at all; "" where there are.
        method: how they were made.
        level: share of such intervals that are to hold the truth.
    """

    bounds: Mapping[str, tuple[float, float]]
    parts: Mapping[int, int]
    reason: str = ""
    method: str = METHOD
    level: float = LEVEL

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Give low and high of a score."""
        return self.bounds[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the scores."""
        return iter(self.bounds)

    def __len__(self) -> int:
        """Give the number of scores."""
        return len(self.bounds)

    def text(self, name: str) -> str:
        """Write such as " [0.902, 0.987]", to stand behind the score; "" where there is none."""
        span = interval(*self.bounds[name])
        return f" {span}" if span else ""

    def estimate(self, name: str, value: float) -> Estimate:
        """Give a score with its interval, for a table."""
        return Estimate(value, *self.bounds[name])

    @classmethod
    def none(cls, parts: Mapping[int, int], reason: str, level: float = LEVEL) -> Self:
        """Give no interval of any score, and why."""
        return cls(dict.fromkeys(SCORES, (math.nan, math.nan)), parts, reason, level=level)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for model.json; what is undefined is null."""
        return {
            "intervals_95": {n: [known(low), known(high)] for n, (low, high) in self.items()},
            "interval_method": self.method,
            "no_interval_because": self.reason or None,
        }


def describe_intervals(sides: Mapping[str, Intervals]) -> list[str]:
    """Say how the numbers in brackets were made, and which side has none, and why."""
    methods = dict.fromkeys(found.method for found in sides.values() if not found.reason)
    return [f"in brackets: 95 % intervals ({method})" for method in methods] + [
        f"{name}: no intervals, for {found.reason}" for name, found in sides.items() if found.reason
    ]


def known(value: float) -> float | None:
    """Give the number, or None for nan, which JSON does not have."""
    return value if math.isfinite(value) else None


def intervals(
    y: Indices,
    P: Floats,
    groups: Indices,
    *,
    draws: int = _DRAWS,
    seed: int = 0,
    level: float = LEVEL,
    threshold: Limits = 0.5,
) -> Intervals:
    """Compute intervals of the scores of one set of photographs.

    Args:
        y: int64 (n,).
        P: float64 (n, n_classes) probabilities.
        groups: int64 (n,), the same number for photographs of one part.
        draws: of the bootstrap.
        seed: of the draws.
        level: share of such intervals that hold the truth.
        threshold: as in `pipeline.evaluation.metrics.binary_scores`.
    """
    rounds = [Round(np.arange(len(y)), P)]
    return intervals_over_rounds(
        y, groups, rounds, draws=draws, seed=seed, level=level, threshold=threshold
    )


def intervals_over_rounds(
    y: Indices,
    groups: Indices,
    rounds: Sequence[Round],
    *,
    training_varies: bool = False,
    draws: int = _DRAWS,
    seed: int = 0,
    level: float = LEVEL,
    threshold: Limits = 0.5,
) -> Intervals:
    """Compute intervals of scores that are means over several rounds, such as folds.

    A part has the same weight in every round that tested it, so that repeats of the same
    photographs do not pass for more photographs.

    Args:
        y: int64 (n,).
        groups: int64 (n,), the same number for photographs of one part.
        rounds: at least one.
        training_varies: whether each round trained a model of its own on the rows that it did
            not test; the interval is that of a model so trained.
        draws: of the bootstrap.
        seed: of the draws.
        level: share of such intervals that hold the truth.
        threshold: as in `pipeline.evaluation.metrics.binary_scores`.
    """
    tested = np.unique(np.concatenate([r.rows for r in rounds]))
    parts = Parts.of(y[tested], groups[tested])
    reason = too_few(parts)
    if reason:
        return Intervals.none(parts.per_class, reason, level)
    place = np.full(len(y), -1)
    place[tested] = np.arange(len(tested))
    table_rows = [
        TableRow.of(y[r.rows], r.probabilities, parts.of_row[place[r.rows]], parts, threshold)
        for r in rounds
    ]
    shares = [len(r.rows) / (len(y) - len(r.rows)) for r in rounds] if training_varies else [0]
    extra = float(np.mean(shares))
    failed = training_varies and _some_failed(rounds)
    weights = _of_rounds(len(rounds), extra, draws, seed) if failed else None
    drawn = _Drawn.of(table_rows, parts, draws, np.random.default_rng(seed), weights)
    stretch = math.sqrt(1 + extra)
    bounds = {name: drawn.bounds(name, level, stretch) for name in SCORES}
    method = FAILED_METHOD if failed else VARIED_METHOD if training_varies else METHOD
    return Intervals(bounds, parts.per_class, method=method, level=level)


def _some_failed(rounds: Sequence[Round]) -> bool:
    """Say whether the models of some, not all, rounds say the same of every photograph."""
    failed = [bool((np.ptp(r.probabilities, axis=0) < _SAME).all()) for r in rounds]
    return any(failed) and not all(failed)


def _of_rounds(rounds: int, extra: float, draws: int, seed: int) -> Floats:
    """Draw weights (draws, rounds) that give a mean over rounds 1/rounds + extra of a variance."""
    total = max(1 / (1 / rounds + extra) - 1, _FEWEST_TRAININGS)
    weights = np.random.default_rng(seed).dirichlet(np.full(rounds, total / rounds), draws)
    return np.asarray(weights + 1e-12, dtype=np.float64)  # no round weighs nothing


def too_few(parts: Parts) -> str:
    """Say why no interval can be given; "" where one can."""
    fewest = min(parts.per_class.values(), default=0)
    if fewest >= MIN_PARTS:
        return ""
    return (
        f"a class has {fewest} part{'' if fewest == 1 else 's'} here; expected at least "
        f"{MIN_PARTS} of each class for an interval"
    )


@dataclass(frozen=True)
class _Drawn:
    """Scores of all draws, means over the rounds.

    Attributes:
        point: by score, of the photographs as they are; nan where no round defines it.
        bad, good: by score, (draws,).
    """

    point: dict[str, float]
    bad: dict[str, Floats]
    good: dict[str, Floats]

    @classmethod
    def of(
        cls,
        table_rows: Sequence[TableRow],
        parts: Parts,
        draws: int,
        rng: np.random.Generator,
        of_rounds: Floats | None = None,
    ) -> Self:
        """Score every round in every draw; `of_rounds` are their weights (draws, rounds)."""
        largest = max(len(table_row.y) for table_row in table_rows)
        block = max(1, _BLOCK_VALUES // (2 * largest))
        bad, good = [], []
        for start in range(0, draws, block):
            weights = parts.bayesian(rng, min(block, draws - start))
            shares = None if of_rounds is None else of_rounds[start : start + block]
            bad.append(_mean_defined(table_rows, [s.bad(*weights) for s in table_rows], shares))
            good.append(_mean_defined(table_rows, [s.good(*weights) for s in table_rows], shares))
        point = _mean_defined(
            table_rows, [{n: np.array([v]) for n, v in s.point.items()} for s in table_rows]
        )
        return cls(
            {name: float(values[0]) for name, values in point.items()},
            {name: np.concatenate([b[name] for b in bad]) for name in SCORES},
            {name: np.concatenate([g[name] for g in good]) for name in SCORES},
        )

    def bounds(self, name: str, level: float, stretch: float) -> tuple[float, float]:
        """Bound one score; they hold its point and stay where scores are possible."""
        point = self.point[name]
        if not math.isfinite(point):
            return math.nan, math.nan
        lower, upper = self.bad[name], self.good[name]
        if name in LOWER_IS_BETTER:
            lower, upper = upper, lower
        low = float(np.quantile(lower, (1 - level) / 2))
        high = float(np.quantile(upper, (1 + level) / 2))
        low, high = (point + stretch * (end - point) for end in (low, high))
        possible = math.inf if name == "log_loss" else 1.0
        return max(0.0, min(low, point)), min(possible, max(high, point))


def _mean_defined(
    table_rows: Sequence[TableRow],
    scores: Sequence[Mapping[str, Floats]],
    of_rounds: Floats | None = None,
) -> dict[str, Floats]:
    """Average over the rounds whose photographs define the score; nan where none does.

    Without weights (draws, rounds) all rounds weigh the same.
    """
    mean = {}
    for name in SCORES:
        defined = [
            i for i, table_row in enumerate(table_rows) if math.isfinite(table_row.point[name])
        ]
        if not defined:
            mean[name] = np.full(1, np.nan)
            continue
        values = [scores[i][name] for i in defined]
        shares = None if of_rounds is None else of_rounds[:, defined].T
        mean[name] = np.average(values, axis=0, weights=shares)
    return mean
