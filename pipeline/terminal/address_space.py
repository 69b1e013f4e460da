"""Limits of the address space (`ulimit -v`): what they hold is counted before it is needed.

Most of what asks for too much memory is told so, and the program ends in one line. OpenBLAS is not:
it takes a buffer for each thread when it is loaded, and where that does not fit it tries for ever,
or ends the process with a line of its own. Nothing can be caught there, so that the room is counted
and the libraries are loaded before anything else takes it. Without such a limit nothing is done,
and nothing is loaded: `--help` stays fast.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

_LAST = "scipy.linalg"
"""Whose loading loads both libraries."""

_LIBRARIES, _THREAD = 250_000_000, 90_000_000
"""Bytes of NumPy and SciPy with their BLAS, and of a thread's stack and buffers in both.

Measured on Linux x86-64 (NumPy 2, SciPy 1.16): 170 and 82 MB.
"""


def refuse_too_little() -> None:
    """Load NumPy's and SciPy's BLAS where the address space is limited and holds them.

    Raises:
        MemoryError: it does not hold them.

    Example:
        >>> refuse_too_little()  # no limit here: nothing happens
    """
    found = _limit_and_taken()
    if found is None or _LAST in sys.modules:
        return
    (limit, taken), threads = found, _blas_threads()
    needed = taken + _LIBRARIES + threads * _THREAD
    if limit < needed:
        raise MemoryError(
            f"the address space is limited to {limit / 1e6:,.0f} MB, and this program takes "
            f"{needed / 1e6:,.0f} MB before its work begins, with {threads} threads of BLAS; "
            "OPENBLAS_NUM_THREADS=1 takes the least"
        )
    importlib.import_module(_LAST)


def _limit_and_taken() -> tuple[int, int] | None:
    """Give the limit and what is taken, in bytes; None without a limit, and not on Linux."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        taken = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (ImportError, OSError):  # Windows, macOS (which heeds no such limit)
        return None
    return None if limit == resource.RLIM_INFINITY else (limit, taken * resource.getpagesize())


def _blas_threads() -> int:
    """Count the threads that OpenBLAS starts: one a core, or fewer where its variables say so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        given = os.environ.get(name, "")
        if given.isdecimal() and int(given) > 0:
            return min(int(given), cores or 1)
    return cores or 1
