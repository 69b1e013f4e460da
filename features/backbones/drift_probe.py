"""One drawn photograph whose row says whether a backbone still computes what it computed.

It rides along in the first batch of every run that a caller wants watched. The cache keeps its row
under a view of its own, a model that is fitted takes the row along, and a backbone that gives
another one, because its weights, TensorFlow or processor are others, is found out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from features.arrays import Pixels, Row

VIEW = "witness"
"""The view that its row has in a cache: no photograph's."""

TOLERANCES = {"float32": 1e-3, "float16": 2e-3, "bfloat16": 5e-2}
"""By precision: largest accepted difference, in parts of the row's largest value. In float32,
batches of other sizes differ by 1e-5; the rest is room for other processors, not measured."""


Watch = Callable[[Row, Row | None], None]
"""Called as `watch(row, row in the cache or None)` before a run keeps anything; may raise."""


def witness_pixels(height: int, width: int) -> Pixels:
    """uint8 (height, width, 3): waves, edges, a gradient; whole numbers, the same everywhere."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    waves = (x * x + 2 * y * y) // 64 % 256
    rings = ((x - width // 2) ** 2 + (y - height // 3) ** 2) // 300 % 2 * 160 + 40
    slope = (x + y) * 255 // max(1, height + width - 2)
    return np.stack([waves, rings, slope], axis=2).astype(np.uint8)


def witness_digest(height: int, width: int) -> str:
    """SHA-256 of the pixels, hex: with VIEW, the key of its row."""
    return hashlib.sha256(witness_pixels(height, width).tobytes()).hexdigest()


def difference(row: Row, expected: Row) -> float:
    """Largest difference of two rows, in parts of the largest expected value; nan if absurd."""
    if row.shape != expected.shape:
        return float("nan")
    most = float(np.abs(expected).max(initial=0.0))
    return float(np.abs(row - expected).max(initial=0.0)) / max(most, 1e-12)
