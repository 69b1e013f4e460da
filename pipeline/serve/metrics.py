"""Numbers of a running service, in Prometheus's text format."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator

from pipeline.serve.history import HOUR
from pipeline.serve.jobs import Progress
from pipeline.serve.station import Station

_BOUNDS = (0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counts:
    """Answers and how long verdicts took, counted as they go."""

    def __init__(self) -> None:
        """Count from nothing."""
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.seconds, self.latest = 0.0, deque[float](maxlen=100)

    def answered(self, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self.statuses[status] += 1

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Count what a request for verdicts takes, from its last byte to its answer."""
        started = time.perf_counter()
        yield
        took = time.perf_counter() - started
        with self._lock:
            place = next((i for i, bound in enumerate(_BOUNDS) if took <= bound), len(_BOUNDS))
            self.buckets[place] += 1
            self.seconds += took
            self.latest.append(took)


def metrics_text(station: Station, counts: Counts, drift: Progress) -> str:
    """Give all numbers, one a line.

    Args:
        station: that judges.
        counts: of its answers.
        drift: the last measurement of drift, see `pipeline.serve.drift_watch`.
    """
    load, model = station.queue.load(), station.model
    defective = model.bundle.classes.names[1] if model.bundle.classes.binary else None
    (span,) = station.history.spans(HOUR, 1, defective)
    lines: list[str] = []

    def put(name: str, kind: str, words: str, values: dict[str, float]) -> None:
        """Add one metric with its values."""
        lines.append(f"# HELP onepass_{name} {words}")
        lines.append(f"# TYPE onepass_{name} {kind}")
        lines.extend(f"onepass_{name}{labels} {value:.15g}" for labels, value in values.items())

    put("model_info", "gauge", "The active model.", {f'{{fingerprint="{model.fingerprint}"}}': 1})
    put("uptime_seconds", "gauge", "Since the start.", {"": time.time() - station.started})
    put("photographs_waiting", "gauge", "Being decoded or waiting.", {"": load.waiting})
    put("photographs_judged_total", "counter", "Since the start.", {"": load.predicted})
    put("photographs_refused_total", "counter", "The queue was full.", {"": load.refused})
    put("batches_total", "counter", "Passes of the backbone.", {"": load.batches})
    put("rows_left_out_total", "counter", "Not kept for drift.", {"": station.keeper.left_out})
    answered = {f'{{status="{s}"}}': float(n) for s, n in sorted(counts.statuses.items())}
    put("answers_total", "counter", "By HTTP status.", answered)
    put(
        "parts_this_hour", "gauge", "Verdicts told since the full hour, by kind.",
        {
            '{kind="all"}': span.total, '{kind="rejected"}': span.rejected,
            '{kind="review"}': span.review, '{kind="unlike"}': span.unlike,
            '{kind="unreadable"}': span.unreadable,
        },
    )  # fmt: skip
    for name, words, values in _drift(drift, model.fingerprint):
        put(name, "gauge", words, values)
    lines += _histogram(counts)
    return "\n".join(lines) + "\n"


def _drift(job: Progress, fingerprint: str) -> list[tuple[str, str, dict[str, float]]]:
    """Give name, words and values of what was measured; of another model's, or of too few, none."""
    found = job.result
    if not found or found["model"] != fingerprint or not found["p_values"]:
        return []
    each = {f'{{test="{_escaped(name)}"}}': p for name, p in found["p_values"].items()}
    return [
        ("drift", "1 where the latest parts differ from the model's own.", {"": found["drifted"]}),
        (
            "drift_p_value",
            "The smallest, times the number of tests.",
            {"": found["p_value"]},
        ),
        ("drift_test_p_value", "Of each test, so multiplied.", each),
        ("drift_parts", "That were compared.", {"": found["parts"]}),
        ("drift_time_seconds", "Of the measurement, since 1970.", {"": job.ended}),
    ]


def _escaped(text: str) -> str:
    """Escape a label's value as Prometheus has it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(counts: Counts) -> list[str]:
    name = "onepass_predict_seconds"
    lines = [f"# HELP {name} From a request's last byte to its answer.", f"# TYPE {name} histogram"]
    total = 0
    for bound, count in zip((*_BOUNDS, "+Inf"), counts.buckets, strict=True):
        total += count
        lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
    return [*lines, f"{name}_sum {counts.seconds:g}", f"{name}_count {total}"]
