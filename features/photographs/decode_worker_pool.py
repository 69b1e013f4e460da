"""Photographs decoded in processes of their own: what breaks a decoder costs one photograph.

Decoders are C code that meets bytes from anywhere, and a thread of them cannot be stopped. So each
reader thread hands its file to a process that is kept for the next file, ends itself after
SECONDS, and may hold no more memory than the file's own header justifies (where the system can
say so: Linux). Measured, a process costs 0.2 s of processor time to start and 0.5 ms a file.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from features.arrays import Pictures, Pixels
from features.errors import DecoderError, ImageError
from features.photographs.decode import MAX_PIXELS, joined
from features.photographs.decode_worker import ANSWER, READY, REASON, REQUEST
from features.photographs.file_header import Declared, check_declared, read_declared
from features.photographs.recipe import Recipe
from features.photographs.views import FULL

SECONDS = 60.0
"""Longest time for one photograph of up to MAX_PIXELS pixels; more of them have more time."""

BYTES_PER_PIXEL = 20
"""Memory that a photograph's decoder may use, besides four times the file and SPARE_MEMORY. The
most measured is 17 (WebP), 9 for all others."""

SPARE_MEMORY = 256 * 2**20
"""Bytes."""

_TRIES = 2  # a process may have been ended by somebody else; a file that ends two is to blame


def decode_apart(data: bytes, recipe: Recipe, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Call `features.photographs.decode.decode` in a process of its own.

    Raises:
        ImageError: as `decode`; or it took too long, or ended its decoder.
        DecoderError: no such process can be started.
    """
    request = {"recipe": recipe.fields(), "views": [FULL]}
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


def look_apart(
    data: bytes, recipe: Recipe, views: Sequence[str] = (FULL,), *, max_pixels: int = MAX_PIXELS
) -> Decoded:
    """Call `decode.decode_views` in a process of its own, and read when the photograph was taken.

    Raises:
        ImageError, DecoderError: as `decode_apart`.
    """
    request = {"recipe": recipe.fields(), "views": list(views), "notes": ["capture_time"]}
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


def stop() -> None:
    """End the processes that wait for work; the next photograph starts another."""
    _POOL.close()


class Decoders:
    """As many processes as there are threads that ask at once, kept until `close`."""

    def __init__(self, command: Sequence[str] | None = None, seconds: float = SECONDS) -> None:
        """Start nothing yet.

        Args:
            command: of a process as `features.photographs.decode_worker`.
            seconds: see SECONDS.
        """
        own = [sys.executable, "-P", str(Path(__file__).with_name("decode_worker.py"))]
        self.command, self.seconds = list(command or own), seconds
        self._idle: list[_Process] = []
        self._change = threading.Condition()
        self._pixels = 0  # of the photographs that are being decoded

    def ask(self, request: dict[str, Any], data: bytes, max_pixels: int) -> Answer:
        """Hand a photograph to a process.

        Args:
            request: "views" and their "recipe", "thumbnail", or "notes"; see `decode_worker`.
            data: the whole file.
            max_pixels: refuse photographs of more pixels than this.

        Raises:
            ImageError, DecoderError: as `decode_apart`.
        """
        declared = read_declared(data)
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
        with self._room_for(pixels, max_pixels):
            for _ in range(_TRIES):
                started = time.monotonic()
                answer = self._ask_one(json.dumps(head).encode(), data)
                if answer is not None:
                    return _result(answer, declared)
                if time.monotonic() - started >= seconds:
                    raise ImageError(f"it is damaged (decoding took more than {seconds:g} s)")
        raise ImageError("it is damaged (it crashed the decoder, or did not fit into memory)")

    def close(self) -> None:
        """End the processes that wait for work."""
        with self._change:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

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

    def _ask_one(self, head: bytes, data: bytes) -> _Answer | None:
        """Ask a process; give its answer, or None where it ended without one."""
        with self._change:
            process = self._idle.pop() if self._idle else None
        process = process or _Process(self.command)
        try:
            answer = process.ask(head, data)
        except BaseException:
            process.end()
            raise
        if answer is None:
            process.end()
            return None
        with self._change:
            self._idle.append(process)
        return answer


class _Answer(NamedTuple):
    kind: int
    note: bytes
    content: bytearray


class _Process:
    """One process, its two pipes, and, on Linux, memory that files are handed over in.

    That memory has no name: it is gone with the two processes, however they end. Through a pipe a
    photograph of 5 MB costs 5 ms of processor time, through it 1.5.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._shared = -1
        if hasattr(os, "memfd_create"):
            with contextlib.suppress(OSError):  # forbidden here: the pipe does it
                self._shared = os.memfd_create("photograph")
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        flags |= getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                # Ctrl-C is for the program; its decoders end with their pipes.
                process_group=None if os.name == "nt" else 0,
                pass_fds=() if self._shared < 0 else (self._shared,),
                creationflags=flags,
            )
        except OSError as error:
            self._close_shared()
            raise DecoderError(
                f"the process that decodes photographs cannot be started ({error}); expected "
                f"{command[0]} to be Python; check that it may be run"
            ) from error
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._to, self._from = self._process.stdin, self._process.stdout
        ready = self._read()
        if ready is None or ready.kind != READY:
            self._process.kill()
            said = self._process.stderr.read().decode("utf-8", "replace").strip()
            self.end()
            raise DecoderError(
                "the process that decodes photographs ended at its start "
                f"({said.splitlines()[-1] if said else 'it said nothing'}); expected it to wait "
                "for work; install Onepass again"
            )

    def ask(self, head: bytes, data: bytes) -> _Answer | None:
        """Ask it; give its answer, or None where it ended instead."""
        self._fill(data)
        request = REQUEST.pack(len(head), len(data), self._shared)
        try:
            for part in (request, head, data if self._shared < 0 else b""):
                self._to.write(part)
            self._to.flush()
        except OSError:
            return None
        return self._read()

    def _fill(self, data: bytes) -> None:
        """Write a file to the shared memory, or give that up."""
        if self._shared < 0:
            return
        try:
            os.ftruncate(self._shared, len(data))
            view, done = memoryview(data), 0
            while done < len(data):
                done += os.pwrite(self._shared, view[done:], done)
        except OSError:  # a limit on the size of files, or no memory: the pipe takes what it can
            self._close_shared()

    def _close_shared(self) -> None:
        if self._shared >= 0:
            os.close(self._shared)
            self._shared = -1

    def _read(self) -> _Answer | None:
        start = self._from.read(ANSWER.size)
        if len(start) < ANSWER.size:
            return None
        kind, note_length, length = ANSWER.unpack(start)
        note = self._from.read(note_length)
        content = bytearray(length)
        view, done = memoryview(content), 0
        while done < length:
            count = self._from.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                return None
            done += count
        return _Answer(kind, note, content)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._close_shared()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _result(answer: _Answer, declared: Declared | None) -> Answer:
    if answer.kind == REASON:
        raise ImageError(bytes(answer.content).decode("utf-8", "replace"))
    values: Pixels = np.frombuffer(answer.content, np.uint8)
    note, pictures, start = json.loads(answer.note), list[Pixels](), 0
    for height, width in note.get("sizes", ()):
        stop = start + height * width * 3
        pictures.append(values[start:stop].reshape(height, width, 3))
        start = stop
    return Answer(joined(pictures), note, declared)


_POOL = Decoders()
atexit.register(_POOL.close)


def _forget() -> None:
    """Forget the pipes in a fork of this process: they are the parent's."""
    global _POOL
    _POOL = Decoders()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
