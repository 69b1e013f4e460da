"""Feature spaces: a short text such as "tiles:2x2:avg+max" says what a head sees of a photograph.

    [VIEWS:]POOLING[+POOLING…][:root][:max|:any|:vote]

VIEWS are view sets of the cache with + between them, "full" where nothing is said: the whole
photograph, "tiles:2x2", "full+tiles:3x3". POOLING is a name of `pipeline.spaces.poolings` or a tap;
several stand side by side. "root" takes the square root of every value, the sign kept, and brings
each pooling and each tap of a row to length 1: large values count for less, and kinds of different
sizes for the same (Arandjelović and Zisserman, "Three things everyone should know to improve object
retrieval", 2012). Of several views the mean is taken, or with "max" each value's largest. With
"any" or "vote" the head is trained on single views instead (`pipeline.spaces.instances`).

Nothing here is fitted, so that it is the same in every fold and for every new photograph.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.errors import DataError, SpaceError
from features.row_layout import Floats, Layout, Rows
from features.views import FULL, VIEW_SETS, views_of
from pipeline.spaces.poolings import POOLINGS, Pooling, Taps

_SET = rf"(?:{'|'.join(VIEW_SETS)})(?::\d+x\d+)?"
_NAME = r"[a-z]+\d*(?:-max)?"
_FORM = re.compile(
    rf"(?:(?P<sets>{_SET}(?:\+{_SET})*):)?(?P<poolings>{_NAME}(?:\+{_NAME})*)(?P<then>(?::[a-z]+)*)"
)
_OVER = ("max", "any", "vote")
_THEN = ("root", *_OVER)


@dataclass(frozen=True)
class FeatureSpace:
    """What a head sees of a photograph; made by `parse_space`.

    Attributes:
        text: that it was made of.
        sets: view sets.
        poolings: side by side.
        root: whether values are rooted and rows brought to length 1.
        over: what becomes of several views: "mean", "max", "any" or "vote".
    """

    text: str
    sets: tuple[str, ...]
    poolings: tuple[Pooling, ...]
    root: bool = False
    over: str = "mean"

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views, in the order in which rows of them are given."""
        return tuple(dict.fromkeys(name for of in self.sets for name in views_of(of)))

    @property
    def on_map(self) -> bool:
        """Whether all that a head sees has its place in one map of the whole photograph."""
        return len(self.views) == 1 and not any(isinstance(p, Taps) for p in self.poolings)

    @property
    def instances(self) -> int:
        """Views that a head is trained on one by one; 1 where it sees one row for a photograph."""
        return len(self.views) if self.over in ("any", "vote") else 1

    @property
    def linear(self) -> bool:
        """Whether values are sums of one view's values, so that `back` is there."""
        return not self.root and len(self.views) == 1 and all(p.linear for p in self.poolings)

    def width(self, layout: Layout) -> int:
        """How many values a head sees.

        Raises:
            SpaceError: rows of this layout do not have what is asked for.
        """
        return self.instances * sum(pooling.width(layout) for pooling in self.poolings)

    def of(self, views: Sequence[Rows], layout: Layout) -> Rows:
        """Rows of the cache, one array for each view, to what a head sees.

        Args:
            views: float32 (n, layout.row_width) each, in the order of `views`.
            layout: of the rows.

        Returns:
            float32 (n, width); of single views their values side by side.
        """
        if self.instances > 1:
            return np.concatenate([self._of_view(rows, layout) for rows in views], axis=1)
        found = self._of_view(views[0], layout)
        for rows in views[1:]:
            more = self._of_view(rows, layout)
            found = np.maximum(found, more) if self.over == "max" else found + more
        return found / np.float32(len(views)) if self.over == "mean" and len(views) > 1 else found

    def _of_view(self, rows: Rows, layout: Layout) -> Rows:
        values = [pooling.of(rows, layout) for pooling in self.poolings]
        if self.root:
            values = [
                _rooted(kind)
                for pooling, block in zip(self.poolings, values, strict=True)
                for kind in np.split(block, np.cumsum(pooling.kinds(layout))[:-1], axis=1)
            ]
        return values[0] if len(values) == 1 else np.concatenate(values, axis=1)

    def back(self, slopes: Floats, layout: Layout) -> Floats:
        """Slopes of what a head sees (n or 1, width) to slopes of a row (n or 1, row_width).

        Only where `linear`.
        """
        found = np.zeros((len(slopes), layout.row_width))
        start = 0
        for pooling in self.poolings:
            width = pooling.width(layout)
            found += pooling.back(slopes[:, start : start + width], layout)
            start += width
        return found


def _rooted(values: Rows) -> Rows:
    roots = np.sign(values) * np.sqrt(np.abs(values))
    lengths = np.linalg.norm(roots, axis=1, keepdims=True)
    rooted: Rows = roots / np.maximum(lengths, np.float32(1e-12))
    return rooted


def parse_space(text: str) -> FeatureSpace:
    """Read a text; see the head of this module.

    Raises:
        SpaceError: it is not understood.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise SpaceError(
            f"features {text!r} are not understood; expected such as flat, avg, avg+max, avg:root, "
            "tiles:2x2:avg or full+tiles:2x2:avg:max"
        )
    sets = tuple(dict.fromkeys((found["sets"] or "full").split("+")))
    try:
        for of in sets:
            views_of(of)
    except DataError as error:
        raise SpaceError(f"features {text!r} are not understood: {error}") from error
    names = found["poolings"].split("+")
    then = [word for word in found["then"].split(":") if word]
    _check(text, sets, names, then)
    poolings = tuple(POOLINGS.get(name) or Taps(name) for name in names)
    over = next((word for word in _OVER if word in then), "mean")
    return FeatureSpace(text, sets, poolings, "root" in then, over)


def _check(text: str, sets: Sequence[str], names: Sequence[str], then: Sequence[str]) -> None:
    for words in (names, then):
        if len(set(words)) < len(words):
            raise SpaceError(f"features {text!r} name something twice; expected each name once")
    strange = [word for word in then if word not in _THEN]
    if strange:
        raise SpaceError(
            f"features {text!r} end in {strange[0]!r}; expected some of {', '.join(_THEN)} there"
        )
    over = [word for word in then if word in _OVER]
    if len(over) > 1:
        raise SpaceError(
            f"features {text!r} say {' and '.join(over)} of views; expected one of the two"
        )
    if over and list(sets) == [FULL]:
        raise SpaceError(
            f"features {text!r} say {over[0]} of views, but see one view; expected several, such "
            "as tiles:2x2:avg:max; for the largest over positions: max"
        )
