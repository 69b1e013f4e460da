"""Draw photographs in a grid with captions, as one PNG; and text in pictures, cut to fit."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from features.cache.thumbnails import Grey
from features.errors import ImageError
from features.photographs.decode_worker_pool import thumbnail_apart
from features.photographs.file import read_photograph
from pipeline.output.overwrite import SOFTWARE
from pipeline.output.tables import printable

COLUMNS = 5
CELL = 220  # pixels: a photograph's longer side
GAP = 18
_CAPTION = 70  # three lines of text under each photograph
_TITLE, _LINE = 15, 22  # pixels: letters and lines of the legend
_INK, _GREY, _PAPER, _EMPTY = (25, 25, 25), (100, 100, 100), (255, 255, 255), (232, 232, 232)
# Okabe and Ito's blue and vermilion, darkened for text. Colour-blind people tell them apart;
# sign, word and the badge's shape say the same without colour.
_MARKS = {True: ("✓", "right", (0, 92, 150)), False: ("✗", "wrong", (190, 65, 0))}


@dataclass(frozen=True)
class SheetEntry:
    """One cell.

    Attributes:
        file: the photograph.
        verdict: what to say of it, such as "defects 97 %"; None where it could not be read.
        truth: its class, where known.
        right: whether verdict and truth agree; None where that is not known.
        error: why there is no verdict.
        said: numbers behind the verdict, which are never cut.
        small: uint8 (64, 64), drawn where the file cannot be read; None for the reason instead.
        name: what stands below; empty for the file's.
        view: draws the photograph from its file, its longer side so many pixels.
    """

    file: Path
    verdict: str | None
    truth: str | None = None
    right: bool | None = None
    error: str | None = None
    said: str = ""
    small: Grey | None = None
    name: str = ""
    view: Callable[[bytes, int], Image.Image] = thumbnail_apart


def draw_sheet(entries: Sequence[SheetEntry | None], title: str) -> bytes:
    """Draw the entries five in a row, each upright, whole and undistorted, under a legend.

    Args:
        entries: any number; a photograph that cannot be read is a grey cell with the reason, and
            None is no cell.
        title: the legend, such as what the percentages mean; long ones wrap.

    Returns:
        A PNG of 1,208 pixels' width.
    """
    width = COLUMNS * (CELL + GAP) + GAP
    legend = wrap(title, width - 2 * GAP, _TITLE)
    header = GAP + _LINE * len(legend) + 8
    rows = -(-len(entries) // COLUMNS)
    sheet = Image.new("RGB", (width, header + rows * (CELL + _CAPTION + GAP) + GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(legend):
        draw.text((GAP, GAP + _LINE * number), line, _INK, font_of(_TITLE))
    for number, entry in enumerate(entries):
        if entry is None:
            continue
        left = GAP + (number % COLUMNS) * (CELL + GAP)
        top = header + (number // COLUMNS) * (CELL + _CAPTION + GAP)
        _draw_photograph(sheet, entry, left, top)
        _draw_caption(draw, entry, left, top + CELL + 5)
    out = io.BytesIO()
    about = PngInfo()
    about.add_text("Software", SOFTWARE)
    sheet.save(out, "PNG", pnginfo=about)
    return out.getvalue()


def _draw_photograph(sheet: Image.Image, entry: SheetEntry, left: int, top: int) -> None:
    """Give the photograph in its cell, with a badge where truth is known; else the reason."""
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), _EMPTY)
    reason = entry.error
    picture = None if entry.small is None else Image.fromarray(entry.small).resize((CELL, CELL))
    if reason is None:
        try:
            picture = entry.view(read_photograph(entry.file), CELL)
        except ImageError as error:
            reason = str(error)
    if picture is not None:
        corner = (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2)
        sheet.paste(picture, corner)
    elif reason is not None:
        lines = wrap(reason, CELL - 24, 13)[:8]
        for number, line in enumerate(lines):
            place = (left + CELL // 2, top + CELL // 2 + 18 * number - 9 * len(lines))
            draw.text(place, line, _INK, font_of(13), anchor="ma")
    if entry.right is not None:
        _draw_badge(draw, entry.right, left + CELL - 36, top + 8)


def _draw_badge(draw: ImageDraw.ImageDraw, right: bool, left: int, top: int) -> None:
    """Give a round tick or a square cross, 28 pixels wide."""
    sign, _, colour = _MARKS[right]
    frame = (left, top, left + 28, top + 28)
    (draw.ellipse if right else draw.rectangle)(frame, colour, _PAPER, 2)
    draw.text((left + 14, top + 14), sign, _PAPER, font_of(18), anchor="mm")


def _draw_caption(draw: ImageDraw.ImageDraw, entry: SheetEntry, left: int, top: int) -> None:
    """Draw verdict, truth and file name, each shortened to the cell's width."""
    font, said = font_of(16, bold=True), f"  {entry.said}" if entry.said else ""
    verdict = "unreadable" if entry.verdict is None else entry.verdict
    verdict = shorten(verdict, CELL - round(font.getlength(said)), 16, bold=True)
    draw.text((left, top), f"{verdict}{said}", _INK, font)
    if entry.truth is not None:
        sign, word, colour = ("", "", _GREY) if entry.right is None else _MARKS[entry.right]
        end = f"  {sign} {word}" if word else ""
        space = CELL - round(font_of(13).getlength(f"is {end}"))
        draw.text(
            (left, top + 24), f"is {shorten(entry.truth, space, 13)}{end}", colour, font_of(13)
        )
    draw.text(
        (left, top + 45), shorten(entry.name or entry.file.name, CELL, 11), _GREY, font_of(11)
    )


def shorten(text: str, width: int, size: int, *, bold: bool = False) -> str:
    """Cut the middle out of a text that is wider than `width` pixels; control characters shown."""
    text, font = printable(text), font_of(size, bold=bold)
    if font.getlength(text) <= width:
        return text
    # A letter is at least a pixel wide: what is longer than `width` letters need not be measured.
    for keep in range(min(len(text) - 1, width), 1, -1):
        short = f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
        if font.getlength(short) <= width:
            return short
    return "…"


def wrap(text: str, width: int, size: int) -> list[str]:
    """Break a text into lines of at most `width` pixels; a longer word is shortened."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {printable(word)}".strip()
        if font_of(size).getlength(longer) <= width:
            lines[-1] = longer
            continue
        lines.append(shorten(word, width, size))
    return [line for line in lines if line]


@cache
def font_of(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, of many scripts, from beside this file: no system has to have it.

    Args:
        size: in pixels.
        bold: for titles.
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(__file__).with_name("typeface") / name, size)
