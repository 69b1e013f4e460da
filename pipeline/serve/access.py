"""Who may ask: nobody outside this computer without a token, and no page of another site.

* Host: a browser that was lured to a name which leads here (DNS rebinding) is refused by the name.
* Origin: what another site's page sends is refused, whatever it is.
* Token: any address but this computer's own demands it, as `Authorization: Bearer TOKEN` or, from a
  browser, once at /login. It lies in INBOX/token, readable for its owner alone.
* Headers: no script and no style but our own files, no frame, nothing kept by caches.
* Size: a request says how long it is, and too long or too many at once are refused unread.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ipaddress
import json
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import OutputError
from pipeline.serve.settings import Limits, ServeSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "onepass"
TOKEN = "token"  # noqa: S105 - the name of its file
_SENDING = 2.0  # seconds for which what is refused for its length is read away
_OPEN = ("/healthz", "/login", "/static/", "/texts.json")
_SAFE = ("GET", "HEAD")

POLICY = "content-security-policy"
HEADERS = {
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Of every answer; /static/ alone may be kept by browsers, for an hour."""


def policy_of_report(page: bytes) -> str:
    """Give the policy for a model's report: its own style by its digest, pictures, and no script.

    Whoever made the model wrote the report: it runs nothing and may ask this service for nothing.
    """
    style = re.search(rb"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1] if style else b"").digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; sandbox; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def read_token(inbox: Path) -> tuple[str, bool]:
    """Give the token of an inbox, and whether it was made just now.

    Raises:
        OutputError: it cannot be read or made, or others can read it.
    """
    path = inbox / TOKEN
    try:
        inbox.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if os.name != "nt" and path.stat().st_mode & 0o077:
                raise OutputError(
                    f"{path} can be read by others; expected mode 600; remove it (another token "
                    "is made) or: chmod 600"
                ) from None
            found = path.read_text("ascii").strip()
            if len(found) < 32:
                raise OutputError(f"{path} holds no token; remove it: another is made") from None
            return found, False
        with os.fdopen(handle, "w", encoding="ascii") as file:
            made = secrets.token_urlsafe(32)
            file.write(made + "\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error})") from error
    return made, True


@dataclass
class Access:
    """The rules of one service.

    Attributes:
        token: that is demanded; None on this computer's own address.
        names: host names that browsers may call it by, lower case.
        any_address: whether any numeric address may be the host, for 0.0.0.0.
        limits: of requests.
    """

    token: str | None
    names: frozenset[str]
    any_address: bool
    limits: Limits
    bytes_waiting: int = field(default=0)

    @classmethod
    def of(cls, settings: ServeSettings, token: str | None) -> Access:
        """Make those of a service with these settings."""
        own = {"localhost", "127.0.0.1", "::1", settings.host.lower()}
        own |= {name.lower() for name in settings.names}
        if token is not None:
            own.add(socket.gethostname().lower())
        unspecified = settings.host in ("0.0.0.0", "::")  # noqa: S104 - told, not chosen
        return cls(token, frozenset(own), unspecified, settings.limits)

    @property
    def session(self) -> str:
        """Say what the cookie holds: made from the token, and not the token."""
        return hmac.digest((self.token or "").encode(), b"session", hashlib.sha256).hex()

    def admits(self, given: str) -> bool:
        """Say whether this is the token."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Say why a request is refused: status and one line; None where it is not.

        Args:
            method: of the request.
            path: likewise.
            headers: by lower-case name.
        """
        host = headers.get("host", "")
        # A foreign name that was made to point here (DNS rebinding) shows in Host, and only there.
        if not self._is_own(host):
            return 421, f"this service is not called {host[:80]!r}; add the name with --name"
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return 403, "a page of another site may not ask here"
        # Browsers send no Origin with many GETs; these two they always send, and pages cannot set.
        site, mode = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-mode", "")
        visited = method in _SAFE and mode == "navigate" and not path.startswith("/v1/")
        if site in ("cross-site", "same-site") and not visited:
            return 403, "a page of another site may not ask here"
        if self.token is None or path.startswith(_OPEN) or self._is_admitted(headers):
            return self._too_long(method, headers)
        return 401, "a token is needed: send Authorization: Bearer TOKEN, or open /login"

    def _is_own(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").lower()
        if name in self.names:
            return True
        if not self.any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_admitted(self, headers: Mapping[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.admits(given.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value, self.session)

    def _too_long(self, method: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if method in _SAFE:
            return None
        # Without a length said beforehand the limit could be broken only after it was exceeded.
        if "transfer-encoding" in headers:
            return 411, "a request has to say its length (Content-Length)"
        length = headers.get("content-length", "0")
        # isdigit alone takes "²" and digits of other scripts, at which int() fails or differs.
        if not (length.isascii() and length.isdigit()):
            return 400, "the length of the request is no number"
        if int(length) > self.limits.request_bytes:
            return 413, (
                f"the request has {int(length):,} bytes; expected at most "
                f"{self.limits.request_bytes:,}; send fewer or smaller photographs"
            )
        if self.bytes_waiting + int(length) > self.limits.waiting_bytes:
            return 429, "too much is being sent at once; send it again in a second"
        return None


class Guard:
    """The rules in front of an application (ASGI)."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Stand before `app`."""
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on, and put the headers on what comes back."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        path = str(scope["path"])

        async def guarded(message: Message) -> None:
            """Put the headers on an answer."""
            if message["type"] == "http.response.start":
                added = dict(HEADERS)
                if any(k.lower() == POLICY.encode() for k, _ in message.get("headers", [])):
                    del added[POLICY]  # a report has one of its own, see `policy_of_report`
                if path.startswith("/static/") and message["status"] == 200:
                    added["cache-control"] = "max-age=3600"
                own = [(k.encode(), v.encode()) for k, v in added.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        refused = self.access.refusal(str(scope["method"]), path, headers)
        if refused is not None:
            if refused[0] in (413, 429):
                await self._let_send(receive, int(headers["content-length"]))
            await _answer(guarded, path, headers, *refused)
            return
        length = int(headers.get("content-length", "0") or 0) if scope["method"] != "GET" else 0
        self.access.bytes_waiting += length
        try:
            await self.app(scope, receive, guarded)
        finally:
            self.access.bytes_waiting -= length

    async def _let_send(self, receive: Receive, length: int) -> None:
        """Read away what is too much, a while: many clients hear no answer before they have sent.

        Nothing of it is kept; of far too much nothing is read.
        """
        if length > 4 * self.access.limits.request_bytes:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SENDING):
                while True:
                    message = await receive()
                    if message["type"] != "http.request" or not message.get("more_body"):
                        return


async def _answer(
    send: Send, path: str, headers: Mapping[str, str], status: int, text: str
) -> None:
    """Give a refusal as JSON; a browser that lacks the token is led to /login."""
    page = "text/html" in headers.get("accept", "") and not path.startswith("/v1/")
    start: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
    if status == 401 and page:
        status, start = 303, [(b"location", b"/login")]
    elif status == 401:
        start.append((b"www-authenticate", b"Bearer"))
    elif status == 429:
        start.append((b"retry-after", b"1"))
    start.append((b"connection", b"close"))  # what was sent is not read
    body = json.dumps({"error": text}).encode()
    start.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
