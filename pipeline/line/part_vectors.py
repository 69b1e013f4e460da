"""Say what photographs look like to the backbone and the model, from rows that are in a cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from features.arrays import Array, Floats, Indices, Rows
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.cache.thumbnail_table import thumbnails_of
from features.errors import DataError
from pipeline.cnn.cnn import Cnn
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import familiar_vectors

_BLOCK = 128  # photographs whose rows are in memory at once
_COMPONENTS, _WHITENING = 64, 0.9


class Seen(NamedTuple):
    """Photographs as they stand in a cache.

    Attributes:
        vectors: float32 (n, channels), of length 1; see `pipeline.model.familiar.familiar_vectors`.
        P: float64 (n, n_classes), `Bundle.probabilities`.
        strangeness: float64 (n,), `Bundle.strangeness`.
        brightness: float64 (n,), mean grey, 0 to 255; nan where the cache has no small picture.
        capture_time: float64 (n,), seconds since 1970 by the camera's own clock; nan where the
            file is silent.
    """

    vectors: Rows
    P: Floats
    strangeness: Floats
    brightness: Floats
    capture_time: Floats

    def some(self, chosen: Indices) -> Seen:
        """Give these photographs."""
        return Seen(
            self.vectors[chosen], self.P[chosen], self.strangeness[chosen], self.brightness[chosen],
            self.capture_time[chosen],
        )  # fmt: skip


def check_sees_rows(bundle: Bundle) -> None:
    """Raise DataError where a model sees pixels: it keeps nothing that could be compared."""
    if isinstance(bundle.head, Cnn):
        raise DataError(
            f"{bundle.folder} sees pixels and keeps no rows; expected a model of `fit`, whose "
            "rows can be compared"
        )


def seen_of(bundle: Bundle, cache: Cache, digests: Sequence[str]) -> Seen:
    """Look at photographs whose rows are in a cache.

    Args:
        bundle: a model that sees rows.
        cache: open, with rows of all views that the model sees.
        digests: of the photographs, SHA-256 in hex.

    Raises:
        DataError: the model sees pixels.
        FingerprintError: the cache holds rows of other settings.
        CacheError: rows are missing or damaged.
    """
    check_sees_rows(bundle)
    cache.check_fields(bundle.record.fit.fingerprint)
    views, columns = bundle.seen
    row_parts = RowParts.of(bundle.record.fit.fingerprint)
    rows = [cache.rows_of(digests, view) for view in views]
    found: list[tuple[Array, Floats, Floats]] = []
    for start in range(0, max(1, len(digests)), _BLOCK):
        each = [cache.take(numbers[start : start + _BLOCK], columns) for numbers in rows]
        inputs = np.concatenate(each, axis=1)
        vectors = familiar_vectors(inputs, row_parts, len(views))
        found.append((vectors, bundle.probabilities(inputs), bundle.strangeness(inputs)))
    small = thumbnails_of(cache, cache.rows_of(digests))
    brightness = np.where(small.known, small.grey.mean(axis=(1, 2)), np.nan)
    capture_time = np.where(small.capture_time >= 0, small.capture_time / 1000, np.nan)
    vectors, P, strangeness = (np.concatenate(column) for column in zip(*found, strict=True))
    return Seen(np.asarray(vectors, dtype=np.float32), P, strangeness, brightness, capture_time)


def near_white(vectors: Rows) -> Rows:
    """Whiten photographs by where they differ, each direction counting nearly alike.

    On a line everything looks alike: the same jig, light and product. What all share is taken
    away, and what they all vary in counts for little; as `pipeline.groups.similarity` does.

    Args:
        vectors: float32 (n, channels), two or more.

    Returns:
        float32 (n, components), of length 1.
    """
    from scipy.linalg import eigh

    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    n, channels = centred.shape
    wide = n <= channels  # the smaller of the two products
    product = centred @ centred.T if wide else centred.T @ centred
    count = min(_COMPONENTS, len(product))
    squares, found = eigh(product, subset_by_index=[len(product) - count, len(product) - 1])
    size = np.sqrt(np.maximum(squares, 0))
    kept = np.maximum(size > 1e-6 * max(float(size[-1]), 1e-12), np.arange(count) == count - 1)
    size, found = np.maximum(size[kept], 1e-12), found[:, kept]
    left = found if wide else centred @ found / size
    white = left * size ** (1 - _WHITENING)
    length = np.linalg.norm(white, axis=1, keepdims=True)
    return np.asarray(white / np.maximum(length, 1e-12), dtype=np.float32)


def nearest_distance(some: Rows, others: Rows) -> Floats:
    """Compute one minus the cosine (n,) of each of unit vectors with the nearest of others."""
    return np.asarray(np.maximum(0.0, 1 - (some @ others.T).max(axis=1)), dtype=np.float64)
