"""Reports about parts: what is only proposed first, and every section by what is decided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
from report_check import BINARY, plain

from features.cache.sample_table import TableRow
from pipeline.evaluation.band import Band
from pipeline.evaluation.part_rules import MEAN, by_part
from pipeline.evaluation.predictions import Assessment, Predictions, predicted_parts
from pipeline.groups.rules import GroupRule
from pipeline.report.sections import audit, confusion, cost, data, gallery, ranking, reliability
from pipeline.report.sections import thresholds as thresholds_section
from pipeline.report.verdict import model_verdict
from pipeline.terminal import thresholds as text
from pipeline.thresholds.decision import Decision, Unseen
from pipeline.thresholds.facts import threshold_facts
from pipeline.thresholds.outcome import Counts, Outcome, Reliability
from pipeline.thresholds.rule import ThresholdRule

P = [0.1, 0.9, 0.8, 0.2, 0.3, 0.1, 0.6, 0.1, 0.2, 0.6]
Y = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
GROUPS = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]


def by_photograph_and_part() -> tuple[Predictions, Predictions]:
    """Give photographs of four parts, and the parts: three photographs are wrong, no part is."""
    names = [f"{BINARY.names[c]}/{number}.png" for number, c in enumerate(Y)]
    rows = [
        TableRow(n, n.split("/")[0], f"part-{g}", "", 0, "", 0, 0, 0, 0)
        for n, g in zip(names, GROUPS, strict=True)
    ]
    chances = np.column_stack([1 - np.array(P), P])
    photographs = Predictions(
        BINARY, Path("nowhere"), rows, np.array(Y), np.array(GROUPS), chances, Band.at(0.5)
    )
    table = by_part(photographs.y, chances, photographs.groups, MEAN)
    return photographs, predicted_parts(photographs, table)


def decided(**more: object) -> Decision:
    """Give a decision about parts as wholes."""
    made = Decision(Band.at(0.5), ThresholdRule(), "fixed", part_rule=MEAN)
    return replace(made, **more)  # type: ignore[arg-type]


def test_every_section_counts_parts_where_parts_are_decided() -> None:
    """One defective part and three good ones, all right; the photographs stay to be looked up."""
    photographs, parts = by_photograph_and_part()
    said = plain(confusion.section(parts, photographs).body)
    assert "Confusion matrix: parts by class and verdict" in said
    assert "Free 3 (100 %) 0 (0 %) 3 Crack 0 (0 %) 1 (100 %) 1" in said
    assert "The same by photograph, each as if it were all there is of its part" in said
    assert "Free 5 (71 %) 2 (29 %) 7 Crack 1 (33 %) 2 (67 %) 3" in said
    curves = ranking.section(parts)
    assert curves is not None
    assert "Parts are put in the order of their probability of a defect" in plain(curves.body)
    said = plain(reliability.section(parts).body)
    assert "If 80 % is told for a hundred parts, about eighty" in said
    assert "these parts, as told" in said
    assert "told parts mean of the told" in said
    assert "photograph" not in said
    costs = cost.section(parts, decided())
    assert costs is not None
    said = plain(costs.body)
    assert "0 % of the defective parts are missed and 0 % of the healthy ones" in said
    assert "Cost of 100 parts by threshold" in said
    assert "photograph" not in said
    said = plain(gallery.section(parts).body)
    assert "Missed defects: 0" in said
    assert "False alarms: 0" in said
    assert "Each photograph stands for its part" in said
    assert "its part's probability of a defect" in said


def test_curves_of_parts_that_were_chosen_on_are_called_so() -> None:
    """What a decision about wholes was chosen on is parts, and its share of misses is of parts."""
    photographs, parts = by_photograph_and_part()
    outcome = Outcome.of_parts(
        (parts.y, parts.probabilities[:, 1]),
        (photographs.y, photographs.probabilities[:, 1]),
        parts.band,
    )
    whole = cost.Curve.of(parts.y, parts.probabilities[:, 1])
    told = Reliability.of(parts.y, parts.probabilities[:, 1], parts.groups)
    unseen = Unseen("out-of-fold", 5, outcome, {}, whole, told, None, 1.0)
    made = cost.section(parts, decided(unseen=unseen), unseen)
    assert made is not None
    said = plain(made.body)
    assert "the parts that the threshold was chosen on (out-of-fold)" in said
    assert "0 % of the defective parts are missed and 0 % of the healthy ones" in said
    titles = thresholds_section.section(decided(unseen=unseen), BINARY.names, {})
    assert titles is not None
    said = plain(titles.body)
    assert "passed, of the defective parts (missed) 0 of 1" in said
    assert "parts judged as wholes" in said
    each = replace(decided(unseen=unseen), part_rule="any")
    titles = thresholds_section.section(each, BINARY.names, {})
    assert titles is not None
    assert "parts with a photograph that is …" in plain(titles.body)
    review = replace(decided(unseen=unseen), band=Band(0.3, 0.7))
    titles = thresholds_section.section(review, BINARY.names, {})
    assert titles is not None
    assert "of the parts (out-of-fold)" in plain(titles.body)


def test_what_is_only_proposed_is_said_before_anything_else() -> None:
    """Before the number of misses, which stands on it."""
    _, parts = by_photograph_and_part()
    scored = Assessment.of(parts.y, parts.groups, parts.probabilities)
    made = model_verdict(parts, scored, [], apart=False, rule=GroupRule("proposed"))
    assert made.headline.startswith("Which photographs show one part is only proposed: this model")
    told = model_verdict(parts, scored, [], apart=True)
    assert told.headline.startswith("This model found the only defective part")


def test_the_strongest_finding_of_an_audit_stands_first() -> None:
    """A background at 0.84 stands behind a time of capture at 0.99, and before a size at 0.70."""

    def fact(auc: float, sentence: str) -> SimpleNamespace:
        return SimpleNamespace(auc=auc, sentence=sentence, title=sentence)

    shortcuts = SimpleNamespace(found=[fact(0.99, "time"), fact(0.70, "size")], unproven=[])
    background = SimpleNamespace(shortcut=True, border_auc=0.84, sentence="border")
    found = SimpleNamespace(shortcuts=shortcuts, background=background, copies=[])
    given = cast(audit.Audited, SimpleNamespace(found=found))
    assert [said.rpartition(" ")[2] for said in audit.warnings(given)] == ["time", "border", "size"]


def test_misses_out_of_fold_are_said_in_the_terminal_too() -> None:
    """Four of eight missed while choosing, none of four held out: expect more than none."""

    def outcome(passed: int, total: int) -> Outcome:
        none = Counts(10, 10, 0, 0)
        return Outcome(Counts(total, passed, 0, total - passed), none, none, none)

    def made(passed: int, how: str = "out-of-fold") -> str:
        unseen = SimpleNamespace(
            how=how, outcome=outcome(passed, 8), own=None, folds=5, seconds=1.0,
            reliability=SimpleNamespace(brier=0.1, log_loss=0.1),
        )  # fmt: skip
        return text.decision(decided(unseen=unseen, holdout=outcome(0, 4)), BINARY.names)

    said = made(4)
    assert "missed 4 of 8 defective parts (50 %): expect more misses than the 0 of 4 here" in said
    assert "expect more" not in made(0)
    section = thresholds_section.section(decided(), BINARY.names, {})
    assert section is not None
    for name, words in threshold_facts(decided(), BINARY.names).pairs:  # one table, both readers
        assert f"{name} {words}" in plain(section.body)
        assert words in text.decision(decided(), BINARY.names)
    assert "expect more" not in made(4, "set aside")


def test_the_table_of_the_data_is_narrow() -> None:
    """One column for each side, the parts below the photographs, whatever the number of sides."""
    photographs, _ = by_photograph_and_part()
    sides = {"training": np.arange(6), "held out": np.arange(6, 10)}
    body = data.section(
        data.Data(
            BINARY, photographs.table_rows, photographs.y, photographs.groups, "a file", sides=sides
        )
    ).body
    said = plain(body)
    assert "class all training held out" in said
    assert "Free (healthy) 7 of 3 3 of 1 4 of 2" in said
    assert "all 10 of 4 6 of 2 4 of 2" in said
