"""What a cache notes of the folder that its rows come from: where it is, and how it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from features.backbones.weights import RecordedWeights
from features.errors import CacheError
from features.photographs.views import Chosen
from pipeline.data.label_table import LabelRule
from pipeline.groups.rules import GroupRule


@dataclass(frozen=True)
class FolderRecord:
    """The note that `extract_folder` leaves in a cache, and that models keep a copy of.

    What is absent was not noted: of a cache that is only begun, and by earlier versions.

    Attributes:
        root: the folder of photographs; "" where no extract was finished.
        group_rule: which photographs show one part.
        weights: of the backbone; None where none were noted, and of models that see pixels.
        labels: where classes come from.
        views: what has rows of its own.
        kept: texts of the feature specs that a slim cache's rows were kept for; none of a full one.

    Example:
        >>> FolderRecord.noted({"root": "data"}).group_rule.kind
        'none'
    """

    root: str = ""
    group_rule: GroupRule = field(default_factory=GroupRule)
    weights: RecordedWeights | None = None
    labels: LabelRule = field(default_factory=LabelRule)
    views: Chosen = field(default_factory=Chosen)
    kept: tuple[str, ...] = ()

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> FolderRecord:
        """Read a cache's note.

        Raises:
            CacheError: the note is not one that `to_note` gave.
            DataError: it names views that this version does not have.
        """
        try:
            weights, labels = note.get("weights", {}), note.get("labels")
            return cls(
                root=str(note.get("root", "")),
                group_rule=GroupRule.noted(note),
                weights=RecordedWeights.noted(weights) if "digest" in weights else None,
                labels=LabelRule() if labels is None else LabelRule(**labels),
                views=Chosen.noted(note),
                kept=tuple(map(str, note.get("kept", ()))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CacheError(
                f"the cache's note of its folder cannot be used ({error!r}); expected what extract "
                "wrote; extract into another --cache"
            ) from error

    def to_note(self) -> dict[str, Any]:
        """Give the inverse of `noted`."""
        return {
            "root": self.root,
            "group_rule": asdict(self.group_rule),
            **({"labels": asdict(self.labels)} if self.labels.file else {}),
            **({"weights": self.weights.to_note()} if self.weights else {}),
            **self.views.to_note(),
            **({"kept": list(self.kept)} if self.kept else {}),
        }

    @property
    def untrained(self) -> bool:
        """Whether the backbone's weights have learned nothing."""
        return self.weights is not None and not self.weights.trained
