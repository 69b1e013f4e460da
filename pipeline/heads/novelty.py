"""Say how far a photograph is from the healthy ones, place by place: for when defects are rare.

After PaDiM (Defard et al., "PaDiM: a patch distribution modeling framework for anomaly detection
and localization", 2021): at every position of the map the channels, in a few random directions,
follow one normal distribution, whose mean and covariance the healthy training photographs give; the
covariance is shrunk towards its mean variance. A photograph's score is the logarithm of its squared
Mahalanobis distance, mean over the positions. Defective photographs are used for nothing but to
turn scores into probabilities. Where there are none, what stands for a probability says how far a
score is from those of good photographs that the normals did not learn from: one half is three
standard deviations, robustly measured, above their median.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from pipeline.heads.base import AnyRows, EpochProgress, Head
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.files import Arrays
from pipeline.heads.kernel_heads import RBFSVMHead
from pipeline.heads.tuning import inner_folds

_BLOCK_ROWS = 64
_LEAST = 1e-12


class Normal(NamedTuple):
    """A normal distribution at every position.

    Attributes:
        mean: float64 (positions, k).
        whitening: float64 (positions, k, k); what it makes of a difference from the mean has as
            its squared length the squared Mahalanobis distance.
    """

    mean: Floats
    whitening: Floats

    @classmethod
    def fit(cls, Z: Floats, shrinkage: float) -> Normal:
        """Fit the distribution of rows (n, positions, k), one or more."""
        mean = Z.mean(axis=0)
        k = Z.shape[2]
        whitening = np.empty((Z.shape[1], k, k))
        for position, centred in enumerate((Z - mean).swapaxes(0, 1)):
            covariance = centred.T @ centred / len(Z)
            variance = max(float(np.trace(covariance)) / k, _LEAST)
            shrunk = (1 - shrinkage) * covariance + shrinkage * variance * np.eye(k)
            whitening[position] = np.linalg.inv(np.linalg.cholesky(shrunk))
        return cls(mean, whitening)

    def distance(self, Z: Floats) -> Floats:
        """Compute the logarithm (n,) of the mean squared Mahalanobis distance over positions."""
        total = np.zeros(len(Z))
        for position, (mean, whitening) in enumerate(zip(self.mean, self.whitening, strict=True)):
            total += (((Z[:, position] - mean) @ whitening.T) ** 2).sum(axis=1)
        found: Floats = np.log(np.maximum(total / len(self.mean), _LEAST))
        return found


_HALF_AT = 3.0  # robust standard deviations above the median of good photographs
_NORMAL = 1.4826  # from the median absolute deviation to the standard deviation, if normal


def _from_good_alone(distances: Floats) -> Calibration:
    """Map distances (n,) of good photographs so that one half is far above nearly all of them."""
    centre = float(np.median(distances))
    unit = _NORMAL * float(np.median(np.abs(distances - centre)))
    unit = max(unit, float(distances.std()) / 2, 1e-6)
    return Calibration(np.array([[1 / unit]]), np.array([-centre / unit - _HALF_AT]))


class NoveltyHead(Head):
    """Distance from the healthy photographs; of more than two classes, from those of each class.

    Rows that are no multiple of `channels` wide, such as pooled ones, count as a single position.
    """

    name = "novelty"
    title = "Distance from healthy"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    learns_from_good: ClassVar[bool] = True
    defaults: ClassVar = {"dimensions": 100, "shrinkage": 0.1, "channels": 2048}
    ranges: ClassVar = {
        "dimensions": (1, 4096),
        "shrinkage": (1e-6, 1.0),
        "channels": (1, 1_000_000),
    }
    _projection: npt.NDArray[np.float32]
    _normals: list[Normal | None]
    _calibration: Calibration

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        """Train on rows; see `Head._fit`. The settings are fixed, not searched."""
        width = self._channels()
        k = min(int(self.chosen["dimensions"]), width)
        rng = np.random.default_rng(self.seed)
        self._projection = (rng.standard_normal((width, k)) / np.sqrt(k)).astype(np.float32)
        starts = range(0, len(X), _BLOCK_ROWS)
        Z = np.concatenate([self._project(X[at : at + _BLOCK_ROWS]) for at in starts])
        decisions = np.zeros((len(y), 1 if self.n_classes == 2 else self.n_classes))
        rounds = inner_folds(y, groups, self.seed)
        for fold in rounds:
            self._normals = self._fit_normals(Z[fold.train], y[fold.train])
            decisions[fold.test] = self._decide(Z[fold.test])
        if not rounds:
            decisions = self._of_few_defects(Z, y, groups)
        self._normals = self._fit_normals(Z, y)
        if self.n_classes == 2 and not y.any():
            self._calibration = _from_good_alone(decisions[:, 0])
        else:
            self._calibration = Calibration.fit(decisions, y, self.n_classes)

    def _of_few_defects(self, Z: Floats, y: Indices, groups: Indices) -> Floats:
        """Compute decisions where some class has too few parts for folds.

        Of two classes the healthy parts are enough: each is judged by normals of the others, and
        defects, which are never trained on, by the mean of these. Else those trained on judge
        themselves.
        """
        healthy = np.flatnonzero(y == 0)
        rounds = inner_folds(y[healthy], groups[healthy], self.seed) if self.n_classes == 2 else []
        if not rounds:
            self._normals = self._fit_normals(Z, y)
            return self._decide(Z)
        decisions = np.zeros((len(y), 1))
        for fold in rounds:
            self._normals = self._fit_normals(Z[healthy[fold.train]], y[healthy[fold.train]])
            decisions[healthy[fold.test]] = self._decide(Z[healthy[fold.test]])
            decisions[y == 1] += self._decide(Z[y == 1]) / len(rounds)
        return decisions

    def _fit_normals(self, Z: Floats, y: Indices) -> list[Normal | None]:
        """Fit healthy rows, or those of each class; None of a class without rows."""
        classes = [0] if self.n_classes == 2 else range(self.n_classes)
        shrinkage = float(self.chosen["shrinkage"])
        return [Normal.fit(Z[y == c], shrinkage) if (y == c).any() else None for c in classes]

    def _decide(self, Z: Floats) -> Floats:
        """Compute (n, 1) distance from healthy, or (n, n_classes) nearness to each class."""
        if self.n_classes == 2:
            assert self._normals[0] is not None
            return self._normals[0].distance(Z)[:, None]
        nothing = np.full(len(Z), -1e3)
        near = [nothing if normal is None else -normal.distance(Z) for normal in self._normals]
        return np.column_stack(near)

    def _predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities (n, n_classes) of rows."""
        return probabilities(self._calibration.logits(self._decide(self._project(X))))

    def _channels(self) -> int:
        channels = int(self.chosen["channels"])
        return channels if self.input_width % channels == 0 else self.input_width

    def _project(self, X: Rows) -> Floats:
        """Project rows to (n, positions, k), in float64: one alone or among many, the same."""
        width, k = self._projection.shape
        places = X.reshape(-1, width).astype(np.float64) @ self._projection.astype(np.float64)
        found: Floats = places.reshape(len(X), -1, k)
        return found

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        known = [normal for normal in self._normals if normal is not None]
        present = [number for number, normal in enumerate(self._normals) if normal is not None]
        return {
            "projection": self._projection,
            "mean": np.stack([normal.mean for normal in known]),
            "whitening": np.stack([normal.whitening for normal in known]),
            "slope": self._calibration.slope,
            "offset": self._calibration.offset,
            "present": np.array(present),
        }

    def _restore(self, arrays: Arrays) -> None:
        columns = 1 if self.n_classes == 2 else self.n_classes
        present = arrays.integers("present", (None,), 0, columns)
        if not len(present) or (np.diff(present) < 1).any():
            arrays.refuse("present", f"classes {present.tolist()[:9]}", "rising class numbers")
        width = self._channels()
        positions, known = self.input_width // width, len(present)
        projection = arrays.floats("projection", (width, None))
        k = projection.shape[1]
        means = arrays.floats("mean", (known, positions, k))
        whitenings = arrays.floats("whitening", (known, positions, k, k))
        self._projection = projection.astype(np.float32)
        self._normals = [None] * columns
        for number, mean, whitening in zip(present.tolist(), means, whitenings, strict=True):
            self._normals[number] = Normal(mean, whitening)
        slope, offset = (
            arrays.floats("slope", (columns, columns)),
            arrays.floats("offset", (columns,)),
        )
        self._calibration = Calibration(slope, offset)


_LEAST_PROBABILITY = 1e-12  # of a probability, whose logarithm is taken


class EnsembleHead(Head):
    """RBF SVM and distance from healthy, each trained on the same rows as it is alone."""

    name = "ensemble"
    title = "RBF SVM + novelty"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    calibrate_on: ClassVar[Literal["logit", "share"] | None] = "logit"
    members: ClassVar[tuple[type[Head], ...]] = (RBFSVMHead, NoveltyHead)
    _trained: list[Head]

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        """Train each member on the rows; see `Head._fit`."""
        self._trained = [
            member(seed=self.seed).fit(X, y, groups, n_classes=self.n_classes)
            for member in self.members
        ]

    def _predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities (n, n_classes) of rows."""
        logs = [
            np.log(np.maximum(head.predict_proba(X), _LEAST_PROBABILITY)) for head in self._trained
        ]
        return probabilities(np.mean(logs, axis=0))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            f"{head.name}.{name}": array
            for head in self._trained
            for name, array in head._arrays().items()
        }

    def _restore(self, arrays: Arrays) -> None:
        self._trained = []
        for member in self.members:
            head = member(seed=self.seed)
            head.classes_, head.n_features_in_ = self.classes_, self.n_features_in_
            head._restore(arrays.within(head.name))
            self._trained.append(head)
