"""Simulated photographs of parts whose true scores are known, for `benchmarks.coverage`."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

WITHIN_PART = 0.6  # share of the variance that photographs of one part have in common
PHOTOGRAPHS = 4.0  # per part, on average


@dataclass(frozen=True)
class World:
    """Scores of a finished model on parts: normal, with 1 to many photographs of each part.

    Attributes:
        title: in the table.
        shift: how far defective parts stand above healthy ones, in standard deviations.
        hidden: share of the defective parts that look healthy.
        stray: share of the healthy parts that look defective.
    """

    title: str
    shift: float
    hidden: float = 0.0
    stray: float = 0.0

    @property
    def auc(self) -> float:
        """True ROC AUC over all parts there are."""
        normal = NormalDist(sigma=2**0.5)
        ahead, level, behind = (normal.cdf(s) for s in (self.shift, 0.0, -self.shift))
        seen, hidden, usual, stray = 1 - self.hidden, self.hidden, 1 - self.stray, self.stray
        return seen * (usual * ahead + stray * level) + hidden * (usual * level + stray * behind)

    @property
    def recall(self) -> float:
        """True recall at the threshold 0.5, which stands in the middle."""
        normal = NormalDist()
        found, missed = normal.cdf(self.shift / 2), normal.cdf(-self.shift / 2)
        return (1 - self.hidden) * found + self.hidden * missed

    def draw(
        self, rng: np.random.Generator, defective: int, healthy: int
    ) -> tuple[Indices, Floats, Indices]:
        """Classes (n,), probabilities (n, 2) and groups (n,) of so many parts."""
        parts = defective + healthy
        counts = 1 + rng.poisson(PHOTOGRAPHS - 1, parts)
        groups = np.repeat(np.arange(parts), counts)
        y = (groups < defective).astype(np.int64)
        chance = np.where(np.arange(parts) < defective, 1 - self.hidden, self.stray)
        level = self.shift * (rng.random(parts) < chance)
        level += WITHIN_PART**0.5 * rng.standard_normal(parts)
        value = level[groups] + (1 - WITHIN_PART) ** 0.5 * rng.standard_normal(len(groups))
        p = 1 / (1 + np.exp(self.shift / 2 - value))
        return y, np.column_stack([1 - p, p]), groups


WORLDS = (
    World("AUC 0.90", 1.8),
    World("AUC 0.97", 2.6),
    World("10 % hidden defects", 4.0, hidden=0.1),
    World("5 % stray healthy", 4.0, stray=0.05),
)


@dataclass(frozen=True)
class Rows:
    """Rows of features for training: defects of several kinds, each in a direction of its own.

    Attributes:
        title: in the table.
        kinds: of defects.
        shift: length of each direction, in standard deviations of a feature.
        width: features.
    """

    title: str
    kinds: int
    shift: float
    width: int = 20

    def directions(self, rng: np.random.Generator) -> Floats:
        """(kinds, width)."""
        found = rng.standard_normal((self.kinds, self.width))
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(self.shift * found / lengths)

    def draw(
        self, rng: np.random.Generator, directions: Floats, defective: int, healthy: int
    ) -> tuple[Floats, Indices, Indices]:
        """Rows (n, width), classes (n,) and groups (n,)."""
        parts = defective + healthy
        groups = np.repeat(np.arange(parts), 1 + rng.poisson(PHOTOGRAPHS - 1, parts))
        is_defective = np.arange(parts) < defective
        centre = directions[rng.integers(0, self.kinds, parts)] * is_defective[:, None]
        centre += WITHIN_PART**0.5 * rng.standard_normal(centre.shape)
        own = rng.standard_normal((len(groups), self.width))
        X = centre[groups] + (1 - WITHIN_PART) ** 0.5 * own
        return X, is_defective[groups].astype(np.int64), groups


def train(X: Floats, y: Indices) -> Floats:
    """Weights (width + 1,) of a ridge regression that counts both classes alike; offset last."""
    weights = np.where(y == 1, 0.5 / (y == 1).sum(), 0.5 / (y == 0).sum())
    mean = weights @ X
    spread = ((X - mean) * weights[:, None]).T
    solved = np.linalg.solve(spread @ (X - mean) + 0.3 * np.eye(X.shape[1]), spread @ (2 * y - 1))
    return np.append(solved, -mean @ solved)


def true_auc(weights: Floats, directions: Floats) -> float:
    """ROC AUC of such a model over all parts there are."""
    across = 2**0.5 * float(np.linalg.norm(weights[:-1]))
    return float(np.mean([NormalDist().cdf(s / across) for s in directions @ weights[:-1]]))
