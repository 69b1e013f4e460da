"""Answer about parts, photographs and models in plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.band import REVIEW_NAME
from pipeline.line.corrections import Correction
from pipeline.line.live_model import LiveModel, Neighbour, Predicted
from pipeline.line.verdict_log import LoggedVerdict
from pipeline.serve.refit import why_not
from pipeline.serve.station import Inspected, Station
from pipeline.serve.versions import Version

UNREADABLE = "unreadable"


def kind_of(verdict: str | None, model: LiveModel) -> str:
    """Tell what a verdict means for a part: pass, reject, review, unreadable, or class."""
    if verdict is None:
        return UNREADABLE
    if verdict == REVIEW_NAME:
        return "review"
    classes = model.bundle.classes
    if not classes.binary:
        return "class"
    return "reject" if verdict == classes.names[1] else "pass"


def number(value: float | None) -> float | None:
    """Give a number as JSON has it, rounded to what a probability tells."""
    return None if value is None or not math.isfinite(value) else round(value, 6)


def part_answer(station: Station, one: Inspected) -> dict[str, Any]:
    """Give a judged part."""
    told, model = one.part, one.model
    return {
        "id": one.id,
        "part": told.part,
        "verdict": told.verdict,
        "kind": kind_of(told.verdict, model),
        "probability": number(told.probability),
        "limit": number(model.limit),
        "said": station.said(told, model),
        "probabilities": {k: number(v) for k, v in (told.probabilities or {}).items()},
        "note": told.note or None,
        "error": told.error,
        "model": model.fingerprint,
        "photographs": [_photograph(predicted, model) for predicted in one.predicted],
    }


def _photograph(predicted: Predicted, model: LiveModel) -> dict[str, Any]:
    made = predicted.prediction
    return {
        "name": made.path,
        "digest": predicted.digest,
        "verdict": made.verdict,
        "kind": kind_of(made.verdict, model),
        "probability": number(made.probability),
        "unlike": made.unlike,
        "strangeness": number(made.strangeness),
        "trained_on": made.trained_on,
        "heatmap": made.cells is not None,
        "error": made.error,
    }


def neighbour_answers(found: Sequence[Neighbour]) -> list[dict[str, Any]]:
    """Give the nearest training photographs."""
    return [
        {"digest": one.digest, "label": one.label, "name": one.path.rpartition("/")[2],
         "distance": number(one.distance)}
        for one in found
    ]  # fmt: skip


def verdict_answer(name: str, told: LoggedVerdict, model: LiveModel) -> dict[str, Any]:
    """Give a verdict of the log."""
    return {
        "id": name,
        "time": told.time,
        "source": told.source,
        "part": told.part,
        "digests": list(told.digests),
        "verdict": told.verdict,
        "kind": kind_of(told.verdict, model),
        "probability": number(told.probability),
        "limit": number(told.limit),
        "unlike": told.unlike,
        "error": told.error or None,
        "model": told.model,
    }


def correction_answer(one: Correction) -> dict[str, Any]:
    """Give a correction; where its copies lie is nobody's business."""
    return {
        "id": one.id, "time": one.time, "part": one.part, "digests": list(one.digests),
        "verdict": one.verdict, "probability": number(one.probability), "model": one.model,
        "judgement": one.judgement, "label": one.label, "note": one.note, "by": one.by,
    }  # fmt: skip


def model_answer(station: Station) -> dict[str, Any]:
    """Give the active model."""
    model = station.model
    bundle = model.bundle
    classes, told = bundle.classes, bundle.record.scores
    return {
        "fingerprint": model.fingerprint,
        "title": bundle.record.title,
        "created": bundle.record.created,
        "classes": list(classes.names),
        "labels": station.labels,
        "class_of": {label: station.class_of(label) for label in station.labels},
        "defective": classes.names[1] if classes.binary else None,
        "limit": number(model.limit),
        "reject_from": number(bundle.band.reject_from) if classes.binary else None,
        "part_rule": bundle.decision.part_rule,
        "heatmaps": model.frame is not None,
        "heatmap_odds": number(model.frame.odds) if model.frame else None,
        "no_refit": why_not(bundle) or None,
        "knows_unlike": bundle.familiar is not None,
        "backbone": bundle.record.fit.fingerprint.get("backbone"),
        "holdout": scores(told.get("holdout_parts") or told.get("holdout") or {}),
        "drift": list(bundle.drift),
    }


def scores(found: Mapping[str, Any]) -> dict[str, Any]:
    """List scores of a holdout with their intervals, as `model.json` has them."""
    values, intervals = found.get("scores", {}), found.get("intervals_95", {})
    return {
        "parts": found.get("parts"),
        "photographs": found.get("photographs"),
        **{
            name: {"value": values.get(name), "interval": intervals.get(name)}
            for name in ("balanced_accuracy", "roc_auc", "recall")
            if name in values
        },
    }


def version_answer(version: Version) -> dict[str, Any]:
    """Give a model that is kept."""
    return {
        "fingerprint": version.fingerprint,
        "created": version.created,
        "title": version.title,
        "holdout": scores(version.scores),
        "proposed": version.proposed,
        "story": dict(version.story),
        "active": version.active,
        "report": version.has_report,
    }
