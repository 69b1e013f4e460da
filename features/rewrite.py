"""A new cache out of rows of others: what gc, merge and repair share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from features import layout
from features.cache import Cache
from features.cache_file import empty_file
from features.errors import CacheError, OutputError
from features.extract import Progress
from features.files import whole_file
from features.glimpse_table import glimpses_of
from features.journal import journal_path


@contextlib.contextmanager
def new_cache(
    path: Path,
    fields: Mapping[str, Any],
    row_width: int,
    dtype: np.dtype[Any],
    columns: Sequence[str],
) -> Iterator[Cache]:
    """Yield an empty cache of these settings; when the block ends it takes `path`'s place.

    Until then it has a temporary name, and `path` stays as it is; so it does when anything fails.
    The caller holds `features.lock.writing(path)`.

    Args:
        path: what is replaced, or made.
        fields: what its fingerprint is made of.
        row_width: values per row.
        dtype: of the rows.
        columns: of ROW_COLUMNS, those that the new cache shall have.

    Raises:
        OutputError: the disk is full or failing.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(empty_file(fields, row_width, dtype, columns))
        cache = Cache.write(temporary, fields, row_width, dtype)
        try:
            yield cache
            cache.commit()
        except CacheError as error:
            if cache.failure is None:
                raise  # of another cache, that is read
            reason = cache.failure.strerror or cache.failure
            raise OutputError(
                f"{path} cannot be written anew ({reason}); nothing was changed: "
                "free some space and run the same again"
            ) from error
        finally:
            cache.close()
            journal_path(temporary).unlink(missing_ok=True)


def copy_rows(
    source: Cache, rows: Sequence[int], target: Cache, progress: Progress | None = None
) -> None:
    """Append rows, each checked, with all that is known of them.

    Raises:
        CacheError: a row is damaged.
    """
    names = list(target.entries.dtype.names or ())
    glimpses = glimpses_of(source)
    done = 0
    for first, places in layout.runs(np.asarray(rows, dtype=np.int64)):
        count = len(places)
        values = source.read_rows(first, count)
        entries = layout.pick(source.entries[first : first + count], names)
        target.append_entries(entries, values, glimpses.some(first, count))
        done += count
        if progress is not None:
            progress(done, len(rows))


def new_cache_like(path: Path, *caches: Cache) -> contextlib.AbstractContextManager[Cache]:
    """`new_cache` of the settings of these, with those of ROW_COLUMNS that all of them have."""
    columns = [
        name
        for name in layout.ROW_COLUMNS
        if all(name in (cache.entries.dtype.names or ()) for cache in caches)
    ]
    return new_cache(path, caches[0].fields, caches[0].row_width, caches[0].dtype, columns)
