"""ROC and precision-recall curves of one class against the rest, with bands that respect parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.judgements import Floats, Indices

_RESAMPLES = 400  # or fewer, so that a great many photographs take no longer than seconds
_MOST_WORK, _FEWEST_RESAMPLES = 40_000_000, 100
_LEVEL = 0.95


@dataclass(frozen=True)
class RankingCurves:
    """Both curves, and where 95 % of the curves of redrawn parts run.

    Attributes:
        false_alarms, found: float64 (k,) shares of the negative and the positive photographs that
            score at least each threshold, from none to all: the ROC curve; `found` is the recall.
        precision: float64 (k,) of each threshold; 1 where nothing is called positive.
        grid: float64 (m,) from 0 to 1.
        found_band: float64 (2, m), low and high share found at false alarms of `grid`.
        precision_band: float64 (2, m), low and high precision at a recall of `grid`.
    """

    false_alarms: Floats
    found: Floats
    precision: Floats
    grid: Floats
    found_band: Floats
    precision_band: Floats


def ranking_curves(
    positive: Indices, p: Floats, groups: Indices, *, seed: int = 0
) -> RankingCurves:
    """The curves of scores.

    The bands are pointwise percentiles of a cluster bootstrap: whole parts are drawn with
    replacement, as in `pipeline.scores.intervals`.

    Args:
        positive: int64 (n,) of 0 and 1, both present.
        p: float64 (n,), higher is more positive.
        groups: int64 (n,).
        seed: of the draws.
    """
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))  # ties fall together
    is_positive = positive[order] == 1
    _, part = np.unique(groups[order], return_inverse=True)
    n_parts = int(part.max()) + 1
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 1, 101)
    drawn = []
    resamples = min(_RESAMPLES, max(_FEWEST_RESAMPLES, _MOST_WORK // len(p)))
    for _ in range(resamples):
        weights = np.bincount(rng.integers(0, n_parts, n_parts), minlength=n_parts)[part]
        if weights[is_positive].any() and weights[~is_positive].any():
            alarms, found, precision = _curves(is_positive, weights.astype(np.float64), ends)
            drawn.append((np.interp(grid, alarms, found), np.interp(grid, found, precision)))
    tails = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    bands = np.quantile(np.array(drawn), tails, axis=0) if drawn else np.full((2, 2, 101), np.nan)
    curves = _curves(is_positive, np.ones(len(p)), ends)
    return RankingCurves(*curves, grid, bands[:, 0], bands[:, 1])


def _curves(
    is_positive: np.ndarray[tuple[int], np.dtype[np.bool_]], weights: Floats, ends: Indices
) -> tuple[Floats, Floats, Floats]:
    """False alarms, found and precision of weighted rows in falling order of their scores."""
    hits = np.append(0, np.cumsum(weights * is_positive)[ends])
    alarms = np.append(0, np.cumsum(weights * ~is_positive)[ends])
    calls = hits + alarms
    precision = np.divide(hits, calls, out=np.ones_like(hits), where=calls > 0)
    return alarms / alarms[-1], hits / hits[-1], precision
