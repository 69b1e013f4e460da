"""Photographs to rows: reader threads -> backbone -> cache, a bounded number ahead.

Readers hash and decode ahead of the backbone; the backbone runs on the caller's thread; each batch
is committed to the cache before the next one is computed. A photograph is decoded once for all of
its views that the cache lacks; one that lacks none is never decoded, and where none lacks any the
backbone is not even loaded.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from features.arrays import Pictures, Row, Rows
from features.backbones.drift_probe import SightCheck, Watch
from features.backbones.loading import Loading
from features.backbones.settings import BackboneSettings
from features.backbones.two_sizes import see
from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.probe_row import keep_probe, read_probe
from features.cache.sample_table import TableRow
from features.cache.thumbnail_table import keep_thumbnails, thumbnails_of
from features.cache.thumbnails import BLANK, Thumbnail, thumbnail_of
from features.errors import DriftError, ImageError
from features.extract_outcome import Extraction, RunOptions, drop_rowless, identify, refuse_failures
from features.photographs.decode_worker_pool import lend, look_apart
from features.photographs.file import Photograph
from features.photographs.survey import Remarks
from features.photographs.views import FULL
from features.runtime import core_count

Progress = Callable[[int, int], None]
"""Called as `progress(photographs done, photographs in all)`."""


class _Seen(NamedTuple):
    """Hold what a reader thread found out about one photograph.

    Attributes:
        views: those without a row.
        pixels: of each of these its picture and its crops'.
        thumbnail: where the cache has none.
    """

    table_row: TableRow
    read_seconds: float
    decode_seconds: float = 0.0
    views: Sequence[str] = ()
    pixels: Sequence[Pictures] = ()
    thumbnail: Thumbnail | None = None


class _Item(NamedTuple):
    """One row to be computed: of a view and the crops that its row keeps; `last` of its file."""

    digest: str
    view: str
    pixels: Pictures
    thumbnail: Thumbnail
    last: bool


def extract(
    photographs: Sequence[Photograph],
    settings: BackboneSettings,
    cache_path: Path,
    options: RunOptions | None = None,
    *,
    note: Mapping[str, object] | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    reader: Cache | None = None,
) -> Extraction:
    """See that every photograph has its rows in the cache; commit after every batch.

    Args:
        photographs: what to look at.
        settings: recipe, weights, backbone and precision.
        cache_path: made where it does not exist.
        options: how the run goes; None for `RunOptions()`.
        note: given, the sample table of the cache is replaced by these photographs, and this
            is kept beside it. None (for predictions) leaves the table as it is.
        progress: called as photographs are done with.
        reader: this cache, opened for reading: it is opened for writing once a row is missing, and
            not at all where none is. For predictions, whose `note` is None.
        watch: given, `drift_probe` rides along if the backbone runs; see `Watch`.

    Raises:
        TooManyFailuresError: more than `max_failures` could not be read; what was done stays.
        FingerprintError: the cache holds rows of other settings.
        CacheBusyError: another process is writing to the cache.
        CacheError: the cache cannot be read or written.
        WeightsError: the weights do not fit the backbone, or see nothing.

    Example:
        >>> settings = onepass.BackboneSettings(
        ...     onepass.RECIPES["imagenet"], onepass.resolve_weights("random")
        ... )
        >>> photographs = onepass.find_photographs(["data"])
        >>> onepass.extract(photographs, settings, Path("rows.h5")).rows
        72
    """
    started, options = time.perf_counter(), options or RunOptions()
    with contextlib.ExitStack() as stack:
        for_writing = partial(_open_for_writing, stack, cache_path, settings)
        if reader is not None:
            reader.check_fields(settings.fields)
        cache = reader or for_writing()
        later = None if reader is None else for_writing
        run = _Run(photographs, settings, cache, options, progress, watch, later)
        if note is not None:
            run.blank = set(np.flatnonzero(~thumbnails_of(cache).known).tolist())
        result = run.run(options.workers or core_count())
        if note is not None:
            run.replace_table(result, note)
    result.seconds["total"] = time.perf_counter() - started
    return result


def _open_for_writing(
    stack: contextlib.ExitStack, cache_path: Path, settings: BackboneSettings
) -> Cache:
    """Open the cache for writing, until the stack ends."""
    stack.enter_context(writing(cache_path))
    drop_rowless(cache_path, settings.fields)
    width, dtype = settings.cached_width, settings.row_dtype
    return stack.enter_context(Cache.write(cache_path, settings.fields, width, dtype))


class _Run:
    """One call of `extract`: what its stages share."""

    def __init__(
        self,
        photographs: Sequence[Photograph],
        settings: BackboneSettings,
        cache: Cache,
        options: RunOptions,
        progress: Progress | None,
        watch: Watch | None,
        for_writing: Callable[[], Cache] | None,
    ) -> None:
        self.photographs = photographs
        self.settings = settings
        self.cache = cache
        self.for_writing = for_writing  # where `cache` is open for reading
        self.written = 0
        self.views = tuple(options.views)
        self.pictures = settings.look.images  # that the backbone sees for a row
        # The backbone pads every batch to one shape: for one photograph, 31 would be in vain.
        self.watch = watch
        # Pictures of the drift probe in the next batch: one of each size.
        self.riders = [] if watch is None else settings.probe_pictures
        rows = len(photographs) * len(self.views)
        most = max(1, min(options.batch_size // self.pictures, rows))
        self.batch_size = most * self.pictures + (len(self.riders) if most in (1, rows) else 0)
        self.loading = Loading(settings, self.batch_size)
        self.drift_probe: Row | None = None
        self.sight = SightCheck(settings.weights.describe(), settings.row_dtype)
        self.max_failures = options.max_failures
        self.max_pixels = options.max_pixels
        self.progress = progress
        known = () if options.rehash else cache.table_rows
        self.known = {table_row.path: table_row for table_row in known}
        self.claimed: set[str] = set()
        self.blank: set[int] = set()  # rows without a thumbnail
        self.with_thumbnail: dict[int, Thumbnail] = {}
        self.lock, self.done = threading.Lock(), 0
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.remarks = Remarks()

    def run(self, workers: int) -> Extraction:
        """Look at all photographs; batches are computed here and written by a thread of its own."""
        table_rows: list[TableRow] = []
        failures: list[TableRow] = []
        extracted = 0
        self.advance(0)  # the total is known from the start
        # A thread of its own: an interrupt (Ctrl-C) meets the caller's, never a half-done commit.
        with ThreadPoolExecutor(1, thread_name_prefix="writer") as writer:
            batch: list[_Item] = []
            for seen in self.read_ahead(workers):
                table_rows.append(seen.table_row)
                self.seconds["read"] += seen.read_seconds
                self.seconds["decode"] += seen.decode_seconds
                extracted += bool(seen.views)
                if not seen.views:
                    self.advance(1)
                if seen.thumbnail is not None and FULL not in seen.views:
                    self.with_thumbnail[self.cache.find(seen.table_row.digest)] = seen.thumbnail
                if seen.table_row.reason:
                    failures.append(seen.table_row)
                    self.stop_on_too_many(failures)
                for item in _items(seen):
                    batch.append(item)
                    if (len(batch) + 1) * self.pictures + len(self.riders) > self.batch_size:
                        writer.submit(self.write, batch, self.compute(batch)).result()
                        batch = []
            if batch:
                writer.submit(self.write, batch, self.compute(batch)).result()
        self.keep_drift_probe()
        table_rows = self.place(table_rows)
        failures = [table_row for table_row in table_rows if table_row.row < 0]
        self.stop_on_too_many(failures)  # again: now with the copies of unreadable photographs
        reused = len(table_rows) - extracted - len(failures)
        self.seconds["load"] = self.loading.seconds
        return Extraction(
            table_rows, extracted, self.written, reused, self.seconds, self.remarks,
            self.loading.engine if self.written else "",
        )  # fmt: skip

    def replace_table(self, result: Extraction, note: Mapping[str, object]) -> None:
        """Replace the sample table by the photographs of this run, with their thumbnails."""
        self.stop_on_nothing_readable(result.failed)
        keep_thumbnails(self.cache, self.with_thumbnail)
        self.cache.replace_table(result.table_rows, note, own=True)
        self.cache.commit()

    # ---- readers ------------------------------------------------------------------------

    def read_ahead(self, workers: int) -> Iterator[_Seen]:
        """Look at the photographs on threads, a bounded number ahead, and yield in order."""
        ahead = 2 * self.batch_size // (len(self.views) * self.pictures) + workers
        pending: deque[Future[_Seen]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="reader")
        try:
            for photograph in self.photographs:
                pending.append(pool.submit(self.look_at, photograph))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def look_at(self, photograph: Photograph) -> _Seen:
        """Stat, then hash only what changed, then decode only what the cache does not know."""
        started = time.perf_counter()
        known = self.known.get(photograph.path)
        known = known if known and self.is_complete(known.digest) else None
        with lend() as decoder:
            table_row, data = identify(
                photograph, known, max_pixels=self.max_pixels, room=decoder.room
            )
            seen = _Seen(table_row, time.perf_counter() - started)
            digest = table_row.digest
            if data is None or self.is_complete(digest) or not self.claim(digest):
                return seen
            return self.decoded(seen, data)

    def decoded(self, seen: _Seen, data: bytes | memoryview) -> _Seen:
        """Decode what the cache lacks of a photograph."""
        started, table_row = time.perf_counter(), seen.table_row
        missing = self.missing(table_row.digest)
        thumbnail_alone = FULL not in missing and self.is_blank(table_row.digest)
        pictures = [name for view in missing for name in (view, *self.settings.crops.views)]
        asked = [FULL, *pictures] if thumbnail_alone else pictures
        failed_before = self.known.get(table_row.path, table_row).reason
        if missing and not failed_before:
            self.loading.begin()  # beside the decoding
        try:
            pixels, capture_time, declared = look_apart(
                data, self.settings.recipe, asked, max_pixels=self.max_pixels
            )
            self.remarks.note(table_row.path, declared)
        except ImageError as error:
            if missing:
                seen = seen._replace(table_row=table_row._replace(reason=str(error)))
            return seen._replace(decode_seconds=time.perf_counter() - started)
        thumbnail = thumbnail_of(pixels[0], capture_time) if asked[0] == FULL else None
        starts = range(len(asked) - len(pictures), len(asked), self.pictures)
        shown = [pixels[start : start + self.pictures] for start in starts]
        seconds = time.perf_counter() - started
        return _Seen(table_row, seen.read_seconds, seconds, missing, shown, thumbnail)

    def missing(self, digest: str) -> list[str]:
        """Give the views of which the cache has no row."""
        return [view for view in self.views if self.cache.find(digest, view) < 0]

    def is_blank(self, digest: str) -> bool:
        """Say whether there is a row of the photograph, and no thumbnail of it."""
        return self.cache.find(digest) in self.blank

    def is_complete(self, digest: str) -> bool:
        """Say whether the cache has all that a look at these bytes would tell."""
        return not self.missing(digest) and not self.is_blank(digest)

    def claim(self, digest: str) -> bool:
        """Say whether the caller is the first in this run to meet these bytes."""
        with self.lock:
            first = digest not in self.claimed
            self.claimed.add(digest)
            return first

    def compute(self, batch: list[_Item]) -> Rows:
        """Run the backbone over a batch, with the drift probe riding along the first time."""
        backbone = self.loading.backbone()
        self.open_for_writing()
        started = time.perf_counter()
        pictures = [*itertools.chain(*(item.pixels for item in batch)), *self.riders]
        seen = see(backbone, pictures)
        count = len(seen) - len(self.riders)
        self.sight.check(backbone.run, seen, pictures, len(self.riders))
        rows = self.settings.row_of(seen[:count], self.pictures)
        if self.riders:
            try:
                self.hear(self.settings.probe_row(seen[count:]))
            except DriftError:
                if not self.loading.next_engine():  # nobody named this one: another may be right
                    raise
                return self.compute(batch)
            self.riders = []
        self.seconds["backbone"] += time.perf_counter() - started
        return rows

    def hear(self, row: Row) -> None:
        """Show the drift probe's row to who watches, and keep it if the cache has none."""
        known = read_probe(self.cache)
        assert self.watch is not None
        self.watch(row, known)
        if known is None:
            self.drift_probe = row

    def keep_drift_probe(self) -> None:
        """Keep the drift probe's row where it was computed."""
        if self.drift_probe is not None:
            keep_probe(self.cache, self.drift_probe)
            self.cache.commit()

    def open_for_writing(self) -> None:
        """Take the right to write, on the caller's thread, before the first row is computed."""
        if self.for_writing is not None:
            self.cache, self.for_writing = self.for_writing(), None

    def write(self, batch: list[_Item], rows: Rows) -> None:
        """Make a batch durable.

        The backbone waits meanwhile (1 to 2 % of the time; the readers go on): so a killed process
        has at most one finished batch to do again, however slow the disk.
        """
        started = time.perf_counter()
        # Another process may have come first, between our reading and our writing.
        new = [i for i, one in enumerate(batch) if self.cache.find(one.digest, one.view) < 0]
        keys = [(batch[i].digest, batch[i].view) for i in new]
        if new:
            digests, views = [key[0] for key in keys], [key[1] for key in keys]
            self.cache.append(digests, rows[new], views, [batch[i].thumbnail for i in new])
            self.cache.commit()
        self.written += len(new)
        self.seconds["write"] += time.perf_counter() - started
        self.advance(sum(item.last for item in batch))

    def advance(self, count: int) -> None:
        """Count photographs that are done with, and say so."""
        with self.lock:  # called by the writer thread and by the caller's
            self.done += count
            if self.progress is not None:
                self.progress(self.done, len(self.photographs))

    def stop_on_too_many(self, failures: list[TableRow]) -> None:
        """Raise TooManyFailuresError where more cannot be read than is allowed."""
        refuse_failures(failures, len(self.photographs), self.max_failures)

    def stop_on_nothing_readable(self, failures: list[TableRow]) -> None:
        """Raise TooManyFailuresError where not a single photograph can be read."""
        refuse_failures(failures, len(self.photographs), None)

    def place(self, table_rows: list[TableRow]) -> list[TableRow]:
        """Give each photograph its row; a copy of an unreadable one gets its reason."""
        reasons = {s.digest: s.reason for s in table_rows if s.reason and s.digest}
        placed = []
        for table_row in table_rows:
            reason = table_row.reason or reasons.get(table_row.digest, "")
            row = -1 if reason or not table_row.digest else self.cache.find(table_row.digest)
            placed.append(table_row._replace(row=row, reason=reason))
        return placed


def _items(seen: _Seen) -> Iterator[_Item]:
    """Give the rows that a photograph lacks."""
    for number, view in enumerate(seen.views):
        thumbnail = seen.thumbnail if view == FULL and seen.thumbnail is not None else BLANK
        last = number + 1 == len(seen.views)
        yield _Item(seen.table_row.digest, view, seen.pixels[number], thumbnail, last)
