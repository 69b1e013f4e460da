"""Are two sets of parts drawn from the same? Exact tests, and since when they are not.

Rows: the energy distance (Székely and Rizzo, "Energy statistics", 2013) of what photographs look
like, with the permutation test: parts of both sets are dealt out anew, and the p-value is the share
of deals in which the sets lie as far apart. One photograph stands for each part, so that under no
change every deal is as likely as any other, whatever the number of photographs of a part; whoever
takes all photographs of some parts and one of others gets false alarms (measured: 5 % at a level of
1 %). Numbers such as brightness: the same deals, with the distance between numbers.

Since when: the cut of the parts in their order at which the two sides lie farthest apart
(Matteson and James, "A nonparametric approach for multiple change point analysis of multivariate
data", 2014), if no random order has one as far.
"""

from __future__ import annotations

import numpy as np

from features.arrays import Array, Flags, Floats, Rows

DEALS = 1999
"""Random deals of the parts; p-values are multiples of 1 / (DEALS + 1)."""

_ORDERS = 199
_SHORTEST = 5  # parts on each side of a cut
_AT_ONCE = 256  # deals that are computed together


def distances(vectors: Rows | Floats) -> Array:
    """Compute Euclidean distances (n, n) between rows (n, k)."""
    values = np.asarray(vectors, dtype=np.float64).reshape(len(vectors), -1)
    squares = (values**2).sum(axis=1)
    found = squares[:, None] + squares - 2 * values @ values.T
    np.fill_diagonal(found, 0)
    return np.asarray(np.sqrt(np.maximum(found, 0)), dtype=np.float32)


def energy_test(D: Array, is_new: Flags, *, seed: int = 0, deals: int = DEALS) -> float:
    """Give the p-value of two sets being drawn from the same.

    Args:
        D: float32 (n, n), distances between parts; 0 on the diagonal.
        is_new: bool (n,), which of them are of the second set; two or more of each.
        seed: of the deals.
        deals: how many.

    Returns:
        From 1 / (deals + 1) to 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> values = np.concatenate([rng.normal(0, 1, 40), rng.normal(3, 1, 20)])
        >>> energy_test(distances(values), np.arange(60) >= 40, deals=199)
        0.005
    """
    n, count = len(is_new), int(is_new.sum())
    rng = np.random.default_rng((seed, 5))
    found = _energy(D, is_new[:, None].astype(np.float32))[0]
    as_far = 0
    for start in range(0, deals, _AT_ONCE):
        dealt = np.zeros((n, min(_AT_ONCE, deals - start)), dtype=np.float32)
        for column in dealt.T:
            column[rng.choice(n, count, replace=False)] = 1
        as_far += int((_energy(D, dealt) >= found - 1e-6 * abs(found)).sum())
    return (as_far + 1) / (deals + 1)


def _energy(D: Array, new: Array) -> Floats:
    """Give the energy distance (deals,) for sets of new parts, float32 (n, deals)."""
    to_new = (D @ new).astype(np.float64)
    total = D.sum(axis=1, dtype=np.float64)
    count = new.sum(axis=0, dtype=np.float64)
    rest = len(D) - count
    within_new = (new * to_new).sum(axis=0)
    across = (new * (total[:, None] - to_new)).sum(axis=0)
    within_rest = total.sum() - within_new - 2 * across
    return np.asarray(
        2 * across / (count * rest)
        - within_new / (count * (count - 1))
        - within_rest / (rest * (rest - 1))
    )


def change_point(D: Array, *, seed: int = 0) -> tuple[int, float]:
    """Find where a sequence of parts changes most, and how surely.

    Args:
        D: float32 (n, n), distances between parts in their order.
        seed: of the random orders.

    Returns:
        The number of the first part behind the cut, and its p-value; (0, 1.0) where there are too
        few parts for a cut.
    """
    n = len(D)
    if n < 2 * _SHORTEST:
        return 0, 1.0
    rng = np.random.default_rng((seed, 6))
    at, found = _best_cut(D)
    as_far = 0
    for _ in range(_ORDERS):
        order = rng.permutation(n)
        as_far += _best_cut(D[np.ix_(order, order)])[1] >= found
    return at, (as_far + 1) / (_ORDERS + 1)


def _best_cut(D: Array) -> tuple[int, float]:
    """Give the cut with the largest energy distance, weighted by the sizes of its sides."""
    n = len(D)
    sums = D.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    cuts = np.arange(_SHORTEST, n - _SHORTEST + 1)
    before, row = sums[cuts - 1, cuts - 1], sums[cuts - 1, n - 1]
    across = row - before
    after = sums[-1, -1] - before - 2 * across
    left, right = cuts.astype(np.float64), (n - cuts).astype(np.float64)
    energy = 2 * across / (left * right)
    energy -= before / (left * (left - 1)) + after / (right * (right - 1))
    weighted = energy * left * right / n
    best = int(np.argmax(weighted))
    return int(cuts[best]), float(weighted[best])
