"""Photographs that show too little to be judged: blurred, over- or under-exposed, near-uniform.

What is usual differs from set to set (a white background is no over-exposure), so each limit is
relative to the set, inside absolute bounds: what is plainly fine is never called unusable, and
what is plainly spoilt always is, even where all are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from features.arrays import Floats, Indices
from features.cache.sample_table import TableRow
from features.photographs.metadata import FileFacts
from pipeline.audit.outliers import middle_and_spread

# Sharpness is fine detail over all contrast. Gaussian blur of 2 pixels on the measured copy took
# photographs of tiles and of drawn parts from 0.04 and more down to 0.0015 to 0.012.
_SHARP_ENOUGH, _NO_DETAIL = 0.05, 0.001
_BLUR_TIMES, _BLUR_SPREADS = 8.0, 3.0

# Shares of the pixels that are white, or black.
_CLIPPED_ENOUGH, _ALL_CLIPPED = 0.2, 0.98
_CLIPPED_SPREADS, _CLIPPED_FLOOR = 5.0, 0.02

_ALL_DARK = 32  # of 255: nothing in the photograph is brighter

# Standard deviation of grey, of 255.
_CONTRAST_ENOUGH, _NO_CONTRAST = 8.0, 2.0
_CONTRAST_TIMES = 8.0


@dataclass(frozen=True)
class Unusable:
    """One photograph that shows too little.

    Attributes:
        row: its number among the photographs.
        problem: "blurred", "over-exposed", "under-exposed" or "near-uniform".
        reason: measured against what is usual, for a person.
    """

    row: int
    problem: str
    reason: str


def find_unusable(facts: Sequence[FileFacts | None]) -> list[Unusable]:
    """Find what is wrong with which photographs, in their order, one problem each: the worst.

    Args:
        facts: of n photographs; None where the file is gone.
    """
    rows = [row for row, one in enumerate(facts) if one is not None]
    there = [one for one in facts if one is not None]
    found: dict[int, Unusable] = {}
    for check in (_clipped, _dark, _uniform, _blurred):
        for place, problem, reason in check(there):
            found.setdefault(rows[place], Unusable(rows[place], problem, reason))
    return [found[row] for row in sorted(found)]


_Found = Iterator[tuple[int, str, str]]


def _clipped(facts: Sequence[FileFacts]) -> _Found:
    for name, problem, colour in (
        ("white", "over-exposed", "white"),
        ("black", "under-exposed", "black"),
    ):
        shares = _values(facts, name)
        middle, spread = middle_and_spread(shares)
        limit = max(_CLIPPED_ENOUGH, middle + _CLIPPED_SPREADS * max(spread, _CLIPPED_FLOOR))
        for place in np.flatnonzero((shares > limit) | (shares >= _ALL_CLIPPED)):
            reason = f"{100 * shares[place]:.0f} % of it is {colour} (usual: {100 * middle:.0f} %)"
            yield int(place), problem, reason


def _dark(facts: Sequence[FileFacts]) -> _Found:
    brightest = _values(facts, "brightest")
    usual = float(np.nanmedian(brightest)) if len(brightest) else 0.0
    for place in np.flatnonzero(brightest < _ALL_DARK):
        yield (
            int(place),
            "under-exposed",
            f"nothing in it is brighter than {brightest[place]:.0f} of 255 (usual: {usual:.0f})",
        )


def _uniform(facts: Sequence[FileFacts]) -> _Found:
    contrast = _values(facts, "contrast")
    usual = float(np.nanmedian(contrast)) if len(contrast) else 0.0
    limit = max(_NO_CONTRAST, min(_CONTRAST_ENOUGH, usual / _CONTRAST_TIMES))
    for place in np.flatnonzero(contrast < limit):
        reason = f"contrast {contrast[place]:.1f} of 255 (usual: {usual:.1f})"
        yield int(place), "near-uniform", reason


def _blurred(facts: Sequence[FileFacts]) -> _Found:
    logs = np.log(np.maximum(_values(facts, "sharpness"), 1e-9))
    middle, spread = middle_and_spread(logs)
    relative = middle - max(np.log(_BLUR_TIMES), _BLUR_SPREADS * spread)
    limit = max(np.log(_NO_DETAIL), min(np.log(_SHARP_ENOUGH), relative))
    for place in np.flatnonzero(logs < limit):
        times = float(np.exp(middle - logs[place]))
        reason = (
            f"{times:,.0f} times less fine detail than usual"
            if times >= 2
            else "hardly any fine detail, like most here"
        )
        yield int(place), "blurred", reason


def _values(facts: Sequence[FileFacts], name: str) -> Floats:
    return np.array([getattr(one, name) for one in facts], dtype=np.float64)


@dataclass(frozen=True)
class TornCopies:
    """One photograph under two labels or more: at most one of them is right.

    Attributes:
        digest: SHA-256 of the bytes, hex.
        rows: numbers of its copies among the photographs.
    """

    digest: str
    rows: tuple[int, ...]


def find_torn_copies(table_rows: Sequence[TableRow], y: Indices) -> list[TornCopies]:
    """Find exact copies under different class numbers, in the order of their first one."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, table_row in enumerate(table_rows):
        rows[table_row.digest].append(row)
    return [
        TornCopies(digest, tuple(copies))
        for digest, copies in rows.items()
        if len(set(y[copies].tolist())) > 1
    ]
