"""Refit: learned from corrections, compared on parts that neither model learned from, switched."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from models import load, shade
from PIL import Image

import pipeline
from features.errors import BundleError, DataError
from pipeline.cnn.cnn import Cnn
from pipeline.line.corrections import Inbox, Shown, model_fingerprint
from pipeline.serve.compare_models import ModelComparison, Photographs, compare_models
from pipeline.serve.refit import Refitted, refit, why_not
from pipeline.serve.versions import activate, keep_version, list_versions
from pipeline.thresholds import Decision


def strange(seed: int, folder: Path) -> bytes:
    """Draw a defect that the model passes: a dark bottom, where others are bright."""
    pixels = shade(seed, bright=False).astype(int)
    pixels[14:] -= 50
    file = folder / f"{seed}.png"
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file)
    return file.read_bytes()


@pytest.fixture
def station(line: Path, tmp_path: Path) -> Path:
    """Give a copy of data, cache and model, with corrections of six parts that were missed."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    inbox = Inbox(tmp_path / "inbox")
    for part in range(6):
        files = [(strange(5000 + 10 * part + view, tmp_path), ".png") for view in range(2)]
        shown = Shown(f"lot-{part}", "Healthy", 0.1, "0" * 16)
        inbox.correct(files, shown, judgement="wrong", label="defects")
    return tmp_path


def run(station: Path, stages: list[str] | None = None) -> Refitted:
    return refit(
        load(station / "model"), station / "features.h5", Inbox(station / "inbox"),
        station / "model-versions",
        say=lambda stage, _done, _total: (stages if stages is not None else []).append(stage),
    )  # fmt: skip


def test_a_refit_learns_what_was_missed_and_proves_it(station: Path) -> None:
    """The same parts are held out, the corrections are found by models that did not see them."""
    before = load(station / "model")
    stages: list[str] = []
    made = run(station, stages)
    assert list(dict.fromkeys(stages)) == ["photographs", "training", "comparing"]
    new = load(station / "model-versions" / made.fingerprint)

    def side(bundle: pipeline.Bundle, name: str) -> set[str]:
        return {entry["digest"] for entry in bundle.split() if entry["side"] == name}

    assert side(new, "holdout") == side(before, "holdout")
    assert len(side(new, "train") - side(before, "train")) == 12
    found = made.on_corrections
    assert (found.parts, found.defective) == (6, 6)
    assert found.old is not None
    assert found.new is not None
    assert found.old.missed == 6
    assert found.new.missed < found.old.missed
    assert found.finding == "better"
    assert found.low is not None
    assert found.difference is not None
    assert 0 < found.low < found.difference
    assert made.held_out.parts == len({e["group"] for e in new.split() if e["side"] == "holdout"})
    story = json.loads((station / "model-versions" / f"{made.fingerprint}.json").read_text())
    assert story["from"] == model_fingerprint(station / "model")
    assert story["corrected_photographs"] == 12


def test_nothing_is_active_before_a_person_says_so_and_the_old_comes_back(station: Path) -> None:
    """Each model is kept; a switch changes which folder stands at MODEL, and back."""
    model, versions = station / "model", station / "model-versions"
    first = keep_version(model, versions)
    made = run(station)
    assert model_fingerprint(model) == first
    activate(made.fingerprint, model, versions)
    assert model_fingerprint(model) == made.fingerprint
    assert load(model).classes.names == ("Healthy", "defects")
    listed = list_versions(model, versions)
    assert {version.fingerprint for version in listed} == {first, made.fingerprint}
    assert [version.active for version in listed if version.fingerprint == made.fingerprint] == [
        True
    ]
    activate(first, model, versions)
    assert model_fingerprint(model) == first
    again = run(station)
    assert again.on_corrections.parts == 6


def test_what_the_active_model_learned_proves_nothing(station: Path) -> None:
    """After a switch, its own corrections are no test of it."""
    made = run(station)
    activate(made.fingerprint, station / "model", station / "model-versions")
    again = run(station)
    assert again.on_corrections.finding == "none"
    assert again.held_out.finding == "same"


def test_a_corrected_training_photograph_is_relabelled(station: Path) -> None:
    """It stands once, with the class that a person gave it."""
    bundle = load(station / "model")
    entry = next(e for e in bundle.split() if e["side"] == "train" and e["class"] == "Healthy")
    data = (station / "data" / entry["path"]).read_bytes()
    shown = Shown("x", "Healthy", 0.1, "0" * 16)
    Inbox(station / "inbox").correct([(data, ".png")], shown, judgement="wrong", label="defects")
    made = run(station)
    entries = load(station / "model-versions" / made.fingerprint).split()
    assert [e["class"] for e in entries if e["digest"] == entry["digest"]] == ["defects"]


def test_what_cannot_be_refitted_is_said(station: Path, tmp_path: Path) -> None:
    """No corrections, a version that is none or was changed."""
    with pytest.raises(DataError, match="no correction"):
        refit(
            load(station / "model"), station / "features.h5", Inbox(tmp_path / "empty"),
            station / "model-versions", say=lambda *_: None,
        )  # fmt: skip
    model, versions = station / "model", station / "model-versions"
    before = model_fingerprint(model)
    kept = keep_version(model, versions)
    for name in ("../model", "0" * 16, "", kept.upper()):
        with pytest.raises(BundleError, match="no model"):
            activate(name, model, versions)
    (versions / kept / "split.json").write_text("[]")
    with pytest.raises(BundleError):
        activate(kept, model, versions)
    assert model_fingerprint(model) == before


def compared(y: list[int], old: list[float], new: list[float]) -> ModelComparison:
    table = [np.array([[1 - p, p] for p in column]) for column in (old, new)]
    names = [str(number) for number in range(len(y))]
    shown = Photographs(names, names, np.array(y), np.arange(len(y)))
    decision = Decision.not_chosen(part_rule="mean")
    return compare_models(shown, ("good", "bad"), (decision, table[0]), (decision, table[1]))


def test_the_interval_of_a_difference_knows_how_few_parts_there_are() -> None:
    """One part more tells nothing, forty do; equal models differ by nothing; signs are right."""
    few = compared([0, 0, 0, 1, 1], [0.1] * 3 + [0.9, 0.1], [0.1] * 3 + [0.9, 0.9])
    assert few.difference == pytest.approx(0.25)
    assert few.finding == "unclear"
    y = [0] * 40 + [1] * 40
    many = compared(y, [0.1] * 80, [0.1] * 40 + [0.9] * 40)
    assert many.finding == "better"
    assert [changed.new for changed in many.changed] == ["bad"] * 40
    assert compared(y, [0.1] * 40 + [0.9] * 40, [0.1] * 80).finding == "worse"
    same = compared(y, [0.1] * 80, [0.2] * 80)
    assert same.finding == "same"
    assert same.low is not None
    assert same.high is not None
    assert same.low < 0 < same.high


def test_a_model_that_sees_pixels_is_refused_in_one_line(station: Path) -> None:
    """Before anything is looked at; what cannot be learned anew here says what to do instead."""
    bundle = replace(load(station / "model"), head=Cnn.__new__(Cnn))
    with pytest.raises(DataError, match="sees pixels and is not refitted here") as refused:
        refit(
            bundle, station / "features.h5", Inbox(station / "inbox"), station / "v",
            say=lambda stage, _done, _total: pytest.fail(stage),
        )  # fmt: skip
    assert "\n" not in str(refused.value)
    assert "expected" in str(refused.value)
    assert why_not(bundle) == str(refused.value)
    assert why_not(load(station / "model")) == ""


def test_corrections_of_another_models_classes_are_refused(station: Path) -> None:
    """A class that this model has not is said, and nothing is trained."""
    shown = Shown("lot-9", "Healthy", 0.1, "0" * 16)
    Inbox(station / "inbox").correct(
        [(strange(9, station), ".png")], shown, judgement="wrong", label="rust"
    )
    with pytest.raises(DataError, match="found a correction to 'rust'; expected one of"):
        run(station)
