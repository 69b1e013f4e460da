"""`fit --log-to mlflow`: what is logged, and that it loads back with the same verdicts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from commands import Run, fails
from models import write_parts

import pipeline
from features.backbones.registry import BACKBONES
from pipeline.export import mlflow_flavour

FIT = ("fit", "--head", "logistic", "--features", "flat", "--no-optimism", "--threshold", "0.5")


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give runs are kept in the test's folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes seconds to make


def test_what_is_logged_loads_back(
    run: Run, tmp_path: Path, tracking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters, scores, card, report, and a model that gives the verdicts of `predict`."""
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    write_parts(Path("data"))
    assert run("extract", "data", "--weights", "random", "--group-regex", r"part-(\d+)")[0] == 0
    code, out, err = run(*FIT)
    assert code == 0, err
    assert "mlflow" not in out
    assert not (tmp_path / "runs").exists()  # off unless asked
    code, out, err = run(*FIT, "--log-to", "mlflow")
    assert code == 0, err
    (line,) = [line for line in out.splitlines() if line.startswith("mlflow ")]
    address = line.split()[1]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    about = json.loads(Path("model/model.json").read_text("utf-8"))
    (logged,) = mlflow.search_runs(output_format="list")
    assert logged.data.params["head"] == "logistic"
    assert logged.data.params["head_C"] == str(about["settings"]["C"])
    assert logged.data.metrics["part_roc_auc"] == about["holdout_parts"]["scores"]["roc_auc"]
    names = {one.path for one in mlflow.artifacts.list_artifacts(run_id=logged.info.run_id)}
    assert {"card.md", "report.html"} <= names
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    loaded = mlflow.pyfunc.load_model(address)
    paths = sorted(str(file) for file in Path("data").rglob("*.png"))[:9]
    bundle = pipeline.load_bundle(Path("model"))
    ours = pipeline.predict(bundle, pipeline.find_photographs(paths), None)
    theirs = loaded.predict([*paths, paths[0]])
    assert [one["class"] for one in theirs] == [*(one.verdict for one in ours), ours[0].verdict]
    assert [one["probability"] for one in theirs[:9]] == pytest.approx(
        [one.probability for one in ours]
    )
    artifacts = [file for file in tmp_path.rglob("*") if file.suffix in (".pkl", ".pickle")]
    assert artifacts == []


def test_where_nothing_can_be_logged_it_is_said_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read or trained."""
    fails(run(*FIT, "--log-to", "wandb"), "found --log-to 'wandb'; expected mlflow")
    monkeypatch.setattr(mlflow_flavour.importlib.util, "find_spec", lambda _name: None)
    fails(run(*FIT, "--log-to", "mlflow"), 'pip install "onepass[mlflow]"')
