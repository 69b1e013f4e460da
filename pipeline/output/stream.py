"""Text for a terminal or a pipe of any encoding: no character ends a command."""

from __future__ import annotations

import contextlib
import shutil
import textwrap
from typing import TextIO

_PLAIN = str.maketrans({
    "×": "x", "≥": ">=", "≤": "<=", "…": "...", "–": "-", "—": "-", "−": "-", "“": '"', "”": '"',
    "‘": "'", "’": "'", "²": "^2", "±": "+-", "·": "*", "√": "sqrt", "→": "->", "≈": "~",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ",
})  # fmt: skip
"""What stands for a character where an encoding lacks it; others become escapes."""

NARROWEST, WIDEST = 40, 200  # columns


def encodable(text: str, encoding: str | None) -> str:
    r"""Replace what an encoding lacks: by plain letters if that means the same, else by escapes.

    Example:
        >>> encodable("49% ≥ 2% défaut 合", "latin-1")
        '49% >= 2% défaut \\u5408'
    """
    return "".join(_one(character, encoding or "ascii") for character in text)


def _one(character: str, encoding: str) -> str:
    for shown in (character, character.translate(_PLAIN)):
        with contextlib.suppress(UnicodeEncodeError, LookupError):
            shown.encode(encoding)
            return shown
    return character.encode("ascii", "backslashreplace").decode()


def say(text: str, stream: TextIO) -> None:
    """Write lines to a stream; on a terminal, long sentences are wrapped at its width."""
    if stream.isatty():
        columns = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
        text = "\n".join(_wrapped(line, columns) for line in text.split("\n"))
    print(encodable(text, stream.encoding), file=stream, flush=True)


def _wrapped(line: str, columns: int) -> str:
    """Wrap a sentence; what stands in columns stays as it is."""
    if len(line) <= columns or "  " in line.strip():
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line.strip(), columns, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
