"""Say what a head reaches from the border of photographs alone, their middle covered.

A part lies in the middle and the background around it. If a head that sees only the border still
tells the classes of parts that it never saw, the background, the light or the fixture gives them
away, and a model may learn that instead of the defect. The cells of a cached map will not do: each
of them has seen nearly the whole photograph. So a sample of the photographs goes through the
backbone once more, the middle painted in the border's mean colour, and the same head is trained on
both, on the same folds by part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from features.arrays import Floats, Indices, Pixels, Rows
from features.backbones.settings import settings_from_fields
from features.errors import MemoryLimitError, SplitError, WeightsError
from features.photographs.file import Photograph
from pipeline.audit.labels import out_of_fold
from pipeline.audit.permutation_test import interval
from pipeline.audit.result import BackgroundFinding
from pipeline.cnn.photograph_batches import look
from pipeline.data.dataset import Dataset
from pipeline.data.splits import Fold, folds
from pipeline.evaluation.metrics import auc_error, score
from pipeline.evaluation.part_rules import by_part, part_classes
from pipeline.heads.sides import smaller_side

MASKED = 0.6  # of each side, in the middle: 36 % of the photograph
MOST = 240  # photographs that are looked at, whole parts
_BATCH = 32
_FOLDS = 5
_TOLD = 0.6  # the interval's lower end from which the border tells the classes

Progress = Callable[[int, int], None]


def background_shortcut(
    data: Dataset, root: Path, *, seed: int = 0, progress: Progress | None = None
) -> BackgroundFinding | str:
    """Compare a head on the border with the same head on the whole of the same photographs.

    Args:
        data: of two classes; a sample of whole parts is taken of many.
        root: where the photographs are.
        seed: of sample and folds.
        progress: called as `progress(photographs looked at, photographs in all)`.

    Returns:
        What was found; or in a text, why it was not looked at.
    """
    if not data.classes.binary:
        return "the background is looked at for two classes alone"
    if data.folder.weights is None:
        return "the background is not looked at: the cache does not say which weights it has"
    rows = _sample(data, seed)
    y, groups = data.y[rows], data.groups[rows]
    rounds = rounds_by_part(y, groups, data.classes.names, repeats=1, seed=seed)
    if isinstance(rounds, str):
        return f"the background is not looked at: {rounds}"
    try:
        settings = settings_from_fields(data.fields, data.folder.weights)
        backbone = settings.of_whole_photographs.load(_BATCH)
    except WeightsError:
        return "the background is not looked at: the backbone's weights are not on this computer"
    except MemoryLimitError as error:
        return f"the background is not looked at: {error}"
    photographs = [
        Photograph(root / data.table_rows[i].path, data.table_rows[i].path) for i in rows
    ]
    kept, border, batch = list[int](), list[Rows](), list[Pixels]()
    seen = look(photographs, settings.recipe, progress=progress)
    for number, one in enumerate(seen):
        if one.pixels is not None and one.table_row.digest == data.table_rows[rows[number]].digest:
            kept.append(number)
            batch.append(covered(one.pixels))
        if batch and (len(batch) == _BATCH or number + 1 == len(photographs)):
            border.append(data.row_parts.with_map.pool(backbone.run(np.stack(batch)), "avg"))
            batch = []
    if len(kept) < len(rows):
        return "the background is not looked at: photographs are gone or were changed"
    stored = data.whole_rows(rows)  # read in pieces, beside the network in memory
    starts = range(0, len(rows), _BATCH)
    whole = [data.row_parts.pool(stored[start : start + _BATCH], "avg") for start in starts]
    P = [
        out_of_fold(smaller_side(X), y, groups, rounds, seed=seed)
        for X in (np.concatenate(border), np.concatenate(whole))
    ]
    return _finding(y, groups, P[0], P[1], data.classes.names)


def rounds_by_part(
    y: Indices, groups: Indices, names: Sequence[str], *, repeats: int, seed: int
) -> list[Fold] | str:
    """Make repeated grouped folds, five or as many as the classes have parts for.

    Args:
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        names: of the classes.
        repeats: of all folds.
        seed: of the folds.

    Returns:
        The folds; or in a text, why there are none.
    """
    parts = [len(np.unique(groups[y == number])) for number in range(len(names))]
    fewest = int(np.argmin(parts))
    for n_folds in range(min(_FOLDS, parts[fewest]), 1, -1):
        try:
            return folds(y, groups, n_folds=n_folds, repeats=repeats, seed=seed)
        except SplitError:  # parts of several classes
            continue
    has = f"{parts[fewest]} part{'' if parts[fewest] == 1 else 's'}"
    return (
        f"class {names[fewest]!r} has {has}; expected at least 2, so that "
        "one is judged by what was learned from others; photograph more parts of this class"
    )


def covered(pixels: Pixels) -> Pixels:
    """Paint the middle of a photograph in the mean colour of what lies around it.

    Args:
        pixels: uint8 (height, width, 3).

    Returns:
        uint8 of the same shape.
    """
    height, width = pixels.shape[:2]
    top, left = round(height * (1 - MASKED) / 2), round(width * (1 - MASKED) / 2)
    middle = (slice(top, height - top), slice(left, width - left))
    around = np.ones((height, width), bool)
    around[middle] = False
    painted = pixels.copy()
    painted[middle] = pixels[around].mean(axis=0).round().astype(np.uint8)
    return painted


def _sample(data: Dataset, seed: int) -> Indices:
    """Draw photographs (their numbers) of some parts, as many of each class as there are."""
    if len(data) <= MOST:
        return np.arange(len(data))
    rng = np.random.default_rng(seed)
    classes = part_classes(data.y, data.groups)
    numbers, sizes = np.unique(data.groups, return_counts=True)
    chosen = list[int]()
    for number in (1, 0):  # the defective ones first: they are the fewer ones
        room = MOST // 2 if number else MOST - int(sizes[np.isin(numbers, chosen)].sum())
        for part in rng.permutation(np.flatnonzero(classes == number)):
            if sizes[part] <= room:
                chosen.append(int(numbers[part]))
                room -= int(sizes[part])
    return np.flatnonzero(np.isin(data.groups, chosen))


def _finding(
    y: Indices, groups: Indices, border: Floats, whole: Floats, names: tuple[str, ...]
) -> BackgroundFinding:
    table = by_part(y, border, groups)
    auc = score(table.y, table.P)["roc_auc"]
    seen = by_part(y, whole, groups)
    whole_auc = score(seen.y, seen.P)["roc_auc"]
    defects = int((table.y == 1).sum())
    sides = (defects, len(table.y) - defects)
    low, high = interval(auc, auc_error(auc, *sides), sides)
    told = bool(low >= _TOLD)
    sentence = (
        f"With the middle {100 * MASKED:.0f} % of each side covered, the same head still tells "
        f"{names[1]} "
        f"from {names[0]} with AUC {auc:.2f} [{low:.2f}, {high:.2f}] by part, {whole_auc:.2f} on "
        "whole photographs: unless the part or its defect reaches to the border, a model may learn "
        "the background or the light; photograph both classes before the same background, in turn"
        if told
        else f"From the border alone a head reaches AUC {auc:.2f} [{low:.2f}, {high:.2f}] by part: "
        + (
            "the background separates the classes perfectly, too few parts to prove that it is no "
            "chance"
            if auc == 1
            else "the background does not tell the classes for sure"
        )
    )
    seen_of = (len(y), len(table.y), MASKED)
    return BackgroundFinding(*seen_of, auc, low, high, whole_auc, told, sentence)
