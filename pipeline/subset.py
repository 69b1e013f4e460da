"""A smaller set of whole parts out of a large one, the classes as even as they can be had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from features.errors import DataError
from pipeline.cnn_data import PhotographSet

Counts = npt.NDArray[np.int64]


def choose_parts(photographs: PhotographSet, count: int, *, seed: int = 0) -> PhotographSet:
    """Take about `count` photographs, parts whole: never more, a few less where parts do not fit.

    Args:
        photographs: to choose from.
        count: wanted; every class gets the same share, and what a class has too few of goes to
            the others.
        seed: of the choice.

    Raises:
        DataError: fewer than two photographs per class are wanted.
    """
    totals = np.bincount(photographs.y, minlength=len(photographs.classes.names))
    if count < 2 * len(totals):
        raise DataError(
            f"{count} photographs were asked for; expected at least two of each of the "
            f"{len(totals)} classes"
        )
    table = np.zeros((photographs.groups.max() + 1, len(totals)), dtype=np.int64)
    np.add.at(table, (photographs.groups, photographs.y), 1)
    taken = _take(table, share_evenly(totals, count), np.random.default_rng(seed))
    numbers = np.flatnonzero(taken[photographs.groups])
    return replace(
        photographs,
        samples=[photographs.samples[i] for i in numbers],
        y=photographs.y[numbers],
        groups=photographs.groups[numbers],
    )


def share_evenly(totals: Counts, count: int) -> Counts:
    """How many to take of each class: equal shares, none above what there is.

    Args:
        totals: int64 (n_classes,), photographs there are.
        count: wanted in all.
    """
    shares = np.zeros_like(totals)
    for place, number in enumerate(np.argsort(totals, kind="stable")):
        left = len(totals) - place
        shares[number] = min(totals[number], (count - shares.sum()) // left)
    return shares


def _take(table: Counts, shares: Counts, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which parts (rows of photographs per class) fit into the shares, rare classes first."""
    order = rng.permutation(len(table))
    sizes = np.where(table > 0, table.sum(axis=0), np.iinfo(np.int64).max).min(axis=1)
    taken, left = np.zeros(len(table), dtype=bool), shares.copy()
    for part in order[np.argsort(sizes[order], kind="stable")]:
        if (table[part] <= left).all():
            taken[part] = True
            left -= table[part]
    return taken
