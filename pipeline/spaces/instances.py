"""Multiple instances: a head on single views, and a photograph's score from those of its views.

Every view of a training photograph is trained on with the photograph's label, and a photograph is
as defective as its most defective view, or as its views on average ("any" and "vote" in a text of
features). That is the simplest rule of multiple-instance learning (Dietterich, Lathrop and
Lozano-Pérez, "Solving the multiple instance problem with axis-parallel rectangles", 1997): for
defects that one view shows and the others do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from pipeline.heads.base import AnyRows, EpochProgress, Floats, Head, Indices, Rows


class InstanceHead(Head):
    """A head behind the views of a photograph; what it takes are their rows side by side.

    The largest of several probabilities is no probability: `fit` calibrates it, on photographs
    that were not trained on.
    """

    name = "instances"
    title = "Single views"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    calibrate_on: ClassVar[Literal["logit", "share"] | None] = "logit"

    def __init__(self, head: Head, views: int, *, largest: bool) -> None:
        """Put an untrained or loaded head behind so many views."""
        super().__init__(seed=head.seed)
        self.head, self._views, self._largest = head, views, largest
        # Known by the head's own name, whatever the class says.
        self.name = head.name  # type: ignore[misc]
        self.title = head.title  # type: ignore[misc]
        self.finest = head.finest  # type: ignore[misc]
        self.n_classes, self.row_width = head.n_classes, views * head.row_width
        self.chosen, self.history = head.chosen, head.history

    def fit(
        self,
        X: AnyRows,
        y: Indices,
        groups: Indices,
        *,
        n_classes: int,
        progress: EpochProgress | None = None,
    ) -> Self:
        """Train on every view; see `Head.fit`."""
        self._start(X, y, n_classes)
        views = self._apart(X[:])
        labels, parts = np.repeat(y, self._views), np.repeat(groups, self._views)
        self.head.fit(views, labels, parts, n_classes=n_classes, progress=progress)
        self.chosen, self.history = self.head.chosen, self.head.history
        return self

    def predict_proba(self, X: Rows) -> Floats:
        """Probabilities (n, n_classes) of photographs."""
        self._check_rows(X)
        each = self.head.predict_proba(self._apart(X)).reshape(len(X), self._views, self.n_classes)
        if not self._largest:
            return np.asarray(each.mean(axis=1))
        if self.n_classes == 2:
            p = each[:, :, 1].max(axis=1)
            return np.column_stack([1 - p, p])
        most = each.max(axis=1)
        return np.asarray(most / most.sum(axis=1, keepdims=True))

    def _apart(self, X: Rows) -> Rows:
        return X.reshape(len(X) * self._views, -1) if len(X) else X[:, : self.head.row_width]

    def save(self, folder: Path) -> None:
        """Write the head; how many views there are, the features say."""
        self.head.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Not known from the folder alone: see `pipeline.spaces.model.load_on_cached_rows`."""
        raise NotImplementedError(f"{folder} holds the head behind the views")
