"""Rows of what was judged at the line, kept in the cache: drift is measured on them.

A row of a close look takes 0.3 MB, and a line photographs without end: so many are kept in an hour
and no more, the first of the hour. `cache gc` drops them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.thumbnails import BLANK
from features.errors import CacheBusyError, OnepassError
from features.photographs.views import FULL
from pipeline.line.live_model import LiveModel, Predicted

ROWS_PER_HOUR = 120
"""Photographs whose rows are kept in each hour: 40 MB of close looks."""

_EVERY = 5.0  # seconds between two writes
_log = logging.getLogger("onepass")


def keep_rows(cache_path: Path, model: LiveModel, predicted: Sequence[Predicted]) -> int:
    """Put rows of judged photographs into a cache, made where it does not exist.

    Args:
        cache_path: of the model's recipe and weights.
        model: that judged them.
        predicted: those without rows, and those that the cache has, are passed over.

    Returns:
        How many photographs have rows now that had none.

    Raises:
        CacheBusyError: another process is writing to the cache.
        FingerprintError: it holds rows of other settings.
        CacheError: it cannot be written.
    """
    settings = model.settings
    if settings is None:
        return 0
    kept = 0
    with (
        writing(cache_path, wait=1.0),
        Cache.write(
            cache_path, settings.fields, settings.cached_width, settings.row_dtype
        ) as cache,
    ):
        for one in {one.digest: one for one in predicted if one.rows is not None}.values():
            assert one.rows is not None
            lacks = [at for at, view in enumerate(model.views) if cache.find(one.digest, view) < 0]
            if not lacks:
                continue
            views = [model.views[at] for at in lacks]
            thumbnails = [(one.thumbnail or BLANK) if view == FULL else BLANK for view in views]
            cache.append([one.digest] * len(lacks), np.asarray(one.rows[lacks]), views, thumbnails)
            kept += 1
        if kept:
            cache.commit()
    return kept


class RowKeeper:
    """Keeps rows from a thread of its own, so that nobody waits for the disk."""

    def __init__(self, cache_path: Path, per_hour: int = ROWS_PER_HOUR) -> None:
        """Name the cache; the thread starts with the first row.

        Args:
            cache_path: see `keep_rows`.
            per_hour: most photographs in an hour; 0 for none.
        """
        self.cache_path, self.per_hour = cache_path, per_hour
        self.left_out = 0
        self._waiting: deque[tuple[LiveModel, Predicted]] = deque()
        self._hour, self._taken = 0, 0
        self._wake, self._stopped = threading.Event(), False
        self._thread: threading.Thread | None = None
        self._offering, self._flushing = threading.Lock(), threading.Lock()
        self._said = ""

    def offer(self, model: LiveModel, predicted: Sequence[Predicted]) -> None:
        """Take the rows of these photographs, as far as the hour has room."""
        with self._offering:  # several requests may come at once, and one thread is to write
            self._offer(model, predicted)

    def _offer(self, model: LiveModel, predicted: Sequence[Predicted]) -> None:
        hour = int(time.time() // 3600)
        if hour != self._hour:
            self._hour, self._taken = hour, 0
        for one in predicted:
            if one.rows is None or self._taken >= self.per_hour:
                self.left_out += one.rows is not None
                continue
            self._taken += 1
            self._waiting.append((model, one))
        if self._waiting and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="row keeper", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what waits, and end."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(10.0)

    def flush(self) -> None:
        """Write what waits, or leave it waiting where the cache is busy; says why it could not."""
        with self._flushing:  # who measures drift does not wait for the thread's next turn
            self._flush()

    def _flush(self) -> None:
        waiting = list(self._waiting)
        for model in {id(model): model for model, _ in waiting}.values():
            mine = [entry for entry in waiting if entry[0] is model]
            try:
                keep_rows(self.cache_path, model, [predicted for _, predicted in mine])
            except CacheBusyError:
                return  # later
            except (OnepassError, OSError) as error:
                self._say(f"rows for measuring drift are not kept: {error}")
            for entry in mine:
                self._waiting.remove(entry)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(_EVERY)
            self.flush()
        self.flush()

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            _log.warning("note: %s", text)
