"""Photographs on a line, by the camera's clock or a counter: cut where the gaps are of two kinds.

A person or a robot takes the photographs of one part one after the other, and then changes the
part: gaps between shots are of two kinds, seconds and tens of seconds. A clock is believed by
itself; a counter only if the pixels agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.arrays import Floats, Indices

MOST_SHOTS = 60
"""Photographs of the usual run; longer ones are lots or days, not parts."""

_FEWEST_RUNS = 3  # of several photographs: fewer are no habit
_FEWEST_GAPS = 10
_KINDS = 4  # of gaps: within a burst, between poses, between parts, pauses
_ROUNDS, _LEAST_SPREAD = 100, 0.03  # of EM; variance, so that no component is a single value
_CLEAR = 0.7  # density where they meet, of the lower of the two hills
_STEP = 1.25  # or between the means of two kinds, in sums of their deviations
_SURELY = 0.6  # a cut lies where a gap is so surely of the farther kind
_BY_HAND = 8.0  # seconds: nobody changes a part faster, but a camera's burst has pauses
_CUTS = 7  # rows of the table


@dataclass(frozen=True)
class Line:
    """Photographs placed on a line, or on one for each of several cameras."""

    what: str  # in words
    values: Floats  # (n,), nan where a photograph has no place
    step: float = 1.0  # smallest difference that means anything
    camera: Indices | None = None  # (n,) that took each; None for one
    question: str = ""  # what it leaves open

    def walks(self, ties: Indices | None = None) -> list[Indices]:
        """Order the photographs of each camera; those of one moment by `ties`, int64 (n,)."""
        still = np.zeros(len(self.values))
        cameras = still if self.camera is None else self.camera
        order = np.lexsort((still if ties is None else ties, self.values, cameras))
        order = order[np.isfinite(self.values[order])]
        return np.split(order, np.flatnonzero(np.diff(cameras[order])) + 1)

    def walk(self, ties: Indices | None = None) -> tuple[Indices, Floats]:
        """Order photographs, camera by camera; give the gap after each but the last."""
        walks = self.walks(ties)
        order = np.concatenate(walks)
        gaps = np.diff(self.values[order])
        gaps[np.cumsum([len(one) for one in walks])[:-1] - 1] = np.inf
        return order, gaps

    def runs(self, *gaps: float) -> Indices:
        """Count off runs, cut where a gap is wider than that of its camera: int64 (n,) or -1."""
        walks, (order, found) = self.walks(), self.walk()
        codes = np.full(len(self.values), -1, dtype=np.int64)
        if len(order):
            widest = np.repeat(np.broadcast_to(gaps, len(walks)), [len(one) for one in walks])
            codes[order] = np.concatenate([[0], np.cumsum(found > widest[:-1])])
        return codes

    def cuts(self) -> list[Cut]:
        """Find where to cut each camera's line, as others where its gaps are of one kind."""
        own = [find_cut(np.diff(self.values[one]), self.step) for one in self.walks()]
        known = [cut for cut in own if cut is not None]
        return [cut or max(known) for cut in own] if known else []


@dataclass(frozen=True, order=True)
class Cut:
    """Say where gaps of one kind end and those of the other begin."""

    gap: float  # the widest within a part
    long: float  # the usual gap between parts


def find_cut(gaps: Floats, step: float) -> Cut | None:
    """Find where gaps are of two kinds: a mixture of normal distributions of their logarithms.

    The cut is put rather too far than too near: a part that is torn does more harm than two that
    are merged. Of several kinds of gaps the first counts that leaves time to change a part by hand.
    Give None where gaps are of one kind, or what they cut are no parts.
    """
    if len(gaps) < _FEWEST_GAPS:
        return None
    # Whole seconds are spread over their second, or each would be a kind of its own.
    spread = (np.arange(len(gaps)) * 0.618034 % 1 - 0.5) * step
    logs = np.log2(np.maximum(gaps + spread, step / 2))
    cuts = [cut for cut in _cuts(logs) if cut.gap > 1.5 * step and _are_parts(gaps, cut.gap)]
    # A robot changes parts in less than a hand does: then the farthest cut is all there is.
    return next((cut for cut in cuts if cut.long >= _BY_HAND), cuts[-1] if cuts else None)


def _cuts(logs: Floats) -> list[Cut]:
    """Find the cuts in the mixture that explains the logarithms best, near ones first."""
    mixtures = sorted((_mixture(logs, kinds) for kinds in range(2, _KINDS + 1)), key=lambda m: m[0])
    for _, parts in mixtures:
        found = [_cut(logs, parts, near) for near in range(1, len(parts))]
        if cuts := [cut for cut in found if cut is not None]:
            return cuts
    return []


def _heights(values: Floats, parts: Floats) -> Floats:
    """Compute the density (components, n) of each (weight, mean, deviation), near ones first."""
    weight, mean, deviation = (column[:, None] for column in parts.T)
    scaled = (values - mean) / deviation
    return np.asarray(weight / deviation * np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi))


def _mixture(logs: Floats, kinds: int) -> tuple[float, Floats]:
    """Fit so many normal distributions (EM, from evenly spread means): BIC and components."""
    # Means start evenly spread, not at quantiles: rare long gaps would have no component near.
    low, width = logs.min(), max(np.ptp(logs), 1e-6)
    means = low + width * (np.arange(kinds) + 0.5) / kinds
    parts = np.column_stack([np.full(kinds, 1 / kinds), means, np.full(kinds, width / 4)])
    for _ in range(_ROUNDS):
        # A gap far from all components has the density 0, and would be divided by it.
        heights = _heights(logs, parts) + 1e-300
        share = heights / heights.sum(axis=0)
        weight = share.sum(axis=1) + 1e-9
        means = share @ logs / weight
        spread = (share * (logs - means[:, None]) ** 2).sum(axis=1) / weight
        parts = np.column_stack([weight / len(logs), means, np.sqrt(spread + _LEAST_SPREAD)])
    likelihood = np.log(_heights(logs, parts).sum(axis=0) + 1e-300).sum()
    bic = (3 * kinds - 1) * np.log(len(logs)) - 2 * likelihood
    return float(bic), parts[np.argsort(parts[:, 1])]


def _cut(logs: Floats, parts: Floats, near: int) -> Cut | None:
    """Cut between the first `near` components and the others; None where they are no two hills."""
    grid = np.arange(logs.min(), logs.max(), 0.02)
    heights = _heights(grid, parts)
    density = heights.sum(axis=0) + 1e-300  # two hills so far apart that nothing is between
    longer = heights[near:].sum(axis=0) / density
    # A wide component may take both ends: only between the means.
    between = (grid > parts[near - 1, 1]) & (grid < parts[near, 1])
    crossing = np.flatnonzero(between & (longer > 0.5))
    if not len(crossing):
        return None
    middle = int(crossing[0])
    far = logs > grid[middle]
    depth = density[middle] / min(density[: middle + 1].max(), density[middle:].max())
    # Two hills of very different height leave no valley: there the distance of means counts.
    step = (parts[1, 1] - parts[0, 1]) / (parts[0, 2] + parts[1, 2]) if len(parts) == 2 else 0.0
    if min(far.sum(), (~far).sum()) < _FEWEST_RUNS or (depth > _CLEAR and step < _STEP):
        return None
    surely = grid[middle + int((longer[middle:] > _SURELY).argmax())]
    return Cut(float(2**surely), float(2 ** np.median(logs[far])))


def _are_parts(gaps: Floats, gap: float) -> bool:
    sizes = np.bincount(np.concatenate([[0], np.cumsum(gaps > gap)]))
    several = sizes[sizes > 1]
    return len(several) >= _FEWEST_RUNS and float(np.median(several)) <= MOST_SHOTS


def table_of_cuts(line: Line, gaps: Sequence[float]) -> list[tuple[float, int]]:
    """Count the parts each cut would make, around the one that was chosen: (gap, parts)."""
    alone = int((~np.isfinite(line.values)).sum())
    if alone == len(line.values):
        return []
    found: dict[float, int] = {}
    for power in range(-(_CUTS // 2), _CUTS // 2 + 1):
        tried = [gap if power == 0 else round_gap(gap * 2 ** (0.5 * power)) for gap in gaps]
        found.setdefault(max(tried), int(line.runs(*tried).max()) + 1 + alone)
    return [*found.items()]


def round_gap(gap: float) -> float:
    """Round a gap to two digits, as a person would say it."""
    return float(f"{gap:.2g}")
