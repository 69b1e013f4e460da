"""A threshold where all photographs are good: by the share of good parts that may be rejected.

What is missed cannot be known then, so nothing is balanced against it. Each good part is judged by
a head that did not learn from it (out of fold), and its highest score counts. If there are parts
enough, the threshold is the order statistic that would keep the share with 95 % confidence of those
that one model gave to parts unseen (`pipeline.thresholds.bounds`); else the one that would
keep it on average, as conformal prediction does (Vovk et al., "Algorithmic learning in a random
world", 2005): of n + 1 parts alike the new one is as likely as any other to be the highest. With
fewer than 1 / share - 1 parts neither is possible; the threshold lies above all of them.

No confidence is claimed of it: the model that judges is trained on all these parts, those of the
folds on fewer. Simulated with 30 to 300 parts and normal rows, it rejected less than the share on
average, but more than the share in 15 to 20 % of the runs (`benchmarks/good_alone.py`).
"""

from __future__ import annotations

import math

import numpy as np

from features.arrays import Floats, Indices
from features.errors import SplitError, ThresholdError
from pipeline.data.splits import Fold, folds
from pipeline.evaluation.band import Band
from pipeline.thresholds.bounds import parts_needed, reject_limit
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.outcome import part_scores
from pipeline.thresholds.rule import ThresholdRule

DEFAULT_SHARE = 0.05
"""Of good parts that may be rejected, where nobody says."""

UNKNOWN = (
    "it was trained on good photographs alone: how many defective parts it misses cannot be known "
    "before some are photographed, and its numbers are no probabilities but say how unlike good "
    "parts a photograph is"
)
"""What a person has to know of a model that learned from good photographs alone."""


def wanted_share(rule: ThresholdRule) -> float:
    """Give the share of good parts that may be rejected.

    Raises:
        ThresholdError: something is asked for that takes defective photographs.
    """
    if rule.max_missed or rule.cost_missed or rule.review or rule.balanced or rule.defect_rate:
        raise ThresholdError(
            "found good photographs alone to train on, and a wish for the threshold that takes "
            "defective ones; expected --max-false, the share of good parts that may be rejected, "
            "such as --max-false 0.05, or a number: --threshold 0.5"
        )
    return rule.max_false or DEFAULT_SHARE


def folds_of_good(
    y: Indices, groups: Indices, wanted: int, seed: int, test_size: float
) -> list[Fold]:
    """Split good photographs into folds by part, as many as are wanted or as there are parts.

    Raises:
        ThresholdError: there is one part, or none.
    """
    parts = len(np.unique(groups))
    try:
        return folds(y, groups, n_folds=min(wanted, parts), repeats=1, seed=seed)
    except SplitError as error:
        raise ThresholdError(
            f"found {parts} good part to train on; expected two or more to choose a threshold on "
            f"(with {100 * test_size:.0f} % held out); collect more, or give a number: "
            f"--threshold 0.5"
        ) from error


def choose_by_good(p: Floats, groups: Indices, share: float, rule: ThresholdRule) -> Decision:
    """Choose the threshold.

    Args:
        p: float64 (n,), what heads that did not learn from the photographs' parts say of them.
        groups: int64 (n,), the same number for photographs of one part.
        share: of good parts that may be rejected, between 0 and 1.
        rule: what was asked for.

    Returns:
        The threshold, with a note that says how sure it is and what is not known.

    Example:
        >>> decision = choose_by_good(np.arange(1, 20) / 20, np.arange(19), 0.05, ThresholdRule())
        >>> round(decision.band.reject_from, 6)
        0.95
    """
    highest = np.sort(part_scores(np.zeros(len(p), dtype=np.int64), p, groups).good)
    n, needed = len(highest), parts_needed(share)
    if n >= needed:
        threshold = reject_limit(highest, share)
        place = int(np.searchsorted(highest, threshold))
        expected = f"about {(n + 1 - place) / (n + 1):.2g} of good parts, less than the {share:.3g}"
        sure = f"{expected} asked for, are expected to be rejected"
    else:
        # round: 0.95 * 20 is 19.000000000000004 in floating point, whose ceiling is one too high.
        place = min(math.ceil(round((1 - share) * (n + 1), 9)), n)
        # Just above a score, so that the part itself is passed.
        threshold = float(np.nextafter(highest[place - 1], 2.0))
        sure = (
            f"about {(n + 1 - place) / (n + 1):.2g} of good parts are expected to be rejected; "
            f"from {needed:,} good parts to train on there is room to allow for chance"
        )
    sure += " (an estimate, no bound: count false alarms on new good parts)"
    note = (
        f"chosen on {n:,} good parts, each judged by a head that did not see it: {sure}; {UNKNOWN}"
    )
    return Decision(Band.at(threshold), rule, "good alone", note)
