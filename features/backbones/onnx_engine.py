"""The network as ONNX, run by ONNX Runtime: an optional extra, and what `export` begins with.

Importing this module raises EngineError where the extra is not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from features.arrays import Array, Pixels
from features.backbones.engines import FoldedOps, Plan
from features.backbones.onnx_graph import Graph
from features.errors import EngineError, PrecisionError
from features.runtime import core_count

try:
    import onnxruntime
except ImportError:
    raise EngineError(
        '--engine onnx needs a package that is not installed; run: pip install "onepass[export]", '
        "or use --engine tensorflow"
    ) from None

PICTURES, ROWS = "pictures", "rows"
"""Input and output of a backbone's graph: uint8 (m, height, width, 3) and float32 (m, values)."""

_PADDING = {"SAME": "SAME_UPPER", "VALID": "VALID"}  # TensorFlow's words to ONNX's
_UPPERMOST = np.float32(6.0)  # of ReLU6


class WrittenNetwork:
    """A backbone's graph; called, it is computed by ONNX Runtime.

    Attributes:
        graph: from PICTURES to ROWS.
        shape: of the pixels: (batch_size, height, width, 3).
    """

    def __init__(self, graph: Graph, shape: tuple[int, int, int, int]) -> None:
        """Keep the graph; it is compiled when it is first called."""
        self.graph, self.shape = graph, shape

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - ONNX Runtime ships no types
        shape: list[int | str] = ["N", *self.shape[1:]]
        model = self.graph.model({PICTURES: ("uint8", shape)}, {ROWS: ("float32", ["N", "values"])})
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = core_count()
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pixels: Pixels) -> Array:
        """Run uint8 (n, height, width, 3) to float32 (n, values of a row)."""
        rows: Array = self._session.run([ROWS], {PICTURES: pixels})[0]
        return rows


def compile_network(plan: Plan) -> WrittenNetwork:
    """See `features.backbones.engines.Engine`."""
    refuse_bfloat16(plan.precision)
    graph = Graph()
    graph.scope = "backbone/"
    ops = _OnnxOps(graph, plan.convolutions)
    x = graph.add("Transpose", graph.as_float(PICTURES), perm=[0, 3, 1, 2])
    last = plan.architecture(ops, x)
    parts = [ops.pooled(tap) for tap in plan.taps]
    if plan.with_map:
        maps = graph.add("Transpose", last, perm=[0, 2, 3, 1])
        parts.insert(0, graph.add("Flatten", maps, axis=1))
    graph.scope = ""
    graph.add("Concat", *parts, name=ROWS, axis=1)
    return WrittenNetwork(graph, plan.shape)


def compile_graph(_graph: Any, _shape: Sequence[int], _precision: str) -> WrittenNetwork:  # noqa: ANN401 - protobuf has few types
    """Raise EngineError: what TensorFlow traced is not written as ONNX."""
    raise EngineError(
        "networks of keras.applications cannot be written as ONNX; expected inception_v3, "
        "efficientnet-lite0 or a FILE.onnx; use --engine tensorflow or openvino"
    )


def refuse_bfloat16(precision: str) -> None:
    """Raise PrecisionError for what no runtime of ONNX computes as TensorFlow does."""
    if precision == "bfloat16":
        raise PrecisionError(
            "rows in bfloat16 cannot be computed in ONNX; expected --precision float32 or float16; "
            "extract again with one of these, or use --engine tensorflow"
        )


class _OnnxOps(FoldedOps):
    """Writes an architecture with folded convolutions down as nodes."""

    def __init__(self, graph: Graph, convolutions: Sequence[tuple[Array, Array]]) -> None:
        super().__init__(convolutions)
        self._graph = graph

    def centre(self, x: str, middle: float) -> str:
        """Subtract a number."""
        return self._graph.add("Sub", x, np.float32(middle))

    def _conv(
        self, x: str, kernel: Array, bias: Array, stride: int, padding: str, activation: str
    ) -> str:
        filters_first = self._graph.weight(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        x = self._graph.add(
            "Conv", x, filters_first, bias, auto_pad=_PADDING[padding], strides=[stride] * 2
        )
        return self._activate(x, activation)

    def _depthwise(
        self, x: str, kernel: Array, bias: Array, stride: int, activation: str
    ) -> str:  # kernel: (rows, columns, channels, 1)
        each = self._graph.weight(np.ascontiguousarray(kernel.transpose(2, 3, 0, 1)))
        x = self._graph.add(
            "Conv", x, each, bias, auto_pad="SAME_UPPER", strides=[stride] * 2, group=len(bias)
        )
        return self._activate(x, activation)

    def _activate(self, x: str, activation: str) -> str:
        if activation == "none":
            return x
        if activation == "relu":
            return self._graph.add("Relu", x)
        return self._graph.add("Clip", x, np.float32(0), _UPPERMOST)

    def add(self, a: str, b: str) -> str:
        """Add two tensors."""
        return self._graph.add("Add", a, b)

    def max_pool(self, x: str) -> str:
        """Take the largest of 3×3, every second place."""
        return self._graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])

    def average_pool(self, x: str) -> str:
        """Average 3×3; what is padded does not count."""
        return self._graph.add("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def _concat(self, parts: list[str]) -> str:
        return self._graph.add("Concat", *parts, axis=1)

    def _pooled(self, x: str, largest: bool) -> str:
        return self._graph.reduce("Max" if largest else "Mean", x, 2, 3)
