"""PNG: every chunk's checksum, and samples of 16 bits.

Pillow compares the checksums of what it reads before the pixels, not of the pixels themselves, and
keeps the upper 8 of 16 bits. (Portable Network Graphics, third edition, W3C 2025.)
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from features.errors import ImageError
from features.photographs.samples import ROWS, Block, Samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_CHUNKS = 1_000_000
_MAX_PROFILE = 32 * 2**20  # bytes of a colour profile
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_GREY, _RGB, _GREY_ALPHA, _RGBA = 0, 2, 4, 6  # colour types


class Chunk(NamedTuple):
    """One chunk: its name, and where its content begins and how long it is."""

    name: bytes
    at: int
    length: int


def chunks(data: bytes, most: int = _MAX_CHUNKS) -> Iterator[Chunk]:
    """Read all chunks up to IEND, or `most` of them.

    Raises:
        ImageError: the file ends within one.
    """
    at = len(SIGNATURE)
    for _ in range(most):
        if at == len(data):
            return
        if at + 12 > len(data):
            raise ImageError("the file is cut off (within the head of a chunk)")
        length, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            shown = name.decode("ascii", "replace")
            raise ImageError(f"the file is cut off (within its chunk {shown!r})")
        yield Chunk(name, at + 8, length)
        if name == b"IEND":
            return
        at += 12 + length


def header(data: bytes) -> tuple[int, int, int, int]:
    """Read width, height, bits of a sample, and frames of an animation (1: a still picture).

    Raises:
        ImageError: it does not begin with a header.
        struct.error: it ends within it.
    """
    kind, width, height, bits = struct.unpack_from(">4sIIB", data, 12)
    if kind == b"CgBI":
        raise ImageError("a PNG of Apple's own kind (CgBI), which is not read; export it as PNG")
    if kind != b"IHDR":
        raise ImageError("it is damaged (its first chunk is not IHDR)")
    frames = 1
    for chunk in _before_pixels(data):
        if chunk.name == b"acTL" and chunk.length >= 4:
            (frames,) = struct.unpack_from(">I", data, chunk.at)
    return width, height, bits, max(1, frames)


def _before_pixels(data: bytes) -> Iterator[Chunk]:
    try:
        yield from itertools.takewhile(lambda one: one.name != b"IDAT", chunks(data, 1000))
    except ImageError:
        return  # said by who reads the pixels


def check_sums(data: bytes) -> None:
    """Compare every chunk with its checksum.

    Raises:
        ImageError: one differs, or the file is cut off.
    """
    view, count = memoryview(data), 0
    for chunk in chunks(data):
        count += 1
        (expected,) = struct.unpack_from(">I", data, chunk.at + chunk.length)
        if zlib.crc32(view[chunk.at - 4 : chunk.at + chunk.length]) != expected:
            shown = chunk.name.decode("ascii", "replace")
            raise ImageError(f"it is damaged (the checksum of its chunk {shown!r} differs)")
    if count == _MAX_CHUNKS:
        raise ImageError(f"it is damaged (more than {_MAX_CHUNKS:,} chunks)")


def without_text(data: bytes) -> tuple[bytes, bytes | None]:
    """Give the file without comments and colour profile, which Pillow refuses where they are large.

    Returns:
        It, and the profile where there is one of a bearable size.
    """
    view, kept, profile = memoryview(data), [memoryview(data)[: len(SIGNATURE)]], None
    for chunk in chunks(data):
        if chunk.name == b"iCCP":
            profile = _profile(data[chunk.at : chunk.at + chunk.length])
        elif chunk.name not in _TEXT:
            kept.append(view[chunk.at - 8 : chunk.at + chunk.length + 4])
    return b"".join(kept), profile


def _profile(content: bytes) -> bytes | None:
    packed = content[content.find(b"\0") + 2 :]
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed, _MAX_PROFILE)
    except zlib.error:
        return None
    return profile if unpacker.eof else None


def deep_samples(data: bytes, image: Image.Image) -> Samples:
    """Give the samples of a file of 16 bits.

    Args:
        data: the whole file.
        image: the same as Pillow opened it.
    """
    width, height, colour, interlaced = struct.unpack_from(">IIxBxxB", data, 16)
    del interlaced  # Pillow's decoder sees to it
    alpha = colour in (_GREY_ALPHA, _RGBA)
    count = {_GREY: 1, _RGB: 3, _GREY_ALPHA: 2, _RGBA: 4}[colour]
    loaded: list[Image.Image] = []

    def blocks() -> Iterator[Block]:
        """Yield the rows of the picture, some at a time, decoded once."""
        if not loaded:
            loaded.extend(_load(image, count, data))
        for top in range(0, height, ROWS):
            box = (0, top, width, min(top + ROWS, height))
            yield Block(0, top, _joined([one.crop(box) for one in loaded], count))

    colours = 3 if colour in (_RGB, _RGBA) else 1
    significant, clear = None, None
    for chunk in _before_pixels(data):
        if chunk.name == b"sBIT" and chunk.length >= colours:
            most = max(data[chunk.at : chunk.at + colours])
            significant = most if 8 <= most < 16 else None
        elif chunk.name == b"tRNS" and not alpha and chunk.length >= 2 * colours:
            clear = struct.unpack_from(f">{colours}H", data, chunk.at)
    return Samples(
        width=width,
        height=height,
        colours=colours,
        alpha="straight" if alpha else "",
        bits=16,
        kind="u",
        inverted=False,
        stated=None,
        blocks=blocks,
        significant=significant,
        clear=clear,
    )


def _load(image: Image.Image, count: int, data: bytes) -> list[Image.Image]:
    """Load Pillow's pictures whose bytes together are the samples: see `_joined`."""
    if count == 1:
        image.load()
        return [image]
    modes = {2: [("RGBA", "RGBA")], 3: [("RGB", "RGB;16B"), ("RGB", "RGB;16L")],
             4: [("RGBA", "RGBA;16B"), ("RGBA", "RGBA;16L")]}[count]  # fmt: skip
    found = []
    for number, (mode, raw) in enumerate(modes):
        one: Any = image if not number else Image.open(io.BytesIO(data), formats=("PNG",))
        one._mode = mode
        one.tile = [one.tile[0]._replace(args=raw)]
        one.load()
        found.append(one)
    return found


def _joined(parts: list[Image.Image], count: int) -> npt.NDArray[Any]:
    """Join upper and lower bytes to samples (rows, columns, count) of 16 bits."""
    if count == 1:
        return np.asarray(parts[0])[..., None]
    if count == 2:  # grey and alpha lie as the four bytes of a pixel
        found = np.asarray(parts[0]).reshape(*parts[0].size[::-1], 2, 2).astype(np.uint16)
        return np.asarray(found[..., 0] << 8 | found[..., 1])
    upper, lower = (np.asarray(part).astype(np.uint16) for part in parts)
    return np.asarray(upper << 8 | lower)
