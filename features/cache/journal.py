"""A file whose changes reach the disk in whole commits, whatever kills the process in between.

HDF5 rewrites its index blocks in place; a process killed between two of these writes leaves a
file that no library can open. So HDF5 is given this file object instead of the file itself:

* bytes past the last commit's end are written straight away: nothing refers to them yet;
* bytes below it are kept in memory as changed pages until `commit`.

`commit` makes the new bytes durable, writes the changed pages to `FILE.journal` with a checksum,
makes that durable, applies them to the file, and removes the journal. Opened after a kill, a
complete journal is applied (again), an incomplete one is dropped: the file is what the last
commit left. This is a redo log as in databases (Mohan et al., ARIES, 1992), at page level.

A journal belongs to exactly one state of one file: it holds the digest of the header that it
applies to (identity, number and seal of the last commit) and of the bytes that were appended since.
Beside any other state (a backup put back, a copy that grew apart) it is set aside, and said. It is
read only if it is a regular file, without following a link, and no larger than the file allows.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import stat
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from features.files import sync_descriptor, sync_folder
from features.own_files import MARK, is_marked, mark

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
_MAGIC = b"onepass journal2"
# magic, identity, commit, size before and afterwards, pages, SHA-256 of the header before and of
# the appended bytes
_HEADER = struct.Struct("<16s16sQQQQ32s32s")
_FIRST_JOURNAL_MAGIC = b"onepass journal1"  # of versions up to 0.2: bound to identity and commit
_FIRST_JOURNAL = struct.Struct("<16s16sQQQ")
_BLOCK = 1 << 20
_ROOM = 1 << 26  # bytes that a journal may have more than its file
_ENDLESS = 1 << 60
_OF_ANOTHER = "it belongs to another file, or to another state of this one"
_log = logging.getLogger("onepass")
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
    before: bytes = b""  # SHA-256 of the header that it applies to; b"" in one of the first form
    start: int = 0  # where the appended bytes begin
    appended: bytes = b""  # SHA-256 of those up to `size`


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
        own: whether it bears this person's mark (`features.own_files`); a commit renews it.
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
        if writable and os.fstat(self._file.fileno()).st_nlink > 1:
            self._file.close()
            raise OSError(errno.EMLINK, "it has a second name, a hard link, whose lock and journal "
                          "are others; copy it to a new file and name that")  # fmt: skip
        self._size = self._committed = self._file.seek(0, io.SEEK_END)
        if not writable:
            self._overlay_pending_journal()
        start = bytearray(SIZE + MARK)
        self.readinto(start)
        self.header = Header.unpack(bytes(start))
        self.own = self.header is not None and is_marked(bytes(start[:SIZE]), bytes(start[SIZE:]))
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
            mode = os.fstat(self._file.fileno()).st_mode & 0o777
            _write_journal(journal_path(self.path), journal, mode)
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
        assert self.header is not None
        packed = header.pack()
        self._change_pages(0, memoryview(packed + (mark(packed) if self.own else bytes(MARK))))
        pages = {n: bytes(p) for n, p in sorted(self._pages.items()) if n * PAGE < self._size}
        self._file.seek(0)
        before = hashlib.sha256(self._file.read(SIZE)).digest()
        appended = _digest(self._file, self._committed, self._size)
        return Journal(
            header.identity, header.commit, self._size, pages, before, self._committed, appended
        )

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
        try:
            journal = _read_journal(journal_path(self.path), self._size)
        except _ForeignJournalError:
            return
        if journal is not None and _belongs(journal, self._file):
            self._size = journal.size
            self._pages = {number: bytearray(page) for number, page in journal.pages.items()}


class _ForeignJournalError(ValueError):
    """What has a journal's name is none that this program wrote; the message says what it is."""


def recover(path: Path) -> bool:
    """Apply a complete journal that a killed process left, drop one that was cut off.

    Anything else of that name is set aside, with a line: what is no journal, or belongs to another
    file or to another state of this one. Returns whether one was applied. Applying twice does no
    harm.
    """
    if not os.path.lexists(journal_path(path)):
        return False
    applied = False
    with path.open("r+b", buffering=0) as file:
        try:
            journal = _read_journal(journal_path(path), file.seek(0, io.SEEK_END))
        except _ForeignJournalError as error:
            _set_aside(journal_path(path), str(error))
            return False
        if journal is not None:
            if not _belongs(journal, file):
                _set_aside(journal_path(path), _OF_ANOTHER)
                return False
            _apply(file, journal)
            applied = True
    journal_path(path).unlink(missing_ok=True)
    return applied


def pending(path: Path) -> str:
    """What lies where a cache's journal would: "" for nothing, "waits" or why it is not applied."""
    if not os.path.lexists(journal_path(path)):
        return ""
    with path.open("rb", buffering=0) as file:
        try:
            journal = _read_journal(journal_path(path), file.seek(0, io.SEEK_END))
        except _ForeignJournalError as error:
            return str(error)
        if journal is not None and not _belongs(journal, file):
            return _OF_ANOTHER
    return "waits"


def remove_journal_of(path: Path, identity: bytes, size: int) -> None:
    """Remove the journal of a file, of this size, that another has replaced; leave others alone."""
    try:
        journal = _read_journal(journal_path(path), size)
    except _ForeignJournalError:
        return
    if journal is None or journal.identity == identity:
        journal_path(path).unlink(missing_ok=True)


def _set_aside(journal: Path, reason: str) -> None:
    """Rename what is no journal of its file, and say so."""
    number = 1
    while os.path.lexists(aside := journal.with_name(f"{journal.name}.set-aside-{number}")):
        number += 1
    journal.rename(aside)
    sync_folder(journal.parent)
    _log.warning(
        "note: %s is not applied (%s); it is kept as %s, and the cache stays as it is",
        journal, reason, aside.name,
    )  # fmt: skip


def _belongs(journal: Journal, file: IO[bytes]) -> bool:
    """Whether the file is the journal's, as the commit before left it or with this one begun."""
    file.seek(0)
    start = file.read(SIZE)
    header = Header.unpack(start)
    if header is None or header.identity != journal.identity:
        return False
    if not journal.before:
        old = header.commit == journal.commit - 1 and file.seek(0, io.SEEK_END) >= journal.size
        return old or start == journal.pages.get(0, b"")[:SIZE]
    # Its own first page, or the header that was there when it was written; and what it appends.
    if start != journal.pages.get(0, b"")[:SIZE] and (
        hashlib.sha256(start).digest() != journal.before
    ):
        return False
    return _digest(file, journal.start, journal.size) == journal.appended


def _digest(file: IO[bytes], start: int, end: int) -> bytes:
    """SHA-256 of a file's bytes from `start` to `end`, zeros where it ends before."""
    found = hashlib.sha256()
    file.seek(start)
    at = start
    while at < end and (block := file.read(min(_BLOCK, end - at))):
        found.update(block)
        at += len(block)
    while at < end:
        count = min(_BLOCK, end - at)
        found.update(bytes(count))
        at += count
    return found.digest()


def _write_journal(path: Path, journal: Journal, mode: int = 0o600) -> None:
    """Write a new file of this mode; what has this name already is neither opened nor followed."""
    head = _HEADER.pack(
        _MAGIC, journal.identity, journal.commit, journal.start, journal.size,
        len(journal.pages), journal.before, journal.appended,
    )  # fmt: skip
    data = head + b"".join(_ENTRY.pack(number) + page for number, page in journal.pages.items())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(data + _CHECKSUM.pack(zlib.crc32(data)))
        file.flush()
        sync_descriptor(file.fileno())
    sync_folder(path.parent)


def _open_regular(path: Path) -> IO[bytes] | None:
    """Open a regular file without following a link or waiting for a pipe; None for none there."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _ForeignJournalError("it is no regular file")
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _ForeignJournalError("it is no regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _ForeignJournalError("it is no regular file")
    return file


def _read_journal(path: Path, size: int) -> Journal | None:
    """A complete journal; None for a missing one, or one whose writing was cut off.

    Args:
        path: of the journal.
        size: of the file that it is to belong to, which bounds its own.

    Raises:
        _ForeignJournalError: it is none that this program wrote for such a file.
    """
    file = _open_regular(path)
    if file is None:
        return None
    with file:
        length = os.fstat(file.fileno()).st_size
        start = file.read(_HEADER.size)
        first = start.startswith(_FIRST_JOURNAL_MAGIC)
        form = _FIRST_JOURNAL if first else _HEADER
        if len(start) < form.size:
            return None
        if first:
            magic, identity, commit, end, count = form.unpack_from(start)
            rest: tuple[bytes, int, bytes] = (b"", 0, b"")
        else:
            magic, identity, commit, begun, end, count, before, appended = form.unpack(start)
            rest = before, begun, appended
        if magic not in (_MAGIC, _FIRST_JOURNAL_MAGIC):
            # A disk may give a file its length and not yet its bytes: zeros are a cut-off journal.
            if length <= size + _ROOM and not any(start):
                return None
            raise _ForeignJournalError("it is no journal")
        step = _ENTRY.size + PAGE
        claimed = form.size + count * step + _CHECKSUM.size
        if length > claimed or count > -(-max(size, end) // PAGE) or claimed > size + _ROOM:
            raise _ForeignJournalError("it is larger than this file's can be")
        if length < claimed:
            return None
        file.seek(0)
        body = file.read(claimed)
    if _CHECKSUM.pack(zlib.crc32(memoryview(body)[: -_CHECKSUM.size])) != body[-_CHECKSUM.size :]:
        return None
    pages = {
        _ENTRY.unpack_from(body, at)[0]: body[at + _ENTRY.size : at + step]
        for at in range(form.size, claimed - _CHECKSUM.size, step)
    }
    return Journal(identity, commit, end, pages, *rest)


def _apply(file: IO[bytes], journal: Journal) -> None:
    for number, page in journal.pages.items():
        file.seek(number * PAGE)
        written = 0
        while written < PAGE:
            written += file.write(page[written:])
    # The last page may reach past the end.
    file.truncate(journal.size)
    sync_descriptor(file.fileno())
