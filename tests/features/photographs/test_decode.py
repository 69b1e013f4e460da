"""features.photographs.decode: file to pixels."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import encode, ramp
from PIL import Image

from features.errors import DataError, ImageError
from features.photographs import jpeg
from features.photographs.decode import capture_time, decode, decode_views, thumbnail
from features.photographs.recipe import RECIPES, get_recipe
from features.photographs.views import FULL

IMAGENET, DOCS = RECIPES["imagenet"], RECIPES["docs"]


def half_of(kind: str) -> bytes:
    """Give a file that was cut off in the middle, as by a copy that did not finish."""
    grain = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    data = encode(Image.fromarray(grain), kind)
    return data[: len(data) // 2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("recipe", [IMAGENET, DOCS])
def test_every_format_gives_the_same_picture(kind: str, recipe: object) -> None:
    """JPEG, PNG, BMP, TIFF and WebP of one picture decode to nearly the same pixels."""
    options = {"quality": 95} if kind in {"JPEG", "WEBP"} else {}
    pixels = decode(encode(ramp(), kind, **options), recipe)
    expected = decode(encode(ramp(), "PNG"), recipe)
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).mean() < 2.0


def test_progressive_jpeg_equals_baseline() -> None:
    """A progressive JPEG decodes to the pixels of the baseline one."""
    one, other = (encode(ramp(), "JPEG", progressive=p, quality=90) for p in (True, False))
    assert np.array_equal(decode(one, IMAGENET), decode(other, IMAGENET))


def test_a_jpeg_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size, its pixels and its time come of one look at it; other bytes get another."""
    looked, look_through = [], jpeg._look_through
    monkeypatch.setattr(
        jpeg, "_look_through", lambda data: looked.append(data) or look_through(data)
    )
    one, other = (encode(ramp(), "JPEG", quality=quality) for quality in (90, 80))
    for data in (one, other, one):
        decode_views(data, IMAGENET, [FULL])
        capture_time(data)
    assert looked == [one, other, one]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (9, 9), 77), (77, 77, 77)),
        (Image.new("1", (9, 9), 1), (255, 255, 255)),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", (9, 9), (0, 128)), (127, 127, 127)),
        (Image.new("RGB", (9, 9), (10, 200, 30)).quantize(2), (10, 200, 30)),
        (Image.fromarray(np.full((9, 9), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((9, 9), 257 * 100, np.uint16)), (100, 100, 100)),
    ],
    ids=["grey", "bilevel", "half", "grey-alpha", "palette", "16-bit", "16-bit-100"],
)
def test_colour_modes(image: Image.Image, expected: tuple[int, int, int]) -> None:
    """Grey, palette and 16-bit keep their value; transparency is laid over white."""
    assert tuple(decode(encode(image, "PNG"), IMAGENET)[100, 100].tolist()) == expected


def test_cmyk_jpeg_becomes_rgb() -> None:
    """A CMYK JPEG (as print shops make them) is converted."""
    data = encode(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = decode(data, IMAGENET)[5, 5].tolist()
    assert red > 200
    assert green < 40
    assert blue < 40


def test_sixteen_bit_tiff_is_scaled_not_clipped() -> None:
    """A 16-bit TIFF ramp uses the whole range of 8 bits."""
    values = np.linspace(0, 65535, 300 * 300).reshape(300, 300).astype(np.uint16)
    pixels = decode(encode(Image.fromarray(values), "TIFF"), IMAGENET)
    assert pixels.min() <= 1
    assert pixels.max() >= 254
    assert abs(float(pixels.mean()) - 127.5) < 1


def test_exif_orientation_is_applied_by_imagenet_only() -> None:
    """`imagenet` turns a photograph upright as EXIF says; `docs`, as the write-up, does not."""
    half = Image.new("RGB", (100, 100), "black")
    half.paste("white", (0, 0, 100, 50))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    data = encode(half, "JPEG", exif=exif, quality=95)
    assert decode(data, IMAGENET)[20, 100, 0] < 20
    assert decode(data, IMAGENET)[200, 100, 0] > 235
    assert decode(data, DOCS)[20, 100, 0] > 235


def test_docs_recipe_is_what_keras_does(tmp_path: Path) -> None:
    """`docs` gives the bytes of Keras's own `load_img(target_size=(224, 224))`."""
    from features.runtime import load_tensorflow

    load_tensorflow()
    import keras

    path = tmp_path / "x.jpg"
    path.write_bytes(encode(ramp(641, 479), "JPEG", quality=90))
    expected = np.asarray(keras.utils.load_img(path, target_size=(224, 224)))
    assert np.array_equal(decode(path.read_bytes(), DOCS), expected)


def test_dct_scaling_stays_near_the_full_decode() -> None:
    """Letting the JPEG decoder halve a large photograph moves grey levels by under 1 on average."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    large = Image.fromarray(noise).resize((3200, 2400), Image.Resampling.BICUBIC)
    data = encode(large, "JPEG", quality=92)
    quick = decode(data, IMAGENET).astype(int)
    full = decode(data, replace(IMAGENET, dct_scaling=False)).astype(int)
    assert np.abs(quick - full).mean() < 1.0
    assert np.abs(quick - full).max() <= 8


def test_large_photographs_do_not_alias() -> None:
    """Fine stripes come out grey under `imagenet`; nearest-neighbour picks stripes at random."""
    stripes = np.zeros((2240, 2240, 3), np.uint8)
    stripes[:, ::2] = 255
    data = encode(Image.fromarray(stripes), "PNG")
    assert np.abs(decode(data, IMAGENET).astype(int) - 127).max() < 8
    assert set(np.unique(decode(data, DOCS))) <= {0, 255}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "not a photograph"),
        (b"%PDF-1.7 ...", "starts like a PDF"),
        (encode(ramp(), "GIF"), "starts like a GIF"),
        (half_of("JPEG"), "cut off"),
        (half_of("PNG"), "cut off"),
        (half_of("TIFF"), "cut off"),
        (half_of("BMP"), "cut off"),
        (half_of("WEBP"), "damaged"),
        (encode(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "32-bit floating-point"),
    ],
    ids=["empty", "text", "pdf", "gif", "jpeg", "png", "tiff", "bmp", "webp", "float"],
)
def test_unreadable_files_have_a_reason(data: bytes, reason: str) -> None:
    """What cannot be read whole is an ImageError with the reason, never a grey picture."""
    with pytest.raises(ImageError, match=reason) as caught:
        decode(data, IMAGENET)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 10


def bomb(width: int, height: int) -> bytes:
    """Give a small PNG that claims to be very large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    """A header of 40,000 × 40,000 pixels is refused, and the message names the option."""
    with pytest.raises(ImageError, match=r"40000×40000 .* raise --max-pixels"):
        decode(bomb(40_000, 40_000), IMAGENET)


def test_pixel_cap_can_be_raised_and_lowered() -> None:
    """The cap is an argument: the same photograph passes under one and not under another."""
    data = encode(ramp(300, 200), "PNG")
    assert decode(data, IMAGENET, max_pixels=60_000).shape == (224, 224, 3)
    with pytest.raises(ImageError, match="60,000 pixels"):
        decode(data, IMAGENET, max_pixels=59_999)


def test_first_frame_of_several() -> None:
    """Of a multi-page TIFF the first page is taken."""
    pages = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert decode(data, IMAGENET)[0, 0].tolist() == [255, 0, 0]


def test_thumbnail_keeps_the_shape() -> None:
    """A thumbnail's longer side is what was asked for, and its aspect ratio stays."""
    assert thumbnail(encode(ramp(300, 200), "JPEG"), 90).size == (90, 60)
    assert thumbnail(encode(ramp(3, 300), "PNG"), 60).size == (1, 60)


def test_unknown_recipe_lists_the_known_ones() -> None:
    """A misspelt recipe is answered with the names that exist."""
    with pytest.raises(DataError, match="docs, imagenet"):
        get_recipe("imagnet")
