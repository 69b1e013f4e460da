"""The columns' side: many rows of d values each, described exactly by their d×d covariance.

Where there are more rows than values, the Gram matrix is the larger one of the two, and its
decomposition costs the cube of the rows. Here rows stay as they are, centred and scaled by the
same two numbers as in the row space, so that settings mean the same; what is solved has d
unknowns, and the work grows as the rows. A fold's covariance is that of all rows less that of the
rows which it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from pipeline.data.splits import Fold
from pipeline.heads.quasi_newton import Axes
from pipeline.heads.row_space import Placed, RowReader, block_bytes, solve_shifted

COVARIANCES = 11
"""Of a part, its inner folds and what they leave out, while a system is solved."""


@dataclass(frozen=True)
class ColumnPlaced:
    """Rows on the columns' side; see `pipeline.heads.row_space.Placed`.

    Attributes:
        source: all rows, (n, d) array or reader.
        rows: int64 (m,) which of them.
        mean: float64 (d,) of the training rows.
        scale: root of their mean squared distance from it.
    """

    source: npt.NDArray[Any] | RowReader
    rows: Indices
    mean: Floats
    scale: float

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def at(self, chosen: Indices) -> Floats:
        """Give coordinates (k, d) of some of the rows."""
        found: Floats = (self.source[self.rows[chosen]] - self.mean) / self.scale
        return found

    def blocks(self, beside: int = 0) -> Iterator[tuple[slice, Placed]]:
        """Give a few rows at a time, with room for so many values beside each, and their place."""
        height = max(1, block_bytes() // (8 * max(len(self.mean), beside)))
        for at in range(0, len(self.rows), height):
            place = slice(at, at + height)
            block = self.source[self.rows[place]] - self.mean
            block /= self.scale
            yield place, Placed(block, np.zeros(len(block)))

    @property
    def coordinates(self) -> Floats:
        """Give all of it at once: float64 (m, d)."""
        found = np.empty((len(self.rows), len(self.mean)))
        for place, block in self.blocks():
            found[place] = block.coordinates
        return found

    @property
    def residual(self) -> Floats:
        """Say that no row has a distance from the span of all columns."""
        return np.zeros(len(self.rows))

    def times(self, weights: Floats) -> Floats:
        """Compute coordinates @ weights (d, k): float64 (m, k)."""
        found = np.empty((len(self.rows), weights.shape[1]))
        for place, block in self.blocks():
            found[place] = block.times(weights)
        return found

    def squared_distances(self, anchors: Floats) -> Floats:
        """Compute squared distances (m, k) to training rows given by coordinates (k, d)."""
        found = np.empty((len(self.rows), len(anchors)))
        for place, block in self.blocks():
            found[place] = block.squared_distances(anchors)
        return found


@dataclass(frozen=True)
class Extent:
    """Hold what a centre and a scale are made of: sums over some rows about a fixed centre.

    Attributes:
        count: number of rows.
        first: float64 (d,) of their differences from it.
        squares: of the squared lengths of these.
    """

    count: int
    first: Floats
    squares: float

    @classmethod
    def of(cls, source: npt.NDArray[Any] | RowReader, rows: Indices, centre: Floats) -> Extent:
        """Read these rows once, by blocks."""
        first, squares = np.zeros(len(centre)), 0.0
        for _, block in ColumnPlaced(source, rows, centre, 1.0).blocks():
            first += block.coordinates.sum(axis=0)
            squares += float(np.vdot(block.coordinates, block.coordinates))
        return cls(len(rows), first, squares)

    def plus(self, other: Extent) -> Extent:
        """Add both."""
        return Extent(
            self.count + other.count, self.first + other.first, self.squares + other.squares
        )

    def less(self, other: Extent) -> Extent:
        """Subtract the others': that of these rows without the other ones."""
        return Extent(
            self.count - other.count, self.first - other.first, self.squares - other.squares
        )


@dataclass(frozen=True)
class Moments:
    """Sums over some rows, of their differences from a fixed centre.

    Attributes:
        count: number of rows.
        first: float64 (d,).
        second: float64 (d, d) of their products with each other.
    """

    count: int
    first: Floats
    second: Floats

    @classmethod
    def of(cls, source: npt.NDArray[Any] | RowReader, rows: Indices, centre: Floats) -> Moments:
        """Read these rows once, by blocks."""
        d = len(centre)
        first, second = np.zeros(d), np.zeros((d, d))
        for _, block in ColumnPlaced(source, rows, centre, 1.0).blocks():
            first += block.coordinates.sum(axis=0)
            second += block.coordinates.T @ block.coordinates
        return cls(len(rows), first, second)

    def plus(self, other: Moments) -> Moments:
        """Add both."""
        return Moments(
            self.count + other.count, self.first + other.first, self.second + other.second
        )

    def less(self, other: Moments) -> Moments:
        """Subtract the others': those of these rows without the other ones."""
        return Moments(
            self.count - other.count, self.first - other.first, self.second - other.second
        )


class ColumnSpace:
    """Centre and scale of a set of training rows, and systems in their covariance.

    Attributes:
        train: the training rows.
        scale: root of their mean squared distance from the mean.
        counted: bool (rows of `whole`,), which of them are these.
    """

    def __init__(
        self,
        source: npt.NDArray[Any] | RowReader,
        rows: Indices,
        centre: Floats,
        extent: Callable[[], Extent],
        moments: Callable[[], Moments],
        whole: ColumnSpace | None = None,
        counted: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Take rows (by number) of the source; their sums about `centre` come when needed."""
        self._source, self._rows, self._centre = source, rows, centre
        self._extent, self._moments = extent, moments
        # Not itself: a circle would keep its matrices until it is collected.
        self._whole = whole
        self.counted = np.ones(len(rows), bool) if counted is None else counted

    @cached_property
    def _centred(self) -> tuple[Floats, float, float]:
        sums = self._extent()
        # E[x²] - E[x]² loses digits only where the mean is far from 0; the centre keeps it near.
        shift = sums.first / sums.count
        variance = sums.squares / sums.count - float(shift @ shift)
        scale = float(np.sqrt(max(variance, 0.0))) or 1.0
        return self._centre + shift, scale, variance * sums.count / scale**2

    @property
    def whole(self) -> ColumnSpace:
        """Give the space of which these rows are a fold, or this one."""
        return self if self._whole is None else self._whole

    @property
    def mean(self) -> Floats:
        """Give float64 (d,) of the training rows."""
        return self._centred[0]

    @property
    def scale(self) -> float:
        """Give the root of the mean squared distance from it."""
        return self._centred[1]

    @property
    def train(self) -> ColumnPlaced:
        """Give the training rows, placed."""
        return self.place(self._rows)

    def place(self, rows: Indices) -> ColumnPlaced:
        """Place rows of the source by their numbers."""
        return ColumnPlaced(self._source, rows, self.mean, self.scale)

    @cached_property
    def _scatter(self) -> Floats:
        """Give float64 (d, d): coordinates.T @ coordinates of the training rows."""
        moments = self._moments()
        # About the rows' own mean: the sums are about the centre that all folds share.
        scatter = moments.second - np.outer(moments.first, moments.first / moments.count)
        scatter /= self.scale**2
        return scatter

    @property
    def trace(self) -> float:
        """Give the sum of the squared lengths of the training rows' coordinates."""
        return self._centred[2]

    def products(self, targets: Floats) -> Floats:
        """Compute coordinates.T @ targets (n, k) of the training rows: (d, k)."""
        found = np.zeros((len(self._centre), targets.shape[1]))
        for place, block in self.train.blocks():
            found += block.coordinates.T @ targets[place]
        return found

    def solve(self, share: float, shift: float, B: Floats) -> Floats:
        """Solve (share * coordinates.T @ coordinates + shift * identity) @ x = B (d, k)."""
        return solve_shifted(self._scatter, share, shift, B)

    @cached_property
    def centred_rows(self) -> Rows:
        """Give float32 (n, d): the training rows less their mean, not scaled."""
        found = np.asarray(self._source[self._rows], np.float32)
        found -= self.mean.astype(np.float32)
        return found

    @property
    def unit(self) -> float:
        """Say what `centred_rows` have to be divided by to be coordinates."""
        return self.scale

    @cached_property
    def axes(self) -> Axes:
        """Give the axes of the covariance, for `pipeline.heads.quasi_newton`."""
        return Axes.of(self.centred_rows)

    def components(
        self,
        X: npt.NDArray[Any] | RowReader,
        weights: Floats | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> tuple[Floats, npt.NDArray[Any]]:
        """Give the way from raw rows to coordinates; see `RowSpace.components`."""
        weights = np.eye(len(self._centre)) if weights is None else weights
        return self.mean, (weights / self.scale).astype(dtype)


class ColumnSide:
    """All rows of a problem on the columns' side: spaces of parts and of their folds.

    Attributes:
        input_width: d.
    """

    def __init__(self, source: npt.NDArray[Any] | RowReader) -> None:
        """Take rows (n, d), or a reader of them."""
        self._source = source
        self.input_width = source.shape[1]
        # Of any rows: it keeps the sums small, so that differences of them keep their digits.
        first = source[: min(source.shape[0], 1024)]
        self._centre = np.asarray(first, np.float64).mean(axis=0)

    def spaces(
        self, rows: Indices, rounds: Sequence[Fold]
    ) -> tuple[Callable[[], ColumnSpace], Callable[[], list[ColumnSpace]]]:
        """Make the space of these rows, and those of the training sides of rounds of them."""
        sums = _Sums(self._source, rows, self._centre, rounds)
        whole = ColumnSpace(
            self._source, rows, self._centre, lambda: sums.whole_extent, lambda: sums.all
        )

        def sides() -> list[ColumnSpace]:
            """Make a space for each round's training side."""
            return [
                ColumnSpace(
                    self._source,
                    rows[fold.train],
                    self._centre,
                    # number=number: a bare name would be the last fold's for all of them.
                    lambda number=number: sums.whole_extent.less(sums.extents[number]),  # type: ignore[misc]
                    lambda number=number: sums.all.less(sums.held_out[number]),  # type: ignore[misc]
                    whole,
                    np.isin(np.arange(len(rows)), fold.train),
                )
                for number, fold in enumerate(rounds)
            ]

        return lambda: whole, sides

    def place(self, space: ColumnSpace, of: Indices, rows: Indices) -> ColumnPlaced:
        """Place rows by their numbers in a space; `of` are the rows it was made of."""
        return space.place(rows)


class _Sums:
    """Sums over rows that rounds split into held-out sides, each row read once for each kind."""

    def __init__(
        self,
        source: npt.NDArray[Any] | RowReader,
        rows: Indices,
        centre: Floats,
        rounds: Sequence[Fold],
    ) -> None:
        self._source, self._rows, self._centre, self._rounds = source, rows, centre, rounds

    @cached_property
    def extents(self) -> list[Extent]:
        """Give the extent of each round's held-out side."""
        return [
            Extent.of(self._source, self._rows[fold.test], self._centre) for fold in self._rounds
        ]

    @cached_property
    def whole_extent(self) -> Extent:
        """Give the extent of all rows: held-out sides are all rows once."""
        if not self._rounds:
            return Extent.of(self._source, self._rows, self._centre)
        return reduce(Extent.plus, self.extents)

    @cached_property
    def held_out(self) -> list[Moments]:
        """Give the moments of each round's held-out side."""
        return [
            Moments.of(self._source, self._rows[fold.test], self._centre) for fold in self._rounds
        ]

    @cached_property
    def all(self) -> Moments:
        """Give the moments of all rows: the sum of the held-out ones, which are all rows once."""
        if not self._rounds:
            return Moments.of(self._source, self._rows, self._centre)
        return reduce(Moments.plus, self.held_out)
