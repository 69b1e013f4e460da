"""Read what a file says of its size from its first bytes, before a decoder is let at it.

Decoders allocate what a header claims. So the header is read here first, in plain Python that
allocates nothing, and a claim beyond the caps is refused. A file of a format that is not listed
is not parsed at all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL.ExifTags import Base as Tag

from features.errors import ImageError
from features.photographs import jpeg, png, tiff, webp

MAX_SIDE = 500_000
"""Longest side in pixels: a picture one pixel wide needs 224 in the middle of its resize."""

MAX_PASSES = 16
"""Times that the cap on pixels may be gone over: a JPEG can ask for a pass at 20 bytes each."""

_MAX_BOXES = 10_000  # of an HEIC, AVIF or JPEG XL file


@dataclass(frozen=True)
class Declared:
    """Hold what a file claims to be.

    Attributes:
        format: Pillow's name of it.
        width, height: in pixels; of several pictures, of the one that is read.
        passes: how often a decoder goes over all pixels.
        piece: width × height of a TIFF's largest tile, 0 for other files.
        pictures: pages of a TIFF, frames of an animation; smaller copies do not count.
        is_deep: whether its samples have more than 8 bits, or a sign.
    """

    format: str
    width: int
    height: int
    passes: int = 1
    piece: int = 0
    pictures: int = 1
    is_deep: bool = False


def read_declared(data: bytes, *, with_passes: bool = True) -> Declared | None:
    """Read what the file claims; None where its first bytes are of no format that is allowed.

    Args:
        data: the whole file.
        with_passes: count the passes of a JPEG, for which all of it is looked through. Who hands
            it on to a decoder, which counts them before it decodes, need not.

    Raises:
        ImageError: it begins like one and then says nothing that can be used.
    """
    read = next((read for starts, read in _READERS if data.startswith(starts)), _boxed)
    try:
        if read is _jpeg and not with_passes:
            return Declared("JPEG", *jpeg.read_size(data))
        return read(data)
    except (struct.error, IndexError, OverflowError):  # the last: beyond 2^63
        raise ImageError("the file is cut off (within its header)") from None


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
    frame = jpeg.read_frame(data)
    return Declared("JPEG", frame.width, frame.height, frame.scans)


def _png(data: bytes) -> Declared:
    width, height, bits, frames = png.header(data)
    return Declared("PNG", width, height, pictures=frames, is_deep=bits > 8)


def _bmp(data: bytes) -> Declared:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        return Declared("BMP", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<II", data, 18)
    return Declared("BMP", width, 2**32 - height if height >= 2**31 else height)


def _webp(data: bytes) -> Declared | None:
    if data[8:12] != b"WEBP":
        return None
    width, height, frames = webp.header(data)
    return Declared("WEBP", width, height, pictures=frames)


def _tiff(data: bytes) -> Declared:
    page, count = tiff.read_pages(data)
    sizes = page.largest
    if Tag.ImageWidth not in sizes or Tag.ImageLength not in sizes:
        raise ImageError("it is damaged (a TIFF file that does not say its size)")
    return Declared(
        "TIFF",
        sizes[Tag.ImageWidth],
        sizes[Tag.ImageLength],
        piece=sizes.get(Tag.TileWidth, 0) * sizes.get(Tag.TileLength, 0),
        pictures=count,
        is_deep=page.is_deep,
    )


# ---- HEIC, AVIF and JPEG XL: boxes within boxes (ISO/IEC 14496-12, 23008-12, 18181-2) -----------

_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
_SEQUENCES = (b"avis", b"hevc", b"hevx", b"msf1")
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"


def _boxed(data: bytes) -> Declared | None:
    if data.startswith(_JXL_BOX):
        return _jxl_boxes(data)
    if data[4:8] != b"ftyp":
        return None
    (length,) = struct.unpack_from(">I", data)
    brands = {data[at : at + 4] for at in (8, *range(16, min(length, 256), 4))}
    if brands & set(_AVIF):
        kind = "AVIF"
    elif brands & set(_HEIC):
        kind = "HEIF"
    else:
        return None
    sizes = [
        struct.unpack_from(">II", data, at + 4)
        for path, at, _ in _boxes(data, 0, len(data))
        if path == b"ispe"
    ]
    if not sizes:
        raise ImageError("it is damaged (it does not say its size)")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Declared(kind, width, height, pictures=1 + (data[8:12] in _SEQUENCES))


def _boxes(data: bytes, at: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the boxes that lead to sizes of pictures."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        after = end if length == 0 else at + length
        if after <= at or after > end:
            return
        if name in (b"meta", b"iprp", b"ipco") and depth < 4:
            yield from _boxes(data, start + 4 * (name == b"meta"), after, depth + 1)
        else:
            yield name, start, after
        at = after


def _jxl_boxes(data: bytes) -> Declared:
    code = b""
    for name, start, end in _boxes(data, 0, len(data)):
        if name in (b"jxlc", b"jxlp"):  # of several pieces the first may be five bytes long
            code += data[start + 4 * (name == b"jxlp") : min(end, start + 36)]
        if len(code) >= 32:
            break
    if not code:
        raise ImageError("it is damaged (a JPEG XL file without pixels)")
    return _jxl(code[:32])


def _jxl(data: bytes) -> Declared:
    """Give the size that a JPEG XL codestream begins with (ISO/IEC 18181-1, SizeHeader)."""
    bits, at = int.from_bytes(data[2:32], "little"), 0
    if len(data) < 6:
        raise struct.error

    def take(count: int) -> int:
        """Take the next bits as a number, the lowest first."""
        nonlocal at
        at += count
        return bits >> (at - count) & ((1 << count) - 1)

    def side(small: bool) -> int:
        """Read a length as JPEG XL's SizeHeader writes it."""
        if small:
            return 8 * (take(5) + 1)
        return take((9, 13, 18, 30)[take(2)]) + 1

    small = bool(take(1))
    height = side(small)
    ratio = take(3)
    above, below = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
    width = height * above // below if ratio else side(small)
    return Declared("JXL", width, height)


_READERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Declared | None]], ...] = (
    (jpeg.SIGNATURE, _jpeg),
    (png.SIGNATURE, _png),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (tiff.SIGNATURES, _tiff),
    (b"\xff\x0a", _jxl),
)
