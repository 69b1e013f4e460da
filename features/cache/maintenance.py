"""The upkeep of a cache: is it sound, which rows does nobody use, and two made one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from features.backbones.drift_probe import VIEW
from features.cache.cache import Cache
from features.cache.lock import network_file_system, refuse_folder, writing
from features.cache.new_cache import copy_probe, copy_rows, new_cache_like
from features.cache.redo_log import journal_path, pending
from features.cache.sample_table import TableRow
from features.cache.schema import READ_BLOCK
from features.cache.shards import TABLE, ShardedCache, open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.errors import CacheError, FingerprintError
from features.extract import Progress
from features.files import followed, leftovers, total_bytes
from features.fingerprint import differences
from features.photographs.views import FULL, Chosen


@dataclass
class Verification:
    """Hold what `verify` found.

    Attributes:
        path: the cache.
        full: whether every row was read.
        rows: rows in the cache.
        photographs: in its table.
        unused: rows that no photograph of the table uses, or of views that are not kept.
        faults: what is broken, a line each; none in a sound cache.
        damaged: numbers of the rows that are damaged or hold no numbers; known only of a full one.
        remarks: what is no fault, but worth knowing.
        opened: whether it is a cache as far as can be read.
    """

    path: Path
    full: bool
    rows: int = 0
    photographs: int = 0
    unused: int = 0
    faults: list[str] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    opened: bool = False

    @property
    def sound(self) -> bool:
        """Say whether nothing is broken, as far as was looked."""
        return not self.faults and not self.damaged


def verify(path: Path, *, full: bool = False, progress: Progress | None = None) -> Verification:
    """Check a cache, also while another process writes to it; changes nothing.

    Opening it checks its structure, that rows and keys agree in number, and the digests of keys,
    settings and photographs. Then every photograph of the table must have the row of its digest.

    Args:
        path: the cache.
        full: also read every row and thumbnail, and compare its checksum.
        progress: called as `progress(rows done, rows in all)`.

    Raises:
        CacheError: there is no cache.

    Example:
        >>> onepass.verify(Path("features.h5"), full=True).faults
        []
    """
    path = followed(path)
    if not path.exists():
        raise CacheError(f"no cache at {path}; name one that extract made")
    found = Verification(path, full)
    try:
        found.remarks += _remarks(path)
        cache = open_cache(path)
    except CacheError as error:
        found.faults.append(str(error))
        return found
    found.opened = True
    with cache:
        found.rows, found.photographs = len(cache), len(cache.table_rows)
        found.unused = len(unused_rows(cache))
        found.faults += _file_faults(cache) + _table_faults(cache)
        if slim := cache.note.get("kept"):
            found.remarks.append(f"it is slim: it keeps what the features {', '.join(slim)} read")
        without = [table_row for table_row in cache.table_rows if table_row.row < 0]
        if without:
            found.remarks.append(
                f"{len(without):,} photographs have no row, such as {without[0].path}: "
                f"{without[0].reason}"
            )
        if not cache.index_is_checked:
            found.remarks.append(
                "an early version made it, whose index has no checksums: a damaged one may not be "
                f"noticed; cache gc {path} --apply writes it anew"
            )
        if full and isinstance(cache, ShardedCache):
            found.faults += _shard_faults(cache, progress)
        elif full:
            found.damaged = damaged_rows(cache, progress)
            found.faults += _thumbnail_faults(cache)
    return found


def _table_faults(cache: Cache) -> list[str]:
    unexplained = sum(s.row < 0 and not s.reason for s in cache.table_rows)
    twice = sum(count > 1 for count in Counter(s.path for s in cache.table_rows).values())
    views = Chosen.noted(cache.note).names[1:]
    unseen = sum(s.row >= 0 and not cache.has_views(s.digest, views) for s in cache.table_rows)
    return [
        f"{count:,} photographs of the table {what}; run extract again"
        for count, what in (
            (unexplained, "have neither a row nor a reason"),
            (twice, "stand in it more than once"),
            (unseen, "lack rows of some of their views"),
        )
        if count
    ]


def _shard_faults(cache: ShardedCache, progress: Progress | None) -> list[str]:
    """Name the shards with damaged rows: none is mended, as they never change."""
    faults, done = [], 0
    for shard in cache.shards():
        damaged = damaged_rows(shard)
        done += len(shard)
        if damaged:
            faults.append(
                f"{len(damaged):,} rows of {shard.path} are damaged, or hold no numbers; copy that "
                "file again, or remove it and run the same extract --cluster again"
            )
        if progress is not None:
            progress(done, len(cache))
    return faults


def _thumbnail_faults(cache: Cache) -> list[str]:
    try:
        thumbnails_of(cache)
    except CacheError as error:
        return [str(error)]
    return []


def _file_faults(cache: Cache) -> list[str]:
    twice = len(cache) - len(set(cache.keys))
    faults = [f"{twice:,} rows are there twice"] if twice else []
    if not cache.has_header:
        faults.append("it has lost its header")
    return [f"{fault}; run: cache repair {cache.path}" for fault in faults]


def _remarks(path: Path) -> list[str]:
    if path.is_dir():
        return _remarks(path / TABLE)
    found = []
    if state := pending(path):
        found.append(
            "a commit waits in its journal; the next writer finishes it"
            if state == "waits"
            else f"{journal_path(path)} is not its journal ({state}): the next writer sets it aside"
        )
    waste, size = total_bytes(leftovers(path))
    if waste:
        found.append(
            f"{waste:,} temporary files ({size:,} bytes) of a process that writes now or was "
            "killed; the next writer removes them"
        )
    if name := network_file_system(path):
        found.append(f"it lies on a network file system ({name}): write to it from one computer")
    return found


def damaged_rows(cache: Cache, progress: Progress | None = None) -> list[int]:
    """Find the numbers of rows that are damaged, hold no numbers, or cannot be read."""
    found: list[int] = []
    for first in range(0, len(cache), READ_BLOCK):
        count = min(READ_BLOCK, len(cache) - first)
        if not _is_sound(cache, first, count):
            found += [row for row in range(first, first + count) if not _is_sound(cache, row, 1)]
        if progress is not None:
            progress(first + count, len(cache))
    return found


def _is_sound(cache: Cache, first: int, count: int) -> bool:
    try:
        cache.read_rows(first, count)
    except CacheError:
        return False
    return True


def unused_rows(cache: Cache) -> list[int]:
    """Find the numbers of rows of no photograph of the table, or of no view that it is to have.

    The drift probe has a place of its own; caches of 0.1.0 keep it among the rows, where it counts
    as unused: what writes the cache anew moves it.
    """
    used = {table_row.digest.encode() for table_row in cache.table_rows}
    views = {view.encode() for view in Chosen.noted(cache.note).names}
    return [
        row
        for row, (digest, view) in enumerate(cache.keys)
        if digest not in used or view not in views
    ]


@dataclass(frozen=True)
class Collection:
    """Hold what `collect` dropped, or would.

    Attributes:
        path: the cache.
        rows: before.
        unused: see `unused_rows`.
        bytes_before: size of the file.
        bytes_after: size of the new file; None where nothing was done.
        of_views: those of the unused that are of other views than the full one.
    """

    path: Path
    rows: int
    unused: int
    bytes_before: int
    bytes_after: int | None = None
    of_views: int = 0


def collect(path: Path, *, apply: bool = False, progress: Progress | None = None) -> Collection:
    """Drop the rows that nobody uses (see `unused_rows`); without `apply` only count them.

    The rows that stay go into a new file that takes the place of the old one at once.

    Args:
        path: the cache.
        apply: whether to drop them.
        progress: called as `progress(rows done, rows in all)`.

    Raises:
        CacheError: there is no cache, or no finished extract, or a row is damaged.
        CacheBusyError: another process writes to it.
        OutputError: the disk is full or failing; the cache stays as it was.

    Example:
        >>> onepass.collect(Path("features.h5")).unused
        0
    """
    refuse_folder(path)
    if not apply:
        with Cache.read(path) as cache:
            return _plan(cache)
    path = followed(path)
    with writing(path), Cache.read(path) as cache:
        plan = _plan(cache)
        unused = set(unused_rows(cache))
        kept = [row for row in range(len(cache)) if row not in unused]
        with new_cache_like(path, cache) as target:
            copy_rows(cache, kept, target, progress)
            copy_probe(target, cache)
            table_rows = [
                table_row._replace(row=target.find(table_row.digest) if table_row.row >= 0 else -1)
                for table_row in cache.table_rows
            ]
            target.replace_table(table_rows, cache.note)
    return Collection(path, plan.rows, plan.unused, plan.bytes_before, path.stat().st_size)


def _plan(cache: Cache) -> Collection:
    if not cache.table_rows:
        raise CacheError(
            f"{cache.path} has no finished extract: nobody can tell which rows are used; "
            f"run: extract DATA --cache {cache.path}"
        )
    unused, keys = unused_rows(cache), cache.keys
    of_views = sum(keys[row][1] != FULL.encode() for row in unused)
    size = cache.path.stat().st_size
    return Collection(cache.path, len(cache), len(unused), size, of_views=of_views)


@dataclass(frozen=True)
class Merge:
    """Hold what `merge` made.

    Attributes:
        path: the new cache.
        first, second: rows that came from each.
        both: rows that both had; the first one's were taken.
        listed: photographs in the new table; none where the two are of different folders.
    """

    path: Path
    first: int
    second: int
    both: int
    listed: int = 0


def merge(first: Path, second: Path, out: Path, progress: Progress | None = None) -> Merge:
    """Bring the rows of two caches of the same settings together in a new one.

    A table of photographs is of one folder: where both are of the same, seen in the same way, the
    new cache lists the photographs of both. Else it has none until `extract` is run on the folder
    that holds them all; no photograph is computed again. What the first cache knows of weights,
    groups and views is kept.

    Args:
        first: a cache.
        second: another one.
        out: the new one.
        progress: called as `progress(rows done, rows in all)`.

    Raises:
        FingerprintError: they hold rows of different settings; both are shown.
        CacheError: `out` exists, a cache cannot be read, or a row is damaged.
        CacheBusyError: another process writes to `out`.
        OutputError: the disk is full or failing.

    Example:
        >>> onepass.merge(Path("features.h5"), Path("features.h5"), Path("both.h5")).both
        72
    """
    with open_cache(first) as one, open_cache(second) as two, writing(out):
        if out.exists():
            raise CacheError(f"{out} exists; expected a new name for the merged cache")
        if one.fingerprint != two.fingerprint:
            found = differences(one.fields, two.fields, f"in {first}", f"in {second}")
            raise FingerprintError(
                f"{first} and {second} hold rows of different settings: {found}; "
                "only caches of the same recipe, weights and precision can be merged"
            )
        known, probe = set(one.keys), VIEW.encode()
        kept = [row for row, (_, view) in enumerate(one.keys) if view != probe]
        added = [r for r, key in enumerate(two.keys) if key not in known and key[1] != probe]
        with new_cache_like(out, one, two) as target:
            copy_rows(one, kept, target, progress)
            copy_rows(two, added, target, progress)
            copy_probe(target, one, two)
            table = _joined_tables(one, two)
            placed = [
                row._replace(row=-1 if row.reason else target.find(row.digest)) for row in table
            ]
            left_out = set() if table else {"root"}
            note = {name: value for name, value in one.note.items() if name not in left_out}
            target.replace_table(placed, note)
        both = sum(key in known and key[1] != probe for key in two.keys)
        return Merge(out, len(kept), len(added), both, len(table))


def _joined_tables(one: Cache, two: Cache) -> list[TableRow]:
    """Give the photographs of two tables of one folder; none where they do not agree."""
    table = {row.path: row for row in one.table_rows}
    others = {row.path: row for row in two.table_rows}
    same = all(table[path].digest == others[path].digest for path in table.keys() & others.keys())
    if not (table and same and one.note == two.note and one.note.get("root")):
        return []
    joined = others | table
    return [joined[path] for path in sorted(joined)]
