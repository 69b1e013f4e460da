"""How alike photographs look, measured against how alike strangers look in this very folder.

1. Two views of each photograph: the small grey picture, and the cached row, averaged over its map.
2. Each is centred and nearly whitened (principal components divided by their deviation to the
   power 0.9): what all share counts for nothing, and light, which they all vary in, for little.
   The likeness of two photographs is the mean of the two cosines.
3. Each photograph has its own strangers: those behind its nearest ones, which may be its copies.
   An exponential tail of their likeness (a censored maximum-likelihood fit) says how many strangers
   are expected by chance to be as alike as a given photograph: the number of false alarms of
   Desolneux, Moisan and Morel, "Meaningful alignments", IJCV 2000. No threshold on likeness is
   needed, which would mean something else in every factory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.arrays import Array, Floats, Indices
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.cache.thumbnail_table import thumbnails_of
from pipeline.groups.neighbours import Tick, nearest, recall, unit
from pipeline.groups.pictures import Pictures, in_blocks, normalise, shrink

FEWEST = 12  # photographs: among fewer nobody can say what strangers look like
LARGEST_GROUP = 32  # nearest ones of a photograph that are not taken for strangers
_STRANGERS = 96  # whose likeness is fitted
_COMPONENTS = 128
_WHITENING = 0.9
_SAMPLE = 2**14  # photographs that tell how all vary
_SIDE = 16  # of the pictures that are compared
_READ = 128  # rows in memory at once
_PAIRS = 2**12  # of vectors in memory at once
_FEWEST_CHANNELS = 64


class Pairs(NamedTuple):
    """Pictures that are probably copies: a < b, int64 (m,), and strangers expected, (m,)."""

    a: Indices
    b: Indices
    expected: Floats


@dataclass(frozen=True)
class Tail:
    """How alike each photograph's strangers are, where they are the most alike."""

    floor: Array  # (n,) likeness above which `reach` photographs lie
    spread: Array  # (n,) mean excess of strangers over it
    reach: float  # strangers, and possible copies, expected with a likeness above the floor

    @classmethod
    def of(cls, alike: Array, n: int) -> Tail:
        """Fit it to the likenesses of the nearest of n, the most alike first: (n, at least 11)."""
        group = _group(n)  # of the nearest ones may be copies
        behind = min(reach(n), alike.shape[1])
        floor = alike[:, behind - 1]
        # The nearest may be copies: of them is known only that strangers there would be no farther.
        excess = (alike[:, group:behind] - floor[:, None]).sum(axis=1)
        excess += group * (alike[:, group] - floor)
        spread = np.maximum(excess / (behind - group), 1e-6)
        return cls(floor, spread, behind)

    def strangers(self, alike: Floats, a: Indices, b: Indices) -> Floats:
        """Expect strangers as alike, seen from the one of a pair with the more alike strangers."""
        logs = [
            np.log(self.reach) - (alike - self.floor[side]) / self.spread[side] for side in (a, b)
        ]
        return np.asarray(np.exp(np.clip(np.maximum(*logs), -700, 700)), dtype=np.float64)


@dataclass(frozen=True)
class Similarity:
    """Photographs as unit vectors, with the tail of each one's strangers."""

    vectors: Array  # (n, width)
    tail: Tail  # of the cosines
    neighbours: Indices  # (n, k), the most alike first

    def likeness(self, a: Indices, b: Indices) -> Floats:
        """Compute the cosines of pairs, float64 (m,)."""
        found = np.empty(len(a))
        for start in range(0, len(a), _PAIRS):
            part = slice(start, start + _PAIRS)
            one, other = self.vectors[a[part]], self.vectors[b[part]]
            found[part] = np.einsum("ij,ij->i", one, other, dtype=np.float64)
        return found

    @property
    def recall(self) -> float:
        """Share of nearest pairs among the neighbours, as `neighbours.recall` measures it."""
        return recall(self.vectors, self.neighbours)

    def pairs(self, most: float) -> Pairs:
        """Find neighbours (a < b) with fewer than `most` expected strangers, the surest first."""
        n, width = self.neighbours.shape
        a = np.repeat(np.arange(n), width)
        b = self.neighbours.ravel()
        # Each pair once, whichever of the two has the other as neighbour: one number for both.
        a, b = np.divmod(np.unique(np.minimum(a, b) * n + np.maximum(a, b)), n)
        expected = self.tail.strangers(self.likeness(a, b), a, b)
        sure = np.flatnonzero(expected < most)
        sure = sure[np.argsort(expected[sure], kind="stable")]
        return Pairs(a[sure], b[sure], expected[sure])


Progress = Callable[[int, int], None]


PASSES = 2
"""Over all photographs by `similarity_of_rows`: their rows, and neighbours."""


def ticks(progress: Progress | None, photographs: int, passes: int = PASSES) -> Tick:
    """Give what counts passes over photographs and tells of them as one: `progress(done, total)`.

    Example:
        >>> heard = []
        >>> ticks(lambda done, total: heard.append((done, total)), 10, passes=2)(10)
        >>> heard
        [(5, 10)]
    """
    done = 0

    def tick(count: int) -> None:
        """Count photographs of one pass."""
        nonlocal done
        done += count
        if progress is not None:
            progress(min(done // passes, photographs), photographs)

    return tick


def similarity_of_rows(
    cache: Cache, rows: list[int], tick: Tick | None = None
) -> Similarity | None:
    """Compare photographs by their cached rows, all different, and thumbnails.

    Returns:
        None where there are too few to say what is usual.

    Raises:
        CacheError: the cache is damaged.
    """
    if len(rows) < FEWEST:
        return None
    views, numbers = [], np.asarray(rows, np.int64)
    thumbnails = thumbnails_of(cache, rows)
    if thumbnails.known.all():
        views.append(_views_of_pictures(Pictures.of(thumbnails.grey)))
    del thumbnails
    # Means of a few channels tell nothing that the picture does not.
    if not views or RowParts.of_cache(cache).shape[2] >= _FEWEST_CHANNELS:
        views.append(_views_of_rows(cache, numbers, tick))
    # A cosine is the mean of those of the views.
    return similarity_of(np.concatenate(views, axis=1) / np.float32(len(views) ** 0.5), tick)


def similarity_of_pictures(source: Pictures) -> Similarity | None:
    """Compare photographs without rows, by their small pictures; see `similarity_of_rows`."""
    return similarity_of(_views_of_pictures(source)) if source.count >= FEWEST else None


def similarity_of(vectors: Array, tick: Tick | None = None) -> Similarity:
    """Fit the tail of each vector's strangers; (n, width) unit vectors, n at least FEWEST."""
    n = len(vectors)
    numbers, alike = nearest(vectors, reach(n), tick)
    return Similarity(vectors, Tail.of(alike, n), numbers[:, : _group(n)].copy())


def reach(n: int) -> int:
    """Say how many nearest ones of each of n photographs are looked at."""
    return min(_group(n) + _strangers(n), n - 2)


def _group(n: int) -> int:
    return min(LARGEST_GROUP, max(3, n // 6))


def _strangers(n: int) -> int:
    return min(_STRANGERS, max(8, n // 3))


def _views_of_pictures(source: Pictures) -> Array:
    """Give unit vectors of small grey pictures."""

    def read(numbers: Indices) -> Array:
        """Give some pictures, smaller still."""
        return normalise(shrink(source.grey[numbers], _SIDE)).reshape(len(numbers), -1)

    return _nearly_white(read, source.count)


def _views_of_rows(cache: Cache, rows: Indices, tick: Tick | None) -> Array:
    """Give unit vectors of rows, averaged over the places of the map; whole if channels are few."""
    row_parts = RowParts.of_cache(cache)
    # Slim rows keep the same means.
    place = row_parts.pooled_place("avg") if row_parts.pooled else row_parts.flat
    few = row_parts.shape[2] < _FEWEST_CHANNELS
    channels = place.stop - place.start if few else row_parts.shape[2]

    def read(numbers: Indices) -> Array:
        """Give the means of some rows."""
        if tick is not None:
            tick(len(numbers))
        block = cache.take(rows[numbers].tolist(), place)
        return np.asarray(block.reshape(len(block), -1, channels).mean(axis=1))

    return _nearly_white(read, len(rows))


def _nearly_white(read: Callable[[Indices], Array], n: int) -> Array:
    """Give unit vectors along principal components of some, so that no more are in memory."""
    some = np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)
    values = np.concatenate([read(block) for block in in_blocks(some, _READ)])
    mean = values.mean(axis=0)
    values -= mean
    axes = _principal(values)
    if len(some) == n:
        return unit(values @ axes)
    del values
    blocks = in_blocks(np.arange(n), _READ)
    return unit(np.concatenate([(read(block) - mean) @ axes for block in blocks]))


def _principal(values: Array) -> Array:
    """Find the first principal components of centred values, nearly whitened: (width, k)."""
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    few = len(values) < values.shape[1]
    if few:
        values = values.astype(np.float64)  # what is nearly 0 is divided by
    # Threads of BLAS that wait for each other on a busy machine took twenty times as long.
    with threadpool_limits(1):
        product = (values @ values.T if few else values.T @ values).astype(np.float64)
        first = max(0, len(product) - _COMPONENTS)
        variances, axes = eigh(product, subset_by_index=(first, len(product) - 1))
        axes *= whitening(variances)
        if few:
            axes = values.T @ (axes / np.sqrt(np.maximum(variances, 1e-300)))
    return np.asarray(axes, dtype=np.float32)


def whitening(variances: Floats) -> Floats:
    """Give what to weigh principal components by: the last is the largest, and some are 0."""
    there = variances > 1e-9 * max(float(variances[-1]), 1e-300)
    return np.where(there, variances, np.inf) ** (-_WHITENING / 2)
