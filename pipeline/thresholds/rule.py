"""Say what a caller wants of the threshold, and whether the wishes go together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from features.errors import ThresholdError
from pipeline.evaluation.part_rules import RULES

Method = Literal["fixed", "balanced", "cost", "claim", "good alone"]

CONFIDENCE = 0.95
"""Of every claim: of a hundred that are made, at least 95 hold."""

FOLDS = 5


@dataclass(frozen=True)
class ThresholdRule:
    """Say how the threshold, or the two of a review band, come about.

    With nothing set it is the default: the best balanced accuracy on out-of-fold probabilities, or
    0.5, with the reason, where there are too few parts for that.

    Attributes:
        fixed: (pass below, reject from), both from 0 to 1 and not chosen at all.
        balanced: ask for the default by name: too few parts are an error then.
        cost_missed, cost_false: of a defective part that is passed and of a good one that is
            rejected, in any unit; both above 0.
        max_missed: at most this share of defective parts is missed, with 95 % confidence.
        max_false: at most this share of good parts is rejected, with 95 % confidence.
        review: a person looks at up to this share of the parts.
        defect_rate: share of defective parts where the model will work, for costs and for the
            share that a person sees; None for that of the training part.
        folds: of the out-of-fold probabilities.
        part_rule: how a part's probability comes from those of its photographs, one of
            `pipeline.evaluation.part_rules.RULES`; None to choose it.

    Example:
        >>> onepass.ThresholdRule(cost_missed=10, cost_false=1).balanced
        False
    """

    fixed: tuple[float, float] | None = None
    balanced: bool = False
    cost_missed: float | None = None
    cost_false: float | None = None
    max_missed: float | None = None
    max_false: float | None = None
    review: float | None = None
    defect_rate: float | None = None
    folds: int = FOLDS
    part_rule: str | None = None

    def __post_init__(self) -> None:
        """Raise ThresholdError for wishes that clash or lie out of range."""
        for name in ("max_missed", "max_false", "review", "defect_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ThresholdError(
                    f"{_option(name)} is {value:g}; expected a share between 0 and 1, like 0.02"
                )
        if self.folds < 2:
            raise ThresholdError(f"--folds is {self.folds}; expected 2 or more")
        if self.part_rule is not None and self.part_rule not in RULES:
            raise ThresholdError(
                f"--part-rule is {self.part_rule!r}; expected one of {', '.join(RULES)}"
            )
        self._check_costs()
        self._check_together()

    def _check_costs(self) -> None:
        costs = (self.cost_missed, self.cost_false)
        if (costs[0] is None) != (costs[1] is None):
            raise ThresholdError(
                "found one cost; expected both, in the same unit: --cost-missed 50 --cost-false 1"
            )
        for cost in costs:
            if cost is not None and not 0 < cost < float("inf"):
                raise ThresholdError(f"a cost is {cost:g}; expected a number above 0")

    def _check_together(self) -> None:
        ways = {
            "--threshold": self.fixed is not None or self.balanced,
            "--cost-missed and --cost-false": self.cost_missed is not None,
            "--max-missed or --max-false": self.max_missed is not None
            or self.max_false is not None,
        }
        found = [name for name, given in ways.items() if given]
        if len(found) > 1:
            raise ThresholdError(f"found {' and '.join(found)}; expected one way to the threshold")
        if self.fixed is not None and self.review is not None:
            raise ThresholdError(
                "found --review and a threshold that is a number; expected two numbers instead, "
                "such as --threshold 0.2,0.6: pass below the first, reject from the second"
            )
        if None not in (self.max_missed, self.max_false, self.review):
            raise ThresholdError(
                "found --max-missed, --max-false and --review; expected two of them: the third "
                "follows"
            )

    @property
    def method(self) -> Method:
        """Say how the threshold is found."""
        if self.fixed is not None:
            return "fixed"
        if self.max_missed is not None or self.max_false is not None:
            return "claim"
        return "balanced" if self.cost_missed is None else "cost"

    @property
    def may_review(self) -> bool:
        """Say whether a person may have to look at some photographs."""
        claims = self.max_missed is not None and self.max_false is not None
        fixed = self.fixed is not None and self.fixed[0] < self.fixed[1]
        return self.review is not None or claims or fixed

    @property
    def asked(self) -> bool:
        """Say whether the caller said anything: then what cannot be done is an error."""
        return self != type(self)(folds=self.folds, part_rule=self.part_rule)

    @classmethod
    def parse(cls, threshold: str | None = None, **wishes: Any) -> Self:  # noqa: ANN401 - see fields
        """Parse a rule from the command line.

        Args:
            threshold: "balanced", a number, or two numbers with a comma between; None for none.
            wishes: the other attributes.

        Raises:
            ThresholdError: it is none of these, or the wishes clash.
        """
        if threshold is None:
            return cls(**wishes)
        if threshold.strip() == "balanced":
            return cls(balanced=True, **wishes)
        return cls(fixed=_numbers(threshold), **wishes)

    def to_json(self) -> dict[str, Any]:
        """Give what was asked for, and nothing else."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


def _numbers(text: str) -> tuple[float, float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) not in (1, 2) or not 0 <= found[0] <= found[-1] <= 1:
        raise ThresholdError(
            f"--threshold is {text!r}; expected balanced, a probability such as 0.3, or two, the "
            "smaller first, such as 0.2,0.6"
        )
    return found[0], found[-1]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
