"""The journal's own file, and the header that ties it to one state of a cache.

A file begins with an identity, the number of its last commit and a seal. A journal belongs to
exactly one state of one file: it holds the digest of the header that it applies to and of the bytes
that were appended since. Beside any other state (a backup put back, a copy that grew apart) it is
set aside, and said. It is read only if it is a regular file, without following a link, and no
larger than the file allows. What it is for: `features.cache.journal`.
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
    """Hold what the user block says.

    Attributes:
        identity: of the file, 16 bytes.
        commit: number of the last commit, from 0.
        seal: SEAL bytes; b"" in a file of the first version.
    """

    identity: bytes
    commit: int
    seal: bytes = b""

    def pack(self) -> bytes:
        """Pack the header as it stands in the file, SIZE bytes."""
        body = _FORM.pack(_HEADER_MAGIC, self.identity, self.commit, self.seal)
        return body + _HEADER_CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Header | None:
        """Read the header in `data`, the first SIZE bytes of a file; None for no sound one."""
        if len(data) < SIZE:
            return None
        # Another process may be writing it just now: only the checksum says that it is whole.
        magic, identity, commit, seal = _FORM.unpack_from(data)
        if magic == _FIRST_MAGIC:
            return cls(*_FIRST_FORM.unpack_from(data)[1:])
        if magic != _HEADER_MAGIC or data[_FORM.size : SIZE] != _HEADER_CHECKSUM.pack(
            zlib.crc32(data[: _FORM.size])
        ):
            return None
        return cls(identity, commit, seal)


def new_header(seal: bytes = bytes(SEAL)) -> Header:
    """Give the header of a file that is just made: an identity of its own."""
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
ENDLESS = 1 << 60
_OF_ANOTHER = "it belongs to another file, or to another state of this one"
_log = logging.getLogger("onepass")
_CHECKSUM = struct.Struct("<I")  # CRC-32 of all that stands before it, at the journal's end
_ENTRY = struct.Struct("<Q")  # page number; PAGE bytes follow


def journal_path(path: Path) -> Path:
    """Say where the journal of `path` lies: beside it."""
    return path.with_name(path.name + ".journal")


class Journal(NamedTuple):
    """Hold what one commit makes of a file."""

    identity: bytes
    commit: int
    size: int
    pages: dict[int, bytes]
    before: bytes = b""  # SHA-256 of the header that it applies to; b"" in one of the first form
    start: int = 0  # where the appended bytes begin
    appended: bytes = b""  # SHA-256 of those up to `size`


class ForeignJournalError(ValueError):
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
            journal = read_journal(journal_path(path), file.seek(0, io.SEEK_END))
        except ForeignJournalError as error:
            _set_aside(journal_path(path), str(error))
            return False
        if journal is not None:
            if not belongs(journal, file):
                _set_aside(journal_path(path), _OF_ANOTHER)
                return False
            apply_journal(file, journal)
            applied = True
    journal_path(path).unlink(missing_ok=True)
    return applied


def pending(path: Path) -> str:
    """Say what lies in the place of a journal: "", "waits", or why it is not applied."""
    if not os.path.lexists(journal_path(path)):
        return ""
    with path.open("rb", buffering=0) as file:
        try:
            journal = read_journal(journal_path(path), file.seek(0, io.SEEK_END))
        except ForeignJournalError as error:
            return str(error)
        if journal is not None and not belongs(journal, file):
            return _OF_ANOTHER
    return "waits"


def remove_journal_of(path: Path, identity: bytes, size: int) -> None:
    """Remove the journal of a file, of this size, that another has replaced; leave others alone."""
    try:
        journal = read_journal(journal_path(path), size)
    except ForeignJournalError:
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


def belongs(journal: Journal, file: IO[bytes]) -> bool:
    """Say whether the file is the journal's, as the commit before left it or with this begun."""
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
    return digest_of(file, journal.start, journal.size) == journal.appended


def digest_of(file: IO[bytes], start: int, end: int) -> bytes:
    """Compute the SHA-256 of a file from `start` to `end`, zeros where it ends before."""
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


def write_journal(path: Path, journal: Journal, mode: int = 0o600) -> None:
    """Write a new file of this mode; what has this name already is neither opened nor followed."""
    head = _HEADER.pack(
        _MAGIC, journal.identity, journal.commit, journal.start, journal.size,
        len(journal.pages), journal.before, journal.appended,
    )  # fmt: skip
    data = head + b"".join(_ENTRY.pack(number) + page for number, page in journal.pages.items())
    # A link of this name, planted beforehand, would make the program write elsewhere. Bytes and
    # name are made durable one after the other: a power cut may lose a name of bytes that are safe.
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
            raise ForeignJournalError("it is no regular file")
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ForeignJournalError("it is no regular file") from None
        raise
    # Asked again of what was opened: the name may have changed its file in between.
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ForeignJournalError("it is no regular file")
    return file


def read_journal(path: Path, size: int) -> Journal | None:
    """Give a complete journal; None for a missing one, or one whose writing was cut off.

    Args:
        path: of the journal.
        size: of the file that it is to belong to, which bounds its own.

    Raises:
        ForeignJournalError: it is none that this program wrote for such a file.
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
            raise ForeignJournalError("it is no journal")
        step = _ENTRY.size + PAGE
        claimed = form.size + count * step + _CHECKSUM.size
        # The numbers are read before the checksum: they must not decide how much memory is taken.
        if length > claimed or count > -(-max(size, end) // PAGE) or claimed > size + _ROOM:
            raise ForeignJournalError("it is larger than this file's can be")
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


def apply_journal(file: IO[bytes], journal: Journal) -> None:
    """Write a journal's pages into its file and wait until they are on the disk."""
    for number, page in journal.pages.items():
        file.seek(number * PAGE)
        written = 0
        while written < PAGE:
            written += file.write(page[written:])
    # The last page may reach past the end.
    file.truncate(journal.size)
    sync_descriptor(file.fileno())
