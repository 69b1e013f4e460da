"""Say what a head sees of a photograph: feature specs such as "tiles:2x2:avg+max".

    [VIEWS:]POOLING[+POOLING…][:root][:max]

VIEWS are view sets of the cache with + between them, "full" where nothing is said: the whole
photograph, "tiles:2x2", "full+tiles:3x3". POOLING is a name of `spec` or a tap;
several stand side by side. "root" takes the square root of every value, the sign kept, and brings
each pooling and each tap of a row to length 1: large values count for less, and layers of different
sizes for the same (Arandjelović and Zisserman, "Three things everyone should know to improve object
retrieval", 2012). Of several views the mean is taken, or with "max" each value's largest.

Nothing here is fitted, so that it is the same in every fold and for every new photograph.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from features.arrays import Floats, Rows
from features.cache.row_parts import RowParts
from features.errors import DataError, FeatureSpecError
from features.photographs.views import FULL, VIEW_SETS, views_of

_SET = rf"(?:{'|'.join(VIEW_SETS)})(?::\d+x\d+)?"
_NAME = r"[A-Za-z][\w.]*(?:-max)?"
_FORM = re.compile(
    rf"(?:(?P<sets>{_SET}(?:\+{_SET})*):)?(?P<poolings>{_NAME}(?:\+{_NAME})*)(?P<then>(?::[a-z]+)*)"
)
_THEN = ("root", "max")
_GONE = ("any", "vote")


@dataclass(frozen=True)
class FeatureSpec:
    """Hold what a head sees of a photograph; parsed once, where a person or a file says it.

    Attributes:
        text: that it was parsed from; two specs of the same text are equal.
        sets: view sets.
        poolings: side by side.
        root: whether values are rooted and rows brought to length 1.
        largest: whether of several views each value's largest is taken, and not the mean.

    Example:
        >>> FeatureSpec.parse("tiles:2x2:avg").views
        ('tiles:2x2/0', 'tiles:2x2/1', 'tiles:2x2/2', 'tiles:2x2/3')
    """

    text: str
    sets: tuple[str, ...] = field(compare=False)
    poolings: tuple[Pooling, ...] = field(compare=False)
    root: bool = field(default=False, compare=False)
    largest: bool = field(default=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> FeatureSpec:
        """Read a text; see the head of this module.

        Raises:
            FeatureSpecError: it is not understood.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise FeatureSpecError(
                f"features {text!r} are not understood; expected such as flat, avg, avg+max, "
                "avg:root, tiles:2x2:avg or full+tiles:2x2:avg:max"
            )
        sets = tuple(dict.fromkeys((found["sets"] or "full").split("+")))
        try:
            for of in sets:
                views_of(of)
        except DataError as error:
            raise FeatureSpecError(f"features {text!r} are not understood: {error}") from error
        names = found["poolings"].split("+")
        then = [word for word in found["then"].split(":") if word]
        _check(text, sets, names, then)
        poolings = tuple(POOLINGS.get(name) or Taps(name) for name in names)
        return cls(text, sets, poolings, "root" in then, "max" in then)

    def __str__(self) -> str:
        """Give the text, as people type it."""
        return self.text

    @property
    def is_flat(self) -> bool:
        """Say whether a head sees the last map of the whole photograph as it is."""
        return self == FLAT

    @property
    def views(self) -> tuple[str, ...]:
        """Name the views, in the order in which rows of them are given."""
        return tuple(dict.fromkeys(name for of in self.sets for name in views_of(of)))

    @property
    def on_map(self) -> bool:
        """Say whether all that a head sees has its place in one map of the whole photograph."""
        return len(self.views) == 1 and not any(isinstance(p, Taps) for p in self.poolings)

    @property
    def linear(self) -> bool:
        """Say whether values are sums of one view's values, so that `back` is there."""
        return not self.root and len(self.views) == 1 and all(p.linear for p in self.poolings)

    def stored_views(self, row_parts: RowParts) -> tuple[str, ...]:
        """Name the views of which rows have to be read: the full one keeps those of its crops."""
        others = set(self.views) - {FULL}
        return (FULL,) if others and others <= set(row_parts.crops) else self.views

    def width(self, row_parts: RowParts) -> int:
        """Count the values that a head sees.

        Raises:
            FeatureSpecError: rows of these parts do not have what is asked for.
        """
        seen = [row_parts]
        if self.stored_views(row_parts) != self.views:
            seen = [*([row_parts] if FULL in self.views else []), row_parts.of_crop]
        widths = {sum(pooling.width(parts) for pooling in self.poolings) for parts in seen}
        if len(widths) > 1 or 0 in widths:
            raise FeatureSpecError(
                f"the features {self} need more than the rows keep of crops: "
                f"{', '.join(row_parts.crop_taps)}; choose among these, or make another cache with "
                "extract --views and --taps"
            )
        return widths.pop()

    def of(self, views: Sequence[Rows], row_parts: RowParts) -> Rows:
        """Turn rows of the cache, one array for each stored view, to what a head sees.

        Args:
            views: float32 (n, row_parts.cached_width) each, in the order of `stored_views`.
            row_parts: of the rows.

        Returns:
            float32 (n, width).
        """
        pictures = [(rows, row_parts) for rows in views]
        if self.stored_views(row_parts) != self.views:
            row = views[0]
            pictures = [
                (row, row_parts)
                if view == FULL
                else (row[:, row_parts.crop(view)], row_parts.of_crop)
                for view in self.views
            ]
        found = self._of_view(*pictures[0])
        for picture in pictures[1:]:
            more = self._of_view(*picture)
            found = np.maximum(found, more) if self.largest else found + more
        return found if self.largest or len(pictures) == 1 else found / np.float32(len(pictures))

    def _of_view(self, rows: Rows, row_parts: RowParts) -> Rows:
        values = [pooling.of(rows, row_parts) for pooling in self.poolings]
        if self.root:
            values = [
                _rooted(layer)
                for pooling, block in zip(self.poolings, values, strict=True)
                for layer in np.split(block, np.cumsum(pooling.widths(row_parts))[:-1], axis=1)
            ]
        return values[0] if len(values) == 1 else np.concatenate(values, axis=1)

    def back(self, slopes: Floats, row_parts: RowParts) -> Floats:
        """Turn slopes of what a head sees (n or 1, width) to those of a row (n or 1, cached_width).

        Only where `linear`.
        """
        found = np.zeros((len(slopes), row_parts.cached_width))
        start = 0
        for pooling in self.poolings:
            width = pooling.width(row_parts)
            found += pooling.back(slopes[:, start : start + width], row_parts)
            start += width
        return found


def _rooted(values: Rows) -> Rows:
    roots = np.sign(values) * np.sqrt(np.abs(values))
    lengths = np.linalg.norm(roots, axis=1, keepdims=True)
    rooted: Rows = roots / np.maximum(lengths, np.float32(1e-12))
    return rooted


def _check(text: str, sets: Sequence[str], names: Sequence[str], then: Sequence[str]) -> None:
    for words in (names, then):
        if len(set(words)) < len(words):
            raise FeatureSpecError(
                f"features {text!r} name something twice; expected each name once"
            )
    gone = [word for word in then if word in _GONE]
    if gone:
        raise FeatureSpecError(
            f"features {text!r} end in {gone[0]!r}, which this version no longer has, for no score "
            "was better by it; expected views taken together, such as tiles:2x2:avg:max"
        )
    strange = [word for word in then if word not in _THEN]
    if strange:
        raise FeatureSpecError(
            f"features {text!r} end in {strange[0]!r}; expected {' or '.join(_THEN)} there"
        )
    if "max" in then and list(sets) == [FULL]:
        raise FeatureSpecError(
            f"features {text!r} say max of views, but see one view; expected several, such "
            "as tiles:2x2:avg:max; for the largest over positions: max"
        )


class Pooling(ABC):
    """Values that a head sees, made of one row of the cache at a time; nothing is fitted.

    Attributes:
        linear: whether the values are sums of the row's values; then `back` is there.
    """

    linear: ClassVar[bool] = True

    @abstractmethod
    def width(self, row_parts: RowParts) -> int:
        """Count the values.

        Raises:
            FeatureSpecError: rows of these parts do not have what is pooled.
        """

    @abstractmethod
    def of(self, rows: Rows, row_parts: RowParts) -> Rows:
        """Pool rows float32 (n, row_parts.cached_width) to values (n, width)."""

    def widths(self, row_parts: RowParts) -> tuple[int, ...]:
        """Count the values of each layer, in their order: each is brought to length 1 by itself."""
        return (self.width(row_parts),)

    def back(self, slopes: Floats, row_parts: RowParts) -> Floats:
        """Give what each value of a row counts for, where its pooled values count for these.

        Args:
            slopes: (n, width) or (1, width).
            row_parts: of the rows.

        Returns:
            (n or 1, row_parts.cached_width).
        """
        raise NotImplementedError(f"{type(self).__name__} is not linear")


class Flat(Pooling):
    """The last map as it is: every channel at every position."""

    def width(self, row_parts: RowParts) -> int:
        """See `Pooling.width`."""
        return int(row_parts.flat.stop)

    def of(self, rows: Rows, row_parts: RowParts) -> Rows:
        """See `Pooling.of`."""
        return rows[:, row_parts.flat]

    def back(self, slopes: Floats, row_parts: RowParts) -> Floats:
        """See `Pooling.back`."""
        return _placed(slopes, slice(0, row_parts.map_width), row_parts)


class Average(Pooling):
    """Each channel's mean over the positions: global average pooling (Lin et al., 2014)."""

    def width(self, row_parts: RowParts) -> int:
        """See `Pooling.width`."""
        return _pooled_width("avg", row_parts)

    def of(self, rows: Rows, row_parts: RowParts) -> Rows:
        """See `Pooling.of`."""
        return row_parts.pool(rows, "avg")

    def back(self, slopes: Floats, row_parts: RowParts) -> Floats:
        """See `Pooling.back`."""
        if row_parts.pooled:
            return _placed(slopes, row_parts.pooled_place("avg"), row_parts)
        positions = row_parts.shape[0] * row_parts.shape[1]
        return _placed(
            np.tile(slopes / positions, (1, positions)), slice(0, row_parts.map_width), row_parts
        )


class Largest(Pooling):
    """Each channel's largest value over the positions: what stands out anywhere."""

    linear = False

    def width(self, row_parts: RowParts) -> int:
        """See `Pooling.width`."""
        return _pooled_width("max", row_parts)

    def of(self, rows: Rows, row_parts: RowParts) -> Rows:
        """See `Pooling.of`."""
        return row_parts.pool(rows, "max")


def _pooled_width(name: str, row_parts: RowParts) -> int:
    """Count the last map's channels; raise FeatureSpecError where slim rows lack this pooling."""
    if row_parts.pooled:
        row_parts.pooled_place(name)
    return row_parts.shape[2]


class Taps(Pooling):
    """Intermediate layers as the cache keeps them: means or largest values over positions."""

    def __init__(self, name: str = "") -> None:
        """Take one tap by its `name`, or with "" all that the cache has."""
        self.name = name

    def width(self, row_parts: RowParts) -> int:
        """See `Pooling.width`."""
        place = self._place(row_parts)
        return int(place.stop - place.start)

    def of(self, rows: Rows, row_parts: RowParts) -> Rows:
        """See `Pooling.of`."""
        return rows[:, self._place(row_parts)]

    def names(self, row_parts: RowParts) -> tuple[str, ...]:
        """Name the layers that are kept, in their order."""
        return (self.name,) if self.name else tuple(row_parts.taps)

    def widths(self, row_parts: RowParts) -> tuple[int, ...]:
        """See `Pooling.widths`: each tap is a layer."""
        return (self.width(row_parts),) if self.name else tuple(row_parts.taps.values())

    def back(self, slopes: Floats, row_parts: RowParts) -> Floats:
        """See `Pooling.back`."""
        return _placed(slopes, self._place(row_parts), row_parts)

    def _place(self, row_parts: RowParts) -> slice:
        if row_parts.taps and not self.name:
            return slice(row_parts.map_width, row_parts.whole_width)
        try:
            return row_parts.tap(self.name)
        except KeyError:
            known = (
                f"; the layers of this cache are {', '.join(row_parts.taps)}"
                if row_parts.taps
                else ""
            )
            remedy = ""
            if self.name in VIEW_SETS:
                remedy = f"; say what is made of the view, as {self.name}:avg"
            elif not self.name or self.name.startswith("mixed"):
                wanted = self.name or "mixed4-max,mixed7-max,mixed9-max"
                remedy = f"; a cache with others is made by: extract --taps {wanted}"
            raise FeatureSpecError(
                f"found {self.name or 'taps'!r} in the features; expected "
                f"{', '.join(POOLINGS)} or a layer that the cache has{known}{remedy}"
            ) from None


def _placed(slopes: Floats, place: slice, row_parts: RowParts) -> Floats:
    found = np.zeros((len(slopes), row_parts.cached_width))
    found[:, place] = slopes
    return found


POOLINGS: dict[str, Pooling] = {
    "flat": Flat(),
    "avg": Average(),
    "max": Largest(),
    "taps": Taps(),
}
"""Name in a text of features -> pooling; besides, any single tap by its name."""

FLAT = FeatureSpec.parse("flat")
"""The last map of the whole photograph as it is: the write-up's 51,200 values."""
