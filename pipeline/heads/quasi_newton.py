"""Convex problems on the same rows, many of them at once: L-BFGS, led by the rows' axes.

Folds and candidates share their rows, so their problems are solved side by side: one pass over the
rows serves all of them. L-BFGS (Liu and Nocedal, "On the limited memory BFGS method", 1989; in the
compact form of Byrd, Nocedal and Schnabel, 1994) runs in coordinates in which the problems are
close to round: along the leading axes of the rows' covariance their curvature is known beforehand.
A few dozen passes over the rows, whatever the settings, so the work grows as rows times values and
nothing is as large as the square of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Array, Floats, Rows

_PASSES = 500
_RANK = 64  # axes; a third of all would save a tenth of the passes, and cost more than that
_SAMPLED = 4096  # rows that the axes are taken of
_PAIRS = 20  # steps that L-BFGS remembers
_CURVED = 1e-10  # curvature along a step, for its gradients, below which there is nothing to learn
_LEAST_WEIGHT = 1e-4  # of a row in the curvature that is assumed at the start
_SMALL_PRODUCT = 1_000_000  # multiplications up to which BLAS does not copy its matrices first
_BLOCK_BYTES = 4 * 2**20  # of rows: small enough to be used twice while the processor has them


def bytes_of_problems(n: int, d: int, m: int) -> int:
    """Say what m problems of one output take on n rows of d values, beside the rows."""
    return 4 * m * (6 * n + (2 * _PAIRS + 8) * d)


class Axes(NamedTuple):
    """Principal axes of a covariance.

    Attributes:
        vectors: float32 (d, r), orthonormal.
        values: float64 (r,) variances along them.
        rest: mean variance along all others.
    """

    vectors: npt.NDArray[np.float32]
    values: Floats
    rest: float

    @classmethod
    def of(cls, X: Rows, seed: int = 0) -> Self:
        """Find axes of centred rows (n, d), or of some of many: randomised subspace iteration.

        (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011.)
        """
        rng = np.random.default_rng(seed)
        if len(X) > _SAMPLED:
            X = X[np.sort(rng.choice(len(X), _SAMPLED, replace=False))]
        n, d = X.shape
        Q = rng.standard_normal((d, min(d, n, _RANK))).astype(np.float32)
        for _ in range(3):
            Q = np.linalg.qr(X.T @ (X @ Q))[0]
        seen = (X @ Q).astype(np.float64)
        values, turn = np.linalg.eigh(seen.T @ seen / n)
        rest = max(float(np.einsum("ij,ij->", X, X)) / n - float(values.sum()), 0.0)
        vectors = np.ascontiguousarray(Q @ turn.astype(np.float32))
        return cls(vectors, np.maximum(values, 0), rest / max(d - len(values), 1))


class Loss(Protocol):
    """What is minimised of rows, for m problems of k outputs; convex, with a continuous slope."""

    @property
    def targets(self) -> Array:
        """Give float32 (n, 1 or m, k)."""
        ...

    def gradient(self, F: Array, rows: slice) -> Array:
        """Compute first derivatives by the decision values F (some of the rows, m, k)."""
        ...

    def weight(self, F: Array) -> Floats:
        """Give sums (m,) over all rows of second derivatives, about, mean over k."""
        ...

    def offset(self) -> Floats:
        """Give decision values (m, k) to start at, the same for all rows."""
        ...

    def of(self, problems: npt.NDArray[np.bool_]) -> Self:
        """Give the same for these of the problems."""
        ...


@dataclass(frozen=True)
class Logistic:
    """Logistic loss; of k > 1 outputs the multinomial one.

    Attributes:
        targets: float32 (n, 1, k), 0 or 1.
        counted: float32 (n, m), 0 for rows that a problem does not see, else 1.
    """

    targets: Array
    counted: Array

    def gradient(self, F: Array, rows: slice) -> Array:
        """Compute first derivatives by the decision values F (some of the rows, m, k)."""
        found = _shares(F)
        found -= self.targets[rows]
        found *= self.counted[rows][:, :, None]
        return found

    def weight(self, F: Array) -> Floats:
        """Give sums (m,) over all rows of second derivatives, mean over k."""
        P = _shares(F)
        found: Floats = ((P * (1 - P)).mean(axis=2) * self.counted).sum(axis=0, dtype=np.float64)
        return found

    def offset(self) -> Floats:
        """Give the best decision values (m, k) that are the same for all rows."""
        counted = self.counted.astype(np.float64)
        share = (counted.T @ self.targets[:, 0] + 0.5) / (counted.sum(axis=0)[:, None] + 1)
        if share.shape[1] == 1:
            found: Floats = np.log(share / (1 - share))
        else:
            found = np.log(share) - np.log(share).mean(axis=1, keepdims=True)
        return found

    def of(self, problems: npt.NDArray[np.bool_]) -> Logistic:
        """Give the same for these of the problems."""
        return Logistic(self.targets, np.ascontiguousarray(self.counted[:, problems]))


def _shares(F: Array) -> Array:
    """Compute the sigmoid of (n, m, 1), or the softmax of (n, m, k)."""
    if F.shape[2] == 1:
        with np.errstate(over="ignore"):
            one: Array = 1 + np.exp(-F)
        return np.reciprocal(one, out=one)
    raised: Array = np.exp(F - F.max(axis=2, keepdims=True))
    raised /= raised.sum(axis=2, keepdims=True)
    return raised


class Solution(NamedTuple):
    """Weights and offsets of m problems: decision values are `X @ weights + offset`.

    Attributes:
        weights: float64 (d, m, k).
        offset: float64 (m, k).
    """

    weights: Floats
    offset: Floats


def minimise(
    X: Rows,
    loss: Loss,
    penalty: Floats,
    axes: Axes,
    *,
    enough: float,
    share: float = 0.0,
) -> Solution:
    """Minimise loss + penalty / 2 * squared length of the weights, for m problems at once.

    A problem is solved when two steps in a row move no decision value by more than `enough`, or by
    more than `share` of their root mean square.

    Args:
        X: float32 (n, d) rows, centred.
        loss: of the rows.
        penalty: float64 (m,).
        axes: of the covariance of such rows; they decide how fast it goes, not where to.
        enough: in units of the logit.
        share: of the decision values.
    """
    run = _Run(X, loss, penalty, axes)
    weights = np.empty((X.shape[1], len(penalty), run.outputs))
    offset = np.empty((len(penalty), run.outputs))
    live, calm = np.arange(len(penalty)), np.zeros(len(penalty), np.int64)
    for number in range(_PASSES):
        moved, stuck = run.step()
        least = np.maximum(enough, share * np.sqrt((run.F**2).mean(axis=(0, 2), dtype=np.float64)))
        calm = np.where(moved <= least, calm + 1, 0)
        done = (calm >= 2) | stuck | (number == _PASSES - 1)
        if done.any():
            weights[:, live[done]], offset[live[done]] = run.W[:, done], run.b[done]
            live, calm = live[~done], calm[~done]
            if not len(live):
                break
            run.keep(~done)
    return Solution(weights, offset)


class _Run:
    """Say where problems stand, and the next step of each.

    No values of the loss are computed: it is convex, so a step is good where the slope along it
    is no longer as steep (the approximate Wolfe condition of Hager and Zhang, 2005).
    """

    def __init__(self, X: Rows, loss: Loss, penalty: Floats, axes: Axes) -> None:
        self.outputs = loss.targets.shape[2]
        self._X, self._loss, self._penalty = X, loss, penalty
        m = len(penalty)
        self.W, self.b = np.zeros((X.shape[1], m, self.outputs)), loss.offset()
        self.F = np.broadcast_to(self.b.astype(np.float32), (len(X), m, self.outputs)).copy()
        weight = np.maximum(loss.weight(self.F), _LEAST_WEIGHT * len(X))
        self._round = _Rounding.of(axes, weight, penalty)
        G = loss.gradient(self.F, slice(None))
        back = (X.T @ G.reshape(len(X), -1)).reshape(self.W.shape)
        total = G.sum(axis=0, dtype=np.float64)
        self._g = self._round.flat(back.astype(np.float64), total)
        self._memory = _Memory(m, self._g.shape[1])
        self._again = np.zeros(m, bool)  # steps that were too long go on, shortened
        self._shortened = np.zeros_like(self._g)

    def step(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Go one step: how far decision values moved (m,), inf if it was too long; what stands."""
        along = self._memory.direction(self._g)
        along[self._again] = self._shortened[self._again]
        step, step0 = self._round.unfold(along, self.W.shape)
        F, back, total, moved = self._passed(step, step0)
        back += self._penalty[:, None] * (self.W + step)
        g = self._round.flat(back, total)
        before = np.einsum("mi,mi->m", self._g, along, dtype=np.float64)
        behind = np.einsum("mi,mi->m", g, along, dtype=np.float64)
        good = behind <= 0.5 * np.abs(before)
        shorter = np.abs(before) / np.maximum(np.abs(before) + np.abs(behind), 1e-300)
        self._again = ~good
        self._shortened = along * np.clip(shorter, 0.1, 0.9).astype(np.float32)[:, None]
        self.W[:, good] += step[:, good]
        self.b[good] += step0[good]
        self.F = F if good.all() else np.where(good[:, None], F, self.F)
        change, way = g - self._g, along
        change[~good], way[~good] = 0, 0
        self._g[good] = g[good]
        flat = self._memory.add(way, change, self._g)
        return np.where(good, moved, np.inf), flat & good

    def _passed(self, step: Floats, step0: Floats) -> tuple[Array, Floats, Floats, Floats]:
        """Decision values behind a step, gradients there, and the largest change, in one pass."""
        shape = self.F.shape
        flat = np.ascontiguousarray(step.reshape(len(step), -1).astype(np.float32))
        offset = step0.astype(np.float32)
        back = np.zeros(flat.shape[::-1], np.float32)
        U, F, G = np.empty_like(self.F), np.empty_like(self.F), np.empty_like(self.F)
        height = max(1, _BLOCK_BYTES // (4 * len(flat)))
        small = _SMALL_PRODUCT // flat.size
        if small >= 32:  # of fewer rows the calls would cost more than BLAS's copies
            height = min(height, small)
        for at in range(0, len(U), height):
            rows = slice(at, at + height)
            block = self._X[rows]
            np.add((block @ flat).reshape(-1, *shape[1:]), offset, out=U[rows])
            np.add(U[rows], self.F[rows], out=F[rows])
            G[rows] = self._loss.gradient(F[rows], rows)
            back += G[rows].reshape(len(block), -1).T @ block
        moved = np.maximum(U.max(axis=(0, 2)), -U.min(axis=(0, 2))).astype(np.float64)
        total = G.sum(axis=0, dtype=np.float64)
        return F, back.T.astype(np.float64).reshape(step.shape), total, moved

    def keep(self, problems: npt.NDArray[np.bool_]) -> None:
        """Go on with these of the problems."""
        self._loss, self._penalty = self._loss.of(problems), self._penalty[problems]
        self.W, self.b = self.W[:, problems], self.b[problems]
        self.F = np.ascontiguousarray(self.F[:, problems])
        self._g, self._round = self._g[problems], self._round.of_these(problems)
        self._again, self._shortened = self._again[problems], self._shortened[problems]
        self._memory.keep(problems)


class _Rounding(NamedTuple):
    """Coordinates in which the problems are close to round: there and back, it is symmetric."""

    vectors: npt.NDArray[np.float32]
    along: Floats  # (r, m) beyond `rest`
    rest: Floats
    offset: Floats

    @classmethod
    def of(cls, axes: Axes, weight: Floats, penalty: Floats) -> Self:
        """Take roots of one divided by what the curvature were, had all rows one weight."""
        rest = 1 / np.sqrt(axes.rest * weight + penalty)
        along = 1 / np.sqrt(axes.values[:, None] * weight + penalty) - rest
        return cls(axes.vectors, along, rest, 1 / np.sqrt(weight))

    def of_these(self, problems: npt.NDArray[np.bool_]) -> Self:
        """Give the same for these of the problems."""
        return self._replace(
            along=self.along[:, problems], rest=self.rest[problems], offset=self.offset[problems]
        )

    def flat(self, x: Floats, x0: Floats) -> Array:
        """Give weights (d, m, k) and offsets (m, k) as (m, d * k + k), float32."""
        turned, m = self._turned(x), x.shape[1]
        weights = turned.transpose(1, 0, 2).reshape(m, -1)
        return np.concatenate([weights, x0 * self.offset[:, None]], axis=1).astype(np.float32)

    def unfold(self, x: Array, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Give (m, d * k + k) as weights of this shape (d, m, k), and offsets (m, k)."""
        d, m, k = shape
        weights = x[:, : d * k].reshape(m, d, k).transpose(1, 0, 2)
        return self._turned(weights), x[:, d * k :] * self.offset[:, None]

    def _turned(self, x: Array | Floats) -> Floats:
        d, m, k = x.shape
        seen = self.vectors.T @ x.reshape(d, -1).astype(np.float32, copy=False)
        shrunk = seen.reshape(-1, m, k) * self.along[:, :, None]
        inside = self.vectors @ shrunk.reshape(len(seen), -1).astype(np.float32)
        turned: Floats = x * self.rest[:, None] + inside.reshape(d, m, k)
        return turned


class _Memory:
    """The last steps of m problems and what the gradients changed along them."""

    def __init__(self, m: int, width: int) -> None:
        self._S = np.zeros((m, _PAIRS, width), np.float32)
        self._Y = np.zeros((m, _PAIRS, width), np.float32)
        self._SY, self._YY = np.zeros((m, _PAIRS, _PAIRS)), np.zeros((m, _PAIRS, _PAIRS))
        self._Sg, self._Yg = np.zeros((m, _PAIRS)), np.zeros((m, _PAIRS))
        self._unit, self._count = np.ones(m), 0

    def direction(self, g: Array) -> Array:
        """Compute minus the inverse curvature times the gradients (m, width)."""
        found: Array = g * -self._unit[:, None].astype(np.float32)
        if not self._count:
            return found
        size = min(self._count, _PAIRS)
        order = (np.arange(size) + (self._count if self._count > _PAIRS else 0)) % _PAIRS
        pairs = slice(None), order[:, None], order
        upper, unit = np.triu(self._SY[pairs]), self._unit[:, None]
        first = np.linalg.solve(upper, self._Sg[:, order, None])[:, :, 0]
        inner = unit * (np.einsum("mij,mj->mi", self._YY[pairs], first) - self._Yg[:, order])
        inner += np.einsum("mii->mi", upper) * first
        second = np.linalg.solve(upper.swapaxes(1, 2), inner[:, :, None])[:, :, 0]
        of_S, of_Y = np.zeros_like(self._Sg), np.zeros_like(self._Yg)
        of_S[:, order], of_Y[:, order] = -second, first * unit
        found += _combined(of_S, self._S)
        found += _combined(of_Y, self._Y)
        return found

    def add(self, step: Array, change: Array, g: Array) -> npt.NDArray[np.bool_]:
        """Remember a step (m, width), the gradients' change and the gradients behind it.

        Returns:
            (m,) where there was no curvature along it to learn from.
        """
        place = self._count % _PAIRS
        self._count += 1
        self._S[:, place], self._Y[:, place] = step, change
        self._SY[:, :, place] = _products(self._S, change)
        self._YY[:, :, place] = self._YY[:, place] = _products(self._Y, change)
        curved, length = self._SY[:, place, place], self._YY[:, place, place]
        flat: npt.NDArray[np.bool_] = curved <= _CURVED * length
        self._unit = np.where(flat, self._unit, curved / np.maximum(length, 1e-300))
        for pairs in (self._S, self._Y):
            pairs[flat, place] = 0
        for products in (self._SY, self._YY):
            products[flat, :, place] = products[flat, place] = 0
            products[flat, place, place] = 1
        self._Sg, self._Yg = _products(self._S, g), _products(self._Y, g)
        return flat

    def keep(self, problems: npt.NDArray[np.bool_]) -> None:
        """Go on with these of the problems."""
        for name in ("_S", "_Y", "_SY", "_YY", "_Sg", "_Yg", "_unit"):
            setattr(self, name, getattr(self, name)[problems])


def _products(pairs: Array, vectors: Array) -> Floats:
    """Compute products (m, pairs) of each pair (m, pairs, width) with a vector (m, width)."""
    found: Floats = np.matmul(pairs, vectors[:, :, None])[:, :, 0].astype(np.float64)
    return found


def _combined(shares: Floats, pairs: Array) -> Array:
    """Compute sums (m, width) of pairs (m, pairs, width), each times its share (m, pairs)."""
    found: Array = np.matmul(shares[:, None].astype(np.float32), pairs)[:, 0]
    return found
