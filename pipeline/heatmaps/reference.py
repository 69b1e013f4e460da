"""What a model's heatmaps are measured against: the baseline row, and what counts as full colour.

Both are fixed when the model is fitted and travel in it, so that a photograph gets the same
heatmap alone as among a thousand, and a healthy part does not glow for being the only one.

The baseline is the mean of the healthy photographs of the training part (with more than two
classes: of all of them): a cell's number says how far it speaks for a defect compared with the
same place of an average healthy part. Full colour is what nine in ten held-out defective
photographs (with more than two classes: of all) stay below in their strongest cell.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import BundleError
from features.row_layout import MapShape
from pipeline.bundle import Bundle
from pipeline.heads.base import AnyRows, Indices, Row
from pipeline.heatmaps.maps import Asked, cell_scores

FILE = "heatmaps.npz"  # in a model's folder
_FULL = 0.9  # share of the strongest cells below full colour
_BLOCK_ROWS = 256
_LOOKED_AT = 48  # held-out photographs that the scale is taken from, at most


@dataclass(frozen=True)
class Reference:
    """What heatmaps of one model are measured against.

    Attributes:
        baseline: float32 (row_width,).
        scale: change of the logit that gets full colour, above 0.
    """

    baseline: Row
    scale: float

    def to_bytes(self) -> bytes:
        """As it stands in a model's folder: arrays, no pickle."""
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
        train: rows float32 (n, row_width) and class numbers that it learned from.
        held_out: the same of those that it never saw.
        shape: of the backbone's map.
    """
    rows, y = train
    chosen = y == 0 if head.n_classes == 2 else np.ones(len(y), dtype=np.bool_)
    baseline = _mean(rows, np.flatnonzero(chosen))
    return Reference(baseline, _scale(head, *held_out, baseline, shape))


def _mean(rows: AnyRows, chosen: Indices) -> Row:
    """Of these rows, with a block of them in memory at a time."""
    total = np.zeros(rows.shape[1])
    for start in range(0, len(chosen), _BLOCK_ROWS):
        total += rows[chosen[start : start + _BLOCK_ROWS]].sum(axis=0, dtype=np.float64)
    return (total / max(len(chosen), 1)).astype(np.float32)


def _scale(head: Asked, X: AnyRows, y: Indices, baseline: Row, shape: MapShape) -> float:
    shown = np.flatnonzero(y == 1) if head.n_classes == 2 else np.arange(len(y))
    if len(shown) > _LOOKED_AT:
        shown = shown[np.linspace(0, len(shown) - 1, _LOOKED_AT).astype(int)]
    cells = cell_scores(head, X[shown], baseline, shape, y[shown])
    strongest = cells.max(axis=(1, 2))
    strongest = strongest[strongest > 0]  # a cell that speaks against it sets no scale
    return float(np.quantile(strongest, _FULL)) if len(strongest) else 1.0


def read_reference(bundle: Bundle, row_width: int) -> Reference:
    """What a model's heatmaps are measured against.

    Args:
        bundle: a loaded model.
        row_width: values of a row in the model's cache.

    Raises:
        BundleError: the model was made before there were heatmaps, or is damaged.
    """
    path = bundle.folder / FILE
    if FILE not in bundle.about["files"]:
        raise BundleError(
            f"{bundle.folder} has no {FILE}: it was fitted before there were heatmaps; "
            "expected what its heatmaps are measured against; fit it again"
        )
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            baseline, scale = stored["baseline"], float(stored["scale"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise BundleError(f"{path} cannot be read ({error}); fit the model again") from error
    _check(baseline, scale, row_width, str(path))
    return Reference(baseline.astype(np.float32), scale)


def _check(baseline: Any, scale: float, width: int, path: str) -> None:  # noqa: ANN401 - read
    if baseline.shape != (width,) or not np.isfinite(scale) or scale <= 0:
        raise BundleError(
            f"{path} holds a row of shape {baseline.shape} and the scale {scale}; expected "
            f"({width},) and a number above 0; fit the model again"
        )
