"""A model's heatmaps of photographs whose rows are in a cache, and how they are to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.arrays import Floats, Indices, Rows
from features.cache.cache import Cache
from features.cache.row_parts import MapShape, RowParts
from features.cache.sample_table import TableRow
from features.errors import BundleError, CacheError, HeadError
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.heads.base import Head
from pipeline.heatmaps.maps import Reference, cell_scores, read_reference
from pipeline.model.bundle import Bundle

_BLOCK = 256  # rows in memory at once


@dataclass(frozen=True)
class Frame:
    """How the heatmaps of one model are drawn and read.

    Attributes:
        scale: change of the logit that gets full colour.
        subject: what vermilion speaks for, in words.
        upright: whether the model saw photographs as their EXIF orientation says.
    """

    scale: float
    subject: str
    upright: bool

    @property
    def odds(self) -> float:
        """How often the odds are multiplied where there is full colour."""
        return float(np.exp(self.scale))


def frame_of(bundle: Bundle) -> Frame:
    """How a model's heatmaps are read.

    Raises:
        HeadError, BundleError: see `explain`.
    """
    head, features = _head_on_cells(bundle), bundle.record.fit.fingerprint
    reference = _reference(bundle, head, RowParts.of(features).shape)
    subject = "a defect" if bundle.classes.binary else "its verdict"
    return Frame(reference.scale, subject, bool(features["recipe"]["exif_orientation"]))


def find_frame(bundle: Bundle, notes: list[str]) -> Frame | None:
    """How a model's heatmaps are read; None for a model that has none, with a note that says why.

    Args:
        bundle: a loaded model.
        notes: what a person should know is appended.

    Example:
        >>> find_frame(bundle_of_the_cnn, notes := [])  # doctest: +SKIP
        >>> notes  # doctest: +SKIP
        ['no heatmaps: cnn sees pixels and has no map of cells; …']
    """
    try:
        return frame_of(bundle)
    except (BundleError, HeadError) as error:
        notes.append(f"no heatmaps: {error}")
        return None


def explain(
    bundle: Bundle, cache_path: Path, table_rows: Sequence[TableRow], probabilities: Floats
) -> Floats:
    """Heatmaps of photographs that have been judged; the backbone does not run.

    Args:
        bundle: a loaded model that sees rows.
        cache_path: where the photographs' rows are; they are found by digest.
        table_rows: of `pipeline.model.probabilities.predict_photographs` or `predict_holdout`.
        probabilities: float64 (n, n_classes), of the same.

    Returns:
        float64 (n, height, width): what each cell of the backbone's map adds to the logit of a
        defect (with more than two classes: of the most probable class), against the model's
        baseline; nan where a photograph could not be read.

    Raises:
        HeadError: the model sees pixels, several views, or intermediate layers.
        BundleError: the model was made before there were heatmaps.
        FingerprintError, CacheError: it is not the model's cache, or lacks rows.
    """
    head = _head_on_cells(bundle)
    shape = RowParts.of(bundle.record.fit.fingerprint).shape
    reference = _reference(bundle, head, shape)
    found = np.full((len(table_rows), *shape[:2]), np.nan)
    readable = np.array(
        [i for i, table_row in enumerate(table_rows) if not table_row.reason], dtype=int
    )
    targets = _targets(bundle, probabilities)
    with Cache.read(cache_path) as cache:
        cache.check_fields(bundle.record.fit.fingerprint)
        rows = np.array([cache.find(table_row.digest) for table_row in table_rows])
        missing = int((rows[readable] < 0).sum())
        if missing:
            raise CacheError(
                f"{cache_path} lacks {missing} of the {len(readable)} photographs; expected the "
                "cache that they were judged with; name it with --cache"
            )
        for start in range(0, len(readable), _BLOCK):
            block = readable[start : start + _BLOCK]
            X = cache.take(rows[block], bundle.seen[1])
            found[block] = cell_scores(head, X, reference.baseline, shape, targets[block])
    return found


def explain_rows(bundle: Bundle, inputs: Rows, probabilities: Floats) -> Floats:
    """Heatmaps of photographs whose rows are in memory; see `explain`.

    Args:
        bundle: a loaded model that sees rows.
        inputs: float32 (n, values), what `Bundle.probabilities` takes.
        probabilities: float64 (n, n_classes), of these.

    Returns:
        float64 (n, height, width), as `explain`.

    Raises:
        HeadError, BundleError: see `explain`.
    """
    head = _head_on_cells(bundle)
    shape = RowParts.of(bundle.record.fit.fingerprint).shape
    reference = _reference(bundle, head, shape)
    return cell_scores(head, inputs, reference.baseline, shape, _targets(bundle, probabilities))


def _targets(bundle: Bundle, probabilities: Floats) -> Indices:
    """Give the class that each heatmap speaks for."""
    if bundle.classes.binary:
        return np.ones(len(probabilities), dtype=np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def _head_on_cells(bundle: Bundle) -> Head | HeadOnCachedRows:
    """Give the model's head, where it sees the cells of one map."""
    head = bundle.head
    if isinstance(head, HeadOnCachedRows) and not head.spec.on_map:
        what = "intermediate layers, which have no place in the photograph,"
        if len(head.spec.views) > 1:
            what = f"{' and '.join(head.spec.sets)}, not one map of the whole photograph,"
        raise HeadError(
            f"{bundle.folder} sees {what} and has no heatmaps; expected a model on the last block "
            "of one view; make one with: fit --features avg --out FOLDER, or leave out --heatmaps"
        )
    if isinstance(head, Head | HeadOnCachedRows):
        return head
    raise HeadError(
        f"{bundle.folder} sees pixels and has no map of cells; expected a model on cached "
        "rows; make one with: fit, or leave out --heatmaps"
    )


def _reference(bundle: Bundle, head: Head | HeadOnCachedRows, shape: MapShape) -> Reference:
    width = head.input_width if isinstance(head, HeadOnCachedRows) else int(np.prod(shape))
    return read_reference(bundle, width)
