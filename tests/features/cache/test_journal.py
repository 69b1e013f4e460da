"""features.cache.journal: whole commits, whatever kills the process in between."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from features.cache import journal
from features.cache.journal import (
    SEAL,
    SIZE,
    Header,
    JournaledFile,
    journal_path,
    new_header,
    recover,
)

NO_SEAL = bytes(SEAL)


def new_file(path: Path, size: int = 10_000) -> Path:
    path.write_bytes(new_header().pack() + random.Random(0).randbytes(size)[SIZE:])
    return path


def put(file: JournaledFile, offset: int, data: bytes) -> None:
    file.seek(offset)
    file.write(data)


def test_random_writes_read_back_and_survive(tmp_path: Path) -> None:
    """Any mix of writes, truncations and commits reads back as plain bytes would."""
    path = new_file(tmp_path / "x")
    rng = random.Random(1)
    model = bytearray(path.read_bytes())
    file = JournaledFile(path, writable=True)
    for step in range(300):
        if rng.random() < 0.1:
            size = rng.randrange(len(model) // 2 + 512, len(model) + 1)
            file.truncate(size)
            del model[size:]
        offset = rng.randrange(512, len(model) + 1)
        data = rng.randbytes(rng.randrange(1, 9000))
        put(file, offset, data)
        model[offset : offset + len(data)] = data
        buffer = bytearray(len(model) + 100)
        file.seek(0)
        assert file.readinto(buffer) == len(model)
        assert buffer[512 : len(model)] == model[512:]
        if step % 7 == 0:
            file.commit(NO_SEAL)
            assert path.read_bytes()[512:] == model[512:]
    file.close()


def test_what_was_not_committed_is_not_there(tmp_path: Path) -> None:
    """Bytes below the last commit's end do not change before `commit`."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    file = JournaledFile(path, writable=True)
    put(file, 600, b"changed")
    put(file, len(before), b"appended")
    file.close()
    assert path.read_bytes()[: len(before)] == before


class Killed(Exception):
    """Stands for a kill between two system calls."""


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_a_kill_anywhere_in_a_commit_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """Stopped before each of its fsyncs, page writes and renames, a commit is whole or absent."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    file = JournaledFile(path, writable=True)
    put(file, 700, b"a" * 9000)
    put(file, 20_000, b"z" * 100)
    calls = 0

    def counted(original):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise Killed
            return original(*args, **kwargs)

        return call

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    real_apply = journal._apply

    def apply_in_parts(target, entry):  # type: ignore[no-untyped-def]
        for number in list(entry.pages):
            counted(real_apply)(target, entry._replace(pages={number: entry.pages[number]}))

    monkeypatch.setattr(journal, "_apply", apply_in_parts)
    committed = True
    try:
        file.commit(NO_SEAL)
    except Killed:
        committed = False
    monkeypatch.undo()
    file.close()
    recover(path)
    after = path.read_bytes()
    new = before[512:700] + b"a" * 9000 + before[9700:] + bytes(10_000) + b"z" * 100
    assert not journal_path(path).exists()
    if committed:
        assert after[512:] == new
    else:
        assert after[512 : len(before)] == before[512:] or after[512:] == new


def test_every_truncation_of_a_journal_is_dropped(tmp_path: Path) -> None:
    """A journal cut off anywhere (a power cut while it was written) is never applied."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    complete = write_journal_only(path)
    for length in {*range(0, len(complete), 997), len(complete) - 1}:
        journal_path(path).write_bytes(complete[:length])
        assert not recover(path)
        assert path.read_bytes() == before
    journal_path(path).write_bytes(complete)
    assert recover(path)
    assert path.read_bytes()[600:607] == b"changed"


def write_journal_only(path: Path) -> bytes:
    """The journal of a commit that was killed before it was applied."""
    file = JournaledFile(path, writable=True)
    put(file, 600, b"changed")
    assert file.header is not None
    entry = file._next_journal(file.header._replace(commit=1))
    file.close()
    journal._write_journal(journal_path(path), entry)
    return journal_path(path).read_bytes()


def test_a_reader_sees_a_pending_journal_and_changes_nothing(tmp_path: Path) -> None:
    """A reader shows the committed state although the journal is not applied yet."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    write_journal_only(path)
    with JournaledFile(path, writable=False) as file:
        file.seek(600)
        assert file.read(7) == b"changed"
    assert path.read_bytes() == before
    assert journal_path(path).exists()


def test_a_journal_of_another_file_is_never_applied(tmp_path: Path) -> None:
    """A journal left beside a file that was deleted and made anew, or restored, is dropped."""
    path = new_file(tmp_path / "x")
    write_journal_only(path)
    other = new_file(tmp_path / "other").read_bytes()
    path.write_bytes(other)
    assert not recover(path)
    assert path.read_bytes() == other


def test_a_failed_write_is_raised_by_commit_and_changes_nothing(tmp_path: Path) -> None:
    """A full disk reaches the caller at `commit`; the file stays as it was."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    file = JournaledFile(path, writable=True)

    class FullDisk:
        def __init__(self, inner):  # type: ignore[no-untyped-def]
            self.inner = inner

        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(self.inner, name)

        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    file._file = FullDisk(file._file)
    put(file, 600, b"changed")
    put(file, len(before), b"appended")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            file.commit(NO_SEAL)
    file.close()
    recover(path)
    assert path.read_bytes() == before


def test_a_failed_read_is_remembered_and_reads_as_zeros(tmp_path: Path) -> None:
    """The driver never sees an exception; a later commit raises it, without h5py's frames."""
    path = new_file(tmp_path / "x")

    class Failing:
        def __init__(self, inner):  # type: ignore[no-untyped-def]
            self.inner = inner

        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(self.inner, name)

        def readinto(self, buffer: memoryview) -> int:
            raise OSError(5, "Input/output error")

    file = JournaledFile(path, writable=True)
    file._file = Failing(file._file)
    file.seek(1000)
    buffer = bytearray(b"x" * 50)
    assert file.readinto(buffer) == 50
    assert buffer == bytes(50)
    assert file.failure is not None
    assert file.failure.__traceback__ is None
    with pytest.raises(OSError, match="Input/output error"):
        file.commit(NO_SEAL)
    file.close()


def test_another_writers_commit_is_noticed(tmp_path: Path) -> None:
    """What the header says on the disk must be what this opening last wrote."""
    path = new_file(tmp_path / "x")
    with JournaledFile(path, writable=True) as one, JournaledFile(path, writable=True) as two:
        one.check_unchanged()
        put(one, 700, b"changed")
        one.commit(NO_SEAL)
        one.check_unchanged()
        with pytest.raises(OSError, match="another process wrote to it"):
            two.check_unchanged()


def test_a_header_is_sound_or_none() -> None:
    """It comes back as packed; any flipped bit in it makes it none."""
    header = new_header(bytes(range(SEAL)))
    packed = header.pack()
    assert Header.unpack(packed) == header
    for bit in range(8 * SIZE):
        hurt = bytearray(packed)
        hurt[bit // 8] ^= 1 << bit % 8
        assert Header.unpack(bytes(hurt)) is None
