"""features.cache.repair: what is sound stays, what is not is named, extract fills it in again."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from caches import FIELDS, WIDTH, digest, fill_whole, holds, row, table_row
from toy import ToyBackbone, toy_settings, write_folder

from features.cache.cache import Cache
from features.cache.journal import JournaledFile
from features.cache.maintenance import verify
from features.cache.repair import repair
from features.errors import CacheError, OutputError
from features.extract import extract
from features.extract_outcome import RunOptions
from pipeline.data.folder import scan_folder
from pipeline.terminal import cache as text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """600 rows: three chunks of keys."""
    fill_whole(tmp_path / "c.h5", 600, 500)
    return tmp_path / "c.h5"


def flip(path: Path, what: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(what) + 2] ^= 1
    path.write_bytes(data)


def test_a_sound_cache_is_left_alone(path: Path) -> None:
    """Nothing is written, and nothing kept as a backup."""
    before = path.read_bytes()
    done = repair(path)
    assert not done.changed
    assert path.read_bytes() == before
    assert "sound, nothing was changed (600 rows)" in text.repaired(done)


def test_damaged_rows_are_dropped_and_named(path: Path) -> None:
    """All others stay, the table says which photographs lack theirs, the old file is kept."""
    for number in (7, 8, 550):
        flip(path, row(number).tobytes())
    damaged = path.read_bytes()
    done = repair(path)
    assert (done.rows, done.dropped) == (597, [7, 8, 550])
    assert done.photographs == ["A/7.png", "A/8.png"]
    assert done.backup == path.with_name("c.h5.damaged-1")
    assert done.backup.read_bytes() == damaged
    found = verify(path, full=True)
    assert found.sound
    assert found.remarks[0].startswith("2 photographs have no row, such as A/7.png: its row was")
    with Cache.read(path) as cache:
        kept = [n for n in range(600) if n not in (7, 8, 550)]
        found = cache.take(cache.rows_of([digest(n) for n in kept]))
        assert np.array_equal(found, np.stack([row(n) for n in kept]))
        assert [s.path for s in cache.table_rows if s.row < 0] == ["A/7.png", "A/8.png"]
        assert "run extract" in cache.table_rows[7].reason
    said = text.repaired(done)
    assert "dropped 3 damaged rows: 7, 8, 550" in said
    assert "of photograph A/8.png" in said


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_of_no_numbers_is_named_and_dropped(tmp_path: Path, dtype: str) -> None:
    """Forged with its checksum: whoever reads it says whose it is, and what to do."""
    path = tmp_path / "c.h5"
    rows = np.stack([row(n) for n in range(3)])
    rows[1, 5] = np.nan if dtype == "float32" else np.inf
    with Cache.write(path, FIELDS, WIDTH, dtype) as cache:
        cache.append([digest(n) for n in range(3)], rows)
        cache.replace_table([table_row(f"A/{n}.png", n, n) for n in range(3)], {"root": "r"})
        cache.commit()
    with Cache.read(path) as cache:
        np.testing.assert_array_equal(cache.take([2, 0]), rows[[2, 0]].astype(dtype))
        said = r"c\.h5: row 1, of A/1\.png, .* no finite numbers.*; run: cache repair \S*c\.h5"
        with pytest.raises(CacheError, match=said):
            cache.take([0, 1, 2])
    assert verify(path, full=True).damaged == [1]
    assert repair(path).rows == 2
    assert verify(path, full=True).damaged == []


def test_a_disk_that_fails_once_costs_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever read it is that fails: an error and no change, or all sound rows are kept.

    The first and the last read of each place in our code; `python -m torture faults` fails them
    all.
    """
    path, kept, at = tmp_path / "c.h5", 0, 0
    fill_whole(path, 6, 6)
    flip(path, row(2).tobytes())
    damaged, read = path.read_bytes(), JournaledFile._read_base
    places: list[tuple[str, ...]] = []

    def failing(self: JournaledFile, view: memoryview, start: int) -> None:
        places.append(place_of_a_read())
        if len(places) == at:
            raise OSError(errno.EIO, "Input/output error")
        read(self, view, start)

    monkeypatch.setattr(JournaledFile, "_read_base", failing)
    repair(path, backup=False)
    numbers = range(1, len(places) + 1)
    first = dict(zip(reversed(places), reversed(numbers), strict=True))
    last = dict(zip(places, numbers, strict=True))
    assert len(first) > 30
    for at in sorted({*first.values(), *last.values()}):  # noqa: B007 - `failing` reads it
        path.write_bytes(damaged)
        places.clear()
        try:
            done = repair(path, backup=False)
        except (CacheError, OutputError):
            assert path.read_bytes() == damaged
            continue
        assert done.rows == 5
        kept += 1
    assert kept > 10


def place_of_a_read() -> tuple[str, ...]:
    """Name the functions and lines of ours that ask for it."""
    frame, place = sys._getframe(1), []
    while frame is not None:
        if frame.f_globals["__name__"].startswith("features."):
            place.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return tuple(place)


def test_damaged_keys_cost_their_chunk_alone(path: Path) -> None:
    """256 keys lie under one checksum; the other rows stay."""
    flip(path, digest(300).encode())
    done = repair(path, backup=False)
    assert done.dropped == list(range(256, 512))
    assert done.backup is None
    assert verify(path, full=True).sound


def test_a_damaged_table_costs_no_row(path: Path) -> None:
    """The table of photographs goes, as extract makes it anew; settings stay."""
    flip(path, b"A/7.png")
    done = repair(path)
    assert (done.rows, done.dropped, done.lost) == (600, [], ["the table of photographs"])
    assert holds(path, range(600))
    with Cache.read(path) as cache:
        assert cache.table_rows == []
        assert cache.note == {"root": "r", "weights": "w"}


def test_a_damaged_header_costs_nothing(path: Path) -> None:
    """The header is made anew."""
    flip(path, b"onepass cache 2")
    assert repair(path).lost == ["the header"]
    assert holds(path, range(600))


def test_a_file_that_lost_its_end_keeps_the_rows_before(path: Path) -> None:
    """A copy that was cut off is refused as it is; what is there of it can be kept."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CacheError, match="cut off"):
        Cache.read(path)
    done = repair(path)
    assert done.rows > 100
    assert done.rows + len(done.dropped) == 600
    assert verify(path, full=True).sound


def test_a_journal_that_waits_is_finished_or_kept(path: Path) -> None:
    """Whatever lay in the journal of the damaged file lies beside its backup."""
    flip(path, row(7).tobytes())
    path.with_name("c.h5.journal").write_bytes(b"half a journal")
    done = repair(path)
    assert done.backup is not None
    assert (done.backup.parent / "c.h5.damaged-1.journal").read_bytes() == b"half a journal"
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        assert len(cache) == 599


def test_backups_never_replace_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second gets the next number; where there are no second names, it is a copy."""
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "not here")))
    for number in (1, 2):
        flip(path, row(number).tobytes())
        assert repair(path).backup == path.with_name(f"c.h5.damaged-{number}")
    assert len(list(path.parent.glob("c.h5.damaged-*"))) == 2


@pytest.mark.parametrize("what", [b"\x89HDF", b'"precision"'])
def test_what_cannot_be_repaired_is_said(path: Path, what: bytes) -> None:
    """Where the file does not say what its rows are, it is left as it is."""
    flip(path, what)
    before = path.read_bytes()
    with pytest.raises(CacheError, match="cannot be repaired"):
        repair(path)
    assert path.read_bytes() == before
    assert not path.with_name("c.h5.damaged-1").exists()


def test_extract_fills_in_what_was_dropped(tmp_path: Path, toy: type[ToyBackbone]) -> None:
    """After a repair one extract makes the cache whole, and computes nothing else."""
    folder, cache = write_folder(tmp_path / "data", {"A": 20, "B": 10}), tmp_path / "f.h5"
    photographs = scan_folder(folder).photographs
    about = {"root": str(folder)}
    extract(photographs, toy_settings(), cache, RunOptions(batch_size=4), note=about)
    with Cache.read(cache) as opened:
        before = opened.take(range(30))
    for number in (4, 25):
        flip(cache, before[number].tobytes())
    assert len(repair(cache).dropped) == 2
    toy.reset()
    result = extract(photographs, toy_settings(), cache, RunOptions(batch_size=4), note=about)
    assert (result.extracted, toy.photographs) == (2, 2)
    with Cache.read(cache) as opened:
        assert np.array_equal(opened.take([s.row for s in opened.table_rows]), before)
