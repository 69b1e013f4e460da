"""Which library computes the frozen network: the registry of engines."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from features.arrays import Array
from features.errors import EngineError

ENGINES: dict[str, str] = {
    "tensorflow": "features.backbones.tensorflow_engine:compile_network",
    "openvino": "features.backbones.openvino_engine:compile_network",
}
"""Name on the command line -> "module:function". An engine decides how fast a row is computed, not
what it is: rows of all engines agree within the precision's tolerance, so it is no part of a row's
fingerprint."""

DEFAULT_ENGINE = "tensorflow"

Architecture = Callable[[Any, Any], Any]
"""A network as a function `(ops, x)`; see `inception_v3.architecture` for what `ops` are."""
Network = Callable[[npt.NDArray[np.uint8]], Array]
"""uint8 (batch_size, height, width, 3) -> float32 (batch_size, values of a row)."""


class Engine(Protocol):
    """Compiles a network into one call of a fixed shape."""

    def __call__(
        self,
        architecture: Architecture,
        convolutions: Sequence[tuple[Array, Array]],
        shape: tuple[int, int, int, int],
        precision: str,
        taps: Sequence[str] = (),
    ) -> Network:
        """Compile.

        Args:
            architecture: the network.
            convolutions: (kernel, bias) of each, in the architecture's order; kernels are
                (rows, columns, channels in, filters).
            shape: of the pixels: (batch_size, height, width, 3).
            precision: "bfloat16" computes in bfloat16, any other in float32.
            taps: what stands behind the map in each row; see `tap_source`.
        """
        ...


def tap_source(tap: str) -> tuple[str, bool]:
    """The block of the network that a tap is of, and what is kept of it over all positions.

    Returns:
        "mixed4", False for the tap "mixed4": each channel's mean; "mixed4", True for "mixed4-max":
        its largest value.
    """
    block = tap.removesuffix("-max")
    return block, block != tap


def load_engine(name: str) -> Engine:
    """The engine called `name`; its library is imported only now.

    Raises:
        EngineError: unknown, or its library is not installed.
    """
    check_engine(name)
    module, _, function = ENGINES[name].partition(":")
    return cast("Engine", getattr(importlib.import_module(module), function))


def check_engine(name: str) -> None:
    """Raise EngineError for a name that is in no registry."""
    if name not in ENGINES:
        raise EngineError(f"unknown engine {name!r}; expected one of {', '.join(ENGINES)}")
