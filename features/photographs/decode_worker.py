"""The other end of `decode_worker_pool`: answers one request after another until its pipe closes.

It is run as a file and imports the decoder alone; the whole of `features` would take twice as long.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import mmap
import os
import signal
import socket
import struct
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

REQUEST = struct.Struct("<IQi")
"""Lengths of the head (JSON) and of the file, which follow; or, not below 0, the descriptor of the
memory that holds the file."""

ANSWER = struct.Struct("<BIQ")
"""READY, DONE or REASON; lengths of the note (JSON; "sizes" are height and width of each picture)
and of the pixels, or of the reason, which follow."""

READY, DONE, REASON = range(3)

KEPT = 64 * 2**20
"""Most bytes of memory that a decoder keeps for the files to come."""

SHARED = 3
"""The descriptor, in a process that was forked, of the memory that it shares."""


def main() -> None:
    """Serve with the real decoder; given a descriptor, let forks of this process serve."""
    package = types.ModuleType("features")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["features"] = package
    gc.disable()  # what is imported stays: nobody looks through it now, nor forks because of it
    from features.photographs import decode

    gc.freeze()
    gc.enable()
    if len(sys.argv) > 1:
        nurse(int(sys.argv[1]), decode)
    else:
        serve(decode)


def nurse(asked: int, decode: Any) -> None:  # noqa: ANN401 - a module
    """Fork a process for each that is asked for, until the other end of a socket closes.

    Args:
        asked: the socket. One byte comes with three descriptors: of requests, of answers, and of
            the memory for files, if there is one; one goes back with the process's own.
        decode: the module, imported once for all.
    """
    alive: set[int] = set()
    with socket.socket(fileno=asked) as other:
        other.send(b"\0")
        while given := socket.recv_fds(other, 1, 3)[1]:
            _reap(alive)
            pid = os.fork()
            if not pid:
                other.close()
                _serve_fork(decode, given)
            alive.add(pid)
            pidfd = os.pidfd_open(pid)
            for descriptor in given:
                os.close(descriptor)
            with contextlib.suppress(OSError):  # who asked is gone; so is the loop's next step
                socket.send_fds(other, [b"\0"], [pidfd])
            os.close(pidfd)
    _reap(alive)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _reap(alive: set[int]) -> None:
    """Take leave of those that have ended."""
    for pid in list(alive):
        if os.waitpid(pid, os.WNOHANG)[0]:
            alive.discard(pid)


def _serve_fork(decode: Any, given: list[int]) -> NoReturn:  # noqa: ANN401 - a module
    """Serve in a process that was just forked, and end it."""
    try:
        for descriptor, place in zip(given, (0, 1, SHARED), strict=False):
            os.dup2(descriptor, place)
            os.close(descriptor)
        serve(decode)
    finally:
        os._exit(0)


def serve(decode: Any) -> None:  # noqa: ANN401 - a module
    """Answer on standard output what is asked on standard input, with the decoders of `decode`.

    What a decoder itself prints goes nowhere.
    """
    memory, room = _Memory(), _Room()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(nowhere, 1)
        answers.write(ANSWER.pack(READY, 0, 0))
        answers.flush()
        os.dup2(nowhere, 2)
        requests = sys.stdin.buffer
        while len(start := requests.read(REQUEST.size)) == REQUEST.size:
            head_length, data_length, shared = REQUEST.unpack(start)
            head = json.loads(requests.read(head_length))
            room.reach(shared, data_length)
            memory.allow(int(head["memory"]) + len(room))
            # A thread of C code that ends the process, whatever holds the interpreter.
            faulthandler.dump_traceback_later(head["seconds"], exit=True, file=nowhere)
            data = requests.read(data_length) if shared < 0 else room.read(shared, data_length)
            _answer(decode, head, data, answers)
            del data  # it may be as large as a gigabyte, and the next file may not come
            faulthandler.cancel_dump_traceback_later()


class _Room:
    """The memory that the other end fills, mapped once: read anew it takes three times as long."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None

    def __len__(self) -> int:
        """Give the bytes that are mapped."""
        return 0 if self._map is None else len(self._map)

    def reach(self, descriptor: int, length: int) -> None:
        """Map it as far as a file goes, if that is kept for the next one."""
        if descriptor >= 0 and len(self) < length <= KEPT:
            with contextlib.suppress(OSError, ValueError):  # no memory: it is read
                self._map = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)

    def read(self, descriptor: int, length: int) -> bytes:
        """Copy a file out of it, in one step but for files of gigabytes."""
        if self._map is not None and length <= len(self._map):
            return self._map[:length]
        parts: list[bytes] = []
        done = 0
        while done < length and (part := os.pread(descriptor, length - done, done)):
            parts.append(part)
            done += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _answer(
    decode: Any,  # noqa: ANN401 - a module
    head: Mapping[str, Any],
    data: bytes,
    answers: IO[bytes],
) -> None:
    kind, note, content = DONE, {}, b""
    most = {"max_pixels": head["max_pixels"]}
    try:
        pictures: Any = []
        if "views" in head:
            recipe = _recipe(decode, head["recipe"])
            pictures = decode.decode_views(data, recipe, head["views"], **most)
            note["sizes"] = [picture.shape[:2] for picture in pictures]
        if "thumbnail" in head:
            pictures = [decode.thumbnail(data, head["thumbnail"], **most)]
            note["sizes"] = [pictures[0].size[::-1]]
        for name in head.get("notes", ()):
            note[name] = _NOTES[name](decode, data, head)
        content = b"".join(picture.tobytes() for picture in pictures)
    except decode.ImageError as error:
        kind, content = REASON, str(error).encode("utf-8", "replace")
    except MemoryError:
        kind, content = REASON, b"it does not fit into memory"
    said = json.dumps(note).encode()
    answers.write(ANSWER.pack(kind, len(said), len(content)))
    answers.write(said)
    answers.write(content)
    answers.flush()


def _recipe(decode: Any, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a module
    """Make the recipe that a request names; JSON has lists where it has pairs."""
    pairs = {name: tuple(fields[name]) for name in ("scale", "large") if name in fields}
    return decode.Recipe(**{**fields, **pairs})


def _facts(_decode: Any, data: bytes, head: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - the module that decodes
    from features.photographs import metadata  # none but `audit` asks for it

    return vars(metadata.facts_of(data, max_pixels=head["max_pixels"], bits=head["bits"]))


_NOTES: dict[str, Any] = {
    "capture_time": lambda decode, data, head: decode.capture_time(
        data, max_pixels=head["max_pixels"]
    ),
    "turn": lambda decode, data, head: decode.orientation(data, max_pixels=head["max_pixels"]),
    "depth": lambda decode, data, head: decode.largest_undeclared(
        data, max_pixels=head["max_pixels"]
    ),
    "facts": _facts,
}
"""What a request can ask for beside pixels."""


class _Memory:
    """The system's limit on this process's address space, where it keeps one (Linux)."""

    def __init__(self) -> None:
        self._used = 0
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            self._used = pages * os.sysconf("SC_PAGE_SIZE")

    def allow(self, size: int) -> None:
        """Let the process hold `size` bytes more than it did at its start."""
        if not self._used:
            return
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = self._used + size
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(
                resource.RLIMIT_AS,
                (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard),
            )


if __name__ == "__main__":
    main()
