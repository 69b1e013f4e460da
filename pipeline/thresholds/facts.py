"""Say what is to be known of a model's thresholds, once for terminal and report."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evaluation.band import Band
from pipeline.output.result_table import Facts
from pipeline.output.tables import printable
from pipeline.thresholds.decision import OUT_OF_FOLD, Decision, Unseen
from pipeline.thresholds.good_alone import DEFAULT_SHARE
from pipeline.thresholds.outcome import Outcome

PART_RULES = {
    "mean": "judged as wholes, by the mean of their photographs' log-odds (part rule mean)",
    "max": "judged as wholes, by their most defective photograph (part rule max)",
    "noisy-or": "judged as wholes, by the chance that any photograph shows a defect (noisy-or)",
    "share": "judged as wholes, by the share of photographs that show a defect (part rule share)",
    "any": (
        "every photograph is judged by itself; any rejects its part, yet a defective part counts "
        "as missed, too, where any is passed (part rule any)"
    ),
}
"""How the photographs of a part are judged together."""


NEITHER_WAY = (
    "what goes to a person counts neither as right nor as wrong: scores of verdicts are of the rest"
)
"""How scores count what lies in a review band."""

CLAIMED = {"missed": "defective parts are missed", "rejected": "good parts are rejected"}
"""What a claim is about."""

_CLEARLY = 0.05  # a share of misses
_NO_CLAIM = "none: no share of missed or rejected parts was claimed; "
_CAN_BE = "--max-missed or --max-false sets the threshold so that one can be"
_CANNOT_BE = (
    "that takes parts that somebody knows (extract --groups, --group-regex or --group-gap), then "
    "--max-missed or --max-false"
)


def threshold_facts(found: Decision, names: Sequence[str]) -> Facts:
    """Give where the thresholds of a model lie, why, and what was claimed of them.

    Args:
        found: of a model of two classes.
        names: of these; the second is the defective one.
    """
    unseen = found.unseen
    told = found.holdout is None or found.holdout.told
    no_claim = _NO_CLAIM + (_CAN_BE if told else _CANNOT_BE)
    chosen = chosen_on(unseen) if unseen else "nothing"
    return Facts(
        [
            ("threshold", headline(found)),
            *([] if found.method == "good alone" else [("chosen on", chosen)]),  # the note says it
            ("verdict", meaning(found.band, names)),
            ("parts", PART_RULES[found.part_rule]),
            *([("probabilities", calibration(unseen))] if unseen else []),
            *(("claim", line) for line in claims(found) or [no_claim]),
            *([("note", found.note)] if found.note else []),
        ]
    )


def headline(found: Decision) -> str:
    """Give the thresholds and what they were chosen for, in one line."""
    numbers = f"{found.band.pass_below:.4g}"
    if found.band.has_review:
        numbers += f" and {found.band.reject_from:.4g}"
    return f"{numbers}, {_aim(found)}"


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
    return aim + (f", with up to {100 * rule.review:.0f} % for a person" if rule.review else "")


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
        f"at most {claim.share:.3g} of {CLAIMED[claim.what]}, with {100 * claim.confidence:.0f} % "
        f"confidence (of the {claim.parts:,} set aside, {claim.allowed:,} may be)"
        for claim in found.claims
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
        "On the training part, judged by models that did not learn from these photographs, the "
        f"same threshold missed {there.passed:,} of {there.total:,} defective parts "
        f"({100 * there.passed / there.total:.0f} %): expect more misses than the "
        f"{here.passed:,} of {here.total:,} here"
    ]


def bounds(found: Outcome, what: str) -> str:
    """Say what a set on which nothing was chosen says of other parts."""
    if not found.told:
        return (
            f"{what} shows no bound for other parts: which photographs show one part is only "
            "proposed; say it with --groups, --group-regex or --group-gap"
        )
    said = []
    if found.defective_parts.total:
        said.append(f"at most {100 * found.missed_at_most:.1f} % of defective parts missed")
    if found.good_parts.total:
        said.append(f"at most {100 * found.rejected_at_most:.1f} % of good parts rejected")
    return f"{what} alone shows, with 95 % confidence: {' and '.join(said)}" if said else ""


def people(found: Outcome, what: str, rate: float | None, *, wholes: bool) -> str:
    """Say, with a review band, the share of parts or photographs that a person would see.

    Args:
        found: counts.
        what: the set, in words.
        rate: share of defects to reckon with; None for that of the set.
        wholes: whether parts are judged as wholes.
    """
    share = found.share_of_parts_reviewed(rate) if wholes else found.share_reviewed(rate)
    unit = "parts" if wholes else "photographs"
    given = "" if rate is None else f" if {rate:.3g} are defective"
    return f"a person would see {100 * share:.1f} % of the {unit} ({what}){given}"


def contradicted(found: Decision, what: str = "the holdout") -> list[str]:
    """Name claims that the photographs of `Decision.holdout`, in words, speak against."""
    return [
        f"{what} speaks against the claim that at most {claim.share:.3g} of "
        f"{CLAIMED[claim.what]}; look whether its parts differ from those that were set aside"
        for claim in found.contradicted
    ]
