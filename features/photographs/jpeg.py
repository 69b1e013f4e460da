"""JPEG: where it ends, whether its scans are all there, and pixels of which no warning was lost.

libjpeg-turbo fills what is damaged with grey and warns; Pillow does not pass the warning on. So the
same library decodes through simplejpeg, whose `strict` makes a warning an error: the pixels are
Pillow's bit for bit (tested), and the time is the same. Warnings that say nothing of pixels are
told apart here. (ITU-T T.81; libjpeg-turbo's jerror.h.)
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image

from features.errors import ImageError

SIGNATURE = b"\xff\xd8\xff"

_MAX_SEGMENTS = 10_000  # before the pixels; and scans
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # what ends the coded pixels of a scan
_DHT, _JPG, _DAC, _SOS, _EOI, _APP0, _ADOBE = 0xC4, 0xC8, 0xCC, 0xDA, 0xD9, 0xE0, 0xEE
_JPEG_LS = 0xF7
_NO_BODY = {0x00, 0x01, *range(0xD0, 0xD9)}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_SEQUENTIAL = {0xC0, 0xC1}  # with Huffman codes
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_MENDED = b"\xff\xd9" * 2  # an end mark that we add
_RUNS = frozenset(range(0x10, 0xF0, 0x10))  # symbols of two and more empty blocks
_LOST = bytes(64)  # as a disk leaves that has lost a block; never in coded pixels
_REPEATS = 6  # blocks that equal one before them; 512 coefficients are 9 blocks or more
_PADDING = 8  # bytes that some encoders leave behind the last pixel

# Warnings that may be about what comes before the pixels, and those that are about pixels.
_HARMLESS = ("unknown JFIF revision", "bad ICC marker", "extraneous bytes before marker")
_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
_SPARE = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


class Frame(NamedTuple):
    """Hold what a file's own headers say of its first picture.

    Attributes:
        width, height: in pixels.
        scans: how many follow.
        end: where the picture ends; what lies behind it (a video, a second picture) is not read.
        incomplete: why the pixels cannot be all there, "" where they can.
        dense: starts and ends of the scans whose coded pixels are never a long run of zeros.
        refining: of those where a long run of zeros means blocks that repeat exactly.
    """

    width: int
    height: int
    scans: int
    end: int
    incomplete: str
    dense: tuple[tuple[int, int], ...]
    refining: tuple[tuple[int, int], ...] = ()


_CUT_OFF = "the file is cut off (within its header)"

_KEPT = 16 * 2**20  # bytes; of larger files nothing is held
_last: tuple[bytes, Frame] | None = None
"""What was read last, with its bytes: a photograph is asked for its size, its pixels and its time,
and a JPEG of 5 MB takes 2 ms to be looked through."""


def read_frame(data: bytes) -> Frame:
    """Read the headers of the first picture, those between its scans too.

    Raises:
        ImageError: there is no such header, or more than any program writes.
        struct.error, IndexError: it is cut off.
    """
    global _last
    last = _last
    if last is not None and last[0] is data:
        return last[1]
    found = _look_through(data)
    _last = (data, found) if len(data) <= _KEPT else None
    return found


def read_size(data: bytes) -> tuple[int, int]:
    """Read width and height alone: not what lies behind them, by which a file of 5 MB takes 2 ms.

    Raises:
        ImageError, struct.error, IndexError: as `read_frame`.
    """
    headers = _Headers(data)
    _walk(headers, size_alone=True)
    return headers.size


def _look_through(data: bytes) -> Frame:
    headers = _Headers(data)
    at = _walk(headers)
    return Frame(
        *headers.size, max(1, headers.scans), len(data) if at < 0 else at,
        "" if headers.kind in _LOSSLESS else _incomplete(headers.sent, headers.kind),
        tuple(headers.dense), tuple(headers.refining),
    )  # fmt: skip


def _walk(headers: _Headers, *, size_alone: bool = False) -> int:
    """Read segments up to the end of the picture, or to its size; give where that is, -1: nowhere.

    Raises:
        ImageError, struct.error, IndexError: as `read_frame`.
    """
    data, at = headers.data, 2
    for number in range(3 * _MAX_SEGMENTS):
        if number > _MAX_SEGMENTS and not headers.scans:
            raise ImageError(
                f"it is damaged (more than {_MAX_SEGMENTS:,} segments before its pixels)"
            )
        at = data.find(b"\xff", at)
        if at < 0 or data[at + 1] == _EOI or (size_alone and headers.frame >= 0):
            break
        if data[at + 1] == 0xFF:
            at += 1
        elif data[at + 1] in _NO_BODY:
            at += 2
        elif (at := headers.read(at)) < 0:
            break
    else:
        raise ImageError(f"it is damaged (more than {_MAX_SEGMENTS:,} scans)")
    if headers.frame < 0:
        raise ImageError(_CUT_OFF if at < 0 else "it is damaged (it has no pixels)")
    return at


class _Headers:
    """The headers of a picture as far as they are read.

    Attributes:
        data: the whole file.
        frame: where its size stands; -1 where that is not known yet.
        scans: how many have begun.
        tables: of coefficients, by their numbers.
        sent: bits that are missing, by component and coefficient.
        dense, refining: as in `Frame`.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.frame, self.scans = -1, 0
        self.tables: dict[int, _Table] = {}
        self.sent: dict[int, list[int]] = {}
        self.dense: list[tuple[int, int]] = []
        self.refining: list[tuple[int, int]] = []

    @property
    def kind(self) -> int:
        """Give the marker of the frame, which says how pixels are coded."""
        return self.data[self.frame + 1]

    @property
    def size(self) -> tuple[int, int]:
        """Give width and height."""
        height, width = struct.unpack_from(">HH", self.data, self.frame + 5)
        return width, height

    def read(self, at: int) -> int:
        """Read a segment; give where it ends, or -1 if the file ends within its coded pixels."""
        data, marker = self.data, self.data[at + 1]
        if marker == _SOS:
            return self._read_scan(at)
        end: int = at + 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
        if marker == _DHT:
            _note_tables(data[at + 4 : end], self.tables)
        elif marker == _JPEG_LS:
            raise ImageError("a JPEG-LS, which is not read; save it as PNG or TIFF")
        elif 0xC0 <= marker <= 0xCF and marker not in (_JPG, _DAC) and self.frame < 0:
            if 8 < data[at + 4] <= 16:
                raise ImageError(
                    f"a JPEG of {data[at + 4]} bits, which is not read; save it as PNG or TIFF of "
                    "16 bits"
                )
            self.frame = at
            self.sent = {data[at + 10 + 3 * n]: [-1] * 64 for n in range(data[at + 9])}
        return end

    def _read_scan(self, at: int) -> int:
        data = self.data
        if self.frame < 0:
            raise ImageError("it is damaged (its pixels come before their size)")
        self.scans += 1
        _note_scan(data, at, self.sent)
        after = _NEXT.search(data, at + 2 + struct.unpack_from(">H", data, at + 2)[0])
        end = len(data) if after is None else after.start()
        if _is_dense(data, at, self.tables, self.kind):
            self.dense.append((at, end))
        elif _refines(data, at, self.kind):
            self.refining.append((at, end))
        return -1 if after is None else end


class _Table(NamedTuple):
    """A Huffman table of coefficients.

    Attributes:
        zeros: the symbol whose code is of zeros alone: how many coefficients are skipped, and the
            bits of the next one; with 0 bits it ends a block, or a run of them.
        joins: whether runs of empty blocks have symbols of their own.
    """

    zeros: int
    joins: bool


def _note_tables(content: bytes, tables: dict[int, _Table]) -> None:
    """Keep what tables of coefficients say of zeros."""
    at = 0
    while at + 17 < len(content):
        end = at + 17 + sum(content[at + 1 : at + 17])
        if content[at] >> 4:
            symbols = content[at + 17 : end]
            tables[content[at] & 15] = _Table(symbols[0], any(one in _RUNS for one in symbols))
        at = end


def _is_dense(data: bytes, at: int, tables: dict[int, _Table], kind: int) -> bool:
    """Say whether a scan never codes many pixels as zeros alone.

    A sequential one may where zeros end a block in all of its tables. A progressive one does not
    where its encoder joins empty blocks to one run, as they all do: two such codes never follow
    each other. The first values of flat blocks, and what refines, may be zeros for long.
    """
    count = data[at + 4]
    first, _, steps = struct.unpack_from("3B", data, at + 5 + 2 * count)
    none = _Table(0, joins=False)
    found = [tables.get(data[at + 6 + 2 * n] & 15, none) for n in range(count)]
    if kind in _SEQUENTIAL:
        return any(table.zeros for table in found)
    if kind != 0xC2 or first == 0 or steps >= 16:
        return False
    return any(table.zeros & 15 or table.joins for table in found)


def _refines(data: bytes, at: int, kind: int) -> bool:
    """Say whether a scan sends one more bit of coefficients that are known, not the first."""
    first, _, steps = struct.unpack_from("3B", data, at + 5 + 2 * data[at + 4])
    return kind == 0xC2 and first > 0 and steps >= 16


def _note_scan(data: bytes, at: int, sent: dict[int, list[int]]) -> None:
    """Note which coefficients of which components this scan refines, and to which bit."""
    count = data[at + 4]
    first, last, steps = struct.unpack_from("3B", data, at + 5 + 2 * count)
    for number in range(count):
        levels = sent.get(data[at + 5 + 2 * number])
        if levels is not None:
            for coefficient in range(first, min(last, 63) + 1):
                levels[coefficient] = steps & 15


def _incomplete(sent: dict[int, list[int]], kind: int) -> str:
    if any(levels[0] < 0 for levels in sent.values()):
        return "a colour has no pixels"
    if kind in _PROGRESSIVE and any(any(levels) for levels in sent.values()):
        return "its last scans are missing"
    return ""


def load(image: Image.Image, data: bytes, frame: Frame) -> Image.Image:
    """Give the pixels of an opened file, at the scale that `image.draft` has chosen.

    Args:
        image: as Pillow opened it, not loaded.
        data: the whole file.
        frame: from `read_frame`.

    Raises:
        ImageError: the decoder warns that pixels are not what was coded.
        OSError, SyntaxError: Pillow cannot decode it.
    """
    if frame.incomplete:
        raise ImageError(f"the file is cut off ({frame.incomplete})")
    if any(_has_lost(data, start, end) for start, end in frame.dense):
        raise ImageError(f"it is damaged ({len(_LOST)} zero bytes among its coded pixels)")
    mode = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}.get(image.mode, "")
    pixels = _strict(data, mode, image.size, frame) if mode else None
    if pixels is None or mode == "CMYK" or pixels.shape[1::-1] != image.size:
        image.load()
        found = image
    else:
        found = Image.fromarray(pixels if mode == "RGB" else pixels[..., 0])
        found.info = image.info
    if any(_has_lost(data, start, end) for start, end in frame.refining) and not _repeats(
        np.asarray(found), max(1, round(8 * found.width / frame.width))
    ):
        raise ImageError(f"it is damaged ({len(_LOST)} zero bytes among its coded pixels)")
    return found


def _repeats(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], side: int) -> bool:
    """Say whether blocks with something in them repeat, equal to the last bit.

    Only then are the next bits of 512 coefficients all zeros: drawn patterns do so, photographs do
    not, and neither do photographs of which some bits were lost.

    Args:
        pixels: (height, width) or (height, width, channels).
        side: of a block of 8×8, at the scale of these pixels.
    """
    planes = pixels.reshape(*pixels.shape[:2], -1)
    edges = np.zeros(planes.shape[:2], bool)
    edges[1:] |= (planes[1:] != planes[:-1]).any(axis=2)
    edges[:, 1:] |= (planes[:, 1:] != planes[:, :-1]).any(axis=2)
    for turned, drawn in ((planes, edges), (planes.swapaxes(0, 1), edges.T)):
        for step in (side, 2 * side):
            equal = (turned[step:] == turned[:-step]).all(axis=2)
            high, wide = (length // side * side for length in equal.shape)
            cells = (high // side, side, wide // side, side)
            same = equal[:high, :wide].reshape(cells).all(axis=(1, 3))
            if (same & drawn[:high, :wide].reshape(cells).any(axis=(1, 3))).sum() >= _REPEATS:
                return True
    return False


def _has_lost(data: bytes, start: int, end: int) -> bool:
    """Say whether there are zeros within a scan; behind its last pixel they are padding."""
    at = data.find(_LOST, start, end)
    return at >= 0 and bool(data[at:end].strip(b"\0"))


def _strict(
    data: bytes, mode: str, size: tuple[int, int], frame: Frame
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    """Give the pixels; None for what only Pillow decodes."""
    said = ""
    for change in (None, _plain, _ended, None):
        if change is not None:
            data = change(data, said)
        try:
            pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = simplejpeg.decode_jpeg(
                data, mode, min_width=size[0], min_height=size[1], strict=True
            )
        except ValueError as error:
            said = " ".join(str(error).split())
        else:
            return pixels
    spare = _SPARE.search(said)
    if spare and _is_padding(data, frame, int(spare[1])):
        return None
    if data.endswith(_MENDED) or "end of JPEG file" in said:
        raise ImageError(f"the file is cut off ({said})")
    if any(words in said for words in _DAMAGE):
        raise ImageError(f"it is damaged ({said})")
    return None


def _ended(data: bytes, said: str) -> bytes:
    """Give the file with a mark at its end: none is no loss, if the pixels are there."""
    return data + _MENDED if "end of JPEG file" in said else data


def _is_padding(data: bytes, frame: Frame, count: int) -> bool:
    """Say whether what lies between the last pixel and the end mark was never coded pixels."""
    before = data[: data.rfind(b"\xff\xd9", 0, frame.end + 2)]
    return count <= _PADDING or len(set(before[-count:])) == 1


def _plain(data: bytes, said: str) -> bytes:
    """Give the file with nothing but what its pixels need, as far as these begin.

    Left out are colour profile, comments and what lies between segments; a version that is not
    known becomes one that is.
    """
    if not any(words in said for words in _HARMLESS):
        return data
    kept, at = [data[:2]], 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1] if at + 1 < len(data) else _EOI
        if marker == _SOS:
            return b"".join((*kept, data[at:]))
        if marker == _EOI:
            break
        if marker == 0xFF or marker in _NO_BODY:
            at += 1 if marker == 0xFF else 2
            continue
        after = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        if marker == _APP0 and data[at + 4 : at + 9] == b"JFIF\0":
            kept.append(data[at : at + 9] + b"\1\1" + data[at + 11 : after])
        elif not 0xE0 <= marker <= 0xFE or marker == _ADOBE:
            kept.append(data[at:after])
        at = after
    return data
