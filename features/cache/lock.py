"""One writer per cache: a lock that the system releases when its process dies."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from features.errors import CacheBusyError, CacheError
from features.files import address_of, followed, is_address, leftovers, write_whole


def refuse_no_disk(path: Path) -> None:
    """Raise CacheError where a cache's path is the address of a bucket."""
    if is_address(path):
        raise CacheError(
            f"{address_of(path)} is an address, and HDF5 needs a disk that can be locked; "
            "expected a file such as features.h5, or with --cluster a folder on a shared disk; "
            "shards never change, so that they may be copied to a bucket and back"
        )


def refuse_folder(path: Path) -> None:
    """Raise CacheError where a cache's path is a folder, such as "."."""
    refuse_no_disk(path)
    if (path / "shards.json").exists():
        raise CacheError(
            f"{path} is a folder of shards, which never change: only extract --cluster adds to it; "
            f"cache merge {path} OTHER --out FILE makes one file of it"
        )
    if path.is_dir():
        raise CacheError(f"{path} is a folder; expected a file for the cache, such as features.h5")


_PATIENCE = 5.0  # seconds
_SILENT = 1.0  # seconds before a person is told what is waited for
_patience = _PATIENCE
_log = logging.getLogger("onepass")


def set_patience(seconds: float | None) -> None:
    """Wait so many seconds for another writer from now on; None for the default."""
    global _patience
    _patience = _PATIENCE if seconds is None else seconds


@contextlib.contextmanager
def writing(path: Path, wait: float | None = None, *, brief: bool = False) -> Iterator[None]:
    """Hold the only right to write to `path` for the length of a `with` block.

    The lock is on `PATH.lock`, taken from the system (flock, or its like on Windows), so that
    a killed process never leaves it behind; who holds it stands in `PATH.lock.owner`. Temporary
    files of `PATH` that a killed process left are removed: nobody but the holder writes any.

    Args:
        path: the cache.
        wait: seconds to wait for another process before giving up; None for those that
            `set_patience` said. After one of them a line says who is waited for.
        brief: it is held for a moment: nobody needs to read who holds it, which saves three waits
            for the disk.

    Raises:
        CacheBusyError: somebody else holds it; says who, where and since when.
        CacheError: no lock can be made there.
    """
    refuse_folder(path)
    path = followed(path)
    owner = path.with_name(path.name + ".lock.owner")
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        _acquire(lock, _patience if wait is None else wait, path, owner)
    except Timeout:
        raise CacheBusyError(
            f"{path} is being written by {_describe(owner)}{_where(path)}; wait for it to end "
            "(longer with --wait SECONDS), or use another --cache"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise CacheError(
            f"{path} cannot be locked for writing ({getattr(error, 'strerror', None) or error}); "
            "check that its folder exists and can be written"
        ) from error
    try:
        for file in (*leftovers(path), *leftovers(owner)):
            with contextlib.suppress(OSError):
                file.unlink()
        if not brief:
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
            write_whole(owner, json.dumps(holder))
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, wait: float, path: Path, owner: Path) -> None:
    """Take the lock, or raise Timeout; where it takes a while, say what is waited for."""
    try:
        lock.acquire(timeout=min(wait, _SILENT))
    except Timeout:
        if wait <= _SILENT:
            raise
        _log.warning(
            "%s is being written by %s: waiting for up to %.0f s", path, _describe(owner), wait
        )
        lock.acquire(timeout=wait - _SILENT)


def _where(path: Path) -> str:
    kind = network_file_system(path)
    return f", on a network file system ({kind})" if kind else ""


def _describe(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text())
        age = max(0.0, time.time() - float(found["since"]))
        return f"process {int(found['pid'])} on {found['host']} (for {age:.0f} s)"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs",
}  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """Give the kind of network file system that `path` is on; "" for a local one.

    Linux tells it (the kernel's table of mounts), and on Windows the name of a share does;
    elsewhere nothing is known, and that is "" too.
    """
    place = path.absolute()
    if os.name == "nt":
        return "a Windows share" if place.drive.startswith("\\\\") else ""
    kind = _kind_of_mount(Path(os.path.realpath(place.parent)), mounts)
    return kind if kind in _NETWORK else ""


def _kind_of_mount(folder: Path, mounts: Path) -> str:
    """Give the file system's kind of the last mount over the longest folder above."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    kind, depth = "", -1
    for line in lines:  # see proc_pid_mountinfo(5)
        left, _, right = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), left.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = right.split(" ")[0], len(point.parts)
    return kind
