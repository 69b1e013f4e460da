"""fit --refit: what was scored, trained on everything, and no flattering number of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from models import load, write_parts

import pipeline
from pipeline.export.model_card import model_card
from pipeline.model.info import describe
from pipeline.serve.refit import why_not
from pipeline.terminal import results as text
from pipeline.terminal.info import info
from pipeline.training.fit import Fit

HONEST = "after the scores were made; scores, limits and claims are those of the run that held"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Fit, Fit]]:
    """Give a folder with the cache and two models of it, "scored" and "refitted"."""
    folder = tmp_path_factory.mktemp("refit")
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    cache = folder / "features.h5"
    pipeline.extract_folder(
        write_parts(folder / "data"), cache,
        pipeline.ExtractOptions(backbone="toy", weights="random", group_rule=rule),
    )  # fmt: skip
    data = pipeline.load_dataset(cache)
    options = {"head": "logistic", "optimism": False, "seed": 4}
    scored = pipeline.fit(data, folder / "scored", pipeline.FitOptions(**options))
    refitted = pipeline.fit(data, folder / "refitted", pipeline.FitOptions(**options, refit=True))
    yield folder, scored, refitted


def test_what_was_scored_stays_and_the_head_is_trained_on_everything(
    made: tuple[Path, Fit, Fit],
) -> None:
    """Limits, calibration and scores are equal; the head equals one trained on all rows."""
    folder, scored, refitted = made
    assert refitted.held_out.to_json() == scored.held_out.to_json()
    one, two = load(folder / "scored"), load(folder / "refitted")
    assert two.decision.band == one.decision.band
    assert two.calibration == one.calibration
    assert two.record.scores == one.record.scores
    data = pipeline.load_dataset(folder / "features.h5")
    rows = data.rows()
    head = pipeline.make_head("logistic", seed=4, settings=one.head.chosen)
    head.fit(rows, data.y, data.groups, n_classes=2)
    np.testing.assert_allclose(two.head.predict_proba(rows), head.predict_proba(rows), atol=1e-6)
    assert np.abs(two.head.predict_proba(rows) - one.head.predict_proba(rows)).max() > 1e-4
    np.testing.assert_allclose(  # the self-test is of the refitted head
        two.tested.probabilities, head.predict_proba(two.tested.rows), atol=1e-6
    )


def test_every_photograph_counts_as_trained_on(made: tuple[Path, Fit, Fit]) -> None:
    """No side is left to score on; what each was in the honest run is kept beside it."""
    folder, scored, _ = made
    one, two = load(folder / "scored"), load(folder / "refitted")
    assert {entry["side"] for entry in two.split()} == {"train"}
    assert [entry["scored_as"] for entry in two.split()] == [e["side"] for e in one.split()]
    assert len(two.trained_on()) == len(two.split()) > len(one.trained_on())
    assert one.familiar is not None
    assert two.familiar is not None
    assert len(two.familiar.vectors) == len(two.split())
    assert len(one.familiar.vectors) == len(scored.sides[0])
    photographs = pipeline.find_photographs([str(folder / "data")])
    found = pipeline.predict(two, photographs, folder / "features.h5")
    assert all(verdict.trained_on for verdict in found)


def test_it_is_said_wherever_the_model_is_described(made: tuple[Path, Fit, Fit]) -> None:
    """Terminal, info, model.json, report and card."""
    folder, scored, refitted = made
    facts = describe(folder / "refitted")
    assert facts["refit"]["photographs"] == 72
    assert facts["refit"]["parts"] == 24
    assert "refit" not in describe(folder / "scored")
    report = pipeline.fit_report(pipeline.load_dataset(folder / "features.h5"), refitted)
    for said in (text.fit(refitted), info(facts), model_card(folder / "refitted"), report):
        assert f"on all 72 photographs of 24 parts {HONEST}" in said
    assert "--refit" in report
    assert "scored: holdout" in info(facts)
    for said in (text.fit(scored), info(describe(folder / "scored"))):
        assert HONEST not in said


def test_no_number_is_made_of_photographs_that_were_trained_on(
    made: tuple[Path, Fit, Fit], run: Run
) -> None:
    """`evaluate` refuses in one line, on the holdout and on the folder; serve does not refit it."""
    folder, *_ = made
    model, cache = str(folder / "refitted"), str(folder / "features.h5")
    code, _, said = run("evaluate", model, "--cache", cache)
    assert code == 1
    assert f"was trained on all 72 photographs of 24 parts {HONEST}" in said
    assert "expected new parts to score it on: evaluate MODEL FOLDER" in said
    code, out, said = run("evaluate", model, str(folder / "data"), "--cache", cache)
    assert code == 1
    assert "AUC" not in out
    assert len(said.splitlines()) == 1
    assert "no parts are left to compare old and new on" in why_not(load(folder / "refitted"))


def test_the_option_reaches_the_model(
    made: tuple[Path, Fit, Fit], run: Run, tmp_path: Path
) -> None:
    """With a claim, whose parts were set aside, as well: they are trained on, the limit stays."""
    folder, *_ = made
    words = [
        "fit", "--cache", str(folder / "features.h5"), "--head", "logistic", "--no-optimism",
        "--max-false", "0.5",
    ]  # fmt: skip
    outs = [tmp_path / name for name in ("one", "two")]
    for out, more in zip(outs, ([], ["--refit"]), strict=True):
        code, *_ = run(*words, "--out", str(out), *more)
        assert code == 0
    one, two = (json.loads((out / "model.json").read_text()) for out in outs)
    for made_so in (one, two):
        del made_so["decision"]["unseen"]["seconds"]
    assert one["decision"] == two["decision"]
    assert two["decision"]["claims"]
    sides = [json.loads((out / "split.json").read_text()) for out in outs]
    assert {entry["side"] for entry in sides[0]} == {"train", "threshold", "holdout"}
    assert {entry["scored_as"] for entry in sides[1]} == {"train", "threshold", "holdout"}
