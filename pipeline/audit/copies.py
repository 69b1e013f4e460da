"""Byte-identical photographs that lie in more than one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from features.samples import Sample
from pipeline.audit.bins import Indices


@dataclass(frozen=True)
class TornCopies:
    """One photograph under two labels or more: at most one of them is right.

    Attributes:
        digest: SHA-256 of the bytes, hex.
        rows: numbers of its copies among the photographs.
    """

    digest: str
    rows: tuple[int, ...]


def find_torn_copies(samples: Sequence[Sample], y: Indices) -> list[TornCopies]:
    """Exact copies under different class numbers, in the order of their first one."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, sample in enumerate(samples):
        rows[sample.digest].append(row)
    return [
        TornCopies(digest, tuple(copies))
        for digest, copies in rows.items()
        if len(set(y[copies].tolist())) > 1
    ]
