"""Say what a watched folder's photographs came to: written before anybody is told.

A line is first written here, with the photographs that it is about, and is on the disk before the
table, a command or a moved file shows it. After a crash every line is here or was never told, so a
photograph is reported once: what stands here and is not marked as delivered is delivered when the
watch starts again, and a table that has the line already does not get it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import DataError
from pipeline.line.json_lines import append_lines, read_lines
from pipeline.line.new_files import Stamp
from pipeline.model.files import is_below

OUTCOMES = ("ok", "review", "defect")


@dataclass(frozen=True)
class Reported:
    """A photograph that a line is about.

    Attributes:
        path: relative to the watched folder.
        stamp: of the file, as it was looked at.
        digest: SHA-256 (hex) of it; "" where it could not be read.
    """

    path: str
    stamp: Stamp
    digest: str


@dataclass(frozen=True)
class Entry:
    """One line that is told.

    Attributes:
        number: from 1, without gaps.
        line: what is told, by name.
        photographs: that it is about.
        outcome: of OUTCOMES: where the photographs go.
    """

    number: int
    line: Mapping[str, Any]
    photographs: tuple[Reported, ...]
    outcome: str


class Journal:
    """The journal of one table of verdicts."""

    def __init__(self, path: Path) -> None:
        """Read what was reported.

        Raises:
            DataError: the file cannot be read, or is no journal.
        """
        self.path = path
        self._seen: dict[str, tuple[Stamp, str]] = {}
        self._parts: dict[str, int] = {}
        self._open: dict[int, Entry] = {}
        self._last = 0
        for record in read_lines(path):
            try:
                self._take(record)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise DataError(
                    f"{path} has a line that is no report ({error!r}); expected the journal of "
                    "`watch`; name another --out, or put the file back from a copy"
                ) from error

    def _take(self, record: Mapping[str, Any]) -> None:
        number = int(record["number"])
        # A report is written before anybody is told: what has no "delivered" is told again.
        if record["kind"] == "delivered":
            self._open.pop(number, None)
            return
        photographs = tuple(
            Reported(str(path), Stamp(int(size), int(mtime)), str(digest))
            for path, size, mtime, digest in record["photographs"]
        )
        outcome = str(record["outcome"])
        if outcome not in OUTCOMES or not all(is_below(one.path) for one in photographs):
            raise ValueError("an outcome that there is not, or a photograph outside the folder")
        self._note(Entry(number, dict(record["line"]), photographs, outcome))

    def _note(self, entry: Entry) -> None:
        self._open[entry.number] = entry
        self._last = max(self._last, entry.number)
        self._parts[str(entry.line["part"])] = entry.number
        for one in entry.photographs:
            self._seen[one.path] = (one.stamp, one.digest)

    @property
    def undelivered(self) -> list[Entry]:
        """Give the lines that are on the disk, and of which nobody may have been told."""
        return list(self._open.values())

    @property
    def lines(self) -> int:
        """Say how many were reported."""
        return self._last

    def seen(self, path: str, stamp: Stamp) -> bool:
        """Say whether a photograph in this state was reported."""
        known = self._seen.get(path)
        return known is not None and known[0] == stamp

    def is_again(self, path: str, digest: str) -> bool:
        """Say whether the same bytes of the same name were reported: the file was only touched."""
        known = self._seen.get(path)
        return known is not None and known[1] == digest != ""

    def touched(self, path: str, stamp: Stamp) -> None:
        """Know the new times of a file whose bytes were reported; a restart reads it again."""
        self._seen[path] = (stamp, self._seen[path][1])

    def part_before(self, part: str) -> int:
        """Give the line in which a part of this name was reported last; 0 for none."""
        return self._parts.get(part, 0)

    def report(
        self, line: Mapping[str, Any], photographs: Sequence[Reported], outcome: str
    ) -> Entry:
        """Write a line and its photographs; on the disk when this returns.

        Raises:
            OutputError: the disk is full, or the place cannot be written; nothing is reported.
        """
        number = self._last + 1
        entry = Entry(number, {**line, "number": number}, tuple(photographs), outcome)
        record = {
            "kind": "report",
            "number": number,
            "line": entry.line,
            "photographs": [[one.path, *one.stamp, one.digest] for one in photographs],
            "outcome": outcome,
        }
        # On the disk first, in memory after it: what fails here was never reported.
        append_lines(self.path, [record])
        self._note(entry)
        return entry

    def delivered(self, entry: Entry) -> None:
        """Note that a line was told wherever it is to be told.

        Raises:
            OutputError: it cannot be written; the line may be told a second time.
        """
        append_lines(self.path, [{"kind": "delivered", "number": entry.number}])
        self._open.pop(entry.number, None)
