"""The one place for seeds, threads, the memory limit and the start of TensorFlow."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from features.errors import MemoryLimitError, SettingError

MEMORY_VARIABLE = "ONEPASS_MEMORY"

_share: ContextVar[float] = ContextVar("share", default=1.0)
_verbose = False


def set_verbose(verbose: bool) -> None:
    """Let TensorFlow's start-up messages through; call it before `load_tensorflow`."""
    global _verbose
    _verbose = verbose


def core_count() -> int:
    """Count the cores that this process may use (its affinity mask where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_limit() -> int:
    """Give the bytes that work may take: ONEPASS_MEMORY in GB, else half of the machine's.

    Python and its libraries come beside that.

    Raises:
        SettingError: ONEPASS_MEMORY is no positive number.
    """
    given = os.environ.get(MEMORY_VARIABLE)
    if given is None:
        return _physical_memory() // 2
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise SettingError(
            f"{MEMORY_VARIABLE} is {given!r}; expected gigabytes such as 4 or 0.5; correct or "
            "unset it"
        )
    return int(gigabytes * 1e9)


@contextlib.contextmanager
def shared_memory(share: float) -> Iterator[None]:
    """Let work within the block take this share (0 to 1) of the limit: others have the rest."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def memory_share() -> float:
    """Say which part of the memory limit this work may take: 1, or less where others share it."""
    return _share.get()


def memory_room() -> int:
    """Give the bytes that this work may take: its share of the memory limit."""
    return int(memory_limit() * memory_share())


def refuse_above_limit(what: str, needed: float, mend: str = "") -> None:
    """Raise MemoryLimitError where work needs more bytes than it may take.

    Where nobody set a limit, that is more than the machine says that it has: an estimate of half
    of its memory is no reason to refuse what runs.

    Args:
        what: takes them, for the message.
        needed: estimated bytes.
        mend: what else can be done, with its comma and "or".
    """
    told = MEMORY_VARIABLE in os.environ
    if needed > (memory_room() if told else (_told_memory() or math.inf) * memory_share()):
        raise MemoryLimitError(above_limit(f"{what} takes some", needed, mend=mend))


def above_limit(what: str, needed: float, of: str = "", *, mend: str = "") -> str:
    """Word that something takes more than the memory limit, and what to do."""
    shared = round(1 / memory_share())
    workers = f", which {shared} workers share" if shared > 1 else ""
    fewer = "start fewer on that computer, or " if shared > 1 else ""
    return (
        f"{what} {_gigabytes(_rounded_up(needed))}{of}; expected at most the limit of "
        f"{_gigabytes(memory_limit())}{workers}; {mend}{fewer}set {MEMORY_VARIABLE} (GB)"
    )


def _rounded_up(count: float) -> float:
    """Give it with three digits, and not less."""
    unit = 10.0 ** (math.floor(math.log10(count)) - 2)
    return math.ceil(count / unit) * unit


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.0f} GB" if count >= 1e11 else f"{count / 1e9:.3g} GB"


class Taken(NamedTuple):
    """Hold the bytes that work takes of a computer's memory.

    Attributes:
        shared: what all its calls need, such as rows: here, and again where it is handed over.
        each: what a process takes beside that.

    Example:
        >>> Taken(shared=10, each=40).processes(4, limit=120)
        2
    """

    shared: int = 0
    each: int = 0

    def processes(self, most: int, limit: int | None = None) -> int:
        """Give as many processes, up to `most`, as the memory limit holds; 1 at least.

        A single process has what is shared from the caller; several get a copy, one for all.
        """
        room = (memory_limit() if limit is None else limit) - 2 * self.shared
        return max(1, min(most, room // max(self.each, 1)))


def _physical_memory() -> int:
    """Give the memory in bytes; 4 GB if nothing tells."""
    return _told_memory() or 4 * 10**9


def _told_memory() -> int:
    """Read the memory in bytes, or a container's where it sets less; 0 if nothing tells."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 0
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def load_tensorflow() -> Any:  # noqa: ANN401 - TensorFlow ships no types
    """Import TensorFlow and return the module, without its start-up chatter.

    Errors still reach standard error; `set_verbose(True)` lets everything through.
    Anything that Onepass does with TensorFlow or Keras goes through here first.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    if _verbose:
        return _import_tensorflow()
    # 2 hides INFO and WARNING of the C++ side once its logging is set up; what it says before
    # that heeds no setting, hence the filter.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    with _without_chatter():
        tensorflow = _import_tensorflow()
        tensorflow.config.list_physical_devices()
    return tensorflow


def trace_tensorflow(graph: Any, shape: Sequence[int]) -> Any:  # noqa: ANN401 - TensorFlow has few types
    """Make one call of a function of TensorFlow's that takes uint8 pixels of `shape`."""
    tf = load_tensorflow()
    return tf.function(graph, input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)


def _import_tensorflow() -> Any:  # noqa: ANN401 - TensorFlow ships no types
    """Import TensorFlow without Keras, which it imports only to know where Keras lies.

    That costs a third of the start, and the backbone does without Keras; who needs it imports
    `keras` itself, the same package. Told that the old tf_keras is meant, TensorFlow does not
    look; nothing here uses `tensorflow.keras`, where that would make a difference.
    """
    name = "TF_USE_LEGACY_KERAS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        import tensorflow
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
    return tensorflow


# What TensorFlow's C++ side says at its start: absl's INFO and WARNING lines, their continuation
# lines, and that there is no GPU, which it calls an error.
_CHATTER = re.compile(
    rb"^([IW]\d{4} |WARNING: All log messages before absl|To enable the following instructions"
    rb"|E\d{4} .*(cuInit|cuda))",
)


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then pass on all that is no chatter.

    Python's own `sys.stderr`, and with it progress bars, keeps writing to the terminal.
    """
    python_stderr = sys.stderr
    try:
        descriptor = python_stderr.fileno()
    except (OSError, ValueError, AttributeError):
        yield  # captured by a notebook or a test: nothing to filter
        return
    if descriptor != 2:
        yield
        return
    python_stderr.flush()
    terminal = os.dup(2)
    with (
        tempfile.TemporaryFile() as held,
        os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as substitute,
    ):
        os.dup2(held.fileno(), 2)
        sys.stderr = substitute
        try:
            yield
        finally:
            substitute.flush()
            sys.stderr = python_stderr
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and Keras, so that a training run can be repeated."""
    load_tensorflow()
    import keras

    random.seed(seed)
    np.random.seed(seed % 2**32)  # parts of Keras read the global state
    keras.utils.set_random_seed(seed % 2**32)
