"""Say what an audit found, ready to be shown: names and sentences, no numbers left to compute."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.errors import DataError
from pipeline.audit.labels import tells_classes
from pipeline.output.result_table import Cell, Column, Table, interval
from pipeline.output.tables import to_csv


@dataclass(frozen=True)
class FactFinding:
    """Say how well one fact alone tells the classes apart on parts not learned from.

    Attributes:
        name, title: of the fact, for programs and for people.
        in_pixels: whether a model can see it.
        photographs: that have it.
        auc, low, high: cross-validated ROC AUC with its 95 % interval over parts.
        p_value: corrected for all facts; see `pipeline.audit.permutation_test`.
        needed: AUC from which this fact would be told from chance.
        above_chance: p_value at most the level.
        shortcut: above chance, and not by a trifle.
        per_class: AUC by class against the rest; of two classes, of the defective one.
        typical: by class, the median, or the most frequent word with its share.
        sentence: what it means, for a person; "" where it is no shortcut.
        same_as: title of a stronger fact that says the same of these photographs; "" for none.
        perfect: whether it separates the classes of these photographs without an exception.
    """

    name: str
    title: str
    in_pixels: bool
    photographs: int
    auc: float
    low: float
    high: float
    p_value: float
    needed: float
    above_chance: bool
    shortcut: bool
    per_class: dict[str, float]
    typical: dict[str, str]
    sentence: str
    same_as: str = ""
    perfect: bool = False

    @property
    def called(self) -> str:
        """Say whether it is a shortcut, in one word."""
        return "YES" if self.shortcut else "slight" if self.above_chance else "no"

    @property
    def strongest(self) -> str:
        """Give the class that it tells best from the others."""
        return max(self.per_class, key=lambda name: self.per_class[name])


@dataclass(frozen=True)
class Shortcuts:
    """All facts that were judged, and those that were not.

    Attributes:
        facts: the highest AUC first.
        left_out: by reason, titles of the facts that were not judged.
        folds, repeats, shuffles: of cross-validation and test.
        level: chance taken of one false alarm or more among all facts.
        least_auc: below it nothing is called a shortcut, however certain.
    """

    facts: list[FactFinding]
    left_out: dict[str, list[str]]
    folds: int
    repeats: int
    shuffles: int
    level: float
    least_auc: float

    @property
    def found(self) -> list[FactFinding]:
        """Give the shortcuts, the strongest first; each once, however many facts say the same."""
        return [fact for fact in self.facts if fact.shortcut and not fact.same_as]

    @property
    def unproven(self) -> list[FactFinding]:
        """Give the facts that separate the classes perfectly, on too few parts to prove it."""
        return [f for f in self.facts if f.perfect and not f.shortcut and not f.same_as]

    @property
    def told_once(self) -> list[FactFinding]:
        """Give the facts without those that say the same as another."""
        return [fact for fact in self.facts if not fact.same_as]

    @property
    def repeated(self) -> str:
        """Say which facts are not listed, and which say it for them; "" for none."""
        same = [f"{fact.title} ({fact.same_as})" for fact in self.facts if fact.same_as]
        return f"not listed, for another fact says it: {', '.join(same)}" if same else ""

    @property
    def needed(self) -> float:
        """Give the AUC that half of the facts need to be told from chance; nan without facts."""
        values = sorted(fact.needed for fact in self.facts)
        return values[len(values) // 2] if values else math.nan

    def table(self, names: Sequence[str]) -> Table:
        """Give the facts, each once; on too few parts to judge them, what is typical.

        Args:
            names: of the classes.
        """
        binary = len(names) == 2
        judged = ["AUC", "95 % interval", "p", "shortcut", "in the pixels"] if self.folds else []
        last = [f"typical {name}" for name in names] if binary else ["most of all"]
        rows: list[list[Cell]] = []
        for fact in self.told_once:
            seen = "yes" if fact.in_pixels else "no"
            span = interval(fact.low, fact.high)
            numbers: list[Cell] = [fact.auc, span, fact.p_value, fact.called, seen]
            typical = [fact.typical[name] for name in names] if binary else [fact.strongest]
            rows.append([fact.title, *(numbers if self.folds else []), *typical])
        words = {"shortcut", "in the pixels", *last}
        columns = [Column(t, words=t in words) for t in ("fact alone", *judged, *last)]
        return Table("Facts of the files", columns, rows)


@dataclass(frozen=True)
class LabelFinding:
    """One photograph that probably lies in the wrong class.

    Attributes:
        path: relative to the folder.
        given, suggested: classes.
        p_given, p_suggested: their probabilities, by a head that never saw the part.
    """

    path: str
    given: str
    suggested: str
    p_given: float
    p_suggested: float


@dataclass(frozen=True)
class LabelFindings:
    """Hold what a head that never saw the part says of the labels.

    Attributes:
        suspects: the most suspect first.
        estimated: number of wrong labels at most; hard photographs count as wrong.
        head: its name.
        folds: of cross-validation.
        roc_auc: of the head on all photographs, each judged by the round that did not train on it.
        own_probability: by class, the mean probability that the head gives it on its photographs.
        weak: classes that the head hardly knows; its doubts about their labels say little.
        low, high: 95 % interval of `roc_auc` over parts; nan where it is not known.
    """

    suspects: list[LabelFinding]
    estimated: int
    head: str
    folds: int
    roc_auc: float
    own_probability: dict[str, float]
    weak: list[str]
    low: float = math.nan
    high: float = math.nan

    @property
    def judged(self) -> bool:
        """Say whether the head tells the classes, so that its doubts say something of labels."""
        return tells_classes(self.roc_auc, self.low)

    def of(self) -> str:
        """Say which head it was and how well it tells the classes."""
        span = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}] over parts"
        return f"({self.head} head, {self.folds} folds by part, AUC {self.roc_auc:.3f}{span})"


@dataclass(frozen=True)
class PhotographFinding:
    """One photograph that should be looked at.

    Attributes:
        path: relative to the folder.
        label: its class.
        problem: "outlier", "blurred", "over-exposed", "under-exposed" or "near-uniform".
        caption: a few words for under a picture.
        reason: measured, for a person.
        score: of an outlier, robust standard deviations; nan otherwise.
    """

    path: str
    label: str
    problem: str
    caption: str
    reason: str
    score: float = math.nan


@dataclass(frozen=True)
class CopyFinding:
    """One photograph under several labels.

    Attributes:
        digest: SHA-256 of the bytes, hex.
        copies: path -> class.
    """

    digest: str
    copies: dict[str, str]


@dataclass(frozen=True)
class BackgroundFinding:
    """Hold what a head reaches on photographs whose middle is covered, by part.

    Attributes:
        photographs, parts: that were looked at.
        masked: share of each side that is covered in the middle.
        border_auc, low, high: ROC AUC from the border alone, with its 95 % interval.
        whole_auc: of the same head on the same photographs, uncovered.
        shortcut: whether the border alone tells the classes more surely than chance.
        sentence: what it means, for a person.
    """

    photographs: int
    parts: int
    masked: float
    border_auc: float
    low: float
    high: float
    whole_auc: float
    shortcut: bool
    sentence: str


@dataclass(frozen=True)
class Audit:
    """Hold what an audit of a cache found.

    Attributes:
        root: the folder of the photographs, as of `extract`.
        photographs, parts: how many.
        classes: photographs by class; of two classes, the defective one is second.
        notes: what was left out, and why, for a person.
        shortcuts: None where no folds can be made.
        labels: None where no folds can be made, or there are too many photographs.
        outliers: the farthest first.
        unusable: in the order of the folder.
        copies: byte-identical photographs under two labels or more.
        seconds: that it took.
        background: what a head reaches without the middle of the photographs; None where it was
            not asked.
        content: `pipeline.data.dataset.Labelled.content` of what was audited; "" where not known.
    """

    root: Path
    photographs: int
    parts: int
    classes: dict[str, int]
    notes: list[str]
    shortcuts: Shortcuts | None
    labels: LabelFindings | None
    outliers: list[PhotographFinding]
    unusable: list[PhotographFinding]
    copies: list[CopyFinding]
    seconds: float
    content: str = ""
    background: BackgroundFinding | None = None

    def to_json(self) -> str:
        """Give everything as JSON; what is not defined is null."""
        record = asdict(self) | {"root": str(self.root)}
        return json.dumps(_plain(record), indent=1, allow_nan=False)

    def facts_csv(self) -> str:
        """Write one line per judged fact, the highest AUC first."""
        columns = [
            "fact", "same_as", "auc", "low", "high", "p_value", "shortcut", "in_pixels",
            "photographs", *(f"typical {name}" for name in self.classes), "meaning",
        ]  # fmt: skip
        facts = self.shortcuts.facts if self.shortcuts else []
        return to_csv(columns, map(self._fact_row, facts))

    def _fact_row(self, fact: FactFinding) -> dict[str, object]:
        row: dict[str, object] = _plain(asdict(fact))
        row |= {"fact": fact.title, "meaning": fact.sentence}
        row |= {name: "yes" if row[name] else "no" for name in ("shortcut", "in_pixels")}
        return row | {f"typical {name}": fact.typical.get(name) for name in self.classes}

    def photographs_csv(self) -> str:
        """Write a line per photograph and finding: suspect labels, copies, outliers, unusable."""
        columns = ["finding", "rank", "path", "class", "looks like", "probability", "reason"]
        rows: list[dict[str, object]] = []
        for rank, one in enumerate(self.labels.suspects if self.labels else [], 1):
            reason = f"its own class has a probability of {one.p_given:.3f}"
            rows.append({"finding": "label", "rank": rank, "path": one.path, "class": one.given,
                         "looks like": one.suggested, "probability": round(one.p_suggested, 4),
                         "reason": reason})  # fmt: skip
        for rank, torn in enumerate(self.copies, 1):
            for path, label in torn.copies.items():
                rows.append({"finding": "copies", "rank": rank, "path": path, "class": label,
                             "reason": "the same file lies in several classes"})  # fmt: skip
        for found in (self.outliers, self.unusable):
            for rank, photo in enumerate(found, 1):
                rows.append({"finding": photo.problem, "rank": rank, "path": photo.path,
                             "class": photo.label, "reason": photo.reason})  # fmt: skip
        return to_csv(columns, rows)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a record holds
    """Make records ready for JSON: nan and infinity become None."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_FACT_NUMBERS = ("auc", "low", "high", "p_value", "needed")


def read_audit(path: Path) -> Audit:
    """Read what `Audit.to_json` wrote.

    Raises:
        DataError: there is no such file, or it is no audit of this version.
    """
    if not path.is_file():
        raise DataError(f"there is no {path}")
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Audit(**record | {
            "root": Path(record["root"]),
            "shortcuts": record["shortcuts"] and _shortcuts(record["shortcuts"]),
            "labels": record["labels"] and _labels(record["labels"]),
            "outliers": [_photograph(one) for one in record["outliers"]],
            "unusable": [_photograph(one) for one in record["unusable"]],
            "copies": [CopyFinding(**one) for one in record["copies"]],
            "background": _background(record.get("background")),
        })  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} cannot be read as an audit of this version ({error}); make it again"
        ) from error


def _shortcuts(record: dict[str, Any]) -> Shortcuts:
    facts = [
        FactFinding(**one | {name: _number(one[name]) for name in _FACT_NUMBERS})
        for one in record["facts"]
    ]
    return Shortcuts(**record | {"facts": facts})


def _labels(record: dict[str, Any]) -> LabelFindings:
    suspects = [LabelFinding(**one) for one in record["suspects"]]
    numbers = {name: _number(record.get(name)) for name in ("roc_auc", "low", "high")}
    return LabelFindings(**record | {"suspects": suspects} | numbers)


def _background(record: dict[str, Any] | None) -> BackgroundFinding | None:
    numbers = ("border_auc", "low", "high", "whole_auc")
    if record is None:
        return None
    return BackgroundFinding(**record | {n: _number(record[n]) for n in numbers})


def _photograph(record: dict[str, Any]) -> PhotographFinding:
    return PhotographFinding(**record | {"score": _number(record["score"])})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
