"""A cache that is written anew, beside the old one, and takes its place when it is whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from features.cache import schema
from features.cache.cache import Cache
from features.cache.hdf5_file import empty_file
from features.cache.probe_row import keep_probe, read_probe
from features.cache.redo_log import SIZE, Header, journal_path, remove_journal_of
from features.cache.thumbnail_table import thumbnails_of
from features.errors import CacheError, OutputError
from features.extract import Progress
from features.files import whole_file


@contextlib.contextmanager
def new_cache(
    path: Path,
    fields: Mapping[str, Any],
    cached_width: int,
    dtype: np.dtype[Any],
    columns: Sequence[str],
    *,
    own: bool = True,
) -> Iterator[Cache]:
    """Yield an empty cache of these settings; when the block ends it takes `path`'s place.

    Until then it has a temporary name, and `path` stays as it is; so it does when anything fails.
    The caller holds `features.cache.lock.writing(path)`.

    Args:
        path: what is replaced, or made.
        fields: what its fingerprint is made of.
        cached_width: values per row.
        dtype: of the rows.
        columns: of ROW_COLUMNS, those that the new cache shall have.
        own: see `hdf5_file.empty_file`.

    Raises:
        OutputError: the disk is full or failing.
    """
    replaced = _identity(path)
    with whole_file(path) as temporary:
        temporary.write_bytes(empty_file(fields, cached_width, dtype, columns, own=own))
        cache = Cache.write(temporary, fields, cached_width, dtype)
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
    if replaced is not None:
        remove_journal_of(path, *replaced)


def _identity(path: Path) -> tuple[bytes, int] | None:
    """Give identity and size of a file that is not to be replaced; None where there is none."""
    try:
        with path.open("rb") as file:
            header = Header.unpack(file.read(SIZE))
        return (header.identity if header else b"", path.stat().st_size)
    except OSError:
        return None


def copy_rows(
    source: Cache, rows: Sequence[int], target: Cache, progress: Progress | None = None
) -> None:
    """Append rows, each checked, with all that is known of them.

    Raises:
        CacheError: a row is damaged.
    """
    names = list(target.entries.dtype.names or ())
    thumbnails = thumbnails_of(source)
    done = 0
    for first, places in schema.runs(np.asarray(rows, dtype=np.int64)):
        count = len(places)
        values = source.read_rows(first, count)
        entries = schema.pick(source.entries[first : first + count], names)
        target.append_entries(entries, values, thumbnails.some(first, count))
        done += count
        if progress is not None:
            progress(done, len(rows))


def copy_probe(target: Cache, *sources: Cache) -> None:
    """Take the drift probe's row along, of the first source that has one."""
    found = next((row for row in (read_probe(cache) for cache in sources) if row is not None), None)
    if found is not None:
        keep_probe(target, found)


def new_cache_like(path: Path, *caches: Cache) -> contextlib.AbstractContextManager[Cache]:
    """Make a `new_cache` of the settings of these, with the ROW_COLUMNS that all of them have."""
    columns = [
        name
        for name in schema.ROW_COLUMNS
        if all(name in (cache.entries.dtype.names or ()) for cache in caches)
    ]
    one, own = caches[0], all(cache.own for cache in caches)
    return new_cache(path, one.fields, one.cached_width, one.dtype, columns, own=own)
