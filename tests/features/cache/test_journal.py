"""features.cache.journal: whole commits, whatever kills the process in between."""

from __future__ import annotations

import os
import random
import tracemalloc
import zlib
from pathlib import Path

import pytest

from features.cache import journal, redo_log
from features.cache.journal import JournaledFile
from features.cache.redo_log import SEAL, SIZE, Header, journal_path, new_header, recover
from features.files import write_whole
from torture.disk import watched
from torture.power_cuts import Disk, Recorder

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
    real_apply = journal.apply_journal

    def apply_in_parts(target, entry):  # type: ignore[no-untyped-def]
        for number in list(entry.pages):
            counted(real_apply)(target, entry._replace(pages={number: entry.pages[number]}))

    monkeypatch.setattr(journal, "apply_journal", apply_in_parts)
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
    """Give the journal of a commit that was killed before it was applied."""
    file = JournaledFile(path, writable=True)
    put(file, 600, b"changed")
    assert file.header is not None
    entry = file._next_journal(file.header._replace(commit=1))
    file.close()
    redo_log.write_journal(journal_path(path), entry)
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


def forge(path: Path, kind: str) -> None:
    """Put something that is no journal in the place of a file's journal."""
    place = journal_path(path)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "sparse":
        with place.open("wb") as file:
            file.truncate(8 * 2**30)
    elif kind == "claims":  # a head that claims 8 GB of pages, which are a hole
        with place.open("wb") as file:
            count = 2**21
            file.write(redo_log._HEADER.pack(redo_log._MAGIC, b"x" * 16, 1, 0, 2**40, count,
                                            bytes(32), bytes(32)))  # fmt: skip
            file.truncate(8 * 2**30)
    elif kind == "link":
        (path.parent / "precious").write_bytes(b"precious")
        place.symlink_to(path.parent / "precious")
    elif kind == "broken link":
        place.symlink_to(path.parent / "nowhere")
    else:
        place.mkdir()


@pytest.mark.skipif(os.name == "nt", reason="pipes and links of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "sparse", "claims", "link", "broken link", "folder"])
def test_what_is_no_journal_is_never_read_and_set_aside(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader leaves it alone; a writer renames it, says so, and goes on; nothing is followed."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    forge(path, kind)
    tracemalloc.start()
    with JournaledFile(path, writable=False) as file:
        assert file.read(len(before))[512:] == before[512:]
    assert os.path.lexists(journal_path(path))
    assert redo_log.pending(path) not in ("", "waits")
    with JournaledFile(path, writable=True) as file:
        put(file, 700, b"changed")
        file.commit(NO_SEAL)
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()
    assert os.path.lexists(tmp_path / "x.journal.set-aside-1")
    assert not os.path.lexists(journal_path(path))
    assert not (tmp_path / "nowhere").exists()
    assert "is not applied" in caplog.text
    if kind == "link":
        assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_a_link_made_while_a_commit_writes_is_not_followed(tmp_path: Path) -> None:
    """The commit fails, and neither the link's target nor the file changes."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    (tmp_path / "precious").write_bytes(b"precious")
    with JournaledFile(path, writable=True) as file:
        put(file, 700, b"changed")
        journal_path(path).symlink_to(tmp_path / "precious")
        with pytest.raises(OSError, match="exists"):
            file.commit(NO_SEAL)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert path.read_bytes() == before


def grown(path: Path, data: bytes, *, killed: bool) -> None:
    """Append `data` and change a page; killed, the commit is left complete in the journal."""
    with JournaledFile(path, writable=True) as file:
        put(file, 600, data)
        put(file, file.seek(0, os.SEEK_END), data * 2000)
        assert file.header is not None
        if killed:
            sealed = Header(file.header.identity, file.header.commit + 1, data.ljust(SEAL))
            redo_log.write_journal(journal_path(path), file._next_journal(sealed))
        else:
            file.commit(data.ljust(SEAL))


def test_a_backup_put_back_beside_a_journal_is_not_touched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The backup is of the very commit that the journal goes on from, and lacks what was appended.

    So it is where the backup is of the commit before, and where two copies grew apart by as many
    commits.
    """
    path = new_file(tmp_path / "x")
    first = path.read_bytes()
    grown(path, b"one", killed=False)
    second = path.read_bytes()
    grown(path, b"two", killed=True)
    waiting = journal_path(path).read_bytes()
    journal_path(path).unlink()
    path.write_bytes(first)
    grown(path, b"another", killed=False)
    apart = path.read_bytes()
    for number, backup in enumerate((first, second, apart), 1):
        path.write_bytes(backup)
        journal_path(path).write_bytes(waiting)
        with JournaledFile(path, writable=False) as file:
            assert file.read(len(backup))[512:] == backup[512:]
        assert not recover(path)
        assert path.read_bytes() == backup
        aside = tmp_path / f"x.journal.set-aside-{number}"
        assert aside.read_bytes() == waiting
        assert f"{aside.name}, and the cache stays as it is" in caplog.text


def with_first_journal(folder: Path) -> tuple[Path, bytes]:
    """Give a file whose commit was killed, and its journal as a version without digests left it."""
    path = new_file(folder / "x")
    grown(path, b"two", killed=True)
    new = redo_log.read_journal(journal_path(path), path.stat().st_size)
    assert new is not None
    head = redo_log._FIRST_JOURNAL.pack(
        b"onepass journal1", new.identity, new.commit, new.size, len(new.pages)
    )
    body = head + b"".join(redo_log._ENTRY.pack(n) + page for n, page in new.pages.items())
    return path, body + redo_log._CHECKSUM.pack(zlib.crc32(body))


def test_a_journal_of_the_versions_before_is_applied(tmp_path: Path) -> None:
    """What a version without digests left is applied where the appended bytes are there."""
    path, journal = with_first_journal(tmp_path)
    journal_path(path).write_bytes(journal)
    assert recover(path)
    assert path.read_bytes()[600:603] == b"two"


def test_a_journal_of_the_versions_before_is_of_one_file_too(tmp_path: Path) -> None:
    """It has no digest of the header: the identity alone tells another file of as many commits."""
    path, journal = with_first_journal(tmp_path)
    new_file(path, 30_000)
    other = path.read_bytes()
    journal_path(path).write_bytes(journal)
    assert not recover(path)
    assert path.read_bytes() == other


@pytest.mark.skipif(os.name == "nt", reason="second names of POSIX")
def test_a_file_with_a_second_name_is_read_and_not_written(tmp_path: Path) -> None:
    """Under another name lie another lock and another journal."""
    path = new_file(tmp_path / "x")
    os.link(path, tmp_path / "y")
    for name in ("x", "y"):
        JournaledFile(tmp_path / name, writable=False).close()
        with pytest.raises(OSError, match="a second name"):
            JournaledFile(tmp_path / name, writable=True)


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_journal_has_the_mode_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is private stays so in the journal."""
    path = new_file(tmp_path / "x")
    seen = []

    def look(_file: object, _journal: object) -> None:
        seen.append(journal_path(path).stat().st_mode & 0o777)

    monkeypatch.setattr(journal, "apply_journal", look)
    for mode in (0o600, 0o640):
        path.chmod(mode)
        grown(path, b"two", killed=False)
    assert seen == [0o600, 0o640]


def test_a_journal_with_a_flipped_bit_is_dropped(tmp_path: Path) -> None:
    """Its checksum tells: what a bad disk made of it is never written into the file."""
    path = new_file(tmp_path / "x")
    before = path.read_bytes()
    complete = write_journal_only(path)
    for at in (20, 40, len(complete) // 2, len(complete) - 5, len(complete) - 1):
        hurt = bytearray(complete)
        hurt[at] ^= 1
        journal_path(path).write_bytes(hurt)
        assert not recover(path)
        assert path.read_bytes() == before
        journal_path(path).write_bytes(hurt)
        with JournaledFile(path, writable=False) as file:
            file.seek(600)
            assert file.read(7) == before[600:607]


def test_a_power_cut_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """After any call, whatever of what was not synced is lost: appended bytes come first."""
    folder = tmp_path / "disk"
    folder.mkdir()
    path, recorder = folder / "x", Recorder()
    old = new_header().pack() + random.Random(0).randbytes(10_000)[SIZE:]
    new = old[512:700] + b"a" * 5000 + old[5700:] + b"z" * 50_000
    with watched(folder, recorder):
        write_whole(path, old)
        with JournaledFile(path, writable=True) as file:
            put(file, 700, b"a" * 5000)
            put(file, len(old), b"z" * 50_000)
            file.commit(NO_SEAL)
    disk, rng, found, tries = Disk(lies=False), random.Random(0), set(), 0
    for kind, details in recorder.calls:
        disk.play(kind, details)
        for how in ("synced", "prefix", *["any"] * 10):
            left = disk.cut(how, rng)
            if path.name not in left:
                continue
            tries += 1
            after = tmp_path / str(tries)
            after.mkdir()
            for name, data in left.items():
                (after / name).write_bytes(data)
            recover(after / "x")
            data = (after / "x").read_bytes()[512:]
            # What is appended before a commit is behind the old file's end, and means nothing.
            found.add(data[: len(old) - 512] if data.startswith(old[512:]) else data)
    assert found == {old[512:], new}
