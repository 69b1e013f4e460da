"""A file of JSON lines that only grows: what was acknowledged is on the disk, whoever writes.

Several processes may append: each line is one write under a lock of its own. A writer that is
killed leaves at most a torn last line, which nobody was told of; the next one cuts it off.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any

from features.cache.lock import writing
from features.errors import DataError, OutputError
from features.files import sync_descriptor, sync_folder

_MOST_BYTES = 2**30  # of a log: a line is some hundred bytes
_LARGEST = 1e18  # of a number in a record: seconds, shares
_PATIENCE = 10.0  # seconds for another process's line


def append_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records to a file, all or none, and return once they are on the disk.

    Args:
        path: of the file; it and its folder are made where they do not exist.
        records: what `json` can write.

    Raises:
        OutputError: the disk is full, or the place cannot be written; nothing is added.
        CacheBusyError: another process holds the file for seconds.

    Example:
        >>> append_lines(Path("log.jsonl"), [{"part": "7"}])  # doctest: +SKIP
    """
    lines = b"".join(json.dumps(one, sort_keys=True).encode() + b"\n" for one in records)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path, wait=_PATIENCE, brief=True):
            _append(path, lines)
    except OSError as error:
        raise _unwritten(path, error) from error


def append_bytes(path: Path, lines: bytes) -> None:
    """Add whole lines of any kind to a file that one process alone writes; as `append_lines`.

    Raises:
        OutputError: the disk is full, or the place cannot be written; nothing is added.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, lines)
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written ({error.strerror or error}); free some space or check "
        "its permissions; nothing was added"
    )


def _append(path: Path, lines: bytes) -> None:
    new = not path.exists()
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o644)
    try:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        end = _whole_end(descriptor)
        os.ftruncate(descriptor, end)  # a torn line, if any
        os.lseek(descriptor, end, os.SEEK_SET)
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            sync_descriptor(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)


def _whole_end(descriptor: int) -> int:
    """Find where the last whole line ends."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        os.lseek(descriptor, start, os.SEEK_SET)
        found = os.read(descriptor, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def read_lines(path: Path, last_bytes: int | None = None) -> list[dict[str, Any]]:
    """Read the records of a file, oldest first; a torn last line is none.

    Args:
        path: of the file; one that does not exist has no records.
        last_bytes: given, only the whole lines among so many bytes at its end.

    Raises:
        DataError: it cannot be read, or a whole line of it is no JSON object.
    """
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise DataError(f"{path} is no regular file; expected a log that Onepass wrote")
        start = max(0, stat.st_size - last_bytes) if last_bytes is not None else 0
        if stat.st_size - start > _MOST_BYTES:
            raise DataError(
                f"{path} has {stat.st_size:,} bytes, more than {_MOST_BYTES:,}; put it aside: a "
                "new one is begun"
            )
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the disk") from error
    records = []
    lines = content.split(b"\n")[:-1]
    for number, line in enumerate(lines[1:] if start else lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(path, number) from error
        if not isinstance(record, dict):
            raise _broken(path, number)
        records.append(record)
    return records


def is_number(value: object) -> bool:
    """Say whether a record's value is a number that can be counted with, or nan: not known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not abs(value) > _LARGEST


def _broken(path: Path, number: int) -> DataError:
    return DataError(
        f"line {number:,} of {path} is no JSON object; expected what Onepass wrote; take the line "
        "out, or put the file back from a copy"
    )
