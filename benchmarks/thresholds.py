"""What smoothing a threshold is worth, and how often claims about parts hold, by simulation.

    python -m benchmarks.thresholds --runs 200

Prints two Markdown tables. The first: by how much a threshold that is chosen on so many parts is
worse than the best there is, in points of balanced accuracy, for the lowest point of the curve and
for the smoothed one that `fit` takes. The second: how often the claims "at most a fifth of the
defective parts is missed" and "at most a fifth of the good parts is rejected" hold for new parts,
where the parts are told, and where every part was torn into its photographs and nobody noticed:
there the model has learned from the parts that it is tested on, which is why `fit` refuses such
claims. Not part of `make bench`: it measures correctness, not speed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.worlds import Floats, Rows, train
from pipeline.evaluation.part_rules import by_part
from pipeline.thresholds.claims import claim, set_aside
from pipeline.thresholds.costs import BALANCED, Curve
from pipeline.thresholds.rule import ThresholdRule

SHARE = 0.2
"""Of the parts that may be missed, or rejected."""

CLAIMS = {"missed": ThresholdRule(max_missed=SHARE), "rejected": ThresholdRule(max_false=SHARE)}
"""The rule by what it bounds."""

_NEW_PARTS = 4000
_WORLD = Rows("four kinds", 4, 4.0)

Draw = Callable[[np.random.Generator, int], Floats]

SCORES: dict[str, tuple[Draw, Draw]] = {
    "two normals": (lambda r, n: r.normal(1, 1, n), lambda r, n: r.normal(-1, 1, n)),
    "well apart": (lambda r, n: r.normal(2, 1, n), lambda r, n: r.normal(-2, 1, n)),
    "unequal widths": (lambda r, n: r.normal(2, 2.5, n), lambda r, n: r.normal(-2, 0.7, n)),
    "hidden defects, stray parts": (
        lambda r, n: np.where(r.random(n) < 0.15, r.normal(-3, 1, n), r.normal(4, 2, n)),
        lambda r, n: np.where(r.random(n) < 0.05, r.normal(3, 1, n), r.normal(-5, 2, n)),
    ),
}
"""Log-odds of defective and of good parts."""


def regrets(title: str, parts: int, runs: int) -> dict[str, float]:
    """Mean loss of balanced accuracy, in points, of thresholds from so many parts of each class."""
    defective, good = SCORES[title]
    rng = np.random.default_rng((parts, 1))
    new = np.sort(defective(rng, 100_000)), np.sort(good(rng, 100_000))

    def accuracy(p: float) -> float:
        odds = np.log(p) - np.log1p(-p)
        missed, passed = (np.searchsorted(side, odds) / len(side) for side in new)
        return float(1 - missed + passed) / 2

    best = max(accuracy(p) for p in 1 / (1 + np.exp(-np.linspace(-12, 12, 400))))
    lost: dict[str, list[float]] = {"lowest point": [], "smoothed": []}
    for _ in range(runs):
        odds = np.concatenate([defective(rng, parts), good(rng, 2 * parts)])
        y, p = np.repeat([1, 0], [parts, 2 * parts]), 1 / (1 + np.exp(-odds))
        chosen = Curve.of(y, p).cheapest(BALANCED), Curve.smoothed(y, p).middle(BALANCED)
        for name, threshold in zip(lost, chosen, strict=True):
            lost[name].append(best - accuracy(min(max(threshold, 1e-9), 1 - 1e-9)))
    return {name: 100 * float(np.mean(values)) for name, values in lost.items()}


def claims(what: str, parts: int, runs: int, *, torn: bool) -> tuple[float, float]:
    """Give how often a claim holds, and the mean share that is missed or rejected.

    Args:
        what: of `CLAIMS`.
        parts: of the class that it is about, to train on and to set aside; of the other twice as
            many.
        runs: draws of parts, models and thresholds.
        torn: whether every photograph is taken for a part of its own.
    """
    rule, wrong = CLAIMS[what], []
    defective, good = (1, 2) if what == "missed" else (2, 1)
    for run in range(runs):
        rng = np.random.default_rng((parts, run))
        directions = _WORLD.directions(rng)
        X, y, groups = _WORLD.draw(rng, directions, defective * parts, good * parts)
        said = np.arange(len(y)) if torn else groups
        aside = set_aside(rule, y, said, seed=run, test_size=0.0)
        weights = train(np.delete(X, aside, axis=0), np.delete(y, aside))
        table = by_part(y[aside], _columns(X[aside], weights), said[aside])
        band, _ = claim(rule, table.y, table.P[:, 1], table.groups, 0.5)
        asked = (_NEW_PARTS, 0) if what == "missed" else (0, _NEW_PARTS)
        new, labels, whole = _WORLD.draw(rng, directions, *asked)
        judged = by_part(labels, _columns(new, weights), np.arange(len(new)) if torn else whole)
        passed = float((judged.P[:, 1] < band.reject_from).mean())
        wrong.append(passed if what == "missed" else 1 - passed)
    return float((np.array(wrong) <= SHARE).mean()), float(np.mean(wrong))


def _columns(X: Floats, weights: Floats) -> Floats:
    p = 1 / (1 + np.exp(-3 * (X @ weights[:-1] + weights[-1])))
    return np.column_stack([1 - p, p])


def _table(columns: list[str], rows: Iterator[list[str]]) -> None:
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    _table(
        ["defective parts", "log-odds", "lowest point", "smoothed"],
        (
            [str(n), title, *(f"{lost:.2f}" for lost in regrets(title, n, runs).values())]
            for n in (5, 6, 8, 15, 50, 200)
            for title in SCORES
        ),
    )
    _table(
        ["claim", "parts of that class", "parts are", "claim holds", "wrong, mean"],
        (
            [f"{what} at most {SHARE:.0%}", str(n), are, f"{held:.1%}", f"{wrong:.1%}"]
            for what in CLAIMS
            for n in (20, 40, 80)
            for are in ("told", "torn, unnoticed")
            for held, wrong in [claims(what, n, runs, torn=are != "told")]
        ),
    )


if __name__ == "__main__":
    main()
