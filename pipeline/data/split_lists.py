"""Lists of a given split, train.txt and test.txt: photographs, with their classes or without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from features.errors import DataError
from pipeline.data.class_words import SPLITS, TRAIN, VALIDATION, split_of
from pipeline.data.label_table import (
    LabelRule,
    columns_of,
    path_column_of,
    split_column,
    table_of,
    unclear_tables,
)
from pipeline.data.labels import Columns, Labels, TwoSplitsError, gather, of_its_split, unused_split
from pipeline.output.names import name_key
from pipeline.output.read_table import SUFFIXES as TABLES
from pipeline.output.read_table import PathIndex

_SPLIT = "part of the split"  # a column that the list's name stands in for
_MOST = 20  # of lists that are looked through
_WORDS = re.compile(r"[^\W\d_]+|\d+")

Lists = dict[str, Path]
"""The lists of one split: "train", "validation" or "test" -> file."""


def find_lists(files: Iterable[Path]) -> list[Lists]:
    """Find files that are called as the parts of a split, by folder and kind.

    Args:
        files: that may be tables.

    Returns:
        The lists of each split with two parts or more; train1.txt and test1.txt are of another one
        than train2.txt.

    Example:
        >>> find_lists([Path("a/train.txt"), Path("a/val.txt"), Path("a/notes.txt")])
        [{'train': PosixPath('a/train.txt'), 'validation': PosixPath('a/val.txt')}]
    """
    kinds: dict[tuple[Path, str, str], Lists] = {}
    for file in files:
        suffix = file.suffix.lower()
        split, rest = _split_and_rest(file.stem) if suffix in TABLES else ("", "")
        if split:
            kinds.setdefault((file.parent, suffix, rest), {})[split] = file
    return [lists for lists in kinds.values() if len(lists) > 1]


def _split_and_rest(stem: str) -> tuple[str, str]:
    """Give the part of a split that a list is called, and what else: images_train_1, images_test_1.

    train_val is train; train_test says no part.
    """
    words = _WORDS.findall(name_key(stem))
    found = {SPLITS[word] for word in words if word in SPLITS}
    split = TRAIN if found == {TRAIN, VALIDATION} else found.pop() if len(found) == 1 else ""
    return split, " ".join(word for word in words if word not in SPLITS)


def read_lists(
    lists: Lists, root: Path, paths: Sequence[str], rule: LabelRule | None = None
) -> Labels | None:
    """Read the lists of one split.

    Args:
        lists: of `find_lists`.
        root: the folder of the photographs.
        paths: of these, relative to it.
        rule: its columns, if they were named.

    Returns:
        Their parts of the split, and their classes where the lists say some; None where fewer than
        two of them name photographs of the folder.

    Raises:
        DataError: two of them name one photograph.
    """
    everywhere, tables = PathIndex(paths), []
    for split, file in lists.items():
        try:
            table = table_of(file, paths)
            columns = columns_of(table, rule or LabelRule(), paths)
        except DataError:  # empty, or of boxes
            continue
        path = columns.path if columns else path_column_of(table, paths)
        own = PathIndex(of_its_split(file, list(paths)))  # 1.jpg may stand in train and in test
        if path is None or not any(own.find(c) or everywhere.find(c) for c in table.column(path)):
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


def lists_in(folder: Path, root: Path, paths: Sequence[str], rule: LabelRule) -> Labels:
    """Read the lists of a split in a folder that a person named.

    Raises:
        DataError: it has none, or they say no classes.
    """
    found = find_lists(sorted(folder.iterdir()))
    read = read_lists(found[0], root, paths, rule) if len(found) == 1 else None
    if read is None or not read.label:
        raise DataError(
            f"{folder} is a folder, and not of one train.txt and one test.txt that say classes of "
            f"photographs in {root}; expected these, or a table"
        )
    return read


def lists_beside(file: Path, root: Path, paths: Sequence[str]) -> list[str]:
    """Say how a list that was named is read together with the others of its split."""
    for lists in find_lists(sorted(file.parent.iterdir())):
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
    read = []
    for lists in find_lists(files)[:_MOST]:
        names = ", ".join(str(file) for file in lists.values())
        try:
            one = read_lists(lists, root, paths)
        except DataError as error:
            notes.append(f"{names} are not read as a given split: {error}")
            continue
        read += [one] if one else []
    if any((one.split, one.label) != (read[0].split, read[0].label) for one in read[1:]):
        named = "; ".join(", ".join(file.name for file in one.files) for one in read)
        notes.append(
            f"found lists of several splits, or of several kinds of classes, and none is used: "
            f"{named}; to use one, move its lists into a folder and name that: --labels FOLDER"
        )
        return None
    return read[0] if read else None


def meet_columns(
    tables: Iterable[tuple[Path, str]], paths: Sequence[str], notes: list[str]
) -> Labels | None:
    """Read what tables with a column of a given split say, if all of them say the same.

    Args:
        tables: files that may be such tables, and the folders that they lie in; see `find_labels`.
        paths: of the photographs.
        notes: why none is used is appended.
    """
    read: list[Labels] = []
    for file, folder in tables:
        try:
            table = table_of(file, paths)
            path = path_column_of(table, paths)
            split = split_column(table, {path}) if path else ""
            columns = Columns(path or "", "", split=split)
            unused = unused_split(table, split) if path else ""
            found = gather([(table, columns, folder)], paths) if split or unused else None
        except TwoSplitsError as error:
            notes.append(f"the split that {file} gives is not used: {error}")
            continue
        except DataError:  # not every file beside photographs is a table of them
            continue
        if found and len({split_of(one) for one in found.split.values()} - {""}) > 1:
            read.append(found)
        elif unused and found and found.blank:
            notes.append(unused)
    if any(one.split != read[0].split for one in read[1:]):
        names = ", ".join(str(one.files[0]) for one in read)
        notes.append(f"{names} give different splits: none is used; keep one of them")
        return None
    return read[0] if read else None


def point_at(lists: Labels, paths: Sequence[str]) -> list[str]:
    """Say how classes are taken from lists that have more columns than one, if they stand there."""
    said = unclear_tables(lists.files[:1], paths)
    return [one.replace(f"--labels {lists.files[0]}", lists.option) for one in said]


def say_unused(files: Iterable[Path], paths: Sequence[str]) -> list[str]:
    """Say which lists are called as a part of a split and name photographs, but are not used.

    So is a test.txt alone, and lists of names that several photographs have.

    Args:
        files: of which none is used.
        paths: of the photographs.
    """
    names = {name_key(path.rpartition("/")[2]) for path in paths}
    names |= {name.rpartition(".")[0] for name in names}
    found = []
    for file in files:
        if file.suffix.lower() not in TABLES or not _split_and_rest(file.stem)[0]:
            continue
        try:
            table = table_of(file, paths)
            column = path_column_of(table, paths) or table.columns[0]
            cells = [table.columns[0], *table.column(column)]
        except (DataError, IndexError):
            continue
        if any(name_key(re.split(r"[\\/]", cell)[-1]) in names for cell in cells):
            found.append(str(file))
    if not found:
        return []
    verb = ("seems", "is") if len(found) == 1 else ("seem", "are")
    return [
        f"{', '.join(found)} {verb[0]} to say a given split and {verb[1]} not used; "
        "expected a list for each of train and test that names each photograph with its folder"
    ]


def differing(files: str, said: Mapping[str, str], used: Mapping[str, str]) -> list[str]:
    """Say that lists or a table give another split than the one that is used, if they do.

    Args:
        files: that give it.
        said: path of a photograph -> its part of the split there.
        used: the same of what is used.
    """
    pairs = [(path, split_of(one), split_of(used.get(path, ""))) for path, one in said.items()]
    other = [path for path, one, ours in pairs if one and ours and one != ours]
    if not other:
        return []
    return [
        f"{files} say another part of the split of {len(other):,} photographs, such as "
        f"{other[0]}: that is not used"
    ]


def split_of_lists(lists: Labels, named: Sequence[str], notes: list[str]) -> dict[str, str]:
    """Give the split that lists say of photographs whose classes are known from elsewhere.

    Args:
        lists: of `meet_lists`.
        named: paths of the photographs that have a class.
        notes: what is done with the lists is appended.
    """
    files = ", ".join(str(file) for file in lists.files)
    split = {path: split_of(said) for path, said in lists.split.items()}
    left = [path for path in named if not split.get(path)]
    if left:
        notes.append(
            f"{files} name {len(named) - len(left):,} of {len(named):,} photographs, and not "
            f"{left[0]}: they are not used as a given split"
        )
        return {}
    read = "are" if len(lists.files) > 1 else "is"
    notes.append(f"{files} {read} read as a given split; without it: --labels none")
    return split
