"""A tiny network that every engine can compute and that writes itself: for tests of exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from features.backbones.engines import FixedBatch, Plan, load_engine
from features.backbones.registry import BACKBONES

SIDE = 32


def architecture(ops: Any, x: Any) -> Any:
    """32×32×3 to 4×4×6, every kind of operation once or twice."""
    x = ops.conv(ops.centre(x, 100.0), 8, 3, 3, 2, "SAME")
    x = ops.concat("mixed", [x, ops.average_pool(x)])
    x = ops.max_pool(x)
    x = ops.depthwise(x, 3, 1, "relu6")
    x = ops.block("narrow", ops.conv(x, 6, 1, 1, 1, "VALID", "none"))
    return ops.conv(ops.add(x, x), 6, 4, 4, 1, "VALID")


_SHAPES = ((3, 3, 3, 8), (3, 3, 16, 1), (1, 1, 16, 6), (4, 4, 6, 6))


class TinyBackbone(FixedBatch):
    """See `architecture`; its weights hang on the seed alone."""

    input_size: ClassVar[tuple[int, int]] = (SIDE, SIDE)
    scale: ClassVar[tuple[float, float]] = (1 / 64, 0.0)
    map_shape: ClassVar[tuple[int, int, int]] = (4, 4, 6)
    large_size: ClassVar[tuple[int, int]] = (48, 48)
    close_look: ClassVar[str] = "full+crops:mixed-max+narrow"
    tap_widths: ClassVar[dict[str, int]] = {
        "mixed": 16, "mixed-max": 16, "narrow": 6, "narrow-max": 6,
    }  # fmt: skip

    def __init__(self, _weights: Path | None, **settings: Any) -> None:
        draw = np.random.default_rng(settings["seed"])
        kernels = [
            (draw.standard_normal(shape) / np.sqrt(np.prod(shape[:3]))).astype(np.float32)
            for shape in _SHAPES
        ]
        kernels[0] /= 16
        biases = [draw.standard_normal(n).astype(np.float32) / 4 for n in (8, 16, 6, 6)]
        shape = (settings["batch_size"], *settings.get("input_size", self.input_size), 3)
        compile_network = load_engine(settings["engine"])
        folded = list(zip(kernels, biases, strict=True))
        with_map = shape[1:3] == self.input_size or not settings["taps"]
        plan = Plan(architecture, folded, shape, settings["precision"], settings["taps"], with_map)
        super().__init__(compile_network(plan), shape)


BACKBONES["tiny"] = "tiny:TinyBackbone"
