"""The table behind features and heads: which of them score how much on parts never seen.

    python -m benchmarks.feature_specs features.h5 --classes Free,Crack --features flat,avg:root

Every head on every feature space, on the same grouped folds under several seeds; settings are
chosen inside the training sides. Where the cache was told its groups, the table is made twice: by
these, and by the groups that are proposed from the photographs, as told groups may be wrong. With
--photographs it is made for smaller sets too, of whole parts; with --defective for training sides
that hold only so many defective parts. Not part of `make bench`: it needs a cache of real rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.data.dataset import Dataset
from pipeline.data.splits import Fold, folds
from pipeline.evaluation.bootstrap import Parts
from pipeline.feature_specs.rows import comparable_rows
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.groups.rules import number_groups
from pipeline.output.names import split_names
from pipeline.training.comparison import Comparison
from pipeline.training.cross_validate import CompareOptions, compare

_SHOWN = ("roc_auc", "average_precision", "balanced_accuracy")


def groupings(data: Dataset) -> dict[str, np.ndarray]:
    """Part numbers (n,) by where they are from."""
    if data.proposal is not None:
        return {"proposed": data.groups}
    found = pipeline.proposed_groups(data.cache_path).by_path()
    table_rows = [
        table_row._replace(group=found.get(table_row.path, "")) for table_row in data.table_rows
    ]
    return {"as told": data.groups, "proposed": number_groups(table_rows)}


def some_parts(y: np.ndarray, groups: np.ndarray, photographs: int, seed: int) -> np.ndarray:
    """Row numbers of about so many photographs, whole parts, the classes as common as they are."""
    if not photographs or photographs >= len(y):
        return np.arange(len(y))
    parts, rng = Parts.of(y, groups), np.random.default_rng(seed)
    share = photographs / len(y)
    taken = [
        rng.permutation(np.flatnonzero(parts.stratum == s))[: max(5, round(share * parts.size(s)))]
        for s in parts.strata
    ]
    return np.flatnonzero(np.isin(parts.of_row, np.concatenate(taken)))


def with_few_defects(
    y: np.ndarray, groups: np.ndarray, rounds: list[Fold], parts: int, seed: int
) -> list[Fold]:
    """Give the same folds, but so many defective parts in each training side; 0: all of them."""
    if not parts:
        return rounds
    rng, found = np.random.default_rng(seed), []
    for fold in rounds:
        defective = np.unique(groups[fold.train][y[fold.train] > 0])
        dropped = rng.permutation(defective)[parts:]
        found.append(fold._replace(train=fold.train[~np.isin(groups[fold.train], dropped)]))
    return found


def measure(
    data: Dataset, groups: np.ndarray, size: int, few: int, options: argparse.Namespace
) -> list[Comparison]:
    """One comparison for each seed."""
    rows = comparable_rows(data, [FeatureSpec.parse(text) for text in options.features.split(",")])
    found = []
    for seed in range(options.seeds):
        chosen = some_parts(data.y, groups, size, seed)
        everything = len(chosen) == len(data.y)
        seen = {text: r if everything else r[chosen] for text, r in rows.items()}
        y, parts = data.y[chosen], groups[chosen]
        rounds = folds(y, parts, n_folds=options.folds, repeats=1, seed=seed)
        found.append(
            compare(
                seen,
                y,
                parts,
                CompareOptions(options.heads.split(","), seed=seed, jobs=options.jobs),
                rounds=with_few_defects(y, parts, rounds, few, seed),
                class_names=data.classes.names,
            )
        )
    return found


def table(found: list[Comparison]) -> list[dict[str, Any]]:
    """One record for each head and features, the best first: mean and spread over all rounds."""
    records = []
    for name in found[0].heads:
        results = [result for comparison in found for result in comparison.of(name)]
        contender = found[0].contenders[name]
        record: dict[str, Any] = {"features": contender.spec.text, "head": contender.head}
        for score in _SHOWN:
            values = np.array([result.scores[score] for result in results])
            record[score] = [float(np.nanmean(values)), float(np.nanstd(values, ddof=1))]
        record["seconds"] = float(np.mean([result.fit_seconds for result in results]))
        records.append(record)
    return sorted(records, key=lambda record: -record["roc_auc"][0])


def main() -> None:
    """Measure and print Markdown tables; the numbers also as JSON lines with --out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--classes", default="")
    parser.add_argument("--positive", default="")
    parser.add_argument("--features", default="flat,avg,max,avg+max,avg:root")
    parser.add_argument("--heads", default="logistic,ridge,lda,rbf-svm,knn,novelty")
    parser.add_argument("--groups", default="", help="as told, proposed; both by default")
    parser.add_argument("--photographs", default="0", help="sizes with commas; 0 is all")
    parser.add_argument("--defective", default="0", help="parts with commas; 0 is all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data = pipeline.load_dataset(
        options.cache,
        classes=split_names(options.classes),
        positive=split_names(options.positive),
    )
    sizes = itertools.product(options.photographs.split(","), options.defective.split(","))
    for size, few in (map(int, pair) for pair in sizes):
        for told, groups in groupings(data).items():
            if options.groups and told != options.groups:
                continue
            started = time.perf_counter()
            found = measure(data, groups, size, few, options)
            count, parts = len(found[0].y), len(np.unique(found[0].groups))
            print(
                f"\n{count:,} photographs of {parts:,} parts, groups {told}, {options.folds} folds "
                f"under {options.seeds} seeds, {few or 'all'} defective parts in training, "
                f"{time.perf_counter() - started:.0f} s\n"
            )
            print("| features | head | ROC AUC | average precision | balanced accuracy | fit s |")
            print("|---|---|---|---|---|---|")
            for record in table(found):
                cells = " | ".join("{:.3f} ± {:.3f}".format(*record[score]) for score in _SHOWN)
                names = f"{record['features']} | {record['head']}"
                print(f"| {names} | {cells} | {record['seconds']:.2f} |", flush=True)
                if options.out:
                    record |= {"groups": told, "photographs": count, "parts": parts, "few": few}
                    with options.out.open("a") as file:
                        file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
