"""The network in OpenVINO, an optional extra: needs no TensorFlow, so it starts faster.

Importing this module raises EngineError where OpenVINO is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Array, Scale
from features.backbones.engines import FoldedOps, Network, Node, Plan, to_bfloat16
from features.errors import EngineError, PrecisionError
from features.runtime import core_count, trace_tensorflow

# OpenVINO reports to its makers when it is imported, unless this package is not there.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Its converters, which only networks of Keras need, take a third of the time of its import.
_CONVERTERS = "openvino.tools.ovc"
_UNTOUCHED = _CONVERTERS not in sys.modules
if _UNTOUCHED:
    sys.modules[_CONVERTERS] = None  # type: ignore[assignment]
try:
    import openvino as openvino
    from openvino import opset13 as ops
except ImportError:
    raise EngineError(
        "--engine openvino needs a package that is not installed; "
        'run: pip install "onepass[openvino]", or use --engine tensorflow'
    ) from None
finally:
    if _UNTOUCHED:
        del sys.modules[_CONVERTERS]

VERSION = str(openvino.__version__)

STEP = 2
"""Pictures that a core computes at once where there are many: as fast as more at once, with the
same bits. So nothing is compiled anew for another number of photographs, and at most one picture is
computed in vain for the last ones."""

_PRECISION_HINT = {"bfloat16": "bf16"}  # any other is computed in float32
_PADDING = {"SAME": "same_upper", "VALID": "valid"}  # TensorFlow's words to OpenVINO's


def compile_network(plan: Plan) -> Network:
    """See `features.backbones.engines.Engine`."""
    compiled = _compiled(network_model(plan), plan.precision, streams_of(plan.shape[0]))
    return CompiledNetwork(compiled, plan.precision)


def network_model(plan: Plan) -> Any:  # noqa: ANN401 - a library's objects, which have no types
    """Write a network down as a model of OpenVINO's: uint8 pixels of one step in, rows out."""
    step = step_of(plan.shape[0])
    pixels = ops.parameter([step, *plan.shape[1:]], np.uint8, "pixels")
    channels_first = ops.transpose(ops.convert(pixels, "f32"), [0, 3, 1, 2])
    nodes = _OpenVINOOps(plan.convolutions)
    maps = plan.architecture(nodes, channels_first)
    parts = [nodes.pooled(tap) for tap in plan.taps]
    if plan.with_map:
        by_position = ops.transpose(maps, [0, 2, 3, 1])
        parts.insert(0, ops.reshape(by_position, [step, -1], special_zero=False))
    rows = ops.concat(parts, 1) if len(parts) > 1 else parts[0]
    return openvino.Model([ops.result(rows)], [pixels], "backbone")


def step_of(batch_size: int) -> int:
    """Say how many pictures a network is compiled for that gets up to `batch_size`."""
    return STEP if batch_size >= 8 else 1


def streams_of(batch_size: int) -> int:
    """Say how many steps of a batch are computed at once, each on its share of the cores.

    The bits are the same. Threads that share one step wait for each other, spinning: 11 % of the
    processor time on two busy cores (`python -m benchmarks.backbone`).
    """
    cores, steps = core_count(), -(-batch_size // step_of(batch_size))
    return max(count for count in range(1, min(cores, steps) + 1) if cores % count == 0)


def compile_graph(graph: Any, shape: tuple[int, int, int, int], precision: str) -> Network:  # noqa: ANN401 - a library's objects, which have no types
    """Compile a function of TensorFlow's, uint8 pixels of `shape` to float32 rows."""
    from openvino.tools.ovc import convert_model

    traced = trace_tensorflow(graph, shape)
    return CompiledNetwork(
        _compiled(convert_model(traced.get_concrete_function()), precision), precision
    )


def compile_onnx(
    content: bytes,
    names: Sequence[str],
    shape: tuple[int, int, int, int],
    scale: Scale,
    precision: str,
) -> tuple[Any, bool]:
    """Compile the part of an ONNX network that computes the named tensors.

    Args:
        content: the file.
        names: of the tensors.
        shape: of the pixels, uint8 (batch_size, height, width, 3).
        scale: (factor, offset) of the pixels.
        precision: see `features.backbones.engines.Engine`.

    Returns:
        OpenVINO's compiled model, pixels in and the tensors out in their order, and whether its
        maps have their channels first.

    Raises:
        ValueError: it has several inputs, or no such tensor.
        RuntimeError: OpenVINO cannot read or compute it.
    """
    model = openvino.Core().read_model(content, b"")
    if len(model.inputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs")
    ports = {
        name: port for node in model.get_ops() for port in node.outputs() for name in port.names
    }
    missing = [name for name in names if name not in ports]
    if missing:
        raise ValueError(f"it has no tensor {missing[0]!r}")
    found = [ops.result(ports[name]) for name in names]
    part = openvino.Model(found, model.get_parameters(), "backbone")
    wanted = part.input(0).get_partial_shape()
    channels_first = wanted.rank.get_length() == 4 and str(wanted[1]) == "3"
    batch, height, width, _ = shape
    part.reshape([batch, 3, height, width] if channels_first else list(shape))
    factor, offset = (np.broadcast_to(np.asarray(each, np.float64), 3) for each in scale)
    steps = openvino.preprocess.PrePostProcessor(part)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32)
    steps.input().preprocess().mean(list(-offset / factor)).scale(list(1 / factor))
    steps.input().model().set_layout(openvino.Layout("NCHW" if channels_first else "NHWC"))
    return _compiled(steps.build(), precision), channels_first


def open_network(content: npt.NDArray[np.uint8], precision: str, batch_size: int) -> Network:
    """Open what `CompiledNetwork.to_bytes` gave, without a copy of it.

    Args:
        content: it.
        precision: that it computes in.
        batch_size: the most pictures that it will get at once.

    Raises:
        RuntimeError: it is none, or of another OpenVINO.
        PrecisionError: this processor does not compute it in that precision.
    """
    tensor = openvino.Tensor(content, shared_memory=True)
    settings = _settings(precision, streams_of(batch_size))
    opened = openvino.Core().import_model(tensor, "CPU", settings)
    _check_precision(opened, precision)
    return CompiledNetwork(opened, precision, content)


def _settings(precision: str, streams: int = 1) -> dict[str, Any]:
    hint = _PRECISION_HINT.get(precision, "f32")
    return {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": core_count(),
        "NUM_STREAMS": streams,
    }


def _compiled(model: Any, precision: str, streams: int = 1) -> Any:  # noqa: ANN401 - a library's objects, which have no types
    try:
        compiled = openvino.Core().compile_model(model, "CPU", _settings(precision, streams))
    except RuntimeError as error:  # OpenVINO believes in instructions that cannot be had
        raise EngineError(
            f"OpenVINO cannot compute this network in {precision} "
            f"({' '.join(str(error).split())[-160:]}); use another --precision or --engine"
        ) from error
    _check_precision(compiled, precision)
    return compiled


def _check_precision(compiled: Any, precision: str) -> None:  # noqa: ANN401 - a library's objects, which have no types
    found = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if found != _settings(precision)["INFERENCE_PRECISION_HINT"]:
        # It takes float32, silently, where the processor has nothing else.
        raise PrecisionError(
            f"--precision {precision} cannot be computed by OpenVINO on this processor; "
            "use --precision float32, or float16 for a cache of half the size"
        )


class CompiledNetwork:
    """A compiled network: pixels in, rows out.

    Args:
        compiled: OpenVINO's.
        precision: that it computes in.
        content: what it was opened from; it may read its weights from there.

    Attributes:
        step: pictures that it computes at once.
    """

    def __init__(self, compiled: Any, precision: str, content: object = None) -> None:  # noqa: ANN401 - a library's objects, which have no types
        self._compiled, self._precision, self._content = compiled, precision, content
        self._requests = openvino.AsyncInferQueue(compiled, compiled.get_property("NUM_STREAMS"))
        self._requests.set_callback(_keep)
        self.step = int(compiled.input(0).get_shape()[0])
        self._width = int(compiled.output(0).get_shape()[1])

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Array:
        """Compute the rows of uint8 (n, height, width, 3): float32 (n, width), n in whole steps."""
        rows = np.empty((len(pixels), self._width), np.float32)
        for start in range(0, len(pixels), self.step):
            stop = start + self.step
            self._requests.start_async(pixels[start:stop], rows[start:stop])
        self._requests.wait_all()
        return to_bfloat16(rows) if self._precision == "bfloat16" else rows

    def to_bytes(self) -> bytes:
        """Give what `open_network` reads."""
        found = self._compiled.export_model()
        return found if isinstance(found, bytes) else bytes(found.getbuffer())


def _keep(request: Any, rows: Array) -> None:  # noqa: ANN401 - a library's objects, which have no types
    """Copy a result out of the buffer that the next step writes to."""
    rows[...] = request.get_output_tensor(0).data


class _OpenVINOOps(FoldedOps):
    """Writes an architecture with folded convolutions down as OpenVINO's nodes."""

    def centre(self, x: Node, middle: float) -> Node:
        """Subtract a number."""
        return ops.subtract(x, ops.constant(np.float32(middle)))

    def _conv(
        self, x: Node, kernel: Array, bias: Array, stride: int, padding: str, activation: str
    ) -> Node:
        filters_first = ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        strides, pads = [stride] * 2, [0, 0]
        x = ops.convolution(
            x, filters_first, strides, pads, pads, [1, 1], auto_pad=_PADDING[padding]
        )
        return _activate(x, bias, activation)

    def _depthwise(
        self, x: Node, kernel: Array, bias: Array, stride: int, activation: str
    ) -> Node:  # kernel: (rows, columns, channels, 1)
        each = ops.constant(np.ascontiguousarray(kernel.transpose(2, 3, 0, 1))[:, None])
        strides, pads = [stride] * 2, [0, 0]
        x = ops.group_convolution(x, each, strides, pads, pads, [1, 1], auto_pad=_PADDING["SAME"])
        return _activate(x, bias, activation)

    def add(self, a: Node, b: Node) -> Node:
        """Add two tensors."""
        return ops.add(a, b)

    def max_pool(self, x: Node) -> Node:
        """Take the largest of 3×3, every second place."""
        return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)

    def average_pool(self, x: Node) -> Node:
        """Average 3×3; what is padded does not count."""
        return ops.avg_pool(x, [1, 1], [1, 1], [1, 1], [3, 3], exclude_pad=True)

    def _concat(self, parts: list[Node]) -> Node:
        return ops.concat(parts, 1)

    def _pooled(self, x: Node, largest: bool) -> Node:
        return (ops.reduce_max if largest else ops.reduce_mean)(x, [2, 3])


def _activate(x: Any, bias: Array, activation: str) -> Any:  # noqa: ANN401 - a library's objects, which have no types
    x = ops.add(x, ops.constant(bias.reshape(1, -1, 1, 1)))
    if activation == "none":
        return x
    return ops.relu(x) if activation == "relu" else ops.clamp(x, 0.0, 6.0)
