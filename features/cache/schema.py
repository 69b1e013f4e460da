"""Say what stands where in a cache file: its datasets, their types and chunks, and what seals them.

Schema 2, readable with plain h5py:

    attributes    onepass_schema, fingerprint, fingerprint_fields (JSON), dataset (JSON); UTF-8
    features      (rows, cached_width) float32 or float16, one row a chunk, Fletcher32 checksums
    row_digest    (rows,) SHA-256 of the photograph's bytes, hex
    row_view      (rows,) name of the view of the photograph that the row is of
    row_check     (rows,) uint32, CRC-32 of the key and the row: a row under a wrong key is found
    samples/*     the table of `features.cache.sample_table`, one array a column
    probe         (0 or 1, cached_width) float32, the backbone's row of `drift_probe`; of no
                  photograph; with the whole last map also where rows are slim
    glimpse_*     (rows, …) what `thumbnails` keeps of each photograph; caches of earlier
                  versions have none

The seal in the file's header (`journal`) is three SHA-256: of all that is known of the rows
(ROW_COLUMNS), of the attributes, and of the table of photographs. It is written in the same commit
as what it seals. Schema 1 had no seal, and an HDF5 index without checksums. Thumbnails are not
sealed: no row or score is made of them, and HDF5's own checksums find what the disk damages.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Indices
from features.cache.sample_table import (
    NUMBER_COLUMNS,
    OPTIONAL_COLUMNS,
    TEXT_COLUMNS,
    Columns,
    TableRow,
    to_columns,
)
from features.errors import CacheError
from features.fingerprint import fingerprint_of

SCHEMA = 2
READABLE = (1, 2)
KEY_CHUNK = 256  # keys per chunk: a commit rewrites the last chunk of each column
_NOTE = 2048  # bytes for the JSON in the attribute `dataset`
READ_BLOCK = 64  # rows per read of consecutive rows
ROW_TYPES = ("<f4", "<f2")

ROW_COLUMNS = {
    "row_digest": np.dtype("S64"),
    "row_view": np.dtype("S32"),
    "row_check": np.dtype("<u4"),
}
"""What is kept of every row beside its values: one dataset (rows,) each. A new one is a line here:
whatever copies rows (gc, repair, merge) takes it along, and the seal covers it."""
KEY = ("row_digest", "row_view", "row_check")


class ThumbnailColumn(NamedTuple):
    """One dataset of thumbnails.

    Attributes:
        shape: of one row's value.
        dtype: of its numbers.
        blank: what stands in all of them where nobody has looked yet.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blank: int


THUMBNAIL_COLUMNS = {
    "glimpse_grey": ThumbnailColumn((64, 64), np.dtype("u1"), 0),
    "glimpse_taken": ThumbnailColumn((), np.dtype("<i8"), -2),
}
"""Like ROW_COLUMNS, but read only where they are asked for, and written again later: blanks are
filled in. Blanks are written out, as `hdf5_guard` refuses what claims more than it has."""
THUMBNAIL_CHUNK = 16  # rows
PROBE = "probe"

NAMES = (
    "features",
    *ROW_COLUMNS,
    *THUMBNAIL_COLUMNS,
    PROBE,
    "samples",
    *(f"samples/{name}" for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS, *OPTIONAL_COLUMNS)),
)
"""All that is ever read of a cache."""

Hdf5 = Any
"""An open `h5py.File`; h5py has no types, and only `features.cache.cache` imports it."""

Entries = npt.NDArray[Any]
"""Structured array (rows,), one field for each of ROW_COLUMNS that the cache has."""


# ---- making -----------------------------------------------------------------------------


def create_datasets(
    h5: Hdf5,
    fields: Mapping[str, Any],
    cached_width: int,
    dtype: np.dtype[Any],
    columns: Sequence[str],
) -> None:
    """Give an empty cache in an empty HDF5 file, with these of ROW_COLUMNS."""
    h5.attrs["onepass_schema"] = SCHEMA
    write_text(h5, "fingerprint", fingerprint_of(dict(fields)))
    write_text(h5, "fingerprint_fields", json.dumps(dict(fields), sort_keys=True))
    write_note(h5, {})
    # One row a chunk: automatic chunks measured 13 times slower per row.
    _create(h5, "features", (cached_width,), dtype.newbyteorder("<"), 1)
    for name in columns:
        _create(h5, name, (), ROW_COLUMNS[name], KEY_CHUNK)
    create_thumbnails(h5)
    create_probe(h5, cached_width)
    write_table(h5, [])


def create_thumbnails(h5: Hdf5) -> None:
    """Give the datasets of thumbnails, without rows."""
    for name, column in THUMBNAIL_COLUMNS.items():
        _create(h5, name, column.shape, column.dtype, THUMBNAIL_CHUNK)


def create_probe(h5: Hdf5, width: int) -> None:
    """Make the place of the drift probe's row of so many values, empty."""
    _create(h5, PROBE, (width,), np.dtype("<f4"), 1)


def write_text(h5: Hdf5, name: str, text: str) -> None:
    """Set an attribute; of fixed length, as HDF5 keeps texts of any length without a checksum."""
    h5.attrs[name] = np.bytes_(text.encode())


def write_note(h5: Hdf5, note: Mapping[str, Any]) -> None:
    """Set what is noted of the folder, with blanks behind.

    So a note takes the place of the one before, at the start of the file: a copy that was cut off
    still has it.
    """
    text = json.dumps(dict(note)).ljust(_NOTE)
    if "dataset" in h5.attrs and h5.attrs.get_id("dataset").dtype == np.dtype(f"S{len(text)}"):
        h5.attrs.modify("dataset", np.bytes_(text.encode()))
    else:
        write_text(h5, "dataset", text)


def read_note(h5: Hdf5) -> dict[str, Any]:
    """Read what is noted of the folder."""
    note: dict[str, Any] = json.loads(read_text(h5, "dataset"))
    return note


def read_text(h5: Hdf5, name: str) -> str:
    """Give an attribute, of fixed length or, as in schema 1, of any."""
    value = h5.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def _create(
    h5: Hdf5,
    name: str,
    width: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk: int,
) -> None:
    h5.create_dataset(
        name,
        shape=(0, *width),
        maxshape=(None, *width),
        chunks=(chunk, *width),
        dtype=dtype,
        fletcher32=True,
    )


def write_table(h5: Hdf5, table_rows: list[TableRow]) -> Columns:
    """Put the table of photographs into a file that has none; returns it column by column."""
    group = h5.create_group("samples")
    columns = to_columns(table_rows)
    for name, values in columns.items():
        group.create_dataset(
            name,
            data=values,
            chunks=(max(1, min(len(values), 4096)),),
            fletcher32=True,
            maxshape=(None,),
        )
    return columns


# ---- reading ----------------------------------------------------------------------------


def read_fields(h5: Hdf5) -> dict[str, Any]:
    """Read what the fingerprint is made of.

    Raises:
        ValueError: the fingerprint is another.
    """
    fields: dict[str, Any] = json.loads(read_text(h5, "fingerprint_fields"))
    if fingerprint_of(fields) != read_text(h5, "fingerprint"):
        raise ValueError("its fingerprint is not that of its fields")
    return fields


def read_entries(h5: Hdf5) -> Entries:
    """Read what is known of every row.

    Raises:
        ValueError: the columns differ in length, or one has another type.
    """
    columns = {name: h5[name][:] for name in ROW_COLUMNS if name in h5 or name in KEY}
    return to_entries(columns)


def to_entries(columns: Mapping[str, npt.NDArray[Any]]) -> Entries:
    """Join columns of equal length to one structured array, in the order of ROW_COLUMNS."""
    if len({len(column) for column in columns.values()}) != 1:
        raise ValueError("its rows and keys differ in number")
    if any(column.dtype != ROW_COLUMNS[name] for name, column in columns.items()):
        raise ValueError("its keys are of another type")
    entries = np.empty(
        len(columns["row_digest"]),
        dtype=[(name, dtype) for name, dtype in ROW_COLUMNS.items() if name in columns],
    )
    for name, column in columns.items():
        entries[name] = column
    return entries


def new_entries(digests: Sequence[str], views: Sequence[str], values: npt.NDArray[Any]) -> Entries:
    """Make the entries of rows of photographs: their keys and checksums."""
    keys = [(d.encode(), view.encode()) for d, view in zip(digests, views, strict=True)]
    checks = [row_check(*key, row) for key, row in zip(keys, values, strict=True)]
    return to_entries(
        {
            "row_digest": np.array([key[0] for key in keys], "S64"),
            "row_view": np.array([key[1] for key in keys], "S32"),
            "row_check": np.array(checks, "<u4"),
        }
    )


def are_finite(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Say of rows (n, width) which hold finite numbers alone: bool (n,).

    Example:
        >>> are_finite(np.array([[1, 2], [1, np.inf]], np.float16))
        array([ True, False])
    """
    if rows.dtype.itemsize == 2:  # NumPy looks at halves one by one
        exponent = np.uint16(0x7C00)
        finite = (rows.view(np.uint16) & exponent) != exponent
    else:
        finite = np.isfinite(rows)
    found: npt.NDArray[np.bool_] = finite.all(axis=1)
    return found


def finite_rows(
    path: Path,
    first: int,
    block: npt.NDArray[Any],
    entries: Entries,
    table_rows: Iterable[TableRow],
) -> npt.NDArray[Any]:
    """Give rows (n, width) back, from number `first` on, if no backbone's are unlike them.

    Raises:
        CacheError: one holds values that are not finite, though its checksum fits.
    """
    finite = are_finite(block)
    if finite.all():
        return block
    row = first + int(np.argmin(finite))
    digest = entries["row_digest"][row].decode()
    name = next((one.path for one in table_rows if one.digest == digest), digest)
    raise CacheError(
        f"{path}: row {row}, of {name}, holds values that are no finite numbers, which no backbone "
        f"gives; run: cache repair {path}, which leaves it out, and the same extract again"
    )


def pick(entries: Entries, names: list[str]) -> Entries:
    """Give entries with these of their columns alone."""
    from numpy.lib.recfunctions import repack_fields  # here, as it loads all of numpy.ma

    return np.ascontiguousarray(repack_fields(entries[names]))


def read_columns(h5: Hdf5) -> Columns:
    """Give the table of photographs, column by column.

    Raises:
        ValueError: the columns differ in length, or one has another type.
    """
    optional = [name for name in OPTIONAL_COLUMNS if name in h5["samples"]]
    names = (*TEXT_COLUMNS, *NUMBER_COLUMNS, *optional)
    columns = {name: h5["samples"][name][:] for name in names}
    if len({column.shape for column in columns.values()}) != 1 or columns["path"].ndim != 1:
        raise ValueError("the columns of its table differ in length")
    if any(
        (column.dtype.kind == "S") == (name in NUMBER_COLUMNS) or column.dtype.kind not in "Si"
        for name, column in columns.items()
    ):
        raise ValueError("a column of its table is of another type")
    return columns


def runs(rows: Indices) -> Iterator[tuple[int, Indices]]:
    """Cut rows into runs of consecutive ones: (first row, their places in the request).

    Lists of rows given to h5py measured 35 times slower than blocks.
    """
    order = np.argsort(rows, kind="stable")
    if not len(order):
        return
    breaks = np.flatnonzero(np.diff(rows[order]) != 1) + 1
    for run in np.split(order, breaks):
        for start in range(0, len(run), READ_BLOCK):
            places = run[start : start + READ_BLOCK]
            yield int(rows[places[0]]), places


# ---- what finds damage ------------------------------------------------------------------


def row_check(digest: bytes, view: bytes, row: npt.NDArray[Any]) -> int:
    """Compute the CRC-32 of a row's key and its bytes on the disk."""
    return zlib.crc32(row.tobytes(), zlib.crc32(digest + b"\0" + view))


def rows_digest(entries: Entries) -> hashlib._Hash:
    """Hash the rows' entries (SHA-256), one after the other: rows to come go into `update`."""
    return hashlib.sha256(entries.tobytes())


def settings_digest(h5: Hdf5) -> bytes:
    """Hash (SHA-256) the attributes that say what the rows are, and the note of the folder."""
    found = hashlib.sha256()
    for name in ("fingerprint_fields", "dataset"):
        found.update(read_text(h5, name).encode() + b"\0")
    return found.digest()


def photographs_digest(columns: Columns) -> bytes:
    """Hash (SHA-256) the table of photographs, types included."""
    found = hashlib.sha256()
    for name, values in columns.items():
        found.update(f"{name} {values.dtype.str} {len(values)}\0".encode())
        found.update(values.tobytes())
    return found.digest()


class Seal(NamedTuple):
    """Hold what a commit wrote, as three SHA-256.

    Attributes:
        keys: see `rows_digest`.
        settings: see `settings_digest`.
        photographs: see `photographs_digest`.
    """

    keys: bytes
    settings: bytes
    photographs: bytes

    def pack(self) -> bytes:
        """Pack the seal as it stands in the header."""
        return b"".join(self)

    @classmethod
    def unpack(cls, data: bytes) -> Seal:
        """Give the inverse of `pack`."""
        return cls(data[:32], data[32:64], data[64:96])

    def broken(self, found: Seal) -> list[str]:
        """Name what was found and is not what was sealed."""
        return [
            name
            for name, sealed, read in zip(self._fields, self, found, strict=True)
            if sealed != read
        ]
