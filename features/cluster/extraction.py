"""`features.extract` on a cluster: photographs dealt by their bytes to workers, a shard each.

Workers stat and hash the photographs first, so that equal ones are seen once wherever they lie.
What the folder lacks is put in the order of the digests and cut into shards. Each shard that is
whole is listed in the manifest at once; the table of photographs comes last. Killed at any moment,
the same command goes on from what was committed (`features.cluster.worker`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from features.arrays import Row
from features.backbones.drift_probe import Watch
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights
from features.cache.cache import Cache
from features.cache.lock import refuse_folder, writing
from features.cache.probe_row import keep_probe, read_probe
from features.cache.sample_table import TableRow
from features.cache.shards import (
    MANIFEST,
    TABLE,
    Manifest,
    Shard,
    ShardedCache,
    open_shard,
    unlisted_files,
)
from features.cluster.connection import Cluster, Terms, check_workers, dashboard, lost
from features.cluster.spread import running_workers, spread
from features.cluster.worker import (
    RUN_FILE,
    TOPIC,
    ShardMade,
    ShardTask,
    make_shard,
    remove_partial,
    tell_apart,
)
from features.errors import CacheError
from features.extract import Progress
from features.extract_outcome import Extraction, RunOptions, drop_rowless, refuse_failures
from features.files import is_address, write_whole
from features.photographs.file import Photograph
from features.photographs.survey import Remarks
from features.runtime import Taken

_OURS = re.compile(r"\..*|run|shards\.json|table\.h5.*|shard-[0-9a-f]{16}\.h5.*|partial-.*")
_CHUNK = 512  # photographs that a worker hashes in one call
_SHARE = 4  # shards for each worker, so that none waits long for the last one
_FEWEST_BATCHES = 2  # in a shard
_MOST = 4096  # photographs in a shard, unless that makes more shards than the next number
_MOST_SHARDS = 512

Keys = set[tuple[bytes, bytes]]


def extract_on(
    cluster: Cluster,
    photographs: Sequence[Photograph],
    settings: BackboneSettings,
    folder: Path,
    options: RunOptions,
    *,
    note: Mapping[str, object],
    progress: Progress | None = None,
    watch: Watch | None = None,
    told: Callable[[str], None] | None = None,
) -> Extraction:
    """See that every photograph has its rows in a folder of shards.

    Args:
        cluster: where the work is done.
        photographs: as of `features.extract.extract`, like the next ones.
        settings: recipe, weights, backbone and precision.
        folder: on a disk that all workers see; made where it does not exist.
        options: how the run goes.
        note: kept beside the table of photographs, which is replaced.
        progress: called as photographs are done with.
        watch: hears the drift probe of every worker's backbone.
        told: takes lines for a person: the dashboard, shards that are gone.

    Raises:
        ClusterError: the cluster cannot be used, or went away; what is done is kept.
        OnepassError: see `features.extract.extract`.
    """
    started, told = time.perf_counter(), told or (lambda _: None)
    _refuse_others(folder)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / TABLE), cluster.connect() as client:
        told(dashboard(client))
        terms = check_workers(client, folder, writing=True)
        if not (folder / MANIFEST).exists():
            drop_rowless(folder / TABLE, settings.fields)
        width, dtype = settings.cached_width, settings.row_dtype
        with Cache.write(folder / TABLE, settings.fields, width, dtype) as table:
            run = _Run(client, photographs, settings, table, options, watch, told, terms)
            try:
                result = run.run(progress)
            except Exception as error:
                if (found := lost(cluster.text, error)) is error:
                    raise
                raise found from error
            finally:
                (folder / RUN_FILE).unlink(missing_ok=True)
            _replace_table(table, result.table_rows, note, run.probe)
        run.manifest.write(folder)  # again: who looks at the folder's time sees that it changed
        _clean(folder, run.manifest.shards)
    with ShardedCache(folder) as cache:
        result.table_rows = cache.table_rows
    result.seconds["total"] = time.perf_counter() - started
    return result


def _replace_table(
    table: Cache, table_rows: Sequence[TableRow], note: Mapping[str, object], probe: Row | None
) -> None:
    """Replace the table of photographs, and keep the drift probe if there is none yet."""
    if probe is not None and read_probe(table) is None:
        keep_probe(table, probe)
    # A row is found by its digest: where it lies is the shards' affair.
    rows = [table_row._replace(row=-1) for table_row in table_rows]
    table.replace_table(rows, note, own=True)
    table.commit()


class _Run:
    """One call of `extract_on`: what its stages share."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - Dask has few types
        photographs: Sequence[Photograph],
        settings: BackboneSettings,
        table: Cache,
        options: RunOptions,
        watch: Watch | None,
        told: Callable[[str], None],
        terms: Terms,
    ) -> None:
        self.client, self.folder, self.told = client, table.path.parent, told
        self.photographs = [
            one if is_address(one.file) else one._replace(file=one.file.absolute())
            for one in photographs
        ]
        self.settings, self.options = _with_absolute_weights(settings), options
        self.token = secrets.token_hex(4)
        # Who joins later has to see the folder, and this run in it.
        self.terms = dataclasses.replace(
            terms, cache=self.folder / RUN_FILE, mark=self.token, writing=True
        )
        self.table_rows = {row.path: row for row in ([] if options.rehash else table.table_rows)}
        self.probe: Row | None = read_probe(table)
        self.watch = watch
        self.manifest = Manifest(settings.fingerprint)
        self.keys: Keys = set()

    def run(self, progress: Progress | None) -> Extraction:
        """Tell photographs apart, make the shards that are missing, and place every photograph."""
        write_whole(self.folder / RUN_FILE, self.token)
        self.find_shards()
        heard = _Heard(self.client, self.token, len(self.photographs), progress)
        found = self.tell_apart()
        lacking = self.lacking(found)
        missing = sum(len(some) for some in lacking.values())
        heard.begin(len(found) - missing)
        result = Extraction([], seconds=defaultdict(float), remarks=Remarks())
        batch = self.options.batch_size + self.settings.look.images  # the drift probe rides along
        taken = Taken(0, self.settings.network_memory(batch) if missing else 0)
        shards = self.deal(lacking)
        for task, made in spread(self.client, make_shard, shards, terms=self.terms, taken=taken):
            self.keep(made)
            heard.finished(task.number, len(task.photographs))
            found.update({row.path: row for row in made.table_rows})
            result.extracted += made.extracted
            result.rows += made.rows
            result.remarks.add(made.remarks)
            for stage, seconds in made.seconds.items():
                result.seconds[stage] += seconds
            failures = [row for row in found.values() if row.reason]
            refuse_failures(failures, len(self.photographs), self.options.max_failures)
        result.table_rows = self.place(found)
        failed = [row for row in result.table_rows if row.reason]
        refuse_failures(failed, len(self.photographs), self.options.max_failures)
        refuse_failures(failed, len(self.photographs), None)
        result.reused = len(found) - result.extracted - len(failed)
        return result

    # ---- what is there ------------------------------------------------------------------

    def find_shards(self) -> None:
        """Open what the manifest lists, and what a killed client did not come to list."""
        listed: list[Shard] = []
        if (self.folder / MANIFEST).exists():
            for shard in Manifest.read(self.folder).shards:
                try:
                    self.take_in(shard, listed)
                except CacheError as error:
                    self.told(f"note: {error}; they are computed now")
        for file in unlisted_files(self.folder, listed):
            with contextlib.suppress(CacheError), Cache.read(file) as cache:
                shard, keys = Shard.of(cache), set(cache.keys)
                if shard.file == file.name and not keys & self.keys:
                    self.take_in(shard, listed)
        self.write_manifest(listed)

    def take_in(self, shard: Shard, listed: list[Shard]) -> None:
        """Count a shard's rows among those that are there."""
        with open_shard(self.folder, shard, self.settings.fingerprint) as cache:
            self.keys |= set(cache.keys)
        listed.append(shard)

    def write_manifest(self, shards: Sequence[Shard]) -> None:
        """Write the manifest."""
        self.manifest = Manifest(self.settings.fingerprint, tuple(shards))
        self.manifest.write(self.folder)

    def lacks(self, digest: str) -> tuple[str, ...]:
        """Give the views of which there is no row of a photograph."""
        return tuple(
            view for view in self.options.views if (digest.encode(), view.encode()) not in self.keys
        )

    # ---- stages -------------------------------------------------------------------------

    def tell_apart(self) -> dict[str, TableRow]:
        """Give every photograph's table row by its path; workers read what changed."""
        pairs = [(one, self.table_rows.get(one.path)) for one in self.photographs]
        crew = max(1, len(running_workers(self.client)))
        size = max(1, min(_CHUNK, -(-len(pairs) // (2 * crew))))
        chunks = (pairs[start : start + size] for start in range(0, len(pairs), size))
        found = {}
        more = self.options.max_pixels, self.options.workers or 4
        for _, table_rows in spread(self.client, tell_apart, chunks, *more, terms=self.terms):
            found.update({row.path: row for row in table_rows})
        return {one.path: found[one.path] for one in self.photographs}

    def lacking(self, found: Mapping[str, TableRow]) -> dict[tuple[str, ...], list[str]]:
        """Give the paths of photographs that lack rows, one for each digest, by the views."""
        lacking: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        by_digest: dict[str, str] = {}
        for path, row in found.items():
            if row.digest:
                by_digest.setdefault(row.digest, path)
        for digest in sorted(by_digest):
            views = self.lacks(digest)
            if views:
                lacking[views].append(by_digest[digest])
        self.digests = {path: row.digest for path, row in found.items()}
        return dict(lacking)

    def deal(self, lacking: Mapping[tuple[str, ...], Sequence[str]]) -> Iterator[ShardTask]:
        """Cut what is missing into shards, of digests that follow each other."""
        by_path = {one.path: one for one in self.photographs}
        number = 0
        for views, paths in lacking.items():
            size = self.shard_size(len(paths), len(views))
            for start in range(0, len(paths), size):
                some = paths[start : start + size]
                yield ShardTask(
                    folder=self.folder,
                    run=self.token,
                    number=number,
                    photographs=[by_path[path] for path in some],
                    digests=[self.digests[path] for path in some],
                    settings=self.settings,
                    options=dataclasses.replace(self.options, views=views),
                    listed=frozenset(shard.file for shard in self.manifest.shards),
                    watch=self.watch,
                    probe=self.probe,
                )
                number += 1

    def shard_size(self, photographs: int, views: int) -> int:
        """Say how many photographs go into a shard."""
        crew = max(1, len(running_workers(self.client)))
        batch = max(1, self.options.batch_size // (self.settings.look.images * views))
        wanted = max(-(-photographs // (_SHARE * crew)), _FEWEST_BATCHES * batch)
        return min(wanted, max(_MOST, -(-photographs // _MOST_SHARDS)))

    def keep(self, made: ShardMade) -> None:
        """List a shard that is whole, if its backbone computes what the others do."""
        if made.probe is not None:
            if self.watch is not None:
                self.watch(made.probe, made.probe if self.probe is None else self.probe)
            self.probe = made.probe if self.probe is None else self.probe
        if made.shard is not None and made.shard not in self.manifest.shards:
            self.take_in(made.shard, listed := list(self.manifest.shards))
            self.write_manifest(listed)

    def place(self, found: Mapping[str, TableRow]) -> list[TableRow]:
        """Give each photograph a row or a reason; a copy of an unreadable one gets its reason."""
        reasons = {row.digest: row.reason for row in found.values() if row.reason and row.digest}
        placed = []
        for row in found.values():
            reason = row.reason or reasons.get(row.digest, "")
            if not reason and self.lacks(row.digest):
                reason = "it changed while it was looked at; run the same again"
            placed.append(row._replace(row=-1, reason=reason))
        return placed


class _Heard:
    """Count how far the workers are, for the progress bar."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - Dask has few types
        token: str,
        total: int,
        progress: Progress | None,
    ) -> None:
        self._token, self._total, self._progress = token, total, progress
        self._done: dict[int, int] = {}
        self._before = 0
        if progress is not None:
            progress(0, total)
            client.subscribe_topic(TOPIC, self._hear)

    def begin(self, before: int) -> None:
        """Count those that nobody has to look at."""
        self._before = before
        self._say()

    def finished(self, number: int, photographs: int) -> None:
        """Count a whole shard."""
        self._done[number] = photographs
        self._say()

    def _hear(self, event: tuple[float, tuple[str, int, int]]) -> None:
        token, number, done = event[1]
        if token == self._token:
            self._done[number] = max(done, self._done.get(number, 0))
            self._say()

    def _say(self) -> None:
        if self._progress is not None:
            done = self._before + sum(self._done.values())
            self._progress(min(done, self._total), self._total)


def _with_absolute_weights(settings: BackboneSettings) -> BackboneSettings:
    """Name the weights' file as a worker finds it, wherever it was started."""
    found = settings.weights
    if isinstance(found, Weights) and found.path is not None:
        found = dataclasses.replace(found, path=found.path.absolute())
    return dataclasses.replace(settings, weights=found)


def _refuse_others(folder: Path) -> None:
    """Raise CacheError where no folder of shards can be made: something else is there."""
    if is_address(folder):
        refuse_folder(folder)
    if folder.exists() and not folder.is_dir():
        raise CacheError(
            f"{folder} is a file; expected a folder for the shards of --cluster, such as "
            "--cache features (cache merge makes one file of a folder)"
        )
    found = folder.iterdir() if folder.exists() else ()
    strange = [file.name for file in found if not _OURS.fullmatch(file.name)]
    if strange:
        raise CacheError(
            f"{folder} holds {strange[0]}, which is no part of a cache; expected a folder of its "
            "own for the shards, such as --cache features"
        )


def _clean(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove what lost workers left; all that it holds is in the shards."""
    for file in [*folder.glob("partial-*.h5"), *unlisted_files(folder, shards)]:
        remove_partial(file)
    for file in folder.glob("partial-*"):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
