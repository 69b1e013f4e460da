"""Train a head, and choose its thresholds on parts of the training part that it did not learn from.

Protocol: nothing here sees the holdout. For balanced accuracy, costs or a review band the training
part is split into folds by part; a head is trained on all but one fold, settings and calibration
included, and judges that one; how photographs of a part are judged together and the thresholds are
chosen on the probabilities gathered so, and the model is trained on the whole training part. For a
claim (`pipeline.thresholds.claims`) parts are set aside, the model is trained on the others (and
the part rule chosen on them, by folds), and the thresholds are chosen on the parts set aside. A
threshold that is a number takes neither. Where all photographs are good there is only the share of
good parts that is rejected to choose by; see `pipeline.thresholds.good_alone`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from features.cluster.parallel import each, is_elsewhere
from features.errors import SplitError, ThresholdError
from pipeline.data.lazy_rows import StoredRows, subset
from pipeline.data.splits import Fold, folds
from pipeline.evaluation.band import REVIEW_NAME
from pipeline.evaluation.part_rules import ANY, MEAN
from pipeline.feature_specs.heads import Contender
from pipeline.heads import load_head_class, sides
from pipeline.heads.base import AnyRows, EpochProgress, Head, Scalar, predict_by_blocks
from pipeline.heads.calibration import Recalibration
from pipeline.heads.columns import ColumnSide
from pipeline.heads.gram import GramSide
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.sides import Side
from pipeline.heads.tuning import TrainingPart
from pipeline.thresholds.choose import Choice, OutOfFold, choose
from pipeline.thresholds.claims import set_aside
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.good_alone import choose_by_good, folds_of_good, wanted_share
from pipeline.thresholds.rule import ThresholdRule


class TrainingRows(NamedTuple):
    """The training part.

    Attributes:
        X: float32 (n, input_width), or rows that are still in the cache.
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for rows of one part.
        class_names: of two classes, the second is the defective one.
        test_size: share of the photographs that was held out.
        apart: why photographs are to be judged one by one; "" where nothing speaks against
            judging parts as wholes.
    """

    X: AnyRows
    y: Indices
    groups: Indices
    class_names: Sequence[str]
    test_size: float
    apart: str = ""


@dataclass(frozen=True)
class Trained:
    """A head with its thresholds.

    Attributes:
        head: trained.
        calibration: of its probabilities; None where they are good as they are.
        decision: the thresholds; what they do to the holdout is not known yet.
        learned: numbers of the photographs' rows that the head learned from.
        predicted: what the thresholds were chosen on; None where they were not chosen.
        p: float64, calibrated probabilities of a defect of the photographs that were judged, each
            as if it were all there is of a part.
        seconds: of training the head.
    """

    head: Head
    calibration: Recalibration | None
    decision: Decision
    learned: Indices
    predicted: OutOfFold | None
    p: Floats
    seconds: float


def train(
    contender: Contender,
    rows: TrainingRows,
    rule: ThresholdRule,
    *,
    seed: int = 0,
    settings: Mapping[str, Scalar] | None = None,
    progress: EpochProgress | None = None,
) -> Trained:
    """Train a head and choose its thresholds; see the protocol above.

    Args:
        contender: a head, and the feature spec that the rows are of.
        rows: the training part.
        rule: what is wanted of the thresholds.
        seed: of the head, the folds and what is set aside.
        settings: of the head; what is not given is its default or chosen on the training part.
        progress: called as `progress(epoch, epochs, scores)` over all fits; a fit without epochs
            counts as one.

    Raises:
        ThresholdError: too few parts for what is asked, or more than two classes.
        SplitError: too few parts for folds, where these were asked for.
        HeadError: unknown head or setting.
    """
    if (kind := load_head_class(contender.head)).space == "raw":
        sides.fitting([rows.X], [kind])
    maker = _Maker(contender, rows, rule, seed, settings, progress)
    if len(rows.class_names) != 2:
        return maker.without_choice(_of_many_classes(rule, len(rows.class_names), maker.part_rule))
    if rule.may_review and REVIEW_NAME in rows.class_names:
        raise ThresholdError(
            f"a class is called {REVIEW_NAME}, as is the verdict that a person has to look; "
            "expected another name; rename its folder"
        )
    if rule.method == "fixed":
        return maker.without_choice(Decision.not_chosen("", rule, maker.part_rule))
    # All healthy: nothing is known of defects, so the threshold rests on good parts.
    if not rows.y.any():
        return maker.with_good_alone()
    if rule.method == "claim":
        return maker.with_parts_aside()
    if kind.space == "rows":  # the last training keeps more: said before the first one, not behind
        sides.refuse_training(rows.X, [kind], kind.bytes_kept(*rows.X.shape))
    try:
        rounds = grouped_folds(
            rows.y, rows.groups, wanted=rule.folds, seed=seed, class_names=rows.class_names
        )
    except SplitError as error:
        if rule.asked:
            raise
        why = f"too few parts to choose a threshold on: {error}"
        return maker.without_choice(Decision.not_chosen(why, rule, maker.part_rule))
    return maker.with_folds(rounds)


def _of_many_classes(rule: ThresholdRule, n_classes: int, part_rule: str) -> Decision:
    if rule.asked:
        raise ThresholdError(
            f"found {n_classes} classes and a wish for the threshold; expected two classes, "
            "healthy and defective: of more the most probable one is the verdict; put several "
            "together with --positive, such as --positive Crack,Break"
        )
    note = "of more than two classes the most probable one is the verdict"
    return Decision.not_chosen(note, rule, part_rule)


@dataclass
class _Maker:
    """Hold what every way of training needs; see `train`."""

    contender: Contender
    rows: TrainingRows
    rule: ThresholdRule
    seed: int
    settings: Mapping[str, Scalar] | None
    progress: EpochProgress | None

    @property
    def everything(self) -> Indices:
        """Give the numbers of all rows."""
        return np.arange(len(self.rows.y))

    @property
    def part_rule(self) -> str:
        """Give the rule where nothing is there to choose one on."""
        return self.rule.part_rule or (ANY if self.rows.apart else MEAN)

    def without_choice(self, decision: Decision) -> Trained:
        """Train on everything; the decision is made already."""
        head, seconds = self._fit(self.everything, 0, 1)
        return Trained(head, None, decision, self.everything, None, np.empty(0), seconds)

    def with_folds(self, rounds: Sequence[Fold]) -> Trained:
        """Train on everything, and choose on out-of-fold predictions of it."""
        predicted = self._predicted_by_folds(self.everything, rounds, len(rounds) + 1)
        head, fit_seconds = self._fit(self.everything, len(rounds), len(rounds) + 1)
        return self._trained(head, self.everything, predicted, fit_seconds)

    def _predicted_by_folds(self, some: Indices, rounds: Sequence[Fold], fits: int) -> OutOfFold:
        """Predict `some` rows out of fold; the rounds number within these."""
        X, y, groups = self.rows.X, self.rows.y[some], self.rows.groups[some]
        started = time.perf_counter()
        if len(some) < len(X):
            X = subset(X, some)
            if isinstance(X, StoredRows):
                (X,) = sides.with_room([X], [load_head_class(self.contender.head)])
        rows = self.rows._replace(X=X, y=y, groups=groups)
        P = out_of_fold(
            self.contender, rows, rounds, seed=self.seed, settings=self.settings,
            progress=lambda number: self._says(number, fits),
        )  # fmt: skip
        seconds = time.perf_counter() - started
        fold = np.empty(len(y), dtype=np.int64)
        for one in rounds:
            fold[one.test] = one.fold
        return OutOfFold(some, y, groups, P[:, 1], fold, aside=False, seconds=seconds)

    def with_parts_aside(self) -> Trained:
        """Train without some parts, and choose on these: for claims."""
        X, y, groups, names, test_size, _ = self.rows
        aside = set_aside(self.rule, y, groups, seed=self.seed, test_size=test_size)
        learned = np.setdiff1d(self.everything, aside)
        # The rule comes from what the head learns from: parts set aside are for the claim alone.
        rounds = self._rounds_to_learn_the_rule(learned)
        fits = len(rounds) + 1
        by_folds = self._predicted_by_folds(learned, rounds, fits) if rounds else None
        head, fit_seconds = self._fit(learned, fits - 1, fits)
        started = time.perf_counter()
        p = predict_by_blocks(head, subset(X, aside))[:, 1]
        seconds = time.perf_counter() - started
        fold = fold_numbers(y[aside], groups[aside], self.rule.folds, self.seed, names)
        predicted = OutOfFold(aside, y[aside], groups[aside], p, fold, aside=True, seconds=seconds)
        return self._trained(head, learned, predicted, fit_seconds, by_folds)

    def with_good_alone(self) -> Trained:
        """Choose the threshold by the share of good parts that is rejected, out of fold."""
        _, y, groups, _, test_size, _ = self.rows
        share = wanted_share(self.rule)
        rounds = folds_of_good(y, groups, self.rule.folds, self.seed, test_size)
        P = out_of_fold(
            self.contender, self.rows, rounds, seed=self.seed, settings=self.settings,
            progress=lambda number: self._says(number, len(rounds) + 1),
        )  # fmt: skip
        head, seconds = self._fit(self.everything, len(rounds), len(rounds) + 1)
        decision = choose_by_good(P[:, 1], groups, share, self.rule)
        return Trained(head, None, decision, self.everything, None, np.empty(0), seconds)

    def _rounds_to_learn_the_rule(self, some: Indices) -> list[Fold]:
        """Make folds of rows to learn from; none where parts have one photograph."""
        y, groups = self.rows.y[some], self.rows.groups[some]
        if self.rule.part_rule == ANY or self.rows.apart or len(np.unique(groups)) == len(groups):
            return []
        try:
            return grouped_folds(
                y, groups, wanted=self.rule.folds, seed=self.seed,
                class_names=self.rows.class_names,
            )  # fmt: skip
        except SplitError:
            return []

    def _trained(
        self,
        head: Head,
        learned: Indices,
        predicted: OutOfFold,
        seconds: float,
        by_folds: OutOfFold | None = None,
    ) -> Trained:
        made: Choice = choose(
            predicted, self.rule, head.calibrate_on, learned=by_folds, apart=self.rows.apart
        )
        return Trained(head, made.calibration, made.decision, learned, predicted, made.p, seconds)

    def _fit(self, chosen: Indices, before: int, fits: int) -> tuple[Head, float]:
        """Train a head on these rows; give the seconds that it took, too."""
        X, y, groups, names, *_ = self.rows
        head = self.contender.make(seed=self.seed, settings=self.settings)
        whole = len(chosen) == len(y) and not isinstance(X, StoredRows)
        some = X if whole else sides.rows_to_train(X, chosen, head)
        started = time.perf_counter()
        says = self._says(before, fits)
        head.fit(some, y[chosen], groups[chosen], n_classes=len(names), progress=says)
        if head.history is None:
            says(1, 1, {})
        return head, time.perf_counter() - started

    def _says(self, before: int, fits: int) -> EpochProgress:
        """Report progress of one fit among several that are as long."""

        def say(epoch: int, epochs: int, scores: Mapping[str, float]) -> None:
            """Report an epoch, counted over all fits."""
            if self.progress is not None:
                self.progress(before * epochs + epoch, fits * epochs, scores)

        return say


def fold_numbers(
    y: Indices, groups: Indices, folds: int, seed: int, names: Sequence[str]
) -> Indices:
    """Find the fold of every row, int64 (n,); all 0 where the parts are too few for two."""
    numbers = np.zeros(len(y), dtype=np.int64)
    try:
        rounds = grouped_folds(y, groups, wanted=folds, seed=seed, class_names=names)
    except SplitError:
        return numbers
    for one in rounds:
        numbers[one.test] = one.fold
    return numbers


def grouped_folds(
    y: Indices, groups: Indices, *, wanted: int, seed: int, class_names: Sequence[str]
) -> list[Fold]:
    """Make as many folds as are wanted, or down to two where a class has too few parts.

    Raises:
        SplitError: a class has a single part, or parts of several classes cannot be dealt out.
    """
    for n_folds in range(wanted, 1, -1):
        try:
            return folds(y, groups, n_folds=n_folds, repeats=1, seed=seed, class_names=class_names)
        except SplitError:
            # Fewer than two are no folds: this error says which class lacks parts.
            if n_folds == 2:
                raise
    raise SplitError(f"{wanted} folds were asked for; expected 2 or more")


def out_of_fold(
    contender: Contender,
    rows: TrainingRows,
    rounds: Sequence[Fold],
    *,
    seed: int = 0,
    settings: Mapping[str, Scalar] | None = None,
    progress: Callable[[int], EpochProgress] | None = None,
) -> Floats:
    """Train a head on every fold's training side and judge the other side.

    Everything that the head fits or chooses, settings and calibration included, is fitted or
    chosen on the training side. The Gram matrix is computed once for all folds, which are trained
    here, or on a cluster (`features.cluster.parallel`).

    Args:
        contender: a head, and the feature spec that the rows are of.
        rows: what is trained on and judged.
        rounds: of one repeat, so that every row is tested once.
        seed: of the head.
        settings: of the head.
        progress: gives, for the number of a fold, what is called as `progress(epoch, epochs,
            scores)`; heads that do not train in epochs call it once, at the end.

    Returns:
        Probabilities (n, n_classes).
    """
    X, y, groups, n_classes = rows.X, rows.y, rows.groups, len(rows.class_names)
    head = contender.make(seed=seed, settings=settings)
    seen = sides.smaller_side(X, [head]) if isinstance(head, RowSpaceHead) else X
    taken = sides.training_memory([X], [head])
    training = _Training(contender, y, groups, n_classes, seed, settings)
    says = [progress(number) if progress else None for number in range(len(rounds))]
    afar = is_elsewhere()  # where nobody hears of epochs
    tasks = [(fold, None if afar else say) for fold, say in zip(rounds, says, strict=True)]
    found = np.full((len(y), n_classes), np.nan)
    made = each(_judge_fold, tasks, training, seen, taken=taken)
    for fold, say, P in zip(rounds, says, made, strict=True):
        found[fold.test] = P
        if afar and say is not None:
            say(1, 1, {})
    return found


@dataclass(frozen=True)
class _Training:
    """Hold what the training of every fold needs besides rows; see `out_of_fold`."""

    contender: Contender
    y: Indices
    groups: Indices
    n_classes: int
    seed: int
    settings: Mapping[str, Scalar] | None


def _judge_fold(
    task: tuple[Fold, EpochProgress | None], training: _Training, rows: AnyRows | Side
) -> Floats:
    """Train a head on a fold's training side; give the probabilities (m, n_classes) of the other.

    Args:
        task: the fold, and what hears of the head's epochs.
        training: what is common to the folds.
        rows: all rows, or for heads in the row space what describes them.
    """
    (_, _, train, test), say = task
    y, groups, n_classes = training.y[train], training.groups[train], training.n_classes
    head = training.contender.make(seed=training.seed, settings=training.settings)
    if isinstance(rows, GramSide | ColumnSide):
        assert isinstance(head, RowSpaceHead)
        part = TrainingPart(rows, train, y, groups, n_classes=n_classes, seed=training.seed)
        P = head.fit_on_spec(part).predict_on_spec(part.place(test))
    else:
        X = sides.rows_to_train(rows, train, head)
        head.fit(X, y, groups, n_classes=n_classes, progress=say)
        P = predict_by_blocks(head, subset(rows, test))
    if say is not None and head.history is None:
        say(1, 1, {})
    return P
