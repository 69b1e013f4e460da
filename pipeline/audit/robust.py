"""Middle and spread of numbers that a few strange ones do not move."""

from __future__ import annotations

import numpy as np

from pipeline.audit.bins import Floats


def middle_and_spread(values: Floats) -> tuple[float, float]:
    """Median, and 1.4826 × the median absolute deviation, which is σ for normal numbers.

    nan is left out; of nothing, both are 0.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 0.0
    middle = float(np.median(known))
    return middle, 1.4826 * float(np.median(np.abs(known - middle)))


def robust_scores(values: Floats) -> Floats:
    """How many spreads above the middle, (n,); nan stays, 0 where nothing varies."""
    middle, spread = middle_and_spread(values)
    return (values - middle) / spread if spread > 0 else 0 * values
