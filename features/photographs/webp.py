"""WebP: what a file holds, and whether its coded pixels end where they should.

The format has no checksums, and a decoder that has lost its way goes on and paints. But then it
reaches the last pixel before the last byte, or asks for more bytes than there are; the second
libwebp reports, the first shows when the file still decodes without its last bytes. That costs a
second decoding. (RFC 9649.)
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image

from features.errors import ImageError

_CUT = 16
"""Bytes that are left out. Of sound files the decoder notices 4 (lossy) or 2 (lossless)."""

_MOST_CHUNKS = 100_000


def header(data: bytes) -> tuple[int, int, int]:
    """Read width, height and number of frames (1 for a still picture).

    Raises:
        ImageError: it holds no pixels.
        struct.error: it is cut off.
    """
    kind = data[12:16]
    if kind == b"VP8X":
        if len(data) < 30:
            raise struct.error
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        names = [name for name, _, _ in _chunks(data)]
        if not {b"VP8 ", b"VP8L"} & set(names):  # thirty bytes can claim a gigabyte
            raise ImageError("it is damaged (a WebP file without pixels)")
        return width, height, max(1, names.count(b"ANMF"))
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        return width, height, 1
    raise ImageError("it is damaged (a WebP file without pixels)")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk, those within a frame of an animation too."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, at + 8, length
        at += 8 + (16 if name == b"ANMF" else length + length % 2)


def check_end(data: bytes) -> None:
    """See that the decoder needs the last bytes of the first frame's pixels.

    Raises:
        ImageError: it does not.
    """
    for name, at, length in _chunks(data):
        if name in (b"VP8 ", b"VP8L"):
            coded = data[at : at + length]
            break
    else:
        return
    coded = coded.rstrip(coded[-1:]) + coded[-1:]  # whatever a program padded it with
    if len(coded) > 2 * _CUT and _decodes(name, coded[:-_CUT]):
        raise ImageError("it is damaged (its pixels end before the bytes that code them do)")


def _decodes(name: bytes, coded: bytes) -> bool:
    body = b"WEBP" + name + struct.pack("<I", len(coded)) + coded + bytes(len(coded) % 2)
    try:
        with Image.open(
            io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body), formats=("WEBP",)
        ) as image:
            image.load()
    except Exception:  # noqa: BLE001 - as in `decode`: a decoder raises whatever it likes
        return False
    return True
