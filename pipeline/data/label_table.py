"""A table that says the class of each photograph: found by the names of its columns, or named."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from features.errors import DataError
from features.photographs.decode import SUFFIXES
from pipeline.data.class_words import TEST, flagged_split, is_healthy, split_of
from pipeline.data.labels import NO, YES, Columns, Labels, gather, say_which
from pipeline.output.names import name_key
from pipeline.output.read_table import PATH_COLUMNS, WORKBOOKS, PathIndex, Table, read_table

LABEL_COLUMNS = (
    "label", "labels", "class", "classes", "class name", "category", "target", "verdict", "result",
    "quality", "status", "defect", "defect type", "defect class", "defective", "is defective",
    "anomaly", "y", "choice", "klasse", "ergebnis", "befund", "classe", "clase", "etiquette",
    "etiqueta", "resultado", "résultat", "resultat", "resultaat", "esito", "wynik", "výsledek",
    "sonuç", "результат", "判定", "分類", "ラベル", "結果", "类别", "标签", "结果", "分类", "標籤",
    "판정", "결과", "класс",
)  # fmt: skip
"""What a column of classes is called, the surest first."""

SPLIT_COLUMNS = ("split", "set", "subset", "partition", "data set", "dataset", "usage")

_BOXES = ("xmin", "x1", "bbox xmin", "bbox", "objects", "segmentation", "annotations")
_OURS = ("probability of defect", "probability", "looks like")  # verdicts, not classes
_MOST_SPLITS = 12  # ways to write the parts of a split in one column
_SHOWN = 4  # values of a column without a name


NONE, NAMES = "none", "names"
"""What stands for a table that is not looked for, and for words of file names instead of one."""


@dataclass(frozen=True)
class LabelRule:
    """Say where classes come from.

    Attributes:
        file: the table; "" to look for one and else take the folders; NONE for the folders alone;
            NAMES for the words of file names.
        path_column, label_column: of the table; "" to find them by name.
    """

    file: str = ""
    path_column: str = ""
    label_column: str = ""


def read_labels(rule: LabelRule, paths: Sequence[str], root: Path) -> Labels:
    """Read the table that was named.

    Args:
        rule: its file, and its columns if they were named.
        paths: of the photographs, relative to `root`.
        root: the folder.

    Raises:
        DataError: it cannot be read, has no such columns, or names no photograph of the folder.
    """
    table = table_of(Path(rule.file), paths, rule.path_column)
    columns = columns_of(table, rule, paths)
    if columns is None:
        raise DataError(
            f"the top of {table.file} has the columns {_described(table)}; expected one of "
            "paths and one of classes, such as path,label; name them with --path-column and "
            "--label-column"
        )
    found = gather([(table, columns, "")], paths)
    if not found.label and found.blank:
        raise DataError(
            f"{table.file} names {len(found.blank):,} photographs of {root}, and no class of any: "
            f"its column {columns.label or columns.each[0]} is empty; fill it in, or name another "
            "one: --label-column NAME"
        )
    if not found.label:
        said = f"it says {found.unknown[0]!r} where" if found.unknown else "it says none, and"
        raise NoneNamedError(
            f"{table.file} names none of the {len(paths):,} photographs in {root}: {said} "
            f"they are called {paths[0]!r}; expected paths relative to the folder; "
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
    by_name: dict[str, list[tuple[Table, Columns, str]]] = {}
    for file, folder in tables:
        try:
            table = table_of(file, paths)
            columns = columns_of(table, LabelRule(), paths)
            _refuse_unclear(table, columns)
        except DataError as error:
            if needed and file.suffix.lower() != ".txt":
                raise DataError(f"{error}; or go without it: --labels none") from error
            continue  # not every file beside photographs is a table of them
        if columns is not None and table.find(_OURS) is None:
            by_name.setdefault(file.name, []).append((table, columns, folder))
    found = [gather(same, paths) for same in by_name.values()]
    return [labels for labels in found if labels.label]


class NoneNamedError(DataError):
    """A table names no photograph of the folder."""


def most_labels(
    read: Callable[[Sequence[str]], list[Labels]], photographs: Sequence[str], all_: Sequence[str]
) -> list[Labels]:
    """Read tables for photographs alone, or for masks, too: what gives more of them a class.

    1.png of a table is images/1.png, though there is a masks/1.png; a table may also name what is
    called as a mask.

    Args:
        read: gives what the tables say of paths.
        photographs: paths without those of masks.
        all_: paths with them.
    """
    if len(photographs) == len(all_):
        return read(all_)
    found: list[Labels] = []
    with contextlib.suppress(NoneNamedError):
        found = read(photographs)
    if not found:
        return read(all_)
    if not any(one.unknown for one in found):
        return found
    with contextlib.suppress(DataError):
        found = max(found, read(all_), key=lambda some: sum(len(one.label) for one in some))
    return found


def unclear_tables(tables: Sequence[Path], paths: Sequence[str]) -> list[str]:
    """Say which tables name photographs, and what to say if their classes stand there.

    Args:
        tables: files that `find_labels` took for no tables of classes, or was not asked about.
        paths: of the photographs.
    """
    return [said for file in tables if (said := _pointed_at(file, paths))]


def _pointed_at(file: Path, paths: Sequence[str]) -> str:
    """Say how a table that was not taken gives classes; "" where it is none of photographs."""
    if file.suffix.lower() in WORKBOOKS:
        return (
            f"{file} is not read: if it says classes, save it as CSV (UTF-8), and say --labels CSV"
        )
    try:
        table = table_of(file, paths)
        columns = columns_of(table, LabelRule(), paths)
    except DataError:  # not every file beside photographs is a table of them
        return ""
    path = path_column_of(table, paths)
    alone = len(table.columns) < 2  # a list of photographs
    if path is None or alone:
        return ""
    if not any(map(PathIndex(paths).find, table.column(path))):
        return _of_others(table, path, paths) if columns is not None and table.rows else ""
    if columns is None:
        return f"{_unclear(table)}; if one of them does, say {say_which(table)}"
    if table.find(_OURS) is not None:
        return ""
    return f"{file} seems to say their classes; if it does, say --labels {file}"


def _of_others(table: Table, path: str, paths: Sequence[str]) -> str:
    """Say that a table of classes names no photograph, such as 7.jpg where they are 007.jpg."""
    return (
        f"{table.file} says classes of photographs, but of none of these: it says "
        f"{table.column(path)[0]!r}, and they are called {paths[0]!r}; expected their paths, or "
        "names that one photograph alone has"
    )


def _refuse_unclear(table: Table, columns: Columns | None) -> None:
    """Refuse a table without a header that names photographs, but not clearly their classes.

    Raises:
        DataError: it is one.
    """
    alone = len(table.columns) < 3 and split_column(table, set())
    if columns is None and not table.has_header and not alone:
        raise DataError(f"{_unclear(table)}; say which: {say_which(table)}")


def _unclear(table: Table) -> str:
    """Say that it is not known which column says classes."""
    start = "" if table.has_header else "no line with the names of its columns, and "
    return (
        f"{table.file} has {start}no column that is known to say classes among {_described(table)}"
    )


def table_of(file: Path, paths: Sequence[str], path_column: str = "") -> Table:
    """Read a table, with columns "column 1", "column 2" … where the first line names a photograph.

    A line with the name of a column of paths is a header, whatever photographs are called.

    Raises:
        DataError: see `pipeline.output.read_table.read_table`.
    """
    table = read_table(file, paths)
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


def columns_of(table: Table, rule: LabelRule, paths: Sequence[str]) -> Columns | None:
    """Find the columns, those named first; None where it is no table of classes.

    Without a header the first column that names a photograph is the one of paths, and the other
    one, if there is no third, that of classes.

    Raises:
        DataError: a column was named that it does not have, or it says boxes, not classes.
    """
    for name in filter(None, (rule.path_column, rule.label_column)):
        table.column(name)
    path = rule.path_column or path_column_of(table, paths)
    if path is None:
        return None
    split = split_column(table, {path, rule.label_column})
    if not table.has_header:
        classes = rule.label_column or _recurring(table, {path, split})
        return Columns(path, classes, split=split) if classes else None
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
        return Columns(path, "", each, split)
    if rule.label_column:
        label, remark = rule.label_column, ""
    else:
        label, remark = _label_column(table, {path, split})
    if not label:
        return None
    for name in filter(None, (path, label, split)):
        table.column(name)
    return Columns(path, label, split=split, remark=remark)


def _label_column(table: Table, others: set[str]) -> tuple[str, str]:
    """Choose among the columns that are called as classes; the surest name decides between equals.

    One that says good and bad comes before one that only tells photographs apart: class may be
    that of the product.

    Returns:
        Its name, "" where there is none; and a remark where another one may be meant, else "".
    """
    known = filter(None, (table.find([name]) for name in LABEL_COLUMNS))
    names = [name for name in dict.fromkeys(known) if name not in others]
    if table.find(_OURS) is not None:  # its class is a verdict, and label is to be filled in
        return "".join(names[:1]), ""
    ranks = {name: _says_classes(table, name) for name in names}
    best = max(names, key=ranks.__getitem__, default="")
    if names and "" in map(str.strip, _cells(table, names[0])):  # somebody is filling it in
        best = names[0]
    rivals = [name for name in names if name != best and ranks[name]]
    rivals = [name for name in rivals if not _same_sides(table, best, name, ranks[best])]
    if not rivals and best in ("", *names[:1]):
        return best, ""
    shown = " and ".join(_with_values(table, name) for name in rivals or names[:1])
    return best, (
        f"{table.file} has more than one column that may say classes: "
        f"{_with_values(table, best)} is taken; if {shown} is meant, say {say_which(table)}"
    )


def _says_classes(table: Table, name: str) -> int:
    """Give 2 for a column that says good of some and not of others, 1 for values that recur."""
    said = set(filter(None, map(str.strip, _cells(table, name))))
    if not 1 < len(said) <= max(2, len(table.rows) // 2):
        return 0
    return 1 + (0 < sum(map(is_healthy, said)) < len(said))


def _cells(table: Table, name: str) -> list[str]:
    """Give the cells of a column that is there once and holds no objects; else none."""
    if name in table.nested or table.columns.count(name) > 1:
        return []
    return table.column(name)


def _same_sides(table: Table, best: str, name: str, rank: int) -> bool:
    """Say whether a column says nothing that the best one does not say, or less surely."""
    ours, theirs = (list(map(name_key, table.column(one))) for one in (best, name))
    pairs = set(zip(ours, theirs, strict=True))
    if rank < 2:
        return len(pairs) == len(dict(pairs)) == len({said for _, said in pairs})
    same = all(is_healthy(one) == is_healthy(other) for one, other in pairs if one and other)
    return _says_classes(table, name) < 2 or same


def _with_values(table: Table, name: str) -> str:
    """Name a column with the most frequent of its values."""
    counts = Counter(table.column(name)).most_common(_SHOWN)
    return f"{name} ({', '.join(f'{said} {count:,}' for said, count in counts)})"


def split_column(table: Table, others: set[str]) -> str:
    """Give the column of a given split: by what its cells say, or by its name (is_test); or "".

    Args:
        table: with a header.
        others: columns that say something else.
    """
    found = []
    for number, name in enumerate(table.columns):
        said = {row[number] for row in table.rows}
        if len(said) <= _MOST_SPLITS and name not in {*others, *table.nested}:
            splits = set(map(split_of, said))
            flags = {cell.strip().casefold() for cell in said} if flagged_split(name) else set()
            flagged = bool(flags & YES and flags & NO)
            found += [name] if flagged or (len(splits) > 1 and "" not in splits) else []
    if len(found) > 1 and all(map(flagged_split, found)):  # is_train and is_test say the same
        found = [name for name in found if flagged_split(name) == TEST]
    return found[0] if len(found) == 1 else table.find(SPLIT_COLUMNS) or ""


def path_column_of(table: Table, paths: Sequence[str]) -> str | None:
    """Give the column that names photographs: by its name, or without a header by its cells."""
    if table.has_header:
        return table.find(PATH_COLUMNS)
    named = _names_of_pictures(table.rows[0], PathIndex(paths))
    return table.columns[named[0]] if named else None


def _names_of_pictures(cells: Sequence[str], index: PathIndex) -> list[int]:
    """Give the numbers of cells that name photographs: those of the folder, else any."""
    here = [number for number, cell in enumerate(cells) if index.find(cell)]
    ends = [Path(cell.strip()).suffix.lower() for cell in cells]
    return here or [number for number, end in enumerate(ends) if end in SUFFIXES]


def _recurring(table: Table, known: set[str]) -> str:
    """Give the only column beside those known, if its values recur as classes do; else ""."""
    others = [name for name in table.columns if name not in known]
    if len(others) != 1:
        return ""
    return others[0] if len(set(table.column(others[0]))) <= max(2, len(table.rows) // 2) else ""


def _one_hot(table: Table, others: set[str]) -> tuple[str, ...]:
    """Give the columns of classes where each has 1 or 0 in every line; () where it is none."""
    names = [name for name in table.columns if name not in {*others, *table.nested}]
    cells = [[cell.strip().casefold() for cell in table.column(name)] for name in names]
    plain = [all(cell in YES | NO for cell in column) for column in cells]
    if len(names) < 2 or not all(plain) or not table.rows:
        return ()
    return tuple(names)
