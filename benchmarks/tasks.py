"""What child processes do: extracting as this project does it, and as the write-up does it."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import peers
from benchmarks.turns import ROOT, Facts, Round
from features.backbones.engine_choice import engines_to_try
from features.backbones.engines import AUTO, TENSORFLOW
from features.backbones.inception_v3 import InceptionV3Backbone
from features.backbones.registry import BACKBONES
from features.photographs.decode import decode
from features.photographs.decode_worker_pool import stop
from features.photographs.recipe import RECIPES
from features.runtime import core_count, load_tensorflow
from pipeline.data.extract_folder import ExtractOptions


class WideToy:
    """The tests' toy backbone with rows of the real width: everything but the network is real."""

    cached_width: ClassVar[int] = InceptionV3Backbone.map_width
    map_shape: ClassVar[tuple[int, int, int]] = InceptionV3Backbone.map_shape
    tap_widths: ClassVar[Mapping[str, int]] = {}

    def __init__(self, path: Path | None, **settings: Any) -> None:  # noqa: ANN401
        sys.path.insert(0, str(ROOT / "tests"))
        import toy

        self._toy = toy.ToyBackbone(path, **settings)

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give the toy's 48 values, then zeros."""
        rows = np.zeros((len(pixels), self.cached_width), np.float32)
        values = self._toy.run(pixels)
        rows[:, : values.shape[1]] = values
        return rows


def use_toy() -> None:
    """Put the toy in the place of the network, under its name, in this process."""
    BACKBONES["inception_v3"] = f"{__name__}:WideToy"


def extract(
    folder: str,
    weights: str,
    precision: str,
    *,
    toy: bool,
    cache: str = "",
    networks: str = "",
    ready: bool = True,
) -> Round:
    """Give a round: `extract_folder` into a new cache, or into `cache` where that is named.

    Args:
        folder: of class folders.
        weights: "random" or a file.
        precision: of the rows.
        toy: no network.
        cache: a file that stays.
        networks: a folder for compiled networks; by default the account's own.
        ready: import TensorFlow before the first round if that computes the rows, as the write-up's
            way does.
    """
    from pipeline.data import extract_folder as sync
    from pipeline.data.extract_folder import extract_folder

    if networks:
        os.environ |= dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA"), networks)
    if toy:
        use_toy()
        # No drift probe of the toy, by which the real network would be refused in the same cache.
        sync._watch = lambda *_: None  # type: ignore[assignment]
    elif ready and next(engines_to_try(AUTO)) == TENSORFLOW:
        load_tensorflow()

    def round_() -> Facts:
        with tempfile.TemporaryDirectory() as fresh:
            path = Path(cache or Path(fresh) / "features.h5")
            done = extract_folder(
                Path(folder),
                path,
                ExtractOptions(weights=weights, precision=precision, look="plain"),
            )
        result = done.extraction
        stop()  # the processor time of its decoders is its own
        return {
            "stages": dict(result.seconds),
            "extracted": result.extracted,
            "reused": result.reused,
            "tensorflow": "tensorflow" in sys.modules,
        }

    return round_


def write_up(folder: str, weights: str, *, toy: bool) -> Round:
    """Give a round: the write-up's way, everything in memory. The model is built before."""
    files = sorted(Path(folder).rglob("*.jpg"))
    load, network = _toy_parts() if toy else _keras_parts(weights)

    def round_() -> Facts:
        images = []
        for file in files:
            images.append(load(file))  # noqa: PERF401 - as it is written there
        X = np.array(images) / 255
        rows = network(X)
        return {"extracted": len(rows)}

    return round_


def _keras_parts(weights: str) -> tuple[Any, Any]:
    """(file to float32 array, arrays to rows) as Keras has them."""
    load_tensorflow()
    from keras.utils import img_to_array, load_img

    path = None if weights == "random" else Path(weights)
    scale = cast("tuple[float, float]", RECIPES["docs"].scale)
    model = InceptionV3Backbone(path, scale=scale).keras_model()
    return (
        lambda file: img_to_array(load_img(file, target_size=(224, 224))),
        lambda X: model.predict(X, batch_size=peers.BATCH, verbose=0),
    )


def _toy_parts() -> tuple[Any, Any]:
    """Give the same without Keras and without a network."""

    def load(file: Path) -> npt.NDArray[np.float32]:
        with Image.open(file) as image:
            return np.asarray(image.resize((224, 224), Image.Resampling.NEAREST), np.float32)

    return load, lambda X: X.mean(axis=(1, 2))


def decode_alone(folder: str) -> Round:
    """Give a round: reading and decoding on all cores, and nothing else."""
    files = sorted(Path(folder).rglob("*.jpg"))
    recipe = RECIPES["imagenet"]

    def one(file: Path) -> None:
        decode(file.read_bytes(), recipe)

    def round_() -> None:
        with ThreadPoolExecutor(core_count()) as pool:
            list(pool.map(one, files))

    return round_


def backbone_alone(count: int, weights: str, precision: str, *, toy: bool) -> Round:
    """Give a round: the network on pixels in memory, the last batch padded, and nothing else.

    In the engine that `extract` takes.
    """
    if toy:
        backbone: Any = WideToy(None, batch_size=peers.BATCH)
    else:
        path = None if weights == "random" else Path(weights)
        engine = next(engines_to_try(AUTO))
        backbone = InceptionV3Backbone(path, scale=peers.SCALE, precision=precision, engine=engine)
    pixels = peers.draw_pixels(peers.BATCH)
    backbone.run(pixels)  # the first call compiles

    def round_() -> None:
        for start in range(0, count, peers.BATCH):
            backbone.run(pixels[: count - start])

    return round_


def stages_at_once(folder: str, count: int, weights: str, precision: str, *, toy: bool) -> Round:
    """Give a round: decoding and network as alone, both at once: what sharing the cores costs."""
    decoding, network = decode_alone(folder), backbone_alone(count, weights, precision, toy=toy)

    def round_() -> None:
        with ThreadPoolExecutor(1) as other:
            done = other.submit(network)
            decoding()
            done.result()

    return round_


def add_photographs(
    folder: str, weights: str, cache: str, extra: str, count: int, *, toy: bool
) -> Round:
    """Give a round: move `count` photographs from `extra` into the folder and extract."""
    again = extract(folder, weights, "float16", toy=toy, cache=cache, ready=False)
    waiting = iter(sorted(Path(extra).rglob("*.jpg")))

    def round_() -> Facts:
        for file in itertools.islice(waiting, count):
            shutil.move(file, Path(folder) / file.parent.name / file.name)
        return dict(again() or {})

    return round_
