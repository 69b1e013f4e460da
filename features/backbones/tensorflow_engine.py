"""The network in TensorFlow: one traced function of fixed shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Array
from features.backbones.engines import Architecture, Network, tap_source
from features.errors import EngineError
from features.runtime import load_tensorflow


def compile_network(
    architecture: Architecture,
    convolutions: Sequence[tuple[Array, Array]],
    shape: tuple[int, int, int, int],
    precision: str,
    taps: Sequence[str] = (),
) -> Network:
    """See `features.backbones.engines.Engine`."""
    tf = load_tensorflow()
    dtype = tf.bfloat16 if precision == "bfloat16" else tf.float32
    # Captured tensors, not constants frozen into the graph: those run some 5 % faster (kernels are
    # laid out for oneDNN once), but cost a second at the first call and 1 GB in the optimiser.
    tensors = [(tf.cast(kernel, dtype), tf.cast(bias, dtype)) for kernel, bias in convolutions]

    def graph(pixels: Any) -> Any:  # noqa: ANN401 - TensorFlow ships no types
        """Run the architecture: the last map flat, the taps behind it."""
        ops = _TensorFlowOps(tf, tensors)
        maps = tf.cast(architecture(ops, tf.cast(pixels, dtype)), tf.float32)
        tapped = [ops.pooled(tap) for tap in taps]
        return tf.concat([tf.reshape(maps, (shape[0], -1)), *tapped], axis=1)

    return compile_graph(graph, shape, precision)


def compile_graph(graph: Any, shape: tuple[int, int, int, int], precision: str) -> Network:  # noqa: ANN401
    """Compile a function of TensorFlow's, uint8 pixels of `shape` to float32 rows."""
    tf = load_tensorflow()
    compiled = tf.function(graph, input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)

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


class _TensorFlowOps:
    """Computes an architecture with folded convolutions; `blocks` are its maps by name."""

    def __init__(self, tf: Any, convolutions: Sequence[tuple[Any, Any]]) -> None:  # noqa: ANN401
        self._tf = tf
        self._convolutions = iter(convolutions)
        self.blocks: dict[str, Any] = {}

    def centre(self, x: Any, middle: float) -> Any:  # noqa: ANN401
        """Subtract a number."""
        return x - self._tf.cast(middle, x.dtype)

    def conv(
        self,
        x: Any,  # noqa: ANN401
        _filters: int,
        _rows: int,
        _columns: int,
        stride: int,
        padding: str,
        activation: str = "relu",
    ) -> Any:  # noqa: ANN401
        """Convolve with the next kernel, add its bias, and activate."""
        kernel, bias = next(self._convolutions)
        nn = self._tf.nn
        return self._activate(nn.bias_add(nn.conv2d(x, kernel, stride, padding), bias), activation)

    def depthwise(self, x: Any, _size: int, stride: int, activation: str) -> Any:  # noqa: ANN401
        """Convolve each channel with a kernel of its own."""
        kernel, bias = next(self._convolutions)
        nn = self._tf.nn
        x = nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
        return self._activate(nn.bias_add(x, bias), activation)

    def _activate(self, x: Any, activation: str) -> Any:  # noqa: ANN401
        return x if activation == "none" else getattr(self._tf.nn, activation)(x)

    def add(self, a: Any, b: Any) -> Any:  # noqa: ANN401
        """Add two tensors."""
        return a + b

    def block(self, name: str, x: Any) -> Any:  # noqa: ANN401
        """Remember a tensor by the name of its block."""
        self.blocks[name] = x
        return x

    def max_pool(self, x: Any) -> Any:  # noqa: ANN401
        """Take the largest of 3×3, every second place."""
        return self._tf.nn.max_pool2d(x, 3, 2, "VALID")

    def average_pool(self, x: Any) -> Any:  # noqa: ANN401
        """Average 3×3; what is padded does not count."""
        return self._tf.nn.avg_pool2d(x, 3, 1, "SAME")

    def concat(self, name: str, parts: list[Any]) -> Any:  # noqa: ANN401
        """Join channels, and remember them by the name of their block."""
        self.blocks[name] = self._tf.concat(parts, axis=3)
        return self.blocks[name]

    def pooled(self, tap: str) -> Any:  # noqa: ANN401
        """Pool a block that was computed already: float32 (n, channels)."""
        block, largest = tap_source(tap)
        reduce = self._tf.reduce_max if largest else self._tf.reduce_mean
        return reduce(self._tf.cast(self.blocks[block], self._tf.float32), axis=(1, 2))
