"""Parts, and how often each counts in a random draw of parts.

Photographs of one part are not independent, so whole parts are drawn, class by class: the shares
of the classes are how somebody photographed them and do not vary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.metrics import Limits, decision_scores, loss_scores, ranking_scores, score


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
        """Count off the parts of photographs with these classes and groups, both int64 (n,)."""
        _, of_row = np.unique(groups, return_inverse=True)
        n_parts = int(of_row.max(initial=-1)) + 1
        has = np.zeros((n_parts, int(y.max(initial=-1)) + 1), dtype=bool)
        has[of_row, y] = True
        counts = has.sum(axis=0)
        # A part with photographs of two classes stands for the rarer: no draw may lose that class.
        rarity = np.where(has, counts, n_parts + 1)
        stratum = rarity.argmin(axis=1) if n_parts else np.empty(0, dtype=np.int64)
        per_class = {int(c): int(counts[c]) for c in np.flatnonzero(counts)}
        return cls(of_row, stratum.astype(np.int64), per_class)

    def __len__(self) -> int:
        """Give the number of parts."""
        return len(self.stratum)

    @property
    def strata(self) -> Indices:
        """Give the classes that at least one part stands for."""
        return np.unique(self.stratum)

    def size(self, stratum: int) -> int:
        """Give the number of parts of a stratum."""
        return int((self.stratum == stratum).sum())

    def bayesian(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        """Draw weights of a Bayesian bootstrap with one unseen part in each stratum.

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
        """Draw how often each part counts, (draws, parts): in each stratum as many as it has."""
        counts = np.zeros((draws, len(self)))
        for stratum in self.strata:
            members = np.flatnonzero(self.stratum == stratum)
            even = np.full(len(members), 1 / len(members))
            counts[:, members] = rng.multinomial(len(members), even, draws)
        return counts


class Cell(NamedTuple):
    """The photographs of one class in one stratum's unseen part.

    Attributes:
        column: of the stratum among the weights of unseen parts.
        label: class number.
        photographs: how many it holds; the mean over the stratum's parts.
    """

    column: int
    label: int
    photographs: float


StandIns = Callable[[Cell], Floats]
"""Probabilities (m, n_classes) that share a cell's weight."""


@dataclass(frozen=True)
class TableRow:
    """A round, ready to be scored under drawn weights.

    Attributes:
        y: int64 (k,).
        P: float64 (k, n_classes).
        part: int64 (k,), numbers of `Parts`.
        cells: what an unseen part of each stratum holds.
        threshold: as in `pipeline.evaluation.metrics.binary_scores`.
        point: scores of the photographs as they are.
    """

    y: Indices
    P: Floats
    part: Indices
    cells: list[Cell]
    threshold: Limits
    point: dict[str, float]

    @classmethod
    def of(cls, y: Indices, P: Floats, part: Indices, parts: Parts, threshold: Limits) -> Self:
        """Prepare the photographs of a round; `part` numbers their parts."""
        cells = []
        for column, stratum in enumerate(parts.strata):
            members = y[parts.stratum[part] == stratum]
            for label in np.unique(members):
                count = (members == label).sum() / parts.size(stratum)
                cells.append(Cell(column, int(label), float(count)))
        return cls(y, P, part, cells, threshold, score(y, P, threshold))

    def bad(self, seen: Floats, unseen: Floats) -> dict[str, Floats]:
        """Score rows where the model fails on the unseen parts; weights as of `Parts.bayesian`."""
        return self._scored(seen, unseen, self._wrong, self._like_the_others)

    def good(self, seen: Floats, unseen: Floats) -> dict[str, Floats]:
        """Score rows where the model is right about the unseen parts."""
        return self._scored(seen, unseen, self._right, self._most_convincing)

    def failing(self, seen: Floats, unseen: Floats) -> tuple[Indices, Floats, Floats]:
        """Give classes, probabilities and weights where the unseen parts look like other classes.

        Args:
            seen: (draws, parts) weights, as `Parts.bayesian` gives them.
            unseen: (draws, strata), likewise.

        Returns:
            int64 (m,), float64 (m, n_classes) and float64 (draws, m).
        """
        return self._with(seen, unseen, self._like_the_others)

    def convincing(self, seen: Floats, unseen: Floats) -> tuple[Indices, Floats, Floats]:
        """Give the same where the unseen parts look like the most convincing of their class."""
        return self._with(seen, unseen, self._most_convincing)

    def _scored(
        self, seen: Floats, unseen: Floats, verdicts: StandIns, probabilities: StandIns
    ) -> dict[str, Floats]:
        found = decision_scores(*self._with(seen, unseen, verdicts), self.threshold)
        extended = self._with(seen, unseen, probabilities)
        return found | ranking_scores(*extended) | loss_scores(*extended)

    def _with(
        self, seen: Floats, unseen: Floats, stand_ins: StandIns
    ) -> tuple[Indices, Floats, Floats]:
        """Join classes, probabilities and weights, those of the unseen parts at the end."""
        y, P, weights = [self.y], [self.P], [seen[:, self.part]]
        for cell in self.cells:
            rows = stand_ins(cell)
            y.append(np.full(len(rows), cell.label))
            P.append(rows)
            # However many rows stand in for an unseen part, it weighs as much as one part does.
            share = unseen[:, [cell.column]] * (cell.photographs / len(rows))
            weights.append(np.broadcast_to(share, (len(unseen), len(rows))))
        return np.concatenate(y), np.concatenate(P), np.concatenate(weights, axis=1)

    def _right(self, cell: Cell) -> Floats:
        return np.eye(self.P.shape[1])[[cell.label]]

    def _wrong(self, cell: Cell) -> Floats:
        counts = np.bincount(self.y, minlength=self.P.shape[1])
        counts[cell.label] = -1
        return np.eye(self.P.shape[1])[[int(counts.argmax())]]

    def _like_the_others(self, cell: Cell) -> Floats:
        # The worst that is plausible: photographs of the part look like those of the other classes.
        others = self.P[self.y != cell.label]
        return others if len(others) else self._wrong(cell)

    def _most_convincing(self, cell: Cell) -> Floats:
        return self.P[[int(self.P[:, cell.label].argmax())]]
