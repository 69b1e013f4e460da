"""Say how much a random split flatters: one head, scored by part and at random, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Indices
from features.errors import SplitError, ThresholdError
from pipeline.evaluation.metrics import TITLES, auc_error
from pipeline.output.result_table import Cell, Column, Spread, Table
from pipeline.output.wording import count

SCORES = ("roc_auc", "average_precision", "balanced_accuracy")
_LITTLE = 0.01  # of a score
_ALIKE = 0.05  # share of torn photographs up to which both kinds of split are nearly the same
_SURE = 1.645  # standard errors from which on a difference is no chance, at 5 %, one-sided


class Rounds(NamedTuple):
    """One head on splits of one kind: its name, scores by name, and (train, test) of each."""

    head: str
    scores: Sequence[Mapping[str, float]]
    splits: Sequence[tuple[Indices, Indices]]


@dataclass(frozen=True)
class Optimism:
    """Scores of one head on both kinds of split.

    Attributes:
        head: its name.
        grouped, random: by score, mean and standard deviation over `rounds`; of one round the
            deviation is nan.
        rounds: splits of each kind.
        torn: share of the tested photographs, split at random, of which another photograph of the
            same part was trained on.
        problem: why one of the two could not be had; "" where both are there.
        doubts: by score, the standard error of random minus grouped.
        tested: parts in a test of the split by part.
    """

    head: str
    grouped: Mapping[str, tuple[float, float]]
    random: Mapping[str, tuple[float, float]]
    rounds: int
    torn: float
    problem: str = ""
    doubts: Mapping[str, float] = field(default_factory=dict)
    tested: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give plain values; what is not defined is None."""
        return {
            "head": self.head,
            "rounds": self.rounds,
            "torn_share": self.torn,
            "problem": self.problem,
            "tested_parts": self.tested,
            "standard_errors": {score: _known(error) for score, error in self.doubts.items()},
            **{
                kind: {
                    score: {"mean": _known(mean), "spread": _known(spread)}
                    for score, (mean, spread) in scores.items()
                }
                for kind, scores in (("grouped", self.grouped), ("random", self.random))
            },
        }

    def difference(self, score: str = "roc_auc") -> float:
        """Compute random minus grouped; nan where one is not there."""
        if self.problem:
            return float("nan")
        return self.random[score][0] - self.grouped[score][0]

    def table(self) -> Table:
        """Give the scores on both kinds of split, for whoever prints them."""
        rows: list[list[Cell]] = [
            [
                TITLES[score],
                Spread(*self.grouped[score]),
                Spread(*self.random[score]),
                _signed(self.difference(score)),
            ]
            for score in SCORES
        ]
        rounds = (
            f"means over {count(self.rounds, 'fold')} of each kind, ± standard deviation"
            if self.rounds > 1
            else "one split of each kind"
        )
        columns = [f"{self.head}, by kind of split", "by part", "at random", "difference"]
        title = f"{self.head} on both kinds of split: {rounds}"
        return Table(title, [Column(column) for column in columns], rows)

    def sentence(self) -> str:
        """Say what the optimism means, for a person."""
        if self.problem:
            return f"how much a random split flatters cannot be told: {self.problem}"
        optimism = self.difference()
        start = (
            f"split at random, {100 * self.torn:.0f} % of the tested photographs had another "
            f"one of their "
            "part in training"
        )
        if self.torn < _ALIKE:
            return f"{start}: that says nothing of how much a random split flatters"
        if optimism > _LITTLE:
            return (
                f"{start}, and the ROC AUC {self._looks('roc_auc')}; "
                "on parts never seen, expect the score by part at best"
            )
        other = max(SCORES[1:], key=lambda score: np.nan_to_num(self.difference(score)))
        if optimism >= -_LITTLE and self.difference(other) > _LITTLE:
            return (
                f"{start}: the ROC AUC hardly shows it here, but the {other.replace('_', ' ')} "
                f"{self._looks(other)}; on parts never seen, expect the scores by part at best"
            )
        if optimism < -_LITTLE:
            return (
                f"{start}, yet the ROC AUC came out no better, which may be chance; the score by "
                "part is still the one to tell"
            )
        return (
            f"{start}, and it made no difference to the ROC AUC here; the score by part is still "
            "the one to tell"
        )

    def _looks(self, score: str) -> str:
        """Say how much higher a score is at random, as strongly as the tests carry it."""
        found = self.difference(score)
        if found > _SURE * self.doubts.get(score, 0.0):
            return f"looks {found:.3f} better than it is"
        few = f"{self.tested:,} part{' was' if self.tested == 1 else 's were'} tested"
        return f"came out {found:.3f} higher, which may be chance: {few}"


def torn_share(groups: Indices, rounds: Sequence[tuple[Indices, Indices]]) -> float:
    """Average the share of tested rows (train, test) whose group also stands in training."""
    return float(np.mean([np.isin(groups[test], groups[train]).mean() for train, test in rounds]))


def has_parts(groups: Indices) -> bool:
    """Say whether any two rows belong together, so that the two kinds of split differ."""
    return len(np.unique(groups)) < len(groups)


def measure_optimism(
    measured: Rounds,
    other_kind: str,
    measure_other: Callable[[], Rounds],
    groups: Indices,
    y: Indices,
) -> Optimism | None:
    """Measure the kind of split that was not asked for, and put both side by side.

    Args:
        measured: of the kind that was asked for.
        other_kind: "random" or "grouped": what `measure_other` measures.
        measure_other: the same head on as many splits of the other kind.
        groups: int64 (n,) of all photographs.
        y: int64 (n,) their class numbers.

    Returns:
        None where no two photographs belong together.
    """
    if not has_parts(groups):
        return None
    try:
        other = measure_other()
    except (SplitError, ThresholdError) as error:
        torn = torn_share(groups, measured.splits) if other_kind == "grouped" else 0.0
        return Optimism(measured.head, {}, {}, len(measured.scores), torn, str(error))
    grouped, random = (other, measured) if other_kind == "grouped" else (measured, other)
    return Optimism(
        measured.head,
        _summary(grouped.scores),
        _summary(random.scores),
        len(measured.scores),
        torn_share(groups, random.splits),
        doubts={
            score: math.hypot(*(_error(score, kind, groups, y) for kind in (grouped, random)))
            for score in SCORES
        },
        tested=round(np.mean([len(np.unique(groups[test])) for _, test in grouped.splits])),
    )


def _error(score: str, measured: Rounds, groups: Indices, y: Indices) -> float:
    """Give the standard error of a mean score, for new parts; what cannot be known is infinite.

    Of several rounds from their variance (Nadeau and Bengio, 2003, as `pipeline.evaluation.
    head_pairs`); of one from the parts that it tested.
    """
    values = np.array([scores[score] for scores in measured.scores], dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) > 1:
        ratio = float(np.mean([len(test) / len(train) for train, test in measured.splits]))
        return math.sqrt(1 / len(values) + ratio) * float(values.std(ddof=1))
    test = measured.splits[0][1]
    parts = [len(np.unique(groups[test[y[test] == c]])) for c in np.unique(y[test])]
    if not len(values) or len(parts) < 2:
        return math.inf
    fewest, others = min(parts), sum(parts) - min(parts)
    value = min(float(values[0]), 1 - 0.5 / (fewest + 1))  # none wrong is no proof of none
    if score == "balanced_accuracy":
        return 0.5 * math.sqrt(value * (1 - value) * (1 / fewest + 1 / others))
    return auc_error(value, fewest, others)


def _summary(rounds: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    found = {}
    for score in SCORES:
        values = np.array([scores[score] for scores in rounds], dtype=np.float64)
        values = values[np.isfinite(values)]
        mean = float(values.mean()) if len(values) else float("nan")
        found[score] = (mean, float(values.std(ddof=1)) if len(values) > 1 else float("nan"))
    return found


def _signed(difference: float) -> str:
    return "–" if np.isnan(difference) else f"{difference:+.3f}"


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
