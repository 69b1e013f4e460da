"""The door to the terminal: what is printed, progress, quiet, and errors as one line."""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterator

INTERRUPTED = 130
INTERNAL_ERROR = 70

_quiet = False  # set by --quiet: results go to files alone


def set_quiet(value: bool) -> None:
    """Say nothing from now on but what went wrong, or say everything again."""
    global _quiet
    _quiet = value


def say(*lines: str) -> None:
    """Print lines on standard error."""
    for line in lines:
        show(line, err=True)


def listen() -> None:
    """Show what the packages below log: a journal set aside, a lock that is waited for."""
    import logging

    class Lines(logging.Handler):
        """Prints what is logged."""

        def emit(self, record: logging.LogRecord) -> None:
            """Print one record."""
            say(record.getMessage())

    logging.getLogger("onepass").handlers = [Lines()]


def show(text: str, *, err: bool = False) -> None:
    """Write text by the one door to the terminal: names of files and models do nothing to it."""
    if _quiet and not err:
        return
    from pipeline.output.stream import write_lines
    from pipeline.output.tables import visible

    write_lines(visible(text), sys.stderr if err else sys.stdout)


@contextlib.contextmanager
def bar(unit: str) -> Iterator[Callable[..., None]]:
    """Give a progress bar on standard error, with speed and time left; lines where nobody looks.

    What is given takes how much is done, how much there is, and whatever else is told.
    """
    if _quiet or not sys.stderr.isatty():
        yield (lambda *_: None) if _quiet else _lines(unit)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(unit, total=None, speed="")

        def update(done: int, total: int, *_: object) -> None:
            """Move the bar; a step that begins anew has a time left of its own."""
            if done < progress.tasks[0].completed:
                progress.reset(task)
            speed = progress.tasks[0].speed
            progress.update(
                task, completed=done, total=total, speed=f"{speed:.1f}/s" if speed else ""
            )

        yield update


_FIRST_LINE = 30.0  # seconds of silence in a log; then from line to line twice as many
_RAREST = 600.0


def _lines(unit: str) -> Callable[..., None]:
    """Give what says in a log how far a long command is: first after a while, then less often."""
    silence, last, first = _FIRST_LINE, -1, 0
    begun = said = time.monotonic()

    def update(done: int, total: int, *_: object) -> None:
        """Say it, if there was silence for long; each step has a pace of its own.

        What was done before its first word, such as reading, is no part of its pace.
        """
        nonlocal silence, last, first, begun, said
        now = time.monotonic()
        if done < last or last < 0:
            begun, first = now, done
        last = done
        if now - said < silence:
            return
        silence, said = min(2 * silence, _RAREST), now
        paced = done > first
        minutes = (now - begun) / (done - first) * (total - done) / 60 if paced else math.nan
        left = f"; about {minutes:.0f} minutes to go" if minutes >= 1.5 else ""
        say(f"{done:,} of {total:,} {unit}{left}")

    return update


@contextlib.contextmanager
def wait(what: str) -> Iterator[None]:
    """Show what is going on, and for how long, where its end cannot be told and a person looks."""
    if _quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn("line"), TextColumn(what), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(what, total=None)
        yield


_RENAMED = {"--gap": "--optimism", "--no-gap": "--no-optimism"}
"""Options of 0.1.0 and their names now; the old ones go with 0.3.0."""


def with_new_names(arguments: list[str]) -> list[str]:
    """Replace old names of options, and say so."""
    for old in [word for word in arguments if word in _RENAMED]:
        say(f"note: {old} is called {_RENAMED[old]} now; the old name goes with 0.3.0")
    return [_RENAMED.get(word, word) for word in arguments]


def explain_error(error: Exception) -> int:
    """Say what went wrong in one line; returns the exit code."""
    from features.errors import OnepassError

    if isinstance(error, OnepassError):
        return fail(str(error), 1)
    if lacks_memory(error):
        return fail(
            f"not enough memory ({_needed(error)}); close other programs or lift the limit "
            "(ulimit -v), take a smaller --batch-size, or fewer --features; "
            "what is committed stays",
            1,
        )
    if hasattr(error, "exit_code") and hasattr(error, "show"):  # wrong usage, from the parser
        shown = io.StringIO()
        error.show(file=shown)
        say(shown.getvalue().rstrip("\n"))
        return int(error.exit_code)
    if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding():
        return fail(f"file names here cannot hold {error.object!r}; set PYTHONUTF8=1", 1)
    if isinstance(error, OSError):
        return fail(f"{error}; check the disk and the permissions", 1)
    if os.environ.get("ONEPASS_TRACEBACK"):
        raise error
    return fail(
        f"a mistake in this program ({type(error).__name__}: {error}); set ONEPASS_TRACEBACK=1, "
        "run the same again and report what it prints",
        INTERNAL_ERROR,
    )


_MEMORY_WORDS = (
    "failed to map segment",  # a library that does not fit any more
    "cannot allocate memory",
    "can't start new thread",
    "out of memory",
    "bad_alloc",
    "bad allocation",
)


def lacks_memory(error: BaseException | None) -> bool:
    """Say whether an error, or what led to it, says that there is too little memory."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        if isinstance(error, OSError | ImportError | RuntimeError) and any(
            words in str(error).lower() for words in _MEMORY_WORDS
        ):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _needed(error: BaseException) -> str:
    """Say what was asked for, in the words of who asked; else where."""
    said = " ".join(str(error).split())[:160]
    if said:
        return said
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = frame.tb_frame.f_code if frame is not None else None
    return f"{place.co_name} in {os.path.basename(place.co_filename)}" if place else "no more said"  # noqa: PTH119 - a name, no path


_LONGEST = 2000
"""Characters of an error's line."""


def fail(message: str, code: int) -> int:
    """Say an error in one line; returns the exit code."""
    from pipeline.output.tables import printable

    text = printable(message)
    if len(text) > _LONGEST:  # what to do stands at its end
        text = f"{text[: _LONGEST // 2]} […] {text[-_LONGEST // 2 :]}"
    say(f"error: {text}")
    return code
