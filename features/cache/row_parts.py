"""Say what stands where in a row of the cache: the last map, then intermediate layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from features.arrays import Rows
from features.backbones.registry import map_shape, tap_widths
from features.cache.cache import Cache
from features.errors import CacheError, FeatureSpecError
from features.photographs.look import Crops, pool_map, pooled_of

MapShape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class RowParts:
    """The parts of a row.

    Attributes:
        shape: of the backbone's last map, whose values come first, position by position.
        taps: values of each intermediate layer that follows, in their order, by its name.
        crops: names of the views whose layers follow, view by view.
        crop_taps: values of each layer of a crop, in their order, by its name.
        pooled: what stands in the map's place, of `features.photographs.look.POOLED`; none: it.
    """

    shape: MapShape
    taps: Mapping[str, int] = field(default_factory=dict)
    crops: tuple[str, ...] = ()
    crop_taps: Mapping[str, int] = field(default_factory=dict)
    pooled: tuple[str, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> RowParts:
        """Make those of the rows that a fingerprint's fields stand for; no TensorFlow.

        Raises:
            DataError: this version has no such backbone, or not these taps.
        """
        crops = Crops.of(fields)
        of_crops = tap_widths({**fields, "taps": crops.taps})
        kept = pooled_of(fields)
        return cls(map_shape(fields), tap_widths(fields), crops.views, of_crops, kept)

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
        """Count the values of the last map, or of what stands in its place."""
        if self.pooled:
            return len(self.pooled) * self.shape[2]
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def with_map(self) -> RowParts:
        """Give the same with the whole last map, as a backbone gives it; the drift probe's row."""
        return replace(self, pooled=())

    @property
    def cached_width(self) -> int:
        """Count the values of a whole row."""
        return self.whole_width + len(self.crops) * self.crop_width

    @property
    def whole_width(self) -> int:
        """Count the values of the whole photograph, which stand before those of its crops."""
        return self.map_width + sum(self.taps.values())

    @property
    def crop_width(self) -> int:
        """Count the values of one crop."""
        return sum(self.crop_taps.values())

    @property
    def of_crop(self) -> RowParts:
        """Give the parts of one crop's values: layers and no map."""
        return RowParts((0, 0, 0), self.crop_taps)

    def crop(self, view: str) -> slice:
        """Say where the values of a crop stand.

        Raises:
            ValueError: the rows keep no such crop.
        """
        start = self.whole_width + self.crops.index(view) * self.crop_width
        return slice(start, start + self.crop_width)

    def map(self, rows: Rows) -> Rows:
        """Give the last map by position: (n, height × width, channels), a view of `rows`.

        Raises:
            FeatureSpecError: slim rows do not have it.
        """
        height, width, channels = self.shape
        return rows[:, self.flat].reshape(len(rows), height * width, channels)

    @property
    def flat(self) -> slice:
        """Say where the values of the last map stand.

        Raises:
            FeatureSpecError: slim rows do not have it.
        """
        if self.pooled:
            raise FeatureSpecError(
                f"the rows keep {'+'.join(self.pooled)} of the last map; expected the whole map "
                "(flat); make such a cache with: extract without --keep"
            )
        return slice(0, self.map_width)

    def pool(self, rows: Rows, name: str) -> Rows:
        """Pool the last map over its positions, or give what slim rows keep of it.

        Args:
            rows: float32 (n, cached_width or more).
            name: one of `features.photographs.look.POOLED`.

        Returns:
            float32 (n, channels).

        Raises:
            FeatureSpecError: slim rows do not keep it.
        """
        return rows[:, self.pooled_place(name)] if self.pooled else pool_map(self.map(rows), [name])

    def pooled_place(self, name: str) -> slice:
        """Find where slim rows keep a pooling of the last map.

        Raises:
            FeatureSpecError: they do not.
        """
        if name not in self.pooled:
            raise FeatureSpecError(
                f"the rows keep {'+'.join(self.pooled)} of the last map; expected {name}; make "
                f"another cache with: extract --keep {name}"
            )
        start = self.pooled.index(name) * self.shape[2]
        return slice(start, start + self.shape[2])

    def taken_of(self, rows: Rows, source: RowParts) -> Rows:
        """Make rows with these parts of rows that have more.

        Args:
            rows: float32 (n, source.cached_width).
            source: their parts.

        Returns:
            float32 (n, cached_width); what is kept in both has the same bits.

        Raises:
            FeatureSpecError, KeyError, ValueError: the source lacks a part.
        """
        kept = [source.pool(rows, name) for name in self.pooled] or [rows[:, source.flat]]
        kept += [rows[:, source.tap(name)] for name in self.taps]
        for view in self.crops:
            crop = rows[:, source.crop(view)]
            kept += [crop[:, source.of_crop.tap(name)] for name in self.crop_taps]
        return np.concatenate(kept, axis=1)

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
