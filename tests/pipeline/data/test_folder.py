"""pipeline.data.folder, pipeline.data.classes and pipeline.groups.rules: what a folder means."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from toy import photograph, write_folder

from features.cache.sample_table import TableRow
from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.data.classes import order_classes
from pipeline.data.folder import scan_folder
from pipeline.groups.name_pattern import groups_in_names
from pipeline.groups.rules import GroupRule, apply_rule, number_groups


def paths(root: Path, **options: object) -> list[str]:
    return [p.path for p in scan_folder(root, **options).photographs]  # type: ignore[arg-type]


def test_first_level_folder_is_the_class(tmp_path: Path) -> None:
    """At any depth the first folder is the class; what lies beside the folders has none."""
    write_folder(tmp_path, {"B/deep/er": 1, "A": 2})
    (tmp_path / "loose.png").write_bytes(b"x")
    scan = scan_folder(tmp_path)
    assert [(p.path, p.label) for p in scan.photographs] == [
        ("A/part-000_view-0.png", "A"),
        ("A/part-000_view-1.png", "A"),
        ("B/deep/er/part-000_view-0.png", "B"),
        ("loose.png", ""),
    ]
    assert scan.class_names == ["A", "B"]


def test_strange_names_survive(tmp_path: Path) -> None:
    """Unicode, spaces, newlines and upper-case endings are names like any other."""
    (tmp_path / "Zoë 检查").mkdir()
    names = ["a b.JPG", "line\nbreak.png", "übel.TIFF", "=cmd().bmp", "x.jpeg"]
    for name in names:
        (tmp_path / "Zoë 检查" / name).write_bytes(b"x")
    (tmp_path / os.fsdecode(b"raw\xff.webp")).write_bytes(b"x")
    found = scan_folder(tmp_path).photographs
    assert sorted(p.file.name for p in found) == sorted([*names, os.fsdecode(b"raw\xff.webp")])


def test_hidden_files_and_other_kinds_are_counted(tmp_path: Path) -> None:
    """What is no photograph is left out and counted by reason."""
    write_folder(tmp_path, {"A": 1})
    for name in (".hidden.png", "Thumbs.db", "notes.txt", "._x.jpg"):
        (tmp_path / "A" / name).write_bytes(b"x")
    (tmp_path / ".git").mkdir()
    (tmp_path / "A" / "gone.png").symlink_to(tmp_path / "nowhere")
    assert scan_folder(tmp_path).ignored == Counter(
        {"hidden": 4, "files of other kinds": 1, "broken links and special files": 1}
    )


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    """Linked folders and files count; a link to a folder above ends there."""
    write_folder(tmp_path / "data", {"A": 1})
    write_folder(tmp_path / "elsewhere", {"more": 2})
    (tmp_path / "data" / "A" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "A" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "A" / "self").symlink_to(".")
    scan = scan_folder(tmp_path / "data")
    assert len(scan.photographs) == 3
    assert scan.ignored["links back to a folder above"] == 2


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda root: None, "found nothing at"),
        (lambda root: root.write_bytes(b""), "found a file at"),
        (lambda root: root.mkdir(), "no photographs in .* \\(empty\\)"),
        (lambda root: (root / "A").mkdir(parents=True), "no photographs in"),
    ],
    ids=["absent", "file", "empty", "empty-class"],
)
def test_a_folder_without_photographs_is_an_error(
    tmp_path: Path, make: object, expected: str
) -> None:
    """Nothing to look at is an error that says what was expected, never an empty success."""
    make(tmp_path / "data")  # type: ignore[operator]
    with pytest.raises(DataError, match=expected):
        scan_folder(tmp_path / "data")


def test_classes_can_be_picked(tmp_path: Path) -> None:
    """Only the named class folders are looked into; a name that is not there is an error."""
    write_folder(tmp_path, {"A": 1, "B": 1, "C": 1})
    assert paths(tmp_path, classes=["A", "C"]) == ["A/part-000_view-0.png", "C/part-000_view-0.png"]
    with pytest.raises(DataError, match="found A, B, C"):
        scan_folder(tmp_path, classes=["A", "D"])


@pytest.mark.parametrize(
    ("names", "healthy"),
    [
        (["Healthy", "defects"], "Healthy"),
        (["ok", "ng"], "ok"),
        (["OK", "NOK"], "OK"),
        (["ok", "not_ok"], "ok"),
        (["good", "bad"], "good"),
        (["Free", "Crack"], "Free"),
        (["MT_Free", "MT_Crack"], "MT_Free"),
        (["normal", "abnormal"], "normal"),
        (["healthy", "unhealthy"], "healthy"),
        (["GoodParts", "BadParts"], "GoodParts"),
        (["crack-free", "crack"], "crack-free"),
        (["broken", "okay"], "okay"),
        (["def_front", "ok_front"], "ok_front"),
    ],
)
def test_the_defective_class_is_class_one(names: list[str], healthy: str) -> None:
    """Of two folders the one that says healthy is 0, in whatever order they come."""
    for order in (names, names[::-1]):
        classes = order_classes(order)
        assert classes.names[0] == healthy
        assert classes.members[healthy] == 0
        assert classes.binary


@pytest.mark.parametrize("names", [["A", "B"], ["ok", "good"], ["broken", "shocking"], ["1", "2"]])
def test_unclear_names_are_asked_about(names: list[str]) -> None:
    """Where the names do not say which class is defective, the person is asked."""
    with pytest.raises(DataError, match=f"--positive {sorted(names)[0]}"):
        order_classes(names)
    assert order_classes(names, positive=[names[0]]).names[1] == names[0]


def test_one_against_the_rest_and_many_classes() -> None:
    """--positive makes two sides of many classes; without it they keep their names."""
    many = ["Free", "Crack", "Break"]
    assert order_classes(many).names == ("Break", "Crack", "Free")
    sides = order_classes(many, positive=["Crack", "Break"])
    assert sides.names == ("Free", "defective")
    assert sides.members == {"Free": 0, "Crack": 1, "Break": 1}
    assert order_classes(many, classes=["Free", "Crack"]).names == ("Free", "Crack")
    for options in ({"classes": ["Crack"]}, {"positive": many}, {"positive": ["Dent"]}):
        with pytest.raises(DataError):
            order_classes(many, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "positive"), [(["healthy", "a", "b"], "healthy"), (["defective", "a", "b"], "a,b")]
)
def test_two_sides_of_one_name_are_refused(names: list[str], positive: str) -> None:
    """Good taken for positive: every verdict would be called healthy, or every one defective."""
    with pytest.raises(DataError, match=r"both sides would be called .*expected the classes"):
        order_classes(names, positive=positive.split(","))


def shots(*names: str) -> list[Photograph]:
    return [Photograph(Path(n), n, n.split("/")[0]) for n in names]


@pytest.mark.parametrize(
    "header",
    ["path,group,note", "Dateiname,Teil,ID", "画像,part id,note", "Foto,Seriennummer,name"],
)
def test_groups_from_a_table(tmp_path: Path, header: str) -> None:
    """path,group with a BOM, Windows slashes and extra columns; absent ones are counted."""
    table = tmp_path / "groups.csv"
    table.write_text(f"\ufeff{header}\nA\\1.png,p1,x\nA/2.png,p1,\n", "utf-8")
    photographs = shots("A/1.png", "A/2.png", "B/3")
    given, ungrouped, _ = apply_rule(GroupRule("file", str(table)), photographs)
    assert [p.group for p in given] == ["p1", "p1", ""]
    assert ungrouped == 1


def test_what_a_table_or_pattern_puts_together_unasked_is_said(tmp_path: Path) -> None:
    """Cells that say that nobody knows are one part; of several parentheses the first counts."""
    table = tmp_path / "groups.csv"
    table.write_text("path,part\nA/1.png,nan\nA/2.png,nan\nA/3.png,N/A\nA/4.png,p1\n", "utf-8")
    found = apply_rule(GroupRule("file", str(table)), shots(*(f"A/{n}.png" for n in range(1, 5))))
    assert [p.group for p in found.photographs] == ["nan", "nan", "N/A", "p1"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("2 photographs are taken for one part called 'nan'")
    lots = shots("A/lot1_part1.png", "A/lot1_part2.png")
    found = apply_rule(GroupRule("regex", r"(lot\d+)_(part\d+)"), lots)
    assert "the first alone names the part, such as 'lot1'" in found.say()[0]
    assert not apply_rule(GroupRule("regex", r"((?:lot\d+)_(?:part\d+))"), lots).say()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("file;kind\n1;2\n", "expected a CSV file with the columns path and group"),
        ("path,group\nA/1.png,1\nA/1.png,2\n", "two groups"),
        ("", "is empty; expected a table"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, content: str, expected: str) -> None:
    """Wrong columns or one path in two groups is an error, not a guess."""
    table = tmp_path / "groups.csv"
    table.write_text(content)
    with pytest.raises(DataError, match=expected):
        apply_rule(GroupRule("file", str(table)), shots("A/1.png"))


def test_groups_that_fit_nothing_are_an_error(tmp_path: Path) -> None:
    """A table or pattern that fits no photograph is a mistake, not 'no groups'."""
    with pytest.raises(DataError, match="fit none of 1 photographs"):
        apply_rule(GroupRule("regex", "zzz"), shots("A/1.png"))
    with pytest.raises(DataError, match="no regular expression"):
        apply_rule(GroupRule("regex", "("), shots("A/1.png"))
    with pytest.raises(DataError, match="cannot be read"):
        apply_rule(GroupRule("file", str(tmp_path / "none.csv")), shots("A/1.png"))


def test_groups_from_names() -> None:
    """The first parenthesis names the part; without one the whole match does."""
    photographs = shots("A/exp1_num_77.jpg", "B/exp2_num_77.jpg", "A/exp1_num_8.jpg")
    for pattern in (r"num_(\d+)", r"num_\d+"):
        groups = [p.group for p in apply_rule(GroupRule("regex", pattern), photographs)[0]]
        assert groups[0] == groups[1] != groups[2]


def test_a_pattern_without_an_end_is_refused() -> None:
    """`(a+)+$` tracks back for years on a long name: one line within seconds."""
    with pytest.raises(DataError, match=r"searched for more than 0.3 s in 1 names such as"):
        groups_in_names(r"(a+)+$", ["a" * 60 + "!.png"], seconds=0.3)
    paths = ["ok/lot1_part2.png", "bad/lot1_part3.png", "ok/\udcff.png"]
    assert groups_in_names(r"(lot\d+_part\d+|none)", paths) == ["lot1_part2", "lot1_part3", ""]


def entry(group: str, digest: str) -> TableRow:
    return TableRow("p", "A", group, digest, 0, "", 0, 0, 0, 0)


def test_copies_join_groups() -> None:
    """Exact copies are one group, and join the groups that they stand in."""
    table_rows = [
        entry("a", "1"), entry("a", "2"), entry("b", "3"), entry("b", "2"), entry("", "4"),
        entry("", "4"), entry("", "5"), entry("c", "6"),
    ]  # fmt: skip
    assert np.array_equal(number_groups(table_rows), [0, 0, 0, 0, 1, 1, 2, 3])


def test_photographs_are_what_the_file_names_say(tmp_path: Path) -> None:
    """A photograph written by the toy folder is found under its class."""
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "x.png").write_bytes(photograph(1))
    assert paths(tmp_path) == ["A/x.png"]
