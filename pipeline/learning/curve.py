"""The learning curve of some heads: their scores against the number of parts in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from features.files import write_whole
from features.row_layout import FLAT
from pipeline.compare import compare
from pipeline.comparison_table import Comparison
from pipeline.dataset import Dataset
from pipeline.learning.draws import shrinking_folds
from pipeline.learning.forecast import Floats, Forecast, forecast
from pipeline.learning.picture import Series, learning_png
from pipeline.outputs import LEARNING, PICTURE, check_overwritable
from pipeline.spaces.entry import Entry
from pipeline.spaces.rows import comparable_rows
from pipeline.tables import to_csv

SHOWN = ("roc_auc", "balanced_accuracy")
"""The scores of a curve; verdicts are made at the threshold 0.5."""

Progress = Callable[[int, int, str], None]


class Size(NamedTuple):
    """One size of the training side: mean numbers over the draws.

    Attributes:
        parts: parts trained on.
        rarest: parts of the class that has fewest.
        photographs: photographs trained on.
    """

    parts: float
    rarest: float
    photographs: float


@dataclass(frozen=True)
class LearningCurve:
    """What `learning_curve` found.

    Attributes:
        result: every head on every training side; `repeat` is the draw, `fold` the size.
        sizes: the largest first.
        rarest: name of the class that has fewest parts.
        picture, table: the files that were written.
    """

    result: Comparison
    sizes: Sequence[Size]
    rarest: str
    picture: Path
    table: Path

    def scores(self, head: str, score: str) -> Floats:
        """float64 (draws, sizes) of one head."""
        found = np.array([r.scores[score] for r in self.result.of(head)])
        return found.reshape(-1, len(self.sizes))

    @cached_property
    def forecasts(self) -> dict[tuple[str, str], Forecast]:
        """By head and score, what twice as many parts would bring; of what is defined."""
        parts = np.array([size.parts for size in self.sizes])
        first = self.result.folds[0]
        share = len(first.test) / len(first.train)
        found = {}
        for head in self.result.heads:
            for score in SHOWN:
                values = self.scores(head, score)
                defined = values[np.isfinite(values).all(axis=1)]
                if len(defined) > 1:
                    found[head, score] = forecast(
                        parts, defined, tested_to_trained=share, seed=self.result.seed
                    )
        return found


def learning_curve(
    dataset: Dataset,
    out: Path,
    *,
    heads: Sequence[str],
    features: Sequence[str] | None = None,
    draws: int = 10,
    test_size: float = 0.25,
    seed: int = 0,
    n_jobs: int = -1,
    force: bool = False,
    progress: Progress | None = None,
) -> LearningCurve:
    """Train heads on fewer and fewer parts and write the curve as a picture and as CSV.

    Args:
        dataset: from `pipeline.dataset.load_dataset`.
        out: folder for learning-curve.png and learning-curve.csv.
        heads: names of `pipeline.heads.HEADS`.
        features: what they see, each head each of these; None for flat rows alone.
        draws: see `pipeline.learning.draws.shrinking_folds`, like the next two.
        test_size: share of the photographs held out.
        seed: of draws and heads.
        n_jobs: processes; -1 for one per core.
        force: replace the two files whoever wrote them.
        progress: called as `progress(fits done, fits in all, what was done)`.

    Raises:
        SplitError: too few parts of a class.
        HeadError, SpaceError: unknown heads or features.
        OutputError: a file is there that this program did not write.
    """
    picture, table = out / "learning-curve.png", out / "learning-curve.csv"
    check_overwritable(picture, PICTURE, force=force)
    check_overwritable(table, LEARNING, force=force)
    names = dataset.classes.names
    rounds = shrinking_folds(
        dataset.y, dataset.groups, draws=draws, test_size=test_size, seed=seed, class_names=names
    )
    result = compare(
        comparable_rows(dataset, features or (FLAT,)),
        dataset.y,
        dataset.groups,
        heads=heads,
        rounds=rounds,
        seed=seed,
        class_names=names,
        n_jobs=n_jobs,
        progress=progress,
    )
    sizes, rarest = _sizes(result)
    found = LearningCurve(result, sizes, names[rarest], picture, table)
    write_whole(table, _csv(found))
    write_whole(picture, learning_png(_series(found)))
    return found


def _sizes(result: Comparison) -> tuple[list[Size], int]:
    """Mean numbers of each size, the largest first, and the class that has fewest parts."""
    y, groups = result.y, result.groups
    classes = np.unique(y)
    counted = []
    for fold in result.folds:
        labels, parts = y[fold.train], groups[fold.train]
        each = [len(np.unique(parts[labels == c])) for c in classes]
        counted.append([len(np.unique(parts)), len(parts), *each])
    number = np.array([fold.fold for fold in result.folds])
    means = [np.array(counted)[number == size].mean(axis=0) for size in range(number.max() + 1)]
    rarest = int(np.mean(means, axis=0)[2:].argmin())
    sizes = [Size(float(m[0]), float(m[2 + rarest]), float(m[1])) for m in means]
    return sizes, int(classes[rarest])


def _series(found: LearningCurve) -> list[Series]:
    parts = [size.parts for size in found.sizes]
    return [
        Series(
            Entry.of(head).title,
            score,
            parts,
            found.scores(head, score),
            found.forecasts.get((head, score)),
        )
        for head in found.result.heads
        for score in SHOWN
    ]


def _csv(found: LearningCurve) -> str:
    columns = ["head", "features", "draw", "parts", "parts_of_rarest_class", "photographs", *SHOWN]
    rows = []
    for result in found.result.results:
        entry, size = Entry.of(result.head), found.sizes[result.fold]
        rows.append(
            {
                "head": entry.head,
                "features": entry.features,
                "draw": result.repeat,
                "parts": round(size.parts, 1),
                "parts_of_rarest_class": round(size.rarest, 1),
                "photographs": round(size.photographs, 1),
                **{
                    score: None if np.isnan(result.scores[score]) else result.scores[score]
                    for score in SHOWN
                },
            }
        )
    return to_csv(columns, rows)
