"""Exact statements about a share from a count of independent parts, and thresholds that keep them.

Two facts are used. The share of a population that lies below the (k+1)-th smallest of n values
drawn from it is at most a given `share` with probability P(Binomial(n, share) > k), whatever the
distribution (Wilks, "Determination of sample sizes for setting tolerance limits", 1941; ties only
make it safer). And k events in n trials exclude, with that same probability, every larger share
(Clopper and Pearson, 1934). As k follows from n alone, the value that it names may be a threshold.
"""

from __future__ import annotations

import math

import numpy as np

from features.arrays import Floats
from pipeline.thresholds.rule import CONFIDENCE


def upper_limit(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Give the largest share that `events` in `trials` leave possible: one-sided Clopper-Pearson.

    Args:
        events: 0 to `trials`.
        trials: independent parts; with none every share is possible.
        confidence: with which a larger share is excluded.
    """
    if events >= trials:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(events + 1, trials - events, confidence))


def lower_limit(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Give the smallest share that `events` in `trials` leave possible; see `upper_limit`."""
    if not events:
        return 0.0
    from scipy.special import betaincinv

    return float(betaincinv(events, trials - events + 1, 1 - confidence))


def interval(events: float, trials: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Give the two-sided Clopper-Pearson interval of a share; events and trials may be fractions.

    With no trials it is (0, 1).
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = betaincinv(events, trials - events + 1, tail) if events > 0 else 0.0
    high = betaincinv(events + 1, trials - events, 1 - tail) if events < trials else 1.0
    return float(low), float(high)


def allowed_events(trials: int, share: float, confidence: float = CONFIDENCE) -> int:
    """Give the most events in `trials` that exclude every share above `share`; or -1."""
    from scipy.special import bdtr

    counts = np.arange(trials + 1)
    return int((bdtr(counts, trials, share) <= 1 - confidence).sum()) - 1


def parts_needed(share: float, confidence: float = CONFIDENCE) -> int:
    """Give the fewest parts that, with no event among them, exclude every share above `share`.

    149 for 2 % with 95 % confidence.
    """
    needed = math.ceil(math.log1p(-confidence) / math.log1p(-share))
    return needed if allowed_events(needed, share, confidence) >= 0 else needed + 1


def pass_limit(lowest: Floats, share: float, confidence: float = CONFIDENCE) -> float:
    """Give the highest threshold that passes at most `share` of defective parts.

    Args:
        lowest: float64 (parts,), of each defective part the lowest probability that the model
            gives one of its photographs. The model has seen none of them.
        share: of all such parts that may lie below the threshold.
        confidence: with which it does not exceed `share`.

    Raises:
        ValueError: fewer than `parts_needed` parts.
    """
    return float(np.sort(lowest)[_allowed(len(lowest), share, confidence)])


def reject_limit(highest: Floats, share: float, confidence: float = CONFIDENCE) -> float:
    """Give the lowest threshold that rejects at most `share` of good parts; see `pass_limit`.

    Args:
        highest: float64 (parts,), of each good part the highest probability of its photographs.
        share: of all such parts that may lie at the threshold or above.
        confidence: with which it does not exceed `share`.

    Returns:
        The next number above a part's probability, which may be just above 1.

    Raises:
        ValueError: fewer than `parts_needed` parts.
    """
    value = np.sort(highest)[::-1][_allowed(len(highest), share, confidence)]
    return float(np.nextafter(value, 2.0))


def _allowed(parts: int, share: float, confidence: float) -> int:
    allowed = allowed_events(parts, share, confidence)
    if allowed < 0:
        raise ValueError(f"{parts} parts; expected {parts_needed(share, confidence)} or more")
    return allowed
