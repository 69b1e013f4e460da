"""A photograph's file: looked at and read whole, if it is one that may be read."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple, overload

from features.errors import DecoderError, ImageError
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


Room = Callable[[int], "memoryview | None"]
"""Gives memory for so many bytes, or None; see `features.photographs.decoder`."""


@overload
def read_photograph(file: Path, *, max_pixels: int = ...) -> bytes: ...
@overload
def read_photograph(
    file: Path, *, max_pixels: int = ..., room: Room | None
) -> bytes | memoryview: ...
def read_photograph(
    file: Path, *, max_pixels: int = MAX_PIXELS, room: Room | None = None
) -> bytes | memoryview:
    """Give the whole file, unless it is larger than any photograph of `max_pixels` can be.

    Args:
        file: where it is.
        max_pixels: see above.
        room: where to read it into, if there is room.

    Raises:
        ImageError: it is too large, or cannot be opened; see `stat_photograph`.
        DecoderError: this process may open no further file, which is no fault of this one.
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
        return (room and _read_into(file, room(size))) or file.read_bytes()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise DecoderError(
                f"{file} cannot be opened ({os.strerror(error.errno)}); expected some five for "
                "each photograph that is read at once; allow more of them (ulimit -n)"
            ) from error
        raise ImageError(_unopened(error)) from error


def _read_into(file: Path, room: memoryview | None) -> memoryview | None:
    """Read a file into memory that is as long as it; None where it is not, or not any more."""
    if room is None:
        return None
    # What is wrong with the file is said where it is read in another way.
    with contextlib.suppress(OSError), file.open("rb", buffering=0) as opened:
        done = 0
        while done < len(room) and (count := opened.readinto(room[done:])):
            done += count
        if done == len(room) and not opened.read(1):
            return room
    return None


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
