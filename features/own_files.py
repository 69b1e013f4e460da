"""Tell this person's files from a stranger's: by a mark that only this account could have made.

A key of 32 random bytes lies in the person's own folder, readable for them alone. What they write
bears an HMAC under it (RFC 2104). A file without it is not bad: it came from another computer or
account, or from an earlier version, and is read with more care. Nothing is sent anywhere.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import tempfile
from pathlib import Path

from features.errors import CacheError
from features.files import is_address

MARK = 32
"""Bytes of a mark."""


def mark(data: bytes | memoryview) -> bytes:
    """Make MARK bytes that say: this account wrote `data`; zeros where no key can be kept."""
    key = _key(_key_file())
    return hmac.digest(key, data, hashlib.sha256) if key else bytes(MARK)


def is_marked(data: bytes | memoryview, found: bytes) -> bool:
    """Say whether `found` is this account's mark of `data`."""
    return any(found) and hmac.compare_digest(mark(data), found)


def refuse_strange_root(cache: Path, root: str, *, own: bool) -> None:
    r"""Raise CacheError where a cache would have pictures read that nobody here named.

    Args:
        cache: its path.
        root: the folder of photographs that it names.
        own: whether it bears this account's mark.

    Raises:
        CacheError: the folder has to be named; see `is_strange_root`.
    """
    if own or not is_strange_root(cache, root):
        return
    raise CacheError(
        f"{cache} was not written by this account and says that its photographs lie in {root}; "
        f"nothing is read there unasked: name the folder with: extract FOLDER --cache {cache} "
        "(rows that are there are not computed again), or run this from the folder above it"
    )


def is_strange_root(path: Path, root: str) -> bool:
    r"""Say whether the user must name a folder, too, that a stranger's cache or model names.

    Pictures end in reports and sheets, so a stranger must not choose where they are read. A folder
    below the current one or below that of the file is near enough, and one that does not exist does
    no harm. A share of another computer (\\server) is not even looked for: Windows would log in
    there. A bucket is a stranger's wherever it is.

    Args:
        path: of the cache or model.
        root: the folder of photographs that it names; "" for none.

    Example:
        >>> is_strange_root(Path("features.h5"), "photographs/of/today")
        False
    """
    if not root:
        return False
    if is_remote(root) or is_address(Path(root)):
        return True
    try:
        place = Path(root).resolve()
        near = (Path.cwd().resolve(), path.resolve().parent)
        return place.exists() and not any(place.is_relative_to(folder) for folder in near)
    except (OSError, ValueError, RuntimeError):  # a name that no system has, a circle of links
        return True


def is_remote(name: str) -> bool:
    r"""Say whether Windows takes a name for one on another computer: \\server, any slashes.

    Example:
        >>> is_remote("\\/server/share"), is_remote("/srv/share")
        (True, False)
    """
    return name.replace("\\", "/").startswith("//")


def _key_file() -> Path:
    """Say where the key lies, as systems have it (on Linux the XDG base directories)."""
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_DATA_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "onepass" / "key"
    except RuntimeError:  # an account without a home
        return Path()


@functools.cache
def _key(path: Path) -> bytes:
    """Give the key, made where there is none; b"" where it can be neither read nor made."""
    with contextlib.suppress(OSError):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=path.parent)  # readable for its owner alone
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(MARK))
            try:
                os.link(name, path)  # whole, and only one of several processes makes it
            except FileExistsError:
                pass
            except OSError:  # a file system without second names
                Path(name).replace(path)
            Path(name).unlink(missing_ok=True)
        found = path.read_bytes()
        if len(found) == MARK:
            return found
    return b""
