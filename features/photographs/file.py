"""A photograph's file: looked at and read whole, if it is one that may be read."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from features.errors import ImageError
from features.files import is_address
from features.photographs.bucket import read_from_bucket, read_start, stat_in_bucket
from features.photographs.decode import MAX_PIXELS

_BYTES_PER_PIXEL = 8  # of a file: four channels of 16 bits, not compressed
_SPARE_BYTES = 64 * 2**20  # for what else a file holds: metadata, small previews


class Photograph(NamedTuple):
    """One file to look at.

    Attributes:
        file: where it is.
        path: its name in tables, relative to the folder, with forward slashes.
        label, group, split: carried into the sample table, not read here.

    Example:
        >>> onepass.Photograph(Path("data/Healthy/1.png"), "Healthy/1.png", "Healthy").label
        'Healthy'
    """

    file: Path
    path: str
    label: str = ""
    group: str = ""
    split: str = ""


def stat_photograph(file: Path) -> os.stat_result:
    """Read what the system knows of a file, or the store of one in a bucket.

    Raises:
        ImageError: it cannot be looked at, or is no regular file: reading a pipe or a device may
            never end.
    """
    if is_address(file):
        return stat_in_bucket(file)
    try:
        stat = file.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise ImageError(_unopened(error)) from error
    if not S_ISREG(stat.st_mode):
        raise ImageError("it is no regular file")
    return stat


def read_photograph(file: Path, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """Give the whole file, unless it is larger than any photograph of `max_pixels` can be.

    Raises:
        ImageError: it is too large, or cannot be opened; see `stat_photograph`.
    """
    size = stat_photograph(file).st_size
    most = _BYTES_PER_PIXEL * max_pixels + _SPARE_BYTES
    if size > most:
        raise ImageError(
            f"the file has {size:,} bytes, more than the {most:,} of any photograph of "
            f"{max_pixels:,} pixels; raise --max-pixels if it is genuine"
        )
    if is_address(file):
        return read_from_bucket(file, size)
    try:
        return file.read_bytes()
    except OSError as error:
        raise ImageError(_unopened(error)) from error


def first_bytes(file: Path, count: int) -> bytes:
    """Give the first bytes of a file; fewer where it has no more.

    Raises:
        OSError, ValueError: it cannot be opened.
    """
    if is_address(file):
        return read_start(file, count)
    with file.open("rb") as opened:
        return opened.read(count)


def _unopened(error: OSError | ValueError) -> str:
    return f"it cannot be opened ({getattr(error, 'strerror', None) or error})"
