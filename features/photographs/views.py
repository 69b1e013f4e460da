"""Which parts of a photograph are looked at: the registry of view sets, and the views in them.

A view is a fixed crop, or a seeded variant, of a photograph; with the photograph's digest its name
is the key of a row, so a name never changes its meaning. A set is what a person asks for; sets may
share views, which are looked at once. Boxes are shares of the upright photograph's width and
height; each is resized to the backbone's input as the whole photograph is.

    full        the whole photograph; always there
    tiles:RxC   R rows of C tiles that overlap their neighbours by a quarter of a tile:
                of 2x2 each is 57 % of a side, of 3x3 40 %
    five        the tiles of 2x2, and one of their size in the middle (corners and centre)
    augmented   seeded variants for training (`features.photographs.views`); asked for by number
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Pixels
from features.errors import DataError

FULL = "full"
MOST_ALONG = 8  # tiles along one side
MOST_VARIANTS = 100  # of a photograph
_OVERLAP = 0.25  # of a tile, with each neighbour
_TILES = re.compile(r"([1-9])x([1-9])")
_VARIANT = re.compile(r"augmented/(\d+)")


class View(NamedTuple):
    """One view.

    Attributes:
        name: as in the keys of rows.
        box: left, top, right and bottom, from 0 to 1.
        variant: number of a variant; -1 for the photograph as it is.
    """

    name: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    variant: int = -1

    @property
    def share(self) -> float:
        """Of the photograph's side that it shows, the smaller of width and height."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top)


def _full(argument: str) -> list[View] | None:
    return None if argument else [View(FULL)]


def _tiles(argument: str) -> list[View] | None:
    """The tiles of "2x3", row by row."""
    found = _TILES.fullmatch(argument)
    if not found:
        return None
    rows, columns = (int(count) for count in found.groups())
    if max(rows, columns) > MOST_ALONG or rows * columns == 1:
        return None
    boxes = [
        (left, top, right, bottom)
        for top, bottom in _along(rows)
        for left, right in _along(columns)
    ]
    return [View(f"tiles:{argument}/{number}", box) for number, box in enumerate(boxes)]


def _along(count: int) -> list[tuple[float, float]]:
    """Start and end of tiles along one side; each overlaps the next by _OVERLAP of itself."""
    step = 1 / (count - 1 + 1 / (1 - _OVERLAP))
    size = step / (1 - _OVERLAP)
    return [(number * step, min(1.0, number * step + size)) for number in range(count)]


def _five(argument: str) -> list[View] | None:
    corners = _tiles("2x2")
    if argument or corners is None:
        return None
    edge = corners[0].box[2] / 2
    return [*corners, View("centre", (0.5 - edge, 0.5 - edge, 0.5 + edge, 0.5 + edge))]


VIEW_SETS: dict[str, Callable[[str], list[View] | None]] = {
    FULL: _full,
    "tiles": _tiles,
    "five": _five,
}
"""The registry: name before the colon -> views for what stands behind it; None if that is wrong."""


class Chosen(NamedTuple):
    """What is looked at of every photograph of a folder; noted in the cache.

    Attributes:
        sets: names of view sets, "full" first.
        augmented: number of variants.
    """

    sets: tuple[str, ...] = (FULL,)
    augmented: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of all views, each once, the full view first."""
        names = [name for one in (FULL, *self.sets) for name in views_of(one)]
        return tuple(dict.fromkeys([*names, *variants_of(self.augmented)]))

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> Chosen:
        """Out of a cache's note of its folder; those of earlier versions have the full view alone.

        Raises:
            DataError: it names views that this version does not have.
        """
        sets, augmented = note.get("views", [FULL]), note.get("augmented", 0)
        if not isinstance(sets, list) or augmented not in range(MOST_VARIANTS + 1):
            raise DataError(
                f"the cache notes the views {sets!r} and {augmented!r} variants; expected names, "
                f"and up to {MOST_VARIANTS}; extract into another --cache"
            )
        return cls(tuple(str(name) for name in sets), int(augmented))

    def to_note(self) -> dict[str, Any]:
        """The inverse of `noted`."""
        return {"views": list(self.sets), "augmented": self.augmented}


def parse_views(text: str | None) -> tuple[str, ...] | None:
    """Names of sets with commas between them, each once, "full" first; None for None.

    Raises:
        DataError: a set is unknown, or none is named.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise DataError(f"no views in {text!r}; expected some, as full,tiles:2x2")
    for name in names:
        views_of(name)
    return tuple(dict.fromkeys([FULL, *names]))


def views_of(name: str) -> tuple[str, ...]:
    """Names of the views of a set, in their order: "tiles:2x2" -> ("tiles:2x2/0", …).

    Raises:
        DataError: there is no such set.
    """
    return tuple(view.name for view in _views(name))


def variants_of(count: int) -> tuple[str, ...]:
    """Names of the first `count` variants.

    A later recipe of variants gets another word before the slash, so that rows are never mixed.
    """
    return tuple(f"augmented/{number}" for number in range(count))


def view_named(name: str) -> View:
    """The view of a name.

    Raises:
        DataError: there is none of this name.
    """
    if found := _VARIANT.fullmatch(name):
        return View(name, variant=int(found[1]))
    for view in _views("five" if name == "centre" else name.partition("/")[0]):
        if view.name == name:
            return view
    raise DataError(f"unknown view {name!r}; expected one as full, or tiles:2x2/0")


def _views(name: str) -> Sequence[View]:
    kind, _, argument = name.partition(":")
    views = VIEW_SETS[kind](argument) if kind in VIEW_SETS else None
    if views is None:
        raise DataError(
            f"unknown views {name!r}; expected full, five, or tiles:ROWSxCOLUMNS with up to "
            f"{MOST_ALONG} along a side, as tiles:2x2"
        )
    return views


ROTATION = 40.0  # degrees, either way
SHEAR = 0.2  # share of the side by which the edges slide, either way
SHIFT = 0.2  # of the side, either way
ZOOM = 0.2  # of the size, in or out
LIGHT = 0.2  # of the brightness, either way


def vary(pixels: Pixels, digest: str, variant: int) -> Pixels:
    """A variant of a photograph.

    Args:
        pixels: uint8 (height, width, 3).
        digest: SHA-256 of the photograph's file, hex.
        variant: its number, from 0.

    Returns:
        uint8 of the same shape; the same for the same arguments.
    """
    seed = hashlib.sha256(f"{digest} {variant}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:16], "big"))
    matrix, shift = _placement(rng)
    light = rng.uniform(1 - LIGHT, 1 + LIGHT)
    moved = _sample(pixels, matrix, shift) * light
    return np.clip(np.round(moved), 0, 255).astype(np.uint8)


def _placement(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """From a place in the variant to one in the photograph, both (y, x) from -0.5 to 0.5."""
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lean = np.eye(2)
    lean[0, 1], lean[1, 0] = rng.uniform(-SHEAR, SHEAR, 2)
    zoom = np.diag(rng.uniform(1 - ZOOM, 1 + ZOOM, 2))
    mirror = np.diag([1.0, -1.0 if rng.integers(2) else 1.0])
    return turn @ lean @ zoom @ mirror, rng.uniform(-SHIFT, SHIFT, 2)


def _sample(pixels: Pixels, matrix: Floats, shift: Floats) -> npt.NDArray[np.float32]:
    """Bilinear: float32 (height, width, 3)."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    places = np.stack([(y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5]).reshape(2, -1)
    found = matrix @ places + shift[:, None] + 0.5
    rows = np.clip(found[0] * height - 0.5, 0, height - 1)
    columns = np.clip(found[1] * width - 0.5, 0, width - 1)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down = (rows - top).astype(np.float32)[:, None]
    along = (columns - left).astype(np.float32)[:, None]
    upper = pixels[top, left] * (1 - along) + pixels[top, right] * along
    lower = pixels[bottom, left] * (1 - along) + pixels[bottom, right] * along
    return np.asarray(upper * (1 - down) + lower * down, np.float32).reshape(height, width, 3)
