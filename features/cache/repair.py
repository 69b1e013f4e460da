"""A damaged cache made whole: what is sound goes into a new file, what is not is named."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Flags, Row
from features.cache import schema as schema
from features.cache.cache import Cache
from features.cache.hdf5_file import HDF5_ERRORS, open_hdf5, read_checked, read_schema
from features.cache.journal import JournaledFile
from features.cache.lock import writing
from features.cache.maintenance import verify
from features.cache.new_cache import new_cache
from features.cache.probe_row import keep_probe
from features.cache.redo_log import journal_path, pending
from features.cache.sample_table import TableRow, from_columns
from features.cache.schema import KEY_CHUNK, READ_BLOCK, ROW_COLUMNS, Entries, Hdf5, Seal
from features.cache.thumbnails import Thumbnails, read_thumbnails, salvage_thumbnails
from features.errors import CacheError
from features.extract import Progress
from features.files import followed, sync_folder
from features.photographs.views import Chosen

_DROPPED = "its row was damaged and dropped; run extract to compute it again"


@dataclass
class Repair:
    """Hold what `repair` did.

    Attributes:
        path: the cache.
        rows: that it has now.
        dropped: numbers of the rows that were damaged, as they were.
        photographs: paths of the table whose row was dropped.
        lost: what else was damaged, in words.
        backup: where the cache is as it was; None where nothing was damaged or it was not kept.
    """

    path: Path
    rows: int = 0
    dropped: list[int] = field(default_factory=list)
    photographs: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    backup: Path | None = None

    @property
    def changed(self) -> bool:
        """Say whether anything was damaged."""
        return bool(self.dropped or self.lost)


def repair(path: Path, *, backup: bool = True, progress: Progress | None = None) -> Repair:
    """Keep what is sound of a cache; `extract` fills in the rest.

    A row is sound if its checksum fits it and its key. The sound rows go into a new file that takes
    the place of the damaged one at once; that one is kept beside it under another name. A cache
    without damage is left alone.

    Args:
        path: the cache.
        backup: keep the damaged file.
        progress: called as `progress(rows done, rows in all)`.

    Raises:
        CacheError: there is no cache, or so little of it can be read that nothing can be kept.
        CacheBusyError: another process writes to it.
        OutputError: the disk is full or failing; the cache stays as it was.

    Example:
        >>> onepass.repair(Path("features.h5")).dropped
        []
    """
    path = followed(path)
    with writing(path):
        found = verify(path, full=True, progress=progress)
        if found.sound:
            return Repair(path, found.rows)
        try:
            with _wreck(path) as wreck:
                return _rebuild(wreck, backup, progress)
        except _UnreadError:
            # What cannot be read twice is lost; a single failure of the disk must cost no row.
            with _wreck(path) as wreck:
                return _rebuild(wreck, backup, progress, again=True)


class _UnreadError(Exception):
    """The disk failed while a damaged cache was read."""


def _rebuild(
    wreck: _Wreck, backup: bool, progress: Progress | None, *, again: bool = False
) -> Repair:
    done = Repair(wreck.path, lost=wreck.lost)
    names = [name for name in ROW_COLUMNS if name in (wreck.entries.dtype.names or ())]
    with new_cache(
        wreck.path, wreck.fields, wreck.cached_width, wreck.dtype, names, own=wreck.own
    ) as target:
        for first in range(0, len(wreck.entries), READ_BLOCK):
            count = min(READ_BLOCK, len(wreck.entries) - first)
            done.dropped += wreck.copy(first, count, target)
            if progress is not None:
                progress(first + count, len(wreck.entries))
        if wreck.probe is not None:
            keep_probe(target, wreck.probe)
        views = Chosen.noted(wreck.note).names
        table_rows = [_placed(table_row, target, views) for table_row in wreck.table_rows]
        target.replace_table(table_rows, wreck.note)
        done.photographs = [
            table_row.path for table_row in table_rows if table_row.reason == _DROPPED
        ]
        done.rows = len(target)
        if wreck.unread and not again:
            raise _UnreadError
        if backup:
            done.backup = _keep(wreck.path)
    return done


def _placed(table_row: TableRow, target: Cache, views: Sequence[str]) -> TableRow:
    """Note where its row is now; a photograph that lost any of its views counts as one without."""
    if table_row.digest and target.has_views(table_row.digest, views):
        return table_row._replace(row=target.find(table_row.digest), reason="")
    return table_row._replace(row=-1, reason=table_row.reason or _DROPPED)


class _Wreck:
    """Say what can be read of a damaged cache.

    Attributes:
        fields, cached_width, dtype: what its rows are.
        own: whether this account wrote it.
        entries: of all rows; `readable` (rows,) says of which they could be read.
        table_rows, note: the table of photographs and what was noted of the folder; empty if
            damaged.
        lost: what was damaged besides rows, in words.
        probe: the drift probe's row; None where there is none to be read.
    """

    def __init__(self, file: JournaledFile, h5: Hdf5) -> None:
        self.path, self._file, self.own = file.path, file, file.own
        read_schema(h5, self.path)
        self.fields = schema.read_fields(h5)
        self._features = h5["features"]
        self.cached_width: int = self._features.shape[1]
        self.dtype: np.dtype[Any] = self._features.dtype
        self.entries, self.readable = _read_entries(h5, len(self._features))
        self.note: dict[str, Any] = {}
        self.table_rows: list[TableRow] = []
        self.lost = [] if file.header else ["the header"]
        seal = Seal.unpack(file.header.seal) if file.header and file.header.seal else None
        self._read_note(h5, seal)
        self._read_table(h5, seal)
        self._thumbnails = self._read_thumbnails(h5)
        self.probe = self._read_probe(h5)

    @property
    def unread(self) -> bool:
        """Say whether the disk failed: what seems damaged may be sound."""
        return self._file.failure is not None

    def _read_thumbnails(self, h5: Hdf5) -> Thumbnails:
        try:
            return read_thumbnails(h5, np.arange(len(self.entries)))
        except HDF5_ERRORS:
            self.lost.append("some of the small pictures; extract makes them again")
            return salvage_thumbnails(h5, len(self.entries), HDF5_ERRORS)

    def _read_probe(self, h5: Hdf5) -> Row | None:
        try:
            kept = h5.get(schema.PROBE)
            return None if kept is None or not len(kept) else np.asarray(kept[0], np.float32)
        except HDF5_ERRORS:
            self.lost.append("the row of the drift probe; extract makes it again")
            return None

    def _read_note(self, h5: Hdf5, seal: Seal | None) -> None:
        try:
            if seal and schema.settings_digest(h5) != seal.settings:
                raise ValueError("other settings were sealed")
            self.note = schema.read_note(h5)
        except HDF5_ERRORS:
            self.lost.append("what was noted of the folder, groups and weights")

    def _read_table(self, h5: Hdf5, seal: Seal | None) -> None:
        try:
            columns = schema.read_columns(h5)
            if seal and schema.photographs_digest(columns) != seal.photographs:
                raise ValueError("other photographs were sealed")
            self.table_rows = from_columns(columns)
        except HDF5_ERRORS:
            self.lost.append("the table of photographs")

    def copy(self, first: int, count: int, target: Cache) -> list[int]:
        """Append the sound ones of some rows to `target`; returns the numbers of the others."""
        block = self._sound(first, count)
        keys = self.entries[first : first + count][["row_digest", "row_view"]].tolist()
        if block is not None and not _has_any(target, keys):
            looks = self._thumbnails.some(first, count)
            target.append_entries(self.entries[first : first + count], block, looks)
            return []
        if count == 1:
            return [first]
        return [row for at in range(first, first + count) for row in self.copy(at, 1, target)]

    def _sound(self, first: int, count: int) -> npt.NDArray[Any] | None:
        """Read rows as they are on the disk; None unless all are sound."""
        if not self.readable[first : first + count].all():
            return None
        try:
            block = read_checked(self._features, self.entries, first, count, self._file)
        except CacheError:
            return None
        return block if schema.are_finite(block).all() else None


def _has_any(cache: Cache, keys: Sequence[tuple[bytes, bytes]]) -> bool:
    """Say whether one of these keys has a row, or stands twice among them."""
    names = [[part.decode("utf-8", "replace") for part in key] for key in keys]
    return len(set(keys)) < len(keys) or any(cache.find(*name) >= 0 for name in names)


def _read_entries(h5: Hdf5, count: int) -> tuple[Entries, Flags]:
    """Read what is known of the rows, a chunk at a time, and of which it could be read."""
    readable = np.ones(count, dtype=np.bool_)
    columns = {}
    for name in ROW_COLUMNS:
        if name not in h5 and name not in schema.KEY:
            continue
        column, values = h5[name], np.zeros(count, dtype=ROW_COLUMNS[name])
        for start in range(0, count, KEY_CHUNK):
            chunk = slice(start, min(start + KEY_CHUNK, count))
            try:
                values[chunk] = column[chunk]
            except HDF5_ERRORS:
                readable[chunk] = False
        columns[name] = values
    return schema.to_entries(columns), readable


@contextlib.contextmanager
def _wreck(path: Path) -> Iterator[_Wreck]:
    with contextlib.ExitStack() as stack:
        try:
            # A file that lost its end is read as if zeros stood there: HDF5 would refuse it.
            file = stack.enter_context(JournaledFile(path, writable=False, endless=True))
            h5 = stack.enter_context(open_hdf5(file))
            wreck = _Wreck(file, h5)
        except (CacheError, *HDF5_ERRORS) as error:
            raise CacheError(
                f"{path} cannot be repaired: what says what its rows are is itself damaged; "
                "copy the file again, or move it away and extract again"
            ) from error
        yield wreck


def _keep(path: Path) -> Path:
    """Give a file a second name beside the first: a copy that takes no space, where it can be."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        os.link(path, kept)
    except OSError:  # some file systems have no second names
        kept.touch(mode=0o600)
        shutil.copyfile(path, kept)
        shutil.copymode(path, kept)
    if pending(path) == "waits":
        shutil.copyfile(journal_path(path), journal_path(kept))
        shutil.copymode(path, journal_path(kept))
    sync_folder(path.parent)
    return kept
