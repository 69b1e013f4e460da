"""Links to groups, such that no single wrong link joins two groups."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Pair = tuple[int, int]

_ENOUGH = (
    3  # photographs of each of two groups that must be tied to the other, if they have as many
)


class Joiner:
    """Groups that grow: `tie` joins at once, `link` when enough links support it.

    Chaining is what ruins groups: one wrong link between two right groups makes one wrong group of
    both. So links between groups are collected, and the groups are joined once they tie half the
    photographs of the smaller one, but two at least, and three in any case are enough. A single
    photograph joins by one link.
    """

    def __init__(self, count: int) -> None:
        """All `count` photographs on their own."""
        self._parent = list(range(count))
        self._size = [1] * count
        # By group and other group: the group's own members that are tied to the other.
        self._tied: list[dict[int, set[int]]] = [{} for _ in range(count)]

    def root(self, member: int) -> int:
        """What stands for the member's group for now."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def tie(self, pairs: Iterable[Pair]) -> None:
        """Join what is known to belong together."""
        for a, b in pairs:
            self._join(self.root(a), self.root(b))

    def link(self, pairs: Iterable[Pair]) -> None:
        """Take probable pairs, the surest first, and join what they support."""
        for a, b in pairs:
            x, y = self.root(a), self.root(b)
            if x == y:
                continue
            self._tied[x].setdefault(y, set()).add(a)
            self._tied[y].setdefault(x, set()).add(b)
            self._join_supported([(x, y)])

    def groups(self) -> Indices:
        """Int64 (n,), numbered from 0: the largest first, then by first appearance."""
        roots = [self.root(member) for member in range(len(self._parent))]
        first: dict[int, int] = {}
        for place, root in enumerate(roots):
            first.setdefault(root, place)
        order = sorted(first, key=lambda root: (-self._size[root], first[root]))
        number = {root: place for place, root in enumerate(order)}
        return np.array([number[root] for root in roots], dtype=np.int64)

    def _join_supported(self, open_pairs: list[Pair]) -> None:
        """Join pairs of groups as long as their links suffice; a join may make others possible."""
        while open_pairs:
            x, y = (self.root(group) for group in open_pairs.pop())
            if x != y and self._supported(x, y):
                whole = self._join(x, y)
                open_pairs += [(whole, other) for other in self._tied[whole]]

    def _supported(self, x: int, y: int) -> bool:
        smaller = min(self._size[x], self._size[y])
        needed = 1 if smaller == 1 else min(max(2, -(-smaller // 2)), _ENOUGH)
        # A single photograph has one end only: it is the smaller one that must be tied enough.
        tied = [len(self._tied[x].get(y, ())), len(self._tied[y].get(x, ()))]
        return min(tied) >= needed

    def _join(self, x: int, y: int) -> int:
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
