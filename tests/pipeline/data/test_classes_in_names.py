"""pipeline.data.classes_in_names: ok_1.jpg and ng_2.jpg say a class where no folder does."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import DataError
from pipeline.data.classes_in_names import classes_in_names
from pipeline.data.folder import Scan, scan_folder
from pipeline.data.label_table import NAMES, NONE, LabelRule


def folder(root: Path, *names: str) -> Path:
    """Make files of these names: the scan reads names alone."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return root


def classes(scan: Scan) -> dict[str, str]:
    return {p.path: p.label for p in scan.photographs}


def test_words_of_the_names_are_classes_where_no_folder_is_one(tmp_path: Path) -> None:
    scan = scan_folder(folder(tmp_path, "ok_1.jpg", "OK_2.jpg", "ng_1.jpg", "NG_2.jpg"))
    assert [name.lower() for name in scan.class_names] == ["ng", "ok"]
    assert scan.layout == "classes from words of the file names"
    assert any("--labels none to go without" in note for note in scan.notes)
    assert set(classes(scan_folder(tmp_path, labels=LabelRule(NONE))).values()) == {""}


def test_a_given_split_stays(tmp_path: Path) -> None:
    names = ["train/ok_1.jpg", "train/ng_1.jpg", "test/ok_2.jpg", "test/ng_2.jpg"]
    scan = scan_folder(folder(tmp_path, *names))
    assert [(p.label, p.split) for p in scan.photographs] == [
        ("ng", "test"), ("ok", "test"), ("ng", "train"), ("ok", "train"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stems", "expected"),
    [
        (["cast_def_0_1", "cast_ok_0_9"], ["def", "ok"]),
        (["part_ok_1", "part_not_ok_2"], ["ok", "not_ok"]),
        (["i.O. 1", "n.i.O. 2"], ["i.O.", "n.i.O."]),
        (["GoodPart1", "BadPart1"], ["GoodPart", "BadPart"]),
        (["良品_1", "不良品_2"], ["良品", "不良品"]),
        (["crack_free_1", "crack_2"], ["crack_free", "crack"]),
        (["ok_1", "scratch_1", "dent_1"], ["ok", "scratch", "dent"]),
        (["p1_ok_top", "p1_ok_side", "p2_ng_top", "p2_ng_side"], ["ok", "ok", "ng", "ng"]),
        (["hole_plate_ok_1", "hole_plate_ng_1"], ["ok", "ng"]),  # a word of all names is none
        (["ok_1", "ng_1", "unsure_1"], ["ok", "ng", "unsure"]),
    ],
)
def test_the_word_is_found(stems: list[str], expected: list[str]) -> None:
    assert classes_in_names(stems * 8) == expected * 8


def test_what_is_drawn_at_random_beside_the_word_is_none_of_it() -> None:
    drawn = [f"{word}_{mark}" for word in ("ok", "ng") for mark in ("a7f", "bx", "c1d", "q", "e9")]
    assert classes_in_names(drawn) == ["ok"] * 5 + ["ng"] * 5


@pytest.mark.parametrize(
    "stems",
    [
        ["1", "2"],
        ["ok_1", "ok_2"],  # one side alone
        ["ok_1", "IMG_2", "ng_3"],  # one that says neither
        ["bolt_hole_1", "bolt_head_2"],  # nobody is good
        ["ok_1", "ng_2", "ok_unsure_3"],
        ["ok_1", "ng_2", "maybe_ng_3"],
        ["ok_1", "ng_2", "false_reject_3"],  # is good, though its last word is "reject"
        ["ok_1_ok", "ok_2_ng", "ng_3_ok", "ng_4_ng"],  # of a machine, and of a person
        ["ok_1", "ng_2", "scratch_ok_3"],
    ],
)
def test_names_that_do_not_all_say_it_say_nothing(stems: list[str]) -> None:
    assert classes_in_names(stems * 8) is None


def test_a_last_word_that_says_another_side_than_the_name_is_no_class() -> None:
    """a_not_ok ends in ok, and is not."""
    sides = ("not_ok", "nok", "ok")
    stems = [f"{drawn}_{sides[n % 3]}" for n, drawn in enumerate("abcdefghijklmnopqrstuvwxyz")]
    assert classes_in_names(stems) is None


def test_a_name_that_says_nothing_is_named(tmp_path: Path) -> None:
    scan = scan_folder(folder(tmp_path, "ok_1.jpg", "ok_2.jpg", "ng_1.jpg", "chip_1.jpg"))
    assert scan.class_names == []
    assert any("1 names such as 'chip_1'" in note for note in scan.notes)
    with pytest.raises(DataError, match="1 names such as 'chip_1' that say neither"):
        scan_folder(tmp_path, labels=LabelRule(NAMES))


def test_folders_that_say_neither_point_at_the_names(tmp_path: Path) -> None:
    """bolts/ok_1.jpg: the folders are taken, and the option that takes the words is said."""
    root = folder(tmp_path, "bolts/ok_1.jpg", "bolts/ng_1.jpg", "nuts/ok_1.jpg", "nuts/ng_1.jpg")
    scan = scan_folder(root)
    assert scan.class_names == ["bolts", "nuts"]
    assert any("--labels names" in note for note in scan.notes)
    assert scan_folder(root, labels=LabelRule(NAMES)).class_names == ["ng", "ok"]


def test_folders_that_say_good_and_bad_are_believed(tmp_path: Path) -> None:
    scan = scan_folder(folder(tmp_path, "OK/ng_1.jpg", "NG/ok_1.jpg", "OK/ok_2.jpg"))
    assert scan.class_names == ["NG", "OK"]
    assert not any("--labels names" in note for note in scan.notes)
