"""A photograph's file, opened: its header checked, its decoder found, its EXIF read.

What goes wrong inside is an `ImageError` with the reason; no pixel is decoded here.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from PIL import (
    BmpImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag

from features.errors import ImageError
from features.photographs import png, tiff
from features.photographs.file_header import Declared, check_declared, read_declared

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
"""What Pillow may parse always; imported above, because Pillow finds only loaded plug-ins."""

PHONE_FORMATS = {"AVIF": "AVIF", "HEIF": "HEIC", "JXL": "JPEG XL"}
"""What it may parse where a plug-in is there, by Pillow's name and the one people know."""

# Pillow's own cap is one number for the whole process and warns at half of it. Ours is an
# argument, checked on the header before Pillow sees the file.
Image.MAX_IMAGE_PIXELS = None

# Broken metadata that does not touch the pixels. Set once: `catch_warnings` is not for threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""

NO_TIME = -1
"""Instead of a capture time, where the file does not say when it was taken."""


@contextlib.contextmanager
def parsed(
    data: bytes, max_pixels: int, *, first_page: bool = False
) -> Iterator[tuple[Image.Image, Declared]]:
    """Give the file with its header read; what goes wrong inside is an ImageError with the reason.

    Args:
        data: the whole file.
        max_pixels: as in `decode`.
        first_page: take a TIFF's first page even where it is a smaller copy of another.
    """
    if not data:
        raise ImageError("the file is empty")
    declared = read_declared(data)
    if declared is None:
        raise ImageError(f"not a photograph: {_describe(data)}")
    check_declared(declared, max_pixels)
    try:
        with _opened(data, declared, first_page) as image:
            # Once more: what Pillow reads decides.
            check_declared(Declared(declared.format, *image.size), max_pixels)
            yield image, declared
    except ImageError:
        raise
    except UnidentifiedImageError:
        if declared.format == "TIFF":
            raise tiff.refuse(tiff.read_pages(data)[0], "by no decoder here") from None
        raise ImageError("it is damaged (its header cannot be read)") from None
    except MemoryError:
        raise ImageError("it does not fit into memory") from None
    except Exception as error:
        raise ImageError(_reason(error, data, declared)) from error


def _opened(data: bytes, declared: Declared, first_page: bool) -> Image.Image:
    if declared.format in PHONE_FORMATS:
        _find_plugin(declared.format)
    if declared.format == "TIFF" and not first_page:
        data = tiff.readable(data)
    try:
        return Image.open(io.BytesIO(data), formats=(declared.format,))
    except ValueError as error:
        if declared.format != "PNG" or "text" not in str(error).lower():
            raise
    # Comments or a profile beyond Pillow's limits: they are no pixels.
    slim, profile = png.without_text(data)
    image = Image.open(io.BytesIO(slim), formats=("PNG",))
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


def _find_plugin(kind: str) -> None:
    """Load what reads HEIC, AVIF or JPEG XL.

    Raises:
        ImageError: it is not installed.
    """
    try:
        if kind == "HEIF":
            import pillow_heif

            pillow_heif.options.DECODE_THREADS = 1
            pillow_heif.register_heif_opener(thumbnails=False)
        elif kind == "JXL":
            import pillow_jxl  # noqa: F401 - importing it registers it
        else:
            from PIL import AvifImagePlugin

            AvifImagePlugin.DEFAULT_MAX_THREADS = 1
            importlib.import_module("PIL._avif")
    except ImportError:
        name = PHONE_FORMATS[kind]
        need = "a Pillow with AVIF" if kind == "AVIF" else "one more package"
        raise ImageError(
            f'a photograph in {name}, which needs {need}: pip install "onepass[phone]"; or save it '
            "as JPEG"
        ) from None


def exif_time(exif: dict[int, Any]) -> int:
    """Read milliseconds since 1970 by the camera's own clock, out of EXIF fields.

    Raises:
        ValueError: they do not say it.
    """
    stamp = exif.get(Tag.DateTimeOriginal) or exif.get(Tag.DateTimeDigitized)
    taken = datetime.strptime(str(stamp)[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    fraction = str(exif.get(Tag.SubsecTimeOriginal, "")).strip()[:3]
    thousandths = int(fraction.ljust(3, "0")) if fraction.isascii() and fraction.isdigit() else 0
    return round(taken.timestamp()) * 1000 + thousandths


def read_orientation(image: Image.Image) -> int:
    """Read how an opened photograph has to be turned: a key of TURNS, or 1."""
    if image.format == "JXL":
        return 1  # its decoder has turned it already, whatever EXIF says
    with contextlib.suppress(Exception):  # broken EXIF is no EXIF
        value = image.getexif().get(Tag.Orientation, 1)
        return int(value) if value in TURNS else 1
    return 1


def read_exif(image: Image.Image) -> dict[int, Any]:
    """Give the EXIF fields that can be read; broken ones are no reason to refuse the photograph."""
    found: dict[int, Any] = {}
    with contextlib.suppress(Exception):  # as in `_parsed`
        fields = image.getexif()
        found |= fields
        found |= fields.get_ifd(IFD.Exif)
    return found


def _reason(error: Exception, data: bytes, declared: Declared) -> str:
    text = " ".join(str(error).split())[:200]
    if "truncated" in text.lower() or "end of file" in text.lower():
        return f"the file is cut off ({text})"
    if any(word in text.lower() for word in ("unsupported", "not supported", "unknown", "invalid")):
        return f"it is damaged, or of a kind that is not read ({text}); save it as JPEG or PNG"
    if declared.format == "TIFF":
        kind = tiff.read_pages(data)[0].kind
        return f"it is damaged, or a TIFF of a kind that is not read ({kind}: {text})"
    return f"it is damaged ({text or type(error).__name__})"


def _describe(data: bytes) -> str:
    """Describe what the first bytes look like, for a person who wonders why."""
    starts = {
        b"%PDF": "a PDF",
        b"GIF8": "a GIF",
        b"PK\x03\x04": "a ZIP archive or office file",
        b"<?xml": "XML",
        b"<svg": "an SVG drawing",
        b"<htm": "a web page",
        b"<!DO": "a web page",
        b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
        b"\xffO\xffQ": "a JPEG 2000 picture",
        b"8BPS": "a Photoshop document",
        b"FUJIFILM": "a camera's raw file",
        b"SIMPLE  =": "a FITS picture",
    }
    expected = "expected JPEG, PNG, BMP, TIFF, WebP, AVIF, HEIC or JPEG XL"
    for start, name in starts.items():
        if data.startswith(start):
            return f"it starts like {name}; {expected}"
    if data[4:8] == b"ftyp":
        return f"it starts like a video or a camera's raw file; {expected}"
    return f"its first bytes are of no known kind; {expected}"
