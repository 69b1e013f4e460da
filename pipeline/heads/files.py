"""A trained head's numbers as one file: plain arrays by name, in the safetensors format.

The format is a header of bounded length (JSON: name, type, shape and place of every array) and the
numbers behind it: nothing that is read can be code, and nothing is believed that the file does not
hold. Every head says what each of its arrays has to be; see `Arrays`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices
from features.errors import BundleError
from features.files import whole_file
from features.untrusted_files import read_bytes

ARRAYS_FILE = "head.safetensors"

Shape = tuple[int | None, ...]


class Arrays:
    """The arrays of a head's file, each checked when it is taken.

    Attributes:
        path: of the file, for messages.
    """

    def __init__(self, found: Mapping[str, npt.NDArray[Any]], path: Path, prefix: str = "") -> None:
        """Take arrays by name; see `load_arrays`."""
        self.path = path
        self._found, self._prefix = found, prefix

    def floats(self, name: str, shape: Shape = ()) -> npt.NDArray[Any]:
        """Take finite float32 or float64 numbers of a shape (None: any length).

        Raises:
            BundleError: it is missing, or something else.
        """
        array = self._take(name, shape, "f")
        if not np.isfinite(array).all():
            raise self._wrong(name, "numbers that are not finite", "finite numbers")
        return array

    def integers(self, name: str, shape: Shape, low: int, high: int) -> Indices:
        """Take whole numbers from `low` to below `high`, int64, of a shape (None: any length).

        Raises:
            BundleError: it is missing, or something else.
        """
        array = self._take(name, shape, "iu").astype(np.int64)
        if array.size and not low <= array.min() <= array.max() < high:
            raise self._wrong(
                name, f"numbers from {array.min()} to {array.max()}", f"{low} to {high - 1}"
            )
        return array

    def within(self, prefix: str) -> Arrays:
        """Take the arrays whose names begin with this and a dot."""
        return Arrays(self._found, self.path, f"{self._prefix}{prefix}.")

    def refuse(self, name: str, found: str, expected: str) -> None:
        """Refuse an array that is not what its head needs.

        Raises:
            BundleError: always.
        """
        raise self._wrong(name, found, expected)

    def _take(self, name: str, shape: Shape, kinds: str) -> npt.NDArray[Any]:
        array = self._found.get(self._prefix + name)
        if array is None:
            raise self._wrong(name, "nothing", f"an array of shape {_text(shape)}")
        fits = array.ndim == len(shape) and all(
            wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in kinds or array.dtype.itemsize not in (4, 8):
            kind = "floats" if kinds == "f" else "whole numbers"
            raise self._wrong(
                name, f"{_text(array.shape)} of {array.dtype}", f"{_text(shape)} of {kind}"
            )
        return array

    def _wrong(self, name: str, found: str, expected: str) -> BundleError:
        return BundleError(
            f"{self.path} holds {found} as {self._prefix + name!r}; expected {expected}; "
            "fit the model again"
        )


def _text(shape: Shape) -> str:
    lengths = ["any" if length is None else f"{length:,}" for length in shape]
    return " × ".join(lengths) or "a single number"


def save_arrays(folder: Path, arrays: Mapping[str, npt.NDArray[Any] | Floats | float]) -> None:
    """Write arrays of numbers by name into a folder that is there.

    Raises:
        OutputError: the folder cannot be written.

    Example:
        >>> from safetensors.numpy import load_file
        >>> load_file("model/head/head.safetensors")["coefficients"].shape
        (1, 48)
    """
    from safetensors.numpy import save

    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    with whole_file(folder / ARRAYS_FILE) as temporary:
        temporary.write_bytes(content)


def load_arrays(folder: Path) -> Arrays:
    """Read what `save_arrays` wrote.

    Raises:
        BundleError: the file is missing, or no safetensors file of numbers.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / ARRAYS_FILE
    try:
        return Arrays(load(read_bytes(path)), path)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, SafetensorError) as error:
        raise BundleError(
            f"{path} cannot be read ({error!r}); expected the arrays of a trained head; fit the "
            "model again"
        ) from error
