"""File to pixels: the one decoder, and the recipes that say what it does."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from features.arrays import Pixels
from features.errors import DataError, ImageError
from features.photographs.file_header import Declared, check_declared, read_declared
from features.photographs.views import FULL, View, view_named

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"})
"""File names that are taken for photographs, lower case."""

FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
    )
)
"""What Pillow may parse; imported above, because Pillow finds only loaded plug-ins."""

MAX_PIXELS = 178_956_970
"""Default cap on a photograph's width × height; above it decoding is refused (about 0.5 GB)."""

_STRIP = 256  # rows

# Pillow's own cap is one number for the whole process and warns at half of it. Ours is an
# argument, checked on the header before Pillow sees the file.
Image.MAX_IMAGE_PIXELS = None

# Broken metadata that does not touch the pixels. Set once: `catch_warnings` is not for threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

_Target = tuple[int, int] | None  # width and height that are needed; None: as it is

_EXIF_ORIENTATION = 0x0112
_CAMERA_FIELDS = 0x8769  # the EXIF tag that points to the camera's own directory
_TAKEN, _DIGITISED, _TAKEN_FRACTION = 0x9003, 0x9004, 0x9291  # in that directory

NO_TIME = -1
"""Instead of a capture time, where the file does not say when it was taken."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself beside its pixels.

    Attributes:
        width, height: in pixels, as stored; the EXIF orientation is not applied.
        format: one of FORMATS.
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


@dataclass(frozen=True)
class Recipe:
    """How a file becomes the pixels that the backbone sees; part of every row's fingerprint.

    Attributes:
        name: what `--recipe` takes.
        height, width: size after resizing, in pixels.
        exif_orientation: turn the photograph as its EXIF orientation says.
        resize: "bilinear" (antialiased: every source pixel counts) or "nearest".
        dct_scaling: let the JPEG decoder halve large photographs (to 1/2, 1/4, 1/8) before
            the resize, never below twice the target size; 2 to 3 times faster.
        scale: (factor, offset); the backbone sees `uint8 * factor + offset`.
        revision: raised when the decoder's result changes.
    """

    name: str
    height: int
    width: int
    exif_orientation: bool
    resize: str
    dct_scaling: bool
    scale: tuple[float, float]
    revision: int = 1

    def fields(self) -> dict[str, object]:
        """Everything that decides the pixels, for the fingerprint."""
        return asdict(self) | {"scale": list(self.scale)}


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("imagenet", 224, 224, True, "bilinear", True, (1 / 127.5, -1.0)),
        Recipe("docs", 224, 224, False, "nearest", False, (1 / 255.0, 0.0)),
    )
}
"""`imagenet`: what the ImageNet weights were trained on. `docs`: the write-up's own."""


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        DataError: there is none.
    """
    if name not in RECIPES:
        raise DataError(f"unknown recipe {name!r}; expected one of {', '.join(sorted(RECIPES))}")
    return RECIPES[name]


def decode(data: bytes, recipe: Recipe, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode one photograph.

    Args:
        data: the whole file.
        recipe: what to do with it.
        max_pixels: refuse photographs of more pixels than this.

    Returns:
        uint8 (height, width, 3), RGB. Grey is repeated on the three channels, transparency is
        laid over white, 16-bit grey is divided by 257, CMYK and palettes are converted. Of a
        file with several frames, the first.

    Raises:
        ImageError: with the reason, where the file is no photograph that can be read whole.
    """
    pixels: Pixels = decode_views(data, recipe, [FULL], max_pixels=max_pixels)[0]
    return pixels


def decode_views(
    data: bytes, recipe: Recipe, names: Sequence[str], *, max_pixels: int = MAX_PIXELS
) -> Pixels:
    """Decode several views of one photograph; each has the pixels that it would have alone.

    A tile is cut from the photograph at the scale that the recipe's decoder needs for it, so views
    of one scale share one decoding.

    Args:
        data: the whole file.
        recipe: what to do with it.
        names: of `features.photographs.views`.
        max_pixels: refuse photographs of more pixels than this.

    Returns:
        uint8 (views, height, width, 3); see `decode`.

    Raises:
        ImageError: as `decode`.
        DataError: there is no such view.
    """
    made = np.empty((len(names), recipe.height, recipe.width, 3), np.uint8)
    for target, some in _by_scale(data, recipe, names, max_pixels).items():
        image = _open(data, max_pixels, target, oriented=recipe.exif_orientation)
        for number, view in some:
            pixels = _cut(image, recipe, view)
            made[number] = pixels
    return made


def _by_scale(
    data: bytes, recipe: Recipe, names: Sequence[str], max_pixels: int
) -> dict[_Target, list[tuple[int, View]]]:
    """Numbered views by a target whose decoding serves them all."""
    found: dict[_Target, list[tuple[int, View]]] = {}
    for number, view in enumerate(map(view_named, names)):
        found.setdefault(_target(recipe, view), []).append((number, view))
    if len(found) < 2:
        return found
    by_size: dict[tuple[int, int], _Target] = {}
    joined: dict[_Target, list[tuple[int, View]]] = {}
    for target, some in found.items():
        with _parsed(data, max_pixels) as image:
            _scale(image, target)
            first = by_size.setdefault(image.size, target)
        joined.setdefault(first, []).extend(some)
    return joined


def _cut(image: Image.Image, recipe: Recipe, view: View) -> Pixels:
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    left, top, right, bottom = view.box
    box = left * image.width, top * image.height, right * image.width, bottom * image.height
    size = (recipe.width, recipe.height)
    return np.asarray(image.resize(size, filters[recipe.resize], box), dtype=np.uint8)


def _target(recipe: Recipe, view: View) -> _Target:
    """Size that the whole photograph needs for the view to fill the recipe's."""
    if not recipe.dct_scaling:
        return None
    most = 1 / view.share - 1e-6  # tiles of one size must not differ by rounding
    return math.ceil(recipe.width * most), math.ceil(recipe.height * most)


def thumbnail(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The upright photograph as RGB, its longer side `size` pixels, for sheets and reports.

    Raises:
        ImageError: as `decode`.
    """
    image = _open(data, max_pixels, (size, size), oriented=True)
    scale = size / max(image.size)
    shape = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(shape, Image.Resampling.BILINEAR)


def capture_time(data: bytes, *, max_pixels: int = MAX_PIXELS) -> int:
    """When the camera says that it took the photograph (EXIF), in milliseconds since 1970.

    By the camera's own clock, whatever its time zone; NO_TIME where the file does not say. The
    pixels are not decoded, and broken EXIF is no EXIF.
    """
    with contextlib.suppress(ImageError), _parsed(data, max_pixels) as image:
        # Pillow would decode a whole PNG to look for EXIF behind its pixels.
        if image.format != "PNG" or "exif" in image.info:
            return max(NO_TIME, _taken(_exif(image)))
    return NO_TIME


def _taken(exif: dict[int, Any]) -> int:
    stamp = exif.get(_TAKEN) or exif.get(_DIGITISED)
    taken = datetime.strptime(str(stamp)[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    fraction = str(exif.get(_TAKEN_FRACTION, "")).strip()[:3]
    thousandths = int(fraction.ljust(3, "0")) if fraction.isascii() and fraction.isdigit() else 0
    return round(taken.timestamp()) * 1000 + thousandths


def orientation(data: bytes) -> int:
    """EXIF orientation of a file that `thumbnail` reads: 2 to 8 if it has to be turned, else 1."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    return int(value) if value in range(2, 9) else 1


def inspect(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> tuple[Header, Image.Image]:
    """What the file says of itself, and the upright photograph as RGB.

    Args:
        data: the whole file.
        size: the longer side of the returned photograph is at most this; none is enlarged.
        max_pixels: refuse photographs of more pixels than this.

    Raises:
        ImageError: as `decode`; broken EXIF fields alone are no error.
    """
    with _parsed(data, max_pixels) as image:
        stored, tables = image.size, getattr(image, "quantization", {})
        image.draft(None, (2 * size, 2 * size))
        image.load()
        header = Header(*stored, str(image.format), image.mode, tables, _exif(image))
        picture = _to_rgb(ImageOps.exif_transpose(image))
        picture.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=None)
        return header, picture


def _exif(image: Image.Image) -> dict[int, Any]:
    """The EXIF fields that can be read; broken ones are no reason to refuse the photograph."""
    found: dict[int, Any] = {}
    with contextlib.suppress(Exception):  # as in `_parsed`
        fields = image.getexif()
        found |= fields
        found |= fields.get_ifd(_CAMERA_FIELDS)
    return found


def _open(data: bytes, max_pixels: int, target: _Target, *, oriented: bool) -> Image.Image:
    """The file as an RGB image, or an ImageError with the reason."""
    with _parsed(data, max_pixels) as image:
        _scale(image, target)
        image.load()
        if oriented:
            ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)


def _scale(image: Image.Image, target: _Target) -> None:
    """Let a JPEG be decoded smaller, but not below twice the target."""
    if target is not None:
        image.draft(None, (2 * target[0], 2 * target[1]))


@contextlib.contextmanager
def _parsed(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """The file with its header read; what goes wrong inside is an ImageError with the reason."""
    if not data:
        raise ImageError("the file is empty")
    declared = read_declared(data)
    if declared is None:
        raise ImageError(f"not a photograph: {_describe(data)}")
    check_declared(declared, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=(declared.format,)) as image:
            # Once more: what Pillow reads decides.
            check_declared(Declared(declared.format, *image.size), max_pixels)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("it is damaged (its header cannot be read)") from None
    except MemoryError:
        raise ImageError("it does not fit into memory") from None
    except Exception as error:
        raise ImageError(_reason(error)) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        low, high = (int(np.asarray(value)) for value in image.getextrema())
        if low < 0 or high > 65_535:
            raise ImageError(f"integer pixels from {low} to {high}; expected 0 to 65535 (16 bits)")
        return _by_strips(image, _sixteen_bit_to_rgb)
    if image.mode == "F":
        raise ImageError(
            "32-bit floating-point pixels have no fixed range; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        return _by_strips(image, _over_white)
    return image.convert("RGB")


def _by_strips(image: Image.Image, to_rgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert some rows at a time: at once, the steps in between need five times the memory."""
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        box = (0, top, image.width, min(top + _STRIP, image.height))
        whole.paste(to_rgb(image.crop(box)), box)
    return whole


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _sixteen_bit_to_rgb(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (also as Pillow's 32-bit mode I) to RGB of 8: 65,535 becomes 255."""
    grey = np.round(np.asarray(image).astype(np.float32) / 257.0).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    if "truncated" in text.lower() or "end of file" in text.lower():
        return f"the file is cut off ({text})"
    return f"it is damaged ({text or type(error).__name__})"


def _describe(data: bytes) -> str:
    """What the first bytes look like, for a person who wonders why."""
    starts = {
        b"%PDF": "a PDF",
        b"GIF8": "a GIF",
        b"PK\x03\x04": "a ZIP archive or office file",
        b"<?xml": "XML",
        b"<svg": "an SVG drawing",
        b"<htm": "a web page",
        b"<!DO": "a web page",
    }
    for start, name in starts.items():
        if data.startswith(start):
            return f"it starts like {name}; expected JPEG, PNG, BMP, TIFF or WebP"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "it is a HEIC photograph; save it as JPEG"
    return "its first bytes are of no known kind; expected JPEG, PNG, BMP, TIFF or WebP"
