"""What a file says of its size, read from its first bytes before any decoder is let at it.

Decoders allocate what a header claims. So the header is read here first, in plain Python that
allocates nothing, and a claim beyond the caps is refused. A file of a format that is not listed
is not parsed at all.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from features.errors import ImageError

MAX_SIDE = 500_000
"""Longest side in pixels: a picture one pixel wide needs 224 in the middle of its resize."""

MAX_PASSES = 16
"""Times that the cap on pixels may be gone over: a JPEG can ask for a pass at 20 bytes each."""

_MAX_SEGMENTS = 10_000  # of a JPEG, before its pixels; and of scans
_SCAN = re.compile(rb"\xff\xda")  # three times as fast as bytes.count
_MAX_PIECES = 2_000_000  # strips or tiles of a TIFF; each costs some 200 bytes in the decoder
_SPARE_TAG_DATA = 65_536  # bytes that a TIFF's tags may claim beyond the file's length


@dataclass(frozen=True)
class Declared:
    """What a file claims to be.

    Attributes:
        format: Pillow's name of it.
        width, height: in pixels; of several frames, of the first.
        passes: how often a decoder goes over all pixels.
        piece: width × height of a TIFF's largest tile, 0 for other files.
    """

    format: str
    width: int
    height: int
    passes: int = 1
    piece: int = 0


def read_declared(data: bytes) -> Declared | None:
    """What the file claims; None where its first bytes are of no format that is allowed.

    Raises:
        ImageError: it begins like one and then says nothing that can be used.
    """
    for starts, read in _READERS:
        if data.startswith(starts):
            try:
                return read(data)
            except (struct.error, IndexError, OverflowError):  # the last: beyond 2^63
                raise ImageError("the file is cut off (within its header)") from None
    return None


def check_declared(declared: Declared, max_pixels: int) -> None:
    """Refuse what is empty, or too large to be decoded within `max_pixels`.

    Raises:
        ImageError: with the reason.
    """
    width, height = declared.width, declared.height
    pixels = width * height
    if pixels < 1:
        raise ImageError(f"it has no pixels ({width}×{height})")
    if max(pixels, declared.piece) > max_pixels:
        raise ImageError(
            f"{width}×{height} is {max(pixels, declared.piece):,} pixels, more than the "
            f"{max_pixels:,} allowed; raise --max-pixels if it is genuine"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"a side of {max(width, height):,} pixels; expected {MAX_SIDE:,} at most; cut it up"
        )
    if pixels * declared.passes > MAX_PASSES * max_pixels:
        raise ImageError(
            f"its {width}×{height} pixels are sent in {declared.passes:,} passes, which no camera "
            "does; save it again"
        )


def _jpeg(data: bytes) -> Declared:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        at = data.find(b"\xff", at)
        if at < 0:
            raise ImageError("the file is cut off (within its header)")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # markers without a body
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Declared("JPEG", width, height, _scans(data, at))
        elif marker in (0xD9, 0xDA):
            raise ImageError("it is damaged (its pixels come before their size)")
        else:
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    raise ImageError(f"it is damaged (more than {_MAX_SEGMENTS:,} segments before its pixels)")


def _scans(data: bytes, at: int) -> int:
    """How many scans follow: within coded pixels the two bytes never stand for anything else."""
    found = sum(1 for _ in itertools.islice(_SCAN.finditer(data, at), _MAX_SEGMENTS + 1))
    if found > _MAX_SEGMENTS:
        raise ImageError(f"it is damaged (more than {_MAX_SEGMENTS:,} scans)")
    return max(1, found)


def _png(data: bytes) -> Declared:
    kind, width, height = struct.unpack_from(">4sII", data, 12)
    if kind != b"IHDR":
        raise ImageError("it is damaged (its first chunk is not IHDR)")
    return Declared("PNG", width, height)


def _bmp(data: bytes) -> Declared:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        return Declared("BMP", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<II", data, 18)
    return Declared("BMP", width, 2**32 - height if height >= 2**31 else height)


def _webp(data: bytes) -> Declared | None:
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        sides = [int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27)]
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        sides = [(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1]
    elif kind == b"VP8 ":
        sides = [side & 0x3FFF for side in struct.unpack_from("<HH", data, 26)]
    else:
        raise ImageError("it is damaged (a WebP file without pixels)")
    return Declared("WEBP", *sides)


# ---- TIFF: a directory of tags that may lie anywhere ------------------------------------------

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_PIECE_LISTS = (273, 324)  # where the strips or the tiles lie
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}


def _tiff(data: bytes) -> Declared:
    order = "<" if data.startswith(b"II") else ">"
    big = data[2] == 43
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    entry = order + ("HHQ8s" if big else "HHI4s")
    if count > 65_535:
        raise ImageError(f"it is damaged ({count:,} tags)")
    found: dict[int, int] = {}
    claimed = 0
    for number in range(count):
        tag, kind, values, place = struct.unpack_from(
            entry, data, at + number * (20 if big else 12)
        )
        size = values * _TYPE_SIZES.get(kind, 0)
        claimed += size if size > len(place) else 0
        if tag in _PIECE_LISTS and values > _MAX_PIECES:
            raise ImageError(f"it is damaged ({values:,} strips or tiles)")
        if values == 1 and kind in _WHOLE_NUMBERS:
            (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], place)
            # Readers differ in which of two equal tags they believe.
            found[tag] = max(value, found.get(tag, 0))
    if claimed > len(data) + _SPARE_TAG_DATA:
        raise ImageError("it is damaged (its tags claim more bytes than the file has)")
    if _WIDTH not in found or _HEIGHT not in found:
        raise ImageError("it is damaged (a TIFF file that does not say its size)")
    piece = found.get(_TILE_WIDTH, 0) * found.get(_TILE_HEIGHT, 0)
    return Declared("TIFF", found[_WIDTH], found[_HEIGHT], piece=piece)


_READERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Declared | None]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    # Two are wrong, but written; big-endian BigTIFF is missing, which Pillow takes for TIFF.
    ((b"II\x2a\x00", b"MM\x00\x2a", b"II\x00\x2a", b"MM\x2a\x00", b"II\x2b\x00"), _tiff),
)
