"""A table that says the class of each photograph: found by the names of its columns, or named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from features.errors import DataError
from features.photographs.decode import SUFFIXES
from pipeline.data.class_words import split_of
from pipeline.data.leftovers import set_aside
from pipeline.output.names import merged_spellings, name_key, one_spelling
from pipeline.output.read_table import PATH_COLUMNS, PathIndex, Table, read_table

LABEL_COLUMNS = (
    "label", "labels", "class", "classes", "class name", "category", "target", "verdict", "result",
    "quality", "status", "defect", "defect type", "defect class", "defective", "is defective",
    "anomaly", "y", "klasse", "ergebnis", "befund", "classe", "clase", "etiquette", "etiqueta",
    "判定", "分類", "ラベル", "結果", "类别", "标签", "结果", "分类", "標籤",
    "판정", "결과", "класс",
)  # fmt: skip
"""What a column of classes is called, the surest first."""

SPLIT_COLUMNS = ("split", "set", "subset", "partition", "data set", "dataset", "usage")

_BOXES = ("xmin", "x1", "bbox xmin", "bbox", "objects", "segmentation", "annotations")
_OURS = ("probability of defect", "probability", "looks like")  # verdicts, not classes
_SHOWN = 4  # values of a column without a name
_WHOLE = re.compile(r"(\d+)(?:[.,]0+)?")  # half of the world writes 1,0
_YES = frozenset({"1", "1.0", "1,0", "true", "yes"})
_NO = frozenset({"0", "0.0", "0,0", "false", "no", ""})


@dataclass(frozen=True)
class LabelRule:
    """Say where classes come from.

    Attributes:
        file: the table; "" to look for one and else take the folders, "none" for the folders alone.
        path_column, label_column: of the table; "" to find them by name.
    """

    file: str = ""
    path_column: str = ""
    label_column: str = ""


@dataclass
class Labels:
    """Hold what tables say of the photographs of a folder.

    Attributes:
        files: the tables.
        label: path of a photograph -> its class.
        split: path of a photograph -> what the table calls its part of a split; {} without one.
        unknown: names in the tables that fit no photograph, or several.
        merged: spellings of classes that were taken for one.
        remarks: what else a person should know.
    """

    files: list[Path]
    label: dict[str, str]
    split: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def set_aside(self, meant: Sequence[str]) -> None:
        """Take the class from photographs that the tables call unsure, todo …, unless one is meant.

        Args:
            meant: names that a person or a model called classes.
        """
        keys, names = frozenset(map(name_key, meant)), list(self.label)
        labels = set_aside(list(self.label.values()), keys, self.remarks)
        self.label = dict(zip(names, labels, strict=True))

    def notes(self) -> list[str]:
        """Say what a person should know of the tables."""
        said = list(self.remarks)
        names = ", ".join(str(file) for file in self.files)
        if self.unknown:
            said.append(
                f"{len(self.unknown):,} names in {names} fit no photograph of the folder, such as "
                f"{self.unknown[0]!r}"
            )
        if self.merged:
            said.append(f"classes that differ in spelling alone are one: {'; '.join(self.merged)}")
        return said


def read_labels(rule: LabelRule, paths: Sequence[str], root: Path) -> Labels:
    """Read the table that was named.

    Args:
        rule: its file, and its columns if they were named.
        paths: of the photographs, relative to `root`.
        root: the folder.

    Raises:
        DataError: it cannot be read, has no such columns, or names no photograph of the folder.
    """
    table = _with_header(read_table(Path(rule.file), paths), paths, rule.path_column)
    columns = _columns(table, rule, paths)
    if columns is None:
        raise DataError(
            f"{table.file} has the columns {_described(table)}; expected one of paths and one of "
            "classes, such as path,label; name them with --path-column and --label-column"
        )
    found = _gather([(table, columns, "")], paths)
    if not found.label:
        shown = found.unknown[0] if found.unknown else "nothing"
        raise DataError(
            f"{table.file} names none of the {len(paths):,} photographs in {root}: it says "
            f"{shown!r} where they are called {paths[0]!r}; expected paths relative to the folder; "
            "name another table, or go without: --labels none"
        )
    return found


def find_labels(
    tables: Sequence[tuple[Path, str]], paths: Sequence[str], *, needed: bool
) -> list[Labels]:
    """Read the tables in a folder that say classes, as far as they name its photographs.

    Tables of the same name in several folders, one in each of train and test, count as one.

    Args:
        tables: files that may be such tables, and the folders that they lie in, relative to the
            folder and ending in "/"; "" for the folder itself.
        paths: of the photographs.
        needed: whether nothing else says classes.

    Returns:
        One for each name of a file; those that are no such tables are left out.

    Raises:
        DataError: classes are needed, and a table has boxes or outlines of objects instead; or it
            says two classes of one photograph.
    """
    by_name: dict[str, list[tuple[Table, _Columns, str]]] = {}
    for file, folder in tables:
        try:
            table = _with_header(read_table(file, paths), paths)
            columns = _columns(table, LabelRule(), paths)
            _refuse_unclear(table, columns)
        except DataError as error:
            if needed and file.suffix.lower() != ".txt":
                raise DataError(f"{error}; or go without it: --labels none") from error
            continue  # not every file beside photographs is a table of them
        if columns is not None and table.find(_OURS) is None:
            by_name.setdefault(file.name, []).append((table, columns, folder))
    found = [_gather(same, paths) for same in by_name.values()]
    return [labels for labels in found if labels.label]


def unclear_tables(tables: Sequence[Path], paths: Sequence[str]) -> list[str]:
    """Say which tables name photographs, and what to say if their classes stand there.

    Args:
        tables: files that `find_labels` took for no tables of classes, or was not asked about.
        paths: of the photographs.
    """
    return [said for file in tables if (said := _pointed_at(file, paths))]


def _pointed_at(file: Path, paths: Sequence[str]) -> str:
    """Say how a table that was not taken gives classes; "" where it is none of photographs."""
    try:
        table = _with_header(read_table(file, paths), paths)
        columns = _columns(table, LabelRule(), paths)
    except DataError:  # not every file beside photographs is a table of them
        return ""
    path = table.find(PATH_COLUMNS) or _path_column(table, paths)
    if path is None or not any(map(PathIndex(paths).find, table.column(path))):
        return ""
    if columns is None:
        return f"{_unclear(table)}; if one of them does, say {_say_which(table)}"
    if table.find(_OURS) is not None:
        return ""
    return f"{file} seems to say their classes; if it does, say --labels {file}"


def _refuse_unclear(table: Table, columns: _Columns | None) -> None:
    """Refuse a table without a header that names photographs, but not clearly their classes.

    Raises:
        DataError: it is one.
    """
    if columns is None and not table.has_header:
        raise DataError(f"{_unclear(table)}; say which: {_say_which(table)}")


def _unclear(table: Table) -> str:
    """Say that it is not known which column says classes."""
    start = "" if table.has_header else "no line with the names of its columns, and "
    return (
        f"{table.file} has {start}no column that is known to say classes among {_described(table)}"
    )


def _taken(table: Table, columns: _Columns) -> str:
    """Say which columns of a table without a header are taken for what, and how to say others."""
    counts = Counter(table.column(columns.label)).most_common()
    said = ", ".join(f"{name} {count:,}" for name, count in counts[:_SHOWN])
    said += ", …" if len(counts) > _SHOWN else ""
    return (
        f"{table.file} has no line with the names of its columns: {columns.path} is taken for the "
        f"photographs, {columns.label} for their classes ({said}); if that is wrong, say "
        f"{_say_which(table)}, or --labels none to go without it"
    )


def _say_which(table: Table) -> str:
    return f"--labels {table.file} --label-column NAME"


def _with_header(table: Table, paths: Sequence[str], path_column: str = "") -> Table:
    """Call columns "column 1", "column 2" … where the first line names a photograph.

    A line with the name of a column of paths is a header, whatever photographs are called.
    """
    known = table.find([path_column, *PATH_COLUMNS] if path_column else PATH_COLUMNS)
    if known is not None or not _names_of_pictures(table.columns, PathIndex(paths)):
        return table
    names = [f"column {number}" for number in range(1, 1 + len(table.columns))]
    return replace(table, columns=names, rows=[table.columns, *table.rows], has_header=False)


def _described(table: Table) -> str:
    """Name the columns; those of a table without a header with what stands in them."""
    if table.has_header:
        return ", ".join(table.columns) or "none"
    shown = []
    for name in table.columns:
        values = list(dict.fromkeys(table.column(name)))
        more = ", …" if len(values) > _SHOWN else ""
        shown.append(f"{name} ({', '.join(values[:_SHOWN])}{more})")
    return ", ".join(shown)


@dataclass(frozen=True)
class _Columns:
    """Say which columns of a table say what; `each` are those of classes with a 1 in each line."""

    path: str
    label: str
    each: tuple[str, ...] = ()
    split: str = ""


def _columns(table: Table, rule: LabelRule, paths: Sequence[str]) -> _Columns | None:
    """Find the columns, those named first; None where it is no table of classes.

    Without a header the first column that names a photograph is the one of paths, and the other
    one, if there is no third, that of classes.

    Raises:
        DataError: a column was named that it does not have, or it says boxes, not classes.
    """
    for name in filter(None, (rule.path_column, rule.label_column)):
        table.column(name)
    path = rule.path_column or table.find(PATH_COLUMNS) or _path_column(table, paths)
    if path is None:
        return None
    if not table.has_header:
        classes = rule.label_column or _recurring(table, path)
        return _Columns(path, classes) if classes else None
    split = table.find(SPLIT_COLUMNS) or ""
    if not rule.label_column:
        boxes = table.find(_BOXES)
        if boxes is not None:
            raise DataError(
                f"{table.file} says where objects are in a photograph (column {boxes}), not one "
                "class of each photograph; expected columns such as path,label; name the column "
                "of classes with --labels FILE --label-column NAME if there is one"
            )
    each = () if rule.label_column else _one_hot(table, {path, split})
    if each:
        return _Columns(path, "", each, split)
    label = rule.label_column or table.find(LABEL_COLUMNS)
    return _Columns(path, label, split=split) if label not in (None, path) else None


def _path_column(table: Table, paths: Sequence[str]) -> str | None:
    """Give the column of a table without a header that names photographs."""
    if table.has_header:
        return None
    named = _names_of_pictures(table.rows[0], PathIndex(paths))
    return table.columns[named[0]] if named else None


def _names_of_pictures(cells: Sequence[str], index: PathIndex) -> list[int]:
    """Give the numbers of cells that name photographs: those of the folder, else any."""
    here = [number for number, cell in enumerate(cells) if index.find(cell)]
    ends = [Path(cell.strip()).suffix.lower() for cell in cells]
    return here or [number for number, end in enumerate(ends) if end in SUFFIXES]


def _recurring(table: Table, path: str) -> str:
    """Give the only column beside that of paths, if its values recur as classes do; else ""."""
    others = [name for name in table.columns if name != path]
    if len(others) != 1:
        return ""
    return others[0] if len(set(table.column(others[0]))) <= max(2, len(table.rows) // 2) else ""


def _one_hot(table: Table, others: set[str]) -> tuple[str, ...]:
    """Give the columns of classes where each has 1 or 0 in every line; () where it is none."""
    names = [name for name in table.columns if name not in others]
    cells = [[cell.strip().casefold() for cell in table.column(name)] for name in names]
    plain = [all(cell in _YES | _NO for cell in column) for column in cells]
    if len(names) < 2 or not all(plain) or not table.rows:
        return ()
    return tuple(names)


def _gather(tables: Sequence[tuple[Table, _Columns, str]], paths: Sequence[str]) -> Labels:
    """Put together what tables of one kind say; each names photographs of its folder."""
    found = Labels([table.file for table, _, _ in tables], {})
    found.remarks += [table.note for table, _, _ in tables if table.note]
    found.remarks += [
        _taken(table, columns) for table, columns, _ in tables if not table.has_header
    ]
    for table, columns, folder in tables:
        below = [path for path in paths if path.startswith(folder)] if folder else list(paths)
        everywhere = PathIndex([path.removeprefix(folder) for path in below])
        below = _of_its_split(table.file, below)
        index = PathIndex([path.removeprefix(folder) for path in below])
        labels = _labels_of(table, columns)
        splits = table.column(columns.split) if columns.split else [""] * len(labels)
        for cell, label, split in zip(table.column(columns.path), labels, splits, strict=True):
            place = index.find(cell)
            if place is None and "/" in cell.replace("\\", "/").strip("./"):
                place = everywhere.find(cell)  # train_val.csv says val/1.jpg
            if place is None:
                found.unknown += [cell] if cell.strip() else []
                continue
            path = folder + place
            if label.strip() and name_key(found.label.setdefault(path, label)) != name_key(label):
                raise DataError(
                    f"{table.file} says two classes of {path!r}, {found.label[path]!r} and "
                    f"{label!r}; expected one; correct the table"
                )
            if split.strip() and name_key(found.split.setdefault(path, split)) != name_key(split):
                raise DataError(
                    f"{table.file} says two parts of the split of {path!r}, "
                    f"{found.split[path]!r} and {split!r}; expected one; correct the table"
                )
    _merge(found)
    return found


def _of_its_split(file: Path, paths: list[str]) -> list[str]:
    """Keep what train.txt can mean where a folder is called train: not the 1.jpg of val."""
    split = split_of(file.stem)
    if not split:
        return paths
    return [p for p in paths if split in map(split_of, p.split("/")[:-1])] or paths


def _labels_of(table: Table, columns: _Columns) -> list[str]:
    if columns.label:
        return table.column(columns.label)
    lines = zip(*(table.column(name) for name in columns.each), strict=True)
    found = []
    for number, line in enumerate(lines, 2):
        on = [
            n for n, cell in zip(columns.each, line, strict=True) if cell.strip().casefold() in _YES
        ]
        if len(on) > 1:
            raise DataError(
                f"line {number} of {table.file} says {len(on)} classes of one photograph "
                f"({', '.join(on)}); expected one: a photograph is of one class here"
            )
        found.append(on[0] if on else "")
    return found


def _merge(found: Labels) -> None:
    """Join classes that differ in spelling alone, 1, 1.0 and 1,0 among them."""
    whole = {label: _WHOLE.fullmatch(label.strip()) for label in set(found.label.values())}
    longer = sorted(label for label, match in whole.items() if match and match[1] != label)
    if longer and all(whole.values()):
        short = {label: match[1] for label, match in whole.items() if match}
        said = longer[-1]
        found.remarks.append(f"classes that are numbers are called {short[said]}, not {said}")
        found.label = {path: short[label] for path, label in found.label.items()}
    spelling = one_spelling(found.label.values())
    found.merged = merged_spellings(spelling)
    found.label = {path: spelling[label] for path, label in found.label.items()}


def count_labels(labels: Mapping[str, str]) -> str:
    """Write the classes with their counts: "crack 12, ok 88"."""
    counts = Counter(labels.values())
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
