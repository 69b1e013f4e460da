"""A file whose changes reach the disk in whole commits, whatever kills the process in between.

HDF5 rewrites its index blocks in place; a process killed between two of these writes leaves a
file that no library can open. So HDF5 is given this file object instead of the file itself:

* bytes past the last commit's end are written straight away: nothing refers to them yet;
* bytes below it are kept in memory as changed pages until `commit`.

`commit` makes the new bytes durable, writes the changed pages to `FILE.journal` with a checksum,
makes that durable, applies them to the file, and removes the journal. Opened after a kill, a
complete journal is applied (again), an incomplete one is dropped: the file is what the last
commit left. This is a redo log as in databases (Mohan et al., ARIES, 1992), at page level.

The file begins with an identity and the number of its last commit (`features.cache.journal`), and a
journal names both: the journal of a file that was since deleted, or replaced by a backup, is never
applied to another.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from features.files import sync_descriptor, sync_folder

USER_BLOCK = 512  # bytes; HDF5 begins after them
SEAL = 96  # bytes
_HEADER_MAGIC = b"onepass cache 2\n"
_FORM = struct.Struct(f"<16s16sQ{SEAL}s")
_HEADER_CHECKSUM = struct.Struct("<I")
SIZE = _FORM.size + _HEADER_CHECKSUM.size

_FIRST_MAGIC = b"onepass cache 1\n"  # of the first version: no seal, no checksum
_FIRST_FORM = struct.Struct("<16s16sQ")


class Header(NamedTuple):
    """What the user block says.

    Attributes:
        identity: of the file, 16 bytes.
        commit: number of the last commit, from 0.
        seal: SEAL bytes; b"" in a file of the first version.
    """

    identity: bytes
    commit: int
    seal: bytes = b""

    def pack(self) -> bytes:
        """As it stands in the file, SIZE bytes."""
        body = _FORM.pack(_HEADER_MAGIC, self.identity, self.commit, self.seal)
        return body + _HEADER_CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Header | None:
        """The header that `data`, the first SIZE bytes of a file, holds; None for no sound one."""
        if len(data) < SIZE:
            return None
        magic, identity, commit, seal = _FORM.unpack_from(data)
        if magic == _FIRST_MAGIC:
            return cls(*_FIRST_FORM.unpack_from(data)[1:])
        if magic != _HEADER_MAGIC or data[_FORM.size : SIZE] != _HEADER_CHECKSUM.pack(
            zlib.crc32(data[: _FORM.size])
        ):
            return None
        return cls(identity, commit, seal)


def new_header(seal: bytes = bytes(SEAL)) -> Header:
    """The header of a file that is just made: an identity of its own."""
    return Header(os.urandom(16), 0, seal)


PAGE = 4096
_MAGIC = b"onepass journal1"
_HEADER = struct.Struct("<16s16sQQQ")  # magic, identity, commit, size afterwards, pages
_ENDLESS = 1 << 60
_CHECKSUM = struct.Struct("<I")  # CRC-32 of all that stands before it, at the journal's end
_ENTRY = struct.Struct("<Q")  # page number; PAGE bytes follow


def journal_path(path: Path) -> Path:
    """Where the journal of `path` lies: beside it."""
    return path.with_name(path.name + ".journal")


class Journal(NamedTuple):
    """What one commit makes of a file."""

    identity: bytes
    commit: int
    size: int
    pages: dict[int, bytes]


class JournaledFile:
    """A seekable binary file for h5py's file-object driver; nothing changes until `commit`.

    The driver must never see an exception: HDF5's own state would be lost with it. A read or write
    that fails (a full disk, a failing one) is remembered in `failure`, later writes are ignored,
    and `commit` raises it.

    Attributes:
        path: of the file.
        writable: whether it can be committed to.
        endless: for reading: past the end stand zeros, and no end is seen.
        header: as of the last commit; None where the file has no sound one.
        failure: the first error of the disk; None while there was none.
    """

    def __init__(self, path: Path, *, writable: bool, endless: bool = False) -> None:
        self.path = path
        self.writable = writable
        self.endless = endless
        self._pages: dict[int, bytearray] = {}
        self.failure: OSError | None = None
        self._position = 0
        if writable:
            recover(path)
        self._file: IO[bytes] = path.open("r+b" if writable else "rb", buffering=0)
        self._size = self._committed = self._file.seek(0, io.SEEK_END)
        if not writable:
            self._overlay_pending_journal()
        start = bytearray(SIZE)
        self.readinto(start)
        self.header = Header.unpack(bytes(start))
        if endless:
            self._size = _ENDLESS
        self._position = 0

    def __enter__(self) -> JournaledFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- what h5py's driver calls -------------------------------------------------------

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset`, as in `io.IOBase.seek`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The current position in bytes."""
        return self._position

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; the driver reads through `readinto`, but asks whether this exists."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill `buffer` from the current position, with zeros past the end of the file.

        Returns the number of bytes that exist.
        """
        view = memoryview(buffer).cast("B")
        start = self._position
        count = max(0, min(len(view), self._size - start))
        view[count:] = bytes(len(view) - count)  # the driver takes the buffer for filled
        try:
            self._read_base(view[:count], start)
        except OSError as error:
            self._fail(error)
            view[:count] = bytes(count)
        for page in self._pages_between(start, start + count):
            low, high = max(start, page * PAGE), min(start + count, (page + 1) * PAGE)
            view[low - start : high - start] = self._pages[page][
                low - page * PAGE : high - page * PAGE
            ]
        self._position += count
        return count

    def write(self, data: bytes | memoryview) -> int:
        """Take `data` at the current position; see the class about failures."""
        view = memoryview(data).cast("B")
        start, end = self._position, self._position + len(view)
        self._position = end
        if self.failure is None and self.writable:
            boundary = min(max(self._committed, start), end)
            try:
                self._change_pages(start, view[: boundary - start])
                self._append(boundary, view[boundary - start :])
            except OSError as error:
                self._fail(error)
            self._size = max(self._size, end)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size that the next commit gives the file."""
        self._size = self._position if size is None else size
        return self._size

    def flush(self) -> None:
        """Nothing: only `commit` changes what a reader of the file can see."""

    # ---- commits ------------------------------------------------------------------------

    def check_unchanged(self) -> None:
        """Raise OSError where the file is no more what this opening last made of it.

        That is another writer's work, where a lock did not hold (a network file system), or
        another file's that took this one's place.
        """
        with self.path.open("rb", buffering=0) as file:
            start = file.read(SIZE)
        if Header.unpack(start) != self.header:
            raise OSError(errno.ESTALE, "another process wrote to it meanwhile: its lock failed")

    def commit(self, seal: bytes) -> None:
        """Make everything written so far durable, in one step, with `seal` in its header.

        Raises:
            OSError: a write failed now or since the last commit; the file on the disk is what
                the last successful commit left (or what `recover` makes of the new journal).
        """
        if self.failure is not None:
            raise self.failure
        assert self.header is not None, "a file without a header cannot be written"
        header = Header(self.header.identity, self.header.commit + 1, seal)
        try:
            sync_descriptor(self._file.fileno())
            journal = self._next_journal(header)
            _write_journal(journal_path(self.path), journal)
            _apply(self._file, journal)
            journal_path(self.path).unlink()
        except OSError as error:
            self.failure = error
            raise
        self.header = header
        self._pages.clear()
        self._committed = self._size

    def abandon(self) -> None:
        """Ignore all later writes: the file stays as the last commit left it."""
        self.failure = self.failure or OSError("abandoned")

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._file.close()

    def _next_journal(self, header: Header) -> Journal:
        self._change_pages(0, memoryview(header.pack()))
        pages = {n: bytes(p) for n, p in sorted(self._pages.items()) if n * PAGE < self._size}
        return Journal(header.identity, header.commit, self._size, pages)

    def _fail(self, error: OSError) -> None:
        """Remember the first error, without its frames.

        They end in h5py's, which hold objects of HDF5: alive when Python ends, these crash it.
        """
        self.failure = self.failure or error.with_traceback(None)

    # ---- pages --------------------------------------------------------------------------

    def _pages_between(self, start: int, end: int) -> list[int]:
        return [n for n in range(start // PAGE, -(-end // PAGE)) if n in self._pages]

    def _read_base(self, view: memoryview, start: int) -> None:
        self._file.seek(start)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                view[done:] = bytes(len(view) - done)  # a hole that was never written
                return
            done += count

    def _change_pages(self, start: int, view: memoryview) -> None:
        end = start + len(view)
        for number in range(start // PAGE, -(-end // PAGE)):
            base = number * PAGE
            if number not in self._pages:
                page = bytearray(PAGE)
                self._read_base(memoryview(page), base)
                self._pages[number] = page
            low, high = max(start, base), min(end, base + PAGE)
            self._pages[number][low - base : high - base] = view[low - start : high - start]

    def _append(self, start: int, view: memoryview) -> None:
        # The page that the last commit's end lies in may be in memory: keep both the same.
        for number in self._pages_between(start, start + len(view)):
            base = number * PAGE
            low, high = max(start, base), min(start + len(view), base + PAGE)
            self._pages[number][low - base : high - base] = view[low - start : high - start]
        self._file.seek(start)
        done = 0
        while done < len(view):
            done += self._file.write(view[done:])

    def _overlay_pending_journal(self) -> None:
        """A reader shows what a complete journal will make of the file, and changes nothing."""
        journal = _read_journal(journal_path(self.path))
        if journal is not None and _belongs(journal, self._file):
            self._size = journal.size
            self._pages = {number: bytearray(page) for number, page in journal.pages.items()}


def recover(path: Path) -> bool:
    """Apply a complete journal that a killed process left, drop any other.

    Returns whether one was applied. Applying twice does no harm.
    """
    if not journal_path(path).exists():
        return False
    journal = _read_journal(journal_path(path))
    applied = False
    if journal is not None:
        with path.open("r+b", buffering=0) as file:
            applied = _belongs(journal, file)
            if applied:
                _apply(file, journal)
    journal_path(path).unlink(missing_ok=True)
    return applied


def _belongs(journal: Journal, file: IO[bytes]) -> bool:
    """Whether the file is the journal's, as the commit before left it or with this one begun."""
    file.seek(0)
    header = Header.unpack(file.read(SIZE))
    return (
        header is not None
        and header.identity == journal.identity
        and header.commit in (journal.commit - 1, journal.commit)
    )


def _write_journal(path: Path, journal: Journal) -> None:
    head = _HEADER.pack(_MAGIC, journal.identity, journal.commit, journal.size, len(journal.pages))
    data = head + b"".join(_ENTRY.pack(number) + page for number, page in journal.pages.items())
    with path.open("wb") as file:
        file.write(data + _CHECKSUM.pack(zlib.crc32(data)))
        file.flush()
        sync_descriptor(file.fileno())
    sync_folder(path.parent)


def _read_journal(path: Path) -> Journal | None:
    """A complete journal; None for a missing or incomplete one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    body, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if len(body) < _HEADER.size or _CHECKSUM.pack(zlib.crc32(body)) != checksum:
        return None
    magic, identity, commit, size, count = _HEADER.unpack_from(body)
    step = _ENTRY.size + PAGE
    if magic != _MAGIC or len(body) != _HEADER.size + count * step:
        return None
    pages = {
        _ENTRY.unpack_from(body, at)[0]: body[at + _ENTRY.size : at + step]
        for at in range(_HEADER.size, len(body), step)
    }
    return Journal(identity, commit, size, pages)


def _apply(file: IO[bytes], journal: Journal) -> None:
    for number, page in journal.pages.items():
        file.seek(number * PAGE)
        written = 0
        while written < PAGE:
            written += file.write(page[written:])
    # The last page may reach past the end.
    file.truncate(journal.size)
    sync_descriptor(file.fileno())
