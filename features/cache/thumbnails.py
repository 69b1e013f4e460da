"""What is kept of a photograph beside its row: a small grey picture, and when it was taken.

Both are made when the photograph is decoded, so that photographs of one part can be looked for
later (`pipeline.groups`) in the cache alone. No row and no head depends on them: a cache without
them, or with some missing, is as good as any other, and `extract` adds what is missing.

In the cache: `features.cache.schema.GLIMPSE_COLUMNS`, see `Glimpses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Pixels
from features.cache.schema import GLIMPSE_CHUNK, GLIMPSE_COLUMNS, Hdf5, create_glimpses
from features.photographs.opening import NO_TIME

SIDE = GLIMPSE_COLUMNS["glimpse_grey"].shape[0]  # pixels of the grey picture, both ways
MISSING = GLIMPSE_COLUMNS["glimpse_taken"].blank  # nobody has looked yet
_BLOCK = 64 * GLIMPSE_CHUNK  # rows that are written at once

Grey = npt.NDArray[np.uint8]


class Glimpse(NamedTuple):
    """Of one photograph.

    Attributes:
        grey: uint8 (32, 32), the decoded photograph squeezed to a square.
        taken: milliseconds since 1970 by the camera's own clock; NO_TIME where the file is silent.
    """

    grey: Grey
    taken: int


BLANK = Glimpse(np.zeros((SIDE, SIDE), np.uint8), MISSING)
"""Beside the rows of views that are not the full one: there is one for each photograph."""


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

    @classmethod
    def of(cls, glimpses: Sequence[Glimpse]) -> Glimpses:
        """Several of one photograph each, at least one."""
        taken = np.array([glimpse.taken for glimpse in glimpses], np.int64)
        return cls(np.stack([glimpse.grey for glimpse in glimpses]), taken)

    @classmethod
    def blank(cls, count: int) -> Glimpses:
        """Of rows whose photographs nobody has looked at."""
        return cls(np.zeros((count, SIDE, SIDE), np.uint8), np.full(count, MISSING, np.int64))

    def some(self, first: int, count: int) -> Glimpses:
        """Of consecutive ones among them."""
        return Glimpses(self.grey[first : first + count], self.taken[first : first + count])


def glimpse_of(pixels: Pixels, taken: int) -> Glimpse:
    """From decoded pixels, uint8 (height, width, 3), and `decode.capture_time`."""
    grey = pixels.mean(axis=2, dtype=np.float32)
    for axis in (0, 1):
        starts = np.arange(SIDE) * grey.shape[axis] // SIDE
        sums = np.add.reduceat(grey, starts, axis=axis)
        # Of fewer than SIDE pixels, some are taken several times.
        widths = np.maximum(np.diff(np.append(starts, grey.shape[axis])), 1)
        grey = sums / (widths[:, None] if axis == 0 else widths)
    return Glimpse(np.round(grey).astype(np.uint8), taken if taken >= 0 else NO_TIME)


def read_glimpses(h5: Hdf5, count: int) -> Glimpses:
    """Of the first rows of an open cache; blank where it has none.

    Raises:
        ValueError: they are of another type or shape.
        OSError, RuntimeError: they are damaged.
    """
    found = Glimpses.blank(count)
    if any(name not in h5 for name in GLIMPSE_COLUMNS):
        return found
    grey, taken = _columns(h5)
    there = min(len(grey), len(taken), count)
    found.grey[:there], found.taken[:there] = grey[:there], taken[:there]
    return found


def salvage_glimpses(h5: Hdf5, count: int, errors: tuple[type[Exception], ...]) -> Glimpses:
    """What can be read of a damaged cache, a chunk at a time; blank what raises `errors`."""
    found = Glimpses.blank(count)
    for start in range(0, count, GLIMPSE_CHUNK):
        chunk = slice(start, min(start + GLIMPSE_CHUNK, count))
        try:
            grey, taken = (column[chunk] for column in _columns(h5))
            found.grey[chunk], found.taken[chunk] = grey, taken
        except errors:
            found.taken[chunk] = MISSING
    found.grey[~found.known] = 0
    return found


def write_glimpses(h5: Hdf5, first: int, glimpses: Glimpses, *, rows: int) -> None:
    """Write those of consecutive rows, into datasets that are made and as long as `rows`."""
    if any(name not in h5 for name in GLIMPSE_COLUMNS):
        for name in GLIMPSE_COLUMNS.keys() & set(h5):
            del h5[name]
        create_glimpses(h5)
    columns = _columns(h5)
    length = min(len(column) for column in columns)
    for column in columns:
        column.resize(rows, axis=0)
    for start in range(length, rows, _BLOCK):
        _write(columns, start, Glimpses.blank(min(_BLOCK, rows - start)))
    _write(columns, first, glimpses)


def _write(columns: Sequence[Hdf5], first: int, glimpses: Glimpses) -> None:
    grey, taken = columns
    where = slice(first, first + len(glimpses.taken))
    grey[where], taken[where] = glimpses.grey, glimpses.taken


def _columns(h5: Hdf5) -> list[Hdf5]:
    """The two datasets, in the order of `Glimpses`."""
    for name, expected in GLIMPSE_COLUMNS.items():
        if h5[name].dtype != expected.dtype or h5[name].shape[1:] != expected.shape:
            raise ValueError(f"{name} is of another type")
    return [h5[name] for name in GLIMPSE_COLUMNS]
