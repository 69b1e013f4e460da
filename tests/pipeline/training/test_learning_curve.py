"""The learning curve: whole parts, nested training sides, honest forecasts, a readable page."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from report_check import check_page, plain
from rows import sparse_rows

import pipeline
from features.errors import OutputError, SplitError
from pipeline.terminal.comparison import learning
from pipeline.training.forecast import forecast, law
from pipeline.training.learning_curve import shrinking_folds


def test_training_sides_shrink_by_whole_parts_inside_each_other() -> None:
    """The same parts are held out for all sizes of a draw, and none of them is trained on."""
    _, y, groups = sparse_rows(240, 4, per_part=3)
    folds = shrinking_folds(y, groups, draws=3, seed=5)
    sizes = max(fold.fold for fold in folds) + 1
    assert sizes >= 5
    for draw in range(3):
        mine = [fold for fold in folds if fold.repeat == draw]
        assert [fold.fold for fold in mine] == list(range(sizes))
        for larger, smaller in itertools.pairwise(mine):
            assert set(smaller.train) < set(larger.train)
            np.testing.assert_array_equal(smaller.test, larger.test)
        for fold in mine:
            inside = set(groups[fold.train])
            assert not inside & set(groups[fold.test])
            assert np.isin(groups, list(inside)).sum() == len(fold.train)
            assert set(y[fold.train]) == {0, 1}
    half = [f for f in folds if f.fold == 2]
    full = [f for f in folds if f.fold == 0]
    assert [len(h.train) for h in half] == pytest.approx([len(f.train) / 2 for f in full], rel=0.1)
    assert not np.array_equal(full[0].test, full[1].test)


def test_too_few_parts_is_an_error_that_says_how_many_are_needed() -> None:
    """A curve needs two sizes, one twice the other."""
    y, groups = np.array([0] * 9 + [1] * 3), np.arange(12)
    with pytest.raises(SplitError, match=r"a class has 2 parts to train on; expected at least 4"):
        shrinking_folds(y, groups)


def test_the_law_is_found_again() -> None:
    """Errors that follow a power law give its numbers; errors that rise give no gain."""
    parts = np.array([160.0, 80, 40, 20])
    a, b = law(parts, 0.9 * parts**-0.5)
    assert (a, b) == pytest.approx((0.9, 0.5))
    assert law(parts, 0.01 * parts**0.3)[1] == 0
    assert law(parts, 50 * parts**-2.0)[1] == 1


def draws_of(b: float, noise: float, draws: int = 40) -> tuple[np.ndarray, np.ndarray]:
    parts = np.array([160.0, 113, 80, 57, 40])
    errors = parts**-b * np.exp(noise * np.random.default_rng(0).standard_normal((draws, 5)))
    return parts, 1 - errors


def test_a_steady_gain_is_foretold() -> None:
    """With little noise the gain is the law's, its interval holds it, and the words say so."""
    parts, scores = draws_of(0.5, 0.02)
    ahead = forecast(parts, scores, tested_to_trained=1 / 3)
    assert ahead.gain == pytest.approx(160**-0.5 - 320**-0.5, rel=0.1)
    assert ahead.low < ahead.gain < ahead.high
    assert ahead.kind == "more"
    assert "twice as many parts (320) would bring about +0.02" in ahead.sentence("ROC AUC")


def test_noise_is_called_noise_and_nothing_nothing() -> None:
    """A wide interval is "cannot tell"; a score that no longer moves, "next to nothing"."""
    parts, scores = draws_of(0.3, 1.5, draws=6)
    ahead = forecast(parts, np.clip(scores, 0, 1), tested_to_trained=1 / 3)
    assert ahead.kind == "unknown"
    assert ahead.sentence("ROC AUC").startswith("cannot tell what twice as many parts")
    flat = np.full((8, 5), 0.98) + np.random.default_rng(1).normal(0, 1e-4, (8, 5))
    ahead = forecast(parts, flat, tested_to_trained=1 / 3)
    assert ahead.kind == "little"
    assert "next to nothing" in ahead.sentence("ROC AUC")


def test_two_draws_that_fell_tell_nothing() -> None:
    """Scores that happened to fall with more parts are no proof that more will bring nothing."""
    scores = np.array([[0.24, 0.24, 0.26], [0.42, 0.42, 0.52]])
    ahead = forecast(np.array([9.0, 7, 4]), scores, tested_to_trained=1 / 3)
    assert (ahead.kind, ahead.gain) == ("unknown", 0)
    assert ahead.low < 0 <= ahead.high


def test_a_perfect_score_cannot_rise() -> None:
    """Errors of 0 have no logarithm, and nothing is promised above 1."""
    parts, _ = draws_of(0.5, 0.1)
    ahead = forecast(parts, np.ones((5, 5)), tested_to_trained=1 / 3)
    assert ahead.now + ahead.high <= 1
    assert ahead.kind == "little"


def test_the_command_writes_table_and_page(cache: Path, run: Run, tmp_path: Path) -> None:
    """Several heads and features on the same draws; the words follow the numbers."""
    words = ["learning-curve", str(cache), "--heads", "ridge,majority", "--features", "flat,avg"]
    old, mine = Path("learning-curve/learning-curve.png"), Path("learning-curve/mine.png")
    old.parent.mkdir()
    for path in (old, mine):
        path.write_bytes(b"\x89PNG\r\n\x1a\n....tEXtSoftware\0Onepass....")
    code, out, err = run(*words, "--draws", "3", "--jobs", "1")
    assert (old.exists(), mine.exists()) == (False, True)
    old.write_bytes(b"\x89PNG\r\n\x1a\n....tEXtSoftware\0GIMP....")
    assert (code, err) == (0, "")
    assert "ridge on avg" in out
    assert "twice as many parts" in out
    assert "of defects" in out.splitlines()[4]
    with Path("learning-curve/learning-curve.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    data = pipeline.load_dataset(cache)
    sizes = {row["parts"] for row in rows}
    assert len(rows) == 2 * 2 * 3 * len(sizes)
    assert max(float(size) for size in sizes) < len(set(data.groups.tolist()))
    assert {row["features"] for row in rows} == {"flat", "avg"}
    page = Path("learning-curve/learning-curve.html").read_text("utf-8")
    check_page(page)
    said = plain(page)
    assert "onepass learning-curve --heads ridge,majority --features flat,avg" in said
    for line in out.splitlines():
        if "twice as many parts" in line:
            assert line.strip() in said
    values = [float(row["roc_auc"]) for row in rows if row["parts"] == rows[0]["parts"]]
    assert f"{np.mean(values[:3]):.3f}" in said
    Path("learning-curve/learning-curve.csv").write_text("mine")
    fails(run(*words), "was not written by this program")
    fails(run(*words[:2], "--heads", ",", "--out", "other"), "name at least one")
    assert run(*words, "--draws", "2", "--jobs", "1", "--force")[0] == 0
    assert old.exists()  # a picture of somebody's own


def test_nothing_is_written_where_parts_are_too_few(cache: Path, tmp_path: Path) -> None:
    """Two parts of a class: an error, and no empty picture."""
    data = pipeline.load_dataset(cache)
    data.groups = data.groups % 2 + 2 * data.y
    with pytest.raises(SplitError):
        pipeline.learning_curve(
            data, tmp_path / "l", pipeline.CurveOptions(heads=["ridge"], jobs=1)
        )
    (tmp_path / "o" / "learning-curve.html").mkdir(parents=True)
    with pytest.raises(OutputError):
        pipeline.learning_curve(
            data, tmp_path / "o", pipeline.CurveOptions(heads=["ridge"], jobs=1)
        )
    assert not (tmp_path / "l").exists()


def test_the_holdout_of_a_given_split_is_not_looked_at(cache: Path, tmp_path: Path) -> None:
    """As in compare-heads: what the folder's own test part has is left for fit, and it is said."""
    dataset = pipeline.load_dataset(cache)
    test = dataset.groups % 6 == 0
    dataset = replace(dataset, given=(np.flatnonzero(~test), np.flatnonzero(test)))
    found = pipeline.learning_curve(
        dataset, tmp_path / "curve", pipeline.CurveOptions(heads=["ridge"], draws=2, jobs=1)
    )
    assert len(found.result.y) == (~test).sum()
    assert f"the other {test.sum()} of the given split are left" in found.note
    assert found.note in learning(found)
    assert "heads see flat rows" in found.how()
    other = replace(found.options, features=[pipeline.FeatureSpec.parse("avg")])
    assert "flat" not in replace(found, options=other).how()
