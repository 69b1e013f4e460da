"""Options that always go together, as records: what they say is parsed once, here.

A command takes such a record as one parameter; see `pipeline.terminal.command_group.with_options`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.terminal import parse
from pipeline.terminal.console import bar, show
from pipeline.terminal.options import (
    AcceptDrift,
    Classes,
    CostFalse,
    CostMissed,
    DefectRate,
    Engine,
    GroupGap,
    GroupRegex,
    Groups,
    MaxFalse,
    MaxMissed,
    Positive,
    Quiet,
    Review,
    Threshold,
    Trust,
    Verbose,
    Wait,
    Weights,
)

if TYPE_CHECKING:
    from pipeline.data.dataset import Dataset
    from pipeline.groups.rules import GroupRule
    from pipeline.model.bundle import Bundle
    from pipeline.model.probabilities import PredictOptions
    from pipeline.thresholds.rule import ThresholdRule


@dataclass(frozen=True)
class PartOptions:
    """Say which photographs show one part."""

    groups: Groups = None
    group_regex: GroupRegex = None
    group_gap: GroupGap = None

    def rule(self, *, none: bool = False) -> GroupRule | None:
        """Give what was told, None where nothing was; with `none` that there are no groups."""
        from pipeline.groups.rules import GroupRule

        return GroupRule.told(self.groups, self.group_regex, self.group_gap, none=none)

    def told(self) -> GroupRule:
        """Give what was told, or that nothing was."""
        from pipeline.groups.rules import GroupRule

        return self.rule() or GroupRule()


@dataclass(frozen=True)
class ClassOptions:
    """Say which classes are taken, and which of them are defective."""

    classes: Classes = None
    positive: Positive = None

    def named(self) -> dict[str, Any]:
        """Give both as lists of names, for option objects."""
        return {"classes": parse.names(self.classes), "positive": parse.names(self.positive)}

    def dataset(self, cache: Path) -> Dataset:
        """Load the photographs of a cache and say what they are."""
        import pipeline
        from pipeline.terminal import results as text

        with bar("photographs compared") as progress:
            data = pipeline.load_dataset(cache, progress=progress, **self.named())
        show(text.dataset(data) + "\n")
        return data


@dataclass(frozen=True)
class ThresholdOptions:
    """Say how thresholds are chosen."""

    threshold: Threshold = None
    cost_missed: CostMissed = None
    cost_false: CostFalse = None
    max_missed: MaxMissed = None
    max_false: MaxFalse = None
    review: Review = None
    defect_rate: DefectRate = None

    def rule(self, folds: int = 5, part_rule: str | None = None) -> ThresholdRule:
        """Give the rule that they make.

        Raises:
            ThresholdError: they speak against each other.
        """
        from pipeline.thresholds.rule import ThresholdRule

        return ThresholdRule.parse(**vars(self), folds=folds, part_rule=part_rule)


@dataclass(frozen=True)
class BackboneOptions:
    """Say what the backbone computes with."""

    weights: Weights = None
    engine: Engine = "auto"

    def backbone(self) -> dict[str, Any]:
        """Give both by name, for option objects."""
        return {"weights": self.weights, "engine": self.engine}


@dataclass(frozen=True)
class ModelOptions:
    """Say which models may be opened."""

    accept_drift: AcceptDrift = False
    trust: Trust = False

    def load(self, model: Path) -> Bundle:
        """Load a model whose files are whole and whose self-test holds."""
        from pipeline.model.bundle import load_bundle

        return load_bundle(model, accept_drift=self.accept_drift, trust=self.trust)


@dataclass(frozen=True)
class JudgeOptions(PartOptions, BackboneOptions, ModelOptions):
    """Say what commands share that judge photographs by a model."""

    def rows(self, batch_size: int = 32, max_pixels: int | None = None) -> PredictOptions:
        """Say how rows that are missing are computed."""
        from features.photographs.decode import MAX_PIXELS
        from pipeline.model.probabilities import PredictOptions

        return PredictOptions(
            self.weights, self.engine, batch_size, max_pixels or MAX_PIXELS, self.told().gap
        )


@dataclass(frozen=True)
class RunOptions:
    """Say how much is said; the options act when they are read."""

    verbose: Verbose = False
    quiet: Quiet = False


@dataclass(frozen=True)
class WaitOptions(RunOptions):
    """The same of commands that write to a cache."""

    patience: Wait = 60.0
