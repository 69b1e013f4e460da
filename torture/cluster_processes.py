"""A scheduler and two workers that are killed and started again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from torture.cluster_worker import NOTES, PAUSE
from torture.figures import ROOT

SECONDS = 0.2
"""That the toy takes for a batch."""

WORKERS = 2


class Processes:
    """A scheduler and two workers, each a process group of its own, as on machines of their own."""

    def __init__(self, root: Path) -> None:
        self.port = free_port()
        self.root, self.address = root, f"tcp://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
            "OMP_NUM_THREADS": "1",
            NOTES: str(root / "notes"),
            PAUSE: str(SECONDS),
        }
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start what does not run."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.kill_all()
            host = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
            self.scheduler = self.process("distributed.cli.dask_scheduler", *host)
        self.workers = [one for one in self.workers if one.poll() is None]
        while len(self.workers) < WORKERS:
            preload = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--preload")
            self.workers.append(
                self.process(
                    "distributed.cli.dask_worker", self.address, *preload, "torture.cluster_worker"
                )
            )

    def process(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a module; its output goes to a file."""
        with (self.root / "cluster.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self.root, env=self.environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def find(
        self, victim: str, client: subprocess.Popen[bytes], draw: random.Random
    ) -> subprocess.Popen[bytes]:
        """Give the process that is to be killed: one of the workers, "scheduler" or "client"."""
        assert self.scheduler is not None
        found = {"worker": draw.choice(self.workers), "scheduler": self.scheduler, "client": client}
        return found[victim]

    def kill_all(self) -> None:
        """End all of them."""
        for one in (self.scheduler, *self.workers):
            if one is not None:
                kill(one)
        self.workers = []


def free_port() -> int:
    """Give a port that stays free while nobody listens: the system hands none below 32768 out."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port


def kill(process: subprocess.Popen[bytes]) -> bool:
    """SIGKILL a process, and say whether it was alive."""
    alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()
    return alive
