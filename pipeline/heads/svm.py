"""Support vector machines by libsvm: on all pairs of rows where they are few, else on those needed.

The solution is the same on its support vectors alone. So of many rows of even more values, libsvm
gets some, the rows that its machine gets wrong are added, those far on the right side are left out,
until no row is wrong any more (chunking: Boser, Guyon and Vapnik, 1992; Osuna, Freund and Girosi,
1997): exact to the tolerance, and no matrix of all pairs. Of fewer values it is `hinge` that works
on many rows, and on the landmarks of a Gaussian kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from features.arrays import Floats, Indices
from pipeline.heads.hinge import bytes_of_machines, machines
from pipeline.heads.quasi_newton import Axes
from pipeline.heads.sides import AnyPlaced

ALL_PAIRS = 4000
"""Rows up to which libsvm gets all of them for a linear machine."""

KERNEL_PAIRS = 8000
"""Rows up to which it gets all of them for a Gaussian kernel: measured, landmarks save time only
beyond, and cost accuracy (`benchmarks.landmarks`)."""

LANDMARKS = 1000
"""Rows by which a Gaussian kernel of more than `KERNEL_PAIRS` rows is approximated."""

_COST = "measured, that cost up to 0.04 of ROC AUC, and 0.08 of a probability in the mean"
_MOST_CS = 3
"""Machines on the same landmarks at once: values of C that a Gaussian kernel tries."""

_TOLERANCE = 1e-5
_PAIR_COPIES = 2  # of the matrix of all pairs: libsvm takes one of its own
_WRONG = 1e-3  # how far inside the margin a row may be that libsvm did not see
_ADDED = 2000  # rows at a time
_ROUNDS = 40
_MOST = 12_000  # rows that libsvm gets at most: 1.2 GB of pairs


def bytes_of_pairs(n: int) -> int:
    """Say what the pairs of n rows take that libsvm gets."""
    return 8 * min(n, _MOST) ** 2 * _PAIR_COPIES


def bytes_of_kernel(n: int, d: int) -> int:
    """Say what a Gaussian kernel of n rows takes: anchors, distances, kernel, and the machines."""
    few = min(n, KERNEL_PAIRS)
    pairs = 8 * few * d + 8 * few * few * (1 + _PAIR_COPIES)
    if n <= KERNEL_PAIRS:
        return pairs
    mapped = 8 * n * LANDMARKS * 4 + bytes_of_machines(n, LANDMARKS, _MOST_CS)
    marks = 8 * LANDMARKS * d + mapped
    return max(marks, pairs) if n <= 2 * KERNEL_PAIRS else marks  # inner folds may be of few rows


def approximation(head: str, rows: int) -> str:
    """Say what of a head is not exact when it is trained on so many rows; "" for nothing.

    Example:
        >>> approximation("rbf-svm", 9000)
        'rbf-svm on 9,000 rows sees its kernel by 1,000 of them (Nyström), not by all pairs; ...'
    """
    if head not in ("rbf-svm", "ensemble") or rows <= KERNEL_PAIRS:
        return ""
    some = f"by {LANDMARKS:,} of them (Nyström), not by all pairs"
    return f"{head} on {rows:,} rows sees its kernel {some}; {_COST}"


def linear_machines(
    rows: AnyPlaced, targets: Floats, Cs: Sequence[float], most: int | None = None
) -> Iterator[tuple[Floats, Floats]]:
    """Train a linear machine for each C and each column of targets.

    Args:
        rows: placed, n of them.
        targets: -1 and 1, (n, k).
        Cs: in the order of the answers.
        most: rows of which all pairs are taken; None for `ALL_PAIRS`.

    Yields:
        (weights, offset): float64 (r, k) and (k,).
    """
    few = len(rows) <= (most or ALL_PAIRS)
    coordinates = rows.coordinates if few else None
    K = coordinates @ coordinates.T if coordinates is not None else None
    active = [_first(target) for target in targets.T]
    for C in Cs:
        weights, offset = [], np.empty(targets.shape[1])
        for column, target in enumerate(targets.T):
            if K is not None and coordinates is not None:
                support, dual, offset[column] = _libsvm(K, target, C)
                weights.append(dual @ coordinates[support])
            else:
                w, offset[column], active[column] = _chunked(rows, target, C, active[column])
                weights.append(w)
        yield np.stack(weights, axis=1), offset


def _libsvm(K: Floats, target: Floats, C: float) -> tuple[Indices, Floats, float]:
    from sklearn.svm import SVC

    machine = SVC(C=C, kernel="precomputed", tol=_TOLERANCE).fit(K, target)
    return machine.support_, machine.dual_coef_[0], float(machine.intercept_[0])


def _first(target: Floats) -> Indices:
    """Take numbers of some rows of both classes, evenly."""
    sides = [np.flatnonzero(target == sign) for sign in (-1, 1)]
    chosen = [
        side[np.linspace(0, len(side) - 1, min(len(side), _ADDED // 2)).astype(np.int64)]
        for side in sides
    ]
    return np.unique(np.concatenate(chosen))


def _chunked(
    rows: AnyPlaced, target: Floats, C: float, active: Indices
) -> tuple[Floats, float, Indices]:
    """Find weights, offset, and the rows that they stand on."""
    for _ in range(_ROUNDS):
        seen = rows.at(active)
        support, dual, offset = _libsvm(seen @ seen.T, target[active], C)
        weights = dual @ seen[support]
        margins = target * (rows.times(weights[:, None])[:, 0] + offset)
        wrong = margins < 1 - _WRONG
        wrong[active] = False
        if not wrong.any() or len(active) >= _MOST:
            break
        kept = np.zeros(len(active), bool)
        kept[support] = True
        kept |= margins[active] < 1 + _WRONG
        room = max(min(_ADDED, _MOST - int(kept.sum())), 1)
        worst = np.flatnonzero(wrong)
        worst = worst[np.argsort(margins[worst], kind="stable")[:room]]
        active = np.union1d(active[kept], worst)
    return weights, offset, active


class Gaussian:
    """A Gaussian kernel of training rows: of all pairs, or by landmarks (Nyström) of many rows.

    (Williams and Seeger, "Using the Nyström method to speed up kernel machines", 2001.)

    Attributes:
        anchors: float64 (m, r), the rows that decision values are sums over.
        exact: whether these are all training rows.
    """

    def __init__(self, rows: AnyPlaced) -> None:
        """Take training rows; the distances are computed once, whatever gamma."""
        n = len(rows)
        self.exact = n <= KERNEL_PAIRS
        chosen = np.arange(n)
        if not self.exact:
            rng = np.random.default_rng(n)
            chosen = np.sort(rng.choice(n, LANDMARKS, replace=False))
        self.anchors = rows.at(chosen)
        self._chosen = chosen
        self._distances = rows.squared_distances(self.anchors)

    def machines(
        self, gamma: float, targets: Floats, Cs: Sequence[float]
    ) -> Iterator[tuple[Floats, Floats]]:
        """Train for each C: duals of the anchors (m, k), and offsets (k,).

        A C that is alone is the one that is kept; see `hinge.machines`. A column of targets
        without both signs gets an offset that is a clear no.
        """
        both = [target.max() > target.min() for target in targets.T]
        trained = self._by_pairs if self.exact else self._by_landmarks
        for duals, offsets in trained(gamma, targets[:, both], Cs):
            dual = np.zeros((len(self.anchors), len(both)))
            offset = np.full(len(both), -2.0)
            dual[:, both], offset[both] = duals, offsets
            yield dual, offset

    def _by_pairs(
        self, gamma: float, targets: Floats, Cs: Sequence[float]
    ) -> Iterator[tuple[Floats, Floats]]:
        kernel = np.exp(-gamma * self._distances)
        for C in Cs:
            dual, offset = np.zeros((len(kernel), targets.shape[1])), np.empty(targets.shape[1])
            for column, target in enumerate(targets.T):
                support, values, offset[column] = _libsvm(kernel, target, C)
                dual[support, column] = values
            yield dual, offset

    def _by_landmarks(
        self, gamma: float, targets: Floats, Cs: Sequence[float]
    ) -> Iterator[tuple[Floats, Floats]]:
        """Train linear machines on rows whose inner products are those of the approximation."""
        kernel = np.exp(-gamma * self._distances)
        values, vectors = np.linalg.eigh(kernel[self._chosen])
        kept = values > 1e-10 * values[-1]
        way = vectors[:, kept] / np.sqrt(values[kept])
        mapped = kernel @ way
        mean = mapped.mean(axis=0)
        mapped -= mean
        rows = mapped.astype(np.float32)
        del kernel, mapped
        found = machines(
            rows,
            np.tile(targets, len(Cs)).astype(np.float32),
            np.repeat(1 / np.asarray(Cs, np.float64), targets.shape[1]),
            Axes.of(rows),
            exact=len(Cs) == 1,
        )
        for number in range(len(Cs)):
            place = slice(number * targets.shape[1], (number + 1) * targets.shape[1])
            weights = found.weights[:, place, 0]
            yield way @ weights, found.offset[place, 0] - mean @ weights
