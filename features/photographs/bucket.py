"""Photographs in a bucket: s3://bucket/folder, listed and read through fsspec, an extra.

Here as everywhere a photograph's file is a `Path`, of which `features.files.address_of` gives the
address back. Nothing is reached but what is named, and nothing is written. Who may read, and where
the store is, the usual environment of its tools says: AWS_PROFILE, AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from features.errors import BucketError, ImageError, StoreError
from features.files import address_of

SCHEMES = {"s3": "s3fs"}
"""Of addresses, each with the package that fsspec needs for it."""

_SECONDS = {"connect_timeout": 5, "read_timeout": 20}
_TRIES = 3
"""Of s3fs, each of which are five of the library below it: a store that takes a connection and says
nothing ends a run after five minutes. With a minute and five tries it was 25."""

_SECOND = 10**9  # ns
Found = TypeVar("Found")


def is_bucket_folder(path: Path) -> bool:
    """Say whether there are files below an address.

    Raises:
        BucketError: the store cannot be asked.
    """
    return bool(_asked(path, lambda store, name: store.isdir(name)))


def list_bucket(folder: Path) -> tuple[list[tuple[Path, tuple[str, ...]]], int]:
    """List the files below an address.

    Returns:
        Each file with the parts of its name below the folder; and how many more there are whose
        names no path can have, such as a//b.

    Raises:
        BucketError: the store cannot be asked, or there is a file at the address itself.
    """
    root = address_of(folder)
    scheme = root.partition("://")[0]

    def find(store: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - fsspec has few types
        """Ask anew: what an earlier call of this process saw may have changed."""
        store.invalidate_cache()
        return dict(store.find(name, detail=True))

    names = [f"{scheme}://{name}" for name, one in _asked(folder, find).items()
             if one["type"] == "file"]  # fmt: skip
    if root in names:
        raise BucketError(f"found a file at {root}; expected a folder of a bucket")
    files, odd = [], 0
    for name in sorted(names):
        parts = tuple(name.removeprefix(root).removeprefix("/").split("/"))
        file = folder.joinpath(*parts)
        same = parts == file.parts[len(folder.parts) :] and address_of(file) == name
        if same and ".." not in parts:
            files.append((file, parts))
        else:
            odd += 1
    return files, odd


def stat_in_bucket(file: Path) -> os.stat_result:
    """Give what the store knows of a file, in the form in which the system knows files.

    Its times are the whole second of the last change, as stores have it; the time of the status has
    the content's mark (ETag) as its nanoseconds, so that other bytes are seen to be others.

    Raises:
        BucketError: there is none, it may not be read, or the store cannot be asked.
        ImageError: it is a folder.
    """
    found = _asked(file, _info)
    if found["type"] != "file":
        raise ImageError("it is no regular file")
    changed = found.get("LastModified")
    seconds = int(changed.timestamp() if changed else time.time())
    etag = hashlib.sha256(str(found.get("ETag")).encode()).digest()
    at, marked = seconds * _SECOND, seconds * _SECOND + int.from_bytes(etag[:8]) % _SECOND
    mode, size = stat.S_IFREG | 0o400, int(found["size"])
    return os.stat_result(
        (mode, 0, 0, 1, 0, 0, size, seconds, seconds, seconds),
        {"st_atime_ns": at, "st_mtime_ns": at, "st_ctime_ns": marked},
    )


def read_from_bucket(file: Path, size: int) -> bytes:
    """Read a file of so many bytes.

    Raises:
        BucketError: it cannot be read, or has another size by now.
    """
    # From a start on, s3fs asks once; else it asks for pieces, by the size that its last list had.
    data = bytes(_asked(file, lambda store, name: store.cat_file(name, start=0))) if size else b""
    if len(data) != size and len(data) != _asked(file, _info_now)["size"]:
        raise BucketError(
            f"{len(data):,} of {size:,} bytes were read: it changed meanwhile; run the same again"
        )
    return data


def read_start(file: Path, count: int) -> bytes:
    """Read the first bytes of a file.

    Raises:
        BucketError: it cannot be read.
    """
    return bytes(_asked(file, lambda store, name: store.cat_file(name, start=0, end=count)))


def _info(store: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - fsspec has few types
    """Say what the last list of its folder says of a file; of one that is not in it, ask anew."""
    try:
        known = dict(store.info(name))
    except FileNotFoundError:
        known = {}
    return known if known.get("type") == "file" else _info_now(store, name)


def _info_now(store: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - fsspec has few types
    return dict(store.info(name, refresh=True))


def _asked(path: Path, ask: Callable[[Any, str], Found]) -> Found:
    """Give the answer of a store; whatever its library raises becomes one line.

    Raises:
        BucketError: its answer is that the file is not there, or not for us.
        StoreError: it does not answer, after the tries of its library, which take seconds, or five
            minutes where it hangs: a store that is gone is no reason to call each photograph
            unreadable.
    """
    address = address_of(path)
    store = _store(address)
    try:
        return ask(store, address)
    except FileNotFoundError:
        raise BucketError(f"there is nothing at {address}, or no such bucket") from None
    except Exception as error:  # noqa: BLE001 - each layer of a store has errors of its own
        said = " ".join(str(error).split())[:200]
        if _is_no_answer(error):
            raise StoreError(
                f"the store of {address} does not answer ({type(error).__name__}: {said}); what is "
                "done is kept: see AWS_ENDPOINT_URL and the network, and run the same command again"
            ) from None
        raise BucketError(
            f"{address} cannot be read ({type(error).__name__}: {said}); expected a store that "
            "lets you in: see AWS_PROFILE or AWS_ACCESS_KEY_ID, and AWS_ENDPOINT_URL for a store "
            "that is not Amazon's"
        ) from None


_NO_ANSWER = ("ConnectionError", "HTTPClientError")  # of botocore: the families of such errors


def _is_no_answer(error: Exception) -> bool:
    kinds = [(kind.__module__, kind.__name__) for kind in type(error).__mro__]
    return isinstance(error, ConnectionError | TimeoutError) or any(
        ("botocore.exceptions", name) in kinds for name in _NO_ANSWER
    )


def _store(address: str) -> Any:  # noqa: ANN401 - fsspec has few types
    """Give the file system of an address, kept by fsspec for this process."""
    scheme = address.partition("://")[0]
    if scheme not in SCHEMES:
        raise BucketError(
            f"{address} is an address; expected a folder on a disk, or s3://bucket/folder: mount "
            "other stores (rclone mount) or copy the photographs"
        )
    if any(importlib.util.find_spec(name) is None for name in ("fsspec", SCHEMES[scheme])):
        raise BucketError(
            f"{address} needs {SCHEMES[scheme]}, which is not installed; expected the extra "
            f'{scheme}: pip install "onepass[{scheme}]"'
        )
    store = importlib.import_module("fsspec").filesystem(scheme, config_kwargs=_SECONDS)
    store.retries = min(store.retries, _TRIES)
    return store
