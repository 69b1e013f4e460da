"""What every head is: rows and class numbers in, probabilities out, saved without pickle."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Row, Rows
from features.errors import BundleError, HeadError
from features.files import write_whole
from features.runtime import MEMORY_VARIABLE, memory_limit
from features.untrusted_files import read_json
from pipeline.data.lazy_rows import StoredRows

Scalar = str | int | float
AnyRows = Rows | StoredRows
EpochProgress = Callable[[int, int, Mapping[str, float]], None]

_SETTINGS_FILE = "settings.json"
_BLOCK_ROWS = 256


class Head(ABC):
    """A classifier on bottleneck features.

    Attributes:
        name: in the registry.
        title: as shown in tables.
        space: "rows": sees only distances and inner products, so that it can train in the row
            space; "raw": looks at single features.
        calibrate_on: what a sigmoid has to be fitted on, on rows that were not trained on, before
            its probabilities can be believed; None where `fit` sees to that itself. See
            `pipeline.heads.calibration.Scale`.
        defaults: settings that a caller may give, with the values used where nothing is given
            and nothing is chosen; the type of the value is the type of the setting.
        ranges: smallest and largest accepted value of numeric settings.
        options: accepted values of text settings.
        streams: whether it can train on rows that are read from the cache in pieces.
        learns_from_good: whether good photographs alone are enough to train on.
        finest: the smallest probability that tells something; smaller ones count as this where
            logarithms are taken. Of a vote among 100 it is one vote.
        seed: of everything random in `fit`.
        settings: what the caller gave, with the right types.
        chosen: after `fit`, all settings in force.
        history: after `fit`, scores per epoch of heads that train in epochs; None otherwise.
        n_classes, row_width: after `fit`, the number of classes and of values in a row.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    space: ClassVar[Literal["rows", "raw"]]
    calibrate_on: ClassVar[Literal["logit", "share"] | None] = None
    defaults: ClassVar[Mapping[str, Scalar]] = {}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    streams: ClassVar[bool] = True
    learns_from_good: ClassVar[bool] = False
    finest: ClassVar[float] = 1e-6

    def __init__(self, *, seed: int = 0, settings: Mapping[str, Scalar] | None = None) -> None:
        """Make an untrained head.

        Raises:
            HeadError: a setting is unknown, of the wrong type or out of range.
        """
        self.seed = seed
        self.settings = {name: self._parse(name, v) for name, v in (settings or {}).items()}
        self.chosen: dict[str, Scalar] = dict(self.defaults) | self.settings
        self.history: list[dict[str, float]] | None = None
        self.n_classes = 0
        self.row_width = 0

    @abstractmethod
    def fit(
        self,
        X: AnyRows,
        y: Indices,
        groups: Indices,
        *,
        n_classes: int,
        progress: EpochProgress | None = None,
    ) -> Self:
        """Train on rows.

        Args:
            X: float32 (n, row_width); rows still in the cache where they exceed the memory limit.
            y: int64 (n,) class numbers from 0 to n_classes - 1.
            groups: int64 (n,), the same number for rows of one part. Settings that were not
                given are chosen on folds inside these rows that keep parts together.
            n_classes: two or more; a class may be absent from `y`, but two must be there, or of
                two classes the good one alone where the head `learns_from_good`.
            progress: called as `progress(epoch, epochs, scores)` by heads that train in epochs.

        Raises:
            HeadError: the rows cannot be learnt from, or the head does not stream and they are
                still in the cache.
        """

    @abstractmethod
    def predict_proba(self, X: Rows) -> Floats:
        """Probabilities of the classes, float64 (n, n_classes); rows sum to 1."""

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats | None:
        """What each value of a row counts for in a class's logit, on the way from a baseline.

        Override where the head knows it; a head that does not is examined from outside (see
        `pipeline.heatmaps.maps`). The logit of two classes is log(p of target / p of the other),
        of more it is log(p of target) less the mean of log(p) over the classes.

        Args:
            X: float32 (n, row_width).
            baseline: float32 (row_width,).
            target: class number.

        Returns:
            float64 (n, row_width), or (1, row_width) where it is the same for all rows, such that
            ((X - baseline) * slopes).sum(axis=1) is logit(X) - logit(baseline). Or None.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the trained head into a folder that is there; no pickle.

        Raises:
            OutputError: the folder cannot be written.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; nothing that is read is run as code.

        Raises:
            BundleError: a file is missing, damaged or holds something that no head writes.
        """

    @classmethod
    def _parse(cls, name: str, value: Scalar) -> Scalar:
        if name not in cls.defaults:
            known = ", ".join(cls.defaults) or "none"
            raise HeadError(f"head {cls.name!r} has no setting {name!r}; its settings are: {known}")
        if name in cls.options:
            if value not in cls.options[name]:
                raise HeadError(
                    f"setting {name} of head {cls.name!r} is {value!r}; expected one of "
                    f"{', '.join(cls.options[name])}"
                )
            return value
        kind = type(cls.defaults[name])
        low, high = cls.ranges.get(name, (-math.inf, math.inf))
        try:
            number = int(value) if kind is int else float(value)
        except (TypeError, ValueError):
            number = math.nan
        # A whole number is asked for: 0.5 must not quietly become 0.
        if not low <= number <= high or number != float(value):
            what = "a whole number" if kind is int else "a number"
            raise HeadError(
                f"setting {name} of head {cls.name!r} is {value!r}; expected {what} from "
                f"{low:g} to {high:g}; its settings are: {', '.join(cls.defaults)}"
            )
        return number

    def _start(self, X: AnyRows, y: Indices, n_classes: int) -> None:
        """Check what `fit` was given and remember the shapes."""
        if len(X.shape) != 2 or len(X) != len(y):
            raise HeadError(f"rows of shape {X.shape} and {len(y)} labels; expected one per row")
        if isinstance(X, StoredRows) and not self.streams:
            raise HeadError(
                f"head {self.name!r} needs all {len(X):,} rows in memory at once, "
                f"{X.nbytes / 1e9:.1f} GB; expected them to fit into the limit of "
                f"{memory_limit() / 1e9:.1f} GB; choose another head, or set {MEMORY_VARIABLE} (GB)"
            )
        self._start_shapes(X.shape[1], y, n_classes)

    def _start_shapes(self, row_width: int, y: Indices, n_classes: int) -> None:
        only_good = n_classes == 2 and not y.any()
        if len(np.unique(y)) < 2 and not (only_good and self.learns_from_good):
            raise HeadError(
                f"the {len(y)} photographs to train on are all of one class; expected two classes "
                "or more; add photographs of the other, or, where all are good, learn from these "
                "alone: --head novelty"
            )
        self.n_classes, self.row_width = n_classes, row_width

    def _check_rows(self, X: Rows) -> None:
        if X.ndim != 2 or X.shape[1] != self.row_width:
            raise HeadError(
                f"rows of shape {X.shape}; head {self.name!r} was trained on rows of "
                f"{self.row_width} values; use rows of the same backbone"
            )

    def _save_settings(self, folder: Path, **more: Scalar) -> None:
        record = {
            "head": self.name,
            "seed": self.seed,
            "n_classes": self.n_classes,
            "row_width": self.row_width,
            "chosen": self.chosen,
            "more": more,
        }
        write_whole(folder / _SETTINGS_FILE, json.dumps(record, indent=2))

    @classmethod
    def _load_settings(cls, folder: Path) -> tuple[Self, dict[str, Any]]:
        """An instance with its settings in force, and what else was saved."""
        path = folder / _SETTINGS_FILE
        try:
            record = read_json(path)
            if record["head"] != cls.name:
                raise BundleError(
                    f"{path} is of head {record['head']!r}; expected {cls.name!r}; fit it again"
                )
            head = cls(seed=int(record["seed"]), settings=record["chosen"])
            head.n_classes = _at_least(2, record["n_classes"])
            head.row_width = _at_least(1, record["row_width"])
            return head, dict(record["more"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, HeadError) as error:
            raise BundleError(
                f"{path} cannot be used ({error!r}); expected the settings of head {cls.name!r}; "
                "fit the model again"
            ) from error


def _at_least(least: int, value: object) -> int:
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{value!r} where a number from {least} is expected")
    return value


class _Predicts(Protocol):
    def predict_proba(self, X: npt.NDArray[Any], /) -> Floats: ...


def predict_by_blocks(head: _Predicts, X: AnyRows) -> Floats:
    """`predict_proba` of one row or more, with a block of them in memory at a time."""
    starts = range(0, len(X), _BLOCK_ROWS)
    return np.concatenate([head.predict_proba(X[at : at + _BLOCK_ROWS]) for at in starts])


def as_probabilities(scores: npt.NDArray[Any], n_classes: int, present: Indices) -> Floats:
    """Spread the probabilities of the classes seen in training over all classes; rows sum to 1."""
    full = np.zeros((len(scores), n_classes))
    full[:, present] = scores
    total: Floats = full.sum(axis=1, keepdims=True)
    return full / total
