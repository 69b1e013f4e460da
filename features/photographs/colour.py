"""Any kind of pixels to RGB: colour profiles, transparency, palettes, grey."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

from features.errors import ImageError

NEAR_SRGB = 3
"""A profile whose colours are within so many of 255 of sRGB's is sRGB: its pixels are kept."""

_SPACES = {"RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB", "L": "GRAY", "CMYK": "CMYK"}


_STRIP = 256  # rows that are converted at once


def to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a loaded picture to RGB of 8 bits.

    Args:
        image: of any mode; grey of 16 bits uses all of them.
        profile: its colour profile; None for none, or for one that is not to be applied.

    Returns:
        RGB; transparency is laid over white. Where nothing would be seen, transparency was never
        meant (cameras and converters leave alpha 0), and colours are taken as they are.

    Raises:
        ImageError: it has colours that are not read, no fixed range, or is transparent and one
            colour everywhere.
    """
    if image.mode == "LAB":
        raise ImageError("its colours are L*a*b*, which are not read; save it as RGB")
    if image.mode.startswith("I;16"):  # grey HEIC and JPEG XL, which their decoders scale to 65,535
        image = _by_strips(image, _sixteen_bit_to_rgb).getchannel("R")
    if image.mode in ("I", "F"):
        raise ImageError("its pixels have no fixed range (32 bits); save it with 8 or 16 bits")
    if image.has_transparency_data:
        clear = _is_clear(image)
        if profile:
            converted = _to_srgb(image.convert("RGBA"), profile)
            image = converted if converted.mode == "RGBA" else image
        if not clear:
            return _by_strips(image, _over_white)
        image = _by_strips(image, lambda strip: strip.convert("RGBA").convert("RGB"))
        if all(low == high for low, high in image.getextrema()):  # type: ignore[misc]
            raise ImageError("all of it is transparent, and nothing lies under it; save it again")
        return image
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = _to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")  # which copies what is RGB, too


_INVISIBLE = 1
"""Alpha, of 255, up to which nothing is seen: 1 is left by programs that took it for 1.0."""


def _is_clear(image: Image.Image) -> bool:
    """Say whether nothing of it can be seen: then its transparency was never meant."""
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        if strip.convert("RGBA").getchannel("A").getextrema()[1] > _INVISIBLE:  # type: ignore[operator]
            return False
    return True


def to_rgb_at_first(image: Image.Image) -> Image.Image:
    """Convert as recipes of revision 1 do, for caches and models that were made with them."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        low, high = (int(np.asarray(value)) for value in image.getextrema())
        if low < 0 or high > 65_535:
            raise ImageError(f"integer pixels from {low} to {high}; expected 0 to 65535 (16 bits)")
        return _by_strips(image, _sixteen_bit_to_rgb)
    if image.mode == "F":
        raise ImageError(
            "32-bit floating-point pixels have no fixed range; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        return _by_strips(image, _over_white)
    return image.convert("RGB")


def _by_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert some rows at a time: at once, the steps in between need five times the memory."""
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        box = (0, top, image.width, min(top + _STRIP, image.height))
        whole.paste(convert(image.crop(box)), box)
    return whole


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _sixteen_bit_to_rgb(image: Image.Image) -> Image.Image:
    """Convert grey of 16 bits (also Pillow's 32-bit mode I) to RGB of 8: 65,535 becomes 255."""
    grey = np.round(np.asarray(image).astype(np.float32) / 257.0).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert RGB, grey and CMYK to sRGB by the profile in the file; without one, nothing is done.

    A profile that is damaged, or belongs to another kind of picture, counts as none, as with every
    viewer. Relative colorimetric, with black point compensation.

    Args:
        image: RGB, RGBA, L or CMYK.
        profile: an ICC profile, or None.

    Returns:
        RGB or RGBA where a conversion was needed, else the image itself.
    """
    space = _SPACES.get(image.mode)
    if not profile or space is None:
        return image
    transform = _transform(bytes(profile), space, "RGB" if space == "RGB" else image.mode)
    if transform is None:
        return image
    if image.mode == "RGBA":
        found = ImageCms.applyTransform(image.convert("RGB"), transform)
        if found is None:
            raise ImageError("its colour profile cannot be applied")
        found.putalpha(image.getchannel("A"))
        return found
    return ImageCms.applyTransform(image, transform) or image


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, space: str, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Make the step from a profile to sRGB; None if it changes nothing or does not fit."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != space:
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        probe = _probe(mode)
        moved = np.asarray(ImageCms.applyTransform(probe, transform)).astype(np.int16)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode != "CMYK" and np.abs(moved - np.asarray(probe.convert("RGB"))).max() <= NEAR_SRGB:
        return None
    return transform


def _probe(mode: str) -> Image.Image:
    """Give a picture of colours from everywhere in the space."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * (4 if mode == "CMYK" else 3)), axis=-1)
    flat = np.ascontiguousarray(grid.reshape(1, -1, grid.shape[-1]))
    return Image.frombuffer(mode, flat.shape[1::-1], flat.tobytes(), "raw", mode, 0, 1)
