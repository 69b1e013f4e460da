"""Say beforehand what bringing a cache in line with a folder costs: time and disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.backbones.settings import BackboneSettings
from features.backbones.two_sizes import see
from features.cache.sample_table import is_unchanged
from features.cache.shards import is_begun, open_cache
from features.cache.thumbnails import SIDE
from features.errors import ImageError
from features.photographs.decode_worker_pool import look_apart
from features.photographs.file import Photograph, read_photograph, stat_photograph
from features.photographs.views import FULL, view_named
from features.runtime import core_count
from pipeline.data.extract_folder import ExtractOptions, prepare
from pipeline.data.folder import Scan

_BESIDE = SIDE**2 + 350
"""Bytes of a photograph beside its row's values: the thumbnail, digests and its line of the table.
Slim rows of 2,048 values in float16 are less."""


@dataclass(frozen=True)
class Plan:
    """Hold what `extract_folder` would do.

    Attributes:
        scan: what the folder holds, and how it is read.
        missing: photographs such as the cache knows nothing of, or not all.
        pictures: that the backbone sees of each: the whole photograph and its crops.
        rows: that would be added.
        seconds: that this would take, by a measurement just made on this computer.
        size: bytes that the cache would grow by.
        look: what is kept of a photograph, as a text.
    """

    scan: Scan
    missing: int
    pictures: int
    rows: int
    seconds: float
    size: int
    look: str


def plan_folder(data: Path, cache_path: Path, options: ExtractOptions) -> Plan:
    """Plan what `extract_folder` would do with the same options; nothing is written.

    A photograph counts as known where path, size and times are those of the cache's table. The
    seconds come from a few photographs decoded and two calls of the backbone.

    Raises:
        DataError, WeightsError, EngineError, CacheError: as `extract_folder`.
    """
    ready = prepare(data, cache_path, options)
    settings, chosen = ready.settings, ready.chosen
    lacking = _lacking(ready.scan.photographs, cache_path, settings, chosen.names)
    rows = sum(lacking.values())
    pictures = settings.look.images
    seconds = 0.0
    if rows:
        names = [*chosen.names, *settings.crops.views]
        seconds = rows * _seconds_a_row(settings, options.batch_size)
        seconds += len(lacking) * _seconds_to_decode(
            list(lacking), settings, names, options.max_pixels
        )
    size = rows * (settings.cached_width * settings.row_dtype.itemsize + _BESIDE)
    return Plan(
        ready.scan, len(lacking), pictures * len(chosen.names), rows, seconds, size,
        str(settings.look),
    )  # fmt: skip


def _lacking(
    photographs: Sequence[Photograph],
    cache_path: Path,
    settings: BackboneSettings,
    views: Sequence[str],
) -> dict[Photograph, int]:
    """Find photographs that the cache lacks, with the number of rows."""
    if not is_begun(cache_path):
        return dict.fromkeys(photographs, len(views))
    found = {}
    with open_cache(cache_path) as cache:
        cache.check_fields(settings.fields)
        known = {table_row.path: table_row for table_row in cache.table_rows}
        for photograph in photographs:
            count, table_row = len(views), known.get(photograph.path)
            try:
                if table_row and is_unchanged(table_row, stat_photograph(photograph.file)):
                    count = sum(cache.find(table_row.digest, view) < 0 for view in views)
            except ImageError:
                continue  # the run itself says why
            if count:
                found[photograph] = count
    return found


def _seconds_a_row(settings: BackboneSettings, batch_size: int) -> float:
    """Measure seconds for the pictures of a row on two calls, after a first one, which compiles."""
    rows = max(1, batch_size // settings.look.images)
    backbone = settings.load(rows * settings.look.images)
    views = [view_named(name) for name in (FULL, *settings.crops.views)]
    pictures = [np.zeros((*settings.recipe.size_of(view), 3), np.uint8) for view in views] * rows
    see(backbone, pictures)
    started = time.perf_counter()
    see(backbone, pictures)
    return (time.perf_counter() - started) / rows


def _seconds_to_decode(
    photographs: Sequence[Photograph],
    settings: BackboneSettings,
    views: Sequence[str],
    max_pixels: int,
) -> float:
    """Give a photograph's share of the decoders' time, from a few spread over the folder."""
    some = photographs[:: max(1, len(photographs) // 6)][:7]
    seconds = []
    for photograph in some:
        started = time.perf_counter()
        try:
            data = read_photograph(photograph.file, max_pixels=max_pixels)
            look_apart(data, settings.recipe, views, max_pixels=max_pixels)
        except ImageError:
            continue
        seconds.append(time.perf_counter() - started)
    # The first one starts the process that decodes.
    return float(np.median(seconds)) / core_count() if seconds else 0.0
