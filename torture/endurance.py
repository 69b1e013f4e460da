"""A long day in one process: 20,000 photographs through extract, 200 calls of predict, a service.

Resident memory and open files are looked at along the way. What is kept of each photograph, its
line in the table and its key, takes about a kilobyte, and it is said; beyond that, memory must
be flat once everything is warm, and so must open files.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import toy

from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs import decode_worker_pool
from features.runtime import core_count
from torture import long_service, tasks, toys
from torture.children import Nursery
from torture.figures import Figure

_PER_PHOTOGRAPH = 2048  # bytes of memory that a photograph's bookkeeping may take
_PER_CALL = 16 * 1024  # bytes by which a call of predict may raise the memory, within noise
_NOISE = 60 << 20
_WARM = 0.4  # share of the samples before everything is warm
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def run(quick: bool) -> list[Figure]:
    """All three; quick: 400 photographs, 6 calls, 2 s."""
    if not Path("/proc/self/statm").exists():
        return [Figure("endurance (needs Linux's /proc)", 1, 0)]
    count, calls = (400, 6) if quick else (20_000, 200)
    with tempfile.TemporaryDirectory() as name, Nursery([__name__]) as nursery:
        root = Path(name)
        many = nursery.run(f"{__name__}:photographs", timeout=1800, root=name, count=count)
        toys.write_folder(root / "parts", 60)
        often = nursery.run(f"{__name__}:predictions", timeout=1800, root=name, calls=calls)
    # A short run cannot tell a slope from what the allocator does: only a large one counts.
    slack = _NOISE if quick else 0
    return [
        _figure(
            f"{count:,} photographs, one extract", many, count, "photograph", slack, _PER_PHOTOGRAPH
        ),
        _figure(f"{calls} calls of predict", often, calls, "call", slack, _PER_CALL),
        long_service.run(quick),
    ]


def _figure(what: str, ended: Any, tries: int, unit: str, slack: int, most: int) -> Figure:  # noqa: ANN401
    if ended.how != "done":
        return Figure(what, tries, 0, 1, f"{ended.how}: {ended.result}")
    at, memory, files = (np.array(ended.result[name], float) for name in ("at", "memory", "files"))
    warm = at >= _WARM * at[-1]
    slope, _ = np.polyfit(at[warm], memory[warm], 1)
    more = int(files[warm].max() - files[warm].min())
    lost = int(slope > max(most, slack / tries)) + int(files[-1] > files[warm][0] + 2)
    note = (
        f"memory {slope:+,.0f} bytes a {unit} after warm-up ({memory[warm][0] / 1e6:.0f} to "
        f"{memory[-1] / 1e6:.0f} MB), open files {files[-1]:.0f} (within {more})"
    )
    return Figure(what, tries, 0, lost, note, {"slope": slope, **ended.result})


class _Watch:
    """Memory and open files of this process, by how far it is."""

    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = {"at": [], "memory": [], "files": []}

    def look(self, at: int) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.seen["at"].append(at)
        self.seen["memory"].append(pages * _PAGE)
        self.seen["files"].append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - a number


def _start_decoders() -> None:
    """Start as many as can ever be asked at once: one that begins late would look like a leak."""
    with contextlib.ExitStack() as stack:
        for _ in range(core_count()):
            stack.enter_context(decode_worker_pool.lend()).start()


def photographs(root: str, count: int) -> dict[str, list[int]]:
    """One extract of many photographs; in a child process."""
    folder = toys.write_folder(Path(root) / "many", count)
    _start_decoders()
    watch, every = _Watch(), max(1, count // 200)

    def progress(done: int, _total: int) -> None:
        if done and done // every > (watch.seen["at"][-1] // every if watch.seen["at"] else 0):
            watch.look(done)

    extract(
        toys.photographs_in(folder),
        toys.settings(),
        Path(root) / "many.h5",
        RunOptions(batch_size=32),
        note=toys.NOTE,
        progress=progress,
    )
    return watch.seen


def predictions(root: str, calls: int) -> dict[str, list[int]]:
    """Many calls of predict, each with two new photographs and two known ones; in a child."""
    import pipeline

    base = Path(root)
    tasks.extract_folder(str(base / "parts"), str(base / "parts.h5"))
    tasks.fit(str(base / "parts.h5"), str(base / "model"))
    _start_decoders()
    watch = _Watch()
    known = [str(base / "parts")]
    for call in range(calls):
        new = base / "new"
        new.mkdir(exist_ok=True)
        for number in range(2):
            (new / f"{number}.png").write_bytes(toy.photograph(100_000 + 2 * call + number))
        bundle = pipeline.load_bundle(base / "model")
        found = pipeline.find_photographs([str(new), *known])
        verdicts = pipeline.predict(
            bundle, found, base / "parts.h5", pipeline.PredictOptions(batch_size=4)
        )
        if any(verdict.verdict is None for verdict in verdicts):
            raise RuntimeError("a photograph could not be judged")
        watch.look(call + 1)
    return watch.seen
