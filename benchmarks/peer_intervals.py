"""Intervals of the ROC AUC as others make them, for `benchmarks.coverage`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.evaluation.bootstrap import Parts
from pipeline.evaluation.metrics import ranking_scores

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bounds = tuple[float, float]

_DRAWS = 500


def _auc(y: Indices, P: Floats, weights: Floats) -> Floats:
    return ranking_scores(y, P, weights)["roc_auc"]


def bootstrap(y: Indices, P: Floats, groups: Indices, rng: np.random.Generator) -> Bounds:
    """Percentiles of whole parts drawn with replacement, classes together."""
    parts = Parts.of(y, groups)
    counts = rng.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), _DRAWS)
    low, high = np.nanquantile(_auc(y, P, counts[:, parts.of_row].astype(float)), (0.025, 0.975))
    return float(low), float(high)


def bca(y: Indices, P: Floats, groups: Indices, rng: np.random.Generator) -> Bounds:
    """Bias-corrected and accelerated (Efron, 1987), parts drawn within classes."""
    parts = Parts.of(y, groups)
    point = float(_auc(y, P, np.ones((1, len(y))))[0])
    drawn = _auc(y, P, parts.with_replacement(rng, _DRAWS)[:, parts.of_row])
    below = ((drawn < point).mean() + (drawn == point).mean() / 2).clip(1e-3, 1 - 1e-3)
    bias = stats.norm.ppf(below)
    pulls = _pulls(y, P, parts)
    size = float((pulls**2).sum()) ** 1.5
    acceleration = float((pulls**3).sum()) / (6 * size) if size else 0.0
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(drawn, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def delong(y: Indices, P: Floats, groups: Indices, _rng: np.random.Generator) -> Bounds:
    """DeLong's variance over parts (Obuchowski, 1997) as a jackknife, on the logit, Student's t."""
    parts = Parts.of(y, groups)
    point = float(_auc(y, P, np.ones((1, len(y))))[0])
    pulls = _pulls(y, P, parts)
    sizes = [parts.size(stratum) for stratum in parts.strata]
    variance = sum(
        (m - 1) / m * float((pulls[parts.stratum == s] ** 2).sum())
        for s, m in zip(parts.strata, sizes, strict=True)
    )
    if not 0 < point < 1 or not variance:
        return point, point
    centre = math.log(point / (1 - point))
    reach = stats.t.ppf(0.975, min(sizes) - 1) * math.sqrt(variance) / (point * (1 - point))
    return float(stats.logistic.cdf(centre - reach)), float(stats.logistic.cdf(centre + reach))


def nadeau_bengio(scores: Floats, tested_to_trained: float) -> Bounds:
    """Mean ± t of the folds' scores, with the corrected variance of 2003."""
    rounds = len(scores)
    variance = (1 / rounds + tested_to_trained) * float(scores.var(ddof=1))
    reach = stats.t.ppf(0.975, rounds - 1) * math.sqrt(variance)
    return float(scores.mean() - reach), float(scores.mean() + reach)


def folds_alone(scores: Floats, _tested_to_trained: float) -> Bounds:
    """Mean ± t standard errors, as if the folds were independent."""
    return nadeau_bengio(scores, 0.0)


def _pulls(y: Indices, P: Floats, parts: Parts) -> Floats:
    """How far each part pulls the AUC (parts,): jackknife, centred within its class."""
    without = _auc(y, P, (1 - np.eye(len(parts)))[:, parts.of_row])
    pulls = np.empty(len(parts))
    for stratum in parts.strata:
        members = parts.stratum == stratum
        pulls[members] = without[members].mean() - without[members]
    return pulls
