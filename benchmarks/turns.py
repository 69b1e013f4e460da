"""Variants in turns, A B A B, each in a process of its own: the hour is the same for all.

A process is prepared once and then asked for one round at a time over a pipe. Ratios are taken
pair by pair, round by round, so that a machine that slows down in between slows both.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import OnepassError

ROOT = Path(__file__).resolve().parents[1]
_TICK = 0.01  # seconds of the clock of processor time
_PAUSE = 0.05  # seconds between turns: thread pools stop spinning

Facts = dict[str, Any]
Round = Callable[[], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Variant:
    """One of the things compared.

    Attributes:
        name: as shown.
        task: "module:function"; `function(**settings)` prepares and returns the round, a callable
            of no arguments. A round may return facts; "seconds" among them replaces its time by
            the clock. ImportError or OnepassError while preparing: not to be had here.
        settings: numbers and texts.
    """

    name: str
    task: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Measured:
    """What the rounds of a variant took.

    Attributes:
        name: of the variant.
        seconds: one per round.
        facts: one per round; "cpu" are its seconds of processor time over all threads and over
            processes that it started and ended, which other work on the machine hardly changes;
            "peak_mb" the peak resident memory so far.
        prepared: seconds before the first round, start of Python included.
        missing: why it could not run here; None where it did.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    prepared: float = 0.0
    missing: str | None = None

    def describe(self) -> str:
        """Say whether it is ready."""
        return f"{self.name}: {self.missing or f'ready after {self.prepared:.1f} s'}"


@dataclass(frozen=True)
class Ratio:
    """How many times faster: peer's seconds through ours, pair by pair."""

    median: float
    low: float  # quartiles
    high: float
    best: float  # of the two best rounds, whichever rounds these were
    pairs: list[float]

    def __str__(self) -> str:
        """Median and quartiles."""
        digits = 1 if self.median >= 10 else 2
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.median:.{digits}f} × [{low} to {high}]"


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """Give the ratio of two equally long lists of seconds from the same turns."""
    pairs = np.asarray(peer, float) / np.asarray(ours, float)
    low, median, high = np.percentile(pairs, [25, 50, 75]).tolist()
    return Ratio(median, low, high, min(peer) / min(ours), pairs.tolist())


def take_turns(
    variants: Sequence[Variant], rounds: int, *, warm: int = 1, apart: bool = True
) -> dict[str, Measured]:
    """Prepare every variant, then run `warm` rounds that do not count and `rounds` that do.

    apart: each in a process of its own; not so, they share what is imported, and their peaks.
    """
    processes: list[_Process | _Here] = []
    try:
        for variant in variants:
            processes.append(_Process(variant) if apart else _Here(variant))
            note(processes[-1].measured.describe())
        for number in range(warm + rounds):
            for process in processes:
                process.round(counts=number >= warm)
        return {process.measured.name: process.measured for process in processes}
    finally:
        for process in processes:
            process.close()


def once(variant: Variant) -> Facts:
    """One round in a fresh process; "wall" is all of it, from the start of Python to its end."""
    started = time.perf_counter()
    measured = take_turns([variant], 1, warm=0)[variant.name]
    if measured.missing:
        raise RuntimeError(f"{variant.name}: {measured.missing}")
    return measured.facts[0] | {"wall": time.perf_counter() - started}


def take_turns_here(
    tasks: Mapping[str, Callable[[], object]], rounds: int, *, warm: int = 1
) -> dict[str, Measured]:
    """Give the same for many quick tasks, in this process."""
    found = {name: Measured(name) for name in tasks}
    for number in range(warm + rounds):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            seconds = time.perf_counter() - started
            if number >= warm:
                found[name].seconds.append(seconds)
    return found


def note(text: str) -> None:
    """Progress, for the person who waits."""
    print(f"  … {text}", file=sys.stderr, flush=True)


# ---- the process of one variant -----------------------------------------------------------


class _Process:
    """A child that prepares a variant and answers one line of JSON per line asked."""

    def __init__(self, variant: Variant) -> None:
        self.measured = Measured(variant.name)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `close`
        # Bytecode is kept, as where people work: else each process that is started compiles anew.
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.turns", variant.task, json.dumps(variant.settings)],
            cwd=ROOT,
            env=kept,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        started = time.perf_counter()
        self.measured.missing = self._answer().get("missing")
        self.measured.prepared = time.perf_counter() - started

    def round(self, *, counts: bool) -> None:
        if self.measured.missing:
            return
        time.sleep(_PAUSE)
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        facts = self._answer()
        if counts:
            self.measured.seconds.append(facts["seconds"])
            self.measured.facts.append(facts)

    def close(self) -> None:
        self._child.kill() if sys.exc_info()[0] else self._child.communicate()
        self._child.wait()
        self._errors.close()

    def _answer(self) -> Facts:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self.measured.name} died:\n{self._errors.read()[-2000:]}")
        answer: Facts = json.loads(line)
        return answer


class _Here:
    """As `_Process`, without a process."""

    def __init__(self, variant: Variant) -> None:
        self.measured = Measured(variant.name)
        started = time.perf_counter()
        try:
            self._round = _prepare(variant.task, variant.settings)
        except (ImportError, OnepassError) as error:
            self.measured.missing = str(error)
        self.measured.prepared = time.perf_counter() - started

    def round(self, *, counts: bool) -> None:
        if not self.measured.missing and (facts := _timed(self._round)) and counts:
            self.measured.seconds.append(facts["seconds"])
            self.measured.facts.append(facts)

    def close(self) -> None:
        """Leave nothing open."""


def peak_megabytes() -> float:
    """Peak resident memory of this process and of those that it has started, in MB.

    The peaks are added up, as if they had come at once. From Linux's VmHWM where there is one:
    `ru_maxrss` of a child starts at its parent's peak.
    """
    try:
        return sum(_high_water(process) for process in family(str(os.getpid())))
    except (OSError, IndexError):
        import resource

        unit = 1024**2 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def own_megabytes(process: str) -> float:
    """Give what a process and those that it has started hold now, libraries' files not counted.

    Args:
        process: its number.

    Raises:
        OSError: it has ended, or this is no Linux.
    """
    status = [Path(f"/proc/{one}/status").read_text() for one in family(process)]
    return sum(int(one.split("RssAnon:")[1].split()[0]) for one in status) / 1024


def family(process: str) -> list[str]:
    """Give a process, those that it has started, and those that they have."""
    found = [process]
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(child)
    return found


def _high_water(process: str) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _serve(task: str, settings: Facts) -> None:
    # Only answers go to the pipe; what a library prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        run = _prepare(task, settings)
    except (ImportError, OnepassError) as error:
        answers.write(json.dumps({"missing": str(error)}) + "\n")
        return
    answers.write("{}\n")
    for _ in sys.stdin:
        answers.write(json.dumps(_timed(run)) + "\n")


def _prepare(task: str, settings: Mapping[str, Any]) -> Round:
    module, _, function = task.partition(":")
    prepared: Round = getattr(importlib.import_module(module), function)(**settings)
    return prepared


def _timed(run: Round) -> Facts:
    started, worked = time.perf_counter(), _processor_time()
    facts = dict(run() or {})
    seconds = time.perf_counter() - started
    cpu = max(_processor_time() - worked, _TICK)  # its clock counts ticks: less than one reads as 0
    return {"seconds": seconds} | facts | {"cpu": cpu, "peak_mb": peak_megabytes()}


def _processor_time() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def as_json(measured: Mapping[str, Measured]) -> Facts:
    """For the result's file."""
    return {name: asdict(value) for name, value in measured.items()}


if __name__ == "__main__":
    _serve(sys.argv[1], json.loads(sys.argv[2]))
