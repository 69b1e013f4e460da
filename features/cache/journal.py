"""A file whose changes reach the disk in whole commits, whatever kills the process in between.

HDF5 rewrites its index blocks in place; a process killed between two of these writes leaves a
file that no library can open. So HDF5 is given this file object instead of the file itself:

* bytes past the last commit's end are written straight away: nothing refers to them yet;
* bytes below it are kept in memory as changed pages until `commit`.

`commit` makes the new bytes durable, writes the changed pages to `FILE.journal` with a checksum,
makes that durable, applies them to the file, and removes the journal. Opened after a kill, a
complete journal is applied (again), an incomplete one is dropped: the file is what the last
commit left. This is a redo log as in databases (Mohan et al., ARIES, 1992), at page level.

What the journal's own file is, and to which file it belongs: `features.cache.redo_log`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from features.cache.redo_log import (
    ENDLESS,
    PAGE,
    SIZE,
    ForeignJournalError,
    Header,
    Journal,
    apply_journal,
    belongs,
    digest_of,
    journal_path,
    read_journal,
    recover,
    write_journal,
)
from features.files import sync_descriptor
from features.own_files import MARK, is_marked, mark


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
        # Lock and journal go by name: through the other name a second writer would meet neither.
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
            self._size = ENDLESS
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

    def stat(self) -> os.stat_result:
        """Tell size and time of the file that is open, also where its name is gone by now."""
        return os.fstat(self._file.fileno())

    # ---- what h5py's driver calls -------------------------------------------------------

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset`, as in `io.IOBase.seek`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Give the current position in bytes."""
        return self._position

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; the driver uses `readinto`, but asks whether this exists."""
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
            # Below the last commit's end a write waits in memory; behind it nothing can be harmed.
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
        """Do nothing: only `commit` changes what a reader of the file can see."""

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
            # The order is the promise: appended bytes durable, then the journal, then the pages;
            # the journal goes last. A crash between any two leaves the old state or the new one.
            sync_descriptor(self._file.fileno())
            journal = self._next_journal(header)
            mode = os.fstat(self._file.fileno()).st_mode & 0o777
            write_journal(journal_path(self.path), journal, mode)
            apply_journal(self._file, journal)
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
        # HDF5 may have cut off what it changed before: pages behind the new end are nobody's.
        pages = {n: bytes(p) for n, p in sorted(self._pages.items()) if n * PAGE < self._size}
        self._file.seek(0)
        before = hashlib.sha256(self._file.read(SIZE)).digest()
        appended = digest_of(self._file, self._committed, self._size)
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
        """Show a reader what a complete journal will make of the file; change nothing."""
        try:
            journal = read_journal(journal_path(self.path), self._size)
        except ForeignJournalError:
            return
        if journal is not None and belongs(journal, self._file):
            self._size = journal.size
            self._pages = {number: bytearray(page) for number, page in journal.pages.items()}
