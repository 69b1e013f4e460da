"""A folder of class folders to the list of its photographs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import DataError
from features.photographs.decode import SUFFIXES
from features.photographs.file import Photograph


@dataclass
class Scan:
    """What a folder holds.

    Attributes:
        root: the folder.
        photographs: sorted by path; the label is the first-level folder's name, "" for
            photographs that lie directly in the root.
        ignored: how many files or folders were left out, by reason.
    """

    root: Path
    photographs: list[Photograph]
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def class_names(self) -> list[str]:
        """The class folders that hold photographs, sorted."""
        return sorted({p.label for p in self.photographs if p.label})


def scan_folder(root: Path, classes: Sequence[str] | None = None) -> Scan:
    """List the photographs below `root`, at any depth, following links but never in circles.

    Args:
        root: its first-level folders are the classes.
        classes: look only into these class folders; None for all.

    Raises:
        DataError: no such folder, no photographs in it, or no folder for one of `classes`.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DataError(
            f"found {found} at {root}; expected a folder with one folder of photographs per class, "
            "such as data/Healthy and data/defects"
        )
    scan = Scan(root, [])
    for file, parts in _walk(root, (), frozenset(), scan.ignored, classes):
        label = parts[0] if len(parts) > 1 else ""
        scan.photographs.append(Photograph(file, "/".join(parts), label))
    scan.photographs.sort(key=lambda photograph: photograph.path)
    missing = [name for name in classes or () if name not in scan.class_names]
    if missing:
        found = ", ".join(p.name for p in sorted(root.iterdir()) if p.is_dir())
        raise DataError(
            f"no photographs in {root / missing[0]}; expected a class folder of this name; "
            f"found {found[:200] or 'no folder'}"
        )
    if not scan.photographs:
        raise DataError(
            f"no photographs in {root} ({describe_ignored(scan.ignored)}); expected JPEG, PNG, "
            "BMP, TIFF or WebP files in one folder per class"
        )
    return scan


def describe_ignored(ignored: Counter[str]) -> str:
    """What was left out, for a person: "12 files of other kinds, 1 hidden"."""
    return ", ".join(f"{count:,} {what}" for what, count in sorted(ignored.items())) or "empty"


def _walk(
    folder: Path,
    parts: tuple[str, ...],
    above: frozenset[tuple[int, int]],
    ignored: Counter[str],
    classes: Sequence[str] | None = None,
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every photograph below `folder` with its path's parts; `above` are the folders it is in."""
    try:
        stat = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        ignored["folders that cannot be opened"] += 1
        return
    here = (stat.st_dev, stat.st_ino)
    if here in above:
        ignored["links back to a folder above"] += 1
        return
    for entry in entries:
        if entry.name.startswith("."):
            ignored["hidden"] += 1
        elif entry.is_dir():
            if parts or classes is None or entry.name in classes:
                path = Path(entry.path)
                yield from _walk(path, (*parts, entry.name), above | {here}, ignored)
            else:
                ignored["folders of other classes"] += 1
        elif Path(entry.name).suffix.lower() not in SUFFIXES:
            ignored["files of other kinds"] += 1
        elif not entry.is_file():
            ignored["broken links and special files"] += 1
        elif classes is None or parts:
            yield Path(entry.path), (*parts, entry.name)
