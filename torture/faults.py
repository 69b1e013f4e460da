"""The disk fails at every call in turn: full, broken, writing only a part of what it was given.

Every command that writes to a cache is run once for each call that it makes to the disk, and this
call fails. The command must end in one line for the user (or go on, where it can), the cache must
hold every row that it held before, and the same command on a sound disk must then finish.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from features.cache.maintenance import verify
from features.errors import OnepassError
from features.runtime import core_count
from torture import toys
from torture.children import Nursery
from torture.disk import Watcher, watched
from torture.figures import Figure
from torture.toys import call

_TASKS = "torture.tasks"
_KINDS = {  # the one with most calls first
    "broken": "one error (EIO)",
    "full": "disk full (ENOSPC) from then on",
    "torn": "half written, then full",
    "short": "half written, the rest asked for again",
}


class Failing(Watcher):
    """Lets the calls before number `at` through, and fails that one.

    Attributes:
        calls: so far, of those that this kind can fail.
        failed: whether it came to that.
    """

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at = kind, at
        self.calls = 0
        self.failed = False

    def _call(self, *, writes: bool) -> bool:
        """Whether this call fails; those that write nothing do not fail of a full disk."""
        if self.kind != "broken" and not writes:
            return False
        self.calls += 1
        now = self.calls == self.at or (
            self.failed and self.calls > self.at and self.kind in ("full", "torn")
        )
        self.failed = self.failed or now
        return now

    def _raise(self) -> None:
        number = errno.EIO if self.kind == "broken" else errno.ENOSPC
        raise OSError(number, os.strerror(number))

    def _refuse(self, *, writes: bool = False) -> None:
        if self.kind in ("full", "broken") and self._call(writes=writes):
            self._raise()

    def opened(self, path: str, *, creates: bool, truncates: bool) -> None:
        """Let a file be neither made nor opened."""
        self._refuse(writes=creates)

    def read(self, path: str) -> None:
        """Make reading fail."""
        self._refuse()

    def write(self, path: str, offset: int, data: memoryview, *, raw: bool) -> int:
        """Make writing fail, or write only half."""
        if self.kind == "short":
            return max(1, len(data) // 2) if raw and self._call(writes=True) else len(data)
        if not self._call(writes=True):
            return len(data)
        if self.kind == "torn":
            with open(path, "r+b") as file:  # noqa: PTH123 - Path's own is watched
                file.seek(offset)
                file.write(data[: len(data) // 2])
        self._raise()
        return 0

    def truncated(self, path: str, size: int) -> None:
        """Give the size cannot be set."""
        self._refuse()

    def synced(self, path: str) -> None:
        """Say what was written does not reach the disk."""
        self._refuse(writes=True)

    def renamed(self, old: str, new: str) -> None:
        """Give the name cannot be changed."""
        self._refuse(writes=True)

    def linked(self, old: str, new: str) -> None:
        """There is no second name; the caller copies."""
        self._refuse(writes=True)

    def unlinked(self, path: str) -> None:
        """Give the name cannot be removed."""
        self._refuse()


def attempt(
    task: str, arguments: dict[str, Any], folder: str, kind: str, at: int
) -> dict[str, Any]:
    """Run a task while call number `at` fails; 0 for none. In a child process."""
    failing = Failing(kind, at)
    error = ""
    toys.decode_here()
    with watched(Path(folder), failing):
        try:
            call(f"{_TASKS}:{task}", arguments)
        except OnepassError as raised:
            error = str(raised)
    return {"calls": failing.calls, "failed": failing.failed, "error": error}


def run(quick: bool) -> list[Figure]:
    """Every call of every command in turn, some kinds at once; quick: a few of each."""
    step, leap = (40, 2) if quick else (1, 1)

    def fail(kinds: Sequence[str]) -> list[Figure]:
        with tempfile.TemporaryDirectory() as name, Nursery([_TASKS, __name__]) as nursery:
            ground = _Ground(Path(name), nursery)
            return [_fail(kind, ground, step, leap) for kind in kinds]

    shares = [list(_KINDS)] if quick else [[kind] for kind in _KINDS]  # a ground takes seconds
    with ThreadPoolExecutor(core_count()) as pool:
        return [figure for figures in pool.map(fail, shares) for figure in figures]


class _Ground:
    """The commands, and what each must leave behind."""

    def __init__(self, root: Path, nursery: Nursery) -> None:
        self.root, self.nursery = root, nursery
        self.folder = toys.write_folder(root / "data", 10)
        self.grown = toys.write_folder(root / "grown", 6)
        toys.write_folder(self.grown, 4, first=1000)
        self.whole, self.second = root / "whole.h5", root / "second.h5"
        for cache, folder in ((self.whole, self.folder), (self.second, self.grown)):
            self._extract(folder, cache)
        self.truth = toys.truth_of(self.whole) | toys.truth_of(self.second)
        self.both = root / "both.h5"
        shutil.copyfile(self.whole, self.both)
        self._extract(self.grown, self.both)
        self.hurt = root / "hurt.h5"
        data = bytearray(self.whole.read_bytes())
        data[data.index(next(iter(self.truth.values())).tobytes())] ^= 1
        self.hurt.write_bytes(data)

    def _extract(self, folder: Path, cache: Path) -> None:
        places: dict[str, Any] = {"folder": str(folder), "cache": str(cache)}
        self.nursery.run(f"{_TASKS}:extract_folder", **places, here=True)

    def scenes(self) -> list[_Scene]:
        """Every command, on a cache of its own."""
        cache = {"cache": str(self.root / "scene" / "c.h5")}
        out = {"out": cache["cache"]}
        both = {"first": str(self.whole), "second": str(self.second)}
        return [
            _Scene("extract_folder", None, {"folder": str(self.folder)} | cache, 0, 10),
            _Scene("extract_folder", self.whole, {"folder": str(self.grown)} | cache, 10, 14),
            _Scene("gc", self.both, cache, 10, 10),
            _Scene("mend", self.hurt, cache, 9, 9),
            _Scene("join", None, both | out, 0, 14),
        ]


class _Scene(NamedTuple):
    """One command.

    Attributes:
        task, arguments: see `torture.tasks`.
        start: the cache that it starts from; None for none.
        least: rows that must stay.
        rows: at the end.
    """

    task: str
    start: Path | None
    arguments: dict[str, str]
    least: int
    rows: int


def _fail(kind: str, ground: _Ground, step: int, leap: int) -> Figure:
    """Every `step`th call of every `leap`th command."""
    tries, faults = 0, 0
    lost: list[str] = []
    ends: Counter[str] = Counter()
    for scene in ground.scenes()[::leap]:
        _set_scene(ground, scene.start)
        calls = _attempt(ground, scene, kind, 0)["calls"]
        for at in range(1, calls + 1, step):
            _set_scene(ground, scene.start)
            found = _attempt(ground, scene, kind, at)
            tries += 1
            faults += bool(found.get("failed"))
            ends["an error in one line" if found.get("error") else "went on"] += 1
            broken = _broken(ground, scene, kind, found)
            lost += [f"{scene.task}, call {at}: {what}" for what in broken]
    note = ", ".join(f"{count:,} {how}" for how, count in sorted(ends.items()))
    return Figure(f"disk: {_KINDS[kind]}", tries, faults, len(lost), note, {"lost": lost})


def _attempt(ground: _Ground, scene: _Scene, kind: str, at: int) -> dict[str, Any]:
    ended = ground.nursery.run(
        f"{__name__}:attempt",
        task=scene.task,
        arguments=scene.arguments,
        folder=str(ground.root / "scene"),
        kind=kind,
        at=at,
    )
    return ended.result if ended.how == "done" else {"died": f"{ended.how} {ended.result}"}


def _set_scene(ground: _Ground, start: Path | None) -> None:
    folder = ground.root / "scene"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if start is not None:
        shutil.copyfile(start, folder / "c.h5")


def _broken(ground: _Ground, scene: _Scene, kind: str, found: dict[str, Any]) -> list[str]:
    """Give the promises that were broken."""
    if "died" in found:
        return [found["died"]]
    lost = [f"no error was due: {found['error']}"] if kind == "short" and found["error"] else []
    lost += _state(ground, scene, ended=False)
    after = _attempt(ground, scene, kind, 0)
    trouble = after.get("died") or after.get("error")
    if trouble and "exists; expected a new name" not in trouble:
        lost.append(f"cannot go on: {trouble}")
    return lost + _state(ground, scene, ended=True)


def _state(ground: _Ground, scene: _Scene, *, ended: bool) -> list[str]:
    cache = ground.root / "scene" / "c.h5"
    if not cache.exists():
        return [] if scene.start is None and not ended else ["the cache is gone"]
    hurt = not verify(cache, full=True).sound
    if hurt and scene.task == "mend" and not ended:
        return []  # not repaired yet
    try:
        there, wrong = toys.wrong_rows(cache, ground.truth)
    except OnepassError as error:
        return [f"cannot be read: {error}"]
    if hurt or wrong or there < scene.least or (ended and there != scene.rows):
        return [f"{there} rows, {wrong} wrong, sound: {not hurt}"]
    return []
