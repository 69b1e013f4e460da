"""features.cache.shards: a folder of ordinary caches opens as one, or is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from toy import toy_settings, write_folder

from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.maintenance import collect, merge, verify
from features.cache.new_cache import copy_rows, new_cache_like
from features.cache.probe_row import keep_probe, read_probe
from features.cache.shards import (
    MANIFEST,
    TABLE,
    Manifest,
    Shard,
    ShardedCache,
    open_cache,
    size_of,
)
from features.cache.thumbnail_table import thumbnails_of
from features.errors import CacheError
from features.extract import extract
from features.extract_outcome import RunOptions
from pipeline.data.folder import scan_folder


def cut(cache_path: Path, folder: Path, pieces: int = 3) -> Path:
    """Make a folder of shards of one cache, as `extract --cluster` lays it out."""
    folder.mkdir()
    with Cache.read(cache_path) as whole:
        shards = []
        for rows in np.array_split(np.arange(len(whole)), pieces):
            with new_cache_like(folder / "new.h5", whole) as target:
                copy_rows(whole, rows.tolist(), target)
            with Cache.read(folder / "new.h5") as made:
                shards.append(Shard.of(made))
            (folder / "new.h5").rename(folder / shards[-1].file)
        with writing(folder / TABLE):
            fields, width, dtype = whole.fields, whole.cached_width, whole.dtype
            with Cache.write(folder / TABLE, fields, width, dtype) as table:
                probe = read_probe(whole)
                if probe is not None:
                    keep_probe(table, probe)
                rows = [row._replace(row=-1) for row in whole.table_rows]
                table.replace_table(rows, whole.note, own=True)
                table.commit()
        Manifest(whole.fingerprint, tuple(shards)).write(folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whole")
    folder = write_folder(place / "data", {"Healthy": 9, "defects": 6})
    photographs, path = scan_folder(folder).photographs, place / "features.h5"
    extract(photographs, toy_settings(), path, RunOptions(batch_size=4), note={"root": str(folder)})
    return path


@pytest.fixture
def shards(whole: Path, tmp_path: Path) -> Path:
    return cut(whole, tmp_path / "features")


def test_the_folder_is_the_cache_that_its_shards_were(whole: Path, shards: Path) -> None:
    """Rows, table, note, thumbnails: all as of the one file, whatever the order asked for."""
    with Cache.read(whole) as one, open_cache(shards) as many:
        assert isinstance(many, ShardedCache)
        assert many.keys == one.keys
        assert many.table_rows == one.table_rows
        assert (many.note, many.fields, many.own) == (one.note, one.fields, True)
        assert many.cached_width, many.dtype == (one.cached_width, one.dtype)
        order = np.random.default_rng(0).permutation(len(one))
        assert many.take(order).tobytes() == one.take(order).tobytes()
        assert many.take(order, slice(3, 9)).tobytes() == one.take(order, slice(3, 9)).tobytes()
        for mine, theirs in zip(thumbnails_of(many), thumbnails_of(one), strict=True):
            assert mine.tobytes() == theirs.tobytes()
    assert size_of(shards) > size_of(whole)


def test_few_shards_are_open_at_once(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many shards the one that was not used for longest is closed, and opened again."""
    monkeypatch.setattr("features.cache.shards._MOST_OPEN", 1)
    with open_cache(shards) as cache:
        rows = cache.take(range(len(cache)))
        assert isinstance(cache, ShardedCache)
        assert len(cache._opened) == 1
        assert np.array_equal(cache.take([14, 0, 7]), rows[[14, 0, 7]])


def test_a_missing_or_foreign_shard_is_refused_by_its_name(shards: Path) -> None:
    """Nothing is read as zeros; the line says which file, and what to do."""
    first, second = sorted(shards.glob("shard-*.h5"))[:2]
    kept = first.read_bytes()
    first.unlink()
    with pytest.raises(CacheError, match=f"{first.name} is missing; copy it"):
        open_cache(shards)
    assert [first.name in fault for fault in verify(shards).faults] == [True]
    shutil.copy(second, first)
    with pytest.raises(CacheError, match=f"{first.name} has other rows than"):
        open_cache(shards)
    first.write_bytes(kept)
    assert verify(shards, full=True).sound


def test_a_file_that_goes_between_two_looks_is_said_to_be_missing(
    shards: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told to make a shard with `extract DATA`, nor shown an error of the system."""
    size, first = size_of(shards), min(shards.glob("shard-*.h5"))
    gone, look = first.stat().st_size, Path.exists

    def goes(path: Path, **more: bool) -> bool:
        """Answer as things were a moment before another process removed the file."""
        there = look(path, **more)
        if path == first:
            path.unlink(missing_ok=True)
        return there

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", goes)
        assert size_of(shards) == size  # nobody asks first
    read = Cache.read

    def too_late(path: Path) -> Cache:
        if path == first:
            path.unlink()
        return read(path)

    monkeypatch.setattr(Cache, "read", too_late)
    with pytest.raises(CacheError, match=f"{first.name} is missing; copy it"):
        open_cache(shards)
    assert size_of(shards) == size - gone
    with pytest.raises(CacheError, match="was moved or removed meanwhile"):
        size_of(whole.with_name("other.h5"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"onepass_shards": 9}, "revision 9"),
        ({"shards": [{"file": "../../etc/passwd", "rows": 1, "digest": ""}]}, "passwd"),
        ({"shards": 7}, "cannot be used"),
        ({"fingerprint": "0" * 64}, "other settings"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    shards: Path, change: dict[str, object], said: str
) -> None:
    """Another revision, a way out of the folder, another form, other settings."""
    record = json.loads((shards / MANIFEST).read_text()) | change
    (shards / MANIFEST).write_text(json.dumps(record))
    with pytest.raises(CacheError, match=said):
        open_cache(shards)


def test_damage_is_found_and_named(shards: Path) -> None:
    """A flipped bit in one row: --full names its file."""
    with open_cache(shards) as cache:
        row = cache.take([6]).tobytes()
    file = next(f for f in shards.glob("shard-*.h5") if row in f.read_bytes())
    data = bytearray(file.read_bytes())
    data[data.index(row)] ^= 1
    file.write_bytes(data)
    assert verify(shards).sound
    (fault,) = verify(shards, full=True).faults
    assert fault.startswith(f"1 rows of {file} are damaged")


def test_what_would_write_to_a_folder_of_shards_says_so(
    shards: Path, whole: Path, tmp_path: Path
) -> None:
    """Neither gc nor extract without a cluster; merge makes one file of it."""
    for apply in (False, True):
        with pytest.raises(CacheError, match="folder of shards, which never change"):
            collect(shards, apply=apply)
    with (
        open_cache(shards) as cache,
        pytest.raises(CacheError, match="extract DATA --cluster"),
    ):
        cache.commit()
    done = merge(shards, whole, tmp_path / "one.h5")
    assert (done.first, done.second, done.both) == (15, 0, 15)
    with Cache.read(tmp_path / "one.h5") as one, Cache.read(whole) as before:
        assert one.take(range(15)).tobytes() == before.take(range(15)).tobytes()


def test_every_command_takes_the_folder(run: Run, cache: Path, tmp_path: Path) -> None:
    """Same tables as of the one file: compare-heads, info, verify, groups."""
    cut(cache, tmp_path / "features")
    heads = ("compare-heads", "--heads", "knn", "--repeats", "1", "--folds", "2", "--jobs", "1")
    assert run(*heads, "--cache", "features.h5", "--out", "one")[0] == 0
    assert run(*heads, "--cache", "features", "--out", "many")[0] == 0
    one, many = (tmp_path / out / "comparison.csv" for out in ("one", "many"))
    assert without_seconds(one) == without_seconds(many)
    code, out, _ = run("cache", "verify", "features", "--full")
    assert code == 0
    assert "features: sound" in out
    assert run("info", "features")[0] == 0
    assert run("groups", "--cache", "features", "--sheets", "0")[0] == 0
    code, _, err = run("extract", "data", "--cache", "features")
    assert code == 1
    assert "only extract --cluster adds to it" in err


def without_seconds(table: Path) -> list[dict[str, str]]:
    import csv

    with table.open(encoding="utf-8-sig") as file:
        return [
            {name: value for name, value in row.items() if "seconds" not in name}
            for row in csv.DictReader(file)
        ]
