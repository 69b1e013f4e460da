"""The network in OpenVINO, an optional extra: needs no TensorFlow, so it starts faster.

Importing this module raises EngineError where OpenVINO is not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Array
from features.backbones.engines import Architecture, Network, tap_source
from features.errors import EngineError
from features.runtime import core_count

try:
    import openvino
    from openvino import opset13 as ops
except ImportError:
    raise EngineError(
        "--engine openvino needs a package that is not installed; "
        "run: pip install 'onepass[openvino]', or use --engine tensorflow"
    ) from None

_PRECISION_HINT = {"bfloat16": "bf16"}  # any other is computed in float32


def compile_network(
    architecture: Architecture,
    convolutions: Sequence[tuple[Array, Array]],
    shape: tuple[int, int, int, int],
    precision: str,
    taps: Sequence[str] = (),
) -> Network:
    """See `features.backbones.engines.Engine`."""
    pixels = ops.parameter(list(shape), np.uint8, "pixels")
    channels_first = ops.transpose(ops.convert(pixels, "f32"), [0, 3, 1, 2])
    nodes = _OpenVINOOps(convolutions)
    maps = architecture(nodes, channels_first)
    rows = ops.reshape(ops.transpose(maps, [0, 2, 3, 1]), [shape[0], -1], special_zero=False)
    if taps:
        rows = ops.concat([rows, *(nodes.pooled(tap) for tap in taps)], 1)
    compiled = openvino.Core().compile_model(
        openvino.Model([ops.result(rows)], [pixels], "backbone"),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": _PRECISION_HINT.get(precision, "f32"),
            "INFERENCE_NUM_THREADS": core_count(),
        },
    )
    request = compiled.create_infer_request()

    def network(pixels: npt.NDArray[np.uint8]) -> Array:
        # A copy: the result lies in a buffer that the next call writes to.
        return np.array(request.infer([pixels])[0])

    return network


class _OpenVINOOps:
    """Writes an architecture with folded convolutions down as OpenVINO's nodes.

    Attributes:
        blocks: its maps by name.
    """

    def __init__(self, convolutions: Sequence[tuple[Array, Array]]) -> None:
        self._convolutions = iter(convolutions)
        self.blocks: dict[str, Any] = {}

    def conv(self, x: Any, _f: int, rows: int, columns: int, stride: int, padding: str) -> Any:  # noqa: ANN401
        kernel, bias = next(self._convolutions)
        # "SAME" stands at convolutions of odd size and stride 1 only: the same on both sides.
        pads = [rows // 2, columns // 2] if padding == "SAME" else [0, 0]
        filters_first = ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        x = ops.convolution(x, filters_first, [stride] * 2, pads, pads, [1, 1])
        return ops.relu(ops.add(x, ops.constant(bias.reshape(1, -1, 1, 1))))

    def max_pool(self, x: Any) -> Any:  # noqa: ANN401
        return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)

    def average_pool(self, x: Any) -> Any:  # noqa: ANN401
        return ops.avg_pool(x, [1, 1], [1, 1], [1, 1], [3, 3], exclude_pad=True)

    def concat(self, name: str, parts: list[Any]) -> Any:  # noqa: ANN401
        self.blocks[name] = ops.concat(parts, 1)
        return self.blocks[name]

    def pooled(self, tap: str) -> Any:  # noqa: ANN401
        """(n, channels) of a block that is in the graph already."""
        block, largest = tap_source(tap)
        reduce = ops.reduce_max if largest else ops.reduce_mean
        return reduce(self.blocks[block], [2, 3])
