"""Text in pictures: one font, and texts cut or broken to fit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import ImageFont

from pipeline.output.tables import printable


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
