"""The small grey pictures of many photographs, which other processes read from the cache again.

What is made of them is large and quickly made, so it does not travel: what is sent to a worker of a
cluster says where the pictures are, and the worker makes of them what its calls need, once.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from features.arrays import Array, Indices
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import Grey
from features.errors import ClusterError


class Remade:
    """A dataclass of which its fields alone are sent to another process: the rest is made there."""

    def __getstate__(self) -> dict[str, Any]:
        """Give the fields."""
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def but(self, **changes: Any) -> Self:  # noqa: ANN401 - of any field
        """Give the same with other fields, and all that was made already, of those that stay."""
        found = replace(self, **changes)  # type: ignore[type-var]
        vars(found).update({**vars(self), **changes})
        return found


@dataclass(frozen=True)
class Pictures:
    """Grey pictures, uint8 (n, 64, 64), or others.

    Attributes:
        read: gives them.
        count: n.
    """

    read: Callable[[], Any]
    count: int

    @classmethod
    def of(cls, grey: Any) -> Pictures:  # noqa: ANN401 - pictures of any kind
        """Take those that are in memory; where they are sent, they travel."""
        return cls(lambda: grey, len(grey))

    @classmethod
    def of_cache(cls, path: Path, rows: Indices, grey: Grey) -> Pictures:
        """Take those beside some rows of a cache, which were read already."""
        found = cls(partial(_read, path.absolute(), rows), len(rows))
        found.__dict__["grey"] = grey
        return found

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
            return _sent, (self.read, self.count, zlib.crc32(self.grey.data))
        return Pictures.of, (self.grey,)

    def shrunk(self, rows: Any, side: int) -> Array:  # noqa: ANN401 - a slice or numbers
        """Average square blocks of some: float32 (m, side, side)."""
        return shrink(self.grey[rows].astype(np.float32), side)

    def blocks(self, height: int) -> list[slice]:
        """Cut them into blocks of so many."""
        return [slice(start, start + height) for start in range(0, self.count, height)]


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


def _sent(read: Callable[[], Grey], count: int, check: int) -> Pictures:
    return Pictures(partial(_read_checked, read, check), count)


def shrink(pictures: Array, side: int) -> Array:
    """Average square blocks: (n, side, side)."""
    n, old, _ = pictures.shape
    step = old // side
    return np.asarray(pictures.reshape(n, side, step, side, step).mean(axis=(2, 4)), np.float32)
