"""Which network sees, with which recipe, weights and precision, and the fingerprint of these."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.arrays import Pixels
from features.backbones.engines import DEFAULT_ENGINE, check_engine
from features.backbones.weights import RecordedWeights, Weights
from features.errors import DataError
from features.photographs.decode import RECIPES, Recipe, recorded_recipe

BACKBONES: dict[str, str] = {"inception_v3": "features.backbones.inception_v3:InceptionV3Backbone"}
"""The registry: name -> "module:class". A new backbone is one entry and its class."""

PRECISIONS = {"float32": "float32", "float16": "float16", "bfloat16": "float16"}
"""Precision -> dtype of the cached rows. float16 is computed in float32 and stored in half the
space; bfloat16 is computed in bfloat16, whose 8 significant bits fit into float16's 11."""


class Backbone(Protocol):
    """A frozen network. Built with what `BackboneSettings.load` gives.

    Attributes:
        row_width: values of its last map, which every row begins with.
        map_shape: of that map.
        tap_widths: values that a tap adds, by name in the order of the network.
    """

    row_width: int
    map_shape: tuple[int, int, int]
    tap_widths: Mapping[str, int]

    def run(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """uint8 (n, height, width, 3), n up to the batch size -> float32 (n, values of a row)."""
        ...


@dataclass(frozen=True)
class BackboneSettings:
    """Everything that decides a row besides the photograph itself, and how it is computed.

    Attributes:
        recipe: file to pixels.
        weights: found already, or recorded in a bundle and found when they are needed.
        precision: one of PRECISIONS.
        name: one of BACKBONES.
        engine: one of `features.backbones.engines.ENGINES`; decides the speed and no row.
        taps: what is kept of lower blocks as well; see `check_taps`.
    """

    recipe: Recipe
    weights: Weights | RecordedWeights
    precision: str = "float32"
    name: str = "inception_v3"
    engine: str = DEFAULT_ENGINE
    taps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names(precision=self.precision, backbone=self.name)
        check_engine(self.engine)
        object.__setattr__(self, "taps", check_taps(self.name, self.taps))

    @property
    def fields(self) -> dict[str, Any]:
        """What the fingerprint is made of, readable."""
        return {
            "backbone": self.name,
            "precision": self.precision,
            "recipe": self.recipe.fields(),
            "weights": self.weights.digest,
            **({"taps": list(self.taps)} if self.taps else {}),
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `fields` as canonical JSON, hex."""
        return fingerprint_of(self.fields)

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """dtype of the cached rows."""
        return np.dtype(PRECISIONS[self.precision])

    @property
    def backbone_class(self) -> Any:  # noqa: ANN401 - a class out of the registry
        """The class behind `name`; importing it does not import TensorFlow."""
        return _backbone_class(self.name)

    @property
    def row_width(self) -> int:
        """Values per row, taps included."""
        return int(self.backbone_class.row_width) + sum(tap_widths(self.fields).values())

    def load(self, batch_size: int) -> Backbone:
        """Build the network and load its weights: seconds, once per run.

        Raises:
            WeightsError: the weights do not fit.
            PrecisionError: this processor cannot compute in that precision.
            EngineError: the engine's library is not installed.
        """
        weights = self.weights.locate()
        backbone: Backbone = self.backbone_class(
            weights.path,
            seed=weights.seed,
            scale=self.recipe.scale,
            batch_size=batch_size,
            precision=self.precision,
            engine=self.engine,
            taps=self.taps,
        )
        return backbone


def _backbone_class(name: str) -> Any:  # noqa: ANN401 - a class out of the registry
    module, _, attribute = BACKBONES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def tap_widths(fields: Mapping[str, Any]) -> dict[str, int]:
    """Values that each tap of a cache adds to a row; raises DataError for unknown ones."""
    taps = fields.get("taps", ())
    if not taps:
        return {}
    check_names(backbone=str(fields["backbone"]))
    known = _backbone_class(fields["backbone"]).tap_widths
    return {tap: int(known[tap]) for tap in check_taps(fields["backbone"], taps)}


def check_taps(backbone: str, taps: Iterable[str]) -> tuple[str, ...]:
    """Names of taps, each once, in the order of the network.

    Raises:
        DataError: the backbone has none of this name.
    """
    wanted = [str(tap) for tap in taps]
    if not wanted:
        return ()
    known = _backbone_class(backbone).tap_widths
    for tap in wanted:
        if tap not in known:
            raise DataError(f"unknown tap {tap!r}; expected some of {', '.join(known)}")
    return tuple(tap for tap in known if tap in wanted)


def map_shape(name: str) -> tuple[int, int, int]:
    """Height, width and channels of a registered backbone's last map, which a row is made of."""
    shape: tuple[int, int, int] = _backbone_class(name).map_shape
    return shape


def check_names(
    *, recipe: str | None = None, precision: str | None = None, backbone: str | None = None
) -> None:
    """Raise DataError for a name that is given and in no registry."""
    for what, value, known in (
        ("recipe", recipe, RECIPES),
        ("precision", precision, PRECISIONS),
        ("backbone", backbone, BACKBONES),
    ):
        if value is not None and value not in known:
            raise DataError(f"unknown {what} {value!r}; expected one of {', '.join(sorted(known))}")


def fingerprint_of(fields: dict[str, Any]) -> str:
    """SHA-256 (hex) of the fields as JSON with sorted keys and no spaces."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    first: str = "in the cache",
    second: str = "asked for",
) -> str:
    """The fields in which two fingerprints differ, side by side on one line."""
    parts = []
    for name in sorted({*found, *wanted}):
        mine, yours = found.get(name), wanted.get(name)
        if mine == yours:
            continue
        if isinstance(mine, dict) and isinstance(yours, dict):
            if mine.get("name") != yours.get("name"):
                mine, yours = mine.get("name"), yours.get("name")
            else:
                keys = [k for k in sorted({*mine, *yours}) if mine.get(k) != yours.get(k)]
                mine, yours = {k: mine.get(k) for k in keys}, {k: yours.get(k) for k in keys}
        parts.append(f"{name} {_short(mine)} {first}, {_short(yours)} {second}")
    return "; ".join(parts)


def _short(value: object) -> str:
    text = str(value)
    return text[:12] + "…" if len(text) == 64 else text


def settings_from_fields(
    fields: Mapping[str, Any], weights: Weights | RecordedWeights, engine: str = DEFAULT_ENGINE
) -> BackboneSettings:
    """The settings that a cache or a bundle recorded.

    Raises:
        DataError: this version knows no such recipe (or knows it differently), or precision.
    """
    recorded = fields["recipe"]
    recipe = recorded_recipe(recorded)
    if recipe is None:
        raise DataError(
            f"it was made with recipe {recorded.get('name')!r}, revision "
            f"{recorded.get('revision')}, which this version does not have; "
            "use the version that made it, or extract again"
        )
    return BackboneSettings(
        recipe, weights, str(fields["precision"]), str(fields["backbone"]), engine,
        tuple(fields.get("taps", ())),
    )  # fmt: skip
