"""Walk below a folder, on a disk or in a bucket: what counts as a photograph by name."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from features.files import is_address
from features.photographs.bucket import is_bucket_folder, list_bucket
from features.photographs.decode import SUFFIXES
from features.photographs.file import first_bytes
from pipeline.output.names import name_key
from pipeline.output.read_table import SUFFIXES as TABLES
from pipeline.output.read_table import WORKBOOKS

PICTURES = frozenset({
    ".gif", ".jp2", ".j2k", ".jpf", ".jpx", ".jpc",
    ".psd", ".svg", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".icns", ".dds", ".exr",
    ".hdr", ".pcx", ".dcm", ".fits", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2",
    ".raf", ".pef", ".srw", ".raw", ".xcf", ".eps", ".wmf", ".emf",
})  # fmt: skip
"""File names of pictures, lower case, beside `features.photographs.decode.SUFFIXES`."""

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".bz2", ".xz")
_NOTHING = frozenset({"thumbs.db", "desktop.ini", "icon\r", "ehthumbs.db"})
_SYSTEM = frozenset({
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found",
    "__pycache__",
})  # fmt: skip
"""Folders that systems and storage servers make; some hold small copies of photographs."""

_TELLING = TABLES | WORKBOOKS | {".yaml", ".yml", ".xml"}
_MOST_BESIDE = 100_000


@dataclass
class Met:
    """Hold what a walk met: photographs, and files that tell what kind of folder it is."""

    files: list[tuple[Path, tuple[str, ...]]] = field(default_factory=list)
    beside: list[tuple[Path, tuple[str, ...]]] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def is_folder(path: Path) -> bool:
    """Say whether a path is a folder, on a disk or in a bucket.

    Raises:
        DataError: the bucket's store cannot be asked.
    """
    return is_bucket_folder(path) if is_address(path) else path.is_dir()


def meet_files(root: Path, *, every: bool = False) -> Met:
    """Meet every file below a folder, on a disk or in a bucket."""
    met = Met()
    if is_address(root):
        _list(root, met, every=every)
    else:
        _walk(root, (), frozenset(), met, every=every)
    return met


def _list(root: Path, met: Met, *, every: bool) -> None:
    """Meet every file of a bucket's folder; what a walk leaves out is left out here as well."""
    files, odd = list_bucket(root)
    if odd:
        met.ignored["names that no folder can have, such as a//b"] += odd
    systems = set()
    for path, parts in files:
        keys = [name_key(part) for part in parts]
        if any(part.startswith(".") for part in parts) or keys[-1] in _NOTHING:
            met.ignored["hidden"] += 1
        elif not _SYSTEM.isdisjoint(keys[:-1]):
            systems.add(next(part for part, key in zip(parts, keys, strict=True) if key in _SYSTEM))
        else:
            _meet(path, parts, met, regular=True, every=every)
    met.ignored.update(f"folders {name}" for name in systems)


def _walk(
    folder: Path,
    parts: tuple[str, ...],
    above: frozenset[tuple[int, int]],
    met: Met,
    *,
    every: bool = False,
) -> None:
    """Meet every file below `folder`; `above` are the folders it is in."""
    try:
        stat = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        met.ignored["folders that cannot be opened"] += 1
        return
    here = (stat.st_dev, stat.st_ino)
    if here in above:
        met.ignored["links back to a folder above"] += 1
        return
    for entry in entries:
        if entry.name.startswith(".") or name_key(entry.name) in _NOTHING:
            met.ignored["hidden"] += 1
        elif entry.is_dir():
            if name_key(entry.name) in _SYSTEM:
                met.ignored[f"folders {entry.name}"] += 1
            else:
                below = (*parts, entry.name)
                _walk(Path(entry.path), below, above | {here}, met, every=every)
        else:
            below = (*parts, entry.name)
            _meet(Path(entry.path), below, met, regular=entry.is_file(), every=every)


def _meet(path: Path, parts: tuple[str, ...], met: Met, *, regular: bool, every: bool) -> None:
    """Sort one file in: a photograph, a file that tells something, or one that is left out."""
    suffix = path.suffix.lower()
    known = suffix in SUFFIXES
    if not regular:
        what = "broken links and special files" if known else "files of other kinds"
        met.ignored[what] += 1
        return
    if known or (every and (suffix in PICTURES or _looks_like_one(path, suffix))):
        met.files.append((path, parts))
        return
    if suffix in _TELLING and len(met.beside) < _MOST_BESIDE:
        met.beside.append((path, parts))
    if suffix in PICTURES:
        met.ignored[f"{suffix} pictures"] += 1
    elif path.name.lower().endswith(ARCHIVES):
        met.ignored["archives (unpack them to use what is inside)"] += 1
    elif _looks_like_one(path, suffix):
        met.ignored[f"{suffix or 'unnamed'} pictures"] += 1
    else:
        met.ignored["files of other kinds"] += 1


_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"GIF8", b"\0\0\0\x0cjP  ")


def _looks_like_one(path: Path, suffix: str) -> bool:
    """Say whether a file whose name says nothing begins as a picture does."""
    if suffix in _TELLING:
        return False
    try:
        start = first_bytes(path, 12)
    except (OSError, ValueError):
        return False
    return start.startswith(_STARTS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")
