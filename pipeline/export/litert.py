"""LiteRT (TensorFlow Lite): the model's graph computed by TensorFlow, and converted.

The nodes are those that `pipeline.export.graph` writes for ONNX; each is one line or one method
here. Maps stay channels last, as LiteRT wants them: what ONNX has as (m, channels, height, width)
is kept as (m, height, width, channels) and marked, and transposing between the two is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import ExportError
from features.runtime import load_tensorflow

_LAST, _FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
_AXIS_LAST = {0: 0, 1: 3, 2: 1, 3: 2}  # where ONNX's axes of a map are here
Given = Mapping[str, Any]  # attributes of a node
_PADDING = {b"SAME_UPPER": "SAME", b"VALID": "VALID"}


def to_litert(model: Any, *, half: bool = False) -> bytes:  # noqa: ANN401 - onnx.ModelProto
    """Convert a model for LiteRT; it takes one photograph at a time.

    Args:
        model: of `pipeline.export.graph.Written.model`, in float32.
        half: keep the weights, of the head too, in float16.

    Returns:
        The file; its signature has the names of the model's input and outputs.

    Raises:
        ExportError: a node has no form here; the message says which.
    """
    from onnx import numpy_helper

    tf, graph = load_tensorflow(), model.graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    (given,) = graph.input
    shape = [max(1, size.dim_value) for size in given.type.tensor_type.shape.dim]

    def compute(photographs: Any) -> dict[str, Any]:  # noqa: ANN401 - TensorFlow ships no types
        """Compute the graph's nodes in their order with TensorFlow."""
        found = {name: _Tensor(array) for name, array in constants.items()}
        found[given.name] = _Tensor(photographs)
        operations = _Operations(tf)
        for node in graph.node:
            made = operations.compute(node, [found[name] for name in node.input])
            found.update(zip(node.output, made, strict=True))
        return {one.name: tf.identity(found[one.name].value) for one in graph.output}

    module = tf.Module()
    takes = tf.TensorSpec(shape, _dtype(given.type.tensor_type.elem_type), given.name)
    module.compute = tf.function(compute, input_signature=[takes], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.compute.get_concrete_function()], module
    )
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content: bytes = converter.convert()
    return content


@dataclass(frozen=True)
class _Tensor:
    """A tensor of TensorFlow, or a constant.

    Attributes:
        value: of TensorFlow or NumPy.
        is_map: whether it lies channels last where ONNX says channels first.
    """

    value: Any
    is_map: bool = False


class _Operations:
    """ONNX's operations in TensorFlow: those that this project writes."""

    def __init__(self, tf: Any) -> None:  # noqa: ANN401 - objects of a library that has few types
        """Take the module."""
        self.tf = tf
        self._each: dict[str, Callable[..., Any]] = {
            "Abs": tf.abs,
            "Add": tf.add,
            "Clip": tf.clip_by_value,
            "Div": tf.divide,
            "Exp": tf.exp,
            "Identity": tf.identity,
            "LessOrEqual": tf.less_equal,
            "Log": tf.math.log,
            "Max": tf.maximum,
            "Mul": tf.multiply,
            "Neg": tf.negative,
            "Reciprocal": lambda x: 1 / x,
            "Relu": tf.nn.relu,
            "Sign": tf.sign,
            "Sqrt": tf.sqrt,
            "Sub": tf.subtract,
            "Where": tf.where,
        }
        self._of_maps: dict[str, Callable[..., _Tensor]] = {
            "AveragePool": self._average_pool,
            "Concat": self._concat,
            "Conv": self._convolution,
            "MaxPool": self._max_pool,
            "ReduceMax": self._reduce,
            "ReduceMean": self._reduce,
            "ReduceSum": self._reduce,
            "Transpose": self._transpose,
        }
        self._of_rows: dict[str, Callable[..., Any]] = {
            "Cast": lambda given, x: tf.cast(x, _dtype(given["to"])),
            "Flatten": lambda _, x: tf.reshape(x, (x.shape[0], -1)),
            "Gather": lambda given, x, places: tf.gather(x, places, axis=given.get("axis", 0)),
            "GatherElements": lambda given, x, places: tf.gather(
                x, places, axis=given["axis"], batch_dims=given["axis"]
            ),
            "MatMul": lambda _, a, b: tf.matmul(a, b),
            "Reshape": lambda _, x, shape: tf.reshape(x, shape),
            "Slice": _slice,
            "Softmax": lambda given, x: tf.nn.softmax(x, axis=given["axis"]),
            "TopK": self._smallest,
            "Unsqueeze": lambda _, x, axis: tf.expand_dims(x, int(axis[0])),
        }

    def compute(self, node: Any, inputs: Sequence[_Tensor]) -> list[_Tensor]:  # noqa: ANN401 - objects of a library that has few types
        """Compute a node.

        Args:
            node: onnx.NodeProto.
            inputs: its operands.

        Returns:
            Its outputs.

        Raises:
            ExportError: it is of another kind or form than this project writes.
        """
        from onnx import helper

        given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        values, is_map = [one.value for one in inputs], any(one.is_map for one in inputs)
        try:
            if node.op_type in self._of_maps:
                return [self._of_maps[node.op_type](node.op_type, given, *inputs)]
            if node.op_type in self._each:
                _expect(not is_map or all(one.is_map or np.size(one.value) == 1 for one in inputs))
                return [_Tensor(self._each[node.op_type](*values), is_map)]
            _expect(node.op_type in self._of_rows and not is_map)
            made = self._of_rows[node.op_type](given, *values)
        except (LookupError, TypeError, ValueError) as error:
            raise ExportError(
                f"{node.op_type} ({node.name}) has no form in LiteRT here; expected a model of "
                "inception_v3 or efficientnet-lite0; take --to onnx or --to openvino"
            ) from error
        return [_Tensor(one) for one in (made if isinstance(made, tuple) else (made,))]

    def _transpose(self, _: str, given: Given, x: _Tensor) -> _Tensor:
        order = list(given["perm"])
        if x.is_map:
            _expect(order == _LAST)
            return _Tensor(x.value)
        return (
            _Tensor(x.value, True)
            if order == _FIRST
            else _Tensor(self.tf.transpose(x.value, order))
        )

    def _convolution(
        self, _: str, given: Given, x: _Tensor, kernel: _Tensor, bias: _Tensor
    ) -> _Tensor:
        _expect(x.is_map and set(given) <= {"auto_pad", "strides", "group"})
        strides, padding = [1, *given["strides"], 1], _PADDING[given["auto_pad"]]
        weights, nn = kernel.value, self.tf.nn  # (filters, channels, rows, columns)
        if given.get("group", 1) == 1:
            y = nn.conv2d(x.value, weights.transpose(2, 3, 1, 0), strides, padding)
        else:
            _expect(weights.shape[:2] == (given["group"], 1))
            y = nn.depthwise_conv2d(x.value, weights.transpose(2, 3, 0, 1), strides, padding)
        return _Tensor(nn.bias_add(y, bias.value), True)

    def _max_pool(self, _: str, given: Given, x: _Tensor) -> _Tensor:
        _expect(x.is_map and set(given) == {"kernel_shape", "strides"})
        size, strides = given["kernel_shape"], given["strides"]
        return _Tensor(self.tf.nn.max_pool2d(x.value, size, strides, "VALID"), True)

    def _average_pool(self, _: str, given: Given, x: _Tensor) -> _Tensor:
        """Average at stride 1 what is there around each place: what TensorFlow calls SAME."""
        _expect(x.is_map and given == {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})
        return _Tensor(self.tf.nn.avg_pool2d(x.value, 3, 1, "SAME"), True)

    def _concat(self, _: str, given: Given, *parts: _Tensor) -> _Tensor:
        is_map = parts[0].is_map
        _expect(all(one.is_map == is_map for one in parts))
        axis = _AXIS_LAST[given["axis"]] if is_map else given["axis"]
        return _Tensor(self.tf.concat([one.value for one in parts], axis), is_map)

    def _reduce(self, kind: str, given: Given, x: _Tensor, axes: _Tensor) -> _Tensor:
        reduce = getattr(self.tf, f"reduce_{kind.removeprefix('Reduce').lower()}")
        keep, over = bool(given.get("keepdims", 1)), axes.value.tolist()
        _expect(not (x.is_map and keep))
        over = [_AXIS_LAST[axis] for axis in over] if x.is_map else over
        _expect(not x.is_map or sorted(over) == [1, 2])
        return _Tensor(reduce(x.value, over, keepdims=keep))

    def _smallest(self, given: Given, x: Any, count: Any) -> tuple[Any, Any]:  # noqa: ANN401 - objects of a library that has few types
        """Give the smallest values of each row, and where they are."""
        _expect(given["largest"] == 0 and given["axis"] == 1)
        values, places = self.tf.math.top_k(-x, int(count[0]))
        return -values, places


def _slice(_: Given, x: Any, start: Any, stop: Any, axis: Any) -> Any:  # noqa: ANN401 - objects of a library that has few types
    places = [slice(None)] * len(x.shape)
    places[int(axis[0])] = slice(int(start[0]), int(stop[0]))
    return x[tuple(places)]


def _dtype(number: int) -> Any:  # noqa: ANN401 - objects of a library that has few types
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(number)


def _expect(holds: bool) -> None:
    """Raise ValueError for a form of a node that is not written here."""
    if not holds:
        raise ValueError
