"""What photographs look like to the backbone, from rows that are in a cache; no head is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.arrays import Floats, Rows
from features.cache.cache import Cache
from features.cache.row_parts import Layout
from features.errors import DataError
from pipeline.cnn.cnn import Cnn
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import looks

_BLOCK = 128  # photographs whose rows are in memory at once
_COMPONENTS, _WHITENING = 64, 0.9


def looks_of(bundle: Bundle, cache: Cache, digests: Sequence[str]) -> Rows:
    """What photographs look like, as `pipeline.model.familiar.looks` has it.

    Args:
        bundle: a model that sees rows.
        cache: open, with rows of all views that the model sees.
        digests: of the photographs, SHA-256 in hex.

    Returns:
        float32 (len(digests), channels), of length 1.

    Raises:
        DataError: the model sees pixels.
        CacheError: rows are missing or damaged.
    """
    if isinstance(bundle.head, Cnn):
        raise DataError(
            f"{bundle.folder} sees pixels and keeps no rows; expected a model of `fit`, whose "
            "rows can be compared"
        )
    views, columns = bundle.seen
    layout = Layout.of(bundle.about["features"])
    rows = [cache.rows_of(digests, view) for view in views]
    found = []
    for start in range(0, len(digests), _BLOCK):
        each = [cache.take(numbers[start : start + _BLOCK], columns) for numbers in rows]
        found.append(looks(np.concatenate(each, axis=1), layout, len(views)))
    return np.concatenate(found) if found else np.empty((0, 1), dtype=np.float32)


def near_white(vectors: Rows) -> Rows:
    """Photographs by where they differ, each direction counting nearly alike.

    On a line everything looks alike: the same jig, light and product. What all share is taken
    away, and what they all vary in counts for little; as `pipeline.groups.similarity` does.

    Args:
        vectors: float32 (n, channels), two or more.

    Returns:
        float32 (n, components), of length 1.
    """
    centred = vectors - vectors.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(_COMPONENTS, int((size > 1e-6 * max(float(size[0]), 1e-12)).sum())))
    white = left[:, :kept] * size[:kept] ** (1 - _WHITENING)
    length = np.linalg.norm(white, axis=1, keepdims=True)
    return np.asarray(white / np.maximum(length, 1e-12), dtype=np.float32)


def nearest_gap(some: Rows, others: Rows) -> Floats:
    """One minus the cosine (n,) of each of unit vectors with the nearest of others."""
    return np.asarray(np.maximum(0.0, 1 - (some @ others.T).max(axis=1)), dtype=np.float64)
