"""A trained model as a folder: what is needed to predict with it and to trust it. No pickle.

model.json     classes, thresholds and what they were chosen on, calibration, recipe and weights,
               scores with intervals, split, versions, and the SHA-256 of every other file
head/          the trained head or network, as its class saves it
split.json     which photographs it was trained on, and which it never saw
unseen.csv     where the thresholds were chosen: the photographs that they were chosen on, with
               the probabilities of models that did not learn from them
heatmaps.npz   where the model sees rows: what its heatmaps are measured against
selftest.npz   a few rows (pixels, if it sees pixels) and the probabilities that they gave,
               replayed at every load
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.backbone import BackboneSettings, settings_from_fields
from features.engines import DEFAULT_ENGINE
from features.errors import BundleError, OutputError, ThresholdError
from features.files import whole_folder
from pipeline.classes import Classes
from pipeline.cnn import Cnn
from pipeline.heads import load_head_class
from pipeline.heads.base import Floats
from pipeline.heads.calibration import Recalibration
from pipeline.sync import recorded_weights
from pipeline.thresholds.band import Band
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.rule import ThresholdRule

SCHEMA = 2
"""Of 1, which is still read: a single threshold, and the head's probabilities as they are."""

SELF_TEST_TOLERANCE = 1e-4  # largest accepted difference of a probability
SELF_TEST_ROWS = 8
_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "h5py", "pillow", "skops")


class Model(Protocol):
    """What a bundle holds: a head, which sees rows, or a CNN, which sees pixels."""

    chosen: dict[str, str | int | float]
    history: list[dict[str, float]] | None

    @property
    def title(self) -> str:
        """As shown in tables."""
        ...

    def predict_proba(self, X: npt.NDArray[Any], /) -> Floats:
        """Probabilities (n, n_classes) of n rows or n photographs' pixels."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into a folder that is there; no pickle."""
        ...


@dataclass
class Bundle:
    """A loaded model.

    Attributes:
        folder: where it is.
        about: `model.json`.
        head: the trained head, or CNN.
        classes: names and numbers; of two classes, 1 is the defective one.
        decision: the thresholds, and where they come from.
        calibration: of the head's probabilities; None where they are good as they are.
    """

    folder: Path
    about: dict[str, Any]
    head: Model
    classes: Classes
    decision: Decision
    calibration: Recalibration | None = None

    @property
    def band(self) -> Band:
        """From a probability of a defect to a verdict."""
        return self.decision.band

    @property
    def threshold(self) -> float:
        """Of two classes: from this probability of a defect on, a photograph is not passed."""
        return self.band.pass_below

    def settings(
        self, weights: str | None = None, engine: str = DEFAULT_ENGINE
    ) -> BackboneSettings:
        """How photographs become the rows that this model was trained on."""
        record = recorded_weights(self.about["weights"], weights)
        return settings_from_fields(self.about["features"], record, engine)

    def split(self) -> list[dict[str, str]]:
        """One entry per photograph of the training data: path, class, group, digest, side.

        The sides are "train", "holdout", and "threshold" for those that the model did not learn
        from, but its threshold was chosen on.
        """
        entries: list[dict[str, str]] = json.loads((self.folder / "split.json").read_text("utf-8"))
        return entries

    def trained_on(self) -> set[str]:
        """Digests of the photographs that the model, or its threshold, was made from."""
        return {entry["digest"] for entry in self.split() if entry["side"] != "holdout"}

    def probabilities(self, inputs: npt.NDArray[Any]) -> Floats:
        """Calibrated probabilities (n, n_classes) of rows or pixels; verdicts are made of them."""
        own = self.head.predict_proba(inputs)
        return own if self.calibration is None else self.calibration.apply(own)

    def decide(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """Class numbers (n,), or `REVIEW`, for probabilities (n, n_classes); see `Band.decide`."""
        return self.band.decide(probabilities)


def save_bundle(
    folder: Path,
    head: Model,
    about: Mapping[str, Any],
    split: Sequence[Mapping[str, str]],
    inputs: npt.NDArray[Any],
    extra: Mapping[str, bytes],
) -> None:
    """Write a model, whole or not at all, in the place of an older one.

    Args:
        folder: a folder that is there must be a model, or empty.
        head: trained.
        about: what stands in `model.json` besides the files' digests and the versions; "sees" is
            "pixels" for a CNN, and "rows" or absent for a head.
        split: see `Bundle.split`.
        inputs: some float32 rows or uint8 pixels for the self-test.
        extra: further files by name, such as training curves.

    Raises:
        OutputError: the folder is something else, or cannot be written.
    """
    check_replaceable(folder)
    sample = np.ascontiguousarray(inputs[:SELF_TEST_ROWS])
    with whole_folder(folder) as new:
        (new / "head").mkdir()
        head.save(new / "head")
        (new / "split.json").write_text(json.dumps(list(split), indent=0), "utf-8")
        np.savez(new / "selftest.npz", rows=sample, probabilities=head.predict_proba(sample))
        for name, content in extra.items():
            (new / name).write_bytes(content)
        record = {
            "onepass_bundle": SCHEMA,
            **about,
            "versions": versions(),
            "files": {
                file.relative_to(new).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in sorted(new.rglob("*"))
                if file.is_file()
            },
        }
        (new / "model.json").write_text(json.dumps(record, indent=2), "utf-8")


def check_replaceable(folder: Path) -> None:
    """Raise OutputError unless a model may be written there."""
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / "model.json").is_file()):
        return
    if folder.exists():
        raise OutputError(
            f"{folder} exists and is no model; expected a new folder or one that holds a model; "
            "name another with --out"
        )


def load_bundle(folder: Path) -> Bundle:
    """Load a model and replay its self-test. Nothing in the folder is run as code.

    Raises:
        BundleError: it is missing, damaged, of another version, or no longer gives the
            probabilities that it gave when it was made.
    """
    about = read_about(folder)
    for name, digest in about["files"].items():
        file = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or file.is_symlink():
            raise BundleError(
                f"{folder} names a file outside itself ({name}); it was tampered with"
            )
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise BundleError(
                f"{file} is {'damaged or was changed' if file.exists() else 'missing'}; expected "
                "the file that `fit` wrote; copy the model again, or fit it again"
            )
    bundle = Bundle(
        folder,
        about,
        _load_model(about, folder / "head"),
        Classes(tuple(about["classes"]), dict(about["class_members"])),
        *_load_decision(about, folder),
    )
    _replay_self_test(bundle)
    return bundle


def _load_model(about: Mapping[str, Any], folder: Path) -> Model:
    sees = about.get("sees", "rows")
    if sees not in ("rows", "pixels"):
        raise BundleError(
            f"{folder.parent} sees {sees!r}; expected rows or pixels; use the version that made it"
        )
    if sees == "pixels":
        return Cnn.load(folder)
    return load_head_class(str(about["head"])).load(folder)


def _load_decision(about: Mapping[str, Any], folder: Path) -> tuple[Decision, Recalibration | None]:
    try:
        if about["onepass_bundle"] == 1:
            threshold = float(about["threshold"])
            return Decision(Band.at(threshold), ThresholdRule(), "fixed"), None
        calibration = about["calibration"]
        return (
            Decision.from_json(about["decision"]),
            None if calibration is None else Recalibration.from_json(calibration),
        )
    except (KeyError, TypeError, ValueError, ThresholdError) as error:
        raise BundleError(
            f"{folder / 'model.json'} has no thresholds that can be used ({error!r}); expected "
            "those that `fit` wrote; copy the model again, or fit it again"
        ) from error


def read_about(folder: Path) -> dict[str, Any]:
    """`model.json` of a model, without loading the rest.

    Raises:
        BundleError: it is missing or of another version.
    """
    path = folder / "model.json"
    try:
        about: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BundleError(f"no model at {folder}; make one with: fit --out {folder}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}); fit the model again") from error
    if not isinstance(about, dict) or about.get("onepass_bundle") not in (1, SCHEMA):
        raise BundleError(
            f"{folder} is no model of schema 1 or {SCHEMA}, which this version reads; use the "
            "version that made it, or fit it again"
        )
    return about


def _replay_self_test(bundle: Bundle) -> None:
    content = io.BytesIO((bundle.folder / "selftest.npz").read_bytes())
    with np.load(content, allow_pickle=False) as stored:
        rows, expected = stored["rows"], stored["probabilities"]
    difference = float(np.abs(bundle.head.predict_proba(rows) - expected).max(initial=0.0))
    if not difference <= SELF_TEST_TOLERANCE:
        made = bundle.about["versions"]
        changed = [f"{k} {made[k]} -> {v}" for k, v in versions().items() if made.get(k) != v]
        raise BundleError(
            f"{bundle.folder} no longer gives the probabilities that it gave when it was made "
            f"(largest difference {difference:.2g}, allowed {SELF_TEST_TOLERANCE:g}; changed: "
            f"{', '.join(changed) or 'no package'}); use the versions that it was made with, "
            "or fit again"
        )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a model's numbers."""
    found = {"python": platform.python_version()}
    return found | {name: metadata.version(name) for name in ("onepass", *_PACKAGES) if _has(name)}


def _has(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
