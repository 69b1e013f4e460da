"""Give the rows that heads see, made of a cache's rows by their feature spec, a few at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from features.arrays import Indices, Rows
from features.cache.row_parts import RowParts
from features.errors import FeatureSpecError
from features.photographs.views import views_of
from pipeline.data.dataset import Dataset, load_dataset
from pipeline.data.lazy_rows import StoredRows
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heads import load_head_class
from pipeline.heads.base import AnyRows
from pipeline.heads.sides import with_room

_BLOCK_ROWS = 64  # photographs of which rows are held as they are in the cache


class SpecRows(StoredRows):
    """Read-only float32 rows (n, width) of a feature spec, made when they are asked for.

    Attributes:
        shape: (n, width).
    """

    def __init__(self, spec: FeatureSpec, views: Sequence[StoredRows], row_parts: RowParts) -> None:
        """Take the whole rows of each view of the spec, all of the same photographs."""
        self._spec, self._of_views, self._row_parts = spec, list(views), row_parts
        self.shape = (len(views[0]), spec.width(row_parts))

    def __len__(self) -> int:
        """Give the number of rows."""
        return self.shape[0]

    def __getitem__(self, chosen: slice | Indices) -> Rows:
        """Read and pool rows: float32 (m, width).

        Raises:
            CacheError: a row is damaged or gone, or the cache is.
        """
        numbers = np.arange(len(self))[chosen]
        found = np.empty((len(numbers), self.shape[1]), np.float32)
        for start in range(0, len(numbers), _BLOCK_ROWS):
            block = numbers[start : start + _BLOCK_ROWS]
            rows = [view[block] for view in self._of_views]
            found[start : start + len(block)] = self._spec.of(rows, self._row_parts)
        return found

    def subset(self, chosen: Indices) -> Self:
        """Give these of the rows, still in the cache."""
        views = [view.subset(chosen) for view in self._of_views]
        return type(self)(self._spec, views, self._row_parts)


def rows_in(
    dataset: Dataset, spec: FeatureSpec = FLAT, indices: Indices | None = None
) -> StoredRows:
    """Give what a head sees of these photographs (None: all), read when it is asked for.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        spec: what it sees.
        indices: int64, of the photographs.

    Returns:
        Rows float32 (n, width).

    Raises:
        FeatureSpecError: the cache lacks views or taps that the spec names.
    """
    check_kept(spec, dataset)
    if spec.is_flat:
        return dataset.stored_rows(indices)
    _check_views(spec, dataset)
    views = [dataset.whole_rows(indices, view) for view in spec.stored_views(dataset.row_parts)]
    return SpecRows(spec, views, dataset.row_parts)


class LabelledRows(NamedTuple):
    """Hold what scikit-learn's tools take.

    Attributes:
        X: float32 (n, width).
        y: int64 (n,) class numbers; of two classes, 1 is the defective one.
        groups: int64 (n,), the same number for photographs of one part.
    """

    X: Rows
    y: Indices
    groups: Indices


def load_rows(
    cache_path: str | Path,
    *,
    features: str = "flat",
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
) -> LabelledRows:
    """Read all rows of a cache with their classes and parts, in one call.

    Args:
        cache_path: made by `extract`.
        features: what is made of each row, a text of `pipeline.feature_specs.spec`.
        classes: see `pipeline.data.dataset.load_dataset`.
        positive: likewise.

    Returns:
        X float32 (n, input_width), y int64 (n,) class numbers, and groups int64 (n,) of parts.

    Raises:
        CacheError: no cache, or one that cannot be read.
        DataError: no finished extract, or classes that cannot be used; a ValueError as well.
        FeatureSpecError: features that are not understood, or that the cache does not have.

    Example:
        >>> X, y, groups = onepass.load_rows("features.h5", features="avg")
        >>> X.shape, X.dtype, y.shape
        ((72, 3), dtype('float32'), (72,))
    """
    dataset = load_dataset(Path(cache_path), classes=classes, positive=positive)
    X = rows_in(dataset, FeatureSpec.parse(features))[:]
    return LabelledRows(X, dataset.y, dataset.groups)


def comparable_rows(
    dataset: Dataset, specs: Sequence[FeatureSpec], heads: Sequence[str] = ()
) -> dict[FeatureSpec, AnyRows]:
    """Give what heads see of all photographs by each spec, for many trainings.

    Pooled rows are made once where all of them fit into memory beside what training by these heads
    takes; flat ones stay in the cache until they are needed. Errors are those of `rows_in`, and
    come before rows are read.
    """
    stored = {spec: rows_in(dataset, spec) for spec in specs}
    pooled = [spec for spec in stored if not spec.is_flat]
    kinds = [load_head_class(head) for head in heads]
    made = with_room([stored[spec] for spec in pooled], kinds)
    return {**stored, **dict(zip(pooled, made, strict=True))}


def raw_rows(dataset: Dataset, spec: FeatureSpec, indices: Indices) -> Rows:
    """Read what a model on this spec takes of a few photographs: float32 (n, values).

    Flat rows; or whole rows, the views of the spec side by side.
    """
    return WholeRows(spec, dataset, indices)[:]


class WholeRows(StoredRows):
    """Read-only rows as `raw_rows` gives them, read when they are asked for.

    The cache is opened once, however many blocks are read: of 100,000 photographs that takes
    seconds.

    Attributes:
        shape: (n, values).
    """

    def __init__(self, spec: FeatureSpec, dataset: Dataset, indices: Indices) -> None:
        """Take these of a dataset's photographs."""
        if spec.is_flat:
            self._of_views = [dataset.stored_rows(indices)]
        else:
            _check_views(spec, dataset)
            views = spec.stored_views(dataset.row_parts)
            self._of_views = [dataset.whole_rows(indices, view) for view in views]
        self.shape = (len(indices), sum(view.shape[1] for view in self._of_views))

    def __len__(self) -> int:
        """Give the number of rows."""
        return self.shape[0]

    def __getitem__(self, chosen: slice | Indices) -> Rows:
        """Read rows: float32 (m, values)."""
        return np.concatenate([view[chosen] for view in self._of_views], axis=1)

    def subset(self, chosen: Indices) -> Self:
        """Give these of the rows, still in the cache."""
        part = copy.copy(self)
        part._of_views = [view.subset(chosen) for view in self._of_views]
        part.shape = (len(part._of_views[0]), self.shape[1])
        return part


def check_kept(spec: FeatureSpec, dataset: Dataset) -> None:
    """Refuse what a slim cache does not keep, in a line that names what it keeps.

    Raises:
        FeatureSpecError: the cache was made with --keep, and the spec reads more.
    """
    kept = dataset.folder.kept
    if not kept:
        return
    sets = {*dataset.views, *dataset.look.crops.sets}
    try:
        spec.width(dataset.row_parts)
        sound = sets.issuperset(spec.sets)
    except FeatureSpecError:
        sound = False
    if not sound:
        raise FeatureSpecError(
            f"{dataset.cache_path} is slim: it keeps what the features {', '.join(kept)} read; "
            f"found {spec}; expected one of these or what reads no more; make a cache that has it: "
            f"extract {dataset.folder.root} --cache OTHER --keep {','.join([*kept, spec.text])}"
        )


def _check_views(spec: FeatureSpec, dataset: Dataset) -> None:
    known = {name for of in dataset.views for name in views_of(of)} | set(dataset.row_parts.crops)
    missing = [of for of in spec.sets if not known.issuperset(views_of(of))]
    if missing:
        raise FeatureSpecError(
            f"{dataset.cache_path} has the views {', '.join(dataset.views)}; expected "
            f"{', '.join(missing)} too for the features {spec}; add them: "
            f"extract {dataset.folder.root} --cache {dataset.cache_path} "
            f"--views {','.join([*dataset.views, *missing])}"
        )
