"""How often `onepass drift` raises a false alarm, and which planted changes it finds.

    python -m benchmarks.drift tiles.h5 --weights inception_v3.weights.h5 --runs 200

Takes the cache of a folder of labelled photographs whose parts are known, and the folder itself;
two photographs of each part are used. Each run draws parts anew: some stand for those that a model
was made from (a ridge regression on the mean of the last map, whose verdicts on them are out of
fold), others come new, one photograph each: as they are, with one defective part in twenty, or
changed: darker, out of focus, another product (drawn parts); changed photographs go through the
backbone once, and stay in --changed. Told is the share of runs that say "DIFFER", with its 95 %
interval (Clopper-Pearson), and in how many each test does. Not part of `make bench`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

import pipeline
from benchmarks.next_to_label import Parts, of_cache, reduced
from benchmarks.worlds import Floats, Indices, train
from features.cache.cache import Cache
from features.cache.thumbnail_table import thumbnails_of
from features.photographs.decode_worker_pool import facts_apart
from pipeline.data.splits import folds
from pipeline.demo.draw_parts import draw_parts
from pipeline.groups.rules import number_groups
from pipeline.line.drift import FALSE_ALARM
from pipeline.line.drift_sides import Comparison, Side, one_of_each
from pipeline.model.familiar import Familiar
from pipeline.thresholds.bounds import interval

OLD, NEW = 120, 40
"""Parts on both sides."""

CHANGED = 60
"""Parts of which changed photographs are made; these are always among the new ones then."""

PRODUCT = "another product"

CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "light 0.9": lambda picture: ImageEnhance.Brightness(picture).enhance(0.9),
    "light 0.75": lambda picture: ImageEnhance.Brightness(picture).enhance(0.75),
    "blur of 0.7 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(0.7)),
    "blur of 1.5 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
}


@dataclass(frozen=True)
class World:
    """Photographs with all that drift is measured on.

    Attributes:
        parts: rows, vectors, classes and groups.
        numbers: by name, float64 (n,).
    """

    parts: Parts
    numbers: dict[str, Floats]


def numbers_of(cache_path: Path, root: Path, some: Indices | None = None) -> dict[str, Floats]:
    """Brightness from the cache, and the logarithm of sharpness from the files; None: of all."""
    with Cache.read(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        table_rows = [table_rows[i] for i in (range(len(table_rows)) if some is None else some)]
        grey = thumbnails_of(cache, [table_row.row for table_row in table_rows]).grey
    sharp = [facts_apart((root / s.path).read_bytes())["sharpness"] for s in table_rows]
    return {
        "brightness": grey.mean(axis=(1, 2)),
        "sharpness": np.log(np.maximum(np.array(sharp), 1e-9)),
    }


def two_of_each(groups: Indices) -> Indices:
    """Two photographs of each part, or its only one; rising numbers."""
    order = np.random.default_rng(0).permutation(len(groups))
    first = [order[groups[order] == part][:2] for part in range(groups.max() + 1)]
    return np.sort(np.concatenate(first))


def make_changed(cache_path: Path, root: Path, weights: str, folder: Path) -> None:
    """Write a photograph of each part under each change, and drawn parts, and extract their rows.

    What is in the folder already is not made again.
    """
    with Cache.read(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        backbone = str(cache.fields["backbone"])
    groups, rng = number_groups(table_rows), np.random.default_rng(0)
    chosen = [rng.choice(np.flatnonzero(groups == part)) for part in range(groups.max() + 1)]
    for what, change in CHANGES.items():
        place = folder / what.replace(" ", "-")
        for part, at in enumerate(chosen):
            file = place / table_rows[at].label / f"g{part:03d}.jpg"
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                change(Image.open(root / table_rows[at].path).convert("L")).save(file, quality=95)
        _extract(place, backbone, weights)
    product = folder / PRODUCT.replace(" ", "-")
    if not product.exists():
        draw_parts(product, parts=2 * NEW, views=1, seed=3, size=(320, 240))
    _extract(product, backbone, weights)


def _extract(folder: Path, backbone: str, weights: str) -> None:
    cache = folder.parent / f"{folder.name}.h5"
    if not cache.exists():
        pipeline.extract_folder(
            folder,
            cache,
            pipeline.ExtractOptions(
                backbone=backbone,
                weights=weights,
                look="plain",
                group_rule=pipeline.GroupRule("regex", ".+"),
            ),
        )


def changed_world(folder: Path, what: str, chosen: Indices) -> World:
    """Take the changed photographs of these parts, in their order; of another product all."""
    place = folder / what.replace(" ", "-")
    cache = folder / f"{place.name}.h5"
    with Cache.read(cache) as opened:
        names = [Path(s.path).stem for s in opened.table_rows if s.row >= 0]
    order = np.argsort(names, kind="stable")
    order = order if what == PRODUCT else order[chosen]
    parts = of_cache(cache, ["Free"])
    parts = Parts(parts.X[order], parts.vectors[order], parts.y[order], np.arange(len(order)))
    return World(parts, numbers_of(cache, place, order))


def verdicts(old: Parts, new_vectors: np.ndarray, seed: int) -> tuple[Indices, Indices]:
    """Of old photographs out of fold, of new ones by a model of all old ones."""
    X = reduced(np.concatenate([old.vectors, new_vectors]))
    own, new = X[: len(old.y)], X[len(old.y) :]

    def rejects(weights: Floats, some: Floats) -> Indices:
        return np.asarray(some @ weights[:-1] + weights[-1] > 0, dtype=np.int64)

    found = np.zeros(len(old.y), dtype=np.int64)
    for fold in folds(old.y, old.groups, n_folds=5, repeats=1, seed=seed):
        found[fold.test] = rejects(train(own[fold.train], old.y[fold.train]), own[fold.test])
    return found, rejects(train(own, old.y), new)


def one_run(world: World, plants: dict[str, World], chosen: Indices, what: str, seed: int) -> Any:  # noqa: ANN401
    """Draw parts and compare; gives the comparison."""
    rng = np.random.default_rng(seed)
    parts, classes = world.parts, world.parts.classes
    order = rng.permutation(len(classes))
    if what in plants:
        order = np.concatenate([order[~np.isin(order, chosen)], rng.permutation(chosen)])
    old_parts, rest = order[:OLD], order[-len(chosen) if what in plants else OLD :]
    if what == "1 part in 20 defective":
        bad = rest[classes[rest] == 1][: NEW // 20]
        rest = np.concatenate([rest[classes[rest] == 0][: NEW - len(bad)], bad])
    rest = rest[:NEW]
    rows = np.flatnonzero(np.isin(parts.groups, old_parts))
    old = Parts(parts.X[rows], parts.vectors[rows], parts.y[rows], parts.groups[rows])
    if what in plants:
        source = plants[what]
        places = np.searchsorted(chosen, rest)  # a changed photograph of each of these parts
        if what == PRODUCT:
            places = rng.permutation(len(source.parts.y))[:NEW]
    else:
        source, places = (
            world,
            np.array([rng.choice(np.flatnonzero(parts.groups == g)) for g in rest]),
        )
    vectors = source.parts.vectors[places]
    out_of_fold, of_new = verdicts(old, vectors, seed)
    one = one_of_each(old.groups, seed)
    familiar = Familiar.of(old.vectors, old.groups, seed=seed)
    assert familiar is not None
    model: Any = SimpleNamespace(
        classes=SimpleNamespace(binary=True, names=("good", "bad")), familiar=familiar
    )
    before = {name: values[rows][one] for name, values in world.numbers.items()}
    now = {name: values[places] for name, values in source.numbers.items()}
    unlike = int((familiar.distances(vectors) > 1).sum())
    sides = (
        Side([""] * len(one), old.vectors[one], out_of_fold[one], before),
        Side([""] * len(places), vectors, of_new, now),
    )
    return Comparison(model, *sides, (unlike, len(places)), seed)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="of labelled photographs, with parts")
    parser.add_argument("--weights", default="imagenet", help="of the cache's backbone")
    parser.add_argument("--changed", type=Path, default=Path("changed"), help="folder for changes")
    parser.add_argument("--runs", type=int, default=200, help="a fifth of them with each change")
    options = parser.parse_args()
    with Cache.read(options.cache) as cache:
        root = Path(cache.note["root"])
    parts = of_cache(options.cache, ["Free", "Healthy"])
    some = two_of_each(parts.groups)
    world = World(
        Parts(parts.X[some], parts.vectors[some], parts.y[some], parts.groups[some]),
        numbers_of(options.cache, root, some),
    )
    chosen = np.sort(np.random.default_rng(0).permutation(parts.groups.max() + 1)[:CHANGED])
    make_changed(options.cache, root, options.weights, options.changed)
    plants = {what: changed_world(options.changed, what, chosen) for what in (*CHANGES, PRODUCT)}
    kinds = ("rows", "brightness", "sharpness", "unlike")
    print(f"| new parts | runs | say that they differ | {' | '.join(kinds)} |")
    print(f"|---|---|---|{'---|' * len(kinds)}", flush=True)
    for what in ("as they are", "1 part in 20 defective", *plants):
        runs = options.runs if what not in plants else options.runs // 5
        alarms = dict.fromkeys(kinds, 0)
        said = 0
        for seed in range(runs):
            found = one_run(world, plants, chosen, what, seed)
            alarmed = {
                test.what
                for test, p in zip(found.tests, found.corrected, strict=True)
                if p <= FALSE_ALARM
            }
            said += bool(alarmed)
            for kind in alarmed:
                alarms[kind] += 1
        low, high = interval(said, runs)
        shares = " | ".join(f"{alarms[kind] / runs:.0%}" for kind in kinds)
        print(
            f"| {what} | {runs} | {said / runs:.1%} ({low:.1%} to {high:.1%}) | {shares} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
