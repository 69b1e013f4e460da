"""Processes that decode: started anew, or forked from one that has imported the decoder already.

To start one costs 0.13 s of processor time, to fork one 3 ms. So on Linux the first that is needed
starts a nursery, `decode_worker.nurse`, which decodes nothing and forks the others.
A process that ends is known by a descriptor of its own (pidfd): no other can be meant by it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from typing import IO, NamedTuple, Protocol

from features.errors import DecoderError
from features.photographs.decode_worker import ANSWER, READY, REQUEST, SHARED

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


class _Child(Protocol):
    """What is asked of a process: as of a `subprocess.Popen`."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Give the pipe of requests."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Give the pipe of answers."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """Give the pipe of last words, if there is one."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> int:
        """Wait for its end; give its exit status."""
        ...


class Process:
    """One process and its two pipes.

    Args:
        child: it, started.
        shared: the descriptor that it has of the memory which files lie in; -1 for none.
    """

    def __init__(self, child: _Child, shared: int) -> None:
        assert child.stdin and child.stdout
        self._process, self._shared = child, shared
        self._to, self._from = child.stdin, child.stdout
        ready = self._read()
        if ready is None or ready.kind != READY:
            child.kill()
            said = b"" if child.stderr is None else child.stderr.read()
            self.end()
            raise _ended_at_start(said)

    def ask(self, head: bytes, data: bytes | memoryview, *, shared: bool) -> Reply | None:
        """Ask it for a file, which lies in the shared memory or goes through the pipe.

        Returns:
            Its answer; None where it ended instead.
        """
        request = REQUEST.pack(len(head), len(data), self._shared if shared else -1)
        try:
            for part in (request, head, b"" if shared else data):
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


def begin(command: Sequence[str], shared: int) -> Process:
    """Start a process.

    Args:
        command: of one as `features.photographs.decode_worker`.
        shared: descriptor of memory that it is handed; -1 for none.

    Raises:
        DecoderError: it cannot be started.
    """
    return Process(_started(command, () if shared < 0 else (shared,)), shared)


def _started(command: Sequence[str], handed: Sequence[int]) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    flags |= getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    try:
        return subprocess.Popen(  # noqa: S603 - our own file
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | _ENVIRONMENT,
            # Ctrl-C is for the program; its decoders end with their pipes.
            process_group=None if os.name == "nt" else 0,
            pass_fds=handed,
            creationflags=flags,
            pipesize=_PIPE,
        )
    except OSError as error:
        raise _not_started(command, error) from error


def _not_started(command: Sequence[str], error: OSError) -> DecoderError:
    mend = f"expected {command[0]} to be Python; check that it may be run"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        mend = "each needs five open files; allow more of them (ulimit -n)"
    return DecoderError(f"the process that decodes photographs cannot be started ({error}); {mend}")


def _ended_at_start(said: bytes) -> DecoderError:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return DecoderError(
        f"the process that decodes photographs ended at its start "
        f"({lines[-1] if lines else 'it said nothing'}); expected it to wait for work; "
        "install Onepass again"
    )


def can_fork() -> bool:
    """Say whether a nursery can be had: on Linux, where nothing forbids what it needs."""
    try:
        itself = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return False
    try:
        signal.pidfd_send_signal(itself, 0)
    except OSError:
        return False
    finally:
        os.close(itself)
    return True


class Nursery:
    """Begins processes as `begin` does, all but the first for a fraction of the time.

    Args:
        command: of a decoder, which forks where it gets a descriptor behind it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, shared: int) -> Process:
        """Give a process, started anew where none is forked; see `begin`."""
        with self._lock:
            try:
                child = (self._socket and self._fork(shared)) or (
                    self._open() and self._fork(shared)
                )
            except OSError as error:
                raise _not_started(self._command, error) from error
        if not child:
            return begin(self._command, shared)
        return Process(child, -1 if shared < 0 else SHARED)

    def _open(self) -> bool:
        """Start the nursery, anew where it ended."""
        self._close()
        mine, its = socket.socketpair()
        with its:
            command = [*self._command, str(its.fileno())]
            try:
                self._process = _started(command, (its.fileno(),))
            except DecoderError:
                mine.close()
                raise
        self._socket = mine
        try:
            if mine.recv(1):
                return True
        except BaseException:
            self._close()
            raise
        said = self._process.stderr.read() if self._process.stderr else b""
        self._close()
        raise _ended_at_start(said)

    def _fork(self, shared: int) -> _Child | None:
        """Ask for a process; give None where the nursery is gone.

        Raises:
            OSError: this process has no descriptors left; the nursery goes on.
        """
        assert self._socket is not None
        requests, to = os.pipe()
        try:
            answers, come = os.pipe()
        except OSError:
            os.close(requests)
            os.close(to)
            raise
        mine, said, found = [to, answers], b"", list[int]()
        try:
            handed = [requests, come, *([] if shared < 0 else [shared])]
            socket.send_fds(self._socket, [b"\0"], handed)
            said, found = socket.recv_fds(self._socket, 1, 1)[:2]
        except OSError:
            pass
        except BaseException:  # an answer may be on its way, which is nobody else's
            self._close()
            raise
        finally:
            for descriptor in (requests, come, *([] if found else mine)):
                os.close(descriptor)
        if said and not found:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if not found:
            return None
        return _Forked(found[0], os.fdopen(to, "wb"), os.fdopen(answers, "rb"))

    def close(self) -> None:
        """End the nursery, and with it all that it forked."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.communicate()
        self._socket = self._process = None


class _Forked:
    """A process of the nursery, as far as a `_Child` is asked for.

    Args:
        pidfd: its descriptor.
        stdin, stdout: its pipes.
    """

    stderr = None

    def __init__(self, pidfd: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._pidfd, self.stdin, self.stdout = pidfd, stdin, stdout

    def kill(self) -> None:
        """End it, unless that was done."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; the nursery knows how it ended."""
        if self._pidfd >= 0:
            ended = select.poll()
            ended.register(self._pidfd, select.POLLIN)
            ended.poll()
            os.close(self._pidfd)
        self._pidfd = -1
        return 0
