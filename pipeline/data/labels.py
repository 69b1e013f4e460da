"""What tables say of the photographs of a folder, put together: their classes and their split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import DataError
from pipeline.data.class_words import SPLITS, TEST, TRAIN, flagged_split, is_healthy, split_of
from pipeline.data.leftovers import set_aside
from pipeline.output.names import merged_spellings, name_key, one_spelling
from pipeline.output.read_table import PathIndex, Table

YES = frozenset({"1", "1.0", "1,0", "true", "yes"})
"""What a column of one class says of a photograph of this class."""

NO = frozenset({"0", "0.0", "0,0", "", "false", "no"})
"""What it says of those of others."""

_SHOWN = 4  # classes of a column without a name
_WHOLE = re.compile(r"(\d+)(?:[.,]0+)?")  # half of the world writes 1,0


class TwoSplitsError(DataError):
    """A table says two parts of a given split of one photograph."""


@dataclass(frozen=True)
class Columns:
    """Say which columns of a table say what.

    Attributes:
        path, label, split: "" for none.
        each: those of classes with a 1 in each line.
        remark: which other column may be meant, for a person; "" where none is.
    """

    path: str
    label: str
    each: tuple[str, ...] = ()
    split: str = ""
    remark: str = ""


@dataclass
class Labels:
    """Hold what tables say of the photographs of a folder.

    Attributes:
        files: the tables.
        label: path of a photograph -> its class.
        split: path of a photograph -> what the table calls its part of a split; {} without one.
        blank: paths of photographs that are named without a class.
        unknown: names in the tables that fit no photograph, or several.
        merged: spellings of classes that were taken for one.
        remarks: what else a person should know.
        named: the folder to name with --labels where the tables are lists of one split, else None.
    """

    files: list[Path]
    label: dict[str, str]
    split: dict[str, str] = field(default_factory=dict)
    blank: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    named: Path | None = None

    @property
    def option(self) -> str:
        """Give what is typed to take them."""
        return f"--labels {self.named or self.files[0]}"

    def set_aside(self, meant: Sequence[str]) -> None:
        """Take the class from photographs that the tables call unsure, todo …, unless one is meant.

        Args:
            meant: names that a person or a model called classes.
        """
        keys, names = frozenset(map(name_key, meant)), list(self.label)
        labels = set_aside(list(self.label.values()), keys, self.remarks)
        self.label = dict(zip(names, labels, strict=True))

    def known_splits(self) -> dict[str, str]:
        """Give the parts of a split, if all that the tables call them is known; else say so."""
        known = {path: split_of(split) for path, split in self.split.items()}
        unknown = Counter(self.split[path] for path, split in known.items() if not split)
        if not unknown:
            return known
        said, count = unknown.most_common(1)[0]
        self.remarks.append(
            f"the split that the table gives is not used: it says {said!r} of {count:,} "
            "photographs; expected train, validation or test"
        )
        return {}

    def missing(self, unlabelled: Sequence[str]) -> str:
        """Say why these photographs have no class, though there are tables."""
        blank = len(self.blank.intersection(unlabelled))
        unnamed = sum(p not in self.label and p not in self.blank for p in unlabelled)
        counts = {
            "are not named in the table": unnamed,
            "are named there with an empty class": blank,
            "wait for one": len(unlabelled) - blank - unnamed,
        }
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        if blank and not any(map(is_healthy, self.label.values())):
            said += "; if an empty class means good, write ok there"
        return said

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


def gather(tables: Sequence[tuple[Table, Columns, str]], paths: Sequence[str]) -> Labels:
    """Put together what tables of one kind say; each names photographs of its folder."""
    found = Labels([table.file for table, _, _ in tables], {})
    found.remarks += [table.note for table, _, _ in tables if table.note]
    for table, columns, _ in tables:
        found.remarks += filter(None, (columns.remark, unused_split(table, columns.split)))
    found.remarks += [
        _taken(table, columns)
        for table, columns, _ in tables
        if columns.label and not table.has_header
    ]
    for table, columns, folder in tables:
        labels = _labels_of(table, columns)
        splits = _splits_of(table, columns.split) if columns.split else [""] * len(labels)
        places = _places(table.file, table.column(columns.path), paths, folder, found)
        for path, label, split in zip(places, labels, splits, strict=True):
            if path:
                _note(found, table.file, path, label, split)
    _merge(found)
    found.blank -= found.label.keys()
    return found


def _splits_of(table: Table, column: str) -> list[str]:
    """Give what each line says of the split: the cell, or the part that its yes or no tells."""
    cells, flagged = table.column(column), flagged_split(column)
    if not flagged:
        return cells
    said = dict.fromkeys(YES, flagged) | dict.fromkeys(NO, TEST if flagged == TRAIN else TRAIN)
    said[""] = ""
    return [said.get(cell.strip().casefold(), "") for cell in cells]


def unused_split(table: Table, used: str) -> str:
    """Say which column called test, train or holdout is not used as a split; "" where none is.

    Its marks may as well be the result of a test.

    Args:
        table: of photographs.
        used: the column that is used; "" for none.
    """
    found = [name for name in table.columns if name_key(name) in SPLITS or flagged_split(name)]
    if used or not found or not table.has_header:
        return ""
    return (
        f"{table.file} has a column {found[0]}, which may give a split: it is not used; if it "
        "does, write train or test into each of its cells"
    )


def _taken(table: Table, columns: Columns) -> str:
    """Say which columns of a table without a header are taken for what, and how to say others."""
    counts = Counter(table.column(columns.label)).most_common()
    said = ", ".join(f"{name} {count:,}" for name, count in counts[:_SHOWN])
    said += ", …" if len(counts) > _SHOWN else ""
    return (
        f"{table.file} has no line with the names of its columns: {columns.path} is taken for the "
        f"photographs, {columns.label} for their classes ({said}); if that is wrong, say "
        f"{say_which(table)}, or --labels none to go without it"
    )


def say_which(table: Table) -> str:
    """Give the option that names the column of classes."""
    return f"--labels {table.file} --label-column NAME"


def _note(found: Labels, file: Path, path: str, label: str, split: str) -> None:
    """Note what a line of a table says of a photograph.

    Raises:
        DataError: another line says another class.
        TwoSplitsError: another line says another part of the split.
    """
    if not label.strip():
        found.blank.add(path)
    for what, said, now, error in (
        ("classes", found.label, label, DataError),
        ("parts of the split", found.split, split, TwoSplitsError),
    ):
        if now.strip() and name_key(said.setdefault(path, now)) != name_key(now):
            raise error(
                f"{file} says two {what} of {path!r}, {said[path]!r} and {now!r}; expected one; "
                "correct the table"
            )


def _places(
    file: Path, cells: Sequence[str], paths: Sequence[str], folder: str, found: Labels
) -> list[str]:
    """Give the photograph that each cell names; "" for none, which is noted in `found`.

    train.csv means the photographs of train where folders are called so: a name that stands in val
    alone is read there only if no name of the folder is there twice.
    """
    inside = [path.removeprefix(folder) for path in paths if path.startswith(folder)]
    own = of_its_split(file, inside)
    index, everywhere = PathIndex(own), PathIndex(inside)
    names = Counter(name_key(path.rpartition("/")[2]) for path in inside)
    once = len(names) == len(inside)
    places, other = [], []
    for cell in cells:
        place = index.find(cell)
        if place is None and len(own) < len(inside):
            place = everywhere.find(cell)
            if place and "/" not in cell.replace("\\", "/").strip("./"):  # else it says val/1.jpg
                other.append(place)
                place = place if once else None
        if place is None and cell.strip():
            found.unknown.append(cell)
        places.append(folder + place if place else "")
    if other:
        found.remarks.append(_of_another(file, other, once))
    return places


def _of_another(file: Path, other: Sequence[str], once: bool) -> str:
    """Say of names that stand in another part of the split alone whether they are taken for it."""
    start = f"{file} names {len(other):,} photographs that lie in another part, such as {other[0]}"
    if once:
        return f"{start}: their classes are taken from it, too"
    return (
        f"{start}: they are left without a class, for names of photographs are there twice; write "
        f"them with their folders if they are meant"
    )


def of_its_split(file: Path, paths: list[str]) -> list[str]:
    """Keep what train.txt can mean where a folder is called train: not the 1.jpg of val."""
    split = split_of(file.stem)
    if not split:
        return paths
    return [p for p in paths if split in map(split_of, p.split("/")[:-1])] or paths


def _labels_of(table: Table, columns: Columns) -> list[str]:
    if columns.label:
        return table.column(columns.label)
    if not columns.each:
        return [""] * len(table.rows)
    lines = zip(*(table.column(name) for name in columns.each), strict=True)
    found = []
    for number, line in enumerate(lines, 2):
        on = [
            n for n, cell in zip(columns.each, line, strict=True) if cell.strip().casefold() in YES
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
