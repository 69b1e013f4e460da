"""Photographs decoded in processes of their own: what breaks a decoder costs one photograph.

Decoders are C code that meets bytes from anywhere, and a thread of them cannot be stopped. So each
reader thread hands its file to a process that is kept for the next file, ends itself after
SECONDS, and may hold no more memory than the file's own header justifies (where the system can
say so: Linux). How they begin: `decode_process`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from features.arrays import Pictures, Pixels
from features.errors import ImageError
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_process import Nursery, Reply, begin, can_fork
from features.photographs.decode_worker import REASON
from features.photographs.decoder import Decoder
from features.photographs.file_header import Declared, check_declared, read_declared
from features.photographs.jpeg import SIGNATURE as JPEG
from features.photographs.recipe import Recipe
from features.photographs.views import FULL

SECONDS = 60.0
"""Longest time for one photograph of up to MAX_PIXELS pixels; more of them have more time."""

BYTES_PER_PIXEL = 20
"""Memory that a photograph's decoder may use, besides four times the file and SPARE_MEMORY. The
most measured is 17 (WebP), 9 for all others."""

SPARE_MEMORY = 256 * 2**20
"""Bytes."""

_START = 2**16  # bytes, in which most JPEGs say their size

_TRIES = 2  # a process may have been ended by somebody else; a file that ends two is to blame


def decode_apart(data: bytes, recipe: Recipe, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Call `features.photographs.decode.decode` in a process of its own.

    Raises:
        ImageError: as `decode`; or it took too long, or ended its decoder.
        DecoderError: no such process can be started.
    """
    request = {"recipe": _fields(recipe), "views": [FULL]}
    pixels: Pixels = _POOL.ask(request, data, max_pixels).pixels[0]
    return pixels


class Answer(NamedTuple):
    """Hold what a process makes of a file.

    Attributes:
        pixels: of each picture; see `features.arrays.Pictures`.
        note: what else was asked for, by name.
        declared: what the file says of itself; None where it is no photograph.
    """

    pixels: Pictures
    note: Mapping[str, Any]
    declared: Declared | None


class Decoded(NamedTuple):
    """Some views of a photograph.

    Attributes:
        pixels: of each view; see `decode.decode_views`.
        capture_time: `features.photographs.decode.capture_time`.
        declared: what the file says of itself.
    """

    pixels: Pictures
    capture_time: int
    declared: Declared | None = None


def lend() -> contextlib.AbstractContextManager[Decoder]:
    """Lend a decoder: a file read into its `room` need not be copied for `look_apart`."""
    return _POOL.lend()


def look_apart(
    data: bytes | memoryview,
    recipe: Recipe,
    views: Sequence[str] = (FULL,),
    *,
    max_pixels: int = MAX_PIXELS,
) -> Decoded:
    """Call `decode.decode_views` in a process of its own, and read when the photograph was taken.

    Raises:
        ImageError, DecoderError: as `decode_apart`.
    """
    request = {"recipe": _fields(recipe), "views": list(views), "notes": ["capture_time"]}
    answer = _POOL.ask(request, data, max_pixels)
    return Decoded(answer.pixels, int(answer.note["capture_time"]), answer.declared)


def thumbnail_apart(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Call `features.photographs.decode.thumbnail` in a process; raise as `decode_apart`."""
    return Image.fromarray(_POOL.ask({"thumbnail": size}, data, max_pixels).pixels[0])


def orientation_apart(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int:
    """Call `decode.orientation` in a process of its own; raise as `decode_apart`."""
    return int(_POOL.ask({"notes": ["turn"]}, data, max_pixels).note["turn"])


def depth_apart(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int | None:
    """Call `decode.largest_undeclared` in a process of its own; raise as `decode_apart`."""
    found = _POOL.ask({"notes": ["depth"]}, data, max_pixels).note["depth"]
    return None if found is None else int(found)


def facts_apart(
    data: bytes, *, max_pixels: int = MAX_PIXELS, bits: int | None = 0
) -> dict[str, Any]:
    """Read fields of `metadata.facts_of` in a process of its own; raise as `decode_apart`."""
    request = {"notes": ["facts"], "bits": bits}
    return dict(_POOL.ask(request, data, max_pixels).note["facts"])


_fields = functools.lru_cache(16)(Recipe.fields)  # 0.2 ms, which each photograph would take


def stop() -> None:
    """End the processes that wait for work; the next photograph starts another."""
    _POOL.close()


class Decoders:
    """As many decoders as there are threads that ask at once, kept until `close`."""

    def __init__(self, command: Sequence[str] | None = None, seconds: float = SECONDS) -> None:
        """Start nothing yet.

        Args:
            command: of a process as `features.photographs.decode_worker`.
            seconds: see SECONDS.
        """
        own = [sys.executable, "-P", str(Path(__file__).with_name("decode_worker.py"))]
        self.seconds = seconds
        self._nursery = Nursery(own) if command is None and can_fork() else None
        self._begin = self._nursery.begin if self._nursery else partial(begin, command or own)
        self._idle: list[Decoder] = []
        self._lent: list[Decoder] = []
        self._change = threading.Condition()
        self._pixels = 0  # of the photographs that are being decoded

    def ask(self, request: dict[str, Any], data: bytes | memoryview, max_pixels: int) -> Answer:
        """Hand a photograph to a process.

        Args:
            request: "views" and their "recipe", "thumbnail", or "notes"; see `decode_worker`.
            data: the whole file.
            max_pixels: refuse photographs of more pixels than this.

        Raises:
            ImageError, DecoderError: as `decode_apart`.
        """
        declared = _declared(data)
        pixels = 0
        if declared is not None:
            check_declared(declared, max_pixels)
            pixels = declared.width * declared.height
        seconds = self.seconds * max(1.0, max_pixels / MAX_PIXELS)
        head = request | {
            "max_pixels": max_pixels,
            "seconds": seconds,
            "memory": SPARE_MEMORY + 4 * len(data) + BYTES_PER_PIXEL * pixels,
        }
        with self._room_for(pixels, max_pixels), self._holding(data) as decoder:
            for _ in range(_TRIES):
                started = time.monotonic()
                reply = decoder.ask(json.dumps(head).encode(), data)
                if reply is not None:
                    return _result(reply, declared)
                if time.monotonic() - started >= seconds:
                    raise ImageError(f"it is damaged (decoding took more than {seconds:g} s)")
        raise ImageError("it is damaged (it crashed the decoder, or did not fit into memory)")

    @contextlib.contextmanager
    def lend(self) -> Iterator[Decoder]:
        """Lend a decoder, for a file to be read into its memory; `ask` then finds it there."""
        with self._change:
            running = (at for at, one in enumerate(self._idle) if one.runs)
            decoder = self._idle.pop(next(running, -1)) if self._idle else Decoder(self._begin)
            self._lent.append(decoder)
        try:
            yield decoder
        finally:
            with self._change:
                self._lent.remove(decoder)
                self._idle.append(decoder)

    def close(self) -> None:
        """End the processes that wait for work."""
        with self._change:
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.close()
        if self._nursery is not None and not self._lent:
            self._nursery.close()

    @contextlib.contextmanager
    def _holding(self, data: bytes | memoryview) -> Iterator[Decoder]:
        """Give the decoder in whose memory a file lies, or another one."""
        with self._change:
            decoder = next((one for one in self._lent if one.holds(data)), None)
        if decoder is not None:
            yield decoder
        else:
            with self.lend() as decoder:
                yield decoder

    @contextlib.contextmanager
    def _room_for(self, pixels: int, most: int) -> Iterator[None]:
        """Wait until all that are decoded at once have no more pixels than one of them may."""
        with self._change:
            self._change.wait_for(lambda: not self._pixels or self._pixels + pixels <= most)
            self._pixels += pixels
        try:
            yield
        finally:
            with self._change:
                self._pixels -= pixels
                self._change.notify_all()


def _declared(data: bytes | memoryview) -> Declared | None:
    """Read what a file claims: of a JPEG its size alone, which stands near its start.

    Its passes are counted by the process, before it decodes.
    """
    if isinstance(data, memoryview):
        with contextlib.suppress(ImageError):  # its size may stand further on
            start = bytes(data[:_START])
            if start.startswith(JPEG):
                return read_declared(start, with_passes=False)
        data = bytes(data)
    return read_declared(data, with_passes=False)


def _result(reply: Reply, declared: Declared | None) -> Answer:
    if reply.kind == REASON:
        raise ImageError(bytes(reply.content).decode("utf-8", "replace"))
    values: Pixels = np.frombuffer(reply.content, np.uint8)
    note, pictures, start = json.loads(reply.note), list[Pixels](), 0
    sizes = note.get("sizes", ())
    if sizes and all(size == sizes[0] for size in sizes):  # they lie behind each other already
        return Answer(values.reshape(len(sizes), *sizes[0], 3), note, declared)
    for height, width in sizes:
        stop = start + height * width * 3
        pictures.append(values[start:stop].reshape(height, width, 3))
        start = stop
    return Answer(pictures, note, declared)


_POOL = Decoders()
atexit.register(_POOL.close)


def _forget() -> None:
    """Forget the processes in a fork of this one: they are the parent's."""
    global _POOL
    atexit.unregister(_POOL.close)
    _POOL = Decoders()
    atexit.register(_POOL.close)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
