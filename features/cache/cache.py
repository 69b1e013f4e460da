"""The feature cache: rows and their keys, read and written; one HDF5 file.

What stands in the file: `schema`. How it is opened: `hdf5_file`. How its changes
reach the disk: `journal`. A row's key is (digest, view) in a cache of one fingerprint.
Rows are only added; what drops some (`maintenance`, `repair`) makes a new file.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from features.arrays import Indices, Rows
from features.cache import schema as schema
from features.cache.hdf5_file import (
    HDF5_ERRORS,
    damaged,
    empty_file,
    open_file,
    open_hdf5,
    read_checked,
    read_schema,
    stamp,
    too_fast,
)
from features.cache.journal import JournaledFile
from features.cache.lock import refuse_folder
from features.cache.sample_table import TableRow, from_columns
from features.cache.schema import SCHEMA, Entries, Hdf5, Seal
from features.cache.thumbnails import Thumbnail, Thumbnails, write_thumbnails
from features.errors import CacheError, FingerprintError
from features.files import followed, write_whole
from features.fingerprint import differences, fingerprint_of
from features.photographs.views import FULL

_SETTLE = 5.0  # seconds for which a reader that meets a commit half-way opens again
_T = TypeVar("_T")


class Cache:
    """An open cache. `Cache.read(path)` never changes the file; `Cache.write(path, …)` does.

    A writer must hold `features.cache.lock.writing(path)`.

    Attributes:
        path: the file.
        fields: what the fingerprint is made of (see `BackboneSettings.fields`).
        fingerprint: SHA-256 of `fields`.
        note: what `extract` was told about the folder: root, classes, where groups are from.
        table_rows: the photographs of the folder, as of the last complete `extract`.
        own: whether this account wrote all of it, so that its root is no stranger's.
    """

    def __init__(self, file: JournaledFile) -> None:
        self.path = file.path
        self._file, self.own = file, file.own
        self._stamp = stamp(self.path)  # `read` sets it to what was there before
        self._h5 = open_hdf5(file)
        try:
            self._load()
        except HDF5_ERRORS as error:
            self._close_hdf5()
            raise CacheError(damaged(file, str(error))) from error
        except CacheError:
            self._close_hdf5()
            raise

    # ---- opening ------------------------------------------------------------------------

    @classmethod
    def read(cls, path: Path) -> Cache:
        """Open for reading, as of the last commit, also while another process writes.

        Raises:
            CacheError: there is none, or it cannot be read.
        """
        refuse_folder(path)
        path = followed(path)
        deadline = time.monotonic() + _SETTLE
        while True:
            before = stamp(path)
            try:
                cache = cls(open_file(path, writable=False))
            except CacheError:
                # Opened while a commit changed it, or is there real damage?
                if stamp(path) == before:
                    raise
            else:
                if cache._sealed or stamp(path) == before:
                    cache._stamp = before
                    return cache
                cache.close()
            if time.monotonic() > deadline:
                raise CacheError(too_fast(path))

    @classmethod
    def write(
        cls, path: Path, fields: Mapping[str, Any], cached_width: int, dtype: npt.DTypeLike
    ) -> Cache:
        """Open for writing, making the cache where there is none.

        Raises:
            FingerprintError: it holds rows of other settings; both are shown side by side.
            CacheError: it cannot be opened or made.
        """
        path = followed(path)
        if not path.exists():
            write_whole(path, empty_file(fields, cached_width, np.dtype(dtype)))
        cache = cls(open_file(path, writable=True))
        try:
            cache.check_fields(fields)
            cache._check_header()
        except CacheError:
            cache.close()
            raise
        return cache

    def _load(self) -> None:
        self._sealed = read_schema(self._h5, self.path) > 1
        self.fields: dict[str, Any] = schema.read_fields(self._h5)
        self.fingerprint = fingerprint_of(self.fields)
        self.note: dict[str, Any] = schema.read_note(self._h5)
        self._features = self._h5["features"]
        self.entries: Entries = schema.read_entries(self._h5)
        if self._features.dtype.str not in schema.ROW_TYPES:
            raise ValueError(f"its rows are of type {self._features.dtype}")
        if len(self._features) != len(self.entries):
            raise ValueError("its rows and keys differ in number")
        self._index = {key: row for row, key in enumerate(self.keys)}
        self._committed = len(self.entries)
        columns = schema.read_columns(self._h5)
        self._rows_digest = schema.rows_digest(self.entries)
        self._photographs_digest = schema.photographs_digest(columns)
        self._check_seal()
        self.table_rows: list[TableRow] = from_columns(columns, self.entries["row_digest"])

    def _seal(self) -> Seal:
        return Seal(
            self._rows_digest.digest(), schema.settings_digest(self._h5), self._photographs_digest
        )

    def _check_seal(self) -> None:
        """Raise ValueError where what was read is not what the last commit wrote."""
        if not self._sealed:
            return
        if self._file.header is None:
            raise ValueError("its header does not match its checksum")
        broken = Seal.unpack(self._file.header.seal).broken(self._seal())
        if broken:
            raise ValueError(f"its {' and '.join(broken)} do not match their digest")

    def _check_header(self) -> None:
        if not self.has_header:
            raise CacheError(
                f"{self.path} has lost its header, as when another program rewrites it; "
                f"run: cache repair {self.path}"
            )

    def check_fields(self, fields: Mapping[str, Any]) -> None:
        """Raise FingerprintError where `fields` are not this cache's."""
        if fingerprint_of(dict(fields)) != self.fingerprint:
            raise FingerprintError(
                f"{self.path} holds rows of other settings: "
                f"{differences(self.fields, fields)}; give the settings that it was made with, "
                "or another --cache"
            )

    # ---- what is there ------------------------------------------------------------------

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.entries)

    @property
    def cached_width(self) -> int:
        """Count the values of a row."""
        return int(self._features.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the dtype of the rows on the disk."""
        dtype: np.dtype[Any] = self._features.dtype
        return dtype

    @property
    def keys(self) -> list[tuple[bytes, bytes]]:
        """Give (digest, view) of every row."""
        keys: list[tuple[bytes, bytes]] = self.entries[["row_digest", "row_view"]].tolist()
        return keys

    @property
    def has_header(self) -> bool:
        """Say whether the file has a header, without which nothing is written to it."""
        return self._file.header is not None

    @property
    def failure(self) -> OSError | None:
        """Give the first error of the disk under this opening."""
        return self._file.failure

    @property
    def index_is_checked(self) -> bool:
        """Say whether HDF5's own index has checksums; caches of the first version have none."""
        return bool(self._h5.id.get_create_plist().get_version()[0] >= 2)

    def find(self, digest: str, view: str = FULL) -> int:
        """Give the row of a photograph, -1 where there is none."""
        return self._index.get((digest.encode(), view.encode()), -1)

    def has_views(self, digest: str, views: Iterable[str]) -> bool:
        """Say whether a photograph has a row of each of these views."""
        return all(self.find(digest, view) >= 0 for view in views)

    def rows_of(self, digests: Sequence[str], views: str | Sequence[str] = FULL) -> list[int]:
        """Give the rows of photographs, in this order, of one view or of one for each.

        Row numbers are of this opening alone: `cache gc` and `cache repair` change them.

        Raises:
            CacheError: some have none, such as since `cache gc` dropped them.
        """
        each = [views] * len(digests) if isinstance(views, str) else views
        rows = [self.find(digest, view) for digest, view in zip(digests, each, strict=True)]
        missing = rows.count(-1)
        if missing:
            raise CacheError(
                f"{self.path} lacks {missing} of {len(rows)} photographs; "
                "expected it as it was a moment ago: run the same again, or extract first"
            )
        return rows

    def take(self, rows: Sequence[int] | Indices, columns: slice = slice(None)) -> Rows:
        """Read rows, in the order asked for, each checked against its key.

        Args:
            rows: their numbers.
            columns: consecutive values that are taken of each; all by default.

        Returns:
            float32 (len(rows), values).

        Raises:
            CacheError: a row is damaged.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        width = len(range(self.cached_width)[columns])
        out = np.empty((len(wanted), width), dtype=np.float32)
        for first, places in schema.runs(wanted):
            out[places] = self.read_rows(first, len(places))[:, columns]
        return out

    def read_rows(self, first: int, count: int) -> npt.NDArray[Any]:
        """Read consecutive rows as they are on the disk, each checked: (count, cached_width).

        Raises:
            CacheError: a row is damaged or holds what no backbone gives, or the disk fails.
        """
        block = self.settled(
            lambda _: read_checked(self._features, self.entries, first, count, self._file)
        )
        return schema.finite_rows(self.path, first, block, self.entries, self.table_rows)

    def settled(self, read: Callable[[Hdf5], _T]) -> _T:
        """Give what `read` makes of the open file; again where a commit came in between."""
        deadline = time.monotonic() + _SETTLE
        while True:
            try:
                return read(self._h5)
            except CacheError:
                # A reader's view of HDF5's index goes stale when a writer commits; the rows
                # themselves never move. Nothing new on the disk means real damage.
                if self._file.writable or stamp(self.path) == self._stamp:
                    raise
            if time.monotonic() > deadline:
                raise CacheError(too_fast(self.path))
            self._open_again()

    def _open_again(self) -> None:
        """Take the file as it is now; keys and table rows stay those of the first opening."""
        identity = self._file.header and self._file.header.identity
        self._stamp = stamp(self.path)
        file = open_file(self.path, writable=False)
        if (file.header and file.header.identity) != identity:
            file.close()
            raise CacheError(
                f"{self.path} was replaced while it was read (by gc or repair); run the same again"
            )
        self._close_hdf5()
        self._file, self._h5 = file, open_hdf5(file)
        self._features = self._h5["features"]

    # ---- writing ------------------------------------------------------------------------

    def append(
        self,
        digests: Sequence[str],
        rows: Rows,
        view: str | Sequence[str] = FULL,
        thumbnails: Sequence[Thumbnail] = (),
    ) -> None:
        """Add rows of photographs that have none yet; nothing is kept before `commit`.

        Args:
            digests: of their photographs.
            rows: float32 (n, cached_width).
            view: of all of them, or of each.
            thumbnails: one for each of the rows, or none.

        Raises:
            CacheError: the file cannot be written; it is as the last commit left it.
        """
        # numpy's cast: HDF5's own measured 7 times slower.
        values = np.ascontiguousarray(rows, dtype=self.dtype)
        looks = Thumbnails.of(thumbnails) if thumbnails else None  # as many as rows, or none
        views = [view] * len(digests) if isinstance(view, str) else view
        self.append_entries(schema.new_entries(digests, views, values), values, looks)

    def append_entries(
        self, entries: Entries, values: npt.NDArray[Any], thumbnails: Thumbnails | None = None
    ) -> None:
        """Add rows as another cache of the same settings has them; see `append`."""
        first, end = len(self), len(self) + len(entries)
        with self.writing():
            for name, data in (
                ("features", values),
                *((name, entries[name]) for name in self.entries.dtype.fields or ()),
            ):
                self._h5[name].resize(end, axis=0)
                self._h5[name][first:end] = data
            self._features.flush()  # first in the file: a copy that is cut off has most rows
            write_thumbnails(self._h5, first, thumbnails or Thumbnails.blank(end - first), rows=end)
        keys = entries[["row_digest", "row_view"]].tolist()
        self._index |= {key: first + offset for offset, key in enumerate(keys)}
        self._rows_digest.update(entries.tobytes())
        self.entries = np.concatenate([self.entries, entries])

    def replace_table(
        self, table_rows: list[TableRow], note: Mapping[str, Any], *, own: bool = False
    ) -> None:
        """Put a new sample table in the place of the old one; nothing is kept before `commit`.

        Raises CacheError as `append`. With `own` the cache is this account's: it named the folder.
        """
        with self.writing():
            del self._h5["samples"]
            columns = schema.write_table(self._h5, table_rows)
            schema.write_note(self._h5, note)
        self._photographs_digest = schema.photographs_digest(columns)
        self.table_rows, self.note = table_rows, dict(note)
        self.own = self._file.own = self.own or own

    def commit(self) -> None:
        """Make all that was appended durable, all or nothing.

        Raises:
            CacheError: the disk is full or failing; the file is as the last commit left it.
        """
        with self.writing():
            if not self._sealed:
                self._h5.attrs["onepass_schema"], self._sealed = SCHEMA, True
            self._h5.flush()
            self._file.commit(self._seal().pack())
        self._committed = len(self)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Hdf5]:
        """Give the open file; any failure ends it, as half of a change must never be committed."""
        try:
            self._file.check_unchanged()
            yield self._h5
        except HDF5_ERRORS as error:
            found = self.failure or error
            self._file.abandon()
            reason = getattr(found, "strerror", None) or found
            raise CacheError(
                f"{self.path} cannot be written ({reason}); the {self._committed:,} rows up to the "
                "last commit are safe: free some space and run the same again"
            ) from error

    def close(self) -> None:
        """Close without committing."""
        self._file.abandon()
        self._close_hdf5()

    def _close_hdf5(self) -> None:
        with contextlib.suppress(*HDF5_ERRORS):  # of a damaged file
            self._h5.close()
        self._file.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
