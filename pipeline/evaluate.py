"""Score a model on photographs that it never saw: its holdout, or a new labelled folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.errors import DataError
from features.extract import Progress
from features.samples import Sample
from pipeline.bundle import Bundle
from pipeline.fit import Assessment
from pipeline.groups import GroupRule, apply_rule, number_groups
from pipeline.judge import judge, judge_holdout
from pipeline.scan import scan_folder
from pipeline.thresholds.band import REVIEW
from pipeline.thresholds.parts import Outcome


@dataclass(frozen=True)
class Mistake:
    """A photograph whose verdict is not its class; probability as in `Prediction`."""

    path: str
    truth: str
    verdict: str
    probability: float


class ClassScores(NamedTuple):
    """One class against the rest; nan where it is not defined.

    Attributes:
        name: of the class.
        photographs: how many there are of it.
        recall: share of them with the right verdict.
        precision: share of right ones among the verdicts for it.
        f1: harmonic mean of the two.
    """

    name: str
    photographs: int
    recall: float
    precision: float
    f1: float


@dataclass
class Evaluation:
    """What a model is worth on a set of photographs.

    Attributes:
        what: the set, in words.
        assessment: scores with intervals; what is not passed counts as called defective.
        confusion: int64 (n_classes, n_classes), rows the truth, columns the verdict; one more
            column for a model with a review band: those that a person has to look at.
        classes: scores of each class, in the order of the classes' numbers.
        mistakes: the most certain wrong verdict first.
        notes: what was left out, and why.
        outcome: what the thresholds do, by part; None for more than two classes.
    """

    what: str
    assessment: Assessment
    confusion: npt.NDArray[np.int64]
    classes: list[ClassScores]
    mistakes: list[Mistake]
    notes: list[str]
    outcome: Outcome | None = None


def evaluate_holdout(
    bundle: Bundle, cache_path: Path, progress: Progress | None = None
) -> Evaluation:
    """Score a model on the photographs that `fit` or `train_cnn` held out.

    Raises:
        FingerprintError: the cache holds rows of other settings than the model's.
        CacheError: rows of the holdout are not in the cache.
        DataError: the model sees pixels, and files of the holdout are gone or were changed.
    """
    samples, probabilities = judge_holdout(bundle, cache_path, progress)
    groups = np.array([int(sample.group) for sample in samples], dtype=np.int64)
    return _evaluation(bundle, "the holdout", samples, groups, probabilities, [])


def evaluate_folder(
    bundle: Bundle,
    data: Path,
    cache_path: Path,
    *,
    group_rule: GroupRule | None = None,
    weights: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model on a labelled folder; photographs that it was trained on are left out.

    Raises:
        DataError: no class of the model in the folder, or nothing in it that is new.
        OnepassError: see `features.extract.extract`.
    """
    scan = scan_folder(data)
    labelled = [p for p in scan.photographs if p.label in bundle.classes.members]
    if not labelled:
        raise DataError(
            f"found the classes {', '.join(scan.class_names) or 'none'} in {data}; the model knows "
            f"{', '.join(bundle.classes.members)}; expected folders of these names"
        )
    photographs, _ = apply_rule(group_rule or GroupRule(), labelled)
    judged = judge(bundle, photographs, cache_path, weights=weights, progress=progress)
    trained_on = bundle.trained_on()
    known = np.array([sample.digest in trained_on for sample in judged.samples])
    failed = np.array([bool(sample.reason) for sample in judged.samples])
    new = np.flatnonzero(~known & ~failed)
    samples = [judged.samples[number] for number in new]
    if not samples:
        raise DataError(
            f"nothing in {data} is new to the model: {known.sum()} photographs were trained on, "
            f"{failed.sum()} cannot be read; expected photographs that it never saw"
        )
    left_out = (
        (known.sum(), "that the model was trained on are left out"),
        (failed.sum(), "cannot be read"),
        (len(scan.photographs) - len(labelled), "are in no class of the model"),
    )
    notes = [f"{count:,} photographs {why}" for count, why in left_out if count]
    groups = number_groups(samples)
    return _evaluation(bundle, str(data), samples, groups, judged.probabilities[new], notes)


def _evaluation(
    bundle: Bundle,
    what: str,
    samples: Sequence[Sample],
    groups: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    notes: list[str],
) -> Evaluation:
    classes = bundle.classes
    y = np.array([classes.members[sample.label] for sample in samples], dtype=np.int64)
    verdicts = bundle.decide(probabilities)
    n_classes = len(classes.names)
    confusion = np.zeros((n_classes, n_classes + bundle.band.has_review), dtype=np.int64)
    np.add.at(confusion, (y, np.where(verdicts == REVIEW, n_classes, verdicts)), 1)
    shown = probabilities[:, 1] if classes.binary else probabilities.max(axis=1)
    wrong = np.flatnonzero((y != verdicts) & (verdicts != REVIEW))
    certainty = probabilities[np.arange(len(y)), verdicts]
    mistakes = [
        Mistake(samples[i].path, classes.names[y[i]], classes.names[verdicts[i]], float(shown[i]))
        for i in wrong[np.argsort(-certainty[wrong], kind="stable")]
    ]
    assessment = Assessment.of(y, groups, probabilities, threshold=bundle.threshold)
    each = class_scores(confusion, classes.names)
    outcome = None
    if classes.binary:
        outcome = Outcome.of(y, probabilities[:, 1], groups, bundle.band)
    return Evaluation(what, assessment, confusion, each, mistakes, notes, outcome)


def class_scores(confusion: npt.NDArray[np.int64], names: Sequence[str]) -> list[ClassScores]:
    """Recall, precision and F1 of each class from a confusion matrix (classes, verdicts)."""
    right = np.diag(confusion).astype(np.float64)
    truths, verdicts = confusion.sum(axis=1), confusion.sum(axis=0)[: len(names)]
    with np.errstate(invalid="ignore"):
        columns = right / truths, right / verdicts, 2 * right / (truths + verdicts)
    return [
        ClassScores(name, int(truths[i]), *(float(column[i]) for column in columns))
        for i, name in enumerate(names)
    ]
