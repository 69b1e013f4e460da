"""What fewer bits cost: rows and cross-validated scores against those of float32.

Takes a cache of float32 rows (--cache) whose photographs are where they were. They go through the
backbone again in bfloat16, and in int8, its ranges measured on some of them; float16 rounds the
cached rows. Heads are compared on the last map of each, on the same folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import note
from features.arrays import Array, Floats, Pixels, Rows
from features.backbones.engines import ENGINES, Network, Plan
from features.backbones.settings import BackboneSettings, settings_from_fields
from features.errors import EngineError, PrecisionError
from features.photographs.file import Photograph
from features.photographs.look import Kept
from pipeline.cnn.photograph_batches import look
from pipeline.data.dataset import Dataset, load_dataset
from pipeline.evaluation.part_rules import MEAN
from pipeline.training.comparison import of_parts
from pipeline.training.cross_validate import CompareOptions, compare

_HEADS = ("logistic", "ridge", "linear-svm", "lda", "rbf-svm", "knn", "forest", "dense")
_INT8 = "int8"  # an engine of this module alone: no cache has such rows
_MEASURED, _BATCH = 48, 32  # photographs that int8 is measured on, and those at once
_measured: list[Pixels] = []


def measure(options: Options) -> Report:
    """Cosine between rows, and by how much every head's AUC moves against its spread."""
    report = Report("precision")
    if options.cache is None:
        report.notes.append("left out: it needs a cache of float32 rows, --cache features.h5")
        return report
    data = load_dataset(options.cache)
    full = data.rows()
    rows = {"float32": full, "float16": full.astype(np.float16).astype(np.float32)}
    for precision in ("bfloat16", _INT8):
        try:
            rows[precision] = _rows_in(precision, data)
        except (EngineError, PrecisionError, ImportError) as error:
            report.notes.append(f"{precision} is left out: {error}")
            continue
        note(f"seen in {precision}")
        cosines = _cosines(full, rows[precision])
        report.notes.append(
            f"cosine between float32 and {precision} rows of {len(full):,} photographs: "
            f"median {np.median(cosines):.5f}, lowest {cosines.min():.5f}"
        )
    aucs = {name: _aucs(values, data) for name, values in rows.items()}
    report.lines += _lines(aucs)
    report.details = {
        "roc_auc": {k: {h: v.tolist() for h, v in by.items()} for k, by in aucs.items()}
    }
    return report


def _rows_in(precision: str, data: Dataset) -> Rows:
    """Run the photographs of a cache through its backbone once more."""
    assert data.folder.weights is not None
    settings = settings_from_fields(data.fields, data.folder.weights).keeping(Kept((), pooled=()))
    root = Path(data.folder.root)
    photographs = [Photograph(root / row.path, row.path) for row in data.table_rows]
    if precision == _INT8:
        step = max(1, len(photographs) // _MEASURED)
        _measured[:] = [one[None] for one in _pixels(photographs[::step], settings)]
        ENGINES[_INT8] = __name__
        settings = replace(settings, engine=_INT8)
    else:
        settings = replace(settings, precision=precision, engine="openvino")
    backbone = settings.entry(
        settings.weights.locate().path,
        seed=settings.weights.seed,
        scale=settings.recipe.scale,
        batch_size=_BATCH,
        precision=settings.precision,
        engine=settings.engine,
        taps=(),
    )
    seen = _pixels(photographs, settings)
    blocks = (seen[start : start + _BATCH] for start in range(0, len(seen), _BATCH))
    return np.concatenate([backbone.run(np.stack(block)) for block in blocks])


def _pixels(photographs: Sequence[Photograph], settings: BackboneSettings) -> list[Pixels]:
    found = [one.pixels for one in look(photographs, settings.recipe)]
    if any(pixels is None for pixels in found):
        raise RuntimeError("photographs are gone, or cannot be read any more")
    return [pixels for pixels in found if pixels is not None]


def compile_network(plan: Plan) -> Network:
    """Compile in int8 by NNCF, as `features.backbones.engines.Engine`."""
    from features.backbones.openvino_engine import CompiledNetwork, network_model, openvino
    from pipeline.export.targets import quantised

    single: Any = network_model(replace(plan, shape=(1, *plan.shape[1:])))
    return CompiledNetwork(openvino.compile_model(quantised(single, _measured), "CPU"), "float32")


def _cosines(some: Rows, others: Rows) -> Array:
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    return np.asarray(np.einsum("ij,ij->i", some, others) / lengths)


def _aucs(rows: Rows, data: Dataset) -> dict[str, Floats]:
    """Score heads (folds,), each part by the mean of its photographs."""
    options = CompareOptions(heads=_HEADS, folds=5, repeats=1)
    found = of_parts(compare(rows, data.y, data.groups, options), MEAN)
    note("heads compared")
    return {
        head: np.array([r.scores["roc_auc"] for r in found.results if r.head == head])
        for head in _HEADS
    }


def _lines(aucs: dict[str, dict[str, Floats]]) -> list[Line]:
    lines = []
    for precision in [name for name in aucs if name != "float32"]:
        for head in _HEADS:
            before, after = aucs["float32"][head], aucs[precision][head]
            moved, spread = after.mean() - before.mean(), before.std(ddof=1)
            lines.append(
                Line(
                    f"{precision}, AUC by part of {head}",
                    f"{precision}: {after.mean():.4f} (moves {moved:+.4f})",
                    f"float32: {before.mean():.4f} (spread of folds {spread:.4f})",
                    target="moves < spread",
                )
            )
    return lines


if __name__ == "__main__":
    run({"precision": measure}, __doc__)
