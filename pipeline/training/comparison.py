"""Say what a comparison of heads found: means, intervals, the winner, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from features.arrays import Floats, Indices
from pipeline.data.splits import Fold
from pipeline.evaluation.head_pairs import ROPE
from pipeline.evaluation.intervals import Round, known
from pipeline.evaluation.metrics import LOWER_IS_BETTER, SCORES, score
from pipeline.evaluation.nested import Findings, find
from pipeline.evaluation.part_rules import (
    ANY,
    MEAN,
    choose_rule,
    combine,
    part_classes,
    why_not_by_part,
)
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.spec import FLAT
from pipeline.heads.base import Scalar
from pipeline.output.tables import to_csv

PHOTOGRAPHS, PARTS = "photographs", "parts"


@dataclass(frozen=True)
class FoldResult:
    """One head on one fold.

    Attributes:
        head: name of the contender.
        repeat, fold: as in `pipeline.data.splits.Fold`.
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
    """Hold what `compare` found.

    Attributes:
        contenders: heads on feature specs by their names, in the order of asking.
        folds: the rounds; `folds[i].test` goes with the probabilities of round i.
        results: one per head and round, ordered by head, then round.
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for rows of one part.
        sort_by: the score that decides the order and the best head.
        rope: differences of that score up to this one make no difference in practice.
        seed: of folds, heads and draws.
        gram_seconds: for the Gram matrix, once for all.
        unit: what is scored: "photographs", or "parts" that are judged as wholes. Then `y`,
            `groups` and the folds are of parts.
    """

    contenders: Mapping[str, Contender]
    folds: Sequence[Fold]
    results: Sequence[FoldResult]
    y: Indices
    groups: Indices
    sort_by: str = "roc_auc"
    rope: float = ROPE
    seed: int = 0
    gram_seconds: float = 0.0
    unit: str = PHOTOGRAPHS

    @property
    def heads(self) -> Sequence[str]:
        """Name the contenders, in their order."""
        return list(self.contenders)

    def of(self, head: str) -> list[FoldResult]:
        """Give the results of one head, round by round."""
        return [result for result in self.results if result.head == head]

    def table(self, sort_by: str | None = None) -> list[TableRow]:
        """Give one row per head, the best first; heads without the score come last."""
        key = sort_by or self.sort_by
        sign = 1 if key in LOWER_IS_BETTER else -1

        def rank(row: TableRow) -> float:
            """Sort by the score, the best first; nan last."""
            value = row.mean[key]
            return math.inf if math.isnan(value) else sign * value

        return sorted((self._row(head) for head in self.heads), key=rank)

    @property
    def best(self) -> str:
        """Name the first head of the table."""
        return self.table()[0].head

    @cached_property
    def findings(self) -> Findings:
        """Give intervals, pairs and the nested estimate; takes about a second per head."""
        heads = [row.head for row in self.table()]
        return find(
            self.y,
            self.groups,
            {head: self.rounds(head) for head in heads},
            {head: np.array([r.scores[self.sort_by] for r in self.of(head)]) for head in heads},
            self.sort_by,
            rope=self.rope,
            seed=self.seed,
        )

    def rounds(self, head: str) -> list[Round]:
        """Test rows and probabilities of one head, round by round."""
        return [
            Round(fold.test, result.probabilities)
            for fold, result in zip(self.folds, self.of(head), strict=True)
        ]

    def out_of_fold(self, head: str, repeat: int = 0) -> Floats:
        """Give (n, n_classes), every row from the one round of a repeat that tested it.

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
        found, pair = self.of(head), self.contenders[head]
        columns = {s: np.array([result.scores[s] for result in found]) for s in SCORES}
        defined = {s: values[np.isfinite(values)] for s, values in columns.items()}
        return TableRow(
            head,
            replace(pair, spec=FLAT).title + head.removeprefix(pair.head),
            {s: float(v.mean()) if len(v) else math.nan for s, v in defined.items()},
            {s: float(v.std(ddof=1)) if len(v) > 1 else math.nan for s, v in defined.items()},
            float(np.mean([result.fit_seconds for result in found])),
            float(np.mean([result.predict_seconds for result in found])),
        )

    def to_csv(self) -> str:
        """Write the table as CSV: each score's mean, spread over folds, and interval's ends.

        What is undefined is empty. `against_best` is what can be said of the best head and this
        one, by `sort_by`.
        """
        columns = ["head", "title", "features"]
        columns += [f"{s}{end}" for s in SCORES for end in ("", "_spread", "_low", "_high")]
        columns += ["against_best", "fit_seconds", "predict_seconds"]
        against = self.findings.against_best()
        rows = [
            self._flat(row)
            | {"against_best": against[row.head].words() if row.head in against else None}
            for row in self.table()
        ]
        return to_csv(columns, rows)

    def to_json(self) -> str:
        """Give table, findings, settings and scores of every fold; an undefined score is null.

        The probabilities are left out; they are in `results`.
        """
        record = {
            "best": self.best,
            "best_head": self.contenders[self.best].head,
            "best_features": self.contenders[self.best].spec.text,
            "sort_by": self.sort_by,
            "rope": self.rope,
            "seed": self.seed,
            "scored": self.unit,
            "folds": len({fold.fold for fold in self.folds}),
            "repeats": len({fold.repeat for fold in self.folds}),
            "gram_seconds": self.gram_seconds,
            "heads": [
                self._flat(row) | {"rounds": [_round(r) for r in self.of(row.head)]}
                for row in self.table()
            ],
            **self.findings.to_json(),
        }
        return json.dumps(record, indent=1, allow_nan=False)

    def _flat(self, row: TableRow) -> dict[str, Any]:
        cells: dict[str, Any] = {"head": row.head, "title": row.title}
        cells["features"] = self.contenders[row.head].spec.text
        intervals = self.findings.intervals[row.head]
        for name in SCORES:
            low, high = intervals[name]
            cells |= {name: known(row.mean[name]), f"{name}_spread": known(row.spread[name])}
            cells |= {f"{name}_low": known(low), f"{name}_high": known(high)}
        return cells | {"fit_seconds": row.fit_seconds, "predict_seconds": row.predict_seconds}


def of_parts(found: Comparison, rule: str | None = None) -> Comparison:
    """Give the same fits scored by part: a part has one verdict, from all its tested photographs.

    Args:
        found: of photographs.
        rule: one of `pipeline.evaluation.part_rules.RULES`; None to choose it for each fold on the
            parts of the other folds of its repeat, as the training part would.

    Returns:
        `found` itself where parts have one photograph each, or cannot be judged as wholes.
    """
    n_classes = found.results[0].probabilities.shape[1]
    if rule == ANY or why_not_by_part(found.y, found.groups, n_classes):
        return found
    numbers = np.unique(found.groups)
    classes = part_classes(found.y, found.groups, n_classes)
    places = [np.searchsorted(numbers, found.groups[fold.test]) for fold in found.folds]
    rounds = [
        Fold(fold.repeat, fold.fold, np.setdiff1d(np.arange(len(numbers)), place), np.unique(place))
        for fold, place in zip(found.folds, places, strict=True)
    ]
    results = []
    for head in found.heads:
        tested = found.of(head)
        for result, fold, place in zip(tested, rounds, places, strict=True):
            chosen = rule or _rule_of_others(found, tested, result)
            P = combine(result.probabilities, place, chosen)
            scores = score(classes[fold.test], P)
            results.append(replace(result, scores=scores, probabilities=P))
    return replace(
        found, folds=rounds, results=results, y=classes, groups=np.arange(len(numbers)), unit=PARTS
    )


def _rule_of_others(found: Comparison, tested: Sequence[FoldResult], but: FoldResult) -> str:
    """Give the part rule that the other folds of the repeat choose."""
    others = [
        (fold.test, result.probabilities)
        for fold, result in zip(found.folds, tested, strict=True)
        if result.repeat == but.repeat and result.fold != but.fold
    ]
    if but.probabilities.shape[1] != 2 or not others:
        return MEAN
    rows = np.concatenate([rows for rows, _ in others])
    return choose_rule(found.y[rows], np.concatenate([P for _, P in others]), found.groups[rows])


def _round(result: FoldResult) -> dict[str, Any]:
    return {
        "repeat": result.repeat,
        "fold": result.fold,
        "scores": {name: known(value) for name, value in result.scores.items()},
        "chosen": result.chosen,
        "fit_seconds": result.fit_seconds,
        "predict_seconds": result.predict_seconds,
    }
