"""The write-up's ladder on a folder: four models, its split and ours, several seeds.

Protocol: every model sees the same photographs through the `docs` recipe. For each seed they are
split twice: as in the write-up (shuffled, the first int(n · 0.25) for validation) and by part. Each
rung is trained on the one side for a fixed number of epochs and scored on the other; nothing is
chosen on the validation side. A finished run is a small file, so that a stopped ladder goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Counts, Flags, Floats, Indices, Rows
from features.backbones.settings import BackboneSettings
from features.backbones.weights import resolve_weights
from features.cache.shards import open_cache
from features.errors import DataError, OutputError, SplitError
from features.extract import Progress, extract
from features.files import write_whole
from features.fingerprint import fingerprint_of
from features.photographs.recipe import get_recipe
from pipeline.cnn.cnn import Cnn
from pipeline.cnn.photograph_batches import PhotographSet, look_at_folder
from pipeline.data.splits import holdout
from pipeline.evaluation.metrics import score
from pipeline.groups.rules import GroupRule
from pipeline.heads import make_head
from pipeline.heads.base import EpochProgress
from pipeline.model.probabilities import predict_pixels
from pipeline.output.overwrite import REPORT, check_overwritable
from pipeline.write_up.ladder import SPLITS, TITLES, Ladder
from pipeline.write_up.train_cnn import RECIPE, fit_cnn

_VALIDATION = 0.25


@dataclass(frozen=True)
class ReproduceOptions:
    """Hold what is asked for of `reproduce`.

    Attributes:
        seeds: runs of every rung on every split.
        epochs: of every run.
        classes: only these class folders; None for all.
        positive: the classes that together are "defective"; None to tell by name.
        group_rule: which photographs show one part.
        photographs: take about so many, whole parts, classes as even as they can be had.
        cache_path: for rows of the `docs` recipe; None for features.h5 in the output's folder.
        weights: of the backbone; see `features.backbones.weights.resolve_weights`.

    Example:
        >>> ReproduceOptions(photographs=250).seeds
        5
    """

    seeds: int = 5
    epochs: int = 30
    classes: Sequence[str] | None = None
    positive: Sequence[str] | None = None
    group_rule: GroupRule | None = None
    photographs: int | None = None
    cache_path: Path | None = None
    weights: str | None = None


def reproduce(
    data: Path,
    out: Path,
    options: ReproduceOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Ladder:
    """Train and judge all rungs, and write their table and sheet.

    Args:
        data: one folder of photographs per class.
        out: folder for table.csv, table.json, table.md, sheet.png, and runs/ with one file per
            finished run. What is there of the same photographs and epochs is kept.
        options: None for `ReproduceOptions()`.
        progress: called as `progress(done, total)`, in photographs seen and epochs trained.

    Raises:
        DataError: the folder, its classes or its groups cannot be used.
        SplitError: too few photographs or parts.
        OutputError: `out` holds something else, or cannot be written.
        OnepassError: see `features.extract.extract`.

    Example:
        >>> ladder = onepass.reproduce(Path("data"), Path("reproduction"))  # doctest: +SKIP
    """
    options = options or ReproduceOptions()
    seeds, epochs = options.seeds, options.epochs
    if out.exists() and any(out.iterdir()) and not (out / "runs").is_dir():
        raise OutputError(
            f"{out} exists and holds no reproduction; expected a new folder; name another with "
            "--out"
        )
    check_overwritable(out / Ladder.PAGE, REPORT)
    settings = BackboneSettings(get_recipe(RECIPE), resolve_weights(options.weights or "imagenet"))
    found = look_at_folder(
        data, settings.recipe, classes=options.classes, positive=options.positive,
        group_rule=options.group_rule,
    )  # fmt: skip
    chosen = found if options.photographs is None else choose_parts(found, options.photographs)
    work = _Work(chosen, settings, options.cache_path or out / "features.h5", epochs)
    (out / "runs").mkdir(parents=True, exist_ok=True)
    total = len(chosen) + seeds * len(SPLITS) * len(TITLES) * epochs
    count = _Count(progress, total)
    work.extract(count.photographs)
    runs = []
    for seed in range(seeds):
        for split in SPLITS:
            for rung in TITLES:
                runs.append(work.run(out / "runs", rung, split, seed, count.epoch))
                count.finished(epochs)
    ladder = Ladder(chosen, epochs, runs)
    ladder.write(out)
    return ladder


def split_like_the_write_up(n: int, seed: int) -> tuple[Indices, Indices]:
    """Shuffle, and take int(n · 0.25) for validation: 188 and 62 of 250. Sorted numbers.

    Raises:
        SplitError: that leaves nothing for validation.
    """
    held = int(n * _VALIDATION)
    if not held:
        raise SplitError(f"{n} photographs; expected at least 4, so that one can be held out")
    order = np.random.default_rng(seed).permutation(n).astype(np.int64)
    return np.sort(order[held:]), np.sort(order[:held])


class _Count:
    """Progress over the whole ladder."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def _say(self, more: int) -> None:
        if self._progress is not None:
            self._progress(self._before + more, self._total)

    def photographs(self, done: int, total: int) -> None:
        """Count photographs of one pass."""
        self._say(done)
        self._before += total if done == total else 0

    def epoch(self, epoch: int, _epochs: int, _scores: Mapping[str, float]) -> None:
        """Count an epoch of the training that runs."""
        self._say(epoch)

    def finished(self, epochs: int) -> None:
        """Count a training that is done."""
        self._before += epochs
        self._say(0)


@dataclass
class _Work:
    """Hold what the runs share.

    Attributes:
        photographs: to train and judge on.
        settings: of the backbone.
        cache_path: for its rows.
        epochs: of every run.
    """

    photographs: PhotographSet
    settings: BackboneSettings
    cache_path: Path
    epochs: int

    def extract(self, progress: Progress) -> None:
        """See that the cache has the rows."""
        everything = self.photographs.photographs(np.arange(len(self.photographs)))
        extract(everything, self.settings, self.cache_path, progress=progress)

    @cached_property
    def rows(self) -> Rows:
        """Give float32 (n, cached_width), read when the first head is trained."""
        with open_cache(self.cache_path) as cache:
            return cache.take([cache.find(s.digest) for s in self.photographs.table_rows])

    def run(
        self, folder: Path, rung: str, split: str, seed: int, progress: EpochProgress
    ) -> dict[str, Any]:
        """Give the finished run in `folder`, or a new one, which is kept there."""
        path = folder / f"{rung}-{split}-{seed}.json"
        made_of = self._made_of(rung, split, seed)
        if (kept := _read(path)).get("made_of") == made_of:
            return kept
        started = time.perf_counter()
        sides = self._sides(split, seed)
        train_one = self._dense if rung == "dense" else self._cnn
        history, probabilities = train_one(rung, *sides, seed, progress)
        y, table_rows = self.photographs.y, self.photographs.table_rows
        made = {
            "rung": rung, "split": split, "seed": seed,
            **{
                name: score(y[side], chances) | {"photographs": len(side)}
                for name, side, chances in zip(
                    ("train", "validation"), sides, probabilities, strict=True
                )
            },
            "seconds": time.perf_counter() - started,
            "history": history,
            "verdicts": [
                {"path": table_rows[i].path, "truth": int(y[i]), "probabilities": chances.tolist()}
                for i, chances in zip(sides[1], probabilities[1], strict=True)
            ],
            "made_of": made_of,
        }  # fmt: skip
        write_whole(path, json.dumps(made))
        return made

    def _made_of(self, rung: str, split: str, seed: int) -> str:
        """Give a digest of all that decides a run's result."""
        table_rows, numbers = self.photographs.table_rows, self.photographs
        pairs = zip(table_rows, numbers.y.tolist(), numbers.groups.tolist(), strict=True)
        recipe = self.settings.recipe.fields()
        head = make_head(rung).chosen if rung == "dense" else {}
        return fingerprint_of(
            {
                **({"settings": head} if head else {}),
                "photographs": [[s.path, s.digest, label, group] for s, label, group in pairs],
                "run": [rung, split, seed, self.epochs],
                "pixels": self.settings.fields if rung == "dense" else recipe,
            }
        )

    def _sides(self, split: str, seed: int) -> tuple[Indices, Indices]:
        if split == "random":
            return split_like_the_write_up(len(self.photographs), seed)
        return holdout(
            self.photographs.y,
            self.photographs.groups,
            test_size=_VALIDATION,
            seed=seed,
            class_names=self.photographs.classes.names,
        )

    def _cnn(
        self, rung: str, train: Indices, test: Indices, seed: int, progress: EpochProgress
    ) -> tuple[list[dict[str, float]], list[Floats]]:
        """Train the CNN; give its history, and probabilities of both sides."""
        names = self.photographs.classes.names
        cnn = Cnn(rung, self.settings.recipe, len(names), seed=seed, epochs=self.epochs)
        fit_cnn(cnn, self.photographs, train, test, progress=progress)
        sides = [self.photographs.photographs(side) for side in (train, test)]
        return cnn.history or [], [predict_pixels(cnn, side).probabilities for side in sides]

    def _dense(
        self, rung: str, train: Indices, test: Indices, seed: int, progress: EpochProgress
    ) -> tuple[list[dict[str, float]], list[Floats]]:
        """Train as `_cnn`; the validation side is scored after each epoch for the curves."""
        y, groups, rows = self.photographs.y, self.photographs.groups, self.rows
        head = make_head(rung, seed=seed, settings={"epochs": self.epochs})
        n_classes = len(self.photographs.classes.names)
        history: list[dict[str, float]] = []

        def scored(epoch: int, epochs: int, scores: Mapping[str, float]) -> None:
            """Score the validation side after an epoch."""
            chances = head.predict_proba(rows[test])
            history.append(dict(scores) | _validation_scores(y[test], chances))
            progress(epoch, epochs, scores)

        head.fit(rows[train], y[train], groups[train], n_classes=n_classes, progress=scored)
        return history, [head.predict_proba(rows[side]) for side in (train, test)]


def _validation_scores(y: Indices, chances: Floats) -> dict[str, float]:
    """Compute what Keras would say of them after an epoch."""
    of_truth = np.clip(chances[np.arange(len(y)), y], 1e-7, 1)
    return {
        "val_loss": float(-np.log(of_truth).mean()),
        "val_accuracy": float((chances.argmax(axis=1) == y).mean()),
    }


def _read(path: Path) -> dict[str, Any]:
    """Give a finished run; nothing where there is none that can be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def choose_parts(photographs: PhotographSet, count: int, *, seed: int = 0) -> PhotographSet:
    """Take about `count` photographs, parts whole: never more, a few less where parts do not fit.

    Args:
        photographs: to choose from.
        count: wanted; every class gets the same share, and what a class has too few of goes to
            the others.
        seed: of the choice.

    Raises:
        DataError: fewer than two photographs per class are wanted.
    """
    totals = np.bincount(photographs.y, minlength=len(photographs.classes.names))
    if count < 2 * len(totals):
        raise DataError(
            f"{count} photographs were asked for; expected at least two of each of the "
            f"{len(totals)} classes"
        )
    table = np.zeros((photographs.groups.max() + 1, len(totals)), dtype=np.int64)
    np.add.at(table, (photographs.groups, photographs.y), 1)
    taken = _take(table, share_evenly(totals, count), np.random.default_rng(seed))
    numbers = np.flatnonzero(taken[photographs.groups])
    return replace(
        photographs,
        table_rows=[photographs.table_rows[i] for i in numbers],
        y=photographs.y[numbers],
        groups=photographs.groups[numbers],
    )


def share_evenly(totals: Counts, count: int) -> Counts:
    """Decide how many to take of each class: equal shares, none above what there is.

    Args:
        totals: int64 (n_classes,), photographs there are.
        count: wanted in all.
    """
    shares = np.zeros_like(totals)
    for place, number in enumerate(np.argsort(totals, kind="stable")):
        left = len(totals) - place
        shares[number] = min(totals[number], (count - shares.sum()) // left)
    return shares


def _take(table: Counts, shares: Counts, rng: np.random.Generator) -> Flags:
    """Take parts (rows of photographs per class) that fit into the shares, rare classes first."""
    order = rng.permutation(len(table))
    sizes = np.where(table > 0, table.sum(axis=0), np.iinfo(np.int64).max).min(axis=1)
    taken, left = np.zeros(len(table), dtype=bool), shares.copy()
    for part in order[np.argsort(sizes[order], kind="stable")]:
        if (table[part] <= left).all():
            taken[part] = True
            left -= table[part]
    return taken
