"""The service in OpenAPI 3.1: for programs at /openapi.json, for people at /api."""

from __future__ import annotations

from typing import Any

from pipeline.serve.settings import Limits

_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": ["string", "null"]}


def openapi(version: str, limits: Limits) -> dict[str, Any]:
    """Give the whole description.

    Args:
        version: of Onepass.
        limits: of this service.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Onepass",
            "version": version,
            "description": "Photographs of parts in, verdicts out. Errors are a JSON object with "
            "one line, error: what was found, what was expected, what to do.",
        },
        "paths": _paths(limits) | _labelling(),
        "components": {
            "schemas": {
                "Verdicts": _object(model="string", parts={"type": "array", "items": _ref("Part")}),
                "Part": _part(),
                "Photograph": _photograph(),
                "Error": _object(error="string"),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths(limits: Limits) -> dict[str, Any]:
    file = {"type": "array", "maxItems": limits.files, "items": {"type": "string",
            "contentMediaType": "application/octet-stream"}}  # fmt: skip
    part = {"type": "string", "description": "given, all files show this one part"}
    form = {"type": "object", "properties": {"file": file, "part": part}, "required": ["file"]}
    correction = _object(
        id="string", judgement="string", label="string", note="string", by="string"
    )
    correction["properties"]["judgement"] = {"enum": ["right", "wrong", "unsure"]}
    correction["required"] = ["id", "judgement"]
    too_much = {"413": "the request is too large", "429": "too much at once: try again in a second"}
    return {
        "/v1/predict": {"post": _does(
            "Judge photographs; with a field part they show one part of that name",
            "the verdicts, on the disk", schema="Verdicts", body=("multipart/form-data", form),
            more=too_much | {"507": "the disk is full: nothing was told"},
        )},
        "/v1/corrections": {
            "post": _does(
                "Say that a verdict was right or wrong, or that nobody can tell",
                "it is on the disk", status="201", body=("application/json", correction),
                more={"400": "the verdict is not known any more, or no such class"},
            ),
            "get": _does("List what holds, newest first", "the corrections"),
        },
        "/v1/corrections/{id}/undo": {
            "post": _does("Take a correction back", "what was", key="id")
        },
        "/v1/verdicts": {"get": _does("List the latest verdicts, newest first", "the verdicts")},
        "/v1/history": {"get": _does("Count verdicts by hour or day (by=day)", "the counts")},
        "/v1/parts/{id}/neighbours": {"get": _does(
            "Find the training photographs that look most alike", "up to four", key="id")},
        "/v1/parts/{id}/heatmaps/{number}": {"get": _does(
            "Draw the colours of one photograph's heatmap, to be laid over it", "a PNG",
            key="id", more={"404": "this model has no heatmaps"})},
        "/v1/photographs/{digest}": {"get": _does(
            "Draw a known photograph as a small JPEG (side=160, 480 or 1200)", "a JPEG",
            key="digest")},
        "/v1/model": {"get": _does("Describe the active model", "the model")},
        "/v1/models": {"get": _does("List every model that is kept", "the models")},
        "/v1/models/{fingerprint}/report": {"get": _does(
            "Give the full report of a kept model", "HTML", key="fingerprint",
            more={"404": "it has none"})},
        "/v1/models/{fingerprint}/activate": {"post": _does(
            "Make a kept model the active one", "the model", key="fingerprint")},
        "/v1/refit": {"post": _does(
            "Start to learn from the corrections; nothing becomes active", "started",
            status="202")},
        "/v1/jobs/{name}": {"get": _does("Tell how far a job is: refit, next", "its state",
                                         key="name")},
        "/healthz": {"get": _does("Tell whether verdicts can be had", "they can")},
        "/metrics": {"get": _does("Give numbers for Prometheus", "text, one number a line")},
    }  # fmt: skip


def _labelling() -> dict[str, Any]:
    """Describe what the pages Data and Next ask for."""
    return {
        "/v1/data": {"get": _does("Count photographs and parts by class", "the counts")},
        "/v1/data/parts": {"get": _does("List parts with their photographs", "some parts")},
        "/v1/data/groups": {"post": _does(
            "Write the table of parts with what was moved, by path", "where it was written")},
        "/v1/data/apply": {"post": _does(
            "Start to bring the cache in line with that table", "started", status="202")},
        "/v1/next": {"post": _does(
            "Start to look for parts that would teach most", "started", status="202")},
        "/v1/suspects": {"post": _does(
            "Start to look for labels in doubt", "started", status="202")},
        "/v1/drift": {
            "post": _does("Start to measure drift; see /v1/jobs/drift", "started", status="202")
        },
        "/v1/questions/{id}": {"post": _does(
            "Answer what next or suspects asked: a class, or nothing", "a correction",
            status="201", key="id")},
    }  # fmt: skip


def _does(
    summary: str,
    answer: str,
    *,
    status: str = "200",
    schema: str = "",
    body: tuple[str, dict[str, Any]] | None = None,
    key: str = "",
    more: dict[str, str] | None = None,
) -> dict[str, Any]:
    answers: dict[str, Any] = {status: {"description": answer}}
    if schema:
        answers[status]["content"] = {"application/json": {"schema": _ref(schema)}}
    error = {"application/json": {"schema": _ref("Error")}}
    for code, why in (more or {}).items():
        answers[code] = {"description": why, "content": error}
    found: dict[str, Any] = {"summary": summary, "responses": answers}
    if body:
        found["requestBody"] = {"required": True, "content": {body[0]: {"schema": body[1]}}}
    if key:
        found["parameters"] = [
            {"name": key, "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return found


def _part() -> dict[str, Any]:
    kinds = {"enum": ["pass", "reject", "review", "class", "unreadable"]}
    found = _object(
        id="string", part="string", verdict=_TEXT, kind=kinds, probability=_NUMBER, limit=_NUMBER,
        said="string", note=_TEXT, error=_TEXT, model="string",
    )  # fmt: skip
    found["properties"]["photographs"] = {"type": "array", "items": _ref("Photograph")}
    return found


def _photograph() -> dict[str, Any]:
    return _object(
        name="string", digest="string", verdict=_TEXT, probability=_NUMBER, unlike="boolean",
        strangeness=_NUMBER, trained_on="boolean", heatmap="boolean", error=_TEXT,
    )  # fmt: skip


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - names of types, or schemas
    return {
        "type": "object",
        "properties": {k: {"type": v} if isinstance(v, str) else v for k, v in members.items()},
    }
