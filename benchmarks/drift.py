"""How often `onepass drift` raises a false alarm, and which planted changes it finds.

    python -m benchmarks.drift tiles.h5 --weights inception_v3.weights.h5 --runs 200

Takes the cache of a folder of labelled photographs whose parts are known, and the folder itself.
Each run draws parts anew: some stand for those that a model was made from (a ridge regression on
the mean of the last map, whose verdicts on them are out of fold), others come new, one photograph
each. New parts come as they are, with one defective part in twenty, or changed: darker, out of
focus, another product (drawn parts); changed photographs go through the backbone. Told is the share
of runs that say "DIFFER", with its 95 % interval (Clopper-Pearson), and in how many each test alone
says so. Not part of `make bench`: it measures correctness, not speed.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
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
from pipeline.line.drift import FALSE_ALARM
from pipeline.line.drift_sides import Comparison, Side, one_of_each
from pipeline.model.familiar import Familiar
from pipeline.thresholds.bounds import interval

OLD, NEW = 120, 40
"""Parts on both sides."""

CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "light 0.75": lambda picture: ImageEnhance.Brightness(picture).enhance(0.75),
    "light 0.5": lambda picture: ImageEnhance.Brightness(picture).enhance(0.5),
    "blur of 0.7 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(0.7)),
    "blur of 1.5 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
}


@dataclass(frozen=True)
class World:
    """Photographs with all that drift is measured on.

    Attributes:
        parts: rows, looks, classes and groups.
        numbers: by name, float64 (n,).
    """

    parts: Parts
    numbers: dict[str, Floats]


def numbers_of(cache_path: Path, root: Path) -> dict[str, Floats]:
    """Brightness from the cache, and the logarithm of sharpness from the files."""
    with Cache.read(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        grey = thumbnails_of(cache, [table_row.row for table_row in table_rows]).grey
    sharp = [facts_apart((root / s.path).read_bytes())["sharpness"] for s in table_rows]
    return {
        "brightness": grey.mean(axis=(1, 2)),
        "sharpness": np.log(np.maximum(np.array(sharp), 1e-9)),
    }


def changed(cache_path: Path, root: Path, weights: str, chosen: Indices) -> dict[str, World]:
    """The chosen photographs under each change, and as many drawn parts."""
    with Cache.read(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        backbone = str(cache.fields["backbone"])
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for what, change in CHANGES.items():
            folder = Path(name) / hashlib.sha256(what.encode()).hexdigest()[:8]
            for number, at in enumerate(chosen):
                place = folder / table_rows[at].label / f"{number:04d}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                change(Image.open(root / table_rows[at].path).convert("L")).save(place)
            found[what] = _extracted(folder, backbone, weights)
        draw_parts(Path(name) / "drawn", parts=2 * NEW, views=1, seed=3, size=(320, 240))
        found["another product"] = _extracted(Path(name) / "drawn", backbone, weights)
    return found


def _extracted(folder: Path, backbone: str, weights: str) -> World:
    cache = folder / "rows.h5"
    pipeline.extract_folder(
        folder,
        cache,
        pipeline.ExtractOptions(
            backbone=backbone,
            weights=weights,
            look="plain",
            group_rule=pipeline.GroupRule("regex", r"(\d+)"),
        ),
    )
    with Cache.read(cache) as opened:
        order = np.argsort([Path(s.path).name for s in opened.table_rows if s.row >= 0])
    parts, numbers = of_cache(cache, ["Free"]), numbers_of(cache, folder)
    parts = Parts(parts.X[order], parts.looks[order], parts.y[order], np.arange(len(order)))
    return World(parts, {what: values[order] for what, values in numbers.items()})


def verdicts(old: Parts, new_looks: np.ndarray, seed: int) -> tuple[Indices, Indices]:
    """Of old photographs out of fold, of new ones by a model of all old ones."""
    X = reduced(np.concatenate([old.looks, new_looks]))
    own, new = X[: len(old.y)], X[len(old.y) :]

    def rejects(weights: Floats, some: Floats) -> Indices:
        return (some @ weights[:-1] + weights[-1] > 0).astype(np.int64)

    found = np.zeros(len(old.y), dtype=np.int64)
    for fold in folds(old.y, old.groups, n_folds=5, repeats=1, seed=seed):
        found[fold.test] = rejects(train(own[fold.train], old.y[fold.train]), own[fold.test])
    return found, rejects(train(own, old.y), new)


def one_run(world: World, plants: dict[str, World], chosen: Indices, what: str, seed: int) -> Any:  # noqa: ANN401
    """Draw parts and compare; gives the comparison."""
    rng = np.random.default_rng(seed)
    parts, classes = world.parts, world.parts.classes
    order = rng.permutation(len(classes))
    old_parts, rest = order[:OLD], order[OLD:]
    if what == "1 part in 20 defective":
        bad = rest[classes[rest] == 1][: NEW // 20]
        rest = np.concatenate([rest[classes[rest] == 0][: NEW - len(bad)], bad])
    rest = rest[:NEW]
    rows = np.flatnonzero(np.isin(parts.groups, old_parts))
    old = Parts(parts.X[rows], parts.looks[rows], parts.y[rows], parts.groups[rows])
    if what in plants:
        source = plants[what]
        places = rest if len(source.parts.y) == len(chosen) else rng.permutation(2 * NEW)[:NEW]
    else:
        source, places = (
            world,
            np.array([rng.choice(np.flatnonzero(parts.groups == g)) for g in rest]),
        )
    looks = source.parts.looks[places]
    out_of_fold, of_new = verdicts(old, looks, seed)
    one = one_of_each(old.groups, seed)
    familiar = Familiar.of(old.looks, old.groups, seed=seed)
    assert familiar is not None
    model: Any = SimpleNamespace(
        classes=SimpleNamespace(binary=True, names=("good", "bad")), familiar=familiar
    )
    before = {name: values[rows][one] for name, values in world.numbers.items()}
    now = {name: values[places] for name, values in source.numbers.items()}
    unlike = int((familiar.distances(looks) > 1).sum())
    sides = (
        Side([""] * len(one), old.looks[one], out_of_fold[one], before),
        Side([""] * len(places), looks, of_new, now),
    )
    return Comparison(model, *sides, (unlike, len(places)), seed)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="of labelled photographs, with parts")
    parser.add_argument("--weights", default="imagenet", help="of the cache's backbone")
    parser.add_argument("--runs", type=int, default=200, help="a fifth of them with each change")
    options = parser.parse_args()
    with Cache.read(options.cache) as cache:
        root = Path(cache.note["root"])
    parts = of_cache(options.cache, ["Free", "Healthy"])
    world = World(parts, numbers_of(options.cache, root))
    chosen = one_of_each(parts.groups, 0)
    chosen = chosen[np.argsort(parts.groups[chosen])]  # the photograph of each part, by its number
    plants = changed(options.cache, root, options.weights, chosen)
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
