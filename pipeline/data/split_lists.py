"""Lists of a given split, train.txt and test.txt: photographs, with their classes or without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from features.errors import DataError
from pipeline.data.class_words import split_of
from pipeline.data.label_table import LabelRule, columns_of, path_column_of, table_of
from pipeline.data.labels import Columns, Labels, gather
from pipeline.output.read_table import SUFFIXES as TABLES
from pipeline.output.read_table import PathIndex, Table

_SPLIT = "part of the split"  # a column that the list's name stands in for
_MOST = 10  # of lists that are looked through

Lists = dict[str, Path]
"""The lists of one split: "train", "validation" or "test" -> file."""


def find_lists(files: Iterable[Path]) -> tuple[list[Lists], list[Path]]:
    """Find files that are called as the parts of a split, by folder and kind.

    Args:
        files: that may be tables.

    Returns:
        The lists of each split with two parts or more, and files of which several have one name:
        train1.txt, train2.txt.

    Example:
        >>> find_lists([Path("a/train.txt"), Path("a/val.txt"), Path("a/notes.txt")])[0]
        [{'train': PosixPath('a/train.txt'), 'validation': PosixPath('a/val.txt')}]
    """
    kinds: dict[tuple[Path, str], list[tuple[str, Path]]] = {}
    for file in files:
        split, suffix = split_of(file.stem), file.suffix.lower()
        if split and suffix in TABLES:
            kinds.setdefault((file.parent, suffix), []).append((split, file))
    found, several = [], []
    for same in kinds.values():
        counts = Counter(split for split, _ in same)
        if len(counts) > 1 and max(counts.values()) == 1:
            found.append(dict(same))
        elif len(counts) > 1:
            several += [file for _, file in same]
    return found, several


def read_lists(lists: Lists, root: Path, paths: Sequence[str]) -> Labels | None:
    """Read the lists of one split.

    Args:
        lists: of `find_lists`.
        root: the folder of the photographs.
        paths: of these, relative to it.

    Returns:
        Their parts of the split, and their classes where the lists say some; None where fewer than
        two of them name photographs of the folder.

    Raises:
        DataError: two of them name one photograph.
    """
    index, tables = PathIndex(paths), []
    for split, file in lists.items():
        try:
            table = table_of(file, paths)
            columns = columns_of(table, LabelRule(), paths)
        except DataError:  # empty, or of boxes
            continue
        path = columns.path if columns else path_column_of(table, paths)
        if path is None or not any(map(index.find, table.column(path))):
            continue
        said = replace(
            table, columns=[*table.columns, _SPLIT], rows=[[*row, split] for row in table.rows]
        )
        known = replace(columns, split=_SPLIT) if columns else Columns(path, "", split=_SPLIT)
        tables.append((said, known, _folder(file, root, paths)))
    if len(tables) < 2:
        return None
    found = gather(tables, paths)
    found.named = next(iter(lists.values())).parent
    return found


def _folder(file: Path, root: Path, paths: Sequence[str]) -> str:
    """Give the folder that the paths in a list begin in: its own, if there are photographs."""
    if not file.is_relative_to(root):
        return ""
    folder = "".join(f"{part}/" for part in file.parent.relative_to(root).parts)
    return folder if any(path.startswith(folder) for path in paths) else ""


def lists_in(folder: Path, root: Path, paths: Sequence[str]) -> Labels:
    """Read the lists of a split in a folder that a person named.

    Raises:
        DataError: it has none, or they say no classes.
    """
    found, _ = find_lists(sorted(folder.iterdir()))
    read = read_lists(found[0], root, paths) if len(found) == 1 else None
    if read is None or not read.label:
        raise DataError(
            f"{folder} is a folder, and not of one train.txt and one test.txt that say classes of "
            f"photographs in {root}; expected these, or a table"
        )
    return read


def lists_beside(file: Path, root: Path, paths: Sequence[str]) -> list[str]:
    """Say how a list that was named is read together with the others of its split."""
    for lists in find_lists(sorted(file.parent.iterdir()))[0]:
        try:
            read = read_lists(lists, root, paths) if file in lists.values() else None
        except DataError:  # two of them name one photograph
            continue
        if read is not None and read.label:
            names = ", ".join(one.name for one in read.files if one != file)
            return [
                f"{names} beside it says more: as a given split both are read with {read.option}"
            ]
    return []


def meet_lists(
    files: Iterable[Path], root: Path, paths: Sequence[str], notes: list[str]
) -> Labels | None:
    """Read the lists that lie in a folder, if all of them say one split.

    Args:
        files: that are no photographs.
        root: the folder.
        paths: of its photographs.
        notes: why lists are not used is appended.
    """
    groups, several = find_lists(files)
    read = []
    for lists in groups[:_MOST]:
        names = ", ".join(str(file) for file in lists.values())
        try:
            one = read_lists(lists, root, paths)
        except DataError as error:
            notes.append(f"{names} are not read as a given split: {error}")
            continue
        read += [one] if one else []
    if read and any(one.split != read[0].split for one in read[1:]):
        named = ", ".join(str(one.named) for one in read)
        notes.append(f"lists in {named} say different splits, and none is used")
        return None
    if several and any(_names_some(file, paths) for file in several[:_MOST]):
        shown = ", ".join(file.name for file in several[:4])
        notes.append(
            f"{shown} … may be lists of several splits, and none is used: to use one, leave one "
            "train and one test there"
        )
    return read[0] if read else None


def _names_some(file: Path, paths: Sequence[str]) -> bool:
    try:
        table: Table = table_of(file, paths)
        path = path_column_of(table, paths)
        return path is not None and any(map(PathIndex(paths).find, table.column(path)))
    except DataError:
        return False


def split_of_lists(lists: Labels, named: Sequence[str], notes: list[str]) -> dict[str, str]:
    """Give the split that lists say of photographs whose classes are known from elsewhere.

    Args:
        lists: of `meet_lists`.
        named: paths of the photographs that have a class.
        notes: what is done with the lists is appended.
    """
    files = ", ".join(str(file) for file in lists.files)
    left = [path for path in named if path not in lists.split]
    if left:
        notes.append(
            f"{files} name {len(named) - len(left):,} of {len(named):,} photographs, and not "
            f"{left[0]}: they are not used as a given split"
        )
        return {}
    notes.append(f"{files} are read as a given split; without it: --labels none")
    return lists.split
