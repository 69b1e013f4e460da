"""The search behind the dense head's defaults: learning rate and dropout on grouped folds.

    python -m benchmarks.dense_search features.h5

Every setting is trained on the same grouped folds under several seeds (of folds and training) and
scored on the parts that it never saw. Not part of `make bench`: it needs a cache of real rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

import pipeline
from pipeline.data.splits import folds
from pipeline.evaluation.metrics import score

SETTINGS: tuple[dict[str, float], ...] = (
    {"learning_rate": 1e-3, "dropout": 0.5},
    {"learning_rate": 1e-3, "dropout": 0.3},
    {"learning_rate": 3e-4, "dropout": 0.5},
    {"learning_rate": 3e-4, "dropout": 0.3},
    {"learning_rate": 1e-4, "dropout": 0.3},
)


def one(
    data: pipeline.Dataset,
    rows: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    at: int,
    seed: int,
) -> dict[str, float]:
    """Scores of one setting on one fold."""
    chosen = SETTINGS[at]
    dropout = {f"dropout_{number}": chosen["dropout"] for number in (1, 2, 3)}
    head = pipeline.make_head(
        "dense", seed=seed, settings={"learning_rate": chosen["learning_rate"], **dropout}
    )
    head.fit(rows[train], data.y[train], data.groups[train], n_classes=len(data.classes.names))
    return score(data.y[test], head.predict_proba(rows[test]))


def main() -> None:
    """Search and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    data = pipeline.load_dataset(options.cache)
    rows = data.rows()
    jobs = [
        (at, seed, fold)
        for seed in range(options.seeds)
        for fold in folds(data.y, data.groups, n_folds=options.folds, repeats=1, seed=seed)
        for at in range(len(SETTINGS))
    ]
    found = Parallel(n_jobs=-1)(
        delayed(one)(data, rows, fold.train, fold.test, at, seed) for at, seed, fold in jobs
    )
    print("| learning rate | dropout | ROC AUC | average precision | balanced accuracy |")
    print("|---|---|---|---|---|")
    for at, chosen in enumerate(SETTINGS):
        mine = [s for s, job in zip(found, jobs, strict=True) if job[0] == at]
        cells = []
        for name in ("roc_auc", "average_precision", "balanced_accuracy"):
            values = np.array([scores[name] for scores in mine])
            cells.append(f"{values.mean():.3f} ± {values.std(ddof=1):.3f}")
        print(f"| {chosen['learning_rate']:g} | {chosen['dropout']:g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
