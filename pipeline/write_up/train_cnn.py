"""Train one of the write-up's CNNs on a folder and judge it on parts that it never saw.

Protocol: as in `fit`. The holdout is scored after every epoch for the curves, and nothing
is chosen on it: training runs for all its epochs, and the last epoch's weights are the model. Its
threshold is 0.5, as in the write-up. A part has one verdict, from the mean log-odds of its
photographs; where groups are proposed that mix classes, every photograph has its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from features.arrays import Floats, Indices
from features.photographs.recipe import get_recipe
from pipeline.cnn.cnn import Cnn
from pipeline.cnn.photograph_batches import PhotographSet, look, look_at_folder
from pipeline.data.folder_record import FolderRecord
from pipeline.data.given_split import choose_sides
from pipeline.evaluation.part_rules import ANY, MEAN
from pipeline.evaluation.predictions import Assessment, predictions_of_side
from pipeline.groups.rules import GroupRule
from pipeline.heads.base import EpochProgress
from pipeline.model.files import check_replaceable
from pipeline.model.probabilities import predict_pixels
from pipeline.model.record import FitRecord, SplitRecord
from pipeline.thresholds.claims import why_apart
from pipeline.thresholds.decision import Decision
from pipeline.training.fit import Fit, save_fit

RECIPE = "docs"
"""The recipe of the CNNs: the write-up's own."""

_SELF_TEST_PHOTOGRAPHS = 4


@dataclass
class CnnFit(Fit):
    """Hold what `train_cnn` made.

    Attributes:
        photographs: what it was trained and judged on, and what could not be read.
    """

    photographs: PhotographSet


@dataclass(frozen=True)
class CnnOptions:
    """Hold what is asked for of `train_cnn`.

    Attributes:
        variant: a name of `pipeline.cnn.cnn_network.VARIANTS`.
        epochs: passes over the training photographs.
        batch_size: photographs per step.
        seed: of the split and the training.
        split: "given", "grouped" or "random", as in `pipeline.training.fit.FitOptions`.
        test_size: share of the photographs held out (0 to 1).
        classes: only these class folders; None for all.
        positive: the classes that together are "defective"; None to tell by name.
        group_rule: which photographs show one part.
        force: replace a folder that holds something else than a model.

    Raises:
        DataError: there is no such variant.

    Example:
        >>> CnnOptions(variant="augmented").epochs
        30
    """

    variant: str = "base"
    epochs: int = 30
    batch_size: int = 32
    seed: int = 0
    split: str | None = None
    test_size: float = 0.25
    classes: Sequence[str] | None = None
    positive: Sequence[str] | None = None
    group_rule: GroupRule | None = None
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse an unknown variant before every photograph is read."""
        Cnn(self.variant, get_recipe(RECIPE), 2)


def train_cnn(
    data: Path,
    out: Path,
    options: CnnOptions | None = None,
    *,
    progress: EpochProgress | None = None,
) -> CnnFit:
    """Train a CNN from scratch on a folder of photographs and save it as a model.

    Args:
        data: one folder of photographs per class.
        out: the model's folder; a model that is there is replaced.
        options: None for `CnnOptions()`.
        progress: called as `progress(epoch, epochs, scores)`.

    Returns:
        The network with its threshold, and scores from 0 to 1 of what was held out.

    Raises:
        DataError: the folder, its classes or its groups cannot be used.
        TooManyFailuresError: more than a tenth of the photographs cannot be read.
        SplitError: too few photographs or parts.
        HeadError: the loss is no longer a number.
        OutputError: `out` is something else, or cannot be written.

    Example:
        >>> options = onepass.CnnOptions(epochs=2)
        >>> done = onepass.train_cnn(Path("data"), Path("cnn"), options)  # doctest: +SKIP
    """
    options = options or CnnOptions()
    check_replaceable(out, force=options.force)
    photographs = look_at_folder(
        data, get_recipe(RECIPE), classes=options.classes, positive=options.positive,
        group_rule=options.group_rule,
    )  # fmt: skip
    recipe, names = photographs.recipe, photographs.classes.names
    kind, sides = choose_sides(
        photographs.y, photographs.groups, photographs.given, kind=options.split,
        test_size=options.test_size, seed=options.seed, class_names=names,
    )  # fmt: skip
    cnn = Cnn(
        options.variant, recipe, len(names),
        seed=options.seed, epochs=options.epochs, batch_size=options.batch_size,
    )  # fmt: skip
    started = time.perf_counter()
    fit_cnn(cnn, photographs, *sides, progress=progress)
    record = FitRecord(
        head=cnn.name,
        folder=FolderRecord(str(photographs.root), photographs.group_rule),
        split=SplitRecord(kind, options.test_size, options.seed),
        sees="pixels",
        recipe=recipe.fields(),
        content=photographs.content,
    )
    done = _scored(out, cnn, photographs, sides, record, time.perf_counter() - started)
    few = photographs.photographs(sides[1][:_SELF_TEST_PHOTOGRAPHS])
    pixels = [seen.pixels for seen in look(few, recipe) if seen.pixels is not None]
    numbers = dict(zip(("train", "holdout"), sides, strict=True))
    save_fit(done, photographs, numbers, np.stack(pixels), force=options.force)
    return done


def _scored(
    out: Path,
    cnn: Cnn,
    photographs: PhotographSet,
    sides: tuple[Indices, Indices],
    record: FitRecord,
    seconds: float,
) -> CnnFit:
    """Score a trained CNN on both sides of its split."""
    chances = [predict_pixels(cnn, photographs.photographs(side)).probabilities for side in sides]
    seed = record.split.seed
    on_train, on_test = (
        Assessment.of(photographs.y[side], photographs.groups[side], P, seed=seed, learned=learned)
        for side, P, learned in zip(sides, chances, (True, False), strict=True)
    )
    decision = _decision(photographs, sides[1], chances[1])
    predicted = predictions_of_side(
        photographs, sides[1], chances[1], photographs.root, decision.band
    )
    done = CnnFit(
        folder=out, head=cnn, classes=photographs.classes, train=on_train, held_out=on_test,
        seconds=seconds, decision=decision, calibration=None, sides=sides, predicted=predicted,
        record=record, photographs=photographs,
    )  # fmt: skip
    done.parts = decision.whole_parts(predicted, chances[1])
    if done.parts is not None:
        done.held_out_parts = Assessment.of_predictions(done.parts, seed=seed)
    return done


def _decision(photographs: PhotographSet, test: Indices, P: Floats) -> Decision:
    """Give the fixed threshold with what it does to the holdout, by part."""
    y, groups = photographs.y, photographs.groups
    apart = why_apart(photographs.group_rule.kind, y, groups)
    decision = Decision.not_chosen(part_rule=ANY if apart else MEAN)
    if not photographs.classes.binary:
        return decision
    return replace(decision, holdout=decision.outcome(y[test], P, groups[test]))


def fit_cnn(
    cnn: Cnn,
    photographs: PhotographSet,
    train: Indices,
    test: Indices,
    *,
    progress: EpochProgress | None = None,
) -> None:
    """Train a CNN on one side of a split, with the other side in its curves."""
    files = [[p.file for p in photographs.photographs(side)] for side in (train, test)]
    y = photographs.y
    cnn.fit(files[0], y[train], validation=(files[1], y[test]), progress=progress)
