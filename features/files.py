"""The one place that writes files: every artefact appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from features.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LEFTOVER = r"\.{name}\.[a-z0-9_]{{8}}\.part(\.journal)?"  # see `whole_file`
_NAME = 40  # characters of a name that its temporary name begins with


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable; a no-op where the system cannot open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def followed(path: Path) -> Path:
    """Where a symbolic link leads; `path` itself where it is none.

    What lies beside a file (its lock, its journal) must be found by whatever name it is opened.
    """
    return path.resolve() if path.is_symlink() else path


def sync_descriptor(descriptor: int) -> None:
    """Wait until the bytes of an open file are on the disk, not only in its own memory.

    On macOS fsync leaves them in the drive's cache, and F_FULLFSYNC is what SQLite uses too.
    """
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        with contextlib.suppress(OSError):  # a network file system may not know it
            fcntl.fcntl(descriptor, full_sync)
            return
    os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Wait until the bytes of `path` are on the disk."""
    with path.open("rb+") as file:
        sync_descriptor(file.fileno())


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed over `path`.

    Raises:
        OutputError: the folder does not exist, is read-only, or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name[:_NAME]}.", suffix=".part", dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        # mkstemp makes files for their owner alone; a result has the permissions of any new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        yield temporary
        sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); "
            "free some space or name another place"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Path]:
    """Temporary files of `whole_file(path)` that a killed process left, or that one writes now."""
    form = re.compile(_LEFTOVER.format(name=re.escape(path.name[:_NAME])))
    if len(path.name) > _NAME or not path.parent.is_dir():
        return []  # of a longer name nobody can tell whose they are
    return sorted(file for file in path.parent.iterdir() if form.fullmatch(file.name))


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path`, whole or not at all.

    Raises:
        OutputError: see `whole_file`.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of `path`.

    A folder that stood there is moved aside first and removed last, so that at every moment
    one complete folder, the old or the new, is on the disk.

    Raises:
        OutputError: the place cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(
            tempfile.mkdtemp(prefix=f".{path.name[:_NAME]}.", suffix=".part", dir=path.parent)
        )
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                sync_file(file)
        _take_place(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); "
            "free some space or name another place"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _take_place(new: Path, path: Path) -> None:
    """Rename `new` to `path`; a folder already there is put back should the rename fail."""
    if not path.exists():
        new.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name[:_NAME]}.", suffix=".old", dir=path.parent))
    path.rename(aside / path.name)
    try:
        new.rename(path)
    except OSError:
        (aside / path.name).rename(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
