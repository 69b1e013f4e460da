"""The programs of docs/onnx.md, docs/openvino.md and docs/litert.md run as they stand."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny  # noqa: F401 - registers the backbone
from checkout import ROOT
from models import write_parts
from PIL import Image

import pipeline

pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")
pytest.importorskip("openvino", reason="needs the extra export")

from pipeline.export.export import Wish, export_model


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with model/ and a photograph."""
    home = tmp_path_factory.mktemp("documents")
    pipeline.extract_folder(
        write_parts(home / "data"),
        home / "features.h5",
        pipeline.ExtractOptions(
            backbone="tiny",
            weights="random",
            engine="openvino",
            look="plain",
            group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
        ),
    )
    data, spec = pipeline.load_dataset(home / "features.h5"), pipeline.FeatureSpec.parse("avg")
    pipeline.fit(
        data, home / "model", pipeline.FitOptions(head="ridge", features=spec, optimism=False)
    )
    Image.open(home / "data/defects/part-000_0.png").save(home / "part.jpg", quality=95)
    return home


@pytest.mark.parametrize(
    ("page", "target"), [("onnx",) * 2, ("openvino",) * 2, ("litert", "tflite")]
)
def test_the_program_of_each_page_runs(page: str, target: str, home: Path) -> None:
    """It prints the verdict of `predict`."""
    if target == "tflite":
        pytest.importorskip("ai_edge_litert", reason="needs the extra export")
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    (program,) = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 13
    out = home / f"model-{page}"
    export_model(home / "model", out, Wish(target, cache=home / "features.h5", engine="openvino"))
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    bundle = pipeline.load_bundle(home / "model")
    found = pipeline.find_photographs([str(home / "part.jpg")])
    (ours,) = pipeline.predict(bundle, found, None, pipeline.PredictOptions(engine="openvino"))
    verdict, probability, _ = ast.literal_eval(done.stdout)
    assert verdict == ours.verdict
    assert probability == pytest.approx(ours.probability, abs=1e-4)
