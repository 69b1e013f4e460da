"""What views cost: decoding them, and adding them to a cache that has the full ones.

    python -m benchmarks.views --weights FILE

Photographs of 12 megapixels are drawn; they are decoded in this process, one after the other, and
extracted as `extract` does it, first alone and then with more views in the same cache. Not part of
`make bench`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pipeline
from benchmarks.photographs import LARGE, write_folder
from features.photographs.decode import decode_views
from features.photographs.recipe import RECIPES
from features.photographs.views import Chosen
from pipeline.output.names import split_names

DECODED = ((), ("tiles:2x2",), ("tiles:3x3",), ("tiles:2x2", "tiles:3x3"))
ADDED = ((), ("tiles:2x2",), ("tiles:2x2", "tiles:3x3"))


def main() -> None:
    """Measure, and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="random")
    parser.add_argument("--photographs", type=int, default=24)
    parser.add_argument("--taps", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        files = write_folder(Path(work) / "data", options.photographs, LARGE)
        _decode(files)
        taps = split_names(options.taps) or []
        _extract(Path(work), options.photographs, options.weights, taps)


def _decode(files: Sequence[Path]) -> None:
    contents = [file.read_bytes() for file in files]
    print("| recipe | views | milliseconds of one core per photograph |\n|---|---|---|")
    for recipe in RECIPES.values():
        for sets in DECODED:
            names = Chosen(("full", *sets)).names
            decode_views(contents[0], recipe, names)
            started = time.process_time()
            for data in contents:
                decode_views(data, recipe, names)
            each = 1000 * (time.process_time() - started) / len(contents)
            print(f"| {recipe.name} | {_shown(sets)} | {each:.0f} |")
            sys.stdout.flush()


def _extract(work: Path, count: int, weights: str, taps: Sequence[str]) -> None:
    print(
        "\n| views | rows computed | seconds in all | of the backbone, per row |\n|---|---|---|---|"
    )
    for sets in ADDED:
        done = pipeline.extract_folder(
            work / "data",
            work / "features.h5",
            pipeline.ExtractOptions(
                weights=weights,
                taps=taps,
                views=sets,
                group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
            ),
        ).extraction
        seconds = done.seconds
        per_row = seconds["backbone"] / max(done.rows, 1)
        print(f"| {_shown(sets)} | {done.rows:,} | {seconds['total']:.1f} | {per_row:.4f} |")
        sys.stdout.flush()
    print(f"\n{count} photographs of {LARGE[0]}×{LARGE[1]}; taps {', '.join(taps) or 'none'}")


def _shown(sets: Sequence[str]) -> str:
    return ", ".join(("full", *sets))


if __name__ == "__main__":
    main()
