"""A feature space over the rows of a cache, made of a few photographs' rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from features.errors import SpaceError
from pipeline.dataset import Dataset
from pipeline.heads.base import AnyRows
from pipeline.spaces.layout import Layout, Rows
from pipeline.spaces.space import FeatureSpace, parse_space
from pipeline.stored_rows import Indices, StoredRows

_BLOCK_ROWS = 64  # photographs of which rows are held as they are in the cache


class SpaceRows(StoredRows):
    """Read-only float32 rows (n, width) of a feature space, made when they are asked for.

    Attributes:
        shape: (n, width).
    """

    def __init__(self, space: FeatureSpace, views: Sequence[StoredRows], layout: Layout) -> None:
        """Take the stored rows of each view of the space, all of the same photographs."""
        self._space, self._views, self._layout = space, list(views), layout
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
            rows = [view[block] for view in self._views]
            found[start : start + len(block)] = self._space.of(rows, self._layout)
        return found

    def subset(self, chosen: Indices) -> Self:
        """These of the rows, still in the cache."""
        views = [view.subset(chosen) for view in self._views]
        return type(self)(self._space, views, self._layout)


def rows_in(dataset: Dataset, space: str, indices: Indices | None = None) -> StoredRows:
    """What a head sees of these photographs (None: all), read when it is asked for.

    Args:
        dataset: from `pipeline.dataset.load_dataset`.
        space: text of a feature space.
        indices: int64, of the photographs.

    Raises:
        SpaceError: the text is not understood, or the cache lacks views or taps that it names.
    """
    parsed, layout = parse_space(space), Layout.of(dataset.fields)
    views = [dataset.stored_rows(indices, view) for view in _known_views(parsed, dataset)]
    return views[0] if parsed.is_plain(layout) else SpaceRows(parsed, views, layout)


def comparable_rows(dataset: Dataset, space: str) -> AnyRows:
    """What a head sees of all photographs, for many trainings.

    Pooled rows are made once where they fit into memory; plain ones stay in the cache until they
    are needed. Arguments and errors as `rows_in`.
    """
    rows = rows_in(dataset, space)
    return rows.in_memory() if isinstance(rows, SpaceRows) else rows


def raw_rows(dataset: Dataset, space: str, indices: Indices) -> Rows:
    """Rows as they are in the cache, the views of the space side by side: (n, views × row_width).

    For a few photographs.
    """
    views = _known_views(parse_space(space), dataset)
    return np.concatenate([dataset.stored_rows(indices, view)[:] for view in views], axis=1)


def _known_views(space: FeatureSpace, dataset: Dataset) -> tuple[str, ...]:
    missing = [of for of in space.sets if of not in dataset.views]
    if missing:
        raise SpaceError(
            f"{dataset.cache_path} has the views {', '.join(dataset.views)}; expected "
            f"{', '.join(missing)} too for the features {space.text}; add them: "
            f"extract {dataset.about['root']} --cache {dataset.cache_path} "
            f"--views {','.join(missing)}"
        )
    return space.views
