"""A trained head together with its feature space: rows of the cache in, probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import BundleError
from features.row_layout import FLAT, Layout
from pipeline.heads import load_head_class
from pipeline.heads.base import Floats, Head, Row, Rows, Scalar
from pipeline.spaces.entry import Entry
from pipeline.spaces.space import FeatureSpace, parse_space

_BLOCK_ROWS = 64


class SpacedHead:
    """A head on pooled values that takes rows as they are in the cache.

    Attributes:
        head: trained on what the space makes of rows.
        space: what it sees.
        layout: of one view's rows.
        row_width: values of a photograph: those of a row for each view, side by side.
    """

    def __init__(self, head: Head, space: FeatureSpace, layout: Layout) -> None:
        self.head, self.space, self.layout = head, space, layout
        self.row_width = len(space.views) * layout.row_width

    @property
    def title(self) -> str:
        """As shown in tables."""
        return f"{self.head.title} on {self.space.text}"

    @property
    def chosen(self) -> dict[str, Scalar]:
        """See `Head.chosen`."""
        return self.head.chosen

    @property
    def n_classes(self) -> int:
        """See `Head.n_classes`."""
        return self.head.n_classes

    @property
    def history(self) -> list[dict[str, float]] | None:
        """See `Head.history`."""
        return self.head.history

    @property
    def finest(self) -> float:
        """See `Head.finest`."""
        return self.head.finest

    def predict_proba(self, X: Rows) -> Floats:
        """Probabilities (n, n_classes) of rows float32 (n, row_width)."""
        if not len(X):
            return self.head.predict_proba(self.seen(X))
        starts = range(0, len(X), _BLOCK_ROWS)
        blocks = [self.head.predict_proba(self.seen(X[at : at + _BLOCK_ROWS])) for at in starts]
        return np.concatenate(blocks)

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats | None:
        """See `Head.slopes`; None where the space is not linear in the row."""
        if not self.space.linear:
            return None
        found = self.head.slopes(self.seen(X), self.seen(baseline[None])[0], target)
        return None if found is None else self.space.back(found, self.layout)

    def seen(self, X: Rows) -> Rows:
        """What the head sees of rows (n, row_width): float32 (n, width)."""
        views = np.split(X, len(self.space.views), axis=1)
        return self.space.of(views, self.layout)

    def save(self, folder: Path) -> None:
        """Write the head; the space is a text that the caller keeps."""
        self.head.save(folder)


def on_cached_rows(head: Head, space: str, fields: Mapping[str, Any]) -> Head | SpacedHead:
    """A head that takes whole rows of a cache, taps included; on flat rows the head as it is.

    Args:
        head: trained on what the space makes of such rows.
        space: text of a feature space.
        fields: of the cache's fingerprint.

    Raises:
        SpaceError: the text is not understood.
        DataError: taps or a backbone that this version does not have.
    """
    return head if space == FLAT else SpacedHead(head, parse_space(space), Layout.of(fields))


def load_on_cached_rows(about: Mapping[str, Any], folder: Path) -> Head | SpacedHead:
    """Read the head of a model.

    Args:
        about: `model.json` with the head, its features, and the fields of the fingerprint.
        folder: where `Head.save` wrote.

    Raises:
        BundleError: it is damaged, or its head was trained on other features than it says.
        SpaceError: its features are not understood.
    """
    entry = Entry(str(about["head"]), str(about.get("space", FLAT)))
    head = entry.behind_views(load_head_class(entry.head).load(folder))
    found = on_cached_rows(head, entry.features, about["features"])
    if isinstance(found, SpacedHead):
        width = found.space.width(found.layout)
        if head.row_width != width:
            raise BundleError(
                f"{folder} holds a head on rows of {head.row_width:,} values; features "
                f"{found.space.text} have {width:,}; fit the model again"
            )
    return found
