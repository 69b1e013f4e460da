"""Cheap rows with known truth: the tests' toy backbone, which here also notes what it finished."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import toy

from features.backbones.drift_probe import probe_pixels
from features.backbones.registry import BACKBONES
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights
from features.cache.cache import Cache
from features.photographs.decode import MAX_PIXELS, capture_time, decode_views
from features.photographs.decode_worker_pool import Decoded
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES, Recipe
from features.photographs.views import FULL

NOTE = {
    "root": "",
    "group_rule": {},
    "weights": {"source": "random", "name": "random", "digest": "random:0", "seed": 0},
}


class NotingToy(toy.ToyBackbone):
    """Notes "computed N" in a file for each finished batch of N photographs."""

    notes: ClassVar[Path | None] = None

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """As the toy: mean colours of a 4×4 grid."""
        rows: npt.NDArray[np.float32] = super().run(pixels)
        rides = (pixels[-1] == probe_pixels(*pixels.shape[1:3])).all()  # it is no photograph
        note(self.notes, f"computed {len(pixels) - rides}")
        return rows


def note(notes: Path | None, line: str) -> None:
    """Append a line that stays when this process is killed."""
    if notes is not None:
        handle = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{line}\n".encode())
        os.close(handle)


@dataclass
class Noted:
    """What a killed process had noted.

    Attributes:
        computed: photographs in finished batches, over all runs.
        reported: the last number of photographs that the progress bar called done.
    """

    computed: int = 0
    reported: int = 0


def read_notes(notes: Path | None) -> Noted:
    """Say what stands in a file of notes."""
    found = Noted()
    if notes is not None and notes.exists():
        for line in notes.read_text().splitlines():
            what, _, number = line.partition(" ")
            if what == "computed":
                found.computed += int(number)
            else:
                found.reported = int(number)
    return found


BACKBONES["torture"] = f"{__name__}:NotingToy"


def settings() -> BackboneSettings:
    """Of the cheap rows."""
    return BackboneSettings(
        RECIPES["imagenet"], Weights("random", None, "random:0"), "float32", "torture"
    )


def write_folder(root: Path, count: int, first: int = 0) -> Path:
    """`count` tiny photographs in two class folders, no two alike."""
    for number in range(first, first + count):
        file = root / ("Healthy" if number % 3 else "defects") / f"part-{number:05d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(toy.photograph(number))
    return root


def photographs_in(root: Path) -> list[Photograph]:
    """Say what `write_folder` wrote, as `extract` wants it."""
    return [
        Photograph(file, file.relative_to(root).as_posix(), file.parent.name)
        for file in sorted(root.glob("*/*.png"))
    ]


Truth = dict[tuple[bytes, bytes], npt.NDArray[np.float32]]


def truth_of(cache_path: Path) -> Truth:
    """Key -> row of a cache that nothing disturbed."""
    with Cache.read(cache_path) as cache:
        return dict(zip(cache.keys, cache.take(range(len(cache))), strict=True))


def wrong_rows(cache_path: Path, truth: Truth) -> tuple[int, int]:
    """(rows in a cache, how many of them differ in any bit from the truth)."""
    with Cache.read(cache_path) as cache:
        rows = cache.take(range(len(cache)))
        wrong = sum(
            key not in truth or row.tobytes() != truth[key].tobytes()
            for key, row in zip(cache.keys, rows, strict=True)
        )
        return len(cache), wrong


def call(name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever it returns
    """Call "module:function" with these arguments."""
    import importlib

    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)(**arguments)


def decode_here() -> None:
    """Let `extract` decode in this process: starting others would take most of a try."""
    module = importlib.import_module("features.extract")

    def look(
        data: bytes | memoryview,
        recipe: Recipe,
        views: Sequence[str] = (FULL,),
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> Decoded:
        data = bytes(data)
        return Decoded(decode_views(data, recipe, views, max_pixels=max_pixels), capture_time(data))

    module.look_apart = look  # type: ignore[attr-defined]
