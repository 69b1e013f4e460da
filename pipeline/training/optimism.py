"""Say how much a random split flatters: one head, scored by part and at random, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Indices
from features.errors import SplitError, ThresholdError
from pipeline.evaluation.metrics import TITLES
from pipeline.output.result_table import Cell, Column, Spread, Table
from pipeline.output.wording import count

SCORES = ("roc_auc", "average_precision", "balanced_accuracy")
_LITTLE = 0.01  # of a score


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
    """

    head: str
    grouped: Mapping[str, tuple[float, float]]
    random: Mapping[str, tuple[float, float]]
    rounds: int
    torn: float
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give plain values; what is not defined is None."""
        return {
            "head": self.head,
            "rounds": self.rounds,
            "torn_share": self.torn,
            "problem": self.problem,
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
            f"split at random, {self.torn:.0%} of the tested photographs had another one of their "
            "part in training"
        )
        if optimism > _LITTLE:
            return (
                f"{start}, and the ROC AUC looks {optimism:.3f} better than it is; "
                "on parts never seen, expect the score by part at best"
            )
        other = max(SCORES[1:], key=lambda score: np.nan_to_num(self.difference(score)))
        if optimism >= -_LITTLE and self.difference(other) > _LITTLE:
            return (
                f"{start}: the ROC AUC hardly shows it here, but the {other.replace('_', ' ')} "
                f"looks {self.difference(other):.3f} better than it is; on parts never seen, "
                "expect the scores by part at best"
            )
        if optimism < -_LITTLE:
            return (
                f"{start}, yet the ROC AUC came out no better; with so few parts the difference is "
                "chance"
            )
        return (
            f"{start}, and it made no difference here; the score by part is still the one to tell"
        )


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
) -> Optimism | None:
    """Measure the kind of split that was not asked for, and put both side by side.

    Args:
        measured: of the kind that was asked for.
        other_kind: "random" or "grouped": what `measure_other` measures.
        measure_other: the same head on as many splits of the other kind.
        groups: int64 (n,) of all photographs.

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
    )


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
