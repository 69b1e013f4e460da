"""Write ONNX: a graph that grows node by node, and is a model in the end.

What is written is plain ONNX of one operator set, with its weights inside, so that any runtime of
the standard computes it. (Open Neural Network Exchange, operator set 18.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Array
from features.errors import EngineError

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError:
    raise EngineError(
        'writing ONNX needs packages that are not installed; run: pip install "onepass[export]"'
    ) from None

OPSET, IR = 18, 9
MOST_BYTES = 2**31 - 2**20
"""Of a model in one file: what protobuf holds."""

INT64 = onnx.TensorProto.INT64
_TYPES = {"uint8": onnx.TensorProto.UINT8, "float32": onnx.TensorProto.FLOAT}

_GRAPH, _GRAPHS = onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS
Shape = Sequence[int | str]
Operand = str | npt.NDArray[Any] | np.generic
"""The name of a tensor, or a constant."""


class Graph:
    """A graph under construction.

    Attributes:
        nodes: in the order in which they are computed.
        scope: what names begin with from now on, as "backbone/".
        bytes: of all constants.

    Example:
        >>> graph = Graph()
        >>> y = graph.add("Mul", "x", np.float32(2))
        >>> model = graph.model({"x": ("float32", ["N"])}, {y: ("float32", ["N"])})
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.nodes: list[Any] = []
        self.scope = ""
        self.bytes = 0
        self._constants: dict[str, npt.NDArray[Any]] = {}
        self._halves: set[str] = set()

    def add(self, kind: str, *inputs: Operand, name: str = "", **attributes: Any) -> str:  # noqa: ANN401 - protobuf has few types
        """Add a node with one output; give the output's name."""
        return self.add_many(kind, 1, *inputs, name=name, **attributes)[0]

    def add_many(
        self,
        kind: str,
        outputs: int,
        *inputs: Operand,
        name: str = "",
        **attributes: Any,  # noqa: ANN401 - protobuf has few types
    ) -> list[str]:
        """Add a node with several outputs; give their names."""
        given = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        own = f"{self.scope}{name or f'{kind}_{len(self.nodes)}'}"
        made = [own if outputs == 1 else f"{own}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, given, made, name=own, **attributes))
        return made

    def constant(self, values: npt.NDArray[Any] | np.generic) -> str:
        """Keep an array in the model; give its name."""
        array = np.asarray(values)
        name = f"{self.scope}constant_{len(self._constants)}"
        self._constants[name] = array
        self.bytes += array.nbytes
        return name

    def weight(self, values: Array) -> str:
        """Add an array as `constant` does, which may be kept in half the space; see `model`."""
        name = self.constant(np.asarray(values, np.float32))
        self._halves.add(name)
        return name

    def slice(self, x: str, start: int, stop: int, axis: int) -> str:
        """Take a range along an axis."""
        return self.add(
            "Slice", x, np.array([start]), np.array([stop]), np.array([axis]),
        )  # fmt: skip

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape; -1 is what is left."""
        return self.add("Reshape", x, np.array(shape, np.int64))

    def reduce(self, kind: str, x: str, *axes: int, keep: bool = False) -> str:
        """Reduce over axes, as "Sum", "Mean" or "Max"."""
        return self.add(f"Reduce{kind}", x, np.array(axes, np.int64), keepdims=int(keep))

    def half(self, x: str) -> str:
        """Round to float16's 11 significant bits, as a cache of that precision does.

        A cast there and back is what OpenVINO leaves out. This is Veltkamp's splitting (Dekker, "A
        floating-point technique for extending the available precision", 1971).
        """
        high = self.add("Mul", x, np.float32(2**13 + 1))
        return self.add("Sub", high, self.add("Sub", high, x))

    def as_float(self, x: str) -> str:
        """Convert to float32."""
        return self.add("Cast", x, to=onnx.TensorProto.FLOAT)

    def adopt(self, content: bytes, x: str, channels_first: bool) -> dict[str, str]:
        """Take over the nodes of an ONNX file of one input.

        Args:
            content: the file.
            x: the tensor of this graph that it is given, float32 (m, height, width, 3).
            channels_first: whether it wants (m, 3, height, width).

        Returns:
            The names here of all its tensors, by their names there.

        Raises:
            EngineError: it uses what only its own runtime has, or another operator set that cannot
                be brought to this one.
        """
        model = _converted(content)
        if channels_first:
            x = self.add("Transpose", x, perm=[0, 3, 1, 2])
        weights = {one.name for one in model.graph.initializer}
        given = [one.name for one in model.graph.input if one.name not in weights]
        names = dict.fromkeys(given, x) | {"": ""}
        for one in model.graph.initializer:
            array = numpy_helper.to_array(one)
            large = array.dtype == np.float32 and array.ndim > 1
            names[one.name] = self.weight(array) if large else self.constant(array)
        for node in model.graph.node:
            inner = any(a.type in (_GRAPH, _GRAPHS) for a in node.attribute)
            if node.domain not in ("", "ai.onnx") or inner:
                raise EngineError(
                    f"its node {node.op_type} is of {node.domain or 'a graph in a graph'}; "
                    "expected plain nodes of the standard; export the network without it"
                )
            self._take_over(node, names)
        return names

    def join(self, other: Graph, given: Mapping[str, str]) -> dict[str, str]:
        """Take over the nodes of another graph; a constant that both have is kept once.

        Args:
            other: which stays as it is.
            given: tensors of this graph, by the names of the other's inputs.

        Returns:
            The names here of all its tensors, by their names there.
        """
        names, known = dict(given), {_key(one): name for name, one in self._constants.items()}
        for name, array in other._constants.items():
            keep = self.weight if name in other._halves else self.constant
            names[name] = known.get(_key(array)) or keep(array)
        for node in other.nodes:
            self._take_over(node, names)
        return names

    def _take_over(self, node: Any, names: dict[str, str]) -> None:  # noqa: ANN401 - protobuf has few types
        """Copy a node of another graph; `names` are those of tensors here, by those there."""
        for name in node.output:
            names.setdefault(name, f"{self.scope}{name}")
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{self.scope}{node.name or node.op_type}_{len(self.nodes)}"
        for field, old in (("input", node.input), ("output", node.output)):
            copy.ClearField(field)
            getattr(copy, field).extend(names[name] for name in old)
        self.nodes.append(copy)

    def model(
        self,
        inputs: Mapping[str, tuple[str, Shape]],
        outputs: Mapping[str, tuple[str, Shape]],
        *,
        half: bool = False,
        notes: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - onnx.ModelProto
        """Finish the model.

        Args:
            inputs: by name: dtype and shape; a text in a shape is a size that is not fixed.
            outputs: likewise; names of tensors.
            half: keep what `weight` was told in float16; it is computed in float32.
            notes: further texts by name, kept as the model's metadata.

        Raises:
            EngineError: it is larger than a file of ONNX can be.
        """
        if self.bytes > MOST_BYTES:
            raise EngineError(
                f"the file would hold {self.bytes / 1e9:.1f} GB; expected at most 2 GB, which is "
                "what one file of ONNX holds; fit on narrower features, as avg, or another head"
            )
        nodes, tensors = [], []
        for name, array in self._constants.items():
            if half and name in self._halves:
                tensors.append(numpy_helper.from_array(array.astype(np.float16), f"{name}_half"))
                cast = helper.make_node(
                    "Cast", [f"{name}_half"], [name], name=f"{name}_wide", to=onnx.TensorProto.FLOAT
                )
                nodes.append(cast)
            else:
                tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        graph = helper.make_graph(
            [*nodes, *self.nodes],
            "onepass",
            [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in inputs.items()],
            [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in outputs.items()],
            tensors,
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR,
            producer_name="onepass",
        )  # fmt: skip
        helper.set_model_props(made, dict(notes or {}))
        return made


def _key(array: npt.NDArray[Any]) -> tuple[Any, ...]:
    return array.shape, array.dtype.str, hashlib.sha256(array.tobytes()).digest()


def _converted(content: bytes) -> Any:  # noqa: ANN401 - onnx.ModelProto
    """Read a file and bring it to the operator set that is written here.

    Raises:
        EngineError: that cannot be done.
    """
    from onnx import version_converter

    try:
        model = onnx.load_from_string(content)
        found = {one.domain: one.version for one in model.opset_import}
        if found.get("", OPSET) == OPSET:
            return model
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # whatever its converters raise
        raise EngineError(
            f"it cannot be brought to operator set {OPSET} "
            f"({' '.join(str(error).split())[:120]}); export the network in that set"
        ) from error
