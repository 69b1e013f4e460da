"""A headless Chromium for tests, spoken to over a pipe: pages as they look, and what they ask for.

DevTools protocol on file descriptors 3 and 4, messages ended by a zero byte: no port, no package.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_TIMEOUT = 120.0  # seconds for one answer
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",  # in containers /dev/shm is small, and a full one ends the browser
    # Nothing of the browser's own goes out either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)  # fmt: skip


# The middle of an element; null while it is not there, pictures are missing, or another covers it.
_MIDDLE = """(selector) => {
  const element = document.querySelector(selector);
  if (!element || ![...document.images].every((image) => image.complete)) return null;
  element.scrollIntoView({block: 'center'});
  const box = element.getBoundingClientRect();
  const at = [box.x + box.width / 2, box.y + box.height / 2];
  const met = document.elementFromPoint(...at);
  return element.contains(met) || met?.contains(element) ? at : null;
}"""

_KEYS = {
    "Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
    "ArrowDown": 40,
}  # fmt: skip


class EndedError(Exception):
    """The browser has ended."""


class Browser:
    """A Chromium with an empty profile and one page.

    Attributes:
        requests: addresses that pages asked for, `data:` left out.
        complaints: what the browser logged of them: errors, warnings, violated policies.
    """

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="onepass-chromium-")
        (read, theirs_out), (theirs_in, write) = os.pipe(), os.pipe()
        # Above 9, so that putting them at 3 and 4 overwrites neither.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        self._process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4, *ends),
            preexec_fn=lambda: [os.dup2(end, fd) for fd, end in enumerate(ends, 3)],
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._read, self._write, self._held, self._number = read, write, b"", 0
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Audits"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        with contextlib.suppress(EndedError, BrokenPipeError):  # it may end before it answers
            self.call("Browser.close")
        self._process.wait(_TIMEOUT)
        os.close(self._read)
        os.close(self._write)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events are noted on the way."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def open(self, page: Path | str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Load a file or an address as a desktop (or below 600 pixels, a phone) shows it."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        url = page if isinstance(page, str) else page.resolve().as_uri()
        self.call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """Give the value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 120.0) -> None:
        """Wait until a JavaScript expression is true on the page."""
        until, said = time.monotonic() + seconds, ""
        while not self.evaluate(f"Boolean({expression})"):
            said = self.evaluate("document.querySelector('#toasts')?.textContent") or said
            assert time.monotonic() < until, f"{expression}: {said}; {self.complaints}"
            time.sleep(0.03)

    def click(self, selector: str) -> None:
        """Press the middle of an element, as a mouse or a finger does."""
        place = self._place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def press(self, key: str) -> None:
        """Press a key of one character, or one of `_KEYS`."""
        code = "\r" if key == "Enter" else "" if key in _KEYS else key
        number = _KEYS.get(key, ord(key.upper()[0]))
        named = {"key": key, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=code, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def drop(self, selector: str, files: Sequence[Path]) -> None:
        """Drop files on an element, as from a folder's window."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        place = self._place(selector)
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, data=data, **place)

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Put files into an input, as its dialogue or a camera does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def _place(self, selector: str) -> dict[str, float]:
        """Give the middle of an element, once it is there, stands still, and nothing covers it.

        A picture that arrives moves what is below it: a press would meet something else.
        """
        asked, until = f"({_MIDDLE})({json.dumps(selector)})", time.monotonic() + _TIMEOUT
        before, found = None, self.evaluate(asked)
        while found is None or found != before:
            assert time.monotonic() < until, f"{selector} is not to be pressed: {found}"
            time.sleep(0.03)  # two frames
            before, found = found, self.evaluate(asked)
        return {"x": found[0], "y": found[1]}

    def screenshot(self) -> bytes:
        """Give the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """Give the page as it prints, on A4."""
        made = self.call(
            "Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        return base64.b64decode(made["data"])

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + _TIMEOUT
        while b"\0" not in self._held:
            left = until - time.monotonic()
            assert left > 0, "Chromium does not answer"
            if select.select([self._read], [], [], left)[0]:
                data = os.read(self._read, 1 << 20)
                if not data:
                    raise EndedError
                self._held += data
        raw, self._held = self._held.split(b"\0", 1)
        message: dict[str, Any] = json.loads(raw)
        if "method" in message:
            self._events.append(message)
            self._note(message["method"], message["params"])
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            self.requests += [] if url.startswith("data:") else [url]
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded"):
            self.complaints.append(json.dumps(params)[:500])
