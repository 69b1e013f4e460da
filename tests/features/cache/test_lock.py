"""lock and lock: one writer, told by name; nothing stale stands in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from checkout import ROOT

from features.cache import lock
from features.cache.lock import network_file_system, writing
from features.errors import CacheBusyError, CacheError
from features.files import leftovers

HOLDER = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from features.cache.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    script = HOLDER.format(root=str(ROOT))
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    """While it lives its number, host and age are told; killed, it holds nothing back."""
    path = tmp_path / "c.h5"
    holder = start_holder(path)
    try:
        told = rf"by process {holder.pid} on .+ \(for \d+ s\); wait for it to end"
        with pytest.raises(CacheBusyError, match=told), writing(path, wait=0.1):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / "c.h5.lock.owner").exists()  # it had no time to remove it
    with writing(path, wait=1.0):
        assert f'"pid": {os.getpid()}' in (tmp_path / "c.h5.lock.owner").read_text()
    assert not (tmp_path / "c.h5.lock.owner").exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """Temporary files of this cache go with the next lock; those of other files stay."""
    mine = [".c.h5.abcd_123.part", ".c.h5.abcd_123.part.journal", ".c.h5.lock.owner.abcd1234.part"]
    others = [".c.h5.csv.abcd1234.part", ".d.h5.abcd1234.part", "c.h5.damaged-1", ".c.h5.part"]
    for name in (*mine, *others):
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in leftovers(tmp_path / "c.h5")] == mine[:2]
    with writing(tmp_path / "c.h5"):
        pass
    assert {file.name for file in tmp_path.iterdir()} == {*others, "c.h5.lock"}


def test_two_names_of_one_cache_share_a_lock(tmp_path: Path) -> None:
    """A symbolic link is followed, so that lock and journal lie beside the file itself."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "c.h5").write_bytes(b"")
    (tmp_path / "link.h5").symlink_to(tmp_path / "disk" / "c.h5")
    with (
        writing(tmp_path / "link.h5"),
        pytest.raises(CacheBusyError),
        writing(tmp_path / "disk" / "c.h5", wait=0.1),
    ):
        pass


def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lock can be had there: one line, and nothing is written unlocked."""

    class NoLocks:
        def __init__(self, path: Path) -> None:
            """As filelock's."""

        def acquire(self, timeout: float) -> None:
            raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(lock, "FileLock", NoLocks)
    with (
        pytest.raises(CacheError, match=r"cannot be locked for writing \(FileSystem does not"),
        writing(tmp_path / "c.h5"),
    ):
        pass


MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:30 / /mnt/line rw,relatime shared:1 - nfs4 server:/line rw,vers=4.2
41 22 0:31 / /mnt/old\\040share rw - cifs //server/old rw
42 40 8:2 / /mnt/line/local rw - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/srv/c.h5", ""),
        ("/mnt/line/c.h5", "nfs4"),
        ("/mnt/line/deep/er/c.h5", "nfs4"),
        ("/mnt/line/local/c.h5", ""),
        ("/mnt/liner/c.h5", ""),
        ("/mnt/old share/c.h5", "cifs"),
    ],
)
def test_network_file_systems_are_known(tmp_path: Path, place: str, kind: str) -> None:
    """By the longest mount above, escapes in names included; unknown where there is no table."""
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert network_file_system(Path(place), table) == kind
    assert network_file_system(Path(place), tmp_path / "none") == ""


def test_a_network_file_system_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is locked out learns that the cache lies on one; extract and verify say it, too."""
    from features.cache import lock as mounts
    from features.cache.maintenance import verify
    from pipeline.terminal import cache as text

    def kind(path: Path) -> str:
        return "nfs4"

    for module in (lock, sys.modules[verify.__module__], text, mounts):
        monkeypatch.setattr(module, "network_file_system", kind)
    with (
        writing(tmp_path / "c.h5"),
        pytest.raises(CacheBusyError, match=r"on a network file system \(nfs4\); wait"),
        writing(tmp_path / "c.h5", wait=0.1),
    ):
        pass
    (tmp_path / "c.h5").write_bytes(b"x")
    assert "network file system (nfs4)" in verify(tmp_path / "c.h5").remarks[0]
    assert "from one computer" in text.where(tmp_path / "c.h5")[0]


def test_who_waits_is_told_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line after a second; the lock is taken as soon as it is free."""
    path = tmp_path / "c.h5"
    holder = start_holder(path)

    def free() -> None:
        """As soon as it was told, and not by the clock."""
        until = time.monotonic() + 60
        while "waiting for up to" not in caplog.text and time.monotonic() < until:
            time.sleep(0.02)
        holder.kill()

    freeing = threading.Thread(target=free)
    freeing.start()
    with writing(path, wait=120.0):
        assert f"is being written by process {holder.pid} on" in caplog.text
        assert "waiting for up to 120 s" in caplog.text
    freeing.join()
    holder.wait()


def test_patience_is_set_for_all(tmp_path: Path) -> None:
    """As `--wait` does."""
    path = tmp_path / "c.h5"
    lock.set_patience(0.1)
    try:
        with writing(path), pytest.raises(CacheBusyError, match="--wait SECONDS"), writing(path):
            pass
    finally:
        lock.set_patience(None)
