"""Verdicts as tables that people open: CSV, JSON or JSON lines, of photographs and of parts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.errors import DataError
from features.files import write_whole
from pipeline.model.bundle import Bundle
from pipeline.model.part_predictions import PartPrediction, several
from pipeline.model.predict import Prediction
from pipeline.output.overwrite import PREDICTIONS, check_overwritable, check_picture, remove_ours
from pipeline.output.tables import MARK, escaped_json, to_csv

FORMATS = (".csv", ".json", ".jsonl")


def check_format(suffix: str) -> None:
    """Raise DataError for a suffix that `format_predictions` does not know.

    Raises:
        DataError: `suffix` is another one than ".csv", ".json" and ".jsonl".

    Example:
        >>> onepass.check_format(".csv")
    """
    if suffix not in FORMATS:
        raise DataError(
            f"cannot write predictions as {suffix or 'no suffix'!r}; "
            f"expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        )


def parts_file(out: Path) -> Path:
    """Say where the verdicts about parts go, beside those about photographs.

    Example:
        >>> parts_file(Path("predictions.csv")).name
        'predictions.parts.csv'
    """
    return out.with_name(f"{out.stem}.parts{out.suffix}")


def check_outputs(
    out: Path, sheet: Path | None = None, names: Sequence[str] = (), *, force: bool = False
) -> None:
    """See, before hours of work, that predictions and sheet may be written where they are to go.

    Args:
        out: table of the verdicts.
        sheet: picture of photographs with their verdicts; None for none.
        names: of the photographs, folders and patterns that are about to be judged.
        force: replace files that this program did not write.

    Raises:
        DataError: `out` has another suffix than `format_predictions` knows.
        OutputError: a file is there that this program did not write, and `force` is not given; or
            `sheet` is no PNG, or lies among the photographs.

    Example:
        >>> onepass.check_outputs(Path("predictions.csv"), Path("sheet.png"))
    """
    check_format(out.suffix.lower())
    ours = PREDICTIONS[out.suffix.lower()]
    for path in (out, parts_file(out)):
        check_overwritable(path, ours, force=force)
    if sheet is not None:
        check_picture(sheet, map(Path, names), force=force)


def write_tables(
    bundle: Bundle,
    predictions: Sequence[Prediction],
    parts: Sequence[PartPrediction],
    out: Path,
) -> list[Path]:
    """Write the verdicts about photographs and, where parts have several, those about parts.

    Args:
        bundle: the model.
        predictions: of photographs.
        parts: of these.
        out: of the first; the second stands beside it, see `parts_file`. A second one that this
            program wrote before, and is no longer true, is taken away; another is left alone.

    Returns:
        What was written.
    """
    suffix = out.suffix.lower()
    write_whole(out, format_predictions(bundle, predictions, suffix))
    beside_it = parts_file(out)
    if not several(parts):
        remove_ours(beside_it, PREDICTIONS[suffix])
        return [out]
    write_whole(beside_it, format_parts(bundle, parts, suffix))
    return [out, beside_it]


def format_predictions(bundle: Bundle, predictions: Sequence[Prediction], suffix: str) -> str:
    """Write predictions as text: ".csv", ".json" or ".jsonl".

    Args:
        bundle: the model.
        predictions: of `predict`.
        suffix: of the file's name, with its dot.

    Raises:
        DataError: another suffix.

    Example:
        >>> told = onepass.predict(bundle, onepass.find_photographs(paths[:2]), Path("features.h5"))
        >>> len(onepass.format_predictions(bundle, told, ".jsonl").splitlines())
        2
    """
    check_format(suffix)
    column = "probability_of_defect" if bundle.classes.binary else "probability"
    grouped, noted = any(p.part for p in predictions), any(p.why for p in predictions)
    rows = [
        {
            "path": os.fsencode(p.path).decode("utf-8", "backslashreplace"),
            "class": p.verdict,
            column: None if p.probability is None else round(p.probability, 6),
            "error": p.error,
            **({"part": p.part or None} if grouped else {}),
            **({"note": p.why or None} if noted else {}),
        }
        | (
            {}
            if bundle.classes.binary
            else {f"p({name})": (p.probabilities or {}).get(name) for name in bundle.classes.names}
        )
        for p in predictions
    ]
    return _as_text(rows, suffix)


def format_parts(bundle: Bundle, parts: Sequence[PartPrediction], suffix: str) -> str:
    """Write verdicts about parts as text: ".csv", ".json" or ".jsonl"; a line for each part.

    Args:
        bundle: the model.
        parts: of `predict_parts`.
        suffix: of the file's name, with its dot.

    Raises:
        DataError: another suffix.

    Example:
        >>> told = onepass.predict(bundle, onepass.find_photographs(["data"]), Path("features.h5"))
        >>> parts = onepass.predict_parts(bundle, told)
        >>> len(onepass.format_parts(bundle, parts, ".csv").splitlines())
        25
    """
    check_format(suffix)
    binary = bundle.classes.binary
    rows = [
        {
            "part": os.fsencode(one.part).decode("utf-8", "backslashreplace"),
            "class": one.verdict,
            "probability_of_defect" if binary else "probability": (
                None if one.probability is None else round(one.probability, 6)
            ),
            "photographs": len(one.photographs),
            "part_from": one.part_from,
            "error": one.error,
            "note": one.note or None,
        }
        for one in parts
    ]
    return _as_text(rows, suffix)


def _as_text(rows: Sequence[Mapping[str, Any]], suffix: str) -> str:
    """Write lines of a table in the format of this suffix."""
    if suffix == ".csv":
        return MARK + to_csv(list(rows[0]), rows)
    if suffix == ".json":
        return escaped_json(json.dumps(rows, indent=2, ensure_ascii=False)) + "\n"
    return "".join(escaped_json(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
