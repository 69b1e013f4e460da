"""Say which engine computes the backbone where nobody names one: the fastest that gives right rows.

The order is that of `python -m benchmarks.backbone`: OpenVINO, ONNX Runtime, TensorFlow, on the
x86-64 processors that it was measured on; elsewhere TensorFlow alone. An engine that is installed
proves itself on this processor first: it computes a small network of every kind of operation, and
its rows must be NumPy's within what `drift_probe` tolerates of float32. So an engine that computes
in fewer bits, or wrongly, is passed over without a word. What a cache or a model recorded of the
drift probe is compared besides, whenever the backbone runs (`features.extract`).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from features.arrays import Array
from features.backbones.drift_probe import TOLERANCES, difference, probe_pixels
from features.backbones.engines import AUTO, ENGINES, TENSORFLOW, FoldedOps, Plan, load_engine
from features.errors import EngineError, PrecisionError

_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}
_MEASURED = ("x86_64", "amd64")  # what `platform.machine` says there
_SIDE = 16
T = TypeVar("T")


def engines_to_try(asked: str, able: tuple[str, ...] | None = None) -> Iterator[str]:
    """Name the engines to load a backbone with, one after the other until one can.

    Args:
        asked: a name of `ENGINES`, which is then the only one, or AUTO.
        able: those worth trying for the backbone, the best first; None for all.

    Yields:
        Names; an engine is imported and proven when its turn comes, TensorFlow not at all.
    """
    if asked != AUTO:
        yield asked
        return
    for name in able or tuple(_PACKAGES):
        if name in _PACKAGES and _is_right(name):
            yield name
    yield TENSORFLOW


def first_that_can(engines: Iterator[str], load: Callable[[str], T]) -> tuple[str, T]:
    """Load something with the first engine that can have it.

    Args:
        engines: from `engines_to_try`; what is left of them is left.
        load: called with a name; raises where that engine cannot.

    Returns:
        The name, and what was loaded.

    Raises:
        EngineError, PrecisionError: none can; what the first of them said.
    """
    failed: Exception | None = None
    for name in engines:
        try:
            return name, load(name)
        except (EngineError, PrecisionError) as error:  # such as what it has no form for
            failed = failed or error
    assert failed is not None
    raise failed


@cache
def _is_right(name: str) -> bool:
    """Say whether an engine is there, meant for this processor, and computes the small network."""
    if platform.machine().lower() not in _MEASURED or find_spec(_PACKAGES[name]) is None:
        return False
    pixels = probe_pixels(_SIDE, _SIDE)[None]
    convolutions = _drawn()
    try:
        plan = Plan(network, convolutions, pixels.shape, "float32", ("mixed",))
        compiled = load_engine(name)(plan)
        found = compiled(pixels)[0]
    except (EngineError, PrecisionError, RuntimeError, OSError, ImportError):
        return False
    ops = _NumpyOps(convolutions)
    maps = network(ops, pixels.astype(np.float32))
    expected = np.concatenate([maps.reshape(-1), ops.blocks["mixed"].mean(axis=(1, 2)).reshape(-1)])
    return difference(found, expected) <= TOLERANCES["float32"]


def network(ops: Any, x: Any) -> Any:  # noqa: ANN401 - whatever `ops` computes with
    """Lay out the small network: every kind of operation of InceptionV3 and EfficientNet-Lite0."""
    x = ops.conv(ops.centre(x, 100.0), 8, 3, 3, 2, "SAME")
    x = ops.concat("mixed", [x, ops.average_pool(x)])
    x = ops.max_pool(x)
    x = ops.depthwise(x, 3, 1, "relu6")
    x = ops.conv(x, 6, 1, 1, 1, "VALID", "none")
    return ops.add(x, x)


def _drawn() -> list[tuple[Array, Array]]:
    draw = np.random.default_rng(18)
    shapes = ((3, 3, 3, 8), (3, 3, 16, 1), (1, 1, 16, 6))
    found = []
    for shape in shapes:
        kernel = draw.standard_normal(shape) / np.sqrt(np.prod(shape[:3]))
        bias = draw.standard_normal(shape[2] if shape[3] == 1 else shape[3]) / 4
        found.append((kernel.astype(np.float32), bias.astype(np.float32)))
    found[0][0][...] /= 64  # pixels are large
    return found


class _NumpyOps(FoldedOps):
    """Computes an architecture on (n, rows, columns, channels) as TensorFlow defines it."""

    def centre(self, x: Array, middle: float) -> Array:
        """Subtract a number."""
        return x - np.float32(middle)

    def _conv(
        self, x: Array, kernel: Array, bias: Array, stride: int, padding: str, activation: str
    ) -> Array:
        windows = _windows(x, kernel.shape[0], stride, padding)
        return _activated(np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2])) + bias, activation)

    def _depthwise(
        self, x: Array, kernel: Array, bias: Array, stride: int, activation: str
    ) -> Array:
        windows = _windows(x, kernel.shape[0], stride, "SAME")
        return _activated(np.einsum("nrcdij,ijd->nrcd", windows, kernel[..., 0]) + bias, activation)

    def max_pool(self, x: Array) -> Array:
        """Take the largest of 3×3, every second place."""
        found: Array = _windows(x, 3, 2, "VALID").max(axis=(4, 5))
        return found

    def average_pool(self, x: Array) -> Array:
        """Average 3×3; what is padded does not count."""
        sums = _windows(x, 3, 1, "SAME").sum(axis=(4, 5))
        counts = _windows(np.ones_like(x), 3, 1, "SAME").sum(axis=(4, 5))  # padding counts for none
        return np.asarray(sums / counts, np.float32)

    def add(self, a: Array, b: Array) -> Array:
        """Add two tensors."""
        return a + b

    def _concat(self, parts: list[Array]) -> Array:
        return np.concatenate(parts, axis=3)


def _windows(x: Array, size: int, stride: int, padding: str) -> Array:
    """Cut out what each position sees: (n, rows, columns, channels, size, size)."""
    if padding == "SAME":
        pads = [(0, 0)]
        for length in x.shape[1:3]:
            missing = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads.append((missing // 2, missing - missing // 2))
        x = np.pad(x, [*pads, (0, 0)])
    found = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return found[:, ::stride, ::stride]


def _activated(x: Array, activation: str) -> Array:
    if activation == "none":
        return np.asarray(x, np.float32)
    return np.asarray(np.clip(x, 0, 6 if activation == "relu6" else None), np.float32)


assert set(_PACKAGES) | {TENSORFLOW} == set(ENGINES)
