"""Small pictures moved onto one another, so that a shifted or cropped copy lies on its original.

Every picture is registered to the mean of those that look most like it, again and again: joint
alignment, called congealing (Learned-Miller, "Data driven image models through continuous joint
alignment", PAMI 2006). One registration is four numbers (shift and scale, both ways), found by
Gauss-Newton steps (Lucas and Kanade, IJCAI 1981).
"""

from __future__ import annotations

import numpy as np

from features.arrays import Array, Indices
from pipeline.groups.neighbours import nearest

_ROUNDS = 2
_STEPS = 6  # of Gauss-Newton
_NEIGHBOURS = 96  # pictures in a mean: many, for a copy's nearest ones may be shifted as it is
_FARTHEST = 0.12  # of the side; a larger shift is another photograph
_LARGEST = 0.24  # growth
_DAMPING = 1e-3  # against directions in which a picture does not change
_BLOCK = 1024  # pictures registered at once
_COARSE = 8  # side of the pictures by which neighbours are found
_FEWEST = 12  # pictures; the mean of fewer shows its members, not what they share


def align(pictures: Array) -> Array:
    """Give registered copies of the pictures, each with mean 0 and deviation 1.

    Args:
        pictures: float32 (n, side, side), side a multiple of 8.
    """
    plain = normalise(pictures)
    moved = plain
    if len(plain) < _FEWEST:
        return plain
    count = min(_NEIGHBOURS, len(plain) // 3)
    for _ in range(_ROUNDS):
        neighbours, _ = nearest(_coarse(moved), count)
        # A new list at the end of each round: all means are of the same state.
        moved = np.concatenate(
            [
                _registered(
                    plain[start : start + _BLOCK], moved, neighbours[start : start + _BLOCK]
                )
                for start in range(0, len(plain), _BLOCK)
            ]
        )
    return moved


def normalise(pictures: Array) -> Array:
    """Bring each to mean 0 and deviation 1: brightness and contrast do not count."""
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(spread, 1e-6), dtype=np.float32)


def shrink(pictures: Array, side: int) -> Array:
    """Average square blocks: (n, side, side)."""
    n, old, _ = pictures.shape
    step = old // side
    return np.asarray(pictures.reshape(n, side, step, side, step).mean(axis=(2, 4)), np.float32)


def _coarse(pictures: Array) -> Array:
    """Give unit vectors by which to find pictures that look alike."""
    flat = normalise(shrink(pictures, _COARSE)).reshape(len(pictures), -1)
    return flat / np.float32(_COARSE)


def _registered(pictures: Array, moved: Array, neighbours: Indices) -> Array:
    means = normalise(np.stack([moved[numbers].mean(axis=0) for numbers in neighbours]))
    return normalise(resample(pictures, _register(pictures, means)))


def _register(pictures: Array, means: Array) -> Array:
    """Give the moves under which the pictures resemble the means most.

    Returns:
        float32 (n, 4): shift in x and y in pixels, growth in x and y.
    """
    n, side, _ = pictures.shape
    edge = max(1, side // 16)
    inside = np.zeros((side, side), dtype=bool)
    inside[edge:-edge, edge:-edge] = True
    along = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    most = np.array([_FARTHEST * side] * 2 + [_LARGEST] * 2, dtype=np.float32)
    moves = best = np.zeros((n, 4), dtype=np.float32)
    score = np.full(n, -np.inf, dtype=np.float32)
    for _ in range(_STEPS + 1):
        now = normalise(resample(pictures, moves))
        likeness = (now * means)[:, inside].mean(axis=1)
        better = likeness > score
        best, score = np.where(better[:, None], moves, best), np.maximum(likeness, score)
        down, right = np.gradient(now, axis=(1, 2))
        change = np.stack([right, down, right * along, down * along[:, None]], axis=-1)[:, inside]
        normal = np.einsum("npi,npj->nij", change, change)
        damping = _DAMPING * np.einsum("nii->n", normal) / 4 + 1e-6
        normal += damping[:, None, None] * np.eye(4, dtype=np.float32)
        right_side = np.einsum("npi,np->ni", change, (means - now)[:, inside])
        step = np.linalg.solve(normal, right_side[..., None])[..., 0]
        moves = np.clip(moves + step, -most, most).astype(np.float32)
    return np.asarray(best, dtype=np.float32)


def resample(pictures: Array, moves: Array) -> Array:
    """Move the pictures, bilinear; beyond the edge its pixels are repeated."""
    side = pictures.shape[1]
    middle = np.float32((side - 1) / 2)
    along = np.arange(side, dtype=np.float32) - middle
    x = middle + moves[:, 0, None] + along * (1 + moves[:, 2, None])
    y = middle + moves[:, 1, None] + along * (1 + moves[:, 3, None])
    rows = _between(pictures, y)
    columns = _between(np.ascontiguousarray(rows.transpose(0, 2, 1)), x)
    return np.ascontiguousarray(columns.transpose(0, 2, 1))


def _between(pictures: Array, places: Array) -> Array:
    """Interpolate rows of the pictures at fractional places (n, side)."""
    places = np.clip(places, 0, pictures.shape[1] - 1.001)
    low = places.astype(np.int64)
    share = (places - low)[:, :, None]
    which = np.arange(len(pictures))[:, None]
    return np.asarray(
        pictures[which, low] * (1 - share) + pictures[which, low + 1] * share, dtype=np.float32
    )
