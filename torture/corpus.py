"""Hostile photographs, drawn and broken from a seed: the same seed gives the same files.

No photograph is kept in the repository. A few small ones are drawn, encoded in every way that
Onepass reads, and then cut, flipped, spliced, inflated, or replaced by something else.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from torture.bombs import BOMBS

Random = np.random.Generator


class Mutant(NamedTuple):
    """One hostile file.

    Attributes:
        name: unique within its corpus, with the suffix of a photograph.
        kind: how it was made.
        data: the file.
    """

    name: str
    kind: str
    data: bytes


def corpus(seed: int, count: int) -> Iterator[Mutant]:
    """`count` files, every kind in turn.

    Args:
        seed: of everything.
        count: how many; 25 are needed for every kind to appear.
    """
    rng = np.random.default_rng(seed)
    seeds = draw_seeds(rng)
    kinds = [*_MUTATIONS.items(), *((name, _built(make)) for name, make in BOMBS.items())]
    for number in range(count):
        kind, mutate = kinds[number % len(kinds)]
        suffix, data = seeds[int(rng.integers(len(seeds)))]
        other = seeds[int(rng.integers(len(seeds)))][1]
        yield Mutant(f"{number:05d}-{kind}{suffix}", kind, mutate(rng, data, other))


def draw_seeds(rng: Random) -> list[tuple[str, bytes]]:
    """Sound photographs with their suffixes: every format, and its uncommon forms."""
    smooth = Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    picture = smooth.resize((90, 60), Image.Resampling.BICUBIC)
    grain = Image.fromarray(rng.integers(0, 256, (40, 56, 3), dtype=np.uint8))
    clear = picture.copy()
    clear.putalpha(grain.resize(picture.size).convert("L"))
    deep = Image.fromarray(rng.integers(0, 65536, (40, 56), dtype=np.uint16))
    turned = Image.Exif()
    turned[0x0112], turned[0x010F] = 6, "a maker" * 9
    few = grain.quantize(16)
    frames = {"save_all": True, "append_images": [grain.resize(picture.size)] * 3}
    made: list[tuple[str, Image.Image, str, dict[str, object]]] = [
        (".jpg", picture, "JPEG", {"exif": turned, "quality": 90}),
        (".jpg", picture, "JPEG", {"progressive": True, "quality": 70}),
        (".jpg", picture.convert("CMYK"), "JPEG", {"restart_marker_blocks": 3}),
        (".jpg", grain.convert("L"), "JPEG", {"comment": b"x" * 300}),
        (".jpg", picture, "MPO", frames),
        (".png", picture, "PNG", {"exif": turned, "dpi": (300, 300)}),
        (".png", clear, "PNG", {}),
        (".png", deep, "PNG", {}),
        (".png", few, "PNG", {"transparency": 2, "bits": 4}),
        (".png", picture, "PNG", frames),
        (".bmp", grain, "BMP", {}),
        (".bmp", few, "BMP", {}),
        (".tif", picture, "TIFF", {"exif": turned}),
        (".tif", clear, "TIFF", {"compression": "tiff_lzw"}),
        (".tif", picture, "TIFF", {"compression": "jpeg"}),
        (".tif", deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (".tif", grain.convert("1"), "TIFF", {"compression": "group4"}),
        (".tif", grain, "TIFF", {"compression": "packbits"}),
        (".tif", picture, "TIFF", frames),
        (".tif", picture, "TIFF", {"big_tiff": True}),
        (".webp", picture, "WEBP", {"exif": turned, "quality": 80}),
        (".webp", clear, "WEBP", {"lossless": True}),
        (".webp", picture, "WEBP", frames),
    ]  # fmt: skip
    return [(suffix, encode(image, kind, **options)) for suffix, image, kind, options in made]


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """Give the picture as a file."""
    out = io.BytesIO()
    if "append_images" in options:  # a frame keeps the settings of the format before
        options["append_images"] = [frame.copy() for frame in options["append_images"]]  # type: ignore[attr-defined]
    image.save(out, kind, **options)
    return out.getvalue()


# ---- mutations of a sound file ----------------------------------------------------------------


def _truncate(rng: Random, data: bytes, _other: bytes) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _flip(rng: Random, data: bytes, _other: bytes) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(len(data) * 8, size=int(rng.geometric(0.15))):
        changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def _flip_header(rng: Random, data: bytes, other: bytes) -> bytes:
    """Bits of the first bytes, where sizes and offsets are."""
    cut = min(len(data), 200)
    return _flip(rng, data[:cut], other) + data[cut:]


def _overwrite(rng: Random, data: bytes, _other: bytes) -> bytes:
    """Turn a run of bytes into zeros, ones, or noise."""
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
    runs = (bytes(length), b"\xff" * length, rng.bytes(length), b"\x7f" * length)
    return data[:start] + runs[int(rng.integers(len(runs)))] + data[start + length :]


def _extremes(rng: Random, data: bytes, _other: bytes) -> bytes:
    """Whole numbers in the header become the ones that overflow."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        layout = ("<H", ">H", "<I", ">I")[int(rng.integers(4))]
        top = 2 ** (8 * struct.calcsize(layout))
        value = (0, 1, top // 2 - 1, top // 2, top - 1, top - 2)[int(rng.integers(6))]
        place = int(rng.integers(min(len(data), 200) - 4))
        struct.pack_into(layout, changed, place, value)
    return bytes(changed)


def _splice(rng: Random, data: bytes, other: bytes) -> bytes:
    """Give the head of one file on the body of another."""
    return data[: int(rng.integers(8, 120))] + other[int(rng.integers(len(other))) :]


def _repeat(rng: Random, data: bytes, _other: bytes) -> bytes:
    """Give a piece of the file many times over."""
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 80))
    piece = data[start : start + length] * int(rng.integers(2, 2000))
    return data[:start] + piece + data[start:]


def _delete(rng: Random, data: bytes, _other: bytes) -> bytes:
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + int(rng.integers(1, 40)) :]


def _mend_png(rng: Random, data: bytes, other: bytes) -> bytes:
    """Give a flipped PNG whose checksums are right again, so that the damage is parsed."""
    if not data.startswith(b"\x89PNG"):
        return _flip(rng, data, other)
    flipped, out, at = _flip(rng, data, other), bytearray(data[:8]), 8
    while at + 12 <= len(flipped):
        length = min(struct.unpack_from(">I", data, at)[0], len(flipped) - at - 12)
        body = flipped[at + 4 : at + 8 + length]
        out += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)


def _append(rng: Random, data: bytes, other: bytes) -> bytes:
    """Something after the end, as by a program that hides its payload in photographs."""
    return data + (other, b"PK\x03\x04", b"<?php ?>", rng.bytes(5000))[int(rng.integers(4))]


_FOREIGN: tuple[bytes, ...] = (
    b"", b"\0", b"\xff\xd8\xff", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"\x89PNG\r\n\x1a\n",
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01",
    b"%PDF-1.7\n%", b"PK\x03\x04",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n", b"P6\n9 9\n255\n",
    b"\x7fELF\x02\x01\x01", b"MZ\x90\0", b"<?xml version='1.0'?><svg/>", b"<html><script>",
    b"\0\0\0\x18ftypheic\0\0\0\0", b"\0\0\0\x1cftypavif\0\0\0\0", b"8BPS\0\x01",
    b"\0\0\x01\0\x01\0",
    b"\0\0\0\x0cjP  \r\n\x87\n", b"\x80\x04\x95\x10\0\0\0\0", b"#!/bin/sh\n", b"SIMPLE  =", b"icns",
)  # fmt: skip


def _foreign(rng: Random, _data: bytes, _other: bytes) -> bytes:
    """Not a photograph at all, or only its first bytes."""
    return _FOREIGN[int(rng.integers(len(_FOREIGN)))] + rng.bytes(int(rng.integers(300)))


def _endless_gif(rng: Random, _data: bytes, _other: bytes) -> bytes:
    """Give a GIF of very many frames; GIF is no format that is read."""
    frame = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    return b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff" + frame * int(rng.integers(1, 5000))


def _built(make: Callable[[Random], bytes]) -> Callable[[Random, bytes, bytes], bytes]:
    return lambda rng, _data, _other: make(rng)


_MUTATIONS: dict[str, Callable[[Random, bytes, bytes], bytes]] = {
    "truncated": _truncate,
    "flipped": _flip,
    "flipped-header": _flip_header,
    "overwritten": _overwrite,
    "extremes": _extremes,
    "spliced": _splice,
    "repeated": _repeat,
    "deleted": _delete,
    "mended-png": _mend_png,
    "appended": _append,
    "foreign": _foreign,
    "endless-gif": _endless_gif,
}
