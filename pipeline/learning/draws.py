"""Smaller and smaller training sides of whole parts, judged on the same parts held out.

Protocol: for every draw some parts are held out once. The others are put in a random order, class
by class, and the first 1, 0.71, 0.5, 0.35 … of every class are trained on: each step takes half as
many parts as two steps before, and holds nothing that the larger one does not, so that a draw's
own curve goes up by what was added and not by another choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from features.errors import SplitError
from pipeline.splits import Fold, Indices, holdout
from pipeline.statistics.draws import Parts

FEWEST = 2  # parts of a class in the smallest training side
MOST_SIZES = 8


def shrinking_folds(
    y: Indices,
    groups: Indices,
    *,
    draws: int = 10,
    test_size: float = 0.25,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> list[Fold]:
    """Training sides of falling size, on the same held-out side within a draw.

    Args:
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        draws: how often parts are held out and put in order anew.
        test_size: share of the photographs held out.
        seed: of the draws.
        class_names: for messages.

    Returns:
        draws × sizes folds, the same sizes in every draw: `repeat` is the draw, `fold` the size
        from 0, the largest, on.

    Raises:
        SplitError: too few parts of a class for two sizes, one twice the other.
    """
    sides = [
        holdout(y, groups, test_size=test_size, seed=_seed(seed, draw), class_names=class_names)
        for draw in range(draws)
    ]
    parts = [Parts.of(y[train], groups[train]) for train, _ in sides]
    rarest = min(min(of.size(stratum) for stratum in of.strata) for of in parts)
    # As many halvings as leave every class its fewest parts.
    steps = int(2 * math.log2(rarest / FEWEST) + 1e-9) if rarest >= FEWEST else 0
    if steps < 2:
        raise SplitError(
            f"a class has {rarest} part{'' if rarest == 1 else 's'} to train on; expected at least "
            f"{2 * FEWEST}, to train on half of them as well; add more parts of this class"
        )
    return [
        Fold(draw, step, np.sort(train[rows]), test)
        for draw, ((train, test), of) in enumerate(zip(sides, parts, strict=True))
        for step, rows in enumerate(_nested(of, min(steps, MOST_SIZES - 1), _seed(seed, draw)))
    ]


def _seed(seed: int, draw: int) -> int:
    return int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])


def _nested(parts: Parts, steps: int, seed: int) -> list[Indices]:
    """Row numbers of the first parts of every class, fewer and fewer."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(parts.stratum == s)) for s in parts.strata]
    found = []
    for step in range(steps + 1):
        share = 2 ** (-step / 2)
        taken = [order[: max(FEWEST, round(share * len(order)))] for order in orders]
        found.append(np.flatnonzero(np.isin(parts.of_row, np.concatenate(taken))))
    return found
