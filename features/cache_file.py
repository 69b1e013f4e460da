"""A cache's file: made, opened as HDF5, and what to say if it cannot be. Here h5py is imported."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from features import layout
from features.errors import CacheError
from features.files import write_whole
from features.header import SIZE, USER_BLOCK, new_header
from features.journal import JournaledFile, journal_path

# Superblock 2 with HDF5 1.10's indexes: every block of them has a checksum, which a bit that
# flipped cannot pass. Older indexes have none (HDF5 was seen to hang on them); superblock 3 marks
# the file as being written, and a killed process would leave the mark.
_SUPERBLOCK = ("v108", "latest")
_INDEXES = ("v110", "latest")
# What h5py raises for a file that is not as it should be.
HDF5_ERRORS = (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError)


def open_file(path: Path, *, writable: bool) -> JournaledFile:
    """Open a cache's file, after what a killed writer may have left in its journal.

    Raises:
        CacheError: there is none, or it may not be read (or written).
    """
    try:
        return JournaledFile(path, writable=writable)
    except FileNotFoundError:
        raise CacheError(
            f"no cache at {path}; make one with: extract DATA --cache {path}"
        ) from None
    except OSError as error:
        raise CacheError(
            f"{path} cannot be opened ({error.strerror}); expected a cache file that may be "
            f"{'written' if writable else 'read'}"
        ) from error


def open_hdf5(file: JournaledFile) -> h5py.File:
    """Open the HDF5 file inside; closes `file` where that fails.

    Raises:
        CacheError: it is none.
    """
    try:
        return h5py.File(file, "r+" if file.writable else "r", libver=_INDEXES)
    except HDF5_ERRORS as error:
        message = _not_hdf5(file, error)
        file.close()
        raise CacheError(message) from error


def stamp(path: Path) -> tuple[bytes, int, int, bool]:
    """What differs after every commit, and between a file and one that replaced it."""
    try:
        with path.open("rb", buffering=0) as file:
            stat = os.fstat(file.fileno())
            return file.read(SIZE), stat.st_size, stat.st_mtime_ns, journal_path(path).exists()
    except OSError:
        return b"", -1, -1, False


def _not_hdf5(file: JournaledFile, error: Exception) -> str:
    path = file.path
    if file.failure:
        return damaged(file, "")
    if path.stat().st_size == 0:
        return f"{path} is empty; expected a cache; remove it and extract again"
    if "truncated" in str(error):
        return f"{path} is cut off (a copy that did not finish?); copy it again, or extract again"
    return f"{path} is no HDF5 file that can be read; expected a cache; name another --cache"


def damaged(file: JournaledFile, found: str) -> str:
    """What to tell of a file that cannot be read as a cache."""
    if file.failure:
        return f"{file.path} cannot be read ({file.failure.strerror}); check the disk"
    return (
        f"{file.path} is a damaged cache ({' '.join(found.split())[:120]}); "
        f"run: cache repair {file.path}"
    )


def damaged_rows(file: JournaledFile, first: int, count: int) -> str:
    """What to tell of rows that cannot be read."""
    if file.failure:
        return damaged(file, "")
    where = f"row {first}" if count == 1 else f"one of rows {first} to {first + count - 1}"
    return (
        f"{file.path}: {where} does not match its checksum; the disk or a copy damaged it: "
        f"copy the file again, or run: cache repair {file.path}"
    )


def create_file(
    path: Path, fields: Mapping[str, Any], row_width: int, dtype: np.dtype[Any]
) -> None:
    """An empty cache, made in memory and written whole.

    Raises:
        OutputError: it cannot be written.
    """
    made = io.BytesIO()
    with h5py.File(made, "w", userblock_size=USER_BLOCK, libver=_SUPERBLOCK):
        pass
    with h5py.File(made, "r+", libver=_INDEXES) as h5:
        layout.create_datasets(h5, fields, row_width, dtype)
        seal = layout.seal(
            layout.rows_digest(layout.read_entries(h5)).digest(),
            layout.attributes_digest(h5),
            layout.samples_digest(layout.read_columns(h5)),
        )
    content = bytearray(made.getvalue())
    content[:SIZE] = new_header(seal).pack()
    write_whole(path, bytes(content))
