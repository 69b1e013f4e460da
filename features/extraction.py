"""What one run of `features.extract` did."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from features.cache.sample_table import Sample
from features.photographs.survey import Remarks


@dataclass
class Extraction:
    """What one run did.

    Attributes:
        samples: one for each photograph asked for, in order; `row` -1 with a reason where it
            could not be read.
        extracted: photographs that the backbone saw in this run, or saw some views of.
        rows: that it computed, one for each view.
        reused: photographs whose rows were there already, or that are copies of another.
        seconds: per stage. "read" (with hashing) and "decode" add up over the reader threads;
            "load", "backbone" and "write" are one thread each; "total" is by the clock.
        remarks: what a person should know of the photographs that were decoded.
    """

    samples: list[Sample]
    extracted: int = 0
    rows: int = 0
    reused: int = 0
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def failed(self) -> list[Sample]:
        """The photographs without a row."""
        return [sample for sample in self.samples if sample.row < 0]
