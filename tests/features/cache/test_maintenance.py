"""features.cache.maintenance: is a cache sound, which rows does nobody use, and two made one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest
from caches import FIELDS, WIDTH, digest, fill, fill_as_version_1, fill_whole, holds, row, table_row
from commands import Run

from features import files
from features.cache import maintenance as upkeep
from features.cache import new_cache as rewrite
from features.cache.cache import Cache
from features.cache.lock import writing
from features.cache.maintenance import collect, merge, verify
from features.errors import CacheBusyError, CacheError, FingerprintError, OutputError
from pipeline.terminal import cache as text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """100 rows, 70 of them of photographs in the table."""
    fill_whole(tmp_path / "c.h5", 100, 70)
    return tmp_path / "c.h5"


def flip(path: Path, what: bytes, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(what) + 2] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("full", [False, True])
def test_a_sound_cache_is_called_sound(path: Path, full: bool) -> None:
    """Both forms find nothing, count alike, and leave the file alone."""
    before = path.read_bytes()
    found = verify(path, full=full)
    assert found.sound
    assert (found.rows, found.photographs, found.unused) == (100, 70, 30)
    assert found.remarks == []
    assert path.read_bytes() == before
    assert text.verification(found).startswith(f"{path}: sound: 100 rows, 70 photographs (")


def test_a_damaged_row_is_found_by_full_alone(path: Path) -> None:
    """The fast form reads no rows and says so; the full one names the row."""
    flip(path, row(42).tobytes())
    assert verify(path).sound
    assert "--full reads every row" in text.verification(verify(path))
    found = verify(path, full=True)
    assert (found.sound, found.damaged) == (False, [42])
    assert (
        "1 of 100 rows are damaged, or hold no numbers: 42; run: cache repair"
        in text.verification(found)
    )


def test_damaged_keys_are_found_at_once(path: Path) -> None:
    """A flipped bit in a key, and one in the index."""
    for what in (digest(5).encode(), b"EAHD"):
        whole = path.read_bytes()
        flip(path, what)
        found = verify(path)
        assert not found.sound
        assert "damaged" in found.faults[0]
        path.write_bytes(whole)


def test_a_table_that_contradicts_itself_is_found(path: Path) -> None:
    """Sealed and sound for HDF5, but it cannot be what extract wrote."""
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        table = [table_row("A/2.png", 2, -1), table_row("A/2.png", 3, 3)]
        cache.replace_table(table, {})
        cache.commit()
    assert [fault.split("; ")[0] for fault in verify(path).faults] == [
        "1 photographs of the table have neither a row nor a reason",
        "1 photographs of the table stand in it more than once",
    ]


def test_remarks_are_no_faults(path: Path) -> None:
    """A waiting journal, what a killed process left, and an early version's index are told."""
    path.with_name("c.h5.journal").write_bytes(b"half a journal")
    path.with_name(".c.h5.abcd1234.part").write_bytes(b"x" * 1000)
    found = verify(path)
    assert found.sound
    assert [remark.split(";")[0] for remark in found.remarks] == [
        "a commit waits in its journal",
        "1 temporary files (1,000 bytes) of a process that writes now or was killed",
    ]
    fill_as_version_1(path, 20)
    assert "an early version made it" in verify(path).remarks[-1]


def test_a_temporary_file_that_is_done_with_meanwhile_is_no_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer gives it its name between the listing and the look at its size."""
    gone, there = path.with_name(".c.h5.abcd1234.part"), path.with_name(".c.h5.abcd1235.part")
    there.write_bytes(b"x" * 1000)
    monkeypatch.setattr(upkeep, "leftovers", lambda _: [gone, there])
    assert verify(path).remarks[-1].startswith("1 temporary files (1,000 bytes) of")


def test_gc_says_first_and_drops_only_when_told(path: Path) -> None:
    """The dry run changes nothing; then exactly the rows without a photograph go."""
    before = path.read_bytes()
    done = collect(path)
    assert (done.rows, done.unused, done.bytes_after) == (100, 30, None)
    assert path.read_bytes() == before
    done = collect(path, apply=True)
    assert done.bytes_after == path.stat().st_size < done.bytes_before
    assert holds(path, range(70))
    with Cache.read(path) as cache:
        assert [s.row for s in cache.table_rows] == [cache.find(s.digest) for s in cache.table_rows]
        assert cache.note == {"root": "r", "weights": "w"}
    assert verify(path, full=True).sound
    assert sorted(file.name for file in path.parent.iterdir()) == ["c.h5", "c.h5.lock"]


def test_gc_without_a_table_is_refused(tmp_path: Path) -> None:
    """Before the first finished extract every row would look unused."""
    fill(tmp_path / "c.h5", range(5))
    with pytest.raises(CacheError, match="no finished extract"):
        collect(tmp_path / "c.h5", apply=True)
    assert holds(tmp_path / "c.h5", range(5))


def test_gc_rewrites_caches_of_the_first_version(tmp_path: Path) -> None:
    """The new file has an index with checksums, and the same rows."""
    fill_as_version_1(tmp_path / "c.h5", 20)
    collect(tmp_path / "c.h5", apply=True)
    assert holds(tmp_path / "c.h5", range(20))
    assert verify(tmp_path / "c.h5", full=True).remarks == []


def test_gc_never_carries_a_damaged_row_over(path: Path) -> None:
    """It stops and the cache stays as it was; repair is named."""
    flip(path, row(42).tobytes())
    before = path.read_bytes()
    with pytest.raises(CacheError, match=r"row 42 does not match .* run: cache repair"):
        collect(path, apply=True)
    assert path.read_bytes() == before


def test_gc_on_a_full_disk_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the cache, not the temporary file; that one is removed."""
    real = upkeep.copy_rows

    def full(source: Cache, rows: object, target: Cache, progress: object) -> None:
        class Full:
            def __getattr__(self, name: str) -> object:
                return getattr(inner, name)

            def write(self, data: bytes) -> int:
                raise OSError(28, "No space left on device")

        inner = target._file._file
        target._file._file = Full()  # type: ignore[assignment]
        real(source, rows, target, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(upkeep, "copy_rows", full)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"c.h5 cannot be written anew \(No space left on device"):
        collect(path, apply=True)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["c.h5", "c.h5.lock"]


def test_gc_waits_for_no_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody writes, gc says who; the dry run still counts."""
    monkeypatch.setattr(upkeep, "writing", lambda path: writing(path, wait=0.1))
    with writing(path):
        assert collect(path).unused == 30
        with pytest.raises(CacheBusyError, match="being written by process"):
            collect(path, apply=True)


def test_merge_brings_both_together(tmp_path: Path) -> None:
    """Rows of both, once; what the first knows of the weights; no table before an extract."""
    fill_whole(tmp_path / "a.h5", 20, 20)
    fill(tmp_path / "b.h5", range(15, 40))
    done = merge(tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5")
    assert (done.first, done.second, done.both) == (20, 20, 5)
    assert holds(tmp_path / "c.h5", range(40))
    with Cache.read(tmp_path / "c.h5") as cache:
        assert cache.table_rows == []
        assert cache.note == {"weights": "w"}
    with pytest.raises(CacheError, match="exists"):
        merge(tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5")
    assert holds(tmp_path / "a.h5", range(20))


def test_merge_within_a_folder_lists_its_photographs(tmp_path: Path) -> None:
    """Both tables, once; none where the two name other photographs by one name."""
    fill_whole(tmp_path / "a.h5", 20, 20)
    fill_whole(tmp_path / "b.h5", 30, 30)
    done = merge(tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5")
    assert done.listed == 30
    assert text.merged(done).endswith("its table lists 30 photographs of their folder")
    found = verify(tmp_path / "c.h5")
    assert (found.faults, found.photographs, found.unused) == ([], 30, 0)
    with Cache.write(tmp_path / "b.h5", FIELDS, WIDTH, "float32") as cache:
        other = [cache.table_rows[0]._replace(path="A/1.png"), *cache.table_rows[2:]]
        cache.replace_table(other, cache.note)
        cache.commit()
    done = merge(tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "d.h5")
    assert done.listed == 0
    assert "lists no photographs yet: now run extract FOLDER" in text.merged(done)


def test_merge_of_different_settings_shows_both(tmp_path: Path) -> None:
    """Rows of two recipes never get into one cache."""
    fill(tmp_path / "a.h5", range(3))
    other = {**FIELDS, "recipe": {"name": "b", "x": 1}}
    with Cache.write(tmp_path / "b.h5", other, WIDTH, "float32") as cache:
        cache.commit()
    with pytest.raises(FingerprintError, match=r"recipe a in .*a\.h5, b in .*b\.h5; only caches"):
        merge(tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5")
    assert not (tmp_path / "c.h5").exists()


def test_columns_of_rows_are_carried_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that a later version adds is copied, where all sources have it."""
    from features.cache import schema

    fill_whole(tmp_path / "old.h5", 6, 6)
    wider = schema.ROW_COLUMNS | {"row_hash": np.dtype("<u8")}
    monkeypatch.setattr(schema, "ROW_COLUMNS", wider)
    path = tmp_path / "new.h5"
    with rewrite.new_cache(path, FIELDS, WIDTH, np.dtype("float32"), list(wider)) as cache:
        entries = np.zeros(4, dtype=list(wider.items()))
        for at, number in enumerate(range(4, 8)):
            key = (digest(number).encode(), b"full")
            entries[at] = (*key, schema.row_check(*key, row(number)), number)
        cache.append_entries(entries, np.stack([row(n) for n in range(4, 8)]))
        cache.replace_table([table_row(f"A/{n}.png", n, n - 4) for n in range(5, 8)], {})
    collect(path, apply=True)
    with h5py.File(path) as file:
        assert file["row_hash"][:].tolist() == [5, 6, 7]
    merge(tmp_path / "old.h5", path, tmp_path / "both.h5")
    assert holds(tmp_path / "both.h5", range(8))
    with h5py.File(tmp_path / "both.h5") as file:
        assert "row_hash" not in file


def test_rows_are_found_by_digest_after_gc(tmp_path: Path) -> None:
    """A table that was read before gc moved the rows still gives each photograph its own."""
    from pipeline.data.dataset import load_dataset

    path = tmp_path / "c.h5"
    fill(path, range(30))
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        table = [table_row(f"{n % 2}/{n}.png", n, n, label=f"{n % 2}") for n in range(10, 30)]
        cache.replace_table(table, {"root": "r"})
        cache.commit()
    data = load_dataset(path, positive=["1"])
    assert collect(path, apply=True).unused == 10
    expected = np.stack([row(n) for n in range(10, 30)])
    assert np.array_equal(data.rows(), expected)
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        moved = [one._replace(row=one.row - 10) for one in table[:5]]
        cache.replace_table(moved, {"root": "r"})
        cache.commit()
    collect(path, apply=True)
    with pytest.raises(CacheError, match="lacks 15 of 20 photographs"):
        data.rows()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights elsewhere")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_cache_that_gc_writes_keeps_its_mode(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """Typed as a person does; what is written beside it is never open to more people either."""
    path.chmod(mode)
    seen: list[tuple[str, int]] = []
    sync, chmod = files.sync_file, Path.chmod

    def synced(file: Path) -> None:
        seen.append((file.name, stat.S_IMODE(file.stat().st_mode)))
        sync(file)

    def changed(file: Path, new: int) -> None:
        seen.append((file.name, stat.S_IMODE(file.stat().st_mode)))
        chmod(file, new)

    monkeypatch.setattr(files, "sync_file", synced)
    monkeypatch.setattr(Path, "chmod", changed)
    before = os.umask(0)  # the widest that a person may have
    try:
        code, out, _ = run("cache", "gc", "--apply", "--cache", str(path))
    finally:
        os.umask(before)
    assert (code, "30" in out) == (0, True)
    assert len(Cache.read(path)) == 70
    assert stat.S_IMODE(path.stat().st_mode) == mode
    written = [one for name, one in seen if ".lock." not in name]
    assert written
    assert not any(one & ~mode for one in written)
