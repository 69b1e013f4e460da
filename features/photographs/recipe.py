"""Recipes: how a file becomes the pixels that a backbone sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from features.arrays import Scale
from features.errors import DataError
from features.photographs.samples import DEPTHS
from features.photographs.views import View


@dataclass(frozen=True)
class Recipe:
    """Say how a file becomes the pixels that the backbone sees; part of every row's fingerprint.

    Attributes:
        name: what `--recipe` takes.
        height, width: size after resizing, in pixels.
        exif_orientation: turn the photograph as its EXIF orientation says.
        resize: "bilinear" (antialiased: every source pixel counts) or "nearest".
        dct_scaling: let the JPEG decoder halve large photographs (to 1/2, 1/4, 1/8) before
            the resize, never below twice the target size; 2 to 3 times faster.
        scale: (factor, offset); the backbone sees `uint8 * factor + offset`. A backbone with a
            scaling or an input size of its own has them in the place of these.
        revision: raised when the decoder's result changes. Until 1, samples of 16 bits were always
            divided by 257, colour profiles left out and clear pictures white.
        srgb: convert by the colour profile in the file, where it is not sRGB's.
        bits: of 16-bit samples whose files do not say it: one of `samples.DEPTHS`; 0 for as many
            as the photograph's own values need, which is for eyes alone; None where no photograph
            needed it (`features.photographs.survey`).
        large: height and width of the view `large`; None where it is not looked at.

    Example:
        >>> onepass.RECIPES["imagenet"].scale
        (0.00784313725490196, -1.0)
    """

    name: str
    height: int
    width: int
    exif_orientation: bool
    resize: str
    dct_scaling: bool
    scale: Scale
    revision: int = 2
    srgb: bool = False
    bits: int | None = None
    large: tuple[int, int] | None = None

    def fields(self) -> dict[str, object]:
        """Give everything that decides the pixels, for the fingerprint."""
        scale = [list(part) if isinstance(part, tuple) else part for part in self.scale]
        found = asdict(self) | {"scale": scale}
        if self.bits is None:
            del found["bits"]
        del found["large"]
        if self.large is not None:
            found["large"] = list(self.large)
        if self.revision < 2:
            del found["srgb"]
        return found

    def size_of(self, view: View) -> tuple[int, int]:
        """Give height and width of a view's picture.

        Raises:
            DataError: it is a large one, and this recipe has no larger size.
        """
        if not view.large:
            return self.height, self.width
        if self.large is None:
            raise DataError(f"the recipe {self.name} has no size for the view {view.name}")
        return self.large


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("imagenet", 224, 224, True, "bilinear", True, (1 / 127.5, -1.0), srgb=True),
        Recipe("docs", 224, 224, False, "nearest", False, (1 / 255.0, 0.0)),
    )
}
"""`imagenet`: what the ImageNet weights were trained on. `docs`: the write-up's own."""

_EARLIER = [replace(recipe, revision=1, srgb=False) for recipe in RECIPES.values()]


def get_recipe(name: str) -> Recipe:
    """Give the recipe called `name`.

    Raises:
        DataError: there is none.
    """
    if name not in RECIPES:
        raise DataError(f"unknown recipe {name!r}; expected one of {', '.join(sorted(RECIPES))}")
    return RECIPES[name]


def recorded_recipe(fields: Mapping[str, Any]) -> Recipe | None:
    """Find the recipe that a cache or a model recorded, of whatever revision.

    Returns:
        It, or None where this version has none that gives the same pixels.
    """
    bits, large = fields.get("bits"), fields.get("large")
    for known in (*RECIPES.values(), *_EARLIER):
        recipe = replace(known, bits=bits) if known.revision > 1 and bits in DEPTHS else known
        if isinstance(large, list) and len(large) == 2:
            recipe = replace(recipe, large=(large[0], large[1]))
        if recipe.fields() == fields:
            return recipe
    return None
