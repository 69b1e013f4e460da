"""Trained scikit-learn estimators and arrays as files, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from features.files import whole_file
from features.untrusted_files import UnsafeFileError, open_archive, read_array, read_bytes

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


def load_estimator(folder: Path, like: Any) -> Any:  # noqa: ANN401 - of the class of `like`
    """Read an estimator of the class of `like`, an untrained one, whose settings it is given.

    So nothing in the file decides how many threads it starts or which method it uses.

    Raises:
        BundleError: the file is missing or damaged, claims more than it holds, or holds a type
            that is not trusted.
    """
    from skops import io

    path, settings = folder / _ESTIMATOR_FILE, like.get_params(deep=False)
    try:
        content = read_bytes(path)
        _check_parts(content)
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
    if type(estimator) is not type(like):
        raise BundleError(
            f"{path} holds a {type(estimator).__name__}; expected a {type(like).__name__}; "
            "fit the model again"
        )
    made: Any = estimator
    return made.set_params(**settings)


def _check_parts(content: bytes) -> None:
    """Raise UnsafeFileError for an archive whose arrays claim more than they hold."""
    with open_archive(content) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                read_array(archive.read(name))
            elif name != "schema.json":
                raise UnsafeFileError(f"it has a part {name!r}")


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
        array = read_array(read_bytes(path))
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
