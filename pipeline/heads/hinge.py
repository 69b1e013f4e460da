"""Linear support vector machines of many rows, without any pairs of them: in the primal.

The hinge is rounded off around the margin (Chapelle, "Training a support vector machine in the
primal", 2007), which makes it one more loss for `quasi_newton`: folds and candidates together, a
few dozen passes over the rows. The machine that is kept goes on by Newton steps while the rounding
shrinks to a thousandth of the margin: only rows inside it are curved, which become as few as the
support vectors on the margin, and where they stay the same rows, a step leads along the path of
solutions to the next width. So the work grows as rows times values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.arrays import Array, Floats, Indices, Rows
from pipeline.heads.quasi_newton import Axes, Solution, bytes_of_problems, minimise

WIDTH = 0.03
"""Of the rounding to either side of the margin, in decision values, for candidates."""

_WIDTHS = (WIDTH, 0.01, 0.001, 0.0001)  # for what is kept, one after the other
_SHARP = 0.003  # of the spread of decision values: wider roundings would decide how rows rank
_SHARPEST = 1e-7
_MOVED, _MOVED_SHARE = 0.01, 0.002  # where problems are solved, as of logistic candidates
_STEPS = 60  # of Newton's, for each width
_FLATTER = 0.1  # the slope along a step, of that at its start, at which it is long enough
_HALVINGS = 30
_SQUARES = 6  # matrices of d×d numbers at once: pairs, those of a step, its rows and the factor


def bytes_of_machines(n: int, d: int, m: int) -> int:
    """Say what m machines take on n rows of d values, beside the rows."""
    return bytes_of_problems(n, d, m) + 8 * _SQUARES * d * d


@dataclass(frozen=True)
class Hinge:
    """Hinge loss, a parabola where the margin is less than `width` away; one output a problem.

    Attributes:
        targets: float32 (n, m, 1), -1 and 1, and 0 for rows that a problem does not see.
        width: half of what is rounded off.
    """

    targets: Array
    width: float

    def gradient(self, F: Array, rows: slice) -> Array:
        """Compute first derivatives by the decision values F (some of the rows, m, 1)."""
        targets = self.targets[rows]
        share: Array = (1 + self.width - targets * F) * np.float32(0.5 / self.width)
        np.clip(share, 0, 1, out=share)
        share *= -targets
        return share

    def weight(self, F: Array) -> Floats:
        """Give sums (m,) over all rows of second derivatives: what it is where margins spread."""
        found: Floats = 0.25 * np.abs(self.targets[:, :, 0]).sum(axis=0, dtype=np.float64)
        return found

    def offset(self) -> Floats:
        """Give decision values (m, 1) to start at: the mean target."""
        seen = np.maximum(np.abs(self.targets).sum(axis=0, dtype=np.float64), 1)
        found: Floats = self.targets.sum(axis=0, dtype=np.float64) / seen
        return found

    def of(self, problems: npt.NDArray[np.bool_]) -> Hinge:
        """Give the same for these of the problems."""
        return Hinge(np.ascontiguousarray(self.targets[:, problems]), self.width)


def machines(X: Rows, targets: Array, penalty: Floats, axes: Axes, *, exact: bool) -> Solution:
    """Minimise the sum of hinges + penalty / 2 * squared length of the weights, m times.

    Args:
        X: float32 (n, d) rows, centred.
        targets: float32 (n, m), -1 and 1, and 0 for rows that a problem does not see.
        penalty: float64 (m,), 1 / C.
        axes: of the covariance of such rows; they decide how fast it goes, not where to.
        exact: whether the rounding is taken away; else it is `WIDTH`, which is enough to rank.

    Returns:
        weights float64 (d, m, 1), offset float64 (m, 1).
    """
    found = minimise(
        X, Hinge(targets[:, :, None], WIDTH), penalty, axes, enough=_MOVED, share=_MOVED_SHARE
    )
    if exact:
        for m, one in enumerate(penalty):
            way = _Sharpening(X, targets[:, m].astype(np.float64), float(one))
            found.weights[:, m, 0], found.offset[m, 0] = way.followed(
                found.weights[:, m, 0], float(found.offset[m, 0])
            )
    return found


class _Sharpening:
    """One machine, on its way from a rounded hinge to a sharp one."""

    def __init__(self, X: Rows, target: Floats, penalty: float) -> None:
        self._X, self._target, self._penalty = X, target, penalty
        self._pairs = _Pairs(X)

    def followed(self, weights: Floats, offset: float) -> tuple[Floats, float]:
        """Go from the solution at `WIDTH`, about, to that at the last of the widths.

        These end where decision values, which little C keeps close together, are told apart.

        Where next to nothing is regularised, float32 may lose the way: then the best of those
        passed.
        """
        self._w, self._b, self._F = weights, offset, self._times(weights) + offset
        best, least = (weights, offset), self._loss()
        curved = self._curved(WIDTH)
        for width in self._widths():
            # Rows between the widths stay in the system: the path is straight where none leaves.
            self._step(width, curved)
            before = np.zeros(0, np.int8)
            for _ in range(_STEPS):
                state = np.sign(np.trunc((1 - self._target * self._F) / width)).astype(np.int8)
                if np.array_equal(state, before) or not self._step(width, self._curved(width)):
                    break
                before = state
            self._F = self._times(self._w) + self._b  # anew: steps add up what is rounded off
            if (loss := self._loss()) <= least:
                best, least = (self._w, self._b), loss
            curved = self._curved(width)
        return best

    def _widths(self) -> Iterator[float]:
        yield from _WIDTHS
        seen, width = self._target != 0, _WIDTHS[-1]
        while width > max(_SHARPEST, _SHARP * float(self._F[seen].std())):
            width /= 10
            yield width

    def _loss(self) -> float:
        """Give what is minimised, with the hinge that is not rounded off."""
        hinges = np.maximum(np.abs(self._target) - self._target * self._F, 0).sum()
        return float(hinges) + self._penalty / 2 * float(self._w @ self._w)

    def _curved(self, width: float) -> Indices:
        near = (np.abs(1 - self._target * self._F) < width) & (self._target != 0)
        return np.flatnonzero(near)

    def _step(self, width: float, curved: Indices) -> bool:
        """Take a step of Newton's, as if these rows were curved and no other; whether it leads."""
        t, width2 = self._target, 2 * width
        slopes = t * np.clip((1 + width - t * self._F) / width2, 0, 1)
        full = slopes.copy()
        full[curved] = t[curved] * (1 + width - t[curved] * self._F[curved]) / width2
        g, g0 = self._penalty * self._w - self._back(full), -float(full.sum())
        try:
            way, way0 = self._solved(curved, 1 / width2, g, g0)
        except np.linalg.LinAlgError:  # values so unlike in size that float64 loses the way
            return False
        along = self._times(way) + way0

        def slope(share: float) -> float:
            """Give the loss's slope at a share of the step."""
            left = t * np.clip((1 + width - t * (self._F + share * along)) / width2, 0, 1)
            pulled = self._penalty * float(way @ (self._w + share * way))
            return pulled - float(left @ along)

        first, share = slope(0.0), 1.0
        if first >= 0:
            return False
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            steep = slope(share)
            if (share == 1 and steep <= 0) or abs(steep) <= _FLATTER * -first:
                break
            low, high = (low, share) if steep > 0 else (share, high)
            share = (low + high) / 2
        self._w, self._b = self._w + share * way, self._b + share * way0
        self._F += share * along
        return True

    def _solved(
        self, curved: Indices, curvature: float, g: Floats, g0: float
    ) -> tuple[Floats, float]:
        """Solve Newton's system for weights and offset, on the smaller side of the curved rows."""
        from scipy.linalg import cho_factor, cho_solve

        n, d = len(curved), len(g)
        if not n:  # a slope and nothing more: as if margins were spread
            return -g / self._penalty, -g0 / (0.25 * len(self._X))
        if n <= d:
            rows = self._X[curved]
            mean = rows.mean(axis=0, dtype=np.float64)
            right = g0 * mean - g  # the offset, eliminated
            pairs, seen = self._pairs.centred(curved), rows @ right - mean @ right
            pairs[np.diag_indices(n)] += self._penalty / curvature
            dual = cho_solve(cho_factor(pairs, overwrite_a=True), seen)
            way = (right - (rows.T @ dual - mean * dual.sum())) / self._penalty
        else:
            mean, scatter = _moments(self._X, curved)
            right = g0 * mean - g
            scatter *= curvature
            scatter[np.diag_indices(d)] += self._penalty
            way = cho_solve(cho_factor(scatter, overwrite_a=True), right)
        return way, float(-g0 / (curvature * n) - mean @ way)

    def _times(self, weights: Floats) -> Floats:
        return np.asarray(self._X @ weights.astype(np.float32), np.float64)

    def _back(self, values: Floats) -> Floats:
        return np.asarray(values.astype(np.float32) @ self._X, np.float64)


def _moments(X: Rows, rows: Indices) -> tuple[Floats, Floats]:
    """Give the mean (d,) of some rows and the products (d, d) of what they differ from it.

    As many are copied at a time as they have values. All rows of X have their mean at 0, so that
    sums of squares keep their digits.
    """
    d = X.shape[1]
    total, found = np.zeros(d), np.zeros((d, d))
    for at in range(0, len(rows), d):
        block = X[rows[at : at + d]].astype(np.float64)
        total += block.sum(axis=0)
        found += block.T @ block
    mean = total / len(rows)
    found -= np.outer(total, mean)
    return mean, found


class _Pairs:
    """Inner products of the curved rows, which are much the same from step to step."""

    def __init__(self, X: Rows) -> None:
        self._X, self._known, self._products = X, np.empty(0, np.int64), np.empty((0, 0))

    def centred(self, rows: Indices) -> Floats:
        """Give the products (k, k) of some rows less their mean."""
        new = np.setdiff1d(rows, self._known)
        if len(self._known) + len(new) > self._X.shape[1]:
            self._known, self._products, new = np.empty(0, np.int64), np.empty((0, 0)), rows
        if len(new):
            old, self._known = len(self._known), np.concatenate([self._known, new])
            products = np.empty((len(self._known),) * 2)
            products[:old, :old] = self._products
            products[old:] = self._X[new].astype(np.float64) @ self._X[self._known].T
            products[:, old:] = products[old:].T
            self._products = products
        order = np.argsort(self._known)
        places = order[np.searchsorted(self._known, rows, sorter=order)]
        found: Floats = self._products[np.ix_(places, places)]
        mean = found.mean(axis=0)
        found -= mean
        found -= (mean - mean.mean())[:, None]
        return found
