"""What cameras and programs really write: read as a second decoder reads it, or refused."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import encode, ramp
from PIL import Image, ImageCms

from features.errors import ImageError
from features.photographs.decode import decode, thumbnail
from features.photographs.file_header import read_declared
from features.photographs.recipe import RECIPES, get_recipe, recorded_recipe
from torture.bombs import chunk

HEIGHT, WIDTH = 40, 48
EXACT = replace(RECIPES["docs"], height=HEIGHT, width=WIDTH)
SRGB = replace(EXACT, srgb=True)


def scene(colours: int) -> np.ndarray:
    """(HEIGHT, WIDTH) or (HEIGHT, WIDTH, 3) from 0 to 1, both of which are there."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    grey = (x * 5 + y * 3) % 256 / 256
    found = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    found[0, 0], found[-1, -1] = 0, 1
    return found if colours == 3 else found[..., 0]


def written(values: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    order = options.pop("byteorder", "<")
    with tifffile.TiffWriter(out, byteorder=order, bigtiff=options.pop("bigtiff", False)) as file:
        file.write(values, **options)
    return out.getvalue()


def close(data: bytes, expected: np.ndarray, recipe=EXACT, tolerance: float = 1.0) -> bool:
    """Whether a file decodes to values from 0 to 1, within so many of 255."""
    expected = expected if expected.ndim == 3 else expected[..., None]
    return bool(np.abs(decode(data, recipe) - 255.0 * expected).max() <= tolerance)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint8", "float32"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb", "planes"])
def test_tiff_of_every_kind_is_what_tifffile_reads(
    byteorder: str, dtype: str, compression: str | None, photometric: str
) -> None:
    """Byte order, sign, inverted grey, planes, predictor, strips, tiles: within 1 of 255."""
    colours = 3 if photometric in ("rgb", "planes") else 1
    top = {"uint16": 65_535, "int16": 32_767, "uint8": 255, "float32": 1}[dtype]
    values = (scene(colours) * top).round(0 if top > 1 else 6).astype(dtype)
    options: dict[str, object] = {
        "photometric": "rgb" if colours == 3 else photometric,
        "compression": compression,
        "byteorder": byteorder,
        "bigtiff": compression == "zlib",
        "predictor": compression in ("lzw", "zlib") or None,
    }
    options |= {"tile": (16, 32)} if compression == "lzw" else {"rowsperstrip": 7}
    if dtype == "float32":
        options["extratags"] = [(340, 11, 1, 0.0, True), (341, 11, 1, 1.0, True)]
    if photometric == "planes":
        options["planarconfig"] = "separate"
        values = values.transpose(2, 0, 1)
    data = written(np.ascontiguousarray(values), **options)
    seen = tifffile.imread(io.BytesIO(data)).astype(float) / top
    seen = seen.transpose(1, 2, 0) if photometric == "planes" else seen
    assert close(data, 1 - seen if photometric == "miniswhite" else seen)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_predictor_counts_where_programs_agree_on_it(dtype: str) -> None:
    """Refused with PackBits (tifffile means it, Pillow does not), not used uncompressed."""
    top = np.iinfo(dtype).max
    values = (scene(1) * top).round().astype(dtype)
    picture, tags = Image.fromarray(values), {317: 2}
    packed = written(values, photometric="minisblack", compression="packbits", predictor=2)
    for data in (packed, encode(picture, "TIFF", compression="packbits", tiffinfo=tags)):
        with pytest.raises(ImageError, match=f"{8 * top.bit_length() // 8} bits.*predictor with P"):
            decode(data, EXACT)
    assert close(encode(picture, "TIFF", tiffinfo=tags), scene(1))


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_samples_fill_their_range(bits: int) -> None:
    """TIFF of 10, 12 and 14 bits without gaps between the samples."""
    values = (scene(1) * (2**bits - 1)).round().astype(np.uint16)
    data = written(values, bitspersample=bits, photometric="minisblack")
    assert np.array_equal(tifffile.imread(io.BytesIO(data)), values)
    assert close(data, scene(1))


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_camera_of_fewer_bits_fills_the_range(bits: int) -> None:
    """By MaxSampleValue, by sBIT in both ways that it is written, by the recipe; else refused."""
    full = 2**bits - 1
    values = (scene(3) * full).round().astype(np.uint16)
    stated = written(values, photometric="rgb", extratags=[(281, 3, 1, full, True)])
    silent = written(values, photometric="rgb")
    assert close(stated, scene(3))
    assert close(silent, scene(3), replace(EXACT, bits=bits))
    with pytest.raises(ImageError, match=rf"values up to {full:,}: a camera of fewer bits"):
        decode(silent, EXACT)
    with pytest.raises(ImageError, match="more than the 8 bits"):
        decode(silent, replace(EXACT, bits=8))
    for low in (values, values << (16 - bits) | values >> (2 * bits - 16)):
        data = bytearray(imagecodecs.png_encode(low))
        data[33:33] = chunk(b"sBIT", bytes([bits] * 3))
        assert close(bytes(data), scene(3))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_is_what_libpng_reads(channels: int) -> None:
    """Grey and RGB of 16 bits, with alpha, which is laid over white; by both recipes."""
    values = np.random.default_rng(channels).integers(0, 65_536, (HEIGHT, WIDTH, channels))
    data = imagecodecs.png_encode(values.astype(np.uint16).squeeze())
    seen = imagecodecs.png_decode(data).reshape(HEIGHT, WIDTH, channels) / 65_535
    if channels in (2, 4):
        seen = seen[..., :-1] * seen[..., -1:] + 1 - seen[..., -1:]
    assert close(data, seen, tolerance=1.5)
    assert close(data, seen, replace(RECIPES["imagenet"], height=HEIGHT, width=WIDTH), 1.5)


def test_both_byte_orders_give_the_same_pixels() -> None:
    """16-bit grey, in TIFF and PNG."""
    values = (scene(1) * 65_535).astype(np.uint16)
    files = [written(values, byteorder=order) for order in "<>"]
    files.append(imagecodecs.png_encode(values))
    assert len({decode(data, EXACT).tobytes() for data in files}) == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (scene(1).astype(np.float32), "states none"),
        ((scene(1) * 900 - 400).astype(np.int16), "integer pixels from -400 to"),
        ((scene(1) * 2**20).astype(np.uint32), "expected 0 to 65535"),
        (np.full((9, 9), np.nan, np.float32), "no numbers"),
        (scene(1).astype(np.complex64), "of a kind that is not read"),
    ],
    ids=["float", "negative", "32-bit", "nan", "complex"],
)
def test_what_has_no_known_black_and_white_is_refused(values: np.ndarray, reason: str) -> None:
    """With what was found and what to do, and never as damaged."""
    with pytest.raises(ImageError, match=reason) as error:
        decode(written(values, photometric="minisblack"), EXACT)
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize("compression", ["jpeg2000", "lerc"])
def test_a_sound_tiff_that_no_decoder_here_reads_is_not_called_damaged(compression: str) -> None:
    """It is named by what it is."""
    data = written((scene(3) * 255).astype(np.uint8), photometric="rgb", compression=compression)
    with pytest.raises(ImageError, match=r"not read \(8 bits, RGB, compression") as error:
        decode(data, EXACT)
    assert "damaged" not in str(error.value)


def test_of_several_pages_the_first_that_is_no_thumbnail() -> None:
    """A reduced copy first is not the picture; further pages are counted."""
    out = io.BytesIO()
    picture = (scene(3) * 255).round().astype(np.uint8)
    with tifffile.TiffWriter(out) as file:
        file.write(picture[::4, ::4], photometric="rgb", subfiletype=1)
        file.write(picture, photometric="rgb")
        file.write(picture[::-1], photometric="rgb")
    declared = read_declared(out.getvalue())
    assert (declared.width, declared.height, declared.pictures) == (WIDTH, HEIGHT, 2)
    assert close(out.getvalue(), scene(3))


def bmp_with_alpha(rgb: np.ndarray, alpha: int) -> bytes:
    """Give a BMP of version 5, 32 bits, as screen grabbers write it."""
    height, width = rgb.shape[:2]
    pixels = np.concatenate(
        [rgb[::-1, :, ::-1], np.full((height, width, 1), alpha, np.uint8)], axis=-1
    ).tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(64)
    start = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + pixels


def test_transparency_that_hides_everything_was_not_meant() -> None:
    """Alpha 0 everywhere leaves the colours; with nothing under it, it is refused."""
    rgb = (scene(3) * 255).round().astype(np.uint8)
    assert close(bmp_with_alpha(rgb, 0), scene(3))
    clear = Image.fromarray(np.concatenate([rgb, np.zeros((HEIGHT, WIDTH, 1), np.uint8)], axis=2))
    assert close(encode(clear, "PNG"), scene(3))
    one = clear.copy()
    one.putalpha(1)  # of 255, by a program that took it for 1.0
    assert close(encode(one, "PNG"), scene(3))
    for mode, colour in (("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))):
        with pytest.raises(ImageError, match="all of it is transparent"):
            decode(encode(Image.new(mode, (9, 9), colour), "PNG"), EXACT)
    first = replace(RECIPES["imagenet"], revision=1, srgb=False)
    assert decode(encode(clear, "PNG"), first).min() == 255


def wide_gamut() -> bytes:
    """Give a profile whose colours are far from sRGB's: XYZ itself, as RGB."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = lab.index(b"rXYZ")
    where = struct.unpack_from(">I", lab, at + 4)[0]
    profile = bytearray(lab)
    struct.pack_into(">iii", profile, where + 8, int(0.8 * 65536), int(0.35 * 65536), 0)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_wide_gamut_becomes_srgb(kind: str) -> None:
    """As LittleCMS converts it; by `imagenet` alone, and not by its first revision."""
    picture = Image.fromarray((scene(3) * 255).round().astype(np.uint8))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0}
    data = encode(picture, kind, icc_profile=wide_gamut(), **(options if kind != "PNG" else {}))
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageCms.profileToProfile(
            image.convert("RGB"), io.BytesIO(wide_gamut()), ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    pixels = decode(data, SRGB)
    assert np.array_equal(pixels, np.asarray(expected))
    assert np.abs(pixels.astype(int) - decode(data, EXACT)).max() > 20
    first = replace(RECIPES["imagenet"], revision=1, srgb=False)
    plain = encode(picture, kind, **(options if kind != "PNG" else {}))
    assert np.array_equal(decode(data, first), decode(plain, first))


def test_a_profile_that_is_srgb_or_broken_changes_nothing() -> None:
    """Bit for bit; so does the profile of another kind of picture."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    plain = decode(encode(ramp(), "PNG"), RECIPES["imagenet"])
    for profile in (srgb, lab, srgb[:200], b"no profile"):
        data = encode(ramp(), "PNG", icc_profile=profile)
        assert np.array_equal(decode(data, RECIPES["imagenet"]), plain)


def test_large_comments_and_profiles_are_no_reason_to_refuse() -> None:
    """Megabytes of XMP in PNG, of ICC in PNG and JPEG."""
    plain = encode(ramp(), "PNG")
    for large in (
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 3_000_000),
        chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(3_000_000))),
    ):
        assert np.array_equal(decode(plain[:33] + large + plain[33:], EXACT), decode(plain, EXACT))
    jpeg = encode(ramp(), "JPEG", icc_profile=bytes(3_000_000))
    assert decode(jpeg, EXACT).shape == (HEIGHT, WIDTH, 3)


def test_what_lies_behind_a_jpeg_is_not_the_picture() -> None:
    """A video full of scan marks, a second photograph: the first one counts."""
    first, second = encode(ramp(), "JPEG"), encode(ramp(30, 20), "JPEG")
    video = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x0c" * 50_000
    for behind in (video, second, bytes(100_000)):
        declared = read_declared(first + behind)
        assert declared.passes == 1
        assert np.array_equal(decode(first + behind, EXACT), decode(first, EXACT))
    frames = encode(ramp(), "MPO", save_all=True, append_images=[ramp(30, 20)])
    assert np.array_equal(decode(frames, EXACT), decode(encode(ramp(), "JPEG"), EXACT))


@pytest.mark.parametrize("kind", ["12 bits", "16 bits", "JPEG-LS"])
def test_a_jpeg_of_a_rare_kind_is_not_called_damaged(kind: str) -> None:
    """Microscopes and X-ray machines write them: its header is sound, and what it is is said."""
    grey = scene(1)
    data = {
        "12 bits": lambda: imagecodecs.jpeg8_encode((grey * 4095).astype("u2"), bitspersample=12),
        "16 bits": lambda: imagecodecs.ljpeg_encode((grey * 65535).astype("u2"), bitspersample=16),
        "JPEG-LS": lambda: imagecodecs.jpegls_encode((grey * 255).astype("u1")),
    }[kind]()
    with pytest.raises(ImageError, match=f"a JPEG(-LS| of {kind}), which is not read; save it as"):
        decode(data, EXACT)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "JXL"])
def test_photographs_of_phones(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC, AVIF and JPEG XL are what a second decoder reads; without plug-in it is named.

    There is no second decoder for HEIC: it is what was written.
    """
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    data = encode(ramp(480, 400), kind, quality=95)
    declared = read_declared(data)
    assert (declared.format, declared.width, declared.height) == (kind, 480, 400)
    seen: Any = {"AVIF": imagecodecs.avif_decode, "JXL": imagecodecs.jpegxl_decode}.get(
        kind, lambda _: np.asarray(ramp(480, 400))
    )
    pixels = decode(data, replace(EXACT, height=400, width=480))
    assert np.abs(pixels.astype(int) - seen(data)[..., :3]).max() <= (12 if kind == "HEIF" else 3)
    assert thumbnail(data, 48).size == (48, 40)
    for module in ("pillow_heif", "pillow_jxl", "PIL._avif"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImageError, match=r'pip install "onepass\[phone\]"'):
        decode(data, EXACT)


def test_jpeg_xl_in_pieces_is_read() -> None:
    """Where EXIF stands before the pixels the first piece has five bytes: it was "cut off"."""
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[0x0132] = "2026:01:05 08:00:00"
    data = encode(ramp(400, 300), "JXL", quality=95, exif=exif.tobytes())
    declared = read_declared(data)
    assert (declared.format, declared.width, declared.height) == ("JXL", 400, 300)
    assert decode(data, EXACT).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_phone_formats_of_many_bits_are_seen_in_full_range(bits: int) -> None:
    """Grey of more than 8 bits in HEIC and JPEG XL came out white; float has no fixed range."""
    heif = pytest.importorskip("pillow_heif")
    pytest.importorskip("pillow_jxl")
    heif.register_heif_opener()
    grey = np.linspace(0, 1, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    values = (grey * (2**bits - 1)).round().astype(np.uint8 if bits == 8 else np.uint16)
    if bits == 16:
        data = encode(Image.fromarray(values), "JXL", lossless=True)
        with pytest.raises(ImageError, match="no fixed range"):
            decode(imagecodecs.jpegxl_encode(grey.astype(np.float32)), EXACT)
    else:
        mode = "L" if bits == 8 else f"L;{bits}"
        image = heif.from_bytes(mode, (WIDTH, HEIGHT), np.ascontiguousarray(values).tobytes())
        image.save(file := io.BytesIO(), quality=-1)
        data = file.getvalue()
    assert np.abs(decode(data, EXACT)[..., 0] - grey * 255.0).max() <= 2


def test_recipes_of_old_caches_are_known_as_they_were() -> None:
    """Revision 1 keeps its fields, and so its fingerprint; bits of a folder come back."""
    first = {
        "name": "imagenet", "height": 224, "width": 224, "exif_orientation": True,
        "resize": "bilinear", "dct_scaling": True, "scale": [1 / 127.5, -1.0], "revision": 1,
    }  # fmt: skip
    found = recorded_recipe(first)
    assert found is not None
    assert found.fields() == first
    deep = replace(get_recipe("imagenet"), bits=12)
    assert recorded_recipe(deep.fields()) == deep
    assert recorded_recipe(first | {"bits": 12}) is None
    assert recorded_recipe(deep.fields() | {"bits": 11}) is None
    values = (scene(1) * 1023).round().astype(np.uint16)
    small = replace(found, height=HEIGHT, width=WIDTH)
    dark = decode(written(values), small)
    assert np.array_equal(dark[..., 0], np.round(values / 257.0).astype(np.uint8))
