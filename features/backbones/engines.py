"""Register the engines: libraries that compute the frozen network."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.arrays import Array
from features.errors import EngineError

ENGINES: dict[str, str] = {
    "tensorflow": "features.backbones.tensorflow_engine",
    "openvino": "features.backbones.openvino_engine",
    "onnx": "features.backbones.onnx_engine",
}
"""Name on the command line -> module, with an `Engine` called `compile_network` for hand-made
networks, and `compile_graph(graph, shape, precision)` for Keras's. An engine decides how fast a row
is computed, not what it is: rows of all engines agree within the precision's tolerance, so it is
no part of a row's fingerprint."""

TENSORFLOW = "tensorflow"
"""What is there in any case."""

AUTO = "auto"
"""Instead of a name: the fastest engine that gives right rows here; see `engine_choice`."""

DEFAULT_ENGINE = AUTO

_TAKEN = {"tensorflow": (3.5, 8e6), "openvino": (5.0, 1.5e6), "onnx": (5.6, 13e6)}
"""Engine -> bytes that a network takes at most while it is built and run, for each byte of its
weights and for each picture of 224×224 pixels. Measured with InceptionV3 (tests/test_memory.py)."""
_TAKEN_OPENED = 2.5  # for each byte of the weights, of a network that was kept

Node = Any
"""What an engine computes with: a tensor, or a node of its graph."""
Architecture = Callable[[Any, Any], Any]
"""A network as a function `(ops, x)`; see `inception_v3.architecture` for what `ops` are."""
Network = Callable[[npt.NDArray[np.uint8]], Array]
"""uint8 (batch_size, height, width, 3) -> float32 (batch_size, values of a row). One with an
attribute `step` takes any multiple of so many pictures instead."""


@dataclass(frozen=True)
class Plan:
    """A network that an engine is to compile into one call of a fixed shape.

    Attributes:
        architecture: the network.
        convolutions: (kernel, bias) of each, in the architecture's order; kernels are
            (rows, columns, channels in, filters).
        shape: of the pixels: (batch_size, height, width, 3).
        precision: "bfloat16" computes in bfloat16, any other in float32.
        taps: what stands behind the map in each row; see `tap_source`.
        with_map: whether rows begin with the last map; not so, nothing behind the last of the taps
            need be computed.
    """

    architecture: Architecture
    convolutions: Sequence[tuple[Array, Array]]
    shape: tuple[int, int, int, int]
    precision: str
    taps: Sequence[str] = ()
    with_map: bool = True


class Engine(Protocol):
    """Compiles a network into one call of a fixed shape."""

    def __call__(self, plan: Plan) -> Network:
        """Compile."""
        ...


class FoldedOps:
    """Say what folded architectures are written in; engines say how each is made.

    Attributes:
        blocks: its maps by name.
    """

    def __init__(self, convolutions: Sequence[tuple[Node, Node]]) -> None:
        """Take (kernel, bias) of each convolution, in the architecture's order."""
        self._convolutions = iter(convolutions)
        self.blocks: dict[str, Node] = {}

    def conv(
        self,
        x: Node,
        _filters: int,
        _rows: int,
        _columns: int,
        stride: int,
        padding: str,
        activation: str = "relu",
    ) -> Node:
        """Apply the next convolution; its kernel says how many filters, rows and columns."""
        return self._conv(x, *next(self._convolutions), stride, padding, activation)

    def depthwise(self, x: Node, _size: int, stride: int, activation: str) -> Node:
        """Apply the next convolution, a filter a channel."""
        return self._depthwise(x, *next(self._convolutions), stride, activation)

    def block(self, name: str, x: Node) -> Node:
        """Give a map its name."""
        self.blocks[name] = x
        return x

    def concat(self, name: str, parts: list[Node]) -> Node:
        """Put maps behind one another, and name what comes out."""
        return self.block(name, self._concat(parts))

    def pooled(self, tap: str) -> Node:
        """Pool a block that is there already: (m, channels)."""
        block, largest = tap_source(tap)
        return self._pooled(self.blocks[block], largest)

    def _conv(
        self, x: Node, kernel: Node, bias: Node, stride: int, padding: str, activation: str
    ) -> Node:
        raise NotImplementedError

    def _depthwise(self, x: Node, kernel: Node, bias: Node, stride: int, activation: str) -> Node:
        raise NotImplementedError

    def _concat(self, parts: list[Node]) -> Node:
        raise NotImplementedError

    def _pooled(self, x: Node, largest: bool) -> Node:
        raise NotImplementedError


def tap_source(tap: str) -> tuple[str, bool]:
    """Give the block of the network that a tap is of, and what is kept of it over all positions.

    Returns:
        "mixed4", False for the tap "mixed4": each channel's mean; "mixed4", True for "mixed4-max":
        its largest value.
    """
    block = tap.removesuffix("-max")
    return block, block != tap


def load_engine(name: str, function: str = "compile_network") -> Any:  # noqa: ANN401 - an engine's own function
    """Give a function of the engine called `name`, whose library is imported only now.

    Raises:
        EngineError: unknown, or its library is not installed.
    """
    if name == AUTO:
        raise EngineError(f"found the engine {AUTO}; expected one of {', '.join(ENGINES)} here")
    check_engine(name)
    return getattr(importlib.import_module(ENGINES[name]), function)


def check_engine(name: str) -> None:
    """Raise EngineError for a name that is in no registry."""
    if name not in ENGINES and name != AUTO:
        raise EngineError(
            f"unknown engine {name!r}; expected {AUTO} or one of {', '.join(ENGINES)}"
        )


def engine_memory(
    engine: str, weights: int, shape: tuple[int, int, int], *, kept: bool = False
) -> int:
    """Estimate the bytes that a network takes in memory, its engine's library not counted.

    Args:
        engine: one of ENGINES.
        weights: bytes of their file.
        shape: of what it sees at once: pictures, height, width.
        kept: whether it is opened as it was kept, not built.
    """
    of_weights, of_picture = _TAKEN[engine]
    pictures, height, width = shape
    seen = pictures * height * width / 224**2
    return round(weights * (_TAKEN_OPENED if kept else of_weights) + seen * of_picture)


def to_bfloat16(rows: Array) -> Array:
    """Round to bfloat16's 8 significant bits, to even, as float32 of the same shape.

    TensorFlow's rows in bfloat16 lie on this grid by themselves; an engine that widens its last
    result rounds it, so that rows say what they were computed in (`drift_probe.is_coarse`).
    """
    bits = np.array(rows, np.float32, order="C").view(np.uint32)  # a copy, worked on in place
    up = bits >> np.uint32(16)
    up &= np.uint32(1)
    up += np.uint32(0x7FFF)
    bits += up
    bits &= np.uint32(0xFFFF0000)
    return bits.view(np.float32)


class FixedBatch:
    """A compiled network of a fixed batch size, which runs on fewer photographs as well.

    Args:
        network: compiled for `shape`; an attribute, too.
        shape: of the pixels: (batch_size, height, width, 3).
    """

    def __init__(self, network: Network, shape: tuple[int, int, int, int]) -> None:
        self.batch_size = shape[0]
        self.network, self._shape = network, shape

    def run(self, pixels: npt.NDArray[np.uint8]) -> Array:
        """Compute the rows of up to `batch_size` photographs.

        Args:
            pixels: uint8 (n, height, width, 3), RGB.

        Returns:
            float32 (n, values of a row): the last map flattened, then the taps.
        """
        if len(pixels) > self.batch_size:
            raise ValueError(f"{len(pixels)} pictures; expected up to {self.batch_size}")
        step = getattr(self.network, "step", self.batch_size)
        missing = max(step, -(-len(pixels) // step) * step) - len(pixels)
        batch = pixels
        if missing:
            batch = np.zeros((len(pixels) + missing, *self._shape[1:]), np.uint8)
            batch[: len(pixels)] = pixels
        return self.network(batch)[: len(pixels)]
