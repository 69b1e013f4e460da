"""Show where the thresholds come from, what they claim, and what they do to parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.output.wording import sentence
from pipeline.report.html import facts, join, result_table
from pipeline.report.page import Section, paragraphs
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.facts import bounds, people, threshold_facts
from pipeline.thresholds.outcome import Outcome, outcome_table


def section(
    decision: Decision, names: Sequence[str], scored: Mapping[str, Outcome]
) -> Section | None:
    """Show rule, claim and outcome by part; None for more than two classes: no threshold.

    Args:
        decision: of the model.
        names: of the classes; the second is the defective one.
        scored: what the thresholds do to photographs on which nothing was chosen, by their name.
    """
    if len(names) != 2:
        return None
    unseen = decision.unseen
    sides = ({unseen.how: unseen.outcome} if unseen else {}) | dict(scored)
    review = decision.band.has_review
    body = [
        facts(threshold_facts(decision, names).pairs),
        result_table(outcome_table(sides, review=review, wholes=decision.of_wholes)),
        paragraphs(
            None if decision.of_wholes else "A part counts as soon as one of its photographs does.",
            "The thresholds were chosen on the first column, so it flatters." if unseen else None,
            *(
                sentence(said)
                for what, one in scored.items()
                if (said := bounds(one, _whole(what)))
            ),
            *(
                sentence(people(one, what, decision.defect_rate, wholes=decision.of_wholes))
                for what, one in sides.items()
                if review
            ),
        ),
    ]
    return Section("thresholds", "Thresholds: from a probability to a verdict", join(body))


def _whole(side: str) -> str:
    """Name a side as the subject of a sentence; of a new folder its name will do."""
    return "the holdout" if side == "held out" else side
