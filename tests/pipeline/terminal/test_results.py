"""What is said of scores: by part where parts are decided on, as surely as these are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from models import load

import pipeline
from pipeline.evaluation.predictions import Assessment
from pipeline.evaluation.score_table import about_intervals, scores_table
from pipeline.groups.proposal import AT_MOST
from pipeline.model.info import describe
from pipeline.terminal import results
from pipeline.terminal.info import info
from pipeline.training.optimism import Optimism

TOLD = pipeline.GroupRule("regex", "part")
PROPOSED = pipeline.GroupRule("proposed", AT_MOST)


@pytest.mark.parametrize(
    ("rule", "size", "warned"),
    [(None, "4 of 4 parts", False), (TOLD, "4 of 4 parts", False),
     (PROPOSED, "4 of at most 4 parts, could be far fewer", True)],
)  # fmt: skip
def test_scores_say_how_surely_their_parts_are_known(
    rule: pipeline.GroupRule | None, size: str, warned: bool
) -> None:
    """Where photographs may show fewer parts than proposed, the intervals are too narrow."""
    y, P = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    sides = {"holdout": Assessment.of(y, np.arange(4), P)}
    assert f"holdout ({size})" in scores_table(sides, True, rule).text()
    assert ("too good" in about_intervals(sides, rule)[-1]) is warned


def test_what_is_decided_is_what_is_counted(cache: Path) -> None:
    """Of a model that judges parts as wholes: wrong parts in `evaluate`, scores of parts in `info`.

    A photograph that is wrong by itself is no mistake as long as its part is right.
    """
    options = pipeline.FitOptions(head="logistic", optimism=False)
    done = pipeline.fit(pipeline.load_dataset(cache), cache.parent / "model", options)
    found = pipeline.evaluate_holdout(load(done.folder), cache)
    assert found.parts is not None
    said = results.evaluation(found, done.classes.names)
    wrong = int((found.parts.verdicts != found.parts.y).sum())
    assert f"judged wrongly: {wrong} of {len(found.parts.y)} parts; " in said
    assert f"{len(found.mistakes)} photograph" in said
    alone = results.evaluation(replace(found, parts=None), done.classes.names)
    assert f"\n{len(found.mistakes)} mistake" in alone
    told = info(describe(done.folder))
    assert f"holdout    {len(found.parts.y)} parts, each as a whole: accuracy" in told
    assert f"{len(found.predicted.y)} photographs of {len(found.parts.y)} parts, each by it" in told


def test_splits_that_are_nearly_the_same_tell_nothing_of_one_another() -> None:
    """Where hardly a photograph has another one of its part, any difference is of other things."""
    scores = dict.fromkeys(("roc_auc", "average_precision", "balanced_accuracy"), (0.9, 0.1))
    better = dict.fromkeys(scores, (0.99, 0.0))
    said = Optimism("ridge", scores, better, 5, torn=0.01, tested=39).sentence()
    assert "says nothing of how much a random split flatters" in said
    said = Optimism("ridge", scores, better, 5, torn=0.8, tested=39).sentence()
    assert "expect the score by part at best" in said
