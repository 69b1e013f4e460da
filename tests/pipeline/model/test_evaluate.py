"""pipeline.model.evaluate: what is scored was neither learned from nor chosen on."""

from __future__ import annotations

import json
from pathlib import Path

from models import load, sign

import pipeline


def test_parts_that_the_threshold_was_chosen_on_are_not_scored(cache: Path, model: Path) -> None:
    """On the folder that the model was made of only the holdout is left."""
    entries = json.loads((model / "split.json").read_text())
    trained = [entry for entry in entries if entry["side"] == "train"]
    for entry in trained[: len(trained) // 2]:
        entry["side"] = "threshold"  # as a claim sets parts aside
    (model / "split.json").write_text(json.dumps(entries))
    held = {entry["path"] for entry in entries if entry["side"] == "holdout"}
    found = pipeline.evaluate_folder(load(sign(model)), cache.parent / "data", cache)
    assert {sample.path for sample in found.judged.samples} == held
    assert f"{len(trained)} photographs that the model was trained on are left out" in found.notes
