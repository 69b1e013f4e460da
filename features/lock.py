"""One writer per cache: a lock that the system releases when its process dies."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from features.errors import CacheBusyError, CacheError
from features.files import followed, leftovers, write_whole
from features.mounts import network_file_system


def refuse_folder(path: Path) -> None:
    """Raise CacheError where a cache's path is a folder, such as "."."""
    if path.is_dir():
        raise CacheError(f"{path} is a folder; expected a file for the cache, such as features.h5")


@contextlib.contextmanager
def writing(path: Path, wait: float = 5.0) -> Iterator[None]:
    """Hold the only right to write to `path` for the length of a `with` block.

    The lock is on `PATH.lock`, taken from the system (flock, or its like on Windows), so that
    a killed process never leaves it behind; who holds it stands in `PATH.lock.owner`. Temporary
    files of `PATH` that a killed process left are removed: nobody but the holder writes any.

    Args:
        path: the cache.
        wait: seconds to wait for another process before giving up.

    Raises:
        CacheBusyError: somebody else holds it; says who, where and since when.
        CacheError: no lock can be made there.
    """
    refuse_folder(path)
    path = followed(path)
    owner = path.with_name(path.name + ".lock.owner")
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise CacheBusyError(
            f"{path} is being written by {_describe(owner)}{_where(path)}; wait for it to end, "
            "or use another --cache"
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
        write_whole(
            owner,
            json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}),
        )
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


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
