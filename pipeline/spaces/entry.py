"""A head on a feature space as one name, such as "ridge on avg": how comparisons call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from features.row_layout import FLAT
from pipeline.heads import load_head_class, make_head
from pipeline.heads.base import Head, Scalar
from pipeline.spaces.instances import InstanceHead
from pipeline.spaces.space import parse_space

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
