"""The backbone's row of the drift probe, which a cache keeps beside the rows of photographs."""

from __future__ import annotations

import numpy as np

from features.arrays import Row
from features.backbones.drift_probe import VIEW, probe_digest
from features.cache import schema
from features.cache.cache import Cache
from features.cache.hdf5_file import HDF5_ERRORS
from features.cache.schema import Hdf5
from features.errors import CacheError


def read_probe(cache: Cache) -> Row | None:
    """Read the drift probe's row, float32; None where none is kept.

    It has the parts of the cache's rows, and the whole last map also where these are slim.

    Args:
        cache: open.

    Raises:
        CacheError: it is damaged, or the disk fails.
    """

    def read(h5: Hdf5) -> Row | None:
        """Read the row from the open file."""
        try:
            kept = h5.get(schema.PROBE)
            return None if kept is None or not len(kept) else np.asarray(kept[0], np.float32)
        except HDF5_ERRORS as error:
            raise CacheError(
                f"{cache.path} is damaged in the drift probe's row ({error}); "
                f"run: cache repair {cache.path}"
            ) from error

    found = cache.settled(read)
    if found is None:  # caches of 0.1.0 keep it among the rows of photographs
        recipe = cache.fields.get("recipe", {})
        size = int(recipe.get("height", 1)), int(recipe.get("width", 1))
        row = cache.find(probe_digest(*size), VIEW)
        found = None if row < 0 else cache.take([row])[0]
    return found


def keep_probe(cache: Cache, row: Row) -> None:
    """Put the drift probe's row into its place; nothing is kept before `Cache.commit`.

    Args:
        cache: open for writing.
        row: float32, as wide as the cache's rows with the whole last map.

    Raises:
        CacheError: see `Cache.append`.
    """
    with cache.writing() as h5:
        if schema.PROBE in h5 and h5[schema.PROBE].shape[1:] != row.shape:  # made for slim rows
            del h5[schema.PROBE]
        if schema.PROBE not in h5:
            schema.create_probe(h5, len(row))
        h5[schema.PROBE].resize(1, axis=0)
        h5[schema.PROBE][0] = row
