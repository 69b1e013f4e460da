"""Say what twice as many parts would bring: a power law through the errors, and how sure that is.

The error 1 - score of many learners falls as a × n^-b in the number n of training examples (Cortes
et al., "Learning curves: asymptotic values and rate of convergence", 1994; Hestness et al., "Deep
learning scaling is predictable, empirically", 2017). The law is fitted to the mean errors over the
draws, by least squares of their logarithms; b is at least 0, and at most 1: a curve that leaves
chance may fall faster for a while, and no error does for long. Its uncertainty comes from drawing
the draws with replacement, with b as it comes: a curve that fell so far is no proof that it will
not rise. Draws share parts, so that their spread alone would promise too much: the distances from
the estimate are stretched by √(1 + draws × tested/trained), as Nadeau and Bengio's variance does
(2003), and by Student's t for as few draws as there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from features.arrays import Floats

SMALL = 0.01
"""Of a score: gains below this make no difference in practice."""

_BOOTSTRAPS = 2000
_LEAST_ERROR = 1e-3  # logarithms need one; smaller errors are beyond what so few parts tell


@dataclass(frozen=True)
class Forecast:
    """Hold what a score would be with twice as many parts in training.

    Attributes:
        parts: in the largest training side.
        now: the score there.
        gain: what twice as many would add to it.
        low, high: 95 % interval of the gain.
        exponent: b of the power law; 0 where more parts brought nothing so far.
    """

    parts: int
    now: float
    gain: float
    low: float
    high: float
    exponent: float

    @property
    def kind(self) -> str:
        """Say what can be said: "more", "little" or "unknown"."""
        if self.low > -SMALL and self.high < SMALL:
            return "little"
        return "more" if self.low > 0 and self.gain >= SMALL else "unknown"

    def sentence(self, title: str) -> str:
        """Say the forecast for a person; `title` names the score."""
        twice = f"twice as many parts ({2 * self.parts:,})"
        span = f"95 % interval {self.low:+.3f} to {self.high:+.3f}"
        if self.kind == "more":
            return (
                f"{twice} would bring about {self.gain:+.3f} {title}, from {self.now:.3f} to "
                f"{self.now + self.gain:.3f} ({span})"
            )
        if self.kind == "little":
            return f"{twice} would bring next to nothing: {self.gain:+.3f} {title} ({span})"
        return (
            f"cannot tell what {twice} would bring: about {self.gain:+.3f} {title}, but the "
            f"{span} is too wide to plan by"
        )


def forecast(parts: Floats, scores: Floats, *, tested_to_trained: float, seed: int = 0) -> Forecast:
    """Fit the law and look one doubling ahead.

    Args:
        parts: float64 (sizes,) mean number of parts of each size, the largest first.
        scores: float64 (draws, sizes), 1 being perfect; no nan.
        tested_to_trained: held-out photographs for each one trained on, at the largest size.
        seed: of the bootstrap.
    """
    from scipy.special import ndtri, stdtrit  # here, as it takes longer to import than `info` may

    errors, draws = 1 - scores, len(scores)
    gain, exponent = _gain(parts, errors.mean(axis=0))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, draws, (_BOOTSTRAPS, draws))
    gains = np.array([_gain(parts, errors[of].mean(axis=0), least=-1.0)[0] for of in chosen])
    stretch = math.sqrt(1 + draws * tested_to_trained)
    stretch *= float(stdtrit(draws - 1, 0.975) / ndtri(0.975))
    low, high = (gain + stretch * float(np.quantile(gains, q) - gain) for q in (0.025, 0.975))
    low, high = min(low, gain), max(high, gain)
    now = float(scores[:, 0].mean())
    return Forecast(round(parts[0]), now, gain, max(low, -now), min(high, 1 - now), exponent)


def law(parts: Floats, errors: Floats, least: float = 0.0) -> tuple[float, float]:
    """Give (a, b) of errors ≈ a × parts^-b, b from `least` to 1."""
    x, t = np.log(parts), np.log(np.maximum(errors, _LEAST_ERROR))
    slope = float(((x - x.mean()) * (t - t.mean())).sum() / ((x - x.mean()) ** 2).sum())
    b = min(max(least, -slope), 1.0)
    return float(np.exp(t.mean() + b * x.mean())), b


def _gain(parts: Floats, errors: Floats, least: float = 0.0) -> tuple[float, float]:
    """Compute what twice the largest number takes off the error, by the law; and its exponent."""
    a, b = law(parts, errors, least)
    at_largest = min(a * parts[0] ** -b, errors[0]) if b > 0 else errors[0]
    return float(at_largest * (1 - 2**-b)), b
