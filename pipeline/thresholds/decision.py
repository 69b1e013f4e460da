"""Say how a model comes from a probability to a verdict, and what is known of that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import DEFAULT_THRESHOLD, Band, log_odds
from pipeline.evaluation.part_rules import ANY, RULES, PartTable, by_part
from pipeline.evaluation.predictions import Predictions, predicted_parts
from pipeline.heads.calibration import Recalibration
from pipeline.thresholds.claims import Claim
from pipeline.thresholds.costs import Curve
from pipeline.thresholds.outcome import Outcome, Reliability
from pipeline.thresholds.rule import Method, ThresholdRule

OUT_OF_FOLD: Literal["out-of-fold"] = "out-of-fold"
SET_ASIDE: Literal["set aside"] = "set aside"


@dataclass(frozen=True)
class Unseen:
    """Training photographs, judged by models that did not learn from them.

    Attributes:
        how: "out-of-fold": each by the model of the fold that it was kept out of; "set aside": by
            the very model that is saved.
        folds: how many; 1 where photographs were set aside.
        outcome: at the thresholds of the model, which were chosen on these very photographs.
        scores: see `pipeline.evaluation.metrics.SCORES`; of parts that are judged as wholes, and
            of what is decided without a person.
        curve: missed and rejected at every threshold, thinned out; of parts as well.
        reliability: of the probabilities as the model gives them; where they are calibrated here,
            those of each fold by what was fitted on the other folds. Of parts, too.
        own: the same of the head's own probabilities, where these are calibrated here.
        seconds: that it took.
    """

    how: Literal["out-of-fold", "set aside"]
    folds: int
    outcome: Outcome
    scores: dict[str, float]
    curve: Curve
    reliability: Reliability
    own: Reliability | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Give plain values as in `model.json`; an undefined score is None."""
        return {
            "how": self.how,
            "folds": self.folds,
            "outcome": self.outcome.to_json(),
            "scores": {n: v if math.isfinite(v) else None for n, v in self.scores.items()},
            "curve": self.curve.to_json(),
            "reliability": self.reliability.to_json(),
            "own": self.own and self.own.to_json(),
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            how=OUT_OF_FOLD if record["how"] == OUT_OF_FOLD else SET_ASIDE,
            folds=int(record["folds"]), outcome=Outcome.from_json(record["outcome"]),
            scores={n: math.nan if v is None else float(v) for n, v in record["scores"].items()},
            curve=Curve.from_json(record["curve"]),
            reliability=Reliability.from_json(record["reliability"]),
            own=Reliability.from_json(record["own"]) if record["own"] else None,
            seconds=float(record["seconds"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """The thresholds of a model and where they come from.

    Attributes:
        band: the thresholds.
        rule: what was asked for.
        method: how they were found; "fixed" too where nothing was asked for and too few parts
            were there to choose on.
        note: why they were not chosen, or what a person should know; "" for nothing.
        defect_rate: share of defective photographs that is reckoned with; None where none is.
        claims: what holds with 95 % confidence.
        unseen: what they were chosen on; None where they were not chosen.
        holdout: what they do to the holdout, on which nothing was chosen; None where it is not
            known, or of more than two classes.
        part_rule: how photographs of a part are judged together, one of
            `pipeline.evaluation.part_rules.RULES`; "any" of models made before there were others.
        part_calibration: of the probabilities of parts; None where they are good as they are.
        disagreement: `disagreement` of photographs of one part that 99 % of the parts known do not
            exceed; None where that is not known.
    """

    band: Band
    rule: ThresholdRule
    method: Method
    note: str = ""
    defect_rate: float | None = None
    claims: tuple[Claim, ...] = ()
    unseen: Unseen | None = None
    holdout: Outcome | None = None
    part_rule: str = ANY
    part_calibration: Recalibration | None = None
    disagreement: float | None = None

    @property
    def of_wholes(self) -> bool:
        """Say whether a part has one verdict, from all its photographs."""
        return self.part_rule != ANY

    def alone(self, P: Floats) -> Floats:
        """Map probabilities (n, n_classes) as if each photograph were all there is of a part.

        Args:
            P: float64 (n, n_classes) as the model gives them, `Bundle.probabilities`.
        """
        return P if self.part_calibration is None else self.part_calibration.apply(P)

    def parts(self, y: Indices, P: Floats, groups: Indices) -> PartTable:
        """Turn photographs to parts with their probabilities, on which the thresholds are.

        Args:
            y: int64 (n,) class numbers.
            P: float64 (n, n_classes) of photographs, `Bundle.probabilities`.
            groups: int64 (n,), the same number for photographs of one part.
        """
        table = by_part(y, P, groups, self.part_rule)
        return table._replace(P=self.alone(table.P))

    def whole_parts(self, predicted: Predictions, P: Floats) -> Predictions | None:
        """Give the parts of judged photographs, where parts are judged as wholes and have several.

        Args:
            predicted: photographs, each as if it were all there is of its part.
            P: float64 (n, n_classes) of these, `Bundle.probabilities`.
        """
        if not self.of_wholes or len(np.unique(predicted.groups)) == len(predicted.groups):
            return None
        return predicted_parts(predicted, self.parts(predicted.y, P, predicted.groups))

    def outcome(self, y: Indices, P: Floats, groups: Indices) -> Outcome:
        """Say what the thresholds do to photographs of two classes; arguments as of `parts`."""
        alone = self.alone(P)[:, 1]
        if not self.of_wholes:
            return Outcome.of(y, alone, groups, self.band)
        table = self.parts(y, P, groups)
        return Outcome.of_parts((table.y, table.P[:, 1]), (y, alone), self.band)

    @property
    def contradicted(self) -> list[Claim]:
        """Give the claims that the holdout speaks against, with 95 % confidence."""
        if self.holdout is None:
            return []
        limits = {
            "missed": self.holdout.missed_at_least,
            "rejected": self.holdout.rejected_at_least,
        }
        return [claim for claim in self.claims if limits[claim.what] > claim.share]

    @classmethod
    def not_chosen(
        cls, note: str = "", rule: ThresholdRule | None = None, part_rule: str = ANY
    ) -> Self:
        """Give the rule's numbers, or 0.5."""
        rule = rule or ThresholdRule()
        band = Band(*(rule.fixed or (DEFAULT_THRESHOLD,) * 2))
        return cls(band, rule, "fixed", note, part_rule=part_rule)

    def to_json(self) -> dict[str, Any]:
        """Give the decision as it stands in `model.json`."""
        return {
            "pass_below": self.band.pass_below,
            "reject_from": self.band.reject_from,
            "rule": self.rule.to_json(),
            "method": self.method,
            "note": self.note,
            "defect_rate": self.defect_rate,
            "claims": [claim.to_json() for claim in self.claims],
            "unseen": self.unseen and self.unseen.to_json(),
            "holdout": self.holdout and self.holdout.to_json(),
            "part_rule": self.part_rule,
            "part_calibration": self.part_calibration and self.part_calibration.to_json(),
            "disagreement": self.disagreement,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; of earlier models, which judged photographs, too.

        Raises:
            KeyError, TypeError, ValueError: it wrote something else.
        """
        rule = dict(record["rule"])
        rule |= {"fixed": tuple(rule["fixed"])} if "fixed" in rule else {}
        band = Band(float(record["pass_below"]), float(record["reject_from"]))
        if not 0 <= band.pass_below <= band.reject_from <= math.nextafter(1, 2):
            raise ValueError(f"thresholds {band.pass_below} and {band.reject_from}")
        part_rule, calibration = record.get("part_rule", ANY), record.get("part_calibration")
        if part_rule not in RULES:
            raise ValueError(f"part rule {part_rule!r}")
        apart = record.get("disagreement")
        return cls(
            band=band, rule=ThresholdRule(**rule), method=record["method"],
            note=str(record["note"]), defect_rate=record["defect_rate"],
            claims=tuple(Claim(**claim) for claim in record["claims"]),
            unseen=Unseen.from_json(record["unseen"]) if record["unseen"] else None,
            holdout=Outcome.from_json(record["holdout"]) if record["holdout"] else None,
            part_rule=str(part_rule),
            part_calibration=None if calibration is None else Recalibration.from_json(calibration),
            disagreement=None if apart is None else float(apart),
        )  # fmt: skip


def disagreement(p: Floats) -> float:
    """Measure how far the most defective photograph of a part stands out, in log-odds.

    Args:
        p: float64 (n,), probabilities of a defect of the photographs of one part, as
            `Bundle.probabilities` gives them.
    """
    odds = log_odds(p)
    return float(odds.max() - odds.mean())
