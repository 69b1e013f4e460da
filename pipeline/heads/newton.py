"""Linear problems of many rows, many of them at once: Newton's method, led by the rows' axes.

Folds and candidates share their rows, so their problems are solved side by side: one pass over the
rows serves all of them. Every Newton step is solved by conjugate gradients (Dembo, Eisenstat and
Steihaug, "Inexact Newton methods", 1982) on the axes of the rows' covariance, where the problems
are close to diagonal: a few dozen passes over the rows, whatever the settings, so the work
grows as rows times values and nothing is as large as the square of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Rows

_STEPS = 60
_RANK = 64  # axes; a third of all would save a tenth of the passes, and cost more than that
_SAMPLED = 4096  # rows that the axes are taken of
_INNER = 60  # products with the rows inside a step
_ENOUGH = 0.03  # change of the largest decision value; the next one would be about its square
_FEW = 8  # problems up to which a product is made one by one: packing the rows costs more
_DAMPING = 1e-5  # curvature for each row that is added along offsets, where the loss may have none
_BLOCK_BYTES = 4 * 2**20  # of rows: small enough to be used twice while the processor has them
_HALVINGS = 30


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


@dataclass(frozen=True)
class Logistic:
    """Logistic loss; of k > 1 outputs the multinomial one.

    Attributes:
        targets: float64 (n, 1, k), 0 or 1.
        counted: float64 (n, m), 0 for rows that a problem does not see, else 1.
    """

    targets: Floats
    counted: Floats

    def value(self, F: Floats) -> Floats:
        """Give sums (m,) over the rows, of decision values (n, m, k)."""
        if F.shape[2] == 1:
            each = np.logaddexp(0, F[:, :, 0]) - F[:, :, 0] * self.targets[:, :, 0]
        else:
            top = F.max(axis=2)
            each = top + np.log(np.exp(F - top[:, :, None]).sum(axis=2))
            each -= (F * self.targets).sum(axis=2)
        total: Floats = (each * self.counted).sum(axis=0)
        return total

    def _shares(self, F: Floats) -> Floats:
        if F.shape[2] == 1:
            shares: Floats = 0.5 * (1 + np.tanh(F / 2))
            return shares
        raised: Floats = np.exp(F - F.max(axis=2, keepdims=True))
        raised /= raised.sum(axis=2, keepdims=True)
        return raised

    def gradient(self, F: Floats) -> Floats:
        """Compute first derivatives (n, m, k)."""
        found: Floats = (self._shares(F) - self.targets) * self.counted[:, :, None]
        return found

    def curvature(self, F: Floats, U: Floats) -> Floats:
        """Compute second derivatives times a change U of F, both (n, m, k)."""
        P = self._shares(F)
        if F.shape[2] == 1:
            found: Floats = P * (1 - P) * U
        else:
            found = P * (U - (P * U).sum(axis=2, keepdims=True))
        found *= self.counted[:, :, None]
        return found

    def weight(self, F: Floats) -> Floats:
        """Give sums (m,) over the rows of second derivatives, mean over k."""
        P = self._shares(F)
        found: Floats = ((P * (1 - P)).mean(axis=2) * self.counted).sum(axis=0)
        return found

    def of(self, problems: npt.NDArray[np.bool_]) -> Logistic:
        """Give the same for these of the problems."""
        return Logistic(self.targets, self.counted[:, problems])

    def rows(self, rows: slice) -> Logistic:
        """Give the same for these of the rows."""
        return Logistic(self.targets[rows], self.counted[rows])


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
    loss: Logistic,
    penalty: Floats,
    axes: Axes,
    outputs: int,
    start: Solution | None = None,
) -> Solution:
    """Minimise loss + penalty / 2 * squared length of the weights, for m problems at once.

    Args:
        X: float32 (n, d) rows, centred.
        loss: of the rows.
        penalty: float64 (m,).
        axes: of the covariance of such rows; they decide how fast it goes, not where to.
        outputs: k.
        start: where to begin; None for zeros.
    """
    d, m = X.shape[1], len(penalty)
    if start is None:
        start = Solution(np.zeros((d, m, outputs)), np.zeros((m, outputs)))
    W, b = start.weights.copy(), start.offset.copy()
    F = _times(X, W) + b
    open_ = np.ones(m, bool)
    for _ in range(_STEPS):
        part = loss.of(open_)
        step = _newton_step(X, part, F[:, open_], W[:, open_], penalty[open_], axes)
        share = _shorten(part, F[:, open_], W[:, open_], step, penalty[open_])
        W[:, open_] += share[:, None] * step.weights
        b[open_] += share[:, None] * step.offset
        F[:, open_] += share[:, None] * step.change
        moved = np.abs(step.change).max(axis=(0, 2)) * share
        open_[open_] = (moved > _ENOUGH) & (share > 0)
        if not open_.any():
            break
    return Solution(W, b)


class _Step(NamedTuple):
    weights: Floats
    offset: Floats
    change: Floats  # of the decision values


def _newton_step(
    X: Rows, loss: Logistic, F: Floats, W: Floats, penalty: Floats, axes: Axes
) -> _Step:
    """Solve for the step by conjugate gradients; a problem that is good enough drops out."""
    G = loss.gradient(F)
    g, g0 = _back(X, G) + penalty[:, None] * W, G.sum(axis=0)
    damping = _DAMPING * len(X)
    precondition = _Preconditioner.of(axes, np.maximum(loss.weight(F), 10 * damping), penalty)
    step = _Step(np.zeros_like(g), np.zeros_like(g0), np.zeros_like(F))
    live, r, r0 = np.arange(len(penalty)), -g, -g0
    p, p0 = precondition(r, r0)
    rho = _inner(r, p) + (r0 * p0).sum(axis=1)
    wanted = rho * np.minimum(0.09, np.sqrt(rho / len(X)))
    for _ in range(_INNER):
        U, q, q0 = _curved(X, loss, F, p, p0)
        q, q0 = q + penalty[:, None] * p, q0 + damping * p0
        alpha = (rho / np.maximum(_inner(p, q) + (p0 * q0).sum(axis=1), 1e-300))[:, None]
        step.weights[:, live] += alpha * p
        step.offset[live] += alpha * p0
        step.change[:, live] += alpha * U
        r, r0 = r - alpha * q, r0 - alpha * q0
        z, z0 = precondition(r, r0)
        new = _inner(r, z) + (r0 * z0).sum(axis=1)
        beta = (new / np.maximum(rho, 1e-300))[:, None]
        p, p0, rho = z + beta * p, z0 + beta * p0, new
        going = rho > wanted
        if not going.all():
            live, wanted, rho, penalty = live[going], wanted[going], rho[going], penalty[going]
            r, r0, p, p0, F = r[:, going], r0[going], p[:, going], p0[going], F[:, going]
            loss, precondition = loss.of(going), precondition.for_problems(going)
        if not len(live):
            break
    return step


def _curved(
    X: Rows, loss: Logistic, F: Floats, p: Floats, p0: Floats
) -> tuple[Floats, Floats, Floats]:
    """Change of the decision values along p, and the curvature times p, in one pass over X."""
    flat = p.reshape(len(p), -1).astype(X.dtype)
    U, back, total = np.empty_like(F), np.zeros_like(flat), np.zeros_like(p0)
    height = max(1, _BLOCK_BYTES // (4 * X.shape[1]))
    for at in range(0, len(X), height):
        rows = slice(at, at + height)
        U[rows] = _product(X[rows], flat).reshape(-1, *F.shape[1:]) + p0
        H = loss.rows(rows).curvature(F[rows], U[rows])
        back += _product(X[rows].T, H.reshape(len(H), -1).astype(X.dtype))
        total += H.sum(axis=0)
    return U, back.astype(np.float64).reshape(p.shape), total


class _Preconditioner(NamedTuple):
    vectors: npt.NDArray[np.float32]
    along: Floats
    rest: Floats
    offset: Floats

    @classmethod
    def of(cls, axes: Axes, weight: Floats, penalty: Floats) -> Self:
        """Compute one divided by what the curvature would be, were all rows of one weight."""
        return cls(
            axes.vectors,
            (1 / (axes.values[:, None] * weight + penalty))[:, :, None],
            (1 / (axes.rest * weight + penalty))[:, None],
            1 / weight[:, None],
        )

    def for_problems(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """Give the same for these of the problems."""
        return self._replace(
            along=self.along[:, chosen], rest=self.rest[chosen], offset=self.offset[chosen]
        )

    def __call__(self, r: Floats, r0: Floats) -> tuple[Floats, Floats]:
        """Divide."""
        seen = _back(self.vectors, r)
        inside = _times(self.vectors, seen * (self.along - self.rest))
        return inside + r * self.rest, r0 * self.offset


def _shorten(loss: Logistic, F: Floats, W: Floats, step: _Step, penalty: Floats) -> Floats:
    """Find shares (m,) of the step by which the value falls; 0 where it no longer does."""
    share = np.ones(len(penalty))
    length = (W**2).sum(axis=(0, 2))
    along, square = _inner(W, step.weights), _inner(step.weights, step.weights)
    before = loss.value(F) + penalty / 2 * length
    noise = 1e-9 * np.abs(before)
    for _ in range(_HALVINGS):
        after = loss.value(F + share[:, None] * step.change)
        after += penalty / 2 * (length + 2 * share * along + share**2 * square)
        worse = after > before + noise
        if not worse.any():
            return share
        share = np.where(worse, share / 2, share)
    return np.where(worse, 0.0, share)


def _inner(a: Floats, b: Floats) -> Floats:
    total: Floats = np.einsum("dmk,dmk->m", a, b)
    return total


def _product(X: Rows, B: Rows) -> Rows:
    """Compute X @ B (d, few): of few columns one by one, of many at once."""
    if B.shape[1] > _FEW:
        return X @ B
    columns = np.ascontiguousarray(B.T)
    return np.column_stack([X @ column for column in columns])


def _times(X: Rows, W: Floats) -> Floats:
    """Compute X @ W for W (d, m, k), in the precision of X."""
    flat = W.reshape(len(W), -1).astype(X.dtype)
    return (X @ flat).astype(np.float64).reshape(len(X), *W.shape[1:])


def _back(X: Rows, G: Floats) -> Floats:
    """Compute X.T @ G for G (n, m, k), in the precision of X."""
    flat = G.reshape(len(G), -1).astype(X.dtype)
    return (X.T @ flat).astype(np.float64).reshape(X.shape[1], *G.shape[1:])
