"""Bits of a cache flip, one at a time: on the disk, in a copy, in memory.

Each damaged copy is opened, read whole and written to in a process of its own, with a time limit
and a memory limit. A wrong row, key, class or path that is delivered as if it were right is a loss;
so is a crash of Python, a hang, and an error that is not the one line of this program. Then it is
repaired, and what repair keeps must be right.
"""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import caches
import numpy as np

from features.cache.cache import Cache
from features.cache.maintenance import verify
from features.cache.repair import repair
from features.errors import CacheError, OnepassError
from torture.children import Nursery
from torture.figures import Figure

_ROWS = 60
_USED = 50
_MEMORY = 4 << 30
_SECONDS = 300.0
_NOTE = {"root": "r", "weights": "w"}


def run(quick: bool) -> list[Figure]:
    """1,000 bits of a small cache, most of it keys, table and index; 200 of a large one."""
    with tempfile.TemporaryDirectory() as name, Nursery([__name__]) as nursery:
        small, large = Path(name) / "small.h5", Path(name) / "large.h5"
        caches.fill_whole(small, _ROWS, _USED)
        _fill_wide(large)
        flips = (16, 3) if quick else (1000, 200)
        return [
            _flip("small rows", small, flips[0], nursery, wide=False),
            _flip("real rows of 51,200 values", large, flips[1], nursery, wide=True),
        ]


def _fill_wide(path: Path) -> None:
    with Cache.write(path, caches.FIELDS, 51_200, "float16") as cache:
        for number in range(_ROWS):
            cache.append([caches.digest(number)], _wide_row(number)[None])
        table = [caches.table_row(f"A/{n}.png", n, n) for n in range(_USED)]
        cache.replace_table(table, _NOTE)
        cache.commit()


def _wide_row(number: int) -> np.ndarray:
    return np.random.default_rng(number).random(51_200, dtype=np.float32).astype(np.float16)


def _flip(what: str, whole: Path, flips: int, nursery: Nursery, *, wide: bool) -> Figure:
    rng = random.Random(6)
    data = whole.read_bytes()
    ends: Counter[str] = Counter()
    lost: list[str] = []
    kept = 0
    for _ in range(flips):
        bit = rng.randrange(len(data) * 8)
        hurt = bytearray(data)
        hurt[bit // 8] ^= 1 << bit % 8
        folder = whole.parent / "hurt"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "c.h5").write_bytes(hurt)
        ended = nursery.run(
            f"{__name__}:use", timeout=_SECONDS, path=str(folder / "c.h5"), wide=wide
        )
        found: dict[str, Any] = (
            ended.result if ended.how == "done" else {"end": ended.how, "lost": str(ended.result)}
        )
        ends[found["end"]] += 1
        kept += found.get("kept", 0)
        if found["lost"]:
            lost.append(f"bit {bit}: {found['end']}: {found['lost']}")
    note = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
    note += f"; repair kept {kept / flips / _ROWS:.1%} of the rows"
    faults = flips - ends["harmless"]
    return Figure(f"bit flips: {what}", flips, faults, len(lost), note, {"lost": lost})


def use(path: str, wide: bool) -> dict[str, Any]:
    """Say what becomes of a damaged cache; in a child process."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, hard))
    cache = Path(path)
    copy = cache.with_name("written.h5")
    shutil.copyfile(cache, copy)
    end, lost = _read(cache, wide)
    lost += _write(copy, wide)
    if end == "harmless" and verify(cache, full=True).sound:
        return {"end": end, "lost": lost, "kept": _ROWS}
    mended, kept = _mend(cache, wide)
    return {"end": end, "lost": lost + mended, "kept": kept}


def _row(number: int, wide: bool) -> np.ndarray:
    return _wide_row(number) if wide else caches.row(number)


def _read(path: Path, wide: bool) -> tuple[str, str]:
    """(how it ended, what was broken)."""
    try:
        with Cache.read(path) as cache:
            table = [caches.table_row(f"A/{n}.png", n, n) for n in range(_USED)]
            if cache.table_rows != table or cache.note != _NOTE or len(cache) != _ROWS:
                return "wrong", "another table, note or number of rows. "
            if cache.fields != caches.FIELDS:
                return "wrong", "other settings. "
            return _read_rows(cache, wide)
    except CacheError:
        return "refused at opening", ""


def _read_rows(cache: Cache, wide: bool) -> tuple[str, str]:
    end = "harmless"
    for number in range(_ROWS):
        try:
            row = cache.take([cache.find(caches.digest(number))])[0]
        except CacheError:
            end = "found in a row"
            continue
        if not np.array_equal(row, _row(number, wide).astype(np.float32)):
            return "wrong", f"row {number} is wrong. "
    return end, ""


def _write(path: Path, wide: bool) -> str:
    """Add a row, as predict would: it is there afterwards, or refused in one line."""
    row = _row(_ROWS, wide)
    try:
        dtype = row.dtype
        with Cache.write(path, caches.FIELDS, len(row), dtype) as cache:
            cache.append([caches.digest(_ROWS)], row[None].astype(np.float32))
            cache.commit()
    except OnepassError:
        return ""
    try:
        with Cache.read(path) as cache:
            found = cache.take([cache.find(caches.digest(_ROWS))])[0]
    except CacheError as error:
        return f"written to, and then: {error}. "
    return "" if np.array_equal(found, row.astype(np.float32)) else "the new row is wrong. "


def _mend(path: Path, wide: bool) -> tuple[str, int]:
    """Give (what was broken, rows that were kept)."""
    try:
        repair(path, backup=False)
    except CacheError:
        return "", 0
    found = verify(path, full=True)
    if not found.sound:
        return f"not sound after repair: {asdict(found)}. ", 0
    with Cache.read(path) as cache:
        for number in range(_ROWS):
            at = cache.find(caches.digest(number))
            if at >= 0 and not np.array_equal(
                cache.take([at])[0], _row(number, wide).astype(np.float32)
            ):
                return f"row {number} is wrong after repair. ", 0
        return "", len(cache)
