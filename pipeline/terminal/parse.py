"""Parse what people type on the command line: names, features, settings, label tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.data.label_table import LabelRule
    from pipeline.feature_specs.spec import FeatureSpec


def feature_spec(text: str | None) -> FeatureSpec | None:
    """Parse --features, here and nowhere else; None for what is chosen.

    Raises:
        FeatureSpecError: it is not understood.
    """
    from pipeline.feature_specs.spec import FeatureSpec

    return None if text in (None, "auto") else FeatureSpec.parse(text)


def feature_specs(text: str | None) -> list[FeatureSpec] | None:
    """Parse --features with commas; None for what is chosen."""
    from pipeline.feature_specs.spec import FeatureSpec

    return [FeatureSpec.parse(name) for name in names(text) or ()] or None


AUDIT = Path("audit") / "audit.json"
"""Where `onepass audit` writes, and where reports look unless --audit names another."""


def audit_file(file: Path) -> Path:
    """Parse --audit: an audit.json, or the folder that holds it.

    Raises:
        DataError: another one than `AUDIT` was named, and it is not there.
    """
    from features.errors import DataError

    given = file / AUDIT.name if file.is_dir() else file
    if file != AUDIT and not given.is_file():
        raise DataError(
            f"--audit: there is no {given}; expected what the command audit wrote, such as {AUDIT}"
        )
    return given


def report_file(file: Path | None, usual: Path, *, force: bool) -> Path:
    """Parse --report, before hours of work: where the report goes, `usual` where nobody said.

    Raises:
        OutputError: a file would be lost there that is no report.
    """
    from pipeline.output.overwrite import REPORT, check_overwritable

    check_overwritable(file or usual, REPORT, force=force)
    return file or usual


def settings(pairs: list[str]) -> dict[str, str | int | float]:
    """Parse --set NAME=VALUE, each given once or more.

    Raises:
        DataError: one has no name or no sign of equality.
    """
    from features.errors import DataError

    found: dict[str, str | int | float] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise DataError(f"--set {pair!r} is not understood; expected NAME=VALUE, as epochs=30")
        found[name.strip()] = value.strip()
    return found


def label_rule(labels: Path | None, path: str | None, label: str | None) -> LabelRule | None:
    """Parse --labels with its columns; None where nothing was said.

    Raises:
        DataError: a column is named without a table.
    """
    from features.errors import DataError
    from pipeline.data.label_table import NAMES, NONE, LabelRule

    if labels is None:
        if path or label:
            raise DataError("found a column without its table; expected --labels FILE beside it")
        return None
    file = str(labels) if str(labels) in (NONE, NAMES) else str(labels.resolve())
    return LabelRule(file, path or "", label or "")


def read_names(paths: list[str]) -> list[str]:
    """Replace "-" by the names on standard input, one a line."""
    found: list[str] = []
    for path in paths:
        if path == "-":
            found += [
                os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip()
            ]
        else:
            found.append(path)
    return found


def names(text: str | None) -> list[str] | None:
    """Split names at commas; None for None."""
    from pipeline.output.names import split_names

    return split_names(text)
