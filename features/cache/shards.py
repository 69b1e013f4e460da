"""A folder of shards: ordinary caches, each written by one process alone, opened as one cache.

    shards.json   which files are its shards, how many rows each has, and the digest of their keys
    table.h5      an ordinary cache without rows: the table of photographs, what was noted of the
                  folder, the drift probe's row
    shard-*.h5    ordinary caches of the same settings, which never change once they are listed

There is no virtual dataset of HDF5, which gives zeros and no error where a source is missing: a
shard that is gone, or is another file than the one that was listed, is refused by its name.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from features.cache import schema
from features.cache.cache import Cache
from features.cache.lock import refuse_no_disk
from features.cache.schema import Entries, Hdf5
from features.errors import CacheError
from features.files import followed, total_bytes, write_whole
from features.untrusted_files import read_json

MANIFEST = "shards.json"
TABLE = "table.h5"
SHARD_NAME = re.compile(r"shard-[0-9a-f]{16}\.h5")
_REVISION = 1
_MOST_OPEN = 64  # shards of one cache that are held open: systems allow 256 to 1,024 files
_T = TypeVar("_T")


class Shard(NamedTuple):
    """One line of the manifest.

    Attributes:
        file: its name in the folder.
        rows: their number.
        digest: SHA-256 (hex) of keys and checksums of all rows; the file is named after it.
    """

    file: str
    rows: int
    digest: str

    @classmethod
    def of(cls, cache: Cache) -> Shard:
        """Say what a manifest would say of a cache."""
        digest = schema.rows_digest(cache.entries).hexdigest()
        return cls(f"shard-{digest[:16]}.h5", len(cache), digest)


class Manifest(NamedTuple):
    """Hold what a folder of shards consists of.

    Attributes:
        fingerprint: of the settings of all shards.
        shards: in the order of their rows.
    """

    fingerprint: str
    shards: tuple[Shard, ...] = ()

    def write(self, folder: Path) -> None:
        """Put it into the folder, whole or not at all.

        Raises:
            OutputError: the disk is full or failing.
        """
        record = {
            "onepass_shards": _REVISION,
            "fingerprint": self.fingerprint,
            "shards": [shard._asdict() for shard in self.shards],
        }
        write_whole(folder / MANIFEST, json.dumps(record, indent=1))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a folder's.

        Raises:
            CacheError: there is none, or it is not one that `write` wrote.
        """
        path = folder / MANIFEST
        try:
            return cls._of(read_json(path))
        except FileNotFoundError:
            raise CacheError(
                f"{folder} is a folder without {MANIFEST}; expected a cache: a file such as "
                "features.h5, or a folder that extract --cluster made"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CacheError(
                f"{path} cannot be used ({getattr(error, 'strerror', None) or error}); expected "
                "what extract --cluster wrote; copy it again, or extract into another --cache"
            ) from error

    @classmethod
    def _of(cls, record: Any) -> Manifest:  # noqa: ANN401 - JSON of whoever wrote it
        if record["onepass_shards"] != _REVISION:
            raise ValueError(f"it is of revision {record['onepass_shards']}")
        shards = tuple(
            Shard(str(s["file"]), int(s["rows"]), str(s["digest"])) for s in record["shards"]
        )
        strange = [shard.file for shard in shards if not SHARD_NAME.fullmatch(shard.file)]
        if strange:  # a manifest must not lead out of its folder
            raise ValueError(f"it names {strange[0]!r}")
        return cls(str(record["fingerprint"]), shards)


def open_cache(path: Path) -> Cache:
    """Open a cache for reading, whether it is one file or a folder of shards.

    Args:
        path: of the file or the folder.

    Raises:
        CacheError: there is none, it cannot be read, or a shard is missing or another one.

    Example:
        >>> with open_cache(Path("features")) as cache:  # doctest: +SKIP
        ...     len(cache)
    """
    refuse_no_disk(path)
    return ShardedCache(path) if path.is_dir() else Cache.read(path)


def is_begun(path: Path) -> bool:
    """Say whether there is a cache to open: a file, or a folder with a manifest."""
    refuse_no_disk(path)
    return path.exists() and (not path.is_dir() or (path / MANIFEST).exists())


def size_of(path: Path) -> int:
    """Add up the bytes of a cache on the disk: of the file, or of all that its folder lists.

    Raises:
        CacheError: the file is gone; one of a folder that is gone counts nothing.
    """
    if path.is_dir():
        names = [TABLE, *(shard.file for shard in Manifest.read(path).shards)]
        return total_bytes([path / name for name in names])[1]
    found, size = total_bytes([path])
    if not found:
        raise CacheError(f"{path} was moved or removed meanwhile; run the same command again")
    return size


def open_shard(folder: Path, shard: Shard, fingerprint: str) -> Cache:
    """Open one shard, if it is the one that was listed.

    Raises:
        CacheError: it is missing, damaged or another file.
    """
    path = folder / shard.file
    mend = (
        f"copy it into {folder} again, or remove it and run the same extract --cluster again: its "
        f"{shard.rows:,} rows are then computed anew"
    )
    try:
        cache = Cache.read(path)
    except CacheError:
        if path.exists():
            raise
        raise CacheError(f"{path} is missing; {mend}") from None
    found = Shard.of(cache)
    if cache.fingerprint == fingerprint and found == shard:
        return cache
    cache.close()
    what = (
        "has other rows than" if cache.fingerprint == fingerprint else "is of other settings than"
    )
    raise CacheError(f"{path} {what} the shard that {MANIFEST} lists; {mend}")


class ShardedCache(Cache):
    """A folder of shards, opened for reading: the rows of all shards, numbered one after the other.

    Attributes:
        path: the folder.
        manifest: what it consists of.
    """

    def __init__(self, folder: Path) -> None:
        """Open the table, and each shard once, to see that it is the one that is listed.

        Raises:
            CacheError: see `open_cache`.
        """
        self.path = folder = followed(folder)
        Manifest.read(folder)  # is this a folder of shards at all?
        self._table = Cache.read(folder / TABLE)
        self._opened: OrderedDict[int, Cache] = OrderedDict()
        try:
            # After the table: a later manifest has all the rows that an earlier table names.
            self._read_shards(folder, Manifest.read(folder))
        except BaseException:
            self.close()
            raise

    def _read_shards(self, folder: Path, manifest: Manifest) -> None:
        table = self._table
        if table.fingerprint != manifest.fingerprint:
            raise CacheError(
                f"{folder / TABLE} is of other settings than {MANIFEST} says; expected the files "
                "of one folder; copy both again"
            )
        self.manifest = manifest
        self.fields, self.fingerprint, self.note = table.fields, table.fingerprint, table.note
        self.own = table.own
        self._all_checked = table.index_is_checked
        entries: list[Entries] = [table.entries[:0]]
        for number, shard in enumerate(manifest.shards):
            cache = self._shard(number)
            self.own &= cache.own
            self._all_checked &= cache.index_is_checked
            if (cache.cached_width, cache.dtype) != (table.cached_width, table.dtype):
                raise CacheError(f"{folder / shard.file} has rows of another width or type")
            entries.append(cache.entries)
        self.entries = np.concatenate(entries)
        counts = [shard.rows for shard in manifest.shards]
        self._first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self._index = {key: row for row, key in enumerate(self.keys)}
        self.table_rows = [
            row._replace(row=-1 if row.reason else self.find(row.digest))
            for row in table.table_rows
        ]

    def _shard(self, number: int) -> Cache:
        """Give an open shard; the one that was not used for longest is closed for it."""
        if number in self._opened:
            self._opened.move_to_end(number)
            return self._opened[number]
        while len(self._opened) >= _MOST_OPEN:
            self._opened.popitem(last=False)[1].close()
        shard = self.manifest.shards[number]
        self._opened[number] = open_shard(self.path, shard, self.fingerprint)
        return self._opened[number]

    # ---- what is there ------------------------------------------------------------------

    @property
    def cached_width(self) -> int:
        """Count the values of a row."""
        return self._table.cached_width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the dtype of the rows on the disk."""
        return self._table.dtype

    @property
    def has_header(self) -> bool:
        """Say whether the table's file has one; shards are never written to."""
        return self._table.has_header

    @property
    def failure(self) -> OSError | None:
        """Give the first error of the disk under this opening."""
        return next((c.failure for c in (self._table, *self._opened.values()) if c.failure), None)

    @property
    def index_is_checked(self) -> bool:
        """Say whether HDF5's own index of all files has checksums."""
        return self._all_checked

    def read_rows(self, first: int, count: int) -> npt.NDArray[Any]:
        """Read consecutive rows, of one shard or several; see `Cache.read_rows`."""
        blocks = [np.empty((0, self.cached_width), self.dtype)]
        end = first + count
        while first < end:
            number = int(np.searchsorted(self._first, first, side="right")) - 1
            start = int(self._first[number])
            some = min(end, int(self._first[number + 1])) - first
            blocks.append(self._shard(number).read_rows(first - start, some))
            first += some
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)

    def shards(self) -> Iterator[Cache]:
        """Give the caches that hold the rows, one after the other."""
        for number in range(len(self.manifest.shards)):
            yield self._shard(number)

    def settled(self, read: Callable[[Hdf5], _T]) -> _T:
        """Say what `read` makes of the table's file; see `Cache.settled`."""
        return self._table.settled(read)

    # ---- writing ------------------------------------------------------------------------

    def writing(self) -> NoReturn:
        """Refuse: shards never change."""
        raise CacheError(
            f"{self.path} is a folder of shards, which never change; add photographs to it with: "
            f"extract DATA --cluster local:2 --cache {self.path}"
        )

    def close(self) -> None:
        """Close all files."""
        self._table.close()
        for cache in self._opened.values():
            cache.close()
        self._opened.clear()


def files_of_cache(cache: Cache) -> Iterator[Cache]:
    """Give the open files that hold a cache's rows, in the order of these: itself, or its shards.

    Each is to be used before the next one is asked for.
    """
    return cache.shards() if isinstance(cache, ShardedCache) else iter((cache,))


def unlisted_files(folder: Path, shards: Sequence[Shard]) -> list[Path]:
    """Give the shards' files that the folder has and these do not name: left by a killed run."""
    named = {shard.file for shard in shards}
    return sorted(
        file
        for file in folder.glob("shard-*.h5")
        if SHARD_NAME.fullmatch(file.name) and file.name not in named
    )
