"""A model on rows that keep more or less than those that it was fitted on.

What a model sees of a photograph may stand in rows that keep more, or less: in a slim cache made of
the one that it was fitted on, or in a full one where it was fitted on a slim one. The values that
it sees have the same bits in both, so the model is put on the rows that are there. Where nobody
keeps rows, they have the fewest values that do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.cache.slim import slim_fields
from features.errors import FeatureSpecError, FingerprintError
from features.photographs.views import LARGE
from pipeline.cnn.cnn import Cnn
from pipeline.feature_specs.heads import HeadOnCachedRows, on_cached_rows
from pipeline.feature_specs.keep import kept_by
from pipeline.feature_specs.spec import FeatureSpec, Taps
from pipeline.heads.base import Head
from pipeline.model.bundle import Bundle

_ROW_PARTS = ("taps", "crops", "map")
"""Fields of a fingerprint that say what stands in a row, and not what any value of it is.

Of the recipe, so does the size of the large view, which stands there where a row has one."""


def on_rows_of(bundle: Bundle, cache: Cache) -> Bundle:
    """Give the model for the rows of a cache that keeps more or less than those it was fitted on.

    Args:
        bundle: a loaded model; one that sees pixels is given back as it is.
        cache: open; one of other settings is left to `Cache.check_fields` to refuse.

    Raises:
        FingerprintError: the cache is of the model's settings and lacks what the model sees.
    """
    own = bundle.record.fit.fingerprint
    if isinstance(bundle.head, Cnn) or cache.fields == own or _apart(cache.fields) != _apart(own):
        return bundle
    spec = bundle.record.fit.spec
    if not _same_values(spec, own, cache.fields):
        kept = cache.note.get("kept")
        what = f"keeps what the features {', '.join(kept)} read" if kept else "has other layers"
        raise FingerprintError(
            f"{cache.path} {what}; expected what the model {bundle.folder} sees, {spec}; name "
            "another --cache, or make one with extract --keep"
        )
    return _on(bundle, cache.fields)


def on_fewest(bundle: Bundle) -> Bundle:
    """Give the model for rows with nothing but what it reads: fewer crops and layers to compute."""
    own = bundle.record.fit.fingerprint
    if isinstance(bundle.head, Cnn):
        return bundle
    fields = slim_fields(own, kept_by([bundle.record.fit.spec], RowParts.of(own)))
    return bundle if fields == own else _on(bundle, fields)


def _apart(fields: Mapping[str, Any]) -> dict[str, Any]:
    recipe = {name: value for name, value in fields.get("recipe", {}).items() if name != LARGE}
    return {name: value for name, value in fields.items() if name not in _ROW_PARTS} | {
        "recipe": recipe
    }


def _same_values(spec: FeatureSpec, fields: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Say whether rows of both fingerprints have what the spec reads, in the same order."""
    if LARGE in spec.sets and fields["recipe"].get(LARGE) != others.get("recipe", {}).get(LARGE):
        return False
    own, other = RowParts.of(fields), RowParts.of(others)
    try:
        same = spec.width(own) == spec.width(other)
        layers = [
            [p.names(parts) for p in spec.poolings if isinstance(p, Taps)] for parts in (own, other)
        ]
    except FeatureSpecError:
        return False
    return same and layers[0] == layers[1] and spec.stored_views(own) == spec.stored_views(other)


def _on(bundle: Bundle, fields: Mapping[str, Any]) -> Bundle:
    head = bundle.head.head if isinstance(bundle.head, HeadOnCachedRows) else bundle.head
    assert isinstance(head, Head)
    fit = replace(bundle.record.fit, fingerprint=dict(fields))
    tested, own = bundle.tested, RowParts.of(bundle.record.fit.fingerprint).with_map
    if tested.drift_probe is not None:  # both kinds of rows begin with the last map
        tested = replace(tested, drift_probe=tested.drift_probe[own.flat], map_alone=True)
    return replace(
        bundle,
        head=on_cached_rows(head, fit.spec, fields),
        record=replace(bundle.record, fit=fit),
        tested=tested,
    )
