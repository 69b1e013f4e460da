"""The application: pages, service and static files behind one guard."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from features.errors import DataError
from pipeline.serve.access import COOKIE, Access, Guard
from pipeline.serve.api import Api, read_json
from pipeline.serve.drift_watch import DriftWatch
from pipeline.serve.jobs import Jobs
from pipeline.serve.labelling import Labelling, folder_to_fill
from pipeline.serve.openapi import openapi
from pipeline.serve.parts_page import PartsPage
from pipeline.serve.station import Station

_HERE = Path(__file__).parent
_TEXTS = _HERE / "texts.json"
PAGES = ("inspect", "next", "data", "refit", "history")
_DAY = 86400
_log = logging.getLogger("onepass")


def read_texts(own: Path | None = None) -> dict[str, str]:
    """Read what the pages say, by key; those of a translation before the English ones.

    Args:
        own: a JSON file like texts.json; what it lacks stays English.

    Raises:
        DataError: it cannot be read, or says something by a key that there is not.
    """
    texts: dict[str, str] = json.loads(_TEXTS.read_text("utf-8"))
    if own is None:
        return texts
    try:
        found = json.loads(own.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{own} cannot be read ({error}); expected a JSON object") from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise DataError(f"{own} is no JSON object of texts; copy {_TEXTS.name} and translate it")
    unknown = sorted(set(found) - set(texts))
    if unknown:
        raise DataError(f"{own} has the key {unknown[0]!r}; expected those of {_TEXTS.name}")
    return texts | found


def make_app(station: Station, access: Access, texts: Mapping[str, str]) -> Starlette:
    """Build the application for one station; it ends the station when it ends.

    Args:
        station: that judges.
        access: who may ask.
        texts: of `read_texts`.
    """
    jobs = Jobs()
    api = Api(station, jobs)
    drift = DriftWatch(station, jobs)
    pages = _Pages(station, access, texts)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        """Give the station its threads, and close it in the end."""
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = max(limiter.total_tokens, station.settings.limits.waiting)
        drift.start()
        yield
        drift.close()
        jobs.wait(5.0)
        station.close()

    app = Starlette(
        routes=[
            *api.routes(),
            *Labelling(station, jobs).routes(),
            *PartsPage(station, jobs).routes(),
            *drift.routes(),
            *pages.routes(),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        lifespan=lifespan,
    )
    app.add_middleware(Guard, access=access)
    return app


def make_server(app: Starlette) -> uvicorn.Server:
    """Put an application behind a server that keeps nobody waiting for ever and says no name."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=15,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=32768,
            limit_concurrency=500,
            ws="none",
            http="h11",
            loop="asyncio",
        )
    )


class _Pages:
    """Pages made from templates; what they show beyond that they ask the service for."""

    def __init__(self, station: Station, access: Access, texts: Mapping[str, str]) -> None:
        self.station, self.access, self.texts = station, access, dict(texts)
        self.templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        try:
            version = metadata.version("onepass")
        except metadata.PackageNotFoundError:
            version = "checkout"
        self.described = openapi(version, station.settings.limits)

    def routes(self) -> list[Route]:
        """List their addresses."""
        return [
            Route("/", self.first, methods=["GET"]),
            *(Route(f"/{name}", self.page, methods=["GET"], name=name) for name in PAGES[1:]),
            Route("/api", self.api_page, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            Route("/texts.json", self.all_texts, methods=["GET"]),
            Route("/login", self.login_page, methods=["GET"]),
            Route("/login", self.login, methods=["POST"]),
            Route("/favicon.ico", self.icon, methods=["GET"]),
        ]

    def render(self, name: str, **values: Any) -> HTMLResponse:  # noqa: ANN401 - of templates
        """Give a page as HTML."""
        page = self.templates.get_template(f"{name}.html")
        model = self.station.model
        return HTMLResponse(
            page.render(
                t=self.texts,
                page=name,
                pages=PAGES,
                labels=self.station.labels,
                defective=model.bundle.classes.binary,
                model=model.fingerprint,
                title=model.bundle.record.title,
                place=socket.gethostname(),
                **values,
            )
        )

    async def first(self, request: Request) -> Response:
        """Give the page of the inspector."""
        limits = self.station.settings.limits
        return self.render("inspect", most_files=limits.files, most_bytes=limits.request_bytes)

    async def page(self, request: Request) -> Response:
        """Serve another page, by its address."""
        folder = folder_to_fill(self.station.settings.inbox)
        return self.render(request.url.path.strip("/"), folder=folder)

    async def api_page(self, request: Request) -> Response:
        """Give the service for a person who writes a program; nothing is fetched from elsewhere."""
        return self.render("api", described=self.described)

    async def openapi(self, request: Request) -> Response:
        """Give the service for a program that writes programs."""
        return JSONResponse(self.described)

    async def all_texts(self, request: Request) -> Response:
        """Give what the pages say."""
        return JSONResponse(self.texts)

    async def login_page(self, request: Request) -> Response:
        """Serve the page where a browser gives the token, once."""
        return self.render("login")

    async def login(self, request: Request) -> Response:
        """Give a cookie for the token; a wrong one costs a second."""
        asked = await read_json(request)
        if not self.access.admits(str(asked.get("token", "")).strip()):
            await anyio.sleep(1.0)
            return JSONResponse({"error": self.texts["login.wrong"]}, 403)
        answer = JSONResponse({"ok": True})
        answer.set_cookie(
            COOKIE, self.access.session, max_age=30 * _DAY, httponly=True, samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )  # fmt: skip
        return answer

    async def icon(self, request: Request) -> Response:
        """Serve the icon, which browsers ask for by themselves."""
        return RedirectResponse("/static/icon.svg", 307)
