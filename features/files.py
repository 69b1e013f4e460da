"""The one place that writes files: every artefact appears whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from features.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LEFTOVER = r"\.{name}\.[a-z0-9_]{{8}}\.part(\.journal)?"  # see `whole_file`
_LEFT_FOLDER = r"\.{name}\.[a-z0-9_]{{8}}\.(part|old)"  # see `whole_folder`
_LITTER = 3600.0  # seconds after which a temporary folder is nobody's any more
_reading_mask = threading.Lock()
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
    """Follow a symbolic link; give `path` itself where it is none.

    What lies beside a file (its lock, its journal) must be found by whatever name it is opened.
    """
    return path.resolve() if path.is_symlink() else path


def refuse_outside(path: Path, folder: Path) -> None:
    """Raise OutputError where a link leads what is read or written at `path` out of `folder`.

    The folder itself may be a link: a person named it. What lies inside may have been put there by
    anybody who can write to it.

    Args:
        path: inside the folder by its name; it need not exist.
        folder: that nothing is to leave.

    Raises:
        OutputError: a symbolic link, a junction or a circle of links on the way.
    """
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            return
    except (OSError, RuntimeError):  # a circle of links
        pass
    raise OutputError(
        f"a link leads {path} out of {folder}; expected files and folders of its own; nothing is "
        "read or written there: replace the link by a folder, or name another folder"
    )


def is_address(path: Path) -> bool:
    """Say whether a path that is not there was meant as an address, such as s3://bucket/folder.

    Example:
        >>> is_address(Path("s3://bucket/photographs")), is_address(Path("data"))
        (True, False)
    """
    first = path.parts[0] if path.parts else ""
    return re.fullmatch(r"[a-z][a-z0-9+.-]+:", first) is not None and not Path(first).exists()


def address_of(path: Path) -> str:
    """Give an address back, of whose two slashes a path keeps one; any other path as it is.

    Example:
        >>> address_of(Path("s3://bucket/photographs"))
        's3://bucket/photographs'
    """
    if not is_address(path):
        return str(path)
    scheme, _, rest = path.as_posix().partition(":")
    return f"{scheme}://{rest.lstrip('/')}"


def absolute_name(path: Path) -> str:
    """Give the name by which a path is found from any folder: of an address itself."""
    return address_of(path) if is_address(path) else str(path.resolve())


def refuse_address(path: Path) -> None:
    """Raise OutputError where something is to be written to an address."""
    if is_address(path):
        raise OutputError(
            f"{address_of(path)} is an address, and only photographs are read there; expected a "
            "place on a disk; write it there and copy it"
        )


def refuse_place(path: Path) -> None:
    """Raise OutputError, before hours of work, where nothing can be written.

    That is an address, or a place in a folder that is closed to this account. What is written takes
    the place of what is there, so that the folder counts, and not the file.
    """
    refuse_address(path)
    there = [folder for folder in path.absolute().parents if os.access(folder, os.F_OK)]
    if there and not os.access(there[0], os.W_OK):
        raise OutputError(
            f"{path} cannot be written: this account may write nothing in {there[0]}; expected a "
            "folder of yours; name another place"
        )


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
def _as_output_error(path: Path) -> Iterator[None]:
    """Say of an error of the system which place cannot be written, and what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(
            f"{path} cannot be written: a file stands where a folder should; name another place"
        ) from error
    except OSError as error:
        # Windows refuses what another program, such as a spreadsheet, has open.
        denied = isinstance(error, PermissionError)
        remedy = "close it elsewhere and see who may write there" if denied else "free some space"
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); {remedy}, or name another place"
        ) from error


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed over `path`.

    It is readable for its owner alone until it has the mode and owner of the file that it replaces,
    or those of any new file.

    Raises:
        OutputError: the folder does not exist, is read-only, or the disk is full.
    """
    refuse_address(path)
    temporary = None
    try:
        with _as_output_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(
                prefix=f".{path.name[:_NAME]}.", suffix=".part", dir=path.parent
            )
            os.close(handle)
            temporary = Path(name)
            yield temporary
            _keep_mode(temporary, path, 0o666)
            sync_file(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Path]:
    """Find temporary files of `whole_file(path)` that a killed process left, or one writes now."""
    form = re.compile(_LEFTOVER.format(name=re.escape(path.name[:_NAME])))
    if len(path.name) > _NAME or not path.parent.is_dir():
        return []  # of a longer name nobody can tell whose they are
    return sorted(file for file in path.parent.iterdir() if form.fullmatch(file.name))


def total_bytes(files: Iterable[Path]) -> tuple[int, int]:
    """Count files and their bytes; one that another process removed meanwhile counts nothing."""
    sizes = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return len(sizes), sum(sizes)


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

    A folder that stood there changes places with the new one in one step, so that `path` is at
    every moment one complete folder, whenever the process is killed. Where the system has no such
    step it is moved aside first, and `recover_folder` puts it back.

    Raises:
        OutputError: the place cannot be written.
    """
    refuse_address(path)
    temporary = None
    try:
        with _as_output_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            recover_folder(path)
            _remove_litter(path)
            temporary = Path(
                tempfile.mkdtemp(prefix=f".{path.name[:_NAME]}.", suffix=".part", dir=path.parent)
            )
            yield temporary
            for one in sorted(temporary.rglob("*"), reverse=True):  # what is in a folder before it
                old = path / one.relative_to(temporary)
                if old.exists() and not old.is_symlink() and old.is_dir() == one.is_dir():
                    _keep_mode(one, old, 0o777 if one.is_dir() else 0o666)
                if one.is_file():
                    sync_file(one)
            _keep_mode(temporary, path, 0o777)
            _take_place(temporary, path)
            sync_folder(path.parent)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def recover_folder(path: Path) -> None:
    """Put back the folder that a killed process had moved aside and not replaced."""
    if path.exists():
        return
    for aside in _left_folders(path):
        if aside.suffix == ".old" and (aside / path.name).is_dir():
            time.sleep(0.5)  # another process may be about to put the new one there
            if not path.exists():
                (aside / path.name).rename(path)
                shutil.rmtree(aside, ignore_errors=True)
                sync_folder(path.parent)
            return


def _left_folders(path: Path) -> list[Path]:
    """Find temporary folders of `whole_folder(path)` that a killed process left, or one at work."""
    form = re.compile(_LEFT_FOLDER.format(name=re.escape(path.name[:_NAME])))
    if not path.parent.is_dir():
        return []
    return sorted(
        folder
        for folder in path.parent.iterdir()
        if form.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink()
    )


def _remove_litter(path: Path) -> None:
    """Remove what killed processes left an hour ago or earlier."""
    if len(path.name) > _NAME:
        return  # of a longer name nobody can tell whose they are
    for folder in _left_folders(path):
        with contextlib.suppress(OSError):
            if abs(time.time() - folder.stat().st_mtime) > _LITTER:
                shutil.rmtree(folder, ignore_errors=True)


def _keep_mode(new: Path, path: Path, usual: int) -> None:
    """Give a new file or folder the mode and owner of what it is to replace.

    Args:
        new: readable for its owner alone.
        path: what it replaces, if it is there; of a link, no more than a new file's.
        usual: the mode of a new one, before the person's mask.
    """
    try:
        old, now = path.stat(), new.stat()
    except FileNotFoundError:
        new.chmod(usual & ~_mask())
        return
    mode = stat.S_IMODE(old.st_mode) & 0o777
    if path.is_symlink():  # it is the link that is replaced; what it leads to may be anybody's
        new.chmod(mode & usual & ~_mask())
        return
    if hasattr(os, "chown") and (old.st_uid, old.st_gid) != (now.st_uid, now.st_gid):
        try:
            os.chown(new, old.st_uid, old.st_gid)
        except OSError:  # only root gives files away
            try:
                os.chown(new, -1, old.st_gid)
            except OSError:
                mode &= ~0o070  # what that group might do, this one may not
    new.chmod(mode)


def _mask() -> int:
    """Give the person's mask, which can be read only by setting another for a moment.

    One thread at a time: two would take each other's for the person's, and leave it. What others
    make in that moment nobody else can read.
    """
    with _reading_mask:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def _take_place(new: Path, path: Path) -> None:
    """Rename `new` to `path`; what was there has the name `new` afterwards, or is gone."""
    if not path.exists():
        new.rename(path)
        return
    if _exchange(new, path):
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name[:_NAME]}.", suffix=".old", dir=path.parent))
    path.rename(aside / path.name)
    try:
        new.rename(path)
    except OSError:
        (aside / path.name).rename(path)
        raise
    finally:
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system or its file system cannot.

    Linux has renameat2 with RENAME_EXCHANGE (2), macOS renamex_np with RENAME_SWAP (2); Windows has
    none.
    """
    if os.name == "nt":
        return False
    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            done = library.renamex_np(*names, ctypes.c_uint(2))
        else:
            here = ctypes.c_int(-100)  # AT_FDCWD
            done = library.renameat2(here, names[0], here, names[1], ctypes.c_uint(2))
    except (AttributeError, OSError):
        return False
    return int(done) == 0
