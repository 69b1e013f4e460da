"""cache: rows under keys, readable with plain h5py, never lost and never mixed up."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from caches import (
    FIELDS,
    WIDTH,
    digest,
    fill,
    fill_as_version_1,
    fill_whole,
    holds,
    row,
    table_row,
)
from checkout import ROOT
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.errors import CacheError, FingerprintError


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    """Any order, repeats included, gives the rows of these keys."""
    fill(tmp_path / "c.h5", range(100))
    with Cache.read(tmp_path / "c.h5") as cache:
        for wanted in ([], [5], [7, 3, 3, 99, 0], list(range(99, -1, -1))):
            found = cache.take([cache.find(digest(n)) for n in wanted])
            assert found.shape == (len(wanted), WIDTH)
            assert found.dtype == np.float32
            assert all(np.array_equal(a, row(n)) for a, n in zip(found, wanted, strict=True))
        assert cache.find(digest(100)) == -1


def test_plain_h5py_reads_it(tmp_path: Path) -> None:
    """The three lines of the README work, and nothing in the file is a pickle or an object."""
    path = tmp_path / "c.h5"
    fill(path, range(3))
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        cache.replace_table(
            [table_row("A/x.png", 1, 1), table_row("A/ü\n.png", 9, -1)], {"root": "r"}
        )
        cache.commit()
    with h5py.File(path) as file:
        rows = file["samples/row"][:]
        x, label = file["features"][:][rows[rows >= 0]], file["samples/label"][:][rows >= 0]
        kinds = {d.dtype.kind for d in (*file["samples"].values(), file["row_digest"])}
        assert file["features"].chunks == (1, WIDTH)
        assert file["features"].fletcher32
        assert file["samples/path"][1].decode() == "A/ü\n.png"
    assert np.array_equal(x, row(1)[None])
    assert label.tolist() == [b"A"]
    assert kinds <= {"S", "i"}


def test_float16_is_stored_in_half_the_space(tmp_path: Path) -> None:
    """float16 rows are within half a unit in the last place of what was computed."""
    fill(tmp_path / "c.h5", range(10), "float16")
    with Cache.read(tmp_path / "c.h5") as cache:
        assert cache.dtype == np.float16
        assert np.allclose(cache.take([4])[0], row(4), rtol=2**-11, atol=1e-7)


def test_other_settings_are_refused_with_both_shown(tmp_path: Path) -> None:
    """Another recipe, weights or precision is an error that names what differs."""
    fill(tmp_path / "c.h5", range(2))
    other = {**FIELDS, "weights": "v", "recipe": {"name": "b", "x": 1}}
    with pytest.raises(FingerprintError, match=r"recipe a in the cache, b asked for; weights w in"):
        Cache.write(tmp_path / "c.h5", other, WIDTH, "float32")
    with Cache.read(tmp_path / "c.h5") as cache:
        assert len(cache) == 2


def test_uncommitted_rows_are_not_there(tmp_path: Path) -> None:
    """Closing, or dying, without a commit leaves the last commit."""
    fill(tmp_path / "c.h5", range(5))
    with Cache.write(tmp_path / "c.h5", FIELDS, WIDTH, "float32") as cache:
        cache.append([digest(5)], row(5)[None])
    with Cache.read(tmp_path / "c.h5") as cache:
        assert len(cache) == 5


def test_a_reader_works_while_a_writer_appends(tmp_path: Path) -> None:
    """A reader that opens between commits sees whole commits, and its rows stay right."""
    path = tmp_path / "c.h5"
    fill(path, range(3))
    with Cache.write(path, FIELDS, WIDTH, "float32") as writer, Cache.read(path) as early:
        for start in range(3, 900, 13):
            numbers = range(start, start + 13)
            writer.append([digest(n) for n in numbers], np.stack([row(n) for n in numbers]))
            writer.commit()
            with Cache.read(path) as reader:
                assert len(reader) == start + 13
                assert np.array_equal(reader.take([start])[0], row(start))
        assert len(early) == 3
        assert np.array_equal(early.take([0, 1, 2]), np.stack([row(n) for n in range(3)]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"not hdf5 at all" * 100, "no HDF5 file"),
        (None, "no cache at"),
    ],
    ids=["empty", "foreign", "absent"],
)
def test_what_is_no_cache_is_named(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """An empty, foreign or missing file each gets one line that says what to do."""
    path = tmp_path / "c.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CacheError, match=expected) as caught:
        Cache.read(path)
    assert "\n" not in str(caught.value)


def test_foreign_and_newer_hdf5_files_are_refused(tmp_path: Path) -> None:
    """Somebody else's HDF5 file and a cache of another schema are left untouched."""
    path = tmp_path / "c.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2, 3]
    before = path.read_bytes()
    for opener in (Cache.read, lambda p: Cache.write(p, FIELDS, WIDTH, "float32")):
        with pytest.raises(CacheError, match="no cache of this program"):
            opener(path)
    assert path.read_bytes() == before
    with h5py.File(path, "r+") as file:
        file.attrs["onepass_schema"] = 99
    with pytest.raises(CacheError, match="schema 99"):
        Cache.read(path)


def test_a_cut_off_copy_is_named(tmp_path: Path) -> None:
    """A file that was not copied whole is refused at every length, never read as if whole."""
    path = tmp_path / "c.h5"
    fill(path, range(30))
    whole = path.read_bytes()
    for length in range(1, len(whole), 501):
        path.write_bytes(whole[:length])
        with pytest.raises(CacheError):
            Cache.read(path)


def test_what_changes_all_the_time_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow computer may see nothing but half commits, for as long as it tries."""
    path, stamps = tmp_path / "c.h5", itertools.count()
    fill(path, range(9))
    with Cache.read(path) as opened, monkeypatch.context() as patch:
        patch.setattr(sys.modules[Cache.__module__], "stamp", lambda _: next(stamps))
        patch.setattr(sys.modules[Cache.__module__], "_SETTLE", -1.0)
        data = path.read_bytes()
        path.write_bytes(data.replace(row(4).tobytes(), row(5).tobytes()))
        with pytest.raises(CacheError, match="changes too fast to be read; wait for its writer"):
            opened.take([4])
        path.write_bytes(data[:-100])
        with pytest.raises(CacheError, match="changes too fast to be read; wait for its writer"):
            Cache.read(path)
    with pytest.raises(CacheError, match="cut off"):
        Cache.read(path)


def test_damaged_rows_are_found(tmp_path: Path) -> None:
    """A flipped bit in a row, or a row under another's key, is an error and never a value."""
    path = tmp_path / "c.h5"
    fill(path, range(20))
    data = bytearray(path.read_bytes())
    at = data.index(row(7).tobytes())
    data[at + 5] ^= 1
    path.write_bytes(data)
    with Cache.read(path) as cache:
        assert np.array_equal(cache.take([6])[0], row(6))
        with pytest.raises(CacheError, match="checksum"):
            cache.take([7])
    path.unlink()
    fill(path, range(20))
    with h5py.File(path, "r+") as file:
        file["features"][3] = row(4)  # valid for HDF5, wrong for its key
    with Cache.read(path) as cache, pytest.raises(CacheError, match="row 3"):
        cache.take([3])


def test_damaged_metadata_is_refused_and_never_read(tmp_path: Path) -> None:
    """A flipped bit in what says which row is whose makes the cache unreadable, in one line."""
    path = tmp_path / "c.h5"
    fill_whole(path, 20, 20)
    whole = path.read_bytes()
    for what in (digest(5).encode(), b"A/7.png", b'"root"', b"OHDR", b"EAHD", b"onepass cache 2"):
        for bit in range(8):
            data = bytearray(whole)
            data[whole.index(what) + 2] ^= 1 << bit
            path.write_bytes(data)
            with pytest.raises(CacheError) as caught:
                Cache.read(path)
            assert "\n" not in str(caught.value)


def test_contents_of_another_commit_are_refused(tmp_path: Path) -> None:
    """Keys, settings or photographs that HDF5 finds sound, but no commit wrote, are refused."""
    path = tmp_path / "c.h5"
    for dataset, what in (
        ("row_view", "keys"),
        ("samples/label", "photographs"),
        ("dataset", "settings"),
    ):
        fill_whole(path, 20, 20)
        with h5py.File(path, "r+") as file:
            if dataset in file:
                file[dataset][3] = b"B"
            else:
                file.attrs[dataset] = np.bytes_(b'{"root": "s"}')
        with pytest.raises(
            CacheError, match=rf"\(its {what} do not match their digest\); run: cache"
        ):
            Cache.read(path)
        path.unlink()


def test_caches_of_the_first_version_are_read_and_go_on(tmp_path: Path) -> None:
    """Without a seal they are read as before; the first commit seals them."""
    path = tmp_path / "c.h5"
    fill_as_version_1(path, 20)
    assert holds(path, range(20))
    fill(path, range(20, 25))
    assert holds(path, range(25))
    with h5py.File(path, "r+") as file:
        assert file.attrs["onepass_schema"] == 2
        file["row_view"][3] = b"B"
    with pytest.raises(CacheError, match="keys do not match"):
        Cache.read(path)


def test_two_writers_without_a_lock_cannot_mix(tmp_path: Path) -> None:
    """Where a lock does not hold, as on some network drives, the second commit is refused."""
    path = tmp_path / "c.h5"
    fill(path, range(3))
    with (
        Cache.write(path, FIELDS, WIDTH, "float32") as one,
        Cache.write(path, FIELDS, WIDTH, "float32") as two,
    ):
        one.append([digest(3)], row(3)[None])
        one.commit()
        with pytest.raises(CacheError, match="another process wrote to it meanwhile"):
            two.append([digest(4)], row(4)[None])
    assert holds(path, range(4))


def test_a_reader_is_told_when_its_cache_was_replaced(tmp_path: Path) -> None:
    """Rows move when gc makes a new file: an old reader keeps the old one, or is told."""
    path = tmp_path / "c.h5"
    fill(path, range(20))
    with Cache.read(path) as reader:
        path.unlink()
        fill(path, range(20, 40))
        assert np.array_equal(reader.take([3])[0], row(3))
        with pytest.raises(CacheError, match="was replaced while it was read"):
            reader._open_again()


def inside(path: str) -> bool:
    """Whether a path stays in its folder; others are refused (test_hostile_caches.py)."""
    return not Path(path).anchor and ".." not in Path(path).parts


class CacheMachine(RuleBasedStateMachine):
    """Any order of adding, committing, closing, relabelling and reopening agrees with a dict."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "c.h5"
        self.committed: list[int] = []
        self.pending: list[int] = []
        self.table_rows: list[TableRow] = []
        self.cache = Cache.write(self.path, FIELDS, WIDTH, "float32")
        self.next = 0

    @rule(count=st.integers(1, 9))
    def append(self, count: int) -> None:
        numbers = list(range(self.next, self.next + count))
        self.next += count
        self.cache.append([digest(n) for n in numbers], np.stack([row(n) for n in numbers]))
        self.pending += numbers

    @rule()
    def commit(self) -> None:
        self.cache.commit()
        self.committed += self.pending
        self.pending = []

    @rule(names=st.lists(st.text(max_size=12).filter(inside), max_size=5))
    def replace_table(self, names: list[str]) -> None:
        clean = [n.replace("\0", "") for n in names]
        self.table_rows = [table_row(n, i, -1, label=n[:3]) for i, n in enumerate(clean)]
        self.cache.replace_table(self.table_rows, {"n": len(names)})
        self.commit()

    @rule()
    def reopen_without_commit(self) -> None:
        self.cache.close()
        self.pending = []
        self.cache = Cache.write(self.path, FIELDS, WIDTH, "float32")

    @invariant()
    def disk_is_the_last_commit(self) -> None:
        with Cache.read(self.path) as cache:
            assert len(cache) == len(self.committed)
            found = cache.take(list(range(len(cache))))
            assert all(
                np.array_equal(a, row(n)) for a, n in zip(found, self.committed, strict=True)
            )
            assert [cache.find(digest(n)) for n in self.committed] == list(range(len(cache)))
            assert cache.table_rows == self.table_rows

    def teardown(self) -> None:
        self.cache.close()
        self.folder.cleanup()


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("damage", ["nothing", "no HDF5", "EIO"])
def test_python_ends_well_after_a_damaged_cache(tmp_path: Path, damage: str) -> None:
    """An error that outlives the cache must hold nothing of HDF5's: that crashed Python's end."""
    path = tmp_path / "c.h5"
    fill_whole(path, 20, 20)
    if damage == "no HDF5":
        data = bytearray(path.read_bytes())
        data[512:600] = bytes(88)
        path.write_bytes(data)
    code = f"""
import sys
sys.path[:0] = {[str(ROOT)]!r}
from pathlib import Path
from features.cache.journal import JournaledFile
from features.cache.repair import repair
def fail(*_):
    raise OSError(5, "Input/output error")
if {damage == "EIO"}:
    JournaledFile._read_base = fail
kept = []
try:
    repair(Path({str(path)!r}))
except Exception as error:
    kept.append(error)
    kept.append(kept)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
