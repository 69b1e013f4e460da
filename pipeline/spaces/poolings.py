"""The registry of poolings: one row of the cache in, fewer values out; a new one is one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from features.errors import SpaceError
from features.row_layout import Floats, Layout, Rows
from features.views import VIEW_SETS


class Pooling(ABC):
    """Values that a head sees, made of one row of the cache at a time; nothing is fitted.

    Attributes:
        linear: whether the values are sums of the row's values; then `back` is there.
    """

    linear: ClassVar[bool] = True

    @abstractmethod
    def width(self, layout: Layout) -> int:
        """How many values.

        Raises:
            SpaceError: rows of this layout do not have what is pooled.
        """

    @abstractmethod
    def of(self, rows: Rows, layout: Layout) -> Rows:
        """Rows float32 (n, layout.row_width) to values (n, width)."""

    def kinds(self, layout: Layout) -> tuple[int, ...]:
        """How many of the values, in their order, are of one kind each: lengths are taken apart."""
        return (self.width(layout),)

    def back(self, slopes: Floats, layout: Layout) -> Floats:
        """What each value of a row counts for, where its pooled values count for these.

        Args:
            slopes: (n, width) or (1, width).
            layout: of the rows.

        Returns:
            (n or 1, layout.row_width).
        """
        raise NotImplementedError(f"{type(self).__name__} is not linear")


class Flat(Pooling):
    """The last map as it is: every channel at every position."""

    def width(self, layout: Layout) -> int:
        """See `Pooling.width`."""
        return layout.map_width

    def of(self, rows: Rows, layout: Layout) -> Rows:
        """See `Pooling.of`."""
        return rows[:, : layout.map_width]

    def back(self, slopes: Floats, layout: Layout) -> Floats:
        """See `Pooling.back`."""
        return _placed(slopes, slice(0, layout.map_width), layout)


class Average(Pooling):
    """Each channel's mean over the positions: global average pooling (Lin et al., 2014)."""

    def width(self, layout: Layout) -> int:
        """See `Pooling.width`."""
        return layout.shape[2]

    def of(self, rows: Rows, layout: Layout) -> Rows:
        """See `Pooling.of`."""
        found: Rows = layout.map(rows).mean(axis=1)
        return found

    def back(self, slopes: Floats, layout: Layout) -> Floats:
        """See `Pooling.back`."""
        positions = layout.shape[0] * layout.shape[1]
        return _placed(
            np.tile(slopes / positions, (1, positions)), slice(0, layout.map_width), layout
        )


class Largest(Pooling):
    """Each channel's largest value over the positions: what stands out anywhere."""

    linear = False

    def width(self, layout: Layout) -> int:
        """See `Pooling.width`."""
        return layout.shape[2]

    def of(self, rows: Rows, layout: Layout) -> Rows:
        """See `Pooling.of`."""
        found: Rows = layout.map(rows).max(axis=1)
        return found


class Taps(Pooling):
    """What the cache keeps of lower blocks: their means or largest values over the positions."""

    def __init__(self, name: str = "") -> None:
        """One tap by its name, or all that the cache has."""
        self._name = name

    def width(self, layout: Layout) -> int:
        """See `Pooling.width`."""
        place = self._place(layout)
        return int(place.stop - place.start)

    def of(self, rows: Rows, layout: Layout) -> Rows:
        """See `Pooling.of`."""
        return rows[:, self._place(layout)]

    def kinds(self, layout: Layout) -> tuple[int, ...]:
        """See `Pooling.kinds`: each tap is one."""
        return (self.width(layout),) if self._name else tuple(layout.taps.values())

    def back(self, slopes: Floats, layout: Layout) -> Floats:
        """See `Pooling.back`."""
        return _placed(slopes, self._place(layout), layout)

    def _place(self, layout: Layout) -> slice:
        if layout.taps and not self._name:
            return slice(layout.map_width, layout.row_width)
        try:
            return layout.tap(self._name)
        except KeyError:
            known = f"; the taps of this cache are {', '.join(layout.taps)}" if layout.taps else ""
            remedy = ""
            if self._name in VIEW_SETS:
                remedy = f"; say what is made of the view, as {self._name}:avg"
            elif not self._name or self._name.startswith("mixed"):
                wanted = self._name or "mixed4-max,mixed7-max,mixed9-max"
                remedy = f"; a cache with others is made by: extract --taps {wanted}"
            raise SpaceError(
                f"found {self._name or 'taps'!r} in the features; expected "
                f"{', '.join(POOLINGS)} or a tap that the cache has{known}{remedy}"
            ) from None


def _placed(slopes: Floats, place: slice, layout: Layout) -> Floats:
    found = np.zeros((len(slopes), layout.row_width))
    found[:, place] = slopes
    return found


POOLINGS: dict[str, Pooling] = {
    "flat": Flat(),
    "avg": Average(),
    "max": Largest(),
    "taps": Taps(),
}
"""Name in a text of features -> pooling; besides, any single tap by its name."""
