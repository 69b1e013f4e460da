"""File to pixels: the one decoder.

bytes -> file_header: what it claims -> 8 bits: Pillow (JPEG: simplejpeg, strictly) -> colour
                                        more: tiff, png -> samples: 8 bits -> colour
colour: profile to sRGB, transparency over white, RGB -> turned, cut, resized: pixels
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import (
    Image,
)

from features.arrays import Pictures, Pixels
from features.errors import ImageError
from features.photographs import jpeg, png, tiff, webp
from features.photographs.colour import to_rgb, to_rgb_at_first
from features.photographs.file_header import Declared
from features.photographs.opening import (
    NO_TIME,
    TURNS,
    exif_time,
    parsed,
    read_exif,
    read_orientation,
)
from features.photographs.recipe import RECIPES
from features.photographs.recipe import Recipe as Recipe
from features.photographs.samples import Samples, to_eight_bits
from features.photographs.views import FULL, View, view_named

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".tif", ".tiff",
    ".webp", ".avif", ".heic", ".heif", ".hif", ".jxl",
})  # fmt: skip
"""File names that are taken for photographs, lower case."""

MAX_PIXELS = 178_956_970
"""Default cap on a photograph's width × height; above it decoding is refused (about 0.5 GB)."""

_Target = tuple[int, int] | None  # width and height that are needed; None: as it is

_ON_ITS_SIDE = 5  # from this EXIF orientation on, height is width


@dataclass(frozen=True)
class Header:
    """Hold what a file says of itself beside its pixels.

    Attributes:
        width, height: in pixels, upright, but before anything was scaled.
        format: one of FORMATS or PHONE_FORMATS.
        mode: Pillow's colour mode, such as "RGB" or "L".
        tables: a JPEG's quantisation tables by number, 64 values each; empty for other formats.
        exif: values by tag number, those of the camera's own directory included; empty where
            there are none or they cannot be read.
    """

    width: int
    height: int
    format: str
    mode: str
    tables: dict[int, list[int]]
    exif: dict[int, Any]


_FOR_EYES = replace(RECIPES["imagenet"], name="eyes", bits=0)


def decode(data: bytes, recipe: Recipe, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode one photograph.

    Args:
        data: the whole file.
        recipe: what to do with it.
        max_pixels: refuse photographs of more pixels than this.

    Returns:
        uint8 (height, width, 3), RGB. Grey is repeated on the three channels; transparency is
        laid over white, unless it hides everything; more than 8 bits are scaled as
        `features.photographs.samples` says; CMYK and palettes are converted. Of a file with
        several pictures, the first that is no smaller copy of another.

    Raises:
        ImageError: with the reason, where the file is no photograph that can be read whole.

    Example:
        >>> pixels = onepass.decode(Path(paths[0]).read_bytes(), onepass.RECIPES["imagenet"])
        >>> pixels.shape, pixels.dtype
        ((224, 224, 3), dtype('uint8'))
    """
    pixels: Pixels = decode_views(data, recipe, [FULL], max_pixels=max_pixels)[0]
    return pixels


def joined(pictures: Sequence[Pixels]) -> Pictures:
    """Put pictures into one array where all have one size; else give them as a list."""
    same = len({picture.shape for picture in pictures}) == 1
    return np.stack(pictures) if same else list(pictures)


def decode_views(
    data: bytes, recipe: Recipe, names: Sequence[str], *, max_pixels: int = MAX_PIXELS
) -> Pictures:
    """Decode several views of one photograph; each has the pixels that it would have alone.

    A tile is cut from the photograph at the scale that the recipe's decoder needs for it, so views
    of one scale share one decoding.

    Args:
        data: the whole file.
        recipe: what to do with it.
        names: of `features.photographs.views`.
        max_pixels: refuse photographs of more pixels than this.

    Returns:
        uint8 (views, height, width, 3), see `decode`; a list of pictures where a large one is
        among others.

    Raises:
        ImageError: as `decode`.
        DataError: there is no such view.
    """
    made: dict[int, Pixels] = {}
    views = _fitted(data, recipe, names, max_pixels)
    for target, some in _by_scale(data, recipe, views, max_pixels).items():
        image = _open(data, max_pixels, target, recipe)
        for number, view in some:
            made[number] = _cut(image, recipe, view)
    return joined([made[number] for number in range(len(names))])


def _fitted(data: bytes, recipe: Recipe, names: Sequence[str], max_pixels: int) -> list[View]:
    """Give views whose boxes are those of this photograph, by the size that its header declares."""
    views = [view_named(name) for name in names]
    if all(view.place < 0 for view in views):
        return views
    with parsed(data, max_pixels, first_page=recipe.revision < 2) as (image, declared):
        width, height = image.size
        turned = recipe.exif_orientation or declared.format == "TIFF"
        if turned and read_orientation(image) >= _ON_ITS_SIDE:
            width, height = height, width
    return [view.fitted(width, height) for view in views]


def _by_scale(
    data: bytes, recipe: Recipe, views: Sequence[View], max_pixels: int
) -> dict[_Target, list[tuple[int, View]]]:
    """Group numbered views by a target whose decoding serves them all."""
    found: dict[_Target, list[tuple[int, View]]] = {}
    for number, view in enumerate(views):
        found.setdefault(_target(recipe, view), []).append((number, view))
    if len(found) < 2:
        return found
    by_size: dict[tuple[int, int], _Target] = {}
    joined: dict[_Target, list[tuple[int, View]]] = {}
    for target, some in found.items():
        with parsed(data, max_pixels) as (image, _):
            _scale(image, target)
            first = by_size.setdefault(image.size, target)
        joined.setdefault(first, []).extend(some)
    return joined


def _cut(image: Image.Image, recipe: Recipe, view: View) -> Pixels:
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    left, top, right, bottom = view.box
    box = left * image.width, top * image.height, right * image.width, bottom * image.height
    height, width = recipe.size_of(view)
    return np.asarray(image.resize((width, height), filters[recipe.resize], box), dtype=np.uint8)


def _target(recipe: Recipe, view: View) -> _Target:
    """Compute the size that the whole photograph needs for the view to fill the recipe's."""
    if not recipe.dct_scaling:
        return None
    most = 1 / view.share - 1e-6  # tiles of one size must not differ by rounding
    height, width = recipe.size_of(view)
    return math.ceil(width * most), math.ceil(height * most)


def thumbnail(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Give the upright photograph as RGB, its longer side `size` pixels, for sheets and reports.

    Raises:
        ImageError: as `decode`.
    """
    image = _open(data, max_pixels, (size, size), _FOR_EYES)
    scale = size / max(image.size)
    shape = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(shape, Image.Resampling.BILINEAR)


def capture_time(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int:
    """Read when the camera says that it took the photograph (EXIF), in milliseconds since 1970.

    By the camera's own clock, whatever its time zone; NO_TIME where the file does not say. The
    pixels are not decoded, and broken EXIF is no EXIF.
    """
    with contextlib.suppress(ImageError), parsed(data, max_pixels) as (image, _):
        # Pillow would decode a whole PNG to look for EXIF behind its pixels.
        if image.format != "PNG" or "exif" in image.info:
            return max(NO_TIME, exif_time(read_exif(image)))
    return NO_TIME


def orientation(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int:
    """Read a photograph's EXIF orientation: 2 to 8 if it has to be turned, else 1.

    Raises:
        ImageError: as `decode`; the pixels are not decoded.
    """
    with parsed(data, max_pixels) as (image, _):
        return read_orientation(image)


def inspect(
    data: bytes, size: int, *, max_pixels: int = MAX_PIXELS, bits: int | None = 0
) -> tuple[Header, Image.Image]:
    """Read what the file says of itself, and the upright photograph as RGB.

    Args:
        data: the whole file.
        size: the longer side of the returned photograph is at most this; none is enlarged.
        max_pixels: refuse photographs of more pixels than this.
        bits: as `Recipe.bits`.

    Raises:
        ImageError: as `decode`; broken EXIF fields alone are no error.
    """
    with parsed(data, max_pixels) as (image, declared):
        stored, tables = image.size, getattr(image, "quantization", {})
        if declared.format == "TIFF":
            stored = declared.width, declared.height
        if read_orientation(image) >= _ON_ITS_SIDE:
            stored = stored[1], stored[0]
        mode = image.mode
        _scale(image, (size, size))
        picture = _upright_rgb(image, data, declared, replace(_FOR_EYES, bits=bits))
        header = Header(*stored, declared.format, mode, tables, read_exif(image))
        picture.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=None)
        return header, picture


def largest_undeclared(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int | None:
    """Give the largest sample of a photograph of 16 bits that does not say how many of them count.

    None where the photograph has 8 bits, or says it. See `features.photographs.survey`.

    Raises:
        ImageError: as `decode`.
    """
    with parsed(data, max_pixels) as (image, declared):
        samples = _deep(image, data, declared)
        if samples is None or samples.kind == "f" or samples.stated or samples.bits <= 8:
            return None
        return None if samples.significant is not None else int(samples.extent().high)


def _open(data: bytes, max_pixels: int, target: _Target, recipe: Recipe) -> Image.Image:
    """Give the file as an RGB image, or an ImageError with the reason."""
    with parsed(data, max_pixels, first_page=recipe.revision < 2) as (image, declared):
        _scale(image, target)
        return _upright_rgb(image, data, declared, recipe)


def _upright_rgb(
    image: Image.Image, data: bytes, declared: Declared, recipe: Recipe
) -> Image.Image:
    """Load an opened file; from here on it is decoded."""
    samples = _deep(image, data, declared) if recipe.revision > 1 else None
    if samples is not None:
        # Pillow turns a TIFF when it loads it, whatever the recipe.
        turned = recipe.exif_orientation or declared.format == "TIFF"
        loaded = to_eight_bits(samples, recipe.bits)
        turn = read_orientation(image) if turned else 1  # Pillow loads a PNG to look for EXIF
    else:
        loaded = _load(image, data, declared)
        turn = read_orientation(image) if recipe.exif_orientation else 1
    if recipe.revision > 1:
        rgb = to_rgb(loaded, image.info.get("icc_profile") if recipe.srgb else None)
    else:
        rgb = to_rgb_at_first(loaded)
    return rgb.transpose(TURNS[turn]) if turn > 1 else rgb


def _deep(image: Image.Image, data: bytes, declared: Declared) -> Samples | None:
    """Give the samples of a file of more than 8 bits; None for others."""
    if not declared.is_deep:
        return None
    if declared.format == "TIFF":
        return tiff.deep_samples(tiff.read_pages(data)[0])
    png.check_sums(data)
    return png.deep_samples(data, image)


def _load(image: Image.Image, data: bytes, declared: Declared) -> Image.Image:
    """Decode, and see that what the format can tell of damage is told."""
    if declared.format == "JPEG":
        return jpeg.load(image, data, jpeg.read_frame(data))
    if declared.format == "PNG":
        png.check_sums(data)
    elif declared.format == "WEBP":
        webp.check_end(data)
    image.load()
    return image


def _scale(image: Image.Image, target: _Target) -> None:
    """Let a JPEG be decoded smaller, but not below twice the target."""
    if target is not None:
        image.draft(None, (2 * target[0], 2 * target[1]))
