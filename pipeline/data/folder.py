"""A folder of photographs to the list of them, with their classes and their given split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from features.errors import DataError
from features.files import address_of, is_address
from features.photographs.file import Photograph
from pipeline.data.class_words import is_defective, is_healthy, says_opposite
from pipeline.data.classes_in_names import point_at_names, take_from_names
from pipeline.data.label_table import (
    NAMES,
    NONE,
    LabelRule,
    find_labels,
    most_labels,
    read_labels,
    unclear_tables,
)
from pipeline.data.labels import Labels, count_labels
from pipeline.data.layouts import Layout, read_layout
from pipeline.data.masks import surely_mask
from pipeline.data.split_lists import (
    differing,
    lists_beside,
    lists_in,
    meet_columns,
    meet_lists,
    point_at,
    say_unused,
    split_of_lists,
)
from pipeline.data.walk import ARCHIVES, Met, meet_files
from pipeline.output.names import match_names, name_key
from pipeline.output.read_table import SUFFIXES as TABLES
from pipeline.output.read_table import WORKBOOKS

_MOST_POINTED_AT = 20  # tables that are looked through where nothing says classes
_SHOWN = 8  # folders that are left out


@dataclass
class Scan:
    """Hold the photographs of a folder, and how it was read.

    Attributes:
        root: the folder.
        photographs: sorted by path, with class ("" for none) and split ("" where none is given).
        ignored: how many files or folders were left out, by reason.
        layout: how the folder was read, in words.
        notes: what a person should know of that.
    """

    root: Path
    photographs: list[Photograph]
    ignored: Counter[str] = field(default_factory=Counter)
    layout: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def class_names(self) -> list[str]:
        """Give the classes of the photographs, sorted."""
        return sorted({p.label for p in self.photographs if p.label})


def scan_folder(
    root: Path,
    classes: Sequence[str] | None = None,
    labels: LabelRule | None = None,
    *,
    known: Iterable[str] = (),
) -> Scan:
    """List the photographs below `root` with their classes, following links but never in circles.

    Classes come from what `labels` names, else from the folders (see `pipeline.data.layouts`), else
    from a table in the folder that names its photographs, else from words of their names.

    Args:
        root: a folder in one of the layouts of docs/layouts.md.
        classes: only these; None for all.
        labels: where classes come from; None to look.
        known: classes of a model: folders called so are classes, below days and lines too; others
            are not left out.

    Raises:
        DataError: no such folder, no photographs in it, none of one of `classes`, or a folder that
            could be read in several ways.
    """
    _refuse_no_folder(root)
    met = meet_files(root)
    met.files.sort(key=lambda file: file[1])
    scan = Scan(root, [], met.ignored)
    if not met.files:
        raise DataError(
            f"no photographs in {address_of(root)} ({describe_ignored(met.ignored)}); expected "
            "JPEG, PNG, BMP, TIFF or WebP files in one folder per class"
        )
    rule, known = labels or LabelRule(), list(known)
    table: Labels | None
    if rule.file == NAMES:
        layout, table = _for_splits(root, met), None
        take_from_names(layout, ["/".join(parts) for _, parts in met.files], asked=True)
    elif rule.file not in ("", NONE):
        layout, table = _by_table(root, met, rule)
    else:
        meant = classes or (_found_below(root, met, known) if known else None)
        layout, table = _by_folders(root, met, meant, look=rule.file == "")
    if table is not None:
        table.set_aside([*(classes or ()), *known])
    _fill(scan, met, layout, table)
    if classes:
        _pick(scan, classes)
    elif not known and (missing := [p.path for p in scan.photographs if not p.label]):
        why = table.missing(missing) if table else "no folder, table or name says one"
        scan.notes.append(
            f"{len(missing):,} of {len(scan.photographs):,} photographs have no class: {why}"
        )
    return scan


def find_pictures(folder: Path) -> tuple[list[Path], int]:
    """List every picture below a folder, also of kinds that cannot be read.

    Returns:
        The files, sorted, and how many masks (MVTec's ground_truth) are not among them.

    Raises:
        DataError: there is no picture.
    """
    met = meet_files(folder, every=True)
    found = sorted(met.files, key=lambda file: file[1])
    kept = [file for file, parts in found if not surely_mask(parts)]
    if not kept:
        raise DataError(
            f"no photographs in {address_of(folder)} ({describe_ignored(met.ignored)}); expected "
            "JPEG, PNG, BMP, TIFF or WebP files"
        )
    return kept, len(found) - len(kept)


def describe_ignored(ignored: Counter[str]) -> str:
    """Describe what was left out, for a person: "12 .txt, 1 hidden"; pictures come first."""
    order = sorted(ignored.items(), key=lambda item: (not _is_picture(item[0]), item[0]))
    return ", ".join(f"{count:,} {what}" for what, count in order) or "empty"


def left_out_pictures(ignored: Counter[str]) -> dict[str, int]:
    """Count the pictures that were left out because of their format, by suffix."""
    return {what.split()[0]: count for what, count in sorted(ignored.items()) if _is_picture(what)}


def _is_picture(reason: str) -> bool:
    return reason.endswith(" pictures")


def _refuse_no_folder(root: Path) -> None:
    if root.is_dir() or is_address(root):  # of an address the store says what is there
        return
    if root.is_file() and root.name.lower().endswith(ARCHIVES):
        folder = root.with_name(root.name.split(".")[0])
        tool = "zipfile" if root.suffix.lower() == ".zip" else "tarfile"
        raise DataError(
            f"{root} is an archive; expected a folder: unpack it first, as with "
            f"'python -m {tool} -e {root} {folder}', then name {folder}"
        )
    found = "a file" if root.exists() else "nothing"
    raise DataError(
        f"found {found} at {root}; expected a folder with one folder of photographs per class, "
        "such as data/Healthy and data/defects"
    )


# ---- from what was met to classes ---------------------------------------------------------


def _by_folders(
    root: Path, met: Met, classes: Sequence[str] | None, *, look: bool
) -> tuple[Layout, Labels | None]:
    """Read the folders; where they say no class, or fewer than two, a table in them may."""
    paths = [parts for _, parts in met.files]
    layout = read_layout(root, paths, [parts for _, parts in met.beside], classes=classes)
    names = ["/".join(parts) for parts in paths]
    tables = _tables(met, TABLES - {".txt", ".json"}) if look else []
    if tables and is_address(root):
        raise DataError(
            f"{address_of(root)} holds {tables[0][0].name}, which may say classes, and tables are "
            "not read in a bucket; say where classes come from: --labels COPY, of the table on a "
            "disk, or --labels none for the folders"
        )
    said: list[str] = []
    meeting = [file for file, _ in met.beside] if look and not is_address(root) else []
    kept = [name for number, name in enumerate(names) if number not in layout.masks]
    lists = meet_lists(meeting, root, kept, said)
    layout.notes += said
    tables = [one for one in tables if lists is None or one[0] not in lists.files]
    read = partial(find_labels, tables, needed=not any(layout.label))
    found = most_labels(read, kept, names) if tables else []
    if lists is not None and lists.label and not found:
        found = [lists]
    if len(found) > 1:
        shown = ", ".join(str(labels.files[0].name) for labels in found)
        raise DataError(
            f"found several tables of classes in {root}: {shown}; expected one; name it: "
            f"{found[0].option}, or take the folders: --labels none"
            + "".join(f"; {n}" for n in said)
        )
    table = next((one for one in found if _table_decides(root, layout, one, names)), None)
    of_lists = _tables(met, {".json"}) if meeting else []  # {"train": […], "test": […]}
    of_lists = [*tables, *(of_lists if len(of_lists) <= _MOST_POINTED_AT else [])]
    said_split = lists or meet_columns(of_lists, kept, layout.notes)
    if said_split is not None and table is not said_split:
        _split_by_lists(layout, table, said_split, names)
    split = any(layout.split) or (table is not None and table.split)
    if not (split or said_split or said):
        taken = {file for one in found for file in one.files}
        layout.notes += say_unused((file for file in meeting if file not in taken), kept)
    if lists is not None and not found and not any(layout.label):
        layout.notes += point_at(lists, kept)
    elif not found and meeting and not _say_verdicts({*layout.label} - {""}):
        files = [file for file, _ in _tables(met, TABLES | WORKBOOKS)[:_MOST_POINTED_AT]]
        layout.notes += unclear_tables(files, kept)
    if look and table is None:
        (point_at_names if any(layout.label) else take_from_names)(layout, names)
    return layout, table


def _say_verdicts(labels: set[str]) -> bool:
    """Say whether classes of folders are several, and one says good or bad: else a table may."""
    return len(labels) > 1 and any(is_healthy(one) or is_defective(one) for one in labels)


def _split_by_lists(
    layout: Layout, table: Labels | None, lists: Labels, names: Sequence[str]
) -> None:
    """Take the split from lists where neither folders nor the table of classes say one."""
    other = table.split if table is not None and table.split else layout.split
    if any(other):
        files = ", ".join(str(file) for file in lists.files)
        told = other if isinstance(other, dict) else dict(zip(names, other, strict=True))
        layout.notes += differing(files, lists.split, told)
        return
    label = dict(zip(names, layout.label, strict=True)) if table is None else table.label
    split = split_of_lists(lists, [name for name in names if label.get(name)], layout.notes)
    layout.split = [split.get(name, "") for name in names]
    if split:
        files = ", ".join(str(file) for file in lists.files)
        layout.words = files if table else f"{layout.words}, split by {files}"


def _found_below(root: Path, met: Met, known: list[str]) -> list[str]:
    """Give the classes of a model, unless more photographs have a class without them.

    ok, nok/crack, nok/hole: a model of good and crack would leave out what lies in ok.
    """
    paths, beside = [parts for _, parts in met.files], [parts for _, parts in met.beside]
    try:
        plain = read_layout(root, paths, beside)
        told = read_layout(root, paths, beside, classes=known)
    except DataError:
        return known
    lost = [p for p, t in zip(plain.label, told.label, strict=True) if p and not t]
    return [] if lost else known


def _table_decides(root: Path, layout: Layout, table: Labels, names: Sequence[str]) -> bool:
    """Decide whether classes come from the table that was met, and not from the folders.

    Raises:
        DataError: folders and table both say classes, and not the same.
    """
    folders = {path: label for path, label in zip(names, layout.label, strict=True) if label}
    if len(set(folders.values())) < 2:
        return True
    other = [
        path
        for path, label in folders.items()
        if path in table.label and name_key(table.label[path]) != name_key(label)
    ]
    pairs = {(label, table.label[path]) for path, label in folders.items() if path in table.label}
    numbers = len(pairs) == len(dict(pairs)) == len({said for _, said in pairs})
    if not other or (numbers and all(said.strip().isdecimal() for _, said in pairs)):
        return False  # ok is 0 and nok is 1, throughout
    raise DataError(
        f"the folders of {root} say {count_labels(folders)}, and {table.files[0]} says "
        f"{count_labels(table.label)}, another class for {len(other):,} photographs such as "
        f"{other[0]!r}; say which: {table.option}, or --labels none for the folders"
    )


def _by_table(root: Path, met: Met, rule: LabelRule) -> tuple[Layout, Labels]:
    """Read classes from the table that was named; masks and splits still from the folders."""
    names, file = ["/".join(parts) for _, parts in met.files], Path(rule.file)
    layout = _for_splits(root, met)
    kept = [name for number, name in enumerate(names) if number not in layout.masks]
    if file.is_dir():
        table = lists_in(file, root, kept, rule)
    else:
        (table,) = most_labels(lambda those: [read_labels(rule, those, root)], kept, names)
        table.remarks += lists_beside(file, root, kept)
    other = [
        path
        for path, label in zip(names, layout.label, strict=True)
        if label and (said := table.label.get(path)) and says_opposite(label, said)
    ]
    if other:
        table.remarks.append(
            f"the folders say the opposite of {len(other):,} photographs, such as {other[0]!r}, "
            f"which {file} calls {table.label[other[0]]}: the table was named, and holds"
        )
    return layout, table


def _for_splits(root: Path, met: Met) -> Layout:
    """Read masks and splits from the folders, where something else says the classes."""
    paths = [parts for _, parts in met.files]
    try:
        layout = read_layout(root, paths)
    except DataError:  # a layout that says no classes needs none
        layout = Layout("", [""] * len(paths), [""] * len(paths))
    layout.notes.clear()
    return layout


def _tables(met: Met, suffixes: Collection[str]) -> list[tuple[Path, str]]:
    """Find files that may say classes, in the folder itself and in those above pictures."""
    above = {parts[:at] for _, parts in met.files for at in range(len(parts))}
    return [
        (file, "".join(f"{part}/" for part in parts[:-1]))
        for file, parts in met.beside
        if file.suffix.lower() in suffixes
        and parts[:-1] in above
        and "submission" not in file.stem.lower()  # Kaggle's, whose classes are made up
    ]


def _fill(scan: Scan, met: Met, layout: Layout, table: Labels | None) -> None:
    """Put class and split to each photograph."""
    splits = table.known_splits() if table else {}
    if table and splits:
        paths = ["/".join(parts) for _, parts in met.files]
        folders = dict(zip(paths, layout.split, strict=True))
        table.remarks += differing("the folders", folders, splits)
        rest = sum(bool(label) and path not in splits for path, label in table.label.items())
        if rest and not any(layout.split):
            table.remarks.append(
                f"the table says no part of the split of {rest:,} photographs that have a class: "
                "they are not held out"
            )
    for number, (file, parts) in enumerate(met.files):
        path = "/".join(parts)
        if number in layout.masks and (table is None or path not in table.label):
            continue
        label = layout.label[number] if table is None else table.label.get(path, "")
        split = splits.get(path, layout.split[number])
        scan.photographs.append(Photograph(file, path, label, split=split))
    left_out = len(met.files) - len(scan.photographs)
    if left_out:
        scan.ignored["masks, or copies as PNG beside a JPEG"] += left_out
    scan.photographs.sort(key=lambda photograph: photograph.path)
    scan.layout, scan.notes = layout.words, layout.notes
    if table is not None:
        scan.layout = f"classes from {', '.join(map(str, table.files))}"
        scan.layout += f" (split: {layout.words})" if any(layout.split) and not splits else ""
        scan.notes += [note for note in table.notes() if note not in scan.notes]


def _pick(scan: Scan, classes: Sequence[str]) -> None:
    """Keep the photographs of these classes alone, and say which others there are.

    Raises:
        DataError: there are none of one of them.
    """
    names = scan.class_names
    chosen, unknown = match_names(classes, names)
    if unknown:
        raise DataError(
            f"no photographs in {scan.root / unknown[0]}; expected a class folder of this name; "
            f"found {', '.join(names)[:200] or 'no folder'}"
        )
    kept = [p for p in scan.photographs if p.label in chosen]
    others = [p for p in scan.photographs if p.label not in chosen]
    scan.photographs = kept
    if others:
        scan.ignored["photographs of other classes"] += len(others)
        counts = Counter(p.label or p.path.rpartition("/")[0] or "no folder" for p in others)
        shown = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(_SHOWN))
        shown += ", …" if len(counts) > _SHOWN else ""
        scan.notes.append(f"left out, for they are none of the classes named: {shown}")
