"""The service: photographs in, verdicts out, as JSON under /v1."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from features.errors import (
    BundleError,
    BusyError,
    CacheBusyError,
    DataError,
    ImageError,
    OnepassError,
    OutputError,
)
from pipeline.line.corrections import JUDGEMENTS
from pipeline.serve import answers
from pipeline.serve.access import POLICY, policy_of_report
from pipeline.serve.history import DAY, HOUR
from pipeline.serve.jobs import Jobs
from pipeline.serve.metrics import Counts, metrics_text
from pipeline.serve.refit import refit
from pipeline.serve.station import Station
from pipeline.serve.versions import list_versions, read_report

_NAME = 200  # characters of a name that is shown
_JSON = 64 * 1024
_log = logging.getLogger("onepass")

Handler = Callable[[Request], Awaitable[Response]]


def status_of(error: OnepassError) -> int:
    """Give the HTTP status that says what kind of error it is."""
    for kind, status in (
        (BusyError, 429), (CacheBusyError, 429), (OutputError, 507), (BundleError, 409),
        (ImageError, 422), (DataError, 400),
    ):  # fmt: skip
        if isinstance(error, kind):
            return status
    return 400


def refused(error: OnepassError, status: int | None = None) -> JSONResponse:
    """Give an error as JSON: one line that says what was found, expected, and what to do."""
    code = status or status_of(error)
    headers = {"retry-after": "1"} if code == 429 else None
    return JSONResponse({"error": str(error)}, code, headers)


def told(call: Handler, counts: Counts | None = None) -> Handler:
    """Make a handler whose errors are told in one line.

    Args:
        call: the handler.
        counts: given, its answers are counted.
    """

    @functools.wraps(call)
    async def telling(request: Request) -> Response:
        """Call, and tell each error in one line."""
        try:
            answer = await call(request)
        except OnepassError as error:
            answer = refused(error)
        except HTTPException as error:
            answer = JSONResponse({"error": error.detail}, error.status_code)
        except Exception as error:  # noqa: BLE001 - the caller hears of it, the log all
            _log.exception("a mistake in this program, at %s", request.url.path)
            said = f"a mistake in this program ({type(error).__name__}); it is logged"
            answer = JSONResponse({"error": said}, 500)
        if counts is not None:
            counts.answered(answer.status_code)
        return answer

    return telling


class _InMemory(MultiPartParser):
    """Uploads stay in memory, whose size the request's own limits: nothing goes to a folder."""

    spool_max_size = 2**62


class Api:
    """Handlers that share one station."""

    def __init__(self, station: Station, jobs: Jobs) -> None:
        """Serve this station."""
        self.station, self.jobs, self.counts = station, jobs, Counts()

    def routes(self) -> list[Route]:
        """List every address of the service."""
        listed: Sequence[tuple[str, str, Handler]] = (
            ("POST", "/v1/predict", self.predict),
            ("GET", "/v1/model", self.model),
            ("GET", "/v1/parts/{id}/neighbours", self.neighbours),
            ("GET", "/v1/parts/{id}/heatmaps/{number:int}", self.heatmap),
            ("GET", "/v1/photographs/{digest}", self.photograph),
            ("GET", "/v1/verdicts", self.verdicts),
            ("GET", "/v1/history", self.history),
            ("GET", "/v1/corrections", self.corrections),
            ("POST", "/v1/corrections", self.correct),
            ("POST", "/v1/corrections/{id}/undo", self.undo),
            ("GET", "/v1/models", self.models),
            ("GET", "/v1/models/{fingerprint}/report", self.report),
            ("POST", "/v1/models/{fingerprint}/activate", self.activate),
            ("POST", "/v1/refit", self.refit),
            ("GET", "/v1/jobs/{name}", self.job),
            ("GET", "/healthz", self.health),
            ("GET", "/metrics", self.metrics),
        )
        return [Route(path, told(call, self.counts), methods=[verb]) for verb, path, call in listed]

    # ---- verdicts -------------------------------------------------------------------------

    async def predict(self, request: Request) -> Response:
        """Judge the files of a form; with a field `part` they show one part of that name."""
        limits = self.station.settings.limits
        load = self.station.queue.load()
        if load.waiting >= limits.waiting:
            raise BusyError(f"{load.waiting} photographs wait already; send it again in a second")
        fields, files = await self._form(request)
        if not files:
            raise DataError("found no file; expected photographs in fields called file")
        part = fields.get("part")
        source = "page" if fields.get("source") == "page" else "service"
        name = None if part is None else part[:_NAME]
        with self.counts.timed():
            found = await run(self.station.inspect, files, name, source)
        parts = [answers.part_answer(self.station, one) for one in found]
        return JSONResponse({"model": found[0].model.fingerprint, "parts": parts})

    async def _form(self, request: Request) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
        limits = self.station.settings.limits
        kind = request.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/form-data"):
            raise HTTPException(415, "expected multipart/form-data with fields called file")
        parser = _InMemory(
            request.headers, _stream(request, limits.request_bytes), max_files=limits.files,
            max_fields=8, max_part_size=_JSON,
        )  # fmt: skip
        try:
            async with asyncio.timeout(limits.seconds):
                form = await parser.parse()
        except TimeoutError:
            raise HTTPException(408, f"the request took more than {limits.seconds:g} s") from None
        except MultiPartException as error:
            raise HTTPException(400, f"the form cannot be read: {error.message}") from None
        fields: dict[str, str] = {}
        files: list[tuple[str, bytes]] = []
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                shown = (value.filename or "").replace("\\", "/").rpartition("/")[2][:_NAME]
                files.append((shown or f"photograph {len(files) + 1}", await value.read()))
            else:
                fields[name] = value
        return fields, files

    async def neighbours(self, request: Request) -> Response:
        """Give the training photographs that look most alike."""
        one = self.station.held(request.path_params["id"])
        found = await run(self.station.neighbours, one)
        return JSONResponse({"neighbours": answers.neighbour_answers(found)})

    async def heatmap(self, request: Request) -> Response:
        """Give the colours of one photograph's heatmap, to be laid over it."""
        one = self.station.held(request.path_params["id"])
        number, side = request.path_params["number"], _side(request)
        found = await run(self.station.heatmap, one, number, side)
        if found is None:
            raise HTTPException(404, "this model has no heatmap of this photograph")
        return Response(found[0], media_type="image/png", headers={"x-heatmap-says": found[1]})

    async def photograph(self, request: Request) -> Response:
        """Give a photograph by its digest, drawn anew as a small JPEG."""
        digest, side = request.path_params["digest"], _side(request)
        try:
            data = await run(self.station.picture, digest, side)
        except DataError as error:
            return refused(error, 404)
        return Response(data, media_type="image/jpeg", headers={"cache-control": "max-age=86400"})

    async def verdicts(self, request: Request) -> Response:
        """Give the latest verdicts, newest first."""
        count, before = _number(request, "count", 50, 500), _number(request, "before", 0, 10**6)
        found = self.station.history.latest(count, before)
        model = self.station.model
        return JSONResponse(
            {"verdicts": [answers.verdict_answer(name, one, model) for name, one in found]}
        )

    async def history(self, request: Request) -> Response:
        """Give counts of the last hours or days."""
        days = request.query_params.get("by") == "day"
        model = self.station.model
        defective = model.bundle.classes.names[1] if model.bundle.classes.binary else None
        spans = self.station.history.spans(
            DAY if days else HOUR, _number(request, "count", 24, 366), defective
        )
        return JSONResponse({"by": "day" if days else "hour", "spans": [vars(s) for s in spans]})

    # ---- corrections ----------------------------------------------------------------------

    async def corrections(self, request: Request) -> Response:
        """List what holds, newest first."""
        found = await run(self.station.inbox.corrections)
        listed = [answers.correction_answer(one) for one in found[::-1]]
        known = self.station.model.learned
        fresh = sum(not set(one.digests) <= known and bool(one.label) for one in found)
        count = _number(request, "count", 100, 5000)
        return JSONResponse({"corrections": listed[:count], "total": len(listed), "fresh": fresh})

    async def correct(self, request: Request) -> Response:
        """Keep what a person says of a verdict."""
        asked = await read_json(request)
        judgement = asked.get("judgement")
        if judgement not in JUDGEMENTS:
            raise DataError(
                f"found the judgement {judgement!r}; expected one of {', '.join(JUDGEMENTS)}"
            )
        words = [_text(asked, name) for name in ("id", "label", "note", "by")]
        made = await run(self.station.correct, words[0], judgement, words[1], words[2], words[3])
        return JSONResponse(answers.correction_answer(made), 201)

    async def undo(self, request: Request) -> Response:
        """Take a correction back."""
        made = await run(self.station.inbox.undo, request.path_params["id"])
        return JSONResponse(answers.correction_answer(made))

    # ---- models ---------------------------------------------------------------------------

    async def model(self, request: Request) -> Response:
        """Give the active model."""
        return JSONResponse(answers.model_answer(self.station))

    async def models(self, request: Request) -> Response:
        """List every model that is kept, the latest first."""
        settings = self.station.settings
        found = await run(list_versions, settings.model, settings.versions)
        return JSONResponse({"models": [answers.version_answer(one) for one in found]})

    async def report(self, request: Request) -> Response:
        """Give the report of a kept model; its style is named by its digest, scripts are barred."""
        name, versions = request.path_params["fingerprint"], self.station.settings.versions
        try:
            page = await run(read_report, name, versions)
        except BundleError as error:
            return refused(error, 404)
        return HTMLResponse(page, headers={POLICY: policy_of_report(page)})

    async def activate(self, request: Request) -> Response:
        """Make a kept model the active one."""
        await run(self.station.switch, request.path_params["fingerprint"])
        return JSONResponse(answers.model_answer(self.station))

    async def refit(self, request: Request) -> Response:
        """Start to learn from the corrections; see /v1/jobs/refit."""
        station, settings = self.station, self.station.settings
        bundle = station.model.bundle

        def work(say: Any) -> dict[str, Any]:  # noqa: ANN401 - `pipeline.serve.refit.Say`
            """Refit, and give what it brought as JSON."""
            made = refit(
                bundle, settings.cache, station.inbox, settings.versions,
                weights=settings.weights, engine=settings.engine, say=say,
            )  # fmt: skip
            return {
                "fingerprint": made.fingerprint,
                "report": made.has_report,
                "held_out": made.held_out.to_json(),
                "on_corrections": made.on_corrections.to_json(),
            }

        return JSONResponse(self.jobs.start("refit", work).to_json(), 202)

    async def job(self, request: Request) -> Response:
        """Say how far a job is, or what came out."""
        return JSONResponse(self.jobs.last(request.path_params["name"]).to_json())

    # ---- for machines ---------------------------------------------------------------------

    async def health(self, request: Request) -> Response:
        """Answer whether verdicts can be had."""
        return JSONResponse({"status": "ok", "model": self.station.model.fingerprint})

    async def metrics(self, request: Request) -> Response:
        """Give numbers for Prometheus."""
        drift = self.jobs.last("drift")
        text = metrics_text(self.station, self.counts, drift)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def run(function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - of any job
    """Call what blocks on a thread."""
    return await anyio.to_thread.run_sync(functools.partial(function, *arguments))


async def read_json(request: Request) -> dict[str, Any]:
    """Give the JSON object that a request has.

    Raises:
        HTTPException: it has none, or is too long.
    """
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise HTTPException(415, "expected application/json")
    if int(request.headers.get("content-length", "0")) > _JSON:
        raise HTTPException(413, f"expected at most {_JSON:,} bytes")
    try:
        async with asyncio.timeout(10):
            found = json.loads(await request.body())
    except TimeoutError:
        raise HTTPException(408, "the request took more than 10 s") from None
    except (ValueError, RecursionError):
        raise HTTPException(400, "the request is no JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "expected a JSON object")
    return found


async def _stream(request: Request, most: int) -> AsyncGenerator[bytes]:
    """Give a request's body, cut off where it is longer than it said."""
    length = 0
    async for block in request.stream():
        length += len(block)
        if length > most:
            raise HTTPException(413, f"expected at most {most:,} bytes")
        yield block


def _text(asked: dict[str, Any], name: str) -> str:
    found = asked.get(name, "")
    if not isinstance(found, str):
        raise DataError(f"found {name} that is no text")
    return found


def _number(request: Request, name: str, usual: int, most: int) -> int:
    text = request.query_params.get(name, str(usual))
    if not (text.isascii() and text.isdigit()):
        raise DataError(f"found {name}={text[:20]!r}; expected a number")
    return min(int(text), most)


def _side(request: Request) -> int:
    return _number(request, "side", 480, 10**6)
