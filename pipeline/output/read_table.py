"""Tables of people, as spreadsheets of any country write them, to cells of text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from features.errors import DataError
from features.photographs.decode import SUFFIXES as PICTURES
from pipeline.output.names import name_key
from pipeline.output.tables import from_cell
from pipeline.output.text_encoding import decode_text

MOST_BYTES = 2**30
"""A larger table is refused; one line of a photograph takes about 100 bytes."""

SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json"})
"""File names that may be tables, lower case."""

WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xls", ".ods", ".numbers"})
"""File names of tables that are not read, lower case."""

PATH_COLUMNS = (
    "path", "file name", "filename", "file", "file path", "image path", "image", "image name",
    "image file", "image id", "img", "img name", "photograph", "photo", "picture", "relative path",
    "datei", "dateiname", "bild", "bildname", "bilddatei", "foto", "pfad", "fichier",
    "nom du fichier", "chemin", "archivo", "imagen", "ruta", "nome file", "immagine", "plik",
    "soubor", "dosya", "bestand",
    "ファイル名", "ファイル", "画像", "画像名", "文件名", "文件", "图片", "图像", "檔案",
    "파일명", "파일", "файл", "имя файла", "name", "id",
)  # fmt: skip
"""What a column of paths is called, the surest first."""

_SEPARATORS = "\t;,|"
_TITLES, _HEAD = 12, 10_000  # lines, and letters, in which a header is looked for
_SEP_LINE = re.compile(r"\A\s*\"?sep=(?P<separator>[\t;,|])\"?[ \t]*\r?\n", re.IGNORECASE)
_OTHER = {
    b"PK\x03\x04": "an Excel or OpenDocument workbook, or a ZIP",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
}


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        file: where it was read.
        columns: their names, without spaces around them.
        rows: one list of cells for each line, as long as `columns`; a missing cell is "".
        note: in which code page it was read, for a person; "" for UTF-8 and UTF-16.
        has_header: whether the names of the columns stand in the file.
        nested: columns that hold objects or lists, with what stands in the first such cell.
    """

    file: Path
    columns: list[str]
    rows: list[list[str]]
    note: str = ""
    has_header: bool = True
    nested: Mapping[str, str] = field(default_factory=dict)

    def find(self, names: Iterable[str]) -> str | None:
        """Give the first of the columns, in the order of `names`, that is called so in any form."""
        by_key = {_column_key(column): column for column in reversed(self.columns)}
        return next((by_key[key] for key in map(_column_key, names) if key in by_key), None)

    def column(self, name: str) -> list[str]:
        """Give the cells of a column, as they stand.

        Raises:
            DataError: no such column, or two, or one of objects or lists.
        """
        places = [
            at for at, one in enumerate(self.columns) if _column_key(one) == _column_key(name)
        ]
        if len(places) != 1:
            raise DataError(
                f"{self.file} has the columns {', '.join(self.columns) or 'none'}; "
                f"expected one called {name}"
            )
        if (found := self.columns[places[0]]) in self.nested:
            raise DataError(
                f"{self.file} says {self.nested[found][:80]} in {found}; expected one text or "
                f'number in each, as in {{"path": "1.jpg", "{found}": "ok"}}'
            )
        return [row[places[0]] for row in self.rows]


def read_table(file: Path, names: Iterable[str] = ()) -> Table:
    r"""Read a table: CSV with comma, semicolon, tab, bar or spaces; JSON Lines; a JSON list.

    UTF-8 with or without a byte order mark and UTF-16 are read, code pages where they are sure (see
    `pipeline.output.text_encoding`), and Excel's line `sep=;`.

    Args:
        file: the table.
        names: of photographs that it may name, which tell its code page.

    Raises:
        DataError: it cannot be opened, is another kind of file or in a code page that cannot be
            told, or its lines do not fit its header.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"the table {file} has more than {MOST_BYTES:,} bytes; expected fewer")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(
            f"the table {file} cannot be read ({getattr(error, 'strerror', None) or error}); "
            "expected a CSV file or JSON Lines"
        ) from error
    for start, what in _OTHER.items():
        if data.startswith(start):
            raise DataError(f"{file} is {what}; expected a table as text: save it as CSV (UTF-8)")
    names = list(names)
    text, note = decode_text(data, file, names)
    if file.suffix.lower() in {".jsonl", ".ndjson", ".json"}:
        return replace(_from_json(file, text, names), note=note)
    return replace(_from_csv(file, text, names), note=note)


def _from_csv(file: Path, text: str, names: Sequence[str]) -> Table:
    told = _SEP_LINE.match(text)
    if told:
        text = "\n" + text[told.end() :]
    try:
        text = _without_titles(text, told["separator"] if told else _SEPARATORS, names)
        separator = told["separator"] if told else _separator(text, names)
        lines = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True
        )
        filled = [(lines.line_num, line) for line in lines if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise DataError(f"{file} cannot be read as a table ({error}); expected CSV") from error
    if not filled:
        raise DataError(f"{file} is empty; expected a table with a header line")
    columns = [from_cell(cell).strip() for cell in filled[0][1]]
    while columns and not columns[-1]:
        columns.pop()
    rows = []
    for number, line in filled[1:]:
        if any(cell.strip() for cell in line[len(columns) :]):
            raise DataError(
                f"line {number} of {file} has {len(line)} cells, its header {len(columns)} "
                f"(line {filled[0][0]}); expected as many: a cell with the separator in it stands "
                "in double quotes; a header below titles names a column of files, such as path, "
                f"and was looked for in the first {_TITLES} lines"
            )
        cells = [from_cell(cell) for cell in line[: len(columns)]]
        rows.append(cells + [""] * (len(columns) - len(cells)))
    _refuse_swallowed(file, filled, separator, names)
    return Table(file, columns, rows)


def _without_titles(text: str, separators: str, names: Sequence[str]) -> str:
    """Empty the lines above a header: "Report of line 3" and a date, as spreadsheets have them.

    A header below other lines names a column of paths and another one, has more cells than any
    line above it, and names no photograph; nor do these: "1.png,ok,dent; image; deep" is no header.
    """
    lines = text[:_HEAD].splitlines(keepends=True)[:_TITLES]
    paths = set(map(_column_key, PATH_COLUMNS))
    for separator in separators:
        most = 0
        for at, line in enumerate(lines):
            cut = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
            cells = [cell for cell in cut if cell.strip()]
            if len(cells) > max(most, 1) and not paths.isdisjoint(map(_column_key, cells)):
                above = re.split(rf'[{_SEPARATORS}"\r\n]+', "".join(lines[: at + 1]))
                shows = any(PurePath(cell.strip()).suffix.lower() in PICTURES for cell in above)
                is_header = most and not (shows or any(map(PathIndex(names).find, cells)))
                return "\n" * at + text[sum(map(len, lines[:at])) :] if is_header else text
            most = max(most, len(cells))
    return text


def _refuse_swallowed(
    file: Path, filled: Sequence[tuple[int, list[str]]], separator: str, names: Sequence[str]
) -> None:
    """Refuse a cell that holds whole lines of photographs: its double quote was never closed.

    Args:
        file: the table.
        filled: its lines, the header first: the number of the last line of each, and its cells.
        separator: of cells.
        names: of photographs.

    Raises:
        DataError: there is one.
    """
    whole = len(filled[0][1])
    inside = [
        (number + 1 - len(lines), below)
        for number, line in filled
        for cell in line
        if len(lines := cell.splitlines()) > 1
        for below in lines[1:]
        if len(below.split(separator)) >= whole
    ]
    index = PathIndex(names if inside else ())
    for number, below in inside:
        if any(map(index.find, below.split(separator))):
            raise DataError(
                f"a double quote in line {number} of {file} is not closed, and takes the lines "
                f"below into its cell, such as {below[:60]!r}; close it, or take it out"
            )


def _separator(text: str, names: Sequence[str]) -> str:
    """Give the separator that cuts the header line into the most cells; a comma if none does.

    Spaces separate where nothing else does and each line has as many words as the first: two, or
    more where the first line names a photograph. A header of more words may be one of phrases.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    header = lines[0] if lines else ""
    counts = {
        separator: len(next(csv.reader([header], delimiter=separator), []))
        for separator in _SEPARATORS
    }
    best = max(counts, key=lambda separator: counts[separator])
    if counts[best] > 1:
        return best
    words = header.split()
    if len(words) < 2 or '"' in text or any(len(line.split()) != len(words) for line in lines):
        return ","
    return " " if len(words) == 2 or any(map(PathIndex(names).find, words)) else ","


def _from_json(file: Path, text: str, names: Sequence[str]) -> Table:
    """Read a list of objects, JSON Lines, one object from photographs to classes, or of lists."""
    try:
        try:
            said = json.loads(text, object_pairs_hook=_once)
        except DataError:
            raise
        except ValueError:
            said = [json.loads(line) for line in text.splitlines() if line.strip()]
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file} cannot be read ({error}); expected JSON Lines: one object on each line"
        ) from error
    if isinstance(said, dict) and any(map(PathIndex(names).find, said)):
        nested = next((k for k, v in said.items() if isinstance(v, (dict, list))), None)
        if nested is not None:
            raise DataError(
                f"{file} says {json.dumps(said[nested])[:80]} of {nested!r}; expected one class, "
                'as in {"1.jpg": "ok"}, or a list of objects with path and label'
            )
        return Table(file, ["path", "label"], [[k, _json_cell(v)] for k, v in said.items()])
    if isinstance(said, dict) and said and all(map(_is_list_of_names, said.values())):
        lines = [[name, key] for key, names in said.items() for name in names]
        return Table(file, ["path", "split"], lines)
    records: list[Any] = said if isinstance(said, list) else [said]
    if not records or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{file} is no list of objects; expected JSON Lines, one object a line")
    columns = list(dict.fromkeys(str(name) for record in records for name in record))
    rows = [[_json_cell(record.get(name)) for name in columns] for record in records]
    nested = {
        name.strip(): json.dumps(value)
        for record in reversed(records)
        for name, value in record.items()
        if isinstance(value, (dict, list))
    }
    return Table(file, [column.strip() for column in columns], rows, nested=nested)


def _is_list_of_names(value: object) -> bool:
    """Say whether it is one of the lists of {"train": ["1.jpg"], "test": ["2.jpg"]}."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; a name that is there twice with two values says two things.

    Raises:
        DataError: there is one.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise DataError(f"two values of {name!r} in one JSON object; expected one")
    return found


def _json_cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _column_key(name: str) -> str:
    """Give letters and digits alone: "File name", "file_name" and "FILENAME" are one column."""
    return "".join(character for character in name_key(name) if character.isalnum())


class PathIndex:
    r"""Names of files as tables write them, to the photographs of a folder.

    The whole path counts first, then the path in another Unicode form or letter case, then what
    stands at the end of both, folder by folder: a table may say more (`C:\line\data\ok\1.png`)
    or less (`1.png`, or `1` without a suffix) than the path below the folder, as long as one
    photograph alone fits.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Index paths relative to a folder, with forward slashes."""
        self._exact = {path: path for path in paths}
        self._by_key: dict[str, list[str]] = {}
        self._by_name: dict[str, list[tuple[list[str], str]]] = {}
        for path in paths:
            key = name_key(path)
            self._by_key.setdefault(key, []).append(path)
            parts = key.split("/")
            entry = (parts, path)
            self._by_name.setdefault(parts[-1], []).append(entry)
            stem = parts[-1].rpartition(".")[0]
            self._by_name.setdefault(f"{stem}.", []).append(entry)

    def find(self, cell: str) -> str | None:
        """Give the one photograph that a cell names; None where there is none, or several fit."""
        return self._find(cell.strip().replace("\\", "/").removeprefix("./"))

    def _find(self, name: str) -> str | None:
        if name in self._exact:
            return name
        key = name_key(name)
        same = self._by_key.get(key, [])
        if same:
            return same[0] if len(same) == 1 else None
        parts = [part for part in key.split("/") if part not in ("", ".")]
        if not parts:
            return None
        fitting = self._ending(parts, self._by_name.get(parts[-1], []))
        if not fitting:
            fitting = self._ending(parts, self._by_name.get(f"{parts[-1]}.", []))
        return fitting[0] if len(fitting) == 1 else None

    @staticmethod
    def _ending(parts: list[str], entries: Sequence[tuple[list[str], str]]) -> list[str]:
        """Give the paths whose folders, from the end, are those of the cell; the longest alone."""
        above = parts[:-1]
        found: dict[int, list[str]] = {}
        for theirs, path in entries:
            shared = min(len(above), len(theirs) - 1)
            if shared == 0 or above[-shared:] == theirs[:-1][-shared:]:
                found.setdefault(shared, []).append(path)
        return found[max(found)] if found else []
