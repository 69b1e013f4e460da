"""One way to put photographs into parts, by times, names or a counter, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.arrays import Indices
from pipeline.groups.evidence import AGREES, Finding
from pipeline.groups.file_names import Key
from pipeline.groups.rounds import count
from pipeline.groups.timeline import round_gap


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to put photographs into parts.

    Attributes:
        basis, what, why: as in `Readings` and `Evidence`.
        codes: int64 (n,) the part of each photograph; -1 for none.
        gaps: seconds at which the times of each camera are cut; () for none.
        key: of names; None of others.
        usual: photographs of the usual part.
        recurs: runs of a value in the order of shots; None where there is no order.
        agreement: of the pixels.
    """

    basis: str
    what: str
    why: str
    codes: Indices
    gaps: Sequence[float] = ()
    key: Key | None = None
    usual: float = 0.0
    recurs: float | None = None
    agreement: float | None = None

    @property
    def groups(self) -> int:
        """Count the groups."""
        return count(self.codes)

    @property
    def confirmed(self) -> bool:
        """Say whether the pixels agree; where they cannot be asked they do not."""
        return self.agreement is not None and self.agreement >= AGREES

    def finding(self, used: bool, more: str = "") -> Finding:
        """Give it as a row of the table; `more` is why it is used or not."""
        kind = "time" if self.basis == "times" else "name"
        hint = f'--group-regex "{self.key.pattern}"' if self.key and not used else ""
        why = "; ".join(filter(None, (self.why, more)))
        return Finding.of_groups(kind, self.what, self.codes, used, why, hint)


def say_gaps(gaps: Sequence[float]) -> str:
    """Say gaps as a person would: "7 and 12"."""
    return " and ".join(f"{gap:g}" for gap in sorted({*map(round_gap, gaps)}))
