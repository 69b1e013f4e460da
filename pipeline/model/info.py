"""Say what a cache or a model is, without loading TensorFlow or the rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from features.cache.cache import Cache
from features.cache.shards import MANIFEST, open_cache, size_of
from features.errors import DataError
from features.photographs.views import Chosen
from pipeline.evaluation.intervals import known
from pipeline.model.bundle import read_record


def _by_set(cache: Cache) -> dict[str, int]:
    """Count the rows of each set of views."""
    views = cache.entries["row_view"].tolist()
    return dict(sorted(Counter(view.decode().partition("/")[0] for view in views).items()))


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Put None for nan, which JSON does not have: a score that is not known is null."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return known(value) if isinstance(value, float) else value


def describe(path: Path) -> dict[str, Any]:
    """Give a cache's or a model's facts, ready for JSON; "kind" is "cache" or "model".

    Raises:
        DataError: there is nothing, or something else.
        CacheError, BundleError: it is damaged.
    """
    if path.is_dir() and not (path / MANIFEST).exists():
        facts: dict[str, Any] = _without_nan(read_record(path).to_json())
        return {"kind": "model", "path": str(path), **facts}
    if not path.exists():
        raise DataError(f"nothing at {path}; expected a cache (features.h5) or a model (a folder)")
    with open_cache(path) as cache:
        labels = Counter(s.label or "(no class)" for s in cache.table_rows)
        return {
            "kind": "cache",
            "path": str(path),
            "bytes": size_of(path),
            "rows": len(cache),
            "cached_width": cache.cached_width,
            "dtype": str(cache.dtype),
            "photographs": len(cache.table_rows),
            "classes": dict(sorted(labels.items())),
            "parts_named": len({s.group for s in cache.table_rows if s.group}),
            "unreadable": [
                {"path": s.path, "reason": s.reason} for s in cache.table_rows if s.row < 0
            ],
            "fingerprint": cache.fingerprint,
            "features": cache.fields,
            "views": list(Chosen.noted(cache.note).sets),
            "rows_by_view": _by_set(cache),
            "folder": cache.note,
        }
