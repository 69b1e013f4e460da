"""The photographs that were asked about lately, so that their verdicts can be looked at again.

INBOX/recent holds files named by their own digests, never by what a client calls them, up to so
many bytes: the oldest go first. Pictures that are shown are drawn anew from them: no byte of an
upload is ever sent to a browser.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
import threading
from collections import OrderedDict
from pathlib import Path

from features.errors import DataError, ImageError, OutputError
from features.files import refuse_outside
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import thumbnail_apart
from features.photographs.file import read_photograph

RECENT = "recent"
SIDES = (160, 480, 1200)
"""Longer sides of pictures that are shown, in pixels."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PICTURES = 400  # that are kept drawn


def is_digest(text: str) -> bool:
    """Say whether a text is a SHA-256 in hex, as no path is."""
    return _DIGEST.fullmatch(text) is not None


class KeptPhotographs:
    """Files by digest, the latest ones."""

    def __init__(self, inbox: Path, most: int) -> None:
        """Name the inbox; its folder is made by the first photograph.

        Args:
            inbox: see the module.
            most: bytes, all together; the last one stays whatever its size.

        Raises:
            OutputError: the folder is a link that leads out of the inbox.
        """
        self.folder, self.most = inbox / RECENT, most
        refuse_outside(self.folder, inbox)
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        found = []
        for file in self.folder.iterdir() if self.folder.is_dir() else ():
            if is_digest(file.name):
                stat = file.stat()
                found.append((stat.st_mtime, file.name, stat.st_size))
            elif file.name.endswith(".part"):
                file.unlink(missing_ok=True)  # of a process that was killed
        for _, name, size in sorted(found):
            self._sizes[name] = size

    def keep(self, digest: str, data: bytes) -> None:
        """Keep a file; where the disk is full it is not, which takes no verdict back."""
        with self._lock:
            if digest not in self._sizes and not self._write(digest, data):
                return
            self._sizes[digest] = len(data)
            self._sizes.move_to_end(digest)
            while sum(self._sizes.values()) > self.most and len(self._sizes) > 1:
                oldest, _ = self._sizes.popitem(last=False)
                with contextlib.suppress(OSError):
                    (self.folder / oldest).unlink()

    def _write(self, digest: str, data: bytes) -> bool:
        temporary = self.folder / f"{digest}.{secrets.token_hex(4)}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_outside(self.folder, self.folder.parent)
            temporary.write_bytes(data)
            os.replace(temporary, self.folder / digest)  # noqa: PTH105 - one step
        except (OSError, OutputError):
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            return False
        return True

    def has(self, digest: str) -> bool:
        """Say whether the file of a digest is kept."""
        return digest in self._sizes

    def read(self, digest: str) -> bytes | None:
        """Give the file of a digest; None where it is not kept any more, or was changed."""
        if not is_digest(digest) or digest not in self._sizes:
            return None
        try:
            data = (self.folder / digest).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None


class Pictures:
    """Small pictures of photographs, drawn by the decoder processes and kept for a while."""

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        """Keep none yet.

        Args:
            max_pixels: refuse larger photographs.
        """
        self.max_pixels = max_pixels
        self._drawn: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str, side: int) -> bytes | None:
        """Give what was drawn before; None where nothing was."""
        with self._lock:
            return self._drawn.get((digest, side))

    def draw(self, digest: str, data: bytes, side: int) -> bytes:
        """Draw a JPEG whose longer side has about so many pixels.

        Raises:
            DataError: a side that is not one of `SIDES`.
            ImageError: the photograph cannot be read.
        """
        if side not in SIDES:
            raise DataError(f"found the side {side}; expected one of {', '.join(map(str, SIDES))}")
        known = self.get(digest, side)
        if known is not None:
            return known
        image = thumbnail_apart(data, side, max_pixels=self.max_pixels).convert("RGB")
        out = io.BytesIO()
        image.save(out, "JPEG", quality=86)
        with self._lock:
            self._drawn[digest, side] = out.getvalue()
            while len(self._drawn) > _PICTURES:
                self._drawn.popitem(last=False)
        return out.getvalue()


def read_below(folder: Path, path: str, digest: str, max_pixels: int) -> bytes | None:
    """Give a file of a folder, if it lies there and is the one that is meant.

    Args:
        folder: of the training photographs.
        path: as a model's or a cache's table has it.
        digest: SHA-256 (hex) that it must have.
        max_pixels: larger files are not read.

    Returns:
        None where it leads elsewhere, is gone or was changed.
    """
    file = folder / path
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return None
        data = read_photograph(file, max_pixels=max_pixels)
    except (OSError, ValueError, ImageError):
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None
