"""compare-heads in the row space against scikit-learn on the raw columns, the same protocol.

Naive means: for every fold, every candidate of the same grids on every inner fold, then the best
one on the whole training part, all on rows of 51,200 values. That takes minutes to hours, so one
outer fold is measured, with one inner fold and a few candidates of each grid (the first, middle
and last on 250 rows, the middle one on 1,009), and scaled to the number of fits of the whole.
What scikit-learn does by default is left at that (single precision, its own tolerances), which is
kinder to it than solving to convergence; test_gram.py holds the predictions of both
together, solved to convergence. Calibration is left out on the naive side. "PCA" is what who knows
scikit-learn well writes: all principal components, which lose nothing, fitted once for each
training side and shared by all heads and candidates; one outer fold of it is measured whole, of
250 rows alone (`growth` goes on with it). LDA is left out: its covariance would take 21 GB.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import Facts, Round, Variant, as_json, take_turns
from pipeline.training.cross_validate import CompareOptions

if TYPE_CHECKING:
    from pipeline.heads.gram_head import RowSpaceHead

_HEADS = ("logistic", "ridge", "linear-svm", "rbf-svm", "knn")
_FOLDS = 5
_WIDTH = 51_200
_LARGE = 500  # rows from which one candidate of each grid has to do
Rows = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def measure(options: Options) -> Report:
    """Both ways on 250 and on 1,009 rows."""
    report = Report("heads")
    cache = str(options.cache) if options.cache else ""
    heads = ("logistic", "ridge") if options.quick else _HEADS
    jobs = 1 if options.quick else -1
    for n, rounds in ((40, 1),) if options.quick else ((250, 3), (1009, 1)):
        settings = {
            "n": n,
            "width": 500 if options.quick else _WIDTH,
            "cache": cache,
            "heads": list(heads),
        }
        behind_pca = n <= _LARGE
        variants = [
            Variant("row space", "benchmarks.heads:in_row_space", settings | {"jobs": 1}),
            Variant("naive", "benchmarks.heads:naive", settings),
            Variant("PCA", "benchmarks.heads:after_pca", settings),
            Variant("row space, jobs", "benchmarks.heads:in_row_space", settings | {"jobs": jobs}),
        ]
        variants = [one for one in variants if behind_pca or one.name != "PCA"]
        found = take_turns(variants, rounds, warm=0, apart=not options.quick)
        report.details[str(n)] = as_json(found)
        ours, peer = found["row space"], found["naive"]
        many = found["row space, jobs"]
        report.compare(f"compare-heads, {n:,} rows, 5 folds", ours, peer, 1, "times", "50")
        line = report.lines[-1]
        line.ours = f"{min(ours.seconds):.2f} s (--jobs -1: {min(many.seconds):.2f} s)"
        line.peer = f"naive: {min(peer.seconds):.0f} s (scaled from one fold)"
        if behind_pca:
            report.compare("the same", ours, found["PCA"], 1, "times")
            seconds = min(found["PCA"].seconds)
            report.lines[-1].peer = f"PCA first: {seconds:.1f} s (one fold, times 5)"
        for head, seconds in peer.facts[-1]["heads"].items():
            mine = ours.facts[-1]["heads"][head]
            report.lines.append(
                Line(
                    f"  {head}", f"{mine:.2f} s", f"naive: {seconds:.1f} s ({seconds / mine:.0f} ×)"
                )
            )
    _plain_lines(report, cache, options.quick)
    source = "rows of a cache" if cache else "drawn rows, 70 % zeros"
    report.notes.append(f"{source}; heads: {', '.join(heads)}; 5 folds, one repeat")
    return report


def _plain_lines(report: Report, cache: str, quick: bool) -> None:
    """Heads on raw rows against the libraries that they are made of, the same settings."""
    settings = {"n": 40 if quick else 250, "width": 500 if quick else _WIDTH, "cache": cache}
    for head in ("dense", "forest", "boosting"):
        mine = settings | {"head": head, "epochs": 2 if quick else 10}
        ours, peer = f"onepass {head}", f"plain {head}"
        found = take_turns(
            [
                Variant(ours, "benchmarks.heads:fit_head", mine | {"plain": False}),
                Variant(peer, "benchmarks.heads:fit_head", mine | {"plain": True}),
            ],
            1 if quick else 3,
            apart=not quick,
        )
        report.details[head] = as_json(found)
        report.compare(f"{head}, {mine['n']} rows", found[ours], found[peer], 1, "fits", "1")


def fit_head(n: int, width: int, cache: str, head: str, epochs: int, *, plain: bool) -> Round:
    """Give a round: train one head, or the library's own model with the same settings."""
    from pipeline.heads import make_head
    from pipeline.heads.tree_heads import TreeHead

    rows, y, groups = _data(n, width, cache)
    settings = {"epochs": epochs} if head == "dense" else {}

    def ours() -> None:
        make_head(head, settings=settings).fit(rows, y, groups, n_classes=2)

    def trees() -> None:
        made = make_head(head)
        assert isinstance(made, TreeHead)
        made.estimator().fit(rows, y)

    def keras_fit() -> None:
        import keras

        from pipeline.heads.dense import build_model

        model = build_model(width, 2, (0.3, 0.3, 0.3))
        model.compile(optimizer=keras.optimizers.RMSprop(3e-4), loss="binary_crossentropy")
        model.fit(rows, y, batch_size=32, epochs=epochs, verbose=0)

    if not plain:
        return ours
    return keras_fit if head == "dense" else trees


def _data(n: int, width: int, cache: str) -> tuple[Rows, Indices, Indices]:
    """Rows, classes 0 and 1, parts."""
    if not cache:
        return _draw(n, width)
    from pipeline.data.dataset import load_dataset

    data = load_dataset(Path(cache))
    ones, zeros = np.flatnonzero(data.y == 1), np.flatnonzero(data.y != 1)
    share = max(len(ones) / len(data), 0.2)  # of 250 rows 14 cracked ones would be too few
    few = ones[: min(len(ones), round(n * share))]
    chosen = np.sort(np.concatenate([few, zeros[: n - len(few)]]))
    return data.rows(chosen), np.minimum(data.y[chosen], 1), data.groups[chosen]


def _draw(n: int, width: int) -> tuple[Rows, Indices, Indices]:
    generator = np.random.default_rng(0)
    groups = np.arange(n, dtype=np.int64) // 3
    y = groups % 2
    rows = generator.standard_normal((n, width), np.float32) - np.float32(0.55)
    rows += np.float32(0.4) * generator.standard_normal((n // 3 + 1, width), np.float32)[groups]
    marks = generator.standard_normal((2, width), np.float32) * (generator.random(width) < 0.1)
    rows += np.float32(0.3) * marks.astype(np.float32)[y]
    return np.maximum(rows, 0), y, groups


def in_row_space(n: int, width: int, cache: str, heads: list[str], jobs: int) -> Round:
    """Give a round: `compare` over the heads, Gram matrix included."""
    from pipeline.training.cross_validate import compare

    rows, y, groups = _data(n, width, cache)

    def round_() -> Facts:
        found = compare(
            rows, y, groups, CompareOptions(heads=heads, folds=_FOLDS, repeats=1, jobs=jobs)
        )
        seconds = dict.fromkeys(heads, 0.0)
        for result in found.results:
            seconds[result.head] += result.fit_seconds + result.predict_seconds
        return {"heads": seconds, "gram": found.gram_seconds}

    return round_


# ---- the naive way ------------------------------------------------------------------------


def _estimators() -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    return {
        "logistic": lambda s: LogisticRegression(C=s["C"], max_iter=10_000),
        "ridge": lambda s: RidgeClassifier(alpha=s["alpha"]),
        "linear-svm": lambda s: SVC(C=s["C"], kernel="linear"),
        "rbf-svm": lambda s: SVC(C=s["C"], gamma=s["gamma"]),
        "knn": lambda s: KNeighborsClassifier(s["k"], weights="distance", algorithm="brute"),
    }


def _tuned(name: str) -> type[RowSpaceHead[Any]]:
    """Find the class of a head with settings to choose among."""
    from pipeline.heads import load_head_class

    return cast("type[RowSpaceHead[Any]]", load_head_class(name))


def naive(n: int, width: int, cache: str, heads: list[str]) -> Round:
    """Give a round: fits on raw columns, scaled to the whole protocol; see above."""
    import itertools

    from pipeline.data.splits import folds
    from pipeline.heads.tuning import INNER_FOLDS, inner_folds

    rows, y, groups = _data(n, width, cache)
    fold = folds(y, groups, n_folds=_FOLDS, repeats=1, seed=0)[0]
    inner = inner_folds(y[fold.train], groups[fold.train], 0)[0]
    grids = {
        name: [
            dict(zip(kind.grid, values, strict=True))
            for values in itertools.product(*kind.grid.values())
        ]
        for name in heads
        for kind in [_tuned(name)]
    }
    estimators = _estimators()

    def timed(name: str, settings: Mapping[str, Any], train: Indices, test: Indices) -> float:
        started = time.perf_counter()
        X = rows[train]
        mean = X.mean(axis=0)
        X = X - mean
        scale = np.sqrt(np.einsum("ij,ij->i", X, X).mean())
        if "k" in settings:
            settings = dict(settings) | {"k": min(settings["k"], len(X))}
        model = estimators[name](settings).fit(X / scale, y[train])
        predict = getattr(model, "decision_function", None) or model.predict_proba
        predict((rows[test] - mean) / scale)
        return time.perf_counter() - started

    def head(name: str) -> float:
        grid = grids[name]
        middle = grid[len(grid) // 2]
        chosen = [middle] if n > _LARGE else [grid[0], middle, grid[-1]]
        train, test = fold.train[inner.train], fold.train[inner.test]
        each = float(np.mean([timed(name, settings, train, test) for settings in chosen]))
        last = timed(name, middle, fold.train, fold.test)
        return _FOLDS * (INNER_FOLDS * len(grid) * each + last)

    def round_() -> Facts:
        seconds = {name: head(name) for name in heads}
        return {"seconds": sum(seconds.values()), "heads": seconds}

    return round_


def after_pca(n: int, width: int, cache: str, heads: list[str]) -> Round:
    """Give a round: one outer fold, rows turned to all their principal components first."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import ParameterGrid

    from pipeline.data.splits import folds
    from pipeline.heads.tuning import best_candidate, inner_folds

    rows, y, groups = _data(n, width, cache)
    _, _, train, test = folds(y, groups, n_folds=_FOLDS, repeats=1, seed=0)[0]
    inner = inner_folds(y[train], groups[train], 0)
    grids = {name: list(ParameterGrid(_tuned(name).grid)) for name in heads}
    estimators = _estimators()

    def turned(learnt: Indices, held: Indices) -> tuple[Rows, Rows]:
        pca = PCA(random_state=0)
        seen = pca.fit_transform(rows[learnt])
        scale = np.sqrt(np.einsum("ij,ij->i", seen, seen).mean())
        return seen / scale, pca.transform(rows[held]) / scale

    def scores(
        name: str, settings: Mapping[str, Any], sides: tuple[Rows, Rows], of: Indices
    ) -> Any:  # noqa: ANN401
        if "k" in settings:
            settings = dict(settings) | {"k": min(settings["k"], len(of))}
        model = estimators[name](settings).fit(sides[0], of)
        if hasattr(model, "decision_function"):
            return model.decision_function(sides[1])
        return model.predict_proba(sides[1])[:, 1]

    def round_() -> Facts:
        started = time.perf_counter()
        aucs: dict[str, list[list[float]]] = {name: [] for name in heads}
        for fold in inner:
            sides, of = turned(train[fold.train], train[fold.test]), y[train[fold.train]]
            truth = y[train[fold.test]]
            for name in heads:
                aucs[name].append(
                    [roc_auc_score(truth, scores(name, one, sides, of)) for one in grids[name]]
                )
        sides = turned(train, test)
        for name in heads:
            scores(name, grids[name][best_candidate(aucs[name])], sides, y[train])
        return {"seconds": _FOLDS * (time.perf_counter() - started)}

    return round_


if __name__ == "__main__":
    run({"heads": measure}, __doc__)
