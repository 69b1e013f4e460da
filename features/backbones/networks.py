"""Load what computes rows by some settings: opened where it was kept, else built from weights."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from features.backbones import kept_networks
from features.backbones.engine_choice import engines_to_try, first_choice, first_that_can, is_right
from features.backbones.engines import AUTO, FixedBatch
from features.backbones.kept_networks import KEEPS
from features.backbones.registry import Backbone, trained_weights
from features.backbones.two_sizes import TwoSizes
from features.backbones.weights import RecordedWeights, Weights
from features.errors import EngineError

Settings = Any
"""A `features.backbones.settings.BackboneSettings`, which loads itself by this module."""
_Size = tuple[int, int]


def load(settings: Settings, batch_size: int) -> Backbone:
    """Give the backbone of some settings; see `BackboneSettings.load`."""
    kept = opened(settings, batch_size)
    if kept is not None:
        return kept
    if settings.engine == AUTO:
        engines = engines_to_try(AUTO, settings.engines)
        loading = lambda engine: load(replace(settings, engine=engine), batch_size)  # noqa: E731 - one expression, used once
        return first_that_can(engines, loading)[1]
    weights = settings.weights.locate(trained_weights(settings.entry))
    sizes = _sizes(settings, batch_size)
    return _together(settings, [_network(settings, weights, *one) for one in sizes], sizes)


def opened(settings: Settings, batch_size: int) -> Backbone | None:
    """Open what was kept on this computer: neither weights are read nor an engine is proven.

    Both were done when it was kept, under the digest of these weights, by this engine on this
    processor; its row of the drift probe was kept beside it.

    Returns:
        None where a network was not kept, or another engine would be asked for.

    Raises:
        WeightsError: a file of other weights is named.
    """
    engine = first_choice(settings.engines) if settings.engine == AUTO else settings.engine
    if engine != KEEPS or settings.network is not None or settings.weights.source == "random":
        return None
    if isinstance(settings.weights, RecordedWeights) and settings.weights.override:
        settings.weights.locate(trained_weights(settings.entry))
    sizes = _sizes(settings, batch_size)
    try:
        files = [_file(settings, *one) for one in sizes]
    except EngineError:  # not installed: who builds says what to install
        return None
    if not all(file.exists() for file in files):
        return None
    shapes = [_shape(settings, *one) for one in sizes]
    with ThreadPoolExecutor(len(sizes)) as pool:
        opening = partial(kept_networks.open_kept, precision=settings.precision)
        found = [each for each in pool.map(opening, files, shapes) if each is not None]
    return _together(settings, found, sizes) if len(found) == len(sizes) else None


def _sizes(settings: Settings, batch_size: int) -> list[tuple[int, _Size | None]]:
    """Give the networks that are needed: pictures of each batch, and their size if it is larger."""
    large, pictures = settings.recipe.large, settings.look.images
    if large is None:
        return [(batch_size, None)]
    photographs = max(1, batch_size // pictures)
    own = photographs * (pictures - 1) + bool(batch_size % pictures)
    return [(own, None), (photographs, large)]


def _together(
    settings: Settings,
    networks: Sequence[Backbone],
    sizes: Sequence[tuple[int, _Size | None]],
) -> Backbone:
    if len(networks) == 1:
        return networks[0]
    assert settings.recipe.large is not None
    return TwoSizes(
        networks[0], networks[1], batches=(sizes[0][0], sizes[1][0]),
        large_size=settings.recipe.large, width=settings.seen_width,
        layers=settings.seen_width - settings.map_width,
    )  # fmt: skip


def _shape(settings: Settings, batch_size: int, size: _Size | None) -> tuple[int, int, int, int]:
    height, width = size or (settings.recipe.height, settings.recipe.width)
    return batch_size, height, width, 3


def _file(settings: Settings, batch_size: int, size: _Size | None) -> Path:
    shape = _shape(settings, batch_size, size)
    return kept_networks.kept_file(
        settings.entry, settings.fields, settings.layers, shape, with_map=size is None
    )


def _network(settings: Settings, weights: Weights, batch_size: int, size: _Size | None) -> Backbone:
    """Build the network for one input size, and keep it where that can be done."""
    more = {} if size is None else {"input_size": size}  # most entries have one
    built: Backbone = settings.entry(
        weights.path,
        seed=weights.seed,
        scale=settings.recipe.scale,
        batch_size=batch_size,
        precision=settings.precision,
        engine=settings.engine,
        taps=settings.layers,
        **more,
    )
    can = settings.engine == KEEPS and settings.network is None and weights.path is not None
    if can and isinstance(built, FixedBatch) and is_right(KEEPS):
        kept_networks.keep(_file(settings, batch_size, size), built)
    return built
