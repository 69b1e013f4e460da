"""Tables as text: CSV that spreadsheets show and never run, and columns for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """CSV with a header line; a missing or None cell is empty.

    Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
    injection"); numbers are left alone.
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
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value


def from_cell(text: str) -> str:
    """The text that `to_csv` wrote: without the apostrophe in front of a formula."""
    guarded = text.startswith("'") and text[1:].startswith(_FORMULA_STARTS)
    return text[1:] if guarded else text


def align(rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    """Rows of cells as lines of text, the first column to the left, the others `right`-aligned."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        for cell, width in zip(row[1:], widths[1:], strict=False):
            cells.append(cell.rjust(width) if right else cell.ljust(width))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text that a terminal shows as it is: control characters and broken bytes as escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
