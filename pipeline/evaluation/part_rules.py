"""From what a head says of photographs to what it says of the part that they show.

The verdict is about a part, and a part may have several photographs. Measured on photographs of a
phone (58 parts, about five views of each): by photograph a head reaches an AUC of 0.977 and a
balanced accuracy of 0.91; the mean of the log-odds over a part's photographs decides at 1.000 and
1.00. "Any photograph rejects", which is what deciding photograph by photograph comes to, throws
that away: the more often a good part is photographed, the more often it is rejected.

A part is defective if one of its photographs is of the defective class. Where a defect shows in
one view alone, the mean drowns it, and `max` finds it: so the rule is chosen where
parts say enough to choose it (`choose_rule`), and is the mean where it makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from features.arrays import Flags, Floats, Indices
from features.errors import ThresholdError
from pipeline.evaluation.bootstrap import Parts
from pipeline.evaluation.metrics import weighted_score

MEAN, ANY = "mean", "any"

_LEAST = 6e-8  # of a probability: a sigmoid in float32 has no finer step next to 1
_DRAWS = 400
_SURELY = 0.98  # share of the draws in which another rule has to be better than the mean
_MATTERS = 0.01  # of the AUC: what another rule has to bring on average


def _softmax(logs: Floats) -> Floats:
    values = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def _mean(P: Floats, part: Indices, parts: int) -> Floats:
    # One photograph that is sure by rounding alone (P = 1) would outvote all others for ever.
    logs = np.log(np.clip(P, _LEAST, 1 - _LEAST))
    return _softmax(_sums(logs, part, parts) / np.bincount(part, minlength=parts)[:, None])


def _share(P: Floats, part: Indices, parts: int) -> Floats:
    return np.asarray(_sums(P, part, parts) / np.bincount(part, minlength=parts)[:, None])


def _max(P: Floats, part: Indices, parts: int) -> Floats:
    most = np.zeros((parts, P.shape[1]))
    np.maximum.at(most, part, P)
    return _of_defect(most)


def _noisy_or(P: Floats, part: Indices, parts: int) -> Floats:
    # The probability of no defect anywhere is a product: its logarithms add up.
    none = _sums(np.log1p(-np.minimum(P, 1 - _LEAST)), part, parts)
    return _of_defect(-np.expm1(none))


def _sums(values: Floats, part: Indices, parts: int) -> Floats:
    columns = [np.bincount(part, column, parts) for column in values.T]
    return np.column_stack(columns)


def _of_defect(most: Floats) -> Floats:
    """Let the defective one of two classes decide; bring more classes to a sum of 1."""
    if most.shape[1] == 2:
        return np.column_stack([1 - most[:, 1], most[:, 1]])
    return np.asarray(most / most.sum(axis=1, keepdims=True))


RULES: Mapping[str, Callable[[Floats, Indices, int], Floats]] = {
    MEAN: _mean,
    "max": _max,
    "noisy-or": _noisy_or,
    "share": _share,
    ANY: _max,
}
"""How a part's probability comes from those of its photographs, by name.

mean: the mean of the log-odds. max: the largest probability of a defect. noisy-or: the probability
that at least one photograph shows a defect, were they independent. share: the mean probability,
which is the share of the photographs that are expected to show one. any: every photograph has its
own verdict, and the worst is the part's.
"""

CHOICES = (MEAN, "max", "share")
"""What is chosen from where nobody said; `any` and `noisy-or` are there for those who ask for them.

`noisy-or` grows with the number of photographs alone: who is photographed more looks defective.
"""


class PartTable(NamedTuple):
    """One line for each part, as there is one for each photograph elsewhere.

    Attributes:
        y: int64 (parts,) class numbers; see `part_classes`.
        P: float64 (parts, n_classes) probabilities.
        groups: int64 (parts,) the parts' numbers, rising.
        of_row: int64 (n,) which line each photograph belongs to.
    """

    y: Indices
    P: Floats
    groups: Indices
    of_row: Indices


def combine(P: Floats, groups: Indices, rule: str = MEAN) -> Floats:
    """Compute probabilities of parts from those of their photographs.

    Args:
        P: float64 (n, n_classes), rows sum to 1.
        groups: int64 (n,), the same number for photographs of one part.
        rule: one of `RULES`.

    Returns:
        float64 (parts, n_classes), in the order of the parts' numbers. A part with one photograph
        has that photograph's probabilities to the last bit.

    Raises:
        ThresholdError: no such rule.

    Example:
        >>> import numpy as np
        >>> P = np.array([[0.9, 0.1], [0.1, 0.9], [0.8, 0.2]])
        >>> combine(P, np.array([7, 7, 9])).round(3).tolist()
        [[0.5, 0.5], [0.8, 0.2]]
    """
    if rule not in RULES:
        raise ThresholdError(f"--part-rule is {rule!r}; expected one of {', '.join(RULES)}")
    _, first, part, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    if not len(P):
        return P.copy()
    found = RULES[rule](P, part.reshape(-1), len(first))
    # A part whose photographs say the same says it too, to the last bit: rounding would order parts
    # by the number of their photographs, and a head that knows nothing would seem to rank them.
    same = sizes == 1 if rule == "noisy-or" else _all_equal(P, part.reshape(-1), P[first])
    found[same] = np.clip(P[first[same]], _LEAST, 1 - _LEAST) if rule == MEAN else P[first[same]]
    # Clipping and logarithms would change the last bits of what needs no rule at all.
    found[sizes == 1] = P[first[sizes == 1]]
    return found


def _all_equal(P: Floats, part: Indices, of_first: Floats) -> Flags:
    """Say whether photographs of each part have the probabilities of its first: bool (parts,)."""
    other = (of_first[part] != P).any(axis=1)
    return np.asarray(np.bincount(part, other, len(of_first)) == 0)


def part_classes(y: Indices, groups: Indices, n_classes: int = 2) -> Indices:
    """Give the classes (parts,) of parts, in the order of their numbers.

    Of two classes a part is defective as soon as one of its photographs is; of more it is what
    most of its photographs are, of equals the class with the lower number.
    """
    numbers, part = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(numbers), max(n_classes, int(y.max(initial=0)) + 1)), dtype=np.int64)
    np.add.at(counts, (part.reshape(-1), y), 1)
    if n_classes == 2:
        return (counts[:, 1] > 0).astype(np.int64)
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)


def by_part(y: Indices, P: Floats, groups: Indices, rule: str = MEAN) -> PartTable:
    """Turn photographs to parts: classes, probabilities and numbers; see `combine`.

    Args:
        y: int64 (n,) class numbers.
        P: float64 (n, n_classes).
        groups: int64 (n,).
        rule: one of `RULES`.
    """
    numbers, part = np.unique(groups, return_inverse=True)
    classes = part_classes(y, groups, P.shape[1])
    return PartTable(classes, combine(P, groups, rule), numbers, part.reshape(-1))


def why_not_by_part(y: Indices, groups: Indices, n_classes: int = 2) -> str:
    """Say why parts cannot be judged as wholes; "" where they can.

    Args:
        y: int64 (n,).
        groups: int64 (n,).
        n_classes: two or more.
    """
    if len(np.unique(groups)) == len(groups):
        return "every part has one photograph"
    counts = np.bincount(part_classes(y, groups, n_classes), minlength=n_classes)
    if n_classes == 2 and len(np.unique(y)) == 2 and counts[0] < 2:
        return f"all parts but {counts[0]} have a photograph of the defective class"
    return ""


def choose_rule(y: Indices, P: Floats, groups: Indices, *, seed: int = 0) -> str:
    """Give the rule that ranks parts best, or the mean where no other is surely better.

    Parts are drawn anew (Bayesian bootstrap within each class); another rule is taken only if its
    AUC is above the mean's in 98 % of the draws, and by 0.01 on average.

    Args:
        y: int64 (n,).
        P: float64 (n, n_classes) of photographs that the model did not learn from.
        groups: int64 (n,).
        seed: of the draws.

    Returns:
        One of `CHOICES`.
    """
    tables = {rule: by_part(y, P, groups, rule) for rule in CHOICES}
    classes = tables[MEAN].y
    if len(np.unique(classes)) < 2:
        return MEAN
    parts = Parts.of(classes, np.arange(len(classes)))
    # The same draws for all rules: what they share does not count as a difference.
    weights, _ = parts.bayesian(np.random.default_rng((seed, 2)), _DRAWS)
    drawn = {r: weighted_score("roc_auc", classes, t.P, weights) for r, t in tables.items()}
    gains = {rule: drawn[rule] - drawn[MEAN] for rule in CHOICES}
    surely = [r for r, g in gains.items() if (g > 0).mean() >= _SURELY and g.mean() >= _MATTERS]
    return max(surely, key=lambda rule: float(drawn[rule].mean()), default=MEAN)
