"""One tested round, and the photographs of parts that nobody saw, scored under drawn weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from pipeline.scores import (
    Floats,
    Indices,
    decision_scores,
    loss_scores,
    ranking_scores,
    score,
)
from pipeline.statistics.draws import Parts


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
class Sample:
    """A round, ready to be scored under drawn weights.

    Attributes:
        y: int64 (k,).
        P: float64 (k, n_classes).
        part: int64 (k,), numbers of `Parts`.
        cells: what an unseen part of each stratum holds.
        threshold: as in `pipeline.scores.binary_scores`.
        point: scores of the photographs as they are.
    """

    y: Indices
    P: Floats
    part: Indices
    cells: list[Cell]
    threshold: float
    point: dict[str, float]

    @classmethod
    def of(cls, y: Indices, P: Floats, part: Indices, parts: Parts, threshold: float) -> Self:
        """Prepare the photographs of a round; `part` numbers their parts."""
        cells = []
        for column, stratum in enumerate(parts.strata):
            members = y[parts.stratum[part] == stratum]
            for label in np.unique(members):
                count = (members == label).sum() / parts.size(stratum)
                cells.append(Cell(column, int(label), float(count)))
        return cls(y, P, part, cells, threshold, score(y, P, threshold))

    def bad(self, seen: Floats, unseen: Floats) -> dict[str, Floats]:
        """Scores where the model fails on the unseen parts; weights as `Parts.bayesian` gives."""
        return self._scored(seen, unseen, self._wrong, self._like_the_others)

    def good(self, seen: Floats, unseen: Floats) -> dict[str, Floats]:
        """Scores where the model is right about the unseen parts."""
        return self._scored(seen, unseen, self._right, self._most_convincing)

    def _scored(
        self, seen: Floats, unseen: Floats, verdicts: StandIns, probabilities: StandIns
    ) -> dict[str, Floats]:
        found = decision_scores(*self._with(seen, unseen, verdicts), self.threshold)
        extended = self._with(seen, unseen, probabilities)
        return found | ranking_scores(*extended) | loss_scores(*extended)

    def _with(
        self, seen: Floats, unseen: Floats, stand_ins: StandIns
    ) -> tuple[Indices, Floats, Floats]:
        """Classes, probabilities and weights, those of the unseen parts at the end."""
        y, P, weights = [self.y], [self.P], [seen[:, self.part]]
        for cell in self.cells:
            rows = stand_ins(cell)
            y.append(np.full(len(rows), cell.label))
            P.append(rows)
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
        others = self.P[self.y != cell.label]
        return others if len(others) else self._wrong(cell)

    def _most_convincing(self, cell: Cell) -> Floats:
        return self.P[[int(self.P[:, cell.label].argmax())]]
