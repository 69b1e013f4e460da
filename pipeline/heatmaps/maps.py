"""Rows to heatmaps: what each cell of the backbone's last map adds to the logit. No second pass.

Every cell is compared with the same cell of a baseline row. A head that knows its slopes (linear
heads, the dense one) gives contributions that add up to the difference of the two logits: exactly
for a linear head, within 1 % for the dense one. Any other head is asked what changes when a cell
is replaced by the baseline's (occlusion: Zeiler and Fergus, 2014, arXiv:1311.2901); for a linear
head the two are the same number.

A cell is no window on its square of the photograph. The cells of InceptionV3's last map see
almost all of it, the square's surroundings most: a heatmap shows a direction, not an outline.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from features.row_layout import MapShape
from pipeline.heads.base import Floats, Indices, Row, Rows

_BLOCK_ROWS = 64  # float64 slopes of 51,200 values: 26 MB


class Asked(Protocol):
    """A head, on rows or on a feature space of one view; members as those of `Head`."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        ...

    @property
    def finest(self) -> float:
        """The smallest probability that tells something."""
        ...

    def predict_proba(self, X: Rows) -> Floats:
        """Probabilities of rows as they are in the cache."""
        ...

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats | None:
        """What each value of such a row counts for, where that is known."""
        ...


def cell_scores(head: Asked, X: Rows, baseline: Row, shape: MapShape, targets: Indices) -> Floats:
    """What each cell adds to the logit of a row's target class; above 0 speaks for it.

    Args:
        head: trained.
        X: float32 (n, row_width), the map first; what follows it belongs to no cell.
        baseline: float32 (row_width,), what "nothing to see" looks like.
        shape: of the backbone's map.
        targets: int64 (n,) class numbers; see `Head.slopes` for the logit of a class.

    Returns:
        float64 (n, height, width).
    """
    found = np.zeros((len(X), *shape[:2]))
    for target in np.unique(targets).tolist():
        chosen = np.flatnonzero(targets == target)
        for start in range(0, len(chosen), _BLOCK_ROWS):
            block = chosen[start : start + _BLOCK_ROWS]
            found[block] = _block(head, X[block], baseline, shape, target)
    return found


def _block(head: Asked, X: Rows, baseline: Row, shape: MapShape, target: int) -> Floats:
    slopes = head.slopes(X, baseline, target)
    if slopes is None:
        return occlusion(head, X, baseline, shape, target)
    contributions = (X.astype(np.float64) - baseline) * slopes
    cells: Floats = contributions[:, : _size(shape)].reshape(len(X), *shape).sum(axis=3)
    return cells


def occlusion(head: Asked, X: Rows, baseline: Row, shape: MapShape, target: int) -> Floats:
    """How far the logit falls when a cell is replaced by the baseline's: (n, height, width)."""
    cells = shape[0] * shape[1]
    each = np.arange(cells)
    found = np.empty((len(X), cells))
    empty = baseline[: _size(shape)].reshape(cells, shape[2])
    for number, row in enumerate(X):
        variants = np.repeat(row[None], cells + 1, axis=0)
        maps = variants[:, : _size(shape)].reshape(cells + 1, cells, shape[2])
        maps[each, each] = empty
        variants[:, : _size(shape)] = maps.reshape(cells + 1, -1)
        scores = logits(head, variants, target)
        found[number] = scores[-1] - scores[:-1]
    return found.reshape(len(X), *shape[:2])


def _size(shape: MapShape) -> int:
    return shape[0] * shape[1] * shape[2]


def logits(head: Asked, X: Rows, target: int) -> Floats:
    """The logit (n,) of a class as `Head.slopes` defines it, no probability below `head.finest`."""
    logs = np.log(np.clip(head.predict_proba(X), head.finest, None))
    if head.n_classes == 2:
        return np.asarray(logs[:, target] - logs[:, 1 - target])
    return np.asarray(logs[:, target] - logs.mean(axis=1))
