"""What is kept of a photograph beside its row: a small grey picture, and when it was taken.

Both are made while the photograph is decoded, so that photographs of one part can be looked for
later (`pipeline.grouping`) in the cache alone. No row and no head depends on them: a cache without
them, or with some missing, is as good as any other, and `extract` adds what is missing.

In the cache: `glimpse_grey` (rows, 32, 32) uint8 and `glimpse_taken` (rows,) int64, see `Glimpses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.errors import CacheError
from features.images import Pixels, capture_time

SIDE = 32  # pixels of the grey picture, both ways
NO_TIME = -1  # the file does not say when it was taken
MISSING = -2  # nobody has looked yet
_CHUNK = 16  # rows: a commit rewrites the last chunk

Grey = npt.NDArray[np.uint8]


class Glimpse(NamedTuple):
    """Of one photograph.

    Attributes:
        grey: uint8 (32, 32), the decoded photograph squeezed to a square.
        taken: milliseconds since 1970 by the camera's own clock; NO_TIME where the file is silent.
    """

    grey: Grey
    taken: int


class Glimpses(NamedTuple):
    """Of some rows of a cache.

    Attributes:
        grey: uint8 (n, 32, 32); zeros where it is missing.
        taken: int64 (n,), as `Glimpse.taken`; MISSING where nobody has looked.
    """

    grey: Grey
    taken: npt.NDArray[np.int64]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which of them are there: bool (n,)."""
        return np.asarray(self.taken != MISSING)


def glimpse_of(data: bytes, pixels: Pixels) -> Glimpse:
    """From a file's bytes and its decoded pixels, uint8 (height, width, 3) of 32 or more a side."""
    grey = pixels.mean(axis=2, dtype=np.float32)
    for axis in (0, 1):
        starts = np.arange(SIDE) * grey.shape[axis] // SIDE
        sums = np.add.reduceat(grey, starts, axis=axis)
        widths = np.diff(np.append(starts, grey.shape[axis]))
        grey = sums / (widths[:, None] if axis == 0 else widths)
    return Glimpse(np.round(grey).astype(np.uint8), capture_time(data))


class GlimpseTable:
    """The glimpses of an open cache; every call reads or writes the file."""

    def __init__(self, file: Any, rows: int) -> None:  # noqa: ANN401 - h5py has no types
        """On an open HDF5 file that has `rows` rows."""
        self._file = file
        self._rows = rows

    def missing(self) -> set[int]:
        """The rows that have none."""
        taken = self._column("glimpse_taken", np.full(self._rows, MISSING, np.int64))
        return set(np.flatnonzero(taken == MISSING).tolist())

    def read(self, rows: Sequence[int]) -> Glimpses:
        """Of these rows, in this order.

        Raises:
            CacheError: they are damaged.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        grey = self._column("glimpse_grey", np.zeros((self._rows, SIDE, SIDE), np.uint8))
        taken = self._column("glimpse_taken", np.full(self._rows, MISSING, np.int64))
        return Glimpses(grey[wanted], taken[wanted])

    def put(self, rows: Sequence[int], glimpses: Sequence[Glimpse]) -> None:
        """Write those of ascending rows; nothing is kept before the cache's `commit`."""
        if not glimpses:
            return
        for name, shape, kind, fill in (
            ("glimpse_grey", (SIDE, SIDE), np.uint8, 0),
            ("glimpse_taken", (), np.int64, MISSING),
        ):
            if name not in self._file:
                self._file.create_dataset(
                    name,
                    shape=(0, *shape),
                    maxshape=(None, *shape),
                    chunks=(_CHUNK, *shape),
                    dtype=kind,
                    fillvalue=fill,
                    fletcher32=True,
                )
            if len(self._file[name]) < self._rows:
                self._file[name].resize(self._rows, axis=0)
        where = np.asarray(rows, dtype=np.int64)
        runs = np.split(np.arange(len(where)), np.flatnonzero(np.diff(where) != 1) + 1)
        for run in runs:
            place = slice(int(where[run[0]]), int(where[run[-1]]) + 1)
            self._file["glimpse_grey"][place] = np.stack([glimpses[i].grey for i in run])
            self._file["glimpse_taken"][place] = np.array([glimpses[i].taken for i in run])

    def _column(self, name: str, blank: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One of the two for all rows; what the file lacks is as in `blank`."""
        if name not in self._file:
            return blank
        try:
            found = self._file[name][: self._rows]
        except (OSError, RuntimeError) as error:
            raise CacheError(
                f"the small pictures in {self._file.filename} are damaged ({error}); "
                "copy the file again, or move it away and extract again"
            ) from error
        blank[: len(found)] = found
        return blank
