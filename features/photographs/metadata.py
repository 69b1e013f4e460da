"""Say what photographs are like beside what they show: file, camera, light, sharpness, border.

No row is made of these facts, and no head sees them; `pipeline.audit` asks whether they give the
class away.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base as Tag

from features.arrays import Array
from features.photographs.decode import MAX_PIXELS, Header, inspect

SIDE = 384
"""Longer side of the copy that is measured, in pixels; smaller photographs keep their size.

A little more than the backbone sees: what is too fine for this copy does not reach it either.
"""

BORDER = 0.05
"""Width of the frame around the picture, as a share of the shorter side."""

_HELD: Mapping[int, str] = {
    1: "upright",
    3: "turned 180°",
    6: "turned 90°",
    8: "turned 270°",
} | dict.fromkeys((2, 4, 5, 7), "mirrored")
_STANDARD_TABLE_SUM = 3688  # of the luminance table of ITU-T T.81, annex K.1: quality 50
_TIMES = (Tag.DateTimeOriginal, Tag.DateTimeDigitized, Tag.DateTime)  # the first that is there


@dataclass(frozen=True)
class FileFacts:
    """The facts of one file. Numbers that are not there are nan, words "".

    Attributes:
        reason: why the file cannot be read; all else is blank then.
        digest: SHA-256 of the file's bytes, hex.
        bytes: of the file.
        width, height: in pixels, upright, as a model sees it.
        format, mode: as Pillow calls them, such as "JPEG" and "RGB".
        jpeg_quality: 1 to 100 as the IJG library counts, from the luminance table; approximate for
            tables of other programs.
        jpeg_tables: first digits of a digest of the quantisation tables.
        camera: maker and model; software, lens, flash ("fired", "not fired"): from EXIF.
        orientation: how the camera was held, such as "turned 90°": from EXIF.
        exposure: seconds; aperture: f-number; iso; focal_length: millimetres.
        captured: seconds since 1970 by the camera's own clock.
        brightness, contrast: mean and standard deviation of grey, 0 to 255.
        darkest, brightest: 1st and 99th percentile of grey.
        black, white: share of pixels at most 5, and at least 250.
        sharpness: mean square of the Laplacian over the variance of grey: fine detail relative to
            all contrast, whatever the exposure.
        red, blue: mean red minus green, and blue minus green.
        border_brightness, border_red, border_blue: the same of the frame around the picture.
    """

    reason: str = ""
    digest: str = ""
    bytes: float = math.nan
    width: float = math.nan
    height: float = math.nan
    format: str = ""
    mode: str = ""
    jpeg_quality: float = math.nan
    jpeg_tables: str = ""
    camera: str = ""
    software: str = ""
    lens: str = ""
    flash: str = ""
    orientation: str = ""
    exposure: float = math.nan
    aperture: float = math.nan
    iso: float = math.nan
    focal_length: float = math.nan
    captured: float = math.nan
    brightness: float = math.nan
    contrast: float = math.nan
    darkest: float = math.nan
    brightest: float = math.nan
    black: float = math.nan
    white: float = math.nan
    sharpness: float = math.nan
    red: float = math.nan
    blue: float = math.nan
    border_brightness: float = math.nan
    border_red: float = math.nan
    border_blue: float = math.nan

    @property
    def has_exif(self) -> bool:
        """Say whether a camera or a program left anything of what is read here."""
        numbers = (self.exposure, self.aperture, self.iso, self.focal_length, self.captured)
        words = (self.camera, self.software, self.lens, self.flash)
        return any(words) or not all(map(math.isnan, numbers))


def facts_of(data: bytes, *, max_pixels: int = MAX_PIXELS, bits: int | None = 0) -> FileFacts:
    """Give the facts of one file's bytes, decoded in this process.

    Raises:
        ImageError: with the reason, where it is no photograph that can be read whole.
    """
    header, picture = inspect(data, SIDE, max_pixels=max_pixels, bits=bits)
    return FileFacts(
        digest=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=header.width,
        height=header.height,
        format=header.format,
        mode=header.mode,
        **_compression(header),
        **_camera(header.exif),
        **_light(picture),
    )


def _compression(header: Header) -> dict[str, Any]:
    """Estimate the JPEG quality by inverting the IJG library's scaling of the standard table."""
    if not header.tables:
        return {}
    tables = [list(header.tables[number]) for number in sorted(header.tables)]
    percent = 100 * sum(tables[0]) / _STANDARD_TABLE_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return {
        "jpeg_quality": float(round(min(max(quality, 1), 100))),
        "jpeg_tables": hashlib.sha256(repr(tables).encode()).hexdigest()[:8],
    }


def _camera(exif: Mapping[int, Any]) -> dict[str, Any]:
    flash = _number(exif.get(Tag.Flash), least=0)
    return {
        "camera": " ".join(filter(None, (_text(exif.get(Tag.Make)), _text(exif.get(Tag.Model))))),
        "software": _text(exif.get(Tag.Software)),
        "lens": _text(exif.get(Tag.LensModel)),
        "orientation": _HELD.get(_whole(exif.get(Tag.Orientation)), ""),
        # Bit 0 says whether it fired, the others why.
        "flash": "" if math.isnan(flash) else "fired" if int(flash) % 2 else "not fired",
        "exposure": _number(exif.get(Tag.ExposureTime)),
        "aperture": _number(exif.get(Tag.FNumber)),
        "iso": _number(exif.get(Tag.ISOSpeedRatings)),
        "focal_length": _number(exif.get(Tag.FocalLength)),
        "captured": next((t for t in map(_time, map(exif.get, _TIMES)) if t == t), math.nan),
    }


def _number(value: Any, least: float = 1e-9) -> float:  # noqa: ANN401 - whatever a file holds
    """Give a finite number of at least `least`, else nan."""
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan
    return number if least <= number < math.inf else math.nan


def _whole(value: Any) -> int:  # noqa: ANN401 - whatever a file holds
    """Give a whole number, else 0."""
    number = _number(value)
    return int(number) if number == number else 0


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a file holds
    """Keep its printable letters, at most 60."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value[:200] if c.isprintable()).strip()[:60]


def _time(value: Any) -> float:  # noqa: ANN401 - whatever a file holds
    with contextlib.suppress(ValueError):
        taken = datetime.strptime(_text(value)[:19], "%Y:%m:%d %H:%M:%S")
        return (taken - datetime(1970, 1, 1)).total_seconds()
    return math.nan


def _light(picture: Image.Image) -> dict[str, Any]:
    """Measure brightness, contrast, sharpness, colour and border of an RGB picture."""
    grey, levels = picture.convert("L"), np.arange(256)
    shares = np.array(grey.histogram()) / (grey.width * grey.height)
    brightness = float(shares @ levels)
    red, blue = _cast(picture, None)
    frame = _frame(picture.size)
    border_red, border_blue = _cast(picture, frame)
    border = np.array(grey.histogram(frame))
    return {
        "brightness": brightness,
        "contrast": float(np.sqrt(shares @ (levels - brightness) ** 2)),
        "darkest": float(np.searchsorted(shares.cumsum(), 0.01)),
        "brightest": float(np.searchsorted(shares.cumsum(), 0.99)),
        "black": float(shares[:6].sum()),
        "white": float(shares[250:].sum()),
        "sharpness": _sharpness(np.asarray(grey, dtype=np.float32)),
        "red": red,
        "blue": blue,
        "border_brightness": float(border @ levels / border.sum()),
        "border_red": border_red,
        "border_blue": border_blue,
    }


def _sharpness(grey: Array) -> float:
    """Measure the Laplacian's variance (Pech-Pacheco et al., ICPR 2000) against contrast."""
    if min(grey.shape) < 3:
        return math.nan
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    # One grey level is the step of the pixels: below it there is rounding, not detail.
    return float((laplacian**2).mean() / max(float(grey.var()), 1.0))


def _cast(picture: Image.Image, mask: Image.Image | None) -> tuple[float, float]:
    """Average red minus green, and blue minus green, of pixels under the mask (None: all)."""
    counts = np.array(picture.histogram(mask)).reshape(3, 256)
    red, green, blue = (counts @ np.arange(256) / counts[0].sum()).tolist()
    return red - green, blue - green


def _frame(size: tuple[int, int]) -> Image.Image:
    """Give a mask of the frame around a picture of this width and height."""
    edge = max(1, round(BORDER * min(size)))
    mask = Image.new("L", size, 255)
    if min(size) > 2 * edge:
        mask.paste(0, (edge, edge, size[0] - edge, size[1] - edge))
    return mask
