"""Numbers as results say them: short, and never rounded to a certainty that is not there."""

from __future__ import annotations

import math

NBSP = "\u00a0"


def percent(share: float) -> str:
    """Give a share from 0 to 1: "43 %", "1.3 %"; 0 and 100 only where it is exactly that."""
    if math.isnan(share):
        return "not defined"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", f"{NBSP}%")
    if 0.1 <= share <= 0.9:
        return f"{100 * share:.0f}{NBSP}%"
    return f"{min(max(100 * share, 0.1), 99.9):.1f}".removesuffix(".0") + f"{NBSP}%"


def between(low: float, high: float) -> str:
    """Write two shares with one sign: "20 to 95 %"."""
    if math.isnan(low) or math.isnan(high):
        return "not defined"
    return f"{percent(low).removesuffix(f'{NBSP}%')} to {percent(high)}"


def score(value: float) -> str:
    """Give a score with three decimals; a dash where it is not defined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def interval(low: float, high: float) -> str:
    """Give an interval of scores: "0.912 to 0.978"."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{low:.3f} to {high:.3f}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Give a number with its noun: "1 part", "1,024 parts"."""
    return f"{number:,}{NBSP}{one if number == 1 else many or one + 's'}"


def of(part: int, whole: int, what: str = "") -> str:
    """Give a part with its whole: "8 of 14 photographs (57 %)"."""
    share = f" ({percent(part / whole)})" if whole else ""
    return f"{part:,} of {whole:,}{what and ' ' + what}{share}"


def sentence(text: str) -> str:
    """Give a line of a terminal as a sentence: "Some words."."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"
