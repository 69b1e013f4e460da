"""Tables of strangers: several columns of classes, empty classes, names of other photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from features.errors import DataError
from pipeline.data.class_words import is_defective, is_healthy
from pipeline.data.classes import order_classes
from pipeline.data.folder import LabelRule, Scan, scan_folder

BAD = range(0, 12, 4)


def scanned(root: Path, tables: Mapping[str, str], names: str = "{n}.jpg") -> Scan:
    """Read twelve empty photographs and these tables."""
    for name, text in {**{names.format(n=n): "" for n in range(12)}, **tables}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return scan_folder(root)


def table(columns: str, good: str, bad: str) -> dict[str, str]:
    """Write a table of twelve photographs, three of them bad."""
    lines = [f"{n}.jpg,{bad if n in BAD else good}" for n in range(12)]
    return {"labels.csv": "\n".join([f"file,{columns}", *lines])}


def counts(scan: Scan) -> dict[str, int]:
    """Count the classes that were read."""
    return dict(Counter(p.label for p in scan.photographs if p.label))


@pytest.mark.parametrize(
    ("columns", "good", "bad"),
    [
        ("class,result", "bolt,ok", "bolt,nok"),
        ("class,quality", "bolt,ok", "nut,nok"),
        ("label,result", "A17,ok", "B22,nok"),
        ("status,result", "done,ok", "done,nok"),
    ],
)
def test_a_column_that_says_good_and_bad_comes_first(
    tmp_path: Path, columns: str, good: str, bad: str
) -> None:
    """The class may be that of the product: bolt was taken for good, nok and all."""
    scan = scanned(tmp_path, table(columns, good, bad))
    assert counts(scan) == {"ok": 9, "nok": 3}
    said = "; ".join(note for note in scan.notes if "more than one column" in note)
    assert ("(ok 9, nok 3) is taken" in said) == (columns != "status,result")


def test_columns_that_tell_photographs_apart_otherwise_are_said(tmp_path: Path) -> None:
    """Where names decide, a column with other sides may be meant; one with the same is not said."""
    scan = scanned(tmp_path / "a", table("label,result", "A,0", "A,1") | {"6.jpg": ""})
    assert counts(scan) == {"0": 9, "1": 3}
    several = table("label,result", "A,0", "B,1")["labels.csv"].replace("5.jpg,A", "5.jpg,B")
    scan = scanned(tmp_path / "b", {"labels.csv": several})
    assert counts(scan) == {"A": 8, "B": 4}
    assert any("result (0 9, 1 3)" in n and "--label-column NAME" in n for n in scan.notes)
    scan = scanned(tmp_path / "c", table("label,defective", "none,no", "crack,yes"))
    assert counts(scan) == {"none": 9, "crack": 3}
    assert scan.notes == []
    scan = scanned(tmp_path / "d", table("label,defect", "ok,none", "nok,crack"))
    assert counts(scan) == {"ok": 9, "nok": 3}
    assert scan.notes == []


@pytest.mark.parametrize("bad", ["nok,ok", "nok,nok"])
def test_verdicts_that_contradict_each_other_are_said(tmp_path: Path, bad: str) -> None:
    """An operator's and the final one: the first is taken, and that the second differs is said."""
    scan = scanned(tmp_path, table("verdict,result", "ok,nok" if bad == "nok,ok" else "ok,ok", bad))
    assert counts(scan) == {"ok": 9, "nok": 3}
    said = any("verdict (ok 9, nok 3) is taken; if result (" in note for note in scan.notes)
    assert said == (bad == "nok,ok")


def test_what_a_person_fills_in_comes_before_what_a_model_says(tmp_path: Path) -> None:
    """The label of next.csv, half filled in, all alike or empty, is not replaced by its class."""
    text = "path,label,class,probability_of_defect\n"
    text += "".join(
        f"{n}.jpg,{'ok' * (n < 5)},{'nok' if n in BAD else 'ok'},0.5\n" for n in range(12)
    )
    for number, table in enumerate(
        (text, text.replace(",ok,nok", ",,nok"), text.replace(",ok,ok", ",,ok"))
    ):
        (tmp_path / f"{number}").mkdir()
        file = tmp_path / f"{number}.csv"
        file.write_text(table, "utf-8")
        scanned(tmp_path / f"{number}", {})
        rule = LabelRule(str(file))
        assert "nok" not in counts(scan_folder(tmp_path / f"{number}", labels=rule))
    file.write_text(text.replace(",ok,nok", ",,nok").replace(",ok,ok", ",,ok"), "utf-8")
    with pytest.raises(DataError, match=r"names 12 photographs .* column label is empty; fill it"):
        scan_folder(tmp_path / "2", labels=LabelRule(str(file)))
    lines = [f"{n}.jpg,{'ok' * (n < 5)},{'bad' if n in BAD else 'good'}" for n in range(12)]
    scan = scanned(tmp_path / "b", {"labels.csv": "\n".join(["path,label,result", *lines])})
    assert counts(scan) == {"ok": 5}
    assert any("result (good 9, bad 3) is meant" in note for note in scan.notes)


def test_an_empty_class_is_said(tmp_path: Path) -> None:
    """Named without a class is not "not named", and where no class says good it may mean good."""
    scan = scanned(tmp_path / "a", table("defect", "", "crack"))
    assert any("9 are named there with an empty class; if an empty" in n for n in scan.notes)
    scan = scanned(tmp_path / "b", table("crack,dent", "0,0", "1,0"))
    assert any("9 are named there with an empty class; if an empty" in n for n in scan.notes)
    text = "file,label\n0.jpg,nok\n1.jpg,ok\n2.jpg,\n3.jpg,unsure\n"
    scan = scanned(tmp_path / "c", {"labels.csv": text})
    said = "10 of 12 photographs have no class: 8 are not named in the table, 1 are named there "
    assert said + "with an empty class, 1 wait for one" in scan.notes


def test_a_table_that_names_no_photograph_is_said(tmp_path: Path) -> None:
    """Excel makes 7.jpg of 007.jpg: that the table fits none was not said."""
    scan = scanned(tmp_path, table("label", "ok", "nok"), "{n:04d}.jpg")
    assert counts(scan) == {}
    assert any("of none of these: it says '0.jpg'" in n and "'0000.jpg'" in n for n in scan.notes)


def test_tables_for_train_and_test_whose_photographs_are_called_alike(tmp_path: Path) -> None:
    """train.csv says those of train, test.csv those of test, as docs/layouts.md has it."""
    files = {f"{side}/{n}.jpg": "" for side in ("train", "test") for n in range(4)}
    lists = {f"{side}.csv": f"id,label\n0,{bad}\n1,ok\n2,ok\n3,{bad}\n"
             for side, bad in (("train", "nok"), ("test", "crack"))}  # fmt: skip
    scan = scanned(tmp_path, files | lists, "train/{n}.jpg")
    assert counts(scan) == {"ok": 4, "nok": 2, "crack": 2}
    assert all(p.split == p.path.split("/")[0] for p in scan.photographs if p.label)


@pytest.mark.parametrize(
    "folder", ["2026-01-{:02}", "20260105_{}", "lot {}", "Linie{}", "shift-{}"]
)
def test_photographs_in_folders_of_days_have_no_class(tmp_path: Path, folder: str) -> None:
    """Days were classes, and each was told from the others; a table that fits none is said."""
    paths = [f"{folder.format(day)}/{n}.jpg" for day in (5, 6, 7) for n in range(4)]
    files = {**dict.fromkeys(paths, ""), **table("label", "ok", "nok")}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    scan = scan_folder(tmp_path)
    assert counts(scan) == {}
    assert any(
        "are days, lots or lines, no classes; if they are: --classes" in n for n in scan.notes
    )
    assert any("but of none of these: it says '0.jpg'" in note for note in scan.notes)
    named = scan_folder(tmp_path, [folder.format(day) for day in (5, 6, 7)])
    assert len(counts(named)) == 3


@pytest.mark.parametrize("name", ["false_reject", "Pseudofehler", "false ok", "falsche NIO"])
def test_a_false_verdict_says_neither(name: str) -> None:
    """A false reject is a good part: the hint put it beside NOK as defective."""
    assert not is_healthy(name)
    assert not is_defective(name)
    assert order_classes(["OK", "NOK", name]).describe().endswith("--positive NOK --classes NOK,OK")


def test_folders_of_parts_are_said(tmp_path: Path) -> None:
    """A folder for each serial number: each was a class without a word, and so was the table."""
    names = {f"SN{n}/{n}.jpg": "" for n in range(100, 106)}
    text = "path,label\n" + "".join(
        f"SN{n},{'nok' if n < 102 else 'ok'}\n" for n in range(100, 106)
    )
    scan = scanned(tmp_path, names | {"labels.csv": text}, "SN106/{n}.jpg")
    said = "SN100 to SN106 are taken for 7 classes; if each is a part, say where classes come from"
    assert any(note.startswith(said) for note in scan.notes)
    assert any("of none of these: it says 'SN100'" in note for note in scan.notes)
    kinds = {f"Class{n}/{n}.jpg": "" for n in range(3)}
    assert scanned(tmp_path / "b", kinds, "Class3/{n}.jpg").notes == []


@pytest.mark.parametrize("masks", ["masks/{n}.png", "images/{n}.png"])
@pytest.mark.parametrize("masked", [BAD, range(12)])
def test_names_that_masks_have_too_are_those_of_photographs(
    tmp_path: Path, masks: str, masked: range
) -> None:
    """Where defects alone have masks, they alone lost their class: the rest was one class, good."""
    suffix = "png" if masks.startswith("masks") else "jpg"
    files = {masks.format(n=n): "" for n in masked}
    lines = [f"{n},{'nok' if n in BAD else 'ok'}" for n in range(12)]
    text = {"labels.csv": "\n".join(["id,label", *lines])}
    scan = scanned(tmp_path / "a", files | text, f"images/{{n}}.{suffix}")
    assert counts(scan) == {"ok": 9, "nok": 3}
    rule = LabelRule(str(tmp_path / "a/labels.csv"))
    assert counts(scan_folder(tmp_path / "a", labels=rule)) == {"ok": 9, "nok": 3}
    sides = {f"{side}.txt": "\n".join(f"{n}.{suffix}" for n in range(12) if (n % 2 == 0) == even)
             for side, even in (("train", True), ("test", False))}  # fmt: skip
    scan = scanned(tmp_path / "b", files | text | sides, f"images/{{n}}.{suffix}")
    assert {p.split for p in scan.photographs} == {"train", "test"}


def test_a_workbook_is_said_where_nothing_says_classes(tmp_path: Path) -> None:
    """Where a factory keeps its classes: it was a file of another kind."""
    scan = scanned(tmp_path / "a", {"Pruefung.XLSX": "PK"})
    assert any(
        "Pruefung.XLSX is not read: if it says classes, save it as CSV" in n for n in scan.notes
    )
    assert scanned(tmp_path / "b", {"NG/1.jpg": "", "q.xlsx": "PK"}, "OK/{n}.jpg").notes == []


@pytest.mark.parametrize("name", ["depth", "xyz"])
def test_maps_of_depth_are_no_photographs(tmp_path: Path, name: str) -> None:
    """MVTec 3D has them beside rgb in each class: they were trained on as photographs."""
    maps = {f"{c}/{name}/{n}.png": "" for c in ("good", "hole") for n in range(3)}
    scan = scanned(tmp_path, maps | {"hole/rgb/1.png": ""}, "good/rgb/{n}.png")
    assert counts(scan) == {"good": 12, "hole": 1}
    assert any("masks" in what and count == 6 for what, count in scan.ignored.items())


SIDES = ("TRAIN", "TEST", "VALIDATION")


@pytest.mark.parametrize("last", [True, False], ids=["path,class,split", "split,path,class"])
def test_a_split_in_a_table_without_a_header_is_used(tmp_path: Path, last: bool) -> None:
    """As AutoML writes it: of three columns two are known; its test part was trained on."""
    lines = [(f"gs://b/{n}.jpg,{'nok' if n in BAD else 'ok'}", SIDES[n % 3]) for n in range(12)]
    text = "\n".join(f"{line},{side}" if last else f"{side},{line}" for line, side in lines)
    scan = scanned(tmp_path, {"all.csv": text})
    assert counts(scan) == {"ok": 9, "nok": 3}
    assert all(p.split.upper() == SIDES[int(p.path[:-4]) % 3] for p in scan.photographs)
    given = "\n".join(f"{n}.jpg,{SIDES[n % 2]}" for n in range(12))
    classes = table("label", "ok", "nok")
    scan = scanned(tmp_path / "b", {"given.csv": given, **classes})
    assert {p.split for p in scan.photographs} == {"train", "test"}


@pytest.mark.parametrize("column", ["test", "Holdout", "train"])
@pytest.mark.parametrize("marks", [("1", "0"), ("x", ""), ("True", "False")])
def test_a_column_called_test_is_said(tmp_path: Path, column: str, marks: tuple[str, str]) -> None:
    """Its marks may be the result of a test, or a split: it was passed over without a word."""
    lines = [f"{n}.jpg,{'nok' if n in BAD else 'ok'},{marks[n % 2]}" for n in range(12)]
    text = "\n".join([f"file,label,{column}", *lines])
    scan = scanned(tmp_path / "a", {"labels.csv": text})
    assert not any(p.split for p in scan.photographs)
    said = f"a column {column}, which may give a split: it is not used"
    assert sum(said in note for note in scan.notes) == 1
    inside = {f"{'NG' if n in BAD else 'OK'}/{n}.jpg": "" for n in range(12)}
    text = "\n".join([f"file,{column}", *(f"{n}.jpg,{marks[n % 2]}" for n in range(12))])
    scan = scanned(tmp_path / "b", inside | {"split.csv": text}, "OK/x{n}.jpg")
    assert sum(said in note for note in scan.notes) == 1
