"""Register the backbones: what each is, said without building it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from features.arrays import Array, Pixels, Scale
from features.backbones.keras_networks import KERAS_NETWORKS
from features.backbones.onnx_network import ONNX, OnnxNetwork
from features.backbones.weights import INCEPTION_V3, TrainedWeights, Weights
from features.errors import DataError
from features.photographs.look import PLAIN
from features.photographs.recipe import Recipe


class Backbone(Protocol):
    """A frozen network, compiled for one batch size and ready to run."""

    def run(self, pixels: Pixels) -> Array:
        """Run uint8 (n, height, width, 3), n up to the batch size -> float32 (n, values a row)."""
        ...


class BackboneEntry(Protocol):
    """Describe a backbone for the registry; called, it builds one.

    A hand-made network is a class with these attributes, registered as "module:class" and imported
    when it is asked for. A network of Keras's is a `KerasNetwork`, which is nothing but data.

    Attributes:
        map_shape: of its last map, (height, width, channels), which every row begins with.
        tap_widths: values that a tap adds, by name in the order of the network.
        input_size: height and width of what it sees; absent: the recipe's.
        scale: (factor, offset) of what it sees, numbers or one per channel; absent: the recipe's.
        trained: where its ImageNet weights come from; absent: InceptionV3's.
        engines: those worth trying where nobody names one, the best first; absent: all.
        large_size: height and width of larger pictures that it can be compiled for; absent: it has
            one input size.
        weight_bytes: of its weights, counted where they have no file, being drawn; absent: none.
        close_look: a look (`features.photographs.look`) for small defects; absent: `close_look`.
    """

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Give height, width and channels of its last map."""
        ...

    @property
    def tap_widths(self) -> Mapping[str, int]:
        """Count the values that a tap adds, by name."""
        ...

    def __call__(
        self,
        weights: Path | None,
        *,
        seed: int,
        scale: Scale,
        batch_size: int,
        precision: str,
        engine: str,
        taps: tuple[str, ...],
    ) -> Backbone:
        """Build it and load its weights; see `InceptionV3Backbone`."""
        ...


BACKBONES: dict[str, Any] = {
    "inception_v3": "features.backbones.inception_v3:InceptionV3Backbone",
    "efficientnet-lite0": "features.backbones.efficientnet_lite:EfficientNetLite0Backbone",
    **KERAS_NETWORKS,
}
"""The registry: name -> "module:class", or a `BackboneEntry`. A new backbone is one entry."""

DEFAULT_BACKBONE = "inception_v3"


def backbone_name(text: str) -> str:
    """Find the registered name that a person means: EfficientNetV2B0 is efficientnet-v2-b0.

    Letter case, spaces, hyphens, underscores and dots make no difference.

    Raises:
        DataError: no backbone has it.

    Example:
        >>> backbone_name("ConvNeXtTiny")
        'convnext-tiny'
    """

    def letters(name: str) -> str:
        """Keep letters and digits alone, lower case."""
        return "".join(letter for letter in name.lower() if letter.isalnum())

    for name in BACKBONES:
        if letters(name) == letters(text):
            return name
    raise DataError(
        f"unknown backbone {text!r}; expected one of {', '.join(BACKBONES)}, or a file FILE.onnx"
    )


def entry_of(fields: Mapping[str, Any]) -> BackboneEntry:
    """Look up the backbone of a fingerprint's fields; neither TensorFlow nor weights are loaded.

    Args:
        fields: "backbone" is its name; of ONNX networks, which are in no registry, "network" says
            what the registry would.

    Raises:
        DataError: this version has no such backbone.
    """
    name = str(fields["backbone"])
    if name == ONNX:
        return OnnxNetwork.from_fields(fields.get("network"))
    if name not in BACKBONES:
        raise DataError(
            f"unknown backbone {name!r}; expected one of {', '.join(sorted(BACKBONES))}"
        )
    entry: Any = BACKBONES[name]
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(importlib.import_module(module), attribute)
    found: BackboneEntry = entry
    return found


def trained_weights(entry: BackboneEntry) -> TrainedWeights:
    """Say where the entry's ImageNet weights come from."""
    found: TrainedWeights = getattr(entry, "trained", INCEPTION_V3)
    return found


def weight_bytes(weights: Weights, entry: BackboneEntry) -> int:
    """Count the bytes of weights: of their file, or, drawn or without need of one, as the entry."""
    if weights.path is not None and weights.path.exists():  # a kept network needs no file
        return weights.path.stat().st_size
    return int(getattr(entry, "weight_bytes", 0))


def recipe_for(recipe: Recipe, entry: BackboneEntry) -> Recipe:
    """Give the recipe with the entry's own input size and scaling, where it has its own.

    Raises:
        DataError: the recipe's scaling is its very point, as that of `docs`.
    """
    scale = getattr(entry, "scale", None)
    if scale is None:
        return recipe
    if recipe.name == "docs":
        raise DataError(
            "recipe 'docs' is the write-up's, whose scaling belongs to inception_v3; "
            "use --recipe imagenet with other backbones"
        )
    height, width = entry.input_size  # type: ignore[attr-defined]  # it has both, or none
    return replace(recipe, height=height, width=width, scale=scale)


def large_size(entry: BackboneEntry) -> tuple[int, int]:
    """Give height and width of the view `large` for a backbone.

    Raises:
        DataError: it has one input size.
    """
    found: tuple[int, int] | None = getattr(entry, "large_size", None)
    if found is None:
        raise DataError(
            "the view large was asked for, and this backbone has one input size; expected "
            "inception_v3 for it, or other views, as --look full+crops:LAYERS"
        )
    return found


def tap_widths(fields: Mapping[str, Any]) -> dict[str, int]:
    """Count the values that each tap adds to a cache's row; raise DataError for unknown ones."""
    taps = fields.get("taps", ())
    if not taps:
        return {}
    entry = entry_of(fields)
    return {tap: int(entry.tap_widths[tap]) for tap in check_taps(entry, taps)}


def check_taps(entry: BackboneEntry, taps: Iterable[str]) -> tuple[str, ...]:
    """Give the names of taps, each once, in the order of the network.

    Raises:
        DataError: the backbone has none of this name.
    """
    wanted = [str(tap) for tap in taps]
    if not wanted:
        return ()
    known = entry.tap_widths
    for tap in wanted:
        if tap not in known:
            raise DataError(f"unknown layer {tap!r}; expected some of {', '.join(known)}")
    return tuple(tap for tap in known if tap in wanted)


def close_look(entry: BackboneEntry) -> str:
    """Say what `extract --look close` stands for with a backbone.

    Where nobody measured it: the largest values of the deepest four layers, and the means of the
    deepest but one; "plain" where there are no layers.
    """
    own = getattr(entry, "close_look", None)
    if own is not None:
        return str(own)
    layers = [tap for tap in entry.tap_widths if f"{tap}-max" in entry.tap_widths][-4:]
    peaks = [f"{layer}-max" for layer in layers]
    return f"full+crops:{'+'.join([*peaks, *layers[-2:][:1]])}" if layers else PLAIN


def map_shape(fields: Mapping[str, Any]) -> tuple[int, int, int]:
    """Give height, width and channels of the last map of a cache's backbone."""
    return entry_of(fields).map_shape
