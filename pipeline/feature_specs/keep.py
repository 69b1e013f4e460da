"""Rows as small as what is read: what a slim cache keeps for some feature specs.

A row of the full look is made for whatever a head may want to see. Where that is settled, a cache
with what it reads alone is a tenth or a twentieth as large: pooled values in the place of the last
map, the named layers, the crops that are asked for. `extract --keep` makes such a cache,
`cache slim` makes one of a full cache. What a kept row is stands in the fingerprint, as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from features.cache.row_parts import RowParts
from features.cache.shards import open_cache
from features.cache.slim import Slim, slim
from features.errors import FeatureSpecError
from features.extract import Progress
from features.photographs.look import POOLED, Crops, Kept
from features.photographs.views import FULL, Chosen
from pipeline.data.folder_record import FolderRecord
from pipeline.feature_specs.spec import FeatureSpec, Flat, Largest, Taps


def parse_keep(text: str | None) -> Kept | None:
    """Read what `extract --keep` takes: feature specs with commas; None for None.

    Raises:
        FeatureSpecError: one is not understood, or they cannot stand in one cache.

    Example:
        >>> parse_keep("avg,five:mixed8:root").crops
        Crops(sets=('five',), taps=('mixed8',))
    """
    return None if text is None else kept_by(specs_in(text))


def specs_in(text: str) -> list[FeatureSpec]:
    """Read feature specs with commas between them, each once.

    Raises:
        FeatureSpecError: none, or one that is not understood.
    """
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise FeatureSpecError(f"found no features in {text!r}; expected some, as avg,avg+max:root")
    return [FeatureSpec.parse(name) for name in names]


def kept_by(specs: Sequence[FeatureSpec], row_parts: RowParts | None = None) -> Kept:
    """Say what a cache must keep for these feature specs.

    Args:
        specs: what heads are going to see.
        row_parts: of the rows that it is taken of; None where rows are yet to be computed: crops
            of which layers alone are read then stand in the row of the photograph.

    Raises:
        FeatureSpecError: a spec reads what the rows do not have, or specs cannot stand in one row.
    """
    flat, largest = False, False
    taps: dict[str, None] = {}
    crop_taps: dict[str, None] = {}
    crop_sets: dict[str, None] = {}
    views: dict[str, None] = {FULL: None}
    for spec in specs:
        if row_parts is not None:
            spec.width(row_parts)
        layers = dict.fromkeys(
            name
            for pooling in spec.poolings
            if isinstance(pooling, Taps)
            for name in _named(pooling, spec, row_parts)
        )
        if _in_one_row(spec, row_parts):
            crop_sets |= dict.fromkeys(name for name in spec.sets if name != FULL)
            crop_taps |= layers
            taps |= layers if FULL in spec.views else {}
            continue
        views |= dict.fromkeys(spec.sets)
        taps |= layers
        flat = flat or any(isinstance(pooling, Flat) for pooling in spec.poolings)
        largest = largest or any(isinstance(pooling, Largest) for pooling in spec.poolings)
    if crop_sets and len(views) > 1:
        raise FeatureSpecError(
            f"the features {', '.join(spec.text for spec in specs)} cannot stand in one cache: "
            f"layers of {', '.join(crop_sets)} stand in the row of the photograph, the map of "
            f"{', '.join(list(views)[1:])} in rows of its own; expected one of the two kinds"
        )
    pooled = () if flat else POOLED if largest else POOLED[:1]
    crops = Crops(tuple(crop_sets), tuple(crop_taps))
    return Kept(tuple(spec.text for spec in specs), pooled, tuple(taps), crops, tuple(views))


def slim_cache(
    path: Path,
    keep: str,
    out: Path,
    *,
    precision: str | None = None,
    progress: Progress | None = None,
) -> Slim:
    """Make a slim cache of another: the rows of these feature specs have the same bits.

    Args:
        path: a cache; it stays as it is.
        keep: feature specs with commas between them.
        out: the new cache, which must not exist.
        precision: "float16" stores values of float32 in half the space; None for the cache's own.
        progress: called as `progress(rows done, rows in all)`.

    Raises:
        FeatureSpecError: a spec is not understood, or reads what the cache does not have.
        CacheError: a cache cannot be read, a row is damaged, or `out` exists.
        DataError: a precision that rows of the cache cannot be given.
        OutputError: the disk is full or failing.
    """
    specs = specs_in(keep)
    with open_cache(path) as cache:
        kept = kept_by(specs, RowParts.of_cache(cache))
        record = FolderRecord.noted(cache.note)
        known = [*record.views.sets, *Crops.of(cache.fields).sets]
    if missing := [name for name in (*kept.views, *kept.crops.sets) if name not in known]:
        raise FeatureSpecError(
            f"{path} has the views {', '.join(known)}; expected {', '.join(missing)} too for "
            f"--keep {keep}"
        )
    noted = replace(record, views=Chosen(kept.views), kept=kept.specs)
    return slim(path, kept, out, noted.to_note(), precision=precision, progress=progress)


def _in_one_row(spec: FeatureSpec, row_parts: RowParts | None) -> bool:
    """Say whether layers of the spec's crops stand in the row of the whole photograph."""
    if row_parts is not None:
        return spec.stored_views(row_parts) != spec.views
    return spec.views != (FULL,) and all(isinstance(pooling, Taps) for pooling in spec.poolings)


def _named(pooling: Taps, spec: FeatureSpec, row_parts: RowParts | None) -> Sequence[str]:
    if row_parts is not None:
        return pooling.names(row_parts)
    if not pooling.name:
        raise FeatureSpecError(
            f"found --keep {spec}: a new cache has no layers yet of which taps could be all; "
            "expected their names, as --keep mixed8"
        )
    return (pooling.name,)
