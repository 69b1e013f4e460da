"""Layers of the whole photograph to heatmaps: piece after piece is covered, and it is judged again.

A row keeps of a layer what it saw anywhere in the photograph (`features.photographs.look`), so that
no cell of it can be asked. The photograph can: a piece of it is covered by a blur of itself, the
backbone looks once more, and how far the logit falls is the piece's score (occlusion: Zeiler and
Fergus, 2014, arXiv:1311.2901). That costs PIECES looks for each photograph, so it is done only
where a person asks for heatmaps. docs/trust.md says how well it points.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from features.arrays import Floats, Indices, Pictures, Pixels, Rows
from features.backbones.registry import Backbone
from features.backbones.settings import BackboneSettings
from features.backbones.two_sizes import see
from features.cache.sample_table import TableRow
from features.errors import ImageError
from features.photographs.decode_worker_pool import look_apart
from features.photographs.file import read_photograph
from features.photographs.views import FULL
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads.base import AnyRows
from pipeline.heatmaps.maps import Reference, full_colour, logits, looked_at, mean_row
from pipeline.heatmaps.views import shown_views
from pipeline.model.bundle import Bundle
from pipeline.model.probabilities import PredictOptions
from pipeline.model.slim_rows import on_fewest

GRID = 7
"""Pieces along each side."""

PIECES = GRID**2
"""Looks of the backbone for one heatmap, beside the one of the whole photograph."""

_WIDTH = 2.0  # of a cover, in pieces: neighbours overlap
_SOFT = 0.25  # of half a cover's width, over which it fades: an edge would be something to see
_BLUR = 12 / 224  # of the photograph's side
_BATCH = 16  # pictures that the backbone sees at once
_SHARE = 0.25  # of the difference between a defect and an average healthy part: full colour


def is_covered(head: object) -> bool:
    """Say whether a head sees nothing but layers of the whole photograph."""
    return isinstance(head, HeadOnCachedRows) and not head.on_map and not shown_views(head)


def cover_scores(
    bundle: Bundle,
    files: Sequence[Path],
    table_rows: Sequence[TableRow],
    targets: Indices,
    options: PredictOptions,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Compute how far the logit of a target class falls when a piece of a photograph is covered.

    Args:
        bundle: a model whose head is `is_covered`.
        files: the photographs.
        table_rows: of these, as they were judged.
        targets: int64 (n,) class numbers; see `Head.slopes` for the logit of a class.
        options: where the weights are, and the engine.
        progress: called as `progress(done, total)`: a photograph takes seconds.

    Returns:
        float64 (n, GRID, GRID); nan where a photograph cannot be read, or is no longer the same.

    Raises:
        WeightsError: the model's weights are not on this computer.
    """
    seen = on_fewest(bundle)
    head = seen.head
    assert isinstance(head, HeadOnCachedRows)
    settings = seen.settings(options.weights, options.engine)
    names = (FULL, *settings.crops.views)
    backbone = settings.load(_BATCH)
    found = np.full((len(files), GRID, GRID), np.nan)
    for number, (file, table_row) in enumerate(zip(files, table_rows, strict=True)):
        if progress is not None:
            progress(number, len(files))
        try:
            data = b"" if table_row.reason else read_photograph(file, max_pixels=options.max_pixels)
            if hashlib.sha256(data).hexdigest() != table_row.digest:
                continue
            pictures = look_apart(data, settings.recipe, names, max_pixels=options.max_pixels)
        except ImageError:
            continue
        seen_rows = covered_rows(head.spec, settings, backbone, pictures.pixels)
        scores = logits(head, seen_rows, int(targets[number]))
        found[number] = (scores[0] - scores[1:]).reshape(GRID, GRID)
    return found


def covered_rows(
    spec: FeatureSpec, settings: BackboneSettings, backbone: Backbone, pictures: Pictures
) -> Rows:
    """Compute the row of a photograph as it is, then with each piece covered.

    Args:
        spec: what the head sees; other pictures are not covered.
        settings: of the rows.
        backbone: of these, loaded for 16 pictures or more at once.
        pictures: uint8 (height, width, 3) each: the whole photograph, then those of its crops.

    Returns:
        float32 (1 + PIECES, cached_width).
    """
    names = (FULL, *settings.crops.views)
    looks = [
        _seen(backbone, _covered(picture) if name in spec.views else [picture])
        for name, picture in zip(names, pictures, strict=True)
    ]
    each = np.stack([np.broadcast_to(one, (1 + PIECES, one.shape[1])) for one in looks], axis=1)
    return settings.row_of(each.reshape(-1, each.shape[2]), len(names))


def _seen(backbone: Backbone, pictures: Iterable[Pixels]) -> Rows:
    """Run pictures of one size through the backbone, a batch in memory at a time."""
    left = iter(pictures)
    batches = iter(lambda: list(itertools.islice(left, _BATCH)), [])
    return np.concatenate([see(backbone, some) for some in batches])


def _covered(picture: Pixels) -> Iterator[Pixels]:
    """Give a picture as it is, then under each cover, row by row."""
    yield picture
    radius = _BLUR * min(picture.shape[:2])
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))
    height, width = picture.shape[:2]
    for down, right in itertools.product(range(GRID), repeat=2):
        share = _share(down, height)[:, None, None] * _share(right, width)[None, :, None]
        mixed: Pixels = np.round(picture * (1 - share) + blurred * share).astype(np.uint8)
        yield mixed


def _share(place: int, side: int) -> Floats:
    """Say how far a cover at a place covers each pixel along a side: float64 (side,), 0 to 1."""
    middles = (np.arange(side) + 0.5) / side * GRID
    away = np.abs(middles - place - 0.5) / (_WIDTH / 2)
    share: Floats = np.clip((1 + _SOFT - away) / (2 * _SOFT), 0, 1)
    return share


def make_cover_reference(
    head: HeadOnCachedRows, train: tuple[AnyRows, Indices], held_out: tuple[AnyRows, Indices]
) -> Reference:
    """Fix the scale from rows alone: a share of what lies between a defect and a healthy part.

    Args:
        head: that `is_covered`.
        train: rows float32 (n, input_width) and class numbers that it learned from.
        held_out: the same of those that it never saw.
    """
    baseline = mean_row(head, *train)
    rows, y = looked_at(head, *held_out)
    between = np.zeros(len(y))
    for target in np.unique(y).tolist():
        chosen = y == target
        known = logits(head, np.concatenate([baseline[None], rows[chosen]]), target)
        between[chosen] = known[1:] - known[0]
    return Reference(baseline, full_colour(_SHARE * between.reshape(-1, 1, 1)))
