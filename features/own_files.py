"""This person's files told from a stranger's: a mark that only this account could have made.

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

MARK = 32
"""Bytes of a mark."""


def mark(data: bytes) -> bytes:
    """MARK bytes that say: this account wrote `data`; zeros where no key can be kept."""
    key = _key(_key_file())
    return hmac.digest(key, data, hashlib.sha256) if key else bytes(MARK)


def is_marked(data: bytes, found: bytes) -> bool:
    """Whether `found` is this account's mark of `data`."""
    return any(found) and hmac.compare_digest(mark(data), found)


def _key_file() -> Path:
    """Where the key lies, as systems have it (on Linux the XDG base directories)."""
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_DATA_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "onepass" / "key"
    except RuntimeError:  # an account without a home
        return Path()


@functools.cache
def _key(path: Path) -> bytes:
    """The key, made where there is none; b"" where it can be neither read nor made."""
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
