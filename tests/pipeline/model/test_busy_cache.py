"""Predictions on a cache that another process writes to: reading never waits, writing does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from models import Toy, load, write_parts

import pipeline
from features.cache import lock
from features.cache.cache import Cache
from features.cache.lock import writing


def test_known_photographs_never_wait(
    cache: Path, model: Path, tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are there: the lock is not even asked for."""
    monkeypatch.setattr(lock, "_patience", 0.0)
    known = pipeline.find_photographs([str(tmp_path / "data")])
    toy.reset()
    with writing(cache):
        assert len(pipeline.predict(load(model), known, cache)) == len(known)
    assert toy.loads == 0


def test_new_photographs_wait_and_then_go_without_the_cache(
    cache: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line says so, the verdicts are the same, and the cache is as it was."""
    monkeypatch.setattr(lock, "_patience", 0.2)
    new = pipeline.find_photographs([str(write_parts(tmp_path / "new", 3, first=900))])
    before = cache.read_bytes()
    with writing(cache):
        without = pipeline.predict(load(model), new, cache)
    assert "going on without the cache, keeping nothing" in caplog.text
    assert cache.read_bytes() == before
    assert [p.probability for p in without] == [
        p.probability for p in pipeline.predict(load(model), new, cache)
    ]
    with Cache.read(cache) as opened:
        assert len(opened) > 72


def test_six_predictions_at_once_all_end_well(
    cache: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its own new photographs; every row is kept."""
    monkeypatch.setattr(lock, "_patience", 60.0)
    folders = [write_parts(tmp_path / f"new{n}", 1, first=900 + n) for n in range(6)]
    start = threading.Barrier(6)
    with Cache.read(cache) as opened:
        before = len(opened)

    def predict(folder: Path) -> int:
        bundle, new = load(model), pipeline.find_photographs([str(folder)])
        start.wait()
        return sum(p.verdict is not None for p in pipeline.predict(bundle, new, cache))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(predict, folders)) == [3] * 6
    with Cache.read(cache) as opened:
        assert len(opened) >= before + 18


def test_the_same_new_photographs_at_once(
    cache: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Toy
) -> None:
    """What waited for its turn finds rows that another wrote, and not those it knew at first."""
    monkeypatch.setattr(lock, "_patience", 60.0)
    monkeypatch.setattr(toy, "pause", 0.2)
    folder = write_parts(tmp_path / "new", 2, first=900)
    start = threading.Barrier(3)

    def predict(_: int) -> list[float | None]:
        bundle, new = load(model), pipeline.find_photographs([str(folder)])
        start.wait()
        return [one.probability for one in pipeline.predict(bundle, new, cache)]

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(predict, range(3))
    assert None not in first
    assert others == [first] * 2
    with Cache.read(cache) as opened:
        assert len(opened) == 72 + 6
