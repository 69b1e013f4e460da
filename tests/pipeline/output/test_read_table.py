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


@pytest.mark.parametrize(
    "titles",
    [["Report of line 3", ""], ["Report of line 3;;", ";;"], ["sep=;", "Line 3, shift 2, Mo", ""],
     ["Report;;", "Date;2026-11-30;", ""]],
)  # fmt: skip
def test_titles_above_the_header_are_passed_over(tmp_path: Path, titles: list[str]) -> None:
    """As spreadsheets have them, lines keep their numbers."""
    lines = [*titles, "Filename;Result;Remark", "1.png;ok;", "2.png;nok;deep, long"]
    (tmp_path / "t.csv").write_text("\n".join(lines), "utf-8")
    table = read_table(tmp_path / "t.csv", ["1.png", "2.png"])
    assert table.columns == ["Filename", "Result", "Remark"]
    assert table.rows == [["1.png", "ok", ""], ["2.png", "nok", "deep, long"]]
    (tmp_path / "t.csv").write_text("\n".join([*lines, "3.png;a;b;c"]), "utf-8")
    with pytest.raises(DataError, match=rf"line {len(lines) + 1} of .* its header 3 \(line"):
        read_table(tmp_path / "t.csv")


def test_what_is_not_clearly_a_header_below_titles_is_none(tmp_path: Path) -> None:
    """Refused with where it was looked for; a line of cells that are called as columns is data."""
    (tmp_path / "t.csv").write_text("Report;;\n\nTeil;Stand\n1.png;ok\n", "utf-8")
    with pytest.raises(DataError, match=r"its header 1 .*was looked for in the first 12 lines"):
        read_table(tmp_path / "t.csv", ["1.png"])
    for content in ("part;kind\n1.png;image\n", "1.png;ok\nname;ok\n", "part\n1.png;\nid\n"):
        (tmp_path / "t.csv").write_text(content, "utf-8")
        assert (
            read_table(tmp_path / "t.csv", ["1.png"]).columns[0]
            == content[: content.find(";")].split("\n")[0]
        )


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"]])
@pytest.mark.parametrize(
    "content",
    ["path,label,note\n9.png,ok,\n2.png,nok,scratch; image; deep\n",
     'path;label;note\n9.png;ok;"see\nimage\tpart"\n2.png;nok;\n',
     ",img_path,label,kind\n0,9.png,ok,image\n1,2.png,nok,\n"],
)  # fmt: skip
def test_a_list_in_a_cell_is_no_header(tmp_path: Path, content: str, names: list[str]) -> None:
    """Other marks than the table's own cut it; the lines above were taken for titles."""
    (tmp_path / "t.csv").write_text(content, "utf-8")
    table = read_table(tmp_path / "t.csv", names)
    assert (len(table.rows), table.column("label")) == (2, ["ok", "nok"])


@pytest.mark.parametrize("closed", [True, False])
def test_a_quote_that_takes_lines_into_its_cell_is_refused(tmp_path: Path, closed: bool) -> None:
    """Five photographs were "not named in the table"; a comment of several lines is none."""
    names = [f"{n}.jpg" for n in range(8)]
    said = {2: '"6 mm', 5: '"5 mm' if closed else ""}
    lines = [f"{n}.jpg;ok;{said.get(n, '')}" for n in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["file;label;note", *lines]), "utf-8")
    with pytest.raises(DataError, match=r"double quote in line 4 of .* such as '3.jpg;ok;'; close"):
        read_table(tmp_path / "t.csv", names)
    lines = [f'{n}.jpg;"two lines;\n3 of them";ok' for n in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["file;note;label", *lines]), "utf-8")
    assert read_table(tmp_path / "t.csv", names).column("label") == ["ok"] * 8


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


@pytest.mark.parametrize(
    ("page", "good", "bad"),
    [("cp932", "良品", "キズ"), ("gb18030", "合格", "划痕"), ("big5", "良品", "刮傷"),
     ("cp949", "양품", "불량"), ("cp1251", "годный", "брак"), ("cp1252", "gut", "Rißbildung")],
)  # fmt: skip
def test_code_pages_that_are_sure(tmp_path: Path, page: str, good: str, bad: str) -> None:
    """Tables saved as "CSV" in Asia and Europe are read where their words tell, and it is said."""
    (tmp_path / "t.csv").write_bytes(f"file,label\n1.png,{good}\n2.png,{bad}\n".encode(page))
    table = read_table(tmp_path / "t.csv")
    assert table.column("label") == [good, bad]
    assert f"read as {page}" in table.note
    assert "save it as UTF-8" in table.note


def test_names_of_photographs_tell_the_code_page(tmp_path: Path) -> None:
    """A Polish table: its names are those of the files, in one code page alone."""
    data = "file;label\nzdjęcie1.png;zły\n".encode("cp1250")
    (tmp_path / "t.csv").write_bytes(data)
    table = read_table(tmp_path / "t.csv", ["a/zdjęcie1.png"])
    assert table.rows == [["zdjęcie1.png", "zły"]]
    photographs = [Photograph(tmp_path / "1", "a/zdjęcie1.png", "a")]
    (tmp_path / "t.csv").write_bytes(data.replace(b"label", b"group"))
    found = apply_rule(GroupRule("file", str(tmp_path / "t.csv")), photographs)
    assert [p.group for p in found.photographs] == ["zły"]
    assert "read as cp1250" in found.notes[0]


@pytest.mark.parametrize(
    ("page", "word"),
    [("cp932", "割"), ("gb18030", "划痕"), ("cp1251", "да"), ("mac-roman", "défaut")],
)
def test_code_pages_that_are_not_sure_are_refused(tmp_path: Path, page: str, word: str) -> None:
    """One line names what it could be, and the way on."""
    (tmp_path / "t.csv").write_bytes(f"file,label\n1.png,{word}\n".encode(page))
    with pytest.raises(DataError, match=r"is no UTF-8 \(byte .* in line 2\).*save it as UTF-8"):
        read_table(tmp_path / "t.csv")
