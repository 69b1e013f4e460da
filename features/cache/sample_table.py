"""The table beside the rows: which photographs the folder holds now, and where each row is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Columns = dict[str, npt.NDArray[Any]]


class TableRow(NamedTuple):
    """One photograph of the folder. Label and group are carried here and read by `pipeline`.

    Attributes:
        path: relative to the folder, with forward slashes.
        label: class name; "" where it has none.
        group: name of the physical part; "" where nobody said.
        digest: SHA-256 of the file's bytes, hex; "" where it could not be read.
        row: its row in `features` for the view "full"; -1 where there is none.
        reason: why there is no row; "" where there is one.
        size, mtime_ns, ctime_ns: of the file when it was hashed.
        checked_ns: clock when it was hashed.
        split: "train", "validation" or "test" where the folder came with a split; else "".
    """

    path: str
    label: str
    group: str
    digest: str
    row: int
    reason: str
    size: int
    mtime_ns: int
    ctime_ns: int
    checked_ns: int
    split: str = ""


TEXT_COLUMNS = ("path", "label", "group", "digest", "reason")
NUMBER_COLUMNS = ("row", "size", "mtime_ns", "ctime_ns", "checked_ns")
OPTIONAL_COLUMNS = ("split",)
"""Columns of text that stand in a table only where they say something."""

# A file changed within a clock tick of its hashing may change again without a new time stamp
# (git calls such an entry "racily clean"); FAT's ticks are two seconds.
_TICK_NS = 2_000_000_000


def blank_row(path: str, label: str = "", group: str = "", split: str = "") -> TableRow:
    """Give a photograph of which nothing is known but what a person said."""
    return TableRow(
        path=path, label=label, group=group, digest="", row=-1, reason="", size=0, mtime_ns=0,
        ctime_ns=0, checked_ns=0, split=split,
    )  # fmt: skip


def is_unchanged(table_row: TableRow, stat: os.stat_result) -> bool:
    """Say whether the file is certainly the one that was hashed, and need not be read again."""
    return (
        bool(table_row.digest)
        and (table_row.size, table_row.mtime_ns, table_row.ctime_ns)
        == (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        and max(stat.st_mtime_ns, stat.st_ctime_ns) + _TICK_NS < table_row.checked_ns
    )


def to_columns(table_rows: list[TableRow]) -> Columns:
    """Give table rows as arrays of equal length: fixed-length bytes (UTF-8) and int64.

    File names that are not valid UTF-8 keep their bytes (surrogateescape).
    """
    columns: Columns = {}
    for name in TEXT_COLUMNS:
        columns[name] = _text_column(table_rows, name)
    for name in NUMBER_COLUMNS:
        columns[name] = np.array([getattr(s, name) for s in table_rows], dtype=np.int64)
    for name in OPTIONAL_COLUMNS:
        if any(getattr(s, name) for s in table_rows):
            columns[name] = _text_column(table_rows, name)
    return columns


def _text_column(table_rows: list[TableRow], name: str) -> npt.NDArray[np.bytes_]:
    values = [str(getattr(s, name)).encode("utf-8", "surrogateescape") for s in table_rows]
    width = max(1, max((len(v) for v in values), default=1))
    # So marked, `f["table_rows/label"].asstr()[:]` gives text in plain h5py, whatever the letters.
    return np.array(values, dtype=np.dtype(f"S{width}", metadata={"h5py_encoding": "utf-8"}))


def from_columns(
    columns: Columns, row_digests: npt.NDArray[np.bytes_] | None = None
) -> list[TableRow]:
    """Give the inverse of `to_columns`.

    Args:
        columns: as read from a file.
        row_digests: S64 (rows,), of the rows beside the table; None where they are not known.

    Raises:
        ValueError: a path leads out of the folder, or a photograph stands under another's row.
    """
    if row_digests is not None:
        _check_rows(columns, row_digests)
    lists: dict[str, list[Any]] = {
        name: [value.decode("utf-8", "surrogateescape") for value in columns[name].tolist()]
        for name in (*TEXT_COLUMNS, *OPTIONAL_COLUMNS)
        if name in columns
    } | {name: columns[name].tolist() for name in NUMBER_COLUMNS}
    for name in OPTIONAL_COLUMNS:
        lists.setdefault(name, [""] * len(lists["path"]))
    for path in lists["path"]:
        # Few paths have one of these, and `Path` is slow.
        if (".." in path or ":" in path or path[:1] in ("/", "\\")) and _leads_outside(path):
            raise ValueError(f"its table names {path!r}, outside of the folder")
    return [TableRow(*values) for values in zip(*(lists[f] for f in TableRow._fields), strict=True)]


def _leads_outside(path: str) -> bool:
    parts = Path(path)
    return bool(parts.anchor) or ".." in parts.parts


def _check_rows(columns: Columns, row_digests: npt.NDArray[np.bytes_]) -> None:
    rows, digests = columns["row"], columns["digest"]
    if ((rows < -1) | (rows >= len(row_digests))).any():
        raise ValueError("its table names rows that are not there")
    placed = rows >= 0
    others = int((digests[placed] != row_digests[rows[placed]]).sum())
    if others:
        raise ValueError(f"{others:,} photographs of its table name a row that is not theirs")
