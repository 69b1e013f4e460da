"""The reader that goes along with an export reads photographs as the program does, or refuses."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from features.errors import ImageError
from features.photographs.decode import decode_views
from features.photographs.recipe import RECIPES
from features.photographs.views import view_named
from pipeline.export import check
from torture.bombs import jpeg_of_scans

VIEWS = ["full", *(f"crops/{n}" for n in range(5)), "tiles:2x2/3", "large"]
RECIPE = replace(RECIPES["imagenet"], large=(299, 299))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
CARD = {
    "recipe": RECIPE.fields(),
    "pictures": [
        {"name": v.name, "box": list(v.box), "place": v.place, "size": list(RECIPE.size_of(v))}
        for v in map(view_named, VIEWS)
    ],
}


def drawn(
    width: int, height: int, mode: str = "RGB", kind: str = "PNG", **options: object
) -> bytes:
    """Draw a photograph of blotches; the smooth and the sharp count."""
    cells = np.random.default_rng(width).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
    image.paste((250, 30, 60), (width // 5, height // 5, width // 3, height // 2))
    if mode in ("RGBA", "LA"):
        image = image.convert("L").convert("LA") if mode == "LA" else image.convert("RGBA")
        image.putalpha(Image.linear_gradient("L").resize((width, height)))
    elif mode == "P":
        image = image.quantize(32)
    else:
        image = image.convert(mode)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = options.pop("turn", 1)
    out = io.BytesIO()
    image.save(out, kind, exif=exif.tobytes(), **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        drawn(300, 200), drawn(1200, 900, kind="JPEG", quality=90),
        drawn(2600, 1900, kind="JPEG", quality=80, progressive=True),
        drawn(1700, 500, kind="JPEG", turn=6), drawn(500, 1700, turn=3, kind="JPEG"),
        drawn(320, 240, "L"), drawn(320, 240, "1"), drawn(320, 240, "P"), drawn(320, 240, "RGBA"),
        drawn(320, 240, "LA"), drawn(640, 480, "CMYK", "JPEG"),
        drawn(400, 300, kind="WEBP", quality=80),
        drawn(400, 300, kind="TIFF", turn=8), drawn(90, 70, turn=5, kind="JPEG"),
        drawn(400, 300, kind="JPEG", icc_profile=SRGB),
    ],
    ids=["png", "jpeg", "large", "long", "tall", "grey", "1", "palette", "alpha", "grey alpha",
         "cmyk", "webp", "tiff", "small", "profile"],
)  # fmt: skip
def test_pixels_are_those_of_the_program(data: bytes) -> None:
    """Bit for bit, in every view."""
    shown = check.read_pictures(data, CARD)
    assert shown.shape == (len(VIEWS), 299, 299, 3)
    for theirs, ours in zip(shown, decode_views(data, RECIPE, VIEWS), strict=True):
        height, width = ours.shape[:2]
        np.testing.assert_array_equal(theirs[:height, :width], ours)
        assert not theirs[height:].any()


def deep() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(4000, dtype=np.uint16).reshape(50, 80) * 16).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("data", [deep(), b"", b"%PDF-1.7", drawn(90, 90)[:300]])
def test_what_would_be_read_otherwise_is_refused(data: bytes) -> None:
    """16 bits, no photographs, half a file."""
    with pytest.raises(check.Refused):
        check.read_pictures(data, CARD)
    if data != deep():
        with pytest.raises(ImageError):
            decode_views(data, RECIPE, VIEWS)


def test_a_jpeg_of_very_many_passes_is_refused_before_it_is_decoded() -> None:
    """A few kilobytes that would take minutes; the program refuses them, too."""
    data = jpeg_of_scans(6000, 6000, 90)
    assert len(data) < 3000
    with pytest.raises(check.Refused, match="its pixels are sent in 90 passes"):
        check.read_pictures(data, CARD)
    with pytest.raises(ImageError, match="in 90 passes"):
        decode_views(data, RECIPE, VIEWS)
    assert check.read_pictures(jpeg_of_scans(64, 64, 90), CARD).shape[0] == len(VIEWS)
