"""Say what is kept of a photograph beside its row: a small grey picture, and when it was taken.

Both are made when the photograph is decoded, so that photographs of one part can be looked for
later (`pipeline.groups`) in the cache alone. No row and no head depends on them: a cache without
them, or with some missing, is as good as any other, and `extract` adds what is missing.

In the cache: `features.cache.schema.THUMBNAIL_COLUMNS`, see `Thumbnails`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Flags, Indices, Pixels
from features.cache.schema import THUMBNAIL_CHUNK, THUMBNAIL_COLUMNS, Hdf5, create_thumbnails
from features.photographs.opening import NO_TIME

SIDE = THUMBNAIL_COLUMNS["glimpse_grey"].shape[0]  # pixels of the grey picture, both ways
_EARLIER = SIDE // 2  # in caches of earlier versions; their pictures are shown twice as large
MISSING = THUMBNAIL_COLUMNS["glimpse_taken"].blank  # nobody has looked yet
_BLOCK = 64 * THUMBNAIL_CHUNK  # rows that are written at once

Grey = npt.NDArray[np.uint8]


class Thumbnail(NamedTuple):
    """Hold what is kept of one photograph.

    Attributes:
        grey: uint8 (64, 64), the decoded photograph squeezed to a square.
        capture_time: milliseconds since 1970 by the camera's own clock; NO_TIME where the file is
            silent.
    """

    grey: Grey
    capture_time: int


BLANK = Thumbnail(np.zeros((SIDE, SIDE), np.uint8), MISSING)
"""Beside the rows of views that are not the full one: there is one for each photograph."""


class Thumbnails(NamedTuple):
    """Hold what is kept of the photographs of some rows, column by column.

    Attributes:
        grey: uint8 (n, 64, 64); zeros where it is missing.
        capture_time: int64 (n,), as `Thumbnail.capture_time`; MISSING where nobody has looked.
    """

    grey: Grey
    capture_time: Indices

    @property
    def known(self) -> Flags:
        """Say which of them are there: bool (n,)."""
        return np.asarray(self.capture_time != MISSING)

    @classmethod
    def of(cls, thumbnails: Sequence[Thumbnail]) -> Thumbnails:
        """Join several of one photograph each, at least one."""
        capture_time = np.array([thumbnail.capture_time for thumbnail in thumbnails], np.int64)
        return cls(np.stack([thumbnail.grey for thumbnail in thumbnails]), capture_time)

    @classmethod
    def blank(cls, count: int) -> Thumbnails:
        """Make those of rows whose photographs nobody has looked at."""
        return cls(np.zeros((count, SIDE, SIDE), np.uint8), np.full(count, MISSING, np.int64))

    @classmethod
    def joined(cls, parts: Iterable[Thumbnails]) -> Thumbnails:
        """Put those of several files one behind the other."""
        every = [cls.blank(0), *parts]
        return cls(
            np.concatenate([part.grey for part in every]),
            np.concatenate([part.capture_time for part in every]),
        )

    def some(self, first: int, count: int) -> Thumbnails:
        """Take consecutive ones among them."""
        return Thumbnails(
            self.grey[first : first + count], self.capture_time[first : first + count]
        )


def thumbnail_of(pixels: Pixels, capture_time: int) -> Thumbnail:
    """Make one from decoded pixels, uint8 (height, width, 3), and `decode.capture_time`."""
    # What `pixels.mean(axis=2)` gives, to the bit, in a tenth of its 0.8 ms.
    sums = pixels[..., 0].astype(np.uint16)
    sums += pixels[..., 1]
    sums += pixels[..., 2]
    grey = sums.astype(np.float32) / np.float32(3)
    for axis in (0, 1):
        starts = np.arange(SIDE) * grey.shape[axis] // SIDE
        added = np.add.reduceat(grey, starts, axis=axis)
        # Of fewer than SIDE pixels, some are taken several times.
        widths = np.maximum(np.diff(np.append(starts, grey.shape[axis])), 1)
        grey = added / (widths[:, None] if axis == 0 else widths)
    return Thumbnail(
        np.round(grey).astype(np.uint8), capture_time if capture_time >= 0 else NO_TIME
    )


def read_thumbnails(h5: Hdf5, rows: Indices) -> Thumbnails:
    """Read those of some rows of an open cache; blank where it has none.

    Raises:
        ValueError: they are of another type or shape.
        OSError, RuntimeError: they are damaged.
    """
    found = Thumbnails.blank(len(rows))
    if any(name not in h5 for name in THUMBNAIL_COLUMNS):
        return found
    grey, capture_time = _columns(h5)
    there = min(len(grey), len(capture_time))
    for start in sorted(set((rows[rows < there] // _BLOCK * _BLOCK).tolist())):
        end = min(start + _BLOCK, there)
        places = np.flatnonzero((rows >= start) & (rows < end))
        first, last = int(rows[places].min()), int(rows[places].max()) + 1
        inside = rows[places] - first
        found.grey[places] = _grown(grey[first:last])[inside]
        found.capture_time[places] = capture_time[first:last][inside]
    return found


def salvage_thumbnails(h5: Hdf5, count: int, errors: tuple[type[Exception], ...]) -> Thumbnails:
    """Read what is left of a damaged cache, a chunk at a time; blank what raises `errors`."""
    found = Thumbnails.blank(count)
    for start in range(0, count, THUMBNAIL_CHUNK):
        chunk = slice(start, min(start + THUMBNAIL_CHUNK, count))
        try:
            grey, capture_time = (column[chunk] for column in _columns(h5))
            found.grey[chunk], found.capture_time[chunk] = _grown(grey), capture_time
        except errors:
            found.capture_time[chunk] = MISSING
    found.grey[~found.known] = 0
    return found


def write_thumbnails(h5: Hdf5, first: int, thumbnails: Thumbnails, *, rows: int) -> None:
    """Write those of consecutive rows, into datasets that are made and as long as `rows`.

    Datasets of an earlier version are made anew, with its pictures twice as large.
    """
    there = THUMBNAIL_COLUMNS.keys() & set(h5)
    whole = len(there) == len(THUMBNAIL_COLUMNS)
    earlier = None
    if not whole or h5["glimpse_grey"].shape[1:] == (_EARLIER, _EARLIER):
        earlier = read_thumbnails(h5, np.arange(len(h5["glimpse_grey"]))) if whole else None
        for name in there:
            del h5[name]
        create_thumbnails(h5)
    columns = _columns(h5)
    if earlier is not None:
        for column in columns:
            column.resize(len(earlier.grey), axis=0)
        _write(columns, 0, earlier)
    length = min(len(column) for column in columns)
    for column in columns:
        column.resize(rows, axis=0)
    for start in range(length, rows, _BLOCK):
        _write(columns, start, Thumbnails.blank(min(_BLOCK, rows - start)))
    _write(columns, first, thumbnails)


def _write(columns: Sequence[Hdf5], first: int, thumbnails: Thumbnails) -> None:
    grey, capture_time = columns
    where = slice(first, first + len(thumbnails.capture_time))
    grey[where], capture_time[where] = thumbnails.grey, thumbnails.capture_time


def _columns(h5: Hdf5) -> list[Hdf5]:
    """Give the two datasets, in the order of `Thumbnails`."""
    for name, expected in THUMBNAIL_COLUMNS.items():
        shapes = {expected.shape, (_EARLIER,) * len(expected.shape)}
        if h5[name].dtype != expected.dtype or h5[name].shape[1:] not in shapes:
            raise ValueError(f"{name} is of another type")
    return [h5[name] for name in THUMBNAIL_COLUMNS]


def _grown(grey: Grey) -> Grey:
    """Show pictures of an earlier version's size twice as large; others as they are."""
    if grey.shape[1:] != (_EARLIER, _EARLIER):
        return grey
    return np.asarray(grey.repeat(2, axis=1).repeat(2, axis=2))
