"""Join photographs into groups: what is certain at once, what is probable when enough agrees."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from features.arrays import Indices
from pipeline.groups.proposal import Link

SURE = 0.01
"""A link of fewer expected strangers is enough by itself to put two photographs together."""


def joined(count: int, ties: Iterable[Link], links: Iterable[Link]) -> Indices:
    """Join `count` photographs: int64 (n,) groups from 0, the largest first, then in order.

    One wrong link must not make one group of two. So groups are joined by links, the surest first,
    once these tie half the photographs of the smaller one, but two at least. A single photograph
    joins by one link if that is sure, else by links to two photographs of the group.
    """
    joiner = _Joiner(count)
    for tie in ties:
        joiner.join(joiner.root(tie.a), joiner.root(tie.b))
    for link in sorted(links, key=lambda link: link.doubt):
        joiner.link(link.a, link.b, sure=link.doubt < SURE)
    roots = np.array([joiner.root(one) for one in range(count)], dtype=np.int64)
    _, first, of, sizes = np.unique(
        roots, return_index=True, return_inverse=True, return_counts=True
    )
    return np.argsort(np.lexsort((first, -sizes)))[of]


class _Joiner:
    """Groups that grow, with the links between them."""

    def __init__(self, count: int) -> None:
        """Start with all `count` photographs on their own."""
        self._parent = list(range(count))
        self._size = [1] * count
        # By group and other group: the group's own members that are tied to the other.
        self._tied: list[dict[int, set[int]]] = [{} for _ in range(count)]

    def root(self, member: int) -> int:
        """Find what stands for the member's group for now."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def link(self, a: int, b: int, *, sure: bool) -> None:
        """Note a link, and join what it supports; a join may make others possible."""
        open_pairs = [(self.root(a), self.root(b))]
        x, y = open_pairs[0]
        if x != y:
            self._tied[x].setdefault(y, set()).add(a)
            self._tied[y].setdefault(x, set()).add(b)
        while open_pairs:
            x, y = (self.root(group) for group in open_pairs.pop())
            if x != y and self._supported(x, y, sure=sure):
                whole = self.join(x, y)
                open_pairs += [(whole, other) for other in self._tied[whole]]

    def join(self, x: int, y: int) -> int:
        """Make one group of two; returns what stands for it."""
        if x == y:
            return x
        if len(self._tied[x]) + self._size[x] < len(self._tied[y]) + self._size[y]:
            x, y = y, x
        self._parent[y] = x
        self._size[x] += self._size[y]
        self._tied[x].pop(y, None)
        for other, own in self._tied[y].items():
            theirs = self._tied[other].pop(y, set())
            if other != x:
                self._tied[x].setdefault(other, set()).update(own)
                self._tied[other].setdefault(x, set()).update(theirs)
        self._tied[y] = {}
        return x

    def _supported(self, x: int, y: int, *, sure: bool) -> bool:
        smaller = min(self._size[x], self._size[y])
        tied = [len(self._tied[x].get(y, ())), len(self._tied[y].get(x, ()))]
        if smaller == 1:
            return max(tied) >= (1 if sure else 2)
        return min(tied) >= max(2, -(-smaller // 2))
