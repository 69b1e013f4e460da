"""A slim cache of a full one: of every row what some feature specs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.backbones.settings import PRECISIONS
from features.cache import schema
from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.new_cache import new_cache
from features.cache.probe_row import keep_probe, read_probe
from features.cache.row_parts import RowParts
from features.cache.schema import READ_BLOCK
from features.cache.shards import open_cache, size_of
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import Thumbnails
from features.errors import CacheError, DataError
from features.extract import Progress
from features.photographs.look import Kept
from features.photographs.views import FULL, LARGE, views_of


@dataclass(frozen=True)
class Slim:
    """Hold what `slim` made.

    Attributes:
        path: the new cache.
        kept: what it keeps.
        rows: that it has.
        photographs: in its table.
        cached_width: values of a row now, and `width_before`.
        width_before: values of a row of the cache that it was made of.
        bytes_before: size of that cache.
        bytes_after: size of the new one.
    """

    path: Path
    kept: Kept
    rows: int
    photographs: int
    cached_width: int
    width_before: int
    bytes_before: int
    bytes_after: int


def slim(
    path: Path,
    kept: Kept,
    out: Path,
    note: Mapping[str, Any],
    *,
    precision: str | None = None,
    progress: Progress | None = None,
) -> Slim:
    """Write the parts of a cache's rows that are kept into a new cache.

    In float32 what is kept has the bits that pooling the full rows would give; in float16 it is
    that, rounded (once more where the full rows are float16 themselves).

    Args:
        path: the cache, which stays as it is.
        kept: what is taken of each row.
        out: the new cache, which must not exist.
        note: of its folder.
        precision: of the new cache; None for that of the old one.
        progress: called as `progress(rows done, rows in all)`.

    Raises:
        CacheError: a cache cannot be read, a row is damaged, or `out` exists.
        DataError: a precision that the rows cannot be given.
        OutputError: the disk is full or failing.
    """
    with open_cache(path) as cache, writing(out):
        if out.exists():
            raise CacheError(f"{out} exists; expected a new name for the slim cache")
        source = RowParts.of_cache(cache)
        fields = slim_fields(cache.fields, kept, precision)
        parts = RowParts.of(fields)
        views = {view.encode() for name in (FULL, *kept.views) for view in views_of(name)}
        rows = [row for row, (_, view) in enumerate(cache.keys) if view in views]
        dtype = np.dtype(PRECISIONS[fields["precision"]])
        width, columns = parts.cached_width, list(schema.ROW_COLUMNS)
        with new_cache(out, fields, width, dtype, columns, own=cache.own) as target:
            _copy(cache, rows, target, source, parts, progress)
            probe = read_probe(cache)
            if probe is not None:
                keep_probe(target, parts.with_map.taken_of(probe[None], source.with_map)[0])
            table_rows = [
                one._replace(row=target.find(one.digest) if one.row >= 0 else -1)
                for one in cache.table_rows
            ]
            target.replace_table(table_rows, note)
        return Slim(
            path=out, kept=kept, rows=len(rows), photographs=len(table_rows),
            cached_width=parts.cached_width, width_before=source.cached_width,
            bytes_before=size_of(path), bytes_after=out.stat().st_size,
        )  # fmt: skip


def slim_fields(
    fields: Mapping[str, Any], kept: Kept, precision: str | None = None
) -> dict[str, Any]:
    """Give the fingerprint's fields of what is kept of rows with these fields.

    Raises:
        DataError: a precision that such rows cannot be given.
    """
    known = fields["precision"]
    if precision not in (None, known) and (known, precision) != ("float32", "float16"):
        raise DataError(
            f"found --precision {precision} for rows in {known}; expected {known}"
            + (" or float16" if known == "float32" else "")
        )
    found = {name: value for name, value in fields.items() if name not in ("taps", "crops", "map")}
    if LARGE not in kept.crops.sets:
        found["recipe"] = {name: v for name, v in fields["recipe"].items() if name != "large"}
    taps = [name for name in fields.get("taps", ()) if name in kept.taps]
    crop_taps = tuple(
        name for name in fields.get("crops", {}).get("taps", ()) if name in kept.crops.taps
    )
    return {
        **found,
        "precision": precision or known,
        **({"taps": taps} if taps else {}),
        **kept.crops._replace(taps=crop_taps).to_fields(),
        **({"map": list(kept.pooled)} if kept.pooled else {}),
    }


def _copy(
    cache: Cache,
    rows: list[int],
    target: Cache,
    source: RowParts,
    parts: RowParts,
    progress: Progress | None,
) -> None:
    """Append what is kept of rows, each checked, with their thumbnails."""
    thumbnails = thumbnails_of(cache)
    keys = cache.keys
    for start in range(0, len(rows), READ_BLOCK):
        block = rows[start : start + READ_BLOCK]
        values = parts.taken_of(cache.take(block), source).astype(target.dtype)
        digests = [keys[row][0].decode() for row in block]
        views = [keys[row][1].decode() for row in block]
        entries = schema.new_entries(digests, views, values)
        some = Thumbnails(thumbnails.grey[block], thumbnails.capture_time[block])
        target.append_entries(entries, values, some)
        if progress is not None:
            progress(start + len(block), len(rows))
