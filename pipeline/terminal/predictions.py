"""Write what `predict` says of photographs and parts. Nothing here computes or prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.groups.proposal import say_parts
from pipeline.model.familiar import RATE, say_unlike
from pipeline.model.part_predictions import ASK_WHICH, DISAGREE, PartPrediction, several
from pipeline.model.predict import Prediction
from pipeline.output.tables import printable


def predictions(
    found: Sequence[Prediction], parts: Sequence[PartPrediction] = (), rate: float = RATE
) -> str:
    """Write how many of each verdict there are, by part where these have several photographs."""
    counts = Counter(p.verdict for p in found if p.verdict)
    failed = sum(p.error is not None for p in found)
    said = [f"{count:,} {printable(name)}" for name, count in sorted(counts.items())]
    said += [f"{failed:,} unreadable"] if failed else []
    text = f"{len(found):,} photograph{'' if len(found) == 1 else 's'}: " + ", ".join(said)
    if several(parts):
        text = f"{_of_parts(parts)}\n{text}, each by itself"
    learned = sum(p.trained_on for p in found)
    if learned:
        text += (
            f"\nnote: the model was trained on {learned:,} of them; their verdicts prove nothing"
        )
    return "\n".join([text, *_unlike(found, parts, rate)])


def _unlike(found: Sequence[Prediction], parts: Sequence[PartPrediction], rate: float) -> list[str]:
    """Say how many parts are unlike all that was trained on, and whether that is too many."""
    known = [p.photographs for p in parts if not p.trained_on] or [
        (one,) for one in found if not one.trained_on
    ]
    new = [those for those in known if any(one.error is None for one in those)]
    unlike = sum(any(one.unlike for one in those) for those in new)
    return [said for said in [say_unlike(unlike, len(new), rate)] if said]


def _of_parts(parts: Sequence[PartPrediction]) -> str:
    counts = Counter(part.verdict for part in parts if part.verdict)
    said = ", ".join(f"{count:,} {printable(name)}" for name, count in sorted(counts.items()))
    rule = parts[0].photographs[0].group_rule
    many = say_parts(len(parts), rule)
    text = f"{many}, as proposed: {said}; {ASK_WHICH}" if rule else f"{many}: {said}"
    doubted = sum(DISAGREE in part.note for part in parts)
    if doubted:
        text += f"\nnote: {doubted:,} of them for a person, each because {DISAGREE}"
    return text
