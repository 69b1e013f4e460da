"""The small grey pictures of many photographs: a worker of a cluster reads them from the cache."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Array, Floats, Indices
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import Grey
from features.errors import ClusterError


@dataclass(frozen=True)
class Pictures:
    """Grey pictures, uint8 (n, 64, 64), or others, with what reads them."""

    read: Callable[[], Any]
    count: int

    @classmethod
    def of(cls, grey: Any) -> Pictures:  # noqa: ANN401 - pictures of any kind
        """Take those that are in memory; where they are sent, they travel."""
        return cls(lambda: grey, len(grey))

    @classmethod
    def of_cache(cls, path: Path, rows: Indices) -> Pictures:
        """Take those beside some rows of a cache, which are read where somebody asks."""
        return cls(partial(_read, path.absolute(), rows), len(rows))

    @cached_property
    def grey(self) -> Any:  # noqa: ANN401 - pictures of any kind
        """Hold all of them."""
        return self.read()

    def forget(self) -> None:
        """Hold them no longer; they are read again where somebody asks."""
        vars(self).pop("grey", None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Send what tells whether the same ones are read there."""
        if isinstance(self.read, partial):
            checked = partial(_read_checked, self.read, zlib.crc32(self.grey.data))
            return Pictures, (checked, self.count)
        return Pictures.of, (self.grey,)


def _read(path: Path, rows: Indices) -> Grey:
    with open_cache(path) as cache:
        return thumbnails_of(cache, rows.tolist()).grey


def _read_checked(read: Callable[[], Grey], check: int) -> Grey:
    grey = read()
    if zlib.crc32(grey.data) != check:
        raise ClusterError(
            "a worker reads other small pictures from the cache than were read here; expected one "
            "cache that nobody changes meanwhile; run the same command again"
        )
    return grey


def in_blocks(numbers: Indices, height: int) -> list[Indices]:
    """Cut numbers into blocks of so many at most."""
    return np.array_split(numbers, -(-len(numbers) // height))


def shrink(pictures: Grey | Array, side: int) -> Array:
    """Average square blocks: float32 (n, side, side)."""
    n, old, _ = pictures.shape
    step = old // side
    blocks = pictures.reshape(n, side, step, side, step)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))


def normalise(pictures: Array) -> Array:
    """Bring each to mean 0 and deviation 1: brightness and contrast do not count."""
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(spread, 1e-6), dtype=np.float32)


def between(places: Floats, side: int) -> Array:
    """Say how much of each of `side` pixels in a line is read at places between them: (n, side).

    Linear; the edge goes on outside.
    """
    places = np.clip(places, 0, side - 1).reshape(-1, 1)
    return np.asarray(np.maximum(0, 1 - abs(places - np.arange(side))), np.float32)
