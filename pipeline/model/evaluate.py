"""Score a model on photographs that it never saw: its holdout, or a new labelled folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from features.arrays import Counts, Flags, Floats, Indices
from features.backbones.engines import DEFAULT_ENGINE
from features.cache.sample_table import TableRow
from features.errors import DataError
from features.extract import Progress
from pipeline.cnn.cnn import Cnn
from pipeline.data.classes import Classes
from pipeline.data.label_table import LabelRule
from pipeline.evaluation.band import REVIEW
from pipeline.evaluation.intervals import Intervals, intervals
from pipeline.evaluation.predictions import (
    Assessment,
    ClassScores,
    Predictions,
    class_scores,
)
from pipeline.evaluation.score_table import count_verdicts
from pipeline.groups.proposal import Proposal
from pipeline.groups.proposal_cache import like_known
from pipeline.groups.rules import GroupRule, apply_rule, number_groups
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import say_blind, say_unlike
from pipeline.model.folder_classes import LabelledFolder, counted_as, labelled, read_for
from pipeline.model.predict import proposed_parts
from pipeline.model.probabilities import PredictOptions, predict_holdout, predict_photographs
from pipeline.thresholds.outcome import Outcome


@dataclass(frozen=True)
class Mistake:
    """A photograph whose verdict is not its class; probability as in `Prediction`."""

    path: str
    truth: str
    verdict: str
    probability: float


@dataclass
class Evaluation:
    """Hold what a model is worth on a set of photographs.

    Attributes:
        what: the set, in words.
        assessment: scores with intervals of single photographs, each judged as if it were all
            there is of its part; what a person has to look at counts neither way.
        confusion: int64 (n_classes, n_classes), rows the truth, columns the verdict; one more
            column for a model with a review band: those that a person has to look at.
        classes: scores of each class, in the order of the classes' numbers.
        class_intervals: of each class against the rest; recall, precision and f1 are those scores.
        mistakes: the most certain wrong verdict first.
        notes: what was left out, and why.
        predicted: the photographs with what the model makes of them.
        data: the labelled folder; None for the holdout.
        cache_path: where the rows are.
        group_rule: where the parts are known from; "proposed" where nobody said.
        unreadable: photographs that could not be read.
        outcome: what the thresholds do, by part; None for more than two classes.
        proposal: the proposed groups of a new folder; None where some were given.
        parts: the parts, where they have several photographs and are judged as wholes; else None.
        part_assessment: their scores.
        wholes: whether parts are judged as wholes.
        strange: photographs of classes that the model does not know, by class: none of them counts.
        not_scored: which photographs do not count for want of a class, in words, with what to do.
        unlike: what is unlike anything that the model was trained on, in words, with counts of
            parts: their verdicts count here as the head gives them, `predict` sends them to a
            person; or that the model cannot tell; "" for none.
        known: how many of the photographs look so much like ones that the model was trained on
            that both surely show one part.
    """

    what: str
    assessment: Assessment
    confusion: Counts
    classes: list[ClassScores]
    class_intervals: list[Intervals]
    mistakes: list[Mistake]
    notes: list[str]
    predicted: Predictions
    data: Path | None
    cache_path: Path
    group_rule: GroupRule
    unreadable: list[TableRow]
    outcome: Outcome | None = None
    proposal: Proposal | None = None
    parts: Predictions | None = None
    part_assessment: Assessment | None = None
    wholes: bool = False
    unlike: str = ""
    known: int = 0
    strange: dict[str, int] = field(default_factory=dict)
    not_scored: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Say whether every photograph that the model may be scored on was."""
        return not (self.not_scored or self.unreadable)

    @property
    def one_class(self) -> bool:
        """Say whether all that was scored is of one of two classes: most scores say nothing."""
        return len(self.classes) == 2 and len(np.unique(self.predicted.y)) < 2


def evaluate_holdout(
    bundle: Bundle, cache_path: Path, progress: Progress | None = None
) -> Evaluation:
    """Score a model on the photographs that `fit` or `train_cnn` held out.

    Args:
        bundle: a loaded model.
        cache_path: the cache that the model was fitted on, or one with the same rows.
        progress: called as `progress(done, total)`.

    Returns:
        Scores from 0 to 1 with intervals; numbers that are not defined are nan.

    Raises:
        FingerprintError: the cache holds rows of other settings than the model's.
        CacheError: rows of the holdout are not in the cache.
        DataError: the model sees pixels, and files of the holdout are gone or were changed.
        BundleError: a stranger's model names a folder of photographs; see `Bundle.root`.

    Example:
        >>> found = onepass.evaluate_holdout(bundle, Path("features.h5"))
        >>> found.assessment.scores["roc_auc"], found.confusion.shape
        (1.0, (2, 2))
    """
    root = bundle.root
    table_rows, probabilities, strangeness = predict_holdout(bundle, cache_path, progress)
    groups = np.array([int(table_row.group) for table_row in table_rows], dtype=np.int64)
    folder = bundle.record.fit.folder
    predicted = _predictions(bundle, bundle.classes, root, table_rows, groups, probabilities)
    rule = folder.group_rule
    found = _evaluation("the holdout", predicted, [], None, cache_path, rule, [])
    found.unlike = _unlike(bundle, groups, strangeness)
    return _with_parts(found, bundle, probabilities)


@dataclass(frozen=True)
class EvaluateOptions:
    """Say how a labelled folder is read, and its missing rows computed.

    Attributes:
        positive: classes of the folder that count as defective beside those that the model knows.
        labels: where classes come from; None to look.
        group_rule: which photographs show one part; None to propose it for what is scored.
        weights: where the backbone's weights are now, if not where they were.
        engine: one of `features.backbones.engines.ENGINES`.
        classes: only these classes of the folder; None for all.

    Example:
        >>> EvaluateOptions(positive=["scratched"]).engine
        'auto'
    """

    positive: Sequence[str] | None = None
    labels: LabelRule | None = None
    group_rule: GroupRule | None = None
    weights: str | None = None
    engine: str = DEFAULT_ENGINE
    classes: Sequence[str] | None = None


def evaluate_folder(
    bundle: Bundle,
    data: Path,
    cache_path: Path,
    options: EvaluateOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Evaluation:
    r"""Score a model on a labelled folder; photographs that it was trained on are left out.

    Args:
        bundle: a loaded model.
        data: a folder, read as `extract` reads it.
        cache_path: has the rows, or gets them.
        options: None for `EvaluateOptions()`.
        progress: called as `progress(done, total)`.

    Returns:
        Scores from 0 to 1 with intervals; numbers that are not defined are nan.

    Raises:
        DataError: no class of the model in the folder, or nothing in it that is new.
        OnepassError: see `features.extract.extract`.

    Example:
        >>> options = onepass.EvaluateOptions(group_rule=onepass.GroupRule("regex", r"part-(\d+)"))
        >>> found = onepass.evaluate_folder(bundle, Path("data"), Path("features.h5"), options)
        >>> found.assessment.count
        18
    """
    options = options or EvaluateOptions()
    folder = read_for(bundle, data, options.labels, options.classes, options.positive)
    rule = options.group_rule or GroupRule()
    grouped = apply_rule(rule, labelled(bundle, folder.scan, folder.classes))
    how = PredictOptions(options.weights, options.engine)
    predicted = predict_photographs(bundle, grouped.photographs, cache_path, how, progress=progress)
    new, notes = _new_to(bundle, folder, predicted.table_rows)
    table_rows = [predicted.table_rows[number] for number in new]
    unreadable = [table_row for table_row in predicted.table_rows if table_row.reason]
    proposal = None
    if rule.from_photographs:
        files = [data / one.path for one in table_rows]
        made = proposed_parts(bundle, cache_path, table_rows, files, rule.gap, progress=progress)
        table_rows = made.applied(table_rows)
        if rule.kind == "none":
            proposal, rule = made, made.rule
        else:
            notes += made.notes
    P, groups = predicted.probabilities[new], number_groups(table_rows)
    new_ones = _predictions(bundle, folder.classes, data, table_rows, groups, P)
    notes += counted_as(bundle, folder.classes) + grouped.say()
    found = _evaluation(str(data), new_ones, notes, data, cache_path, rule, unreadable)
    found = _with_parts(found, bundle, P)
    found.proposal, found.strange, found.not_scored = proposal, folder.strange, folder.not_scored
    found.unlike = _unlike(bundle, groups, predicted.strangeness[new])
    if not isinstance(bundle.head, Cnn):
        like = like_known(cache_path, table_rows, sorted(bundle.trained_on()), progress=progress)
        found.known = int(like.sum())
    return found


def _new_to(
    bundle: Bundle, folder: LabelledFolder, table_rows: Sequence[TableRow]
) -> tuple[Indices, list[str]]:
    """Give the numbers of photographs that can be scored; say how many are left out, and why.

    Raises:
        DataError: the model learned from all that can be read.
    """
    trained_on = bundle.trained_on()
    known = np.array([table_row.digest in trained_on for table_row in table_rows])
    failed = np.array([bool(table_row.reason) for table_row in table_rows])
    new = np.flatnonzero(~known & ~failed)
    if not new.size:
        raise DataError(
            f"nothing in {folder.scan.root} is new to the model: it or its limit was made from "
            f"{known.sum()} photographs, {failed.sum()} cannot be read; expected others"
            + "".join(f"; {line}" for line in folder.not_scored)
        )
    left_out = (
        (int(known.sum()), "the model was made from"),
        (int(failed.sum()), "cannot be read"),
    )
    said = [f"left out: {n:,} photograph{'s' * (n != 1)} that {why}" for n, why in left_out if n]
    return new, [*said, *folder.notes]


def _unlike(bundle: Bundle, groups: Indices, strangeness: Floats) -> str:
    """Say how many parts are unlike the training photographs, or that the model cannot tell."""
    if bundle.familiar is None:
        return say_blind(pixels=isinstance(bundle.head, Cnn))
    parts = len(np.unique(groups))
    unlike = len(np.unique(groups[strangeness > 1]))
    said = say_unlike(unlike, parts, bundle.familiar.rate)
    return f"{said}; predict gives no verdict on them, here their verdicts count" if said else ""


def _predictions(
    bundle: Bundle,
    classes: Classes,
    root: Path,
    table_rows: Sequence[TableRow],
    groups: Indices,
    probabilities: Floats,
) -> Predictions:
    y = np.array([classes.number(table_row.label) for table_row in table_rows], dtype=np.int64)
    alone = bundle.decision.alone(probabilities)
    return Predictions(bundle.classes, root, table_rows, y, groups, alone, bundle.band)


def _with_parts(found: Evaluation, bundle: Bundle, P: Floats) -> Evaluation:
    """Add what the model makes of the parts; `P` as `Bundle.probabilities` gives them."""
    predicted, decision = found.predicted, bundle.decision
    if predicted.classes.binary:
        outcome = decision.outcome(predicted.y, P, predicted.groups)
        found.outcome = replace(outcome, told=found.group_rule.known)
    found.parts, found.wholes = decision.whole_parts(predicted, P), decision.of_wholes
    if found.parts is not None:
        found.part_assessment = Assessment.of_predictions(found.parts)
    return found


def _evaluation(
    what: str,
    predicted: Predictions,
    notes: list[str],
    data: Path | None,
    cache_path: Path,
    group_rule: GroupRule,
    unreadable: list[TableRow],
) -> Evaluation:
    classes, table_rows, y, verdicts = (
        predicted.classes,
        predicted.table_rows,
        predicted.y,
        predicted.verdicts,
    )
    confusion = count_verdicts(predicted)
    shown = predicted.shown
    wrong = np.flatnonzero((y != verdicts) & (verdicts != REVIEW))
    certainty = predicted.probabilities[np.arange(len(y)), verdicts]
    mistakes = [
        Mistake(
            table_rows[i].path, classes.names[y[i]], classes.names[verdicts[i]], float(shown[i])
        )
        for i in wrong[np.argsort(-certainty[wrong], kind="stable")]
    ]
    assessment = Assessment.of_predictions(predicted)
    each = class_scores(confusion, classes.names)
    spans = [
        _class_intervals(y == c, verdicts == c, predicted.groups) for c in range(len(classes.names))
    ]
    return Evaluation(
        what=what, assessment=assessment, confusion=confusion, classes=each, class_intervals=spans,
        mistakes=mistakes, notes=notes, predicted=predicted, data=data, cache_path=cache_path,
        group_rule=group_rule, unreadable=unreadable,
    )  # fmt: skip


def _class_intervals(truth: Flags, called: Flags, groups: Indices) -> Intervals:
    verdicts = np.column_stack([~called, called]).astype(np.float64)
    return intervals(truth.astype(np.int64), verdicts, groups)
