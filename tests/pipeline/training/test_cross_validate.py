"""Every head on identical folds: the table, the winner, and what is kept for reports."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import numpy as np
import pytest
from rows import sparse_rows

from features.errors import HeadError, SplitError
from pipeline.evaluation.metrics import SCORES, score
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads import HEADS, make_head
from pipeline.terminal.comparison import heads
from pipeline.training.comparison_table import letters_of, short_names
from pipeline.training.cross_validate import CompareOptions, Comparison, compare

QUICK = ["logistic", "ridge", "linear-svm", "rbf-svm", "knn", "lda", "boosting", "majority"]


@pytest.fixture(scope="module")
def found() -> Comparison:
    """All quick heads on 4 folds of 2 repeats, in two processes."""
    X, y, groups = sparse_rows(90, 300, effect=0.8)
    return compare(X, y, groups, CompareOptions(heads=QUICK, folds=4, repeats=2, seed=1, jobs=2))


def test_every_head_has_every_round(found: Comparison) -> None:
    """Results are complete and ordered, with out-of-fold probabilities for every row."""
    _, y, _ = sparse_rows(90, 300, effect=0.8)
    rounds = [(fold.repeat, fold.fold) for fold in found.folds]
    for head in QUICK:
        assert [(r.repeat, r.fold) for r in found.of(head)] == rounds
        for result, fold in zip(found.of(head), found.folds, strict=True):
            assert result.probabilities.shape == (len(fold.test), 2)
            expected = score(y[fold.test], result.probabilities)
            assert result.scores == pytest.approx(expected, nan_ok=True)
        for repeat in (0, 1):
            np.testing.assert_allclose(found.out_of_fold(head, repeat).sum(axis=1), 1)
    with pytest.raises(KeyError):
        found.out_of_fold("logistic", 2)


def test_table_is_sorted_and_best_is_its_head(found: Comparison) -> None:
    """Rows fall with the chosen score, rise for Brier; the means are those of the folds."""
    aucs = [row.mean["roc_auc"] for row in found.table()]
    assert aucs == sorted(aucs, reverse=True)
    assert found.best == found.table()[0].head != "majority"
    assert found.table()[-1].head == "majority"
    briers = [row.mean["brier"] for row in found.table("brier")]
    assert briers == sorted(briers)
    row = next(row for row in found.table() if row.head == "ridge")
    values = [result.scores["accuracy"] for result in found.of("ridge")]
    assert row.mean["accuracy"] == pytest.approx(np.mean(values))
    assert row.spread["accuracy"] == pytest.approx(np.std(values, ddof=1))
    assert row.fit_seconds > 0


def test_json_and_csv_say_the_same(found: Comparison) -> None:
    """Both are text, carry every score, and leave undefined ones out rather than write NaN."""
    record = json.loads(found.to_json())
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert record["best"] == found.best == lines[0]["head"]
    for entry, line in zip(record["heads"], lines, strict=True):
        assert entry["head"] == line["head"]
        assert len(entry["rounds"]) == 8
        for name in SCORES:
            if entry[name] is None:
                assert line[name] == ""
            else:
                assert float(line[name]) == pytest.approx(entry[name])
            for end in ("low", "high"):
                assert float(line[f"{name}_{end}"] or "nan") == pytest.approx(
                    math.nan if entry[f"{name}_{end}"] is None else entry[f"{name}_{end}"],
                    nan_ok=True,
                )
    majority = next(entry for entry in record["heads"] if entry["head"] == "majority")
    assert majority["roc_auc"] == pytest.approx(0.5)
    assert len(record["pairs"]) == len(QUICK) * (len(QUICK) - 1) / 2
    assert lines[0]["against_best"] == ""
    assert lines[-1]["against_best"] == f"{found.best} is better than majority"
    assert record["nested"]["head"] == found.best
    assert "unseen part" in record["interval_method"]


def test_findings_go_with_the_table(found: Comparison) -> None:
    """Every mean lies in its interval, the best head stands first, the seed decides the draws."""
    for row in found.table():
        intervals = found.findings.intervals[row.head]
        for name in SCORES:
            low, high = intervals[name]
            if math.isfinite(row.mean[name]):
                assert low - 1e-9 <= row.mean[name] <= high + 1e-9, (row.head, name)
            else:
                assert math.isnan(low)
    assert list(found.findings.intervals) == [row.head for row in found.table()]
    pair = found.findings.against_best()["majority"]
    assert pair.a == found.best
    means = {row.head: row.mean["roc_auc"] for row in found.table()}
    assert pair.difference == pytest.approx(means[found.best] - 0.5)


def test_the_table_on_screen_says_what_can_be_said(found: Comparison) -> None:
    """Intervals beside the scores, a word on each head against the best, and the price of it."""
    text = heads(found, "grouped")
    lines = text.splitlines()
    assert f"against {found.best}" in text  # behind the scores, or below them at 80 columns
    assert max(len(line) for line in lines[: len(QUICK) + 1]) <= 80
    assert "log loss" not in lines[0]
    assert lines[1].split()[0] == found.best
    assert re.search(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]", lines[1])
    assert any("the first" in line for line in lines if line.startswith(found.best))
    assert any("worse" in line for line in lines if line.startswith("majority"))
    assert (
        "means over the same 8 folds for every head (4 folds, drawn 2 times, grouped split" in text
    )
    assert "no part, as far as parts are known, stands on both sides of a fold), sorted" in text
    assert "in brackets: 95 % intervals (bootstrap over parts" in text
    assert "verdicts are at the threshold 0.5; further" in text
    assert "differences up to 0.01 ROC AUC count as none (--rope)" in text
    assert f"of {len(QUICK)} heads flatters itself: expect ROC AUC 0." in text
    if "cannot tell" in "".join(lines[1:9]):
        assert "15 parts of the rarest class are too few" in text


def test_a_head_in_the_comparison_is_the_head_alone() -> None:
    """Sharing the Gram matrix and decompositions changes no prediction."""
    X, y, groups = sparse_rows(60, 200, effect=0.8)
    heads = ["logistic", "ridge", "linear-svm", "rbf-svm", "knn", "lda"]
    result = compare(X, y, groups, CompareOptions(heads=heads, folds=2, repeats=1, seed=4, jobs=1))
    fold = result.folds[1]
    seed = int(np.random.SeedSequence((4, 0, 1)).generate_state(1)[0])
    for name in heads:
        head = make_head(name, seed=seed).fit(
            X[fold.train], y[fold.train], groups[fold.train], n_classes=2
        )
        shared = result.of(name)[1]
        assert head.chosen == shared.chosen
        np.testing.assert_allclose(
            head.predict_proba(X[fold.test]), shared.probabilities, atol=1e-5
        )


def test_progress_counts_every_fit_and_processes_change_nothing() -> None:
    """One process or two: the same numbers; progress ends at the total."""
    X, y, groups = sparse_rows(48, 100, effect=0.8, n_classes=3)
    seen: list[tuple[int, int, str]] = []
    several = {
        n_jobs: compare(
            X,
            y,
            groups,
            CompareOptions(heads=["ridge", "forest", "majority"], folds=2, repeats=1, jobs=n_jobs),
            progress=lambda done, total, text: seen.append((done, total, text)),
        )
        for n_jobs in (1, 2)
    }
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 5, 6] * 2
    assert {total for _, total, _ in seen} == {6}
    said = heads(several[1], "grouped")  # of three classes there is no threshold
    assert "verdicts are of the most probable class; further" in " ".join(said.split())
    assert any("ridge, fold 2 of repeat 1" in text for _, _, text in seen)
    for one, two in zip(several[1].results, several[2].results, strict=True):
        assert (one.head, one.fold, one.chosen) == (two.head, two.fold, two.chosen)
        np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-9)


def test_dense_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Keras head is compared like any other."""
    monkeypatch.setattr(
        "pipeline.heads.dense.DenseHead.defaults",
        dict(make_head("dense").defaults) | {"epochs": 2},
    )
    X, y, groups = sparse_rows(40, 60, effect=1.0)
    result = compare(
        X, y, groups, CompareOptions(heads=["dense", "majority"], folds=2, repeats=1, jobs=1)
    )
    assert all(math.isfinite(r.scores["roc_auc"]) for r in result.of("dense"))


def test_what_cannot_be_compared_is_refused() -> None:
    """Unknown heads and scores, no heads, and too few parts are errors before any work."""
    X, y, groups = sparse_rows(45, 30, per_part=5)
    with pytest.raises(HeadError, match="unknown head 'svm'"):
        compare(X, y, groups, CompareOptions(heads=["svm"]))
    with pytest.raises(HeadError, match="no heads"):
        compare(X, y, groups, CompareOptions(heads=[]))
    with pytest.raises(HeadError, match="unknown score 'auc'; expected one of accuracy"):
        compare(X, y, groups, CompareOptions(heads=list(HEADS), sort_by="auc"))
    with pytest.raises(HeadError, match="smallest difference that matters is -1; expected 0"):
        compare(X, y, groups, CompareOptions(heads=["ridge"], rope=-1))
    with pytest.raises(SplitError, match="'crack' has 4 parts; expected at least 5"):
        compare(X, y, groups, CompareOptions(heads=["ridge"]), class_names=("free", "crack"))


def test_long_feature_specs_are_letters_in_the_table() -> None:
    """The same spec is the same letter; short ones and flat rows stay as they are."""
    long = "full+crops:mixed7-max+mixed8-max:root"
    pairs = [("ridge", "flat"), ("ridge", long), ("lda", long), ("lda", "avg")]
    found = [Contender(head, FeatureSpec.parse(text)) for head, text in pairs]
    contenders = {pair.name: pair for pair in found}
    short = list(short_names(contenders).values())
    assert short == ["ridge", "ridge on A", "lda on A", "lda on avg"]
    assert letters_of(contenders) == {long: "A", "flat": "no letter"}
    assert letters_of({pair.name: pair for pair in found[:1]}) == {}
