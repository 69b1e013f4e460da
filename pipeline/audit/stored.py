"""An audit read back from its audit.json."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from features.errors import DataError
from pipeline.audit.result import (
    Audit,
    CopyFinding,
    FactFinding,
    LabelFinding,
    LabelFindings,
    PhotographFinding,
    Shortcuts,
)

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
    return LabelFindings(**record | {"suspects": suspects, "roc_auc": _number(record["roc_auc"])})


def _photograph(record: dict[str, Any]) -> PhotographFinding:
    return PhotographFinding(**record | {"score": _number(record["score"])})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
