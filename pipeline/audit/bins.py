"""One fact of every photograph, and the few bins that a tiny classifier cuts it into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.arrays import Flags, Floats, Indices

BINS = 8
"""At most so many, all of about the same number of training rows."""

_NEIGHBOUR = 0.5  # how much a bin of an ordered fact learns from the bins beside it


@dataclass(frozen=True)
class Column:
    """One fact of every photograph.

    Attributes:
        name: of the fact.
        values: float64 (n,); nan where the photograph does not have it. Of a fact without order,
            whole numbers that stand for its words.
        ordered: whether more and less mean something.
    """

    name: str
    values: Floats
    ordered: bool = True

    @property
    def known(self) -> Flags:
        """Say which photographs have it, bool (n,)."""
        return np.isfinite(self.values)


def cut(column: Column, train: Indices) -> Indices:
    """Give the bin of every row, fitted on training rows alone and without looking at classes.

    Ordered facts are cut at quantiles, or between their values where these are few. Of words, the
    most frequent have a bin each and all others share the last one.

    Args:
        column: n values.
        train: row numbers.

    Returns:
        int64 (n,) from 0 to BINS - 1; -1 where the fact is not known.
    """
    known = column.known
    seen = column.values[train][known[train]]
    values, counts = np.unique(seen, return_counts=True)
    codes = np.full(len(column.values), -1, dtype=np.int64)
    if column.ordered:
        if len(values) <= BINS:
            cuts = (values[1:] + values[:-1]) / 2
        else:
            cuts = np.unique(np.quantile(seen, np.arange(1, BINS) / BINS))
        codes[known] = np.searchsorted(cuts, column.values[known], side="right")
        return codes
    codes[known] = BINS - 1
    for code, place in enumerate(np.argsort(-counts, kind="stable")[: BINS - 1]):
        codes[column.values == values[place]] = code
    return codes


def neighbours(column: Column) -> Floats:
    """Weigh how much each bin's counts add to each other bin's, (BINS, BINS): 1 to itself."""
    shares = np.eye(BINS)
    if column.ordered:
        shares += _NEIGHBOUR * (np.eye(BINS, k=1) + np.eye(BINS, k=-1))
    return shares
