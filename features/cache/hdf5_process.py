"""HDF5's own parser in a process of its own: a file that crashes or hangs it costs one line.

The library is C code that follows whatever structures a file has. Files that this account did not
write are handed to it here first, with limits of time and (on Linux) of memory. A process costs
0.15 s of processor time. It runs this file, and imports no more than the function needs.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

_SECONDS = 10  # of processor time, and one more for each BYTES_A_SECOND of the file
_BYTES_A_SECOND = 10 * 2**20
_PATIENCE = 12  # the clock may show so many times more, on a busy computer
_MEMORY = 768 * 2**20  # bytes, and four times the file
_REFUSED = 3  # exit status; the output is the reason


class ParserError(ValueError):
    """HDF5's parser crashed, hung, or ran out of memory; the message says what happened."""


def ask(function: str, source: Path | bytes) -> bytes:
    """Call a function on a file in another process.

    Args:
        function: "module:name", which takes a path or bytes and returns bytes; a ValueError that
            it raises is raised here as a `ParserError` with its message.
        source: the path of the file, or its bytes.

    Raises:
        ParserError: the process crashed, took too long or cannot be started, or the function
            refused the file.
        OSError: the file is not there.

    Example:
        >>> ask("features.cache.hdf5_process:size_of", b"abc")
        b'3'
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    seconds = _SECONDS + size // _BYTES_A_SECOND
    own = [sys.executable, "-P", str(Path(__file__)), function, str(seconds), str(size)]
    name = b"" if isinstance(source, bytes) else os.fsencode(source.absolute())
    try:
        done = subprocess.run(  # noqa: S603 - our own file
            own,
            input=len(name).to_bytes(8, "little") + (source if isinstance(source, bytes) else name),
            capture_output=True,
            timeout=_PATIENCE * seconds,
            check=False,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise ParserError(_late(seconds)) from None
    except OSError as error:
        raise ParserError(f"no process can be started to look at it first: {error}") from None
    if done.returncode == 0:
        return done.stdout
    if done.returncode == _REFUSED:
        raise ParserError(done.stdout.decode("utf-8", "replace"))
    if done.returncode == -24:  # SIGXCPU
        raise ParserError(_late(seconds))
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    ended = f"saying {said[-1][:100]!r}" if said else f"with status {done.returncode}"
    raise ParserError(f"HDF5's parser crashes on it, {ended}")


def size_of(source: Path | bytes) -> bytes:
    """Say how many bytes there are: a function for tests of `ask`."""
    return str(len(source) if isinstance(source, bytes) else source.stat().st_size).encode()


def fill_memory(_source: Path | bytes) -> bytes:
    """Take 64 GB: a function for tests of `ask`."""
    return bytes(64 * 2**30)


def _late(seconds: int) -> str:
    return f"HDF5's parser had not ended after {seconds} s"


def _limit(seconds: int, size: int) -> None:
    """Limit this process where the system can; what imports take is not counted."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        used = pages * os.sysconf("SC_PAGE_SIZE")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = used + _MEMORY + 4 * size
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def main(function: str, seconds: str, size: str) -> int:
    """Answer one call of `ask`: the file on standard input, the result on standard output."""
    package = types.ModuleType("features")  # without all that `features` brings along
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["features"] = package
    module, _, name = function.partition(":")
    call: Callable[[Path | bytes], bytes] = getattr(importlib.import_module(module), name)
    _limit(int(seconds), int(size))
    length = int.from_bytes(sys.stdin.buffer.read(8), "little")
    content = sys.stdin.buffer.read()
    try:
        answer = call(Path(os.fsdecode(content)) if length else content)
    except MemoryError:
        sys.stdout.buffer.write(b"HDF5's parser ran out of memory on it")
        return _REFUSED
    except ValueError as error:
        sys.stdout.buffer.write(str(error).encode("utf-8", "replace"))
        return _REFUSED
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.buffer.flush()
    os._exit(status)  # HDF5 may crash on what it still holds of a damaged file
