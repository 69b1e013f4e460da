"""The facts that should not give a class away: what they are called and what it means if they do.

A new fact is one line in FACTS and one entry in `columns.py`, where its values come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Show = Callable[[float], str]

_CAMERA = "a model may learn the camera or its settings, not the defect"
_SIZE = (
    "the resize to the model's input distorts or blurs the classes differently, and a model may "
    "learn that; take all photographs, and cut them, alike"
)
_FILES = (
    "the classes were saved by different programs or settings, which leaves traces in the pixels; "
    "export all photographs the same way"
)
_LIGHT = (
    "either the light, the exposure or the camera differed between the classes, or the defect "
    "itself changes it; a model may learn the light, not the defect"
)
_EDGE = (
    "the frame around the picture seldom shows the defect, so the background or the light differed "
    "between the classes, and a model may learn that"
)
_TIME = (
    "a model does not see the time, but light, dirt and focus that changed with it; photograph the "
    "classes in turn"
)
_ORDER = (
    "harmless if the files were renamed class by class; if these are the camera's numbers, the "
    "classes were photographed one after the other, and light or dirt may have changed with them"
)


@dataclass(frozen=True)
class Fact:
    """One fact of a photograph.

    Attributes:
        name: in tables and files.
        title: as a person says it.
        advice: what it may mean if it tells the class.
        in_pixels: whether a model can see it; others only hint at how photographs were made.
        show: a value as text; None for a fact that is words.
    """

    name: str
    title: str
    advice: str
    in_pixels: bool = True
    show: Show | None = lambda value: f"{value:,.3g}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    return f"1/{1 / value:,.0f} s" if value < 0.4 else f"{value:,.3g} s"


def _date(value: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)).strftime("%Y-%m-%d %H:%M")


def _clock(value: float) -> str:
    return f"{int(value) // 3600:02d}:{int(value) % 3600 // 60:02d}"


FACTS: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("file_size", "file size", _CAMERA, show=lambda value: f"{value:,.0f} bytes"),
        Fact("bytes_per_pixel", "bytes per pixel", _FILES),
        Fact("width", "width", _SIZE, show=lambda value: f"{value:,.0f} pixels"),
        Fact("height", "height", _SIZE, show=lambda value: f"{value:,.0f} pixels"),
        Fact("aspect", "aspect (width to height)", _SIZE),
        Fact("format", "file format", _FILES, show=None),
        Fact("mode", "colour mode", _FILES, show=None),
        Fact("jpeg_quality", "JPEG quality", _FILES, show=_whole),
        Fact("jpeg_tables", "JPEG quality tables", _FILES, show=None),
        Fact("brightness", "brightness", _LIGHT),
        Fact("contrast", "contrast", _LIGHT),
        Fact("sharpness", "sharpness", _LIGHT),
        Fact("red", "colour, red against green", _LIGHT),
        Fact("blue", "colour, blue against green", _LIGHT),
        Fact("border_brightness", "brightness of the border", _EDGE),
        Fact("border_red", "border colour, red against green", _EDGE),
        Fact("border_blue", "border colour, blue against green", _EDGE),
        Fact("has_exif", "EXIF there or not", _FILES, in_pixels=False, show=None),
        Fact("camera", "camera (EXIF)", _CAMERA, in_pixels=False, show=None),
        Fact("lens", "lens (EXIF)", _CAMERA, in_pixels=False, show=None),
        Fact("software", "software (EXIF)", _FILES, in_pixels=False, show=None),
        Fact("flash", "flash (EXIF)", _CAMERA, in_pixels=False, show=None),
        Fact("orientation", "how the camera was held (EXIF)", _CAMERA, in_pixels=False, show=None),
        Fact("exposure", "exposure time (EXIF)", _CAMERA, in_pixels=False, show=_seconds),
        Fact("aperture", "aperture (EXIF)", _CAMERA, in_pixels=False),
        Fact("iso", "ISO (EXIF)", _CAMERA, in_pixels=False, show=_whole),
        Fact("focal_length", "focal length (EXIF)", _CAMERA, in_pixels=False),
        Fact("captured", "time of capture (EXIF)", _TIME, in_pixels=False, show=_date),
        Fact("named_time", "time of capture (file name)", _TIME, in_pixels=False, show=_date),
        Fact("time_of_day", "time of day (EXIF)", _TIME, in_pixels=False, show=_clock),
        Fact("file_time", "time of the file", _TIME, in_pixels=False, show=_date),
        Fact("subfolder", "folder above or below the class", _TIME, in_pixels=False, show=None),
        Fact("number_1", "1st number in the file name", _ORDER, in_pixels=False, show=_whole),
        Fact("number_2", "2nd number in the file name", _ORDER, in_pixels=False, show=_whole),
        Fact("number_3", "3rd number in the file name", _ORDER, in_pixels=False, show=_whole),
    )
}
"""By name, in the order of tables."""
