"""HDF5 files that this account did not write: another process meets them first."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from caches import FIELDS, WIDTH, fill, fill_as_version_1, fill_whole, holds
from checkout import SHARED

from features import own_files
from features.backbones.weight_files import read_layers
from features.cache import hdf5_file, hdf5_process
from features.cache.cache import Cache
from features.cache.hdf5_process import ParserError, ask
from features.cache.maintenance import collect, verify
from features.cache.redo_log import SIZE
from features.cache.repair import repair
from features.errors import CacheError
from features.untrusted_files import UnsafeFileError

FILES = SHARED / "cases" / "files"


def unmark(path: Path) -> Path:
    """Take this account's mark from a cache: as if it came from another computer."""
    with path.open("r+b") as file:
        file.seek(SIZE)
        file.write(bytes(own_files.MARK))
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path | bytes]:
    """Say what was handed to another process."""
    found: list[Path | bytes] = []

    def note(function: str, source: Path | bytes) -> bytes:
        found.append(source)
        return ask(function, source)

    monkeypatch.setattr(hdf5_file, "ask", note)
    monkeypatch.setattr(hdf5_file, "_looked_at", set())
    return found


def test_own_caches_are_opened_at_once_and_others_looked_at_first(
    tmp_path: Path, asked: list[Path | bytes]
) -> None:
    """Only what bears no mark costs a process, once for each state of the file."""
    path = tmp_path / "c.h5"
    fill_whole(path, 20, 20)
    assert holds(path, range(20))
    assert asked == []
    unmark(path)
    for _ in range(2):
        assert holds(path, range(20))
    assert asked == [path]
    assert verify(path, full=True).sound


def test_a_strangers_cache_stays_one_whatever_writes_to_it(
    tmp_path: Path, asked: list[Path | bytes]
) -> None:
    """Predictions add rows, gc writes it anew: its root is still a stranger's; extract claims."""
    path = tmp_path / "c.h5"
    fill_whole(path, 20, 10)
    unmark(path)
    fill(path, range(20, 22))
    collect(path, apply=True)
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        assert not cache.own
        cache.replace_table(cache.table_rows, {"root": "r"}, own=True)
        cache.commit()
    asked.clear()
    with Cache.read(path) as cache:
        assert cache.own
    assert asked == []


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
def test_a_cache_that_goes_while_it_is_opened_is_read_or_refused(tmp_path: Path) -> None:
    """As a worker's file does that is whole and gets its name while another worker looks at it."""
    path = tmp_path / "c.h5"
    fill(path, range(3))
    file = hdf5_file.open_file(path, writable=False)
    path.unlink()
    with hdf5_file.open_hdf5(file) as h5:
        assert h5["features"].shape[1] == WIDTH
    fill(path, range(3))
    file = hdf5_file.open_file(unmark(path), writable=False)
    path.unlink()
    with pytest.raises(CacheError, match="was moved or removed while it was opened; run the same"):
        hdf5_file.open_hdf5(file)


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
def test_a_file_put_in_its_place_while_it_is_looked_at_vouches_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process goes by the name: what it found harmless is not the file that is open."""
    path, other = tmp_path / "c.h5", tmp_path / "other.h5"
    for one in (path, other):
        fill(one, range(3))
        unmark(one)

    def replaced(function: str, source: Path | bytes) -> bytes:
        other.replace(path)
        return ask(function, source)

    monkeypatch.setattr(hdf5_file, "ask", replaced)
    monkeypatch.setattr(hdf5_file, "_looked_at", set())
    file = hdf5_file.open_file(path, writable=False)
    with pytest.raises(CacheError, match="was moved or removed while it was opened; run the same"):
        hdf5_file.open_hdf5(file)
    assert not hdf5_file._looked_at


def test_a_mark_is_of_one_header(tmp_path: Path) -> None:
    """Taken over into another file, or made with another key, it is none."""
    one, two = tmp_path / "a.h5", tmp_path / "b.h5"
    fill(one, range(3))
    fill(two, range(3))
    taken = one.read_bytes()[SIZE : SIZE + own_files.MARK]
    data = bytearray(two.read_bytes())
    data[SIZE : SIZE + own_files.MARK] = taken
    two.write_bytes(data)
    with Cache.read(two) as cache:
        assert not cache.own


def test_without_a_place_for_the_key_all_files_are_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that cannot be written is no error."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "file"))
    path = tmp_path / "c.h5"
    fill(path, range(3))
    assert holds(path, range(3))
    with Cache.read(path) as cache:
        assert not cache.own


def test_caches_of_the_first_version_open_and_their_rows_are_read_first(
    tmp_path: Path, asked: list[Path | bytes]
) -> None:
    """Their index has no checksums: another process reads all of it."""
    path = tmp_path / "c.h5"
    fill_as_version_1(path, 30)
    assert holds(path, range(30))
    assert asked == [path]


@pytest.mark.parametrize("versions", [("latest", "latest"), ("v110", "v110")])
def test_a_format_that_no_cache_has_is_refused_unread(
    tmp_path: Path, versions: tuple[str, str]
) -> None:
    """HDF5 follows nothing in it."""
    path = tmp_path / "c.h5"
    with h5py.File(path, "w", userblock_size=512, libver=versions) as file:
        file["features"] = np.zeros((3, 4), np.float32)
    with pytest.raises(CacheError, match="superblock 3, which no cache has"):
        Cache.read(path)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("digest", np.array([b"d"] * 238, "S64"), "differ in length"),
        ("size", np.zeros((30, 2), np.int64), "differ in length"),
        ("size", np.array([b"7"] * 30), "of another type"),
        ("path", np.arange(30), "of another type"),
    ],
)
def test_a_table_of_unequal_columns_is_refused(
    tmp_path: Path, column: str, values: npt.NDArray[Any], reason: str
) -> None:
    """No seal guards the first version's table, and a shape is one byte of the file."""
    path = tmp_path / "c.h5"
    fill_as_version_1(path, 30)
    header = path.read_bytes()[:512]  # which HDF5 would not keep
    with h5py.File(path, "r+") as file:
        del file[f"samples/{column}"]
        file[f"samples/{column}"] = values
    with path.open("r+b") as changed:
        changed.write(header)
    with pytest.raises(CacheError, match=reason):
        Cache.read(path)
    assert not verify(path, full=True).sound


def test_mutated_caches_of_the_first_version_end_in_a_line(tmp_path: Path) -> None:
    """No checksums guard their index: whatever HDF5 does with it, this process goes on."""
    path, rng = tmp_path / "c.h5", np.random.default_rng(3)
    fill_as_version_1(path, 30)
    sound = path.read_bytes()
    for _ in range(12):
        data = bytearray(sound)
        for place in rng.integers(512, 9000, 40):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        verify(path, full=True)


@pytest.mark.skipif(not FILES.is_dir(), reason="needs the shared files")
@pytest.mark.parametrize("name", ["crash_cache_a.h5", "crash_cache_b.h5"])
def test_a_cache_that_crashes_the_parser_is_one_line(tmp_path: Path, name: str) -> None:
    """`cache verify --full` and `cache repair` say so, and live."""
    path = tmp_path / "c.h5"
    shutil.copyfile(FILES / name, path)
    found = verify(path, full=True)
    assert "HDF5's parser crashes on it" in found.faults[0]
    with pytest.raises(CacheError, match="cannot be repaired"):
        repair(path)


@pytest.mark.skipif(not FILES.is_dir(), reason="needs the shared files")
def test_weights_that_hang_the_parser_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded time."""
    monkeypatch.setattr(hdf5_process, "_SECONDS", 2)
    started = time.monotonic()
    with pytest.raises(UnsafeFileError, match="had not ended after 2 s"):
        read_layers(FILES / "hang_weights_a.h5")
    assert time.monotonic() - started < 60


def test_a_parser_that_eats_memory_is_one_line(tmp_path: Path) -> None:
    """Where the system limits memory; elsewhere it would take it."""
    pytest.importorskip("resource")
    if not Path("/proc/self/statm").exists():
        pytest.skip("no limit of memory here")
    with pytest.raises(ParserError, match="ran out of memory"):
        ask("features.cache.hdf5_process:fill_memory", b"")


def test_layers_come_back_as_they_were(tmp_path: Path) -> None:
    """Types, shapes, order and values pass from one process to the other."""
    path = tmp_path / "w.h5"
    arrays = [np.arange(6, dtype=">f8").reshape(2, 3), np.float16(3), np.zeros((0, 4), np.int8)]
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv2d/vars")
        group.attrs["name"] = "conv2d"
        for number, array in enumerate(arrays):
            group[str(number)] = array
    found = read_layers(path)["conv2d"]
    for array, back in zip(arrays, found, strict=True):
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)
        assert back.shape == array.shape
    assert read_layers(path.read_bytes()).keys() == {"conv2d"}
