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

import io
from dataclasses import dataclass
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np

from features.arrays import Floats, Indices, Row, Rows
from features.cache.row_parts import MapShape
from features.errors import BundleError
from features.untrusted_files import read_arrays, read_bytes
from pipeline.heads.base import AnyRows
from pipeline.model.bundle import Bundle

_BLOCK_ROWS = 64  # float64 slopes of 51,200 values: 26 MB


class Asked(Protocol):
    """A head, on rows or on a feature spec of one view; members as those of `Head`."""

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        ...

    @property
    def finest(self) -> float:
        """Give the smallest probability that tells something."""
        ...

    def predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities of rows as they are in the cache."""
        ...

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats | None:
        """Give what each value of such a row counts for, where that is known."""
        ...


def cell_scores(head: Asked, X: Rows, baseline: Row, shape: MapShape, targets: Indices) -> Floats:
    """Compute what each cell adds to the logit of a row's target class; above 0 speaks for it.

    Args:
        head: trained.
        X: float32 (n, input_width), the map first; what follows it belongs to no cell.
        baseline: float32 (input_width,), what "nothing to see" looks like.
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
    """Measure how far the logit falls when the baseline replaces a cell: (n, height, width)."""
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
    """Give a class's logit (n,), see `Head.slopes`; no probability is below `head.finest`."""
    logs = np.log(np.clip(head.predict_proba(X), head.finest, None))
    if head.n_classes == 2:
        return np.asarray(logs[:, target] - logs[:, 1 - target])
    return np.asarray(logs[:, target] - logs.mean(axis=1))


FILE = "heatmaps.npz"  # in a model's folder
_FULL = 0.9  # share of the strongest cells below full colour
_REFERENCE_BLOCK = 256
_LEAST_SCALE = 1e-30  # so that shares of it are finite
_LOOKED_AT = 48  # held-out photographs that the scale is taken from, at most


@dataclass(frozen=True)
class Reference:
    """Hold what heatmaps of one model are measured against.

    Attributes:
        baseline: float32 (input_width,).
        scale: change of the logit that gets full colour, above 0.
    """

    baseline: Row
    scale: float

    def to_bytes(self) -> bytes:
        """Give the reference as it stands in a model's folder: arrays, no pickle."""
        out = io.BytesIO()
        np.savez(out, baseline=self.baseline, scale=np.array(self.scale))
        return out.getvalue()


def make_reference(
    head: Asked,
    train: tuple[AnyRows, Indices],
    held_out: tuple[AnyRows, Indices],
    shape: MapShape,
) -> Reference:
    """Fix baseline and scale.

    Args:
        head: trained on `train`.
        train: rows float32 (n, input_width) and class numbers that it learned from.
        held_out: the same of those that it never saw.
        shape: of the backbone's map.
    """
    baseline = mean_row(head, *train)
    rows, y = looked_at(head, *held_out)
    return Reference(baseline, full_colour(cell_scores(head, rows, baseline, shape, y)))


def mean_row(head: Asked, rows: AnyRows, y: Indices) -> Row:
    """Average the healthy rows, of more than two classes all, a block of them in memory at once."""
    chosen = np.flatnonzero(y == 0) if head.n_classes == 2 else np.arange(len(y))
    total = np.zeros(rows.shape[1])
    for start in range(0, len(chosen), _REFERENCE_BLOCK):
        total += rows[chosen[start : start + _REFERENCE_BLOCK]].sum(axis=0, dtype=np.float64)
    return (total / max(len(chosen), 1)).astype(np.float32)


def looked_at(head: Asked, rows: AnyRows, y: Indices) -> tuple[Rows, Indices]:
    """Choose the rows that the scale is taken from, the defective ones if there are any."""
    shown = np.flatnonzero(y == 1) if head.n_classes == 2 and y.any() else np.arange(len(y))
    if len(shown) > _LOOKED_AT:
        shown = shown[np.linspace(0, len(shown) - 1, _LOOKED_AT).astype(int)]
    return rows[shown], y[shown]


def full_colour(cells: Floats) -> float:
    """Give the change of the logit that gets full colour, from heatmaps (n, height, width)."""
    strongest = cells.max(axis=(1, 2)) if len(cells) else np.zeros(0)
    strongest = strongest[strongest > 0]  # a cell that speaks against it sets no scale
    return float(np.quantile(strongest, _FULL)) if len(strongest) else 1.0


def read_reference(bundle: Bundle, input_width: int) -> Reference:
    """Read what a model's heatmaps are measured against.

    Args:
        bundle: a loaded model.
        input_width: values of a row in the model's cache.

    Raises:
        BundleError: the model was made before there were heatmaps, or is damaged.
    """
    path = bundle.folder / FILE
    if FILE not in bundle.record.files:
        raise BundleError(
            f"{bundle.folder} has no {FILE}: it was fitted before there were heatmaps; "
            "expected what its heatmaps are measured against; fit it again"
        )
    try:
        stored = read_arrays(read_bytes(path))
        baseline, scale = stored["baseline"], float(stored["scale"])
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile) as error:
        raise BundleError(f"{path} cannot be read ({error}); fit the model again") from error
    _check(baseline, scale, input_width, str(path))
    return Reference(baseline.astype(np.float32), scale)


def _check(baseline: Any, scale: float, width: int, path: str) -> None:  # noqa: ANN401 - read
    if (
        baseline.shape != (width,)
        or baseline.dtype.kind != "f"
        or not np.isfinite(baseline).all()
        or not _LEAST_SCALE <= scale < np.inf
    ):
        raise BundleError(
            f"{path} holds a row of shape {baseline.shape} ({baseline.dtype}) and the scale "
            f"{scale}; expected finite numbers ({width},) and one above 0; fit the model again"
        )
