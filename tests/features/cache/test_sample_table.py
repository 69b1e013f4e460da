"""features.cache.sample_table: which photographs need not be read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.cache.sample_table import blank_row, is_unchanged

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("seconds", "trusted"), [(0, False), (1, False), (1.99, False), (2.01, True), (60, True)]
)
def test_a_file_that_was_hashed_within_a_tick_of_its_change_is_read_again(
    tmp_path: Path, seconds: float, trusted: bool
) -> None:
    """Two changes within one tick of a clock have one time stamp: only later hashing is trusted."""
    file = tmp_path / "x.png"
    file.write_bytes(b"picture")
    stat = file.stat()
    newest = max(stat.st_mtime_ns, stat.st_ctime_ns)
    table_row = blank_row("x.png")._replace(
        digest="d",
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        ctime_ns=stat.st_ctime_ns,
        checked_ns=newest + int(seconds * SECOND),
    )
    assert is_unchanged(table_row, stat) is trusted


@pytest.mark.parametrize("what", ["size", "mtime_ns", "ctime_ns"])
def test_any_change_is_noticed(tmp_path: Path, what: str) -> None:
    """A file of another size or another time is read again, and one that was never hashed."""
    file = tmp_path / "x.png"
    file.write_bytes(b"picture")
    stat = file.stat()
    table_row = blank_row("x.png")._replace(
        digest="d",
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        ctime_ns=stat.st_ctime_ns,
        checked_ns=max(stat.st_mtime_ns, stat.st_ctime_ns) + 60 * SECOND,
    )
    assert is_unchanged(table_row, stat)
    assert not is_unchanged(table_row._replace(**{what: getattr(table_row, what) + 1}), stat)
    assert not is_unchanged(table_row._replace(digest=""), stat)
