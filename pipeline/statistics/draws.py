"""Parts, and how often each counts in a random draw of parts.

Photographs of one part are not independent, so whole parts are drawn, class by class: the shares
of the classes are how somebody photographed them and do not vary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """The parts behind some photographs.

    Attributes:
        of_row: int64 (n,) number of each photograph's part, from 0.
        stratum: int64 (parts,) class of each part; of several, the one that fewest parts have.
        per_class: number of parts of each class that stands in `y`, by class number.
    """

    of_row: Indices
    stratum: Indices
    per_class: dict[int, int]

    @classmethod
    def of(cls, y: Indices, groups: Indices) -> Self:
        """Number the parts of photographs with these classes and groups, both int64 (n,)."""
        _, of_row = np.unique(groups, return_inverse=True)
        n_parts = int(of_row.max(initial=-1)) + 1
        has = np.zeros((n_parts, int(y.max(initial=-1)) + 1), dtype=bool)
        has[of_row, y] = True
        counts = has.sum(axis=0)
        rarity = np.where(has, counts, n_parts + 1)
        stratum = rarity.argmin(axis=1) if n_parts else np.empty(0, dtype=np.int64)
        per_class = {int(c): int(counts[c]) for c in np.flatnonzero(counts)}
        return cls(of_row, stratum.astype(np.int64), per_class)

    def __len__(self) -> int:
        """Number of parts."""
        return len(self.stratum)

    @property
    def strata(self) -> Indices:
        """The classes that at least one part stands for."""
        return np.unique(self.stratum)

    def size(self, stratum: int) -> int:
        """Number of parts of a stratum."""
        return int((self.stratum == stratum).sum())

    def bayesian(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        """Weights of a Bayesian bootstrap with one unseen part in each stratum.

        In each stratum the weights of its m parts and of one more are Dirichlet(1, …, 1) times m
        (Rubin, "The Bayesian bootstrap", 1981). No weight is ever 0, so that no draw lacks a class.

        Returns:
            (draws, parts) and, in the order of `strata`, (draws, strata).
        """
        seen = rng.standard_exponential((draws, len(self)))
        unseen = rng.standard_exponential((draws, len(self.strata)))
        for column, stratum in enumerate(self.strata):
            members = self.stratum == stratum
            total = seen[:, members].sum(axis=1) + unseen[:, column]
            scale = members.sum() / total
            seen[:, members] *= scale[:, None]
            unseen[:, column] *= scale
        return seen, unseen

    def with_replacement(self, rng: np.random.Generator, draws: int) -> Floats:
        """How often each part is drawn, (draws, parts): in each stratum as many as it has."""
        counts = np.zeros((draws, len(self)))
        for stratum in self.strata:
            members = np.flatnonzero(self.stratum == stratum)
            even = np.full(len(members), 1 / len(members))
            counts[:, members] = rng.multinomial(len(members), even, draws)
        return counts
