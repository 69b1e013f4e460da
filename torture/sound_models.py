"""The models that are forged: every head, and what else a model's files can say.

Of heads that do not see numbers of classes alike there is one of three classes, too. Others carry a
calibration, claims, a look at views, or the card of another backbone; rows are the toy's in all.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tiny  # noqa: F401 - registers the backbone that can be exported
from models import shade, write_parts
from PIL import Image
from toy import ToyBackbone

import pipeline
from features.backbones.efficientnet_lite import EfficientNetLite0Backbone
from features.backbones.onnx_network import OnnxNetwork
from features.backbones.registry import BACKBONES
from features.cache.cache import Cache
from features.photographs.decode import decode
from features.photographs.recipe import RECIPES
from pipeline.heads import HEADS

RULE = pipeline.GroupRule("regex", r"part-(\d+)")
_FIXED = pipeline.ThresholdRule(fixed=(0.5, 0.5))
_SETTINGS: dict[str, dict[str, str | int | float]] = {
    "dense": {"epochs": 1}, "forest": {"trees": 3}, "boosting": {"trees": 3},
}  # fmt: skip
_THREE = ("dense", "logistic", "linear-svm", "lda", "knn", "forest", "boosting", "ensemble")
_QUICK = ("logistic", "knn", "boosting", "novelty")
_LITE, _ONNX_FILE = "efficientnet-lite0", "toy.onnx"
CNN, TINY = "cnn", "logistic-tiny"


class _LiteToy(ToyBackbone):
    """The toy with the card of the efficient network."""

    input_size: ClassVar[tuple[int, int]] = EfficientNetLite0Backbone.input_size
    scale: ClassVar[Any] = EfficientNetLite0Backbone.scale


def play() -> None:
    """Put the toy in the place of all backbones that the models name; in every child."""
    BACKBONES["inception_v3"] = "toy:ToyBackbone"
    BACKBONES[_LITE] = f"{__name__}:_LiteToy"
    RECIPES["docs"] = replace(RECIPES["docs"], height=32, width=32)
    OnnxNetwork.of_file = classmethod(  # type: ignore[method-assign,assignment]
        lambda cls, _path: cls((32, 32), (1.0, 0.0), "rows", {"colour": 3}, (4, 4, 3))
    )
    OnnxNetwork.__call__ = lambda _self, path, **settings: ToyBackbone(path, **settings)  # type: ignore[method-assign,assignment]


def make_models(root: str, quick: bool = False) -> list[str]:
    """Fit the models in root/models, their caches in root/caches; returns their names.

    Quick: some heads of two classes alone. root/new has the photographs to judge, root/more parts
    with labels that no model knows.
    """
    play()
    folder = Path(root)
    write_parts(folder / "data", 12)
    write_parts(folder / "new", 1, first=90)
    write_parts(folder / "more", 12, first=100)
    _write_third_class(folder / "three")
    (folder / _ONNX_FILE).write_bytes(b"\x08\x07")
    for name in ("caches", "rows"):
        (folder / name).mkdir()
    if quick:
        return [_fit(folder, head, head) for head in _QUICK]
    names = [_fit(folder, head, head) for head in HEADS]
    names += [_fit(folder, f"{head}-three", head, data="three") for head in _THREE]
    look: dict[str, Any] = {"look": "full+crops:colour"}
    names.append(_fit(folder, "logistic-close", "logistic", spec="full+crops:colour", **look))
    names.append(
        _fit(
            folder, "logistic-views", "logistic", spec="full+five:flat:max", views=["full", "five"]
        )
    )
    names.append(_fit(folder, "logistic-lite", "logistic", backbone=_LITE))
    names.append(
        _fit(folder, "logistic-onnx", "logistic", backbone=str(folder / _ONNX_FILE), look="plain")
    )
    names.append(
        _fit(
            folder,
            "logistic-claims",
            "logistic",
            rule=pipeline.ThresholdRule(max_missed=0.9, max_false=0.9),
        )
    )
    names.append(
        _fit(
            folder,
            "ridge-costs",
            "ridge",
            rule=pipeline.ThresholdRule(cost_missed=10.0, cost_false=1.0),
        )
    )
    if all(map(find_spec, ("onnx", "onnxruntime", "openvino"))):
        _fit(
            folder,
            TINY,
            "logistic",
            spec="full+crops:mixed-max",
            backbone="tiny",
            engine="openvino",
        )
    about = folder / "models" / "ridge-costs" / "model.json"
    content = json.loads(about.read_text())
    content["calibration"] = {"scale": "logit", "slope": 0.9, "offset": 0.1}
    about.write_text(json.dumps(content))
    return names


def make_cnn(root: str) -> str:
    """Train a network on 32 pixels in root/models; returns its name."""
    play()
    folder = Path(root)
    options = pipeline.CnnOptions(epochs=1, batch_size=8, group_rule=RULE)
    pipeline.train_cnn(folder / "data", folder / "models" / CNN, options)
    photographs = [decode(f.read_bytes(), RECIPES["docs"]) for f in (folder / "new").rglob("*.png")]
    np.save(folder / "rows" / f"{CNN}.npy", np.stack(photographs))
    return CNN


def cache_of(root: Path, name: str) -> Path:
    """Where the rows of a model's backbone and look lie."""
    own = root / "caches" / f"{name}.h5"
    return own if own.exists() else root / "caches" / "data.h5"


def rows_of(root: Path, name: str) -> npt.NDArray[Any]:
    """Give what a model sees of the photographs to judge: rows, or pixels."""
    found: npt.NDArray[Any] = np.load(root / "rows" / f"{name}.npy", allow_pickle=False)
    return found


def _fit(
    folder: Path,
    name: str,
    head: str,
    *,
    data: str = "data",
    spec: str = "flat",
    rule: pipeline.ThresholdRule = _FIXED,
    **look: Any,  # noqa: ANN401 - of `ExtractOptions`
) -> str:
    """Fit one model, and fill its cache with the rows of the photographs to judge."""
    own = data != "data" or bool(look)
    cache = folder / "caches" / (f"{name}.h5" if own else "data.h5")
    options = pipeline.ExtractOptions(
        weights=None if "onnx" in name else "random", group_rule=RULE, **look
    )
    if not cache.exists():
        pipeline.extract_folder(folder / data, cache, options)
    made = pipeline.fit(
        pipeline.load_dataset(cache),
        folder / "models" / name,
        pipeline.FitOptions(
            head=head,
            features=pipeline.FeatureSpec.parse(spec),
            settings=_SETTINGS.get(head, {}),
            threshold=rule if data == "data" else pipeline.ThresholdRule(),
            optimism=False,
        ),
    )
    if name != TINY:
        found = pipeline.find_photographs([str(folder / "new")])
        bundle = pipeline.load_bundle(made.folder)
        seen = pipeline.predict(bundle, found, cache)
        with Cache.read(cache) as rows:
            digests, (views, columns) = [one.digest for one in seen], bundle.seen
            each = [rows.take(rows.rows_of(digests, view), columns) for view in views]
        np.save(folder / "rows" / f"{name}.npy", np.concatenate(each, axis=1))
    return name


def _write_third_class(folder: Path) -> None:
    """Write the parts of two classes, and as many of a third, which is dark."""
    write_parts(folder, 12)
    for part in range(200, 204):
        for view in range(3):
            (folder / "dark").mkdir(exist_ok=True)
            pixels = (shade(part * 10 + view, bright=False) // 3).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "dark" / f"part-{part:03d}_{view}.png")
