"""SIGKILL of a worker, the scheduler or the client of `fit`, `compare-heads`, `groups --cluster`.

At random moments; what was killed is started again. The command ends by itself or with a line; what
it writes is there whole or not at all, and is in the end what the command makes without a cluster,
to the last byte or digit but for the times that it notes.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from features.extract import extract
from features.extract_outcome import RunOptions
from torture import toys
from torture.cluster_processes import Processes, kill
from torture.figures import Figure

_PARTS, _OF_EACH = 48, 3
_LONGEST = 240.0  # seconds for the command to end by itself


class Command(NamedTuple):
    """A command to kill.

    Attributes:
        words: of the command line.
        seconds: that its work lasts, about: the kill comes within them.
        made: reads what it wrote into a folder, less its times.
    """

    words: tuple[str, ...]
    seconds: float
    made: Callable[[Path], Any]


def model_of(folder: Path) -> dict[str, Any]:
    """Give a model's files, less what says when they were made."""
    files: dict[str, Any] = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*.*")
        if file.name != "report.html"
    }
    record = json.loads(files["model.json"])
    for time_of in ("created", "fit_seconds", "mark"):
        del record[time_of]
    del record["decision"]["unseen"]["seconds"]
    return files | {"model.json": record}


def tables_of(folder: Path) -> Any:  # noqa: ANN401 - compared as it is
    """Give the tables of a comparison, less what says how long it took."""
    with (folder / "comparison.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((folder / "comparison.json").read_text("utf-8"))
    return _without_times([rows, record])


def _without_times(made: Any) -> Any:  # noqa: ANN401 - of whatever JSON holds
    if isinstance(made, dict):
        named = made.items()
        return {
            name: _without_times(value)
            for name, value in named
            if "seconds" not in name and name != "created"
        }
    return [_without_times(one) for one in made] if isinstance(made, list) else made


FIT = Command(
    ("fit", "--head", "linear-svm", "--folds", "24", "--cache", "features.h5"), 2.0, model_of
)
COMPARE = Command(
    ("compare-heads", "--heads", "linear-svm,knn,forest", "--folds", "8", "--repeats", "2",
     "--cache", "features.h5"),
    4.0, tables_of,
)  # fmt: skip

GROUPS = Command(
    ("groups", "--sheets", "0", "--cache", "features.h5"), 3.0,
    lambda folder: (folder / "groups.csv").read_bytes(),
)  # fmt: skip


class CommandKills:
    """Kills of one command, one after the other."""

    def __init__(self, root: Path, processes: Processes, command: Command) -> None:
        """Make a cache, and what is to come out."""
        self.name, self.command, self.processes = command.words[0], command, processes
        self.root, self.random = root / self.name, random.Random(self.name)
        self.root.mkdir()
        data = toys.write_folder(self.root / "parts", _PARTS * _OF_EACH)
        photographs = [
            one._replace(group=f"{one.label}-{number // _OF_EACH}")
            for number, one in enumerate(toys.photographs_in(data))
        ]
        note = toys.NOTE | {"root": str(data)}
        extract(photographs, toys.settings(), self.root / "features.h5", RunOptions(), note=note)
        if self.run("--out", "right").wait():
            raise RuntimeError(f"{self.name} does not run at all: {self.said()}")
        self.right = command.made(self.root / "right")
        self.kills: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        self.lost: list[str] = []
        self.tries = self.finished = 0
        self.longest = 0.0

    def kill(self, count: int) -> Figure:
        """Until so many kills hit a living process."""
        while self.kills.total() < count:
            self.processes.start()
            self.scene(("worker", "scheduler", "client")[self.kills.total() % 3])
        killed = ", ".join(f"{count} of a {what}" for what, count in sorted(self.kills.items()))
        note = (
            f"{killed}; {self.finished} times the command ended well all the same; it ended "
            f"within {self.longest:.0f} s of the kill"
        )
        return Figure(
            f"SIGKILL: {self.name} --cluster", self.tries, self.kills.total(), len(self.lost),
            note, {"lost": self.lost, "said": dict(self.lines)},
        )  # fmt: skip

    def scene(self, victim: str) -> None:
        """Kill once, see what is there, and run the command again if it did not end well."""
        shutil.rmtree(self.root / "made", ignore_errors=True)
        (self.root / "features.groups.json").unlink(missing_ok=True)  # a proposal is made once
        client = self.run("--out", "made", "--cluster", self.processes.address)
        while "cluster  " not in self.said() and client.poll() is None:
            time.sleep(0.02)
        time.sleep(self.random.uniform(0, self.command.seconds))
        process = self.processes.find(victim, client, self.random)
        self.kills[victim] += client.poll() is None and kill(process)
        self.tries += 1
        killed = time.monotonic()
        while client.poll() is None and time.monotonic() < killed + _LONGEST:
            self.processes.start()
            time.sleep(0.1)
        if client.poll() is None:
            kill(client)
            self.lost.append(f"it did not end after a kill of a {victim}")
        self.longest = max(self.longest, time.monotonic() - killed)
        self.check(client.returncode, victim)

    def check(self, code: int, victim: str) -> None:
        """See what is there; the same command makes it whole."""
        last = self.said().strip().split("\n")[-1]
        if code > 0:
            self.lines[f"{victim}: {last[:70]}"] += 1
        if code > 0 and (not last.startswith("error: ") or "Traceback" in self.said()):
            self.lost.append(f"no line of ours after a kill of a {victim}: {last[:200]}")
        if self.made() not in ((self.right,) if code == 0 else (self.right, None)):
            self.lost.append(f"something else was made after a kill of a {victim}")
        self.finished += code == 0
        if code != 0:
            self.processes.start()
            again = self.run("--out", "made", "--cluster", self.processes.address)
            if again.wait(_LONGEST) or self.made() != self.right:
                self.lost.append(f"the same command made something else, or nothing: {self.said()}")

    def made(self) -> Any:  # noqa: ANN401 - see Command.made
        """Give what was made; None where nothing is."""
        if not (self.root / "made").exists():
            return None
        try:
            return self.command.made(self.root / "made")
        except FileNotFoundError:  # one of its two tables
            return None

    def run(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the command line."""
        with (self.root / "said.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "torture.cluster_worker", "cli", *self.command.words, *more],
                cwd=self.root, env=self.processes.environment, stdout=log, stderr=log,
            )  # fmt: skip

    def said(self) -> str:
        """Give what the command said so far."""
        return (self.root / "said.log").read_text("utf-8", "replace")
