"""Say what becomes of parts: which are missed, which are rejected by mistake, which a person sees.

A part that is judged as a whole has one verdict, from all its photographs
(`pipeline.evaluation.part_rules`). What is said of such parts holds for parts that are
photographed as often as these were.

Where every photograph has a verdict of its own (rule `any`, and models made before there were
others), a defective part counts as missed as soon as one of its photographs is passed, a good part
as rejected as soon as one of its photographs is rejected: nobody knows how many photographs of a
part will be looked at later, or which. A part is defective if one of its photographs is of the
defective class; its photographs of the other class show no defect, and passing them is no miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from features.arrays import Flags, Floats, Indices
from pipeline.evaluation.band import Band
from pipeline.output.result_table import Cell, Column, Share, Table
from pipeline.thresholds.bounds import interval, lower_limit, upper_limit


class PartScores(NamedTuple):
    """One probability of a defect for each part, the one that decides whether it goes wrong.

    Attributes:
        defective: float64 (defective parts,), the lowest among the part's defective photographs.
        good: float64 (good parts,), the highest among the part's photographs.
    """

    defective: Floats
    good: Floats


def part_scores(y: Indices, p: Floats, groups: Indices) -> PartScores:
    """Give the deciding probability of every part, in the order of their numbers.

    Args:
        y: int64 (n,), 1 for photographs of the defective class.
        p: float64 (n,) probability of a defect.
        groups: int64 (n,), the same number for photographs of one part.
    """
    _, part = np.unique(groups, return_inverse=True)
    count = int(part.max()) + 1 if len(part) else 0
    lowest, highest = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(lowest, part[y == 1], p[y == 1])
    np.maximum.at(highest, part, p)
    defective = np.isfinite(lowest)
    return PartScores(lowest[defective], highest[~defective])


class Counts(NamedTuple):
    """Photographs of one class, or parts; a part of rule `any` counts wherever a photograph does.

    Attributes:
        total: how many there are.
        passed, reviewed, rejected: how many (have a photograph that) came out so.
    """

    total: int
    passed: int
    reviewed: int
    rejected: int


@dataclass(frozen=True)
class Outcome:
    """Hold what a band does to photographs of known class.

    Attributes:
        defective_parts, good_parts: counted in parts.
        defective, good: counted in photographs, each judged as if it were all there is of its
            part.
        told: whether somebody said which photographs show one part: of parts that are only
            proposed nothing holds with a confidence.
    """

    defective_parts: Counts
    good_parts: Counts
    defective: Counts
    good: Counts
    told: bool = True

    @classmethod
    def of(cls, y: Indices, p: Floats, groups: Indices, band: Band) -> Self:
        """Count what becomes of photographs with these probabilities of a defect (n,).

        Every photograph has a verdict of its own; see `of_parts` for the other case.
        """
        passed, rejected = p < band.pass_below, p >= band.reject_from
        ways = (np.ones(len(p), dtype=bool), passed, ~passed & ~rejected, rejected)
        defective = y == 1
        good_part = ~np.isin(groups, groups[defective])

        def parts(of: Flags) -> Counts:
            """Count parts that have any such photograph."""
            return Counts(*(len(np.unique(groups[of & way])) for way in ways))

        def photographs(of: Flags) -> Counts:
            """Count photographs."""
            return Counts(*(int((of & way).sum()) for way in ways))

        return cls(
            parts(defective), parts(good_part), photographs(defective), photographs(~defective)
        )

    @classmethod
    def of_parts(
        cls, parts: tuple[Indices, Floats], photographs: tuple[Indices, Floats], band: Band
    ) -> Self:
        """Count what becomes of parts that are judged as wholes.

        Args:
            parts: classes and probabilities of a defect (parts,).
            photographs: the same (n,) of single photographs.
            band: the thresholds.
        """
        whole, single = (cls.of(y, p, np.arange(len(y)), band) for y, p in (parts, photographs))
        return cls(whole.defective, whole.good, single.defective, single.good)

    @property
    def missed_at_most(self) -> float:
        """Give the largest share of missed parts that the counts allow, with 95 % confidence.

        It holds only for parts on which neither model nor threshold was chosen.
        """
        return upper_limit(self.defective_parts.passed, self.defective_parts.total)

    @property
    def rejected_at_most(self) -> float:
        """Give the same for good parts that are rejected."""
        return upper_limit(self.good_parts.rejected, self.good_parts.total)

    @property
    def missed_at_least(self) -> float:
        """Give the smallest share of missed parts that the counts leave possible."""
        return lower_limit(self.defective_parts.passed, self.defective_parts.total)

    @property
    def rejected_at_least(self) -> float:
        """Give the same for good parts that are rejected."""
        return lower_limit(self.good_parts.rejected, self.good_parts.total)

    def share_reviewed(self, defect_rate: float | None = None) -> float:
        """Give the share of photographs that a person sees; see `share_of_parts_reviewed`.

        Args:
            defect_rate: share of defective photographs to expect; None for that of these.
        """
        return _reviewed(self.defective, self.good, defect_rate)

    def share_of_parts_reviewed(self, defect_rate: float | None = None) -> float:
        """Give the share of parts that a person sees; `defect_rate` is that of defective ones."""
        return _reviewed(self.defective_parts, self.good_parts, defect_rate)

    def to_json(self) -> dict[str, Any]:
        """Give the counts by name."""
        counts = {name: getattr(self, name)._asdict() for name in _COUNTED}
        return counts if self.told else counts | {"told": False}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        counts = {name: Counts(**record[name]) for name in _COUNTED}
        return cls(**counts, told=bool(record.get("told", True)))


_COUNTED = ("defective_parts", "good_parts", "defective", "good")


def outcome_table(sides: Mapping[str, Outcome], *, review: bool, wholes: bool = True) -> Table:
    """Give the table of what thresholds do to parts, for whoever prints it.

    Args:
        sides: what they do on each set of photographs, by its name.
        review: whether there is a review band.
        wholes: whether parts are judged as wholes, or a part counts as soon as a photograph does.
    """
    titles = [
        ("passed, of the defective parts (missed)", "defective_parts", "passed"),
        ("rejected, of the good parts (false alarm)", "good_parts", "rejected"),
        ("for a person, of the defective parts", "defective_parts", "reviewed"),
        ("for a person, of the good parts", "good_parts", "reviewed"),
    ]
    rows: list[list[Cell]] = [
        [
            title,
            *(Share(getattr(c, way), c.total) for c in (getattr(o, of) for o in sides.values())),
        ]
        for title, of, way in titles[: 4 if review else 2]
    ]
    heading = "parts that are …" if wholes else "parts with a photograph that is …"
    columns = [Column(heading), *map(Column, sides)]
    return Table("What the thresholds do, by part", columns, rows)


def _reviewed(defective: Counts, good: Counts, defect_rate: float | None) -> float:
    if defect_rate is None:
        defect_rate = _share(defective.total, defective.total + good.total)
    of_defective = _share(defective.reviewed, defective.total)
    return defect_rate * of_defective + (1 - defect_rate) * _share(good.reviewed, good.total)


def _share(some: int, whole: int) -> float:
    return some / whole if whole else 0.0


BINS = 10

_SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 would make log loss infinite


@dataclass(frozen=True)
class Bin:
    """Photographs whose probabilities lie close together; one point of the reliability diagram.

    Attributes:
        low, high: of the bin; the last one holds 1 too.
        photographs, parts: how many there are.
        told: mean probability of a defect.
        found: share that is defective.
        interval: 95 %, exact binomial with the parts as trials: photographs of one part say the
            same thing several times.
    """

    low: float
    high: float
    photographs: int
    parts: int
    told: float
    found: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Reliability:
    """Say how far probabilities of a defect can be taken at their word.

    Attributes:
        bins: of equal width, those that hold photographs, rising.
        brier: mean squared error.
        log_loss: mean of minus the natural logarithm of the truth's probability, which is kept
            above 2.2e-16.
    """

    bins: list[Bin]
    brier: float
    log_loss: float

    @classmethod
    def of(cls, y: Indices, p: Floats, groups: Indices, bins: int = BINS) -> Self:
        """Measure the reliability of photographs that the model did not learn from.

        Args:
            y: int64 (n,), 1 for the defective class.
            p: float64 (n,) probability of a defect.
            groups: int64 (n,), the same number for photographs of one part.
            bins: how many of equal width from 0 to 1.
        """
        place = np.minimum((p * bins).astype(np.int64), bins - 1)
        found = [
            _bin(number / bins, (number + 1) / bins, y[here], p[here], groups[here])
            for number in range(bins)
            if (here := place == number).any()
        ]
        return cls(found, float(np.mean((p - y) ** 2)), log_loss(y, p))

    def to_json(self) -> dict[str, Any]:
        """Give the reliability as it stands in `model.json`."""
        return {
            "brier": self.brier,
            "log_loss": self.log_loss,
            "bins": [asdict(one) for one in self.bins],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        bins = [Bin(**one | {"interval": tuple(one["interval"])}) for one in record["bins"]]
        return cls(bins, float(record["brier"]), float(record["log_loss"]))


def log_loss(y: Indices, p: Floats) -> float:
    """Average minus the natural logarithm of the truth's probability; less is better."""
    return float(-np.log(np.clip(np.where(y == 1, p, 1 - p), _SMALLEST, 1)).mean())


def _bin(low: float, high: float, y: Indices, p: Floats, groups: Indices) -> Bin:
    parts, share = len(np.unique(groups)), float(y.mean())
    bounds = interval(share * parts, parts)
    return Bin(low, high, len(y), parts, float(p.mean()), share, bounds)
