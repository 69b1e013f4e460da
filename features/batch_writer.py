"""Batches on their way from the backbone to the cache, on a thread of their own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from features.cache import Cache, Rows
from features.glimpse import Glimpse


class Batch(NamedTuple):
    """Rows that are committed together.

    Attributes:
        digests, views: the key of each row.
        rows: float32 (n, row_width).
        glimpses: one for each row.
        finished: photographs whose last row is among them.
    """

    digests: Sequence[str]
    views: Sequence[str]
    rows: Rows
    glimpses: Sequence[Glimpse]
    finished: int


class Writer:
    """The thread that appends and commits batches; its first error reaches the caller.

    Attributes:
        seconds: spent on appending and committing.

    It takes a batch only when the one before is committed: a killed process has at most one
    finished batch to do again, as long as a commit takes less time than the next batch.
    """

    def __init__(self, cache: Cache, advance: Callable[[int], None]) -> None:
        """Prepare; `advance` is called with the photographs that a batch finished."""
        self.cache = cache
        self.advance = advance
        self.seconds = 0.0
        self._queue: queue.Queue[Batch | None] = queue.Queue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def __enter__(self) -> Writer:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what is queued, also when the caller was interrupted, then stop."""
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def put(self, batch: Batch) -> None:
        """Hand over a batch, once the one before is committed."""
        self._queue.join()
        if self._error is not None:
            raise self._error
        self._queue.put(batch)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                started = time.perf_counter()
                self.cache.append(item.digests, item.rows, item.views, item.glimpses)
                self.cache.commit()
                self.seconds += time.perf_counter() - started
                self.advance(item.finished)
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                self._error = error
            finally:
                self._queue.task_done()
