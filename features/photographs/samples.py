"""Samples of more than 8 bits to 8: which value is black, and which is white.

A camera of 10, 12 or 14 bits writes its numbers into 16. Divided by 257 they would be nearly black,
and nothing would say so. So what counts is, in this order: what the file says (its number of bits,
PNG's sBIT, TIFF's MaxSampleValue, SMinSampleValue and SMaxSampleValue); the bits that the recipe
says, found once for a folder from the largest value in it (`features.photographs.survey`); and,
where neither tells, 16 bits if the photograph itself uses more than 14. Else it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from features.errors import ImageError

ROWS = 64
"""Rows that are converted at once: the steps in between need many times the memory."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of cameras; what is found in a folder is rounded up to one of them."""

_PLAINLY_16 = 2**14  # above it there is no other depth
_AS_UNSIGNED_16 = 65_535  # integers of 32 bits up to this are read as 16 bits


def depth_of(largest: float) -> int:
    """Give the fewest bits among DEPTHS that hold a value (16 for those that none holds)."""
    return next((bits for bits in DEPTHS if largest < 2**bits), DEPTHS[-1])


class Block(NamedTuple):
    """Some samples.

    Attributes:
        left, top: where they lie.
        values: (rows, columns, samples a pixel).
    """

    left: int
    top: int
    values: npt.NDArray[Any]


class Extent(NamedTuple):
    """The smallest and the largest value of colour, and the largest of alpha (0 without)."""

    low: float
    high: float
    alpha: float


@dataclass(frozen=True)
class Samples:
    """A photograph's samples, before they are made 8 bits.

    Attributes:
        width, height: in pixels.
        colours: 1 for grey, 3 for RGB; alpha comes on top.
        alpha: "", "straight" or "premultiplied".
        bits: of a sample.
        kind: "u" unsigned, "i" signed, "f" floating point.
        inverted: whether the lowest value is white.
        stated: the values of black and white that the file names.
        blocks: called, gives all samples some rows at a time, those of each column from above.
        significant: PNG's sBIT where it says fewer than `bits`.
        clear: the one colour that is transparent (PNG's tRNS).
    """

    width: int
    height: int
    colours: int
    alpha: str
    bits: int
    kind: str
    inverted: bool
    stated: tuple[float, float] | None
    blocks: Callable[[], Iterator[Block]]
    significant: int | None = None
    clear: tuple[int, ...] | None = None

    def extent(self) -> Extent:
        """Look at every sample.

        Raises:
            ImageError: some are no numbers.
        """
        low, high, alpha = np.inf, -np.inf, 0.0
        for block in self.blocks():
            colour = block.values[..., : self.colours]
            low, high = min(low, colour.min()), max(high, colour.max())
            if self.alpha:
                alpha = max(alpha, float(block.values[..., -1].max()))
        low, high = float(low), float(high)
        if not np.isfinite(low + high):
            raise ImageError("some of its pixels are no numbers (nan or infinite); save it again")
        return Extent(low, high, alpha)

    def states_depth(self, extent: Extent) -> bool:
        """Say whether file and values tell black and white without the recipe."""
        if self.kind == "f" or self.stated or self.bits <= 8 or extent.high >= _PLAINLY_16:
            return True
        return extent.high == 0 or self.significant is not None


def to_eight_bits(samples: Samples, bits: int | None) -> Image.Image:
    """Make 8 bits of them, black 0 and white 255, rounded.

    Args:
        samples: of a photograph.
        bits: that the recipe says of files that do not say it themselves; None where it is silent,
            0 for as many of DEPTHS as the photograph's own values need.

    Returns:
        RGB; or RGBA, or RGBa where colours are multiplied by alpha already.

    Raises:
        ImageError: black and white are not known, or the values do not fit them.
    """
    extent = samples.extent()
    low, high = _black_and_white(samples, extent, bits)
    mode = {"": "RGB", "straight": "RGBA", "premultiplied": "RGBa"}[samples.alpha]
    mode = "RGBA" if samples.clear else mode
    full = high if extent.alpha <= high else float(2**samples.bits - 1)
    whole = Image.new(mode, (samples.width, samples.height))
    for block in samples.blocks():
        colour = _scaled(block.values[..., : samples.colours], low, high)
        if samples.inverted:
            colour = 255 - colour
        parts = [np.broadcast_to(colour, (*colour.shape[:2], 3))]
        if samples.clear:
            shown = (block.values[..., : samples.colours] != samples.clear).any(axis=2)
            parts.append(shown[..., None] * np.uint8(255))
        elif samples.alpha:
            parts.append(_scaled(block.values[..., -1:], 0.0, full))
        picture = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
        piece = Image.frombuffer(mode, picture.shape[1::-1], picture.tobytes(), "raw", mode, 0, 1)
        whole.paste(piece, (block.left, block.top))
    return whole


def _scaled(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    dtype = np.float64 if values.dtype.itemsize > 2 else np.float32
    found: npt.NDArray[Any] = values.astype(dtype)
    scaled = np.subtract(found, low) * (255.0 / (high - low))
    return np.asarray(np.clip(np.round(scaled), 0, 255)).astype(np.uint8)


def _black_and_white(samples: Samples, extent: Extent, bits: int | None) -> tuple[float, float]:
    low, high = extent.low, extent.high
    if samples.stated:
        first, last = samples.stated
        if low < first or high > last:
            raise ImageError(
                f"its values run from {low:,g} to {high:,g}, beyond the {first:,g} to {last:,g} "
                "that it states; save it again"
            )
        return samples.stated
    if samples.kind == "f":
        raise ImageError(
            f"{samples.bits}-bit floating-point pixels have no fixed range, and it states none "
            "(SMinSampleValue, SMaxSampleValue); save it with 8 or 16 bits"
        )
    if low < 0 or (samples.bits > 16 and high > _AS_UNSIGNED_16):
        raise ImageError(
            f"integer pixels from {low:,.0f} to {high:,.0f}; expected 0 to 65535 (16 bits)"
        )
    top = 2.0 ** min(samples.bits - (samples.kind == "i" and samples.bits <= 16), 16) - 1
    if samples.significant is not None:
        return 0.0, _significant(samples, extent, samples.significant)
    if bits is not None and samples.bits > 8:
        bits = bits or depth_of(high)
        full = min(2.0**bits - 1, top)
        if high > full:
            raise ImageError(
                f"a value of {high:,.0f}, more than the {bits} bits ({full:,.0f}) that the "
                "16-bit photographs have which the rows were begun with; extract all into "
                "another --cache"
            )
        return 0.0, full
    if not samples.states_depth(extent):
        raise ImageError(
            f"16-bit pixels with values up to {high:,.0f}: a camera of fewer bits, or a dark "
            "photograph; neither the file (MaxSampleValue, sBIT) nor the cache says which; extract "
            "such photographs into a --cache of their own, or save them with 8 or full 16 bits"
        )
    return 0.0, top


def _significant(samples: Samples, extent: Extent, bits: int) -> float:
    """Give white where PNG's sBIT says so many bits.

    The standard wants them scaled up to all 16, but cameras write them as they are. Scaled up,
    small values end in zeros: where one does not, none was scaled.
    """
    if extent.high > 2**bits - 1:
        return 2.0**samples.bits - 1
    spare = 2 ** (samples.bits - bits) - 1
    plain = any((block.values[..., : samples.colours] & spare).any() for block in samples.blocks())
    return 2.0**bits - 1 if plain else 2.0**samples.bits - 1
