"""Where the thresholds come from, what they promise, and what they do to parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.output.wording import percent
from pipeline.report.html import Child, facts, join, result_table
from pipeline.report.page import Section, paragraphs
from pipeline.terminal import thresholds as text
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.outcome import Outcome, outcome_table


def section(
    decision: Decision, names: Sequence[str], scored: Mapping[str, Outcome]
) -> Section | None:
    """Show rule, promise and outcome by part; None for more than two classes: no threshold.

    Args:
        decision: of the model.
        names: of the classes; the second is the defective one.
        scored: what the thresholds do to photographs on which nothing was chosen, by their name.
    """
    if len(names) != 2:
        return None
    unseen, claims = decision.unseen, text.claims(decision)
    promise = [f"{claim[:1].upper()}{claim[1:]}." for claim in claims] or [
        "None: no share of missed or rejected parts was claimed. --max-missed or --max-false sets "
        "the threshold so that one can be."
    ]
    known: list[tuple[str, Child]] = [
        ("threshold", text.headline(decision)),
        ("chosen on", text.chosen_on(unseen) if unseen else "nothing"),
        ("verdict", text.meaning(decision.band, names)),
        ("promise", " ".join(promise)),
    ]
    if decision.note:
        known.append(("note", decision.note))
    sides = ({unseen.how: unseen.outcome} if unseen else {}) | dict(scored)
    review = decision.band.has_review
    body = [
        facts(known),
        result_table(outcome_table(sides, review=review, wholes=decision.of_wholes)),
        paragraphs(
            f"Parts are {text.PART_RULES[decision.part_rule]}."
            if decision.of_wholes
            else "A part counts as soon as one of its photographs does.",
            "The thresholds were chosen on the first column, so it flatters." if unseen else None,
            *(_bounds(what, outcome) for what, outcome in scored.items()),
            *(_people(what, o, decision) for what, o in sides.items() if review),
        ),
    ]
    return Section("thresholds", "Thresholds: from a probability to a verdict", join(body))


def _people(what: str, outcome: Outcome, decision: Decision) -> str:
    rate = decision.defect_rate
    whole = decision.of_wholes
    seen = outcome.share_of_parts_reviewed(rate) if whole else outcome.share_reviewed(rate)
    unit = "parts" if whole else "photographs"
    given = "" if rate is None else f", if {percent(rate)} of them are defective"
    return f"A person would see {percent(seen)} of the {unit} ({what}){given}."


def _bounds(what: str, outcome: Outcome) -> str | None:
    """Say what photographs on which nothing was chosen say of other parts."""
    said = []
    if outcome.defective_parts.total:
        said.append(f"at most {percent(outcome.missed_at_most)} of defective parts missed")
    if outcome.good_parts.total:
        said.append(f"at most {percent(outcome.rejected_at_most)} of good parts rejected")
    if not said:
        return None
    return f"With 95 % confidence these alone show ({what}): {' and '.join(said)}."
