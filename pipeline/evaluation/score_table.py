"""Scores and verdicts of photographs as tables, for whoever prints them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.arrays import Counts
from pipeline.evaluation.band import REVIEW
from pipeline.evaluation.intervals import describe_intervals
from pipeline.evaluation.metrics import TITLES
from pipeline.evaluation.predictions import BY_PART, Assessment, Predictions
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule
from pipeline.output.result_table import Cell, Column, Name, Share, Table

_BINARY_TITLES = {"recall": "recall of defects"}
_OF_EACH_CLASS = {
    name: f"{TITLES[name]}, mean over classes"
    for name in ("recall", "precision", "f1", "roc_auc", "average_precision")
}  # of more than two classes there is no one class of defects
_LESS = {name: f"{TITLES[name]} (less is better)" for name in ("brier", "log_loss")}

_MEANINGS = {
    "accuracy": "share of right verdicts; says little where one class is rare",
    "balanced_accuracy": "mean of the shares that are recognised of each class; a coin has 0.5",
    "recall": "share of the defective ones that are called defective",
    "precision": "share of truly defective ones among those called defective",
    "f1": "harmonic mean of recall and precision",
    "roc_auc": "how often a defective one is put above a healthy one; a coin has 0.5",
    "average_precision": "precision over all thresholds; a coin has the share of defects",
    "brier": "mean squared error of the probabilities",
    "log_loss": "punishes probabilities that are sure and wrong",
}
_MEANINGS_OF_CLASSES = {
    "balanced_accuracy": "share of a class that is recognised, mean over classes",
    "recall": "the same",
    "precision": "share of right ones among the verdicts for a class, mean over classes",
    "roc_auc": "each class against the rest, mean over classes; a coin has 0.5",
    "average_precision": "each class against the rest, mean over classes",
}


def scores_table(
    sides: Mapping[str, Assessment], binary: bool, rule: GroupRule | None = None
) -> Table:
    """Give every score of each side with its 95 % interval.

    Args:
        sides: by name, as `pipeline.evaluation.predictions.assessed_sides` has them.
        binary: whether there are two classes, of which the second is the defective one.
        rule: where parts are known from; None where somebody said.
    """
    titles = TITLES | _LESS | (_BINARY_TITLES if binary else _OF_EACH_CLASS)
    meanings = _MEANINGS | ({} if binary else _MEANINGS_OF_CLASSES)
    rows: list[list[Cell]] = [
        [title, *(a.intervals.estimate(name, a.scores[name]) for a in sides.values())]
        for name, title in titles.items()
    ]
    columns = [Column("score"), *(Column(_side(name, a, rule)) for name, a in sides.items())]
    return Table(
        "Scores with their 95 % intervals", columns, rows, [meanings[name] for name in titles]
    )


def about_intervals(sides: Mapping[str, Assessment], rule: GroupRule | None = None) -> list[str]:
    """Say how the intervals in such a table were made, and where they promise too much.

    Args:
        sides: as in `scores_table`.
        rule: as in `scores_table`.
    """
    said = describe_intervals({name: side.intervals for name, side in sides.items()})
    if rule is None or rule.known:
        return said
    return [*said, "parts are only proposed: if they are fewer, scores and intervals are too good"]


def _side(name: str, found: Assessment, rule: GroupRule | None) -> str:
    parts = say_parts(found.parts, rule)
    return f"{name} ({parts})" if name.endswith(BY_PART) else f"{name} ({found.count:,} of {parts})"


def count_verdicts(predicted: Predictions) -> Counts:
    """Give int64 (classes, verdicts): rows the truth; with a review band its verdicts come last."""
    n, review = len(predicted.classes.names), predicted.band.has_review
    verdicts = np.where(predicted.verdicts == REVIEW, n, predicted.verdicts)
    counts = np.zeros((n, n + (review and predicted.classes.binary)), dtype=np.int64)
    np.add.at(counts, (predicted.y, verdicts), 1)
    return counts


def confusion_table(predicted: Predictions) -> Table:
    """Give what is taken for what, with the shares of each class."""
    counts, names = count_verdicts(predicted), predicted.classes.names
    rows: list[list[Cell]] = [
        [
            Name(name),
            *(Share(int(n), int(row.sum()), of=False, right=i == j) for j, n in enumerate(row)),
            int(row.sum()),
        ]
        for i, (name, row) in enumerate(zip(names, counts, strict=True))
    ]
    review = ["review"] * (counts.shape[1] - len(names))
    columns = [r"truth \ verdict", *map(Name, names), *review, "all"]
    title = f"Confusion matrix: {predicted.unit}s by class and verdict"
    return Table(title, [Column(column) for column in columns], rows)
