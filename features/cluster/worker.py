"""Work for a cluster: tell photographs apart by their bytes, and make one shard.

A shard grows in a cache of the worker's own, `partial-RUN-SHARD-TRY.h5`, and gets its name when it
is whole. Where a worker is lost another one begins a file of its own with the rows that the first
one had committed. After each batch a worker sees whether it is still meant: once a later try of
its shard is there, or another run has taken over the folder, it stops. So nobody ever waits for
the lock of a computer that is gone, no file has two writers, and at most one batch is done twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.arrays import Row
from features.backbones.drift_probe import Watch
from features.backbones.registry import Backbone
from features.backbones.settings import BackboneSettings
from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.new_cache import copy_rows
from features.cache.probe_row import read_probe
from features.cache.redo_log import journal_path
from features.cache.sample_table import TableRow
from features.cache.shards import SHARD_NAME, Shard
from features.cluster.connection import load_dask
from features.errors import CacheError, ClusterError
from features.extract import extract
from features.extract_outcome import RunOptions, identify
from features.files import sync_folder
from features.photographs.file import Photograph
from features.photographs.survey import Remarks

RUN_FILE = "run"
"""Holds the token of the run that may add to the folder."""

TOPIC = "onepass-rows"
"""Under which workers tell the scheduler, and through it the client, how far they are."""

_one_at_a_time = threading.Lock()
_EVERY = 0.3  # seconds between two words about a shard
_COPY = 256  # rows of a lost worker that are committed at once


@dataclass(frozen=True)
class ShardTask:
    """One shard to make.

    Attributes:
        folder: of the shards, on the shared disk.
        run: token of the run.
        number: of the shard in this run.
        photographs: with absolute paths, no two of the same bytes.
        digests: what their bytes were.
        settings, options: as of `features.extract.extract`; the views are those that are missing.
        listed: names of the shards that are whole: no rows are looked for there.
        watch: see `features.extract.extract`.
        probe: the drift probe's row of the folder; None where it has none.
    """

    folder: Path
    run: str
    number: int
    photographs: Sequence[Photograph]
    digests: Sequence[str]
    settings: BackboneSettings
    options: RunOptions
    listed: frozenset[str]
    watch: Watch | None
    probe: Row | None


@dataclass(frozen=True)
class ShardMade:
    """Hold what became of a `ShardTask`.

    Attributes:
        shard: its line in the manifest; None where none of its photographs could be read.
        table_rows: of its photographs.
        extracted, rows: photographs and rows that the backbone saw in this try.
        seconds: see `features.extract_outcome.Extraction`.
        remarks: what a person should know of its photographs.
        probe: the drift probe's row as this worker's backbone sees it; None where it did not run.
        host: of the worker.
    """

    shard: Shard | None
    table_rows: list[TableRow]
    extracted: int
    rows: int
    seconds: dict[str, float] = field(default_factory=dict)
    remarks: Remarks = field(default_factory=Remarks)
    probe: Row | None = None
    host: str = ""


def tell_apart(
    photographs: Sequence[tuple[Photograph, TableRow | None]], max_pixels: int, threads: int
) -> list[TableRow]:
    """Give the table rows of photographs, with the digests of their bytes; see `identify`."""
    with ThreadPoolExecutor(threads, thread_name_prefix="reader") as pool:
        found = pool.map(
            lambda pair: identify(pair[0], pair[1], max_pixels=max_pixels)[0], photographs
        )
        return list(found)


def make_shard(task: ShardTask) -> ShardMade:
    """Make a shard: rows of lost workers first, then those that nobody has computed.

    A worker with several threads makes one at a time: each uses all cores.

    Raises:
        ClusterError: another run or a later try took over.
        OnepassError: see `features.extract.extract`.
    """
    with _one_at_a_time:
        return _make_shard(task)


def _make_shard(task: ShardTask) -> ShardMade:
    attempt = _begin(task)
    path = task.folder / partial_name(task.run, task.number, attempt)
    after, teller = _claim(task, attempt + 1), _Teller(task)

    def still_meant(done: int, _total: int) -> None:
        """Stop where another worker or another run took the shard over; else say how far it is."""
        if after.exists() or _token(task.folder) != task.run:
            raise ClusterError("another worker or another run took this shard over")
        teller.tell(done)

    settings = _KeptSettings.of(task.settings)
    _take_over(task, path)
    heard: list[Row] = []

    def watch(row: Row, known: Row | None) -> None:
        """Hear the drift probe's row, and hold it against the run's."""
        heard.append(row)
        if task.watch is not None:
            task.watch(row, known if task.probe is None else task.probe)

    done = extract(
        task.photographs, settings, path, dataclasses.replace(task.options, max_failures=1.0),
        progress=still_meant, watch=watch,
    )  # fmt: skip
    with Cache.read(path) as cache:
        shard, probe = Shard.of(cache), read_probe(cache)
    remove_partial(path, but_file=bool(shard.rows))
    if shard.rows:
        path.replace(task.folder / shard.file)
        sync_folder(task.folder)
    return ShardMade(
        shard if shard.rows else None, done.table_rows, done.extracted, done.rows,
        dict(done.seconds), done.remarks, heard[0] if heard else probe, socket.gethostname(),
    )  # fmt: skip


def partial_name(run: str, number: int, attempt: int) -> str:
    """Give the name of a shard that is not whole yet."""
    return f"partial-{run}-{number:05d}-{attempt:03d}.h5"


def remove_partial(path: Path, *, but_file: bool = False) -> None:
    """Remove a cache that is not whole, or what lies beside it alone."""
    waste = [path.with_name(path.name + end) for end in (".lock", ".lock.owner")]
    waste += [journal_path(path)] if but_file else [journal_path(path), path]
    for file in waste:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def _begin(task: ShardTask) -> int:
    """Give this try's number: nobody else can make the same claim."""
    for attempt in range(1000):
        try:
            _claim(task, attempt).touch(exist_ok=False)
        except FileExistsError:
            continue
        return attempt
    raise ClusterError(f"shard {task.number} was begun a thousand times; look at the workers")


def _claim(task: ShardTask, attempt: int) -> Path:
    return (task.folder / partial_name(task.run, task.number, attempt)).with_suffix(".claim")


def _token(folder: Path) -> str:
    try:
        return (folder / RUN_FILE).read_text()
    except OSError:
        return ""


def _take_over(task: ShardTask, path: Path) -> None:
    """Begin the file of this try with the rows that killed workers had committed."""
    settings = task.settings
    width, dtype = settings.cached_width, settings.row_dtype
    wanted = {
        (digest.encode(), view.encode()) for digest in task.digests for view in task.options.views
    }
    with writing(path), Cache.write(path, settings.fields, width, dtype) as target:
        for _ in range(2):  # a shard may have become whole, and got its name, between look and look
            for source in _unlisted(task, path):
                with contextlib.suppress(CacheError), Cache.read(source) as cache:
                    _copy(cache, wanted - set(target.keys), target)
        target.commit()


def _unlisted(task: ShardTask, mine: Path) -> list[Path]:
    return [
        file
        for file in sorted(task.folder.glob("*.h5"))
        if file != mine
        and (
            file.name.startswith("partial-")
            or (SHARD_NAME.fullmatch(file.name) and file.name not in task.listed)
        )
    ]


def _copy(source: Cache, wanted: set[tuple[bytes, bytes]], target: Cache) -> None:
    if source.fingerprint != target.fingerprint:
        return
    rows = [row for row, key in enumerate(source.keys) if key in wanted]
    for first in range(0, len(rows), _COPY):
        copy_rows(source, rows[first : first + _COPY], target)
        target.commit()


class _Teller:
    """Says how far a shard is, not more often than anybody can read."""

    def __init__(self, task: ShardTask) -> None:
        self._task, self._last = task, 0.0

    def tell(self, done: int) -> None:
        """Say how many photographs are done with."""
        now = time.monotonic()
        if now - self._last < _EVERY:
            return
        self._last = now
        with contextlib.suppress(ValueError):  # in no worker: in a test
            event = self._task.run, self._task.number, done
            load_dask().get_worker().log_event(TOPIC, event)


_loaded: dict[tuple[Any, ...], Backbone] = {}
"""The last backbone of this process: building it takes seconds, and shards follow each other."""


@dataclass(frozen=True)
class _KeptSettings(BackboneSettings):
    """Settings whose backbone stays loaded from one shard to the next."""

    @classmethod
    def of(cls, settings: BackboneSettings) -> _KeptSettings:
        """Give the same settings."""
        names = [one.name for one in dataclasses.fields(BackboneSettings)]
        return cls(**{name: getattr(settings, name) for name in names})

    def load(self, batch_size: int) -> Backbone:
        """Build the network, or take the one of the shard before."""
        key = (self.fingerprint, self.engine, batch_size)
        if key not in _loaded:
            _loaded.clear()
            _loaded[key] = super().load(batch_size)
        return _loaded[key]
