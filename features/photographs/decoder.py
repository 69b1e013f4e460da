"""A decoder: a process that decodes, and memory that its files are read into.

On Linux the process shares that memory: a file is read there once, digested there, and decoded from
there. Elsewhere, and for files beyond KEPT, it goes through the process's pipe.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable

from features.photographs.decode_process import Process, Reply
from features.photographs.decode_worker import KEPT

_GROWS_BY = 2**20


class Decoder:
    """A process for one file at a time, started when the first is to be decoded.

    The shared memory has no name: it is gone with the two processes, however they end.

    Args:
        begin: starts a process that is handed this memory's descriptor, -1 for none.
    """

    def __init__(self, begin: Callable[[int], Process]) -> None:
        self._begin = begin
        self._process: Process | None = None
        self._shared = -1
        self._room: mmap.mmap | None = None
        if hasattr(os, "memfd_create"):
            with contextlib.suppress(OSError):  # forbidden here: the pipe does it
                self._shared = os.memfd_create("photograph")

    @property
    def runs(self) -> bool:
        """Say whether its process is there."""
        return self._process is not None

    def room(self, size: int) -> memoryview | None:
        """Give memory for a file of so many bytes; None where there is none that is shared.

        What is in it is for the decoder's next answer: it is overwritten by the next file.
        """
        if self._shared < 0 or size > KEPT:
            return None
        if self._room is None or len(self._room) < size:
            length = max(1, -(-size // _GROWS_BY)) * _GROWS_BY
            try:
                os.ftruncate(self._shared, length)
                self._room = mmap.mmap(self._shared, length)
            except (OSError, ValueError):  # a limit on the size of files, or no memory
                return None
        return memoryview(self._room)[:size]

    def holds(self, data: bytes | memoryview) -> bool:
        """Say whether a file lies in what `room` gave."""
        return isinstance(data, memoryview) and data.obj is self._room

    def ask(self, head: bytes, data: bytes | memoryview) -> Reply | None:
        """Ask the process, started where it is not there; None where it ended without an answer.

        Raises:
            DecoderError: it cannot be started.
        """
        if not self.holds(data):
            self._fill(data)
        try:
            reply = self.start().ask(head, data, shared=self._shared >= 0)
        except BaseException:
            self.end()
            raise
        if reply is None:
            self.end()
        elif len(data) > KEPT and self._shared >= 0:
            os.ftruncate(self._shared, 0 if self._room is None else len(self._room))
        return reply

    def start(self) -> Process:
        """Give its process, started where it is not there; raise as `ask`."""
        if self._process is None:
            self._process = self._begin(self._shared)
        return self._process

    def _fill(self, data: bytes | memoryview) -> None:
        """Write a file to the shared memory, or give that up."""
        if self._shared < 0:
            return
        try:
            os.ftruncate(self._shared, max(len(data), 0 if self._room is None else len(self._room)))
            view, done = memoryview(data), 0
            while done < len(data):
                done += os.pwrite(self._shared, view[done:], done)
        except OSError:  # a limit on the size of files, or no memory: the pipe takes what it can
            os.close(self._shared)
            self._shared = -1

    def end(self) -> None:
        """End the process, whatever it does; the next file starts another."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def close(self) -> None:
        """End the process, and give the memory back."""
        self.end()
        if self._shared >= 0:
            os.close(self._shared)
        self._shared, self._room = -1, None
