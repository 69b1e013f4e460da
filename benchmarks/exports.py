"""Exported models beside `predict`: one photograph, process start included; pictures a second.

Give it a model, a photograph, and the model's exports (folders that `onepass export` wrote), or a
folder to make all of them in, whatever they differ by:

    python -m benchmarks.exports model PHOTOGRAPH model-onnx model-int8
    python -m benchmarks.exports model PHOTOGRAPH --make exports --cache features.h5
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.turns import ROOT, note, ratio, take_turns_here
from features.errors import EngineError, ExportError
from pipeline.export import check
from pipeline.export.export import Wish, export_model
from pipeline.export.targets import TARGETS


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


def pictures_a_second(exports: list[Path], photograph: Path, rounds: int) -> dict[Path, float]:
    """How many pictures (views) each exported model sees in a second, asked in turns."""
    tasks, pictures = {}, {}
    for export in exports:
        card: dict[str, Any] = json.loads((export / "card.json").read_text("utf-8"))
        model = check.load(export, card)
        shown = check.read_pictures(photograph.read_bytes(), card)[None]
        tasks[str(export)] = lambda model=model, shown=shown: model(shown)
        pictures[export] = shown.shape[1]
    found = take_turns_here(tasks, rounds)
    return {e: n / statistics.median(found[str(e)].seconds) for e, n in pictures.items()}


def make_all(model: Path, out: Path, cache: Path | None) -> list[Path]:
    """Export a model for every target in every precision, accepting what it costs."""
    made = []
    for target in TARGETS.values():
        for precision in target.precisions:
            folder = out / f"{model.name}-{target.name}-{precision}"
            wish = Wish(target.name, precision, 1.0, cache=cache)
            try:
                export_model(model, folder, wish)
            except (EngineError, ExportError) as error:  # not installed, or no form there
                note(str(error))
                continue
            note(f"written: {folder}")
            made.append(folder)
    return made


def what_it_costs(exports: list[Path], photograph: Path, rounds: int) -> None:
    """Print size, speed, and what the proof in the card found."""
    print("\n| export | MB | pictures a second | largest difference of a probability | "
          "other verdicts: photographs, parts | AUC by part, model → file |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    speeds = pictures_a_second(exports, photograph, rounds)
    for export, speed in speeds.items():
        card = json.loads((export / "card.json").read_text("utf-8"))
        size = sum(file.stat().st_size for file in export.glob("model.*")) / 1e6
        proof = card["proof"]
        auc, shown = proof["auc_by_part"], proof["drawn_photographs"]
        scores = f"{auc['model']:.4f} → {auc['exported']:.4f}" if auc else ""
        print(
            f"| {export.name} | {size:.0f} | {speed:.1f} | {proof['largest_difference']:.1g} | "
            f"{proof['verdicts_that_differ']} of {shown + proof['held_out_photographs']}, "
            f"{proof['part_verdicts_that_differ']} of {proof['parts']} | {scores} |"
        )


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("exports", type=Path, nargs="*")
    parser.add_argument("--make", type=Path, help="folder to export into first, all there is")
    parser.add_argument("--cache", type=Path, help="of the model's rows, for --make")
    parser.add_argument("--rounds", type=int, default=5, help="of whole processes; 0: none")
    options = parser.parse_args()
    model, photograph = options.model.resolve(), options.photograph.resolve()
    exports = [export.resolve() for export in options.exports]
    if options.make:
        exports += make_all(model, options.make.resolve(), options.cache)
    if options.rounds:
        found = whole_processes(model, photograph, exports, options.rounds)
        note("whole processes measured")
        print("| one photograph, process start included | seconds (median) | "
              "predict (OpenVINO) through it | predict (TensorFlow) through it |")  # fmt: skip
        print("|---|---|---|---|")
        for name, took in found.items():
            ours = [ratio(took, found[f"predict, {e}"]) for e in ("openvino", "tensorflow")]
            print(f"| {name} | {statistics.median(took):.2f} | {ours[0]} | {ours[1]} |")
    what_it_costs(exports, photograph, rounds=20)


if __name__ == "__main__":
    main()
