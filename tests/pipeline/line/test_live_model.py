"""A model in memory judges as `predict` does, without a file, and its rows can be kept."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import load, write_parts

import pipeline
from features.cache.cache import Cache
from features.cache.lock import writing
from features.errors import CacheBusyError, DriftError
from pipeline.line import kept_rows
from pipeline.line.kept_rows import RowKeeper, keep_rows
from pipeline.line.live_model import BATCH, Decoded, LiveModel
from pipeline.model.part_predictions import predict_parts


@pytest.fixture(scope="module")
def live(line: Path) -> LiveModel:
    return LiveModel(load(line / "model"))


@pytest.fixture
def cache(line: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(line / "features.h5", tmp_path))


def decode(live: LiveModel, folder: Path) -> list[Decoded]:
    return [live.decode(file.name, file.read_bytes()) for file in sorted(folder.rglob("*.png"))]


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH + 2])
def test_verdicts_are_those_of_predict(live: LiveModel, tmp_path: Path, count: int) -> None:
    """Photograph by photograph, and of parts, whatever the batch."""
    new = write_parts(tmp_path / "new", parts=4, first=100)
    files = sorted(new.rglob("*.png"))[:count]
    predicted = live.predict_photographs(
        [live.decode(file.name, file.read_bytes()) for file in files]
    )
    asked = pipeline.find_photographs([str(file) for file in files])
    expected = pipeline.predict(live.bundle, asked, None)
    for mine, theirs in zip(predicted, expected, strict=True):
        assert mine.prediction.verdict == theirs.verdict
        assert mine.prediction.probability == pytest.approx(theirs.probability, abs=1e-6)
        assert mine.prediction.strangeness == pytest.approx(theirs.strangeness, abs=1e-5)
        assert mine.prediction.said == theirs.said
        assert mine.prediction.truth is None
    named = [replace(one.prediction, part="p") for one in predicted]
    (part,) = predict_parts(live.bundle, named)
    assert len(part.photographs) == count


def test_heatmaps_are_those_of_explain(live: LiveModel, tmp_path: Path) -> None:
    """A model on the map has the heatmaps that `predict --heatmaps` draws."""
    new = write_parts(tmp_path / "new", parts=1, first=99)
    asked = pipeline.find_photographs([str(new)])
    expected = pipeline.predict(live.bundle, asked, None, explain=pipeline.explain)
    predicted = live.predict_photographs(decode(live, new))
    for mine, theirs in zip(predicted, expected, strict=True):
        assert mine.prediction.cells is not None
        assert theirs.cells is not None
        np.testing.assert_allclose(mine.prediction.cells, theirs.cells, atol=1e-5)


def test_what_cannot_be_read_has_its_reason(live: LiveModel, tmp_path: Path) -> None:
    """Beside others, which are judged."""
    good = decode(live, write_parts(tmp_path / "new", parts=1, first=99))
    bad = live.decode("x", b"nothing")
    first, second, *_ = live.predict_photographs([bad, *good])
    assert first.prediction.verdict is None
    assert first.prediction.error
    assert first.rows is None
    assert second.prediction.verdict is not None


def test_the_nearest_training_photographs(live: LiveModel, line: Path) -> None:
    """One it learned from is nearest to itself and said to be known; each part stands once."""
    entries = {entry["path"]: entry for entry in live.bundle.split() if entry["side"] == "train"}
    path = sorted(entries)[0]
    predicted = live.predict_photographs([live.decode(path, (line / "data" / path).read_bytes())])[
        0
    ]
    found = live.neighbours(predicted.look)
    assert predicted.prediction.trained_on
    assert (found[0].path, found[0].digest) == (path, predicted.digest)
    assert found[0].distance == pytest.approx(0, abs=1e-5)
    groups = [entries[one.path]["group"] for one in found]
    assert len(set(groups)) == len(groups) == 4
    assert live.neighbours(None) == []


def test_a_backbone_that_moved_is_refused(live: LiveModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn picture has to give the row that it gave when the model was made."""
    import toy

    real = toy.ToyBackbone.run
    monkeypatch.setattr(toy.ToyBackbone, "run", lambda self, pixels: real(self, pixels) * 1.05)
    with pytest.raises(DriftError, match="no longer gives"):
        LiveModel(live.bundle)


def test_rows_are_kept_once_and_as_extract_makes_them(
    live: LiveModel, cache: Path, tmp_path: Path
) -> None:
    """The cache knows them afterwards, and `predict` computes nothing."""
    new = write_parts(tmp_path / "new", parts=2, first=100)
    predicted = live.predict_photographs(decode(live, new))
    with Cache.read(cache) as before:
        rows = len(before)
    assert keep_rows(cache, live, [*predicted, predicted[0]]) == 6
    assert keep_rows(cache, live, predicted) == 0
    with Cache.read(cache) as now:
        assert len(now) == rows + 6
        assert predicted[0].rows is not None
        np.testing.assert_array_equal(
            now.take(np.array([now.find(predicted[0].digest)]))[0], predicted[0].rows[0]
        )
    found = pipeline.predict(live.bundle, pipeline.find_photographs([str(new)]), cache)
    assert found[0].probability == pytest.approx(predicted[0].prediction.probability, abs=1e-9)


def test_a_keeper_keeps_so_many_and_waits_for_others(
    live: LiveModel, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more in an hour than was said; a busy cache is tried again; the end writes the rest."""
    predicted = live.predict_photographs(
        decode(live, write_parts(tmp_path / "new", parts=3, first=100))
    )
    monkeypatch.setattr(kept_rows, "_EVERY", 3600.0)  # the end does not wait for its next turn
    keeper = RowKeeper(cache, per_hour=4)
    with writing(cache):
        with pytest.raises(CacheBusyError):
            keep_rows(cache, live, predicted)
        keeper.offer(live, predicted)
        keeper.flush()
    assert keeper.left_out == 5
    keeper.close()
    with Cache.read(cache) as now:
        assert sum(now.find(one.digest) >= 0 for one in predicted) == 4


def test_two_who_write_what_waits_take_turns(
    live: LiveModel, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper's own thread and a measurement of drift: neither finds a row taken away."""
    predicted = live.predict_photographs(decode(live, write_parts(tmp_path / "new", parts=1)))
    monkeypatch.setattr(kept_rows, "keep_rows", lambda *_: time.sleep(0.1))
    keeper = RowKeeper(cache)
    keeper.offer(live, predicted)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(keeper.flush) for _ in range(2)]
    assert [one.result() for one in both] == [None, None]
    keeper.close()


def test_requests_at_once_start_one_thread(
    live: LiveModel, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end waits for the one that it knows."""
    predicted = live.predict_photographs(decode(live, write_parts(tmp_path / "new", parts=1)))
    begun: list[str] = []

    class Slow(threading.Thread):
        def __init__(self, **named: Any) -> None:
            super().__init__(**named)
            begun.append(self.name)
            time.sleep(0.1)

    keeper = RowKeeper(cache)
    offers = [threading.Thread(target=keeper.offer, args=(live, predicted)) for _ in range(2)]
    monkeypatch.setattr(kept_rows.threading, "Thread", Slow)
    for offer in offers:
        offer.start()
    for offer in offers:
        offer.join()
    keeper.close()
    assert begun == ["row keeper"]


def test_pictures_of_a_photograph_go_through_at_once(
    live: LiveModel, toy: type, tmp_path: Path
) -> None:
    """One photograph costs one call of the backbone, and so do four."""
    photographs = decode(live, write_parts(tmp_path / "new", parts=2, first=100))
    live.warm()
    toy.reset()
    live.predict_photographs(photographs[:1])
    live.predict_photographs(photographs[:BATCH])
    assert toy.calls == 2
    assert toy.loads == 0
