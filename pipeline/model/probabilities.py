"""Photographs to probabilities, whatever a model sees: rows through the cache, or pixels."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Pixels
from features.backbones.engines import DEFAULT_ENGINE
from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.errors import CacheError, DataError
from features.extract import Progress, extract
from features.extract_outcome import RunOptions
from features.photographs.decode import MAX_PIXELS
from features.photographs.file import Photograph
from pipeline.cnn.cnn import Cnn
from pipeline.cnn.photograph_batches import look
from pipeline.model.bundle import Bundle
from pipeline.model.slim_rows import on_fewest, on_rows_of

_BLOCK = 256  # rows in memory at once


class Predicted(NamedTuple):
    """Hold what a model makes of photographs.

    Attributes:
        table_rows: one for each photograph, in order; `reason` says why one cannot be read.
        probabilities: float64 (n, n_classes); nan where it cannot be read.
        strangeness: float64 (n,), `Bundle.strangeness`; nan where it is not known.
    """

    table_rows: list[TableRow]
    probabilities: Floats
    strangeness: Floats


@dataclass(frozen=True)
class PredictOptions:
    """Say how rows that are missing are computed, and which photographs show one part.

    Attributes:
        weights: where the backbone's weights are now, if not where they were.
        engine: one of `features.backbones.engines.ENGINES`.
        batch_size: photographs per call of the backbone.
        max_pixels: refuse larger photographs.
        gap: seconds between two photographs after which a new part begins, where that is known.

    Example:
        >>> PredictOptions(gap=10.0).batch_size
        32
    """

    weights: str | None = None
    engine: str = DEFAULT_ENGINE
    batch_size: int = 32
    max_pixels: int = MAX_PIXELS
    gap: float | None = None


def predict_photographs(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    cache_path: Path | None,
    options: PredictOptions | None = None,
    *,
    notes: list[str] | None = None,
    progress: Progress | None = None,
) -> Predicted:
    """Predict probabilities of photographs; arguments and errors as of `predict`.

    A model that sees pixels decodes every photograph; it touches no cache and needs no weights.
    """
    options = options or PredictOptions()
    if isinstance(bundle.head, Cnn):
        return predict_pixels(
            bundle.head, photographs, batch_size=options.batch_size,
            max_pixels=options.max_pixels, progress=progress,
        )  # fmt: skip
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="onepass-"))
        path = cache_path or Path(folder) / "features.h5"
        # Read before write: with every row there a cache on a read-only disk, or one that another
        # process writes to, serves as well.
        reader = stack.enter_context(open_cache(path)) if path.exists() else None
        if reader is not None:
            bundle = on_rows_of(bundle, reader)
        elif cache_path is None:
            bundle = on_fewest(bundle)
        done = extract(
            photographs,
            bundle.settings(options.weights, options.engine),
            path,
            RunOptions(bundle.views.names, options.batch_size, 1.0, options.max_pixels),
            progress=progress,
            watch=bundle.watch if bundle.tested.drift_probe is not None else None,
            reader=reader,
        )
        table_rows = done.table_rows
        if notes is not None:
            notes += done.remarks.lines(bundle.views.sets)
        digests = [table_row.digest for table_row in table_rows if table_row.row >= 0]
        # Rows that it lacks were written since it was opened: here, or by another process.
        whole = reader is not None and all(
            reader.find(digest, view) >= 0 for view in bundle.seen[0] for digest in digests
        )
        cache = reader if reader and whole else stack.enter_context(open_cache(path))
        # By digest: `cache gc` may have moved the rows since they were extracted.
        rows = {view: cache.rows_of(digests, view) for view in bundle.seen[0]}
        known = dict(zip(digests, zip(*rows.values(), strict=True), strict=True))
        none = (-1,) * len(rows)
        numbers = [known.get(table_row.digest, none) for table_row in table_rows]
        return Predicted(table_rows, *_predict_rows(bundle, cache, numbers))


def predict_holdout(
    bundle: Bundle, cache_path: Path, progress: Progress | None = None
) -> Predicted:
    """Predict probabilities of the photographs that a model was not trained on.

    Rows are found in the cache by digest. Pixels are read from where the folder was, and the
    files must still be those that were held out.

    Raises:
        FingerprintError: the cache holds rows of other settings than the model's.
        CacheError: rows of the holdout are not in the cache.
        DataError: files of the holdout are gone or were changed, or there is no holdout, for the
            model was refitted on all photographs.
    """
    if refit := bundle.record.fit.refit:
        raise DataError(
            f"{bundle.folder} was trained {refit.describe()} (info MODEL shows them); expected new "
            "parts to score it on: evaluate MODEL FOLDER"
        )
    table_rows = [
        TableRow(entry["path"], entry["class"], entry["group"], entry["digest"], -1, "", 0, 0, 0, 0)
        for entry in bundle.split()
        if entry["side"] == "holdout"
    ]
    if isinstance(bundle.head, Cnn):
        return _predict_holdout_files(bundle, bundle.head, table_rows, progress)
    return predict_table_rows(bundle, cache_path, table_rows)


def predict_table_rows(bundle: Bundle, cache_path: Path, table_rows: list[TableRow]) -> Predicted:
    """Predict probabilities of photographs whose rows are in a cache; they are found by digest.

    Args:
        bundle: a loaded model that sees rows.
        cache_path: of the model's recipe and weights.
        table_rows: their digests are looked at, and nothing else.

    Raises:
        FingerprintError: the cache holds rows of other settings than the model's.
        CacheError: it lacks rows.
    """
    with open_cache(cache_path) as cache:
        bundle = on_rows_of(bundle, cache)
        cache.check_fields(bundle.record.fit.fingerprint)
        rows = [tuple(cache.find(s.digest, view) for view in bundle.seen[0]) for s in table_rows]
        missing = sum(min(numbers) < 0 for numbers in rows)
        if missing:
            views = ",".join(bundle.views.sets)
            raise CacheError(
                f"{cache_path} lacks {missing} of the {len(rows)} photographs that were held out, "
                f"or views of them; expected the views {views}; name the cache that the model was "
                f"fitted on with --cache, or add what is gone: extract --views {views}"
            )
        return Predicted(table_rows, *_predict_rows(bundle, cache, rows))


def _predict_holdout_files(
    bundle: Bundle, cnn: Cnn, table_rows: list[TableRow], progress: Progress | None
) -> Predicted:
    root = bundle.root
    photographs = [Photograph(root / s.path, s.path, s.label, s.group) for s in table_rows]
    predicted = predict_pixels(cnn, photographs, progress=progress)
    other = [
        now.path
        for now, then in zip(predicted.table_rows, table_rows, strict=True)
        if now.reason or now.digest != then.digest
    ]
    if other:
        raise DataError(
            f"{len(other)} of the {len(table_rows)} photographs that were held out are gone from "
            f"{root} or were changed, such as {other[0]}; put the folder back, or name where it "
            "is now: evaluate MODEL FOLDER"
        )
    return predicted


def predict_pixels(
    cnn: Cnn,
    photographs: Sequence[Photograph],
    *,
    batch_size: int = 32,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> Predicted:
    """Decode photographs and run a CNN on them, a batch in memory at a time."""
    found = np.full((len(photographs), cnn.n_classes), np.nan)
    table_rows: list[TableRow] = []
    numbers: list[int] = []
    batch: list[Pixels] = []
    for number, seen in enumerate(
        look(photographs, cnn.recipe, max_pixels=max_pixels, progress=progress)
    ):
        table_rows.append(seen.table_row)
        if seen.pixels is not None:
            numbers.append(number)
            batch.append(seen.pixels)
        if batch and (len(batch) == batch_size or number + 1 == len(photographs)):
            found[numbers] = cnn.predict_proba(np.stack(batch))
            numbers, batch = [], []
    return Predicted(table_rows, found, np.full(len(found), np.nan))


def _predict_rows(
    bundle: Bundle, cache: Cache, rows: Sequence[tuple[int, ...]]
) -> tuple[Floats, Floats]:
    """Predict, with strangeness, by the numbers of the views' rows; nan where one is -1."""
    found = np.full((len(rows), len(bundle.classes.names)), np.nan)
    strange = np.full(len(rows), np.nan)
    views, columns = bundle.seen
    good = np.array([i for i, numbers in enumerate(rows) if min(numbers) >= 0], dtype=np.int64)
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(views))
    height = max(1, _BLOCK // len(views))
    for start in range(0, len(good), height):
        block = good[start : start + height]
        each = [cache.take(numbers, columns) for numbers in table[block].T]
        inputs = np.concatenate(each, axis=1)
        found[block], strange[block] = bundle.probabilities(inputs), bundle.strangeness(inputs)
    return found, strange
