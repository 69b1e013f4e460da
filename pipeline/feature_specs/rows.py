"""A feature space over the rows of a cache, made of a few photographs' rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from features.arrays import Indices, Rows
from features.cache.row_parts import FLAT, Layout
from features.errors import SpaceError
from features.photographs.views import FULL, views_of
from pipeline.data.dataset import Dataset, WithVariants
from pipeline.data.lazy_rows import StoredRows
from pipeline.feature_specs.spec import FeatureSpace, parse_space
from pipeline.heads.base import AnyRows

_BLOCK_ROWS = 64  # photographs of which rows are held as they are in the cache


class SpaceRows(StoredRows):
    """Read-only float32 rows (n, width) of a feature space, made when they are asked for.

    Attributes:
        shape: (n, width).
    """

    def __init__(self, space: FeatureSpace, views: Sequence[StoredRows], layout: Layout) -> None:
        """Take the whole rows of each view of the space, all of the same photographs."""
        self._space, self._of_views, self._layout = space, list(views), layout
        self.shape = (len(views[0]), space.width(layout))

    def __len__(self) -> int:
        """Number of rows."""
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
            found[start : start + len(block)] = self._space.of(rows, self._layout)
        return found

    def subset(self, chosen: Indices) -> Self:
        """These of the rows, still in the cache."""
        views = [view.subset(chosen) for view in self._of_views]
        return type(self)(self._space, views, self._layout)


def rows_in(dataset: Dataset, space: str, indices: Indices | None = None) -> StoredRows:
    """What a head sees of these photographs (None: all), read when it is asked for.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        space: text of a feature space.
        indices: int64, of the photographs.

    Raises:
        SpaceError: the text is not understood, or the cache lacks views or taps that it names.
    """
    if space == FLAT:
        return dataset.stored_rows(indices)
    parsed = _parsed(space, dataset)
    views = [dataset.whole_rows(indices, view) for view in parsed.views]
    return SpaceRows(parsed, views, dataset.layout)


def training_rows(
    dataset: Dataset, space: str, indices: Indices, augmented: int = 0
) -> WithVariants:
    """What a head sees of these photographs, and behind them of each of their variants in turn.

    Raises:
        SpaceError: see `rows_in`; or variants are wanted of views that have none.
    """
    found = dataset.training_rows(indices, augmented)
    if space == FLAT:
        return found
    parsed = _parsed(space, dataset)
    if augmented and parsed.views != (FULL,):
        raise SpaceError(
            f"the features {space} see {' and '.join(parsed.sets)}; expected the whole photograph, "
            "of which the variants are; leave out --augment, or choose features such as avg"
        )
    views = [dataset.whole_rows(indices, view, augmented) for view in parsed.views]
    return found._replace(X=SpaceRows(parsed, views, dataset.layout))


def comparable_rows(
    dataset: Dataset, spaces: Sequence[str], augmented: int = 0
) -> dict[str, AnyRows]:
    """What heads see of all photographs and their variants in each space, for many trainings.

    Pooled rows are made once where all of them fit into memory; flat ones stay in the cache until
    they are needed. Arguments and errors as `training_rows`; errors come before rows are read.
    """
    everything = np.arange(len(dataset))
    stored = {text: training_rows(dataset, text, everything, augmented).X for text in spaces}
    share = 1 / len(stored)
    return {text: rows if text == FLAT else rows.in_memory(share) for text, rows in stored.items()}


def raw_rows(dataset: Dataset, space: str, indices: Indices) -> Rows:
    """What a model on this space takes of a few photographs: (n, values).

    Flat rows; or whole rows, the views of the space side by side.
    """
    if space == FLAT:
        return dataset.rows(indices)
    views = [dataset.whole_rows(indices, view) for view in _parsed(space, dataset).views]
    return np.concatenate([view[:] for view in views], axis=1)


def _parsed(text: str, dataset: Dataset) -> FeatureSpace:
    space = parse_space(text)
    known = {name for of in dataset.views for name in views_of(of)}
    missing = [of for of in space.sets if not known.issuperset(views_of(of))]
    if missing:
        raise SpaceError(
            f"{dataset.cache_path} has the views {', '.join(dataset.views)}; expected "
            f"{', '.join(missing)} too for the features {text}; add them: "
            f"extract {dataset.about['root']} --cache {dataset.cache_path} "
            f"--views {','.join([*dataset.views, *missing])}"
        )
    return space
