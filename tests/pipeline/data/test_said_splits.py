"""Splits that tables and lists give beside folders of classes: used, or said why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from features.errors import DataError
from pipeline.data.classes import order_classes
from pipeline.data.folder import Scan, scan_folder

SPLITS = ("test", "train", "train")
OK, NG = range(6), range(6, 10)
PATHS = [f"OK/{n}.jpg" for n in OK] + [f"NG/{n}.jpg" for n in NG]
SAID = dict(zip(PATHS, (SPLITS[n % 3] for n in range(10)), strict=True))


def scanned(root: Path, files: list[str], tables: Mapping[str, str]) -> Scan:
    """Read empty photographs and these tables."""
    for name, text in {**dict.fromkeys(files, ""), **tables}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return scan_folder(root)


def table(column: str, said: Mapping[str, str], *, label: bool) -> str:
    """Write a table with a column of a split, and one of classes where it is asked."""
    lines = [f"path,{column}{',label' * label}"]
    lines += [f"{path},{one}{',' + path[:2] if label else ''}" for path, one in said.items()]
    return "\n".join(lines)


@pytest.mark.parametrize("label", [False, True], ids=["split alone", "classes, too"])
@pytest.mark.parametrize("column", ["split", "mode"])
def test_a_column_of_a_split_beside_folders_of_classes(
    tmp_path: Path, column: str, label: bool
) -> None:
    """Its test part is held out, whatever the column is called: it was trained on."""
    scan = scanned(tmp_path, PATHS, {"about.csv": table(column, SAID, label=label)})
    assert {p.path: p.split for p in scan.photographs} == SAID
    assert {p.label for p in scan.photographs} == {"OK", "NG"}
    assert any("is read as a given split" in note for note in scan.notes)


@pytest.mark.parametrize("label", [False, True], ids=["split alone", "classes, too"])
@pytest.mark.parametrize(
    ("columns", "yes", "no"),
    [
        ("is_test", "True", "False"),
        ("is_training_image", "0", "1"),
        ("isTrain,isTest", "no,yes", "yes,no"),
    ],
)
def test_a_column_of_yes_and_no_is_a_split(
    tmp_path: Path, columns: str, yes: str, no: str, label: bool
) -> None:
    """Called is_test or is_train it tells one part from the other: both were trained on."""
    said = {path: yes if side == "test" else no for path, side in SAID.items()}
    scan = scanned(tmp_path, PATHS, {"about.csv": table(columns, said, label=label)})
    assert {p.path: p.split for p in scan.photographs} == SAID
    assert {p.label for p in scan.photographs} == {"OK", "NG"}


@pytest.mark.parametrize("cell", ["", "maybe"])
def test_a_column_of_yes_and_no_that_leaves_some_out_is_not_used(tmp_path: Path, cell: str) -> None:
    """An empty cell is no no, and neither is another word: that is said."""
    said = {path: str(side == "test") for path, side in SAID.items()} | {"OK/2.jpg": cell}
    scan = scanned(tmp_path, PATHS, {"about.csv": table("is_test", said, label=False)})
    assert not any(p.split for p in scan.photographs)
    assert any("not OK/2.jpg" in note and "not used" in note for note in scan.notes)


def test_a_column_of_what_was_tested_is_no_split(tmp_path: Path) -> None:
    """A part that was tested is none of the test part."""
    said = {path: str(side == "test") for path, side in SAID.items()}
    scan = scanned(tmp_path, PATHS, {"about.csv": table("is_tested", said, label=False)})
    assert not any(p.split for p in scan.photographs)


def test_a_split_of_some_photographs_is_not_used(tmp_path: Path) -> None:
    """Nobody said which part the others are; in a table of classes that is said, too."""
    some = SAID | {"OK/2.jpg": ""}
    scan = scanned(tmp_path / "a", PATHS, {"splits.csv": table("split", some, label=False)})
    assert not any(p.split for p in scan.photographs)
    assert any("not OK/2.jpg" in note and "not used" in note for note in scan.notes)
    flat = {Path(path).name: one for path, one in some.items()}
    text = "path,split,label\n" + "\n".join(f"{p},{s},{'OK' if p < '6' else 'NG'}" for p, s in flat.items())  # fmt: skip  # noqa: E501
    scan = scanned(tmp_path / "b", list(flat), {"labels.csv": text})
    assert any("no part of the split of 1 photographs" in note for note in scan.notes)


def test_two_tables_of_other_splits_are_not_used(tmp_path: Path) -> None:
    """Which is meant is asked."""
    other = SAID | {"OK/0.jpg": "train"}
    tables = {"a.csv": table("split", SAID, label=False), "b.csv": table("split", other, label=False)}  # fmt: skip  # noqa: E501
    scan = scanned(tmp_path, PATHS, tables)
    assert not any(p.split for p in scan.photographs)
    assert any("different splits" in note for note in scan.notes)


@pytest.mark.parametrize("files", [["test.txt"], ["train.txt", "test.txt"]], ids=["one", "two"])
def test_lists_that_are_not_used_are_said(tmp_path: Path, files: list[str]) -> None:
    """A test.txt alone, and lists of names that stand in both classes, give no split."""
    paths = PATHS if len(files) == 1 else [f"{c}/{n}.jpg" for c in ("OK", "NG") for n in range(4)]
    tables = {name: "0.jpg\n1.jpg\n" if name == "test.txt" else "2.jpg\n" for name in files}
    scan = scanned(tmp_path, paths, tables)
    assert not any(p.split for p in scan.photographs)
    assert any("seem" in note and "test.txt" in note and "not used" in note for note in scan.notes)


def test_folders_and_tables_of_other_splits_are_said(tmp_path: Path) -> None:
    """Lists beside train and test are not used; a split in a table of classes is."""
    paths = [f"{split}/{c}/{split}{c}.jpg" for split in ("train", "test") for c in ("OK", "NG")]
    names = [Path(path).name for path in paths]
    lists = {"train.txt": "\n".join(names[2:]), "test.txt": "\n".join(names[:2])}
    scan = scanned(tmp_path / "a", paths, lists)
    assert all(p.split == p.path.split("/")[0] for p in scan.photographs)
    assert any("say another part of the split of 4" in note for note in scan.notes)
    paths = [f"{split}/{split}{n}.jpg" for split in ("train", "test") for n in range(2)]
    text = "path,split,label\n" + "\n".join(f"{p},{'test' if n < 2 else 'train'},{n % 2}" for n, p in enumerate(paths))  # fmt: skip  # noqa: E501
    scan = scanned(tmp_path / "b", paths, {"labels.csv": text})
    assert all(p.split != p.path.split("/")[0] for p in scan.photographs)
    assert any("the folders say another part of the split of 4" in note for note in scan.notes)


def test_numbers_before_and_behind_a_verdict_say_nothing(tmp_path: Path) -> None:
    """3_unsure beside 1_OK has no class; a third word beside a plain bad is asked about."""
    scan = scanned(tmp_path / "a", ["1_OK/a.jpg", "2_NG/b.jpg", "3_unsure/c.jpg"], {})
    assert [p.label for p in scan.photographs] == ["1_OK", "2_NG", ""]
    scan = scanned(tmp_path / "b", ["Gutteile/a.jpg", "Schlechtteile (2)/b.jpg", "Nacharbeit/c.jpg"], {})  # fmt: skip  # noqa: E501
    assert any("Nacharbeit says neither good nor bad" in note for note in scan.notes)


def test_lines_of_which_one_has_good_parts_alone_are_taken_together(tmp_path: Path) -> None:
    """It is not said that the first line's are meant."""
    with pytest.raises(DataError, match="take all together: --classes ng,ok"):
        scanned(tmp_path, ["plant A/ok/1.jpg", "plant A/ng/2.jpg", "plant B/ok/3.jpg"], {})


@pytest.mark.parametrize("day", ["2026-01-0{}", "cam{}", "monday{}"])
def test_a_split_below_days_of_the_classes(tmp_path: Path, day: str) -> None:
    """OK/day1/train, NG/day2/test: the test part was trained on, without a word."""
    files = [f"{c}/{day.format(n)}/{SPLITS[n]}/{n}.jpg" for c in ("OK", "NG") for n in range(3)]
    scan = scanned(tmp_path, files, {})
    assert all((p.label, p.split) == (p.path[:2], p.path.split("/")[2]) for p in scan.photographs)


def test_days_in_one_part_of_a_split_beside_the_classes_in_the_other(tmp_path: Path) -> None:
    """train/mon/OK beside test/OK: all of train was left out as made of photographs."""
    files = [f"{above}/{c}/1.jpg" for above in ("train/mon", "train/tue", "test") for c in ("OK", "NG")]  # fmt: skip  # noqa: E501
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    scan = scan_folder(tmp_path, ["OK", "NG"])
    assert {p.path: p.split for p in scan.photographs} == {f: f.split("/")[0] for f in files}


def test_what_both_names_begin_with_says_no_side() -> None:
    """n_ok and n_nok: "n" may be a number or a not, which swapped the sides."""
    with pytest.raises(DataError, match="cannot tell which"):
        order_classes(["n_nok", "n_ok"])
    assert order_classes(["part_ok", "part_nok"]).names == ("part_ok", "part_nok")
    assert order_classes(["crack", "no_crack"]).names == ("no_crack", "crack")


def test_verdicts_below_what_has_none_are_said(tmp_path: Path) -> None:
    """Prüfen is "to check" and may be "test"; annotated/good beside raw is no mask."""
    files = [f"{above}/{c}/1.jpg" for above in ("Lernen", "Prüfen") for c in ("gut", "schlecht")]
    scan = scanned(tmp_path / "a", files, {})
    assert [p.label for p in scan.photographs] == ["gut", "schlecht", "", ""]
    assert any("Prüfen/gut, Prüfen/schlecht have no class" in note for note in scan.notes)
    with pytest.raises(DataError, match="annotated beside raw"):
        scanned(tmp_path / "b", ["annotated/good/1.jpg", "annotated/bad/2.jpg", "raw/3.jpg"], {})
    scan = scanned(tmp_path / "c", ["masks/bad/1.jpg", "images/3.jpg"], {})
    assert [p.path for p in scan.photographs] == ["images/3.jpg"]


def test_a_json_object_of_lists_is_a_split(tmp_path: Path) -> None:
    """{"train": [...], "test": [...]}: test was trained on; lists of classes are none."""
    lists = {split: [p for p, one in SAID.items() if one == split] for split in ("train", "test")}
    scan = scanned(tmp_path / "a", PATHS, {"split.json": json.dumps(lists)})
    assert {p.path: p.split for p in scan.photographs} == SAID
    classes = {name: [p for p in PATHS if p.startswith(name)] for name in ("OK", "NG")}
    scan = scanned(tmp_path / "b", PATHS, {"about.json": json.dumps(classes)})
    assert not any(p.split for p in scan.photographs)
