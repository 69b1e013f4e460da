"""Eight processes on one cache at once: extract, predict's way of filling, gc, readers, merge.

Each does what it draws, again and again. All read every row that they find and compare it with the
truth. The photographs of the one folder are in the table of every extract, so that no gc may drop
them: each must be there whenever anybody looks. Every few seconds one process is killed and another
starts: what it held must be free. A process that does not end is a deadlock.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import toy

from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.maintenance import collect, merge, verify
from features.errors import CacheBusyError, CacheError, OnepassError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.decode import decode
from features.photographs.file import Photograph
from pipeline.data.dataset import load_dataset
from torture import toys
from torture.figures import ROOT, Figure

_PROCESSES = 8
_COUNT = 60  # photographs in the folder
_EXTRA = 400  # others, that predict sees
_PATIENCE = 90.0  # seconds after the end, before a process counts as stuck


def run(quick: bool) -> list[Figure]:
    """Five minutes; quick: some seconds."""
    seconds = 3.0 if quick else 300.0
    processes = 3 if quick else _PROCESSES
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        toys.write_folder(root / "data", _COUNT)
        toys.write_folder(root / "others", 40 if quick else _EXTRA, first=5000)
        (root / "cache").mkdir()
        counts, killed, stuck = _gather(root, seconds, processes)
        lost = [*counts.pop("lost"), *[f"{stuck} processes did not end"] * bool(stuck)]
        lost += _end(root)
    done: Counter[str] = counts["done"]
    note = ", ".join(f"{count:,} {name}" for name, count in sorted(done.items()))
    return [
        Figure(
            f"{processes} processes on one cache for {seconds:.0f} s",
            sum(done.values()) + killed + counts["busy"],
            killed + counts["busy"],
            len(lost),
            f"{note}; {killed} were killed, {counts['busy']:,} told who holds the cache",
            {"lost": lost},
        )
    ]


def _gather(root: Path, seconds: float, processes: int) -> tuple[dict[str, Any], int, int]:
    """Give (what the processes did, how many were killed, how many did not end)."""
    until = time.time() + seconds + 2.0  # their start takes a moment
    rng = random.Random(8)
    alive = [_start(root, until, number) for number in range(processes)]
    killed, number = 0, processes
    while time.time() < until:
        time.sleep(min(1.0 if seconds < 60 else 5.0, max(0.0, until - time.time())))
        victim = rng.choice(alive)
        if victim.poll() is None and time.time() < until:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            killed += 1
            alive[alive.index(victim)] = _start(root, until, number)
            number += 1
    stuck = 0
    for process in alive:
        try:
            process.wait(until + _PATIENCE - time.time())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            stuck += 1
    return _notes(root), killed, stuck


def _start(root: Path, until: float, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "torture.together", str(root), str(until), str(number)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )


def _notes(root: Path) -> dict[str, Any]:
    done: Counter[str] = Counter()
    lost: list[str] = []
    busy = 0
    for file in root.glob("notes-*"):
        for line in file.read_text().splitlines():
            what, end = json.loads(line)
            if end == "busy":
                busy += 1
            elif end:
                lost.append(f"{what}: {end}")
            else:
                done[what] += 1
    return {"done": done, "lost": lost, "busy": busy}


def _end(root: Path) -> list[str]:
    """Say what is broken when all have ended."""
    path = root / "cache" / "c.h5"
    try:
        with writing(path, wait=1.0):
            pass
        _Worker(root, 0).extract()
        found = verify(path, full=True)
    except OnepassError as error:
        return [str(error)]
    lost = [*found.faults, *[f"rows {found.damaged} damaged"] * bool(found.damaged)]
    names = {file.name for file in path.parent.iterdir()} - {"c.h5", "c.h5.lock", "c.groups.json"}
    return lost + [f"left behind: {name}" for name in names]


class _Worker:
    """One process."""

    def __init__(self, root: Path, number: int) -> None:
        self.cache = root / "cache" / "c.h5"
        self.folder = root / "data"
        self.scratch = root / f"scratch-{number}.h5"
        self.notes = root / f"notes-{number}"
        self.rng = random.Random(number)
        self.photographs = toys.photographs_in(self.folder)
        self.others = toys.photographs_in(root / "others")
        self.truth = {photograph.path: _row(photograph) for photograph in self.photographs}

    def work(self, until: float) -> None:
        """Draw a task, do it, note how it ended; until it is time."""
        tasks = [self.extract, self.predict, self.predict, self.gc, self.read, self.read, self.join]
        while time.time() < until:
            task = self.rng.choice(tasks)
            try:
                end = task() or ""
            except CacheBusyError:
                end = "busy"
            except CacheError as error:
                told = "run the same again" in str(error) or "changes too fast" in str(error)
                end = "busy" if told else f"{type(error).__name__}: {error}"
            except Exception as error:  # noqa: BLE001 - any other is a broken promise
                end = f"{type(error).__name__}: {error}"
            toys.note(self.notes, json.dumps([task.__name__, end]))

    def extract(self) -> str:
        """Give the whole folder, and its table."""
        about = toys.NOTE | {"root": str(self.folder)}
        result = extract(
            self.photographs,
            toys.settings(),
            self.cache,
            RunOptions(batch_size=8, workers=1),
            note=about,
        )
        return "photographs failed" if result.failed else ""

    def predict(self) -> str:
        """Give some other photographs, whose rows are kept without being in the table."""
        chosen = self.rng.sample(self.others, 6)
        extract(
            chosen,
            toys.settings(),
            self.cache,
            RunOptions(batch_size=3, max_failures=1.0, workers=1),
        )
        return ""

    def gc(self) -> str:
        """Drop the rows of those others."""
        if self.cache.exists():
            with Cache.read(self.cache) as cache:
                if not cache.table_rows:
                    return ""
            collect(self.cache, apply=True)
        return ""

    def read(self) -> str:
        """As fit does: the table, then the rows, with the cache opened twice."""
        if not self.cache.exists():
            return ""
        with Cache.read(self.cache) as cache:
            cache.take(range(len(cache)))
            if not cache.table_rows:
                return ""
        data = load_dataset(self.cache, positive=["defects"])
        if len(data) != _COUNT:
            return f"{len(data)} photographs in the table"
        expected = np.stack([self.truth[table_row.path] for table_row in data.table_rows])
        return "" if np.array_equal(data.rows(), expected) else "wrong rows"

    def join(self) -> str:
        """Merge the cache with itself into another."""
        self.scratch.unlink(missing_ok=True)
        if self.cache.exists():
            merge(self.cache, self.cache, self.scratch)
            return "" if verify(self.scratch, full=True).sound else "merged cache is damaged"
        return ""


def _row(photograph: Photograph) -> np.ndarray:
    pixels = decode(photograph.file.read_bytes(), toys.settings().recipe)
    row: np.ndarray = toy.ToyBackbone(None, batch_size=1).run(pixels[None])[0]
    return row


if __name__ == "__main__":
    _Worker(Path(sys.argv[1]), int(sys.argv[3])).work(float(sys.argv[2]))
