"""Can the class be told from one fact alone? Cross-validated, by part, and tested against chance.

Protocol: a tiny classifier cuts a fact into bins on the training side of a fold and takes each
bin's share of a class as its score, so that it can use rising, falling and bent relations. A pair
of a photograph of the class and one of another class, both of the test side, is right where the
first has the higher score (equal ones count half). The AUC is the share of right pairs over all
folds; pairs across folds are not compared, because their scores come from different classifiers.
More than two classes: the mean over the classes, one against the rest.

Chance is what the same protocol finds when parts swap their classes at random. Many facts are
tested at once, so a p-value is the share of such shuffles in which the best of all facts stands
out as much as this one does (single-step maxT: Westfall and Young, "Resampling-based multiple
testing", 1993): the chance of even one false alarm among all facts is at most the level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.arrays import Flags, Floats, Indices
from pipeline.audit.bins import BINS, Column, cut, neighbours
from pipeline.data.splits import Fold

LEVEL = 0.05
"""The chance that is taken of one false alarm or more among all facts."""

_BLOCK_VALUES = 4_000_000  # numbers held at once
_TIE = 1e-9  # differences of scores below this are rounding

Labels = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """Say how well one fact tells the classes apart on parts that were not learned from.

    Attributes:
        auc: 0.5 is chance, 1 is always right; below 0.5 is chance too. nan where no fold has
            photographs of two classes with this fact.
        low, high: 95 % interval that respects parts.
        p_value: the chance that shuffled classes let any of the facts stand out as much.
        needed: the smallest AUC of this fact that would have a p-value of at most LEVEL.
        per_class: AUC of each class against the rest; of two classes, of the second one alone.
    """

    auc: float
    low: float
    high: float
    p_value: float
    needed: float
    per_class: tuple[float, ...]


def tell_apart(
    columns: Sequence[Column],
    y: Indices,
    groups: Indices,
    rounds: Sequence[Fold],
    *,
    shuffles: int = 499,
    seed: int = 0,
) -> list[Told]:
    """Judge every fact; see the protocol above.

    Args:
        columns: facts of n photographs each; all are one family of tests.
        y: int64 (n,) class numbers from 0, each in use.
        groups: int64 (n,), the same number for photographs of one part, from 0.
        rounds: grouped folds from `pipeline.data.splits.folds`.
        shuffles: of the classes; p-values are multiples of 1 / (shuffles + 1).
        seed: of the shuffles.

    Returns:
        One for each column, in order.
    """
    if not columns:
        return []
    classes = [1] if y.max() == 1 else list(range(int(y.max()) + 1))
    fitted = [_Round.of(columns, fold) for fold in rounds]
    observed = [_Observed.of(fitted, y == number) for number in classes]
    found = np.mean([seen.auc for seen in observed], axis=0)
    null = np.concatenate(
        [_aucs(fitted, labels, classes) for labels in _shuffled(y, groups, shuffles, seed, fitted)]
    )
    centre, spread = null.mean(axis=0), null.std(axis=0)
    highest = _standard(null, centre, spread).max(axis=1)
    z = _standard(found, centre, spread)
    p = (1 + (highest[:, None] >= z[None, :] - _TIE).sum(axis=0)) / (shuffles + 1)
    needed = centre + spread * np.quantile(highest, 1 - LEVEL, method="higher")
    influence = np.mean([seen.influence(groups) for seen in observed], axis=0)
    error = np.sqrt(len(influence) / max(len(influence) - 1, 1) * (influence**2).sum(axis=0))
    told = []
    for i, column in enumerate(columns):
        # Where nothing is told, what the classifier learned from chance moves the AUC more than
        # the photographs that it is tested on; the shuffles know how much.
        width = error[i] if p[i] <= LEVEL else max(error[i], spread[i])
        parts = _parts(column, y, groups, classes)
        low, high = interval(float(found[i]), float(width), parts)
        each = tuple(float(seen.auc[i]) for seen in observed)
        told.append(Told(float(found[i]), low, high, float(p[i]), float(needed[i]), each))
    return told


def _standard(aucs: Floats, centre: Floats, spread: Floats) -> Floats:
    """Compute how many standard deviations above chance; 0 where a fact cannot vary."""
    safe = np.where(spread > 0, spread, np.inf)
    return np.nan_to_num((aucs - centre) / safe)


def _parts(column: Column, y: Indices, groups: Indices, classes: Sequence[int]) -> tuple[int, int]:
    """Give parts of the rarest class with this fact, and of all others."""
    known = column.known
    sides = [
        (len(set(groups[known & (y == c)].tolist())), len(set(groups[known & (y != c)].tolist())))
        for c in classes
    ]
    return min(sides, key=min)


@dataclass(frozen=True)
class _Round:
    """One fold's bins, of all facts.

    Attributes:
        fold: which rows are learned from, and which are tested.
        codes: int8 (n, facts), bin numbers; -1 where unknown.
        train, test: float32 (rows of this side, facts * BINS), 1 where a row is in the bin.
        totals: float64 (facts, BINS), training rows that each bin learns from.
        shares: float64 (facts, BINS, BINS), see `neighbours`.
    """

    fold: Fold
    codes: npt.NDArray[np.int8]
    train: Counts
    test: Counts
    totals: Floats
    shares: Floats

    @classmethod
    def of(cls, columns: Sequence[Column], fold: Fold) -> _Round:
        """Cut the columns into bins on the training side, and count what is there."""
        codes = np.column_stack([cut(column, fold.train).astype(np.int8) for column in columns])
        bins = (codes[:, :, None] == np.arange(BINS)).reshape(len(codes), -1)
        train, test = (bins[side].astype(np.float32) for side in (fold.train, fold.test))
        shares = np.stack([neighbours(column) for column in columns])
        counts = train.sum(axis=0, dtype=np.float64).reshape(len(columns), BINS)
        return cls(fold, codes, train, test, np.einsum("fk,fkl->fl", counts, shares), shares)

    def judge(self, positive: Counts) -> tuple[Floats, Floats, Floats]:
        """Test rows by bin, and which bin beats which, for labellings (b, n) of 0 and 1.

        Returns:
            positives and others, float64 (b, facts, BINS), and wins (b, facts, BINS, BINS): 1
            where the first bin has the higher score, 0.5 where equal, else 0.
        """
        shape = (len(positive), *self.totals.shape)
        learned = (positive[:, self.fold.train] @ self.train).reshape(shape).astype(np.float64)
        share = learned.sum(axis=2) / np.maximum(self.train_rows, 1)
        learned = np.einsum("bfk,fkl->bfl", learned, self.shares)
        scores = (learned + share[:, :, None]) / (self.totals + 1)
        apart = scores[..., :, None] - scores[..., None, :]
        wins = np.where(np.abs(apart) < _TIE, 0.5, apart > 0)
        positives = (positive[:, self.fold.test] @ self.test).reshape(shape).astype(np.float64)
        everyone = self.test.sum(axis=0, dtype=np.float64).reshape(shape[1:])
        return positives, everyone - positives, wins

    @property
    def train_rows(self) -> Floats:
        """Count the training rows with each fact, (facts,)."""
        rows: Floats = self.train.sum(axis=0, dtype=np.float64).reshape(self.totals.shape).sum(1)
        return rows


@dataclass(frozen=True)
class _Observed:
    """One class against the rest, with the real labels.

    Attributes:
        auc: float64 (facts,).
        won, met: float64 (n, facts), pairs that each row is in and that are right, and all.
        pairs: float64 (facts,).
    """

    auc: Floats
    won: Floats
    met: Floats
    pairs: Floats

    @classmethod
    def of(cls, fitted: Sequence[_Round], positive: Flags) -> _Observed:
        """Count, for each part and fact, how often it beat parts of the other side."""
        n, facts = fitted[0].codes.shape
        won, met = np.zeros((n, facts)), np.zeros((n, facts))
        for one in fitted:
            positives, others, wins = (a[0] for a in one.judge(positive[None].astype(np.float32)))
            by_bin = {
                True: (np.einsum("fkl,fl->fk", wins, others), others.sum(axis=1)),
                False: (np.einsum("fkl,fk->fl", wins, positives), positives.sum(axis=1)),
            }
            tested = np.zeros((n, facts), bool)
            tested[one.fold.test] = one.codes[one.fold.test] >= 0
            for side, (right, opponents) in by_bin.items():
                rows, columns = np.nonzero(tested & (positive == side)[:, None])
                won[rows, columns] += right[columns, one.codes[rows, columns]]
                met[rows, columns] += opponents[columns]
        pairs = met[positive].sum(axis=0)
        auc = np.divide(won[positive].sum(axis=0), pairs, out=np.full(facts, np.nan),
                        where=pairs > 0)  # fmt: skip
        return cls(auc, won, met, pairs)

    def influence(self, groups: Indices) -> Floats:
        """Compute how far each part moves the AUC, (parts, facts).

        The influence curve of a cross-validated AUC, summed by part (LeDell, Petersen and van der
        Laan, Electronic Journal of Statistics 9, 2015).
        """
        by_row = np.nan_to_num((self.won - self.auc * self.met) / np.maximum(self.pairs, 1))
        by_part = np.zeros((int(groups.max()) + 1, by_row.shape[1]))
        np.add.at(by_part, groups, by_row)
        return by_part


def _aucs(fitted: Sequence[_Round], labels: Labels, classes: Sequence[int]) -> Floats:
    """Compute the AUC (b, facts) of labellings (b, n), the mean over the classes."""
    found = []
    for number in classes:
        positive = (labels == number).astype(np.float32)
        won = pairs = np.zeros((len(labels), fitted[0].codes.shape[1]))
        for one in fitted:
            positives, others, wins = one.judge(positive)
            won = won + np.einsum("bfk,bfkl,bfl->bf", positives, wins, others, optimize=True)
            pairs = pairs + positives.sum(axis=2) * others.sum(axis=2)
        found.append(np.divide(won, pairs, out=np.full_like(won, 0.5), where=pairs > 0))
    mean: Floats = np.mean(found, axis=0)
    return mean


def _shuffled(
    y: Indices, groups: Indices, shuffles: int, seed: int, fitted: Sequence[_Round]
) -> Iterator[Labels]:
    """Yield blocks of labellings (b, n) in which parts have swapped their classes at random.

    A part takes the classes of another part's photographs, in random order, repeated where the
    other has fewer: parts of one class stay parts of one class.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    part = groups[order]
    place = np.arange(len(y)) - starts[part]
    facts = fitted[0].codes.shape[1]
    block = max(1, _BLOCK_VALUES // max(len(y), facts * BINS * BINS))
    for first in range(0, shuffles, block):
        labels = np.empty((min(block, shuffles - first), len(y)), dtype=np.int64)
        for row in labels:
            mixed = y[np.lexsort((rng.random(len(y)), groups))]
            other = rng.permutation(len(sizes))[part]
            row[order] = mixed[starts[other] + place % sizes[other]]
        yield labels


_LEVEL = 0.95


def interval(auc: float, error: float, parts: tuple[int, int]) -> tuple[float, float]:
    """Give the interval, inside 0 to 1.

    On the logit scale, with Student's t for as many parts as the smaller side has. An AUC of 0 or
    1 leaves no spread to estimate; then it is Newcombe's score interval (Statistics in Medicine
    25, 2006, method 5) as if every part were one photograph.

    Args:
        auc: 0 to 1; nan gives nan.
        error: its standard error.
        parts: of the two sides.
    """
    from scipy import special, stats

    if math.isnan(auc) or min(parts) < 1:
        return math.nan, math.nan
    if error < 1e-12 or not 1e-9 < auc < 1 - 1e-9:
        return _score_interval(auc, *parts)
    t = float(stats.t.ppf((1 + _LEVEL) / 2, max(min(parts) - 1, 1)))
    reach = t * error / (auc * (1 - auc))
    middle = special.logit(auc)
    return float(special.expit(middle - reach)), float(special.expit(middle + reach))


def _score_interval(auc: float, m: int, n: int) -> tuple[float, float]:
    """Find all AUCs from which `auc` lies within 1.96 of their own standard errors."""
    from scipy.optimize import brentq

    def excess(true: float) -> float:
        """Compute by how much an AUC is beyond 1.96 of its own standard errors."""
        spread = 1 + ((m + n) / 2 - 1) * ((1 - true) / (2 - true) + true / (1 + true))
        return float((auc - true) ** 2 - 1.96**2 * true * (1 - true) * spread / (m * n))

    tiny = 1e-9
    low = brentq(excess, tiny, auc - tiny) if auc > 2 * tiny and excess(tiny) > 0 else 0.0
    high = (
        brentq(excess, auc + tiny, 1 - tiny) if auc < 1 - 2 * tiny and excess(1 - tiny) > 0 else 1.0
    )
    return float(low), float(high)
