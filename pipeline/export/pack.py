"""A model as one file, for a memory stick: packed whole, unpacked only if it is whole.

The file is a ZIP archive without compression: model.json first, then what it names, sorted, all of
one date. So the same model gives the same bytes, and what an archive claims can be held against its
own size before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from features.errors import BundleError, OutputError
from features.files import whole_folder, write_whole
from features.untrusted_files import open_archive, read_bytes
from pipeline.model.bundle import read_record
from pipeline.model.files import MODEL_FILE, check_files, check_replaceable, stays_inside
from pipeline.model.record import READABLE
from pipeline.output.overwrite import check_overwritable

_OURS = re.compile(rb"PK\x03\x04.{22}\x0a\x00\x00\x00model\.json\{", re.DOTALL)
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP archive can say
_MODE = (stat.S_IFREG | 0o644) << 16
_MOST_FILES = 1000
_MOST_BYTES = 8 * 2**30
_NOT_ON_WINDOWS = re.compile(
    r'[<>:"|?*\\\x00-\x1f]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)'
)


def pack(model: Path, out: Path, *, force: bool = False) -> int:
    """Write a model into one file.

    Args:
        model: its folder.
        out: the file; a packed model that is there is replaced.
        force: replace any file.

    Returns:
        Its size in bytes.

    Raises:
        BundleError: the model is damaged.
        OutputError: the file is something else, or cannot be written.
    """
    check_overwritable(out, _OURS, force=force)
    facts = read_record(model).to_json()
    check_files(model, dict(facts["files"]))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in (MODEL_FILE, *sorted(facts["files"])):
            member = zipfile.ZipInfo(name, _DATE)
            member.create_system, member.external_attr = 3, _MODE
            archive.writestr(member, read_bytes(model / name))
    write_whole(out, content.getvalue())
    return content.tell()


def unpack(file: Path, out: Path, *, force: bool = False) -> dict[str, Any]:
    """Write the model of a packed file into a folder, if it is whole.

    Nothing of it is run or believed: names that lead elsewhere, archives that claim more than they
    hold, files that model.json does not name and digests that do not fit are refused, and then
    nothing is written.

    Args:
        file: of `pack`.
        out: the model's folder; the same model that is there is written anew.
        force: replace a folder that holds another model, or something else.

    Returns:
        model.json.

    Raises:
        BundleError: it is no packed model, or damaged.
        OutputError: the folder is another model or something else, or cannot be written.
    """
    check_replaceable(out, force=force)
    try:
        members = _members(read_bytes(file, _MOST_BYTES))
        facts = json.loads(members[MODEL_FILE].decode("utf-8"))
        _check_whole(members, facts)
    except FileNotFoundError:
        raise BundleError(f"no file at {file}; make one with: onepass pack MODEL {file}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{file} is no packed model, or damaged ({error}); expected a file of onepass pack; "
            "copy it again, or pack the model again"
        ) from error
    there = out / MODEL_FILE  # a trained model may be the only one of its kind
    if not force and there.exists() and read_bytes(there, _MOST_BYTES) != members[MODEL_FILE]:
        raise OutputError(
            f"{out} holds another model than {file}; expected a new folder, or that model; name "
            "another folder, or say --force to replace it"
        )
    with whole_folder(out) as new:
        for name, content in members.items():
            target = new / PurePosixPath(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    found: dict[str, Any] = facts
    return found


def _members(content: bytes) -> dict[str, bytes]:
    """Give the files of an archive by name, none of which leads outside or meets another.

    Raises:
        ValueError: one does, or there are too many; `UnsafeFileError` of `open_archive`.
        zipfile.BadZipFile: it is none, or a member's checksum is wrong.
    """
    with open_archive(content) as archive:
        infos = archive.infolist()
        if len(infos) > _MOST_FILES:
            raise ValueError(f"it holds {len(infos):,} files, more than {_MOST_FILES:,}")
        for info in infos:
            name = info.filename
            kind = stat.S_IFMT(info.external_attr >> 16)
            if not stays_inside(name) or _NOT_ON_WINDOWS.search(name.lower()):
                raise ValueError(f"it holds a file called {name!r:.80}, which no model has")
            if info.is_dir() or kind not in (0, stat.S_IFREG):
                raise ValueError(f"its part {name!r:.80} is no regular file")
        names = [info.filename for info in infos]
        folded = {str(PurePosixPath(name)).casefold() for name in names}
        if len(folded) < len(names) or any(
            str(parent).casefold() in folded for name in names for parent in _above(name)
        ):
            raise ValueError("two of its files would have one place")
        if MODEL_FILE not in names:
            raise ValueError(f"it holds no {MODEL_FILE}")
        return {info.filename: archive.read(info) for info in infos}


def _above(name: str) -> list[PurePosixPath]:
    return [parent for parent in PurePosixPath(name).parents if str(parent) != "."]


def _check_whole(members: dict[str, bytes], facts: Any) -> None:  # noqa: ANN401 - any JSON
    """Raise ValueError unless there is what model.json names, as it says, and nothing else."""
    if not isinstance(facts, dict) or facts.get("onepass_bundle") not in READABLE:
        raise ValueError(f"its {MODEL_FILE} is of another version; use the one that made it")
    files = dict(facts["files"])
    if set(files) != set(members) - {MODEL_FILE}:
        other = sorted(set(files) ^ (set(members) - {MODEL_FILE}))[0]
        raise ValueError(f"{other!r:.80} is missing, or not named in {MODEL_FILE}")
    for name, digest in files.items():
        if hashlib.sha256(members[name]).hexdigest() != digest:
            raise ValueError(f"{name!r:.80} is not the file that was packed")
