"""What the commands say of thresholds. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.band import Band
from pipeline.output.tables import align, printable
from pipeline.thresholds.decision import OUT_OF_FOLD, Decision, Unseen
from pipeline.thresholds.good_alone import DEFAULT_SHARE
from pipeline.thresholds.outcome import Outcome, outcome_table

_CLEARLY = 0.05  # a share of misses
_CLAIMED = {"missed": "defective parts are missed", "rejected": "good parts are rejected"}


def decision(found: Decision, names: Sequence[str]) -> str:
    """Say where thresholds lie, why, and what they do; of more than two classes one line."""
    if len(names) != 2:
        return found.note
    rows = [
        ["threshold", headline(found)],
        *([["chosen on", chosen_on(found.unseen)]] if found.unseen else []),
        ["verdict", meaning(found.band, names)],
        ["parts", PART_RULES[found.part_rule]],
        *([["probabilities", calibration(found.unseen)]] if found.unseen else []),
        *(["claim", line] for line in claims(found)),
        *([["note", found.note]] if found.note else []),
    ]
    sides: dict[str, Outcome] = {}
    if found.unseen is not None:
        sides[found.unseen.how] = found.unseen.outcome
    if found.holdout is not None:
        sides["holdout"] = found.holdout
    lines = [align(rows, right=False)]
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


PART_RULES = {
    "mean": "judged as wholes, by the mean of their photographs' log-odds (part rule mean)",
    "max": "judged as wholes, by their most defective photograph (part rule max)",
    "noisy-or": "judged as wholes, by the chance that any photograph shows a defect (noisy-or)",
    "share": "judged as wholes, by the share of photographs that show a defect (part rule share)",
    "any": "every photograph is judged by itself; any rejects its part (part rule any)",
}
"""How the photographs of a part are judged together."""


def headline(found: Decision) -> str:
    """Give the thresholds and what they were chosen for, in one line."""
    numbers = f"{found.band.pass_below:.4g}"
    if found.band.has_review:
        numbers += f" and {found.band.reject_from:.4g}"
    return f"{numbers}, {_aim(found)}"


def expect_more(found: Decision) -> list[str]:
    """Say what was missed out-of-fold, where a small holdout makes the model look clearly better.

    The threshold was chosen on these very parts, which flatters: a larger share of misses there is
    a reason to expect more than the holdout shows.
    """
    if found.unseen is None or found.holdout is None or found.unseen.how != OUT_OF_FOLD:
        return []
    there, here = found.unseen.outcome.defective_parts, found.holdout.defective_parts
    if (
        not here.total
        or there.total < here.total
        or there.passed / there.total <= here.passed / here.total + _CLEARLY
    ):
        return []
    return [
        "On the training part, judged by models that did not learn from them, the same threshold "
        f"missed {there.passed:,} of {there.total:,} defective parts "
        f"({100 * there.passed / there.total:.0f} %): expect more misses than the "
        f"{here.passed:,} of {here.total:,} here"
    ]


def bounds(found: Outcome, what: str) -> str:
    """Say what a set on which nothing was chosen says of other parts."""
    said = []
    if found.defective_parts.total:
        said.append(f"at most {found.missed_at_most:.1%} of defective parts missed")
    if found.good_parts.total:
        said.append(f"at most {found.rejected_at_most:.1%} of good parts rejected")
    return f"{what} alone shows, with 95% confidence: {' and '.join(said)}" if said else ""


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
    seen = [f"a person would see {_reviewed(found, None, wholes)}"]
    return [
        outcome_table({what: found}, review=review, wholes=wholes).text(),
        bounds(found, what),
        *(seen if review else []),
        "",
    ]


def _reviewed(found: Outcome, rate: float | None, wholes: bool) -> str:
    if wholes:
        return f"{found.share_of_parts_reviewed(rate):.1%} of the parts"
    return f"{found.share_reviewed(rate):.1%} of the photographs"


def info(facts: Mapping[str, Any]) -> str:
    """Give the thresholds of a model in one line, from its `model.json`."""
    if len(facts["classes"]) != 2:
        return "none: the most probable class is the verdict"
    if "decision" not in facts:  # made before thresholds were chosen
        return f"{facts['threshold']:g}, not chosen"
    found = Decision.from_json(facts["decision"])
    return "; ".join([headline(found), *claims(found)])


def _aim(found: Decision) -> str:
    rule = found.rule
    if found.method == "fixed":
        return "not chosen"
    if found.method == "claim":
        aim = "for the claim below" if len(found.claims) == 1 else "for the claims below"
    elif found.method == "good alone":
        aim = f"for at most {found.rule.max_false or DEFAULT_SHARE:.3g} of good parts rejected"
    elif found.method == "cost":
        aim = (
            f"the cheapest if a miss costs {rule.cost_missed:g}, a false alarm "
            f"{rule.cost_false:g}, and {found.defect_rate or 0:.3g} of the "
            f"{'parts' if found.of_wholes else 'photographs'} are defective"
        )
    else:
        aim = "for the best balanced accuracy"
    return aim + (f", with up to {rule.review:.0%} for a person" if rule.review else "")


def chosen_on(unseen: Unseen) -> str:
    """Say what the thresholds were chosen on."""
    if unseen.how == OUT_OF_FOLD:
        return (
            f"out-of-fold probabilities of the training part ({unseen.folds} folds by part, "
            f"{unseen.seconds:.1f} s)"
        )
    outcome = unseen.outcome
    return (
        f"{outcome.defective_parts.total:,} defective and {outcome.good_parts.total:,} good parts "
        "that were set aside: the model did not learn from them"
    )


def meaning(band: Band, names: Sequence[str]) -> str:
    """Say which probability gets which verdict."""
    good, defective = (printable(name) for name in names)
    if band.has_review:
        return (
            f"{good} below {band.pass_below:.4g}, {defective} from {band.reject_from:.4g} on; "
            "between them a person has to look"
        )
    return f"{defective} from the probability of a defect {band.pass_below:.4g} on, else {good}"


def claims(found: Decision) -> list[str]:
    """Say what was claimed when the thresholds were chosen."""
    return [
        f"at most {claim.share:.3g} of {_CLAIMED[claim.what]}, with {claim.confidence:.0%} "
        f"confidence (of the {claim.parts:,} set aside, {claim.allowed:,} may be)"
        for claim in found.claims
    ]


def contradicted(found: Decision, what: str = "the holdout") -> list[str]:
    """Name claims that the photographs of `Decision.holdout`, in words, speak against."""
    return [
        f"{what} speaks against the claim that at most {claim.share:.3g} of "
        f"{_CLAIMED[claim.what]}; look whether its parts differ from those that were set aside"
        for claim in found.contradicted
    ]


def calibration(unseen: Unseen) -> str:
    """Say how good the probabilities are, and what calibrating them changed."""
    now, own = unseen.reliability, unseen.own
    if own is None:
        said = f"the head's own: Brier {now.brier:.3f}, log loss {now.log_loss:.3f}"
    else:
        said = (
            f"calibrated: Brier {now.brier:.3f} (the head's own {own.brier:.3f}), "
            f"log loss {now.log_loss:.3f} ({own.log_loss:.3f})"
        )
    return f"{said}, {unseen.how}"


def seen(found: Decision) -> list[str]:
    """Say, with a review band, the share of the photographs that a person would see."""
    outcome = found.holdout if found.unseen is None else found.unseen.outcome
    if outcome is None or not found.band.has_review:
        return []
    rate = "" if found.defect_rate is None else f" if {found.defect_rate:.3g} are defective"
    return [f"a person would see {_reviewed(outcome, found.defect_rate, found.of_wholes)}{rate}"]
