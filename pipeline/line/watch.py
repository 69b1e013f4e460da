"""Judge photographs as they come into a folder: each once, a line for each part.

A step of the loop lists the folder, looks at what is complete, gathers it to parts, and tells of
the parts that are complete. What cannot be done now (a full disk, a share that is gone, a table
that another program holds) is said once and tried again; nothing is told before it is on the disk
(`pipeline.line.watch_journal`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.cache.thumbnails import Thumbnail
from features.errors import BundleError, ImageError, OnepassError
from features.photographs.file import read_photograph
from pipeline.evaluation.band import REVIEW_NAME
from pipeline.line.corrections import model_fingerprint
from pipeline.line.delivery import Command, Folders, Table
from pipeline.line.forming import Arrived, Forming, Part
from pipeline.line.kept_rows import RowKeeper
from pipeline.line.live_model import BATCH, Decoded, LiveModel
from pipeline.line.new_files import NewFile, NewFiles, Stamp, Waker
from pipeline.line.verdict_log import LoggedVerdict, append_verdicts
from pipeline.line.watch_journal import Entry, Journal, Reported
from pipeline.model.familiar import UNLIKE
from pipeline.model.part_predictions import PartPrediction, predict_parts

_log = logging.getLogger("onepass")
_IDLE = 10.0  # seconds between two looks where the system gives notice of changes


@dataclass(frozen=True)
class Pace:
    """Say how long is waited for what, in seconds.

    Attributes:
        settle: a file is complete when it has not changed for so long.
        every: between two looks at the folder.
        patience: a complete file that cannot be read is looked at again after so long, before it
            is reported as unreadable: its copy may have stalled.
        retry: between two tries of what cannot be done now.
    """

    settle: float = 1.0
    every: float = 2.0
    patience: float = 10.0
    retry: float = 5.0


_USUAL = Pace()


@dataclass(frozen=True)
class Outlets:
    """Say where verdicts go.

    Attributes:
        table: of verdicts.
        log: of `pipeline.line.verdict_log`, for drift and history; None for none.
        command: that is told of each line; None for none.
        folders: that photographs are moved to; None to leave them where they are.
        keeper: of rows in the cache; None for none.
    """

    table: Table
    log: Path | None = None
    command: Command | None = None
    folders: Folders | None = None
    keeper: RowKeeper | None = None


def columns_of(binary: bool) -> list[str]:
    """Give the columns of the table of verdicts."""
    probability = "probability_of_defect" if binary else "probability"
    return [
        "part", "class", probability, "photographs", "error", "note", "outcome", "time", "number",
        "model", "files",
    ]  # fmt: skip


class Watch:
    """A watched folder."""

    def __init__(
        self,
        live: LiveModel,
        folder: Path,
        journal: Journal,
        outlets: Outlets,
        forming: Forming,
        *,
        pace: Pace = _USUAL,
        renew: Callable[[], LiveModel] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Get ready; nothing is looked at yet.

        Args:
            live: the model.
            folder: to watch.
            journal: what was reported before.
            outlets: where verdicts go.
            forming: how photographs become parts.
            pace: how long is waited.
            renew: loads the model again, where its folder was given another; None not to look.
            say: told of each part, in a line for a person.
        """
        self.live, self.folder, self.journal, self.outlets = live, folder, journal, outlets
        self.forming, self.pace, self.renew, self.say = forming, pace, renew, say
        skip = outlets.folders.of.values() if outlets.folders else ()
        self.files = NewFiles(folder, self._known, settle=pace.settle, skip=list(skip))
        self.parts = self.photographs = self.unreadable = 0
        self._doubtful: dict[str, tuple[Stamp, float]] = {}  # unreadable, and since when
        self._taken: dict[str, Stamp] = {}  # looked at, of parts that are not reported yet
        self._queue: list[Part] = []
        self._told: set[int] = set()
        self._trouble: dict[str, str] = {}
        self._retry_at = 0.0

    def run(self, stop: threading.Event, waker: Waker, *, once: bool = False) -> None:
        """Watch until `stop` is set; with `once` until nothing is left to do."""
        with ThreadPoolExecutor(2, thread_name_prefix="decoder") as pool:
            while not stop.is_set():
                self.step(time.monotonic(), pool, stop)
                undone = self.journal.undelivered or self._queue
                busy = bool(undone or self.files.waiting or self.forming.waiting)
                if (
                    once
                    and (not busy or self._only_moves_are_left)
                    and "folder" not in self._trouble
                ):
                    return
                if once and not self.files.waiting:
                    self._queue += self.forming.due(time.monotonic(), all_of_them=True)
                idle = self.pace.every if waker.why_polling else _IDLE
                waker.sleep(min(self.pace.settle / 2, self.pace.every) if busy else idle)

    @property
    def _only_moves_are_left(self) -> bool:
        """Say whether all is told, and some photographs cannot be moved."""
        waiting = self._queue or self.files.waiting or self.forming.waiting
        untold = [e for e in self.journal.undelivered if e.number not in self._told]
        return "move" in self._trouble and not waiting and not untold

    def step(self, now: float, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        """Do what can be done now."""
        if now < self._retry_at:
            return
        self._renew(now)
        if not self._deliver_all(now) or not self._report_all(now):
            return
        try:
            new = self.files.look(now)
        except OSError as error:
            gone = f"{self.folder} cannot be listed ({error.strerror or error}); waiting for it"
            self._stuck("folder", gone, now)
            return
        self._well("folder", f"{self.folder} is back")
        for start in range(0, len(new), BATCH):
            if stop.is_set():
                return
            self._look_at(new[start : start + BATCH], now, pool)
            self._queue += self.forming.due(now)
            if not self._report_all(now):
                return
        self._queue += self.forming.due(now)
        self._report_all(now)

    def _renew(self, now: float) -> None:
        """Take the model that stands in the folder now, where it was replaced."""
        if self.renew is None:
            return
        try:
            if model_fingerprint(self.live.bundle.folder) == self.live.fingerprint:
                return
            live = self.renew()
            if live.bundle.classes.names != self.live.bundle.classes.names:
                raise BundleError(
                    f"{live.bundle.folder} was replaced by a model of other classes; expected the "
                    "same; end the watch and start it with another --out"
                )
        except OnepassError as error:
            self._stuck("model", f"{error}; going on with the model as it was", now)
            self._retry_at = now
            return
        self.live = live
        self._well("model", "the model can be read again")
        _log.warning("note: the model was replaced: going on with %s", live.fingerprint)

    # ---- looking --------------------------------------------------------------------------

    def _known(self, path: str, stamp: Stamp) -> bool:
        return self._taken.get(path) == stamp or self.journal.seen(path, stamp)

    def _look_at(self, block: Sequence[NewFile], now: float, pool: ThreadPoolExecutor) -> None:
        block = [new for new in block if not self._is_doubted(new, now)]
        decoded = list(pool.map(self._decode, block))
        read = [(new, one) for new, one in zip(block, decoded, strict=True) if one is not None]
        sound = [(new, one) for new, one in read if self._is_sound(new, one, now)]
        predicted = self.live.predict_photographs([one for _, one in sound])
        if self.outlets.keeper is not None:
            self.outlets.keeper.offer(self.live, predicted)
        for (new, _), one in zip(sound, predicted, strict=True):
            self._taken[new.path] = new.stamp
            self.files.taken(new.path)
            bare = replace(one, rows=None, look=None)
            self.forming.add(Arrived(new, bare, _time(new, one.thumbnail)), now)

    def _is_doubted(self, new: NewFile, now: float) -> bool:
        """Say whether it could not be read a moment ago, and has not changed since."""
        stamp, since = self._doubtful.get(new.path, (None, 0.0))
        return stamp == new.stamp and now - since < self.pace.patience

    def _decode(self, new: NewFile) -> Decoded | None:
        """Read and decode a file; None where it changed meanwhile, or is gone."""
        try:
            data = read_photograph(new.file, max_pixels=self.live.max_pixels)
            reason = ""
        except ImageError as error:
            data, reason = b"", str(error)
        try:
            stat = new.file.stat()
        except OSError:
            return None
        if (stat.st_size, stat.st_mtime_ns) != tuple(new.stamp):
            return None
        if reason:
            return Decoded(new.path, "", None, reason=reason)
        return self.live.decode(new.path, data)

    def _is_sound(self, new: NewFile, one: Decoded, now: float) -> bool:
        """Say whether it is to be reported: not the same bytes again, and not half a copy."""
        if self.journal.is_again(new.path, one.digest):
            self.journal.touched(new.path, new.stamp)
            return False
        if one.reason and self._doubtful.get(new.path, (None, 0.0))[0] != new.stamp:
            self._doubtful[new.path] = (new.stamp, now)
            return False
        self._doubtful.pop(new.path, None)
        return True

    # ---- telling --------------------------------------------------------------------------

    def _report_all(self, now: float) -> bool:
        """Report the parts that are complete; False where it cannot be done now."""
        while self._queue:
            part = self._queue[0]
            found, outcome, line = self._line(part)
            photographs = [
                Reported(one.new.path, one.new.stamp, one.predicted.digest)
                for one in part.photographs
            ]
            try:
                self.journal.report(line, photographs, outcome)
            except OnepassError as error:
                self._stuck("journal", str(error), now)
                return False
            self._well("journal", "reports can be written again")
            self._queue.pop(0)
            for one in part.photographs:
                self._taken.pop(one.new.path, None)
            self.parts += 1
            self.photographs += len(photographs)
            self.unreadable += sum(p.error is not None for p in found.photographs)
            self.say(_shown(found, line))
            if not self._deliver_all(now):
                return False
        return True

    def _line(self, part: Part) -> tuple[PartPrediction, str, dict[str, Any]]:
        bundle = self.live.bundle
        named = [replace(one.predicted.prediction, part=part.name) for one in part.photographs]
        (found,) = predict_parts(bundle, named)
        before = self.journal.part_before(part.name)
        again = f"a part of this name was reported before (line {before})" if before else ""
        outcome = _outcome(found, bundle.classes.names)
        values: list[Any] = [
            part.name, found.verdict,
            None if found.probability is None else round(found.probability, 6),
            len(part.photographs), found.error,
            "; ".join(filter(None, (found.note, part.note, again))) or None,
            outcome, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), None,
            self.live.fingerprint, "; ".join(one.new.path for one in part.photographs),
        ]  # fmt: skip
        line = dict(zip(columns_of(bundle.classes.binary), values, strict=True))
        return found, outcome, line

    def _deliver_all(self, now: float) -> bool:
        """Tell of what is reported; False where that cannot be done now."""
        for entry in self.journal.undelivered:
            try:
                if entry.number not in self._told:
                    self._tell(entry)
                    self._told.add(entry.number)
                self._well("outlets", "verdicts can be written again")
            except OnepassError as error:
                self._stuck("outlets", str(error), now)
                return False
            try:
                if self.outlets.folders is not None:
                    self.outlets.folders.move(entry)
                self.journal.delivered(entry)
                self._told.discard(entry.number)
            except OnepassError as error:  # reported all the same; moved when that can be done
                self._trouble.setdefault("move", "")
                if self._trouble["move"] != str(error):
                    self._trouble["move"] = str(error)
                    _log.warning("note: %s; trying again", error)
                continue
            self._well("move", "photographs can be moved again")
        return True

    def _tell(self, entry: Entry) -> None:
        self.outlets.table.add(entry.line)
        if self.outlets.log is not None:
            append_verdicts(self.outlets.log, [self._logged(entry)])
        if self.outlets.command is not None:
            wrong = self.outlets.command.tell(entry.line)
            if wrong:
                _log.warning("note: line %d: %s", entry.number, wrong)

    def _logged(self, entry: Entry) -> LoggedVerdict:
        line = entry.line
        probability = line.get("probability_of_defect", line.get("probability"))
        return LoggedVerdict(
            time=time.time(), source="watch", part=str(line["part"]),
            digests=tuple(p.digest for p in entry.photographs), verdict=line["class"],
            probability=probability, limit=self.live.limit, model=str(line["model"]),
            unlike=UNLIKE in str(line["note"] or ""), error=str(line["error"] or ""),
        )  # fmt: skip

    def _stuck(self, what: str, text: str, now: float) -> None:
        """Say once what cannot be done now, and try again later."""
        self._retry_at = now + self.pace.retry
        if self._trouble.get(what) != text:
            self._trouble[what] = text
            _log.warning("note: %s; trying again every %g s", text, self.pace.retry)

    def _well(self, what: str, text: str) -> None:
        if self._trouble.pop(what, None) is not None:
            _log.warning("note: %s", text)


def _time(new: NewFile, thumbnail: Thumbnail | None) -> float:
    """Read when it was taken by the camera's clock; else when the file was changed: seconds."""
    if thumbnail is not None and thumbnail.capture_time >= 0:
        return thumbnail.capture_time / 1000
    return new.stamp.mtime_ns / 1e9


def _outcome(found: PartPrediction, names: Sequence[str]) -> str:
    if found.verdict is None or found.verdict == REVIEW_NAME:
        return "review"
    return {names[0]: "ok", names[1]: "defect"}[found.verdict] if len(names) == 2 else ""


def _shown(found: PartPrediction, line: dict[str, Any]) -> str:
    count = len(found.photographs)
    several = f" ({count} photographs)" if count > 1 else ""
    verdict = f"{found.verdict} {found.said}" if found.verdict else f"unreadable: {found.error}"
    note = f"; {line['note']}" if line["note"] else ""
    return f"{found.part}: {verdict}{several}{note}"
