"""A file layer that can be watched: every call that our code makes to the disk under one folder.

HDF5 itself never touches the disk: caches are made in memory and written through
`features.cache.journal` and `features.files`, which call what is watched here.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock


class Watcher:
    """Is told of every call before it is made; the base lets all through.

    Each method may raise OSError in the place of the call. `write` returns how many bytes are to
    be written.
    """

    def opened(self, path: str, *, creates: bool, truncates: bool) -> None:
        """Watch a file being opened; `creates`: made where it does not exist."""

    def read(self, path: str) -> None:
        """Bytes are read."""

    def write(self, path: str, offset: int, data: memoryview, *, raw: bool) -> int:
        """Bytes are written; `raw`: where the system itself may write fewer."""
        return len(data)

    def truncated(self, path: str, size: int) -> None:
        """Watch the size being set."""

    def synced(self, path: str) -> None:
        """Give a file, or a folder's names, is made durable."""

    def renamed(self, old: str, new: str) -> None:
        """Watch a name being changed, replacing what had the new one."""

    def linked(self, old: str, new: str) -> None:
        """Watch a second name being given."""

    def unlinked(self, path: str) -> None:
        """Watch a name being removed."""


class _File:
    """A file whose calls are watched."""

    def __init__(self, inner: Any, path: str, watcher: Watcher) -> None:  # noqa: ANN401
        self._inner, self._path, self._watcher = inner, path, watcher

    def write(self, data: bytes | memoryview) -> int:
        view = memoryview(data).cast("B")
        raw = isinstance(self._inner, io.RawIOBase)
        count = self._watcher.write(self._path, self._inner.tell(), view, raw=raw)
        self._inner.write(view[:count])
        if not raw:
            self._inner.flush()
        return count

    def truncate(self, size: int) -> int:
        self._watcher.truncated(self._path, size)
        return int(self._inner.truncate(size))

    def read(self, *size: int) -> bytes:
        self._watcher.read(self._path)
        return bytes(self._inner.read(*size))

    def readinto(self, buffer: memoryview) -> int:
        self._watcher.read(self._path)
        return int(self._inner.readinto(buffer))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()


def _is_still(descriptor: int, path: str) -> bool:
    """Whether a descriptor is of this file, and not of another that took its number."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))  # noqa: PTH116
    except OSError:
        return False


@contextlib.contextmanager
def watched(folder: Path, watcher: Watcher) -> Iterator[None]:
    """Tell `watcher` of all calls on files in `folder`, from this process, within the block."""
    root = str(folder) + os.sep
    real = {name: getattr(os, name) for name in _NAMES}
    real_open = io.open
    descriptors: dict[int, str] = {}
    lock = threading.RLock()

    def mine(path: object) -> bool:
        return isinstance(path, str | os.PathLike) and (
            os.fspath(path).startswith(root) or os.fspath(path) == str(folder)
        )

    def open_file(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        known = descriptors.get(path, "") if isinstance(path, int) else ""
        if known and _is_still(path, known):  # os.fdopen, of one opened below
            inner = real_open(path, mode, *rest, **more)
            return inner if "b" not in mode else _File(inner, known, watcher)
        if not mine(path):
            inner = real_open(path, mode, *rest, **more)
            descriptors.pop(inner.fileno(), None)  # a number that one of ours had before
            return inner
        name = os.fspath(path)
        with lock:
            watcher.opened(name, creates="w" in mode, truncates="w" in mode)
            inner = real_open(path, mode, *rest, **more)
            descriptors[inner.fileno()] = name
        return inner if "b" not in mode else _File(inner, name, watcher)

    def open_descriptor(path: Any, flags: int, *rest: Any, **more: Any) -> int:  # noqa: ANN401
        if not mine(path):
            other = int(real["open"](path, flags, *rest, **more))
            descriptors.pop(other, None)
            return other
        name = os.fspath(path)
        with lock:
            watcher.opened(name, creates=bool(flags & os.O_CREAT), truncates=False)
            descriptor = int(real["open"](path, flags, *rest, **more))
            descriptors[descriptor] = name
        return descriptor

    def sync(descriptor: int) -> None:
        with lock:
            if descriptor in descriptors:
                watcher.synced(descriptors[descriptor])  # and no more: no power is cut here
            else:
                real["fsync"](descriptor)

    def of_two(name: str, tell: Callable[[str, str], None]) -> Callable[..., None]:
        def call(old: Any, new: Any, **more: Any) -> None:  # noqa: ANN401
            with lock:
                if mine(old):
                    tell(os.fspath(old), os.fspath(new))
                real[name](old, new, **more)

        return call

    def unlink(path: Any, **more: Any) -> None:  # noqa: ANN401
        with lock:
            if mine(path):
                watcher.unlinked(os.fspath(path))
            real["unlink"](path, **more)

    fakes = {
        "open": open_descriptor,
        "fsync": sync,
        "replace": of_two("replace", watcher.renamed),
        "rename": of_two("rename", watcher.renamed),
        "link": of_two("link", watcher.linked),
        "unlink": unlink,
    }
    with contextlib.ExitStack() as stack:
        for name, fake in fakes.items():
            stack.enter_context(mock.patch.object(os, name, fake))
        stack.enter_context(mock.patch.object(io, "open", open_file))
        yield


_NAMES = ("open", "fsync", "replace", "rename", "link", "unlink")
