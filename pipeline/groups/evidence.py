"""Weigh what one piece of evidence says, and whether the pixels agree with it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from features.arrays import Indices
from pipeline.groups.pictures import Pictures, normalise, shrink
from pipeline.groups.proposal import Evidence, Link
from pipeline.groups.similarity import Similarity

AGREES = 0.65
"""From here on pixels confirm what names or times say; 0.5 is a coin, 1 is always."""

Pair = tuple[int, int]

_FEWEST, _MOST = 20, 20_000  # photographs that are asked about
_NEAREST = 12  # others that each is compared with
_COARSE = 8  # pixels to a side of pictures that tell a view of a part from another
_SIDES = 2, 3  # runs of shots that may be one part, turned over in between
_SHOW = 0.85  # share of runs that show what the second or third next shows, and no nearer one


@dataclass(frozen=True)
class Finding:
    """One row of the table, with what follows from it."""

    evidence: Evidence
    ties: list[Link] = field(default_factory=list)  # belong together; chains make the groups
    links: list[Link] = field(default_factory=list)  # only probably do

    @classmethod
    def of_groups(
        cls, kind: str, what: str, codes: Indices, used: bool, why: str, hint: str = ""
    ) -> Finding:
        """Tie the photographs of each group, if it is used; codes int64 (n,), -1 for none."""
        groups = [group for group in members_of(codes) if len(group) > 1]
        ties = [Link(a, b, kind, 0.0) for group in groups for a, b in itertools.pairwise(group)]
        count = sum(map(len, groups))
        return cls(Evidence(kind, what, count, len(groups), used, why, hint), ties if used else [])

    @classmethod
    def nothing(cls, kind: str, what: str, why: str) -> Finding:
        """Say why there is nothing to tie."""
        return cls(Evidence(kind, what, 0, 0, False, why))


def members_of(codes: Indices) -> list[list[int]]:
    """Give the photographs of each code from 0 on, in order of first appearance."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for number, code in enumerate(codes.tolist()):
        if code >= 0:
            found[code].append(number)
    return list(found.values())


@dataclass(frozen=True)
class PixelEvidence:
    """The pixels, asked about groups of photographs."""

    similarity: Similarity | None  # None where there are too few photographs
    unit: Indices  # (n,), each photograph's number in `similarity`; exact copies share one
    pictures: Pictures | None = None  # of these numbers; None where nobody asks

    def like_own(self, groups: Sequence[Sequence[int]], *, views: bool) -> float | None:
        """Measure how many photographs are more like one of their group than like the next group.

        The next one, because light and dirt drift.

        Args:
            groups: of photographs, one after the other.
            views: whether to ask a dozen of each, among them the same place of the next group,
                which may be the same view; else one of each, and not that.

        Returns:
            0 to 1; a half where all are alike; None for too few, or no pixels to ask.
        """
        if self.similarity is None:
            return None
        several = [group for group in groups if len(group) > 1]
        beside = [*itertools.pairwise([*several, *several[:1]])]
        own: list[Pair] = []
        others: list[Pair] = []
        first: list[int] = []
        for group, following in beside[:: 1 + sum(map(len, several)) // _MOST]:
            near = min(len(group) - 1, len(following) - (not views), _NEAREST if views else 1)
            for place, one in enumerate(group):
                first.append(len(own))
                own += [(one, group[(place + j) % len(group)]) for j in range(1, near + 1)]
                start = place + (not views)
                others += [(one, following[(start + j) % len(following)]) for j in range(near)]
        if len(several) < 2 or len(first) < _FEWEST:
            return None
        like_own, like_others = (
            np.maximum.reduceat(self.similarity.likeness(*self.unit[np.array(pairs)].T), first)
            for pairs in (own, others)
        )
        return float((like_own > like_others).mean())

    def of_sides(self, runs: Sequence[Sequence[int]]) -> bool:
        """Say whether each second or third run shows the same: sides of a part that was turned.

        Plain pictures are compared: in `similarity` what all parts have in common does not count.
        """
        far = max(_SIDES)
        if self.pictures is None or self.pictures.count > _MOST or len(runs) < _FEWEST + far:
            return False
        seen = normalise(shrink(self.pictures.grey, _COARSE)).reshape(self.pictures.count, -1)
        some = [seen[self.unit[list(run[:_NEAREST])]] for run in runs[: _MOST // _NEAREST]]
        alike = np.array(
            [
                [(some[i] @ some[i + j].T).max(axis=1).mean() for j in range(1, far + 1)]
                for i in range(len(some) - far)
            ]
        )
        shares = [(alike[:, k - 1] > alike[:, : k - 1].max(axis=1)).mean() for k in _SIDES]
        return bool(max(shares) >= _SHOW)


def in_percent(agreement: float | None) -> str:
    """Say what the pixels say, for a person."""
    if agreement is None:
        return "pixels cannot be asked"
    word = "agree" if agreement >= AGREES else "do not confirm it"
    return f"pixels {word}: {100 * agreement:.0f} % are more like one of their own than of the next"
