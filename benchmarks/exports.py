"""Exported models beside `predict`: one photograph, process start included; pictures a second.

Give it a model and its exports (folders that `onepass export` wrote), and a photograph:

    python -m benchmarks.exports model PHOTOGRAPH model-onnx model-int8
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import ROOT, note, ratio, take_turns_here
from pipeline.export import check


def _run(command: list[str]) -> None:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=kept)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-1000:]}")


def whole_processes(
    model: Path, photograph: Path, exports: list[Path], rounds: int
) -> dict[str, list[float]]:
    """Seconds of whole processes that judge one photograph, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "verdicts.csv")
        cli = [sys.executable, "cli.py", "predict", str(model), str(photograph), "--no-cache"]
        tasks = {
            f"predict, {engine}": lambda engine=engine: _run(
                [*cli, "--out", out, "--engine", engine]
            )
            for engine in ("tensorflow", "openvino")
        }
        for export in exports:
            command = [sys.executable, str(export / "check.py"), str(photograph)]
            tasks[export.name] = lambda command=command: _run(command)
        return {name: found.seconds for name, found in take_turns_here(tasks, rounds).items()}


def pictures_a_second(export: Path, photograph: Path, seconds: float) -> float:
    """How many pictures (views) the exported model sees in a second, one photograph at a time."""
    card: dict[str, Any] = json.loads((export / "card.json").read_text("utf-8"))
    model = check.load(export, card)
    shown = check.read_pictures(photograph.read_bytes(), card)[None]
    model(shown)
    took = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(took) < 3:
        before = time.perf_counter()
        model(shown)
        took.append(time.perf_counter() - before)
    return float(shown.shape[1] / np.median(took))


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("exports", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model, photograph = options.model.resolve(), options.photograph.resolve()
    exports = [export.resolve() for export in options.exports]
    found = whole_processes(model, photograph, exports, options.rounds)
    note("whole processes measured")
    ours = found["predict, tensorflow"]
    print("| one photograph, process start included | seconds (median) | predict through it |")
    print("|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {statistics.median(seconds):.2f} | {ratio(seconds, ours)} |")
    print("\n| export | MB | pictures a second | largest difference | AUC by part, model → file |")
    print("|---|---|---|---|---|")
    for export in exports:
        card = json.loads((export / "card.json").read_text("utf-8"))
        size = sum(file.stat().st_size for file in export.glob("model.*")) / 1e6
        speed, proof = pictures_a_second(export, photograph, 5.0), card["proof"]
        auc = proof["auc_by_part"]
        scores = f"{auc['model']:.4f} → {auc['exported']:.4f}" if auc else ""
        print(
            f"| {export.name} | {size:.0f} | {speed:.1f} | {proof['largest_difference']:.1g} | "
            f"{scores} |"
        )


if __name__ == "__main__":
    main()
