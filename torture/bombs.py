"""Small files that ask for much: pixels, bytes, passes, frames, metadata."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np

Random = np.random.Generator

_SIDES = (0, 1, 2, 224, 16_383, 16_384, 40_000, 65_500, 65_535, 2**24 - 1, 2**31 - 1, 2**32 - 1)


def _sides(rng: Random) -> tuple[int, int]:
    """Give a width and a height, some of them absurd."""
    first, second = rng.choice(len(_SIDES), 2)
    return _SIDES[first], _SIDES[second]


def chunk(kind: bytes, body: bytes) -> bytes:
    """Give a PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, raw: bytes, *before: bytes, depth: int = 8) -> bytes:
    """Give a grey PNG of these rows (filter bytes included), with chunks before its pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(raw, 9))
    end = pixels + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(before) + end


def _png_dimensions(rng: Random) -> bytes:
    return png(*_sides(rng), bytes(1000))


def _png_inflating(rng: Random) -> bytes:
    """Give a real picture of up to 36 million equal pixels in some kilobytes."""
    side = int(rng.integers(500, 6000))
    return png(side, side, bytes(side * (side + 1)))


def _png_too_much(rng: Random) -> bytes:
    """Far more compressed bytes than its size can use."""
    return png(8, 8, bytes(int(rng.integers(10**6, 3 * 10**7))))


def _png_text(rng: Random) -> bytes:
    """Compressed comments that inflate to megabytes, many of them."""
    text = b"c\0\0" + zlib.compress(bytes(int(rng.integers(10**4, 10**6))), 9)
    return png(8, 8, bytes(72), *[chunk(b"zTXt", text)] * int(rng.integers(1, 300)))


def _png_chunks(rng: Random) -> bytes:
    return png(8, 8, bytes(72), *[chunk(b"abCd", b"")] * int(rng.integers(1, 20_000)))


def _png_profile(rng: Random) -> bytes:
    profile = b"p\0\0" + zlib.compress(bytes(int(rng.integers(10**6, 10**7))), 9)
    return png(8, 8, bytes(72), chunk(b"iCCP", profile))


def _png_exif(rng: Random) -> bytes:
    return png(8, 8, bytes(72), chunk(b"eXIf", _directory(rng)))


def _bmp_dimensions(rng: Random) -> bytes:
    width, height = _sides(rng)
    body = struct.pack("<IIIHHIIIIII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(900)
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 54) + body


def _bmp_runs(rng: Random) -> bytes:
    """Run-length coded: jumps of up to 255 rows at four bytes each."""
    width, height = int(rng.integers(1, 3000)), int(rng.integers(1, 3000))
    body = struct.pack("<IIIHHIIIIII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024)
    steps = (b"\0\2\xff\xff", b"\xff\1", b"\0\0", b"\0\xff" + bytes(256), b"\1\1")
    order = rng.integers(len(steps), size=300)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + body + b"".join(steps[i] for i in order)


def _webp_canvas(rng: Random) -> bytes:
    """Give an extended file whose canvas is allocated when it is opened."""
    width, height = (int(s) for s in rng.choice([1, 16_384, 2**24 - 1, 2**24], 2))
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<IB3x", 10, int(rng.integers(256))) + sides + rng.bytes(60)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_of_scans(width: int, height: int, scans: int) -> bytes:
    """Make a progressive JPEG that goes over all pixels again and again, for few bytes."""
    table = bytes((1,)) + bytes(15) + bytes((0,))  # one code, of one bit: symbol 0
    start = b"\xff\xd8" + _jpeg_segment(0xDB, bytes((0,)) + bytes([1] * 64))
    frame = _jpeg_segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes((1, 0x11, 0)))
    tables = _jpeg_segment(0xC4, b"\0" + table) + _jpeg_segment(0xC4, b"\x10" + table)
    scan = _jpeg_segment(0xDA, bytes((1, 1, 0, 0, 0, 0))) + bytes(8)
    return start + frame + tables + scan * scans + b"\xff\xd9"


def _jpeg_scans(rng: Random) -> bytes:
    width, height = rng.choice([64, 2000, 65_500], 2)
    return jpeg_of_scans(int(width), int(height), int(rng.integers(1, 20_000)))


def _jpeg_segments(rng: Random) -> bytes:
    """Metadata without end before the size."""
    filler = _jpeg_segment(0xE1, b"Exif\0\0" + _directory(rng)[:60_000])
    return b"\xff\xd8" + filler * int(rng.integers(1, 30)) + jpeg_of_scans(64, 64, 1)[2:]


def tiff(tags: list[tuple[int, int, int, int]], tail: bytes = b"", following: int = 0) -> bytes:
    """Give a TIFF of one directory: (tag, type, count, value or offset) each."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + struct.pack("<I", following) + tail


def _size_tags(width: int, height: int, offset: int = 8) -> list[tuple[int, int, int, int]]:
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1),
            (262, 3, 1, 1), (273, 4, 1, offset), (277, 3, 1, 1), (278, 4, 1, height),
            (279, 4, 1, width * height % 2**32)]  # fmt: skip


def _tiff_dimensions(rng: Random) -> bytes:
    return tiff(_size_tags(*_sides(rng)), bytes(500))


def _tiff_tags(rng: Random) -> bytes:
    """Thousands of tags that all claim the same megabyte."""
    count = int(rng.integers(100, 20_000))
    end = 14 + 12 * (count + 9)
    claims = [(40_000 + n, 7, 10**6, end) for n in range(count)]
    wrapped = [(tag % 65_536, kind, size, at) for tag, kind, size, at in claims]
    return tiff([*_size_tags(8, 8), *wrapped], bytes(10**6))


def _tiff_frames(rng: Random) -> bytes:
    """Give a directory that is its own successor."""
    return tiff(_size_tags(8, 8, 200), bytes(600), following=8)


def _tiff_tiles(rng: Random) -> bytes:
    """Give a small picture in enormous tiles, or a large one in very many."""
    side = int(rng.choice([1, 16, 40_000, 2**20]))
    kept = [tag for tag in _size_tags(500, 500) if tag[0] not in (273, 278, 279)]
    count = int(rng.choice([1, 1000, 2**24, 2**31]))
    tiles = [(322, 4, 1, side), (323, 4, 1, side), (324, 4, count, 8), (325, 4, count, 8)]
    compressed = [(259, 3, 1, int(rng.choice([1, 5, 7, 8, 32_773])))]
    return tiff(sorted([*(t for t in kept if t[0] != 259), *tiles, *compressed]), bytes(5000))


def _directory(rng: Random) -> bytes:
    """EXIF whose directories point at each other, with claims on bytes that are not there."""
    tags = [(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8), (0x0112, 3, 1, 6)]
    tags += [
        (int(rng.integers(65_536)), int(rng.integers(20)), int(rng.integers(2**32)),
         int(rng.integers(2**32)))
        for _ in range(int(rng.integers(5000)))
    ]  # fmt: skip
    return tiff(tags)


BOMBS: dict[str, Callable[[Random], bytes]] = {
    "png-dimensions": _png_dimensions,
    "png-inflating": _png_inflating,
    "png-too-much": _png_too_much,
    "png-text": _png_text,
    "png-chunks": _png_chunks,
    "png-profile": _png_profile,
    "png-exif": _png_exif,
    "bmp-dimensions": _bmp_dimensions,
    "bmp-runs": _bmp_runs,
    "webp-canvas": _webp_canvas,
    "jpeg-scans": _jpeg_scans,
    "jpeg-segments": _jpeg_segments,
    "tiff-dimensions": _tiff_dimensions,
    "tiff-tags": _tiff_tags,
    "tiff-frames": _tiff_frames,
    "tiff-tiles": _tiff_tiles,
}
"""Name -> maker of one such file."""
