"""The write-up's picture: a grid of photographs with their verdicts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from features.errors import ImageError
from features.images import thumbnail
from pipeline.tables import printable

_COLUMNS = 5
_CELL = 220  # pixels: a photograph's longer side
_GAP = 16
_CAPTION = 66  # three lines of text under each photograph
_HEADER = 44
_INK, _GREY = (25, 25, 25), (110, 110, 110)
# Okabe and Ito's blue and vermilion, told apart by colour-blind people too; a word says it as well.
_RIGHT, _WRONG = (0, 92, 150), (190, 70, 0)


@dataclass(frozen=True)
class SheetEntry:
    """One cell.

    Attributes:
        file: the photograph.
        verdict: what to say of it; None where it could not be read.
        truth: its class, where known.
        right: whether verdict and truth agree; None where that is not known.
        error: why there is no verdict.
    """

    file: Path
    verdict: str | None
    truth: str | None = None
    right: bool | None = None
    error: str | None = None


def draw_sheet(entries: Sequence[SheetEntry], title: str) -> bytes:
    """Draw the entries five in a row; returns a PNG."""
    columns = min(_COLUMNS, max(3, len(entries)))
    rows = -(-len(entries) // columns)
    width = columns * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _HEADER + rows * (_CELL + _CAPTION + _GAP) + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 14), _shorten(title, width - 2 * _GAP, 15), _INK, _font(15))
    for number, entry in enumerate(entries):
        left = _GAP + (number % columns) * (_CELL + _GAP)
        top = _HEADER + (number // columns) * (_CELL + _CAPTION + _GAP)
        _draw_photograph(sheet, draw, entry, left, top)
        _draw_caption(draw, entry, left, top + _CELL + 4)
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _draw_photograph(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, entry: SheetEntry, left: int, top: int
) -> None:
    draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), fill=(238, 238, 238))
    try:
        picture = thumbnail(entry.file.read_bytes(), _CELL)
    except (ImageError, OSError) as error:
        reason = entry.error or str(error)
        for line, text in enumerate(_wrap(reason, 26)[:6]):
            draw.text((left + 10, top + 60 + 18 * line), text, _GREY, _font(13))
        return
    middle = ((_CELL - picture.width) // 2, (_CELL - picture.height) // 2)
    sheet.paste(picture, (left + middle[0], top + middle[1]))


def _draw_caption(draw: ImageDraw.ImageDraw, entry: SheetEntry, left: int, top: int) -> None:
    colour = {True: _RIGHT, False: _WRONG, None: _INK}[entry.right]
    verdict = _shorten(entry.verdict or "unreadable", _CELL, 16)
    draw.text((left, top), verdict, colour, _font(16))
    if entry.truth is not None:
        mark = {True: "right", False: "WRONG", None: ""}[entry.right]
        text = _shorten(f"is {entry.truth}  {mark}", _CELL, 13)
        draw.text((left, top + 22), text, colour, _font(13))
    draw.text((left, top + 42), _shorten(entry.file.name, _CELL, 11), _GREY, _font(11))


def _shorten(text: str, width: int, size: int) -> str:
    """Cut the middle out of a text that is wider than `width` pixels."""
    text = printable(text)
    if _font(size).getlength(text) <= width:
        return text
    keep = len(text)
    while keep > 2 and _font(size).getlength(text[: keep // 2] + "…" + text[-(keep // 2) :]) > width:
        keep -= 1
    return text[: keep // 2] + "…" + text[-(keep // 2) :]


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in printable(text).split():
        if len(lines[-1]) + len(word) > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which covers most scripts and comes with matplotlib."""
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
