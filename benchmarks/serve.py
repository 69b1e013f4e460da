"""How long a verdict of `serve` takes, and whether the service holds out: loopback alone, bounded.

    python -m benchmarks.serve --minutes 5

Draws parts, makes a model of each look (efficientnet-lite0, whose weights come with the
installation), starts `onepass serve` as a process of its own, and sends it photographs of 12
megapixels: first one client with a pause between two, then 16 clients at once for so many minutes.
Prints a Markdown table: seconds from the first byte sent to the last byte read; a refusal (429) is
counted and sent again, anything else that is no verdict is an error. Memory is that of the service
and its decoders: after the first minute (or a third of the time), at the end, and the most of all.
Not part of `make bench`: it takes its time.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import pipeline
from benchmarks.turns import ROOT
from pipeline.data.extract_folder import ExtractOptions
from pipeline.demo.draw_parts import draw_parts
from pipeline.training.fit import FitOptions

LOOKS = ("plain", "close")
CLIENTS = 16
SIZE = (4000, 3000)
_BOUNDARY = "onepass-benchmark"
_ALONE = 40  # verdicts of the single client


class Load(NamedTuple):
    """What some clients saw.

    Attributes:
        seconds: of each verdict.
        refused: how often the queue was full.
        errors: what was answered instead of a verdict, some of it.
        took: seconds in all.
    """

    seconds: list[float]
    refused: int
    errors: list[str]
    took: float


def photographs(folder: Path, count: int = 8) -> list[bytes]:
    """Drawn parts as JPEGs of 12 megapixels with a camera's noise."""
    rng = np.random.default_rng(0)
    found = []
    for file in sorted(folder.rglob("*.jpg"))[:count]:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC))
        noisy = pixels + rng.normal(0, 3, (SIZE[1], SIZE[0], 1))
        out = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=88)
        found.append(out.getvalue())
    return found


def make_model(root: Path, look: str) -> tuple[Path, Path]:
    """Make a model of one look, and its cache."""
    data, cache, model = root / "data", root / f"{look}.h5", root / look / "model"
    if not data.exists():
        draw_parts(data, parts=32, views=4, seed=7)
    pipeline.extract_folder(
        data, cache, ExtractOptions(
            backbone="efficientnet-lite0", look=look,
            group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
        ),
    )  # fmt: skip
    pipeline.fit(pipeline.load_dataset(cache), model, FitOptions(optimism=False))
    return model, cache


@contextlib.contextmanager
def served(model: Path, cache: Path) -> Iterator[tuple[int, int]]:
    """Start the service in a process of its own; gives its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "cli.py", "serve", str(model), "--cache", str(cache)]
    command += ["--inbox", str(model.parent / "inbox"), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                if ask(port, "GET", "/healthz")[0] == 200:
                    break
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit("the service did not start")
            time.sleep(0.2)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"} if body else {}
        connection.request(method, path, body, kind)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def form(data: bytes) -> bytes:
    """Write a form with one photograph."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


def load(port: int, forms: Sequence[bytes], clients: int, seconds: float, most: int) -> Load:
    """Let clients ask for so long, each so often at most, one request after the other."""
    lock, found = threading.Lock(), Load([], 0, [], 0.0)
    started = time.perf_counter()
    refused = 0

    def client(number: int) -> None:
        nonlocal refused
        for turn in range(most):
            if time.perf_counter() - started > seconds:
                return
            began = time.perf_counter()
            try:
                status, answer = ask(
                    port, "POST", "/v1/predict", forms[(number + turn) % len(forms)]
                )
                verdict = json.loads(answer)["parts"][0]["verdict"] if status == 200 else None
            except (OSError, ValueError, http.client.HTTPException) as error:
                status, verdict, answer = 0, None, repr(error).encode()
            took = time.perf_counter() - began
            with lock:
                if verdict is not None:
                    found.seconds.append(took)
                elif status == 429:
                    refused += 1
                else:
                    found.errors.append(answer[:200].decode("utf-8", "replace"))
            if verdict is None or clients == 1:
                time.sleep(0.3)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found._replace(refused=refused, took=time.perf_counter() - started)


def memory(pid: int) -> float:
    """Bytes that a process and its children hold; nan where the system does not say."""
    total = 0
    try:
        for place in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                text = place.read_text()
                mine = place.parent.name == str(pid) or f"PPid:\t{pid}\n" in text
                held = re.search(r"VmRSS:\s+(\d+) kB", text)
                total += int(held[1]) * 1024 if mine and held else 0
    except OSError:
        return float("nan")
    return float(total or "nan")


class Watch(threading.Thread):
    """Looks at the memory of a process while it works."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.ended = pid, threading.Event()
        self.seen: list[tuple[float, float]] = []

    def run(self) -> None:
        """Look once a second."""
        started = time.monotonic()
        while not self.ended.wait(1.0):
            self.seen.append((time.monotonic() - started, memory(self.pid)))

    def text(self, settled: float) -> str:
        """After so many seconds, at the end, the most; in MB."""
        self.ended.set()
        self.join()
        first = next((held for at, held in self.seen if at >= settled), float("nan"))
        last, most = self.seen[-1][1], max(held for _, held in self.seen)
        return (
            " → ".join(f"{value / 1e6:,.0f}" for value in (first, last)) + f" ({most / 1e6:,.0f})"
        )


def row(look: str, clients: int, found: Load, held: str) -> str:
    """Write a line of the table."""
    p50, p95, p99 = np.percentile(found.seconds, [50, 95, 99]) * 1000
    rate = len(found.seconds) / found.took if clients > 1 else float("nan")
    speed = f"{rate:.1f}" if clients > 1 else ""
    return (
        f"| {look} | {clients} | {len(found.seconds):,} | {speed} | {p50:,.0f} | {p95:,.0f} | "
        f"{p99:,.0f} | {found.refused} | {len(found.errors)} | {held} |"
    )


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--looks", default=",".join(LOOKS))
    asked = options.parse_args()
    seconds = 60 * min(asked.minutes, 60.0)
    lines = [
        "| look | clients | verdicts | per second | p50 ms | p95 ms | p99 ms | refused | errors | "
        "memory MB, settled → end (most) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="onepass-serve-") as name:
        for look in asked.looks.split(","):
            model, cache = make_model(Path(name), look)
            forms = [form(data) for data in photographs(Path(name) / "data")]
            with served(model, cache) as (port, pid):
                load(port, forms, 1, 30.0, 5)  # the first ones start decoders
                alone = load(port, forms, 1, 120.0, _ALONE)
                lines.append(row(look, 1, alone, ""))
                watch = Watch(pid)
                watch.start()
                crowd = load(port, forms, CLIENTS, seconds, 10**9)
                lines.append(row(look, CLIENTS, crowd, watch.text(min(60.0, seconds / 3))))
                for error in crowd.errors[:5]:
                    print(error, file=sys.stderr)
    size = f"{SIZE[0]} × {SIZE[1]}"
    print("\n".join(lines), f"\nphotographs of {size} pixels, {len(forms[0]) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
