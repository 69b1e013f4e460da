"""Contact sheets of groups: a strip of photographs each, from the files or from the cache."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from features.decoder import thumbnail_apart
from features.errors import ImageError
from features.glimpse import Grey
from features.photograph_file import read_photograph
from pipeline.letters import font_of, shorten

_CELL = 130  # pixels: a photograph's longer side
_GAP = 12
_PHOTOGRAPHS = 9  # of a strip; of a larger group the first, the last and some between
_HEADER, _CAPTION = 24, 18
_INK, _GREY, _PAPER, _EMPTY = (25, 25, 25), (100, 100, 100), (255, 255, 255), (232, 232, 232)


@dataclass(frozen=True)
class Strip:
    """Photographs that are shown side by side.

    Attributes:
        name: in bold, such as "part-0001".
        words: beside it.
        members: their numbers.
    """

    name: str
    words: str
    members: list[int]


def draw_strips(
    strips: Sequence[Strip],
    paths: Sequence[str],
    root: Path,
    small: Mapping[int, Grey],
    title: str,
    *,
    columns: int = 1,
) -> bytes:
    """Draw strips under one another, upright photographs, whole and undistorted.

    Args:
        strips: any number.
        paths: of all photographs, relative to `root`.
        root: where the photographs are, if they are still there.
        small: by number, the 32 × 32 grey picture of the cache, shown where a file cannot be read.
        title: on top.
        columns: strips side by side.

    Returns:
        A PNG.
    """
    longest = max(min(len(strip.members), _PHOTOGRAPHS) for strip in strips)
    width = max(longest * (_CELL + _GAP), 400) + _GAP
    height = _HEADER + _CELL + _CAPTION + _GAP
    rows = -(-len(strips) // columns)
    sheet = Image.new("RGB", (columns * width, 48 + rows * height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), shorten(title, columns * width - 2 * _GAP, 16), _INK, font_of(16))
    for number, strip in enumerate(strips):
        left = (number % columns) * width + _GAP
        top = 48 + (number // columns) * height
        draw.text((left, top), strip.name, _INK, font_of(14, bold=True))
        start = left + round(font_of(14, bold=True).getlength(strip.name)) + 10
        room = (number % columns + 1) * width - start - _GAP
        draw.text((start, top + 1), shorten(strip.words, room, 13), _GREY, font_of(13))
        for place, member in enumerate(_some(strip.members)):
            x = left + place * (_CELL + _GAP)
            _draw_one(sheet, root / paths[member], small.get(member), x, top + _HEADER)
            caption = shorten(paths[member], _CELL, 10)
            draw.text((x, top + _HEADER + _CELL + 2), caption, _GREY, font_of(10))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _some(members: Sequence[int]) -> list[int]:
    """All, or as many as fit, evenly spread."""
    count = min(len(members), _PHOTOGRAPHS)
    return [members[i * (len(members) - 1) // max(count - 1, 1)] for i in range(count)]


def _draw_one(sheet: Image.Image, file: Path, small: Grey | None, left: int, top: int) -> None:
    ImageDraw.Draw(sheet).rectangle((left, top, left + _CELL - 1, top + _CELL - 1), _EMPTY)
    picture = _picture(file, small)
    if picture is None:
        draw = ImageDraw.Draw(sheet)
        place = (left + _CELL // 2, top + _CELL // 2)
        draw.text(place, "not there", _GREY, font_of(12), anchor="mm")
        return
    place = (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2)
    sheet.paste(picture, place)


def _picture(file: Path, small: Grey | None) -> Image.Image | None:
    try:
        return thumbnail_apart(read_photograph(file), _CELL)
    except ImageError:
        if small is None:
            return None
        return Image.fromarray(small).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
