"""pipeline.model.evaluate: what is scored was neither learned from nor chosen on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from models import load, sign, write_parts
from PIL import Image

import pipeline
from pipeline.terminal.results import evaluation
from pipeline.thresholds.facts import threshold_facts
from pipeline.thresholds.outcome import Outcome


def test_parts_that_the_threshold_was_chosen_on_are_not_scored(cache: Path, model: Path) -> None:
    """On the folder that the model was made of only the holdout is left."""
    entries = json.loads((model / "split.json").read_text())
    trained = [entry for entry in entries if entry["side"] == "train"]
    for entry in trained[: len(trained) // 2]:
        entry["side"] = "threshold"  # as a claim sets parts aside
    (model / "split.json").write_text(json.dumps(entries))
    held = {entry["path"] for entry in entries if entry["side"] == "holdout"}
    found = pipeline.evaluate_folder(load(sign(model)), cache.parent / "data", cache)
    assert {table_row.path for table_row in found.predicted.table_rows} == held
    assert f"left out: {len(trained)} photographs that the model was made from" in found.notes


def test_what_is_unlike_is_counted(cache: Path, model: Path, tmp_path: Path) -> None:
    """Frames of one colour in a folder that is scored are counted by part, in the report too."""
    new = write_parts(tmp_path / "new", parts=12, first=100)
    for number in range(1, 8):
        colour = [255 * (number >> channel & 1) for channel in range(3)]
        frame = Image.fromarray(np.full((20, 20, 3), colour, np.uint8))
        frame.save(new / "Healthy" / f"part-{900 + number}_0.png")
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    bundle = load(model)
    found = pipeline.evaluate_folder(bundle, new, cache, pipeline.EvaluateOptions(group_rule=rule))
    assert found.unlike.startswith("warning: 6 of 19 new parts are unlike anything")
    assert found.unlike in evaluation(found, bundle.classes.names)
    assert "6 of 19 new parts are unlike" in pipeline.evaluation_report(bundle, found)


@pytest.mark.parametrize("told", [True, False])
def test_nothing_is_bounded_for_parts_that_are_only_proposed(
    cache: Path, model: Path, tmp_path: Path, told: bool
) -> None:
    """A confidence takes parts that somebody named; the holdout of a fit says so, too."""
    new, bundle = write_parts(tmp_path / "new", parts=12, first=100), load(model)
    rule = pipeline.GroupRule("regex", r"part-(\d+)") if told else None
    found = pipeline.evaluate_folder(bundle, new, cache, pipeline.EvaluateOptions(group_rule=rule))
    said = evaluation(found, bundle.classes.names)
    assert ("with 95 % confidence" in said) == told
    assert ("is only proposed; say it with --groups" in said) != told
    held_out = replace(found, proposal=None)  # as of a fit: the rule alone is known
    first = evaluation(held_out, bundle.classes.names).splitlines()[0]
    assert first.startswith("groups: nobody said which photographs show one part") != told
    outcome = found.outcome
    assert outcome is not None
    assert Outcome.from_json(outcome.to_json()) == outcome
    done = threshold_facts(replace(bundle.decision, holdout=outcome), bundle.classes.names).text()
    assert ("that takes parts that somebody knows" in done) != told


def test_a_model_that_cannot_tell_says_so(cache: Path, model: Path, tmp_path: Path) -> None:
    """Models on pixels and those of earlier versions judge whatever they are shown: it is said."""
    bundle = replace(load(model), familiar=None)
    found = pipeline.evaluate_holdout(bundle, cache)
    assert "cannot tell photographs that are unlike" in found.unlike
    new, notes = write_parts(tmp_path / "new", parts=3, first=100), list[str]()
    photographs = pipeline.find_photographs([str(new)])
    pipeline.predict(bundle, photographs, cache, notes=notes)
    assert any("cannot tell photographs that are unlike" in note for note in notes)
    notes.clear()
    pipeline.predict(load(model), photographs, cache, notes=notes)
    assert not any("cannot tell" in note for note in notes)
