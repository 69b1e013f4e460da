"""What a person does with a model that somebody sent: each command, and the service.

Every use runs in a child of the torture's, in the folder of `sound_models`, and says how it ended:
the exit status, and the end of what stood on standard error.
"""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import typer.main
from models import shade
from PIL import Image
from serving import Service, serving

import cli
from features.errors import BundleError
from features.photographs.file import Photograph
from pipeline.model.bundle import load_bundle
from pipeline.model.part_predictions import predict_parts
from pipeline.model.predict import judge_alone
from pipeline.terminal.console import INTERNAL_ERROR, explain_error
from torture.sound_models import CNN, cache_of, play, rows_of
from torture.toys import decode_here

_COMMAND = typer.main.get_command(cli.app)  # built once: half of a try's time
_MEMORY, _MEMORY_OF_CNN = 4 << 30, 16 << 30  # TensorFlow maps more than it uses

COMMANDS: dict[str, list[str]] = {
    "predict": ["predict", "FORGED", "new", "--cache", "CACHE", "--out", "OUT.csv", "--quiet"],
    "look": ["predict", "FORGED", "new", "--cache", "CACHE", "--out", "OUT.csv", "--sheet",
             "OUT.png", "--heatmaps", "OUT-maps"],
    "evaluate": ["evaluate", "FORGED", "--cache", "CACHE", "--report", "OUT.html"],
    "evaluate new parts": ["evaluate", "FORGED", "more", "--cache", "CACHE", "--report",
                           "OUT.html"],
    "info": ["info", "FORGED"],
    "info --json": ["info", "FORGED", "--json"],
    "info --card": ["info", "FORGED", "--card"],
    "pack": ["pack", "FORGED", "OUT.onepass"],
    "rethreshold": ["rethreshold", "FORGED", "more", "--cache", "CACHE", "--out", "OUT-model"],
    "next": ["next", "new", "--model", "FORGED", "--cache", "CACHE", "--out", "OUT.csv"],
    "watch": ["watch", "new", "--model", "FORGED", "--cache", "CACHE", "--out", "OUT.csv",
              "--log", "OUT.jsonl", "--once", "--pause", "0", "--settle", "0.1"],
    "drift": ["drift", "FORGED", "more", "--cache", "CACHE", "--out", "OUT.csv"],
    "export": ["export", "FORGED", "OUT-export", "--to", "onnx", "--cache", "CACHE", "--engine",
               "openvino"],
}  # fmt: skip


def use(root: str, name: str, folder: str, what: str) -> tuple[int, str]:
    """Use a forged model here.

    Args:
        root: of `sound_models.make_models`.
        name: of the model that was forged.
        folder: the forged one, below the root.
        what: one of USES.

    Returns:
        The exit status and what was said last; INTERNAL_ERROR where a verdict is none.
    """
    play()
    decode_here()
    limit = _MEMORY_OF_CNN if name == CNN else _MEMORY
    if what in COMMANDS and what != "export":
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    os.chdir(root)
    if what == "load":
        return _loaded(Path(folder), rows_of(Path(root), name))
    if what in _SERVICE:
        return _served(Path(root), name, Path(folder), _SERVICE[what])
    out = f"{folder}-out"
    for left in Path().glob(f"{out}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    places = {"FORGED": folder, "CACHE": str(cache_of(Path(root), name)), "OUT": out}
    words = [_placed(word, places) for word in COMMANDS[what]]
    code, said = _run(words)
    if code == 0 and what == "predict" and (wrong := _no_verdicts(Path(f"{out}.csv"))):
        return INTERNAL_ERROR, wrong
    return code, said


def _loaded(folder: Path, rows: npt.NDArray[Any]) -> tuple[int, str]:
    """Load it and judge rows, as all commands do, without their words, tables and caches."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            bundle = load_bundle(folder)
            with contextlib.suppress(BundleError):  # a stranger's, that must not be read
                bundle.root  # noqa: B018
            chances, strange = bundle.probabilities(rows), bundle.strangeness(rows)
            photographs = [Photograph(folder / f"{n}.png", str(n)) for n in range(len(rows))]
            seen = zip(photographs, chances, strange, strict=True)
            judged = [judge_alone(bundle, *these) for these in seen]
            named = [replace(one, part="part", digest=str(n)) for n, one in enumerate(judged)]
            parts = predict_parts(bundle, named)
        except Exception as error:  # noqa: BLE001 - as the command line does
            return explain_error(error), said.getvalue()
    told = [*(one.probability for one in judged), *(one.probability for one in parts)]
    wrong = [p for p in told if p is not None and not 0 <= p <= 1]
    return (INTERNAL_ERROR, f"a silent one: {told}") if wrong else (0, "")


def _placed(word: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        if word.startswith(name):
            return place + word.removeprefix(name)
    return word


def _run(words: list[str]) -> tuple[int, str]:
    typer.main.get_command = lambda _app: _COMMAND  # type: ignore[assignment]
    sys.argv = ["onepass", *words]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            cli.main()
        except SystemExit as stopped:
            return int(stopped.code or 0), said.getvalue()[-2000:]
    return 0, said.getvalue()[-2000:]


def _no_verdicts(table: Path) -> str:
    """Say what is no probability in a table of verdicts; "" where all are."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            for column, cell in row.items():
                if column.startswith("probability") and not row["error"]:
                    value = float(cell or "nan")
                    if not 0 <= value <= 1 or math.isnan(value):
                        return f"a silent one: {column} {cell!r} with the verdict {row['class']!r}"
    return ""


def _served(
    root: Path, name: str, folder: Path, work: Callable[[Service, Path], str]
) -> tuple[int, str]:
    """Serve the model as `serve` does, work with it, and end."""
    from features.errors import OnepassError

    home = folder.with_name(f"{folder.name}-out")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(root / "data", home / "data")
    shutil.copytree(folder, home / "model")
    shutil.copy(cache_of(root, name), home / "features.h5")
    logged = io.StringIO()
    logging.getLogger("onepass").handlers = [logging.StreamHandler(logged)]
    with contextlib.redirect_stderr(logged), contextlib.redirect_stdout(io.StringIO()):
        try:
            with serving(home) as service:
                wrong = work(service, root)
        except OnepassError as error:
            return 1, f"error: {error}"
    mistakes = wrong or ("mistake" in logged.getvalue() and logged.getvalue()) or ""
    return (INTERNAL_ERROR, mistakes[-2000:]) if mistakes else (0, "")


def _shows(service: Service, root: Path) -> str:
    """Open the pages, have a part judged, ask what can be asked of it; "" or what went wrong."""
    photographs = [(file.name, file.read_bytes()) for file in sorted((root / "new").rglob("*.png"))]
    told = service.predict(*photographs, part="lot-1")
    asked = ["/", "/v1/model", "/v1/models", "/metrics", "/v1/history", "/v1/verdicts", "/parts"]
    if told.status == 200:
        part = told.json()["parts"][0]["id"]
        asked += [f"/v1/parts/{part}/neighbours", f"/v1/parts/{part}/heatmaps/0"]
    answers = [told, *(service.get(address) for address in asked)]
    wrong = [one for one in answers if one.status >= 500 or b"mistake" in one.body]
    return "".join(f"{one.status} {one.body[:500]!r}" for one in wrong)


def _learns(service: Service, root: Path) -> str:
    """Correct a part, refit, and wait for the end; "" or what went wrong."""
    from pipeline.line.corrections import Inbox, Shown

    inbox = Inbox(service.folder / "inbox")
    for part in range(2):
        files = []
        for view in range(2):
            shown = io.BytesIO()
            Image.fromarray(shade(5000 + 10 * part + view, bright=True)).save(shown, "PNG")
            files.append((shown.getvalue(), ".png"))
        inbox.correct(
            files,
            Shown(f"lot-{part}", "Healthy", 0.1, "0" * 16),
            judgement="wrong",
            label="defects",
        )
    begun: Any = service.ask("POST", "/v1/refit", {})
    until = time.monotonic() + 200
    while begun.status < 300 and time.monotonic() < until:
        now = service.get("/v1/jobs/refit").json()
        if not now["running"]:
            return str(now["error"]) if "mistake" in str(now["error"]) else ""
        time.sleep(0.02)
    return "" if begun.status < 500 else f"no end: {begun}"


_SERVICE: dict[str, Callable[[Service, Path], str]] = {"serve": _shows, "refit": _learns}
USES = ("load", *COMMANDS, *_SERVICE)
