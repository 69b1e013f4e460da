"""The feature cache: one HDF5 file of rows and their keys. The only file that imports h5py.

Layout (schema 1), readable with plain h5py:

    attributes    onepass_schema, fingerprint, fingerprint_fields (JSON), dataset (JSON)
    features      (rows, row_width) float32 or float16, one row a chunk, Fletcher32 checksums
    row_digest    (rows,) SHA-256 of the photograph's bytes, hex
    row_view      (rows,) name of the view of the photograph that the row is of
    row_check     (rows,) uint32, CRC-32 of the key and the row: a row under a wrong key is found
    samples/*     the table of `features.samples`, one array a column
    glimpse_*     (rows, …) what `features.glimpse` keeps of each photograph; may be absent

A row's key is (digest, view) in a cache of one fingerprint. Rows are only ever added.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from features.backbone import differences, fingerprint_of
from features.errors import CacheError, FingerprintError
from features.files import whole_file
from features.glimpse import Glimpse, GlimpseTable
from features.journal import USER_BLOCK, JournaledFile, give_identity, journal_path
from features.lock import refuse_folder
from features.samples import NUMBER_COLUMNS, TEXT_COLUMNS, Sample, from_columns, to_columns

SCHEMA = 1
FULL_VIEW = "full"
_KEY_CHUNK = 256  # keys per chunk: a commit rewrites the last chunk of each key array
_READ_BLOCK = 64  # rows per read of consecutive rows
_OPEN_TRIES = 20  # a reader that meets a commit half-way opens again

Rows = npt.NDArray[np.float32]


class Cache:
    """An open cache. `Cache.read(path)` never changes the file; `Cache.write(path, …)` does.

    A writer must hold `features.lock.writing(path)`.

    Attributes:
        path: the file.
        fields: what the fingerprint is made of (see `BackboneSettings.fields`).
        fingerprint: SHA-256 of `fields`.
        dataset: what `extract` was told about the folder: root, classes, where groups are from.
        samples: the photographs of the folder, as of the last complete `extract`.
    """

    def __init__(self, file: JournaledFile) -> None:
        self.path = file.path
        self._file = file
        self._stamp = _stamp(self.path)
        self._h5 = _open_hdf5(file)
        try:
            self._load()
        except (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            self._h5.close()
            raise CacheError(
                f"{self.path} is a damaged cache ({' '.join(str(error).split())[:120]}); "
                "move it away and extract again"
            ) from error

    # ---- opening ------------------------------------------------------------------------

    @classmethod
    def read(cls, path: Path) -> Cache:
        """Open for reading, as of the last commit, also while another process writes.

        Raises:
            CacheError: there is none, or it cannot be read.
        """
        refuse_folder(path)
        for _ in range(_OPEN_TRIES):
            before = _stamp(path)
            cache = cls(_open_file(path, writable=False))
            if _stamp(path) == before:
                return cache
            cache.close()
        raise CacheError(f"{path} changes too fast to be read; wait for its writer to end")

    @classmethod
    def write(
        cls, path: Path, fields: Mapping[str, Any], row_width: int, dtype: npt.DTypeLike
    ) -> Cache:
        """Open for writing, making the cache where there is none.

        Raises:
            FingerprintError: it holds rows of other settings; both are shown side by side.
            CacheError: it cannot be opened or made.
        """
        if not path.exists():
            _create(path, dict(fields), row_width, np.dtype(dtype))
        cache = cls(_open_file(path, writable=True))
        try:
            cache.check_fields(fields)
        except FingerprintError:
            cache.close()
            raise
        return cache

    def _load(self) -> None:
        schema = self._h5.attrs.get("onepass_schema")
        if schema is None:
            self._h5.close()
            raise CacheError(
                f"{self.path} is an HDF5 file, but no cache of this program; name another --cache"
            )
        if int(schema) != SCHEMA:
            self._h5.close()
            raise CacheError(
                f"{self.path} has schema {schema}, this version reads schema {SCHEMA}; use the "
                "version that made it, or extract into another --cache"
            )
        self.fields: dict[str, Any] = json.loads(self._h5.attrs["fingerprint_fields"])
        self.fingerprint = str(self._h5.attrs["fingerprint"])
        if fingerprint_of(self.fields) != self.fingerprint:
            raise ValueError("its fingerprint is not that of its fields")
        self.dataset: dict[str, Any] = json.loads(self._h5.attrs["dataset"])
        self._features = self._h5["features"]
        digests, views = self._h5["row_digest"][:], self._h5["row_view"][:]
        self._checks: npt.NDArray[np.uint32] = self._h5["row_check"][:]
        if not len(self._features) == len(digests) == len(views) == len(self._checks):
            raise ValueError("its rows and keys differ in number")
        self._keys = list(zip(digests.tolist(), views.tolist(), strict=True))
        self._index = {key: row for row, key in enumerate(self._keys)}
        self._committed = len(self._keys)
        columns = {name: self._h5["samples"][name][:] for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS)}
        self.samples: list[Sample] = from_columns(columns)

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
        """Number of rows."""
        return len(self._keys)

    @property
    def row_width(self) -> int:
        """Values per row."""
        return int(self._features.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """dtype of the rows on the disk."""
        dtype: np.dtype[Any] = self._features.dtype
        return dtype

    @property
    def glimpses(self) -> GlimpseTable:
        """What is kept of the photographs beside their rows."""
        return GlimpseTable(self._h5, len(self))

    def find(self, digest: str, view: str = FULL_VIEW) -> int:
        """The row of a photograph, -1 where there is none."""
        return self._index.get((digest.encode(), view.encode()), -1)

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Rows:
        """Read rows, in the order asked for, each checked against its key.

        Returns:
            float32 (len(rows), row_width).

        Raises:
            CacheError: a row is damaged.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        out = np.empty((len(wanted), self.row_width), dtype=np.float32)
        for first, places in _runs(wanted):
            out[places] = self._read_block(first, len(places))
        return out

    def _read_block(self, first: int, count: int) -> npt.NDArray[Any]:
        for _ in range(_OPEN_TRIES):
            try:
                return self._read_checked(first, count)
            except CacheError:
                # A reader's view of HDF5's index goes stale when a writer commits; the rows
                # themselves never move. Nothing new on the disk means real damage.
                if self._file.writable or _stamp(self.path) == self._stamp:
                    raise
                self._open_again()
        return self._read_checked(first, count)

    def _open_again(self) -> None:
        """Take the file as it is now; keys and samples stay those of the first opening."""
        self._h5.close()
        self._file.close()
        self._stamp = _stamp(self.path)
        self._file = _open_file(self.path, writable=False)
        self._h5 = _open_hdf5(self._file)
        self._features = self._h5["features"]

    def _read_checked(self, first: int, count: int) -> npt.NDArray[Any]:
        try:
            block: npt.NDArray[Any] = self._features[first : first + count]
        except (OSError, RuntimeError, KeyError) as error:
            raise CacheError(_damaged(self.path, first, count)) from error
        for offset in range(count):
            if _check(self._keys[first + offset], block[offset]) != self._checks[first + offset]:
                raise CacheError(_damaged(self.path, first + offset, 1))
        return block

    # ---- writing ------------------------------------------------------------------------

    def append(
        self,
        digests: Sequence[str],
        rows: Rows,
        view: str = FULL_VIEW,
        glimpses: Sequence[Glimpse] = (),
    ) -> None:
        """Add rows of photographs that have none yet; nothing is kept before `commit`."""
        keys = [(digest.encode(), view.encode()) for digest in digests]
        first, end = len(self), len(self) + len(keys)
        # numpy's cast: HDF5's own measured 7 times slower.
        values = np.ascontiguousarray(rows, dtype=self.dtype)
        checks = np.array([_check(k, v) for k, v in zip(keys, values, strict=True)], np.uint32)
        for name, data in (
            ("features", values),
            ("row_digest", np.array([key[0] for key in keys])),
            ("row_view", np.array([key[1] for key in keys])),
            ("row_check", checks),
        ):
            self._h5[name].resize(end, axis=0)
            self._h5[name][first:end] = data
        self._checks = np.concatenate([self._checks, checks])
        self._index |= {key: first + offset for offset, key in enumerate(keys)}
        self._keys += keys
        self.glimpses.put(range(first, end), glimpses)

    def replace_samples(self, samples: list[Sample], dataset: Mapping[str, Any]) -> None:
        """Put a new sample table in the place of the old one; nothing is kept before `commit`."""
        del self._h5["samples"]
        _write_samples(self._h5, samples)
        self._h5.attrs["dataset"] = json.dumps(dict(dataset))
        self.samples, self.dataset = samples, dict(dataset)

    def commit(self) -> None:
        """Make what was appended durable, all or nothing.

        Raises:
            CacheError: the disk is full or failing; the file is as the last commit left it.
        """
        try:
            self._h5.flush()
            self._file.commit()
            self._committed = len(self)
        except OSError as error:
            raise CacheError(
                f"{self.path} cannot be written ({error.strerror or error}); the "
                f"{self._committed:,} rows up to the last commit are safe: free some space and "
                "run the same again"
            ) from error

    def close(self) -> None:
        """Close without committing."""
        self._file.abandon()
        self._h5.close()
        self._file.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open_file(path: Path, *, writable: bool) -> JournaledFile:
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


def _open_hdf5(file: JournaledFile) -> h5py.File:
    try:
        return h5py.File(file, "r+" if file.writable else "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise CacheError(_not_hdf5(file.path, error)) from error


def _stamp(path: Path) -> tuple[int, int, bool]:
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1, False)
    return (stat.st_size, stat.st_mtime_ns, journal_path(path).exists())


def _not_hdf5(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty; expected a cache; remove it and extract again"
    if "truncated" in str(error):
        return f"{path} is cut off (a copy that did not finish?); copy it again, or extract again"
    return f"{path} is no HDF5 file that can be read; expected a cache; name another --cache"


def _damaged(path: Path, first: int, count: int) -> str:
    where = f"row {first}" if count == 1 else f"one of rows {first} to {first + count - 1}"
    return (
        f"{path}: {where} does not match its checksum; the disk or a copy damaged it: "
        "copy the file again, or move it away and extract again"
    )


def _create(path: Path, fields: dict[str, Any], row_width: int, dtype: np.dtype[Any]) -> None:
    """An empty cache, written whole under a temporary name."""
    with whole_file(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=USER_BLOCK) as h5:
            _create_datasets(h5, fields, row_width, dtype)
        give_identity(temporary)


def _create_datasets(
    h5: h5py.File, fields: dict[str, Any], row_width: int, dtype: np.dtype[Any]
) -> None:
    h5.attrs["onepass_schema"] = SCHEMA
    h5.attrs["fingerprint"] = fingerprint_of(fields)
    h5.attrs["fingerprint_fields"] = json.dumps(fields, sort_keys=True)
    h5.attrs["dataset"] = json.dumps({})
    for name, width, kind, chunk in (
        # One row a chunk: automatic chunks measured 13 times slower per row.
        ("features", (row_width,), dtype, 1),
        ("row_digest", (), np.dtype("S64"), _KEY_CHUNK),
        ("row_view", (), np.dtype("S32"), _KEY_CHUNK),
        ("row_check", (), np.dtype(np.uint32), _KEY_CHUNK),
    ):
        h5.create_dataset(
            name,
            shape=(0, *width),
            maxshape=(None, *width),
            chunks=(chunk, *width),
            dtype=kind,
            fletcher32=True,
        )
    _write_samples(h5, [])


def _write_samples(h5: h5py.File, samples: list[Sample]) -> None:
    group = h5.create_group("samples")
    for name, values in to_columns(samples).items():
        group.create_dataset(
            name,
            data=values,
            chunks=(max(1, min(len(values), 4096)),),
            fletcher32=True,
            maxshape=(None,),
        )


def _check(key: tuple[bytes, bytes], row: npt.NDArray[Any]) -> int:
    """CRC-32 of a row (its bytes on the disk) and its key."""
    return zlib.crc32(row.tobytes(), zlib.crc32(b"\0".join(key)))


def _runs(rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Cut rows into runs of consecutive ones: (first row, their places in the request).

    Lists of rows given to h5py measured 35 times slower than blocks.
    """
    order = np.argsort(rows, kind="stable")
    if not len(order):
        return
    breaks = np.flatnonzero(np.diff(rows[order]) != 1) + 1
    for run in np.split(order, breaks):
        for start in range(0, len(run), _READ_BLOCK):
            places = run[start : start + _READ_BLOCK]
            yield int(rows[places[0]]), places
