"""Keep what a person says of a verdict: right, wrong, cannot tell. Nothing is overwritten.

INBOX/corrections.jsonl          a line for each correction, and for each one taken back
INBOX/photographs/CLASS/…        copies of corrected photographs, as `extract` reads a folder
INBOX/set-aside/…                copies that count for no class: cannot tell, or taken back

A copy is written before its line: what is acknowledged is whole. `Inbox.settle` puts aside what
a killed process copied and did not acknowledge.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from features.errors import BundleError, DataError, OutputError
from features.files import refuse_outside, sync_folder, write_whole
from features.photographs.decode import SUFFIXES
from features.photographs.file import Photograph
from pipeline.line.json_lines import append_lines, is_number, read_lines
from pipeline.model.files import MODEL_FILE
from pipeline.output.tables import MARK, to_csv

Judgement = Literal["right", "wrong", "unsure"]
JUDGEMENTS: tuple[Judgement, ...] = ("right", "wrong", "unsure")

LOG, PHOTOGRAPHS, SET_ASIDE, GROUPS = "corrections.jsonl", "photographs", "set-aside", "groups.csv"
VERDICTS = "verdicts.jsonl"
"""Names inside an inbox; the last is of `pipeline.line.verdict_log`."""

_log = logging.getLogger("onepass")
_NAME = 60  # characters of a part's name in file names
_TEXT = 2000  # characters of a note
Asked = ParamSpec("Asked")
Made = TypeVar("Made")


def model_fingerprint(folder: Path) -> str:
    """Tell one model from all others: 16 hex digits of the SHA-256 of its `model.json`.

    That file has the digests of all others, so no two models share it.

    Raises:
        BundleError: there is none.
    """
    try:
        return hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise BundleError(f"no model at {folder}; make one with: fit --out {folder}") from error


@dataclass(frozen=True)
class Shown:
    """Hold what a person was shown of a part, before they said anything.

    Attributes:
        part: its name.
        verdict: class name, "review", or None where no photograph could be read.
        probability: as in `pipeline.model.predict.Prediction`; None without a verdict.
        model: `model_fingerprint`.
    """

    part: str
    verdict: str | None
    probability: float | None
    model: str


@dataclass(frozen=True)
class Correction:
    """Hold what a person said of the verdict on one part.

    Attributes:
        id: of this line.
        time: UTC, as 2026-11-28T18:00:00Z.
        part: its name, as it was shown.
        digests: SHA-256 (hex) of its photographs' files.
        files: the copies, relative to the inbox, in the same order.
        verdict: that the model gave: class name, "review", or None.
        probability: that the model gave, as in `pipeline.model.predict.Prediction`.
        model: `model_fingerprint`.
        judgement: "right", "wrong" or "unsure": cannot tell.
        label: the class that holds; "" for cannot tell.
        note: what else was said.
        by: who; "" where nobody said.
    """

    id: str
    time: str
    part: str
    digests: tuple[str, ...]
    files: tuple[str, ...]
    verdict: str | None
    probability: float | None
    model: str
    judgement: Judgement
    label: str
    note: str = ""
    by: str = ""


def _one_at_a_time(
    change: Callable[Concatenate[Inbox, Asked], Made],
) -> Callable[Concatenate[Inbox, Asked], Made]:
    """Let a change of an inbox wait for the one before it.

    A copy is written before its line: who settled in between would put it aside.
    """

    @functools.wraps(change)
    def waiting(self: Inbox, /, *given: Asked.args, **named: Asked.kwargs) -> Made:
        """Make the change when no other is being made."""
        with self._changing:
            return change(self, *given, **named)

    return waiting


class Inbox:
    """The folder where corrections are kept; several threads may share one."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made by the first correction."""
        self.folder = folder
        self._changing = threading.RLock()

    @property
    def log(self) -> Path:
        """Give the append-only log."""
        return self.folder / LOG

    @property
    def data(self) -> Path:
        """Say what `extract` reads: one folder of copies per class."""
        return self.folder / PHOTOGRAPHS

    @_one_at_a_time
    def correct(
        self,
        photographs: Sequence[tuple[bytes, str]],
        shown: Shown,
        *,
        judgement: Judgement,
        label: str,
        note: str = "",
        by: str = "",
    ) -> Correction:
        """Keep what a person said; it is on the disk when this returns.

        Args:
            photographs: of the part: whole files, and their suffixes such as ".jpg".
            shown: the verdict that was corrected.
            judgement: "right", "wrong" or "unsure": cannot tell.
            label: the class that holds; "" for cannot tell.
            note: what else was said.
            by: who.

        Raises:
            DataError: no photograph, another judgement, or a class that is no folder's name.
            OutputError: it cannot be written; nothing is acknowledged.

        Example:
            >>> shown = Shown("7", "Healthy", 0.1, "0123456789abcdef")
            >>> inbox.correct(
            ...     [(data, ".jpg")], shown, judgement="wrong", label="defects"
            ... )  # doctest: +SKIP
        """
        _check(photographs, judgement, label)
        self.refuse_links()
        digests = tuple(hashlib.sha256(data).hexdigest() for data, _ in photographs)
        where = f"{PHOTOGRAPHS}/{label}" if label else SET_ASIDE
        names = [
            f"{where}/{_safe(shown.part)}__{digest[:12]}{_suffix(suffix)}"
            for digest, (_, suffix) in zip(digests, photographs, strict=True)
        ]
        self._clear(digests, keep=set(names))
        for name, (data, _) in zip(names, photographs, strict=True):
            refuse_outside(self.folder / name, self.folder)
            if not (self.folder / name).exists():
                write_whole(self.folder / name, data)
        made = Correction(
            id=secrets.token_hex(8), time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            part=shown.part, digests=digests, files=tuple(names), verdict=shown.verdict,
            probability=shown.probability, model=shown.model, judgement=judgement, label=label,
            note=note[:_TEXT], by=by[:_NAME],
        )  # fmt: skip
        append_lines(self.log, [{"kind": "correction", **asdict(made)}])
        try:
            self._write_groups()
        except OutputError as error:  # it follows from the log, and is written with the next one
            _log.warning("note: %s; the correction is kept", error)
        return made

    def refuse_links(self) -> None:
        """See that what the inbox holds lies in it: a class folder that is a link leads elsewhere.

        Raises:
            OutputError: see `features.files.refuse_outside`.
        """
        folders = [self.data, *(self.data.iterdir() if self.data.is_dir() else ())]
        folders += [self.folder / name for name in (LOG, VERDICTS, GROUPS, SET_ASIDE)]
        for place in folders:
            refuse_outside(place, self.folder)

    @_one_at_a_time
    def undo(self, number: str) -> Correction:
        """Take a correction back; its line stays, and one that says so is added.

        Args:
            number: `Correction.id`.

        Raises:
            DataError: there is none of this id, or it was taken back before.
            OutputError: it cannot be written, or a link leads out of the inbox.
        """
        self.refuse_links()
        found = [one for one in self._lines() if one.id == number]
        if not found:
            raise DataError(f"no correction {number!r} in {self.log}; it may be taken back already")
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        append_lines(self.log, [{"kind": "undo", "of": number, "time": when}])
        self.settle()
        return found[0]

    def corrections(self) -> list[Correction]:
        """List what holds, oldest first: of several about a photograph the latest.

        Raises:
            DataError: the log cannot be read.
        """
        return list({one.id: one for one, _ in self._holding().values()}.values())

    def labelled(self) -> set[str]:
        """Give the digests of photographs that have a class; raises as `corrections` does."""
        return {digest for one in self.corrections() if one.label for digest in one.digests}

    def photographs(self) -> list[Photograph]:
        """List the copies that have a class, with class and part, paths as `extract` gives them.

        Raises:
            DataError: the log cannot be read.
            OutputError: a link leads out of the inbox.
        """
        self.refuse_links()
        holding = [(one, name) for one, name in self._holding().values() if one.label]
        for _, name in holding:
            refuse_outside(self.folder / name, self.folder)
        return [
            Photograph(self.folder / name, name.partition("/")[2], one.label, f"inbox-{one.part}")
            for one, name in holding
        ]

    @_one_at_a_time
    def settle(self) -> int:
        """Bring the copies in line with the log; returns how many were put aside or back.

        Raises:
            DataError: the log cannot be read.
            OutputError: the folder cannot be written.
        """
        self.refuse_links()
        wanted = {name for _, name in self._holding().values()}
        moved = 0
        for file in sorted(self.data.glob("*/*")) if self.data.is_dir() else ():
            if file.is_file() and file.relative_to(self.folder).as_posix() not in wanted:
                _move(file, self.folder / SET_ASIDE / file.name)
                moved += 1
        for name in wanted:
            aside = self.folder / SET_ASIDE / Path(name).name
            if not (self.folder / name).exists() and aside.is_file():
                _move(aside, self.folder / name)
                moved += 1
        if self.folder.is_dir():
            self._write_groups()
        return moved

    def _holding(self) -> dict[str, tuple[Correction, str]]:
        """Find what holds of each photograph, by digest: the latest correction, and its copy."""
        latest: dict[str, tuple[Correction, str]] = {}
        for one in self._lines():
            for digest, name in zip(one.digests, one.files, strict=True):
                latest.pop(digest, None)
                latest[digest] = one, name
        return latest

    def _lines(self) -> list[Correction]:
        """Read all that were made and not taken back, oldest first."""
        made: dict[str, Correction] = {}
        for record in read_lines(self.log):
            if record.get("kind") == "undo":
                made.pop(str(record.get("of")), None)
            else:
                one = self._correction(record)
                made[one.id] = one
        return list(made.values())

    def _correction(self, record: Mapping[str, Any]) -> Correction:
        values = {name: value for name, value in record.items() if name != "kind"}
        try:
            files = tuple(map(str, values["files"]))
            one = Correction(
                **{**values, "digests": tuple(map(str, values["digests"])), "files": files}
            )
            sound, why = _is_sound(one), "a number or a text is something else"
        except (KeyError, TypeError) as error:
            sound, why = False, repr(error)
        if not sound:
            raise DataError(
                f"{self.log} has a line that is no correction ({why}); expected what Onepass "
                "wrote; take the line out, or put the file back from a copy"
            )
        if len(one.digests) != len(files) or any(not _is_own(name) for name in files):
            raise DataError(
                f"{self.log} names files outside the inbox; it was tampered with: do not use it"
            )
        return one

    def _clear(self, digests: Sequence[str], keep: set[str]) -> None:
        """Put copies of these photographs in other classes aside: the latest word counts."""
        for one in self._lines():
            for digest, name in zip(one.digests, one.files, strict=True):
                file = self.folder / name
                if digest in digests and name not in keep and file.is_file() and one.label:
                    _move(file, self.folder / SET_ASIDE / file.name)

    def _write_groups(self) -> None:
        """Write which copies show one part, as `extract --groups` reads it."""
        rows = [{"path": p.path, "group": p.group} for p in self.photographs()]
        write_whole(self.folder / GROUPS, MARK + to_csv(["path", "group"], rows))


def _is_sound(one: Correction) -> bool:
    """Say whether texts are texts, and the probability a number."""
    texts = (one.id, one.time, one.part, one.model, one.label, one.note, one.by, one.verdict or "")
    return all(isinstance(text, str) for text in texts) and (
        one.probability is None or is_number(one.probability)
    )


def _check(photographs: Sequence[tuple[bytes, str]], judgement: str, label: str) -> None:
    if not photographs:
        raise DataError("found no photograph to correct; expected those of one part")
    if judgement not in JUDGEMENTS:
        raise DataError(f"found {judgement!r}; expected {', '.join(JUDGEMENTS)}")
    if (judgement == "unsure") == bool(label):
        raise DataError(
            f"found the class {label!r} for {judgement!r}; expected a class for right and wrong, "
            "and none for unsure"
        )
    if label and (label.startswith(".") or any(c in '/\\:*?"<>|' or c < " " for c in label)):
        raise DataError(f"{label!r} cannot be the name of a folder; rename the class")


def _safe(part: str) -> str:
    """Give what a file's name may have of a part's name; what it is stands in the log."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", part)[-_NAME:].strip(".-") or "part"


def _suffix(suffix: str) -> str:
    return suffix.lower() if suffix.lower() in SUFFIXES else ".jpg"


def _is_own(name: str) -> bool:
    parts = name.split("/")
    known = parts[0] in (PHOTOGRAPHS, SET_ASIDE) and len(parts) == 2 + (parts[0] == PHOTOGRAPHS)
    return known and not any(part in ("", ".", "..") or "\\" in part for part in parts)


def _move(file: Path, to: Path) -> None:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, to)  # noqa: PTH105 - one step, and over a copy of the same bytes
        sync_folder(to.parent)
    except OSError as error:
        raise OutputError(
            f"{file} cannot be moved to {to.parent} ({error.strerror or error}); check the disk"
        ) from error
