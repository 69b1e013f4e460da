"""The verdicts that were told: written before they are told, and counted over time.

A thread of its own writes: whatever waits goes to the disk in one go, so that many clients cost no
more than one.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from features.errors import DataError, OutputError
from features.files import refuse_outside
from pipeline.evaluation.band import REVIEW_NAME
from pipeline.line.verdict_log import LoggedVerdict, append_verdicts, read_verdicts

_MOST = 20_000  # verdicts that are held
_BYTES = 12 * 2**20  # of the log, that are read at the start
_TOGETHER = 64  # verdicts that are written in one go

HOUR, DAY = 3600, 86400


def verdict_id(verdict: LoggedVerdict) -> str:
    """Name one told verdict, the same before and after a restart: 16 hex digits."""
    text = f"{verdict.time!r}|{verdict.part}|{'|'.join(verdict.digests)}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Span:
    """Verdicts of one hour or day.

    Attributes:
        start: seconds since 1970.
        total, rejected, review, unlike, unreadable: parts; of more than two classes nothing is
            rejected.
    """

    start: float
    total: int
    rejected: int
    review: int
    unlike: int
    unreadable: int


class History:
    """The log of verdicts, its end held in memory."""

    def __init__(self, log: Path) -> None:
        """Read the end of a log, if there is one, and start the thread that writes.

        Raises:
            DataError: the log cannot be read.
        """
        self.log = log
        self._lock = threading.Lock()
        found = read_verdicts(log, last_bytes=_BYTES)[-_MOST:]
        self._held = OrderedDict((verdict_id(one), one) for one in found)
        self.told = len(found)
        """Parts that were judged: those that the log had at the start, and all since."""
        self._waiting: queue.SimpleQueue[tuple[list[LoggedVerdict], Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="verdicts", daemon=True)
        self._thread.start()

    def add(self, verdicts: Sequence[LoggedVerdict]) -> list[str]:
        """Write verdicts; they are on the disk when this returns.

        Returns:
            Their names, see `verdict_id`.

        Raises:
            OutputError: they cannot be written: nothing may be told.
        """
        done: Future[None] = Future()
        self._waiting.put((list(verdicts), done))
        done.result()
        names = [verdict_id(one) for one in verdicts]
        with self._lock:
            self.told += len(names)
            self._held |= zip(names, verdicts, strict=True)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return names

    def get(self, name: str) -> LoggedVerdict:
        """Give a verdict by its name.

        Raises:
            DataError: it is not held, or not any more.
        """
        with self._lock:
            found = self._held.get(name)
        if found is None:
            raise DataError(
                f"no verdict {name!r} is known here; expected one of the latest {_MOST:,}"
            )
        return found

    def latest(self, count: int, before: int = 0) -> list[tuple[str, LoggedVerdict]]:
        """List the latest verdicts with their names, newest first, without the `before` newest."""
        with self._lock:
            found = list(self._held.items())
        return found[::-1][before : before + count]

    def all(self) -> list[LoggedVerdict]:
        """List all that are held, oldest first."""
        with self._lock:
            return list(self._held.values())

    def spans(self, seconds: int, count: int, defective: str | None) -> list[Span]:
        """Count the verdicts of the last so many hours or days, oldest first, empty ones too.

        Args:
            seconds: `HOUR` or `DAY`.
            count: how many.
            defective: the class that is rejected; None of more than two classes.
        """
        end = (int(time.time()) // seconds + 1) * seconds
        found: list[list[LoggedVerdict]] = [[] for _ in range(count)]
        for one in self.all():
            place = count - 1 - int((end - 1 - one.time) // seconds)
            if 0 <= place < count:
                found[place].append(one)
        return [
            Span(
                end - (count - at) * seconds,
                len(these),
                sum(v.verdict == defective for v in these if defective is not None),
                sum(v.verdict == REVIEW_NAME for v in these),
                sum(v.unlike for v in these),
                sum(v.verdict is None for v in these),
            )
            for at, these in enumerate(found)
        ]

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(10.0)

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            taken = [first]
            while len(taken) < _TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                taken.append(following)
            self._write(taken)

    def _write(self, taken: Sequence[tuple[list[LoggedVerdict], Future[None]]]) -> None:
        try:
            refuse_outside(self.log, self.log.parent)
            append_verdicts(self.log, [one for verdicts, _ in taken for one in verdicts])
        except Exception as error:  # noqa: BLE001 - who waits for it has to know
            for _, done in taken:
                done.set_exception(OutputError(f"no verdict can be told: {error}"))
        else:
            for _, done in taken:
                done.set_result(None)
