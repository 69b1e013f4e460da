"""Two models on the same parts: what each gets wrong, and whether the difference tells anything.

The interval of the difference is the house's bootstrap (`pipeline.evaluation.intervals`) on pairs:
whole parts are drawn within each class, and each class has one part more than was seen, on which
for the low end the old model alone is right, and for the high end the new one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import REVIEW, verdict_name
from pipeline.evaluation.bootstrap import Parts
from pipeline.evaluation.intervals import LEVEL
from pipeline.evaluation.part_rules import part_classes
from pipeline.thresholds.decision import Decision

_DRAWS = 2000
_MOST_CHANGED = 50

Finding = Literal["better", "worse", "unclear", "same", "none"]


@dataclass(frozen=True)
class Tally:
    """Hold what one model makes of parts.

    Attributes:
        right, wrong, review: parts; the last are those that it gives to a person.
        missed: defective parts that are passed; of more than two classes 0.
        false_alarms: good parts that are rejected; of more than two classes 0.
        score: mean over the classes of the share that is right, a part for a person counting half.
    """

    right: int
    wrong: int
    review: int
    missed: int
    false_alarms: int
    score: float


@dataclass(frozen=True)
class Changed:
    """A part on which the two differ.

    Attributes:
        part: its name, or the path of its first photograph.
        digest: of its first photograph.
        truth, old, new: class name, or "review".
    """

    part: str
    digest: str
    truth: str
    old: str
    new: str


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the same parts.

    Attributes:
        parts, defective: how many; of more than two classes the second is 0.
        old, new: what they make of them.
        difference: of the scores, new - old.
        low, high: 95 % interval of the difference; None without parts.
        finding: what that says: "unclear" where the interval has 0 inside.
        changed: parts on which they differ, at most `_MOST_CHANGED`.
    """

    parts: int
    defective: int
    old: Tally | None
    new: Tally | None
    difference: float | None
    low: float | None
    high: float | None
    finding: Finding
    changed: tuple[Changed, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the comparison as it stands in a version's story."""
        return asdict(self)


@dataclass(frozen=True)
class Photographs:
    """Hold names (n), digests (n), class numbers int64 (n,) and parts int64 (n,)."""

    names: Sequence[str]
    digests: Sequence[str]
    y: Indices
    groups: Indices


def compare_models(
    shown: Photographs,
    classes: Sequence[str],
    old: tuple[Decision, Floats],
    new: tuple[Decision, Floats],
    *,
    seed: int = 0,
) -> ModelComparison:
    """Compare two models by part.

    Args:
        shown: photographs that neither learned from.
        classes: names by number.
        old: decision, and probabilities float64 (n, n_classes) of `Bundle.probabilities`.
        new: the same of the other model.
        seed: of the bootstrap.
    """
    if not len(shown.y):
        return ModelComparison(
            parts=0, defective=0, old=None, new=None, difference=None, low=None, high=None,
            finding="none",
        )  # fmt: skip
    n_classes = old[1].shape[1]
    truth = part_classes(shown.y, shown.groups, n_classes)
    verdicts = [_verdicts(decision, shown, P) for decision, P in (old, new)]
    right = [np.where(v == REVIEW, 0.5, v == truth) for v in verdicts]
    tallies = [_tally(truth, v, n_classes) for v in verdicts]
    low, high = _interval(truth, right[1] - right[0], seed)
    _, first = np.unique(shown.groups, return_index=True)
    names = tuple(classes)
    changed = [
        Changed(
            shown.names[first[i]], shown.digests[first[i]], names[truth[i]],
            verdict_name(names, int(verdicts[0][i])), verdict_name(names, int(verdicts[1][i])),
        )
        for i in np.flatnonzero(verdicts[0] != verdicts[1])[:_MOST_CHANGED].tolist()
    ]  # fmt: skip
    finding: Finding = "unclear"
    if not (verdicts[0] != verdicts[1]).any():
        finding = "same"
    elif low > 0:
        finding = "better"
    elif high < 0:
        finding = "worse"
    return ModelComparison(
        parts=len(truth), defective=int((truth == 1).sum()) if n_classes == 2 else 0,
        old=tallies[0], new=tallies[1], difference=tallies[1].score - tallies[0].score, low=low,
        high=high, finding=finding, changed=tuple(changed),
    )  # fmt: skip


def _verdicts(decision: Decision, shown: Photographs, P: Floats) -> Indices:
    """Give verdicts (parts,) in the order of the parts' numbers.

    Where each photograph has a verdict of its own, a part is rejected as soon as one of them is.
    """
    if decision.of_wholes or P.shape[1] != 2:
        return decision.band.decide(decision.parts(shown.y, P, shown.groups).P)
    alone = decision.band.decide(decision.alone(P))
    _, part = np.unique(shown.groups, return_inverse=True)
    severity = np.where(alone == REVIEW, 1, np.where(alone == 1, 2, 0))
    worst = np.zeros(int(part.max()) + 1, dtype=np.int64)
    np.maximum.at(worst, part.reshape(-1), severity)
    return np.asarray(np.array([0, REVIEW, 1])[worst], dtype=np.int64)


def _tally(truth: Indices, verdicts: Indices, n_classes: int) -> Tally:
    right = np.where(verdicts == REVIEW, 0.5, verdicts == truth)
    means = [float(right[truth == number].mean()) for number in np.unique(truth)]
    two = n_classes == 2
    return Tally(
        int((verdicts == truth).sum()),
        int(((verdicts != truth) & (verdicts != REVIEW)).sum()),
        int((verdicts == REVIEW).sum()),
        int(((truth == 1) & (verdicts == 0)).sum()) if two else 0,
        int(((truth == 0) & (verdicts == 1)).sum()) if two else 0,
        float(np.mean(means)),
    )


def _interval(truth: Indices, gains: Floats, seed: int) -> tuple[float, float]:
    """Give ends of the interval of the mean over classes of the mean gain (parts,) of each."""
    parts = Parts.of(truth, np.arange(len(truth)))
    seen, unseen = parts.bayesian(np.random.default_rng((seed, 7)), _DRAWS)
    known, total = np.zeros(_DRAWS), np.zeros(_DRAWS)
    for column, stratum in enumerate(parts.strata):
        members = parts.stratum == stratum
        count = float(members.sum())
        known += (seen[:, members] * gains[members]).sum(axis=1) / count
        total += unseen[:, column] / count
    strata = len(parts.strata)
    low = np.quantile((known - total) / strata, (1 - LEVEL) / 2)
    high = np.quantile((known + total) / strata, (1 + LEVEL) / 2)
    return float(max(low, -1.0)), float(min(high, 1.0))
