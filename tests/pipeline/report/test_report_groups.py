"""The report's section on groups: what they rest on, who stands in two classes, and the gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from report_check import BINARY, plain

from features.cache.sample_table import TableRow
from pipeline.groups.proposal import Evidence, Link, Proposal
from pipeline.groups.rules import GroupRule
from pipeline.report.sections.groups import Grouped, mixed, section
from pipeline.training.optimism import SCORES, Optimism

GROUPS = [0, 0, 0, 1, 1, 2, 3, 3, 4, 4]
Y = [0, 0, 0, 0, 0, 0, 1, 1, 0, 1]


def grouped(rule: str = "regex", value: str = r"part-(\d+)") -> Grouped:
    """Five parts, the last of them with a photograph in each class."""
    table_rows = [
        TableRow(
            f"{BINARY.names[c]}/{i}.jpg", BINARY.names[c], f"part-{g}", f"d{i}", i, "", 0, 0, 0, 0
        )
        for i, (c, g) in enumerate(zip(Y, GROUPS, strict=True))
    ]
    return Grouped(BINARY, table_rows, np.array(Y), np.array(GROUPS), GroupRule(rule, value))


def proposal() -> Proposal:
    return Proposal(
        [f"{i}.jpg" for i in range(12)],
        np.array([*GROUPS, 5, 5]),
        [Link(0, 1, "look", 0.001), Link(10, 11, "name", 0.0)],
        [
            Evidence("look", "look nearly the same", 7, 3, True, "few strangers are as alike"),
            Evidence("name", "number 2 of <b>#", 0, 0, False, "the gaps are of one kind"),
        ],
        notes=["12 different photographs are few"],
    )


def test_given_groups_are_named_and_counted() -> None:
    """The pattern, and the parts of each class: how many, how many alone, median and largest."""
    said = plain(section(grouped()).body)
    assert r"read from its file name, by a given pattern (part-(\d+))" in said
    assert "Free 4 2 1.5 3" in said
    assert "Crack 2 1 1.5 2" in said
    assert "all 5 1 2 3" in said
    assert "evidence" not in said


def test_proposed_groups_show_every_kind_of_evidence() -> None:
    """Counts of photographs and groups, whether used and why; names of files do no harm."""
    page = section(replace(grouped("proposed", ""), proposal=proposal())).body
    said = plain(page)
    assert "Nobody said which photographs show one part, so it was proposed" in said
    assert "near copies: look nearly the same 7 3 yes" in said
    assert "names: number 2 of <b># 0 0 no" in said
    for reason in (
        "ook nearly the same: few strangers are as alike",
        "umber 2 of <b>#: the gaps are of one kind",
    ):
        assert reason in said
    assert "<b>#" not in page
    assert "all 12 photographs looked at" in said
    assert "Note: 12 different photographs are few." in said


def test_parts_in_two_classes_are_counted_and_listed() -> None:
    """The part that lies in both, with how many photographs, and whether bytes are the same."""
    given = grouped()
    (one,) = mixed(given)
    assert {c: of.tolist() for c, of in one.members.items()} == {0: [8], 1: [9]}
    assert not one.copies
    said = plain(section(given).body)
    assert "1 part stands in more than one class, with 2 photographs. Either" in said
    assert "part-4 1 1 Free/8.jpg, Crack/9.jpg" in said
    same = [s._replace(digest="d8") if i == 9 else s for i, s in enumerate(given.table_rows)]
    assert "in 1 of them the very same photograph" in plain(
        section(replace(given, table_rows=same)).body
    )
    apart = replace(given, y=np.array([*Y[:8], 0, 0]))
    assert "There are none." in plain(section(apart).body)


def test_both_kinds_of_split_stand_side_by_side() -> None:
    """Mean and spread of each, the difference, and a sentence; or why there is none."""
    by_part, at_random = dict.fromkeys(SCORES, (0.9, 0.05)), dict.fromkeys(SCORES, (0.99, 0.01))
    optimism = Optimism("logistic", by_part, at_random, 15, 0.8)
    said = plain(section(replace(grouped(), optimism=optimism)).body)
    assert "80 % of the tested photographs had another one of their part in training" in said
    assert "ROC AUC 0.900 ±0.050 0.990 ±0.010 +0.090" in said
    assert "means over 15 folds of each kind" in said
    one = replace(optimism, grouped=dict.fromkeys(SCORES, (0.9, float("nan"))), rounds=1)
    assert "one split of each kind" in plain(section(replace(grouped(), optimism=one)).body)
    problem = replace(optimism, problem="too few parts")
    assert "cannot be told: too few parts." in plain(
        section(replace(grouped(), optimism=problem)).body
    )
    assert "By part, or at random" not in plain(section(grouped()).body)
    assert "Not measured." in plain(section(replace(grouped(), no_optimism="Not measured.")).body)
