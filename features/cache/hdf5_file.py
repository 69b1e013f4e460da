"""A cache's file: made, opened as HDF5, and what to say if it cannot be. Here h5py is imported."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from features.cache import schema as schema
from features.cache.hdf5_guard import refuse_unsafe
from features.cache.hdf5_process import ParserError, ask
from features.cache.journal import JournaledFile
from features.cache.redo_log import SIZE, USER_BLOCK, journal_path, new_header
from features.cache.schema import Entries, Hdf5, Seal
from features.errors import CacheError
from features.own_files import MARK, mark
from features.untrusted_files import UnsafeFileError

# Superblock 2 with HDF5 1.10's indexes: every block of them has a checksum, which a bit that
# flipped cannot pass. Older indexes have none (HDF5 was seen to hang on them); superblock 3 marks
# the file as being written, and a killed process would leave the mark.
_SUPERBLOCK = ("v108", "latest")
_INDEXES = ("v110", "latest")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST, _CHECKED = 0, 2  # superblocks of caches of the first version, and since
_MOST_LOST = 64  # a cut-off file may claim so many times what is left of it
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
        if error.errno == errno.EMLINK:
            raise CacheError(f"{path} cannot be written: {error.strerror}") from error
        raise CacheError(
            f"{path} cannot be opened ({error.strerror}); expected a cache file that may be "
            f"{'written' if writable else 'read'}"
        ) from error


def open_hdf5(file: JournaledFile) -> h5py.File:
    """Open the HDF5 file inside; closes `file` where that fails.

    Raises:
        CacheError: it is none, or holds what no cache does; see `features.cache.hdf5_guard`.
    """
    h5 = None
    try:
        look_first(file)
        h5 = h5py.File(file, "r+" if file.writable else "r", libver=_INDEXES)
        message = _refusal(h5, file)
    except UnsafeFileError as error:
        message = _unsafe(file, error)
    except HDF5_ERRORS as error:
        message = _not_hdf5(file, error)
    if h5 is not None and not message:
        return h5
    # Not inside `except`: its frames hold an object of HDF5 that, alive when Python ends, crashes
    # it.
    if h5 is not None:
        h5.close()
    file.close()
    raise CacheError(message)


def _refusal(h5: h5py.File, file: JournaledFile) -> str:
    """Say why an HDF5 file is not read further; "" where it is."""
    try:
        # Rows are not compressed: all values together fit into the file, if it is whole.
        left = file.stat().st_size
        claimed = min(file.seek(0, io.SEEK_END), _MOST_LOST * left)
        refuse_unsafe(h5, claimed, names=schema.NAMES, damaged=file.endless)
    except UnsafeFileError as error:
        return _unsafe(file, error)
    except HDF5_ERRORS as error:
        return damaged(file, str(error))
    return ""


def _unsafe(file: JournaledFile, error: Exception) -> str:
    return (
        f"{file.path} is no cache that this program made ({error}); "
        "do not use it: move it away and extract again"
    )


_looked_at: set[tuple[int, ...]] = set()  # files that HDF5 did not crash on, by their state


def look_first(file: JournaledFile) -> None:
    """Let another process meet a file first that this account did not write.

    Raises:
        UnsafeFileError: HDF5's parser crashes or hangs on it, or its format is none of a cache.
        OSError: it is no HDF5 file.
    """
    version = _superblock(file)
    if version not in (_FIRST, _CHECKED):
        raise UnsafeFileError(f"it has HDF5's superblock {version}, which no cache has")
    stat = file.stat()
    state = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if file.own or state in _looked_at:
        return
    try:
        ask("features.cache.hdf5_file:look_through", file.path)
    except ParserError as error:
        refused: str | None = str(error)
    else:
        refused = None
    # The other process went by the name: what bears it now is what it looked at, or later still.
    if not os.path.samestat(file.path.stat(), stat):
        raise FileNotFoundError(errno.ENOENT, "another file has its name", file.path)
    if refused is not None:
        raise UnsafeFileError(refused)
    _looked_at.add(state)


def _superblock(file: JournaledFile) -> int:
    """Give the version of HDF5's superblock, in front or behind a cache's header."""
    for start in (USER_BLOCK, 0):
        file.seek(start)
        found = file.read(len(_SIGNATURE) + 1)
        if found.startswith(_SIGNATURE):
            return found[-1]
    raise OSError("no signature of HDF5")


def look_through(path: Path | bytes) -> bytes:
    """Read all that any command reads, in a process that may crash; errors are for the caller.

    Of the rows the index is walked; of the first version's, which has no checksums, they are read.
    """
    assert isinstance(path, Path)
    with JournaledFile(path, writable=False) as file:
        whole = _look_at(file)
    if not whole:  # as `cache repair` opens it
        with JournaledFile(path, writable=False, endless=True) as file:
            _look_at(file)
    return b""


def _look_at(file: JournaledFile) -> bool:
    """Look at each object; say whether everything could be read."""
    whole = True
    try:
        h5 = h5py.File(file, "r", libver=_INDEXES)
        if _refusal(h5, file):
            return False
        for name in tuple(h5.attrs):
            h5.attrs[name]
    except HDF5_ERRORS:
        return False
    for name in schema.NAMES:
        try:
            item = h5.get(name)
            if not isinstance(item, h5py.Dataset):
                continue
            if item.chunks is not None:
                item.id.chunk_iter(lambda _: None)
            step = 1 if name == "features" else schema.KEY_CHUNK
            small = name not in ("features", *schema.THUMBNAIL_COLUMNS)
            if small or _superblock(file) == _FIRST:
                for at in range(0, len(item), step):
                    whole &= _can_read(item, at, step)
        except HDF5_ERRORS:
            whole = False
    return whole


def _can_read(item: Hdf5, first: int, count: int) -> bool:
    try:
        item[first : first + count]
    except HDF5_ERRORS:
        return False
    return True


def read_schema(h5: h5py.File, path: Path) -> int:
    """Give the schema of an open cache.

    Raises:
        CacheError: it is no cache, or one of a schema that this version does not know.
    """
    number = h5.attrs.get("onepass_schema")
    if number is None:
        raise CacheError(
            f"{path} is an HDF5 file, but no cache of this program; name another --cache"
        )
    if int(number) not in schema.READABLE:
        raise CacheError(
            f"{path} has schema {number}, this version reads schema {schema.SCHEMA}; use the "
            "version that made it, or extract into another --cache"
        )
    return int(number)


def stamp(path: Path) -> tuple[bytes, int, int, bool]:
    """Read what differs after every commit, and between a file and one that replaced it."""
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
    if isinstance(error, FileNotFoundError):
        return f"{path} was moved or removed while it was opened; run the same command again"
    if file.stat().st_size == 0:
        return f"{path} is empty; expected a cache; remove it and extract again"
    if "truncated" in str(error):
        return (
            f"{path} is cut off (a copy that did not finish?); copy it again, "
            f"or run: cache repair {path}"
        )
    return f"{path} is no HDF5 file that can be read; expected a cache; name another --cache"


def too_fast(path: Path) -> str:
    """Word that no look met a whole commit: what such a look found damaged need not be."""
    return f"{path} changes too fast to be read; wait for its writer to end"


def damaged(file: JournaledFile, found: str) -> str:
    """Word the error of a file that cannot be read as a cache."""
    if file.failure:
        return f"{file.path} cannot be read ({file.failure.strerror}); check the disk"
    return (
        f"{file.path} is a damaged cache ({' '.join(found.split())[:120]}); "
        f"run: cache repair {file.path}"
    )


def damaged_row(file: JournaledFile, row: int) -> str:
    """Word the error of a row that cannot be read."""
    if file.failure:
        return damaged(file, "")
    return (
        f"{file.path}: row {row} does not match its checksum; the disk or a copy damaged it: "
        f"copy the file again, or run: cache repair {file.path}"
    )


def empty_file(
    fields: Mapping[str, Any],
    cached_width: int,
    dtype: np.dtype[Any],
    columns: Sequence[str] = tuple(schema.ROW_COLUMNS),
    *,
    own: bool = True,
) -> bytes:
    """Give the bytes of a cache without rows, made in memory: HDF5 never writes to the disk itself.

    Args:
        fields: what its fingerprint is made of.
        cached_width: values per row.
        dtype: of the rows.
        columns: of ROW_COLUMNS, those that it shall have.
        own: bear this account's mark: nothing in it comes from a stranger's cache.
    """
    made = io.BytesIO()
    with h5py.File(made, "w", userblock_size=USER_BLOCK, libver=_SUPERBLOCK):
        pass
    with h5py.File(made, "r+", libver=_INDEXES) as h5:
        schema.create_datasets(h5, fields, cached_width, dtype, columns)
        seal = Seal(
            schema.rows_digest(schema.read_entries(h5)).digest(),
            schema.settings_digest(h5),
            schema.photographs_digest(schema.read_columns(h5)),
        )
    packed = new_header(seal.pack()).pack()
    start = packed + (mark(packed) if own else bytes(MARK))
    return start + made.getvalue()[len(start) :]


def read_checked(
    features: Hdf5, entries: Entries, first: int, count: int, file: JournaledFile
) -> npt.NDArray[Any]:
    """Read consecutive rows (count, cached_width).

    Args:
        features: the dataset of rows.
        entries: what is known of all rows.
        first: number of the first one.
        count: how many.
        file: that they are in, for messages.

    Raises:
        CacheError: one is damaged, or the disk fails.
    """
    try:
        block: npt.NDArray[Any] = features[first : first + count]
    except HDF5_ERRORS as error:
        if count > 1:  # which one is it?
            rows = range(first, first + count)
            return np.concatenate([read_checked(features, entries, r, 1, file) for r in rows])
        raise CacheError(damaged_row(file, first)) from error
    for offset, (entry, row) in enumerate(zip(entries[first : first + count], block, strict=True)):
        check = schema.row_check(entry["row_digest"], entry["row_view"], row)
        if check != entry["row_check"]:
            raise CacheError(damaged_row(file, first + offset))
    return block
