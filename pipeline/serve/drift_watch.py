"""Drift while the service runs: measured by itself now and then, on History, and for machines.

One measurement looks at the latest `LATEST` parts that have rows, and takes about a second, on a
thread of its own beside whatever else runs. By itself it comes at most once in `Limits.drift_every`
seconds, and only where at least `FEWEST` parts were judged since the last one: a line that stands
still costs nothing, and a false alarm is not asked for again and again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.errors import BusyError
from pipeline.cnn.cnn import Cnn
from pipeline.line.drift import arrivals_of, measure_drift
from pipeline.line.drift_sides import FEWEST
from pipeline.serve.api import read_json, told
from pipeline.serve.jobs import Jobs, Progress
from pipeline.serve.refit import Say
from pipeline.serve.station import Station

JOB = "drift"
LATEST = 400
"""Parts that one measurement looks at: what it costs is bounded, however long the log is."""

_EXAMPLES = 8
_TICK = 60.0  # seconds between two looks at whether it is time


class DriftWatch:
    """Measures drift of one station; `close` ends its thread."""

    def __init__(self, station: Station, jobs: Jobs) -> None:
        """Serve this station; nothing is measured before `start`, or before somebody asks."""
        self.station, self.jobs = station, jobs
        self.measured, self.of_model = 0, ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def routes(self) -> list[Route]:
        """List its address."""
        return [Route("/v1/drift", told(self.drift), methods=["POST"])]

    async def drift(self, request: Request) -> Response:
        """Start to measure; with {"fresh": true} only where something was judged since."""
        asked = await read_json(request)
        last = self.jobs.last(JOB)
        if asked.get("fresh") is True and (last.running or not self.is_due(1)):
            return JSONResponse(last.to_json())
        return JSONResponse(self.measure().to_json(), 202)

    def start(self) -> None:
        """Measure by itself from now on, unless that is switched off or the model sees pixels."""
        if self.station.settings.limits.drift_every > 0:
            self._thread = threading.Thread(target=self._run, name="drift watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End, at once."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def is_due(self, parts: int) -> bool:
        """Say whether enough parts were judged since the last measurement, or by another model."""
        model = self.station.model
        if isinstance(model.bundle.head, Cnn):
            return False
        new = self.station.history.told - self.measured
        return new >= parts or (self.measured > 0 and self.of_model != model.fingerprint)

    def measure(self) -> Progress:
        """Start a measurement.

        Raises:
            BusyError: one is running.
        """
        told_, model = self.station.history.told, self.station.model.fingerprint
        progress = self.jobs.start(JOB, self._measure, beside=True)
        self.measured, self.of_model = told_, model
        return progress

    def _run(self) -> None:
        every = self.station.settings.limits.drift_every
        following = time.monotonic() + min(every, _TICK)
        while not self._stop.wait(min(every, _TICK)):
            if time.monotonic() < following or not self.is_due(FEWEST):
                continue
            following = time.monotonic() + every
            with contextlib.suppress(BusyError):
                self.measure()

    def _measure(self, say: Say) -> dict[str, Any]:
        station = self.station
        say("photographs", 0, 0)
        station.keeper.flush()
        model = station.model
        arrivals = arrivals_of(station.history.all())
        found = measure_drift(model.bundle, station.settings.cache, arrivals, latest=LATEST)
        return {
            "drifted": found.drifted,
            "said": found.said,
            "since": found.since,
            "p_value": found.p_value,
            "p_values": found.p_values,
            "parts": found.parts,
            "reference_parts": found.reference_parts,
            "false_alarm": found.false_alarm,
            "examples": [one.digest for one in found.examples[:_EXAMPLES]],
            "model": model.fingerprint,
        }
