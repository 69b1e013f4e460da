"""Honest splits: every photograph of one part stands on the same side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from features.errors import SplitError

KINDS = ("grouped", "random")
_ATTEMPTS = 20  # orders tried before a split is given up; the first one serves nearly always


class Fold(NamedTuple):
    """One round of cross-validation.

    Attributes:
        repeat: number of the shuffle, from 0.
        fold: number of the part that is tested, from 0.
        train, test: sorted int64 row numbers; together every row once.
    """

    repeat: int
    fold: int
    train: Indices
    test: Indices


def holdout(
    y: Indices,
    groups: Indices,
    *,
    test_size: float = 0.25,
    seed: int = 0,
    kind: str = "grouped",
    class_names: Sequence[str] | None = None,
) -> tuple[Indices, Indices]:
    """Split rows once into a training part and a part that is held out.

    Args:
        y: int64 (n,) class numbers from 0.
        groups: int64 (n,), the same number for rows of one part.
        test_size: share of each class held out, between 0 and 1.
        seed: of the shuffle.
        kind: "grouped": no group on both sides; "random": rows at random, groups ignored.
        class_names: for messages; numbers otherwise.

    Returns:
        Sorted int64 row numbers (train, test). Each class stands on both sides.

    Raises:
        SplitError: a class has fewer than two groups (rows, if random), or an argument is unfit.
    """
    if not 0 < test_size < 1:
        raise SplitError(f"test size is {test_size}; expected a share between 0 and 1, like 0.25")
    problem = _problem(y, groups, kind, class_names)
    problem.require(2, "a holdout")
    parts = problem.allocate((1 - test_size, test_size), np.random.default_rng(seed))
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)


def folds(
    y: Indices,
    groups: Indices,
    *,
    n_folds: int = 5,
    repeats: int = 3,
    seed: int = 0,
    kind: str = "grouped",
    class_names: Sequence[str] | None = None,
) -> list[Fold]:
    """Split rows for repeated, stratified cross-validation.

    Args:
        y: int64 (n,) class numbers from 0.
        groups: int64 (n,), the same number for rows of one part.
        n_folds: parts per repeat, 2 or more.
        repeats: shuffles, 1 or more.
        seed: of the shuffles.
        kind: "grouped": no group in train and test of one fold; "random": groups ignored.
        class_names: for messages; numbers otherwise.

    Returns:
        repeats x n_folds folds; within a repeat every row is tested once.

    Raises:
        SplitError: a class has fewer than `n_folds` groups (rows, if random), or an argument is
            unfit.
    """
    if n_folds < 2 or repeats < 1:
        raise SplitError(
            f"{n_folds} folds and {repeats} repeats were asked for; expected 2 folds or more and "
            "1 repeat or more"
        )
    problem = _problem(y, groups, kind, class_names)
    problem.require(n_folds, f"{n_folds} folds")
    made = []
    for repeat in range(repeats):
        parts = problem.allocate((1 / n_folds,) * n_folds, np.random.default_rng((seed, repeat)))
        made += [
            Fold(repeat, fold, np.flatnonzero(parts != fold), np.flatnonzero(parts == fold))
            for fold in range(n_folds)
        ]
    return made


def _problem(y: Indices, groups: Indices, kind: str, class_names: Sequence[str] | None) -> _Problem:
    if len(y) == 0 or len(y) != len(groups):
        raise SplitError(
            f"{len(y)} labels and {len(groups)} groups; expected one of each per photograph"
        )
    if kind not in KINDS:
        raise SplitError(
            f"unknown kind of split {kind!r}; expected one of {', '.join(KINDS)}, given"
        )
    units = groups if kind == "grouped" else np.arange(len(y))
    _, group_of_row = np.unique(units, return_inverse=True)
    n_classes = max(int(y.max()) + 1, len(class_names or ()))
    counts = np.zeros((int(group_of_row.max()) + 1, n_classes))
    np.add.at(counts, (group_of_row, y), 1)
    names = tuple(class_names) if class_names else tuple(str(c) for c in range(n_classes))
    return _Problem(kind, names, group_of_row, counts)


@dataclass
class _Problem:
    """Groups with their class counts, to be dealt out to parts.

    Attributes:
        kind: of the split.
        names: of the classes.
        group_of_row: (n,) number of each row's group.
        counts: float64 (groups, classes), rows of each class in each group.
    """

    kind: str
    names: tuple[str, ...]
    group_of_row: Indices
    counts: Floats

    def require(self, needed: int, purpose: str) -> None:
        """Raise SplitError unless each class has `needed` groups."""
        found = (self.counts > 0).sum(axis=0)
        short = int(found.argmin())
        if found[short] >= needed:
            return
        unit = "part" if self.kind == "grouped" else "photograph"
        count = f"{found[short]} {unit}{'' if found[short] == 1 else 's'}"
        remedies = ["add more parts of this class" if unit == "part" else "add more of them"]
        if found[short] >= 2 and needed > 2:
            remedies.insert(0, f"use at most {found[short]} folds (--folds {found[short]})")
        if unit == "part" and self.counts[:, short].sum() >= needed:
            remedies.append("accept flattered scores with --split random")
        raise SplitError(
            f"class {self.names[short]!r} has {count}; "
            f"expected at least {needed} for {purpose}; {', or '.join(remedies)}"
        )

    def allocate(self, shares: Sequence[float], rng: np.random.Generator) -> Indices:
        """Give every row a part number, such that each part has its share of every class."""
        for _ in range(_ATTEMPTS):
            part_of_group = _deal(self.counts, shares, rng)
            if _every_class_everywhere(self.counts, part_of_group, len(shares)):
                return part_of_group[self.group_of_row]
        raise SplitError(
            f"no way was found to give each of {len(shares)} parts every class, because groups "
            "hold several classes at once; use fewer folds, or check the groups"
        )


def _deal(counts: Floats, shares: Sequence[float], rng: np.random.Generator) -> Indices:
    """Deal groups, largest share of a class first, each to the part that misses it most.

    Greedy minimisation of the squared distance between the parts' class counts and their targets,
    each class measured relative to its size, so that a rare class weighs as much as a common one.
    """
    totals = np.maximum(counts.sum(axis=0), 1)
    # Sizes are compared by powers of two: within such a class the shuffle decides, so that
    # repeats differ even where no two groups have the same size.
    order = rng.permutation(len(counts))
    sizes = np.floor(np.log2(np.maximum((counts / totals).max(axis=1), 1e-300)))
    order = order[np.argsort(-sizes[order], kind="stable")]
    need = [(share * totals / totals**2).tolist() for share in shares]
    dealer = _Dealer(need, (counts > 0).sum(axis=0).tolist(), rng.permutation(len(shares)).tolist())
    part_of_group = np.empty(len(counts), dtype=np.int64)
    relative = counts / totals**2
    for group in order.tolist():
        classes = np.flatnonzero(counts[group]).tolist()
        held = [(c, float(counts[group, c]), float(relative[group, c])) for c in classes]
        part_of_group[group] = dealer.place(held)
    return part_of_group


class _Dealer:
    """Places one group after another and remembers what each part still needs."""

    def __init__(self, need: list[list[float]], left: list[int], parts: list[int]) -> None:
        """Start with the parts empty.

        Args:
            need: per part and class, missing rows divided by the square of the class's size.
            left: per class, groups that are still to be placed.
            parts: part numbers in the order in which ties are broken.
        """
        self._need = need
        self._left = left
        self._parts = parts
        self._without = [set(parts) for _ in left]  # per class, the parts that have none of it

    def place(self, held: Sequence[tuple[int, float, float]]) -> int:
        """Choose the part for a group that holds (class, rows, rows / size of class squared)."""
        part = max(self._candidates(held), key=lambda p: self._gain(p, held))
        for c, _, relative in held:
            self._need[part][c] -= relative
            self._without[c].discard(part)
            self._left[c] -= 1
        return part

    def _gain(self, part: int, held: Sequence[tuple[int, float, float]]) -> float:
        """Compute how much closer to the targets this comes, without terms common to all parts."""
        return sum(self._need[part][c] * rows for c, rows, _ in held)

    def _candidates(self, held: Sequence[tuple[int, float, float]]) -> list[int]:
        """Take all parts, or those without a class with only as many groups left as they are."""
        urgent = [c for c, _, _ in held if self._left[c] <= len(self._without[c])]
        if not urgent:
            return self._parts
        lacking = {p: sum(p in self._without[c] for c in urgent) for p in self._parts}
        most = max(lacking.values())
        return [p for p in self._parts if lacking[p] == most]


def _every_class_everywhere(counts: Floats, part_of_group: Indices, n_parts: int) -> bool:
    filled = np.zeros((n_parts, counts.shape[1]))
    np.add.at(filled, part_of_group, counts)
    return bool((filled[:, counts.sum(axis=0) > 0] > 0).all())
