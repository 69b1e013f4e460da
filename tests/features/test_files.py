"""features.files: whole files and folders, whatever kills the process in between."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from checkout import ROOT

from features import files
from features.errors import OutputError
from features.files import recover_folder, whole_file, whole_folder, write_whole

posix = pytest.mark.skipif(os.name == "nt", reason="modes and forks of POSIX")

KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from features import files
from features.files import recover_folder, whole_folder
path = Path(sys.argv[1]) / "model"
if sys.argv[2] == "moves":
    files._exchange = lambda one, other: False
files.time.sleep = lambda seconds: None
WATCHED = ("open", "os.", "shutil.", "tempfile.", "ctypes.")

def replace():
    with whole_folder(path) as new:
        for name in ("a", "b"):
            (new / name).write_text("new")

def state():
    recover_folder(path)
    return {{(path / name).read_text() for name in ("a", "b")}} if path.exists() else None

def killed_at(step):
    child = os.fork()
    if not child:
        seen = 0
        def hook(event, arguments):
            nonlocal seen
            if event.startswith(WATCHED):
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        replace()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

step = 1
while True:
    path.mkdir(exist_ok=True)
    for name in ("a", "b"):
        (path / name).write_text("old")
    if not killed_at(step):
        break
    there = path.exists()
    if sys.argv[2] == "swap":
        assert there, f"no model after a kill at step {{step}}"
    found = state()
    assert found in ({{"old"}}, {{"new"}}), f"{{found}} after a kill at step {{step}}"
    step += 1
assert state() == {{"new"}}
print(step)
"""


@posix
@pytest.mark.parametrize("how", ["swap", "moves"])
def test_a_kill_at_any_step_leaves_a_whole_folder(tmp_path: Path, how: str) -> None:
    """SIGKILL before each call to the system: the old or the new, at once where names can swap.

    Where they cannot, the next touch puts the old one back.
    """
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    if how == "swap" and not files._exchange(tmp_path / "one", tmp_path / "two"):
        pytest.skip("this system cannot swap two names")
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(root=str(ROOT)), str(tmp_path), how],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15


def test_litter_goes_after_an_hour_and_what_another_writes_stays(tmp_path: Path) -> None:
    """Temporary folders of a killed process are removed by the next that writes there."""
    old, new = tmp_path / ".model.abcdefgh.part", tmp_path / ".model.abcdefgi.part"
    other = tmp_path / ".another.abcdefgh.part"
    for folder in (old, new, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (time.time() - 7200, time.time() - 7200))
    with whole_folder(tmp_path / "model"):
        pass
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        other.name, new.name, "model",
    ]  # fmt: skip


def test_a_folder_moved_aside_is_put_back(tmp_path: Path) -> None:
    """As a kill between two renames leaves it; a folder that is there is not touched."""
    aside = tmp_path / ".model.abcdefgh.old" / "model"
    aside.mkdir(parents=True)
    (aside / "a").write_text("old")
    recover_folder(tmp_path / "model")
    assert (tmp_path / "model" / "a").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o664])
def test_a_file_that_replaces_another_keeps_its_mode(tmp_path: Path, wanted: int) -> None:
    """And until then nobody else can read it."""
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(wanted)
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert mode(temporary) == 0o600
    assert (mode(path), path.read_text()) == (wanted, "new")


@posix
def test_a_new_file_has_the_mode_of_any_new_one(tmp_path: Path) -> None:
    """As the person's mask has it."""
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "x", "new")
        with whole_folder(tmp_path / "folder") as folder:
            assert mode(folder) == 0o700
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == 0o640
    assert mode(tmp_path / "folder") == 0o750


@posix
@pytest.mark.parametrize(("target", "expected"), [(0o666, 0o640), (0o600, 0o600)])
def test_a_link_is_replaced_by_a_file_that_no_more_may_touch(
    tmp_path: Path, target: int, expected: int
) -> None:
    """What it leads to may be anybody's, such as /dev/null, which all may write to."""
    (tmp_path / "there").write_text("there")
    (tmp_path / "there").chmod(target)
    (tmp_path / "x").symlink_to(tmp_path / "there")
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "x", "new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == expected
    assert (tmp_path / "there").read_text() == "there"


@posix
def test_two_threads_leave_the_mask_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read by setting another for a moment: a second thread must not take that for it."""
    real, others = os.umask, []

    def umask(mask: int) -> int:
        before = real(mask)
        if not others:  # the first has set another, and another thread writes a file
            others.append(threading.Thread(target=write_whole, args=(tmp_path / "other", "x")))
            others[0].start()
            others[0].join(0.2)  # where it does not wait it is done by then
        return before

    before = real(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", umask)
            write_whole(tmp_path / "x", "new")
            others[0].join()
        after = real(0o027)
    finally:
        real(before)
    assert after == 0o027
    assert (mode(tmp_path / "x"), mode(tmp_path / "other")) == (0o640, 0o640)


@posix
def test_a_folder_that_replaces_another_keeps_modes(tmp_path: Path) -> None:
    """Its own and those of the files and folders of the same names."""
    path = tmp_path / "model"
    (path / "head").mkdir(parents=True)
    for name in ("a", "head/c"):
        (path / name).write_text("old")
        (path / name).chmod(0o600)
    for place in (path / "head", path):
        place.chmod(0o700)
    with whole_folder(path) as folder:
        (folder / "head").mkdir()
        for name in ("a", "b", "head/c"):
            (folder / name).write_text("new")
    assert (mode(path / "head"), mode(path / "head" / "c")) == (0o700, 0o600)
    assert (mode(path), mode(path / "a"), (path / "a").read_text()) == (0o700, 0o600, "new")


@posix
def test_owner_and_group_are_kept_or_the_group_is_shut_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not give files away does not open them to another group instead."""
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o664)
    real = Path.stat

    def of_another(self: Path, **options: bool) -> os.stat_result:
        found = real(self, **options)
        return os.stat_result((*found[:5], 54321, *found[6:])) if self == path else found

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "stat", of_another)
    monkeypatch.setattr(os, "chown", refuse)
    write_whole(path, "new")
    monkeypatch.undo()
    assert mode(path) == 0o604


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file where a folder should be."""
    (tmp_path / "x").write_text("")
    with pytest.raises(OutputError, match="a file stands where a folder should"):
        write_whole(tmp_path / "x" / "y", "new")


def test_a_file_that_could_not_be_written_is_the_old_one(tmp_path: Path) -> None:
    """A failure while the new one is written leaves the old one, and nothing beside it."""
    path = tmp_path / "new" / "x.txt"  # a folder that is missing is made
    write_whole(path, "zero")
    write_whole(path, "one")
    with pytest.raises(OutputError, match="No space left"), whole_file(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_a_file_that_could_not_be_renamed_is_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step may fail too, as where the old file is in use."""
    path = tmp_path / "x.txt"
    write_whole(path, "one")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match=r"Permission denied.*close it elsewhere"):
        write_whole(path, "two")
    monkeypatch.undo()
    assert path.read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    """The new file takes the old one's name, never its bytes."""
    path = tmp_path / "x.txt"
    write_whole(path, "one")
    with path.open() as reader:
        write_whole(path, "two")
        assert reader.read() == "one"
    assert path.read_text() == "two"


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synced, renamed, and then the folder synced, in this order."""
    calls: list[str] = []
    rename, sync = Path.replace, os.fsync

    def renamed(self: Path, target: Path) -> Path:
        calls.append("renamed")
        return rename(self, target)

    def synced(descriptor: int) -> None:
        calls.append("synced")
        sync(descriptor)

    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr("features.files.fcntl", None)
    write_whole(tmp_path / "x.txt", "one")
    assert calls[:2] == ["synced", "renamed"]
    assert calls[2:] == ([] if os.name == "nt" else ["synced"])


def test_a_folder_that_could_not_be_written_is_the_old_one(tmp_path: Path) -> None:
    """A failure while the new one is written leaves the old one, and nothing beside it."""
    path = tmp_path / "model"
    with whole_folder(path) as new:
        (new / "x").write_text("one")
    with pytest.raises(KeyError), whole_folder(path) as new:
        (new / "x").write_text("half")
        raise KeyError
    assert (path / "x").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
