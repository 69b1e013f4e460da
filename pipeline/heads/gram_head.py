"""Say what heads in the row space have in common: choosing, calibrating, going back to raw rows."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np

from features.arrays import Floats, Indices
from pipeline.heads.base import AnyRows, EpochProgress, Head, Scalar
from pipeline.heads.calibration import Calibration
from pipeline.heads.sides import AnyPlaced, Space, smaller_side
from pipeline.heads.tuning import TrainingPart, auc, best_candidate

Model = TypeVar("Model")


class RowSpaceHead(Head, Generic[Model]):
    """A head that trains on coordinates in the row space.

    Attributes:
        grid: candidates by setting, the most regularised first. A setting that the caller gave
            is not searched.
        centred: whether it trains on the centred rows as an array, where these outnumber values.
            They stay with their space, which heads share.
        covariances: matrices of the size of the values' covariance that stay there, too.
        calibrated: whether the decision values still have to become probabilities.
    """

    space: ClassVar[Literal["rows", "raw"]] = "rows"
    grid: ClassVar[Mapping[str, tuple[Scalar, ...]]]
    centred: ClassVar[bool] = False
    covariances: ClassVar[int] = 0
    calibrated: ClassVar[bool] = False

    @abstractmethod
    def train(
        self, space: Space, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Model]:
        """Train one model per candidate, in their order, on the training rows of `space`."""

    @abstractmethod
    def decide(self, model: Model, rows: AnyPlaced) -> Floats:
        """Compute decision values: (m,) of class 1 for two classes, else (m, n_classes)."""

    def train_inside(
        self, part: TrainingPart, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Iterable[Model]]:
        """Train one model per candidate on each inner fold of the part, in the folds' order."""
        for fold in part.inner:
            yield self.train(fold.space, fold.y, candidates)

    def decide_all(self, models: Iterable[Model], rows: AnyPlaced) -> list[Floats]:
        """Compute decision values by each model."""
        return [self.decide(model, rows) for model in models]

    @abstractmethod
    def predict_on_spec(self, rows: AnyPlaced) -> Floats:
        """Predict (m, n_classes) of rows placed in the space of the head's training."""

    @abstractmethod
    def to_raw(self, X: AnyRows, space: Space) -> None:
        """Make `predict_proba` work on raw rows; X are the training rows."""

    @abstractmethod
    def finish(self, model: Model, calibration: Calibration | None, space: Space) -> None:
        """Keep the model that was trained on all rows."""

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        """Train on rows; see `Head._fit`."""
        side = smaller_side(X, [self], kept=self.bytes_kept(*X.shape))
        part = TrainingPart(
            side, np.arange(len(y)), y, groups,
            n_classes=self.n_classes, seed=self.seed,
        )  # fmt: skip
        self._learn(part)
        self.to_raw(X, part.space)

    def fit_on_spec(self, part: TrainingPart) -> Self:
        """Choose settings on the inner folds, then train on all rows of the part.

        Only `predict_on_spec` works afterwards; `fit` goes on to raw rows.
        """
        self._start(part.input_width, part.y, np.arange(part.n_classes))
        self._learn(part)
        return self

    def _learn(self, part: TrainingPart) -> None:
        candidates = self._candidates(part)
        winner, decisions = self._choose(part, candidates)
        self._chosen = dict(candidates[winner])
        model = next(iter(self.train(part.space, part.y, [candidates[winner]])))
        calibration = None
        if not self.calibrated:
            if decisions is None:  # no inner folds: the rows trained on are all there is
                decisions = self.decide(model, part.space.train)
            calibration = Calibration.fit(decisions, part.y, part.n_classes)
        self.finish(model, calibration, part.space)

    def decisions_inside(self, part: TrainingPart) -> Floats | None:
        """Compute decision values of a part's rows, each by a model not trained on it.

        The settings are the best of the inner folds.

        Returns:
            float64 (n,) for two classes, else (n, n_classes); None where no folds can be made.
        """
        self._start(part.input_width, part.y, np.arange(part.n_classes))
        return self._choose(part, self._candidates(part))[1]

    def _candidates(self, part: TrainingPart) -> list[dict[str, Scalar]]:
        base, given = self.chosen, self.settings
        free = {k: v for k, v in self.grid.items() if k not in given}
        if not part.inner:
            return [base]
        return [
            base | dict(zip(free, values, strict=True))
            for values in itertools.product(*free.values())
        ]

    def _choose(
        self, part: TrainingPart, candidates: Sequence[Mapping[str, Any]]
    ) -> tuple[int, Floats | None]:
        """Give the winner's number and its decision values on rows that it was not trained on."""
        if not part.inner or (self.calibrated and len(candidates) == 1):
            return 0, None
        aucs, held = [], []
        for fold, models in zip(part.inner, self.train_inside(part, candidates), strict=True):
            decisions = self.decide_all(models, fold.test)
            aucs.append([auc(part.y[fold.test_rows], values) for values in decisions])
            held.append(decisions)
        winner = best_candidate(aucs)
        out_of_fold = np.empty((len(part.y), *held[0][winner].shape[1:]))
        for fold, decisions in zip(part.inner, held, strict=True):
            out_of_fold[fold.test_rows] = decisions[winner]
        return winner, out_of_fold
