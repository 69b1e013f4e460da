"""The power fails: what was written and not yet synced may be there, in part, or not at all.

All calls to the disk of a cache's life (made, filled in six commits, its table written, gc) are
recorded. Then the disk is rebuilt as a cut after each call could have left it: files as of their
last fsync, and of what was written since any 512-byte sectors, or a prefix; names in the folder as
of its last fsync, and any of the changes since. After each the cache must open with every row that
a finished commit had promised, go on, and be sound. (So Pillai et al., "All file systems are not
created equal", OSDI 2014, test databases.) A sector is taken to be written whole.

A drive that only says that it has synced can lose anything. Then rows may be lost, but what is lost
must be found: no wrong row, and what remains can be repaired or is refused.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import caches
import numpy as np

from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.maintenance import collect, verify
from features.cache.repair import repair
from features.errors import CacheError
from torture.disk import Watcher, watched
from torture.figures import Figure

_SECTOR = 512
_BATCH = 5
_COMMITS = 6
_USED = 20  # rows that the table names: gc keeps them
_NAME = "c.h5"
_WIDTH = 5_120  # values: shorter rows lie in pages that the journal holds, and need no sync first

Names = dict[str, int]


@dataclass
class _Inode:
    """A file's bytes: `durable` for certain, and the writes since."""

    durable: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: size set

    def sync(self) -> None:
        self.durable, self.since = self.as_written(), []

    def as_written(self) -> bytearray:
        data = bytearray(self.durable)
        for offset, piece in self.since:
            _apply(data, offset, piece)
        return data


def _apply(data: bytearray, offset: int, piece: bytes | None) -> None:
    if piece is None:
        del data[offset:]
        data.extend(bytes(offset - len(data)))
        return
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece


class Recorder(Watcher):
    """Keeps every call, as (kind, details), in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []

    def opened(self, path: str, *, creates: bool, truncates: bool) -> None:
        """Made, or emptied."""
        if creates and not Path(path).is_dir():
            self.calls.append(("made", (path, truncates)))

    def write(self, path: str, offset: int, data: memoryview, *, raw: bool) -> int:
        """Written, in full."""
        self.calls.append(("written", (path, offset, bytes(data))))
        return len(data)

    def truncated(self, path: str, size: int) -> None:
        """Cut, or made longer."""
        self.calls.append(("written", (path, size, None)))

    def synced(self, path: str) -> None:
        """Give a file's bytes, or a folder's names."""
        self.calls.append(("synced", (path,)))

    def renamed(self, old: str, new: str) -> None:
        """One name instead of another."""
        self.calls.append(("renamed", (old, new)))

    def unlinked(self, path: str) -> None:
        """Give a name less."""
        self.calls.append(("unlinked", (path,)))

    def promise(self, least: int, most: int) -> None:
        """From now on so many rows are there."""
        self.calls.append(("promised", (least, most)))


class Disk:
    """What the calls so far have left on a disk, and what of it is certain."""

    def __init__(self, *, lies: bool) -> None:
        self.lies = lies
        self.inodes: list[_Inode] = []
        self.names: Names = {}  # as this process sees them
        self.durable: Names = {}
        self.since: list[list[tuple[str, int | None]]] = []  # changes of names, each at once

    def play(self, kind: str, details: tuple) -> None:  # type: ignore[type-arg]
        """Do what a recorded call did."""
        if kind == "made":
            path, truncates = details
            if path not in self.names:
                self.inodes.append(_Inode())
                self._rename([(path, len(self.inodes) - 1)])
            elif truncates:
                self.inodes[self.names[path]].since.append((0, None))
        elif kind == "written":
            path, offset, piece = details
            self.inodes[self.names[path]].since.append((offset, piece))
        elif kind == "renamed":
            old, new = details
            self._rename([(new, self.names[old]), (old, None)])
        elif kind == "unlinked" and details[0] in self.names:
            self._rename([(details[0], None)])
        elif kind == "synced" and not self.lies:
            if details[0] in self.names:
                self.inodes[self.names[details[0]]].sync()
            else:  # the folder
                self.durable, self.since = dict(self.names), []

    def _rename(self, change: list[tuple[str, int | None]]) -> None:
        self.since.append(change)
        _change(self.names, change)

    def whole(self) -> dict[str, bytes]:
        """Name -> bytes, as they are without a cut."""
        return {
            Path(path).name: bytes(self.inodes[number].as_written())
            for path, number in self.names.items()
        }

    def cut(self, how: str, rng: random.Random) -> dict[str, bytes]:
        """Name -> bytes, as a cut may leave them."""
        names = dict(self.durable)
        for change in self.since:
            if how == "prefix" or (how == "any" and rng.random() < 0.5):
                _change(names, change)
        return {
            Path(path).name: _cut_file(self.inodes[number], how, rng)
            for path, number in names.items()
        }


def _change(names: Names, change: list[tuple[str, int | None]]) -> None:
    for path, number in change:
        if number is None:
            names.pop(path, None)
        else:
            names[path] = number


def _cut_file(inode: _Inode, how: str, rng: random.Random) -> bytes:
    data = bytearray(inode.durable)
    if how == "synced":
        return bytes(data)
    for number, (offset, piece) in enumerate(inode.since):
        if how == "prefix":
            last = number + 1 == len(inode.since)
            if piece is not None and last:
                piece = piece[: rng.randrange(0, len(piece) + 1, _SECTOR)]
            _apply(data, offset, piece)
        elif piece is None:
            if rng.random() < 0.5:
                _apply(data, offset, None)
        else:
            share = rng.choice((0.0, 0.5, 1.0))
            for start in range(0, len(piece), _SECTOR):
                if rng.random() < share:
                    _apply(data, offset + start, piece[start : start + _SECTOR])
    return bytes(data)


def record(folder: Path) -> Recorder:
    """Give a cache's life."""
    recorder, path = Recorder(), folder / _NAME
    with watched(folder, recorder):
        for commit in range(_COMMITS):
            first = commit * _BATCH
            caches.fill(path, range(first, first + _BATCH), width=_WIDTH)
            recorder.promise(first + _BATCH, first + 2 * _BATCH)
        with Cache.write(path, caches.FIELDS, _WIDTH, "float32") as cache:
            table = [caches.table_row(f"A/{n}.png", n, n) for n in range(_USED)]
            cache.replace_table(table, {})
            cache.commit()
        recorder.promise(_USED, _COMMITS * _BATCH)
        collect(path, apply=True)
        recorder.promise(_USED, _USED)
    return recorder


def run(quick: bool) -> list[Figure]:
    """Give a cut after every call, many ways each; quick: after some."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "recorded").mkdir()
        recorder = record(Path(name) / "recorded")
        step, ways = (23, 1) if quick else (1, 8)
        return [
            _cuts(Path(name), recorder, step, ways, lies=lies, seed=step) for lies in (False, True)
        ]


def _cuts(root: Path, recorder: Recorder, step: int, ways: int, *, lies: bool, seed: int) -> Figure:
    rng = random.Random(seed)
    disk, least, most, made = Disk(lies=lies), 0, _BATCH, False
    tries, faults = 0, 0
    lost: list[str] = []
    ends: Counter[str] = Counter()
    for number, (kind, details) in enumerate(recorder.calls):
        if kind == "promised":
            (least, most), made = details, True  # type: ignore[assignment]
            continue
        disk.play(kind, details)
        if number % step:
            continue
        for how in ("synced", "prefix", *["any"] * ways):
            tries += 1
            state = disk.cut(how, rng)
            faults += state != disk.whole()
            end, broken = _judge(root / "cut", state, least if made else 0, most, lies=lies)
            ends[end] += 1
            lost += [f"after call {number} ({kind}), {how}: {what}" for what in broken]
    note = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
    what = "power cut, a drive that lies about syncing" if lies else "power cut"
    return Figure(
        what, tries, faults, len(lost), note, {"lost": lost, "calls": len(recorder.calls)}
    )


def _judge(
    folder: Path, state: dict[str, bytes], least: int, most: int, *, lies: bool
) -> tuple[str, list[str]]:
    """How it ended, and which promises were broken."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in state.items():
        (folder / name).write_bytes(data)
    path = folder / _NAME
    if not path.exists():
        return "no cache yet", [] if least == 0 or lies else ["the cache is gone"]
    try:
        rows, wrong = _rows(path)
    except CacheError as error:
        if not lies:
            return "refused", [f"cannot be read: {error}"]
        return _mended(path)
    if wrong:
        return "wrong", ["wrong rows"]
    if lies:
        return "sound, though less may be there", []
    if not least <= rows <= most:
        return "lost", [f"{rows} rows, {least} to {most} were due"]
    try:
        with writing(path):
            caches.fill(path, range(1000, 1003), width=_WIDTH)
    except CacheError as error:
        return "stuck", [f"cannot go on: {error}"]
    sound = verify(path, full=True).sound
    waste = [file.name for file in folder.iterdir() if file.suffix in (".part", ".journal")]
    broken = [] if sound and _rows(path) == (rows + 3, 0) else ["is not sound after going on"]
    return "all rows there", broken + [f"left: {name}" for name in waste]


def _mended(path: Path) -> tuple[str, list[str]]:
    """Say what repair makes of it: sound rows alone, or a refusal."""
    try:
        repair(path)
    except CacheError:
        return "refused", []
    _, wrong = _rows(path)
    return "repaired", [] if verify(path, full=True).sound and not wrong else ["repair kept damage"]


def _rows(path: Path) -> tuple[int, int]:
    """(rows, how many are wrong) of a cache whose keys are those of numbers."""
    with Cache.read(path) as cache:
        rows = cache.take(range(len(cache)))
        right = sum(
            np.array_equal(row, caches.row(_NUMBERS[key], _WIDTH))
            for (key, _), row in zip(cache.keys, rows, strict=True)
            if key in _NUMBERS
        )
        return len(cache), len(cache) - right


_NUMBERS = {caches.digest(n).encode(): n for n in (*range(100), *range(1000, 1003))}
