"""Overwrite files that this program wrote. Anything else only when that is asked."""

from __future__ import annotations

import re
from pathlib import Path

from features.errors import OutputError
from features.files import refuse_address

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
    refuse_address(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; expected the name of a file")
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT) if path.is_file() else b""
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(
            f"{path} cannot be opened ({error.strerror}); name another place"
        ) from error
    if start and not force and not ours.match(start):
        raise OutputError(
            f"{path} exists and was not written by this program; it would be lost: "
            "name another place, or overwrite it with --force"
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
