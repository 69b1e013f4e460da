"""What one piece of evidence says, and whether the pixels agree with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.grouping.looks import Looks
from pipeline.grouping.proposal import Evidence, Link

Indices = npt.NDArray[np.int64]

AGREES = 0.65
"""From here on pixels confirm what names or times say; 0.5 is a coin, 1 is always."""

CONTRADICTS = 0.35
"""Below this they speak against it."""

_FEWEST_PAIRS = 10
_MOST_PAIRS = 20_000  # that are looked at


@dataclass(frozen=True)
class Finding:
    """One row of the table, with what follows from it.

    Attributes:
        evidence: in words and counts.
        ties: pairs that belong together; chains of them make the groups.
        links: pairs that only probably do.
    """

    evidence: Evidence
    ties: list[Link] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Witness:
    """The pixels, asked about pairs of photographs.

    Attributes:
        looks: None where there are too few photographs.
        unit: int64 (n,), each photograph's number in `looks`; exact copies share one.
    """

    looks: Looks | None
    unit: Indices

    def agreement(
        self, related: tuple[Indices, Indices], others: tuple[Indices, Indices]
    ) -> float | None:
        """How often a related pair looks more alike than another one (the AUC, ties half).

        Args:
            related: photographs a and b that are said to show one part.
            others: pairs that are said to show two parts, but are otherwise like these: near in
                the sequence, so that light and dirt, which drift, do not decide.

        Returns:
            0 to 1; None where there are too few pairs, or no pixels to ask.
        """
        if self.looks is None:
            return None
        alike = []
        for a, b in (related, others):
            chosen = np.linspace(0, len(a) - 1, min(len(a), _MOST_PAIRS)).astype(np.int64)
            x, y = self.unit[a[chosen]], self.unit[b[chosen]]
            different = x != y
            if different.sum() < _FEWEST_PAIRS:
                return None
            alike.append(self.looks.likeness(x[different], y[different]))
        ours, theirs = alike[0], np.sort(alike[1])
        below = np.searchsorted(theirs, ours, "left") + np.searchsorted(theirs, ours, "right")
        return float(below.mean() / 2 / len(theirs))

    def strangers(self, a: Indices, b: Indices) -> npt.NDArray[np.float64]:
        """See `Looks.strangers`; photographs, not units. Infinite where nobody can say."""
        if self.looks is None:
            return np.full(len(a), np.inf)
        return self.looks.strangers(self.unit[a], self.unit[b])


def in_percent(agreement: float | None) -> str:
    """What the pixels say, for a person."""
    if agreement is None:
        return "pixels cannot be asked"
    word = "agree" if agreement >= AGREES else "do not confirm it"
    return f"pixels {word}: the nearer pair looks more alike in {agreement:.0%}"
