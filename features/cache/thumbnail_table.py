"""The thumbnails of an open cache, read and filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from features.arrays import Indices
from features.cache import schema as schema
from features.cache.cache import Cache
from features.cache.hdf5_file import HDF5_ERRORS
from features.cache.shards import files_of_cache
from features.cache.thumbnails import Thumbnail, Thumbnails, read_thumbnails, write_thumbnails
from features.errors import CacheError


def thumbnails_of(cache: Cache, rows: Sequence[int] | None = None) -> Thumbnails:
    """Read what is kept of photographs beside these rows, in this order; None: of all rows.

    Raises:
        CacheError: they are damaged.
    """
    wanted = np.arange(len(cache)) if rows is None else np.asarray(rows, dtype=np.int64)
    found, first = Thumbnails.blank(len(wanted)), 0
    for one in files_of_cache(cache):
        places = np.flatnonzero((wanted >= first) & (wanted < first + len(one)))
        if 0 < len(places) == len(wanted):  # of 100,000 0.4 GB, which are not copied
            return _of_file(one, wanted - first)
        if len(places):
            some = _of_file(one, wanted[places] - first)
            found.grey[places], found.capture_time[places] = some
        first += len(one)
    return found


def _of_file(cache: Cache, rows: Indices) -> Thumbnails:
    def read(h5: schema.Hdf5) -> Thumbnails:
        """Read thumbnails from the open file."""
        try:
            return read_thumbnails(h5, rows)
        except HDF5_ERRORS as error:
            reason = cache.failure or " ".join(str(error).split())[:120]
            raise CacheError(
                f"the small pictures in {cache.path} are damaged ({reason}); "
                f"run: cache repair {cache.path}"
            ) from error

    return cache.settled(read)


def keep_thumbnails(cache: Cache, found: Mapping[int, Thumbnail]) -> None:
    """Fill in thumbnails by row number; nothing is kept before the cache's `commit`.

    Raises:
        CacheError: the file cannot be written; it is as the last commit left it.
    """
    if not found:
        return
    numbers = np.array(sorted(found))
    with cache.writing() as h5:
        for first, places in schema.runs(numbers):
            some = Thumbnails.of([found[number] for number in numbers[places].tolist()])
            write_thumbnails(h5, first, some, rows=len(cache))
