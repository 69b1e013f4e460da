"""What each difference between the two recipes does to honest scores: scaling and resize, apart.

    python -m benchmarks.recipes FOLDER --classes Free,Crack --groups groups.csv --weights FILE

Extracts the folder under four recipes (the write-up's, Onepass's, and each difference alone) and
compares one head on the same grouped folds. Not part of `make bench`: it needs real photographs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pipeline
from features.photographs.recipe import RECIPES
from pipeline.output.names import split_names

HEAD = "logistic"


def variants() -> dict[str, str]:
    """Register the mixed recipes; title -> recipe name."""
    docs, imagenet = RECIPES["docs"], RECIPES["imagenet"]
    for mixed in (
        replace(docs, name="docs-scaled", scale=imagenet.scale),
        replace(docs, name="docs-bilinear", resize="bilinear", dct_scaling=True),
    ):
        RECIPES[mixed.name] = mixed
    return {
        "the write-up: nearest, [0, 1]": "docs",
        "nearest, [-1, 1]": "docs-scaled",
        "bilinear, [0, 1]": "docs-bilinear",
        "Onepass: bilinear, [-1, 1]": "imagenet",
    }


def main() -> None:
    """Extract, compare, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes")
    parser.add_argument("--groups", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("| recipe | ROC AUC | average precision | balanced accuracy |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        for title, recipe in variants().items():
            cache = Path(work) / f"{recipe}.h5"
            pipeline.extract_folder(
                options.folder,
                cache,
                pipeline.ExtractOptions(
                    weights=options.weights,
                    recipe=recipe,
                    classes=split_names(options.classes),
                    group_rule=pipeline.GroupRule("file", str(options.groups.resolve())),
                ),
            )
            found = pipeline.compare_heads(
                pipeline.load_dataset(cache),
                Path(work) / recipe,
                pipeline.CompareOptions(heads=[HEAD], repeats=options.repeats),
            )
            row = found.result.table()[0]
            cells = [
                f"{row.mean[name]:.3f} ± {row.spread[name]:.3f}"
                for name in ("roc_auc", "average_precision", "balanced_accuracy")
            ]
            print(f"| {title} | {' | '.join(cells)} |")
            sys.stdout.flush()
            cache.unlink()


if __name__ == "__main__":
    main()
