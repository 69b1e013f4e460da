"""A trained head together with its feature space: rows of the cache in, probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from features.arrays import Floats, Indices, Row, Rows
from features.cache.row_parts import FLAT, Layout
from features.errors import BundleError
from pipeline.feature_specs.spec import FeatureSpace, parse_space
from pipeline.heads import load_head_class, make_head
from pipeline.heads.base import AnyRows, EpochProgress, Head, Scalar

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
        """Not known from the folder alone: see `heads.load_on_cached_rows`."""
        raise NotImplementedError(f"{folder} holds the head behind the views")


_ON = " on "


class Entry(NamedTuple):
    """A head and the features that it sees, by their names."""

    head: str
    features: str = FLAT

    @property
    def name(self) -> str:
        """The head alone where it sees flat rows, so that names are what they always were."""
        return self.head if self.features == FLAT else f"{self.head}{_ON}{self.features}"

    @property
    def title(self) -> str:
        """As shown in tables.

        Raises:
            HeadError: no head of this name.
        """
        title = load_head_class(self.head).title
        return title if self.features == FLAT else f"{title}{_ON}{self.features}"

    @property
    def in_row_space(self) -> bool:
        """Whether it is trained from inner products of whole photographs' rows alone."""
        return load_head_class(self.head).space == "rows" and not self._of_single_views

    @property
    def _of_single_views(self) -> bool:
        return self.features != FLAT and parse_space(self.features).instances > 1

    def make(self, *, seed: int = 0, settings: Mapping[str, Scalar] | None = None) -> Head:
        """An untrained head for rows of these features; see `pipeline.heads.make_head`."""
        return self.behind_views(make_head(self.head, seed=seed, settings=settings))

    def behind_views(self, head: Head) -> Head:
        """The head, put behind the views of a photograph where it sees them one by one."""
        if not self._of_single_views:
            return head
        space = parse_space(self.features)
        return InstanceHead(head, space.instances, largest=space.over == "any")

    @classmethod
    def of(cls, name: str) -> Entry:
        """From what `name` gives."""
        head, _, features = name.partition(_ON)
        return cls(head, features or FLAT)
