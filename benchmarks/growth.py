"""Time and memory against the number of rows, for every head and stage, with the exponent fitted.

Of a head five outer folds are measured, the choice of their settings on inner folds included, on
drawn rows of 2,048 values (two per part, a spectrum that falls as a power, two classes), and
divided by five; of more than a thousand rows one fold of the five. The peer is scikit-learn on the
same rows, folds and grid, its own solvers and tolerances: GridSearchCV, RidgeClassifierCV where
there is one, and all principal components first where that is faster; logistic regression a second
time to a tolerance of 1e-7, at which its probabilities agree with ours within 0.04 (at its own, of
1e-4, they are off by up to 0.9 where little is regularised) and a third time behind PCA, as many
write it. Heads made of trees are scikit-learn's own estimators within: these are fitted by
themselves, too, whose exponent is the floor of ours. Seconds are processor time over all
threads, which other work on the machine hardly changes. A curve ends where its next point would
take longer than `--longest` seconds, 45 unless told (--quick: one), if time grew as the rows. The
exponent is fitted to all points from 4,000 rows on; that of the last step stands behind it.
docs/pictures/growth.svg is drawn anew, unless `--heads linear-svm,knn` measures some heads alone,
or `--rows 16000,64000` some sizes.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import ROOT, Facts, Round, Variant, note, once
from pipeline.data.splits import Fold, folds
from pipeline.training.cross_validate import CompareOptions

_SIZES = (250, 1000, 4000, 16000, 64000)
_WIDTH = 2048
_LONGEST = 45.0
_GROWN = 4000  # rows from which the exponent is fitted
_FEW = 1000  # rows up to which all five folds are measured, so that what they share counts once
_HEADS = ("logistic", "ridge", "lda", "linear-svm", "rbf-svm", "knn", "boosting", "forest")
_TURNED = ("lda", "linear-svm", "rbf-svm")  # faster on all principal components of few rows
_OF_TREES = ("boosting", "forest")
_STAGES = ("near copies", "intervals")
Rows = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Curve = dict[int, Facts]


def measure(
    options: Options,
    heads: Sequence[str] = (),
    longest: float = _LONGEST,
    sizes: tuple[int, ...] = _SIZES,
) -> Report:
    """Every curve, one point after the other; with heads, theirs and their peers' alone."""
    report, whole = Report("growth"), sizes == _SIZES and not heads and not options.quick
    sizes = (100, 200, 400) if options.quick else sizes
    settings = {"width": 100 if options.quick else _WIDTH}
    longest = 1.0 if options.quick else longest
    curves: dict[str, Curve] = {}
    for head in heads or (_HEADS[:2] if options.quick else _HEADS):
        for who, task in (("onepass", "head"), ("scikit-learn", "peer")):
            name = f"{head}, {who}"
            curves[name] = _curve(name, task, settings | {"head": head}, sizes, longest)
    if "logistic" in (heads or _HEADS):
        ways: dict[str, dict[str, Any]] = {
            "to 1e-7": {"tolerance": 1e-7},
            "behind PCA": {"turned": True},
        }
        for way, more in ways.items():
            name, of = f"logistic, scikit-learn {way}", settings | {"head": "logistic"} | more
            curves[name] = _curve(name, "peer", of, sizes, longest)
    for head in () if options.quick else (heads or _HEADS):
        if head in _OF_TREES:
            name = f"{head}, bare scikit-learn"
            curves[name] = _curve(name, "bare", settings | {"head": head}, sizes, longest)
    for stage in () if heads else _STAGES:
        curves[stage] = _curve(stage, "stage", settings | {"name": stage}, sizes, longest)
    for name, curve in curves.items():
        if curve:
            last_step = dict(sorted(curve.items())[-2:])
            growth = f"exponent {exponent(curve):.2f} (last step {exponent(last_step):.2f})"
            report.lines.append(Line(name, _points(curve), growth))
    report.details = {name: {str(n): f for n, f in curve.items()} for name, curve in curves.items()}
    report.notes.append("seconds of one outer fold (peak memory of the process in GB)")
    if whole:
        picture = ROOT / "docs" / "pictures" / "growth.svg"
        picture.write_text(draw(curves), "utf-8")
    return report


def _curve(
    name: str, task: str, settings: Mapping[str, Any], sizes: tuple[int, ...], longest: float
) -> Curve:
    found: Curve = {}
    for n in sizes:
        if found and _next(found) > longest:
            break
        try:
            facts = once(Variant(name, f"benchmarks.growth:{task}", {**settings, "n": n}))
        except RuntimeError:  # out of memory, or refused
            break
        found[n] = facts | {"cpu": facts["cpu"] / facts.get("folds", 1)}
        note(f"{name}, {n:,} rows: {found[n]['cpu']:.1f} s, {found[n]['peak_mb'] / 1e3:.1f} GB")
    return found


def _next(curve: Curve) -> float:
    """Seconds that four times as many rows take at least: on the covariance's side no more."""
    return float(curve[max(curve)]["cpu"]) * 4


def exponent(curve: Curve) -> float:
    """Of the number of rows, by which the time grows: least squares of the logarithms.

    Points from 4,000 rows on count, where the work outgrows what each run costs; of shorter curves
    the last two.
    """
    if len(curve) < 2:
        return 1.0
    sizes = sorted(curve)
    fitted = [n for n in sizes if n >= _GROWN]
    fitted = fitted if len(fitted) > 1 else sizes[-2:]
    seconds = [curve[n]["cpu"] for n in fitted]
    return float(np.polyfit(np.log(fitted), np.log(seconds), 1)[0])


def _points(curve: Curve) -> str:
    return "; ".join(
        f"{n:,}: {f['cpu']:.1f} s ({f['peak_mb'] / 1e3:.1f})" for n, f in curve.items()
    )


# ---- what is measured ---------------------------------------------------------------------


def drawn(n: int, width: int) -> tuple[Rows, Indices, Indices]:
    """Rows as pooled features are: not negative, correlated; classes 0 and 1; parts."""
    rng = np.random.default_rng(0)
    groups = np.arange(n, dtype=np.int64) // 2
    y = (rng.random(n // 2 + 1) < 0.25)[groups].astype(np.int64)
    loads = rng.standard_normal((width, width), np.float32)
    loads *= (0.3 * np.arange(1, width + 1, dtype=np.float32) ** -0.6)[:, None]
    hidden = rng.standard_normal((n, width), np.float32)
    hidden += rng.standard_normal((n // 2 + 1, width), np.float32)[groups]
    hidden += 0.25 * rng.standard_normal(width, np.float32) * (y[:, None] - np.float32(0.5))
    return np.maximum(hidden.astype(np.float32) @ loads + np.float32(0.2), 0), y, groups


def head(n: int, width: int, head: str) -> Round:
    """Give a round: one outer fold of `compare`."""
    from pipeline.training.cross_validate import compare

    X, y, groups = drawn(n, width)
    rounds = _rounds(y, groups)
    few = drawn(60, 20)
    compare(
        *few, CompareOptions(heads=[head], folds=2, repeats=1, jobs=1)
    )  # so that imports do not count

    def round_() -> Facts:
        found = compare(X, y, groups, CompareOptions(heads=[head], jobs=1), rounds=rounds)
        return {
            "auc": float(np.mean([fold.scores["roc_auc"] for fold in found.results])),
            "folds": len(rounds),
        }

    return round_


def _rounds(y: Indices, groups: Indices) -> Sequence[Fold]:
    """Give five folds, of many rows the first of them."""
    return folds(y, groups, n_folds=5, repeats=1, seed=0)[: 5 if len(y) <= _FEW else 1]


def bare(n: int, width: int, head: str) -> Round:
    """Give a round: on the same fold the estimator alone that a head of trees is made of."""
    from sklearn.metrics import roc_auc_score

    from pipeline.heads import make_head
    from pipeline.heads.tree_heads import TreeHead

    X, y, groups = drawn(n, width)
    rounds = _rounds(y, groups)
    made = make_head(head)
    assert isinstance(made, TreeHead)

    def round_() -> Facts:
        aucs = []
        for fold in rounds:
            model = made.estimator().fit(np.asfortranarray(X[fold.train]), y[fold.train])
            aucs.append(roc_auc_score(y[fold.test], model.predict_proba(X[fold.test])[:, 1]))
        return {"auc": float(np.mean(aucs)), "folds": len(rounds)}

    return round_


def peer(
    n: int, width: int, head: str, tolerance: float | None = None, *, turned: bool = False
) -> Round:
    """Give a round: the same fold, grid and inner folds in scikit-learn, or behind PCA."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV

    from pipeline.heads import load_head_class
    from pipeline.heads.tuning import inner_folds

    X, y, groups = drawn(n, width)
    rounds = _rounds(y, groups)
    grid = {
        name: list(values) for name, values in getattr(load_head_class(head), "grid", {}).items()
    }
    estimator, names = _estimators()[head]()
    if tolerance is not None:
        estimator.set_params(tol=tolerance)

    def fold(train: Indices, test: Indices) -> float:
        """Choose and train on one side of a fold, give the AUC on the other."""
        mean = X[train].mean(axis=0)
        centred = X[train] - mean
        scale = np.sqrt(np.einsum("ij,ij->i", centred, centred).mean())
        rows, model, seen = centred / scale, estimator, (X[test] - mean) / scale
        if turned or (head in _TURNED and len(rows) <= rows.shape[1]):
            axes = PCA(random_state=0).fit(rows)  # loses nothing, and serves inner folds, too
            rows, seen = axes.transform(rows), axes.transform(seen)
        if head == "ridge":
            model = type(estimator)(alphas=grid["alpha"])
        elif grid:
            inner = [(fold.train, fold.test) for fold in inner_folds(y[train], groups[train], 0)]
            few = {names.get(name, name): values for name, values in grid.items()}
            model = GridSearchCV(estimator, few, cv=inner, scoring="roc_auc")
        model.fit(rows, y[train])
        if hasattr(model, "decision_function"):
            scores = model.decision_function(seen)
        else:
            scores = model.predict_proba(seen)[:, 1]
        return float(roc_auc_score(y[test], scores))

    def round_() -> Facts:
        aucs = [fold(fold_.train, fold_.test) for fold_ in rounds]
        return {"auc": float(np.mean(aucs)), "folds": len(rounds)}

    return round_


def _estimators() -> dict[str, Callable[[], tuple[Any, dict[str, str]]]]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC, LinearSVC

    return {
        "logistic": lambda: (LogisticRegression(max_iter=10_000), {}),
        "ridge": lambda: (RidgeClassifierCV(), {}),
        "lda": lambda: (LinearDiscriminantAnalysis(solver="eigen"), {}),
        "linear-svm": lambda: (LinearSVC(), {}),
        "rbf-svm": lambda: (SVC(), {}),
        "knn": lambda: (KNeighborsClassifier(weights="distance"), {"k": "n_neighbors"}),
        "boosting": lambda: (HistGradientBoostingClassifier(), {}),
        "forest": lambda: (RandomForestClassifier(max_features="sqrt"), {}),
    }


def stage(n: int, width: int, name: str) -> Round:
    """Give a round: near copies among n photographs, or intervals of two heads' scores."""
    rng = np.random.default_rng(0)
    if name == "near copies":
        from pipeline.groups.similarity import similarity_of

        vectors = rng.standard_normal((n, 192)).astype(np.float32)
        vectors[1::2] = vectors[: 2 * (n // 2) : 2] + np.float32(0.3) * vectors[1::2]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return lambda: {"pairs": len(similarity_of(vectors).pairs(0.01)[0])}
    from pipeline.evaluation.intervals import Round as Tested
    from pipeline.evaluation.nested import find

    groups = np.arange(n) // 2
    y = (groups % 4 == 0).astype(np.int64)
    rounds = folds(y, groups, n_folds=5, repeats=1, seed=0)
    tested = {}
    for number in range(2):
        p = 1 / (1 + np.exp(-(2 * y - 1 + rng.standard_normal(n) * (1 + number))))
        P = np.column_stack([1 - p, p])
        tested[str(number)] = [Tested(fold.test, P[fold.test]) for fold in rounds]
    scores = {name: np.full(5, 0.9) for name in tested}

    def intervals() -> Facts:
        find(y, groups, tested, scores, "roc_auc", seed=0)
        return {}

    return intervals


# ---- the picture --------------------------------------------------------------------------

_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000",
    "#882255", "#999933",
)  # fmt: skip
_SIDE, _LEFT, _TOP = 420, 60, 20


def draw(curves: Mapping[str, Curve]) -> str:
    """Seconds and memory against rows, both axes by powers of ten, as SVG."""
    heads = list(dict.fromkeys(name.split(",")[0] for name in curves))
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1190 500" font-family="sans-serif" '
        'font-size="13"><rect width="1190" height="500" fill="white"/>'
    ]
    panels = (
        ("cpu", "processor seconds of one fold", 1.0, (-2, 3)),
        ("peak_mb", "peak GB", 1e-3, (-1, 2)),
    )
    for panel, (key, title, unit, (low, high)) in enumerate(panels):
        left = _LEFT + panel * (_SIDE + 80)

        def x(n: float, left: int = left) -> float:
            return left + (math.log10(n) - 2) / 3 * _SIDE

        def y(value: float, low: int = low, high: int = high) -> float:
            return _TOP + _SIDE * (high - math.log10(max(value, 10.0**low))) / (high - low)

        for power in range(low, high + 1):
            parts.append(
                _line([(left, y(10.0**power)), (left + _SIDE, y(10.0**power))], "#ddd", "")
            )
            parts.append(_text(left - 8, y(10.0**power) + 4, f"{10.0**power:g}", "end"))
        parts += [
            _text(x(n), _TOP + _SIDE + 20, f"{n:,}", "middle") for n in (100, 1000, 10_000, 100_000)
        ]
        parts.append(_text(left + _SIDE / 2, _TOP + _SIDE + 42, f"{title}, against rows", "middle"))
        for name, curve in curves.items():
            colour = _COLOURS[heads.index(name.split(",")[0]) % len(_COLOURS)]
            points = [(x(n), y(facts[key] * unit)) for n, facts in curve.items()]
            parts.append(_line(points, colour, "5 4" if "scikit" in name else ""))
    for number, name in enumerate(heads):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(_line([(1040, 40 + 22 * number), (1064, 40 + 22 * number)], colour, ""))
        parts.append(_text(1070, 44 + 22 * number, name, "start"))
    parts.append(_text(1040, 60 + 22 * len(heads), "dashed: scikit-learn", "start"))
    return "\n".join([*parts, "</svg>", ""])


def _line(points: list[tuple[float, float]], colour: str, dashes: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _named(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Give heads, sizes and the longest point that are asked for, and every benchmark's options."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--heads", type=lambda names: names.split(","), default=[])
    parser.add_argument("--longest", type=float, default=_LONGEST, help="seconds of one point")
    parser.add_argument(
        "--rows", type=lambda sizes: tuple(map(int, sizes.split(","))), default=_SIZES
    )
    given, others = parser.parse_known_args(arguments)
    unknown = set(given.heads) - set(_HEADS)
    if unknown:
        parser.error(f"no curve of {', '.join(sorted(unknown))}; expected {', '.join(_HEADS)}")
    return given, others


if __name__ == "__main__":
    asked, sys.argv[1:] = _named(sys.argv[1:])
    run(
        {"growth": lambda options: measure(options, asked.heads, asked.longest, asked.rows)},
        __doc__,
    )
