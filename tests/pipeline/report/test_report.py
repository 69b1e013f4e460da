"""Reports: what they say of known photographs, and that any names and any files do no harm."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import typer.main
from models import write_parts
from PIL import Image
from report_check import BINARY, check_page, plain
from toy import ToyBackbone, photograph

import cli
import pipeline
from features.backbones.registry import BACKBONES
from features.backbones.settings import settings_from_fields
from features.cache.sample_table import TableRow
from pipeline.audit.result import read_audit
from pipeline.data.classes import Classes
from pipeline.data.label_table import LabelRule
from pipeline.data.splits import Fold
from pipeline.evaluation.band import Band
from pipeline.evaluation.metrics import score
from pipeline.evaluation.predictions import Assessment, Predictions
from pipeline.feature_specs.heads import Contender
from pipeline.groups.proposal import AT_LEAST, AT_MOST
from pipeline.groups.rules import GroupRule
from pipeline.output.result_table import told
from pipeline.output.wording import between
from pipeline.report.commands import extract_command, threshold_words
from pipeline.report.sections import (
    confusion,
    cost,
    data,
    gallery,
    heads,
    ranking,
    reliability,
    scores,
    thresholds,
)
from pipeline.report.sections import training as training_section
from pipeline.report.verdict import comparison_verdict, model_verdict
from pipeline.terminal.comparison import heads as heads_text
from pipeline.thresholds.bounds import interval
from pipeline.thresholds.choose import OutOfFold, choose
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.outcome import Outcome, Reliability
from pipeline.thresholds.rule import ThresholdRule
from pipeline.training.comparison import Comparison, FoldResult
from pipeline.training.comparison_table import at_chance, heads_table
from pipeline.training.training_curves import curves_csv

Toy = type[ToyBackbone]


def predict_photographs(
    p: list[float], y: list[int], *, groups: list[int] | None = None, root: Path = Path("nowhere")
) -> Predictions:
    """Photographs with these probabilities of a defect; each its own part if not said."""
    names = [f"{BINARY.names[c]}/{number}.png" for number, c in enumerate(y)]
    table_rows = [TableRow(n, n.split("/")[0], "", "", 0, "", 0, 0, 0, 0) for n in names]
    probabilities = np.column_stack([1 - np.array(p), p])
    numbers = np.array(groups if groups is not None else range(len(y)))
    return Predictions(BINARY, root, table_rows, np.array(y), numbers, probabilities, Band.at(0.5))


def assess(predicted: Predictions) -> Assessment:
    return Assessment.of(predicted.y, predicted.groups, predicted.probabilities)


# ---- the verdict ------------------------------------------------------------------------


def test_few_parts_without_a_miss_prove_little() -> None:
    """Nothing missed on four defective parts: the verdict says that half could still be missed."""
    predicted = predict_photographs([0.9] * 4 + [0.1] * 30, [1] * 4 + [0] * 30)
    made = model_verdict(predicted, assess(predicted), ["a warning"])
    said = " ".join([made.headline, *made.sentences]).replace("\u00a0", " ")
    assert "found all 4 defective photographs and rejected 0 of 30 healthy ones (0 %)" in said
    assert "4 defective and 30 healthy parts" in said
    assert "4 defective parts without a miss leave a share of up to 53 % possible" in said
    assert "Do not let it pass parts alone" in said
    assert "takes 59 defective parts or more; here are 4" in said
    assert list(made.warnings) == ["a warning"]


def test_parts_that_may_have_been_trained_on_are_said_first() -> None:
    """Without groups, or after a random split: not to be relied on, and what to do about it."""
    predicted = predict_photographs([0.9] * 60 + [0.1] * 60, [1] * 60 + [0] * 60)
    made = model_verdict(predicted, assess(predicted), [], apart=False)
    assert made.headline.endswith(", on parts that it may have been trained on.")
    assert "expect worse" in made.sentences[0]
    assert made.sentences[-1].startswith("Do not rely on this yet.")
    assert "if they are as many parts (95 % confidence), else more." in made.sentences[1]
    assert "60 defective parts without a miss" in made.sentences[1].replace("\u00a0", " ")
    by_part = replace(predicted, unit="part")
    for rule, said in (
        (None, "120 parts."),  # told, and split at random
        (GroupRule("proposed"), "probably 120 parts."),
        (GroupRule("proposed", AT_MOST), "at most 120 parts, could be far fewer."),
        (GroupRule("proposed", AT_LEAST), "at least 120 parts, could be far more."),
        (GroupRule(), "at most 120 parts, could be far fewer."),
    ):
        made = model_verdict(by_part, assess(predicted), [], apart=False, rule=rule)
        assert made.sentences[0].startswith(f"Behind this stand {said} Photographs of the same")


def test_misses_out_of_fold_are_said_beside_a_lucky_holdout() -> None:
    """A holdout without a miss says nothing of the half that was missed while choosing."""
    predicted = predict_photographs([0.9] * 4 + [0.1] * 30, [1] * 4 + [0] * 30)

    def said(passed: int, how: str = "out-of-fold") -> str:
        counts = SimpleNamespace(passed=passed, total=8)
        unseen = SimpleNamespace(how=how, outcome=SimpleNamespace(defective_parts=counts))
        holdout = SimpleNamespace(defective_parts=SimpleNamespace(passed=0, total=4))
        decision = cast(Decision, SimpleNamespace(
            unseen=unseen, holdout=holdout, contradicted=True, claims=[]
        ))  # fmt: skip
        found = model_verdict(predicted, assess(predicted), [], decision=decision)
        return " ".join(found.sentences).replace("\u00a0", " ")

    assert "the same threshold missed 4 of 8 defective parts (50 %): expect more misses" in said(4)
    assert "the same threshold" not in said(0)
    assert "the same threshold" not in said(4, "set aside")


def test_enough_parts_may_be_relied_on() -> None:
    """Sixty defective parts found: it may sort, and the verdict says what it may still miss."""
    predicted = predict_photographs([0.9] * 60 + [0.1] * 60, [1] * 60 + [0] * 60)
    advice = model_verdict(predicted, assess(predicted), []).sentences[-1].replace("\u00a0", " ")
    assert advice.startswith("If you can live with 4.9 % of the defective parts missed, it can")


def test_misses_and_chance_are_said() -> None:
    """Missed defects are counted with their interval; a ranking like a coin's is no use."""
    predicted = predict_photographs([0.1, 0.9, 0.9, 0.9] * 5 + [0.2] * 20, [1] * 20 + [0] * 20)
    made = model_verdict(predicted, assess(predicted), [])
    said = " ".join([made.headline, *made.sentences]).replace("\u00a0", " ")
    assert "missed 5 of 20 defective photographs (25 %)" in said
    assert re.search(r"may miss [\d.]+ to [\d.]+ % of the defects", said)
    rng = np.random.default_rng(0)
    coin = predict_photographs(rng.random(40).tolist(), [0, 1] * 20)
    assert "cannot be told from chance" in model_verdict(coin, assess(coin), []).sentences[-1]


def test_a_claim_that_rejects_all_good_parts_is_called_useless() -> None:
    """Beside the claim, and no word of sorting parts by it."""
    rng = np.random.default_rng(0)
    y = np.array([0, 1] * 80)
    p = np.where(y == 1, 0.6, 0.3) + 0.3 * rng.random(160)
    p[1] = 0.01  # the lowest of the defective parts, which decides
    predicted = predict_photographs(p.tolist(), y.tolist())
    found = decide(predicted, ThresholdRule(max_missed=0.04))
    assert "useless" in found.note
    made = model_verdict(replace(predicted, band=found.band), assess(predicted), [], decision=found)
    assert "That is useless: to keep it, none of the good parts" in " ".join(made.sentences)
    assert made.sentences[-1] == "Do not sort parts by it: it rejects every healthy one."


def test_a_threshold_that_rejects_all_good_parts_is_called_useless() -> None:
    """A head that ranks the wrong way round is best, at 0.5, where it rejects everything."""
    p = np.linspace(0.4, 0.6, 40)
    found = decide(predict_photographs(p.tolist(), [1] * 20 + [0] * 20), ThresholdRule())
    assert found.note.endswith("useless: all good parts of the training part are rejected")


def test_a_class_alone_is_said() -> None:
    """Only healthy, or only defective photographs: no number is made up for the other."""
    healthy = predict_photographs([0.1, 0.2, 0.7], [0, 0, 0])
    made = model_verdict(healthy, assess(healthy), [])
    assert "rejected 1 of 3 healthy ones" in made.headline
    assert "no defective one" in made.headline
    assert [figure.label for figure in made.figures] == ["Healthy ones rejected", "ROC AUC"]
    defective = predict_photographs([0.1, 0.9], [1, 1])
    assert "no healthy one" in model_verdict(defective, assess(defective), []).headline
    assert ranking.section(healthy) is None
    assert cost.section(healthy) is None


def test_more_classes_name_the_weakest() -> None:
    """Of three classes: how many are right, and where it fails."""
    classes = Classes(("A", "B", "C"), {"A": 0, "B": 1, "C": 2})
    P = np.full((12, 3), 0.1)
    y = np.repeat([0, 1, 2], 4)
    P[np.arange(12), np.where(np.arange(12) < 11, y, 0)] = 0.8
    P[8:11] = [0.5, 0.2, 0.3]
    table_rows = [TableRow(f"{i}.png", "A", "", "", 0, "", 0, 0, 0, 0) for i in range(12)]
    predicted = Predictions(classes, Path(), table_rows, y, np.arange(12), P, Band.at(0.5))
    made = model_verdict(predicted, Assessment.of(y, np.arange(12), P), [])
    assert "right class for 8 of 12 photographs" in made.headline
    assert any("weakest at C: 0 of 4" in sentence for sentence in made.sentences)
    for section in (ranking.section, confusion.section, reliability.section):
        assert section(predicted) is not None
    assert cost.section(predicted) is None


def comparison(signals: dict[str, float], parts: int, n_folds: int = 3) -> Comparison:
    """Heads that tell the classes apart so well (0: not at all), on folds of `parts` each."""
    rows = n_folds * parts
    y = np.tile([0, 1], rows // 2)
    folds = [
        Fold(0, i, np.setdiff1d(np.arange(rows), test), test)
        for i, test in enumerate(np.arange(rows).reshape(n_folds, parts))
    ]
    noise = np.random.default_rng(0).normal(size=(len(signals), len(y)))
    results = []
    for own, (head, signal) in zip(noise, signals.items(), strict=True):
        p = 1 / (1 + np.exp(-(2 * signal * (y - 0.5) + (noise[0] if signal > 1 else own))))
        P = np.column_stack([1 - p, p])
        results += [
            FoldResult(head, 0, f.fold, score(y[f.test], P[f.test]), {}, 0.1, 0.1, P[f.test])
            for f in folds
        ]
    contenders = {head: Contender(head) for head in signals}
    return Comparison(contenders, folds, results, y, np.arange(len(y)))


def predicted_best(found: Comparison) -> Predictions:
    """All photographs as the best head judged them."""
    return predict_photographs(found.out_of_fold(found.best)[:, 1].tolist(), found.y.tolist())


def test_heads_are_told_apart_in_words() -> None:
    """Better, no practical difference: said of each head against the best, and in a table."""
    found = comparison({"logistic": 2, "ridge": 2, "majority": 0}, parts=60, n_folds=10)
    predicted = predicted_best(found)
    made = comparison_verdict(found, predicted, assess(predicted), [])
    assert "Of 3 heads, logistic regression comes first" in made.headline
    said = " ".join(made.sentences)
    assert "It is better than majority." in said
    assert "There is no practical difference between it and ridge." in said
    body = plain(heads.section(found, "random").body)
    assert "dealt out at random" in body
    table = heads_table(found)
    assert [row[-2] for row in table.rows] == ["the first", "no practical difference", "worse"]
    for row in table.rows:  # the page and the terminal print the same cells
        assert all(told(cell) in body for cell in row)
        assert all(told(cell) in heads_text(found, "random") for cell in row)
    auc, bounds = found.table()[0].mean["roc_auc"], found.findings.intervals["logistic"]["roc_auc"]
    assert f"Logistic regression {auc:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]" in body


def test_the_best_of_several_is_called_flattered() -> None:
    """Of heads as good as coins the winner was lucky: the lower, nested estimate is told."""
    found = comparison({"logistic": 0, "ridge": 0, "lda": 0, "rbf-svm": 0}, parts=12)
    predicted = predicted_best(found)
    made = comparison_verdict(found, predicted, assess(predicted), [])
    nested = found.findings.nested
    assert nested is not None
    assert nested.value < nested.naive - 0.03
    assert f"in {100 * nested.value:.0f} of 100 cases" in made.headline
    assert "a healthy photograph" in made.headline
    parts = comparison_verdict(replace(found, unit="parts"), predicted, assess(predicted), [])
    assert "shown a defective and a healthy part," in parts.headline
    said = " ".join(made.sentences)
    assert f"he best of 4 heads flatters itself: expect ROC AUC {nested.value:.3f}" in said
    assert f"of a head chosen so, not {nested.naive:.3f}." in said
    assert "With this many parts (18 of the rarest class) nobody can tell it from" in said
    assert made.figures[0].label == "ROC AUC to expect"
    body = plain(heads.section(found, "grouped").body)
    assert nested.sentence()[1:] in body
    assert nested.sentence() in heads_text(found, "grouped")
    assert "18 parts of the rarest class are too few to tell such heads apart" in body


def test_a_head_no_better_than_a_coin_is_warned_of() -> None:
    """One that calls all the same, though it ranks well; majority is made for that."""
    found = comparison({"logistic": 2, "dense": 1, "majority": 0}, parts=60, n_folds=10)
    flat = [  # the same order, all below 0.5
        replace(one, probabilities=P, scores=score(found.y[fold.test], P))
        for one, fold in zip(found.results, list(found.folds) * 3, strict=True)
        if one.head != "logistic"
        for P in [np.column_stack([1 - one.probabilities[:, 1] / 9, one.probabilities[:, 1] / 9])]
    ]
    found = replace(found, results=[*found.of("logistic"), *flat])
    (said,) = at_chance(found)
    assert said.startswith("dense has a balanced accuracy of 0.500, which is chance: it ranks them")
    assert f"warning: {said}" in heads_text(found, "grouped")
    assert f"Warning: {said}." in plain(heads.section(found, "grouped").body)


# ---- sections ---------------------------------------------------------------------------


def test_the_confusion_matrix_counts_photographs_and_parts() -> None:
    """Photographs by class and verdict; parts by whether all, some or none are right."""
    predicted = predict_photographs(
        [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.8], [1, 1, 1, 1, 1, 1, 0, 0],
        groups=[0, 0, 1, 1, 2, 2, 3, 4],
    )  # fmt: skip
    said = plain(confusion.section(predicted).body)
    assert "Free 1 (50 %) 1 (50 %) 2" in said
    assert "Crack 3 (50 %) 3 (50 %) 6" in said
    assert "Free 1 0 1 2 Crack 1 1 1 3" in said


def test_cost_and_errors_agree_with_the_verdicts() -> None:
    """At the model's threshold the chart's shares are those of the confusion matrix."""
    predicted = predict_photographs([0.9, 0.9, 0.2, 0.1, 0.1, 0.6], [1, 1, 1, 0, 0, 0])
    section = cost.section(predicted)
    assert section is not None
    said = plain(section.body)
    assert (
        "At the model's own threshold 0.5, 33 % of the defective photographs are missed and 33 %"
        in said
    )
    assert "0.4 33 % 33 %" in said
    assert "0.15 0 % 33 %" in said
    assert "100 times a false alarm 0.15 0 % 33 %" in said


def test_reliability_counts_each_range() -> None:
    """Told and true shares of ten ranges, with how many photographs each holds."""
    predicted = predict_photographs([0.05] * 10 + [0.95] * 10, [0] * 10 + [1] * 9 + [0])
    said = plain(reliability.section(predicted).body)
    assert "0 % to 10 % 10 10 5 % 0 % 0 to 31 %" in said
    assert "90 % to 100 % 10 10 95 % 90 % 55 to 99.7 %" in said
    brier, loss = np.mean([0.0025] * 19 + [0.9025]), -np.mean(np.log([0.95] * 19 + [0.05]))
    assert f"these photographs, as told {brier:.3f} {loss:.3f}" in said
    pairs = predict_photographs([0.05] * 10, [0] * 10, groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    assert "0 % to 10 % 10 5 5 % 0 % 0 to 52 %" in plain(reliability.section(pairs).body)


def review_predictions(root: Path = Path("nowhere")) -> Predictions:
    """Make verdicts (passed below 0.3, rejected from 0.7 on): each way, right and wrong."""
    p, y = [0.1, 0.2, 0.9, 0.4, 0.6, 0.05, 0.8], [0, 1, 1, 1, 0, 0, 0]
    predicted = predict_photographs(p, y, groups=[0, 1, 2, 3, 4, 0, 5], root=root)
    return replace(predicted, band=Band(0.3, 0.7))


def test_what_a_person_looks_at_is_neither_right_nor_wrong() -> None:
    """A review band: its own column, its own pictures, no mistakes, and a share in the verdict."""
    predicted = review_predictions()
    said = plain(confusion.section(predicted).body)
    assert "review all" in said
    assert "Free 2 (50 %) 1 (25 %) 1 (25 %) 4" in said
    assert "Crack 1 (33 %) 1 (33 %) 1 (33 %) 3" in said
    assert "What a person has to look at counts as not right here." in said
    shown = plain(gallery.section(predicted).body)
    assert "Missed defects: 1" in shown
    assert "False alarms: 1" in shown
    assert "For a person to look at: 2" in shown
    assert "All 2 mistakes as a table" in shown
    assert shown.count("? for a person is") == 2
    assert "is Crack, verdict review" in shown
    made = model_verdict(predicted, assess(predicted), [])
    headline = made.headline.replace("\u00a0", " ")
    assert "missed 1 of 3 defective photographs (33 %) and rejected 1 of 4" in headline
    assert "a person has to look at 2 of 7 photographs (29 %)" in headline
    assert made.figures[2].value.replace("\u00a0", " ") == "29 %"
    scored = Assessment.of_predictions(predicted)
    assert scored.scores["accuracy"] == pytest.approx(3 / 5)  # the other two are for a person
    said = plain(scores.section({"new": scored}, predicted, None).body)
    assert "Verdicts are below 0.3 and from 0.7 on; what goes to a person counts neither" in said
    low, high = interval(1, 3)
    assert made.figures[0].note.endswith(between(low, high))  # of all three defects, not of two


def decide(predicted: Predictions, rule: ThresholdRule) -> Decision:
    """Thresholds chosen on these photographs, as if set aside."""
    every = np.arange(len(predicted.y))
    p = predicted.probabilities[:, 1]
    aside = OutOfFold(every, predicted.y, predicted.groups, p, every % 2, aside=True, seconds=0.1)
    return choose(aside, rule, None).decision


def test_thresholds_say_rule_promise_and_outcome() -> None:
    """Where they come from, what is claimed with which confidence, and parts on both sets."""
    rng = np.random.default_rng(0)
    y = [0, 1] * 80
    predicted = predict_photographs((0.4 * np.array(y) + 0.55 * rng.random(160)).tolist(), y)
    found = decide(predicted, ThresholdRule(max_missed=0.05))
    new = Outcome.of(predicted.y, predicted.probabilities[:, 1], predicted.groups, found.band)
    section = thresholds.section(found, BINARY.names, {"held out": new})
    assert section is not None
    said = plain(section.body)
    assert "for the claim below" in said
    assert "80 defective and 80 good parts that were set aside" in said
    assert "claim at most 0.05 of defective parts are missed, with 95 % confidence" in said
    assert f"(missed) {new.defective_parts.passed} of 80" in said
    assert "The holdout alone shows, with 95 % confidence: at most" in said
    guessed = thresholds.section(found, BINARY.names, {"held out": replace(new, told=False)})
    assert guessed is not None
    assert "no bound for other parts: which photographs show one part is only" in plain(
        guessed.body
    )
    assert "The holdout alone shows" not in plain(guessed.body)
    for rule, words in (
        ("any", "parts with a photograph that is …"),
        ("mean", "parts judged as wholes, by the mean of their photographs' log-odds"),
    ):
        of_rule = thresholds.section(replace(found, part_rule=rule), BINARY.names, {"new": new})
        assert of_rule is not None
        assert words in plain(of_rule.body)
        assert ("as soon as one of its photographs" in plain(of_rule.body)) == (rule == "any")
    made = model_verdict(predicted, assess(predicted), [], decision=found)
    sentences = " ".join(made.sentences).replace("\u00a0", " ")
    assert (
        "set so that at most 0.05 of defective parts are missed, with 95 % confidence" in sentences
    )
    assert "If you can live with 5 % of the defective parts missed" in sentences
    assert thresholds.section(found, ("A", "B", "C"), {}) is None
    fixed = thresholds.section(Decision.not_chosen(), BINARY.names, {})
    assert fixed is not None
    assert "claim none: no share of missed or rejected parts was claimed" in plain(fixed.body)


def test_a_claim_that_failed_is_not_repeated() -> None:
    """Photographs that speak against the claim: a person has to look, whatever was promised."""
    y = [0, 1] * 80
    predicted = predict_photographs((0.1 + 0.8 * np.array(y)).tolist(), y)
    found = decide(predicted, ThresholdRule(max_missed=0.05))
    new = predict_photographs([0.1] * 160, y)
    outcome = Outcome.of(new.y, new.probabilities[:, 1], new.groups, found.band)
    found = replace(found, holdout=outcome)
    assert found.contradicted
    made = model_verdict(replace(new, band=found.band), assess(new), [], decision=found)
    assert not any("set so that" in sentence for sentence in made.sentences)
    assert "it can sort" not in " ".join(made.sentences)


def test_costs_that_were_given_are_drawn_with_the_choice() -> None:
    """The curve of the photographs that the threshold was chosen on, in the costs' own unit."""
    rng = np.random.default_rng(1)
    y = [0, 0, 0, 1] * 40
    predicted = predict_photographs((0.3 * np.array(y) + 0.7 * rng.random(160)).tolist(), y)
    found = decide(predicted, ThresholdRule(cost_missed=50, cost_false=2))
    section = cost.section(replace(predicted, band=found.band), found, found.unseen)
    assert section is not None
    said = plain(section.body)
    assert "the photographs that the threshold was chosen on (set aside)" in said
    assert "a missed defect costs 50, a false alarm 2" in said
    assert found.unseen is not None
    missed, good = found.unseen.outcome.defective, found.unseen.outcome.good
    here = 100 * (0.25 * 50 * missed.passed / 40 + 0.75 * 2 * good.rejected / 120)
    assert f"At the model's own threshold {found.band.pass_below:.3g}: {here:.3g}." in said
    assert "what the model's own costs" in said


def test_calibration_is_shown_before_and_after() -> None:
    """Where probabilities are calibrated: both diagrams and both losses, on the unseen ones."""
    predicted = predict_photographs([0.2, 0.8] * 10, [0, 1] * 10)
    unseen = decide(predicted, ThresholdRule(balanced=True)).unseen
    assert unseen is not None
    said = plain(reliability.section(predicted, unseen).body)
    assert "calibrating them would have won nothing" in said
    own = Reliability.of(predicted.y, np.full(20, 0.5), predicted.groups)
    said = plain(reliability.section(predicted, replace(unseen, own=own)).body)
    assert "set aside, before calibration 0.250 0.693" in said
    assert "Before calibration, set aside" in said
    assert "After calibration, set aside" in said


def test_training_curves_are_drawn_where_there_are_epochs() -> None:
    """Loss and accuracy of every epoch stand in the table; what is missing does not."""
    assert training_section.section(None) is None
    history = [{"loss": 0.7, "accuracy": 0.5}, {"loss": 0.4, "accuracy": 0.8}]
    section = training_section.section(history)
    assert section is not None
    said = plain(section.body)
    assert "epoch training 1 0.700 2 0.400" in said
    assert "validation ends" not in said
    one = training_section.section([{"epoch": 3, "loss": 0.7, "val_loss": 0.9}])
    assert one is not None
    assert "3 0.700 0.900" in plain(one.body)
    assert "not recorded" in plain(one.body)


def test_unreadable_photographs_are_listed() -> None:
    """Each with its reason; of many, how many more there are."""
    predicted = predict_photographs([0.1, 0.9], [0, 1])
    bad = [TableRow(f"<{i}>.jpg", "", "", "", -1, "it is empty", 0, 0, 0, 0) for i in range(60)]
    given = data.Data(
        BINARY, predicted.table_rows, predicted.y, predicted.groups, "nobody", unreadable=bad
    )
    body = data.section(given).body
    assert "&lt;0&gt;.<wbr>jpg" in body
    assert "could not be read 60" in plain(body)
    assert "… and 10 more." in plain(body)


def write_noise(folder: Path, name: str, seed: int, size: tuple[int, int] = (24, 18)) -> TableRow:
    """Give a photograph on the disk, and its entry in the table of samples."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(photograph(seed, size))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return TableRow(name, name.split("/")[0], f"part {seed}", digest, 0, "", 0, 0, 0, 0)


def test_the_gallery_shows_the_worst_first(tmp_path: Path) -> None:
    """Missed defects from the surest on, false alarms likewise, then the least certain."""
    predicted = predict_photographs([0.3, 0.01, 0.2, 0.55, 0.99, 0.97, 0.45], [1, 1, 1, 0, 0, 1, 0])
    table_rows = [write_noise(tmp_path, s.path, i) for i, s in enumerate(predicted.table_rows)]
    predicted = replace(predicted, root=tmp_path, table_rows=table_rows)
    body = gallery.section(predicted).body
    shown = re.findall(r'alt="(\w+)/(\d)\.png: is \w+, verdict \w+, probability of a defect', body)
    assert [int(number) for _, number in shown] == [1, 2, 0, 4, 3, 6, 5]
    assert "Missed defects: 3" in plain(body)
    assert body.count('class="wrong"') == 5
    assert body.count("data:image/jpeg;base64,") == 7


def test_pictures_that_are_gone_or_changed_say_so(tmp_path: Path) -> None:
    """No picture stands in for another: gone, changed and damaged files are named as such."""
    predicted = predict_photographs([0.1, 0.2, 0.3], [1, 1, 1])
    table_rows = [write_noise(tmp_path, s.path, i) for i, s in enumerate(predicted.table_rows)]
    (tmp_path / table_rows[0].path).unlink()
    (tmp_path / table_rows[1].path).write_bytes(photograph(77))
    (tmp_path / table_rows[2].path).write_bytes(b"nothing")
    table_rows[2] = table_rows[2]._replace(digest=hashlib.sha256(b"nothing").hexdigest())
    predicted = replace(predicted, root=tmp_path, table_rows=table_rows)
    body = gallery.section(predicted).body
    assert "data:image" not in body
    said = plain(body)
    assert "No picture: it cannot be opened (No such file or directory)" in said
    assert "No picture: the file is no longer the one that was judged" in said
    assert "No picture: not a photograph" in said


# ---- whole reports ----------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache of drawn parts with an unreadable photograph, made by the toy backbone."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    folder = write_parts(tmp_path / "data")
    (folder / "defects" / "bad.png").write_bytes(b"")
    pipeline.extract_folder(
        folder,
        tmp_path / "features.h5",
        pipeline.ExtractOptions(
            weights="random", group_rule=pipeline.GroupRule("regex", r"part-(\d+)")
        ),
    )
    return tmp_path / "features.h5"


def commands(page: str) -> list[list[str]]:
    """Give the commands that a report names."""
    code = re.findall("<code>(.*?)</code>", page, re.DOTALL)[-1]  # before it: how to audit
    return [shlex.split(line) for line in unescape(code).splitlines()]


def assert_commands_parse(page: str) -> None:
    group = typer.main.get_command(cli.app)
    for program, command, *arguments in commands(page):
        assert program == "onepass"
        group.commands[command].make_context(command, arguments)  # type: ignore[attr-defined]


def test_the_report_of_a_model(cache: Path, tmp_path: Path) -> None:
    """It is sound, warns, lists what was unreadable, and its commands can be typed."""
    dataset = pipeline.load_dataset(cache)
    done = pipeline.fit(
        dataset, tmp_path / "m", pipeline.FitOptions(head="logistic", settings={"C": 2}, seed=3)
    )
    page = pipeline.fit_report(dataset, done)
    assert check_page(page).images >= 8
    said = plain(page)
    for text in ("UNTRAINED WEIGHTS", "bad.png the file is empty", "settings in force C = 2",
                 "seed 3", "6 parts, held out", "part-(\\d+)", done.folder.name):  # fmt: skip
        assert text in said
    assert_commands_parse(page)
    assert commands(page)[1][-4:] == ["--set", "C=2", "--out", str(tmp_path / "m")]
    assert "--threshold" not in commands(page)[1]
    assert "Where the model looks" in said
    heatmaps = re.findall(r'alt="Heatmap of ([^"]*)"', page)
    assert len(heatmaps) == page.count("verdict Healthy, prob") + page.count(
        "verdict defects, prob"
    )
    assert all("speak" in alt for alt in heatmaps)
    assert page.count('alt="Legend: vermilion speaks for a defect') == 1
    again = pipeline.load_dataset(cache)
    assert pipeline.fit_report(again, done).count("<svg") == page.count("<svg")


def test_an_audit_of_the_same_photographs_is_shown(cache: Path, tmp_path: Path) -> None:
    """Its shortcuts stand in the verdict's warnings; one of other photographs is not shown."""
    dataset = pipeline.load_dataset(cache)
    found = pipeline.audit_dataset(dataset, tmp_path / "audit", shuffles=99)
    file = tmp_path / "audit" / "audit.json"
    again = read_audit(file)
    assert again.to_json() == found.to_json()
    assert again.shortcuts is not None
    assert again.shortcuts.found, "the drawn classes differ in brightness"
    done = pipeline.fit(dataset, tmp_path / "m", pipeline.FitOptions(head="logistic"))
    page = pipeline.fit_report(dataset, done, audit_file=file)
    check_page(page)
    said = plain(page)
    visible = next(fact for fact in again.shortcuts.found if fact.in_pixels)
    assert f"The audit found: {visible.sentence}" in said.replace(" ,", ",")
    assert "All facts as a table" in said
    assert_commands_parse(page)
    assert commands(page)[1][1] == "audit"
    bundle = pipeline.load_bundle(tmp_path / "m")
    for scored in (
        pipeline.evaluate_holdout(bundle, cache),
        pipeline.evaluate_folder(bundle, write_parts(tmp_path / "new", 3, first=800), cache),
    ):
        page = pipeline.evaluation_report(bundle, scored, audit_file=file)
        said = plain(page).replace(" ,", ",")
        strongest = max(again.shortcuts.found, key=lambda fact: abs(fact.auc - 0.5))
        first = said.partition("Read this before you rely on it ")[2]
        assert first.startswith("The audit of what it was made of found: ")
        assert strongest.auc == pytest.approx(float(first.partition("AUC ")[2][:4]), abs=0.006)
        assert_commands_parse(page)
    fewer = pipeline.load_dataset(cache)
    fewer.y = 1 - fewer.y
    said = plain(pipeline.fit_report(fewer, done, audit_file=file))
    assert "is of other photographs, classes or parts" in said
    assert "The audit found" not in said
    file.write_text("{}")
    said = plain(pipeline.fit_report(dataset, done, audit_file=file))
    assert "cannot be read as an audit of this version" in said
    said = plain(pipeline.fit_report(dataset, done, audit_file=tmp_path / "gone" / "audit.json"))
    assert "was not looked into: there is no" in said
    assert f"onepass audit --cache {cache}" in said


@pytest.mark.parametrize(
    "look", ["plain", "full:colour", "full+large+crops:colour+white", "five:white"]
)
def test_how_closely_photographs_were_looked_at_can_be_typed_again(cache: Path, look: str) -> None:
    """Without --look a new cache would look closely; with --taps alone it has no crops."""
    dataset = pipeline.load_dataset(cache)
    assert dataset.folder.weights is not None
    settings = settings_from_fields(dataset.fields, dataset.folder.weights).looking(look)
    words = extract_command(replace(dataset, fields=settings.fields))
    assert words[words.index("--look") + 1] == look
    assert "--taps" not in words
    folder = replace(dataset.folder, labels=LabelRule("classes.csv", label_column="kind"))
    assert {"--labels", "--label-column"} <= set(extract_command(replace(dataset, folder=folder)))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ThresholdRule(), []),
        (ThresholdRule(balanced=True, folds=3), ["--folds", "3", "--threshold", "balanced"]),
        (ThresholdRule(fixed=(0.2, 0.2)), ["--threshold", "0.2"]),
        (ThresholdRule(fixed=(0.2, 0.6)), ["--threshold", "0.2,0.6"]),
        (
            ThresholdRule(cost_missed=50, cost_false=1, review=0.1, defect_rate=0.01),
            ["--cost-missed", "50", "--cost-false", "1", "--review", "0.1",
             "--defect-rate", "0.01"],
        ),
        (ThresholdRule(max_missed=0.02), ["--max-missed", "0.02"]),
    ],
)  # fmt: skip
def test_the_wishes_for_thresholds_can_be_typed_again(
    rule: ThresholdRule, words: list[str]
) -> None:
    """What was given stands in the command, and gives the same rule when it is parsed."""
    assert threshold_words(rule) == words


def test_no_heatmaps_is_said_and_no_error(cache: Path, tmp_path: Path) -> None:
    """A model without its reference, or whose rows are gone: photographs alone, and the reason."""
    dataset = pipeline.load_dataset(cache)
    done = pipeline.fit(dataset, tmp_path / "m", pipeline.FitOptions(head="logistic"))
    bundle = pipeline.load_bundle(tmp_path / "m")
    found = pipeline.evaluate_holdout(bundle, cache)
    page = pipeline.evaluation_report(bundle, replace(found, cache_path=tmp_path / "gone.h5"))
    check_page(page)
    assert "There are no heatmaps:" in plain(page)
    assert "Heatmap of" not in page
    assert "data:image/jpeg" in page
    del bundle.record.files["heatmaps.npz"]
    assert "has no heatmaps.npz" in plain(pipeline.evaluation_report(bundle, found))
    (done.folder / "model.json").unlink()
    check_page(pipeline.fit_report(dataset, done))


def test_the_report_of_a_comparison(cache: Path, tmp_path: Path) -> None:
    """Every head is in it, the best one looked at closely; a random split is warned of."""
    dataset = pipeline.load_dataset(cache)
    found = pipeline.compare_heads(
        dataset,
        tmp_path / "c",
        pipeline.CompareOptions(
            heads=["lda", "majority"], folds=3, repeats=2, jobs=1, split="random"
        ),
    )
    page = pipeline.comparison_report(dataset, found)
    check_page(page)
    said = plain(page)
    assert "same 6 folds for every head (3 folds, drawn 2 times, random split" in said
    assert "From here on: LDA (shrinkage), the best head" in said
    assert "The split was drawn at random" in said
    assert "72 photographs of 24 parts" in said
    assert_commands_parse(page)


def test_long_feature_specs_are_letters_in_a_comparison(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A headline that spells a feature spec cannot be read; what a letter means stands above it."""
    monkeypatch.setattr("pipeline.training.comparison_table._LONG", 5)
    specs = [pipeline.FeatureSpec.parse(text) for text in ("avg", "avg+max")]
    options = pipeline.CompareOptions(
        heads=["ridge", "lda"], features=specs, folds=3, repeats=1, jobs=1
    )
    dataset = pipeline.load_dataset(cache)
    page = pipeline.comparison_report(
        dataset, pipeline.compare_heads(dataset, tmp_path / "c on avg+max", options)
    )
    check_page(page)
    assert "ridge on A" in page
    assert "A avg+max" in plain(page)
    assert "ridge on avg+max" not in page
    assert "(shrinkage) on avg+max" not in page
    assert "ridge on avg" in page
    assert "c on avg+max" in page  # the folder is called so, and stays as it is


def test_the_headline_is_short(cache: Path, tmp_path: Path) -> None:
    """Who opens a report reads the head's name; the long name of what it sees stands below."""
    dataset = pipeline.load_dataset(cache)
    spec = pipeline.FeatureSpec.parse("avg+max:root")
    options = pipeline.FitOptions(head="ridge", features=spec, optimism=False)
    done = pipeline.fit(dataset, tmp_path / "m", options)
    bundle = pipeline.load_bundle(tmp_path / "m")
    found = pipeline.evaluate_holdout(bundle, cache)
    pages = pipeline.fit_report(dataset, done), pipeline.evaluation_report(bundle, found)
    for page, kind in zip(pages, ("Model report", "Evaluation"), strict=True):
        assert f"<h1>{kind}: Ridge" in page
        assert "avg+max" not in page.partition("<h1>")[2].partition("</h1>")[0]
        assert "sees avg+max:root" in plain(page)


def test_the_report_of_an_evaluation(cache: Path, tmp_path: Path) -> None:
    """Of the holdout and of a new folder; without groups it says what the intervals are worth."""
    pipeline.fit(pipeline.load_dataset(cache), tmp_path / "m", pipeline.FitOptions(head="logistic"))
    bundle = pipeline.load_bundle(tmp_path / "m")
    page = pipeline.evaluation_report(bundle, pipeline.evaluate_holdout(bundle, cache))
    assert check_page(page).images > 0
    assert "Nobody said which photographs show one part" not in plain(page)
    assert_commands_parse(page)
    new = write_parts(tmp_path / "new", 3, first=800)
    (new / "Healthy" / "bad.png").write_bytes(b"x")
    page = pipeline.evaluation_report(bundle, pipeline.evaluate_folder(bundle, new, cache))
    check_page(page)
    said = plain(page)
    for text in (
        "Nobody said which photographs show one part",
        "Left out: 1 photograph that cannot be read.",
        "bad.png not a photograph", "9 photographs of at most 9 parts",
        "(evaluate --groups, --group-regex or --group-gap), and look again.",
    ):  # fmt: skip
        assert text in said
    assert "--split" not in said.partition("Groups")[0]
    assert_commands_parse(page)
    assert commands(page)[0][3] == str(new)


def test_the_report_of_more_classes(tmp_path: Path, toy: Toy, cache: Path) -> None:
    """Three classes, one of them of three folders' photographs merged: still sound."""
    folder = write_parts(tmp_path / "three")
    (folder / "Scratch").mkdir()
    for number, file in enumerate(sorted((folder / "Healthy").iterdir())[::2]):
        file.rename(folder / "Scratch" / f"part-{number + 500}.png")
    pipeline.extract_folder(
        folder,
        tmp_path / "three.h5",
        pipeline.ExtractOptions(
            weights="random", group_rule=pipeline.GroupRule("regex", r"part-(\d+)")
        ),
    )
    dataset = pipeline.load_dataset(tmp_path / "three.h5")
    page = pipeline.fit_report(
        dataset, pipeline.fit(dataset, tmp_path / "m3", pipeline.FitOptions(head="ridge"))
    )
    check_page(page)
    assert "named the right class for" in plain(page)
    merged = pipeline.load_dataset(tmp_path / "three.h5", positive=["defects", "Scratch"])
    page = pipeline.fit_report(
        merged, pipeline.fit(merged, tmp_path / "m3", pipeline.FitOptions(head="ridge"))
    )
    assert "Scratch, defects" in plain(page).replace("defects, Scratch", "Scratch, defects")
    assert_commands_parse(page)


def test_dense_heads_show_how_they_learned(cache: Path, tmp_path: Path) -> None:
    """A head that trains in epochs has its curves in the report, redrawn as SVG."""
    dataset = pipeline.load_dataset(cache)
    done = pipeline.fit(dataset, tmp_path / "m", pipeline.FitOptions(head="majority"))
    done.head._history = [{"loss": 0.7, "accuracy": 0.5}, {"loss": 0.4, "accuracy": 0.8}]
    page = pipeline.fit_report(dataset, done)
    check_page(page)
    assert "2 epochs." in plain(page)
    assert 'id="training-loss-title"' in page
    (tmp_path / "m" / "curves.csv").write_text(curves_csv(done.head.history), "utf-8")
    bundle = pipeline.load_bundle(tmp_path / "m")
    page = pipeline.evaluation_report(bundle, pipeline.evaluate_holdout(bundle, cache))
    assert "2 epochs." in plain(page)
    assert "1 0.700 2 0.400" in plain(page)


HOSTILE = (
    "<script>alert(1)</script>.png",
    "\"><img src=x onerror=alert(1)>'.png",
    "part-1\nnew line\x1b[31m\x7f.png",
    "\u202egnp.exe\u2066.png",
    os.fsdecode(b"latin \xe9\xff.png"),
    "&lt;b&gt; %20 {{x}} ${y}.png",
)


def test_hostile_names_do_no_harm(tmp_path: Path, cache: Path, toy: Toy) -> None:
    """Files and folders named to break a page: they stand in it as text, escaped."""
    folder = tmp_path / "hostile"
    good, bad = "ok <b>bold</b>", "defects \"'><svg onload=alert(1)>"
    names = [name.replace("/", "∕") for name in HOSTILE * 2]  # a slash cannot be in a name
    for label in (good, bad):
        (folder / label).mkdir(parents=True)
        for number, name in enumerate(names):
            bright = label == bad and number != 3  # so that some verdicts are wrong
            pixels = np.random.default_rng(number).integers(0, 150 + 100 * bright, (20, 20, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(out := io.BytesIO(), "PNG")
            (folder / label / f"{number} {name}").write_bytes(out.getvalue())
    for name in names[:6]:
        (folder / bad / f"broken {name}").write_bytes(b"")
    pipeline.extract_folder(
        folder, tmp_path / "h.h5", pipeline.ExtractOptions(weights="random", max_failures=0.5)
    )
    dataset = pipeline.load_dataset(tmp_path / "h.h5")
    done = pipeline.fit(dataset, tmp_path / "<m>", pipeline.FitOptions(head="logistic"))
    page = pipeline.fit_report(dataset, done)
    checked = check_page(page)
    assert checked.images > 4
    assert r"latin \udce9\udcff" in plain(page)
    assert "broken &lt;script&gt;alert(1)&lt;∕script&gt;" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert r"broken \u202egnp" in page
    pipeline.write_report(tmp_path / "r.html", page)
    assert (tmp_path / "r.html").read_text("utf-8") == page


def test_a_thousand_photographs_stay_under_five_megabytes(tmp_path: Path) -> None:
    """Noise, which compresses worst, 1,000 photographs, many mistakes: under 5 MB, in a moment."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (600, 800, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.jpg", quality=90)
    digest = hashlib.sha256((tmp_path / "noise.jpg").read_bytes()).hexdigest()
    n = 1000
    y = rng.integers(0, 2, n)
    p = rng.random(n)
    long = "a-rather-long-name-of-a-folder/and-of-a-photograph-in-it"
    table_rows = [
        TableRow("noise.jpg", long, f"{long}-{i}", digest, 0, "", 0, 0, 0, 0) for i in range(n)
    ]
    groups = np.arange(n) // 4
    predicted = Predictions(
        BINARY, tmp_path, table_rows, y, groups, np.column_stack([1 - p, p]), Band.at(0.5)
    )
    sections = [
        section(predicted).body  # type: ignore[union-attr]
        for section in (
            ranking.section,
            confusion.section,
            reliability.section,
            cost.section,
            gallery.section,
        )
    ]
    size = sum(len(body.encode()) for body in sections)
    assert sections[-1].count("<img") == 3 * gallery.SHOWN
    assert size < 4_000_000
