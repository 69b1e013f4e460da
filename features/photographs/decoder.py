"""A decoder: a process that decodes, and memory that its files are read into.

On Linux the process shares that memory: a file is read there once, digested there, and decoded from
there. Elsewhere, and for files beyond KEPT, it goes through the process's pipe.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from features.errors import DecoderError
from features.photographs.decode_worker import ANSWER, READY, REQUEST

KEPT = 64 * 2**20
"""Most bytes of memory that a decoder keeps for the files to come."""

_GROWS_BY = 2**20

_PIPE = 2**18  # bytes, where the system lets us say so: a picture's pixels go through at once

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # What a photograph took is kept for the next one (by glibc's malloc), not given back and asked
    # for again page by page: 430 faults a photograph of 12 megapixels.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**26),
}


class Reply(NamedTuple):
    """Hold what a process sends back; see `decode_worker.ANSWER`."""

    kind: int
    note: bytes
    content: bytearray


class Decoder:
    """A process for one file at a time, started when the first is to be decoded.

    The shared memory has no name: it is gone with the two processes, however they end.

    Args:
        command: of a process as `features.photographs.decode_worker`.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: _Process | None = None
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
            reply = self.start().ask(head, data, self._shared)
        except BaseException:
            self.end()
            raise
        if reply is None:
            self.end()
        elif len(data) > KEPT and self._shared >= 0:
            os.ftruncate(self._shared, 0 if self._room is None else len(self._room))
        return reply

    def start(self) -> _Process:
        """Give its process, started where it is not there; raise as `ask`."""
        if self._process is None:
            self._process = _Process(self._command, self._shared)
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


class _Process:
    """One process and its two pipes."""

    def __init__(self, command: Sequence[str], shared: int) -> None:
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        flags |= getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | _ENVIRONMENT,
                # Ctrl-C is for the program; its decoders end with their pipes.
                process_group=None if os.name == "nt" else 0,
                pass_fds=() if shared < 0 else (shared,),
                creationflags=flags,
                pipesize=_PIPE,
            )
        except OSError as error:
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

    def ask(self, head: bytes, data: bytes | memoryview, shared: int) -> Reply | None:
        """Ask it for a file, which lies in the shared memory or goes through the pipe."""
        request = REQUEST.pack(len(head), len(data), shared)
        try:
            for part in (request, head, data if shared < 0 else b""):
                self._to.write(part)
            self._to.flush()
        except OSError:
            return None
        return self._read()

    def _read(self) -> Reply | None:
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
        return Reply(kind, note, content)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
