"""Register sets of views: the parts of a photograph that are looked at.

A view is a fixed crop of a photograph; with the photograph's digest its name
is the key of a row, so a name never changes its meaning. A set is what a person asks for; sets may
share views, which are looked at once. Boxes are shares of the upright photograph's width and
height; each is resized to the backbone's input as the whole photograph is.

    full        the whole photograph; always there
    large       the whole photograph once more, with more pixels: at the backbone's larger input
    tiles:RxC   R rows of C tiles that overlap their neighbours by a quarter of a tile:
                of 2x2 each is 57 % of a side, of 3x3 40 %
    five        the tiles of 2x2, and one of their size in the middle (corners and centre)
    crops       five that fit the photograph's shape: of one at least 2.4 times as long as wide
                five squares along it, which overlap (of one longer than four squares they become
                longer than wide, and overlap by a quarter); else those of five
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from features.errors import DataError

FULL = "full"
LARGE = "large"
MOST_ALONG = 8  # tiles along one side
_OVERLAP = 0.25  # of a tile, with each neighbour
LONG = 2.4  # times as long as wide
_CROPS = 5
_TILES = re.compile(r"([1-9])x([1-9])")


class View(NamedTuple):
    """One view.

    Attributes:
        name: as in the keys of rows.
        box: left, top, right and bottom, from 0 to 1; of a square photograph, where it hangs on
            the shape.
        place: number among views whose boxes hang on the photograph's shape; -1 for others.
        large: whether it is resized to the recipe's larger size.
    """

    name: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    place: int = -1
    large: bool = False

    @property
    def share(self) -> float:
        """Give the share of the photograph's side that it shows, the smaller of two."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top)

    def fitted(self, width: int, height: int) -> View:
        """Give the view with its box in an upright photograph of so many pixels."""
        shape = max(width, height) / max(1, min(width, height))
        if self.place < 0 or shape < LONG:
            return self
        size = max(1 / shape, 1 / (1 + (_CROPS - 1) * (1 - _OVERLAP)))
        start = self.place * (1 - size) / (_CROPS - 1)
        long = start, min(1.0, start + size)
        box = (long[0], 0.0, long[1], 1.0) if width > height else (0.0, long[0], 1.0, long[1])
        return self._replace(box=box)


def _full(argument: str) -> list[View] | None:
    return None if argument else [View(FULL)]


def _large(argument: str) -> list[View] | None:
    return None if argument else [View(LARGE, large=True)]


def _tiles(argument: str) -> list[View] | None:
    """Give the tiles of "2x3", row by row."""
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


def _crops(argument: str) -> list[View] | None:
    views = _five(argument)
    return views and [View(f"crops/{n}", view.box, n) for n, view in enumerate(views)]


VIEW_SETS: dict[str, Callable[[str], list[View] | None]] = {
    FULL: _full,
    LARGE: _large,
    "tiles": _tiles,
    "five": _five,
    "crops": _crops,
}
"""The registry: name before the colon -> views for what stands behind it; None if that is wrong."""


class Chosen(NamedTuple):
    """Hold what is looked at of every photograph of a folder; noted in the cache.

    Attributes:
        sets: names of view sets, "full" first.
    """

    sets: tuple[str, ...] = (FULL,)

    @property
    def names(self) -> tuple[str, ...]:
        """Name all views, each once, the full view first."""
        return tuple(dict.fromkeys(name for one in (FULL, *self.sets) for name in views_of(one)))

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> Chosen:
        """Read the choice from a cache's note; earlier versions' have the full view alone.

        Raises:
            DataError: it names views that this version does not have.
        """
        sets = note.get("views", [FULL])
        if not isinstance(sets, list):
            raise DataError(
                f"the cache notes the views {sets!r}; expected a list of names; extract into "
                "another --cache"
            )
        return cls(tuple(str(name) for name in sets))

    def to_note(self) -> dict[str, Any]:
        """Give the inverse of `noted`."""
        return {"views": list(self.sets)}


def parse_views(text: str | None) -> tuple[str, ...] | None:
    """Parse names of sets with commas between them, each once, "full" first; None for None.

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
    """List the names of the views of a set, in order: "tiles:2x2" -> ("tiles:2x2/0", …).

    Raises:
        DataError: there is no such set.
    """
    return tuple(view.name for view in _views(name))


def view_named(name: str) -> View:
    """Give the view of a name.

    Raises:
        DataError: there is none of this name.
    """
    for view in _views("five" if name == "centre" else name.partition("/")[0]):
        if view.name == name:
            return view
    raise DataError(f"unknown view {name!r}; expected one as full, or tiles:2x2/0")


def _views(name: str) -> Sequence[View]:
    kind, _, argument = name.partition(":")
    views = VIEW_SETS[kind](argument) if kind in VIEW_SETS else None
    if views is None:
        raise DataError(
            f"unknown views {name!r}; expected full, large, crops, five, or tiles:ROWSxCOLUMNS "
            f"with up to {MOST_ALONG} along a side, as tiles:2x2"
        )
    return views
