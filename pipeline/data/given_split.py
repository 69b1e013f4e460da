"""The split that a folder came with: its test part is the holdout, unless one says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from features.arrays import Indices
from features.errors import SplitError
from pipeline.data.class_words import TEST, TRAIN, VALIDATION, is_healthy
from pipeline.data.splits import holdout

GIVEN = "given"
"""The kind of split that keeps what the folder came with, beside `pipeline.data.splits.KINDS`."""


def given_sides(splits: Sequence[str]) -> tuple[Indices, Indices] | None:
    """Give what is trained on and what is held out.

    The test part is held out, and train and validation are trained on. Without a test part the
    validation part is held out.

    Args:
        splits: "train", "validation", "test" or "" of each photograph.

    Returns:
        Sorted int64 numbers (train, holdout); None where there are no two parts.

    Example:
        >>> given_sides(["train", "test", "validation"])
        (array([0, 2]), array([1]))
    """
    held = TEST if TEST in splits else VALIDATION
    inside = np.array([split == held for split in splits], dtype=np.bool_)
    if not inside.any() or inside.all():
        return None
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def about_given(
    splits: Sequence[str], sides: tuple[Indices, Indices], groups: Indices
) -> list[str]:
    """Say which part of a given split is held out, and how many parts stand on both sides.

    Args:
        splits: of each photograph.
        sides: of `given_sides`.
        groups: int64 (n,), the same number for photographs of one part, near copies included.
    """
    counts = Counter(splits)
    held = TEST if counts[TEST] else VALIDATION
    said = []
    if held == VALIDATION:
        said.append(
            "the folder came with train and validation and no test: what lies in validation is "
            "held out"
        )
    train, test = sides
    both = np.intersect1d(groups[train], groups[test])
    if len(both):
        inside = int(np.isin(groups[test], both).sum())
        torn = "1 part stands" if len(both) == 1 else f"{len(both):,} parts stand"
        said.append(
            f"{torn} on both sides of the given split, with {inside:,} of the {len(test):,} "
            f"photographs in {held}: scores there are flattered; --split grouped keeps parts apart"
        )
    return said


def defects_of_test_alone(labels: Sequence[tuple[str, str]]) -> list[str] | None:
    """Give the classes that are the defects where only good photographs are to be trained on.

    So it is in MVTec's folders: train has good alone, and test has good beside many defects.

    Args:
        labels: class and split of each photograph.

    Returns:
        All classes but the healthy one; None where the folder is of another kind.
    """
    trained = {label for label, split in labels if split == TRAIN}
    others = {label for label, _ in labels} - trained
    if len(trained) != 1 or len(others) < 2 or not is_healthy(next(iter(trained))):
        return None
    return sorted(others)


def choose_sides(
    y: Indices,
    groups: Indices,
    given: tuple[Indices, Indices] | None,
    *,
    kind: str | None,
    test_size: float,
    seed: int,
    class_names: Sequence[str],
) -> tuple[str, tuple[Indices, Indices]]:
    """Split photographs once, as the folder did or anew.

    Args:
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        given: of `given_sides`.
        kind: "given", "grouped" or "random"; None for the given split where there is one, else
            "grouped".
        test_size: share held out, where the split is drawn.
        seed: of the draw.
        class_names: for messages; see `pipeline.data.splits.holdout`.

    Returns:
        The kind, and int64 numbers (train, holdout).

    Raises:
        SplitError: the given split is asked for and there is none, or it lacks a class; or see
            `pipeline.data.splits.holdout`.
    """
    kind = kind or (GIVEN if given is not None else "grouped")
    if kind != GIVEN:
        names = class_names[: int(y.max()) + 1] if len(class_names) == 2 else class_names
        sides = holdout(y, groups, test_size=test_size, seed=seed, kind=kind, class_names=names)
        return kind, sides
    if given is None:
        raise SplitError(
            "found no split in the folder; expected train and test above its classes, or a table "
            "with a column split, for --split given; draw one instead: --split grouped"
        )
    present = np.unique(y)
    alone = len(class_names) == 2 and not y[given[0]].any()  # good alone: some heads need no more
    for side, what in zip(given, ("to train on", "held out"), strict=True):
        for number in np.setdiff1d(present, y[side]).tolist():
            if not (alone and what == "to train on" and number == 1):
                raise SplitError(
                    f"the given split has no photographs of class {class_names[number]!r} {what}; "
                    "expected some; draw another: --split grouped"
                )
    return kind, given
