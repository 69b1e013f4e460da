"""How a run of `features.extract` goes, what came of it, and what one that failed left behind."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.cache.cache import Cache
from features.cache.redo_log import journal_path
from features.cache.sample_table import TableRow, blank_row, is_unchanged
from features.errors import CacheError, ImageError, TooManyFailuresError
from features.files import followed
from features.photographs.decode import MAX_PIXELS
from features.photographs.file import Photograph, Room, read_photograph, stat_photograph
from features.photographs.survey import Remarks
from features.photographs.views import FULL


@dataclass(frozen=True)
class RunOptions:
    """Say how a run goes: nothing of it is part of what a row is.

    Attributes:
        views: names of `features.photographs.views`, the full view first; a row of each.
        batch_size: views per call of the backbone.
        max_failures: share of unreadable photographs (0 to 1) above which the run stops.
        max_pixels: refuse larger photographs.
        workers: reader threads; None for as many as there are cores.
        rehash: read every file again, also where size and times are as before.

    Example:
        >>> RunOptions(batch_size=8).max_failures
        0.1
    """

    views: Sequence[str] = (FULL,)
    batch_size: int = 32
    max_failures: float = 0.1
    max_pixels: int = MAX_PIXELS
    workers: int | None = None
    rehash: bool = False


@dataclass
class Extraction:
    """Hold what one run did.

    Attributes:
        table_rows: one for each photograph asked for, in order; `row` -1 with a reason where it
            could not be read.
        extracted: photographs that the backbone saw in this run, or saw some views of.
        rows: that it computed, one for each view.
        reused: photographs whose rows were there already, or that are copies of another.
        seconds: per stage. "read" (with hashing) and "decode" add up over the reader threads;
            "load", "backbone" and "write" are one thread each; "total" is by the clock.
        remarks: what a person should know of the photographs that were decoded.
        engine: what computed the rows; "" where none were.
    """

    table_rows: list[TableRow]
    extracted: int = 0
    rows: int = 0
    reused: int = 0
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    remarks: Remarks = field(default_factory=Remarks)
    engine: str = ""

    @property
    def failed(self) -> list[TableRow]:
        """Give the photographs without a row."""
        return [table_row for table_row in self.table_rows if table_row.row < 0]


def identify(
    photograph: Photograph,
    known: TableRow | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    room: Room | None = None,
) -> tuple[TableRow, bytes | memoryview | None]:
    """Find which bytes a photograph has; a file that did not change is not read.

    Args:
        photograph: one file.
        known: what a sample table says of it.
        max_pixels: refuse larger photographs.
        room: where to read it into, if there is room.

    Returns:
        Its table row, with a digest or a reason; and its bytes, None where it was not read.
    """
    blank = blank_row(*photograph[1:])
    try:
        stat = stat_photograph(photograph.file)
        stamp = blank._replace(
            size=stat.st_size, mtime_ns=stat.st_mtime_ns, ctime_ns=stat.st_ctime_ns,
            checked_ns=time.time_ns(),
        )  # fmt: skip
        if known and is_unchanged(known, stat):
            return stamp._replace(digest=known.digest, checked_ns=known.checked_ns), None
        data = read_photograph(photograph.file, max_pixels=max_pixels, room=room)
    except ImageError as error:
        return blank._replace(reason=str(error)), None
    return stamp._replace(digest=hashlib.sha256(data).hexdigest()), data


def refuse_failures(failures: Sequence[TableRow], photographs: int, most: float | None) -> None:
    """Raise TooManyFailuresError where too many photographs could not be read.

    Args:
        failures: their table rows.
        photographs: in all.
        most: the share that is allowed, 0 to 1; None for all but one.
    """
    shown = "; ".join(f"{table_row.path}: {table_row.reason}" for table_row in failures[:3])
    if most is None:
        if len(failures) == photographs:
            raise TooManyFailuresError(
                f"none of {len(failures)} photographs can be read ({shown}); expected some that can"
            )
    elif len(failures) > most * photographs:
        raise TooManyFailuresError(
            f"{len(failures)} of {photographs} photographs cannot be read, more than "
            f"{100 * most:.0f} % ({shown}); mend or remove them, "
            "or allow more with --max-failures; rows made so far are kept"
        )


_ROWLESS = 2**16
"""Bytes that a cache without rows does not have; a larger one is not opened to see."""


def drop_rowless(path: Path, fields: Mapping[str, Any]) -> None:
    """Remove a cache of other settings that a run left before its first row.

    A first run that fails on its weights must not bind the next one to these. Call it with the
    writer's lock held.

    Args:
        path: the cache; nothing happens where there is none.
        fields: the settings that are asked for.
    """
    path, rowless = followed(path), False
    if not path.exists() or path.stat().st_size >= _ROWLESS or journal_path(path).exists():
        return
    with contextlib.suppress(CacheError), Cache.read(path) as cache:
        rowless = not len(cache) and not cache.table_rows and cache.fields != dict(fields)
    if rowless:
        path.unlink()
