"""Seeded variants of a photograph, as a camera might have taken it: for training only.

A variant is mirrored, turned, sheared, moved, zoomed and lit anew within the ranges below, all in
one step with bilinear interpolation, at the size that the backbone sees; what moves in from outside
repeats the edge. The ranges of place are the usual ones for few photographs (Chollet, "Building
powerful image classification models using very little data", Keras blog, 2016), which
`pipeline.cnn_network` uses as well. Which variant it becomes depends on the photograph's bytes and
the variant's number alone, so that its row can be cached.

What is changed here is changed under another name in `features.views.variants_of`.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

ROTATION = 40.0  # degrees, either way
SHEAR = 0.2  # share of the side by which the edges slide, either way
SHIFT = 0.2  # of the side, either way
ZOOM = 0.2  # of the size, in or out
LIGHT = 0.2  # of the brightness, either way

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def vary(pixels: Pixels, digest: str, variant: int) -> Pixels:
    """A variant of a photograph.

    Args:
        pixels: uint8 (height, width, 3).
        digest: SHA-256 of the photograph's file, hex.
        variant: its number, from 0.

    Returns:
        uint8 of the same shape; the same for the same arguments.
    """
    seed = hashlib.sha256(f"{digest} {variant}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:16], "big"))
    matrix, shift = _placement(rng)
    light = rng.uniform(1 - LIGHT, 1 + LIGHT)
    moved = _sample(pixels, matrix, shift) * light
    return np.clip(np.round(moved), 0, 255).astype(np.uint8)


def _placement(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """From a place in the variant to one in the photograph, both (y, x) from -0.5 to 0.5."""
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lean = np.eye(2)
    lean[0, 1], lean[1, 0] = rng.uniform(-SHEAR, SHEAR, 2)
    zoom = np.diag(rng.uniform(1 - ZOOM, 1 + ZOOM, 2))
    mirror = np.diag([1.0, -1.0 if rng.integers(2) else 1.0])
    return turn @ lean @ zoom @ mirror, rng.uniform(-SHIFT, SHIFT, 2)


def _sample(pixels: Pixels, matrix: Floats, shift: Floats) -> npt.NDArray[np.float32]:
    """Bilinear: float32 (height, width, 3)."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    places = np.stack([(y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5]).reshape(2, -1)
    found = matrix @ places + shift[:, None] + 0.5
    rows = np.clip(found[0] * height - 0.5, 0, height - 1)
    columns = np.clip(found[1] * width - 0.5, 0, width - 1)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down = (rows - top).astype(np.float32)[:, None]
    along = (columns - left).astype(np.float32)[:, None]
    upper = pixels[top, left] * (1 - along) + pixels[top, right] * along
    lower = pixels[bottom, left] * (1 - along) + pixels[bottom, right] * along
    return np.asarray(upper * (1 - down) + lower * down, np.float32).reshape(height, width, 3)
