"""What bfloat16 costs: rows and cross-validated scores against those of float32.

Takes a cache of float32 rows (--cache), extracts the same folder in bfloat16, and compares heads
on both, on the same folds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import note
from pipeline.data.extract_folder import ExtractOptions
from pipeline.training.cross_validate import CompareOptions

_HEADS = ("logistic", "ridge", "linear-svm", "lda", "rbf-svm", "knn", "forest", "dense")


def measure(options: Options) -> Report:
    """Cosine between rows, and by how much every head's AUC moves against its spread."""
    report = Report("precision")
    if options.cache is None:
        report.notes.append("left out: it needs a cache of float32 rows, --cache features.h5")
        return report
    from features.errors import PrecisionError

    try:
        _compare(report, options, options.cache)
    except PrecisionError as error:
        report.notes.append(str(error))
    return report


def _compare(report: Report, options: Options, cache_path: Path) -> None:
    from pipeline.data.dataset import load_dataset
    from pipeline.data.extract_folder import extract_folder
    from pipeline.training.cross_validate import compare

    data = load_dataset(cache_path)
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "bfloat16.h5"
        extract_folder(
            Path(data.folder.root),
            short,
            ExtractOptions(
                weights=options.weights,
                recipe=data.fields["recipe"]["name"],
                precision="bfloat16",
                classes=sorted({table_row.label for table_row in data.table_rows}),
                group_rule=data.folder.group_rule,
            ),
        )
        note("extracted in bfloat16")
        theirs = load_dataset(short)
        if [s.digest for s in theirs.table_rows] != [s.digest for s in data.table_rows]:
            raise RuntimeError("the folder has changed since the cache was made")
        rows = {"float32": data.rows(), "bfloat16": theirs.rows()}
    full, half = rows["float32"], rows["bfloat16"]
    lengths = np.linalg.norm(full, axis=1) * np.linalg.norm(half, axis=1)
    cosines = np.einsum("ij,ij->i", full, half) / lengths
    report.notes.append(
        f"cosine between float32 and bfloat16 rows of {len(full):,} photographs: "
        f"median {np.median(cosines):.5f}, lowest {cosines.min():.5f}"
    )
    aucs: dict[str, dict[str, np.ndarray]] = {}
    for name, values in rows.items():
        found = compare(
            values, data.y, data.groups, CompareOptions(heads=_HEADS, folds=5, repeats=1)
        )
        note(f"heads compared in {name}")
        aucs[name] = {
            head: np.array([r.scores["roc_auc"] for r in found.results if r.head == head])
            for head in _HEADS
        }
    for head in _HEADS:
        before, after = aucs["float32"][head], aucs["bfloat16"][head]
        moved, spread = after.mean() - before.mean(), before.std(ddof=1)
        report.lines.append(
            Line(
                f"bfloat16, AUC of {head}",
                f"bfloat16: {after.mean():.4f} (moves {moved:+.4f})",
                f"float32: {before.mean():.4f} (spread of folds {spread:.4f})",
                target="moves < spread",
            )
        )
    report.details = {
        "cosine": {"median": float(np.median(cosines)), "lowest": float(cosines.min())},
        "roc_auc": {k: {h: v.tolist() for h, v in by.items()} for k, by in aucs.items()},
    }


if __name__ == "__main__":
    run({"precision": measure}, __doc__)
