"""What the dense head's settings are worth on flat rows, and how far each swings.

    python -m benchmarks.dense_search features.h5 --classes Free,Crack

Every setting is trained on the same grouped folds under several seeds of training, and scored on
the parts that it never saw. The swing is the standard deviation over these seeds on the same fold,
so that it tells of the training and not of the photographs. Not part of `make bench`: it needs a
cache of real rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import pipeline
from features.arrays import Floats, Indices, Rows
from pipeline.data.splits import folds
from pipeline.heads.tuning import auc
from pipeline.output.names import split_names
from pipeline.training.auto import _by_part

BARE: dict[str, str | int | float] = {"inputs": "raw", "learning_rate": 3e-4, "weight_decay": 0.0}
"""The write-up's head, whose learning rate and dropout it leaves open."""

SCALED = "scaled"
"""Each of the 51,200 values brought to mean 0 and spread 1, as batch normalisation of inputs."""

SETTINGS: Mapping[str, Mapping[str, str | int | float]] = {
    "bare": BARE,
    "bare, learning rate 0.001": BARE | {"learning_rate": 1e-3},
    "bare, learning rate 0.00003": BARE | {"learning_rate": 3e-5},
    "bare, early stopping": BARE | {"patience": 5, "epochs": 100},
    "bare, decay 10": BARE | {"weight_decay": 10.0},
    "bare, inputs normalised": BARE | {SCALED: 1},
    "axes, no decay": {"weight_decay": 0.0},
    "axes, decay 2": {"weight_decay": 2.0},
    "axes, decay 5": {"weight_decay": 5.0},
    "axes, decay 10": {"weight_decay": 10.0},
    "axes, decay 20": {"weight_decay": 20.0},
    "axes, decay 10, learning rate 0.001": {"weight_decay": 10.0, "learning_rate": 1e-3},
    "axes, decay 5, learning rate 0.01": {"weight_decay": 5.0, "learning_rate": 1e-2},
    "axes, decay 10, dropout 0.1": {
        "weight_decay": 10.0, **{f"dropout_{n}": 0.1 for n in (1, 2, 3)}
    },
    "axes, decay 10, dropout 0.5": {
        "weight_decay": 10.0, **{f"dropout_{n}": 0.5 for n in (1, 2, 3)}
    },
    "axes, decay 10, early stopping": {"weight_decay": 10.0, "patience": 5, "epochs": 100},
    "axes, decay 10, 60 epochs": {"weight_decay": 10.0, "epochs": 60},
}  # fmt: skip


def scores(
    rows: Rows, y: Indices, groups: Indices, settings: Mapping[str, str | int | float], seeds: int
) -> Floats:
    """AUC (folds, seeds, 2) by part and by photograph."""
    found = []
    given = {name: value for name, value in settings.items() if name != SCALED}
    for fold in folds(y, groups, n_folds=5, repeats=1, seed=0):
        train, test = rows[fold.train], rows[fold.test]
        if SCALED in settings:
            mean, spread = train.mean(axis=0), train.std(axis=0) + 1e-3
            train, test = (train - mean) / spread, (test - mean) / spread
        for seed in range(seeds):
            head = pipeline.make_head("dense", seed=seed, settings=given)
            head.fit(train, y[fold.train], groups[fold.train], n_classes=2)
            P = np.clip(head.predict_proba(test)[:, 1], 1e-7, 1 - 1e-7)
            odds = np.log(P / (1 - P))
            by_part = auc(*_by_part(y[fold.test], odds, groups[fold.test]))
            found.append([by_part, auc(y[fold.test], odds)])
    return np.reshape(found, (-1, seeds, 2))


def line(name: str, found: Floats) -> Sequence[str]:
    """Give a row of the table: means over folds and seeds, and the swing by photograph."""
    part, photograph = np.nanmean(found, axis=(0, 1))
    swing = np.sqrt(np.nanmean(np.nanvar(found[:, :, 1], axis=1, ddof=1)))
    return name, f"{part:.3f}", f"{photograph:.3f}", f"{swing:.3f}"


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--classes", default="")
    parser.add_argument("--positive", default="")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="settings that begin so")
    options = parser.parse_args()
    data = pipeline.load_dataset(
        options.cache,
        classes=split_names(options.classes),
        positive=split_names(options.positive),
    )
    rows = data.rows()
    print("| setting | ROC AUC by part | by photograph | swing over seeds |\n|---|---|---|---|")
    for name, settings in SETTINGS.items():
        if name.startswith(options.only):
            found = scores(rows, data.y, data.groups, settings, options.seeds)
            print(f"| {' | '.join(line(name, found))} |", flush=True)


if __name__ == "__main__":
    main()
