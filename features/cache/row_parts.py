"""What stands where in a row of the cache: the last map, then intermediate layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.arrays import Rows
from features.backbones.registry import map_shape, tap_widths
from features.cache.cache import Cache
from features.errors import CacheError
from features.look import Crops

MapShape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class RowParts:
    """The parts of a row.

    Attributes:
        shape: of the backbone's last map, whose values come first, position by position.
        taps: values of each intermediate layer that follows, in their order, by its name.
        crops: names of the views whose layers follow, view by view.
        crop_taps: values of each layer of a crop, in their order, by its name.
    """

    shape: MapShape
    taps: Mapping[str, int] = field(default_factory=dict)
    crops: tuple[str, ...] = ()
    crop_taps: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> RowParts:
        """Make those of the rows that a fingerprint's fields stand for; no TensorFlow.

        Raises:
            DataError: this version has no such backbone, or not these taps.
        """
        crops = Crops.of(fields)
        of_crops = tap_widths({**fields, "taps": crops.taps})
        return cls(map_shape(fields), tap_widths(fields), crops.views, of_crops)

    @classmethod
    def of_cache(cls, cache: Cache) -> RowParts:
        """Make those of a cache's rows.

        Raises:
            CacheError: they are not as wide as its fingerprint's fields say.
            DataError: see `of`.
        """
        row_parts = cls.of(cache.fields)
        if cache.cached_width != row_parts.cached_width:
            raise CacheError(
                f"{cache.path} has rows of {cache.cached_width:,} values; expected "
                f"{row_parts.cached_width:,} by what it says of them; extract again into "
                "another --cache"
            )
        return row_parts

    @property
    def map_width(self) -> int:
        """Values of the last map."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def cached_width(self) -> int:
        """Values of a whole row."""
        return self.whole_width + len(self.crops) * self.crop_width

    @property
    def whole_width(self) -> int:
        """Values of the whole photograph, which stand before those of its crops."""
        return self.map_width + sum(self.taps.values())

    @property
    def crop_width(self) -> int:
        """Values of one crop."""
        return sum(self.crop_taps.values())

    @property
    def of_crop(self) -> RowParts:
        """The parts of one crop's values: layers and no map."""
        return RowParts((0, 0, 0), self.crop_taps)

    def crop(self, view: str) -> slice:
        """Say where the values of a crop stand.

        Raises:
            ValueError: the rows keep no such crop.
        """
        start = self.whole_width + self.crops.index(view) * self.crop_width
        return slice(start, start + self.crop_width)

    def map(self, rows: Rows) -> Rows:
        """Give the last map by position: (n, height × width, channels), a view of `rows`."""
        height, width, channels = self.shape
        return rows[:, : self.map_width].reshape(len(rows), height * width, channels)

    @property
    def flat(self) -> slice:
        """Where the values of the last map stand."""
        return slice(0, self.map_width)

    def tap(self, name: str) -> slice:
        """Say where the values of a tap stand.

        Raises:
            KeyError: the cache does not have it.
        """
        start = self.map_width
        for tap, width in self.taps.items():
            if tap == name:
                return slice(start, start + width)
            start += width
        raise KeyError(name)
