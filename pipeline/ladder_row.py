"""A line of the ladder's table: one rung on one split, over the seeds, as text and as data."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.cnn_network import VARIANTS
from pipeline.statistics.intervals import Intervals, known

TITLES = {name: variant.title for name, variant in VARIANTS.items()} | {
    "dense": "InceptionV3, dense head"
}
"""The rungs, from the write-up's first to its last."""

WRITE_UP = {"base": "overfits", "dropout": "about 75 %", "augmented": "", "dense": "about 88 %"}
"""Validation accuracies that the write-up gives, on its own 250 photographs."""

SPLITS = {"random": "random", "grouped": "by part"}
"""The write-up's split, then ours."""

COLUMNS = (
    ("train_accuracy", "train", "accuracy", "train accuracy"),
    ("validation_accuracy", "validation", "accuracy", "validation accuracy"),
    ("validation_balanced_accuracy", "validation", "balanced_accuracy", "… balanced"),
    ("validation_roc_auc", "validation", "roc_auc", "… ROC AUC"),
)
"""Column, side, score and title of each number in the table."""


class Row(NamedTuple):
    """One rung on one split.

    Attributes:
        rung, split: names of TITLES and SPLITS.
        seeds: runs behind it.
        mean, spread: over the seeds, by column; spread is the sample standard deviation, nan
            with one seed.
        write_up: the write-up's figure; "" where it gives none, or on another split.
    """

    rung: str
    split: str
    seeds: int
    mean: dict[str, float]
    spread: dict[str, float]
    write_up: str

    def cells(self, intervals: Intervals | None = None) -> list[str]:
        """The row as text, validation scores with their `intervals`."""
        numbers = [
            f"{self.mean[name]:.3f}"
            + (f" ± {self.spread[name]:.3f}" if self.seeds > 1 else "")
            + (intervals.text(score) if intervals and side == "validation" else "")
            for name, side, score, _ in COLUMNS
        ]
        return [TITLES[self.rung], SPLITS[self.split], *numbers, self.write_up]

    def bounds(self, intervals: Intervals) -> dict[str, float | None]:
        """Ends of the validation scores' intervals, by column and _low or _high."""
        found: dict[str, float | None] = {}
        for name, side, score, _ in COLUMNS:
            if side == "validation":
                low, high = intervals[score]
                found |= {f"{name}_low": known(low), f"{name}_high": known(high)}
        return found
