"""Photographs unlike all others, by their distance from others in the row space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.arrays import Floats, Indices, Rows
from pipeline.audit.bins import Column
from pipeline.audit.metadata_facts import FACTS
from pipeline.data.lazy_rows import StoredRows

NEIGHBOURS = 5
LIMIT = 3.5
"""Robust standard deviations above the median (Iglewicz and Hoaglin, 1993)."""

_BLOCK_VALUES = 2_000_000  # distances held at once
_TELLING = 4.0  # robust standard deviations from which a fact is named as a reason
_NAMED = 2  # facts named at most


@dataclass(frozen=True)
class Outlier:
    """One photograph that is far from all others.

    Attributes:
        row: its number among the photographs.
        score: robust standard deviations above the median of the log distance.
        times: its distance as a multiple of the median one.
        reason: what is unusual about it, for a person.
    """

    row: int
    score: float
    times: float
    reason: str


def find_outliers(distances: Floats, columns: Mapping[str, Column]) -> list[Outlier]:
    """Find photographs whose nearest neighbours are unusually far, the farthest first.

    The distance is the mean one to the five nearest photographs of other parts (after Ramaswamy,
    Rastogi and Shim, "Efficient algorithms for mining outliers", SIGMOD 2000). Those of its own
    part would hide an odd part. Median and median absolute deviation set the scale, so outliers
    do not widen it themselves.

    Args:
        distances: float64 (n,), see `neighbour_distances`.
        columns: ordered facts in the pixels, to name a reason.
    """
    known = np.isfinite(distances) & (distances > 0)
    if known.sum() < NEIGHBOURS:
        return []
    logs = np.full(len(distances), np.nan)
    logs[known] = np.log(distances[known])
    scores = robust_scores(logs)
    usual = float(np.exp(np.nanmedian(logs)))
    unusual = {name: robust_scores(column.values) for name, column in columns.items()}
    found = [
        Outlier(
            row=int(row),
            score=float(scores[row]),
            times=float(distances[row] / usual),
            reason=_reason(int(row), float(distances[row] / usual), columns, unusual),
        )
        for row in np.flatnonzero(scores > LIMIT)
    ]
    return sorted(found, key=lambda outlier: -outlier.score)


SEEN = 5000
"""Photographs that those of a large folder are compared with."""


def sampled_distances(rows: Rows | StoredRows, groups: Indices, seed: int) -> Floats:
    """Measure `neighbour_distances` to some photographs: what is far from all is far from these.

    Args:
        rows: float32 (n, width), in memory or still in the cache.
        groups: int64 (n,) part numbers.
        seed: of the draw.
    """
    some = np.random.default_rng(seed).permutation(len(rows))[:SEEN]
    anchors = rows[some].astype(np.float64)
    squares, found = (anchors**2).sum(axis=1), np.full(len(rows), np.nan)
    height = max(1, _BLOCK_VALUES // len(some))
    for start in range(0, len(rows), height):
        place = slice(start, start + height)
        block = rows[place].astype(np.float64)
        squared = (block**2).sum(axis=1)[:, None] + squares - 2 * block @ anchors.T
        squared[groups[place, None] == groups[some]] = np.inf
        found[place] = _mean_of_nearest(squared)
    return found


def neighbour_distances(K: Floats, groups: Indices) -> Floats:
    """Average distances to the nearest rows of other parts, (n,); nan where there are none."""
    squares = np.diagonal(K)
    found = np.full(len(K), np.nan)
    height = max(1, _BLOCK_VALUES // max(len(K), 1))
    for start in range(0, len(K), height):
        rows = slice(start, start + height)
        squared = squares[rows, None] + squares[None, :] - 2 * K[rows]
        squared[groups[rows, None] == groups[None, :]] = np.inf
        found[rows] = _mean_of_nearest(squared)
    return found


def _mean_of_nearest(squared: Floats) -> Floats:
    """Take the mean (m,) of the least of squared distances (m, k); nan where none is finite."""
    count = min(NEIGHBOURS, squared.shape[1])
    nearest = np.sqrt(np.maximum(np.partition(squared, count - 1, axis=1)[:, :count], 0))
    nearest = np.where(np.isfinite(nearest), nearest, np.nan)
    found = np.full(len(squared), np.nan)
    with_any = np.isfinite(nearest).any(axis=1)
    found[with_any] = np.nanmean(nearest[with_any], axis=1)
    return found


def _reason(
    row: int, times: float, columns: Mapping[str, Column], unusual: Mapping[str, Floats]
) -> str:
    """Say how far it is, and which of its facts are unusual."""
    text = f"{times:.1f} times as far from others as usual"
    strength = {name: abs(scores[row]) for name, scores in unusual.items()}
    telling = [name for name in sorted(strength, key=lambda n: -strength[n])
               if strength[name] >= _TELLING][:_NAMED]  # fmt: skip
    for name in telling:
        fact, values = FACTS[name], columns[name].values
        assert fact.show is not None
        usual = fact.show(float(np.nanmedian(values)))
        text += f"; {fact.title} {fact.show(float(values[row]))} (usual: {usual})"
    return text


def middle_and_spread(values: Floats) -> tuple[float, float]:
    """Compute the median, and 1.4826 × the median absolute deviation (σ for normal numbers).

    nan is left out; of nothing, both are 0.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 0.0
    middle = float(np.median(known))
    return middle, 1.4826 * float(np.median(np.abs(known - middle)))


def robust_scores(values: Floats) -> Floats:
    """Compute how many spreads above the middle, (n,); nan stays, 0 where nothing varies."""
    middle, spread = middle_and_spread(values)
    return (values - middle) / spread if spread > 0 else 0 * values
