"""A model's heatmaps of photographs whose rows are in a cache, and how they are to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from features.arrays import Floats, Indices, Rows
from features.cache.row_parts import RowParts
from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.errors import BundleError, CacheError, HeadError
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.heads.base import Head
from pipeline.heatmaps.covers import PIECES, cover_scores, is_covered
from pipeline.heatmaps.maps import Reference, cell_scores, read_reference
from pipeline.heatmaps.views import shown_views, view_scores
from pipeline.model.bundle import Bundle
from pipeline.model.probabilities import PredictOptions

_BLOCK = 256  # rows in memory at once


@dataclass(frozen=True)
class Frame:
    """Say how the heatmaps of one model are drawn and read.

    Attributes:
        scale: change of the logit that gets full colour.
        subject: what vermilion speaks for, in words.
        upright: whether the model saw photographs as their EXIF orientation says.
        views: names of the views whose scores are drawn; none where cells of a map are.
        covered: whether each cell is a piece of the photograph that was covered.
    """

    scale: float
    subject: str
    upright: bool
    views: tuple[str, ...] = ()
    covered: bool = False

    @property
    def odds(self) -> float:
        """Say how often the odds are multiplied where there is full colour."""
        return float(np.exp(self.scale))


def frame_of(bundle: Bundle, *, covering: bool = False) -> Frame:
    """Find how a model's heatmaps are drawn and read.

    Args:
        bundle: a loaded model.
        covering: whether the backbone may look at each photograph again, covered piece by piece:
            the only way for a model on layers of the whole photograph.

    Raises:
        HeadError, BundleError: see `explain`.

    Example:
        >>> onepass.frame_of(bundle).subject
        'a defect'
    """
    covered = covering and is_covered(bundle.head)
    head = _head(bundle) if covered else _head_with_places(bundle)
    features = bundle.record.fit.fingerprint
    subject = "a defect" if bundle.classes.binary else "its verdict"
    upright = bool(features["recipe"]["exif_orientation"])
    views = shown_views(head) if _by_views(head) else ()
    return Frame(_reference(bundle, head).scale, subject, upright, views, covered)


def find_frame(bundle: Bundle, notes: list[str], *, covering: bool = False) -> Frame | None:
    """Find how a model's heatmaps are drawn and read; None, with a note, for a model without any.

    Args:
        bundle: a loaded model.
        notes: what a person should know is appended.
        covering: see `frame_of`.

    Returns:
        How to draw and read them; None without any.

    Example:
        >>> onepass.find_frame(bundle, notes := []).subject, notes
        ('a defect', [])
    """
    try:
        return frame_of(bundle, covering=covering)
    except (BundleError, HeadError) as error:
        notes.append(f"no heatmaps: {error}")
        return None


def explain(
    bundle: Bundle,
    cache_path: Path,
    table_rows: Sequence[TableRow],
    probabilities: Floats,
    files: Sequence[Path] | None = None,
    options: PredictOptions | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Make heatmaps of photographs that have been judged.

    The backbone does not run, but for a model on layers of the whole photograph: that one is
    covered piece by piece, and looked at again.

    Args:
        bundle: a loaded model that sees rows.
        cache_path: where the photographs' rows are; they are found by digest.
        table_rows: of `pipeline.model.probabilities.predict_photographs` or `predict_holdout`.
        probabilities: float64 (n, n_classes), of the same.
        files: where the photographs are, for a model on layers of the whole photograph.
        options: where the weights are then, and which engine; None for `PredictOptions()`.
        progress: called then as `progress(done, total)`.

    Returns:
        float64 (n, height, width): what each cell of the backbone's map adds to the logit of a
        defect (with more than two classes: of the most probable class), against the model's
        baseline; (n, 1, views) where the model sees views, in the order of `Frame.views`; nan
        where a photograph could not be read.

    Raises:
        HeadError: the model sees pixels, or layers of the whole photograph and no files are named.
        BundleError: the model was made before there were heatmaps.
        FingerprintError, CacheError: it is not the model's cache, or lacks rows.
        WeightsError: photographs have to be looked at again, and the weights are not there.

    Example:
        >>> found = onepass.evaluate_holdout(bundle, Path("features.h5")).predicted
        >>> rows, P = found.table_rows, found.probabilities
        >>> onepass.explain(bundle, Path("features.h5"), rows, P).shape
        (18, 4, 4)
    """
    if files is not None and is_covered(bundle.head):
        targets = _targets(bundle, probabilities)
        options = options or PredictOptions()
        return cover_scores(bundle, files, table_rows, targets, options, progress)
    return _explain_cached(bundle, cache_path, table_rows, probabilities)


def _explain_cached(
    bundle: Bundle, cache_path: Path, table_rows: Sequence[TableRow], probabilities: Floats
) -> Floats:
    """Make heatmaps from the rows in a cache; the backbone does not run."""
    ask = _asked(bundle)
    readable = [i for i, table_row in enumerate(table_rows) if not table_row.reason]
    views, columns = bundle.seen
    with open_cache(cache_path) as cache:
        cache.check_fields(bundle.record.fit.fingerprint)
        digests = [table_rows[i].digest for i in readable]
        rows = np.array([[cache.find(digest, view) for view in views] for digest in digests])
        missing = int((rows.reshape(len(readable), -1) < 0).any(axis=1).sum())
        if missing:
            raise CacheError(
                f"{cache_path} lacks {missing} of the {len(readable)} photographs; expected the "
                "cache that they were judged with; name it with --cache"
            )
        found = []
        for start in range(0, len(readable), _BLOCK):
            block = slice(start, start + _BLOCK)
            X = np.concatenate([cache.take(one, columns) for one in rows[block].T], axis=1)
            found.append(ask(X, _targets(bundle, probabilities[readable[block]])))
    cells = np.concatenate(found) if found else np.zeros((0, 1, 1))
    every = np.full((len(table_rows), *cells.shape[1:]), np.nan)
    every[readable] = cells
    return every


def explain_rows(bundle: Bundle, inputs: Rows, probabilities: Floats) -> Floats:
    """Make heatmaps of photographs whose rows are in memory; see `explain`.

    Args:
        bundle: a loaded model that sees rows.
        inputs: float32 (n, values), what `Bundle.probabilities` takes.
        probabilities: float64 (n, n_classes), of these.

    Returns:
        float64 (n, height, width), as `explain`.

    Raises:
        HeadError, BundleError: see `explain`.
    """
    return _asked(bundle)(inputs, _targets(bundle, probabilities))


def _asked(bundle: Bundle) -> Callable[[Rows, Indices], Floats]:
    """Give what makes heatmaps of a model's rows and the classes that they speak for."""
    head = _head_with_places(bundle)
    baseline = _reference(bundle, head).baseline
    shape = RowParts.of(bundle.record.fit.fingerprint).shape

    def ask(X: Rows, targets: Indices) -> Floats:
        """Score views or cells of rows; numbers that are none are a forged model."""
        if _by_views(head):
            found = view_scores(head, X, baseline, targets)
        else:
            found = cell_scores(head, X, baseline, shape, targets)
        if not np.isfinite(found).all():
            raise BundleError(
                f"{bundle.folder} gives heatmaps without numbers: what they are measured against "
                "is far from any row; leave out --heatmaps, or fit it again"
            )
        return found

    return ask


def _targets(bundle: Bundle, probabilities: Floats) -> Indices:
    """Give the class that each heatmap speaks for."""
    if bundle.classes.binary:
        return np.ones(len(probabilities), dtype=np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def _head_with_places(bundle: Bundle) -> Head | HeadOnCachedRows:
    """Give the model's head, where what it sees has places in the photograph."""
    if is_covered(bundle.head):
        raise HeadError(
            f"{bundle.folder} sees layers of the whole photograph, which have no place in it: a "
            f"heatmap takes {PIECES} looks at it, each with another piece covered, and is made "
            "where it is asked for: predict MODEL PHOTOGRAPHS --heatmaps FOLDER"
        )
    return _head(bundle)


def _head(bundle: Bundle) -> Head | HeadOnCachedRows:
    """Give the head of a model that sees rows."""
    head = bundle.head
    if isinstance(head, Head | HeadOnCachedRows):
        return head
    raise HeadError(
        f"{bundle.folder} sees pixels and has no map of cells; expected a model on cached "
        "rows; make one with: fit, or leave out --heatmaps"
    )


def _by_views(head: Head | HeadOnCachedRows) -> TypeGuard[HeadOnCachedRows]:
    return isinstance(head, HeadOnCachedRows) and not head.on_map


def _reference(bundle: Bundle, head: Head | HeadOnCachedRows) -> Reference:
    shape = RowParts.of(bundle.record.fit.fingerprint).shape
    width = head.input_width if isinstance(head, HeadOnCachedRows) else int(np.prod(shape))
    return read_reference(bundle, width)
