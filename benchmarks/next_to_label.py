"""How many labels `onepass next` saves against labelling parts at random, by simulation.

    python -m benchmarks.next_to_label tiles.h5 --runs 40

Prints a Markdown table: of the photographs of each cache named, of drawn parts, and of simulated
rows in which one part in ten is defective, in four ways. Half the parts are for testing. Of the
others eight are labelled, two of them defective; a logistic regression on the mean of the last
map (of the simulated rows, on these) is trained on them, asked which eight to label next, and so
on. Told is the AUC by part on the parts for testing when so many are labelled, what choosing at
random reaches with as many, how many labels that takes to reach the same, and the share that is
saved, with a 95 % interval (runs drawn anew). Not part of `make bench`: it measures no speed.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import pipeline
from benchmarks.worlds import Floats, Indices, Rows
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from pipeline.demo.draw_parts import draw_parts
from pipeline.evaluation.metrics import score
from pipeline.groups.rules import number_groups
from pipeline.line.next import choose_to_label

START, STEP, STEPS = 8, 8, 12
TOLD = (24, 40, 56)
_COMPONENTS = 100
_BLOCK = 128


@dataclass(frozen=True)
class Parts:
    """Photographs of labelled parts.

    Attributes:
        X: float64 (n, k), what the model is trained on.
        vectors: float32 (n, channels), of length 1.
        y: int64 (n,), 1 for defective.
        groups: int64 (n,), from 0.
    """

    X: Floats
    vectors: np.ndarray
    y: Indices
    groups: Indices

    @property
    def classes(self) -> Indices:
        """Of the parts: 1 as soon as a photograph is."""
        found = np.zeros(self.groups.max() + 1, dtype=np.int64)
        np.maximum.at(found, self.groups, self.y)
        return found

    @property
    def part_vectors(self) -> np.ndarray:
        """The mean of each part's photographs, float32 (parts, channels)."""
        sums = np.zeros((self.groups.max() + 1, self.vectors.shape[1]), dtype=np.float32)
        np.add.at(sums, self.groups, self.vectors)
        return sums / np.bincount(self.groups)[:, None].astype(np.float32)


def of_cache(path: Path, good: Sequence[str]) -> Parts:
    """Read the photographs of a cache; classes in `good` are not defective."""
    with Cache.read(path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        row_parts, rows = RowParts.of(cache.fields), [table_row.row for table_row in table_rows]
        blocks = [
            row_parts.map(cache.take(rows[at : at + _BLOCK], row_parts.flat)).mean(axis=1)
            for at in range(0, len(rows), _BLOCK)
        ]
    means = np.concatenate(blocks)
    y = np.array([table_row.label not in good for table_row in table_rows], dtype=np.int64)
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    return Parts(reduced(means), vectors.astype(np.float32), y, number_groups(table_rows))


def reduced(values: np.ndarray) -> Floats:
    """Standardised values in their first principal components, float64 (n, k)."""
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 1e-6, spread, 1)
    left, size, _ = np.linalg.svd(standard.astype(np.float64), full_matrices=False)
    return np.asarray(left[:, :_COMPONENTS] * size[:_COMPONENTS] / np.sqrt(values.shape[1]) * 4)


def of_drawing(parts: int) -> Parts:
    """Drawn metal parts, seen by the backbone that comes with the installation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_parts(folder / "data", parts=parts, views=1, seed=7, size=(320, 240))
        pipeline.extract_folder(
            folder / "data",
            folder / "drawn.h5",
            pipeline.ExtractOptions(
                backbone="efficientnet-lite0",
                look="plain",
                group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
            ),
        )
        return of_cache(folder / "drawn.h5", ["Healthy"])


def of_world(seed: int) -> Parts:
    """Simulate rows of 600 parts, one in ten defective."""
    world, rng = Rows("four kinds", 4, 4.0), np.random.default_rng(seed)
    X, y, groups = world.draw(rng, world.directions(rng), 60, 540)
    vectors = X / np.linalg.norm(X, axis=1, keepdims=True)
    return Parts(X, vectors.astype(np.float32), y, groups)


def curve(parts: Parts, seed: int, *, chosen: bool) -> list[float]:
    """AUC by part after each step."""
    rng = np.random.default_rng(seed)
    classes, vectors = parts.classes, parts.part_vectors
    sides = [rng.permutation(np.flatnonzero(classes == c)) for c in (0, 1)]
    test = np.concatenate([side[: len(side) // 2] for side in sides])
    pool = [side[len(side) // 2 :] for side in sides]
    labelled = np.concatenate([pool[0][: START - 2], pool[1][:2]])
    unlabelled = np.setdiff1d(np.concatenate(pool), labelled)
    found = []
    for _ in range(STEPS):
        rows = np.isin(parts.groups, labelled)
        model = LogisticRegression(class_weight="balanced", max_iter=300)
        odds = model.fit(parts.X[rows], parts.y[rows]).decision_function(parts.X)
        mean = np.bincount(parts.groups, odds) / np.bincount(parts.groups)
        p = 1 / (1 + np.exp(-mean[test]))
        found.append(score(classes[test], np.column_stack([1 - p, p]))["roc_auc"])
        if len(unlabelled) < STEP:
            break
        if chosen:
            doubt = 2 / (1 + np.exp(np.abs(mean[unlabelled])))
            known = parts.vectors[rows]
            taken = unlabelled[
                choose_to_label(doubt, vectors[unlabelled], known, STEP, likely=mean[unlabelled])
            ]
        else:
            taken = rng.choice(unlabelled, STEP, replace=False)
        labelled = np.concatenate([labelled, taken])
        unlabelled = np.setdiff1d(unlabelled, taken)
    return found + [found[-1]] * (STEPS - len(found))


def labels_needed(at_random: Floats, wanted: float) -> float:
    """Labels at which a mean curve reaches a score; infinite where it never does."""
    reached = np.maximum.accumulate(at_random)
    labels = START + STEP * np.arange(len(reached))
    if reached[-1] < wanted:
        return float("inf")
    return float(np.interp(wanted, reached, labels))


def row(title: str, chosen: Floats, at_random: Floats, labels: int) -> str:
    """One line of the table, for so many labels; curves are (runs, steps)."""
    step = (labels - START) // STEP
    wanted = float(chosen[:, step].mean())
    needed = labels_needed(at_random.mean(axis=0), wanted)
    rng = np.random.default_rng(0)
    saved = []
    for _ in range(500):
        runs = rng.integers(0, len(chosen), len(chosen))
        again = labels_needed(at_random[runs].mean(axis=0), float(chosen[runs, step].mean()))
        saved.append(1 - labels / again)
    low, high = np.quantile(saved, [0.025, 0.975])
    more = f"{needed:.0f}" if np.isfinite(needed) else f"over {START + STEP * (STEPS - 1)}"
    best = f"{1 - labels / needed:.0%}" if np.isfinite(needed) else "more than half"
    return (
        f"| {title} | {labels} | {wanted:.3f} | {at_random[:, step].mean():.3f} | {more} | {best} "
        f"({low:.0%} to {high:.0%}) |"
    )


def _always(found: Parts, _seed: int) -> Parts:
    return found


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("caches", nargs="*", type=Path, help="of labelled photographs, with parts")
    parser.add_argument("--good", default="Free,Healthy", help="classes that are not defective")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--drawn", type=int, default=300, help="drawn parts; 0 for none")
    options = parser.parse_args()
    sources: dict[str, Callable[[int], Parts]] = {}
    for path in options.caches:
        found = of_cache(path, options.good.split(","))
        sources[path.stem] = functools.partial(_always, found)
    if options.drawn:
        drawn = of_drawing(options.drawn)
        sources["drawn parts"] = functools.partial(_always, drawn)
    sources["simulated, 10 % defective"] = of_world
    print("| parts | labels | AUC | AUC at random | labels at random for the same | saved |")
    print("|---|---|---|---|---|---|", flush=True)
    for title, make in sources.items():
        runs = range(options.runs)
        both = [np.array([curve(make(s), s, chosen=way) for s in runs]) for way in (True, False)]
        for labels in TOLD:
            print(row(title, both[0], both[1], labels), flush=True)


if __name__ == "__main__":
    main()
