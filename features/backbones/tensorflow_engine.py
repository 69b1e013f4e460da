"""The network in TensorFlow: one traced function of fixed shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Array
from features.backbones.engines import FoldedOps, Network, Node, Plan
from features.errors import EngineError
from features.runtime import load_tensorflow, trace_tensorflow


def compile_network(plan: Plan) -> Network:
    """See `features.backbones.engines.Engine`."""
    tf = load_tensorflow()
    dtype = tf.bfloat16 if plan.precision == "bfloat16" else tf.float32
    # Captured tensors, not constants frozen into the graph: those run some 5 % faster (kernels are
    # laid out for oneDNN once), but cost a second at the first call and 1 GB in the optimiser.
    tensors = [(tf.cast(kernel, dtype), tf.cast(bias, dtype)) for kernel, bias in plan.convolutions]

    def graph(pixels: Any) -> Any:  # noqa: ANN401 - TensorFlow ships no types
        """Run the architecture: the last map flat, the taps behind it."""
        ops = _TensorFlowOps(tf, tensors)
        maps = tf.cast(plan.architecture(ops, tf.cast(pixels, dtype)), tf.float32)
        first = [tf.reshape(maps, (plan.shape[0], -1))] if plan.with_map else []
        return tf.concat([*first, *(ops.pooled(tap) for tap in plan.taps)], axis=1)

    return compile_graph(graph, plan.shape, plan.precision)


def compile_graph(graph: Any, shape: tuple[int, int, int, int], precision: str) -> Network:  # noqa: ANN401 - a tensor
    """Compile a function of TensorFlow's, uint8 pixels of `shape` to float32 rows."""
    tf = load_tensorflow()
    compiled = trace_tensorflow(graph, shape)

    def network(pixels: npt.NDArray[np.uint8]) -> Array:
        """Run photographs; what TensorFlow cannot compute is one line."""
        try:
            rows: Array = compiled(pixels).numpy()
        except tf.errors.OpError as error:  # no memory, or no such instructions
            raise EngineError(
                f"TensorFlow could not compute {shape[0]} photographs in {precision} "
                f"({' '.join(str(error.message).split())[:160]}); try a smaller --batch-size, "
                "or another --precision or --engine"
            ) from error
        return rows

    return network


class _TensorFlowOps(FoldedOps):
    """Computes an architecture with folded convolutions."""

    def __init__(self, tf: Node, convolutions: Sequence[tuple[Node, Node]]) -> None:
        super().__init__(convolutions)
        self._tf = tf

    def centre(self, x: Node, middle: float) -> Node:
        """Subtract a number."""
        return x - self._tf.cast(middle, x.dtype)

    def _conv(
        self, x: Node, kernel: Node, bias: Node, stride: int, padding: str, activation: str
    ) -> Node:
        nn = self._tf.nn
        return self._activate(nn.bias_add(nn.conv2d(x, kernel, stride, padding), bias), activation)

    def _depthwise(self, x: Node, kernel: Node, bias: Node, stride: int, activation: str) -> Node:
        nn = self._tf.nn
        x = nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
        return self._activate(nn.bias_add(x, bias), activation)

    def _activate(self, x: Node, activation: str) -> Node:
        return x if activation == "none" else getattr(self._tf.nn, activation)(x)

    def add(self, a: Node, b: Node) -> Node:
        """Add two tensors."""
        return a + b

    def max_pool(self, x: Node) -> Node:
        """Take the largest of 3×3, every second place."""
        return self._tf.nn.max_pool2d(x, 3, 2, "VALID")

    def average_pool(self, x: Node) -> Node:
        """Average 3×3; what is padded does not count."""
        return self._tf.nn.avg_pool2d(x, 3, 1, "SAME")

    def _concat(self, parts: list[Node]) -> Node:
        return self._tf.concat(parts, axis=3)

    def _pooled(self, x: Node, largest: bool) -> Node:
        reduce = self._tf.reduce_max if largest else self._tf.reduce_mean
        return reduce(self._tf.cast(x, self._tf.float32), axis=(1, 2))
