"""Thresholds in a model: chosen by fit, kept in the bundle, used by predict, evaluate and info."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import load, write_parts

import pipeline
from features.errors import BundleError, ThresholdError
from pipeline.heatmaps.prediction_sheet import _entry
from pipeline.model.info import describe
from pipeline.terminal.info import info as info_text
from pipeline.terminal.predictions import predictions as predictions_text
from pipeline.terminal.results import evaluation as evaluation_text
from pipeline.terminal.results import fit as fit_text
from pipeline.terminal.thresholds import decision
from pipeline.thresholds import Band, Decision, Outcome, ThresholdRule
from pipeline.thresholds.claims import Claim
from pipeline.thresholds.outcome import Counts


def fit(cache: Path, rule: ThresholdRule | None = None, head: str = "logistic") -> pipeline.Fit:
    """Give a model beside its cache."""
    data = pipeline.load_dataset(cache)
    options = pipeline.FitOptions(head=head, threshold=rule or ThresholdRule())
    return pipeline.fit(data, cache.parent / "model", options)


def change(model: Path, **fields: object) -> None:
    """Set fields of model.json; None takes them out."""
    about = json.loads((model / "model.json").read_text()) | fields
    kept = {name: value for name, value in about.items() if value != "absent"}
    (model / "model.json").write_text(json.dumps(kept))


def test_the_default_is_balanced_and_travels_with_the_model(cache: Path) -> None:
    """Check that fit chooses on five folds by part; bundle, info and text agree."""
    done = fit(cache)
    unseen = done.decision.unseen
    assert unseen is not None
    assert (done.decision.method, unseen.how, unseen.folds) == ("balanced", "out-of-fold", 5)
    bundle = load(done.folder)
    assert bundle.decision.to_json() == done.decision.to_json()
    assert bundle.threshold == bundle.record.to_json()["threshold"] == done.decision.band.pass_below
    assert "for the best balanced accuracy" in fit_text(done)
    assert "for the best balanced accuracy" in info_text(describe(done.folder))
    table = list(csv.DictReader(io.StringIO((done.folder / "unseen.csv").read_text())))
    sides = {entry["path"]: entry["side"] for entry in bundle.split()}
    assert {row["path"] for row in table} == {p for p, side in sides.items() if side == "train"}
    called = [float(row["probability_of_defect"]) >= bundle.threshold for row in table]
    missed = sum(row["class"] == "defects" and not c for row, c in zip(table, called, strict=True))
    assert missed == unseen.outcome.defective.passed
    folds: dict[str, set[str]] = {}
    for row in table:
        folds.setdefault(row["group"], set()).add(row["fold"])
    assert all(len(numbers) == 1 for numbers in folds.values())


def test_the_holdout_is_not_chosen_on(cache: Path) -> None:
    """Turning the holdout's classes round, once it is drawn, changes scores and no threshold."""
    first = fit(cache)
    data = pipeline.load_dataset(cache)
    held = {e["path"] for e in load(first.folder).split() if e["side"] == "holdout"}
    turned = np.array([table_row.path in held for table_row in data.table_rows])

    module = sys.modules["pipeline.training.fit"]
    real = module.choose_sides

    def turn_after_splitting(*rest: object, **more: object) -> object:
        sides = real(*rest, **more)
        data.y = np.where(turned, 1 - data.y, data.y)
        return sides

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "choose_sides", turn_after_splitting)
        second = pipeline.fit(data, cache.parent / "other", pipeline.FitOptions(head="logistic"))
    assert second.decision.band == first.decision.band
    assert second.held_out.scores["roc_auc"] < 0.5 < first.held_out.scores["roc_auc"]


def test_a_number_needs_no_folds_and_leaves_probabilities_alone(cache: Path) -> None:
    """--threshold 0.3: that threshold, the head's own probabilities, nothing kept out."""
    done = fit(cache, ThresholdRule.parse("0.3"), head="forest")
    assert done.decision.band == Band.at(0.3)
    assert (done.decision.unseen, done.calibration) == (None, None)
    assert not (done.folder / "unseen.csv").exists()
    bundle, rows = load(done.folder), pipeline.load_dataset(cache).rows()
    np.testing.assert_allclose(bundle.probabilities(rows), bundle.head.predict_proba(rows))
    assert "0.3, not chosen" in fit_text(done)


def test_a_heads_calibration_is_kept_and_used(cache: Path) -> None:
    """The votes of neighbours are calibrated out of fold; predict and evaluate use the result."""
    done = fit(cache, head="knn")
    assert done.calibration is not None
    bundle, data = load(done.folder), pipeline.load_dataset(cache)
    assert bundle.calibration == done.calibration
    rows = data.rows()
    own = bundle.head.predict_proba(rows)
    expected = done.calibration.apply(own)[:, 1]
    assert not np.allclose(expected, own[:, 1], atol=0.01)
    photographs = pipeline.find_photographs([str(cache.parent / "data")])
    found = {Path(p.path).name: p.probability for p in pipeline.predict(bundle, photographs, cache)}
    for table_row, p in zip(data.table_rows, expected, strict=True):
        assert found[Path(table_row.path).name] == pytest.approx(p, abs=1e-6)
    again = pipeline.evaluate_holdout(bundle, cache)
    assert again.assessment.scores == pytest.approx(done.held_out.scores, abs=1e-9, nan_ok=True)


def test_a_review_band_reaches_every_verdict(cache: Path) -> None:
    """Between the thresholds the verdict is review: predict, tables, sheet, evaluate, text."""
    done = fit(cache, ThresholdRule.parse("0.02,0.98"))
    bundle = load(done.folder)
    photographs = pipeline.find_photographs([str(cache.parent / "data")])
    found = pipeline.predict(bundle, photographs, cache)
    for one in found:
        assert one.probability is not None
        if one.unlike:
            assert one.for_person
            continue
        expected = "Healthy" if one.probability < 0.02 else "review"
        assert one.verdict == ("defects" if one.probability >= 0.98 else expected)
        assert one.for_person == (one.verdict == "review")
    reviewed = [one for one in found if one.for_person]
    assert 0 < len(reviewed) < len(found)
    assert f"{len(reviewed)} review" in predictions_text(found)
    table = list(csv.DictReader(io.StringIO(pipeline.format_predictions(bundle, found, ".csv"))))
    assert [row["class"] for row in table] == [one.verdict for one in found]
    assert {_entry(one, None).right for one in reviewed} == {None}
    held = pipeline.evaluate_holdout(bundle, cache)
    assert held.confusion.shape == (2, 3)
    assert held.confusion.sum() == held.assessment.count
    assert held.outcome == done.decision.holdout
    assert all(mistake.verdict != "review" for mistake in held.mistakes)
    text = evaluation_text(held, bundle.classes.names)
    assert "a person would see" in text
    assert "what goes to a person counts neither as right nor as wrong" in text
    assert text.split("truth \\ verdict")[1].split()[:3] == ["Healthy", "defects", "review"]


def test_a_class_called_review_is_a_class(cache: Path, tmp_path: Path) -> None:
    """Verdicts of a class of that name are right or wrong, unless it was trained on them.

    With a band the name is refused.
    """
    (tmp_path / "data" / "defects").rename(tmp_path / "data" / "review")
    pipeline.extract_folder(tmp_path / "data", cache)
    done = fit(cache, ThresholdRule.parse("0.5"))
    found = pipeline.predict(
        load(done.folder), pipeline.find_photographs([str(tmp_path / "data" / "review")]), cache
    )
    assert {one.for_person for one in found} == {False}
    assert {_entry(one, None).right for one in found if not one.trained_on} <= {True, False}
    assert {_entry(one, None).right for one in found if one.trained_on} == {None}
    for rule in (ThresholdRule(review=0.1), ThresholdRule.parse("0.2,0.6")):
        with pytest.raises(ThresholdError, match="a class is called review"):
            fit(cache, rule)


def test_a_claim_sets_parts_aside(cache: Path) -> None:
    """Parts of the claim were not learned from, and count as known to the model all the same."""
    done = fit(cache, ThresholdRule(max_missed=0.65))
    bundle = load(done.folder)
    sides: dict[str, set[str]] = {}
    for entry in bundle.split():
        sides.setdefault(entry["side"], set()).add(entry["group"])
    assert set(sides) == {"train", "threshold", "holdout"}
    assert not sides["train"] & sides["threshold"]
    assert done.train.parts == len(sides["train"])
    (claim,) = bundle.decision.claims
    assert (claim.what, claim.share, claim.allowed) == ("missed", 0.65, 0)
    assert len(bundle.trained_on()) == 54
    text = fit_text(done)
    assert "at most 0.65 of defective parts are missed, with 95 % confidence" in text
    assert "0.65" in info_text(describe(done.folder))


def test_the_holdout_may_speak_against_a_claim() -> None:
    """Far more misses on the holdout than were claimed are a warning; a few are chance."""
    found = Decision(Band.at(0.1), ThresholdRule(max_missed=0.02), "claim")
    found = replace(found, claims=(Claim("missed", 0.02, 149, 0),))
    good = Counts(50, 50, 0, 0)
    for missed, warned in ((1, False), (5, True)):
        outcome = Outcome(Counts(50, missed, 0, 50 - missed), good, good, good)
        said = decision(replace(found, holdout=outcome), ("ok", "bad"))
        assert ("warning: the holdout speaks against" in said) == warned


def test_a_model_made_before_still_loads(cache: Path) -> None:
    """Schema 1 knows a threshold and nothing else: it is used as it was."""
    done = fit(cache)
    change(done.folder, onepass_bundle=1, threshold=0.25, decision="absent", calibration="absent")
    bundle = load(done.folder)
    assert bundle.band == Band.at(0.25)
    assert bundle.calibration is None
    assert "0.25, not chosen" in info_text(describe(done.folder))
    assert pipeline.evaluate_holdout(bundle, cache).confusion.shape == (2, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": "absent"},
        {"decision": {}},
        {"calibration": {"scale": "logit", "slope": -1.0, "offset": 0.0}},
        {"calibration": {"scale": "other", "slope": 1.0, "offset": 0.0}},
    ],
)
def test_damaged_thresholds_are_named(cache: Path, fields: dict[str, object]) -> None:
    """Thresholds or a calibration that cannot be are an error, never a verdict."""
    done = fit(cache, ThresholdRule.parse("0.5"))
    change(done.folder, **fields)
    with pytest.raises(BundleError, match="no thresholds that can be used"):
        load(done.folder)
    again = fit(cache)
    decision = json.loads((again.folder / "model.json").read_text())["decision"]
    change(again.folder, decision=decision | {"pass_below": 0.9, "reject_from": 0.1})
    with pytest.raises(BundleError, match="no thresholds that can be used"):
        load(again.folder)


def test_the_command_line_chooses_and_refuses(run: Run) -> None:
    """Check that fit's options reach the model; what cannot be done is said before training."""
    write_parts(Path("data"))
    run("extract", "--weights", "random", "--group-regex", r"part-(\d+)")
    code, out, _ = run("fit", "--head", "logistic", "--cost-missed", "50", "--cost-false", "1")
    assert code == 0
    assert "the cheapest if a miss costs 50, a false alarm 1" in out
    code, out, _ = run("fit", "--head", "logistic", "--review", "0.2", "--folds", "3")
    assert code == 0
    assert "3 folds by part" in out
    before = Path("model/model.json").read_bytes()
    fails(
        run("fit", "--head", "logistic", "--max-missed", "0.02"),
        "found 6 defective parts", "expected 199", "149",
    )  # fmt: skip
    fails(run("fit", "--threshold", "half"), "expected balanced")
    fails(run("fit", "--cost-missed", "5"), "expected both")
    assert Path("model/model.json").read_bytes() == before
    code, out, _ = run("predict", "model", "data")
    assert code == 0
    assert run("info", "model")[0] == 0
    assert "parts that are …" in run("evaluate", "model")[1]
