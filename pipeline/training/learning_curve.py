"""The learning curve of some heads: their scores against the number of parts in training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from features.errors import SplitError
from features.files import write_whole
from pipeline.data.dataset import Dataset, to_compare_on
from pipeline.data.splits import Fold, holdout
from pipeline.evaluation import metrics
from pipeline.evaluation.bootstrap import Parts
from pipeline.feature_specs.rows import comparable_rows
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.output.overwrite import LEARNING, PICTURE, REPORT, check_overwritable, remove_ours
from pipeline.output.result_table import Cell, Column, Estimate, Table
from pipeline.output.tables import MARK, to_csv
from pipeline.training.comparison import Comparison
from pipeline.training.cross_validate import CompareOptions, compare
from pipeline.training.forecast import Forecast, forecast

SHOWN = ("roc_auc", "balanced_accuracy")
TITLES = {name: metrics.TITLES[name] for name in SHOWN}
"""The scores of a curve; verdicts are made at the threshold 0.5."""

BAND = (0.1, 0.9)
"""Quantiles of the draws between which the band lies."""

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


class Span(NamedTuple):
    """One score over the draws: its mean, and the quantiles of `BAND`; nan where undefined."""

    mean: float
    low: float
    high: float


class CurveRow(NamedTuple):
    """One head at one size; `scores` by the names of `SHOWN`."""

    size: Size
    head: str
    scores: Mapping[str, Span]


@dataclass(frozen=True)
class CurveOptions:
    """Hold what a learning curve is of.

    Attributes:
        heads: names of `pipeline.heads.HEADS`.
        features: what they see, each head each of these.
        draws: see `pipeline.training.learning_curve.shrinking_folds`, like the next two.
        test_size: share of the photographs held out.
        seed: of draws and heads.
        jobs: processes; -1 for one per core.
        force: replace the two files whoever wrote them.

    Example:
        >>> CurveOptions(draws=4).heads
        ('logistic',)
    """

    heads: Sequence[str] = ("logistic",)
    features: Sequence[FeatureSpec] = (FLAT,)
    draws: int = 10
    test_size: float = 0.25
    seed: int = 0
    jobs: int = -1
    force: bool = False


@dataclass(frozen=True)
class LearningCurve:
    """Hold what `learning_curve` found.

    Attributes:
        result: every head on every training side; `repeat` is the draw, `fold` the size.
        sizes: the largest first.
        rarest: name of the class that has fewest parts.
        options: what it is of.
        table: the file that was written.
        page: where its report goes, see `pipeline.report.learning_curve_report`.
        note: that the holdout of a given split was not looked at; "" without one.
    """

    result: Comparison
    sizes: Sequence[Size]
    rarest: str
    options: CurveOptions
    table: Path
    page: Path
    note: str = ""

    def scores(self, head: str, score: str) -> Floats:
        """Give the scores, float64 (draws, sizes), of one head."""
        found = np.array([r.scores[score] for r in self.result.of(head)])
        return found.reshape(-1, len(self.sizes))

    def rows(self) -> list[CurveRow]:
        """Give the table: every size, the smallest first, and every head there."""
        return [
            CurveRow(size, head, {s: _span(self.scores(head, s)[:, number]) for s in SHOWN})
            for number, size in reversed(list(enumerate(self.sizes)))
            for head in self.result.heads
        ]

    def table_of_sizes(self) -> Table:
        """Give `rows` as a table; the band of the draws stands in brackets."""
        rows: list[list[Cell]] = [
            [
                *(f"{number:,.0f}" for number in row.size),
                row.head,
                *(Estimate(*row.scores[score]) for score in SHOWN),
            ]
            for row in self.rows()
        ]
        titles = ("parts", f"of {self.rarest}", "photographs")
        columns = [*map(Column, titles), Column("head", words=True), *map(Column, TITLES.values())]
        return Table("Mean score by size and head", columns, rows)

    def how(self) -> str:
        """Say how the numbers of the table were made."""
        draws = len({fold.repeat for fold in self.result.folds})
        low, high = (round(100 * quantile) for quantile in BAND)
        flat = set(self.options.features) == {FLAT}
        return (
            f"means over {draws} draws of whole parts, on parts held out; in brackets: {low} to "
            f"{high} % of the draws; verdicts at the threshold 0.5"
            f"{'; heads see flat rows, and others by --features' if flat else ''}"
        )

    def outlook(self) -> list[str]:
        """Say what twice as many parts would bring to each head, and what is not known."""
        told = [
            f"{name}: {ahead.sentence(TITLES[score])}"
            for (name, score), ahead in self.forecasts.items()
            if score == SHOWN[0]
        ]
        return [
            *told,
            "from a power law through the errors; it knows nothing of kinds of defects that nobody "
            "has photographed yet",
        ]

    @cached_property
    def forecasts(self) -> dict[tuple[str, str], Forecast]:
        """Say, by head and score, what twice as many parts would bring; of what is defined."""
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
    options: CurveOptions | None = None,
    *,
    progress: Progress | None = None,
) -> LearningCurve:
    """Train heads on fewer and fewer parts and write the curve as CSV.

    What a split that the folder came with holds out is not looked at: it is for `fit`.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        out: folder for learning-curve.csv, and learning-curve.html with the report of it. The
            picture that earlier versions drew there goes.
        options: None for `CurveOptions()`.
        progress: called as `progress(fits done, fits in all, what was done)`.

    Raises:
        SplitError: too few parts of a class.
        HeadError, FeatureSpecError: unknown heads, or features that the cache does not have.
        OutputError: a file is there that this program did not write.

    Example:
        >>> options = onepass.CurveOptions(heads=["ridge"], draws=2, jobs=1)
        >>> curve = onepass.learning_curve(dataset, Path("learning-curve"), options)
        >>> curve.scores("ridge", "roc_auc").shape == (2, len(curve.sizes))
        True
    """
    options = options or CurveOptions()
    table, page = out / "learning-curve.csv", out / "learning-curve.html"
    dataset.classes.require_defective("a learning curve")
    check_overwritable(page, REPORT, force=options.force)
    check_overwritable(table, LEARNING, force=options.force)
    dataset, _, note = to_compare_on(dataset, None)
    names = dataset.classes.names
    rounds = shrinking_folds(
        dataset.y, dataset.groups, draws=options.draws, test_size=options.test_size,
        seed=options.seed, class_names=names,
    )  # fmt: skip
    result = compare(
        comparable_rows(dataset, options.features, options.heads),
        dataset.y,
        dataset.groups,
        CompareOptions(heads=options.heads, seed=options.seed, jobs=options.jobs),
        rounds=rounds,
        class_names=names,
        progress=progress,
    )
    sizes, rarest = _sizes(result)
    found = LearningCurve(result, sizes, names[rarest], options, table, page, note)
    write_whole(table, MARK + _csv(found))
    remove_ours(out / "learning-curve.png", PICTURE)
    return found


def _span(scores: Floats) -> Span:
    """Sum up float64 (draws,), those that are defined."""
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return Span(math.nan, math.nan, math.nan)
    low, high = np.quantile(scores, BAND)
    return Span(float(scores.mean()), float(low), float(high))


def _sizes(result: Comparison) -> tuple[list[Size], int]:
    """Average numbers of each size, the largest first; name the class with fewest parts."""
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


def _csv(found: LearningCurve) -> str:
    columns = ["head", "features", "draw", "parts", "parts_of_rarest_class", "photographs", *SHOWN]
    rows = []
    for result in found.result.results:
        contender, size = found.result.contenders[result.head], found.sizes[result.fold]
        rows.append(
            {
                "head": contender.head,
                "features": contender.spec.text,
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


FEWEST = 2  # parts of a class in the smallest training side
MOST_SIZES = 8


def shrinking_folds(
    y: Indices,
    groups: Indices,
    *,
    draws: int = 10,
    test_size: float = 0.25,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> list[Fold]:
    """Make training sides of falling size, on the same held-out side within a draw.

    Args:
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        draws: how often parts are held out and put in order anew.
        test_size: share of the photographs held out.
        seed: of the draws.
        class_names: for messages.

    Returns:
        draws × sizes folds, the same sizes in every draw: `repeat` is the draw, `fold` the size
        from 0, the largest, on.

    Raises:
        SplitError: too few parts of a class for two sizes, one twice the other.
    """
    sides = [
        holdout(y, groups, test_size=test_size, seed=_seed(seed, draw), class_names=class_names)
        for draw in range(draws)
    ]
    parts = [Parts.of(y[train], groups[train]) for train, _ in sides]
    rarest = min(min(of.size(stratum) for stratum in of.strata) for of in parts)
    # As many halvings as leave every class its fewest parts.
    steps = int(2 * math.log2(rarest / FEWEST) + 1e-9) if rarest >= FEWEST else 0
    if steps < 2:
        raise SplitError(
            f"a class has {rarest} part{'' if rarest == 1 else 's'} to train on; expected at least "
            f"{2 * FEWEST}, to train on half of them as well; add more parts of this class"
        )
    return [
        Fold(draw, step, np.sort(train[rows]), test)
        for draw, ((train, test), of) in enumerate(zip(sides, parts, strict=True))
        for step, rows in enumerate(_nested(of, min(steps, MOST_SIZES - 1), _seed(seed, draw)))
    ]


def _seed(seed: int, draw: int) -> int:
    return int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])


def _nested(parts: Parts, steps: int, seed: int) -> list[Indices]:
    """List row numbers of the first parts of every class, fewer and fewer."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(parts.stratum == s)) for s in parts.strata]
    found = []
    for step in range(steps + 1):
        share = 2 ** (-step / 2)
        taken = [order[: max(FEWEST, round(share * len(order)))] for order in orders]
        found.append(np.flatnonzero(np.isin(parts.of_row, np.concatenate(taken))))
    return found
