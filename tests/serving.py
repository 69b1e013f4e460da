"""A service on loopback for tests, and a client of nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.serve.settings import Limits, ServeSettings

BOUNDARY = "onepass-boundary"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """What a client sees of a service."""

    def __init__(self, port: int, folder: Path, station: Any, access: Any) -> None:
        self.port, self.folder, self.station, self.access = port, folder, station, access

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        **headers: str,
    ) -> Answer:
        """Headers as `content_type="…"`; a dict goes as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content = answer.read()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def predict(self, *files: tuple[str, bytes], part: str | None = None, **headers: str) -> Answer:
        """Judge files given as (name, content)."""
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        headers.setdefault("content_type", kind)
        return self.ask("POST", "/v1/predict", form(files, part), **headers)


def form(files: Sequence[tuple[str, bytes]], part: str | None = None) -> bytes:
    """Give a form as browsers send it."""
    out = b""
    for name, data in files:
        shown = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        out += (
            (
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{shown}"'
                "\r\nContent-Type: application/octet-stream\r\n\r\n"
            ).encode()
            + data
            + b"\r\n"
        )
    if part is not None:
        out += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="part"\r\n\r\n{part}\r\n'
        ).encode()
    return out + f"--{BOUNDARY}--\r\n".encode()


@contextmanager
def serving(
    folder: Path, *, limits: Limits | None = None, host: str = "127.0.0.1", token: str | None = None
) -> Iterator[Service]:
    """Serve the model of a folder as the fixture `line` makes it."""
    from pipeline.serve.access import Access
    from pipeline.serve.station import Station
    from pipeline.serve.web import make_app, make_server, read_texts

    settings = ServeSettings(
        folder / "model", folder / "features.h5", folder / "data", folder / "inbox",
        limits=limits or Limits(),
    )  # fmt: skip
    station = Station(settings)
    access = Access.of(replace(settings, host=host), token)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    server = make_server(make_app(station, access, read_texts()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Service(listening.getsockname()[1], folder, station, access)
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
