"""Overwrite files that this program wrote. Anything else only when that is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from features.errors import OutputError
from features.files import refuse_place

SOFTWARE = "Onepass"
"""What pictures say in their PNG text "Software"."""

PREDICTIONS = {
    ".csv": re.compile(rb"(\xef\xbb\xbf)?(path|part),class,"),
    ".json": re.compile(rb"\[\s*(\{\s*\"(path|part)\":|\])"),
    ".jsonl": re.compile(rb"\{\"(path|part)\":"),
}
"""How files of predictions begin, by suffix."""

TO_LABEL = re.compile(rb"(\xef\xbb\xbf)?path,label,part,")
"""How the table of parts to label begins."""

DRIFT = re.compile(rb"(\xef\xbb\xbf)?part,time,path,digest")
"""How the table of what changed begins."""

COMPARISON = {
    ".csv": re.compile(rb"(\xef\xbb\xbf)?head,title,"),
    ".json": re.compile(rb"\{\s*\"best\":"),
}
"""How the files of a comparison begin, by suffix."""

LEARNING = re.compile(rb"(\xef\xbb\xbf)?head,features,draw,")
"""How the table of a learning curve begins."""

REPORT = re.compile(
    rb"<!DOCTYPE html>.{0,100}?<meta name=\"generator\" content=\"" + SOFTWARE.encode(), re.DOTALL
)
"""How a report begins."""

PICTURE = re.compile(rb"\x89PNG.{0,200}?tEXtSoftware\0" + SOFTWARE.encode(), re.DOTALL)
"""How a picture begins."""

CURVES_PICTURE = re.compile(rb"\x89PNG.{0,200}?tEXtSoftware\0Matplotlib", re.DOTALL)
"""How a picture of curves begins that an earlier version drew."""

_LOOKED_AT = 512  # bytes


def check_overwritable(path: Path, ours: re.Pattern[bytes], *, force: bool = False) -> None:
    """Raise OutputError where a file would be lost that this program did not write.

    Args:
        path: where a result is to go; nothing, or an empty file, may be there.
        ours: how files that this program wrote there begin.
        force: overwrite any file.
    """
    refuse_place(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; expected the name of a file")
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT) if path.is_file() else b""
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise OutputError(
            f"{path.parent} exists and is no folder; name another with --out"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{path} cannot be opened ({error.strerror}); name another place"
        ) from error
    if start and not force and not ours.match(start):
        raise OutputError(
            f"{path} exists and was not written by this program; it would be lost: "
            "name another place, or overwrite it with --force"
        )


def check_picture(
    path: Path, photographs: Iterable[Path] = (), *, force: bool = False, ask: str = "--sheet"
) -> None:
    """Raise OutputError where a picture cannot be written, or would be taken for a photograph.

    Args:
        path: of the picture; a PNG.
        photographs: files and folders that are about to be looked at.
        force: overwrite any file.
        ask: the option that names another place.
    """
    if path.suffix.lower() != ".png":
        raise OutputError(f"cannot draw {path.name!r}: pictures are PNG; expected a name in .png")
    refuse_among(path, photographs, ask)
    check_overwritable(path, PICTURE, force=force)


def refuse_among(path: Path, photographs: Iterable[Path], ask: str) -> None:
    """Raise OutputError where pictures at `path` would be looked at as photographs the next time.

    Args:
        path: of a picture, or of a folder that is to hold some.
        photographs: files and folders of these.
        ask: the option that names another place.
    """
    place = path.resolve()
    for folder in photographs:
        if folder.is_dir() and place.is_relative_to(folder.resolve()):
            raise OutputError(
                f"{path} lies in {folder}, where our pictures would be taken for photographs the "
                f"next time; expected a place elsewhere; name another with {ask}"
            )


def remove_ours(path: Path, ours: re.Pattern[bytes]) -> None:
    """Remove what an earlier version wrote there and this one does not; leave anything else.

    Args:
        path: a file beside new results, which would show old ones.
        ours: how it begins.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
        if ours.match(start):
            path.unlink()
    except OSError:
        return
