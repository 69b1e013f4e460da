"""More than two classes, through every command: softmax, macro and per-class scores."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from PIL import Image

from features.photographs.recipe import RECIPES
from pipeline.evaluation.predictions import class_scores

NAMES = ("Blowhole", "Break", "Crack", "Fray", "Free", "Uneven")


def write_six(root: Path, parts: int = 8) -> None:
    """Six classes of parts, two photographs each, told apart by where they are bright."""
    for label, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for part in range(parts):
            for view in range(2):
                rng = np.random.default_rng((label, part, view))
                pixels = rng.integers(60, 120, (32, 32, 3))
                pixels[16 * (label // 3) :][:16, 10 * (label % 3) :][:, :11] += 120
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(root / name / f"part-{label * 100 + part}_{view}.png")


def read_table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))


def test_six_classes_through_every_command(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """extract, fit, compare-heads, evaluate, predict and train-cnn work as with two."""
    monkeypatch.setitem(RECIPES, "docs", replace(RECIPES["docs"], height=32, width=32))
    write_six(Path("data"))
    regex = ("--group-regex", r"part-(\d+)")
    code, out, _ = run("extract", "--weights", "random", *regex)
    assert code == 0
    assert "Blowhole 16, Break 16" in out
    heads = "dense,logistic,knn,majority"
    options = ("--heads", heads, "--folds", "2", "--repeats", "1", "--jobs", "1")
    code, out, _ = run("compare-heads", *options)
    assert code == 0
    rows = read_table(Path("comparison/comparison.csv"))
    assert {row["head"] for row in rows} == set(heads.split(","))
    for head, settings in (("logistic", ()), ("dense", ("--set", "epochs=40", "--no-optimism"))):
        code, out, _ = run("fit", "--head", head, "--out", head, *settings)
        assert code == 0
        assert "recall, mean over classes" in out
        assert "recall of defects" not in out
    code, out, _ = run("train-cnn", "--epochs", "12", "--batch-size", "8", *regex)
    assert code == 0
    for model in ("logistic", "dense", "cnn"):
        code, out, _ = run("evaluate", model)
        assert code == 0
        table = [line.split() for line in out.splitlines()]
        heads = [cells for cells in table if cells[:1] == ["class"]]  # one or two: 80 columns
        columns = [name for cells in heads for name in cells[1:]]
        assert columns == ["photographs", "recall", "precision", "F1"]
        assert sum(cells[:2] == ["Fray", "4"] for cells in table) == 1
        of_fray = sum(cells[:1] == ["Fray"] for cells in table)
        assert of_fray == len(heads) + 2  # and in the confusion matrices of parts and photographs
        code, out, _ = run("predict", model, "data", "--out", f"{model}.csv", "--sheet", "s.png")
        assert code == 0
        predicted = read_table(Path(f"{model}.csv"))
        right = np.mean([row["class"] == row["path"].split("/")[1] for row in predicted])
        assert right > 0.6, model
        for row in predicted:
            chances = {name: float(row[f"p({name})"]) for name in NAMES}
            assert sum(chances.values()) == pytest.approx(1, abs=1e-6)
            assert max(chances, key=lambda name: chances[name]) == row["class"]
            assert float(row["probability"]) == pytest.approx(chances[row["class"]], abs=1e-5)
        facts = json.loads(run("info", model, "--json")[1])
        assert facts["classes"] == list(NAMES)


def test_class_scores_by_hand() -> None:
    """Recall along the rows, precision along the columns, nan where nothing is there."""
    confusion = np.array([[3, 1, 0], [1, 4, 0], [0, 0, 0]])
    first, second, third = class_scores(confusion, ("a", "b", "c"))
    assert first == ("a", 4, 0.75, 0.75, 0.75)
    assert second.recall == second.precision == 0.8
    assert third.photographs == 0
    assert np.isnan([third.recall, third.precision, third.f1]).all()
