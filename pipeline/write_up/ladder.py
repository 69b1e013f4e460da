"""Runs of the write-up's ladder to its table, its training curves, its sheet and its words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from features.files import write_whole
from pipeline.cnn.cnn_network import VARIANTS
from pipeline.cnn.photograph_batches import PhotographSet
from pipeline.evaluation.band import DEFAULT_THRESHOLD, Band
from pipeline.evaluation.intervals import (
    VARIED_METHOD,
    Intervals,
    Round,
    intervals_over_rounds,
    known,
)
from pipeline.heatmaps.prediction_sheet import prediction_sheet
from pipeline.model.predict import Prediction, verdict
from pipeline.output.overwrite import CURVES_PICTURE, remove_ours
from pipeline.output.tables import MARK, to_csv
from pipeline.training.training_curves import mean_history

Run = Mapping[str, Any]
"""One trained rung: rung, split, seed, train and validation scores, history, verdicts."""

_NOTHING = 0.01  # above chance: a model that always calls one class has learned nothing
_SOME = 0.05  # like it, of the training photographs, which noise alone lets a little stand out
_FALLING = 0.9  # a loss below this share of what it was falls
_KNOWN = 0.98  # accuracy in training from which on more epochs teach nothing more
_BY_HEART = 0.1  # balanced accuracy in training above that of other photographs


@dataclass
class Ladder:
    """All rungs on both splits.

    Attributes:
        photographs: that they were trained and judged on.
        epochs: of each run.
        runs: one for each rung, split and seed.
    """

    PAGE: ClassVar[str] = "report.html"
    """Name of the file that its report goes to, beside the tables."""

    photographs: PhotographSet
    epochs: int
    runs: Sequence[Run]

    def rows(self) -> list[Row]:
        """Give the table, rung by rung."""
        return [self._row(rung, split) for rung in TITLES for split in SPLITS]

    def _row(self, rung: str, split: str) -> Row:
        runs = self._of(rung, split)
        values = {
            name: np.array([run[side][score] for run in runs], dtype=np.float64)
            for name, side, score, _ in COLUMNS
        }
        return Row(
            rung,
            split,
            len(runs),
            {name: float(v.mean()) for name, v in values.items()},
            {name: float(v.std(ddof=1)) if len(v) > 1 else np.nan for name, v in values.items()},
            WRITE_UP[rung] if split == "random" else "",
        )

    def _of(self, rung: str, split: str) -> list[Run]:
        return [run for run in self.runs if (run["rung"], run["split"]) == (rung, split)]

    @cached_property
    def intervals(self) -> dict[tuple[str, str], Intervals]:
        """Give the validation scores by rung and split, as means over the seeds.

        They respect parts on both splits, but on the random one they enclose a flattered score.
        """
        table_rows = self.photographs.table_rows
        numbers = {table_row.path: number for number, table_row in enumerate(table_rows)}
        return {
            (rung, split): intervals_over_rounds(
                self.photographs.y,
                self.photographs.groups,
                [
                    Round(
                        np.array([numbers[entry["path"]] for entry in run["verdicts"]]),
                        np.array([entry["probabilities"] for entry in run["verdicts"]]),
                    )
                    for run in self._of(rung, split)
                ],
                training_varies=True,
            )
            for rung in TITLES
            for split in SPLITS
        }

    def table(self) -> list[list[str]]:
        """Give the table as text, its head first."""
        head = ["model", "split", *(title for *_, title in COLUMNS), "the write-up"]
        return [head, *(row.cells(self.intervals[row.rung, row.split]) for row in self.rows())]

    def about_intervals(self, where: str = "In brackets") -> str:
        """Say how the intervals that stand `where` were made, or why there are none."""
        reasons = {found.reason for found in self.intervals.values()} - {""}
        why = f"; none where {' or '.join(sorted(reasons))}" if reasons else ""
        methods = dict.fromkeys(f.method for f in self.intervals.values() if not f.reason)
        how = " or ".join(methods) or VARIED_METHOD
        return f"{where}: 95 % intervals ({how}){why}."

    def describe(self) -> str:
        """Say what was trained on what, in one line."""
        y, held = self.photographs.y, self.runs[0]["validation"]["photographs"]
        counts = np.bincount(y, minlength=len(self.photographs.classes.names))
        classes = ", ".join(
            f"{count:,} {name}"
            for name, count in zip(self.photographs.classes.names, counts, strict=True)
        )
        parts = len(np.unique(self.photographs.groups))
        seeds = len({run["seed"] for run in self.runs})
        return (
            f"{len(y):,} photographs of {parts:,} parts ({classes}); random split: "
            f"{len(y) - held:,} for training, {held:,} for validation; {self.epochs} epochs; "
            f"{seeds} seed{'s: mean ± standard deviation' if seeds > 1 else ''}. "
            f"Always calling the commonest class would be right for "
            f"{100 * (counts.max() / len(y)):.1f} %."
        )

    def words(self) -> list[str]:
        """Say how far the random split flatters, rung by rung and over all.

        Told from balanced accuracy: the write-up's split is not stratified, so that its sides
        differ from ours in their shares of the classes, and plain accuracy with them.
        """
        if len(np.unique(self.photographs.groups)) == len(self.photographs):
            return [
                "No two photographs are known to show one part, so both splits are random ones, "
                "and how far that flatters cannot be told; say which do with --groups or "
                "--group-regex.",
                *self.training_words(),
            ]
        means = {(r.rung, r.split): r.mean["validation_balanced_accuracy"] for r in self.rows()}
        chance = 1 / len(self.photographs.classes.names)
        lines, gaps = [], []
        for rung, title in TITLES.items():
            random, grouped = means[rung, "random"], means[rung, "grouped"]
            if max(random, grouped) <= chance + _NOTHING:
                found = (
                    f"no better than chance, so there is nothing to flatter ({100 * chance:.0f} %)"
                )
            else:
                gaps.append(random - grouped)
                found = _verdict(gaps[-1])
            lines.append(
                f"{title}: balanced accuracy {100 * random:.1f} % on the random split, "
                f"{100 * grouped:.1f} % on "
                f"parts never seen: {found}."
            )
        if len(gaps) > 1:
            mean = _verdict(float(np.mean(gaps)))
            lines.append(f"Over the {len(gaps)} models that learned something, {mean}.")
        return lines + self.training_words()

    def training_words(self) -> list[str]:
        """Say which models learned nothing, were trained too briefly, or only by heart."""
        chance = 1 / len(self.photographs.classes.names)
        found = []
        for rung, title in TITLES.items():
            runs = [run for run in self.runs if run["rung"] == rung]
            said = training_verdict(runs, chance)
            found += [f"{title}: {said}."] if said else []
        return found

    def write(self, folder: Path) -> list[Path]:
        """Write table.csv, table.json, table.md and sheet.png; drop an earlier version's curves."""
        contents: dict[str, str | bytes] = {
            "table.csv": MARK + self._csv(),
            "table.json": self._json(),
            "table.md": self._markdown(),
            "sheet.png": prediction_sheet(self.photographs.classes, self.verdicts()),
        }
        for name, content in contents.items():
            write_whole(folder / name, content)
        remove_ours(folder / "curves.png", CURVES_PICTURE)
        return [folder / name for name in contents]

    def _csv(self) -> str:
        names = [name for name, *_ in COLUMNS]
        columns = ["rung", "split", "seeds"]
        columns += [column for name in names for column in (name, f"{name}_spread")]
        columns += [f"{name}_{end}" for name in names[1:] for end in ("low", "high")]
        rows = [
            {"rung": row.rung, "split": row.split, "seeds": row.seeds, "write_up": row.write_up}
            | _finite(row.mean)
            | {f"{name}_spread": value for name, value in _finite(row.spread).items()}
            | row.bounds(self.intervals[row.rung, row.split])
            for row in self.rows()
        ]
        return to_csv([*columns, "write_up"], rows)

    def _json(self) -> str:
        record = {
            "about": self.describe(),
            "says": self.words(),
            "interval_method": VARIED_METHOD,
            "epochs": self.epochs,
            "rows": [
                row._asdict()
                | {"mean": _finite(row.mean), "spread": _finite(row.spread)}
                | {"intervals_95": row.bounds(self.intervals[row.rung, row.split])}
                for row in self.rows()
            ],
        }
        return json.dumps(record, indent=1)

    def _markdown(self) -> str:
        head, *rows = self.table()
        lines = [head, ["---"] * len(head), *rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        words = "\n".join(f"- {line}" for line in self.words())
        return f"{self.describe()}\n\n{table}\n\n{self.about_intervals()}\n\n{words}\n"

    def history(self, rung: str, split: str) -> list[dict[str, float]]:
        """Give the training curves of a rung on a split, as means over the seeds."""
        return mean_history([run["history"] for run in self._of(rung, split)])

    def verdicts(self) -> list[Prediction]:
        """Give the last rung's verdicts on parts never seen, of its first seed."""
        classes = self.photographs.classes
        return [
            verdict(
                classes,
                np.array(entry["probabilities"]),
                Band.at(DEFAULT_THRESHOLD),
                entry["path"],
                self.photographs.root / entry["path"],
                classes.names[entry["truth"]],
            )
            for entry in self._of("dense", "grouped")[0]["verdicts"]
        ]


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Put None for what is not defined: JSON has no nan."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def training_verdict(runs: Sequence[Run], chance: float) -> str:
    """Say what is to be known of how a rung was trained; "" for nothing.

    Args:
        runs: of one rung.
        chance: balanced accuracy of a model that always calls one class.
    """
    learned = [run["train"]["balanced_accuracy"] > chance + _SOME for run in runs]
    said, epochs = [], len(runs[0]["history"])
    if (failed := len(runs) - sum(learned)) > 0:
        said.append(
            f"learned nothing in {failed} of {len(runs)} runs: not even the training photographs "
            "are told apart"
        )
    before, behind = _loss_of_thirds([run["history"] for run in runs])
    right = np.mean([run["train"]["accuracy"] for run in runs])
    if behind < _FALLING * before and right < _KNOWN:
        said.append(
            f"{epochs} epochs were too few: the loss in training still falls, from {before:.2f} in "
            f"the second third to {behind:.2f} in the last; try --epochs {2 * epochs}"
        )
    seen, new = (
        float(np.mean([run[side]["balanced_accuracy"] for run in runs]))
        for side in ("train", "validation")
    )
    if any(learned) and seen - new > _BY_HEART:
        said.append(
            f"overfits: balanced accuracy {100 * seen:.1f} % in training, {100 * new:.1f} % on "
            f"other photographs"
        )
    return "; ".join(said)


def _loss_of_thirds(histories: Sequence[Sequence[Mapping[str, float]]]) -> tuple[float, float]:
    """Give the mean loss in training in the second and the last third of the epochs, or nan."""
    third = len(histories[0]) // 3
    if not third:
        return np.nan, np.nan
    losses = np.array([[entry["loss"] for entry in history] for history in histories]).mean(axis=0)
    return float(losses[-2 * third : -third].mean()), float(losses[-third:].mean())


def _verdict(optimism: float) -> str:
    if not np.isfinite(optimism):
        return "how far the random split flatters cannot be told, for a side lacks a class"
    if optimism > 0.005:
        return f"the random split flatters by {100 * optimism:.1f} points"
    if optimism < -0.005:
        return (
            f"the random split is {-100 * optimism:.1f} points lower, so no flattery is seen here"
        )
    return "the random split makes no difference"


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
        """Give the row as text, validation scores with their `intervals`."""
        numbers = [
            f"{self.mean[name]:.3f}"
            + (f" ± {self.spread[name]:.3f}" if self.seeds > 1 else "")
            + (intervals.text(score) if intervals and side == "validation" else "")
            for name, side, score, _ in COLUMNS
        ]
        return [TITLES[self.rung], SPLITS[self.split], *numbers, self.write_up]

    def bounds(self, intervals: Intervals) -> dict[str, float | None]:
        """Give the ends of the validation scores' intervals, by column and _low or _high."""
        found: dict[str, float | None] = {}
        for name, side, score, _ in COLUMNS:
            if side == "validation":
                low, high = intervals[score]
                found |= {f"{name}_low": known(low), f"{name}_high": known(high)}
        return found
