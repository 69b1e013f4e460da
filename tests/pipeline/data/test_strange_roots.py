"""A stranger's cache does not choose where pictures are read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import pipeline
from features.cache.cache import Cache
from features.cache.redo_log import SIZE
from features.errors import CacheError
from features.own_files import MARK, refuse_strange_root
from pipeline.audit import run as audit_run
from pipeline.data.label_table import LabelRule
from pipeline.groups.contact_sheets import show_groups


@pytest.fixture
def foreign(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache from another computer, in a folder of its own; its photographs lie elsewhere."""
    path = tmp_path / "inbox" / "features.h5"
    path.parent.mkdir()
    shutil.copyfile(cache, path)
    with path.open("r+b") as file:
        file.seek(SIZE)
        file.write(bytes(MARK))
    monkeypatch.chdir(path.parent)
    return path


def note(path: Path, told: dict[str, dict[str, str]]) -> None:
    """Let a cache note something of its folder, in its writer's name."""
    with Cache.read(path) as cache:
        fields, width, dtype = cache.fields, cache.cached_width, cache.dtype
    with Cache.write(path, fields, width, dtype) as cache:
        cache.replace_table(cache.table_rows, {**cache.note, **told})
        cache.commit()


def test_its_folder_is_asked_for(foreign: Path, tmp_path: Path) -> None:
    """By everything that reads pictures: fit, audit, compare (through the dataset), groups."""
    told = rf"says that its photographs lie in {tmp_path / 'data'}; nothing is read there unasked"
    with pytest.raises(CacheError, match=told):
        pipeline.load_dataset(foreign)
    with pytest.raises(CacheError, match="name the folder with: extract FOLDER --cache"):
        show_groups(foreign, tmp_path / "groups")
    assert not (tmp_path / "groups").exists()


def test_who_names_the_folder_goes_on(foreign: Path, tmp_path: Path) -> None:
    """`extract` names it, computes nothing again, and makes the cache this account's."""
    options = pipeline.ExtractOptions(group_rule=pipeline.GroupRule("regex", ".+"))
    done = pipeline.extract_folder(tmp_path / "data", foreign, options)
    assert done.extraction.extracted == 0
    with Cache.read(foreign) as cache:
        assert cache.own
    assert len(pipeline.load_dataset(foreign)) > 0


def test_its_tables_are_asked_for(foreign: Path, tmp_path: Path) -> None:
    """Of groups and of classes, unless the user names one; one beside the cache is no question."""
    table = tmp_path / "secret.csv"
    files = sorted(
        file.relative_to(tmp_path / "data") for file in (tmp_path / "data").rglob("*.png")
    )
    lines = [f"{file.as_posix()},{file.name[:8]},{file.parent.name}" for file in files]
    table.write_text("path,group,label\n" + "\n".join(lines))
    beside = shutil.copyfile(table, foreign.with_name("table.csv"))
    for told in (
        {"group_rule": {"kind": "file", "value": str(table)}},
        {"labels": {"file": str(table)}},
    ):
        note(foreign, told)
        with pytest.raises(CacheError, match=r"names the table .*secret\.csv; nothing is read"):
            pipeline.extract_folder(tmp_path / "data", foreign)
        options = pipeline.ExtractOptions(
            group_rule=pipeline.GroupRule("file", str(beside)), labels=LabelRule(str(beside))
        )
    assert pipeline.extract_folder(tmp_path / "data", foreign, options).extraction.extracted == 0
    pipeline.extract_folder(tmp_path / "data", foreign)  # its own account's now


def test_its_pattern_is_asked_for(foreign: Path, tmp_path: Path) -> None:
    """One that would not end on these names is not searched; who says it, or none, goes on."""
    data = tmp_path / "data"
    told = "notes a pattern for groups; nothing is searched .* with --group-regex "
    note(foreign, {"group_rule": {"kind": "regex", "value": "x" * 10**5}})
    with pytest.raises(CacheError, match=told) as refused:
        pipeline.extract_folder(data, foreign)
    assert len(str(refused.value)) < 1000
    endless = r"(?:[^\n]+)+\n"  # doubles with each letter of a path
    note(foreign, {"group_rule": {"kind": "regex", "value": endless}})
    with pytest.raises(CacheError, match=told + re.escape(f'"{endless}"')):
        pipeline.extract_folder(data, foreign)
    options = pipeline.ExtractOptions(group_rule=pipeline.GroupRule("regex", ".+"))
    assert pipeline.extract_folder(data, foreign, options).extraction.extracted == 0
    done = pipeline.extract_folder(data, foreign)  # its own account's now: it is remembered
    assert done.group_rule == options.group_rule


def test_folders_below_and_folders_that_are_not_there_are_no_question(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run from above the photographs, or where there are none: rows alone are used."""
    monkeypatch.chdir(tmp_path)
    assert len(pipeline.load_dataset(foreign)) > 0
    monkeypatch.chdir(foreign.parent)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    data = pipeline.load_dataset(foreign)
    assert not any(audit_run._read_files(data, None)[0])


@pytest.mark.parametrize("share", ["\\\\server\\share", "//server/share"])
def test_a_share_is_not_even_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: str
) -> None:
    """Looking would log in there."""

    def looked(_: Path) -> bool:
        raise AssertionError("it was looked for")

    monkeypatch.setattr(Path, "exists", looked)
    with pytest.raises(CacheError, match="nothing is read there unasked"):
        refuse_strange_root(tmp_path / "c.h5", share, own=False)
    refuse_strange_root(tmp_path / "c.h5", share, own=True)


def test_a_bucket_is_not_even_asked(tmp_path: Path) -> None:
    """Whose it is nobody can tell, and asking would show this account's key."""
    with pytest.raises(CacheError, match="nothing is read there unasked"):
        refuse_strange_root(tmp_path / "c.h5", "s3://bucket/photographs", own=False)
    refuse_strange_root(tmp_path / "c.h5", "s3://bucket/photographs", own=True)
