"""The table behind `fit` without words: what each pair that it tries scores, and what it chooses.

    python -m benchmarks.default_choice features.h5 --classes Free,Crack --seeds 2

Every pair of `pipeline.training.auto`, linear heads and the dense head on flat rows, and its heads
on `--features`, on the same grouped folds under several seeds; then the choice, made anew inside
each training side. ROC AUC over parts (a part judged by the mean decision of its photographs of one
class) and over photographs. Not part of `make bench`: it needs a cache of real rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.data.lazy_rows import subset
from pipeline.data.splits import Fold, folds
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.rows import comparable_rows
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads.tuning import auc
from pipeline.output.names import split_names
from pipeline.training.auto import HEADS, _by_part, choose, contenders

_LEAST = 1e-7


def scores(
    data: pipeline.Dataset, fold: Fold, pair: Contender, seed: int, rows: Mapping[FeatureSpec, Any]
) -> list[float]:
    """AUC over parts and over photographs of one pair on one fold."""
    X = rows[pair.spec]
    head = pair.make(seed=seed)
    y, groups = data.y[fold.test], data.groups[fold.test]
    head.fit(
        subset(X, fold.train), data.y[fold.train], data.groups[fold.train],
        n_classes=len(data.classes.names),
    )  # fmt: skip
    P = np.clip(head.predict_proba(subset(X, fold.test)[:])[:, 1], _LEAST, 1 - _LEAST)
    odds = np.log(P / (1 - P))
    return [auc(*_by_part(y, odds, groups)), auc(y, odds)]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--classes", default="")
    parser.add_argument("--positive", default="")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--features", default="", help="further ones, with commas between them")
    options = parser.parse_args()
    data = pipeline.load_dataset(
        options.cache,
        classes=split_names(options.classes),
        positive=split_names(options.positive),
    )
    flat = [Contender(name) for name in ("ridge", "linear-svm", "dense")]
    more = [FeatureSpec.parse(text) for text in options.features.split(",") if text]
    others = [Contender(head, spec) for spec in more for head in HEADS]
    pairs = list(dict.fromkeys([*contenders(data), *others, *flat]))
    rows = comparable_rows(data, list(dict.fromkeys(pair.spec for pair in pairs)))
    found: dict[str, list[list[float]]] = {}
    seconds = []
    for seed in range(options.seeds):
        for fold in folds(data.y, data.groups, n_folds=5, repeats=1, seed=seed):
            made = {pair: scores(data, fold, pair, seed, rows) for pair in pairs}
            started = time.perf_counter()
            choice = choose(data, fold.train, seed=seed).contender
            seconds.append(time.perf_counter() - started)
            for pair, values in made.items():
                found.setdefault(pair.name, []).append(values)
            found.setdefault("auto", []).append(made[choice])
    print(f"{len(data):,} photographs; a choice takes {np.mean(seconds):.1f} s\n")
    print("| head and features | ROC AUC by part | by photograph |\n|---|---|---|")
    for name, aucs in found.items():
        part, photograph = np.nanmean(aucs, axis=0)
        print(f"| {name} | {part:.3f} | {photograph:.3f} |")


if __name__ == "__main__":
    main()
