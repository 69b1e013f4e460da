"""Write what stands beside a head: heatmaps' reference, out-of-fold table, split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.arrays import Indices
from pipeline.data.dataset import Dataset, Labelled
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.feature_specs.rows import WholeRows
from pipeline.heads.base import Head
from pipeline.heatmaps.covers import is_covered, make_cover_reference
from pipeline.heatmaps.maps import FILE as HEATMAPS
from pipeline.heatmaps.maps import make_reference
from pipeline.heatmaps.views import make_view_reference
from pipeline.model.bundle import Model
from pipeline.output.tables import to_csv
from pipeline.thresholds.train import Trained


def heatmaps_file(
    model: Model, dataset: Dataset, learned: Indices, test: Indices
) -> dict[str, bytes]:
    """Keep what heatmaps are measured against, as a file by its name.

    Args:
        model: the trained head.
        dataset: with the photographs' rows.
        learned: int64, numbers of those that it learned from: their mean is the baseline.
        test: int64, numbers of those that fix the scale of the colours.
    """
    if isinstance(model, HeadOnCachedRows):
        if not model.on_map:
            return _views_file(model, dataset, learned, test)
        seen, shown = dataset.whole_rows(learned), dataset.whole_rows(test)
    else:
        assert isinstance(model, Head)
        seen, shown = dataset.stored_rows(learned), dataset.stored_rows(test)
    reference = make_reference(
        model, (seen, dataset.y[learned]), (shown, dataset.y[test]), dataset.row_parts.shape
    )
    return {HEATMAPS: reference.to_bytes()}


def _views_file(
    model: HeadOnCachedRows, dataset: Dataset, learned: Indices, test: Indices
) -> dict[str, bytes]:
    """Give the same of a head on views, or on layers of the whole photograph."""
    seen, shown = (WholeRows(model.spec, dataset, side) for side in (learned, test))
    make = make_cover_reference if is_covered(model) else make_view_reference
    reference = make(model, (seen, dataset.y[learned]), (shown, dataset.y[test]))
    return {HEATMAPS: reference.to_bytes()}


def unseen_file(dataset: Dataset, numbers: Indices, made: Trained) -> bytes:
    """Give the table unseen.csv: a line for each photograph that the thresholds were chosen on.

    Args:
        dataset: with the photographs.
        numbers: int64, of those photographs, in the order of `made.predicted`.
        made: the head with its thresholds.
    """
    assert made.predicted is not None
    rows = [
        {
            "path": dataset.table_rows[i].path,
            "class": dataset.classes.names[dataset.y[i]],
            "group": str(dataset.groups[i]),
            "fold": int(fold),
            "probability_of_defect": float(p),
        }
        for i, fold, p in zip(numbers, made.predicted.fold, made.p, strict=True)
    ]
    return to_csv(list(rows[0]), rows).encode(errors="backslashreplace")


def split_entries(
    data: Labelled, sides: Mapping[str, Indices], *, all_learned: bool = False
) -> list[dict[str, str]]:
    """Give the entries of split.json, one per photograph.

    After a refit every photograph is on the side "train", for the model learned from it; what it
    was in the run that the scores are of stands in "scored_as".

    Args:
        data: with the photographs.
        sides: int64 numbers of the photographs by side.
        all_learned: whether the model was refitted on all of them.
    """
    entries = []
    for side, indices in sides.items():
        for i in np.asarray(indices).tolist():
            table_row = data.table_rows[i]
            entry = {
                "path": table_row.path,
                "class": table_row.label,
                "group": str(data.groups[i]),
                "digest": table_row.digest,
                "side": "train" if all_learned else side,
            }
            entries.append(entry | ({"scored_as": side} if all_learned else {}))
    return entries
