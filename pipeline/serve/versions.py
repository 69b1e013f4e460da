"""Every model that ever was active stays, and any of them can come back, in one step.

MODEL-versions/FINGERPRINT/       a copy of a model, as `fit` wrote it
MODEL-versions/FINGERPRINT.json   how it came about: what it was refitted from, and the comparison

MODEL itself is always the active one, so that `predict` and `watch` use it, too. A switch copies a
version beside it and exchanges the two folders in one step (`features.files.whole_folder`): at
every moment, whenever the process is killed, MODEL is one complete model.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import BundleError, OnepassError
from features.files import recover_folder, refuse_outside, whole_folder, write_whole
from pipeline.line.corrections import model_fingerprint
from pipeline.model.bundle import load_bundle, read_record
from pipeline.model.files import REPORT

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_LARGEST_REPORT = 64 * 2**20


@dataclass(frozen=True)
class Version:
    """One model that is kept.

    Attributes:
        fingerprint: see `pipeline.line.corrections.model_fingerprint`.
        folder: where it is kept.
        created: when it was fitted, UTC.
        title: of its head.
        scores: of its holdout, by part where there are any, as they stand in `model.json`.
        story: how it came about; empty of a model that was not refitted here.
        active: whether it is the one that judges.
        has_report: whether its report can be read, see `read_report`.
        proposed: whether nobody said which of its photographs show one part.
    """

    fingerprint: str
    folder: Path
    created: str
    title: str
    scores: Mapping[str, Any]
    story: Mapping[str, Any]
    active: bool = False
    has_report: bool = False
    proposed: bool = False


def keep_version(model: Path, versions: Path) -> str:
    """Copy a model to the versions, unless it is there; returns its fingerprint.

    Raises:
        BundleError: there is no model.
        OutputError: it cannot be written.
    """
    recover_folder(model)
    fingerprint = model_fingerprint(model)
    place = versions / fingerprint
    recover_folder(place)
    if not place.is_dir():
        with whole_folder(place) as new:
            shutil.copytree(model, new, dirs_exist_ok=True)
    return fingerprint


def list_versions(model: Path, versions: Path) -> list[Version]:
    """List the models that are kept, the latest first; what cannot be read is left out."""
    active = model_fingerprint(model)
    found = []
    for folder in versions.iterdir() if versions.is_dir() else ():
        if folder.is_dir() and _FINGERPRINT.fullmatch(folder.name):
            with contextlib.suppress(OnepassError):
                found.append(_read(folder, active))
    return sorted(found, key=lambda version: (version.created, version.fingerprint), reverse=True)


def _read(folder: Path, active: str) -> Version:
    record = read_record(folder)
    scores = record.scores.get("holdout_parts") or record.scores.get("holdout") or {}
    return Version(
        fingerprint=folder.name, folder=folder, created=record.created, title=record.title,
        scores=scores, story=read_story(folder), active=folder.name == active,
        has_report=(folder / REPORT).is_file(), proposed=not record.fit.folder.group_rule.known,
    )  # fmt: skip


def read_report(fingerprint: str, versions: Path) -> bytes:
    """Give the report of a kept model, as HTML.

    Raises:
        BundleError: there is no such model, or it has no report of its own.
        OutputError: a link leads elsewhere.
    """
    file = versions / fingerprint / REPORT
    if _FINGERPRINT.fullmatch(fingerprint):
        refuse_outside(file, versions)
        with contextlib.suppress(OSError):
            if file.is_file() and file.stat().st_size <= _LARGEST_REPORT:
                return file.read_bytes()
    raise BundleError(f"no report of a model {fingerprint[:40]!r} here; choose one that is listed")


def read_story(folder: Path) -> dict[str, Any]:
    """Read how a version came about; empty where nothing is written of it."""
    try:
        found = json.loads(folder.with_name(f"{folder.name}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_story(folder: Path, story: Mapping[str, Any]) -> None:
    """Write how a version came about.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(folder.with_name(f"{folder.name}.json"), json.dumps(story, indent=1) + "\n")


def activate(fingerprint: str, model: Path, versions: Path) -> None:
    """Put a version in the place of the active model; the active one is kept first.

    Args:
        fingerprint: of the version.
        model: the folder of the active model.
        versions: where they are kept.

    Raises:
        BundleError: there is no such version, or it is damaged: nothing changes.
        DriftError: it no longer gives here what it gave when it was made: nothing changes.
        OutputError: the place cannot be written: nothing changes.
    """
    folder = versions / fingerprint
    if not _FINGERPRINT.fullmatch(fingerprint) or not folder.is_dir():
        raise BundleError(f"no model {fingerprint!r} in {versions}; choose one that is listed")
    load_bundle(folder)
    if model_fingerprint(folder) != fingerprint:
        raise BundleError(f"{folder} was changed since it was kept; do not use it")
    keep_version(model, versions)
    with whole_folder(model) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
