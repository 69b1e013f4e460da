"""How often the truth lies inside 95 % intervals, and how far choosing flatters, by simulation.

    python -m benchmarks.coverage --runs 200
    python -m benchmarks.coverage --by-part --runs 200

Prints three Markdown tables: intervals of one holdout's AUC (ours beside the ordinary bootstrap
over parts, BCa and DeLong's); intervals of cross-validated AUCs (beside Nadeau and Bengio's); and
the best of ten heads (its score, the nested estimate, how often at least one head is called better
than one that is as good, and how many of the true differences are told). Cells of intervals are
coverage and mean width. With --by-part it prints instead the table of intervals of a holdout whose
parts have one verdict each, from the mean log-odds of their photographs. Not part of `make bench`:
it measures correctness, not speed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from benchmarks.peer_intervals import bca, bootstrap, delong, folds_alone, nadeau_bengio
from benchmarks.worlds import WORLDS, Floats, Indices, Rows, World, train, true_auc
from pipeline.data.splits import folds
from pipeline.evaluation.head_pairs import A_BETTER, B_BETTER, all_pairs
from pipeline.evaluation.intervals import Round, intervals, intervals_over_rounds
from pipeline.evaluation.metrics import score
from pipeline.evaluation.nested import nested_estimate
from pipeline.evaluation.part_rules import by_part

KINDS = (
    Rows("one kind of defect", 1, 2.5),
    Rows("four kinds", 4, 4.0),
    Rows("four kinds, clearer", 4, 6.0),
)
HEADS = {
    "ten of 0.90": [0.9] * 10,
    "0.95 and nine of 0.80": [0.95] + [0.8] * 9,
    "0.90 falling to 0.50": [0.9, 0.9, 0.88, 0.87, 0.86, 0.85, 0.8, 0.75, 0.7, 0.5],
}

_DRAWS = 300
_MANY = 40_000  # parts of each class that stand for all there are
_FOLDS, _REPEATS = 5, 3
_TESTED = 1 / (_FOLDS - 1)

Bounds = tuple[float, float]


def holdouts(world: World, defective: int, runs: int) -> dict[str, tuple[float, float]]:
    """Coverage and mean width by method, over `runs` holdouts with so many defective parts."""
    peers = {"bootstrap over parts": bootstrap, "BCa": bca, "DeLong, logit": delong}
    made: dict[str, list[tuple[Bounds, float]]] = {}
    for run in range(runs):
        rng = np.random.default_rng((defective, run))
        sample = world.draw(rng, defective, max(20, 2 * defective))
        ours = intervals(*sample, draws=_DRAWS, seed=run)
        made.setdefault("ours", []).append((ours["roc_auc"], world.auc))
        made.setdefault("ours, recall", []).append((ours["recall"], world.recall))
        for title, peer in peers.items():
            made.setdefault(title, []).append((peer(*sample, rng), world.auc))
    return {title: _summary(found) for title, found in made.items()}


def holdouts_by_part(world: World, defective: int, runs: int) -> dict[str, tuple[float, float]]:
    """Give the same of parts, each judged as a whole by the mean log-odds of its photographs."""
    y, P, groups = world.draw(np.random.default_rng(1), _MANY, _MANY)
    whole = by_part(y, P, groups)
    truth = score(whole.y, whole.P)
    made: dict[str, list[tuple[Bounds, float]]] = {}
    for run in range(runs):
        rng = np.random.default_rng((defective, run))
        sample = world.draw(rng, defective, max(20, 2 * defective))
        table = by_part(*sample)
        ours = intervals(table.y, table.P, table.groups, draws=_DRAWS, seed=run)
        for name in ("roc_auc", "recall", "balanced_accuracy"):
            made.setdefault(name, []).append((ours[name], truth[name]))
        each = bootstrap(table.y, table.P, table.groups, rng)
        made.setdefault("bootstrap", []).append((each, truth["roc_auc"]))
    return {title: _summary(found) for title, found in made.items()}


def cross_validations(world: Rows, defective: int, runs: int) -> dict[str, tuple[float, float]]:
    """Give the same for means over folds; the truth is the mean AUC of the models so trained."""
    made: dict[str, list[tuple[Bounds, float]]] = {}
    for run in range(runs):
        rng = np.random.default_rng((defective, run))
        directions = world.directions(rng)
        X, y, groups = world.draw(rng, directions, defective, max(20, 2 * defective))
        rounds, truths = [], []
        for fold in folds(y, groups, n_folds=_FOLDS, repeats=_REPEATS, seed=run):
            weights = train(X[fold.train], y[fold.train])
            truths.append(true_auc(weights, directions))
            p = 1 / (1 + np.exp(-3 * (X[fold.test] @ weights[:-1] + weights[-1])))
            rounds.append(Round(fold.test, np.column_stack([1 - p, p])))
        truth = float(np.mean(truths))
        ours = intervals_over_rounds(
            y, groups, rounds, training_varies=True, draws=_DRAWS, seed=run
        )
        scores = _aucs(y, rounds)
        made.setdefault("ours", []).append((ours["roc_auc"], truth))
        for title, peer in (("Nadeau and Bengio", nadeau_bengio), ("folds alone", folds_alone)):
            made.setdefault(title, []).append((peer(scores, _TESTED), truth))
    return {title: _summary(found) for title, found in made.items()}


def choices(aucs: list[float], defective: int, runs: int) -> list[str]:
    """Cells of one line: how the best of several heads is flattered, and false claims."""
    names = [f"head{number}" for number in range(len(aucs))]
    errors, held, claimed, told = [], [], [], []
    for run in range(runs):
        y, groups, rounds = _heads(np.random.default_rng((defective, run)), aucs, defective)
        scores = {name: _aucs(y, r) for name, r in zip(names, rounds, strict=True)}
        tested = dict(zip(names, rounds, strict=True))
        spans = {n: intervals_over_rounds(y, groups, r, draws=50) for n, r in tested.items()}
        nested = nested_estimate(y, groups, tested, "roc_auc", spans, draws=_DRAWS, seed=run)
        true = dict(zip(names, aucs, strict=True))
        truth = true[nested.head]
        errors.append((nested.naive - truth, nested.value - truth))
        held.append(nested.low <= truth <= nested.high)
        signs = {A_BETTER: 1, B_BETTER: -1}
        pairs = all_pairs(scores, "roc_auc", tested_to_trained=_TESTED)
        said = [(signs.get(p.verdict, 0), true[p.a] - true[p.b]) for p in pairs]
        claimed.append(any(sign and sign * gap <= 0 for sign, gap in said))
        told += [sign * gap > 0 for sign, gap in said if gap]
    flattered, corrected = np.mean(errors, axis=0)
    error = float(np.std([e[1] for e in errors])) / runs**0.5
    power = f"{np.mean(told):.0%}" if told else "-"
    return [
        f"{flattered:+.3f}", f"{corrected:+.3f} ± {error:.3f}", f"{np.mean(held):.0%}",
        f"{np.mean(claimed):.0%}", power,
    ]  # fmt: skip


def _heads(
    rng: np.random.Generator, aucs: list[float], defective: int
) -> tuple[Indices, Indices, list[list[Round]]]:
    """Folds scored by heads of known AUC that agree on a third of what they see."""
    parts = 3 * defective
    groups = np.repeat(np.arange(parts), 1 + rng.poisson(3, parts))
    y = (groups < defective).astype(np.int64)
    common = 0.3**0.5 * rng.standard_normal(parts)
    tested = [f.test for f in folds(y, groups, n_folds=_FOLDS, repeats=_REPEATS)]
    made = []
    for auc in aucs:
        part = common + 0.3**0.5 * rng.standard_normal(parts)
        shift = 2**0.5 * NormalDist().inv_cdf(auc)
        value = shift * y + part[groups] + 0.4**0.5 * rng.standard_normal(len(y))
        p = 1 / (1 + np.exp(shift / 2 - value))
        made.append([Round(rows, np.column_stack([1 - p, p])[rows]) for rows in tested])
    return y, groups, made


def _aucs(y: Indices, rounds: list[Round]) -> Floats:
    return np.array([score(y[r.rows], r.probabilities)["roc_auc"] for r in rounds])


def _summary(found: list[tuple[Bounds, float]]) -> tuple[float, float]:
    """Coverage, and mean width of what lies between 0 and 1."""
    covered = np.mean([low <= truth <= high for (low, high), truth in found])
    return float(covered), float(np.mean([min(h, 1) - max(low, 0) for (low, h), _ in found]))


def _table(columns: list[str], rows: Iterator[list[str]]) -> None:
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def _cells(found: dict[str, Bounds]) -> list[str]:
    return [f"{100 * covered:.0f} %, {width:.2f}" for covered, width in found.values()]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--defective", default="3,5,8,14,25,50", help="parts, with commas")
    parser.add_argument("--by-part", action="store_true", help="of parts judged as wholes, alone")
    options = parser.parse_args()
    counts, runs = [int(text) for text in options.defective.split(",")], options.runs
    if options.by_part:
        scored = ["AUC", "recall", "balanced accuracy", "bootstrap over parts, AUC"]
        _table(
            ["defective parts", "simulated", *scored],
            ([str(n), w.title, *_cells(holdouts_by_part(w, n, runs))]
             for n in counts for w in WORLDS),
        )  # fmt: skip
        return
    first = ["defective parts", "simulated", "ours"]
    _table(
        [*first, "ours, recall", "bootstrap over parts", "BCa", "DeLong, logit"],
        ([str(n), w.title, *_cells(holdouts(w, n, runs))] for n in counts for w in WORLDS),
    )
    _table(
        [*first, "Nadeau and Bengio", "folds alone"],
        (
            [str(n), w.title, *_cells(cross_validations(w, n, runs))]
            for n in counts
            if n >= _FOLDS
            for w in KINDS
        ),
    )
    _table(
        [
            "defective parts", "AUC of the heads", "best, too high by", "nested, too high by",
            "nested, coverage", "false claims", "differences told",
        ],
        (
            [str(n), title, *choices(aucs, n, runs)]
            for n in counts
            if n >= _FOLDS
            for title, aucs in HEADS.items()
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
