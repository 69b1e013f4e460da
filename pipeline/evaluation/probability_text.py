"""Write a probability beside its limit so that rounding never hides the difference."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evaluation.band import Band

_DIGITS = 4  # most decimals of per cent; what is smaller is written as 2e-05


_ROUNDED = 0.05  # share of a limit that rounding may hide


def beside(p: float, band: Band, unit: str = "%") -> str:
    """Give a probability beside the limit that decided, such as "49% ≥ 2%" or "1.98% < 2.01%".

    With as few decimals as show the limit, and on which side of it the probability lies.
    """
    limits = [min(limit, 1.0) for limit in (band.pass_below, band.reject_from)]
    digits = next((d for d in range(_DIGITS) if _told_apart(p, limits, d)), None)
    shown, low, high = (_in_percent(value, digits) for value in (p, *limits))
    if p < band.pass_below:
        return f"{shown}{unit} < {low}{unit}"
    if p >= band.reject_from:
        return f"{shown}{unit} ≥ {high}{unit}"
    return f"{shown}{unit} in {low}–{high}{unit}"


def _in_percent(share: float, digits: int | None) -> str:
    """Write with so many decimals; None: with two digits that count."""
    value = 100 * share
    if digits is None:
        return f"{value:.2g}" if value < 10 else f"{value:.0f}"
    return f"{value:.{digits}f}"


def _told_apart(p: float, limits: Sequence[float], digits: int) -> bool:
    """Say whether so many decimals of per cent are true to the limits, and to the order."""
    here, *shown = (round(100 * value, digits) for value in (p, *limits))
    return all(
        abs(s - 100 * limit) <= _ROUNDED * 100 * min(limit, 1 - limit)
        and (here < s, here > s) == (p < limit, p > limit)
        for s, limit in zip(shown, limits, strict=True)
    )
