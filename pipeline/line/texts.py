"""Write what the commands at the line say. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.line.rethreshold import Rethreshold
from pipeline.output.result_table import Facts
from pipeline.terminal.thresholds import seen
from pipeline.thresholds import facts
from pipeline.thresholds.outcome import outcome_table


def rethresholded(done: Rethreshold, names: Sequence[str]) -> str:
    """Say what changed, and what the new limits do."""
    before, after = done.before, done.after
    new = after.unseen
    rows = [
        ("threshold was", facts.headline(before)),
        ("threshold is", facts.headline(after)),
        *([("chosen on", facts.chosen_on(new))] if new else []),
        ("verdict", facts.meaning(after.band, names)),
        ("parts", facts.PART_RULES[after.part_rule]),
        ("probabilities", _calibration(done)),
        *(("claim was", line) for line in facts.claims(before)),
        *(("claim is", line) for line in facts.claims(after)),
    ]
    if before.claims and not after.claims:
        rows.append(("claim is", "none: what was claimed of the old limit does not hold for this"))
    rows += [("note", line) for line in (after.note, *done.notes) if line]
    sides = {"old limit, new parts": done.old_outcome}
    if new is not None:
        sides["new limit, same parts"] = new.outcome
    if after.holdout is not None:
        sides["new limit, old holdout"] = after.holdout
    lines = [
        Facts(rows).text(), "",
        outcome_table(sides, review=_review(done), wholes=after.of_wholes).text(),
        facts.bounds(done.old_outcome, "the old limit on the new parts"),
    ]  # fmt: skip
    if new is not None and not after.claims:
        lines.append(
            "the new limit was chosen on these very parts: its counts there are flattering"
        )
    lines += [f"warning: {line}" for line in facts.contradicted(after, "the old holdout")]
    return "\n".join([*lines, *seen(after)])


def _review(done: Rethreshold) -> bool:
    return done.before.band.has_review or done.after.band.has_review


def _calibration(done: Rethreshold) -> str:
    """Say how good the probabilities of the new parts were, and are."""
    was = f"Brier {done.old_reliability.brier:.3f}, log loss {done.old_reliability.log_loss:.3f}"
    if done.after.unseen is None:
        return f"as they were: {was} of the new parts"
    now = done.after.unseen.reliability
    return (
        f"Brier {now.brier:.3f}, log loss {now.log_loss:.3f} of the new parts, each fifth by what "
        f"was fitted on the others; with the old calibration {was}"
    )
