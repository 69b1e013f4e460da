"""Rows that stay in the cache until they are asked for: for training where memory is short."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Indices, Rows
from features.cache.cache import Cache
from features.cache.shards import open_cache
from features.photographs.views import FULL
from features.runtime import memory_room


class _OpenedOnce:
    """A cache that is opened when it is first asked for, once in each process.

    Opening reads the table of photographs, of 100,000 more than a second: rows and their subsets
    share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cache: Cache | None = None

    def cache(self) -> Cache:
        """Give the cache, opened now or before."""
        if self._cache is None:
            self._cache = open_cache(self._path)
        return self._cache

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the open file, and name the cache as a process elsewhere finds it."""
        return {"_path": self._path.absolute(), "_cache": None}


class StoredRows:
    """Read-only float32 rows (n, width) of a cache: `rows[5:9]`, `rows[indices]`, `rows[:]`.

    Every access reads what it names and nothing else. Sent to another process, only the place
    goes along: each process opens the cache for itself.

    Attributes:
        shape: (n, width).
    """

    def __init__(
        self,
        cache_path: Path | _OpenedOnce,
        digests: npt.NDArray[np.str_],
        width: int,
        views: npt.NDArray[np.str_] | str = FULL,
        first: int = 0,
    ) -> None:
        """Note the photographs, in this order, by digest: `cache gc` gives rows new places.

        Args:
            cache_path: where they are, or what subsets share.
            digests: of the photographs, (n,).
            width: values that are taken of each row.
            views: of all of them, or of each, (n,).
            first: number of the first value that is taken.
        """
        self._source = (
            cache_path if isinstance(cache_path, _OpenedOnce) else _OpenedOnce(cache_path)
        )
        self._digests = digests
        self._views = np.full(len(digests), views) if isinstance(views, str) else views
        self._first = first
        self._places: Indices | None = None
        self.shape = (len(digests), width)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._digests)

    def __getitem__(self, chosen: slice | Indices) -> Rows:
        """Read rows: float32 (m, width).

        Raises:
            CacheError: a row is damaged or gone, or the cache is.
        """
        cache = self._source.cache()
        if self._places is None:
            keys = self._digests.tolist(), self._views.tolist()
            self._places = np.array(cache.rows_of(*keys), np.int64)
        return cache.take(self._places[chosen], slice(self._first, self._first + self.shape[1]))

    def subset(self, chosen: Indices) -> Self:
        """Give these of the rows, still in the cache."""
        return type(self)(
            self._source, self._digests[chosen], self.shape[1], self._views[chosen], self._first
        )

    def in_memory(self, share: float = 1.0) -> Rows | Self:
        """Read all rows as an array if they fit this share of the room, else give these."""
        return self[:] if self.nbytes <= share * memory_room() else self

    @property
    def nbytes(self) -> int:
        """Count the bytes of all rows as an array."""
        return 4 * self.shape[0] * self.shape[1]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the places, which belong to the file that this process opened."""
        return self.__dict__ | {"_places": None}


def subset(rows: Rows | StoredRows, chosen: Indices) -> Rows | StoredRows:
    """Give these rows; those in the cache stay there."""
    return rows.subset(chosen) if isinstance(rows, StoredRows) else rows[chosen]
