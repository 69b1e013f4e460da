"""Caches and models that versions before this one made: they open, and say what they said."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import Toy, load

import pipeline
from features.backbones.registry import BACKBONES
from pipeline.model.info import describe
from pipeline.terminal.info import info

ARCHIVES = sorted((Path(__file__).parent / "old_versions").glob("*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def old(
    request: pytest.FixtureRequest, tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any]]:
    """Give a folder with the cache and the model that an earlier version made, and what it said."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path, json.loads((tmp_path / "expected.json").read_text("utf-8"))


def test_models_predict_what_they_predicted(old: tuple[Path, dict[str, Any]]) -> None:
    """Schema 2, with its own names, is read: the same probabilities, threshold and classes."""
    folder, expected = old
    assert json.loads((folder / "model" / "model.json").read_text("utf-8"))["onepass_bundle"] == 2
    bundle = load(folder / "model")
    rows = np.array(expected["rows"], np.float32)
    np.testing.assert_allclose(bundle.probabilities(rows), expected["probabilities"], atol=1e-9)
    assert bundle.threshold == expected["threshold"]
    assert list(bundle.classes.names) == expected["classes"]
    assert "logistic" in info(describe(folder / "model")).lower()


def test_caches_give_the_same_rows_and_scores(old: tuple[Path, dict[str, Any]]) -> None:
    """The table, the rows and the scores of the holdout are those that the earlier version saw."""
    folder, expected = old
    cache = folder / "features.h5"
    found = pipeline.evaluate_holdout(load(folder / "model"), cache)
    assert found.assessment.count == expected["photographs"]
    assert found.assessment.scores == pytest.approx(expected["scores"], abs=1e-9, nan_ok=True)
    data = pipeline.load_dataset(cache)
    assert np.array_equal(data.rows()[:12], np.array(expected["rows"], np.float32))
    assert data.folder.group_rule.kind == "regex"


def test_a_model_read_and_written_again_is_of_this_schema(
    old: tuple[Path, dict[str, Any]],
) -> None:
    """Nothing is lost on the way: what is read of schema 2 is what is read of schema 3."""
    record = load(old[0] / "model").record
    again = pipeline.ModelRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert record.to_json()["onepass_bundle"] == 3
    assert json.dumps(again.to_json()) == json.dumps(record.to_json())
