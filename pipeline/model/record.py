"""Record in `model.json` what was asked for, what it was trained on, what it scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from json import dumps, loads
from typing import Any, Literal, Self

from features.backbones.settings import fingerprint_recipe
from features.backbones.weights import RecordedWeights
from features.errors import BundleError, ThresholdError
from features.own_files import is_marked, mark
from features.photographs.recipe import Recipe
from pipeline.data.classes import Classes
from pipeline.data.folder_record import FolderRecord
from pipeline.evaluation.band import Band
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.groups.rules import GroupRule
from pipeline.heads.calibration import Recalibration
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.rule import ThresholdRule

SCHEMA = 3
"""Written. Of 2, which is still read, the fingerprint is called "features" and the feature spec may
be called "space"; of 1, also read, there is one threshold, and no calibration."""

READABLE = (1, 2, SCHEMA)


@dataclass(frozen=True)
class SplitRecord:
    """Say how photographs were split.

    Attributes:
        kind: "grouped", "random" or "given".
        test_size: share of the photographs held out.
        seed: of the split and the training.
        torn: parts that stand on both sides.
    """

    kind: str
    test_size: float
    seed: int
    torn: int = 0


@dataclass(frozen=True)
class RefitRecord:
    """That what was chosen was trained once more, after the scores, on all photographs.

    Thresholds, calibration, claims and scores stay those of the run before, which kept some
    photographs out: nothing is left to score the saved model on but new parts.

    Attributes:
        photographs: that it was trained on.
        parts: that they show.
        seconds: that it took.
    """

    photographs: int
    parts: int
    seconds: float

    def describe(self) -> str:
        """Say what that means for scores, on one line."""
        return (
            f"on all {self.photographs:,} photographs of {self.parts:,} parts after the scores "
            "were made; scores, limits and claims are those of the run that held parts out"
        )


@dataclass(frozen=True)
class FitRecord:
    """Hold what was asked for when a model was trained.

    Attributes:
        head: name, "module:Class" of a user's own, or the CNN's.
        folder: the photographs: root, group rule, weights of the backbone.
        split: how they were split.
        sees: "rows" of a cache, or "pixels".
        spec: what a head sees of a row.
        fingerprint: its fields, of the rows; {} of pixels.
        recipe: fields of the recipe, of pixels; {} of rows, whose fingerprint has it.
        settings: of the head, as given.
        choice: what was tried, where head or features were chosen; else None.
        refit: the training on all photographs, where that is the model; else None.
        content: `pipeline.data.dataset.Labelled.content` of the photographs of both sides, by which
            an audit of them is known; "" where it was not noted.
    """

    head: str
    folder: FolderRecord
    split: SplitRecord
    sees: Literal["rows", "pixels"] = "rows"
    spec: FeatureSpec = FLAT
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    choice: Mapping[str, Any] | None = None
    refit: RefitRecord | None = None
    content: str = ""

    @property
    def untrained(self) -> bool:
        """Say whether the backbone's weights have learned nothing."""
        return self.folder.untrained

    def known_recipe(self) -> Recipe | None:
        """Give the recipe that it was made with, if this version has it as it was."""
        return fingerprint_recipe({"recipe": self.recipe} if self.recipe else self.fingerprint)

    def to_json(self) -> dict[str, Any]:
        """Give the entries of `model.json` that stand for this."""
        weights, rule = self.folder.weights, self.folder.group_rule
        return {
            "head": self.head,
            "sees": self.sees,
            "feature_spec": self.spec.text,
            **({"fingerprint": dict(self.fingerprint)} if self.fingerprint else {}),
            **({"recipe": dict(self.recipe)} if self.recipe else {}),
            **({"weights": weights.to_note()} if weights else {}),
            "data": {
                "root": self.folder.root,
                "group_rule": asdict(rule),
                **({"content": self.content} if self.content else {}),
            },
            "split": asdict(self.split),
            "settings_given": dict(self.settings),
            **({"choice": dict(self.choice)} if self.choice is not None else {}),
            **({"refit": asdict(self.refit)} if self.refit is not None else {}),
        }

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> FitRecord:
        """Read the entries of `model.json`, of any schema that is read.

        Raises:
            KeyError, TypeError, ValueError, OnepassError: they are something else.
        """
        sees = json.get("sees", "rows")
        if sees not in ("rows", "pixels"):
            raise ValueError(f"it sees {sees!r}; expected rows or pixels")
        data, weights, choice = json["data"], json.get("weights"), json.get("choice")
        refit = json.get("refit")
        folder = FolderRecord(
            str(data["root"]),
            GroupRule.noted(data),
            None if weights is None else RecordedWeights.noted(weights),
        )
        return cls(
            head=str(json["head"]),
            folder=folder,
            split=_split(json["split"]),
            sees=sees,
            spec=FeatureSpec.parse(str(json.get("feature_spec", json.get("space", FLAT)))),
            fingerprint=dict(json.get("fingerprint", json.get("features", {}))),
            recipe=dict(json.get("recipe", {})),
            settings=dict(json.get("settings_given", {})),
            choice=None if choice is None else dict(choice),
            refit=None if refit is None else _refit(refit),
            content=str(data.get("content", "")),
        )


def _refit(json: Mapping[str, Any]) -> RefitRecord:
    return RefitRecord(int(json["photographs"]), int(json["parts"]), float(json["seconds"]))


def _split(json: Mapping[str, Any]) -> SplitRecord:
    return SplitRecord(
        str(json["kind"]), float(json["test_size"]), int(json["seed"]), int(json.get("torn", 0))
    )


@dataclass(frozen=True)
class ModelRecord:
    """All that `model.json` says.

    Attributes:
        fit: what was asked for.
        title: of the head, as shown in tables.
        chosen: settings in force.
        classes: names and numbers; of two classes, 1 is the defective one.
        decision: the thresholds, and where they come from.
        calibration: of the head's probabilities; None where they are good as they are.
        scores: by "train", "holdout" and, where parts have several photographs, "holdout_parts":
            counts, scores and intervals as `Assessment.to_json` gives them.
        seconds: of training.
        created: UTC, as 2026-01-31T12:00:00Z.
        versions: of Python and the packages that decide a model's numbers.
        files: SHA-256 (hex) of every other file of the model, by its path in the folder.
        own: whether this account made it; see `features.own_files`. Not part of `to_json`.

    Example:
        >>> onepass.load_bundle(Path("model")).record.fit.split.kind
        'grouped'
    """

    fit: FitRecord
    title: str
    chosen: Mapping[str, Any]
    classes: Classes
    decision: Decision
    calibration: Recalibration | None
    scores: Mapping[str, Any]
    seconds: float
    created: str
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    own: bool = True

    def sealed(self, versions: Mapping[str, str], files: Mapping[str, str]) -> Self:
        """Give the same with what is known once all other files are written."""
        return replace(self, versions=versions, files=files)

    def to_bytes(self) -> bytes:
        """Give the file `model.json`, with this account's mark where the model is its own."""
        entries = loads(dumps(self.to_json()))
        if self.own:
            entries["mark"] = mark(_marked_part(entries)).hex()
        return dumps(entries, indent=2).encode()

    def to_json(self) -> dict[str, Any]:
        """Give what stands in `model.json`, without a mark."""
        return {
            "onepass_bundle": SCHEMA,
            **self.fit.to_json(),
            "title": self.title,
            "settings": dict(self.chosen),
            "classes": list(self.classes.names),
            "class_members": dict(self.classes.members),
            "threshold": self.decision.band.pass_below,
            "decision": self.decision.to_json(),
            "calibration": self.calibration and self.calibration.to_json(),
            **self.scores,
            "fit_seconds": self.seconds,
            "created": self.created,
            "versions": dict(self.versions),
            "files": dict(self.files),
        }

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> ModelRecord:
        """Read a `model.json` of any schema that is read.

        Raises:
            KeyError, TypeError, ValueError, OnepassError: it is something else.
        """
        names, members = tuple(json["classes"]), dict(json["class_members"])
        if not all(isinstance(name, str) for name in (*names, *members)) or len(names) < 2:
            raise ValueError(f"classes {names!r}")
        known = range(len(names))
        if not all(type(number) is int and number in known for number in members.values()):
            raise ValueError(f"classes {members!r}")
        decision, calibration = _decision(json)
        return cls(
            fit=FitRecord.from_json(json),
            title=str(json.get("title", json["head"])),
            chosen=dict(json.get("settings", {})),
            classes=Classes(names, members),
            decision=decision,
            calibration=calibration,
            scores={name: json[name] for name in _SCORES if name in json},
            seconds=float(json.get("fit_seconds", float("nan"))),
            created=str(json.get("created", "")),
            versions=dict(json.get("versions", {})),
            files=dict(json["files"]),
            own=is_marked(_marked_part(json), _mark_of(json)),
        )


_SCORES = ("train", "holdout", "holdout_parts")


def _marked_part(entries: Mapping[str, Any]) -> bytes:
    """Give what a mark is of: all that was read of a `model.json`, but for the mark."""
    rest = {name: value for name, value in entries.items() if name != "mark"}
    return dumps(rest, sort_keys=True).encode()


def _mark_of(entries: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(entries.get("mark", ""))
    except (TypeError, ValueError):
        return b""


def _decision(json: Mapping[str, Any]) -> tuple[Decision, Recalibration | None]:
    """Read the thresholds and the calibration, which of schema 1 is none.

    Raises:
        BundleError: they are something else.
    """
    try:
        if json["onepass_bundle"] == 1:
            return Decision(Band.at(float(json["threshold"])), ThresholdRule(), "fixed"), None
        calibration = json["calibration"]
        return (
            Decision.from_json(json["decision"]),
            None if calibration is None else Recalibration.from_json(calibration),
        )
    except (KeyError, TypeError, ValueError, ThresholdError) as error:
        raise BundleError(
            f"model.json has no thresholds that can be used ({error!r}); expected those that `fit` "
            "wrote; copy the model again, or fit it again"
        ) from error
