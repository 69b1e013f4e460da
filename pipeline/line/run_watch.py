"""Set up a watched folder, keep it running until it is told to stop, and end cleanly."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from features.cache.lock import writing
from features.errors import CacheBusyError, DataError, OutputError
from pipeline.cnn.cnn import Cnn
from pipeline.groups.rules import GroupRule
from pipeline.line.delivery import Command, Folders, Table
from pipeline.line.forming import Forming
from pipeline.line.kept_rows import RowKeeper
from pipeline.line.live_model import LiveModel
from pipeline.line.new_files import Waker
from pipeline.line.watch import Outlets, Pace, Watch, columns_of
from pipeline.line.watch_journal import Journal
from pipeline.model.bundle import Bundle

_log = logging.getLogger("onepass")


@dataclass(frozen=True)
class Wishes:
    """Hold what a person asked for; the options of `watch`.

    Attributes:
        folder: to watch.
        out: name of the table, or "-".
        move_to: three folders with commas; None to leave photographs where they are.
        command: program that is told of each line; None for none.
        command_seconds: after which it is ended.
        log: of verdicts.
        journal: of what was reported; None for beside the table.
        cache: that keeps rows for drift; None for none.
        groups: how photographs become parts.
        part_size: photographs of each part; None where they differ.
        pause: seconds after which a part is complete.
        settle: seconds after which a file is complete.
        every: seconds between two looks.
        polling: whether to ask the system for no notice.
        once: whether to end when all is reported.
        force: add to a table that this program did not write.
    """

    folder: Path
    out: str
    move_to: str | None
    command: str | None
    command_seconds: float
    log: Path
    journal: Path | None
    cache: Path | None
    groups: GroupRule
    part_size: int | None
    pause: float
    settle: float
    every: float
    polling: bool
    once: bool
    force: bool


def run_watch(
    live: Callable[[], LiveModel],
    bundle: Bundle,
    wishes: Wishes,
    say: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Watch:
    """Watch a folder until SIGTERM, Ctrl-C, or until `stop` is set.

    Args:
        live: loads the model and makes it ready; called once all else is known to be in order,
            and again where another model takes its place.
        bundle: of that model.
        wishes: what was asked for.
        say: told of each part in a line.
        stop: ends it from another thread.

    Raises:
        DataError: the folder, a table of parts, or what was asked for cannot be used.
        OutputError: another process watches with the same journal, or a file is somebody else's.
    """
    if not wishes.folder.is_dir():
        raise DataError(f"no folder {wishes.folder}; expected the one that photographs come into")
    if wishes.move_to is not None and not bundle.classes.binary:
        raise DataError(
            f"--move-to takes a model of two classes; {bundle.folder} knows "
            f"{len(bundle.classes.names)}"
        )
    path = _journal_path(wishes)
    table = Table(wishes.out, columns_of(bundle.classes.binary), force=wishes.force)
    folders = Folders(wishes.move_to, wishes.folder) if wishes.move_to is not None else None
    command = Command(wishes.command, wishes.command_seconds) if wishes.command else None
    forming = Forming(wishes.groups, pause=wishes.pause, size=wishes.part_size)
    with _alone(path):
        journal = Journal(path)
        if table.path is not None and not journal.lines and table.has_lines:
            raise DataError(
                f"{table.path} has verdicts, and {path}, which says of which photographs, is not "
                "there: all would be reported again; put it back, or name another --out"
            )
        keeper = None
        if wishes.cache is not None and not isinstance(bundle.head, Cnn):
            keeper = RowKeeper(wishes.cache)
        outlets = Outlets(table, wishes.log, command, folders, keeper)
        pace = Pace(settle=wishes.settle, every=wishes.every)
        watch = Watch(
            live(), wishes.folder, journal, outlets, forming, pace=pace, renew=live, say=say
        )
        _introduce(watch, wishes, say)
        _run(watch, wishes, stop or threading.Event())
        if keeper is not None:
            keeper.close()
    return watch


def _journal_path(wishes: Wishes) -> Path:
    if wishes.journal is not None:
        return wishes.journal
    if wishes.out == "-":
        raise DataError(
            "found --out -, beside which no journal can stand; expected --journal FILE, so that "
            "each photograph is reported once"
        )
    out = Path(wishes.out)
    return out.with_name(f"{out.stem}.journal.jsonl")


@contextlib.contextmanager
def _alone(journal: Path) -> Iterator[None]:
    """Hold the only right to watch with this journal."""
    held = journal.with_name(f"{journal.name}.watch")
    journal.parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing(held, wait=0.0):
            yield
    except CacheBusyError as error:
        raise OutputError(
            f"another process watches with {journal} ({error}); end it, or name another --out"
        ) from error


def _introduce(watch: Watch, wishes: Wishes, say: Callable[[str], None]) -> None:
    lines = watch.journal.lines
    before = f"; {lines:,} parts were reported before" if lines else ""
    say(f"watching {wishes.folder}, Ctrl-C ends it{before}")
    decision = watch.live.bundle.decision
    if wishes.groups.kind == "none" and decision.of_wholes:
        _log.warning(
            "note: nobody said which photographs show one part: each is a part of its own; "
            "--groups, --group-regex or --group-gap say it"
        )


def _run(watch: Watch, wishes: Wishes, stop: threading.Event) -> None:
    """Run the loop; signals end it after the photographs that are being looked at."""
    waker = Waker(wishes.folder, polling=wishes.polling)
    if waker.why_polling and not wishes.polling:
        _log.warning("note: looking every %g s: %s", wishes.every, waker.why_polling)

    def end(_number: int, _frame: FrameType | None) -> None:
        """End after what is being done."""
        stop.set()
        waker.wake()

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, end)
    try:
        watch.run(stop, waker, once=wishes.once)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        waker.close()
