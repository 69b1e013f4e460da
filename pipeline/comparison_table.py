"""What a comparison of heads found: means, spreads, the winner, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.heads import load_head_class
from pipeline.heads.base import Floats, Scalar
from pipeline.scores import LOWER_IS_BETTER, SCORES
from pipeline.splits import Fold
from pipeline.tables import to_csv


@dataclass(frozen=True)
class FoldResult:
    """One head on one fold.

    Attributes:
        head: its name.
        repeat, fold: as in `pipeline.splits.Fold`.
        scores: of the test part, at the threshold 0.5.
        chosen: settings in force.
        fit_seconds, predict_seconds: wall-clock; choosing settings counts as fitting.
        probabilities: float64 (test rows, n_classes), in the order of the fold's `test`.
    """

    head: str
    repeat: int
    fold: int
    scores: dict[str, float]
    chosen: dict[str, Scalar]
    fit_seconds: float
    predict_seconds: float
    probabilities: Floats


@dataclass(frozen=True)
class TableRow:
    """One head over all folds.

    Attributes:
        head, title: its name and how it is shown.
        mean, spread: by score, mean and standard deviation over the folds where it is defined;
            nan where it is nowhere defined (the spread: fewer than two).
        fit_seconds, predict_seconds: mean per fold.
    """

    head: str
    title: str
    mean: dict[str, float]
    spread: dict[str, float]
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        heads: names, in the order in which they were asked for.
        folds: the rounds; `folds[i].test` goes with the probabilities of round i.
        results: one per head and round, ordered by head, then round.
        sort_by: the score that decides the order and the best head.
        seed: of folds and heads.
        gram_seconds: for the Gram matrix, once for all.
    """

    heads: Sequence[str]
    folds: Sequence[Fold]
    results: Sequence[FoldResult]
    sort_by: str = "roc_auc"
    seed: int = 0
    gram_seconds: float = 0.0

    def of(self, head: str) -> list[FoldResult]:
        """The results of one head, round by round."""
        return [result for result in self.results if result.head == head]

    def table(self, sort_by: str | None = None) -> list[TableRow]:
        """One row per head, the best first; heads without the score come last."""
        key = sort_by or self.sort_by
        sign = 1 if key in LOWER_IS_BETTER else -1

        def rank(row: TableRow) -> float:
            value = row.mean[key]
            return math.inf if math.isnan(value) else sign * value

        return sorted((self._row(head) for head in self.heads), key=rank)

    @property
    def best(self) -> str:
        """Name of the first head of the table."""
        return self.table()[0].head

    def out_of_fold(self, head: str, repeat: int = 0) -> Floats:
        """Probabilities (n, n_classes) of every row from the one round of a repeat that tested it.

        Raises:
            KeyError: no such head or repeat.
        """
        results = {(r.repeat, r.fold): r.probabilities for r in self.of(head)}
        rounds = [fold for fold in self.folds if fold.repeat == repeat]
        if not results or not rounds:
            raise KeyError((head, repeat))
        n_classes = next(iter(results.values())).shape[1]
        gathered = np.full((sum(len(fold.test) for fold in rounds), n_classes), np.nan)
        for fold in rounds:
            gathered[fold.test] = results[fold.repeat, fold.fold]
        return gathered

    def _row(self, head: str) -> TableRow:
        found = self.of(head)
        columns = {s: np.array([result.scores[s] for result in found]) for s in SCORES}
        defined = {s: values[np.isfinite(values)] for s, values in columns.items()}
        return TableRow(
            head,
            load_head_class(head).title,
            {s: float(v.mean()) if len(v) else math.nan for s, v in defined.items()},
            {s: float(v.std(ddof=1)) if len(v) > 1 else math.nan for s, v in defined.items()},
            float(np.mean([result.fit_seconds for result in found])),
            float(np.mean([result.predict_seconds for result in found])),
        )

    def to_csv(self) -> str:
        """The table as CSV: score and score_spread columns; an undefined one is empty."""
        columns = ["head", "title"]
        columns += [name for s in SCORES for name in (s, f"{s}_spread")]
        columns += ["fit_seconds", "predict_seconds"]
        return to_csv(columns, [_flat(row) for row in self.table()])

    def to_json(self) -> str:
        """Table, settings and scores of every fold as JSON; an undefined score is null.

        The probabilities are left out; they are in `results`.
        """
        record = {
            "best": self.best,
            "sort_by": self.sort_by,
            "seed": self.seed,
            "folds": len({fold.fold for fold in self.folds}),
            "repeats": len({fold.repeat for fold in self.folds}),
            "gram_seconds": self.gram_seconds,
            "heads": [
                _flat(row) | {"rounds": [_round(r) for r in self.of(row.head)]}
                for row in self.table()
            ],
        }
        return json.dumps(record, indent=1, allow_nan=False)


def _flat(row: TableRow) -> dict[str, Any]:
    cells: dict[str, Any] = {"head": row.head, "title": row.title}
    for name in SCORES:
        cells |= {name: _known(row.mean[name]), f"{name}_spread": _known(row.spread[name])}
    return cells | {"fit_seconds": row.fit_seconds, "predict_seconds": row.predict_seconds}


def _round(result: FoldResult) -> dict[str, Any]:
    return {
        "repeat": result.repeat,
        "fold": result.fold,
        "scores": {name: _known(value) for name, value in result.scores.items()},
        "chosen": result.chosen,
        "fit_seconds": result.fit_seconds,
        "predict_seconds": result.predict_seconds,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
