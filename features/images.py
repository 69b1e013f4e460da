"""File to pixels: the one decoder, and the recipes that say what it does."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
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

from features.errors import DataError, ImageError

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
"""What Pillow may try to parse; imported above, because Pillow finds only loaded plug-ins."""

MAX_PIXELS = 178_956_970
"""Default cap on a photograph's width × height; above it decoding is refused (about 0.5 GB)."""

# Pillow's own cap is one number for the whole process and warns at half of it. Ours is an
# argument, checked on the header before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

Pixels = npt.NDArray[np.uint8]

# EXIF: the tag that points to the camera's own fields, and three of these.
_CAMERA_FIELDS, _TAKEN, _DIGITISED, _TAKEN_FRACTION = 0x8769, 0x9003, 0x9004, 0x9291

# Pillow's parsers meet hostile bytes with any of these; the file is unreadable either way.
_PARSER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    ZeroDivisionError,
    AttributeError,
    RuntimeError,
    EOFError,
    struct.error,
)


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
    size = (recipe.width, recipe.height)
    target = size if recipe.dct_scaling else None
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    image = _open(data, max_pixels, target, oriented=recipe.exif_orientation)
    return np.asarray(image.resize(size, filters[recipe.resize]), dtype=np.uint8)


def thumbnail(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The upright photograph as RGB, its longer side `size` pixels, for sheets and reports.

    Raises:
        ImageError: as `decode`.
    """
    image = _open(data, max_pixels, (size, size), oriented=True)
    scale = size / max(image.size)
    shape = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(shape, Image.Resampling.BILINEAR)


def capture_time(data: bytes) -> int:
    """When the camera says that it took the photograph (EXIF), in milliseconds since 1970.

    By the camera's own clock, whatever its time zone; -1 where the file does not say. The pixels
    are not decoded, and broken EXIF is no EXIF.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                # Pillow would decode a whole PNG to look for EXIF behind its pixels.
                if image.format == "PNG" and "exif" not in image.info:
                    return -1
                camera = image.getexif().get_ifd(_CAMERA_FIELDS)
        stamp = camera.get(_TAKEN) or camera.get(_DIGITISED)
        taken = datetime.strptime(str(stamp)[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        fraction = str(camera.get(_TAKEN_FRACTION, "")).strip()[:3]
        return round(taken.timestamp()) * 1000 + int(
            fraction.ljust(3, "0") if fraction.isdecimal() else 0
        )
    except _PARSER_ERRORS:
        return -1


def _open(
    data: bytes, max_pixels: int, target: tuple[int, int] | None, *, oriented: bool
) -> Image.Image:
    """The file as an RGB image, or an ImageError with the reason."""
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            # Broken metadata that does not touch the pixels; Pillow warns on standard error.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image, max_pixels)
                if target is not None:
                    image.draft(None, (2 * target[0], 2 * target[1]))
                image.load()
                upright = ImageOps.exif_transpose(image) if oriented else image
                return _to_rgb(upright)
    except UnidentifiedImageError:
        raise ImageError(f"not a photograph: {_describe(data)}") from None
    except MemoryError:
        raise ImageError("it does not fit into memory") from None
    except _PARSER_ERRORS as error:
        raise ImageError(_reason(error)) from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    pixels = image.width * image.height
    if pixels < 1:
        raise ImageError(f"it has no pixels ({image.width}×{image.height})")
    if pixels > max_pixels:
        raise ImageError(
            f"{image.width}×{image.height} is {pixels:,} pixels, more than the {max_pixels:,} "
            "allowed; raise --max-pixels if it is genuine"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image.copy()
    if image.mode.startswith("I"):
        return _sixteen_bit_to_rgb(image)
    if image.mode == "F":
        raise ImageError(
            "32-bit floating-point pixels have no fixed range; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _sixteen_bit_to_rgb(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (also as Pillow's 32-bit mode I) to RGB of 8: 65,535 becomes 255."""
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65_535:
        raise ImageError(f"integer pixels from {low} to {high}; expected 0 to 65535 (16 bits)")
    grey = np.round(values.astype(np.float32) / 257.0).astype(np.uint8)
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
