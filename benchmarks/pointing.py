"""Do heatmaps point at the defect? Measured against masks on parts that the head never saw.

    python -m benchmarks.pointing features.h5 masks --positive Crack --heads logistic,dense
    python -m benchmarks.pointing features.h5 masks --features crops:mixed8:root --heads ridge
    python -m benchmarks.pointing layers.h5 masks --features mixed5-max+mixed8-max:root

Every defective photograph is judged by a head that was trained on the other parts (grouped folds).
A mask is an image of the photograph's path with the suffix .png under the folder of masks, white
where the defect is; of drawn parts (`draw_parts`) it is the box in their truth.csv, which
is named instead of the folder. Measured, with 95 % intervals from a bootstrap over parts:

    hit      the hottest cell touches the mask. Chance is the share of cells that do; a picture that
             always points at the middle cell is given beside it. Of a head on crops (--features):
             the loudest crop holds at least half of the mask, beside that in the middle.
    gain     hits less those of the middle, on the same photographs: surely better above 0.
    mass     the share of what speaks for a defect, spread over the photograph as it is drawn, that
             lies on the mask, divided by the mask's share of the photograph: 1 is chance.

Not part of `make bench`: it needs a cache of photographs whose defects are marked.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import pipeline
from features.arrays import Floats, Row, Rows
from features.backbones.registry import map_shape
from features.backbones.settings import settings_from_fields
from features.cache.sample_table import TableRow
from features.photographs.decode import decode_views
from features.photographs.views import FULL, LARGE, view_named
from pipeline.data.dataset import Dataset
from pipeline.data.splits import folds
from pipeline.feature_specs.heads import HeadOnCachedRows, on_cached_rows
from pipeline.feature_specs.rows import raw_rows, rows_in
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads.base import Head
from pipeline.heatmaps.covers import GRID, covered_rows
from pipeline.heatmaps.drawing import spread
from pipeline.heatmaps.maps import cell_scores, logits, occlusion
from pipeline.heatmaps.views import lay_out, shown_views, view_scores

Mask = np.ndarray
Found = dict[tuple[str, str], list["Pointed"]]
_SIDE = 224  # pixels that maps and masks are compared on


class Pointed(NamedTuple):
    """One photograph under one head and method."""

    part: int
    found: bool  # the verdict at 0.5 is right
    hit: bool
    chance: float
    middle: bool
    mass: float


def read_mask(folder: Path, table_row: TableRow) -> Mask | None:
    """Give bool (height, width); None where there is none, or it is empty."""
    file = (folder / table_row.path).with_suffix(".png")
    if not file.is_file():
        return None
    with Image.open(file) as image:
        mask = np.asarray(image.convert("L")) > 127
    return mask if mask.any() else None


def read_boxes(table: Path, root: Path) -> dict[str, Mask]:
    """Masks by path from the boxes of `pipeline.demo.draw_parts.draw_parts`."""
    found = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["x0"]:
                with Image.open(root / row["path"]) as image:
                    mask = np.zeros((image.height, image.width), dtype=bool)
                x0, y0, x1, y1 = (int(row[name]) for name in ("x0", "y0", "x1", "y1"))
                mask[y0:y1, x0:x1] = True
                found[row["path"]] = mask
    return found


def touched(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Give bool (height, width) of cells: whether each holds a pixel of the mask."""
    found = np.zeros(shape, dtype=bool)
    rows, columns = np.nonzero(mask)
    found[rows * shape[0] // mask.shape[0], columns * shape[1] // mask.shape[1]] = True
    return found


def point(cells: Floats, mask: Mask, part: int, found: bool) -> Pointed:
    """Compare a heatmap with a mask."""
    on_mask = touched(mask, cells.shape)
    heat = np.maximum(spread(cells, (_SIDE, _SIDE)), 0)
    small = Image.fromarray(mask.astype(np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    area = np.asarray(small, dtype=np.float64)
    share = (heat * area).sum() / heat.sum() if heat.any() else area.mean()
    return Pointed(
        part,
        found,
        bool(on_mask.flat[int(cells.argmax())]),
        float(on_mask.mean()),
        bool(on_mask[len(cells) // 2, len(cells.T) // 2]),
        float(share / area.mean()),
    )


def point_views(
    scores: Floats, views: Sequence[str], mask: Mask, part: int, found: bool
) -> Pointed:
    """Compare the scores (1, views) of a photograph's crops with a mask."""
    height, width = mask.shape
    boxes = [view_named(view).fitted(width, height).box for view in views]
    holds = []
    for left, top, right, bottom in boxes:
        inside = mask[round(top * height) : round(bottom * height),
                      round(left * width) : round(right * width)]  # fmt: skip
        holds.append(inside.sum() >= mask.sum() / 2)
    away = [abs(left + right - 1) + abs(top + bottom - 1) for left, top, right, bottom in boxes]
    drawn = point(lay_out(scores, views, (width, height)), mask, part, found)
    return drawn._replace(
        hit=bool(holds[int(scores.argmax())]),
        chance=float(np.mean(holds)),
        middle=bool(holds[int(np.argmin(away))]),
    )


def maps(
    head: Head, X: Rows, train: Rows, healthy: Rows, shape: tuple[int, int, int]
) -> Iterator[tuple[str, Floats]]:
    """Heatmaps by method: the one that is drawn, other baselines, and occlusion of cells."""
    targets = np.ones(len(X), dtype=np.int64)
    baseline: Row = healthy.mean(axis=0)
    yield "as drawn", cell_scores(head, X, baseline, shape, targets)
    yield "training mean", cell_scores(head, X, train.mean(axis=0), shape, targets)
    if head.slopes(X[:1], baseline, 1) is not None:
        yield "zeros", cell_scores(head, X, np.zeros_like(baseline), shape, targets)
        yield "occlusion", occlusion(head, X, baseline, shape, 1)


def interval(values: Floats, parts: np.ndarray) -> tuple[float, float]:
    """95 % of the mean, whole parts drawn with replacement."""
    _, at = np.unique(parts, return_inverse=True)
    sums, counts = np.bincount(at, values), np.bincount(at)
    drawn = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), 2000)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return float(low), float(high)


def line(head: str, method: str, found: list[Pointed]) -> str:
    """Give a row of the table."""
    parts = np.array([one.part for one in found])
    hits, middle, mass = (
        np.array([float(getattr(one, name)) for one in found]) for name in ("hit", "middle", "mass")
    )
    right = [float(one.hit) for one in found if one.found]
    low, high = interval(hits, parts)
    least, most = interval(mass, parts)
    fewest, more = interval(hits - middle, parts)
    return (
        f"| {head} | {method} | {hits.mean():.2f} [{low:.2f}, {high:.2f}] | "
        f"{np.mean([one.chance for one in found]):.2f} | "
        f"{middle.mean():.2f} | {(hits - middle).mean():+.2f} [{fewest:+.2f}, {more:+.2f}] | "
        f"{f'{np.mean(right):.2f} of {len(right)}' if right else 'none found'} | "
        f"{mass.mean():.2f} [{least:.2f}, {most:.2f}] |"
    )


def of_cells(
    data: Dataset, heads: Sequence[str], masks: Sequence[Mask | None], n_folds: int
) -> Found:
    """Point with heads on flat rows."""
    shape, rows, found = map_shape(data.fields), data.rows(), Found()
    for fold in folds(data.y, data.groups, n_folds=n_folds, repeats=1, seed=0):
        shown = np.array([i for i in fold.test if data.y[i] == 1 and masks[i] is not None])
        train, y = rows[fold.train], data.y[fold.train]
        for name in heads:
            head = pipeline.make_head(name).fit(train, y, data.groups[fold.train], n_classes=2)
            verdicts = head.predict_proba(rows[shown])[:, 1] >= 0.5
            for method, cells in maps(head, rows[shown], train, train[y == 0], shape):
                found.setdefault((name, method), []).extend(
                    point(grid, mask, int(data.groups[i]), bool(right))
                    for i, grid, right in zip(shown, cells, verdicts, strict=True)
                    if (mask := masks[i]) is not None
                )
    return found


def of_views(
    data: Dataset, heads: Sequence[str], masks: Sequence[Mask | None], n_folds: int, text: str
) -> Found:
    """Point with heads on crops, by the crops."""
    spec, found = FeatureSpec.parse(text), Found()
    for fold in folds(data.y, data.groups, n_folds=n_folds, repeats=1, seed=0):
        shown = np.array([i for i in fold.test if data.y[i] == 1 and masks[i] is not None])
        train, y = rows_in(data, spec, fold.train)[:], data.y[fold.train]
        healthy, X = raw_rows(data, spec, fold.train[y == 0]), raw_rows(data, spec, shown)
        for name in heads:
            alone = pipeline.make_head(name).fit(train, y, data.groups[fold.train], n_classes=2)
            head = on_cached_rows(alone, spec, data.fields)
            assert isinstance(head, HeadOnCachedRows)
            scores = view_scores(head, X, healthy.mean(axis=0), np.ones(len(X), dtype=np.int64))
            verdicts = head.predict_proba(X)[:, 1] >= 0.5
            found.setdefault((name, f"crops, {text}"), []).extend(
                point_views(one, shown_views(head), mask, int(data.groups[i]), bool(right))
                for i, one, right in zip(shown, scores, verdicts, strict=True)
                if (mask := masks[i]) is not None
            )
    return found


def of_covers(
    data: Dataset, heads: Sequence[str], masks: Sequence[Mask | None], n_folds: int, text: str
) -> Found:
    """Point with heads on layers of the whole photograph, by covering it piece by piece."""
    spec, found, rows = FeatureSpec.parse(text), Found(), dict[int, Rows]()
    assert data.folder.weights is not None
    settings = settings_from_fields(data.fields, data.folder.weights)
    backbone, names = settings.load(16), (FULL, *settings.crops.views)
    for fold in folds(data.y, data.groups, n_folds=n_folds, repeats=1, seed=0):
        train, y = rows_in(data, spec, fold.train)[:], data.y[fold.train]
        trained = {
            name: on_cached_rows(
                pipeline.make_head(name).fit(train, y, data.groups[fold.train], n_classes=2),
                spec, data.fields,
            )
            for name in heads
        }  # fmt: skip
        for i in (i for i in fold.test.tolist() if data.y[i] == 1):
            mask = masks[i]
            if mask is None:
                continue
            if i not in rows:
                file = Path(data.folder.root) / data.table_rows[i].path
                pictures = decode_views(file.read_bytes(), settings.recipe, names)
                rows[i] = covered_rows(spec, settings, backbone, pictures)
            for name, head in trained.items():
                scores = logits(head, rows[i], 1)
                cells = (scores[0] - scores[1:]).reshape(GRID, GRID)
                pointed = point(cells, mask, int(data.groups[i]), bool(scores[0] > 0))
                found.setdefault((name, f"covered, {text}"), []).append(pointed)
    return found


def main() -> None:
    """Train on folds, point, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--classes")
    parser.add_argument("--positive")
    parser.add_argument("--heads", default="logistic,ridge,linear-svm,lda,dense,boosting")
    parser.add_argument("--features", help="of several views; flat rows where nothing is said")
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    names = {
        what: value.split(",") if (value := getattr(options, what)) else None
        for what in ("classes", "positive")
    }
    data = pipeline.load_dataset(options.cache, **names)
    if not data.classes.binary:
        parser.error(
            f"found the classes {', '.join(data.classes.names)}; expected two, such as "
            "--classes Crack,Free --positive Crack"
        )
    if options.masks.is_file():
        boxes = read_boxes(options.masks, options.masks.parent)
        masks = [boxes.get(table_row.path) for table_row in data.table_rows]
    else:
        masks = [read_mask(options.masks, table_row) for table_row in data.table_rows]
    heads = options.heads.split(",")
    whole = options.features and set(FeatureSpec.parse(options.features).views) <= {FULL, LARGE}
    if whole:
        found = of_covers(data, heads, masks, options.folds, options.features)
    elif options.features:
        found = of_views(data, heads, masks, options.folds, options.features)
    else:
        found = of_cells(data, heads, masks, options.folds)
    count = len(next(iter(found.values())))
    parts = len({one.part for one in next(iter(found.values()))})
    print(f"{count} photographs of {parts} parts, {options.folds} grouped folds\n")
    print("| head | method | hit | chance | middle | gain | hit where found | mass, 1 is chance |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, method), pointed in found.items():
        print(line(name, method, pointed))


if __name__ == "__main__":
    main()
