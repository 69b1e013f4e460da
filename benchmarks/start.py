"""Start: --help, info, and predict of one photograph, as whole processes.

Where the seconds go: `python -X importtime cli.py predict …`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.peers import weights_file
from benchmarks.photographs import SMALL, write_folder
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import ROOT, Measured, as_json, note
from pipeline.data.extract_folder import ExtractOptions
from pipeline.training.fit import FitOptions


def measure(options: Options) -> Report:
    """Time the commands in turns, as whole processes."""
    report = Report("start")
    rounds = 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        photograph = _prepare(root, options)
        info = [str(root / "features.h5")]
        judge = ["predict", str(root / "model"), photograph, "--out", str(root / "verdicts.csv")]
        commands = {
            "python alone": [sys.executable, "-c", "pass"],
            "--help": _cli("--help"),
            "info": _cli("info", *info),
        }
        if not options.quick:  # these load the real network
            commands["predict, row known"] = _cli(*judge, "--cache", *info)
            for engine in ("auto", "tensorflow"):
                commands[f"predict --engine {engine}"] = _cli(
                    *judge, "--no-cache", "--engine", engine
                )
        found = _in_turns(commands, rounds, root)
    report.details = {"rounds": as_json(found)}
    targets = {"--help": "0.3 s", "info": "0.5 s", "predict --engine auto": "1.5 s"}
    for name, measured in found.items():
        seconds, cpu = measured.seconds, [facts["cpu"] for facts in measured.facts]
        text = f"{np.median(seconds):.2f} s (best {min(seconds):.2f}; processor {min(cpu):.2f})"
        report.lines.append(Line(f"start: {name}", text, target=targets.get(name, "")))
    return report


def _in_turns(commands: Mapping[str, list[str]], rounds: int, root: Path) -> dict[str, Measured]:
    """Run each command once for its files and networks to be kept, then `rounds` times in turns."""
    found = {name: Measured(name) for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            started, before = time.perf_counter(), os.times()
            _run(command, root)
            seconds, behind = time.perf_counter() - started, os.times()
            if number:
                found[name].seconds.append(seconds)
                user = behind.children_user - before.children_user
                system = behind.children_system - before.children_system
                found[name].facts.append({"cpu": user + system})
    return found


def _prepare(root: Path, options: Options) -> str:
    """Give a cache and a model in `root`; returns a photograph that the cache does not know."""
    from pipeline import load_dataset
    from pipeline.data.extract_folder import extract_folder
    from pipeline.training.fit import fit

    weights = options.weights
    if options.quick:
        from benchmarks.tasks import use_toy

        use_toy()
    else:
        weights = weights_file(weights, root)
    write_folder(root / "data", 24, SMALL)
    new = write_folder(root / "new", 1, SMALL, first=1000)
    extract_folder(root / "data", root / "features.h5", ExtractOptions(weights=weights))
    data = load_dataset(root / "features.h5")
    fit(data, root / "model", FitOptions(head="logistic", split="random", test_size=0.5))
    note("cache and model made")
    return str(new[0])


def _cli(*arguments: str) -> list[str]:
    return [sys.executable, "cli.py", *arguments]


def _run(command: list[str], root: Path) -> None:
    # Bytecode is kept, as where people work: else every start compiles all modules again.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    kept |= dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA"), str(root / "networks"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=kept)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-1000:]}")


if __name__ == "__main__":
    run({"start": measure}, __doc__)
