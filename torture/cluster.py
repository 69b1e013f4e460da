"""SIGKILL of a worker, the scheduler or the client of `extract --cluster`, at random moments.

A real scheduler and two workers run on this computer. After every kill, all rows that were there
before must be there, each bit for bit as one process makes it, in shards or in what a lost worker
had committed. What was killed is started again (a worker by its keeper, the scheduler with its
workers), and the same command must go on, or be run again, until it ends: with every row once, and
with no more batches done twice than workers were stopped by the kills.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from features.cache.cache import Cache
from features.cache.maintenance import verify
from features.cache.shards import open_cache
from features.errors import CacheError
from features.extract import extract
from features.extract_outcome import RunOptions
from torture import toys
from torture.cluster_commands import COMPARE, FIT, GROUPS, CommandKills
from torture.cluster_processes import SECONDS, WORKERS, Processes, kill
from torture.cluster_worker import BATCH, NOTES
from torture.figures import ROOT, Figure

_PHOTOGRAPHS = 96
_LONGEST = 300.0  # seconds for the client to end by itself

Keys = set[tuple[bytes, bytes]]


def run(quick: bool) -> list[Figure]:
    """20 kills of each command; quick: one of a worker of `extract`."""
    with tempfile.TemporaryDirectory() as name:
        kills = _Kills(Path(name))
        try:
            figures = [kills.kill(1 if quick else 20)]
            commands = () if quick else (FIT, COMPARE, GROUPS)
            return figures + [
                CommandKills(Path(name), kills.cluster, one).kill(20) for one in commands
            ]
        finally:
            kills.cluster.kill_all()


class _Kills:
    """Kills on one cluster, scene after scene."""

    def __init__(self, root: Path) -> None:
        self.root, self.cluster = root, Processes(root)
        self.random = random.Random("cluster")
        self.data = toys.write_folder(root / "data", _PHOTOGRAPHS)
        photographs = toys.photographs_in(self.data)
        options = RunOptions(batch_size=BATCH)
        extract(photographs, toys.settings(), root / "whole.h5", options, note=toys.NOTE)
        self.truth = toys.truth_of(root / "whole.h5")
        self.kills: Counter[str] = Counter()
        self.lost: list[str] = []
        self.again: Counter[int] = Counter()
        self.said: Counter[str] = Counter()
        self.tries = self.finished = 0

    def kill(self, count: int) -> Figure:
        """Until so many kills hit a living process."""
        self.cluster.start()
        while self.kills.total() < count:
            self.scene(count)
        killed = ", ".join(f"{count} of a {what}" for what, count in sorted(self.kills.items()))
        again = ", ".join(f"{n}: {count}" for n, count in sorted(self.again.items()))
        return Figure(
            "SIGKILL: extract --cluster",
            self.tries,
            self.kills.total(),
            len(self.lost),
            f"{killed}; batches done again in a run: {again}",
            {"lost": self.lost, "finished": self.finished, "said": dict(self.said)},
        )

    def scene(self, count: int) -> None:
        """Run one command, killed and run again, until it ends by itself."""
        folder, notes = self.root / "features", self.root / "notes"
        shutil.rmtree(folder, ignore_errors=True)
        notes.unlink(missing_ok=True)
        stopped = 0
        for _ in range(20):
            self.cluster.start()
            client = self.client(folder)
            victim = ""
            if self.kills.total() < count:
                kinds = ("worker", "scheduler", "client")
                victim = kinds[self.kills.total() % 3]
                stopped += self.strike(victim, client, folder)
            code = self.ended(client)
            self.tries += 1
            self.check(folder)
            if code == 0:
                self.check_end(folder, notes, stopped)
                return
            if not victim:
                self.lost.append(f"ended with {code} without a kill: {self.last_line()}")
                return
        self.lost.append("it never ended")

    def client(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start the command."""
        with (self.root / "client.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "torture.cluster_worker", str(self.data), str(folder),
                 self.cluster.address],
                cwd=ROOT, env={**self.cluster.environment, NOTES: str(self.root / "none")},
                stdout=log, stderr=log,
            )  # fmt: skip

    def strike(self, victim: str, client: subprocess.Popen[bytes], folder: Path) -> int:
        """Kill at a random moment of the work; give how many workers that may have stopped."""
        deadline = time.monotonic() + 60
        while not list(folder.glob("partial-*.h5")) and client.poll() is None:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        time.sleep(self.random.uniform(0, SECONDS * _PHOTOGRAPHS / BATCH / WORKERS))
        before = self.keys(folder)
        if client.poll() is not None:
            return 0  # it was faster
        process = self.cluster.find(victim, client, self.random)
        self.kills[victim] += kill(process)
        if not before <= self.keys(folder):
            self.lost.append(f"{len(before - self.keys(folder))} rows are gone")
        return 1 if victim == "worker" else WORKERS

    def ended(self, client: subprocess.Popen[bytes]) -> int:
        """Wait for the client, while workers that were killed are started again."""
        deadline = time.monotonic() + _LONGEST
        while client.poll() is None and time.monotonic() < deadline:
            if self.cluster.scheduler is not None and self.cluster.scheduler.poll() is None:
                self.cluster.start()
            time.sleep(0.05)
        if client.poll() is None:
            kill(client)
            self.lost.append("the client did not end")
        code = int(client.returncode)
        if code > 0:
            line = self.last_line()
            self.said[line[:70]] += 1
            if not line.startswith("error: ") or "Traceback" in line:
                self.lost.append(f"no line of ours: {line}")
        return code

    def last_line(self) -> str:
        """Give what the client said last."""
        lines = (self.root / "client.log").read_text("utf-8", "replace").strip().split("\n")
        return lines[-1]

    def keys(self, folder: Path) -> Keys:
        """Give the keys of all rows that are on the disk, whole shards or not."""
        found: Keys = set()
        for _ in range(2):  # a shard may get its name between the look and the reading
            for file in folder.glob("*.h5"):
                with contextlib.suppress(CacheError), Cache.read(file) as cache:
                    found |= set(cache.keys)
        return found

    def check(self, folder: Path) -> None:
        """See that every row on the disk is right."""
        for file in folder.glob("*.h5"):
            with contextlib.suppress(CacheError):
                _, wrong = toys.wrong_rows(file, self.truth)
                if wrong:
                    self.lost.append(f"{wrong} wrong rows in {file.name}")

    def check_end(self, folder: Path, notes: Path, stopped: int) -> None:
        """See that every row is there once, nothing is left over, and little was done twice."""
        self.finished += 1
        found = verify(folder, full=True)
        with open_cache(folder) as cache:
            rows = cache.take(range(len(cache)))
            right = set(cache.keys) == set(self.truth) and all(
                self.truth[key].tobytes() == row.tobytes()
                for key, row in zip(cache.keys, rows, strict=True)
            )
        waste = [file.name for file in folder.iterdir() if file.name.startswith("partial")]
        if not found.sound or not right or len(rows) != _PHOTOGRAPHS or waste:
            self.lost.append(f"at the end: {found.faults}, {right}, {len(rows)} rows, {waste}")
        twice = toys.read_notes(notes).computed - _PHOTOGRAPHS
        batches = max(0, -(-twice // BATCH))
        self.again[batches] += 1
        if batches > stopped:
            self.lost.append(f"{twice} photographs were seen twice after {stopped} stops")
