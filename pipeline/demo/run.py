"""The whole main job on drawn metal parts, so that a newcomer sees it run before risking data."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from features.backbones.registry import DEFAULT_BACKBONE
from features.backbones.weights import resolve_weights
from features.errors import OutputError, WeightsError
from features.files import write_whole
from pipeline.data.dataset import load_dataset
from pipeline.data.extract_folder import ExtractOptions, extract_folder
from pipeline.demo.draw_parts import draw_parts
from pipeline.groups.rules import GroupRule
from pipeline.heatmaps.prediction_sheet import prediction_sheet
from pipeline.model.bundle import load_bundle
from pipeline.model.part_predictions import predict_parts, told_parts
from pipeline.model.predict import find_photographs, predict
from pipeline.model.prediction_tables import format_parts, format_predictions, parts_file
from pipeline.output.names import command_line
from pipeline.report import comparison_report, fit_report, write_report
from pipeline.terminal import results as text
from pipeline.terminal.comparison import comparison as comparison_text
from pipeline.terminal.predictions import predictions
from pipeline.training.compare_heads import compare_heads
from pipeline.training.cross_validate import CompareOptions
from pipeline.training.fit import fit

Say = Callable[[str], None]
Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]

_MARKER = "demo.json"
_MADE = (
    "photographs", "new-parts", "features.h5", "model", "comparison", "closer", "predictions.csv",
    "sheet.png",
)  # fmt: skip
_GROUPS = r"part-(\d+)"
_INSTALLED = "efficientnet-lite0"  # its trained weights come with the installation


def run_demo(out: Path, *, seed: int | None, parts: int, say: Say, bar: Bar) -> None:
    """Draw parts, then extract, fit, compare and predict, saying each command as it would be typed.

    Args:
        out: folder for everything; an older demo there is replaced.
        seed: of the drawn parts; None for another one each time.
        parts: how many to draw, with four photographs each.
        say: takes a line of text.
        bar: makes a progress bar for a unit, as `cli` does.

    Raises:
        OutputError: `out` holds something that is no demo.
    """
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    _make_room(out, seed)
    data, new, cache = out / "photographs", out / "new-parts", out / "features.h5"
    say(f"Drawing {parts} metal parts, four photographs of each (seed {seed}) …")
    draw_parts(data, parts=parts, views=4, seed=seed)
    draw_parts(new, parts=8, views=3, seed=seed, lot=1)
    _extract(data, cache, _backbone(say), say, bar)
    dataset = load_dataset(cache)
    say(f"\n$ onepass fit --cache {cache} --out {out / 'model'}")
    with bar("folds") as progress:
        fitted = fit(
            dataset, out / "model", progress=lambda epoch, epochs, _scores: progress(epoch, epochs)
        )
    say(text.fit(fitted))
    write_report(out / "model" / "report.html", fit_report(dataset, fitted))
    say(f"\n$ onepass compare-heads --cache {cache} --repeats 1 --out {out / 'comparison'}")
    with bar("fits") as progress:
        comparison = compare_heads(
            dataset,
            out / "comparison",
            CompareOptions(repeats=1),
            progress=lambda fits, total, _text: progress(fits, total),
        )
    say(comparison_text(comparison, out / "comparison"))
    write_report(out / "comparison" / "report.html", comparison_report(dataset, comparison))
    _predict(out, new, cache, say, bar)
    say(_where_to_look(out))


def _extract(data: Path, cache: Path, backbone: str, say: Say, bar: Bar) -> None:
    words = ["onepass", "extract", str(data), "--cache", str(cache)]
    words += [] if backbone == DEFAULT_BACKBONE else ["--backbone", backbone]
    say(f"\n$ {command_line([*words, '--group-regex', _GROUPS])}")
    with bar("photographs") as progress:
        done = extract_folder(
            data,
            cache,
            ExtractOptions(backbone=backbone, group_rule=GroupRule("regex", _GROUPS)),
            progress=progress,
        )
    say(text.extraction(done, cache))


def _predict(out: Path, new: Path, cache: Path, say: Say, bar: Bar) -> None:
    """Give verdicts on parts that nobody has seen."""
    model, verdicts, sheet = out / "model", out / "predictions.csv", out / "sheet.png"
    words = ["onepass", "predict", str(model), str(new), "--group-regex", _GROUPS]
    words += ["--cache", str(cache), "--out", str(verdicts), "--sheet", str(sheet)]
    say(f"\n$ {command_line(words)}")
    bundle = load_bundle(model)
    names, told = [str(new)], GroupRule("regex", _GROUPS)
    photographs = told_parts(told, names, find_photographs(names))
    with bar("photographs") as progress:
        found = predict(bundle, photographs, cache, progress=progress)
    parts = predict_parts(bundle, found)
    write_whole(verdicts, format_predictions(bundle, found, ".csv"))
    write_whole(parts_file(verdicts), format_parts(bundle, parts, ".csv"))
    write_whole(sheet, prediction_sheet(bundle.classes, found, parts=parts))
    say(predictions(found, parts))


def _make_room(out: Path, seed: int) -> None:
    if out.exists():
        if not out.is_dir():
            raise OutputError(f"{out} is a file; expected a new folder; name another with --out")
        if any(out.iterdir()) and not (out / _MARKER).is_file():
            raise OutputError(
                f"{out} exists and holds no demo; expected a new folder; name another with --out"
            )
        for name in _MADE:
            made = out / name
            if made.is_dir() and not made.is_symlink():
                shutil.rmtree(made)
            else:
                made.unlink(missing_ok=True)
    write_whole(out / _MARKER, json.dumps({"seed": seed}) + "\n")


def _backbone(say: Say) -> str:
    """Name the default where its weights can be had, else the one that was installed with them."""
    try:
        resolve_weights("imagenet")
    except WeightsError:
        say(
            f"\nThe weights of {DEFAULT_BACKBONE} cannot be had here; this demo sees with "
            f"{_INSTALLED}, whose trained weights came with the installation."
        )
        return _INSTALLED
    return DEFAULT_BACKBONE


def _where_to_look(out: Path) -> str:
    return f"""
Where to look:
  {out / "sheet.png"}: photographs of parts that no model saw, with verdicts
  {out / "model" / "report.html"}: what the chosen head is worth, to be read in a browser
  {out / "comparison" / "report.html"}: the heads that matter, on the same folds
  {out / "predictions.csv"}: the verdicts as a table
Your own photographs: one folder per class, then
  onepass extract FOLDER
  onepass fit"""
