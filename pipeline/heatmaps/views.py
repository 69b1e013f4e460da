"""Views to heatmaps: which crops of a photograph speak, where a row keeps no map of them.

A row keeps of a crop what layers saw anywhere in it (`features.photographs.look`), so that no cell
of a crop can be asked. But the crop can: it alone is laid over a baseline row, an average healthy
part, and what it adds to the logit is its score. For a linear head, leaving it out takes as much
away.

A place is shown by several crops, which overlap. What is drawn there is how much more the crops
that show it say, in the mean, than those that do not, if there are any (as RISE weighs its masks:
Petsiuk, Das and Saenko, 2018, arXiv:1806.07421). docs/trust.md says how well it points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.arrays import Floats, Indices, Row, Rows
from features.photographs.views import FULL, LARGE, View, view_named
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.heads.base import AnyRows
from pipeline.heatmaps.maps import Reference, full_colour, logits, looked_at, mean_row

_ALONG = 4  # cells along the smallest view


def shown_views(head: HeadOnCachedRows) -> tuple[str, ...]:
    """Name the views that have a place of their own in the photograph; whole ones have none."""
    return tuple(view for view in head.spec.views if view not in (FULL, LARGE))


def view_scores(head: HeadOnCachedRows, X: Rows, baseline: Row, targets: Indices) -> Floats:
    """Compute what each view adds to the logit of a row's target class; above 0 speaks for it.

    Args:
        head: trained, on several views.
        X: float32 (n, input_width).
        baseline: float32 (input_width,), an average healthy part.
        targets: int64 (n,) class numbers; see `Head.slopes` for the logit of a class.

    Returns:
        float64 (n, 1, views), in the order of `shown_views`.
    """
    places = [head.place(view) for view in shown_views(head)]
    found = np.empty((len(X), 1, len(places)))
    for number, (row, target) in enumerate(zip(X, targets.tolist(), strict=True)):
        alone = np.repeat(row[None], len(places) + 1, axis=0)
        for place in places:
            alone[:, place] = baseline[place]
        for variant, place in zip(alone, places, strict=False):
            variant[place] = row[place]
        scores = logits(head, alone, target)
        found[number, 0] = scores[:-1] - scores[-1]
    return found


def lay_out(scores: Floats, views: Sequence[str], size: tuple[int, int] = (1, 1)) -> Floats:
    """Lay views' scores over a photograph: float64 (height, width) of cells.

    Args:
        scores: float64 (1, views).
        views: their names.
        size: of the photograph, width and height; some views hang on its shape.
    """
    boxes = [view_named(view).fitted(*size) for view in views]
    across = _covered(boxes, 0)
    down = _covered(boxes, 1)
    # The share of each cell that each view shows.
    shown = np.round(down[:, :, None] * across[:, None, :], 9)
    weights = scores.reshape(-1, 1, 1)
    return _mean_of(weights, shown) - _mean_of(weights, 1 - shown)


def _covered(boxes: Sequence[View], axis: int) -> Floats:
    """Give the share of each cell along an axis that each view shows: (views, cells)."""
    spans = np.array([(view.box[axis], view.box[axis + 2]) for view in boxes])
    cells = max(1, round(_ALONG / float((spans[:, 1] - spans[:, 0]).min())))
    edges = np.linspace(0, 1, cells + 1)
    low = np.maximum(spans[:, :1], edges[:-1])
    high = np.minimum(spans[:, 1:], edges[1:])
    shares: Floats = np.clip((high - low) * cells, 0, 1)
    return shares


def _mean_of(weights: Floats, shares: Floats) -> Floats:
    """Give the mean of weights over views by how far each shows a cell; 0 where none does."""
    total = shares.sum(axis=0)
    found: Floats = (weights * shares).sum(axis=0) / np.maximum(total, 1e-9)
    return found


def make_view_reference(
    head: HeadOnCachedRows, train: tuple[AnyRows, Indices], held_out: tuple[AnyRows, Indices]
) -> Reference:
    """Fix baseline and scale, as `pipeline.heatmaps.maps.make_reference` does for cells."""
    baseline = mean_row(head, *train)
    rows, y = looked_at(head, *held_out)
    scores = view_scores(head, rows, baseline, y)
    views = shown_views(head)
    return Reference(baseline, full_colour(np.array([lay_out(one, views) for one in scores])))
