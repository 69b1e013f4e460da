"""Text for a terminal or a pipe of any encoding: no character ends a command."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import shutil
import sys
import textwrap
from typing import TextIO

_PLAIN = str.maketrans({
    "×": "x", "≥": ">=", "≤": "<=", "…": "...", "–": "-", "—": "-", "−": "-", "“": '"', "”": '"',
    "‘": "'", "’": "'", "²": "^2", "±": "+-", "·": "*", "√": "sqrt", "→": "->", "≈": "~",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ",
})  # fmt: skip
"""What stands for a character where an encoding lacks it; others become escapes."""

_GAP = re.compile(r"\S+(?: \S+)*  +(?=\S)")

NARROWEST, WIDEST = 40, 200  # columns


def never_fail() -> None:
    """See that standard output and standard error escape what they cannot encode.

    Python writes to a pipe or a file in the encoding of the system: cp1252 or cp932 on Windows,
    Latin-1 or ASCII elsewhere. By default a character that is not in it ends the program.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def encodable(text: str, encoding: str | None) -> str:
    r"""Replace what an encoding lacks: by plain letters if that means the same, else by escapes.

    Example:
        >>> encodable("49 % ≥ 2 % défaut 合", "latin-1")
        '49 % >= 2 % défaut \\u5408'
    """
    try:
        codecs.lookup(encoding or "")
    except LookupError:
        encoding = "ascii"
    return "".join(_one(character, encoding or "ascii") for character in text)


def _one(character: str, encoding: str) -> str:
    for shown in (character, character.translate(_PLAIN)):
        with contextlib.suppress(UnicodeEncodeError):
            shown.encode(encoding)
            return shown
    return character.encode("ascii", "backslashreplace").decode()


def write_lines(text: str, stream: TextIO) -> None:
    """Write lines to a stream; on a terminal, or where COLUMNS is set, sentences are wrapped.

    What goes to a pipe or a file is one line a sentence, unless somebody asks for a width.
    """
    if stream.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        columns = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
        text = "\n".join(_wrapped(line, columns) for line in text.split("\n"))
    print(encodable(text, stream.encoding), file=stream, flush=True)


def _wrapped(line: str, columns: int) -> str:
    """Wrap a sentence; behind a word and a gap, further lines begin where the first does.

    Rows of several columns stay as they are.
    """
    if len(line) <= columns:
        return line
    gap = _GAP.match(line)
    behind = len(gap[0]) if gap else len(line) - len(line.lstrip())
    text = line[behind:]
    if "  " in text.strip() or behind > columns // 2:
        return line
    return textwrap.fill(
        text, columns, initial_indent=line[:behind], subsequent_indent=" " * behind,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
