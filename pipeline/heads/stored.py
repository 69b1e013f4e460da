"""Trained scikit-learn estimators and arrays as files, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from features.files import whole_file

_ESTIMATOR_FILE = "head.skops"

# What skops does not know by itself and our estimators hold. Nothing else is ever built.
_TRUSTED = (
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "_loss.CyHalfBinomialLoss",  # the same two, as scikit-learn before 1.9 calls them
    "_loss.CyHalfMultinomialLoss",
    "sklearn.tree._tree.Tree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
)


def save_estimator(folder: Path, estimator: object) -> None:
    """Write a trained scikit-learn estimator.

    Raises:
        OutputError: the folder cannot be written.
    """
    from skops import io

    with whole_file(folder / _ESTIMATOR_FILE) as temporary:
        temporary.write_bytes(io.dumps(estimator))


def load_estimator(folder: Path, kind: type[Any]) -> Any:  # noqa: ANN401 - of class `kind`
    """Read an estimator of exactly this class.

    Raises:
        BundleError: the file is missing or damaged, or holds a type that is not trusted.
    """
    from skops import io

    path = folder / _ESTIMATOR_FILE
    try:
        content = path.read_bytes()
        foreign = sorted(set(io.get_untrusted_types(data=content)) - set(_TRUSTED))
        estimator = None if foreign else io.loads(content, trusted=list(_TRUSTED))
    except Exception as error:
        raise BundleError(
            f"{path} cannot be read ({error!r}); expected a trained head; fit the model again"
        ) from error
    if foreign:
        raise BundleError(
            f"{path} holds {', '.join(foreign)}, which no head of Onepass writes; do not use "
            "this model"
        )
    if type(estimator) is not kind:
        raise BundleError(
            f"{path} holds a {type(estimator).__name__}; expected a {kind.__name__}; "
            "fit the model again"
        )
    return estimator


def save_array(folder: Path, name: str, array: npt.NDArray[Any]) -> None:
    """Write one array as NAME.npy.

    Raises:
        OutputError: the folder cannot be written.
    """
    with whole_file(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def load_array(folder: Path, name: str, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """Read one array of numbers of this shape (None: any length).

    Raises:
        BundleError: the file is missing, damaged or of another shape.
    """
    path = folder / f"{name}.npy"
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(
            f"{path} cannot be read ({error}); expected an array; fit the model again"
        ) from error
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind != "f":
        raise BundleError(
            f"{path} has shape {array.shape} and type {array.dtype}; expected {shape} of floats; "
            "fit the model again"
        )
    return array
