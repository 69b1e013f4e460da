"""Start: --help, info, and predict of one photograph, as whole processes; where seconds go."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.photographs import SMALL, write_folder
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import ROOT, Facts, Round, Variant, as_json, note, once, take_turns_here
from pipeline.data.extract_folder import ExtractOptions
from pipeline.training.fit import FitOptions

_TASK = "benchmarks.start:predict_in_stages"


def measure(options: Options) -> Report:
    """Time the commands in turns, then one predict stage by stage in a fresh process."""
    report = Report("start")
    rounds = 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        photograph = _prepare(root, options)
        info = [str(root / "features.h5")]
        judge = [str(root / "model"), photograph, "--out", str(root / "verdicts.csv")]
        commands: dict[str, Callable[[], object]] = {
            "python alone": lambda: _run([sys.executable, "-c", "pass"]),
            "--help": lambda: _cli("--help"),
            "info": lambda: _cli("info", *info),
        }
        slow: dict[str, Callable[[], object]] = {
            "predict, row known": lambda: _cli("predict", *judge, "--cache", *info),
            "predict": lambda: _cli("predict", *judge, "--no-cache"),
        }
        if options.quick:
            slow = {}  # these load the real network
        found = take_turns_here(commands, rounds) | take_turns_here(slow, min(rounds, 3), warm=0)
        stages = {}
        if not options.quick:
            settings = {"model": str(root / "model"), "photograph": photograph}
            stages = once(Variant("predict in stages", _TASK, settings))
    report.details = {"rounds": as_json(found), "stages": stages}
    targets = {"--help": "0.3 s", "info": "0.5 s"}
    for name, measured in found.items():
        middle = sorted(measured.seconds)[len(measured.seconds) // 2]
        seconds = f"{middle:.2f} s (best {min(measured.seconds):.2f})"
        report.lines.append(Line(f"start: {name}", seconds, target=targets.get(name, "")))
    if stages:
        where = ", ".join(f"{k} {v:.2f}" for k, v in stages["stages"].items())
        report.notes.append(f"predict of one photograph, seconds: {where}")
    return report


def _prepare(root: Path, options: Options) -> str:
    """Give a cache and a model in `root`; returns a photograph that the cache does not know."""
    from pipeline import load_dataset
    from pipeline.data.extract_folder import extract_folder
    from pipeline.training.fit import fit

    if options.quick:
        from benchmarks.tasks import use_toy

        use_toy()
    write_folder(root / "data", 24, SMALL)
    new = write_folder(root / "new", 1, SMALL, first=1000)
    extract_folder(root / "data", root / "features.h5", ExtractOptions(weights=options.weights))
    data = load_dataset(root / "features.h5")
    fit(data, root / "model", FitOptions(head="logistic", split="random", test_size=0.5))
    note("cache and model made")
    return str(new[0])


def _cli(*arguments: str) -> None:
    _run([sys.executable, "cli.py", *arguments])


def _run(command: list[str]) -> None:
    # Bytecode is kept, as where people work: else every start compiles all modules again.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=kept)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-1000:]}")


def predict_in_stages(model: str, photograph: str) -> Round:
    """Give a round, once per process: what `predict --no-cache` does, one stage after the other."""

    def round_() -> Facts:
        stages: Facts = {}
        started = time.perf_counter()

        def stage(name: str) -> None:
            nonlocal started
            now = time.perf_counter()
            stages[name] = now - started
            started = now

        import pipeline
        from features.photographs.decode import decode

        stage("import pipeline")
        bundle = pipeline.load_bundle(Path(model))
        stage("load model (head, self-test)")
        settings = bundle.settings()
        pixels = decode(Path(photograph).read_bytes(), settings.recipe)
        stage("decode")
        from features.runtime import load_tensorflow

        load_tensorflow()
        stage("import tensorflow")
        backbone = settings.load(1)
        stage("hash weights, build network")
        rows = backbone.run(pixels[None])
        stage("first call (with tracing)")
        backbone.run(pixels[None])
        stage("second call (not in predict)")
        bundle.head.predict_proba(rows)
        stage("head")
        return {"stages": stages}

    return round_


if __name__ == "__main__":
    run({"start": measure}, __doc__)
