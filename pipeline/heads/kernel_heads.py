"""Heads that see distances: trained in the row space, saved with the projection into it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from features.errors import BundleError
from pipeline.heads.base import AnyRows, as_probabilities
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.files import load_array, load_estimator, save_array, save_estimator
from pipeline.heads.gram import Placed, RowSpace, place_rows
from pipeline.heads.gram_head import Model, RowSpaceHead
from pipeline.heads.linear_heads import Linear, LinearHead, signs


class ProjectedHead(RowSpaceHead[Model]):
    """A head that keeps the mean and the projection of its training rows.

    float32 is enough for them: the coordinates are good to 1e-6 of a typical distance.
    """

    _mean: npt.NDArray[np.float32]
    _projection: npt.NDArray[np.float32]
    _scale: float

    @abstractmethod
    def save_model(self, folder: Path) -> None:
        """Write what `load_model` reads."""

    @abstractmethod
    def load_model(self, folder: Path, rank: int) -> None:
        """Read the model; rows have `rank` coordinates. Raises BundleError."""

    def to_raw(self, X: AnyRows, space: RowSpace) -> None:
        """Keep the way from raw rows to coordinates."""
        mean, projection = space.components(X)
        self._mean, self._projection = mean.astype(np.float32), projection.astype(np.float32)
        self._scale = space.scale

    def _predict_proba(self, X: Rows) -> Floats:
        """Probabilities (n, n_classes) of raw rows."""
        return self.predict_in_space(place_rows(X, self._mean, self._projection, self._scale))

    def save(self, folder: Path) -> None:
        """Write settings.json, mean.npy, projection.npy and the model; see `Head.save`."""
        save_array(folder, "mean", self._mean)
        save_array(folder, "projection", self._projection)
        self.save_model(folder)
        self._save_settings(folder, scale=self._scale)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; see `Head.load`."""
        head, more = cls._load_settings(folder)
        try:
            head._scale = float(more["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder} lacks the scale of its rows; expected a number; fit the model again"
            ) from error
        head._mean = load_array(folder, "mean", (head.row_width,))
        head._projection = load_array(folder, "projection", (head.row_width, None))
        head.load_model(folder, head._projection.shape[1])
        return head


class Machine(NamedTuple):
    """exp(-gamma * squared distances to anchors) @ dual + offset."""

    gamma: float
    anchors: Floats
    dual: Floats
    offset: Floats


class RBFSVMHead(ProjectedHead[Machine]):
    """Support vector machine with a Gaussian kernel, one class against the rest; calibrated.

    gamma is in units of the row space, where the mean squared distance from the centre is 1.
    """

    name = "rbf-svm"
    title = "RBF SVM"
    defaults: ClassVar = {"C": 10.0, "gamma": 0.5}
    ranges: ClassVar = {"C": (1e-8, 1e8), "gamma": (1e-8, 1e8)}
    grid: ClassVar = {"C": (1.0, 10.0, 100.0), "gamma": (0.05, 0.2, 0.5, 1.0)}
    _model: Machine

    def train(
        self, space: RowSpace, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Machine]:
        """One machine per candidate and class; the distances are computed once."""
        from sklearn.svm import SVC

        anchors, targets = space.train.coordinates, signs(y, self.n_classes)
        distances = space.train.squared_distances(anchors)
        for candidate in candidates:
            kernel = np.exp(-candidate["gamma"] * distances)
            dual = np.zeros((len(y), targets.shape[1]))
            offset = np.full(targets.shape[1], -2.0)  # of a class without rows: a clear no
            for column, target in enumerate(targets.T):
                if target.max() > target.min():
                    machine = SVC(C=candidate["C"], kernel="precomputed", tol=1e-5)
                    machine.fit(kernel, target)
                    dual[machine.support_, column] = machine.dual_coef_[0]
                    offset[column] = machine.intercept_[0]
            yield Machine(candidate["gamma"], anchors, dual, offset)

    def decide(self, model: Machine, rows: Placed) -> Floats:
        """Decision values; see `RowSpaceHead.decide`."""
        kernel = np.exp(-model.gamma * rows.squared_distances(model.anchors))
        values: Floats = kernel @ model.dual + model.offset
        return values[:, 0] if self.n_classes == 2 else values

    def finish(self, model: Machine, calibration: Calibration | None, space: RowSpace) -> None:
        """Keep the support vectors, the calibration folded in."""
        assert calibration is not None
        used = np.abs(model.dual).max(axis=1) > 0
        self._model = Machine(
            model.gamma,
            model.anchors[used],
            model.dual[used] @ calibration.slope,
            model.offset @ calibration.slope + calibration.offset,
        )

    def predict_in_space(self, rows: Placed) -> Floats:
        """Probabilities of placed rows."""
        return probabilities(self.decide(self._model, rows).reshape(len(rows.residual), -1))

    def save_model(self, folder: Path) -> None:
        """Write the support vectors with their weights."""
        for name in ("anchors", "dual", "offset"):
            save_array(folder, name, getattr(self._model, name))

    def load_model(self, folder: Path, rank: int) -> None:
        """Read what `save_model` wrote."""
        k = 1 if self.n_classes == 2 else self.n_classes
        anchors = load_array(folder, "anchors", (None, rank))
        dual = load_array(folder, "dual", (len(anchors), k))
        offset = load_array(folder, "offset", (k,))
        self._model = Machine(float(self.chosen["gamma"]), anchors, dual, offset)


class Neighbours(NamedTuple):
    """A trained KNeighborsClassifier and the classes that it knows."""

    estimator: Any
    present: Indices


class KNNHead(ProjectedHead[Neighbours]):
    """Vote of the nearest training photographs, nearer ones counting more."""

    name = "knn"
    title = "k nearest neighbours"
    finest = 0.01
    calibrated = True
    calibrate_on: ClassVar = "share"
    defaults: ClassVar = {"k": 5, "weights": "distance"}
    ranges: ClassVar = {"k": (1, 100_000)}
    options: ClassVar = {"weights": ("distance", "uniform")}
    grid: ClassVar = {"k": (51, 31, 21, 15, 11, 7, 5, 3, 1)}
    _model: Neighbours

    def train(
        self, space: RowSpace, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Neighbours]:
        """One estimator per candidate; k is at most the number of rows."""
        from sklearn.neighbors import KNeighborsClassifier

        # A last coordinate of 0 takes a new row's distance from the span of these.
        columns = np.column_stack([space.train.coordinates, np.zeros(len(y))])
        for candidate in candidates:
            estimator = KNeighborsClassifier(
                n_neighbors=min(int(candidate["k"]), len(y)),
                weights=candidate["weights"],
                algorithm="brute",
            )
            yield Neighbours(estimator.fit(columns, y), np.unique(y))

    def decide(self, model: Neighbours, rows: Placed) -> Floats:
        """Shares of the votes."""
        columns = np.column_stack([rows.coordinates, rows.residual])
        found = model.estimator.predict_proba(columns)
        shares = as_probabilities(found, self.n_classes, model.present)
        return shares[:, 1] if self.n_classes == 2 else shares

    def finish(self, model: Neighbours, calibration: Calibration | None, space: RowSpace) -> None:
        """Keep the estimator; its votes are probabilities already."""
        self._model = model

    def predict_in_space(self, rows: Placed) -> Floats:
        """Probabilities of placed rows."""
        shares = self.decide(self._model, rows)
        return np.column_stack([1 - shares, shares]) if shares.ndim == 1 else shares

    def save_model(self, folder: Path) -> None:
        """Write head.skops."""
        save_estimator(folder, self._model.estimator)

    def load_model(self, folder: Path, rank: int) -> None:
        """Read what `save_model` wrote."""
        from sklearn.neighbors import KNeighborsClassifier

        found = load_estimator(folder, KNeighborsClassifier())
        try:
            rows = np.asarray(found._fit_X, np.float64)
            y = np.asarray(found.classes_, np.int64)[np.asarray(found._y, np.int64)]
            k = min(int(self.chosen["k"]), len(rows))
            # Trained again, which keeps the rows and no more: nothing else of the file is used.
            estimator = KNeighborsClassifier(
                n_neighbors=k, weights=self.chosen["weights"], algorithm="brute"
            ).fit(rows, y)
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            raise BundleError(
                f"{folder} holds no neighbours ({error!r}); fit the model again"
            ) from error
        if rows.shape[1] != rank + 1 or not 0 <= y.min() <= y.max() < self.n_classes:
            raise BundleError(
                f"{folder} has neighbours of {rows.shape[1]} coordinates; expected {rank + 1}, of "
                f"{self.n_classes} classes; fit the model again"
            )
        self._model = Neighbours(estimator, estimator.classes_)


class LDAHead(LinearHead):
    """Normal classes with one covariance, shrunk by a fixed share towards its mean variance.

    The same as scikit-learn's LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...) on raw
    rows. (Ledoit and Wolf's automatic shrinkage looks at single values, so it has no such form.)
    The mean variance is over all raw values, most directions of which the training rows do not
    reach: with n much smaller than the row's width, useful shares lie close to 1.
    """

    name = "lda"
    title = "LDA (shrinkage)"
    defaults: ClassVar = {"shrinkage": 0.99}
    ranges: ClassVar = {"shrinkage": (1e-6, 1.0)}
    grid: ClassVar = {"shrinkage": (0.9999, 0.999, 0.99, 0.9, 0.5)}

    def train_compact(
        self, space: RowSpace, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Solve (D - U U') w = mean by the Woodbury identity.

        The scatter of all rows is diagonal in the row space; that within the classes is the same
        less one term per class, so each solution costs r numbers and one small system.
        """
        coordinates, n = space.train.coordinates, len(y)
        members = np.bincount(y, minlength=n_classes)
        means = (coordinates.T @ np.eye(n_classes)[y]) / members
        factors = means * np.sqrt(members / n)
        trace = space.values.sum() / n - (factors**2).sum()
        for candidate in candidates:
            share = float(candidate["shrinkage"])
            diagonal = (1 - share) * space.values / n + share * trace / self.row_width
            solved = _woodbury(diagonal, np.sqrt(1 - share) * factors, means)
            offset = np.log(members / n) - (means * solved).sum(axis=0) / 2
            if n_classes == 2:
                yield Linear(solved[:, 1:] - solved[:, :1], offset[1:] - offset[:1])
            else:
                yield Linear(solved, offset)


def _woodbury(diagonal: Floats, U: Floats, B: Floats) -> Floats:
    """Solve (diag(diagonal) - U U') W = B for U (r, k) and B (r, c) with k much below r."""
    # Rows that do not vary within their classes leave nothing to divide by.
    inverse = 1 / np.maximum(diagonal, 1e-12 * max(float(diagonal.max()), 1e-12))
    scaled = U * inverse[:, None]
    small = np.eye(U.shape[1]) - U.T @ scaled
    return B * inverse[:, None] + scaled @ np.linalg.solve(small, scaled.T @ B)
