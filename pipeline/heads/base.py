"""Define what every head is: rows and classes in, probabilities out, no pickle."""

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
from features.runtime import MEMORY_VARIABLE, memory_room
from features.untrusted_files import read_json
from pipeline.data.lazy_rows import StoredRows
from pipeline.heads.files import Arrays, load_arrays, save_arrays
from pipeline.heads.old_files import load_old_arrays
from pipeline.heads.row_space import block_bytes
from pipeline.heads.sklearn_protocol import Classifier
from pipeline.heads.sklearn_protocol import Scalar as Scalar

AnyRows = Rows | StoredRows
EpochProgress = Callable[[int, int, Mapping[str, float]], None]

_SETTINGS_FILE = "settings.json"

FORMAT = 2
"""Of a saved head; those before it had none, and estimators in files of skops."""

_BLOCK_ROWS = 256
_COLUMN_ROWS = 1024  # whose values of one column fill a page of memory
_LEAST_ROWS = 64  # that are read at a time, however little memory there is
_COLUMNS = 64

MOST_CLASSES = 100_000
"""Of a model that is loaded: a number in a file must not decide how much memory is taken."""


class Head(Classifier, ABC):
    """A classifier on bottleneck features, and on any rows of numbers that scikit-learn gives it.

    A subclass says how it is trained (`_fit`), how it predicts (`_predict_proba`) and which arrays
    it is kept as (`_arrays`, `_restore`); what is the same of all heads stands here.

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
        by_columns: whether it trains on rows whose columns lie together (Fortran's order), which
            then need no further copy.
        learns_from_good: whether good photographs alone are enough to train on.
        finest: the smallest probability that tells something; smaller ones count as this where
            logarithms are taken. Of a vote among 100 it is one vote.
        chosen: after `fit`, all settings in force.
        history: after `fit`, scores per epoch of heads that train in epochs; None otherwise.

    Example:
        >>> from sklearn.model_selection import GroupKFold, cross_validate
        >>> from pipeline.heads import make_head
        >>> given = {"groups": groups, "params": {"groups": groups}, "cv": GroupKFold(5)}
        >>> cross_validate(make_head("ridge"), X, y, scoring="roc_auc", **given)["test_score"]
        array([1., 1., 1., 1., 1.])
    """

    title: ClassVar[str]
    space: ClassVar[Literal["rows", "raw"]]
    calibrate_on: ClassVar[Literal["logit", "share"] | None] = None
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    streams: ClassVar[bool] = True
    by_columns: ClassVar[bool] = False
    learns_from_good: ClassVar[bool] = False
    finest: ClassVar[float] = 1e-6
    _chosen: Mapping[str, Scalar] | None = None
    _history: list[dict[str, float]] | None = None

    @property
    def settings(self) -> dict[str, Scalar]:
        """Give what the caller gave, with the right types.

        Raises:
            HeadError: a value of the wrong type or out of range.
        """
        given = {name: getattr(self, name) for name in self.defaults}
        return {name: self._parse(name, v) for name, v in given.items() if v is not None}

    @property
    def chosen(self) -> dict[str, Scalar]:
        """Give all settings in force; before `fit`, what is known of them."""
        return dict(self.defaults) | (self.settings if self._chosen is None else dict(self._chosen))

    @property
    def history(self) -> list[dict[str, float]] | None:
        """Give the scores of each epoch; None without epochs, and before `fit`."""
        return self._history

    @property
    def n_classes(self) -> int:
        """Count the classes; 0 before `fit`."""
        return len(self.classes_) if hasattr(self, "classes_") else 0

    @property
    def input_width(self) -> int:
        """Count the values in a row; 0 before `fit`."""
        return getattr(self, "n_features_in_", 0)

    @classmethod
    def bytes_raw(cls, n: int, d: int) -> int:
        """Say what training on rows (n, d) as they are takes: those of a fold, and a copy."""
        return 4 * n * d * (1 if cls.by_columns else 2)

    @classmethod
    def bytes_beside(cls, n: int, d: int) -> int:
        """Say what its training alone holds besides; in the row space, where n outnumber d."""
        return 0

    @classmethod
    def bytes_kept(cls, n: int, d: int) -> int:
        """Say what it keeps to predict raw rows, where their d values outnumber the n rows."""
        return 0

    def fit(
        self,
        X: AnyRows | Any,  # noqa: ANN401 - whatever scikit-learn's tools give
        y: Indices | Any,  # noqa: ANN401 - what scikit-learn hands over
        groups: Indices | Any = None,  # noqa: ANN401 - what scikit-learn hands over
        *,
        n_classes: int | None = None,
        progress: EpochProgress | None = None,
    ) -> Self:
        """Train on rows.

        Args:
            X: float32 (n, input_width); rows still in the cache where they exceed the memory limit.
                Without `n_classes`: anything that scikit-learn makes an array of.
            y: int64 (n,) class numbers from 0 to n_classes - 1. Without `n_classes`: labels.
            groups: (n,), the same for rows of one part; None: each row is a part of its own.
                Settings that were not given are chosen on folds inside these rows that keep parts
                together.
            n_classes: two or more; a class may be absent from `y`, but two must be there, or of
                two classes the good one alone where the head `learns_from_good`. None: the classes
                are the labels that stand in `y`, as in scikit-learn.
            progress: called as `progress(epoch, epochs, scores)` by heads that train in epochs.

        Raises:
            HeadError: the rows cannot be learnt from, or the head does not stream and they are
                still in the cache; it is a ValueError as well.
            ValueError, TypeError: without `n_classes`, scikit-learn's own of rows and labels that
                are none.
        """
        classes = np.arange(n_classes or 0)
        if n_classes is None:
            X, classes, y = self._numbered(X, y)
            if groups is not None:
                groups = np.unique(np.asarray(groups), return_inverse=True)[1]
        groups = np.arange(len(y)) if groups is None else groups
        self._check(X, y, groups)
        self._start(X.shape[1], y, classes)
        self._fit(X, y, groups, progress)
        return self

    @abstractmethod
    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        """Train on rows that were checked; the settings to go by stand in `chosen`."""

    def predict_proba(self, X: Rows | Any) -> Floats:  # noqa: ANN401 - see `fit`
        """Predict probabilities of the classes, float64 (n, n_classes); rows sum to 1.

        Args:
            X: float32 (n, input_width), or anything that scikit-learn makes such rows of.

        Raises:
            HeadError: it is not trained, or was trained on rows of another width.
            ValueError, TypeError: scikit-learn's own, for what are no rows of finite numbers.
        """
        rows = self._as_rows(X)
        if rows.shape[1] != self.input_width:
            raise HeadError(
                f"rows of shape {rows.shape}; head {self.name!r} was trained on rows of "
                f"{self.input_width} values; use rows of the same backbone"
            )
        return self._predict_proba(rows) if len(rows) else np.empty((0, self.n_classes))

    @abstractmethod
    def _predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities (n, n_classes) of one row or more, float32 (n, input_width)."""

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats | None:
        """Say what each value of a row counts for in a class's logit, on the way from a baseline.

        Override where the head knows it; a head that does not is examined from outside (see
        `pipeline.heatmaps.maps`). The logit of two classes is log(p of target / p of the other),
        of more it is log(p of target) less the mean of log(p) over the classes.

        Args:
            X: float32 (n, input_width).
            baseline: float32 (input_width,).
            target: class number.

        Returns:
            float64 (n, input_width), or (1, input_width) where it is the same for all rows, such
            that ((X - baseline) * slopes).sum(axis=1) is logit(X) - logit(baseline). Or None.
        """
        return None

    def save(self, folder: Path) -> None:
        """Write the trained head into a folder that is there: settings.json and plain arrays.

        Raises:
            OutputError: the folder cannot be written.
        """
        self._save_numbers(folder)
        record = {
            "head": self.name,
            "format": FORMAT,
            "seed": self.seed,
            "n_classes": self.n_classes,
            "row_width": self.input_width,
            "chosen": self.chosen,
        }
        write_whole(folder / _SETTINGS_FILE, json.dumps(record, indent=2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, today or in an earlier version; nothing is run as code.

        Raises:
            BundleError: a file is missing, damaged or holds something that no head writes.
        """
        path = folder / _SETTINGS_FILE
        try:
            record = read_json(path)
            head = cls._of_record(record, path)
            head._load_numbers(folder, record)
        except BundleError:
            raise
        except Exception as error:  # whatever a forged file makes its readers stumble over
            raise BundleError(
                f"{path} cannot be used ({error!r}); expected the settings of head {cls.name!r}; "
                "fit the model again"
            ) from error
        return head

    @classmethod
    def _of_record(cls, record: Mapping[str, Any], path: Path) -> Self:
        """Make a head with the settings and shapes of settings.json, arrays aside."""
        if record["head"] != cls.name or record.get("format", FORMAT) != FORMAT:
            raise BundleError(
                f"{path} is of head {record['head']!r}; expected {cls.name!r} in format {FORMAT}; "
                "fit it again"
            )
        head = cls(seed=int(record["seed"]), **record["chosen"])
        head._chosen = head.settings
        head.classes_ = np.arange(_between(2, MOST_CLASSES, record["n_classes"]))
        head.n_features_in_ = _between(1, 2**31, record["row_width"])
        return head

    def _save_numbers(self, folder: Path) -> None:
        save_arrays(folder, self._arrays())

    def _load_numbers(self, folder: Path, record: Mapping[str, Any]) -> None:
        old = "format" not in record
        self._restore(load_old_arrays(folder, self.name, record) if old else load_arrays(folder))

    @abstractmethod
    def _arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Give the arrays that the trained head is kept as, by name."""

    @abstractmethod
    def _restore(self, arrays: Arrays) -> None:
        """Take the arrays back, each with the shape and the range that it has to have.

        Classes, input width and settings stand already. Raises BundleError.
        """

    @classmethod
    def _parse(cls, name: str, value: Scalar) -> Scalar:
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

    def _check(self, X: AnyRows, y: Indices, groups: Indices) -> None:
        """Refuse what `fit` was given where it is not one row, label and part each."""
        if len(X.shape) != 2 or not len(X) == len(y) == len(groups):
            raise HeadError(
                f"rows of shape {X.shape}, {len(y)} labels and {len(groups)} groups; expected one "
                "of each per row"
            )
        if isinstance(X, StoredRows) and not self.streams:
            raise HeadError(
                f"head {self.name!r} needs all {len(X):,} rows in memory at once, "
                f"{self.bytes_raw(*X.shape) / 1e9:.3g} GB; expected at most the limit of "
                f"{memory_room() / 1e9:.3g} GB; choose another head, or set {MEMORY_VARIABLE} (GB)"
            )

    def _start(self, input_width: int, y: Indices, classes: npt.NDArray[Any]) -> None:
        """Note shapes and settings; what `y` holds decides whether there is anything to learn."""
        only_good = len(classes) == 2 and not y.any()
        if len(np.unique(y)) < 2 and not (only_good and self.learns_from_good):
            raise HeadError(
                f"the {len(y)} photographs to train on are all of one class; expected two classes "
                "or more; add photographs of the other, or draw another split (--split grouped), "
                "or, where all are good, learn from these alone: --head novelty"
            )
        self.classes_, self.n_features_in_ = classes, input_width
        self._chosen, self._history = self.settings, None


def _between(least: int, most: int, value: object) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r} where a number from {least} to {most} is expected")
    return value


def by_columns(rows: AnyRows, chosen: Indices) -> Rows:
    """Copy some rows so that columns lie together, in memory or read, a few rows at a time."""
    found, step = np.empty((len(chosen), rows.shape[1]), np.float32, order="F"), _COLUMN_ROWS
    if isinstance(rows, StoredRows):  # what is read stands beside what is made of it
        step = min(step, max(_LEAST_ROWS, block_bytes() // (4 * rows.shape[1])))
    for at in range(0, len(chosen), step):
        some = chosen[at : at + step]
        if isinstance(rows, np.ndarray):
            block, numbers = rows, some
        else:
            block, numbers = rows[some], np.arange(len(some))
        for first in range(0, rows.shape[1], _COLUMNS):
            # A copy of few columns is turned within the processor's cache: a third of the time.
            few = slice(first, first + _COLUMNS)
            found[at : at + step, few] = block[numbers, few]
    return found


class _Predicts(Protocol):
    def predict_proba(self, X: npt.NDArray[Any], /) -> Floats:
        """Predict probabilities (n, n_classes) of rows."""
        ...


def predict_by_blocks(head: _Predicts, X: AnyRows) -> Floats:
    """Call `predict_proba` on one row or more, with a block of them in memory at a time."""
    starts = range(0, len(X), _BLOCK_ROWS)
    return np.concatenate([head.predict_proba(X[at : at + _BLOCK_ROWS]) for at in starts])


def as_probabilities(scores: npt.NDArray[Any], n_classes: int, present: Indices) -> Floats:
    """Spread the probabilities of the classes seen in training over all classes; rows sum to 1."""
    full = np.zeros((len(scores), n_classes))
    full[:, present] = scores
    total: Floats = full.sum(axis=1, keepdims=True)
    return full / total
