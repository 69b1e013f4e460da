"""Heads that see distances: trained in the row space, saved with the projection into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from pipeline.heads.base import Floats, Indices, Rows, as_probabilities
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.shared import RowSpaceHead
from pipeline.heads.stored import load_array, load_estimator, save_array, save_estimator
from pipeline.rowspace import Placed, RowSpace, place_rows


class Projected(NamedTuple):
    """An estimator, the classes it knows, and the coordinates of the rows it was trained on."""

    estimator: Any
    present: Indices
    anchors: Floats


class ProjectedHead(RowSpaceHead[Projected]):
    """A head that keeps the mean and the projection of its training rows.

    float32 is enough for them: the coordinates are good to 1e-6 of a typical distance.
    """

    estimator_class: ClassVar[str]
    _model: Projected
    _calibration: Calibration | None = None
    _mean: npt.NDArray[np.float32]
    _projection: npt.NDArray[np.float32]
    _scale: float

    def finish(self, model: Projected, calibration: Calibration | None, space: RowSpace) -> None:
        """Keep the model and its calibration."""
        self._model, self._calibration, self._scale = model, calibration, space.scale

    def predict_in_space(self, rows: Placed) -> Floats:
        """Probabilities of placed rows."""
        decisions = self.decide(self._model, rows)
        if self._calibration is not None:
            return probabilities(self._calibration.logits(decisions))
        return np.column_stack([1 - decisions, decisions]) if decisions.ndim == 1 else decisions

    def to_raw(self, X: Rows, space: RowSpace) -> None:
        """Keep the way from raw rows to coordinates."""
        mean, projection = space.components(X)
        self._mean, self._projection = mean.astype(np.float32), projection.astype(np.float32)

    def predict_proba(self, X: Rows) -> Floats:
        """Probabilities (n, n_classes) of raw rows."""
        self._check_rows(X)
        if not len(X):
            return np.empty((0, self.n_classes))
        return self.predict_in_space(place_rows(X, self._mean, self._projection, self._scale))

    def save(self, folder: Path) -> None:
        """Write settings.json, head.skops, mean, projection and more as .npy; see `Head.save`."""
        save_estimator(folder, self._model.estimator)
        save_array(folder, "mean", self._mean)
        save_array(folder, "projection", self._projection)
        save_array(folder, "anchors", self._model.anchors)
        save_array(folder, "present", self._model.present.astype(np.float64))
        if self._calibration is not None:
            save_array(folder, "slope", self._calibration.slope)
            save_array(folder, "offset", self._calibration.offset)
        self._save_settings(folder, scale=self._scale)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; see `Head.load`."""
        import sklearn.neighbors
        import sklearn.svm

        kinds = {"SVC": sklearn.svm.SVC, "KNN": sklearn.neighbors.KNeighborsClassifier}
        head, more = cls._load_settings(folder)
        try:
            head._scale = float(more["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder} lacks the scale of its rows; fit the model again"
            ) from error
        head._mean = load_array(folder, "mean", (head.row_width,))
        head._projection = load_array(folder, "projection", (head.row_width, None))
        anchors = load_array(folder, "anchors", (None, head._projection.shape[1]))
        present = load_array(folder, "present", (None,)).astype(np.int64)
        estimator = load_estimator(folder, kinds[cls.estimator_class])
        head._model = Projected(estimator, present, anchors)
        if not cls.calibrated:
            k = 1 if head.n_classes == 2 else head.n_classes
            slope = load_array(folder, "slope", (k, k))
            head._calibration = Calibration(slope, load_array(folder, "offset", (k,)))
        return head


class RBFSVMHead(ProjectedHead):
    """Support vector machine with a Gaussian kernel; calibrated.

    gamma is in units of the row space, where the mean squared distance from the centre is 1.
    """

    name = "rbf-svm"
    title = "RBF SVM"
    estimator_class = "SVC"
    defaults: ClassVar = {"C": 10.0, "gamma": 0.5}
    ranges: ClassVar = {"C": (1e-8, 1e8), "gamma": (1e-8, 1e8)}
    grid: ClassVar = {"C": (1.0, 10.0, 100.0), "gamma": (0.05, 0.2, 0.5, 1.0)}

    def train(
        self, space: RowSpace, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Projected]:
        """One machine per candidate; the distances are computed once."""
        from sklearn.svm import SVC

        anchors, present = space.train.coordinates, np.unique(y)
        distances = space.train.squared_distances(anchors)
        for candidate in candidates:
            kernel = np.exp(-candidate["gamma"] * distances)
            machine = SVC(C=candidate["C"], kernel="precomputed", gamma=candidate["gamma"], tol=1e-5)
            yield Projected(machine.fit(kernel, y), present, anchors)

    def decide(self, model: Projected, rows: Placed) -> Floats:
        """Decision values; of an absent class, below all others."""
        machine = model.estimator
        kernel = np.exp(-machine.gamma * rows.squared_distances(model.anchors))
        values: Floats = machine.decision_function(kernel)
        if self.n_classes == 2:
            return values
        if values.ndim == 1:
            values = np.column_stack([-values, values])
        full = np.full((len(values), self.n_classes), values.min(initial=0.0) - 1)
        full[:, model.present] = values
        return full


class KNNHead(ProjectedHead):
    """Vote of the nearest training photographs, nearer ones counting more."""

    name = "knn"
    title = "k nearest neighbours"
    estimator_class = "KNN"
    calibrated = True
    defaults: ClassVar = {"k": 5, "weights": "distance"}
    ranges: ClassVar = {"k": (1, 100_000)}
    options: ClassVar = {"weights": ("distance", "uniform")}
    grid: ClassVar = {"k": (51, 31, 21, 15, 11, 7, 5, 3, 1)}

    def train(
        self, space: RowSpace, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Projected]:
        """One estimator per candidate; k is at most the number of rows."""
        from sklearn.neighbors import KNeighborsClassifier

        anchors, present = space.train.coordinates, np.unique(y)
        # A last coordinate of 0 takes a new row's distance from the span of these.
        columns = np.column_stack([anchors, np.zeros(len(anchors))])
        for candidate in candidates:
            estimator = KNeighborsClassifier(
                n_neighbors=min(int(candidate["k"]), len(y)),
                weights=candidate["weights"],
                algorithm="brute",
            )
            yield Projected(estimator.fit(columns, y), present, anchors[:0])

    def decide(self, model: Projected, rows: Placed) -> Floats:
        """Shares of the votes."""
        columns = np.column_stack([rows.coordinates, rows.residual])
        shares = as_probabilities(
            model.estimator.predict_proba(columns), self.n_classes, model.present
        )
        return shares[:, 1] if self.n_classes == 2 else shares
