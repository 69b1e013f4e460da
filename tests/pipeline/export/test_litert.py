"""What is converted for LiteRT gives what ONNX gives; what has no form there is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny  # noqa: F401 - registers the backbone
from commands import Run, fails
from models import write_parts
from rows import QUICK

import pipeline
from features.errors import ExportError
from pipeline.heads import HEADS, make_head

onnx = pytest.importorskip("onnx", reason="needs the extra export")
litert = pytest.importorskip("ai_edge_litert.interpreter", reason="needs the extra export")

from features.backbones.onnx_graph import Graph  # noqa: E402
from pipeline.export.heads import write_head  # noqa: E402
from pipeline.export.litert import to_litert  # noqa: E402


def computed(model: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Give what LiteRT makes of rows, one after the other; by the name of the output."""
    runner = litert.Interpreter(model_content=to_litert(model)).get_signature_runner()
    made = [runner(x=row[None]) for row in rows]
    return {name: np.concatenate([one[name] for one in made]) for name in made[0]}


def test_every_head_is_exported() -> None:
    """Two classes, and four of which no training row has one."""
    draw, y = np.random.default_rng(1), np.arange(60) % 3
    centres = 1.5 * np.eye(3).repeat(14, axis=1)[:, :40]
    X = (draw.standard_normal((60, 40)) + centres[y]).astype("f4")
    graph, expected = Graph(), {}
    for labels, classes in ((y // 2, 2), (np.where(y == 1, 3, y), 4)):
        for head in HEADS:
            if (head, classes) == ("dense", 4):
                continue
            settings = QUICK.get(head, {}) | ({"channels": 10} if head == "novelty" else {})
            trained = make_head(head, settings=settings).fit(X, labels, n_classes=classes)
            name = f"{head}_{classes}".replace("-", "_")
            graph.add("Identity", write_head(graph, trained, "x"), name=name)
            expected[name] = trained.predict_proba(X)
    outputs = {name: ("float32", ["N", P.shape[1]]) for name, P in expected.items()}
    made = computed(graph.model({"x": ("float32", ["N", 40])}, outputs), X)
    assert sorted(made) == sorted(expected)
    for name, P in expected.items():
        np.testing.assert_allclose(made[name], P, atol=3e-5, err_msg=name)


def test_rows_in_half_are_rounded_after_the_conversion() -> None:
    """Its optimiser does not take the rounding for nothing."""
    rows = np.random.default_rng(0).lognormal(0, 1, (4, 500)).astype("f4")
    graph = Graph()
    out = graph.half("x")
    model = graph.model({"x": ("float32", ["N", 500])}, {out: ("float32", ["N", 500])})
    made = computed(model, rows)
    np.testing.assert_array_equal(made[out], rows.astype("f2").astype("f4"))
    assert (made[out] != rows).any()


def test_a_node_of_another_form_is_refused() -> None:
    """A kind that is not written here; a convolution with other padding; what would broadcast."""
    kernel = np.ones((4, 3, 1, 1), "f4")
    for kind, rest, attributes in (
        ("Sin", (), {}),
        ("Conv", (kernel, np.zeros(4, "f4")), {"pads": [1, 0, 0, 1], "strides": [1, 1]}),
        ("Mul", (np.ones((1, 3, 1, 1), "f4"),), {}),
        ("MaxPool", (), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ):
        graph = Graph()
        first = graph.add("Transpose", "x", perm=[0, 3, 1, 2])
        out = graph.add(kind, first, *rest, **attributes)
        last = graph.add("Transpose", out, perm=[0, 2, 3, 1])
        sides = ["N", 3, 3, 3]
        model = graph.model({"x": ("float32", sides)}, {last: ("float32", sides)})
        with pytest.raises(ExportError, match=rf"{kind} \(.* has no form in LiteRT .* --to onnx"):
            to_litert(model)


def test_the_command(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 keeps the proof; float16 is half the size and says what it costs; int8 is refused."""
    monkeypatch.chdir(tmp_path)
    regex = pipeline.GroupRule("regex", r"part-(\d+)")
    pipeline.extract_folder(
        write_parts(tmp_path / "data"),
        tmp_path / "features.h5",
        pipeline.ExtractOptions(
            backbone="tiny", weights="random", engine="openvino", look="plain", group_rule=regex
        ),
    )
    spec = pipeline.FeatureSpec.parse("avg")
    pipeline.fit(
        pipeline.load_dataset(tmp_path / "features.h5"),
        tmp_path / "model",
        pipeline.FitOptions(head="ridge", features=spec, optimism=False),
    )
    words = ("export", "model", "out", "--engine", "openvino", "--to", "tflite")
    code, out, err = run(*words)
    assert code == 0, err
    assert "out/model.tflite: tflite, float32" in out.replace("\\", "/")
    assert "no verdict differs, no verdict differs about parts" in out
    card = json.loads((tmp_path / "out" / "card.json").read_text("utf-8"))
    assert card["input_shape"] == [1, 1, 32, 32, 3]
    assert card["proof"]["largest_difference"] < 1e-5
    fails(run(*words, "--precision", "int8"), "of --to tflite; expected one of float32, float16")
