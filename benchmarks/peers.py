"""The backbone in the hands of others: Keras, plain TensorFlow, ONNX Runtime, OpenVINO.

All get the same uint8 pixels and return float32 rows in the same order; the peers that read ONNX
get this project's folded convolutions, which is more than a converter gives them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from benchmarks.turns import Round
from features.backbones import inception_v3 as inception
from features.backbones.inception_v3 import InceptionV3Backbone
from features.photographs.recipe import RECIPES
from features.runtime import core_count, load_tensorflow

SCALE = cast("tuple[float, float]", RECIPES["imagenet"].scale)
BATCH = 32
_AT_ONCE = 4  # pictures, by OpenVINO: as fast as more, or faster
Rows = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def prepare(engine: str, weights: str, count: int, keep: str, precision: str = "float32") -> Round:
    """Give a round: `count` photographs through an engine; the first rows are kept for checking."""
    batch = min(BATCH, count)
    path = None if weights == "random" else Path(weights)
    call = _ENGINES[engine](path, batch, precision)
    pixels = draw_pixels(count)
    rows = call(pixels)
    assert rows.shape == (count, InceptionV3Backbone.map_width)
    np.save(keep, rows[:8])

    def round_() -> None:
        call(pixels)

    return round_


def weights_file(weights: str, folder: Path) -> str:
    """Give a weights file: the one that is named, or drawn weights in a new one in `folder`.

    Networks are kept of weights that have a file, as those of people do.
    """
    if weights != "random":
        return weights
    file = folder / "random.weights.h5"
    if not file.exists():
        InceptionV3Backbone(None, scale=SCALE).keras_model().save_weights(file)
    return str(file)


def draw_pixels(count: int) -> Pixels:
    """Blocks of colour under noise, seeded: not flat, not pure noise."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 200, (count, 14, 14, 3), dtype=np.uint8)
    fine = generator.integers(0, 56, (count, 224, 224, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2) + fine


Call = Callable[[Pixels], Rows]


def _by_batches(call: Call, batch: int) -> Call:
    return lambda pixels: np.concatenate(
        [call(pixels[start : start + batch]) for start in range(0, len(pixels), batch)]
    )


def _onepass(path: Path | None, batch: int, precision: str, engine: str = "tensorflow") -> Call:
    backbone = InceptionV3Backbone(
        path, scale=SCALE, batch_size=batch, precision=precision, engine=engine
    )
    return _by_batches(backbone.run, batch)


def _keras(path: Path | None, batch: int, _precision: str) -> Call:
    model = InceptionV3Backbone(path, scale=SCALE, batch_size=batch).keras_model()

    def predict(pixels: Pixels) -> Rows:
        scaled = pixels.astype(np.float32) * np.float32(SCALE[0]) + np.float32(SCALE[1])
        maps: Rows = model.predict(scaled, batch_size=batch, verbose=0)
        return maps.reshape(len(pixels), -1)

    return predict


def _function(path: Path | None, batch: int, _precision: str) -> Call:
    tf = load_tensorflow()
    model = InceptionV3Backbone(path, scale=SCALE, batch_size=batch).keras_model()
    function = tf.function(lambda scaled: model(scaled, training=False))

    def call(pixels: Pixels) -> Rows:
        rows: Rows = function(tf.cast(pixels, tf.float32) * SCALE[0] + SCALE[1]).numpy()
        return rows.reshape(len(pixels), -1)

    return _by_batches(call, batch)


def _onnxruntime(path: Path | None, batch: int, _precision: str) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = core_count()
    with tempfile.TemporaryDirectory() as folder:
        file = write_onnx(path, batch, Path(folder))
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return _by_batches(lambda pixels: session.run(None, {"pixels": pixels})[0], batch)


def _openvino(path: Path | None, batch: int, precision: str) -> Call:
    """Compile it for few pictures at once, which is as fast as more."""
    compiled, batch = _compiled(path, batch, precision, {})
    # A copy: the result lies in a buffer that the next call writes to.
    return _by_batches(lambda pixels: np.array(compiled([pixels])[0]), batch)


def _openvino_streams(path: Path | None, batch: int, precision: str) -> Call:
    """Give the same with a step on each core, as OpenVINO's guide to throughput has it."""
    import openvino

    compiled, step = _compiled(path, batch, precision, {"NUM_STREAMS": core_count()})
    queue = openvino.AsyncInferQueue(compiled, core_count())

    def call(pixels: Pixels) -> Rows:
        rows = np.empty((len(pixels), InceptionV3Backbone.map_width), np.float32)

        def keep(request: Any, start: int) -> None:  # noqa: ANN401 - OpenVINO ships no types
            rows[start : start + step] = request.get_output_tensor(0).data

        queue.set_callback(keep)
        for start in range(0, len(pixels), step):
            queue.start_async([pixels[start : start + step]], start)
        queue.wait_all()
        return rows

    return call


def _compiled(
    path: Path | None, batch: int, precision: str, more: dict[str, int]
) -> tuple[Any, int]:
    """Compile it for few pictures at once; give that number, too."""
    import openvino

    step = min(batch, _AT_ONCE)
    short = {"float32": "f32", "bfloat16": "bf16"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": short, "INFERENCE_NUM_THREADS": core_count()} | more
    with tempfile.TemporaryDirectory() as folder:
        file = write_onnx(path, step, Path(folder))
        return openvino.Core().compile_model(str(file), "CPU", settings), step


_ENGINES: dict[str, Callable[[Path | None, int, str], Call]] = {
    "onepass": _onepass,
    "onepass openvino": partial(_onepass, engine="openvino"),
    "keras": _keras,
    "function": _function,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "openvino streams": _openvino_streams,
}


# ---- ONNX ---------------------------------------------------------------------------------


class _OnnxOps:
    """Writes the architecture down as ONNX nodes; see `inception_v3.architecture`."""

    def __init__(self, onnx: Any, convolutions: list[tuple[Any, Any]]) -> None:  # noqa: ANN401
        self._onnx = onnx
        self._convolutions = iter(convolutions)
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        name = f"x{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(self, x: str, _f: int, rows: int, columns: int, stride: int, padding: str) -> str:
        kernel, bias = next(self._convolutions)
        names = f"kernel{len(self.arrays)}", f"bias{len(self.arrays)}"
        channels_first = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        for name, array in zip(names, (channels_first, bias), strict=True):
            self.arrays.append(self._onnx.numpy_helper.from_array(array, name))
        pads = [rows // 2, columns // 2] * 2 if padding == "SAME" else [0] * 4
        shape = {"kernel_shape": [rows, columns], "strides": [stride] * 2, "pads": pads}
        return self.node("Relu", self.node("Conv", x, *names, **shape))

    def max_pool(self, x: str) -> str:
        return self.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])

    def average_pool(self, x: str) -> str:
        shape = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4}
        return self.node("AveragePool", x, count_include_pad=0, **shape)

    def concat(self, _name: str, parts: list[str]) -> str:
        return self.node("Concat", *parts, axis=1)


def write_onnx(weights: Path | None, batch: int, folder: Path) -> Path:
    """InceptionV3 as an ONNX file: uint8 (batch, 224, 224, 3) -> float32 (batch, 51,200)."""
    import onnx

    convolutions = inception._random(0) if weights is None else inception._load(weights)
    ops = _OnnxOps(onnx, list(inception._fold(convolutions, *SCALE)))
    x = ops.node("Cast", "pixels", to=onnx.TensorProto.FLOAT)
    x = inception.architecture(ops, ops.node("Transpose", x, perm=[0, 3, 1, 2]))
    rows = ops.node("Flatten", ops.node("Transpose", x, perm=[0, 2, 3, 1]))
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        ops.nodes,
        "inception_v3",
        [value("pixels", onnx.TensorProto.UINT8, [batch, 224, 224, 3])],
        [value(rows, onnx.TensorProto.FLOAT, [batch, InceptionV3Backbone.map_width])],
        ops.arrays,
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    path = folder / "inception_v3.onnx"
    # The oldest file format that has this opset: runtimes lag behind the onnx package.
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
