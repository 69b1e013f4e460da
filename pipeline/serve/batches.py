"""A bounded queue in front of the model: what arrives together is judged together.

Files are decoded by worker processes, as many at once as there are cores; decoded photographs wait
for the model, which takes up to `BATCH` of them in one pass. More than fit are refused at once:
whoever sends them knows, and may come again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from features.errors import BusyError
from features.runtime import core_count
from pipeline.line.live_model import BATCH, Decoded, LiveModel, Predicted

_MEASURED = 1000  # batches whose times are kept for /metrics


@dataclass
class _Job:
    model: LiveModel
    decoded: Decoded
    answer: Future[Predicted] = field(default_factory=Future)


@dataclass(frozen=True)
class Load:
    """Say how busy the queue is.

    Attributes:
        waiting: photographs that are being decoded or wait for the model.
        predicted: photographs since the start.
        batches: passes of the backbone since the start.
        refused: photographs since the start, because the queue was full.
        seconds: that the last passes took, at most `_MEASURED` of them.
    """

    waiting: int
    predicted: int
    batches: int
    refused: int
    seconds: tuple[float, ...]


class JudgeQueue:
    """Decodes and judges; `close` ends its threads."""

    def __init__(self, most: int) -> None:
        """Start the threads.

        Args:
            most: photographs that may be decoded or wait, of all callers together.
        """
        self.most = most
        self._lock = threading.Lock()
        self._waiting = self._predicted = self._batches = self._refused = 0
        self._seconds: deque[float] = deque(maxlen=_MEASURED)
        self._ready: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._decoders = ThreadPoolExecutor(core_count(), thread_name_prefix="decode")
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)
        self._thread.start()

    def submit(
        self, model: LiveModel, files: Sequence[tuple[str, bytes]]
    ) -> list[Future[Predicted]]:
        """Have files judged, all or none.

        Args:
            model: that judges them.
            files: names as they are shown, and content.

        Returns:
            One for each file, in order.

        Raises:
            BusyError: there is no room for them now.
        """
        with self._lock:
            if self._waiting + len(files) > self.most:
                self._refused += len(files)
                raise BusyError(
                    f"{self._waiting} photographs wait already and {len(files)} more do not fit "
                    f"(at most {self.most}); send them again in a second"
                )
            self._waiting += len(files)
        return [self._start(model, name, data) for name, data in files]

    def load(self) -> Load:
        """Tell how busy it is."""
        with self._lock:
            return Load(
                self._waiting, self._predicted, self._batches, self._refused, tuple(self._seconds)
            )

    def close(self) -> None:
        """Judge what waits, and end."""
        self._decoders.shutdown(wait=True)
        self._ready.put(None)
        self._thread.join(60.0)

    def _start(self, model: LiveModel, name: str, data: bytes) -> Future[Predicted]:
        answer: Future[Predicted] = Future()

        def decode() -> None:
            """Decode a photograph and let it wait for the model."""
            try:
                self._ready.put(_Job(model, model.decode(name, data), answer))
            except BaseException as error:  # noqa: BLE001 - who waits for the answer has to know
                self._done(1, predicted=0)
                answer.set_exception(error)

        self._decoders.submit(decode)
        return answer

    def _done(self, count: int, *, predicted: int, seconds: float | None = None) -> None:
        with self._lock:
            self._waiting -= count
            self._predicted += predicted
            if seconds is not None:
                self._batches += 1
                self._seconds.append(seconds)

    def _run(self) -> None:
        held: _Job | None = None
        while True:
            first = held or self._ready.get()
            held = None
            if first is None:
                return
            jobs = [first]
            while len(jobs) < BATCH and not self._ready.empty():
                job = self._ready.get()
                # A batch is of one model: after a switch the next one waits for its own turn.
                if job is None or job.model is not first.model:
                    held = job
                    if job is None:
                        # The order to end was taken out of the queue by looking ahead: put it back.
                        self._ready.put(None)
                    break
                jobs.append(job)
            self._judge(jobs)

    def _judge(self, jobs: Sequence[_Job]) -> None:
        started = time.perf_counter()
        try:
            found = jobs[0].model.predict_photographs([job.decoded for job in jobs])
        except BaseException as error:  # noqa: BLE001 - who waits for the answer has to know
            self._done(len(jobs), predicted=0)
            for job in jobs:
                job.answer.set_exception(error)
            return
        self._done(len(jobs), predicted=len(jobs), seconds=time.perf_counter() - started)
        for job, one in zip(jobs, found, strict=True):
            job.answer.set_result(one)
