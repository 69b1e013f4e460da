"""What a Gaussian kernel by landmarks (Nyström) costs, against the one of all pairs.

Two kinds of rows: drawn ones as in `benchmarks.growth`, and, of a cache with a closer look
(--cache), a layer of each of its crops, under their photograph's class. Parts are dealt to
training, calibration and test; three settings of `rbf-svm`'s grid are trained both ways.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.growth import drawn
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import note
from features.arrays import Floats, Indices, Rows
from pipeline.evaluation.metrics import binary_scores
from pipeline.heads import svm
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.row_space import Placed

_LAYER = "mixed8-max"
_SETTINGS = ((1.0, 0.2), (10.0, 0.5), (100.0, 1.0))  # C, gamma


def measure(options: Options) -> Report:
    """Train both ways on each kind of rows."""
    report = Report("landmarks")
    kinds = {"drawn rows": drawn(2000, 60) if options.quick else drawn(8000, 512)}
    if options.cache:
        kinds["crops of a cache"] = _crops(options.cache)
    for kind, (X, y, groups) in kinds.items():
        for C, gamma in _SETTINGS[:1] if options.quick else _SETTINGS:
            found = [_trained(X, y, groups, C, gamma, exact) for exact in (True, False)]
            (exact, truth), (few, _) = found
            aucs = [binary_scores(truth, p)["roc_auc"] for p in (exact, few)]
            apart = np.abs(exact - few)
            other = ((exact > 0.5) != (few > 0.5)).mean()
            what = f"{kind}, C {C:g}, gamma {gamma:g}"
            ours = f"{svm.LANDMARKS:,} landmarks: ROC AUC {aucs[1]:.4f} ({aucs[1] - aucs[0]:+.4f})"
            peer = (
                f"all pairs: {aucs[0]:.4f}; probabilities apart by {apart.max():.3f} at most, "
                f"{apart.mean():.3f} in the mean; {other:.1%} other verdicts"
            )
            report.lines.append(Line(what, ours, peer))
            note(f"{what}: {ours}; {peer}")
    return report


def _crops(cache: Path) -> tuple[Rows, Indices, Indices]:
    """Give a layer of each crop as a row, 1 where the photograph is not of the first good class."""
    from pipeline.data.dataset import load_dataset

    data = load_dataset(cache)
    parts = data.row_parts
    each = sum(parts.crop_taps.values())
    rows = data.whole_rows()[:][:, parts.cached_width - each * len(parts.crops) :]
    before = list(parts.crop_taps).index(_LAYER)
    first = sum(list(parts.crop_taps.values())[:before])
    layer = rows.reshape(-1, each)[:, first : first + parts.crop_taps[_LAYER]]
    good = np.bincount(data.y).argmax()  # the most photographs
    y = (data.y != good).astype(np.int64)
    count = len(parts.crops)
    return np.sqrt(np.maximum(layer, 0)), np.repeat(y, count), np.repeat(data.groups, count)


def _trained(
    X: Rows, y: Indices, groups: Indices, C: float, gamma: float, exact: bool
) -> tuple[Floats, Indices]:
    """Give probabilities of the test side, and its classes."""
    draw = np.random.default_rng(0).permutation(np.unique(groups))
    test = np.isin(groups, draw[: len(draw) // 4])
    held = np.isin(groups, draw[len(draw) // 4 : 3 * len(draw) // 8])
    train = ~test & ~held
    mean = X[train].mean(axis=0)
    scale = np.sqrt(((X[train] - mean) ** 2).sum(axis=1).mean())

    def placed(chosen: np.ndarray) -> Placed:
        return Placed(((X[chosen] - mean) / scale).astype(np.float64), np.zeros(chosen.sum()))

    svm.KERNEL_PAIRS = len(X) if exact else 0
    kernel = svm.Gaussian(placed(train))
    targets = np.where(y[train] == 1, 1.0, -1.0)[:, None]
    ((dual, offset),) = kernel.machines(gamma, targets, [C])

    def decided(chosen: np.ndarray) -> Floats:
        distances = placed(chosen).squared_distances(kernel.anchors)
        found: Floats = (np.exp(-gamma * distances) @ dual + offset)[:, 0]
        return found

    calibration = Calibration.fit(decided(held), y[held], 2)
    return probabilities(calibration.logits(decided(test)))[:, 1], y[test]


if __name__ == "__main__":
    run({"landmarks": measure}, __doc__)
