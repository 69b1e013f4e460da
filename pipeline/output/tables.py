"""Tables as text: CSV that spreadsheets show and never run, and columns for a terminal."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence

# Where a spreadsheet begins a formula: at the start of a cell, also behind the separators of
# countries that write decimals with commas, and in the wide forms of East Asian keyboards.
_FORMULA = re.compile(r"(^|[;\t\r\n|])(\s*[=+\-@＝＋－＠])")
_GUARDED = re.compile(r"(^|[;\t\r\n|])'(\s*[=+\-@＝＋－＠])")

# Characters that move the cursor, change colours, or turn the direction of the text around.
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


MARK = "\ufeff"
"""What a spreadsheet knows UTF-8 by: the first character of tables that people open."""


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    r"""Write CSV with a header line; a missing or None cell is empty.

    Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
    injection"), and characters that do something to a terminal are written as escapes (\x1b);
    numbers are left alone.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str):
        return _HIDDEN.sub(_escape, _FORMULA.sub(r"\1'\2", value))
    return value


def escaped_json(text: str) -> str:
    """Write JSON that means the same and does nothing to a terminal."""
    return re.sub(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", _escape_json, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _escape_json(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def from_cell(text: str) -> str:
    """Give the text that `to_csv` wrote, without its apostrophes; escapes stay as they are."""
    return _GUARDED.sub(r"\1\2", text)


NARROWEST = 40
"""Columns below which no table is cut; where the width is not known it is 80."""


def align(rows: Sequence[Sequence[str]], *, right: bool = True, width: int | None = None) -> str:
    """Align rows of cells as lines of text, the first column left, the others `right`-aligned.

    Args:
        rows: cells; the first row has the most.
        right: to the right, as numbers are.
        width: a table of numbers that is wider is cut between columns into tables below each other,
            each with the first column; None for that of the terminal (80 where there is none, at
            least 40).
    """
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    if not right:
        return _lines(rows, widths, range(len(widths)), right=False)
    most = width or _terminal_width()
    blocks, used = [[0]], widths[0]
    for column, own in enumerate(widths[1:], 1):
        if used + 2 + own > most and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(column)
        used += 2 + own
    return "\n\n".join(_lines(rows, widths, block, right=True) for block in blocks)


def fits(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether all columns stand side by side in a terminal as wide as this one."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return sum(widths) + 2 * (len(widths) - 1) <= _terminal_width()


def _terminal_width() -> int:
    return max(NARROWEST, shutil.get_terminal_size().columns)


def _lines(
    rows: Sequence[Sequence[str]], widths: Sequence[int], columns: Sequence[int], *, right: bool
) -> str:
    """Give these columns of the rows, one line each."""
    lines = []
    for row in rows:
        there = [at for at in columns if at < len(row)]
        cells = [row[at].rjust(widths[at]) if right and at else row[at].ljust(widths[at])
                 for at in there]  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def visible(text: str) -> str:
    """Split text to lines, each as `printable` has it."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """Give text that a terminal shows as it is: control characters and broken bytes as escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
