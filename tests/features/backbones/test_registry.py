"""Each registered backbone keeps the contract: what the registry says is what it computes."""

from __future__ import annotations

import inspect
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.backbones.keras_networks import KERAS_NETWORKS
from features.backbones.registry import (
    BACKBONES,
    backbone_name,
    check_taps,
    entry_of,
    recipe_for,
    trained_weights,
)
from features.backbones.settings import BackboneSettings, fingerprint_recipe, settings_from_fields
from features.backbones.weights import Weights
from features.errors import DataError
from features.photographs.recipe import RECIPES

REAL = [name for name in BACKBONES if name != "toy"]
UNTRAINED = Weights("random", None, "random:0")
ALL = "ONEPASS_ALL_BACKBONES"  # set: every network of Keras's is built, which takes minutes
LIGHT = ("mobilenet-v2", "mobilenet-v3-small", "densenet121")


def settings(name: str, **changes: Any) -> BackboneSettings:
    return replace(BackboneSettings(RECIPES["imagenet"], UNTRAINED, name=name), **changes)


@pytest.mark.parametrize("name", REAL)
def test_an_entry_says_all_that_a_cache_needs(name: str) -> None:
    """Shapes are whole, the fingerprint is its own, and reading it back gives the same settings."""
    entry = entry_of({"backbone": name})
    assert len(entry.map_shape) == 3
    assert entry.tap_widths
    assert all(width > 0 for width in entry.tap_widths.values())
    made = settings(name, taps=tuple(list(entry.tap_widths)[-1:]))
    fields = json.loads(json.dumps(made.fields))
    assert settings_from_fields(fields, UNTRAINED).fingerprint == made.fingerprint
    assert fingerprint_recipe(fields) == made.recipe
    assert made.cached_width == np.prod(entry.map_shape) + entry.tap_widths[made.taps[0]]
    assert trained_weights(entry).suffixes


def test_fingerprints_are_all_different() -> None:
    """No two backbones share one; input size and scaling are part of them."""
    prints = {settings(name).fingerprint for name in REAL}
    assert len(prints) == len(REAL)
    densenet, lite = settings("densenet121"), settings("efficientnet-lite0")
    assert densenet.recipe.scale[0] != lite.recipe.scale[0]
    assert settings("efficientnet-b3").recipe.height == 300


def test_inception_v3_keeps_its_fingerprint() -> None:
    """Settings of caches made before there were other backbones are the same ones still."""
    recipe = {
        "name": "imagenet", "height": 224, "width": 224, "exif_orientation": True,
        "resize": "bilinear", "dct_scaling": True, "scale": [1 / 127.5, -1.0], "revision": 1,
    }  # fmt: skip
    fields = {
        "backbone": "inception_v3", "precision": "float32", "recipe": recipe, "weights": "random:0",
    }  # fmt: skip
    assert (
        settings_from_fields(fields, UNTRAINED).fingerprint
        == "08733fa0e39356339503a1011305d83025d1b5de5fe2165fc4e5525ba5a83440"
    )
    assert settings("inception_v3").recipe is RECIPES["imagenet"]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("EfficientNetV2B0", "efficientnet-v2-b0"),
        ("inception-v3", "inception_v3"),
        ("EfficientNet Lite0", "efficientnet-lite0"),
        ("ResNet50V2", "resnet50-v2"),
        ("convnext_xlarge", "convnext-xlarge"),
    ],
)
def test_names_in_any_spelling(typed: str, name: str) -> None:
    """Case, hyphens and underscores make no difference, and Keras's own names are understood."""
    assert backbone_name(typed) == name


def test_keras_names_are_all_understood() -> None:
    """The name of each function of keras.applications is one spelling of its entry."""
    for name, network in KERAS_NETWORKS.items():
        assert backbone_name(network.function) == name


def test_what_is_not_registered_is_refused() -> None:
    """Unknown backbones and taps are a line that names those that there are."""
    with pytest.raises(DataError, match=r"unknown backbone 'vgg16'; expected one of inception_v3"):
        backbone_name("vgg16")
    with pytest.raises(DataError, match="unknown backbone 'abacus'"):
        settings_from_fields(settings("inception_v3").fields | {"backbone": "abacus"}, UNTRAINED)
    with pytest.raises(DataError, match="unknown layer 'mixed4'; expected some of expand2"):
        check_taps(entry_of({"backbone": "efficientnet-lite0"}), ["mixed4"])


def test_the_write_ups_recipe_is_of_its_own_network() -> None:
    """Recipe docs has the write-up's scaling, which no other network was trained with."""
    with pytest.raises(DataError, match="recipe 'docs' is the write-up's"):
        recipe_for(RECIPES["docs"], entry_of({"backbone": "efficientnet-lite0"}))
    assert recipe_for(RECIPES["docs"], entry_of({"backbone": "inception_v3"})).name == "docs"


def test_weights_are_the_files_that_keras_downloads() -> None:
    """File name and checksum of each entry stand in the source of Keras's own function."""
    import keras

    for network in KERAS_NETWORKS.values():
        folder = Path(inspect.getfile(getattr(keras.applications, network.function))).parent
        source = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
        trained = network.trained
        assert trained.checksum in source, network.function
        assert trained.file.endswith(".h5")
        assert trained.size == network.input_size[0]


def needs_all(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        name not in LIGHT and ALL not in os.environ, reason=f"takes minutes; set {ALL}=1"
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_all(name)) for name in KERAS_NETWORKS]
)
def test_rows_are_kerass(name: str) -> None:
    """A row is Keras's own map of Keras's own preprocessing, then the taps; both engines agree."""
    import keras

    network = KERAS_NETWORKS[name]
    taps = tuple(network.tap_widths)[-2:]
    generator = np.random.default_rng(1)
    side = network.input_size[0]
    coarse = generator.integers(0, 256, (1, side // 10 + 1, side // 10 + 1, 3), dtype=np.uint8)
    pixels = coarse.repeat(10, axis=1).repeat(10, axis=2)[:, :side, :side]
    build = {"seed": 3, "scale": network.scale, "batch_size": 1, "taps": taps}
    rows = network(None, **build).run(pixels)
    module = inspect.getmodule(getattr(keras.applications, network.function))
    prepared = module.preprocess_input(pixels.astype(np.float32))
    model = network.keras_model(None, 3)
    blocks = [model.output, model.get_layer(taps[0]).output]
    maps, block = keras.Model(model.input, blocks)(prepared, training=False)
    maps, block = np.asarray(maps), np.asarray(block)
    assert maps.shape[1:] == network.map_shape
    pooled = block.mean(axis=(1, 2)), block.max(axis=(1, 2))
    assert pooled[0].shape[1] == network.tap_widths[taps[0]]
    expected = np.concatenate([maps.reshape(1, -1), *pooled], axis=1)
    assert np.isfinite(rows).all()
    assert np.ptp(rows) > 0
    assert np.abs(rows - expected).max() < 1e-4 * np.abs(expected).max()
    if name == LIGHT[0] or ALL in os.environ:
        pytest.importorskip("openvino", reason="needs the extra: pip install -e '.[openvino]'")
        other = network(None, **build, engine="openvino").run(pixels)
        assert np.abs(other - rows).max() < 1e-3 * np.abs(rows).max()


def test_trained_files_of_kerass_networks_load(tmp_path: Any) -> None:
    """A file that Keras wrote is read back to the same rows; a foreign one is refused."""
    from features.errors import WeightsError

    network = KERAS_NETWORKS["mobilenet-v3-small"]
    path = tmp_path / "small.weights.h5"
    network.keras_model(None, 5).save_weights(path)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    drawn = network(None, seed=5, scale=network.scale, batch_size=1).run(pixels)
    loaded = network(path, scale=network.scale, batch_size=1).run(pixels)
    assert np.array_equal(loaded, drawn)
    with pytest.raises(WeightsError, match="holds no weights of MobileNetV2"):
        KERAS_NETWORKS["mobilenet-v2"](path, scale=(1 / 127.5, -1.0))
