"""Train one head on cached rows and judge it on photographs that it never saw.

Protocol: the photographs are split once, by part, into a training part and a holdout. Everything
that is fitted or chosen (scaling, hyper-parameters, epochs) is fitted or chosen on the training
part alone, calibration and thresholds too (`pipeline.thresholds.train`). The holdout is scored
once, and the model that is saved is the one that was scored; or, after a refit, the same
configuration trained on all photographs, with the thresholds and scores of the one that was scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Row
from pipeline.data.classes import Classes
from pipeline.data.dataset import Dataset, Labelled
from pipeline.data.given_split import GIVEN, choose_sides
from pipeline.data.lazy_rows import subset
from pipeline.data.splits import holdout
from pipeline.evaluation.metrics import score
from pipeline.evaluation.predictions import Assessment, Predictions, predictions_of_side
from pipeline.feature_specs.heads import Contender, on_cached_rows
from pipeline.feature_specs.rows import raw_rows, rows_in
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads import load_head_class
from pipeline.heads.base import AnyRows, predict_by_blocks
from pipeline.heads.calibration import Recalibration
from pipeline.heads.sides import rows_to_train, with_room
from pipeline.model.bundle import Model, save_bundle
from pipeline.model.familiar import familiar_file
from pipeline.model.files import check_replaceable
from pipeline.model.record import FitRecord, ModelRecord, RefitRecord, SplitRecord
from pipeline.model.selftest import MOST_ROWS
from pipeline.thresholds.claims import require_told, why_apart
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.rule import ThresholdRule
from pipeline.thresholds.train import Trained, TrainingRows, train
from pipeline.training.auto import AUTO, Choice, check_head, choose, specs_of
from pipeline.training.model_files import heatmaps_file, split_entries, unseen_file
from pipeline.training.optimism import Optimism, Rounds, measure_optimism
from pipeline.training.training_curves import CURVES, curves_csv

EpochProgress = Callable[[int, int, Mapping[str, float]], None]


@dataclass
class Fit:
    """Hold what `fit` made.

    Attributes:
        folder: the model.
        head: trained, after a refit on all photographs; of `train_cnn`, the CNN.
        classes: names and numbers.
        train, held_out: scores of the two sides, each photograph judged as if it were all there
            is of its part; what a person has to look at counts neither as right nor as wrong.
        seconds: of training.
        decision: the thresholds, what they were chosen on, and what they do to the holdout.
        calibration: of the head's probabilities; None where they are good as they are.
        sides: numbers of the photographs of the training part and of the holdout.
        predicted: the holdout's photographs with what the model makes of them.
        held_out_parts: scores of the holdout's parts, judged as wholes; None where each has one
            photograph or photographs are judged by themselves.
        parts: the holdout's parts, under the same condition.
        record: what was asked for: head, feature spec, split, settings; part of `model.json`.
        optimism: what the same head scores on the other kind of split; None where no two
            photographs belong together, or nobody asked.
        choice: how head and features were chosen; None where they were named.
    """

    folder: Path
    head: Model
    classes: Classes
    train: Assessment
    held_out: Assessment
    seconds: float
    decision: Decision
    calibration: Recalibration | None
    sides: tuple[Indices, Indices]
    predicted: Predictions
    record: FitRecord
    held_out_parts: Assessment | None = field(default=None, kw_only=True)
    parts: Predictions | None = field(default=None, kw_only=True)
    optimism: Optimism | None = field(default=None, kw_only=True)
    choice: Choice | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class FitOptions:
    """Hold what is asked for of `fit`.

    Attributes:
        head: a name of `pipeline.heads.HEADS`, or "auto": chosen on the training part.
        features: what the head sees of a photograph; None for what is best on the training part,
            of heads that see single values flat rows; see `pipeline.training.auto`.
        test_size: share of the photographs held out (0 to 1).
        split: "given": what the folder came with; "grouped": no part on both sides; "random":
            photographs at random. None for the given split where there is one, else "grouped".
        seed: of the split and the training.
        settings: of the head; what is not given is its default or chosen on the training part.
        threshold: how verdicts come from probabilities of a defect; None for the best balanced
            accuracy on out-of-fold probabilities, or 0.5 where there are too few parts. Also how
            the photographs of a part are judged together.
        force: replace a folder that holds something else than a model.
        optimism: train the head, thresholds included, a second time on the other kind of
            split, to tell how much a random one flatters; twice the time.
        refit: after the scores, train what was chosen on all photographs and save that; see
            `pipeline.model.record.RefitRecord`.

    Raises:
        HeadError: unknown head or setting.

    Example:
        >>> FitOptions(head="dense", settings={"epochs": 30}).seed
        0
    """

    head: str = AUTO
    features: FeatureSpec | None = None
    test_size: float = 0.25
    split: str | None = None
    seed: int = 0
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    threshold: ThresholdRule = field(default_factory=ThresholdRule)
    force: bool = False
    optimism: bool = True
    refit: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown heads and settings before rows are read."""
        check_head(self.head, self.settings)


def fit(
    dataset: Dataset,
    out: Path,
    options: FitOptions | None = None,
    *,
    progress: EpochProgress | None = None,
) -> Fit:
    """Train a head on the rows of a cache and save it as a model.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        out: the model's folder; a model that is there is replaced.
        options: None for `FitOptions()`.
        progress: called as `progress(epoch, epochs, scores)` over all fits; see
            `pipeline.thresholds.train.train`.

    Returns:
        The head with its threshold, and scores from 0 to 1 of photographs and parts that were held
        out.

    Raises:
        SplitError: too few photographs or parts.
        ThresholdError: too few parts for the threshold that is wanted, or wishes for one where
            there are more than two classes.
        FeatureSpecError: features that the cache does not have.
        OutputError: `out` is something else, or cannot be written.

    Example:
        >>> options = onepass.FitOptions(head="logistic", seed=1)
        >>> done = onepass.fit(dataset, Path("second"), options)
        >>> done.held_out.count, done.held_out.scores["roc_auc"]
        (18, 1.0)
    """
    options = options or FitOptions()
    features, seed, rule = options.features, options.seed, options.threshold
    _check(dataset, out, options)
    kind, sides = choose_sides(
        dataset.y, dataset.groups, dataset.given,
        kind=options.split, test_size=options.test_size, seed=seed,
        class_names=dataset.classes.names,
    )  # fmt: skip
    test_size = len(sides[1]) / len(dataset) if kind == GIVEN else options.test_size
    choice = choose(dataset, sides[0], head=options.head, features=features, seed=seed)
    part = _training_part(dataset, choice.contender, sides[0], test_size)
    made = train(
        choice.contender, part, rule, seed=seed, settings=options.settings, progress=progress
    )
    torn = len(np.intersect1d(dataset.groups[sides[0]], dataset.groups[sides[1]]))
    record = _record(dataset, options, choice, SplitRecord(kind, test_size, seed, torn))
    done = _predicted(made, dataset, sides, part.X, out, record)
    del part  # its rows make room for those of what comes
    done.choice = choice if len(choice.trials) > 1 else None
    if options.refit:
        done = _refitted(done, dataset, made)
    _save(done, dataset, made, force=options.force)
    if options.optimism and kind != GIVEN and dataset.y.any():
        done.optimism = _optimism(done, dataset, rule)
    return done


def _check(dataset: Dataset, out: Path, options: FitOptions) -> None:
    """Refuse, before hours of training, what cannot be written, claimed or seen."""
    check_replaceable(out, force=options.force)
    if dataset.y.any():  # of good parts alone nothing is claimed that parts on both sides break
        require_told(options.threshold, dataset.folder.group_rule.kind)
    rows_in(dataset, options.features or specs_of(dataset)[0], np.arange(1))


def _record(dataset: Dataset, options: FitOptions, choice: Choice, split: SplitRecord) -> FitRecord:
    """Note what was asked for and chosen, as it stands in `model.json`."""
    return FitRecord(
        head=choice.contender.head,
        folder=dataset.folder,
        split=split,
        spec=choice.contender.spec,
        fingerprint=dict(dataset.fields),
        settings=dict(options.settings),
        choice=choice.to_json() if len(choice.trials) > 1 else None,
        content=dataset.content,
    )


def _save(done: Fit, dataset: Dataset, made: Trained, *, force: bool) -> None:
    """Write the model with what its heatmaps and its self-test need."""
    spec, seed, sides = done.record.spec, done.record.split.seed, done.sides
    numbers = {"train": sides[0][made.learned], "holdout": sides[1]}
    learned = numbers["train"] if done.record.refit is None else np.arange(len(dataset))
    extra = heatmaps_file(done.head, dataset, learned, numbers["holdout"])
    extra |= familiar_file(dataset, spec, learned, seed)
    if made.predicted is not None:
        unseen = sides[0][made.predicted.rows]
        numbers |= {"threshold": unseen} if made.predicted.aside else {}
        extra["unseen.csv"] = unseen_file(dataset, unseen, made)
    inputs = raw_rows(dataset, spec, sides[0][:MOST_ROWS])
    save_fit(done, dataset, numbers, inputs, extra, drift_probe=dataset.drift_probe(), force=force)


def _refitted(done: Fit, dataset: Dataset, made: Trained) -> Fit:
    """Train what was scored on all photographs: same head, features, settings and seed."""
    spec, seed = done.record.spec, done.record.split.seed
    head = Contender(done.record.head, spec).make(seed=seed, settings=made.head.chosen)
    started, every = time.perf_counter(), np.arange(len(dataset))
    stored, n_classes = rows_in(dataset, spec, every), len(dataset.classes.names)
    rows = rows_to_train(stored, every, head)
    head.fit(rows, dataset.y, dataset.groups, n_classes=n_classes)
    refit = RefitRecord(len(dataset), len(np.unique(dataset.groups)), time.perf_counter() - started)
    model = on_cached_rows(head, spec, dataset.fields)
    return replace(done, head=model, record=replace(done.record, refit=refit))


def _training_part(
    dataset: Dataset, contender: Contender, side: Indices, test_size: float
) -> TrainingRows:
    stored = rows_in(dataset, contender.spec, side)
    (X,) = with_room([stored], [load_head_class(contender.head)])
    y, groups, names = dataset.y[side], dataset.groups[side], dataset.classes.names
    return TrainingRows(
        X,
        y,
        groups,
        names,
        test_size,
        why_apart(dataset.folder.group_rule.kind, dataset.y, dataset.groups),
    )


def _optimism(done: Fit, dataset: Dataset, rule: ThresholdRule) -> Optimism | None:
    """Give the head of `done` on the other kind of split; nothing of it is kept but the scores."""
    asked, head = done.record.split, done.record.head
    other = "random" if asked.kind == "grouped" else "grouped"

    def measure() -> Rounds:
        """Fit and score on the other kind of split."""
        names, seed = dataset.classes.names, asked.seed
        sides = holdout(
            dataset.y, dataset.groups, test_size=asked.test_size, seed=seed, kind=other,
            class_names=names,
        )  # fmt: skip
        features = done.record.spec
        contender = Contender(head, features)
        part = _training_part(dataset, contender, sides[0], asked.test_size)
        made = train(contender, part, rule, seed=seed, settings=done.record.settings)
        P = _chances(made, rows_in(dataset, features, sides[1]))
        table = made.decision.parts(dataset.y[sides[1]], P, dataset.groups[sides[1]])
        if done.held_out_parts is not None:
            scores = score(table.y, table.P, made.decision.band.limits)
        else:
            P = made.decision.alone(P)
            scores = score(dataset.y[sides[1]], P, made.decision.band.limits)
        return Rounds(head, [scores], [(sides[0][made.learned], sides[1])])

    measured = Rounds(head, [(done.held_out_parts or done.held_out).scores], [done.sides])
    return measure_optimism(measured, other, measure, dataset.groups, dataset.y)


def _chances(made: Trained, rows: AnyRows) -> Floats:
    """Predict calibrated probabilities (n, n_classes)."""
    own = predict_by_blocks(made.head, rows)
    return own if made.calibration is None else made.calibration.apply(own)


def _predicted(
    made: Trained,
    dataset: Dataset,
    sides: tuple[Indices, Indices],
    rows: AnyRows,
    out: Path,
    record: FitRecord,
) -> Fit:
    """Score what was trained on the rows that it learned from, and on the holdout."""
    train, test, features = sides[0][made.learned], sides[1], record.spec
    chances = (
        _chances(made, subset(rows, made.learned)),
        _chances(made, rows_in(dataset, features, test)),
    )
    decision, seed = made.decision, record.split.seed
    if dataset.classes.binary:
        outcome = decision.outcome(dataset.y[test], chances[1], dataset.groups[test])
        told = dataset.folder.group_rule.known
        decision = replace(decision, holdout=replace(outcome, told=told))
    on_train, on_test = (
        Assessment.of(
            dataset.y[side],
            dataset.groups[side],
            decision.alone(P),
            seed=seed,
            threshold=decision.band.limits,
            learned=learned,
        )
        for side, P, learned in zip((train, test), chances, (True, False), strict=True)
    )
    root = Path(dataset.folder.root)
    predicted = predictions_of_side(dataset, test, decision.alone(chances[1]), root, decision.band)
    model = on_cached_rows(made.head, features, dataset.fields)
    done = Fit(
        folder=out, head=model, classes=dataset.classes, train=on_train, held_out=on_test,
        seconds=made.seconds, decision=decision, calibration=made.calibration, sides=sides,
        predicted=predicted, record=record,
    )  # fmt: skip
    done.parts = decision.whole_parts(predicted, chances[1])
    if done.parts is not None:
        done.held_out_parts = Assessment.of_predictions(done.parts, seed=seed)
    return done


def save_fit(
    done: Fit,
    data: Labelled,
    sides: Mapping[str, Indices],
    inputs: npt.NDArray[Any],
    extra: Mapping[str, bytes] | None = None,
    *,
    drift_probe: Row | None = None,
    force: bool = False,
) -> None:
    """Write what was trained as a model.

    Args:
        done: of `fit` or `train_cnn`.
        data: what it was trained on.
        sides: numbers of the photographs by what they were for: "train", "holdout", and
            "threshold" for those that only the threshold was chosen on.
        inputs: see `pipeline.model.bundle.save_bundle`, like the three below.
        extra: further files by name.
        drift_probe: of the cache.
        force: replace whatever is there.

    Raises:
        OutputError: the folder is something else, or cannot be written.
    """
    scores = {"train": done.train.to_json(), "holdout": done.held_out.to_json()}
    if done.held_out_parts is not None:
        scores["holdout_parts"] = done.held_out_parts.to_json()
    record = ModelRecord(
        fit=done.record,
        title=done.head.title,
        chosen=dict(done.head.chosen),
        classes=data.classes,
        decision=done.decision,
        calibration=done.calibration,
        scores=scores,
        seconds=done.seconds,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    entries = split_entries(data, sides, all_learned=done.record.refit is not None)
    history = done.head.history
    curves = {CURVES: curves_csv(history).encode()} if history else {}
    files = curves | dict(extra or {})
    save_bundle(
        done.folder, done.head, record, entries, inputs, files, drift_probe=drift_probe, force=force
    )
