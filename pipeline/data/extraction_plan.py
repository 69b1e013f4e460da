"""Say beforehand what bringing a cache in line with a folder costs: time and disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.backbones.settings import BackboneSettings
from features.cache.cache import Cache
from features.cache.sample_table import is_unchanged
from features.errors import ImageError
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import look_apart
from features.photographs.file import Photograph, read_photograph, stat_photograph
from features.runtime import core_count
from pipeline.data.extract_folder import Wanted, prepare


@dataclass(frozen=True)
class Plan:
    """What `extract_folder` would do.

    Attributes:
        photographs: in the folder.
        missing: of these, such as the cache knows nothing of, or not all.
        pictures: that the backbone sees of each: the whole photograph and its crops.
        rows: that would be added.
        seconds: that this would take, by a measurement just made on this computer.
        size: bytes that the cache would grow by.
        look: what is kept of a photograph, as a text.
    """

    photographs: int
    missing: int
    pictures: int
    rows: int
    seconds: float
    size: int
    look: str


def plan_folder(
    data: Path,
    cache_path: Path,
    wanted: Wanted,
    *,
    batch_size: int = 32,
    max_pixels: int = MAX_PIXELS,
) -> Plan:
    """Say what `extract_folder` would do with the same wishes; nothing is written.

    A photograph counts as known where path, size and times are those of the cache's table. The
    seconds come from a few photographs decoded and two calls of the backbone.

    Raises:
        DataError, WeightsError, EngineError, CacheError: as `extract_folder`.
    """
    scan, settings, _, chosen, *_ = prepare(data, cache_path, wanted)
    lacking = _lacking(scan.photographs, cache_path, settings, chosen.names)
    rows = sum(lacking.values())
    pictures = 1 + len(settings.crops.views)
    seconds = 0.0
    if rows:
        names = [*chosen.names, *settings.crops.views]
        seconds = rows * pictures * _seconds_a_picture(settings, batch_size)
        seconds += len(lacking) * _seconds_to_decode(list(lacking), settings, names, max_pixels)
    size = rows * settings.row_width * settings.row_dtype.itemsize
    return Plan(
        len(scan.photographs), len(lacking), pictures * len(chosen.names), rows, seconds, size,
        str(settings.look),
    )  # fmt: skip


def _lacking(
    photographs: Sequence[Photograph],
    cache_path: Path,
    settings: BackboneSettings,
    views: Sequence[str],
) -> dict[Photograph, int]:
    """Photographs that the cache lacks, with the number of rows."""
    if not cache_path.exists():
        return dict.fromkeys(photographs, len(views))
    found = {}
    with Cache.read(cache_path) as cache:
        cache.check_fields(settings.fields)
        known = {sample.path: sample for sample in cache.samples}
        for photograph in photographs:
            count, sample = len(views), known.get(photograph.path)
            try:
                if sample and is_unchanged(sample, stat_photograph(photograph.file)):
                    count = sum(cache.find(sample.digest, view) < 0 for view in views)
            except ImageError:
                continue  # the run itself says why
            if count:
                found[photograph] = count
    return found


def _seconds_a_picture(settings: BackboneSettings, batch_size: int) -> float:
    """Measured on two calls, the first one aside, which compiles."""
    backbone = settings.load(batch_size)
    shape = (batch_size, settings.recipe.height, settings.recipe.width, 3)
    pixels = np.zeros(shape, np.uint8)
    backbone.run(pixels)
    started = time.perf_counter()
    backbone.run(pixels)
    return (time.perf_counter() - started) / batch_size


def _seconds_to_decode(
    photographs: Sequence[Photograph],
    settings: BackboneSettings,
    views: Sequence[str],
    max_pixels: int,
) -> float:
    """A photograph's share of the decoders' time, from a few spread over the folder."""
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
