"""A head on a feature space as one name, such as "ridge on avg": how comparisons call it."""

from __future__ import annotations

from typing import NamedTuple

from features.backbone import FLAT
from pipeline.heads import load_head_class

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

    @classmethod
    def of(cls, name: str) -> Entry:
        """From what `name` gives."""
        head, _, features = name.partition(_ON)
        return cls(head, features or FLAT)
