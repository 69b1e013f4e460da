"""SIGKILL of a worker, the scheduler or the client of `fit --cluster`, at random moments.

What was killed is started again. The command ends by itself or with a line, a model is there whole
or not at all, and the model that is there in the end has the bytes of the one that was fitted
without a cluster, but for the times that it notes.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from features.extract import extract
from features.extract_outcome import RunOptions
from torture import toys
from torture.cluster_processes import Processes, kill
from torture.figures import Figure

_PARTS, _OF_EACH = 48, 3
_LONGEST = 240.0  # seconds for the command to end by itself
_SECONDS = 2.0  # that its work lasts, about
_FIT = ("fit", "--head", "linear-svm", "--folds", "24", "--cache", "features.h5")


class FitKills:
    """Kills of one command, one after the other."""

    def __init__(self, root: Path, processes: Processes) -> None:
        """Make a cache, and the model that is to come out."""
        self.root, self.processes, self.random = root, processes, random.Random("fit")
        data = toys.write_folder(root / "parts", _PARTS * _OF_EACH)
        photographs = [
            one._replace(group=f"{one.label}-{number // _OF_EACH}")
            for number, one in enumerate(toys.photographs_in(data))
        ]
        note = toys.NOTE | {"root": str(data)}
        extract(photographs, toys.settings(), root / "features.h5", RunOptions(), note=note)
        self.run([*_FIT, "--out", "right"]).wait()
        self.right = self.model("right")
        self.kills: Counter[str] = Counter()
        self.lost: list[str] = []
        self.tries = self.finished = 0

    def kill(self, count: int) -> Figure:
        """Until so many kills hit a living process."""
        while self.kills.total() < count:
            self.processes.start()
            self.scene(("worker", "scheduler", "client")[self.kills.total() % 3])
        killed = ", ".join(f"{count} of a {what}" for what, count in sorted(self.kills.items()))
        note = f"{killed}; {self.finished} times the command ended well all the same"
        return Figure(
            "SIGKILL: fit --cluster", self.tries, self.kills.total(), len(self.lost), note,
            {"lost": self.lost},
        )  # fmt: skip

    def scene(self, victim: str) -> None:
        """Kill once, see what is there, and run the command again if it did not end well."""
        shutil.rmtree(self.root / "model", ignore_errors=True)
        client = self.run([*_FIT, "--out", "model", "--cluster", self.processes.address])
        deadline = time.monotonic() + _LONGEST
        while "cluster  " not in self.said() and client.poll() is None:
            time.sleep(0.02)
        time.sleep(self.random.uniform(0, _SECONDS))
        process = {
            "worker": self.random.choice(self.processes.workers),
            "scheduler": self.processes.scheduler,
            "client": client,
        }[victim]
        assert process is not None
        self.kills[victim] += client.poll() is None and kill(process)
        self.tries += 1
        while client.poll() is None and time.monotonic() < deadline:
            self.processes.start()
            time.sleep(0.1)
        if client.poll() is None:
            kill(client)
            self.lost.append(f"it did not end after a kill of a {victim}")
        self.check(client.returncode, victim)

    def check(self, code: int, victim: str) -> None:
        """See what is there; the same command makes it whole."""
        last = self.said().strip().split("\n")[-1]
        if code > 0 and not last.startswith("error: "):
            self.lost.append(f"no line of ours after a kill of a {victim}: {last[:200]}")
        if (self.root / "model").exists() and self.model("model") != self.right:
            self.lost.append(f"another model after a kill of a {victim}")
        self.finished += code == 0
        if code != 0:
            self.processes.start()
            again = self.run([*_FIT, "--out", "model", "--cluster", self.processes.address])
            if again.wait(_LONGEST) or self.model("model") != self.right:
                self.lost.append(f"the same command made another model, or none: {self.said()}")

    def run(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        """Start a command line."""
        with (self.root / "fit.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "torture.cluster_worker", "cli", *arguments],
                cwd=self.root, env=self.processes.environment, stdout=log, stderr=log,
            )  # fmt: skip

    def said(self) -> str:
        """Give what the command said so far."""
        return (self.root / "fit.log").read_text("utf-8", "replace")

    def model(self, name: str) -> dict[str, Any]:
        """Give a model's files, less what says when they were made."""
        files: dict[str, Any] = {
            file.relative_to(self.root / name).as_posix(): file.read_bytes()
            for file in (self.root / name).rglob("*.*")
            if file.name != "report.html"
        }
        record = json.loads(files["model.json"])
        for time_of in ("created", "fit_seconds", "mark"):
            del record[time_of]
        del record["decision"]["unseen"]["seconds"]
        return files | {"model.json": record}
