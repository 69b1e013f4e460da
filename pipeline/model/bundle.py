"""A trained model as a folder: what is needed to predict with it and to trust it. No pickle.

model.json     classes, thresholds and what they were chosen on, calibration, recipe and weights,
               scores with intervals, split, versions, and the SHA-256 of every other file
head/          the trained head or network, as its class saves it
split.json     which photographs it was trained on, and which it never saw
unseen.csv     where the thresholds were chosen: the photographs that they were chosen on, with
               the probabilities of models that did not learn from them
heatmaps.npz   where the model sees rows: what its heatmaps are measured against
familiar.npz   where the model sees rows: what its training photographs look like to the backbone
selftest.npz   what decoder, backbone and head gave when it was made; see `pipeline.model.selftest`
"""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Row
from features.backbones.engines import DEFAULT_ENGINE
from features.backbones.settings import BackboneSettings, settings_from_fields
from features.cache.row_parts import RowParts
from features.errors import BundleError, DriftError, OnepassError
from features.files import recover_folder, whole_folder
from features.own_files import is_strange_root
from features.photographs.views import FULL, Chosen
from features.untrusted_files import read_bytes
from pipeline.cnn.cnn import Cnn
from pipeline.data.classes import Classes
from pipeline.evaluation.band import Band
from pipeline.feature_specs.heads import HeadOnCachedRows, load_on_cached_rows
from pipeline.heads import is_users
from pipeline.heads.calibration import Recalibration
from pipeline.model import selftest
from pipeline.model.familiar import FILE as FAMILIAR
from pipeline.model.familiar import Familiar, familiar_vectors
from pipeline.model.files import (
    MODEL_FILE,
    check_files,
    check_replaceable,
    digests,
    read_model_file,
    read_split,
)
from pipeline.model.record import READABLE, SCHEMA, FitRecord, ModelRecord
from pipeline.thresholds.decision import Decision

_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "h5py", "pillow", "skops")


class Model(Protocol):
    """Predict from what a bundle holds: a head, which sees rows, or a CNN, which sees pixels."""

    @property
    def chosen(self) -> dict[str, str | int | float]:
        """Give the settings in force."""
        ...

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        ...

    @property
    def history(self) -> list[dict[str, float]] | None:
        """Give the scores per epoch, where it trains in epochs."""
        ...

    @property
    def title(self) -> str:
        """Name it as shown in tables."""
        ...

    def predict_proba(self, X: npt.NDArray[Any], /) -> Floats:
        """Predict probabilities (n, n_classes) of n rows or n photographs' pixels."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into a folder that is there; no pickle."""
        ...


@dataclass
class Bundle:
    """A loaded model.

    Attributes:
        folder: where it is.
        record: `model.json`.
        head: the trained head, or CNN.
        tested: the self-test as it was recorded.
        familiar: what it was trained on looks like; None of a CNN, and of earlier models.
        accept_drift: whether a result that moved is a warning and not an error.
        drift: what moved and was accepted.
    """

    folder: Path
    record: ModelRecord
    head: Model
    tested: selftest.SelfTest
    familiar: Familiar | None = None
    accept_drift: bool = False
    drift: list[str] = field(default_factory=list)

    @property
    def classes(self) -> Classes:
        """Give names and numbers; of two classes, 1 is the defective one."""
        return self.record.classes

    @property
    def decision(self) -> Decision:
        """Give the thresholds, and where they come from."""
        return self.record.decision

    @property
    def calibration(self) -> Recalibration | None:
        """Give the calibration of the head's probabilities; None where they are good."""
        return self.record.calibration

    @property
    def band(self) -> Band:
        """Give what leads from a probability of a defect to a verdict."""
        return self.decision.band

    @property
    def threshold(self) -> float:
        """Give, of two classes, the probability of a defect from which on nothing is passed."""
        return self.band.pass_below

    @property
    def views(self) -> Chosen:
        """Give the views that the model sees; of earlier models the full one alone."""
        if isinstance(self.head, HeadOnCachedRows) and self.head.views != (FULL,):
            return Chosen(self.head.spec.sets)
        return Chosen()

    @property
    def seen(self) -> tuple[tuple[str, ...], slice]:
        """Say what `probabilities` takes, side by side: views, and which values of each."""
        if isinstance(self.head, HeadOnCachedRows):
            return self.head.views, slice(None)
        return (FULL,), RowParts.of(self.record.fit.fingerprint).flat

    @property
    def root(self) -> Path:
        """Say where the photographs are that it was made from.

        Raises:
            BundleError: a stranger's model names a folder that nobody here named.
        """
        root = self.record.fit.folder.root
        if not self.record.own and is_strange_root(self.folder, root):
            raise BundleError(
                f"{self.folder} was not made by this account and says that its photographs lie in "
                f"{root}; nothing is read there unasked: name the folder (evaluate MODEL FOLDER, "
                "export --data FOLDER), or run this from the folder above it"
            )
        return Path(root)

    def settings(
        self, weights: str | None = None, engine: str = DEFAULT_ENGINE
    ) -> BackboneSettings:
        """Give how photographs become the rows that this model was trained on."""
        fit = self.record.fit
        if fit.folder.weights is None:
            raise BundleError(f"{self.folder} does not say which weights it was made with")
        found = replace(fit.folder.weights, override=weights)
        return settings_from_fields(fit.fingerprint, found, engine)

    def split(self) -> list[dict[str, str]]:
        """List one entry per photograph of the training data: path, class, group, digest, side.

        The sides are "train", "holdout", and "threshold" for those that the model did not learn
        from, but its threshold was chosen on. After a refit all are "train", and "scored_as" says
        what each was in the run that the scores are of.
        """
        return read_split(self.folder / "split.json", self.classes)

    def watch(self, row: Row, _known: Row | None = None) -> None:
        """Hear the backbone's row of the drift probe; see `features.extract.extract`.

        Raises:
            DriftError: it is another than when the model was made, and that is not accepted.
        """
        self.hear(self.tested.moved_backbone(row, str(self.record.fit.fingerprint["precision"])))

    def hear(self, moved: str | None) -> None:
        """Refuse what moved, or note it where that is accepted; nothing for None."""
        if moved is None:
            return
        made = self.record.versions
        changed = [f"{k} {made[k]} -> {v}" for k, v in versions().items() if made.get(k, v) != v]
        text = f"{moved}; changed: {', '.join(changed) or 'no package'}"
        if not self.accept_drift:
            raise DriftError(
                f"{self.folder} no longer gives what it gave when it was made: {text}; use the "
                "versions and weights that it was made with, fit again, or go on with "
                "--accept-drift"
            )
        self.drift.append(text)

    def trained_on(self) -> set[str]:
        """Give digests of the photographs that the model, or its threshold, was made from."""
        return {entry["digest"] for entry in self.split() if entry["side"] != "holdout"}

    def probabilities(self, inputs: npt.NDArray[Any]) -> Floats:
        """Predict calibrated (n, n_classes) of rows or pixels; verdicts are made of them."""
        own = self.head.predict_proba(inputs)
        return own if self.calibration is None else self.calibration.apply(own)

    def strangeness(self, inputs: npt.NDArray[Any]) -> Floats:
        """Measure how unlike all that was trained on photographs are (n,): above 1; nan unknown."""
        if self.familiar is None:
            return np.full(len(inputs), np.nan)
        row_parts = RowParts.of(self.record.fit.fingerprint)
        return self.familiar.distances(familiar_vectors(inputs, row_parts, len(self.seen[0])))

    def decide(self, probabilities: Floats) -> Indices:
        """Decide class numbers (n,), or `REVIEW`, for (n, n_classes); see `Band.decide`."""
        return self.band.decide(probabilities)


def save_bundle(
    folder: Path,
    head: Model,
    record: ModelRecord,
    split: Sequence[Mapping[str, str]],
    inputs: npt.NDArray[Any],
    extra: Mapping[str, bytes],
    *,
    drift_probe: Row | None = None,
    force: bool = False,
) -> None:
    """Write a model, whole or not at all, in the place of an older one.

    Args:
        folder: a folder that is there must be empty, or a model and nothing else.
        head: trained.
        record: without versions and the files' digests, which are added here.
        split: see `Bundle.split`.
        inputs: some float32 rows or uint8 pixels for the self-test.
        extra: further files by name, such as training curves.
        drift_probe: the backbone's row of the drift probe, where the cache has it.
        force: replace a folder that holds something else.

    Raises:
        OutputError: the folder is something else, or cannot be written.
    """
    check_replaceable(folder, force=force)
    with whole_folder(folder) as new:
        (new / "head").mkdir()
        head.save(new / "head")
        (new / "split.json").write_text(json.dumps(list(split), indent=0), "utf-8")
        tested = selftest.write(head, inputs, record.fit.known_recipe(), drift_probe)
        (new / "selftest.npz").write_bytes(tested)
        for name, content in extra.items():
            (new / name).write_bytes(content)
        sealed = record.sealed(versions(), digests(new))
        (new / MODEL_FILE).write_bytes(sealed.to_bytes())


def load_bundle(folder: Path, *, accept_drift: bool = False, trust: bool = False) -> Bundle:
    """Load a model and replay its self-test. Nothing in the folder is run as code.

    Args:
        folder: the model.
        accept_drift: go on where decoder, backbone or head no longer give what they gave; what
            moved stands in `Bundle.drift`.
        trust: open a model with a user's own estimator too, which runs code of its module.

    Raises:
        DriftError: decoder or head no longer give what they gave when it was made.
        BundleError: it is missing, damaged, tampered with, or of another version.

    Example:
        >>> onepass.load_bundle(Path("model")).classes.names
        ('Healthy', 'defects')
    """
    recover_folder(folder)
    record = read_record(folder)
    with refused_if_forged(folder):
        check_files(folder, record.files)
        bundle = _assemble(folder, record, trust)
        bundle.accept_drift = accept_drift
        with np.errstate(all="ignore"):  # forged numbers overflow; what comes out is held against
            bundle.hear(bundle.tested.moved_at_load(bundle.head, record.fit.known_recipe()))
            bundle.strangeness(bundle.tested.rows)  # of another width it is refused here
    return bundle


@contextlib.contextmanager
def refused_if_forged(folder: Path) -> Iterator[None]:
    """Make one line of whatever a model's files make their readers stumble over.

    Raises:
        BundleError: something did that is no error of Onepass itself.
    """
    try:
        yield
    except OnepassError:
        raise
    except Exception as error:
        raise BundleError(
            f"{folder} is damaged or was tampered with ({error!r}); expected what `fit` wrote; "
            "copy the model again, or fit it again"
        ) from error


def _assemble(folder: Path, record: ModelRecord, trust: bool) -> Bundle:
    """Read a model whose files are there; what is wrong with them is any of many errors."""
    head = _load_model(record.fit, folder, trust)
    if head.n_classes != len(record.classes.names):
        raise ValueError(
            f"a head of {head.n_classes} classes for {len(record.classes.names)} names"
        )
    tested = selftest.read(read_bytes(folder / "selftest.npz"))
    familiar = None
    if FAMILIAR in record.files:
        familiar = Familiar.from_bytes(read_bytes(folder / FAMILIAR))
    bundle = Bundle(folder, record, head, tested, familiar)
    if not isinstance(head, Cnn):
        bundle.settings()  # what does not say how photographs become rows is refused here
    return bundle


def _load_model(fit: FitRecord, folder: Path, trust: bool) -> Model:
    if fit.sees == "pixels":
        return Cnn.load(folder / "head")
    if is_users(fit.head) and not trust:
        raise BundleError(
            f"{folder} holds a user's own estimator, {fit.head}, and opening it runs code of that "
            "module; expected a head of Onepass; if you know who made it, go on with --trust"
        )
    return load_on_cached_rows(fit.head, fit.spec, fit.fingerprint, folder / "head")


def read_record(folder: Path) -> ModelRecord:
    """Read `model.json` of a model, without loading the rest.

    Raises:
        BundleError: it is missing, damaged or of another version.
    """
    path = folder / MODEL_FILE
    if folder.is_file():
        raise BundleError(
            f"{folder} is a file; expected the folder of a model; one that pack wrote comes out "
            f"with: unpack {folder} model"
        )
    try:
        json = read_model_file(folder)
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise BundleError(
                f"{folder} holds no {MODEL_FILE}; expected the folder of a model, as fit writes it"
            ) from None
        raise BundleError(f"no model at {folder}; make one with: fit --out {folder}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}); fit the model again") from error
    if not isinstance(json, dict) or json.get("onepass_bundle") not in READABLE:
        raise BundleError(
            f"{folder} is no model of schema 1 to {SCHEMA}, which this version reads; use the "
            "version that made it, or fit it again"
        )
    try:
        return ModelRecord.from_json(json)
    except BundleError:
        raise
    except Exception as error:  # whatever a forged file makes the readers stumble over
        raise BundleError(
            f"{path} cannot be used ({error!r}); expected what `fit` wrote; copy the model again, "
            "or fit it again"
        ) from error


def versions() -> dict[str, str]:
    """Give versions of Python and of the packages that decide a model's numbers."""
    found = {"python": platform.python_version()}
    return found | {name: metadata.version(name) for name in ("onepass", *_PACKAGES) if _has(name)}


def _has(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
