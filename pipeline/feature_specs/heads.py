"""Heads together with the feature specs that they see: to be compared, trained, saved and asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Floats, Row, Rows
from features.cache.row_parts import RowParts
from features.errors import BundleError
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heads import load_head_class, make_head
from pipeline.heads.base import Head, Scalar

_BLOCK_ROWS = 64


class HeadOnCachedRows:
    """A head on pooled values that takes rows as they are in the cache.

    Attributes:
        head: trained on what the spec makes of rows.
        spec: what it sees.
        row_parts: of one view's rows.
        views: of which it takes rows.
        input_width: values of a photograph: those of a row for each view, side by side.
    """

    def __init__(self, head: Head, spec: FeatureSpec, row_parts: RowParts) -> None:
        self.head, self.spec, self.row_parts = head, spec, row_parts
        self.views = spec.stored_views(row_parts)
        self.input_width = len(self.views) * row_parts.cached_width

    @property
    def on_map(self) -> bool:
        """Say whether all that it sees has its place in a map that the rows keep."""
        return self.spec.on_map and not self.row_parts.pooled

    @property
    def title(self) -> str:
        """Give the title for tables."""
        return f"{self.head.title} on {self.spec.text}"

    @property
    def chosen(self) -> dict[str, Scalar]:
        """Give the settings in force; see `Head.chosen`."""
        return self.head.chosen

    @property
    def n_classes(self) -> int:
        """Count the classes; see `Head.n_classes`."""
        return self.head.n_classes

    @property
    def history(self) -> list[dict[str, float]] | None:
        """Give the scores of each epoch; see `Head.history`."""
        return self.head.history

    @property
    def finest(self) -> float:
        """Give the smallest probability that tells something; see `Head.finest`."""
        return self.head.finest

    def predict_proba(self, X: Rows) -> Floats:
        """Predict probabilities (n, n_classes) of rows float32 (n, input_width)."""
        if not len(X):
            return self.head.predict_proba(self.seen(X))
        starts = range(0, len(X), _BLOCK_ROWS)
        blocks = [self.head.predict_proba(self.seen(X[at : at + _BLOCK_ROWS])) for at in starts]
        return np.concatenate(blocks)

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats | None:
        """See `Head.slopes`; None where the spec is not linear in the row."""
        if not self.spec.linear:
            return None
        found = self.head.slopes(self.seen(X), self.seen(baseline[None])[0], target)
        return None if found is None else self.spec.back(found, self.row_parts)

    def seen(self, X: Rows) -> Rows:
        """Give what the head sees of rows (n, input_width): float32 (n, width)."""
        views = np.split(X, len(self.views), axis=1)
        return self.spec.of(views, self.row_parts)

    def place(self, view: str) -> slice:
        """Find where what is kept of one of the spec's views stands in a row (input_width,).

        Raises:
            ValueError: the spec has no such view.
        """
        if view in self.views:
            start = self.views.index(view) * self.row_parts.cached_width
            return slice(start, start + self.row_parts.cached_width)
        return self.row_parts.crop(view)

    def save(self, folder: Path) -> None:
        """Write the head; the spec is a text that the caller keeps."""
        self.head.save(folder)


def on_cached_rows(
    head: Head, spec: FeatureSpec, fields: Mapping[str, Any]
) -> Head | HeadOnCachedRows:
    """Give a head that takes whole rows of a cache, taps included; on flat rows the head as it is.

    Args:
        head: trained on what the spec makes of such rows.
        spec: what it sees.
        fields: of the cache's fingerprint.

    Raises:
        DataError: taps or a backbone that this version does not have.
    """
    return head if spec.is_flat else HeadOnCachedRows(head, spec, RowParts.of(fields))


def load_on_cached_rows(
    name: str, spec: FeatureSpec, fields: Mapping[str, Any], folder: Path
) -> Head | HeadOnCachedRows:
    """Read the head of a model.

    Args:
        name: of the head.
        spec: what it sees.
        fields: of the fingerprint of its rows.
        folder: where `Head.save` wrote.

    Raises:
        BundleError: it is damaged, or its head was trained on other features than it says.
    """
    found = on_cached_rows(load_head_class(name).load(folder), spec, fields)
    if isinstance(found, HeadOnCachedRows):
        width = spec.width(found.row_parts)
        if found.head.input_width != width:
            raise BundleError(
                f"{folder} holds a head on rows of {found.head.input_width:,} values; features "
                f"{spec} have {width:,}; fit the model again"
            )
    return found


@dataclass(frozen=True)
class Contender:
    """A head and the feature spec that it sees: what is compared, chosen and trained.

    Attributes:
        head: a name of `pipeline.heads.HEADS`.
        spec: what it sees.

    Example:
        >>> onepass.Contender("ridge", onepass.FeatureSpec.parse("avg")).spec.text
        'avg'
    """

    head: str
    spec: FeatureSpec = FLAT

    @property
    def name(self) -> str:
        """Give the head alone where it sees flat rows, so that names are what they always were."""
        return self.head if self.spec.is_flat else f"{self.head} on {self.spec}"

    @property
    def title(self) -> str:
        """Give the title for tables.

        Raises:
            HeadError: no head of this name.
        """
        title = load_head_class(self.head).title
        return title if self.spec.is_flat else f"{title} on {self.spec}"

    @property
    def in_row_space(self) -> bool:
        """Say whether it is trained from inner products of photographs' rows alone."""
        return load_head_class(self.head).space == "rows"

    def make(self, *, seed: int = 0, settings: Mapping[str, Scalar] | None = None) -> Head:
        """Make an untrained head for rows of this spec; see `pipeline.heads.make_head`."""
        return make_head(self.head, seed=seed, settings=settings)
