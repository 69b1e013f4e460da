"""Heads that see distances: trained in the row space, saved with the projection into it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from pipeline.heads.base import AnyRows
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.columns import COVARIANCES
from pipeline.heads.files import Arrays
from pipeline.heads.gram_head import Model, RowSpaceHead
from pipeline.heads.linear_heads import Linear, LinearHead, signs
from pipeline.heads.row_space import place_rows
from pipeline.heads.sides import AnyPlaced, Space
from pipeline.heads.svm import Gaussian, bytes_of_kernel


class ProjectedHead(RowSpaceHead[Model]):
    """A head that keeps the mean and the projection of its training rows.

    float32 is enough for them: the coordinates are good to 1e-6 of a typical distance.
    """

    _mean: npt.NDArray[np.float32]
    _projection: npt.NDArray[np.float32]
    _scale: float

    @classmethod
    def bytes_kept(cls, n: int, d: int) -> int:
        """See `Head.bytes_kept`: a coordinate of each training row."""
        return 4 * n * d

    @abstractmethod
    def _model_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give the arrays of the model, besides those of the projection."""

    @abstractmethod
    def _restore_model(self, arrays: Arrays, rank: int) -> None:
        """Take the model back; rows have `rank` coordinates. Raises BundleError."""

    def to_raw(self, X: AnyRows, space: Space) -> None:
        """Keep the way from raw rows to coordinates."""
        mean, self._projection = space.components(X, dtype=np.float32)
        self._mean, self._scale = mean.astype(np.float32), space.scale

    def _predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities (n, n_classes) of raw rows."""
        return self.predict_on_spec(place_rows(X, self._mean, self._projection, self._scale))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        way = {"mean": self._mean, "projection": self._projection, "scale": np.array(self._scale)}
        return way | self._model_arrays()

    def _restore(self, arrays: Arrays) -> None:
        self._scale = float(arrays.floats("scale"))
        if self._scale <= 0:
            arrays.refuse("scale", f"{self._scale}", "a number above 0")
        self._mean = arrays.floats("mean", (self.input_width,))
        self._projection = arrays.floats("projection", (self.input_width, None))
        self._restore_model(arrays, self._projection.shape[1])


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

    @classmethod
    def bytes_beside(cls, n: int, d: int) -> int:
        """See `Head.bytes_beside`."""
        return bytes_of_kernel(n, d)

    def train(
        self, space: Space, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Machine]:
        """Train one machine per candidate and class; the distances are computed once."""
        kernel, targets = Gaussian(space.train), signs(y, self.n_classes)
        made = {}
        for gamma in dict.fromkeys(candidate["gamma"] for candidate in candidates):
            Cs = [candidate["C"] for candidate in candidates if candidate["gamma"] == gamma]
            for C, machine in zip(Cs, kernel.machines(gamma, targets, Cs), strict=True):
                made[C, gamma] = Machine(gamma, kernel.anchors, *machine)
        for candidate in candidates:
            yield made[candidate["C"], candidate["gamma"]]

    def decide(self, model: Machine, rows: AnyPlaced) -> Floats:
        """Compute decision values; see `RowSpaceHead.decide`."""
        return self.decide_all([model], rows)[0]

    def decide_all(self, models: Iterable[Machine], rows: AnyPlaced) -> list[Floats]:
        """Compute decision values by each machine; all have the same anchors.

        Distances are computed once for all of them, and the kernel once for each gamma.
        """
        models = list(models)
        anchors, each = models[0].anchors, models[0].dual.shape[1]
        values = np.empty((len(models), len(rows), each))
        by_gamma: dict[float, list[int]] = {}
        for number, model in enumerate(models):
            by_gamma.setdefault(model.gamma, []).append(number)
        for place, block in rows.blocks(len(anchors)):
            distances = block.squared_distances(anchors)
            for gamma, numbers in by_gamma.items():
                kernel = np.exp(-gamma * distances)
                duals = np.concatenate([models[number].dual for number in numbers], axis=1)
                parts = np.split(kernel @ duals, len(numbers), axis=1)
                for number, part in zip(numbers, parts, strict=True):
                    values[number, place] = part + models[number].offset
        return [found[:, 0] if self.n_classes == 2 else found for found in values]

    def finish(self, model: Machine, calibration: Calibration | None, space: Space) -> None:
        """Keep the support vectors, the calibration folded in."""
        assert calibration is not None
        used = np.abs(model.dual).max(axis=1) > 0
        self._model = Machine(
            model.gamma,
            model.anchors[used],
            model.dual[used] @ calibration.slope,
            model.offset @ calibration.slope + calibration.offset,
        )

    def predict_on_spec(self, rows: AnyPlaced) -> Floats:
        """Predict probabilities of placed rows."""
        return probabilities(self.decide(self._model, rows).reshape(len(rows), -1))

    def _model_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: np.asarray(array) for name, array in self._model._asdict().items()}

    def _restore_model(self, arrays: Arrays, rank: int) -> None:
        k = 1 if self.n_classes == 2 else self.n_classes
        anchors = arrays.floats("anchors", (None, rank))
        dual = arrays.floats("dual", (len(anchors), k))
        offset = arrays.floats("offset", (k,))
        self._model = Machine(float(arrays.floats("gamma")), anchors, dual, offset)


class Neighbours(NamedTuple):
    """The training rows, and how they vote.

    Attributes:
        anchors: float64 (n, r), coordinates of the training rows.
        labels: int64 (n,), their classes.
        k: how many vote, at most n.
        by_distance: whether nearer ones count more.
        floor: squared distances below this count as this.
    """

    anchors: Floats
    labels: Indices
    k: int
    by_distance: bool
    floor: float

    def shares(self, distances: Floats, numbers: Indices, n_classes: int) -> Floats:
        """Give shares of the votes (m, n_classes).

        Args:
            distances: float64 (m, k or more), squared, to anchors that may be the nearest.
            numbers: int64 (m, as many), which anchors these are.
            n_classes: of the problem.
        """
        nearest = np.argpartition(distances, self.k - 1, axis=1)[:, : self.k]
        near = np.maximum(np.take_along_axis(distances, nearest, axis=1), self.floor)
        votes = np.ones_like(near)
        if self.by_distance:
            # With no floor, as before there was one: rows that are the same decide alone.
            same = near == 0
            votes = np.where(same.any(axis=1, keepdims=True), same, 1 / np.sqrt(near + same))
        found = np.zeros((len(distances), n_classes))
        labels = self.labels[np.take_along_axis(numbers, nearest, axis=1)]
        np.add.at(found, (np.arange(len(distances))[:, None], labels), votes)
        total: Floats = found.sum(axis=1, keepdims=True)
        return found / total


_FLOOR = 0.01
"""Squared distance below which rows are the same, as are two shots of one view; 2 is typical.

The distance of a training row to itself is rounding: 1e-3 on one processor, nothing on another, and
a vote of one divided by it would be anything.
"""


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

    @classmethod
    def bytes_beside(cls, n: int, d: int) -> int:
        """See `Head.bytes_beside`; seen: 373 MB of 10,000 rows of 2,048 values."""
        return 16 * n * d

    def train(
        self, space: Space, y: Indices, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Neighbours]:
        """Keep the rows; k is at most their number."""
        anchors = space.train.coordinates  # once: with more rows than values they are made here
        for candidate in candidates:
            k, by_distance = min(int(candidate["k"]), len(y)), candidate["weights"] == "distance"
            yield Neighbours(anchors, y, k, by_distance, _FLOOR)

    def decide(self, model: Neighbours, rows: AnyPlaced) -> Floats:
        """Compute shares of the votes."""
        return self.decide_all([model], rows)[0]

    def decide_all(self, models: Iterable[Neighbours], rows: AnyPlaced) -> list[Floats]:
        """Compute shares of the votes by each model; all have the same anchors."""
        models = list(models)
        shares = [np.empty((len(rows), self.n_classes)) for _ in models]
        most = max(model.k for model in models)
        for place, block in rows.blocks(len(models[0].anchors)):
            distances = block.squared_distances(models[0].anchors)
            nearest = np.argpartition(distances, most - 1, axis=1)[:, :most]
            near = np.take_along_axis(distances, nearest, axis=1)
            for model, found in zip(models, shares, strict=True):
                found[place] = model.shares(near, nearest, self.n_classes)
        return [found[:, 1] if self.n_classes == 2 else found for found in shares]

    def finish(self, model: Neighbours, calibration: Calibration | None, space: Space) -> None:
        """Keep the rows; their votes are probabilities already."""
        self._model = model

    def predict_on_spec(self, rows: AnyPlaced) -> Floats:
        """Predict probabilities of placed rows."""
        shares = self.decide(self._model, rows)
        return np.column_stack([1 - shares, shares]) if shares.ndim == 1 else shares

    def _model_arrays(self) -> dict[str, npt.NDArray[Any]]:
        model = self._model
        return {"anchors": model.anchors, "labels": model.labels, "floor": np.array(model.floor)}

    def _restore_model(self, arrays: Arrays, rank: int) -> None:
        anchors = arrays.floats("anchors", (None, rank))
        labels = arrays.integers("labels", (len(anchors),), 0, self.n_classes)
        floor = float(arrays.floats("floor"))
        if not len(anchors) or floor < 0:
            arrays.refuse("anchors", f"{len(anchors)} rows, floor {floor}", "one row or more")
        k, by_distance = (
            min(int(self.chosen["k"]), len(anchors)),
            self.chosen["weights"] == "distance",
        )
        self._model = Neighbours(anchors, labels, k, by_distance, floor)


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
    covariances: ClassVar = COVARIANCES
    grid: ClassVar = {"shrinkage": (0.9999, 0.999, 0.99, 0.9, 0.5)}

    def train_compact(
        self, space: Space, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Solve (D - U U') w = mean by the Woodbury identity.

        The scatter of all rows is what the space solves for, diagonal in the row space; that
        within the classes is the same less one term per class.
        """
        n, members = len(y), np.bincount(y, minlength=n_classes)
        means = space.products(np.eye(n_classes)[y]) / members
        factors = means * np.sqrt(members / n)
        trace = space.trace / n - (factors**2).sum()
        for candidate in candidates:
            share = float(candidate["shrinkage"])
            U = np.sqrt(1 - share) * factors
            both = np.column_stack([U, means])
            both = space.solve((1 - share) / n, share * trace / self.input_width, both)
            solved = _woodbury(U, both[:, :n_classes], both[:, n_classes:])
            offset = np.log(members / n) - (means * solved).sum(axis=0) / 2
            if n_classes == 2:
                yield Linear(solved[:, 1:] - solved[:, :1], offset[1:] - offset[:1])
            else:
                yield Linear(solved, offset)


def _woodbury(U: Floats, of_U: Floats, of_B: Floats) -> Floats:
    """Solve (D - U U') W = B from D^-1 U and D^-1 B, U (r, k) with k much below r."""
    small = np.eye(U.shape[1]) - U.T @ of_U
    return of_B + of_U @ np.linalg.solve(small, U.T @ of_B)
