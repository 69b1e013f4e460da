"""The files of a model's folder: named inside it, complete, and as they were written.

The digests in model.json find damage: a copy that was cut off, a disk that failed, a file that
somebody changed. They are not signed: who forges a file on purpose can forge its digest too, so
no reader of these files relies on them for safety.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from features.errors import BundleError, OutputError
from features.files import leftovers, refuse_place
from features.untrusted_files import read_bytes, read_json
from pipeline.data.classes import Classes

MODEL_FILE = "model.json"
REPORT = "report.html"  # written after the model; it may be moved or deleted
_MOST_BYTES = 64 * 2**20  # of model.json; some kilobytes are usual
_NEEDED = ("split.json", "selftest.npz")
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # what systems leave in folders


def read_model_file(folder: Path) -> Any:  # noqa: ANN401 - whatever it holds
    """Read what model.json holds.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is no JSON, or too large.
    """
    return read_json(folder / MODEL_FILE, _MOST_BYTES)


def stays_inside(name: str) -> bool:
    """Say whether a path is relative and leads nowhere else, on any system."""
    windows = PureWindowsPath(name)
    return not (
        not name
        or "\0" in name
        or PurePosixPath(name).is_absolute()
        or windows.drive
        or windows.root
        or ".." in windows.parts
    )


def is_below(name: str) -> bool:
    """Say whether a photograph's path is relative and leads nowhere else, on this system.

    Folders of photographs are a person's own: on Linux a class may be called "A:1".
    """
    path = PurePath(name)
    return bool(name) and "\0" not in name and not path.anchor and ".." not in path.parts


def read_split(path: Path, classes: Classes) -> list[dict[str, str]]:
    """Read a model's split; see `pipeline.model.bundle.Bundle.split`.

    Args:
        path: of split.json.
        classes: of the model.

    Raises:
        BundleError: it cannot be read, names a photograph outside its folder, a class that the
            model does not have, or a part that is no number.
    """
    try:
        entries: list[dict[str, str]] = read_json(path)
        texts = ("path", "class", "group", "digest", "side")
        sound = all(
            all(isinstance(entry[name], str) for name in texts) and is_below(entry["path"])
            for entry in entries
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{path} cannot be read ({error!r}); fit the model again") from error
    if not sound:
        raise BundleError(
            f"{path} names a photograph outside its folder; it was tampered with: do not use it"
        )
    for entry in entries:
        group, label = entry["group"], entry["class"]
        if len(group) > 18 or not group.isdecimal() or classes.number(label) is None:
            raise BundleError(
                f"{path} puts {entry['path']} into the class {label!r:.80} and the part "
                f"{group!r:.80}; expected a class of {MODEL_FILE} and a number; copy the model "
                "again, or fit it again"
            )
    return entries


def digests(folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of every file below a folder, by its path there."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def check_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Hold a model's folder against the digests in its model.json.

    Raises:
        BundleError: a name leads outside, a file is missing or was changed, or one that will be
            read is not named.
    """
    for name, digest in files.items():
        if not stays_inside(name) or "\\" in name or _through_link(folder, name):
            raise BundleError(
                f"{folder} names a file outside itself ({name}); it was tampered with"
            )
        file = folder / name
        try:
            found = hashlib.sha256(read_bytes(file)).hexdigest()
        except (OSError, ValueError):
            found = ""
        if found != digest:
            raise BundleError(
                f"{file} is {'damaged or was changed' if file.exists() else 'missing'}; expected "
                "the file that `fit` wrote; copy the model again, or fit it again"
            )
    unnamed = [name for name in _read_at_load(folder) if name not in files]
    if unnamed:
        raise BundleError(
            f"{folder} holds {unnamed[0]}, which its {MODEL_FILE} does not name; it was "
            "tampered with: do not use it"
        )


def foreign_files(folder: Path) -> list[str]:
    """Name files in a model's folder that no `fit` put there; every one if it is no model."""
    litter = _LITTER | {file.name for file in leftovers(folder / REPORT)}  # of a killed `fit`
    present = [
        file.relative_to(folder).as_posix()
        for file in sorted(folder.rglob("*"))
        if file.name not in litter and (file.is_symlink() or not file.is_dir())
    ]
    try:
        json = read_model_file(folder)
        named = {MODEL_FILE, REPORT, *json["files"]} if "onepass_bundle" in json else set()
    except (OSError, ValueError, TypeError, KeyError):
        named = set()
    return [name for name in present if name not in named]


def _through_link(folder: Path, name: str) -> bool:
    """Say whether the file, or a folder on the way to it, is a link."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return True
    return False


def _read_at_load(folder: Path) -> Iterator[str]:
    """Name what loading reads besides model.json."""
    yield from _NEEDED
    head = folder / "head"
    for file in sorted(head.rglob("*")) if head.is_dir() else ():
        if file.name not in _LITTER and not file.is_dir():
            yield file.relative_to(folder).as_posix()


def check_replaceable(folder: Path, *, force: bool = False) -> None:
    """Raise OutputError unless a model may be written there.

    It may take the place of nothing, of an empty folder, and of a model that holds nothing but
    what a `fit` wrote; with `force` of any folder.
    """
    refuse_place(folder)
    if not folder.exists() or (force and folder.is_dir()):
        return
    if not folder.is_dir():
        raise OutputError(f"{folder} exists and is no folder; name another with --out")
    foreign = foreign_files(folder)
    if not foreign:
        return
    if not (folder / MODEL_FILE).is_file():
        raise OutputError(
            f"{folder} exists and is no model; expected a new folder or one that holds a model; "
            "name another with --out, or replace it with --force"
        )
    raise OutputError(
        f"{folder} holds {foreign[0]}, which no model of this program has and which would be lost; "
        "move it away, name another folder with --out, or replace all with --force"
    )
