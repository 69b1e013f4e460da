"""Rows as they are on the disk, each compared with the checksum that stands beside its key."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from features import layout
from features.cache_file import HDF5_ERRORS, damaged_row
from features.errors import CacheError
from features.journal import JournaledFile
from features.layout import Entries, Hdf5


def read_checked(
    features: Hdf5, entries: Entries, first: int, count: int, file: JournaledFile
) -> npt.NDArray[Any]:
    """Consecutive rows (count, row_width).

    Args:
        features: the dataset of rows.
        entries: what is known of all rows.
        first: number of the first one.
        count: how many.
        file: that they are in, for messages.

    Raises:
        CacheError: one is damaged, or the disk fails.
    """
    try:
        block: npt.NDArray[Any] = features[first : first + count]
    except HDF5_ERRORS as error:
        if count > 1:  # which one is it?
            rows = range(first, first + count)
            return np.concatenate([read_checked(features, entries, r, 1, file) for r in rows])
        raise CacheError(damaged_row(file, first)) from error
    for offset, (entry, row) in enumerate(zip(entries[first : first + count], block, strict=True)):
        check = layout.row_check(entry["row_digest"], entry["row_view"], row)
        if check != entry["row_check"]:
            raise CacheError(damaged_row(file, first + offset))
    return block
