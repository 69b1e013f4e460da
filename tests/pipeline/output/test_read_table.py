"""Tables as spreadsheets of any country write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.groups.rules import GroupRule, apply_rule
from pipeline.output.read_table import PathIndex, read_table
from pipeline.output.tables import MARK, to_csv

ROWS = [["a/ü 1.png", "p;1"], ["b/2.png", "p,2"]]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("start", ["", "sep={}\n"])
def test_every_dialect(tmp_path: Path, separator: str, encoding: str, start: str) -> None:
    """Separators, encodings and Excel's own line, with quotes where they are needed."""
    lines = [["Path", " Group"], *ROWS]
    text = start.format(separator) + "\r\n".join(
        separator.join(f'"{cell}"' for cell in line) for line in lines
    )
    file = tmp_path / "t.csv"
    file.write_bytes(text.encode(encoding))
    table = read_table(file)
    assert table.columns == ["Path", "Group"]
    assert table.rows == ROWS


def test_what_we_write_we_read(tmp_path: Path) -> None:
    """The mark, guarded formulas and quotes come back as they were."""
    rows = [{"path": "=a/x.png", "group": "-1"}, {"path": 'b "c", d.png', "group": "é"}]
    (tmp_path / "t.csv").write_text(MARK + to_csv(["path", "group"], rows), "utf-8")
    table = read_table(tmp_path / "t.csv")
    assert table.column("PATH") == ["=a/x.png", 'b "c", d.png']
    assert table.column("group") == ["-1", "é"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04rest", "Excel.*save it as CSV"),
        (b"PAR1", "Parquet"),
        (b"path,group\na,1,2\n", "line 2 of .* has 3 cells, its header 2"),
        (b"", "is empty"),
        (b"\xff\xfea", "is no text"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, expected: str) -> None:
    """One line says what it is, and what to do."""
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=expected):
        read_table(tmp_path / "t.csv")


def test_paths_may_say_more_or_less() -> None:
    """Backslashes, folders of another computer, no folders, no suffix; never a guess of two."""
    index = PathIndex(["ok/1.png", "nok/1.png", "ok/two.JPG", "Ok/1.PNG.png"])
    assert index.find("OK\\two.jpg") == "ok/two.JPG"
    assert index.find("C:\\line 3\\data\\nok\\1.png") == "nok/1.png"
    assert index.find("./ok/1.png") == "ok/1.png"
    assert index.find("two") == "ok/two.JPG"
    assert index.find("1.png") is None
    assert index.find("other/two.jpg") is None
    assert index.find("") is None


def test_groups_that_look_equal_are_equal(tmp_path: Path) -> None:
    """Spaces, letter case and Unicode's forms do not make two parts, and it is said."""
    table = tmp_path / "g.csv"
    table.write_text("Path;Part\na/1.png;Part 7\na/2.png;part  7 \na/3.png;8\nz.png;9\n", "utf-8")
    photographs = [Photograph(Path(f"a/{n}.png"), f"a/{n}.png", "a") for n in (1, 2, 3, 4)]
    found = apply_rule(GroupRule("file", str(table)), photographs)
    assert [p.group for p in found.photographs] == ["Part 7", "Part 7", "8", ""]
    assert found.ungrouped == 1
    assert any("1 of them: 'Part 7' (also 'part  7 ')" in note for note in found.notes)
    assert any("1 names" in note and "'z.png'" in note for note in found.notes)
