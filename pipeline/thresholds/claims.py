"""Claims about parts that are made later: how many parts they take, and which are set aside.

A claim such as "at most 2 % of defective parts are missed, with 95 % confidence" is a statement
about one model and one threshold. Out-of-fold probabilities do not carry it: they come from other
models than the one that will be used, and in simulations a threshold taken from them broke its
bound in 7 to 12 of 100 draws instead of at most 5. So a claim sets parts of the training part
aside: the model does not learn from them, and the threshold is the order statistic of their
probabilities that keeps the bound whatever their distribution (`pipeline.thresholds.bounds`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from features.arrays import Floats, Indices
from features.errors import ThresholdError
from pipeline.evaluation.band import Band
from pipeline.thresholds.bounds import allowed_events, parts_needed, pass_limit, reject_limit
from pipeline.thresholds.costs import band_above, band_below
from pipeline.thresholds.outcome import part_scores
from pipeline.thresholds.rule import CONFIDENCE, ThresholdRule

SET_ASIDE = 0.5
"""Share of the parts that a claim sets aside, where that is enough."""

MOST_SET_ASIDE = 0.75
"""Share of the parts that it sets aside at most: from the others the model learns."""


@dataclass(frozen=True)
class Claim:
    """Hold what holds with 95 % confidence for parts like those that were set aside.

    Attributes:
        what: "missed": defective parts that are passed; "rejected": good parts that are rejected.
            With the part rule `any` those with a photograph of which that is so.
        share: at most so many of them.
        parts: set aside, of which it was learned.
        allowed: how many of these may go wrong (and do, but for ties).
        confidence: that it holds.
    """

    what: Literal["missed", "rejected"]
    share: float
    parts: int
    allowed: int
    confidence: float = CONFIDENCE

    def to_json(self) -> dict[str, Any]:
        """Give the attributes by name."""
        return asdict(self)


SAY_WHICH = (
    "say which photographs show one part: extract DATA --groups TABLE, --group-regex PATTERN, or "
    "--group-gap SECONDS; "
    'where every photograph shows a part of its own, say that: --group-regex ".+"'
)
"""The question that settles what is only proposed."""


def require_told(rule: ThresholdRule, groups: str) -> None:
    """Refuse a claim about parts where nobody said which photographs show one.

    Args:
        rule: with or without a claim.
        groups: `GroupRule.kind`.

    Raises:
        ThresholdError: there is a claim, and the parts are only proposed.
    """
    if rule.method == "claim" and groups in ("proposed", "none"):
        option = "--max-missed" if rule.max_missed is not None else "--max-false"
        raise ThresholdError(
            f"found {option} and parts that are only proposed; expected parts that somebody knows: "
            "photographs of one part, taken for several, would be learned from and tested on, and "
            f"the claim would not hold; {SAY_WHICH}"
        )


_MIXED = 0.05  # share of proposed parts with several classes from which they are no parts


def why_apart(kind: str, y: Indices, groups: Indices) -> str:
    """Say why photographs are judged one by one though groups are proposed; "" if not.

    A proposal rather merges parts than tears one, which is safe for a split; a verdict about
    merged parts would pass a defective one among good ones.

    Args:
        kind: `GroupRule.kind`.
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for photographs of one part.
    """
    if kind != "proposed":
        return ""
    numbers, sizes = np.unique(groups, return_counts=True)
    several = numbers[sizes > 1]
    mixed = sum(len(np.unique(y[groups == number])) > 1 for number in several)
    if mixed <= _MIXED * len(several):
        return ""
    if len(several) == 1:
        return "the only proposed part with several photographs has several classes"
    return (
        f"{mixed:,} of the {len(several):,} proposed parts with several photographs have several "
        "classes"
    )


def set_aside(
    rule: ThresholdRule, y: Indices, groups: Indices, *, seed: int, test_size: float
) -> Indices:
    """Draw the parts that the model must not learn from.

    Args:
        rule: with a claim.
        y: int64 (n,) of the training part, 1 for the defective class.
        groups: int64 (n,), the same number for photographs of one part.
        seed: of the draw. Every part is as likely as any other of its kind to be drawn.
        test_size: share that was held out before, for the message.

    Returns:
        Sorted int64 numbers of the photographs that are set aside: half the parts of each kind,
        up to three quarters where the claim takes so many.

    Raises:
        ThresholdError: there are too few parts for the claim.
    """
    defective = np.unique(groups[y == 1])
    good = np.setdiff1d(groups, defective)
    share = SET_ASIDE
    for kind, parts, wanted in (
        ("defective", defective, rule.max_missed),
        ("good", good, rule.max_false),
    ):
        if wanted is not None:
            _require(kind, len(parts), wanted, test_size)
            share = max(share, parts_needed(wanted) / len(parts))
    rng = np.random.default_rng((seed, 1))
    drawn = [
        rng.choice(parts, math.ceil(round(share * len(parts), 9)), replace=False)
        for parts in (defective, good)
    ]
    return np.flatnonzero(np.isin(groups, np.concatenate(drawn)))


def parts_for(share: float) -> int:
    """Give the fewest parts of a kind in the training part for a claim of at most `share`."""
    return math.ceil(parts_needed(share) / MOST_SET_ASIDE)


def _require(kind: str, found: int, share: float, test_size: float) -> None:
    needed = parts_for(share)
    if found >= needed:
        return
    aside = math.floor(found * MOST_SET_ASIDE)
    least = 1 - (1 - CONFIDENCE) ** (1 / aside) if aside else 1.0
    option = "--max-missed" if kind == "defective" else "--max-false"
    smaller = math.ceil(least * 100) / 100
    remedy = f", or claim less: {option} {smaller:.2f}" if smaller < 0.5 else ""
    raise ThresholdError(
        f"found {found} {kind} parts to train on; expected {needed} for {option} {share:g}: "
        f"{parts_needed(share)} that the model does not learn from, none of which may go wrong, "
        f"and {needed - parts_needed(share)} that it learns from (with {100 * test_size:.0f} % "
        f"held out, "
        f"{math.ceil(needed / (1 - test_size))} in all); collect more{remedy}"
    )


def claim(
    rule: ThresholdRule, y: Indices, p: Floats, groups: Indices, defect_rate: float
) -> tuple[Band, list[Claim]]:
    """Give the band that keeps the claims of a rule, and the claims.

    Where one threshold keeps both claims, it is the middle of those that do.

    Args:
        rule: with a claim.
        y: int64 (n,) of the parts that were set aside, 1 for the defective class; of photographs
            where these are judged by themselves.
        p: float64 (n,), the model's probabilities of a defect.
        groups: int64 (n,), the same number for photographs of one part.
        defect_rate: share of defective parts to expect, for the share that a person sees.
    """
    scores = part_scores(y, p, groups)
    claims = []
    low = high = None
    if rule.max_missed is not None:
        low = pass_limit(scores.defective, rule.max_missed)
        claims.append(_claim("missed", rule.max_missed, len(scores.defective)))
    if rule.max_false is not None:
        high = reject_limit(scores.good, rule.max_false)
        claims.append(_claim("rejected", rule.max_false, len(scores.good)))
    return _band(rule, low, high, (y, p, defect_rate)), claims


def _band(
    rule: ThresholdRule,
    low: float | None,
    high: float | None,
    seen: tuple[Indices, Floats, float],
) -> Band:
    y, p, rate = seen
    if low is not None and high is not None:
        return Band(low, high) if low < high else Band.at((low + high) / 2)
    if low is not None:
        return Band.at(low) if rule.review is None else band_above(y, p, low, rule.review, rate)
    assert high is not None
    return Band.at(high) if rule.review is None else band_below(y, p, high, rule.review, rate)


def _claim(what: Literal["missed", "rejected"], share: float, parts: int) -> Claim:
    return Claim(what, share, parts, allowed_events(parts, share))
