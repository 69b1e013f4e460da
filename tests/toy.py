"""A toy backbone for tests: quick, deterministic, and it counts its calls."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from features.backbones.registry import BACKBONES
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights
from features.photographs.recipe import RECIPES

WIDTH = 48


class ToyBackbone:
    """Mean colours of a 4×4 grid: 48 values between 0 and 1; its taps are means and ones."""

    cached_width: ClassVar[int] = WIDTH
    close_look: ClassVar[str] = "plain"
    large_size: ClassVar[tuple[int, int]] = (256, 256)
    tap_widths: ClassVar[dict[str, int]] = {"colour": 3, "white": 2}
    map_shape: ClassVar[tuple[int, int, int]] = (4, 4, 3)
    engines: ClassVar[tuple[str, ...]] = ("tensorflow",)
    calls: ClassVar[int] = 0
    photographs: ClassVar[int] = 0
    loads: ClassVar[int] = 0
    pause: ClassVar[float] = 0.0

    def __init__(self, path: Path | None, **settings: Any) -> None:
        type(self).loads += 1
        self.batch_size = settings["batch_size"]
        self.taps = settings.get("taps", ())

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        type(self).calls += 1
        type(self).photographs += len(pixels)
        assert len(pixels) <= self.batch_size
        time.sleep(self.pause)
        n, side = len(pixels), pixels.shape[1] // 4
        rows = pixels.reshape(n, 4, side, 4 * side * 3).sum(axis=2, dtype=np.uint32)
        sums = rows.reshape(n, 4, 4, side, 3).sum(axis=3)  # of integers: exact, and 20 times faster
        grid = sums / (side * side) / 255
        taps = {"colour": grid.mean(axis=(1, 2)), "white": np.ones((n, 2))}
        parts = [grid.reshape(n, WIDTH), *(taps[tap] for tap in self.taps)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    @classmethod
    def reset(cls) -> None:
        cls.calls = cls.photographs = cls.loads = 0
        cls.pause = 0.0


BACKBONES["toy"] = "toy:ToyBackbone"


def toy_settings(precision: str = "float32", recipe: str = "imagenet") -> BackboneSettings:
    """Give settings whose rows are cheap to make."""
    return BackboneSettings(RECIPES[recipe], Weights("random", None, "random:0"), precision, "toy")


def photograph(seed: int, size: tuple[int, int] = (24, 18), kind: str = "PNG") -> bytes:
    """Give a small photograph of noise; another seed gives another one."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def write_folder(root: Path, counts: dict[str, int], first_seed: int = 0) -> Path:
    """Give a folder of class folders with `counts` photographs each, all different."""
    seed = first_seed
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / label / f"part-{number // 2:03d}_view-{number % 2}.png").write_bytes(
                photograph(seed)
            )
            seed += 1
    return root
