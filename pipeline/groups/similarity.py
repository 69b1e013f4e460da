"""How alike photographs look, measured against how alike strangers look in this very folder.

On a line everything looks alike: the same jig, the same light, the same design. So likeness is
taken where photographs of these parts differ, and judged by what is usual here:

1. Two views of each photograph: the small grey picture, registered (`registration`), and
   the cached row, averaged over the places of its map.
2. Each is centred and nearly whitened (principal components divided by their deviation to the
   power 0.9), so that what all share counts for nothing and light, which they all vary in, for
   little. The likeness of two photographs is the mean of the two cosines.
3. Each photograph has its own strangers: those behind its nearest ones, which may be its copies.
   The tail of their likeness is exponential at worst, and is fitted there (a censored maximum-
   likelihood fit, as Hill's of 1975 on logarithms). It says how many strangers are expected by
   chance to be as alike as a given photograph: the number of false alarms of a-contrario methods
   (Desolneux, Moisan and Morel, "Meaningful alignments", IJCV 2000). It needs no threshold
   on likeness, which would mean something else in every factory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.arrays import Array, Floats, Indices
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.cache.thumbnail_table import thumbnails_of
from features.cluster.parallel import by_threads
from pipeline.groups.neighbours import ALL_PAIRS, Tick, nearest, recall, unit
from pipeline.groups.pictures import Pictures, shrink
from pipeline.groups.registration import align, normalise

FEWEST = 12  # photographs: among fewer nobody can say what strangers look like
LARGEST_GROUP = 32  # nearest ones of a photograph that are not taken for strangers
_STRANGERS = 96  # whose likeness is fitted
_COMPONENTS = 128
_WHITENING = 0.9
_SIDE, _ALIGNED = 16, 32  # of the pictures that are compared, and that are registered
_READ = 128  # rows in memory at once
_SCORED = 2**12  # rows that are projected at once
_PAIRS = 2**16  # of vectors in memory at once
_FEWEST_CHANNELS = 64


@dataclass(frozen=True)
class Tail:
    """How alike each photograph's strangers are, where they are the most alike.

    Attributes:
        floor: float32 (n,) likeness above which `reach` photographs lie.
        spread: float32 (n,) mean excess of strangers over it.
        reach: strangers, and possible copies, expected with a likeness above the floor.
    """

    floor: Array
    spread: Array
    reach: float

    @classmethod
    def of(cls, alike: Array, n: int) -> Tail:
        """Fit it to the likenesses of the nearest ones, the most alike first.

        Args:
            alike: float32 (n, at least 11).
            n: photographs.
        """
        group = _group(n)  # of the nearest ones may be copies
        behind = min(reach(n), alike.shape[1])
        floor = alike[:, behind - 1]
        # The nearest may be copies: of them is known only that strangers there would be no farther.
        excess = (alike[:, group:behind] - floor[:, None]).sum(axis=1)
        excess += group * (alike[:, group] - floor)
        spread = np.maximum(excess / (behind - group), 1e-6)
        return cls(floor, spread, behind)

    def strangers(self, alike: Floats, a: Indices, b: Indices) -> Floats:
        """Compute how many strangers are expected to be as alike by chance, float64 (m,).

        Seen from the photograph of each pair that has the more alike strangers.
        """
        logs = [
            np.log(self.reach) - (alike - self.floor[side]) / self.spread[side] for side in (a, b)
        ]
        return np.asarray(np.exp(np.clip(np.maximum(*logs), -700, 700)), dtype=np.float64)


@dataclass(frozen=True)
class Similarity:
    """Photographs as unit vectors, with the tail of each one's strangers.

    Attributes:
        vectors: float32 (n, width).
        tail: of the cosines.
        neighbours: int64 (n, k), the most alike first.
    """

    vectors: Array
    tail: Tail
    neighbours: Indices

    def likeness(self, a: Indices, b: Indices) -> Floats:
        """Compute the cosines of pairs, float64 (m,)."""
        found = np.empty(len(a))
        for start in range(0, len(a), _PAIRS):
            part = slice(start, start + _PAIRS)
            one, other = self.vectors[a[part]], self.vectors[b[part]]
            found[part] = np.einsum("ij,ij->i", one, other, dtype=np.float64)
        return found

    def strangers(self, a: Indices, b: Indices) -> Floats:
        """Compute how many strangers are expected to be as alike as these pairs by chance: (m,)."""
        return self.tail.strangers(self.likeness(a, b), a, b)

    @property
    def recall(self) -> float:
        """Share of nearest pairs among the neighbours, measured on some; 1 where all were seen."""
        if len(self.vectors) <= ALL_PAIRS:
            return 1.0
        return recall(self.vectors, self.neighbours)

    def pairs(self, most: float) -> tuple[Indices, Indices, Floats]:
        """Find neighbours (a < b) with fewer than `most` expected strangers, the surest first."""
        n, width = self.neighbours.shape
        a = np.repeat(np.arange(n), width)
        b = self.neighbours.ravel()
        # Each pair once, whichever of the two has the other as neighbour: one number for both.
        a, b = np.divmod(np.unique(np.minimum(a, b) * n + np.maximum(a, b)), n)
        expected = self.strangers(a, b)
        sure = np.flatnonzero(expected < most)
        sure = sure[np.argsort(expected[sure], kind="stable")]
        return a[sure], b[sure], expected[sure]


Progress = Callable[[int, int], None]


PASSES = 4
"""Over all photographs by `similarity_of_rows`: two to register them, their rows, neighbours."""


def ticks(progress: Progress | None, photographs: int, passes: int = PASSES) -> Tick:
    """Give what counts passes over photographs and tells of them as one: `progress(done, total)`.

    Args:
        progress: None for nobody to tell.
        photographs: in all.
        passes: over all of them that will be counted; further ones are not told of.

    Example:
        >>> heard = []
        >>> tick = ticks(lambda done, total: heard.append((done, total)), 10, passes=2)
        >>> tick(10)
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
    """Compare photographs by their cached rows and thumbnails.

    Args:
        cache: open.
        rows: one for each photograph, all different.
        tick: of `ticks`; PASSES over all photographs.

    Returns:
        None where there are too few to say what is usual.

    Raises:
        CacheError: the cache is damaged.
    """
    if len(rows) < FEWEST:
        return None
    thumbnails = thumbnails_of(cache, rows)
    views = []
    if thumbnails.known.all():
        source = Pictures.of_cache(cache.path, np.asarray(rows, np.int64), thumbnails.grey)
        views.append(_pictured(source, tick))
        del source
    del thumbnails
    # Means of a few channels tell nothing that the picture does not.
    if not views or RowParts.of_cache(cache).shape[2] >= _FEWEST_CHANNELS:
        views.append(_near_white(_pooled(cache, rows, tick)))
    # A cosine is the mean of those of the views.
    return similarity_of(np.concatenate(views, axis=1) / np.float32(len(views) ** 0.5), tick)


def similarity_of_pictures(source: Pictures) -> Similarity | None:
    """Compare photographs without rows, by their small pictures; see `similarity_of_rows`."""
    return similarity_of(_pictured(source)) if source.count >= FEWEST else None


def similarity_of(vectors: Array, tick: Tick | None = None) -> Similarity:
    """Fit the tail of each vector's strangers; (n, width) unit vectors, n at least FEWEST."""
    n = len(vectors)
    numbers, alike = nearest(vectors, reach(n), tick)
    return Similarity(vectors, Tail.of(alike, n), numbers[:, : _group(n)])


def reach(n: int) -> int:
    """Say how many nearest ones of each of n photographs are looked at."""
    return min(_group(n) + _strangers(n), n - 2)


def _group(n: int) -> int:
    return min(LARGEST_GROUP, max(3, n // 6))


def _strangers(n: int) -> int:
    return min(_STRANGERS, max(8, n // 3))


def _pictured(source: Pictures, tick: Tick | None = None) -> Array:
    """Make vectors of small grey pictures laid on one another."""
    pictures = shrink(align(source, _ALIGNED, tick), _SIDE)
    return _near_white(normalise(pictures).reshape(len(pictures), -1))


def _pooled(cache: Cache, rows: list[int], tick: Tick | None = None) -> Array:
    """Average rows over the places of the map: float32 (n, channels); whole if these are few."""
    row_parts = RowParts.of_cache(cache)
    # Slim rows keep the same means.
    place = row_parts.pooled_place("avg") if row_parts.pooled else row_parts.flat
    few = row_parts.shape[2] < _FEWEST_CHANNELS
    channels = place.stop - place.start if few else row_parts.shape[2]
    pooled = np.empty((len(rows), channels), dtype=np.float32)
    for start in range(0, len(rows), _READ):
        block = cache.take(rows[start : start + _READ], place)
        pooled[start : start + _READ] = block.reshape(len(block), -1, channels).mean(axis=1)
        if tick is not None:
            tick(len(block))
    return pooled


def _near_white(values: Array) -> Array:
    """Give unit vectors along the first principal components, nearly whitened; takes `values`."""
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    centred = np.subtract(values, values.mean(axis=0), out=values)
    n, width = centred.shape
    wide = width > n
    # Threads of BLAS that wait for each other on a busy machine took twenty times as long.
    with threadpool_limits(1):
        product = (centred @ centred.T).astype(np.float64) if wide else _squares(centred)
        size = len(product)
        variances, axes = eigh(product, subset_by_index=(max(0, size - _COMPONENTS), size - 1))
    kept = variances > 1e-9 * max(float(variances[-1]), 1e-300)
    variances, axes = variances[kept], axes[:, kept]
    deviations = np.sqrt(variances)
    if wide:
        return unit(axes * deviations / deviations**_WHITENING)
    scores = by_threads(_times, _blocks(n), centred, axes)  # no float64 copy of all values
    return unit(np.concatenate([some / deviations**_WHITENING for some in scores]))


def _squares(values: Array) -> Floats:
    """Multiply the columns with one another, float64 (width, width)."""
    found = np.zeros((values.shape[1],) * 2)
    for some in by_threads(_squares_of, _blocks(len(values)), values):
        found += some
    return found


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + _SCORED) for start in range(0, n, _SCORED)]


def _squares_of(block: slice, values: Array) -> Array:
    return values[block].T @ values[block]


def _times(block: slice, values: Array, axes: Floats) -> Floats:
    return values[block] @ axes
