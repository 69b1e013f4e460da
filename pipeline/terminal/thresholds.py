"""Write what commands say of thresholds. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.thresholds.decision import Decision
from pipeline.thresholds.facts import (
    NEITHER_WAY,
    bounds,
    claims,
    contradicted,
    expect_more,
    headline,
    people,
    threshold_facts,
)
from pipeline.thresholds.outcome import Outcome, outcome_table


def decision(found: Decision, names: Sequence[str]) -> str:
    """Say where thresholds lie, why, and what they do; of more than two classes one line."""
    if len(names) != 2:
        return found.note
    sides: dict[str, Outcome] = {}
    if found.unseen is not None:
        sides[found.unseen.how] = found.unseen.outcome
    if found.holdout is not None:
        sides["holdout"] = found.holdout
    lines = [threshold_facts(found, names).text()]
    if sides:
        lines += [
            "",
            outcome_table(sides, review=found.band.has_review, wholes=found.of_wholes).text(),
        ]
    if found.holdout is not None:
        lines += [
            bounds(found.holdout, "the holdout"),
            *(f"note: {line}" for line in expect_more(found)),
            *(f"warning: {line}" for line in contradicted(found)),
        ]
    return "\n".join([*lines, *seen(found)])


def evaluated(found: Outcome | None, what: str, review: bool, *, wholes: bool = True) -> list[str]:
    """Say what the thresholds do to photographs, by part; nothing for more than two classes.

    Args:
        found: counts; None for more than two classes.
        what: the set, in words.
        review: whether there is a review band.
        wholes: as in `outcomes`.
    """
    if found is None:
        return []
    return [
        outcome_table({what: found}, review=review, wholes=wholes).text(),
        bounds(found, what),
        *([people(found, what, None, wholes=wholes), NEITHER_WAY] if review else []),
        "",
    ]


def info(facts: Mapping[str, Any]) -> str:
    """Give the thresholds of a model in one line, from its `model.json`."""
    if len(facts["classes"]) != 2:
        return "none: the most probable class is the verdict"
    if "decision" not in facts:  # made before thresholds were chosen
        return f"{facts['threshold']:g}, not chosen"
    found = Decision.from_json(facts["decision"])
    return "; ".join([headline(found), *claims(found)])


def seen(found: Decision) -> list[str]:
    """Say, with a review band, what share a person would see of what the thresholds rest on."""
    outcome, what = found.holdout, "the holdout"
    if found.unseen is not None:
        outcome, what = found.unseen.outcome, found.unseen.how
    if outcome is None or not found.band.has_review:
        return []
    return [people(outcome, what, found.defect_rate, wholes=found.of_wholes), NEITHER_WAY]
