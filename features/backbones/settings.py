"""Say which network sees, with which recipe, weights and precision: the fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Pixels, Row, Rows
from features.backbones.drift_probe import probe_pixels
from features.backbones.engine_choice import engines_to_try, first_that_can
from features.backbones.engines import AUTO, DEFAULT_ENGINE, check_engine, engine_memory
from features.backbones.kept_networks import KEEPS, keep, kept_file, open_kept
from features.backbones.onnx_network import ONNX, OnnxNetwork
from features.backbones.registry import (
    DEFAULT_BACKBONE,
    Backbone,
    BackboneEntry,
    backbone_name,
    check_taps,
    close_look,
    entry_of,
    large_size,
    recipe_for,
    trained_weights,
    weight_bytes,
)
from features.backbones.two_sizes import TwoSizes
from features.backbones.weights import RecordedWeights, Weights, resolve_weights
from features.errors import DataError, WeightsError
from features.fingerprint import fingerprint_of
from features.photographs import recipe as recipes
from features.photographs.look import NO_CROPS, Crops, Kept, Look, parse_look, pool_map, pooled_of
from features.photographs.recipe import RECIPES, Recipe
from features.photographs.views import FULL, LARGE, view_named
from features.runtime import refuse_above_limit

Shape = tuple[int, int, int]
"""Pictures at once, their height and width."""

_OF_THE_BACKBONE = ("height", "width", "scale")  # of a recipe's fields

PRECISIONS = {"float32": "float32", "float16": "float16", "bfloat16": "float16"}
"""Precision -> dtype of the cached rows. float16 is computed in float32 and stored in half the
space; bfloat16 is computed in bfloat16, whose 8 significant bits fit into float16's 11."""


@dataclass(frozen=True)
class BackboneSettings:
    """Everything that decides a row besides the photograph itself, and how it is computed.

    Attributes:
        recipe: file to pixels; input size and scaling become the backbone's own.
        weights: found already, or recorded in a bundle and found when they are needed.
        precision: one of PRECISIONS.
        name: one of `features.backbones.registry.BACKBONES`, or "onnx".
        engine: one of `features.backbones.engines.ENGINES`, or "auto"; decides the speed and no
            row.
        taps: what is kept of intermediate layers as well; see `check_taps`.
        network: of "onnx" what its card says; else None.
        crops: of which parts of a photograph what is kept.
        pooled: what is kept in the place of the last map; see `features.photographs.look.POOLED`.

    Example:
        >>> weights = onepass.resolve_weights("random")
        >>> onepass.BackboneSettings(onepass.RECIPES["docs"], weights).recipe.exif_orientation
        False
    """

    recipe: Recipe
    weights: Weights | RecordedWeights
    precision: str = "float32"
    name: str = DEFAULT_BACKBONE
    engine: str = DEFAULT_ENGINE
    taps: tuple[str, ...] = ()
    network: OnnxNetwork | None = None
    crops: Crops = NO_CROPS
    pooled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names(precision=self.precision)
        check_engine(self.engine)
        object.__setattr__(self, "taps", check_taps(self.entry, self.taps))
        crops = self.crops._replace(taps=check_taps(self.entry, self.crops.taps))
        object.__setattr__(self, "crops", crops)
        object.__setattr__(self, "recipe", _sized(self.recipe, self.entry, crops))

    @property
    def fields(self) -> dict[str, Any]:
        """Say what the fingerprint is made of, readable."""
        return {
            "backbone": self.name,
            "precision": self.precision,
            "recipe": self.recipe.fields(),
            "weights": self.weights.digest,
            **({"taps": list(self.taps)} if self.taps else {}),
            **({"network": self.network.fields()} if self.network else {}),
            **self.crops.to_fields(),
            **({"map": list(self.pooled)} if self.pooled else {}),
        }

    @property
    def fingerprint(self) -> str:
        """Give the SHA-256 (hex) of `fields` as canonical JSON."""
        return fingerprint_of(self.fields)

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """Give the dtype of the cached rows."""
        return np.dtype(PRECISIONS[self.precision])

    @property
    def entry(self) -> BackboneEntry:
        """Give the entry of the registry, or of the card; imports no TensorFlow."""
        return self.network or entry_of({"backbone": self.name})

    @property
    def engines(self) -> tuple[str, ...] | None:
        """Name the engines worth trying under "auto", the best first; None for all."""
        found: tuple[str, ...] | None = getattr(self.entry, "engines", None)
        return found

    @property
    def cached_width(self) -> int:
        """Count the values of a row, taps and crops included."""
        crops = len(self.crops.views) * sum(self._widths(self.crops.taps).values())
        kept = len(self.pooled) * int(self.entry.map_shape[2]) if self.pooled else self._map_width
        return kept + sum(self._widths(self.taps).values()) + crops

    @property
    def _map_width(self) -> int:
        return int(np.prod(self.entry.map_shape))

    @property
    def _positions(self) -> int:
        return int(np.prod(self.entry.map_shape[:2]))

    def _widths(self, taps: tuple[str, ...]) -> dict[str, int]:
        return {tap: int(self.entry.tap_widths[tap]) for tap in taps}

    @property
    def look(self) -> Look:
        """Say what is looked at of a photograph, and kept."""
        return Look(self.taps, self.crops, self.pooled)

    @property
    def with_map(self) -> BackboneSettings:
        """Give these settings with the whole last map: the drift probe's row has it always."""
        return replace(self, pooled=())

    @property
    def cost(self) -> float:
        """Say how much a photograph costs, in pictures of the backbone's own size."""
        if self.recipe.large is None:
            return self.look.images
        height, width = self.recipe.large
        return self.look.images - 1 + height * width / (self.recipe.height * self.recipe.width)

    @property
    def probe_pictures(self) -> list[Pixels]:
        """Give the drift probe as the backbone is shown it: at each input size once."""
        sizes = [(self.recipe.height, self.recipe.width), *filter(None, [self.recipe.large])]
        return [probe_pixels(*size) for size in sizes]

    def probe_row(self, seen: Rows) -> Row:
        """Put what the backbone saw of `probe_pictures` into one row: the probe is its own crop.

        Args:
            seen: float32 (len(probe_pictures), values), as in `row_of`.
        """
        pictures = [int(view_named(view).large) for view in (FULL, *self.crops.views)]
        row: Row = self.with_map.row_of(seen[pictures], len(pictures))[0]
        return row

    def keeping(self, kept: Kept) -> BackboneSettings:
        """Give these settings with rows that keep this and no more.

        Raises:
            DataError: the backbone has no such layer.
        """
        return replace(self, taps=kept.taps, crops=kept.crops, pooled=kept.pooled)

    def looking(self, text: str) -> BackboneSettings:
        """Give these settings with the look of a text such as "close" or "full+five:mixed8".

        Raises:
            DataError: it is not understood, or the backbone has no such layer.
        """
        look = parse_look(text, close_look(self.entry), lambda taps: check_taps(self.entry, taps))
        return replace(self, taps=look.taps, crops=look.crops, pooled=())

    def row_of(self, seen: Rows, pictures: int) -> Rows:
        """Put what the backbone saw of photographs into their rows.

        Args:
            seen: float32 (n × pictures, values): of each photograph the whole, then its crops; of
                each picture the last map and all layers that the backbone was loaded with.
            pictures: of each photograph.

        Returns:
            float32 (n, cached_width).
        """
        if self.pooled:
            channels = self.entry.map_shape[2]
            maps = seen[::pictures, : self._map_width].reshape(-1, self._positions, channels)
            whole = self.with_map.row_of(seen, pictures)[:, self._map_width :]
            return np.concatenate([pool_map(maps, self.pooled), whole], axis=1)
        if not self.crops.sets:
            return seen
        seen = seen.reshape(-1, pictures, seen.shape[1])
        start, places = self._map_width, {}
        for tap, width in self._widths(self._layers).items():
            places[tap] = np.arange(start, start + width)
            start += width
        columns = [np.arange(self._map_width), *(places[tap] for tap in self.taps)]
        of_crops = np.concatenate([places[tap] for tap in self.crops.taps])
        crops = seen[:, 1:, of_crops].reshape(len(seen), -1)
        return np.concatenate([seen[:, 0, np.concatenate(columns)], crops], axis=1)

    @property
    def _layers(self) -> tuple[str, ...]:
        """Give those that the backbone has to give, of whatever picture."""
        return check_taps(self.entry, [*self.taps, *self.crops.taps])

    @property
    def of_whole_photographs(self) -> BackboneSettings:
        """Give these settings without crops: their network is one of those with crops."""
        return replace(self, crops=NO_CROPS, taps=self._layers, pooled=())

    def load(self, batch_size: int) -> Backbone:
        """Build the network and load its weights: seconds, once per run.

        Under "auto" the first engine that can have it, which `loading.Loading` names.

        Raises:
            WeightsError: the weights do not fit.
            PrecisionError: this processor cannot compute in that precision.
            EngineError: the engine's library is not installed.
            MemoryLimitError: the network takes more memory than work may.
        """
        if self.engine == AUTO:
            engines = engines_to_try(AUTO, self.engines)
            load = lambda engine: replace(self, engine=engine).load(batch_size)  # noqa: E731 - one expression, used once
            return first_that_can(engines, load)[1]
        refuse_above_limit(
            f"the network ({self.engine}, {batch_size} pictures at once)",
            self.network_memory(batch_size),
        )
        weights = self.weights.locate(trained_weights(self.entry))
        own, *large = (partial(self._network, weights, one) for one in self._shapes(batch_size))
        if self.recipe.large is None:
            return own()
        layers = sum(self._widths(self._layers).values())
        return TwoSizes(
            own, *large,
            at_once=self.engine == KEEPS, batches=[one[0] for one in self._shapes(batch_size)],
            large_size=self.recipe.large, width=self._map_width + layers, layers=layers,
        )  # fmt: skip

    def network_memory(self, batch_size: int) -> int:
        """Estimate the bytes that `load` takes, and calls then.

        Raises:
            WeightsError: the weights are not there.
        """
        engine = next(engines_to_try(self.engine, self.engines))
        weights = self.weights.locate(trained_weights(self.entry))
        held, found = weight_bytes(weights, self.entry), 0
        for shape in self._shapes(batch_size):
            file = replace(self, engine=engine)._kept_file(weights, shape)
            found += engine_memory(engine, held, shape, kept=file is not None and file.exists())
        return found

    def _shapes(self, batch_size: int) -> list[Shape]:
        """Say what the networks see at once: the one of its own size, and of the large one."""
        own = self.recipe.height, self.recipe.width
        if self.recipe.large is None:
            return [(batch_size, *own)]
        photographs = max(1, batch_size // self.look.images)
        crops = photographs * (self.look.images - 1) + bool(batch_size % self.look.images)
        return [(crops, *own), (photographs, *self.recipe.large)]

    def _kept_file(self, weights: Weights, shape: Shape) -> Path | None:
        """Name the file in which a network is kept, or will be; None where none is."""
        if self.engine != KEEPS or self.network is not None or weights.path is None:
            return None
        with_map = shape[1:] != self.recipe.large
        return kept_file(self.entry, self.fields, self._layers, (*shape, 3), with_map=with_map)

    def _network(self, weights: Weights, shape: Shape) -> Backbone:
        """Build the network for one input size, or open it where it was kept."""
        file = self._kept_file(weights, shape)
        known = None if file is None else open_kept(file, (*shape, 3), self.precision)
        if known is not None:
            return known
        size = {"input_size": shape[1:]} if shape[1:] == self.recipe.large else {}
        built = self.entry(
            weights.path,
            seed=weights.seed,
            scale=self.recipe.scale,
            batch_size=shape[0],
            precision=self.precision,
            engine=self.engine,
            taps=self._layers,
            **size,  # most entries have one
        )
        if file is not None:
            keep(file, getattr(built, "network", None))
        return built


def _sized(recipe: Recipe, entry: BackboneEntry, crops: Crops) -> Recipe:
    """Give a recipe with the sizes of a backbone's pictures; the larger one where it is seen."""
    large = large_size(entry) if LARGE in crops.sets else None
    sized = recipe_for(recipe, entry)
    return sized if sized.large == large else replace(sized, large=large)


def backbone_asked_for(
    backbone: str, weights: str | None, seed: int
) -> tuple[str, OnnxNetwork | None, Weights]:
    """Find what `--backbone` and `--weights` name.

    Args:
        backbone: a registered name in any spelling, or an ONNX file.
        weights: see `features.backbones.weights.resolve_weights`; None for "imagenet", or the ONNX
            file.
        seed: of random weights.

    Returns:
        The name in fingerprints, of an ONNX file its network, and the weights.

    Raises:
        DataError: unknown, or an ONNX file's card cannot be used.
        WeightsError: there are none, or weights are named for a file that has its own.
    """
    if not backbone.lower().endswith(".onnx"):
        name = backbone_name(backbone)
        trained = trained_weights(entry_of({"backbone": name}))
        return name, None, resolve_weights(weights or "imagenet", seed=seed, trained=trained)
    if weights is not None and weights != backbone:
        raise WeightsError(f"{backbone} has its own weights; leave --weights {weights} out")
    found = resolve_weights(backbone, trained=OnnxNetwork.trained)
    return ONNX, OnnxNetwork.of_file(Path(backbone)), found


def check_names(*, recipe: str | None = None, precision: str | None = None) -> None:
    """Raise DataError for a name that is given and in no registry."""
    for what, value, known in (
        ("recipe", recipe, RECIPES),
        ("precision", precision, PRECISIONS),
    ):
        if value is not None and value not in known:
            raise DataError(f"unknown {what} {value!r}; expected one of {', '.join(sorted(known))}")


def settings_from_fields(
    fields: Mapping[str, Any], weights: Weights | RecordedWeights, engine: str = DEFAULT_ENGINE
) -> BackboneSettings:
    """Give the settings that a cache or a bundle recorded.

    Raises:
        DataError: this version knows no such recipe (or knows it differently), or precision.
    """
    recorded, recipe = fields["recipe"], fingerprint_recipe(fields)
    if recipe is None:
        raise DataError(
            f"it was made with recipe {recorded.get('name')!r}, revision "
            f"{recorded.get('revision')}, which this version does not have; "
            "use the version that made it, or extract again"
        )
    name = str(fields["backbone"])
    network = OnnxNetwork.from_fields(fields.get("network")) if name == ONNX else None
    taps = tuple(fields.get("taps", ()))
    return BackboneSettings(
        recipe=recipe, weights=weights, precision=str(fields["precision"]), name=name,
        engine=engine, taps=taps, network=network, crops=Crops.of(fields),
        pooled=pooled_of(fields),
    )  # fmt: skip


def fingerprint_recipe(fields: Mapping[str, Any]) -> Recipe | None:
    """Give a fingerprint's recipe; None where this version has none with these pixels.

    Raises:
        DataError: this version has no such backbone.
    """
    recorded = fields.get("recipe", {})
    known = RECIPES.get(str(recorded.get("name")))
    if known is None or "backbone" not in fields:
        return recipes.recorded_recipe(recorded)
    own = known.fields()  # input size and scaling as they are without the backbone's own
    plain = recipes.recorded_recipe({**recorded, **{k: own[k] for k in _OF_THE_BACKBONE}})
    recipe = None if plain is None else _sized(plain, entry_of(fields), Crops.of(fields))
    return recipe if recipe is not None and recipe.fields() == recorded else None
