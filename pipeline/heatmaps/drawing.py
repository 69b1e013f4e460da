"""Heatmaps over photographs: a small picture for reports and sheets, a page with a legend."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from PIL.ExifTags import Base as Tag

from features.arrays import Floats, Pixels
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import orientation_apart, thumbnail_apart
from pipeline.heatmaps.explain import Frame
from pipeline.heatmaps.views import lay_out
from pipeline.output.photograph_grid import font_of, shorten, wrap

_SIDE = 448  # pixels: a photograph's longer side on a page
_GAP, _BAR, _LINE = 20, 18, 20
_INK, _GREY, _PAPER, _HALF = (25, 25, 25), (100, 100, 100), (255, 255, 255), (255, 255, 255)
_CLEAR = 0.25  # share of full colour from which on a place is named


class Picture(NamedTuple):
    """An image file for a page.

    Attributes:
        content: the file.
        media_type: such as "image/jpeg".
        size: width and height in pixels.
        alt: what it shows, in words.
    """

    content: bytes
    media_type: str
    size: tuple[int, int]
    alt: str


class Marked(NamedTuple):
    """A photograph, the same under its heatmap, and the values (height, width) that are shown."""

    photograph: Image.Image
    heatmap: Image.Image
    values: Floats


def mark(
    data: bytes, cells: Floats, frame: Frame, side: int, *, max_pixels: int = MAX_PIXELS
) -> Marked:
    """Lay a heatmap over the upright photograph.

    The cells are spread over the photograph in proportion, as the recipe's resize does, and
    smoothly (monotone cubics: Fritsch and Carlson, 1980, which never overshoot). A white line
    surrounds what has at least half of full colour for, so that it is seen without colours.

    Args:
        data: the photograph's file.
        cells: float64 (height, width) of `explain`.
        frame: of the model.
        side: pixels of the longer side.
        max_pixels: refuse larger photographs.

    Raises:
        ImageError: the photograph cannot be read.
    """
    photograph = thumbnail_apart(data, side, max_pixels=max_pixels)
    turn = 1 if frame.upright else orientation_apart(data, max_pixels=max_pixels)
    values = shares_of_full(cells, frame, photograph.size, turn)
    pixels = colour(np.asarray(photograph), values)
    strong = Image.fromarray(np.asarray(values >= 0.5))
    inner = np.asarray(strong.convert("L").filter(ImageFilter.MinFilter(3))) > 0
    pixels[(values >= 0.5) & ~inner] = _HALF
    return Marked(photograph, Image.fromarray(pixels), values)


def shares_of_full(cells: Floats, frame: Frame, size: tuple[int, int], turn: int = 1) -> Floats:
    """Give a heatmap of `explain` in shares of full colour, as `spread` does."""
    seen = size if turn < 5 else size[::-1]
    laid = lay_out(cells, frame.views, seen) if frame.views else cells
    return spread(laid / frame.scale, size, turn)


def spread(cells: Floats, size: tuple[int, int], turn: int = 1) -> Floats:
    """Spread cells (height, width) to a smooth map of a picture of `size` (width, height).

    Args:
        cells: any range.
        size: of the upright picture, in pixels.
        turn: EXIF orientation that the picture has been turned by and the cells have not.
    """
    width, height = size if turn < 5 else size[::-1]
    smooth = _along(_along(cells, height).T, width).T
    flat = Image.fromarray(np.ascontiguousarray(smooth, dtype=np.float32))
    flat.getexif()[Tag.Orientation] = turn
    return np.asarray(ImageOps.exif_transpose(flat), dtype=np.float64)


def _along(values: Floats, length: int) -> Floats:
    """Interpolate the first axis between the middles of the cells, flat beyond the outer ones."""
    count = len(values)
    if count == 1:
        return np.repeat(values, length, axis=0)
    places = np.clip((np.arange(length) + 0.5) / length * count - 0.5, 0, count - 1)
    from scipy.interpolate import PchipInterpolator  # here, as it is slow to import

    found: Floats = PchipInterpolator(np.arange(count), values, axis=0)(places)
    return found


def describe(values: Floats, frame: Frame) -> str:
    """Say where a map (height, width) in shares of full colour speaks loudest, in words."""
    subject = frame.subject
    place = np.unravel_index(int(values.argmax()), values.shape)
    if values[place] < _CLEAR:
        if frame.views:
            return f"no place in it speaks clearly louder for {subject} than the others"
        return f"nothing in it speaks clearly for {subject}"
    across = ("left", "middle", "right")[int(3 * place[1] / values.shape[1])]
    down = ("top", "middle", "bottom")[int(3 * place[0] / values.shape[0])]
    where = " ".join(dict.fromkeys((down, across)))
    strength = "clearly" if values[place] >= 0.5 else "weakly"
    return f"what speaks for {subject} lies at the {where} ({strength})"


def heatmap_picture(
    data: bytes,
    cells: Floats,
    frame: Frame,
    name: str,
    *,
    side: int = 320,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Give a small JPEG of a photograph under its heatmap, without a legend, for a page.

    Args:
        data: the photograph's file.
        cells: float64 (height, width) of `explain`.
        frame: of the model.
        name: of the photograph, for the alternative text; not escaped.
        side: pixels of the longer side.
        max_pixels: refuse larger photographs.

    Raises:
        ImageError: the photograph cannot be read.

    Example:
        >>> told = onepass.predict(
        ...     bundle,
        ...     onepass.find_photographs(paths[:1]),
        ...     Path("features.h5"),
        ...     explain=onepass.explain,
        ... )
        >>> data, frame = told[0].file.read_bytes(), onepass.frame_of(bundle)
        >>> onepass.heatmap_picture(data, told[0].cells, frame, "part 1").media_type
        'image/jpeg'
    """
    marked = mark(data, cells, frame, side, max_pixels=max_pixels)
    alt = f"Heatmap of {name}: {describe(marked.values, frame)}."
    return Picture(_file(marked.heatmap, "JPEG"), "image/jpeg", marked.heatmap.size, alt)


def legend_picture(frame: Frame, width: int = 420) -> Picture:
    """Give the legend of a model's heatmaps as a PNG, for a page.

    Args:
        frame: of the model.
        width: in pixels.

    Example:
        >>> onepass.legend_picture(onepass.frame_of(bundle), width=300).size[0]
        300
    """
    image = draw_legend(frame, width)
    alt = (
        f"Legend: vermilion speaks for {frame.subject}, blue against it; full colour changes the "
        f"odds {_times(frame)}."
    )
    return Picture(_file(image, "PNG"), "image/png", image.size, alt)


def draw_page(marked: Marked, frame: Frame, shape: tuple[int, int], title: str, name: str) -> bytes:
    """Give the photograph, beside it its heatmap, below them the legend: a PNG.

    Args:
        marked: of `mark`.
        frame: of the model.
        shape: how many cells the map has: height and width.
        title: the verdict.
        name: the photograph's.
    """
    photograph = marked.photograph
    width = max(2 * photograph.width + _GAP, 620)
    legend = draw_legend(frame, min(width, 620))
    note = wrap(f"{how_to_read(frame, shape)} White line: half of full colour.", width, 12)
    top = _GAP + 52
    height = top + photograph.height + _GAP + legend.height + 18 * len(note) + _GAP
    page = Image.new("RGB", (width + 2 * _GAP, height), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_GAP, _GAP), shorten(title, width, 18, bold=True), _INK, font_of(18, bold=True))
    draw.text((_GAP, _GAP + 28), shorten(name, width, 12), _GREY, font_of(12))
    page.paste(photograph, (_GAP, top))
    page.paste(marked.heatmap, (_GAP + photograph.width + _GAP, top))
    top += photograph.height + _GAP
    page.paste(legend, (_GAP, top))
    for number, line in enumerate(note):
        place = (_GAP, top + legend.height + 18 * number)
        draw.text(place, line, _GREY, font_of(12))
    return _file(page, "PNG")


def how_to_read(frame: Frame, shape: tuple[int, int]) -> str:
    """Say what a heatmap compares, and how far it can be believed.

    Args:
        frame: of the model.
        shape: how many cells a heatmap has, or views (1, views).
    """
    average = "an average healthy part" if frame.subject == "a defect" else "the average"
    if frame.views:
        return (
            f"{shape[1]} overlapping crops, each laid alone over {average}. A place is coloured by "
            "how much more the crops that show it say than the others: read which crop speaks, not "
            "where in it."
        )
    if frame.covered:
        return (
            f"{shape[0]} × {shape[1]} pieces, each covered by a blur in turn. A place is coloured "
            f"by how much less the rest speaks for {frame.subject}: read a direction, not an "
            "outline."
        )
    return (
        f"{shape[0]} × {shape[1]} cells, each compared with the same place of {average}. A cell "
        "sees far beyond its square: read a direction, not an outline."
    )


def draw_legend(frame: Frame, width: int) -> Image.Image:
    """Give a bar from full colour against, over nothing, to full colour for, with its meaning."""
    image = Image.new("RGB", (width, _BAR + 2 * _LINE + 6), _PAPER)
    grey = np.full((_BAR, width, 3), 160, dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(-1, 1, width), (_BAR, width))
    image.paste(Image.fromarray(colour(grey, ramp)), (0, _LINE))
    draw = ImageDraw.Draw(image)
    half = round(0.75 * (width - 1))
    draw.line((half, _LINE, half, _LINE + _BAR - 1), _HALF, 1)
    below = _LINE + _BAR + 3
    for x, anchor, above, text in (
        (0, "la", f"speaks against {frame.subject}", f"odds ÷ {_number(frame.odds)}"),
        (width // 2, "ma", "", "says nothing"),
        (width - 1, "ra", f"speaks for {frame.subject}", f"odds × {_number(frame.odds)}"),
    ):
        draw.text((x, 0), above, _INK, font_of(13), anchor=anchor)
        draw.text((x, below), text, _GREY, font_of(12), anchor=anchor)
    return image


def _times(frame: Frame) -> str:
    return f"{_number(frame.odds)}-fold"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _file(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    # Of JPEG; PNG has none. Colours in full: a thin white line would take those around it.
    image.save(out, kind, quality=85, subsampling=0)
    return out.getvalue()


FOR, AGAINST = (213, 94, 0), (0, 90, 200)
OPACITY = 0.75  # of full colour: the part stays visible below it


def colour(pixels: Pixels, values: Floats) -> Pixels:
    """Lay colours over a photograph.

    Args:
        pixels: uint8 (height, width, 3).
        values: float64 (height, width); 1 and above is full colour for, -1 and below against.

    Returns:
        uint8 (height, width, 3).
    """
    opacity = OPACITY * np.clip(np.abs(values), 0, 1)[:, :, None]
    inks = np.where(values[:, :, None] > 0, FOR, AGAINST)
    return np.asarray(np.rint(pixels * (1 - opacity) + inks * opacity), dtype=np.uint8)
