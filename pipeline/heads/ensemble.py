"""A classifier and the distance from healthy together: each sees what the other cannot know.

The classifier knows the defects that it was shown, the distance from healthy photographs needs none
of them. Their probabilities are averaged as log-odds (the logarithmic opinion pool: Genest and
Zidek, "Combining probability distributions", 1986): each is calibrated on photographs that it was
not trained on, so that the one that tells less says less.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from features.errors import BundleError
from pipeline.heads.base import AnyRows, EpochProgress, Floats, Head, Indices, Rows
from pipeline.heads.calibration import probabilities
from pipeline.heads.kernels import RBFSVMHead
from pipeline.heads.novelty import NoveltyHead

_LEAST = 1e-12  # of a probability, whose logarithm is taken


class EnsembleHead(Head):
    """RBF SVM and distance from healthy, each trained on the same rows as it is alone."""

    name = "ensemble"
    title = "RBF SVM + novelty"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    calibrate_on: ClassVar[Literal["logit", "share"] | None] = "logit"
    members: ClassVar[tuple[type[Head], ...]] = (RBFSVMHead, NoveltyHead)
    _trained: list[Head]

    def fit(
        self,
        X: AnyRows,
        y: Indices,
        groups: Indices,
        *,
        n_classes: int,
        progress: EpochProgress | None = None,
    ) -> Self:
        """Train each member on the rows; see `Head.fit`."""
        self._start(X, y, n_classes)
        self._trained = [
            member(seed=self.seed).fit(X, y, groups, n_classes=n_classes) for member in self.members
        ]
        return self

    def predict_proba(self, X: Rows) -> Floats:
        """Probabilities (n, n_classes) of rows."""
        self._check_rows(X)
        logs = [np.log(np.maximum(head.predict_proba(X), _LEAST)) for head in self._trained]
        return probabilities(np.mean(logs, axis=0))

    def save(self, folder: Path) -> None:
        """Write settings.json, and each member into a folder of its name; see `Head.save`."""
        for head in self._trained:
            (folder / head.name).mkdir()
            head.save(folder / head.name)
        self._save_settings(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; see `Head.load`."""
        head, _ = cls._load_settings(folder)
        head._trained = [member.load(folder / member.name) for member in cls.members]
        for member in head._trained:
            if (member.n_classes, member.row_width) != (head.n_classes, head.row_width):
                raise BundleError(
                    f"{folder} holds {member.name!r} on rows of {member.row_width:,} values and "
                    f"{member.n_classes} classes; expected {head.row_width:,} and "
                    f"{head.n_classes}; fit the model again"
                )
        return head
