"""Deliver the verdicts of a watched folder: to a table, a command, folders of photographs."""

from __future__ import annotations

import csv
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.errors import DataError, OutputError
from features.files import sync_file, sync_folder
from pipeline.line.json_lines import append_bytes
from pipeline.line.watch_journal import OUTCOMES, Entry
from pipeline.output.overwrite import PREDICTIONS, check_overwritable
from pipeline.output.tables import MARK, escaped_json, to_csv

_TAIL = 2**20  # bytes of a table in which a line is looked for
_log = logging.getLogger("onepass")


class Table:
    """The table of verdicts: one line for each part, added and synced, never rewritten."""

    def __init__(self, out: str, columns: Sequence[str], *, force: bool = False) -> None:
        """See that lines can be added.

        Args:
            out: a name in .csv or .jsonl, or "-" for JSON lines on standard output.
            columns: of the table.
            force: add to a file that this program did not write, too.

        Raises:
            DataError: another suffix, or a table with other columns.
            OutputError: a file is there that this program did not write.
        """
        self.path = None if out == "-" else Path(out)
        self.columns = list(columns)
        if self.path is None:
            return
        suffix = self.path.suffix.lower()
        if suffix not in (".csv", ".jsonl"):
            raise DataError(f"cannot add lines to {out}; expected .csv or .jsonl, or - for none")
        check_overwritable(self.path, PREDICTIONS[suffix], force=force)
        if suffix == ".csv" and self.path.is_file() and self.path.stat().st_size:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                found = next(csv.reader(file), [])
            if found != self.columns:
                raise DataError(
                    f"{out} has the columns {', '.join(found)}; expected {', '.join(columns)}: it "
                    "is no table of `watch`; name another --out"
                )

    @property
    def has_lines(self) -> bool:
        """Say whether verdicts stand in it already."""
        return self.path is not None and self.path.is_file() and self.path.stat().st_size > 0

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line, unless it stands at the end already.

        Raises:
            OutputError: it cannot be written; nothing is added.
        """
        line = {name: line.get(name) for name in self.columns}  # in one order, so that it is found
        if self.path is None:
            print(_json(line), flush=True)  # noqa: T201 - the gateway reads it
            return
        new = not self.path.is_file() or not self.path.stat().st_size
        if self.path.suffix.lower() == ".jsonl":
            text = f"{_json(line)}\n"
        else:
            header, _, text = to_csv(self.columns, [line]).partition("\n")
            text = f"{MARK}{header}\n{text}" if new else text
        if not new and text.rstrip("\n") in _last_lines(self.path):
            return
        append_bytes(self.path, text.encode("utf-8", "backslashreplace"))


def _json(line: Mapping[str, Any]) -> str:
    return escaped_json(json.dumps(line, ensure_ascii=False))


def _last_lines(path: Path) -> set[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return set(file.read().decode("utf-8", "replace").split("\n"))


class Command:
    """A program that is told of each line, as JSON on its standard input; never through a shell."""

    def __init__(self, text: str, seconds: float) -> None:
        """Take a command line apart.

        Args:
            text: the program and its arguments.
            seconds: after which it is ended.

        Raises:
            DataError: there is no such program.
        """
        try:
            self.words = shlex.split(text, posix=os.name != "nt")
            if os.name == "nt":  # there backslashes are no escapes, and quotes stay
                self.words = [word.strip('"') for word in self.words]
        except ValueError as error:
            raise DataError(f"--exec {text!r} cannot be read ({error}); check its quotes") from None
        self.seconds = seconds
        if not self.words or shutil.which(self.words[0]) is None:
            raise DataError(
                f"--exec names {self.words[0] if self.words else 'nothing'!r}, which is no program "
                "that can be started; expected a program and its arguments, without a shell"
            )

    def tell(self, line: Mapping[str, Any]) -> str:
        """Run it for one line; says what went wrong, "" for nothing."""
        try:
            done = subprocess.run(  # noqa: S603 - the user's own program, no shell
                self.words,
                input=f"{_json(line)}\n".encode("utf-8", "backslashreplace"),
                stdout=sys.stderr.fileno() if _has_number(sys.stderr) else subprocess.DEVNULL,
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{self.words[0]} did not end within {self.seconds:g} s and was ended"
        except OSError as error:
            return f"{self.words[0]} cannot be started ({error.strerror})"
        return f"{self.words[0]} ended with {done.returncode}" if done.returncode else ""


def _has_number(stream: Any) -> bool:  # noqa: ANN401 - a stream or what stands for one
    try:
        return isinstance(stream.fileno(), int)
    except (OSError, ValueError, AttributeError):
        return False


class Folders:
    """Folders that photographs are moved to: of good parts, for a person, of defective ones."""

    def __init__(self, text: str, watched: Path) -> None:
        """Name the folders.

        Args:
            text: three names with commas, for ok, review and defect; relative ones lie in the
                watched folder and are not watched.
            watched: the folder that photographs come from.

        Raises:
            DataError: not three different folders, or one of them is the watched one.
        """
        names = [name.strip() for name in text.split(",")]
        self.root = watched
        self.of = dict(zip(OUTCOMES, [watched / name for name in names], strict=False))
        places = {os.path.abspath(place) for place in self.of.values()}  # noqa: PTH100 - as text, for many files at once
        if len(names) != len(OUTCOMES) or not all(names) or len(places) != len(OUTCOMES):
            raise DataError(
                f"--move-to is {text!r}; expected three folders, for good parts, for a person and "
                "for defective parts: ok,review,defect"
            )
        if any(
            Path(place) in (watched.absolute(), *watched.absolute().parents) for place in places
        ):
            raise DataError(
                f"--move-to names {watched} itself or a folder above it; expected other folders"
            )

    def move(self, entry: Entry) -> None:
        """Move the photographs of a line; what was moved before is left alone.

        A file of the same name is never replaced: the new one gets a number.

        Raises:
            OutputError: a photograph cannot be moved; those before it were.
        """
        for one in entry.photographs:
            source = self.root / one.path
            try:
                stat = source.stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OutputError(f"{source} cannot be moved ({error.strerror})") from error
            if (stat.st_size, stat.st_mtime_ns) != tuple(one.stamp):
                continue  # another photograph has its name by now
            target = self.of[entry.outcome] / one.path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _move(source, target)
            except OSError as error:
                raise OutputError(
                    f"{source} cannot be moved to {target.parent} ({error.strerror or error}); "
                    "free some space or check the permissions"
                ) from error


def _move(source: Path, target: Path) -> None:
    """Rename, or copy to another disk and delete; the photograph is whole somewhere always."""
    number, place = 1, target
    while place.exists():
        if _same(source, place):  # copied before a crash, and not deleted
            source.unlink()
            return
        number += 1
        place = target.with_name(f"{target.stem}-{number}{target.suffix}")
    try:
        source.rename(place)
    except OSError:
        part = place.with_name(f".{place.name}.part")
        shutil.copy2(source, part)
        sync_file(part)
        part.rename(place)
        sync_folder(place.parent)
        source.unlink()


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
