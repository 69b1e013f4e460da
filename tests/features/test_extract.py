"""features.extract: every photograph is looked at once, ever."""

from __future__ import annotations

import dataclasses
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import ToyBackbone, photograph, toy_settings, write_folder

from features.cache.cache import Cache
from features.cache.lock import writing
from features.errors import (
    CacheBusyError,
    CacheError,
    FingerprintError,
    TooManyFailuresError,
    WeightsError,
)
from features.extract import extract
from features.extract_outcome import Extraction, RunOptions, identify
from features.photographs.file import Photograph
from pipeline.data.folder import scan_folder
from torture import toys
from torture.children import Nursery

Toy = type[ToyBackbone]


def sync(folder: Path, cache: Path, **options: Any) -> Extraction:
    settings = options.pop("settings", None) or toy_settings()
    photographs = scan_folder(folder).photographs
    options.setdefault("note", {"root": str(folder)})
    names = {field.name for field in dataclasses.fields(RunOptions)} & set(options)
    run = RunOptions(**{"batch_size": 4, **{name: options.pop(name) for name in names}})
    return extract(photographs, settings, cache, run, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", {"Healthy": 9, "defects": 6})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "features.h5"


def test_rows_are_what_the_backbone_gives(folder: Path, cache: Path, toy: Toy) -> None:
    """Each sample's row is the backbone's output for this photograph, in full batches."""
    result = sync(folder, cache)
    assert (result.extracted, result.reused, len(result.failed)) == (15, 0, 0)
    assert toy.calls == 4
    with Cache.read(cache) as opened:
        for table_row in opened.table_rows:
            from features.photographs.decode import decode
            from features.photographs.recipe import RECIPES

            pixels = decode((folder / table_row.path).read_bytes(), RECIPES["imagenet"])
            expected = ToyBackbone(None, batch_size=1).run(pixels[None])[0]
            assert np.array_equal(opened.take([table_row.row])[0], expected)


def test_an_unchanged_folder_costs_nothing(folder: Path, cache: Path, toy: Toy) -> None:
    """The second run neither runs nor loads the backbone."""
    sync(folder, cache)
    toy.reset()
    result = sync(folder, cache)
    assert (result.extracted, result.reused) == (0, 15)
    assert (toy.calls, toy.loads) == (0, 0)


def test_unchanged_files_are_not_even_read(
    folder: Path, cache: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files with the size and times of the last run are not opened again."""
    past = time.time() - 3600
    for file in folder.rglob("*.png"):
        os.utime(file, (past, past))
    monkeypatch.setattr("features.cache.sample_table._TICK_NS", 10**7)
    time.sleep(0.05)  # a change time within one tick of the hashing is not trusted
    sync(folder, cache)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail(f"read {self}"))
    assert sync(folder, cache).reused == 15


def test_rename_move_relabel_and_copy_cost_nothing(folder: Path, cache: Path, toy: Toy) -> None:
    """A photograph is known by its bytes, whatever it is called and wherever it lies."""
    sync(folder, cache)
    toy.reset()
    files = sorted((folder / "Healthy").iterdir())
    files[0].rename(files[0].with_name("new name.png"))
    files[1].rename(folder / "defects" / "relabelled.png")
    (folder / "Healthy" / "deep" / "er").mkdir(parents=True)
    files[2].rename(folder / "Healthy" / "deep" / "er" / "moved.png")
    (folder / "defects" / "copy.png").write_bytes(files[3].read_bytes())
    result = sync(folder, cache)
    assert (result.extracted, result.reused, toy.loads) == (0, 16, 0)
    labels = {s.path: s.label for s in result.table_rows}
    assert labels["defects/relabelled.png"] == "defects"
    rows = {s.path: s.row for s in result.table_rows}
    assert rows["defects/copy.png"] == rows[f"Healthy/{files[3].name}"]


def test_changed_bytes_are_looked_at_again_and_removed_ones_leave(
    folder: Path, cache: Path, toy: Toy
) -> None:
    """New content under an old name is extracted; a removed photograph leaves the table."""
    sync(folder, cache)
    toy.reset()
    files = sorted((folder / "Healthy").iterdir())
    files[0].write_bytes(photograph(777))
    files[1].unlink()
    result = sync(folder, cache)
    assert (result.extracted, toy.photographs) == (1, 1)
    with Cache.read(cache) as opened:
        assert len(opened.table_rows) == 14
        assert f"Healthy/{files[1].name}" not in {s.path for s in opened.table_rows}


def test_a_changed_file_with_restored_times_is_noticed(
    folder: Path, cache: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size and modification time, other bytes: the change time gives it away."""
    target = sorted((folder / "Healthy").iterdir())[0]
    stat = target.stat()
    monkeypatch.setattr("features.cache.sample_table._TICK_NS", 10**7)
    time.sleep(0.05)
    sync(folder, cache)
    data = bytearray(target.read_bytes())
    data[-1] ^= 1
    target.write_bytes(data)
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    before = Cache.read(cache).table_rows[0].digest
    result = sync(folder, cache, max_failures=1.0)
    assert result.table_rows[0].digest != before


def test_copies_are_computed_once(tmp_path: Path, cache: Path, toy: Toy) -> None:
    """Twenty copies of one new photograph cost one."""
    (tmp_path / "data" / "A").mkdir(parents=True)
    for number in range(20):
        (tmp_path / "data" / "A" / f"{number}.png").write_bytes(photograph(1))
    result = sync(tmp_path / "data", cache)
    assert (result.extracted, result.reused, toy.photographs) == (1, 19, 1)


def test_unreadable_photographs_are_reported_never_replaced(
    folder: Path, cache: Path, toy: Toy
) -> None:
    """A broken file has a reason and no row; its copy has the same; the others are there."""
    for name in ("broken.jpg", "its copy.jpg"):
        (folder / "defects" / name).write_bytes(photograph(1, kind="JPEG")[:150])
    (folder / "Healthy" / "empty.png").write_bytes(b"")
    result = sync(folder, cache, max_failures=0.5)
    reasons = {Path(s.path).name: s.reason for s in result.failed}
    assert set(reasons) == {"broken.jpg", "its copy.jpg", "empty.png"}
    assert reasons["broken.jpg"] == reasons["its copy.jpg"]
    assert reasons["empty.png"] == "the file is empty"
    assert result.extracted == 15
    with Cache.read(cache) as opened:
        assert len(opened) == 15


def test_too_many_failures_stop_and_keep_what_was_done(folder: Path, cache: Path, toy: Toy) -> None:
    """Above the failure rate the run stops with the reasons; rows made so far stay."""
    for number in range(3):
        (folder / "defects" / f"z{number}.png").write_bytes(b"broken")
    with pytest.raises(TooManyFailuresError, match=r"3 of 18 .* 10 % .*z0.png: not a photograph"):
        sync(folder, cache)
    with Cache.read(cache) as opened:
        assert len(opened) >= 12
        assert opened.table_rows == []
    assert sync(folder, cache, max_failures=0.2).extracted <= 3


def test_all_bad_input_is_an_error(tmp_path: Path, cache: Path, toy: Toy) -> None:
    """Where nothing at all can be read there is no empty success, whatever share is allowed."""
    (tmp_path / "data" / "A").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "data" / "A" / f"{number}.png").write_bytes(bytes([number]))
    with pytest.raises(TooManyFailuresError, match="none of 4 photographs can be read"):
        sync(tmp_path / "data", cache, max_failures=1.0)


def test_pipes_and_devices_are_never_read(tmp_path: Path, cache: Path, toy: Toy) -> None:
    """A named pipe would block for ever, and a device never ends: each is a reason at once."""
    os.mkfifo(tmp_path / "pipe.png")
    named = [Photograph(tmp_path / "pipe.png", "pipe.png"), Photograph(Path("/dev/zero"), "zero")]
    result = extract(named, toy_settings(), cache, RunOptions(max_failures=1.0))
    assert [table_row.reason for table_row in result.table_rows] == ["it is no regular file"] * 2


def test_predictions_leave_the_sample_table_alone(folder: Path, cache: Path, toy: Toy) -> None:
    """Without `dataset` rows are added and the folder's table stays."""
    sync(folder, cache)
    extra = folder.parent / "new.png"
    extra.write_bytes(photograph(99))
    result = extract([Photograph(extra, "new.png")], toy_settings(), cache, note=None)
    assert result.extracted == 1
    with Cache.read(cache) as opened:
        assert len(opened.table_rows) == 15
        assert len(opened) == 16


def test_a_run_that_failed_at_once_does_not_bind_the_next(
    folder: Path, cache: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that cannot be loaded leave a cache without rows, which other settings replace."""

    def broken(*_: object, **__: object) -> None:
        raise WeightsError("no weights file")

    with monkeypatch.context() as patched:
        patched.setattr(ToyBackbone, "__init__", broken)
        with pytest.raises(WeightsError):
            sync(folder, cache, settings=toy_settings(recipe="docs"))
    assert sync(folder, cache).extracted == 15
    with pytest.raises(FingerprintError):  # with rows it stays
        sync(folder, cache, settings=toy_settings(recipe="docs"))


def test_other_settings_are_refused_before_any_work(folder: Path, cache: Path, toy: Toy) -> None:
    """A cache of one recipe does not take rows of another."""
    sync(folder, cache)
    toy.reset()
    with pytest.raises(FingerprintError, match="recipe imagenet in the cache, docs asked for"):
        sync(folder, cache, settings=toy_settings(recipe="docs"))
    assert toy.loads == 0


def test_one_photograph_is_a_batch_of_one(
    tmp_path: Path, cache: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backbone is built for no larger batch than there are photographs."""
    sizes = []
    real = ToyBackbone.__init__

    def init(self: ToyBackbone, path: Path | None, **settings: object) -> None:
        sizes.append(settings["batch_size"])
        real(self, path, **settings)

    monkeypatch.setattr(ToyBackbone, "__init__", init)
    (tmp_path / "one.png").write_bytes(photograph(1))
    extract(
        [Photograph(tmp_path / "one.png", "one.png")],
        toy_settings(),
        cache,
        RunOptions(batch_size=32),
    )
    assert sizes == [1]


def test_progress_counts_every_photograph_once(folder: Path, cache: Path, toy: Toy) -> None:
    """Progress rises by what is done and ends at the total, also for copies and failures."""
    (folder / "defects" / "bad.png").write_bytes(b"x")
    seen: list[tuple[int, int]] = []
    sync(folder, cache, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0] == (0, 16)
    assert seen[-1] == (16, 16)


def test_two_writers_at_once(folder: Path, cache: Path, toy: Toy) -> None:
    """The second says who holds the cache; once it is free, it works."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with writing(cache):
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with (
        pytest.raises(CacheBusyError, match=rf"being written by process {os.getpid()} on .* \(for"),
        writing(cache, wait=0.1),
    ):
        pass
    release.set()
    thread.join()
    assert sync(folder, cache).extracted == 15


def test_a_full_disk_loses_nothing(
    folder: Path, cache: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills up in the middle: one clear error, and all committed rows stay."""
    from features.cache import journal

    real, calls = journal.write_journal, 0

    def full(path: Path, entry: object, mode: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(28, "No space left on device")
        real(path, entry, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(journal, "write_journal", full)
    with pytest.raises(
        CacheError, match=r"No space left on device\); the 8 rows .* are safe: free"
    ):
        sync(folder, cache)
    monkeypatch.undo()
    with Cache.read(cache) as opened:
        assert len(opened) == 8
    assert sync(folder, cache).extracted == 7


def test_interrupt_keeps_what_was_computed(folder: Path, cache: Path, toy: Toy) -> None:
    """Ctrl-C commits the batches that were computed; the next run goes on from there."""

    def interrupt(done: int, total: int) -> None:
        if done >= 8 and toy.calls < 4:
            raise KeyboardInterrupt

    real = ToyBackbone.run

    def run(self: ToyBackbone, pixels: np.ndarray) -> np.ndarray:
        if ToyBackbone.calls == 2:
            raise KeyboardInterrupt
        return real(self, pixels)

    ToyBackbone.run = run  # type: ignore[method-assign]
    try:
        with pytest.raises(KeyboardInterrupt):
            sync(folder, cache, progress=interrupt)
    finally:
        ToyBackbone.run = real  # type: ignore[method-assign]
    toy.reset()
    assert sync(folder, cache).extracted == 7


def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    """SIGKILL at 50 random moments loses nothing.

    Every cache opens, what was committed stays, and the finished cache equals that of an
    uninterrupted run. (`python -m torture crashes` also kills the decoders' parent, and other
    commands.)
    """
    folder, whole = toys.write_folder(tmp_path / "data", 200), tmp_path / "whole.h5"
    rng = random.Random(5)
    killed, caches, kept = 0, 1, 0
    with Nursery(["torture.tasks"]) as nursery:

        def run(path: Path, kill_after: float | None = None) -> str:
            places = {"folder": str(folder), "cache": str(path)}
            return nursery.run(
                "torture.tasks:extract_folder", kill_after=kill_after, **places, pause=0.004,
                here=True,
            ).how  # fmt: skip

        assert run(whole) == "done"
        truth = toys.truth_of(whole)
        while killed < 50 and caches < 50:
            path = tmp_path / f"k{caches}.h5"
            killed += run(path, rng.uniform(0, 0.25)) == "killed"
            if path.exists():
                rows, wrong = toys.wrong_rows(path, truth)
                assert rows >= kept
                assert not wrong
                kept = rows
            if kept == 200:  # finished, as far as rows go: compare, and begin another
                assert run(path) == "done"
                same_rows(path, whole)
                caches, kept = caches + 1, 0
        assert killed == 50
        assert run(path) == "done"
    same_rows(path, whole)


def same_rows(one: Path, other: Path) -> None:
    """Both caches hold the same rows for the same photographs, bit for bit."""
    with Cache.read(one) as a, Cache.read(other) as b:
        assert [s.path for s in a.table_rows] == [s.path for s in b.table_rows]
        assert len(a) == len(b) == 200
        assert np.array_equal(
            a.take([s.row for s in a.table_rows]), b.take([s.row for s in b.table_rows])
        )


def test_rehash_finds_a_change_that_left_no_trace(
    folder: Path, cache: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size and times as before (tmpfs, a memory map): only reading the file again tells."""
    monkeypatch.setattr(sys.modules[identify.__module__], "is_unchanged", lambda *_: True)
    sync(folder, cache)
    file = next(folder.rglob("*.png"))
    file.write_bytes(photograph(999))
    assert sync(folder, cache).extracted == 0
    assert sync(folder, cache, rehash=True).extracted == 1
