"""Linear heads: trained in the row space, saved as one coefficient per raw value and class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Row, Rows
from pipeline.heads.base import AnyRows
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.columns import COVARIANCES, ColumnSpace
from pipeline.heads.files import Arrays
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.hinge import bytes_of_machines, machines
from pipeline.heads.quasi_newton import Logistic, Solution, bytes_of_problems, minimise
from pipeline.heads.sides import AnyPlaced, Space
from pipeline.heads.svm import ALL_PAIRS, bytes_of_pairs, linear_machines
from pipeline.heads.tuning import INNER_FOLDS, TrainingPart

_BLOCK_ROWS = 256  # rows turned into float64 at a time


class Linear(NamedTuple):
    """coordinates @ weights + offset; one column for two classes, else one per class."""

    weights: Floats
    offset: Floats


class LinearHead(RowSpaceHead[Linear]):
    """A head whose logits are linear in the row.

    Whatever it was trained as, calibration included, it is kept as coefficients and intercepts: a
    scikit-learn LogisticRegression that is given these predicts the same on raw rows.

    Attributes:
        coefficients: change of the logit per raw value: float64 (1 or n_classes, input_width).
        intercepts: logits of a row of zeros: float64 (1 or n_classes,).
    """

    coefficients_: Floats
    intercepts_: Floats
    _model: Linear

    def train(
        self, space: Space, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Train on the classes that stand in `y`; an absent class gets a hopeless logit."""
        present, compact = np.unique(y, return_inverse=True)
        if self.n_classes == 2 or len(present) == self.n_classes:
            yield from self.train_compact(space, y, self.n_classes, candidates)
            return
        for weights, offset in self.train_compact(space, compact, len(present), candidates):
            if len(present) == 2:  # one logit for two classes: the same as 0 and this one
                weights = np.column_stack([np.zeros(len(weights)), weights])
                offset = np.append(0.0, offset)
            full = np.zeros((len(weights), self.n_classes))
            full[:, present] = weights
            offsets = np.full(self.n_classes, -1e3)
            offsets[present] = offset
            yield Linear(full, offsets)

    @abstractmethod
    def train_compact(
        self, space: Space, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Train one model per candidate; every class stands in `y`."""

    def decide(self, model: Linear, rows: AnyPlaced) -> Floats:
        """Compute decision values; see `RowSpaceHead.decide`."""
        values = rows.times(model.weights) + model.offset
        return values[:, 0] if values.shape[1] == 1 else values

    def decide_all(self, models: Iterable[Linear], rows: AnyPlaced) -> list[Floats]:
        """Compute decision values by each model, from one pass over the rows."""
        models = list(models)
        values = rows.times(np.column_stack([model.weights for model in models]))
        parts = np.split(values, len(models), axis=1)
        found = [part + model.offset for part, model in zip(parts, models, strict=True)]
        return [part[:, 0] if part.shape[1] == 1 else part for part in found]

    def finish(self, model: Linear, calibration: Calibration | None, space: Space) -> None:
        """Keep the model, its calibration folded in."""
        if calibration is not None:
            offset = model.offset @ calibration.slope + calibration.offset
            model = Linear(model.weights @ calibration.slope, offset)
        self._model = model

    def predict_on_spec(self, rows: AnyPlaced) -> Floats:
        """Predict probabilities of placed rows."""
        return probabilities(rows.times(self._model.weights) + self._model.offset)

    def to_raw(self, X: AnyRows, space: Space) -> None:
        """Fold the weights back: one coefficient per raw value."""
        mean, coefficients = space.components(X, self._model.weights)
        self.coefficients_ = np.ascontiguousarray(coefficients.T)
        self.intercepts_ = self._model.offset - mean @ coefficients

    def _predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities (n, n_classes) of raw rows."""
        blocks = [
            X[start : start + _BLOCK_ROWS] @ self.coefficients_.T + self.intercepts_
            for start in range(0, len(X), _BLOCK_ROWS)
        ]
        return probabilities(np.concatenate(blocks))

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats:
        """Give the coefficients, which hold everywhere: exact; see `Head.slopes`."""
        if self.n_classes == 2:
            return self.coefficients_ if target == 1 else -self.coefficients_
        slopes: Floats = self.coefficients_[[target]] - self.coefficients_.mean(axis=0)
        return slopes

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"coefficients": self.coefficients_, "intercepts": self.intercepts_}

    def _restore(self, arrays: Arrays) -> None:
        k = 1 if self.n_classes == 2 else self.n_classes
        self.coefficients_ = arrays.floats("coefficients", (k, self.input_width)).astype(np.float64)
        self.intercepts_ = arrays.floats("intercepts", (k,)).astype(np.float64)


class Problems(NamedTuple):
    """Hold m problems on the centred rows of a space, for its n rows and k outputs.

    Attributes:
        space: of the rows.
        targets: float64 (n, k), -1 and 1, as `signs` gives them.
        counted: float32 (n, m), 0 for rows that a problem does not see, else 1.
        penalties: float64 (m,), of half of the weights' squared length.
        choosing: whether they are only ranked; else they are kept.
    """

    space: Space
    targets: Floats
    counted: npt.NDArray[np.float32]
    penalties: Floats
    choosing: bool


class JointHead(LinearHead):
    """A head of one setting C, all of whose problems on the same rows are solved together."""

    @abstractmethod
    def solve(self, problems: Problems) -> Solution:
        """Solve them all, in the space's unit; every class stands among the targets."""

    def train_compact(
        self, space: Space, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Solve all candidates together; a model that is alone is the one that is kept."""
        penalties = np.array([space.unit**2 / candidate["C"] for candidate in candidates])
        counted = np.ones((len(y), len(candidates)), np.float32)
        choosing = len(candidates) > 1
        found = self.solve(Problems(space, signs(y, n_classes), counted, penalties, choosing))
        for weights, offset in zip(found.weights.swapaxes(0, 1), found.offset, strict=True):
            yield Linear(weights * space.unit, offset)

    def train_inside(
        self, part: TrainingPart, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Iterable[Linear]]:
        """Solve all inner folds together if rows outnumber values: they share their rows."""
        spaces = [fold.space for fold in part.inner]
        columns = [space for space in spaces if isinstance(space, ColumnSpace)]
        complete = all(len(np.unique(fold.y)) == self.n_classes for fold in part.inner)
        if not (columns and complete):
            yield from super().train_inside(part, candidates)
            return
        each, whole = len(candidates), columns[0].whole
        counted = np.column_stack([space.counted for space in columns]).astype(np.float32)
        penalties = np.array([space.unit**2 / c["C"] for space in columns for c in candidates])
        seen, targets = np.repeat(counted, each, axis=1), signs(part.y, self.n_classes)
        found = self.solve(Problems(whole, targets, seen, penalties, choosing=each > 1))
        solved = [
            Linear(weights * space.unit, offset + (space.mean - whole.mean) @ weights)
            for weights, offset, space in zip(
                found.weights.swapaxes(0, 1),
                found.offset,
                [space for space in columns for _ in candidates],
                strict=True,
            )
        ]
        for first in range(0, len(solved), each):
            yield solved[first : first + each]


_CHOSEN = 0.005
"""Of a logit: movement of decision values at which a model is kept; what remains is some tenfold of
it where little is regularised, and leaves probabilities within 0.002 of the solution."""

_TRIED, _TRIED_SHARE = 0.01, 0.002
"""The same of candidates, which are only ranked: in logits, and for their decision values."""


class LogisticHead(JointHead):
    """L2-regularised logistic regression; multinomial for more than two classes."""

    name = "logistic"
    title = "Logistic regression"
    defaults: ClassVar = {"C": 10.0}
    ranges: ClassVar = {"C": (1e-8, 1e8)}
    centred: ClassVar = True
    grid: ClassVar = {"C": (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)}

    @classmethod
    def bytes_beside(cls, n: int, d: int) -> int:
        """See `Head.bytes_beside`; of more than two classes more."""
        return bytes_of_problems(n, d, INNER_FOLDS * len(cls.grid["C"]))

    def solve(self, problems: Problems) -> Solution:
        """See `JointHead.solve`; by `quasi_newton.minimise`."""
        targets = (problems.targets > 0).astype(np.float32)[:, None, :]
        enough, share = (_TRIED, _TRIED_SHARE) if problems.choosing else (_CHOSEN, 0.0)
        return minimise(
            problems.space.centred_rows, Logistic(targets, problems.counted), problems.penalties,
            problems.space.axes, enough=enough, share=share,
        )  # fmt: skip


class RidgeHead(LinearHead):
    """Ridge regression on targets of -1 and 1, one per class; calibrated by a sigmoid."""

    name = "ridge"
    title = "Ridge"
    defaults: ClassVar = {"alpha": 1.0}
    ranges: ClassVar = {"alpha": (1e-8, 1e8)}
    covariances: ClassVar = COVARIANCES
    grid: ClassVar = {"alpha": (100.0, 10.0, 1.0, 0.1, 0.01, 0.001)}

    def train_compact(
        self, space: Space, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Solve the normal equations: in the row space one division, else one Cholesky factor."""
        targets = signs(y, n_classes)
        products = space.products(targets)
        for candidate in candidates:
            weights = space.solve(1.0, float(candidate["alpha"]), products)
            yield Linear(weights, targets.mean(axis=0))


_FEW, _TIMES = 500, 4
"""Rows up to which libsvm gets all of however few values, and beyond, rows for each value."""


class LinearSVMHead(JointHead):
    """Support vector machine with a linear kernel, one class against the rest; calibrated.

    Solved by libsvm on the Gram matrix (`svm`), or in the primal (`hinge`): of many rows of fewer
    values, and of rows of far fewer. LIBLINEAR would penalise the intercept, and the result would
    depend on where the rows are centred.
    """

    name = "linear-svm"
    title = "Linear SVM"
    defaults: ClassVar = {"C": 1.0}
    ranges: ClassVar = {"C": (1e-8, 1e8)}
    centred: ClassVar = True
    grid: ClassVar = {"C": (0.1, 1.0, 10.0, 100.0)}

    @classmethod
    def bytes_beside(cls, n: int, d: int) -> int:
        """See `Head.bytes_beside`; of more than two classes more."""
        few = min(n, ALL_PAIRS)
        pairs = bytes_of_pairs(few) + 8 * few * d
        if not _is_tall(n, d):
            return pairs
        many = bytes_of_machines(n, d, INNER_FOLDS * len(cls.grid["C"]))
        return max(many, pairs) if n <= 2 * ALL_PAIRS else many  # inner folds may be of few rows

    def train_compact(
        self, space: Space, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Train one machine per class, or a single one for two classes."""
        if isinstance(space, ColumnSpace) and _is_tall(len(y), len(space.mean)):
            yield from super().train_compact(space, y, n_classes, candidates)
            return
        targets = signs(y, n_classes)
        for weights, offset in linear_machines(
            space.train, targets, [float(candidate["C"]) for candidate in candidates]
        ):
            yield Linear(weights, offset)

    def train_inside(
        self, part: TrainingPart, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Iterable[Linear]]:
        """Train on all inner folds together where they are trained in the primal."""
        if _in_primal(part):
            yield from super().train_inside(part, candidates)
        else:
            yield from LinearHead.train_inside(self, part, candidates)

    def _choose(
        self, part: TrainingPart, candidates: Sequence[Mapping[str, Any]]
    ) -> tuple[int, Floats | None]:
        """Choose among rounded machines; decision values are those of the winner's sharp ones."""
        winner, decisions = super()._choose(part, candidates)
        if len(candidates) > 1 and _in_primal(part):
            decisions = super()._choose(part, [candidates[winner]])[1]
        return winner, decisions

    def solve(self, problems: Problems) -> Solution:
        """See `JointHead.solve`; each class of each problem is a machine of its own."""
        space, targets, counted, penalties, choosing = problems
        n, k = targets.shape
        each = (counted[:, :, None] * targets.astype(np.float32)[:, None, :]).reshape(n, -1)
        exact = not choosing or n <= ALL_PAIRS  # of few rows it is quickly done
        found = machines(space.centred_rows, each, np.repeat(penalties, k), space.axes, exact=exact)
        return Solution(found.weights.reshape(-1, len(penalties), k), found.offset.reshape(-1, k))


def _is_tall(n: int, d: int) -> bool:
    """Say whether machines on n rows of d values are trained in the primal.

    Where rows are many times as many as values, many of them lie inside the margin, and libsvm,
    which looks at pairs of these, takes many times as long.
    """
    return n > min(ALL_PAIRS, max(_FEW, _TIMES * d))


def _in_primal(part: TrainingPart) -> bool:
    """Say whether some inner fold is trained in the primal."""
    return any(
        isinstance(fold.space, ColumnSpace) and _is_tall(len(fold.y), len(fold.space.mean))
        for fold in part.inner
    )


def signs(y: Indices, n_classes: int) -> Floats:
    """Give targets -1 and 1: (n, 1) for class 1 of two classes, else (n, n_classes)."""
    classes = np.array([1]) if n_classes == 2 else np.arange(n_classes)
    return np.where(y[:, None] == classes, 1.0, -1.0)
