"""From the photographs that were judged to verdicts about the parts that they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.arrays import Floats
from features.photographs.file import Photograph
from pipeline.data.walk import is_folder
from pipeline.evaluation.band import REVIEW, REVIEW_NAME, beside, verdict_name
from pipeline.evaluation.part_rules import combine
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule, apply_rule
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import UNLIKE
from pipeline.model.predict import Prediction
from pipeline.thresholds.decision import disagreement

ASK_WHICH = "say which photographs show one part with --groups, --group-regex or --group-gap"
"""The question that settles what is only proposed."""

DISAGREE = (
    "its photographs disagree more than those of 99 % of the parts that the model knows, and that "
    f"they show one part is only proposed; {ASK_WHICH}"
)
"""Why a part goes to a person whose photographs may show several."""


@dataclass(frozen=True)
class PartPrediction:
    """The verdict on one part.

    Attributes:
        part: its name: as it was told or proposed, or the path of its only photograph.
        photographs: that show it, in their order.
        verdict: class name, or "review": a person has to look; None where none can be read.
        probability: of two classes, that of the defective one; of more, of the verdict (0 to 1).
        probabilities: by class name.
        truth: class name, where all its photographs lie in folders of classes; of two classes the
            defective one as soon as one of them does.
        error: why there is no verdict.
        note: what a person should know of the verdict; "" for nothing.
        said: the probability for a person, as in `Prediction`.
        margin: how far it is from another verdict, see `Band.margins`; 0 is the most doubtful.
    """

    part: str
    photographs: tuple[Prediction, ...]
    verdict: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    truth: str | None = None
    error: str | None = None
    note: str = ""
    said: str = ""
    margin: float | None = None

    @property
    def for_person(self) -> bool:
        """Say whether the verdict is that a person has to look."""
        return self.verdict == REVIEW_NAME

    @property
    def part_from(self) -> str:
        """Say where it is known from: "told", "proposed", or "unknown"."""
        rule = self.photographs[0].group_rule
        return "told" if rule is None else "proposed" if rule.kind == "proposed" else "unknown"

    @property
    def trained_on(self) -> bool:
        """Say whether the model learned from one of its photographs: the verdict proves nothing."""
        return any(photograph.trained_on for photograph in self.photographs)


def told_parts(
    rule: GroupRule,
    names: Sequence[str],
    photographs: Sequence[Photograph],
    notes: list[str] | None = None,
) -> list[Photograph]:
    r"""Give photographs the parts that a table or a pattern names.

    Args:
        rule: of any kind; a gap is left to `predict`. Paths in it are relative to the folder named,
            as they are for `extract`.
        names: of files and folders, as `pipeline.model.predict.find_photographs` got them.
        photographs: what it found.
        notes: given, what fits nothing, in words, is put behind its end.

    Returns:
        The same photographs in their order, each with its `group`.

    Raises:
        DataError: the table or the pattern cannot be used, or fits no photograph at all.

    Example:
        >>> rule = onepass.GroupRule("regex", r"part-(\d+)")
        >>> found = onepass.find_photographs(["data"])
        >>> onepass.told_parts(rule, ["data"], found)[0].group
        '001'
    """
    folders = [Path(name) for name in names if is_folder(Path(name))]
    inside = [p._replace(path=_below(p, folders)) for p in photographs]
    if rule.from_photographs:
        return list(photographs)
    grouped = apply_rule(rule, inside)
    if notes is not None:
        notes += grouped.say()
    found = zip(photographs, grouped.photographs, strict=True)
    return [p._replace(group=g.group) for p, g in found]


def _below(photograph: Photograph, folders: Sequence[Path]) -> str:
    for folder in folders:
        if photograph.file.is_relative_to(folder):
            return photograph.file.relative_to(folder).as_posix()
    return Path(photograph.path).as_posix()


def predict_parts(bundle: Bundle, predictions: Sequence[Prediction]) -> list[PartPrediction]:
    """Judge the parts of photographs that were judged.

    Args:
        bundle: the model.
        predictions: of `pipeline.model.predict.predict`, in any order.

    Returns:
        One for each part, in the order of their first photographs. A part with one photograph has
        the verdict of that.

    Example:
        >>> told = onepass.predict(bundle, onepass.find_photographs(["data"]), Path("features.h5"))
        >>> part = onepass.predict_parts(bundle, told)[0]
        >>> part.verdict, len(part.photographs)
        ('Healthy', 3)
    """
    members: dict[str, list[Prediction]] = {}
    for number, one in enumerate(predictions):
        members.setdefault(one.part or f"\0{number}", []).append(one)
    return [_predicted(bundle, tuple(those)) for those in members.values()]


def _predicted(bundle: Bundle, those: tuple[Prediction, ...]) -> PartPrediction:
    first, truth = those[0], _truth(bundle, those)
    name = first.part or first.path
    if len(those) == 1:
        return PartPrediction(
            part=name, photographs=those, verdict=first.verdict, probability=first.probability,
            probabilities=first.probabilities, truth=truth, error=first.error, note=first.why,
            said=first.said, margin=first.margin,
        )  # fmt: skip
    P = np.array([one.chances for one in those if one.chances is not None])
    if not len(P):
        return PartPrediction(name, those, truth=truth, error=first.error)
    decision, names = bundle.decision, bundle.classes.names
    chances = decision.alone(combine(P, np.zeros(len(P), dtype=np.int64), decision.part_rule))
    number, note = int(decision.band.decide(chances)[0]), _unread(those, len(P))
    if number != REVIEW and (why := _doubt(bundle, those, P, number)):
        number, note = REVIEW, "; ".join(filter(None, (why, note)))
    told = float(chances[0, 1] if bundle.classes.binary else chances[0, number])
    return PartPrediction(
        name, those, verdict_name(names, number), told,
        dict(zip(names, chances[0].tolist(), strict=True)), truth, note=note,
        said=beside(told, decision.band) if bundle.classes.binary else f"{100 * told:.0f} %",
        margin=float(decision.band.margins(chances)[0]),
    )  # fmt: skip


def _unread(those: Sequence[Prediction], read: int) -> str:
    missing = len(those) - read
    return f"{missing} of its {len(those)} photographs could not be read" if missing else ""


def _doubt(bundle: Bundle, those: Sequence[Prediction], P: Floats, number: int) -> str:
    """Say why a person has to look whatever the probability says."""
    decision, unlike = bundle.decision, sum(one.unlike for one in those)
    if unlike:
        return f"{unlike} of its {len(those)} photographs {_are(unlike)} {UNLIKE}"
    if those[0].group_rule is None or not decision.of_wholes or not bundle.classes.binary or number:
        return ""
    if any(one.verdict == bundle.classes.names[1] for one in those):
        limit = decision.disagreement
        if limit is None or disagreement(P[:, 1]) > limit:
            return DISAGREE
    return ""


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _truth(bundle: Bundle, those: Sequence[Prediction]) -> str | None:
    truths = [one.truth for one in those if one.truth is not None]
    if len(truths) < len(those):
        return None
    if bundle.classes.binary:
        return max(truths, key=bundle.classes.names.index)
    return max(sorted(set(truths)), key=truths.count)


def as_proposed(parts: Sequence[PartPrediction]) -> str:
    """Say how many parts there are, and ask which they are; "" where somebody said it."""
    rule = parts[0].photographs[0].group_rule if parts else None
    return f"{say_parts(len(parts), rule)}, for nobody said it; {ASK_WHICH}" if rule else ""


def several(parts: Sequence[PartPrediction]) -> bool:
    """Say whether any part has several photographs: there is more to say than by photograph."""
    return any(len(part.photographs) > 1 for part in parts)
