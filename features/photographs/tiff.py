"""TIFF: which of a file's pictures is the photograph, and its samples of more than 8 bits.

Pillow reads what has 8 bits or fewer. Of more bits it keeps the upper 8, and takes planes, inverted
grey, signs and byte orders for something else. So here the same strips or tiles are described
anew, as grey of 8 bits whose rows are the photograph's bytes: libtiff unpacks them, whatever their
compression, and the bytes become numbers in NumPy. Tags: TIFF 6.0 (Adobe, 1992), predictor 3:
Adobe Photoshop TIFF Technical Note 3 (2005).
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ExifTags import Base as Tag

from features.errors import ImageError
from features.photographs.samples import ROWS, Block, Samples

SIGNATURES = (
    b"II\x2a\x00", b"MM\x00\x2a", b"II\x00\x2a", b"MM\x2a\x00", b"II\x2b\x00", b"MM\x00\x2b"
)  # fmt: skip
"""How a file begins; two of them are wrong, but written."""

_MAX_PIECES = 2_000_000  # strips or tiles; each costs some 200 bytes in the decoder
_SPARE_TAG_DATA = 65_536  # bytes that tags may claim beyond the file's length
_MAX_PAGES, _MAX_TAGS = 1000, 200_000  # that are looked at
_SIZE_TAGS = (Tag.ImageWidth, Tag.ImageLength, Tag.TileWidth, Tag.TileLength)
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q",
            17: "q"}  # fmt: skip
_SAID = (Tag.Make, Tag.Model, Tag.Orientation, Tag.Software, Tag.DateTime, Tag.XMLPacket,
         Tag.ExifOffset, Tag.InterColorProfile)  # fmt: skip
"""Tags that say nothing of how samples lie, and are read."""

_REDUCED, _MASK = 1, 4  # bits of NewSubfileType

# The first keep bytes as they are, whatever they mean; the others look at samples.
_PLAIN = {1: "none", 5: "LZW", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 34925: "LZMA",
          50000: "Zstandard"}  # fmt: skip
_OTHERS = {2: "CCITT", 3: "CCITT fax 3", 4: "CCITT fax 4", 6: "old JPEG", 7: "JPEG",
           34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC",
           50001: "WebP", 52546: "JPEG XL", 34676: "SGI LogLuv", 34661: "JBIG"}  # fmt: skip
_PHOTOMETRIC = {0: "grey, white is zero", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK",
                6: "YCbCr", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "camera raw",
                34892: "linear raw"}  # fmt: skip


@dataclass(frozen=True)
class _Field:
    """Say where the values of a tag lie, of which type and how many."""

    kind: int
    count: int
    at: int


@dataclass(frozen=True)
class Page:
    """One picture of a file: the directory that describes it.

    Attributes:
        data: the whole file; `order` of its bytes, "<" or ">"; `big` for BigTIFF.
        at: of the directory, from the start of the file; `fields` in it by tag number.
        largest: of each tag that says a size, the largest value: readers differ in which of two
            equal tags they believe.
    """

    data: bytes = field(repr=False)
    order: str
    big: bool
    at: int
    fields: dict[int, _Field]
    largest: dict[int, int]

    def values(self, tag: int) -> tuple[Any, ...]:
        """Give the numbers behind a tag; none where it is missing or holds something else."""
        found = self.fields.get(tag)
        if found is None or found.kind not in _NUMBERS:
            return ()
        numbers = f"{self.order}{found.count}{_NUMBERS[found.kind]}"
        return struct.unpack_from(numbers, self.data, found.at)

    def value(self, tag: int, default: Any = None) -> Any:  # noqa: ANN401 - of any type
        """Give the first number behind a tag."""
        found = self.values(tag)
        return found[0] if found else default

    @property
    def is_deep(self) -> bool:
        """Say whether its samples have more than 8 bits, or a sign."""
        bits = self.values(Tag.BitsPerSample)[:8] or (1,)
        return max(bits) > 8 or self.value(Tag.SampleFormat, 1) in (2, 3)

    @property
    def is_reduced(self) -> bool:
        """Say whether it is a smaller copy, or a mask, of another picture."""
        if Tag.NewSubfileType in self.fields:
            return bool(int(self.value(Tag.NewSubfileType, 0)) & (_REDUCED | _MASK))
        return bool(self.value(Tag.SubfileType, 1) == 2)

    @property
    def kind(self) -> str:
        """Say what it is, for a person: "16 bits, RGB, compression LZW"."""
        bits = "/".join(str(bit) for bit in dict.fromkeys(self.values(Tag.BitsPerSample) or (1,)))
        colours = self.value(Tag.PhotometricInterpretation)
        packed = self.value(Tag.Compression, 1)
        names = _PLAIN | _OTHERS
        return (
            f"{bits} bits, {_PHOTOMETRIC.get(colours, f'photometric {colours}')}, "
            f"compression {names.get(packed, packed)}"
        )


def read_pages(data: bytes) -> tuple[Page, int]:
    """Find the photograph among the pictures of a file.

    It is the first that is neither a smaller copy nor a mask of another one; where all in a row
    are, the first such below them (a camera's thumbnail holds the photograph as its child).

    Returns:
        It, and how many such pictures there are in a row.

    Raises:
        ImageError: the first directory claims what cannot be.
        struct.error, OverflowError: it ends within it.
    """
    order = "<" if data.startswith(b"II") else ">"
    big = 43 in data[2:4]
    (at,) = struct.unpack_from(order + "IQ"[big], data, 4 << big)
    first, after = _directory(data, order, big, at)
    pages, seen, tags = [first], {at}, len(first.fields)
    while after and after not in seen and len(pages) < _MAX_PAGES and tags < _MAX_TAGS:
        seen.add(after)
        try:
            page, after = _directory(data, order, big, after)
        except (struct.error, OverflowError, ImageError):
            break
        pages.append(page)
        tags += len(page.fields)
    whole = [page for page in pages if not page.is_reduced] or _children(first)
    return (whole[0], len(whole)) if whole else (first, 1)


def _children(page: Page) -> list[Page]:
    for at in page.values(Tag.SubIFDs)[:16]:
        with contextlib.suppress(struct.error, OverflowError, ImageError):
            child, _ = _directory(page.data, page.order, page.big, int(at))
            if not child.is_reduced:
                return [child]
    return []


def _directory(data: bytes, order: str, big: bool, at: int) -> tuple[Page, int]:
    """Read one directory, and where the next one lies (0: nowhere)."""
    start = at
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    inside, place_of = 4 << big, order + "IQ"[big]
    entry, size = order + "HH" + "IQ"[big], 20 if big else 12
    if count > 65_535:
        raise ImageError(f"it is damaged ({count:,} tags)")
    page = Page(data, order, big, start, {}, {})
    claimed = 0
    for number in range(count):
        place = at + number * size
        tag, kind, values = struct.unpack_from(entry, data, place)
        place += struct.calcsize(entry)
        length = values * _TYPE_SIZES.get(kind, 0)
        if length > inside:
            claimed += length
            (place,) = struct.unpack_from(place_of, data, place)
        elif place + inside > len(data):
            raise struct.error
        if tag in (Tag.StripOffsets, Tag.TileOffsets) and values > _MAX_PIECES:
            raise ImageError(f"it is damaged ({values:,} strips or tiles)")
        page.fields.setdefault(tag, _Field(kind, values, place))
        if tag in _SIZE_TAGS and values == 1 and kind in _NUMBERS:
            (value,) = struct.unpack_from(order + _NUMBERS[kind], data, place)
            page.largest[tag] = max(int(value), page.largest.get(tag, 0))
    if claimed > len(data) + _SPARE_TAG_DATA:
        raise ImageError("it is damaged (its tags claim more bytes than the file has)")
    after = 0
    with contextlib.suppress(struct.error, OverflowError):
        (after,) = struct.unpack_from(place_of, data, at + count * size)
    return page, after


def readable(data: bytes) -> bytes:
    """Give the file as Pillow opens it: the photograph first, as grey of 8 bits if it has more.

    Such grey is never decoded: it stands for colour profile, EXIF and orientation alone.

    Raises:
        ImageError: differences are stated that tifffile writes with PackBits, and Pillow does not.
    """
    page, _ = read_pages(data)
    (at,) = struct.unpack_from(page.order + "IQ"[page.big], data, 4 << page.big)
    if _PLAIN.get(page.value(Tag.Compression)) == "PackBits" and page.value(Tag.Predictor, 1) != 1:
        raise refuse(page, "a predictor with PackBits, which programs write in two ways")
    if page.is_deep:
        kept = {tag: one for tag, one in page.fields.items() if tag in _SAID}
        plain: dict[int, tuple[int, ...]] = {
            Tag.ImageWidth: (page.largest[Tag.ImageWidth],),
            Tag.ImageLength: (page.largest[Tag.ImageLength],),
            Tag.BitsPerSample: (8,), Tag.Compression: (1,), Tag.StripOffsets: (8,),
                 Tag.PhotometricInterpretation: (1,), Tag.SamplesPerPixel: (1,)}  # fmt: skip
        return _described(page, plain, kept)
    if page.at != at or (page.big and page.order == ">"):
        return _described(page, {}, page.fields)
    return data


def refuse(page: Page, why: str) -> ImageError:
    """Give an error that says what the file is and what to save it as."""
    return ImageError(
        f"a TIFF of a kind that is not read ({page.kind}: {why}); save it as grey or RGB of 8 or "
        "16 bits"
    )


def deep_samples(page: Page) -> Samples:
    """Read a page of more than 8 bits, or with a sign: one that `is_deep`.

    Raises:
        ImageError: it is of a kind that is not read.
    """
    bits, kinds = set(page.values(Tag.BitsPerSample) or (1,)), page.values(Tag.SampleFormat) or (1,)
    kind = {1: "u", 2: "i", 3: "f", 4: "u"}.get(kinds[0], "")
    if len(bits) > 1 or len(set(kinds)) > 1 or not kind:
        raise refuse(page, "samples of several kinds")
    bit, packed = int(bits.pop()), page.value(Tag.Compression, 1)
    # Without compression it stays in the tags when Pillow saves anew, and is not used.
    predictor = int(page.value(Tag.Predictor, 1)) if packed != 1 else 1
    per_byte = bit in {"u": (16, 32), "i": (8, 16, 32), "f": (16, 32, 64)}[kind]
    if not per_byte and not (kind == "u" and 9 <= bit <= 15):
        raise refuse(page, f"{bit} bits a sample")
    if packed not in _PLAIN:
        raise refuse(page, f"this compression with {bit} bits")
    if predictor not in (1, 2, 3) or (predictor > 1 and not per_byte):
        raise refuse(page, f"predictor {predictor} with {bit} bits")
    photometric = page.value(Tag.PhotometricInterpretation, 1)
    colours = {0: 1, 1: 1, 2: 3}.get(photometric, 0)
    count = int(page.value(Tag.SamplesPerPixel, 1))
    if not colours or not colours <= count <= colours + 1:
        raise refuse(page, f"{count} samples a pixel")
    alpha = {1: "premultiplied", 2: "straight"}.get(page.value(Tag.ExtraSamples, 0), "")
    return Samples(
        width=page.largest[Tag.ImageWidth],
        height=page.largest[Tag.ImageLength],
        colours=colours,
        alpha=alpha if count > colours else "",
        bits=bit,
        kind=kind,
        inverted=photometric == 0,
        stated=_stated(page, kind, bit),
        blocks=_Unpacked(page, kind, bit, count, predictor),
    )


def _stated(page: Page, kind: str, bits: int) -> tuple[float, float] | None:
    """Give the values of black and of white that the file itself names; None where it names none.

    Of whole numbers that are not negative the tags are taken at their word only where they name the
    largest of some number of bits below that of the samples: the standard lets writers note what
    happens to be there.
    """
    low, high = page.value(Tag.SMinSampleValue), page.value(Tag.SMaxSampleValue)
    both = low is not None and high is not None and math.isfinite(high - low) and low < high
    if both and (kind == "f" or low < 0):
        return float(low), float(high)
    most = [page.value(Tag.MaxSampleValue), high]
    full = [2**bit - 1 for bit in range(8, bits)]
    if kind != "f" and (found := [value for value in most if value in full]):
        return 0.0, float(found[0])
    return (0.0, 2.0**bits - 1) if kind == "u" and bits < 16 else None


class _Unpacked:
    """Called, gives all samples of a page; see `Samples.blocks`. They are unpacked once."""

    def __init__(self, page: Page, kind: str, bits: int, count: int, predictor: int) -> None:
        self.page, self.kind, self.bits, self.predictor = page, kind, bits, predictor
        self.width, self.height = page.largest[Tag.ImageWidth], page.largest[Tag.ImageLength]
        self.across = page.largest.get(Tag.TileWidth, self.width)
        self.apart = count if page.value(Tag.PlanarConfiguration, 1) == 2 else 1
        self.together = count // self.apart
        self.length = -(-self.across * self.together * bits // 8)  # bytes of a row of a tile
        self.columns = -(-self.width // self.across)
        self.planes: list[Image.Image] = []

    def __call__(self) -> Iterator[Block]:
        """Give some rows of one column of tiles at a time."""
        self.planes = self.planes or [
            _as_bytes(self.page, plane, self.apart, self.length, self.columns)
            for plane in range(self.apart)
        ]
        for column in range(self.columns):
            for top in range(0, self.height, ROWS):
                bottom = min(top + ROWS, self.height)
                box = (column * self.length, top, (column + 1) * self.length, bottom)
                parts = [self._numbers(np.asarray(plane.crop(box))) for plane in self.planes]
                block = parts[0] if self.apart == 1 else np.concatenate(parts, axis=2)
                left = column * self.across
                yield Block(left, top, block[:, : self.width - left])

    def _numbers(self, rows: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Turn bytes (rows, length) into samples (rows, columns, count) in the machine's order."""
        count, bits, kind = self.together, self.bits, self.kind
        if bits % 8:  # packed without gaps, each row from a whole byte on
            single = np.unpackbits(rows, axis=1)[:, : self.across * count * bits]
            single = single.reshape(len(rows), self.across, count, bits)
            weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.float32)
            return np.asarray(single @ weights).astype(np.uint16)
        size = bits // 8
        if self.predictor == 3:
            spread = np.cumsum(rows.reshape(len(rows), -1, count), axis=1, dtype=np.uint8)
            bytewise = spread.reshape(len(rows), size, -1).transpose(0, 2, 1)
            found = np.ascontiguousarray(bytewise).view(f">{kind}{size}")
        else:
            found = np.ascontiguousarray(rows).view(f"{self.page.order}{kind}{size}")
        found = found.reshape(len(rows), -1, count).astype(f"={kind}{size}")
        if self.predictor == 2:
            whole = found.view(f"=u{size}")
            found = np.cumsum(whole, axis=1, dtype=whole.dtype).view(found.dtype)
        return found


def _as_bytes(page: Page, plane: int, apart: int, length: int, columns: int) -> Image.Image:
    """Give one plane, its tiles' rows of bytes side by side, as Pillow's grey."""
    height, tiled = page.largest[Tag.ImageLength], Tag.TileOffsets in page.fields
    lists = (Tag.TileOffsets, Tag.TileByteCounts, Tag.StripOffsets, Tag.StripByteCounts)
    places, sizes = lists[:2] if tiled else lists[2:]
    each = len(page.values(places)) // apart
    mine = slice(plane * each, (plane + 1) * each)
    values: dict[int, tuple[int, ...]] = {
        Tag.ImageWidth: (length * columns,),
        Tag.ImageLength: (height,),
        Tag.BitsPerSample: (8,),
        Tag.Compression: (int(page.value(Tag.Compression, 1)),),
        Tag.PhotometricInterpretation: (1,),
        Tag.FillOrder: (int(page.value(Tag.FillOrder, 1)),),
        Tag.SamplesPerPixel: (1,),
        places: page.values(places)[mine],
        sizes: page.values(sizes)[mine],
    }
    if tiled:
        values[Tag.TileWidth] = (length,)
        values[Tag.TileLength] = (int(page.value(Tag.TileLength, 1)),)
    else:
        rows = int(page.value(Tag.RowsPerStrip, height))
        values[Tag.RowsPerStrip] = (max(1, min(rows, height)),)
    image = Image.open(io.BytesIO(_described(page, values, {})), formats=("TIFF",))
    image.load()
    return image


def _described(
    page: Page, values: Mapping[int, tuple[int, ...]], kept: Mapping[int, _Field]
) -> bytes:
    """Give the file with a new first directory behind it, in the small form that all readers know.

    Args:
        page: whose file it is.
        values: whole numbers by tag.
        kept: what stays as it is, by tag.
    """
    order, data = page.order, page.data
    wide = {tag: page.values(tag) for tag, one in kept.items() if one.kind in (16, 17, 18)}
    values = {tag: found for tag, found in (wide | dict(values)).items() if found}
    tags = sorted({*values, *kept})
    at = len(data) + len(data) % 2
    beyond = at + 2 + 12 * len(tags) + 4
    entries, lists = [struct.pack(f"{order}H", len(tags))], []
    for tag in tags:
        if tag in values:
            kind, count = 4, len(values[tag])
            packed = struct.pack(f"{order}{count}I", *values[tag])
            if count > 1:
                lists.append(packed)
                packed = struct.pack(f"{order}I", beyond)
                beyond += len(lists[-1])
        else:
            kind, count, place = kept[tag].kind, kept[tag].count, kept[tag].at
            length = count * _TYPE_SIZES.get(kind, 0)
            packed = struct.pack(f"{order}I", place)
            if length <= 4:
                packed = data[place : place + length].ljust(4, b"\0")
        entries.append(struct.pack(f"{order}HHI", tag, kind, count) + packed)
    head = data[:2] + struct.pack(f"{order}HI", 42, at)
    return b"".join((head, memoryview(data)[8:], bytes(len(data) % 2), *entries, bytes(4), *lists))
