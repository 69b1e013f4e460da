"""Long work beside the verdicts, one at a time: refit, what to label next, audit, new groups."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from features.errors import BusyError, OnepassError
from pipeline.serve.refit import Say

_log = logging.getLogger("onepass")


@dataclass
class Progress:
    """Say how far a job is.

    Attributes:
        name: of the job; "" before the first.
        running: whether it goes on.
        stage: what it does now; see the job.
        done, total: of the stage; 0 of 0 where nothing is known.
        started, ended: seconds since 1970; 0 where it has not.
        error: why it stopped; "" where it did not.
        result: what it gives, as plain values; None before the end.
        beside: whether others run at the same time.
    """

    name: str = ""
    running: bool = False
    stage: str = ""
    done: int = 0
    total: int = 0
    started: float = 0.0
    ended: float = 0.0
    error: str = ""
    result: Any = None
    beside: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the progress as the pages poll it."""
        return asdict(self)


class Jobs:
    """Runs one job at a time on a thread of its own, and remembers the last of each name."""

    def __init__(self) -> None:
        """Run nothing yet."""
        self._lock = threading.Lock()
        self._last: dict[str, Progress] = {}
        self._threads: dict[str, threading.Thread] = {}

    def start(self, name: str, work: Callable[[Say], Any], *, beside: bool = False) -> Progress:
        """Start a job.

        Args:
            name: of the job.
            work: called with what it tells its progress to; returns plain values.
            beside: short work, which neither waits for others nor keeps them waiting.

        Raises:
            BusyError: another one is running; beside others, one of the same name.
        """
        with self._lock:
            running = [
                one.name
                for one in self._last.values()
                if one.running and (one.name == name if beside else not one.beside)
            ]
            if running:
                raise BusyError(f"{running[0]} is still running; wait for its end")
            progress = Progress(name, True, started=time.time(), beside=beside)
            self._last[name] = progress
            thread = self._threads[name] = threading.Thread(
                target=self._run, args=(progress, work), name=name, daemon=True
            )
            thread.start()
        return progress

    def last(self, name: str) -> Progress:
        """Give the running or last job of a name; an empty one before the first."""
        return self._last.get(name, Progress(name))

    def wait(self, seconds: float) -> None:
        """Wait for what is running, so long at most."""
        until = time.monotonic() + seconds
        for thread in list(self._threads.values()):
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, progress: Progress, work: Callable[[Say], Any]) -> None:
        def say(stage: str, done: int, total: int) -> None:
            """Note how far the job is."""
            progress.stage, progress.done, progress.total = stage, done, total

        result, said = None, ""
        try:
            result = work(say)
        except OnepassError as error:
            said = str(error)
        except Exception as error:  # noqa: BLE001 - whoever started it hears of it
            _log.exception("a mistake in this program, in %s", progress.name)
            said = f"a mistake in this program ({type(error).__name__}: {error})"
        # In one step: who sees the result sees that it has ended, and when.
        ended = replace(progress, running=False, ended=time.time(), error=said, result=result)
        with self._lock:
            self._last[progress.name] = ended
