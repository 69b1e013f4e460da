"""The world's layouts of folders: each is read as what it is, or refused with what to do."""

from __future__ import annotations

import random
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from features.errors import DataError
from pipeline.data.class_words import is_defective, is_healthy
from pipeline.data.classes import order_classes
from pipeline.data.folder import LabelRule, find_pictures, scan_folder
from pipeline.data.layouts import read_layout
from pipeline.output.names import match_names, split_names

NFC, NFD = (unicodedata.normalize(form, "défaut") for form in ("NFC", "NFD"))


def make(root: Path, files: Iterable[str]) -> Path:
    """Empty files: a scan looks at names."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def counts(root: Path, **options: object) -> Counter[tuple[str, str]]:
    """Photographs by class and split."""
    found = scan_folder(root, **options).photographs  # type: ignore[arg-type]
    return Counter((p.label, p.split) for p in found)


def test_splits_above_the_classes(tmp_path: Path) -> None:
    """train, valid and test in any of their names are parts of a split, not classes."""
    files = [f"Training/{c}/{i}.png" for c in ("ok", "nok") for i in range(3)]
    files += ["val/ok/1.png", "val/nok/2.png", "TEST/ok/1.png", "TEST/OK/2.png"]
    assert counts(make(tmp_path, files)) == {
        ("ok", "train"): 3, ("nok", "train"): 3, ("ok", "validation"): 1, ("nok", "validation"): 1,
        ("ok", "test"): 2,
    }  # fmt: skip
    assert any("differ in spelling alone" in note for note in scan_folder(tmp_path).notes)


def test_splits_below_the_classes(tmp_path: Path) -> None:
    """good/train, good/test: the first level are the classes."""
    make(tmp_path, ["good/train/1.png", "good/test/2.png", "bad/train/3.png", "bad/test/4.png"])
    assert counts(tmp_path) == {(c, s): 1 for c in ("good", "bad") for s in ("train", "test")}


def test_mvtec_masks_are_no_photographs(tmp_path: Path) -> None:
    """ground_truth is left out and counted; test/<defect> are classes of the holdout."""
    make(tmp_path, ["train/good/1.png", "train/good/2.png", "test/good/1.png", "test/hole/1.png",
                    "test/crack/1.png", "ground_truth/hole/1_mask.png", "license.txt"])  # fmt: skip
    scan = scan_folder(tmp_path)
    assert not any("ground_truth" in p.path for p in scan.photographs)
    assert sum(n for what, n in scan.ignored.items() if "masks" in what) == 1
    assert counts(tmp_path) == {
        ("good", "train"): 2, ("good", "test"): 1, ("hole", "test"): 1, ("crack", "test"): 1,
    }  # fmt: skip
    pictures, masks = find_pictures(tmp_path)
    assert (len(pictures), masks) == (5, 1)


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (["data/data/ok/1.png", "data/data/nok/2.png"], {"ok", "nok"}),
        (["archive/ok/1.png", "archive/nok/2.png", "__MACOSX/archive/ok/._1.png"], {"ok", "nok"}),
        (["set/train/ok/1.png", "set/train/nok/2.png", "set/test/ok/1.png"], {"ok", "nok"}),
        (["Images/Normal/1.jpg", "Images/Anomaly/1.jpg", "Masks/Anomaly/1.png"],
         {"Normal", "Anomaly"}),
        (["ok/1.jpg", "nok/2.jpg", "nok/2.png"], {"ok", "nok"}),
        (["ok/1.jpg", "nok/2.jpg", "nok/2_mask.png", "nok/masks/2.png"], {"ok", "nok"}),
        (["ok/@eaDir/1.jpg/SYNO.jpg", "ok/1.jpg", "nok/.hidden/1.jpg", "nok/2.jpg"], {"ok", "nok"}),
        (["good/part-1/1.png", "good/part-2/1.png"], {"good"}),
        (["0/1.png", "1/1.png"], {"0", "1"}),
    ],
    ids=["twice-packed", "zip-of-a-mac", "packed-split", "visa", "png-masks", "named-masks",
         "synology", "one-class-by-part", "numbers"],
)  # fmt: skip
def test_other_layouts(tmp_path: Path, files: list[str], labels: set[str]) -> None:
    """Packing, copies of storage servers and masks are seen through; two photographs are left."""
    scan = scan_folder(make(tmp_path, files))
    assert set(scan.class_names) == labels
    assert {p.label for p in scan.photographs} == labels
    assert not any("mask" in p.path.lower() for p in scan.photographs)
    assert len({p.path for p in scan.photographs if p.path.endswith((".jpg", ".png"))}) <= 3


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["train/ok/1.png", "test/ok/1.png", "extra/1.png"], "train beside extra.*--classes ok;"),
        (["test/ok/1.png", "test/nok/1.png", "extra/1.png"], "test beside extra.*extract .*test;"),
        (["test/1.png", "extra/1.png"], "test beside extra.*--labels FILE; .*--classes extra,test"),
        (["IMAGES/1.jpg", "ANNOTATIONS/1.xml", "Validation_Images/1.jpg"], "a Pascal VOC folder"),
        (["bottle/train/good/1.png", "bottle/test/hole/1.png", "tile/train/good/1.png",
          "tile/test/crack/1.png"], "several products.*extract .*bottle --cache bottle.h5"),
        (["line1/ok/1.png", "line1/nok/1.png", "line2/ok/1.png", "line2/nok/1.png"],
         "nok and ok below each of line1, line2"),
        (["images/train/1.jpg", "labels/train/1.txt", "data.yaml"], "a YOLO folder.*--labels"),
        (["train/images/1.jpg", "train/labels/1.txt"], "a YOLO folder"),
        (["train/1.jpg", "train/_annotations.coco.json"], "a COCO folder"),
        (["JPEGImages/1.jpg", "Annotations/1.xml"], "a Pascal VOC folder"),
        (["good/1.png", "bad/1.png", "masks/1.png"], "masks beside bad, good.*--classes bad,good"),
    ],
    ids=["mixed", "mixed-one", "mixed-flat", "mixed-voc", "products", "lines", "yolo",
         "yolo-split", "coco", "voc", "masks"],
)  # fmt: skip
def test_what_cannot_be_read_says_what_to_do(
    tmp_path: Path, files: list[str], expected: str
) -> None:
    """Boxes, products and mixtures are refused in one line, with the command that is meant."""
    with pytest.raises(DataError, match=expected) as caught:
        scan_folder(make(tmp_path, files))
    assert "\n" not in str(caught.value)


def test_classes_that_are_named_are_classes(tmp_path: Path) -> None:
    """What a person calls a class is one, whatever it is called."""
    make(tmp_path, ["train/1.png", "bus/1.png", "masks/1.png"])
    assert counts(tmp_path, classes=["train", "bus"]) == {("train", ""): 1, ("bus", ""): 1}
    assert counts(tmp_path, classes=["masks", "bus", "train"])["masks", ""] == 1


def test_unlabelled_test_folder_of_keras(tmp_path: Path) -> None:
    """test/test, made so that flow_from_directory finds something, has no classes."""
    make(tmp_path, ["train/ok/1.png", "train/nok/2.png", "test/test/1.png"])
    assert counts(tmp_path)["", "test"] == 1


def test_names_that_look_equal_are_one_class(tmp_path: Path) -> None:
    """A Mac's é and a keyboard's are one class, and one may name it either way."""
    make(tmp_path, [f"{NFD}/1.png", "ok/1.png"])
    assert scan_folder(tmp_path).class_names == [NFC, "ok"]
    assert counts(tmp_path, classes=[NFD]) == {(NFC, ""): 1}
    assert order_classes([NFC, "part"], positive=[NFD]).names == ("part", NFC)


def test_a_class_with_comma_space_or_dash_can_be_named(tmp_path: Path) -> None:
    """Names cut at commas are put together again; spaces around a name do not count."""
    names = ["scratch, deep", " lead", "-dash", "ok"]
    for text in ("scratch, deep,-dash,lead", '"scratch, deep", "-dash"," lead"'):
        positive = split_names(text)
        assert order_classes(names, positive=positive).members == {
            "scratch, deep": 1, " lead": 1, "-dash": 1, "ok": 0,
        }  # fmt: skip


def test_archives_are_refused_with_the_command(tmp_path: Path) -> None:
    """A ZIP is not unpacked unasked; the message says how."""
    (tmp_path / "parts.zip").write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match=r"python -m zipfile -e .*parts\.zip .*parts"):
        scan_folder(tmp_path / "parts.zip")


def test_pictures_of_other_formats_are_named(tmp_path: Path) -> None:
    """What cannot be read is counted by format, not among 'other kinds'; predict gets it."""
    make(tmp_path, ["ok/1.png", "ok/2.JP2", "ok/3.gif", "ok/4.gif", "ok/notes.txt"])
    (tmp_path / "ok" / "IMG_1").write_bytes(b"\xff\xd8\xff\xe0" + bytes(20))
    ignored = scan_folder(tmp_path).ignored
    assert ignored[".gif pictures"] == 2
    assert ignored[".jp2 pictures"] == 1
    assert ignored["unnamed pictures"] == 1
    assert len(find_pictures(tmp_path)[0]) == 5


def test_classes_without_a_healthy_name_are_shown_with_counts() -> None:
    """The message has what is needed to answer it."""
    with pytest.raises(DataError, match=r"A \(12\) and B \(30\).*--positive A or --positive B"):
        order_classes({"A": 12, "B": 30})
    with pytest.raises(DataError, match="--labels"):
        order_classes({})


@pytest.mark.parametrize(
    ("good", "bad"),
    [("i.O.", "n.i.O."), ("iO", "niO"), ("gut", "schlecht"), ("合格", "不良"), ("良品", "不良品"),
     ("no_defect", "defect"), ("Pass", "Fail"), ("conforme", "non_conforme"),
     ("in Ordnung", "nicht in Ordnung"), ("ohne Fehler", "Fehler"), ("undamaged", "damaged")],
)  # fmt: skip
def test_words_for_good_in_other_languages(good: str, bad: str) -> None:
    """What factories of several countries call their folders."""
    assert order_classes([bad, good]).names == (good, bad)


def test_one_class_is_taken_for_good(tmp_path: Path) -> None:
    """Good parts alone have no defective class yet; defective parts alone are refused."""
    classes = order_classes({"good": 10})
    assert classes.binary
    assert classes.only_good
    assert classes.members == {"good": 0}
    with pytest.raises(DataError, match="says defective"):
        order_classes({"scratches": 10})


# ---- tables of classes --------------------------------------------------------------------

TABLES = {
    "labels.csv": "file,label\na.png,ok\nb.png,nok\n",
    "metadata.csv": "file_name,text,label\nimages/a.png,one,ok\nimages/b.png,two,nok\n",
    "metadata.jsonl": '{"file_name": "images/a.png", "label": "ok"}\n'
    '{"file_name": "images/b.png", "label": "nok"}\n',
    "semicolon.csv": "\ufeffDatei;Klasse\nimages\\a.png;ok\nimages\\b.png; nok \n",
    "ids.csv": "image_id,healthy,rust\na,1,0\nb,0,1\n",
    "absolute.tsv": "path\tclass\nC:\\line\\images\\a.png\tok\n/mnt/images/b.png\tnok\n",
    "sep.csv": "sep=;\npath;class\na.png;ok\nb.png;nok\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_lie_beside_the_photographs(tmp_path: Path, name: str) -> None:
    """Columns are found by name; paths may say more or less than the path below the folder."""
    make(tmp_path, ["images/a.png", "images/b.png"])
    (tmp_path / name).write_text(TABLES[name], "utf-8")
    labels = {p.path[7]: p.label for p in scan_folder(tmp_path).photographs}
    assert labels["a"] in ("ok", "healthy")
    assert labels["b"] in ("nok", "rust")


def test_hugging_face_splits_with_a_table_each(tmp_path: Path) -> None:
    """train/metadata.csv and test/metadata.csv name files of their own folders."""
    make(tmp_path, ["train/1.png", "train/2.png", "test/1.png"])
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label\n1.png,ok\n2.png,nok\n")
    (tmp_path / "test" / "metadata.csv").write_text("file_name,label\n1.png,nok\n")
    assert counts(tmp_path) == {("ok", "train"): 1, ("nok", "train"): 1, ("nok", "test"): 1}


def test_a_table_may_give_the_split(tmp_path: Path) -> None:
    """A column called split is kept if all that it says is known."""
    make(tmp_path, ["1.png", "2.png"])
    (tmp_path / "labels.csv").write_text("path,label,split\n1.png,ok,Train\n2.png,nok,TEST\n")
    assert counts(tmp_path) == {("ok", "train"): 1, ("nok", "test"): 1}


def test_a_named_table_with_named_columns(tmp_path: Path) -> None:
    """--labels with --path-column and --label-column; what does not fit is counted."""
    make(tmp_path / "data", ["x/1.png", "x/2.png", "y/3.png"])
    table = tmp_path / "shift.csv"
    table.write_text("foto;urteil\n1.png;gut\n2.png;Schlecht\n9.png;gut\n", "utf-16")
    scan = scan_folder(tmp_path / "data", labels=LabelRule(str(table), "foto", "urteil"))
    assert {p.path: p.label for p in scan.photographs} == {
        "x/1.png": "gut", "x/2.png": "Schlecht", "y/3.png": "",
    }  # fmt: skip
    assert any("1 names" in note and "'9.png'" in note for note in scan.notes)
    assert any("1 of 3 photographs have no class: 1 are not named" in note for note in scan.notes)
    other = tmp_path / "other.csv"
    other.write_text("path,label\na.png,ok\nb.png,nok\n")
    for rule, expected in (
        (LabelRule(str(table)), "--path-column and --label-column"),
        (LabelRule(str(table), "foto", "none"), "expected one called none"),
        (LabelRule(str(tmp_path / "gone.csv")), "cannot be read"),
        (
            LabelRule(str(other)),
            "names none of the 3 photographs.*'a.png'.*go without: --labels none",
        ),
    ):
        with pytest.raises(DataError, match=expected):
            scan_folder(tmp_path / "data", labels=rule)


def test_folders_and_a_table_that_contradict_are_refused(tmp_path: Path) -> None:
    """Which of the two is right is for a person to say."""
    make(tmp_path, ["ok/1.png", "nok/2.png"])
    (tmp_path / "labels.csv").write_text("path,label\nok/1.png,nok\nnok/2.png,nok\n")
    with pytest.raises(DataError, match=r"another class for 1 .*'ok/1.png'.*--labels none"):
        scan_folder(tmp_path)
    assert scan_folder(tmp_path, labels=LabelRule("none")).class_names == ["nok", "ok"]
    named = scan_folder(tmp_path, labels=LabelRule(str(tmp_path / "labels.csv")))
    assert named.class_names == ["nok"]


def test_boxes_and_several_classes_at_once_are_refused(tmp_path: Path) -> None:
    """A table of boxes, or of several classes of one photograph, is no table of classes."""
    make(tmp_path, ["1.png"])
    table = tmp_path / "_annotations.csv"
    table.write_text("filename,class,xmin,ymin\n1.png,hole,1,2\n")
    with pytest.raises(DataError, match="where objects are"):
        scan_folder(tmp_path)
    table.write_text("filename,hole,crack\n1.png,1,1\n")
    with pytest.raises(DataError, match="2 classes of one photograph"):
        scan_folder(tmp_path)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train_data", "test_data"), ("train_images", "test_images"), ("seg_train", "seg_test"),
        ("1_train", "2_test"), ("train2017", "test2017"), ("trainval", "test"), ("学習", "テスト"),
        ("train_val", "test"), ("Training", "Eval"), ("train", "test_public"),
    ],
)  # fmt: skip
def test_splits_by_longer_names(tmp_path: Path, train: str, test: str) -> None:
    """With words beside it that say nothing of a class, train is still a part of a split."""
    make(tmp_path, [f"{side}/{c}/1.png" for side in (train, test) for c in ("0", "1")])
    assert counts(tmp_path) == {(c, s): 1 for c in ("0", "1") for s in ("train", "test")}


def test_a_folder_beside_a_split_is_left_out_where_the_classes_are_named(tmp_path: Path) -> None:
    """--classes OK,NG: train and test are the split, and what lies beside them has no class."""
    files = [f"{side}/{c}/1.png" for side in ("train", "test") for c in ("OK", "NG")]
    make(tmp_path, [*files, "testImg/1.png", "testImg/2.png", "3.png"])
    scan = scan_folder(tmp_path, ["ok", "NG"])
    assert {(p.label, p.split): p.path for p in scan.photographs} == {
        (c, s): f"{s}/{c}/1.png" for c in ("OK", "NG") for s in ("train", "test")
    }
    assert scan.ignored["photographs of other classes"] == 3


def test_a_class_with_test_in_its_name(tmp_path: Path) -> None:
    """test_pad is a part that is tested, not a part of a split."""
    make(tmp_path, ["test_pad/1.png", "solder_joint/1.png"])
    assert counts(tmp_path) == {("test_pad", ""): 1, ("solder_joint", ""): 1}


@pytest.mark.parametrize("masks", ["defect_mask", "bad_masks", "Mask_images"])
def test_folders_of_masks_by_longer_names(tmp_path: Path, masks: str) -> None:
    """They are refused where classes stand, unless one calls them a class."""
    make(tmp_path, ["good/1.png", "bad/2.png", f"{masks}/2.png"])
    with pytest.raises(DataError, match=r"masks are no photographs of a class.*--classes bad,good"):
        scan_folder(tmp_path)
    assert len(counts(tmp_path, classes=["good", "bad"])) == 2
    assert len(counts(tmp_path, classes=["good", "bad", masks])) == 3


def test_masks_beside_photographs_called_labels(tmp_path: Path) -> None:
    """Part0_label.bmp beside Part0.jpg, as in KolektorSDD; people with masks are no masks."""
    make(tmp_path, ["good/Part0.jpg", "good/Part0_label.bmp", "bad/Part1.jpg"])
    assert counts(tmp_path) == {("good", ""): 1, ("bad", ""): 1}
    make(tmp_path / "faces", ["with_mask/1.jpg", "without_mask/2.jpg"])
    assert len(counts(tmp_path / "faces")) == 2


def test_packing_that_is_called_anything(tmp_path: Path) -> None:
    """Seen through where good stands inside; else one folder with several in it is asked about."""
    make(tmp_path / "a", ["archive (1)/x-main/good/1.png", "archive (1)/x-main/bad/2.png"])
    assert counts(tmp_path / "a") == {("good", ""): 1, ("bad", ""): 1}
    make(tmp_path / "b", ["archive (1)/x-main/0/1.png", "archive (1)/x-main/1/2.png"])
    with pytest.raises(DataError, match=r'2 folders in .*extract ".*x-main"; .*--classes "archive'):
        scan_folder(tmp_path / "b")
    assert counts(tmp_path / "b", classes=["archive (1)"]) == {("archive (1)", ""): 2}


def test_a_photograph_that_the_table_names_is_no_mask(tmp_path: Path) -> None:
    """1.png beside 1.jpg is left out as a copy, but not where the table says its class."""
    make(tmp_path, ["1.jpg", "1.png", "2.jpg", "2.png"])
    (tmp_path / "labels.csv").write_text("file,label\n1.png,ok\n1.jpg,ok\n2.jpg,bad\n", "utf-8")
    assert counts(tmp_path) == {("ok", ""): 2, ("bad", ""): 1}
    assert sum(scan_folder(tmp_path).ignored.values()) == 2  # the table, and 2.png


def test_a_list_whose_first_photographs_are_not_here(tmp_path: Path) -> None:
    """A part of a large set with the whole set's list: its first line is no header."""
    make(tmp_path, [f"train/{n}.jpeg" for n in range(900, 904)] + ["val/901.jpeg", "val/7.jpeg"])
    lines = "".join(f"{n}.jpeg {n % 2}\n" for n in range(1000))
    (tmp_path / "train.txt").write_text(lines, "utf-8")
    assert any("--labels" in note and "train.txt" in note for note in scan_folder(tmp_path).notes)
    rule = LabelRule(str(tmp_path / "train.txt"))
    labelled = Counter({("0", "train"): 2, ("1", "train"): 2, ("", "validation"): 2})
    assert counts(tmp_path, labels=rule) == labelled  # of val the list says nothing


def test_one_json_object_from_photographs_to_classes(tmp_path: Path) -> None:
    """It was read as one line whose names of columns were the photographs: 2.jpg was a class."""
    make(tmp_path, ["f/1.jpg", "f/2.jpg"])
    table = tmp_path / "labels.json"
    table.write_text('{\n "1.jpg": "ok",\n "2.jpg": "nok"\n}', "utf-8")
    found = counts(tmp_path, labels=LabelRule(str(table)))
    assert found == {("ok", ""): 1, ("nok", ""): 1}
    assert any(f"--labels {table}" in note for note in scan_folder(tmp_path).notes)
    table.write_text('{"file_name": "f/1.jpg", "label": "ok"}', "utf-8")
    assert counts(tmp_path, labels=LabelRule(str(table)))[("ok", "")] == 1
    table.write_text('"ok"', "utf-8")
    with pytest.raises(DataError, match="no list of objects"):
        counts(tmp_path, labels=LabelRule(str(table)))


def test_a_split_of_the_table_that_is_not_used_is_said(tmp_path: Path) -> None:
    """One word that is no part of a split, and the split would be dropped in silence."""
    make(tmp_path, ["1.jpg", "2.jpg"])
    (tmp_path / "labels.csv").write_text("file,label,split\n1,ok,train\n2,bad,final\n", "utf-8")
    scan = scan_folder(tmp_path)
    assert [p.split for p in scan.photographs] == ["", ""]
    assert any("'final' of 1 photographs" in note for note in scan.notes)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["fold1/{c}/1.png", "fold2/{c}/1.png"], "0 and 1 below each of fold1, fold2"),
        (["fold_1/0/1.png", "fold_2/1/1.png"], "0, 1 below fold_1, fold_2"),
        (["train/fold0/{c}/1.png", "train/fold1/{c}/1.png", "test/{c}/1.png"], "extract .*fold0"),
        (["train/line1/{c}/1.png", "train/line2/{c}/1.png", "test/line1/{c}/1.png",
          "test/line2/{c}/1.png"],
         "one at a time"),
        (["k1/train/{c}/1.png", "k1/val/{c}/1.png", "k2/train/{c}/1.png"], "one at a time"),
        (["2024-01-01/OK/1.png", "2024-01-02/NOK/1.png"],
         "the classes stand one level below; take all together: --classes NOK,OK, or extract"),
        (["2024/01/OK/1.png", "2024/01/NOK/1.png", "2024/02/OK/1.png"], "--classes NOK,OK, or"),
        (["a_512/a_512/ok_x/1.png", "a_512/a_512/def_x/1.png", "a/a/train/ok_x/1.png",
          "a/a/train/def_x/1.png"], "one at a time"),
        (["good/1.png", "bad/1.png", "good - Copy/1.png"], "in two places.*--classes bad,good"),
        (["OK/1.png", "OK (2)/1.png", "NG/1.png", "NG (2)/1.png"],
         r"take the others alone: --classes NG,OK; if NG \(2\) is more of NG, put it, as it is, "
         "into NG; if all"),
        (["good/1.png", "bad/1.png", "augmented/good/1.png"], "in two places"),
        (["good/1.png", "bad/1.png", "annotated/1.png"], "pictures made of photographs"),
        (["good/1.png", "bad/1.png", "gt/1.png"], "--classes bad,good"),
        (["images/hole/1.png", "images/short/1.png", "rotated/hole_r/1.png", "used/1.png"],
         "extract .*images; .*--classes images,rotated,used"),
    ],
    ids=["folds", "folds-of-one", "folds-in-train", "lines-in-train", "k-fold-export", "days",
         "months", "two-sizes", "copy", "numbered", "augmented", "annotated", "gt", "images"],
)  # fmt: skip
def test_what_stands_where_classes_do_is_refused(
    tmp_path: Path, files: list[str], said: str
) -> None:
    """Folds, lines, days, copies and drawings are not learnt as classes, unless named so."""
    make(tmp_path, [name.format(c=c) for name in files for c in "01"])
    with pytest.raises(DataError, match=said):
        scan_folder(tmp_path)


@pytest.mark.parametrize("above", ["2024-01-0{n}", "2024/0{n}", "line{n}", "fold{n}"])
def test_classes_below_days_and_lines_are_taken_together_where_they_are_named(
    tmp_path: Path, above: str
) -> None:
    """--classes OK,NG: whatever folders they stand in; photographs beside them are left out."""
    days = [above.format(n=n) for n in (1, 2, 3)]
    make(tmp_path, [f"{day}/{c}/1.png" for day in days for c in ("OK", "NG")])
    make(tmp_path, [f"{days[0]}/2.png", f"{days[1]}/dent/3.png"])
    assert counts(tmp_path, classes=["ok", "NG"]) == {("OK", ""): 3, ("NG", ""): 3}
    of_a_model = Counter({("OK", ""): 3, ("NG", ""): 3, ("dent", ""): 1, ("", ""): 1})
    assert counts(tmp_path, known={"OK": 0, "NG": 1}) == of_a_model  # dent is one it does not know
    sides = ("train", "test")
    make(tmp_path / "above", [f"{s}/{days[0]}/{c}/1.png" for s in sides for c in "ab"])
    below = [f"{days[n]}/{s}" for n, s in enumerate(sides)]
    make(tmp_path / "below", [f"{side}/{c}/1.png" for side in below for c in "ab"])
    for folder in ("above", "below"):  # a split below days was trained on as a whole
        held = counts(tmp_path / folder, classes=["a", "b"])
        assert held == {(c, s): 1 for c in "ab" for s in sides}


@pytest.mark.parametrize(
    ("good", "bad"),
    [("Годные", "Брак"), ("исправные", "неисправные"), ("без трещин", "трещины"),
     ("норма", "негодные"), ("годен", "не годен"), ("OK品", "NG品"),
     ("aprobado", "rechazado"), ("Aprovados", "Reprovados"), ("conformi", "non conformi"),
     ("conforming", "nonconforming"), ("approved", "disapproved"),
     ("정상", "비정상"), ("양품", "불량품"), ("Buenas", "Defectuosas"),
     ("Conformes", "Non conformes"), ("Bonnes pièces", "Rebuts"), ("Buoni", "Scarti"),
     ("dobre", "wadliwe"), ("goedgekeurd", "afgekeurd"), ("boas", "defeituosas"),
     ("perfect", "damaged"), ("freshapples", "rottenapples")],
)  # fmt: skip
def test_good_and_bad_in_other_languages(good: str, bad: str) -> None:
    """Of any script, negated and not."""
    assert [is_healthy(good), is_defective(good)] == [True, False]
    assert [is_healthy(bad), is_defective(bad)] == [False, True]


def test_a_collection_is_packing_though_its_name_says_defect(tmp_path: Path) -> None:
    """What is called Leather Defect Classification holds the classes; "defects" alone is one."""
    for at, name in enumerate(("Leather Defect Classification", "good and defective images")):
        make(tmp_path / str(at), [f"{name}/{c}/1.png" for c in ("Pinhole", "non defective")])
        assert counts(tmp_path / str(at)) == {("Pinhole", ""): 1, ("non defective", ""): 1}
    files = [f"fault Detection/{s}/{c}/1.png" for s in ("Train", "Test") for c in ("OK", "NG")]
    make(tmp_path / "rail", files)
    assert counts(tmp_path / "rail")[("NG", "test")] == 1
    make(tmp_path / "one", ["defects/crack/1.png", "defects/hole/1.png"])
    assert counts(tmp_path / "one") == {("defects", ""): 2}
    make(tmp_path / "flat", ["data/1.png", "data/2.png"])
    assert counts(tmp_path / "flat") == {("", ""): 2}


def test_what_was_put_aside_beside_good_and_bad_is_no_class(tmp_path: Path) -> None:
    """unsure, todo, results: without a class, which is said with the option; or else as named."""
    make(tmp_path, ["OK/1.png", "NG/1.png", "unsure/1.png", "results/1.png"])
    scan = scan_folder(tmp_path)
    assert scan.class_names == ["NG", "OK"]
    assert any("results, unsure" in n and "--classes NG,OK,results,unsure" in n for n in scan.notes)
    assert len(scan_folder(tmp_path, ["OK", "NG", "unsure"]).class_names) == 3
    make(tmp_path / "kinds", ["red/1.png", "blue/1.png", "unknown/1.png"])
    assert len(scan_folder(tmp_path / "kinds").class_names) == 3


def test_classes_may_stand_below_and_it_is_said(tmp_path: Path) -> None:
    """D/CD, D/UD, P/CP, P/UP: D and P are read, and the option for the others is named."""
    make(tmp_path, [f"{a}/{b}{a}/1.png" for a in "DP" for b in "CU"])
    scan = scan_folder(tmp_path)
    assert scan.class_names == ["D", "P"]
    assert any("--classes CD,CP,UD,UP" in note for note in scan.notes)
    assert len(scan_folder(tmp_path, ["CD", "CP", "UD", "UP"]).class_names) == 4
    make(tmp_path / "cams", [f"{a}/cam{b}/1.png" for a in ("OK", "NG") for b in "12"])
    assert not scan_folder(tmp_path / "cams").notes


def test_several_classes_with_good_ones_name_the_option() -> None:
    """Kinds of defects beside good, or days with good and bad in their names."""
    assert "--positive crack,hole" in order_classes(["crack", "good", "hole"]).describe()
    days = order_classes(["05-01 OK", "05-02 NG", "05-03 OK", "05-04 NG, late"])
    typed = split_names(shlex.split(days.describe().partition("--positive ")[2])[0])
    assert match_names(typed or [], days.names)[0] == ["05-02 NG", "05-04 NG, late"]
    assert "--positive" not in order_classes(["a", "b", "c"]).describe()


def test_folds_that_are_called_classes_are_classes(tmp_path: Path) -> None:
    """--classes settles it; folds below the classes are no matter."""
    make(tmp_path / "a", [f"fold{f}/{c}/1.png" for f in (1, 2) for c in (0, 1)])
    assert counts(tmp_path / "a", classes=["fold1", "fold2"]) == {
        ("fold1", ""): 2,
        ("fold2", ""): 2,
    }
    make(tmp_path / "b", [f"{c}/fold{f}/1.png" for f in (1, 2) for c in (0, 1)])
    assert counts(tmp_path / "b") == {("0", ""): 2, ("1", ""): 2}


def test_folds_without_classes_take_them_from_a_table(tmp_path: Path) -> None:
    """fold1, fold2 hold photographs alone: these have no class, and it is said."""
    make(tmp_path, ["fold1/1.png", "fold2/2.png"])
    scan = scan_folder(tmp_path)
    assert not scan.class_names
    assert any("are folds or pieces, no classes" in note for note in scan.notes)
    (tmp_path / "labels.csv").write_text("file,label\n1.png,ok\n2.png,nok\n", "utf-8")
    assert counts(tmp_path) == {("ok", ""): 1, ("nok", ""): 1}


@pytest.mark.parametrize("form", ["{s}_{c}", "{c}-{s}", "{s} {c}"])
def test_split_and_class_in_one_name(tmp_path: Path, form: str) -> None:
    """train_good, train_bad, test_good: no class is called after a part of a split."""
    folders = [form.format(s=s, c=c) for s in ("train", "test") for c in ("good", "bad")]
    make(tmp_path, [f"{folder}/1.png" for folder in folders])
    assert counts(tmp_path) == {(c, s): 1 for s in ("train", "test") for c in ("good", "bad")}


def test_masks_of_a_split_beside_it(tmp_path: Path) -> None:
    """train_masks beside train: left out."""
    make(tmp_path, [f"{s}/{c}/1.png" for s in ("train", "test") for c in ("ok", "nok")])
    make(tmp_path, ["train_masks/1.png"])
    assert counts(tmp_path) == {(c, s): 1 for s in ("train", "test") for c in ("ok", "nok")}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"0.png,1.0,mono\n1.png,0.0,mono\n", "no line with the names of its columns"),
        (b"0.png  1.0  mono\n1.png  0.0   mono\n", r"column 2 \(1.0, 0.0\), column 3 \(mono\)"),
        ("file,label\n0.png,割\n".encode("cp932"), "is no UTF-8"),
        (b"file,label\n0.png,ok,more\n", "3 cells"),
    ],
)
def test_a_table_that_was_found_and_cannot_be_read(tmp_path: Path, table: bytes, said: str) -> None:
    """Where nothing else says classes it is refused, with the way round it."""
    make(tmp_path, ["0.png", "1.png"])
    (tmp_path / "labels.csv").write_bytes(table)
    with pytest.raises(DataError, match=f"{said}.*--labels none"):
        scan_folder(tmp_path)
    assert len(scan_folder(tmp_path, labels=LabelRule("none")).photographs) == 2


@pytest.mark.parametrize("separator", [",", "   ", "\t"])
def test_tables_without_a_header_are_read_where_they_are_clear(
    tmp_path: Path, separator: str
) -> None:
    """Two columns, one of photographs: the other one is of classes; else a number names it."""
    make(tmp_path, ["images/0.png", "images/1.png", "images/2.png"])
    lines = [["images/0.png", "ok"], ["images/1.png", "nok"], ["images/2.png", "ok"]]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(separator.join(line) for line in lines) + "\n")
    wanted = {("ok", ""): 2, ("nok", ""): 1}
    assert counts(tmp_path) == wanted
    table.write_text("\n".join(separator.join([*line, "mono"]) for line in lines) + "\n")
    with pytest.raises(DataError, match=r"column 2 \(ok, nok\), column 3 \(mono\)"):
        scan_folder(tmp_path, labels=LabelRule(str(table)))
    found = scan_folder(tmp_path, labels=LabelRule(str(table), label_column="column 2"))
    assert Counter((p.label, p.split) for p in found.photographs) == wanted


@pytest.mark.parametrize(
    ("header", "rows", "names"),
    [
        ("image,label", "a,ok\nb,bad", ["image.png", "a.png", "b.png"]),
        ("id,0,1", "0,1,0\n1,0,1", ["0.png", "1.png"]),
        ("path,label", "a.png,ok\nb.png,bad", ["a.png", "b.png", "label.png"]),
        ("foto,urteil", "a.png,ok\nb.png,bad", ["a.png", "b.png", "foto.png"]),
    ],
)
def test_a_header_is_one_whatever_photographs_are_called(
    tmp_path: Path, header: str, rows: str, names: list[str]
) -> None:
    """A photograph called as a column does not make the header a line of the table."""
    make(tmp_path, names)
    table = tmp_path / "labels.csv"
    table.write_text(f"{header}\n{rows}\n")
    own = ("foto", "urteil") if header.startswith("foto") else ("", "")
    found = scan_folder(tmp_path, labels=LabelRule(str(table), *own)).photographs
    assert len({photograph.label for photograph in found if photograph.label}) == 2
    assert sum(bool(photograph.label) for photograph in found) == 2


def test_a_line_without_end_is_no_table(tmp_path: Path) -> None:
    """A cell longer than CSV allows, in a first line that no separator cuts."""
    make(tmp_path, ["a.png", "b.png"])
    (tmp_path / "blob.csv").write_text("x" * 140_000)
    with pytest.raises(DataError, match=r"field larger than field limit.*expected CSV"):
        scan_folder(tmp_path, labels=LabelRule(str(tmp_path / "blob.csv")))


def test_phrases_are_not_cut_at_their_spaces(tmp_path: Path) -> None:
    """Three words under a header of three: whether the class is "big scratch" cannot be told."""
    make(tmp_path, ["a.png", "b.png"])
    table = tmp_path / "labels.txt"
    table.write_text("path defect class\na.png big scratch\nb.png no defect\n")
    with pytest.raises(DataError, match=r"has the columns path defect class; expected one of"):
        scan_folder(tmp_path, labels=LabelRule(str(table)))
    table.write_text("path class\na.png scratch\nb.png ok\n")
    found = scan_folder(tmp_path, labels=LabelRule(str(table))).photographs
    assert [photograph.label for photograph in found] == ["scratch", "ok"]


def test_times_without_a_header_are_no_classes(tmp_path: Path) -> None:
    """Nothing recurs: it is asked, not taken."""
    make(tmp_path, [f"{number}.png" for number in range(6)])
    lines = [f"{number}.png,2026-01-0{number + 1}" for number in range(6)]
    (tmp_path / "times.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="no column that is known to say classes"):
        scan_folder(tmp_path)


def test_a_table_whose_column_of_classes_is_not_known_is_pointed_at(tmp_path: Path) -> None:
    """The photographs have no class, and it is said what would give them one."""
    make(tmp_path, ["0.png", "1.png"])
    (tmp_path / "cells.csv").write_text("path,severity,type\n0.png,0.3,mono\n1.png,1,mono\n")
    assert [note for note in scan_folder(tmp_path).notes if "--label-column NAME" in note] == [
        f"{tmp_path / 'cells.csv'} has no column that is known to say classes among path, "
        f"severity, type; if one of them does, say --labels {tmp_path / 'cells.csv'} "
        "--label-column NAME"
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("0.png good\n1.png bad\n", r"seems to say their classes; if it does, say --labels .*txt$"),
        ("1 0.png good\n2 1.png bad\n", r"column 1 \(1, 2\), .*column 3 \(good, bad\); if one"),
        ("not a list of photographs\n", ""),
    ],
)
def test_a_text_file_that_lists_the_photographs_is_pointed_at(
    tmp_path: Path, table: str, said: str
) -> None:
    """It is not read unasked, for texts beside photographs say many things."""
    make(tmp_path, ["0.png", "1.png"])
    (tmp_path / "list.txt").write_text(table)
    notes = [note for note in scan_folder(tmp_path).notes if "list.txt" in note]
    assert len(notes) == bool(said)
    assert all(re.search(said, note) for note in notes)


def test_classes_that_are_numbers(tmp_path: Path) -> None:
    """1 and 1.0, as pandas writes them, are one class."""
    make(tmp_path, ["0.png", "1.png", "2.png"])
    (tmp_path / "labels.csv").write_text("file,label\n0.png,0\n1.png,1.0\n2.png,1\n", "utf-8")
    assert counts(tmp_path) == {("0", ""): 1, ("1", ""): 2}
    assert any("1.0" in note for note in scan_folder(tmp_path).notes)


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("file;label\n0.png;0,0\n1.png;1,0\n2.png;1,0\n", {("0", ""): 1, ("1", ""): 2}),
        ("0.png;0,0\n1.png;1,0\n2.png;1,0\n", {("0", ""): 1, ("1", ""): 2}),
        ("file;ok;nok\n0.png;1,0;0,0\n1.png;0,0;1,0\n2.png;0,0;1,0\n",
         {("ok", ""): 1, ("nok", ""): 2}),
    ],
)  # fmt: skip
def test_classes_with_decimal_commas(
    tmp_path: Path, table: str, wanted: dict[tuple[str, str], int]
) -> None:
    """1,0 and 0,0, as half of the world's spreadsheets write 1 and 0, with and without a header."""
    make(tmp_path, ["0.png", "1.png", "2.png"])
    (tmp_path / "labels.csv").write_text(table, "utf-8")
    assert counts(tmp_path) == wanted


def test_a_decimal_comma_between_commas_is_refused(tmp_path: Path) -> None:
    """A third cell that no column is called after: not taken for the class 1."""
    make(tmp_path, ["0.png", "1.png"])
    (tmp_path / "labels.csv").write_text("file,label\n0.png,0,0\n1.png,1,0\n", "utf-8")
    with pytest.raises(DataError, match=r"line 2 of .* has 3 cells, its header 2"):
        scan_folder(tmp_path)


def test_what_is_taken_of_a_table_without_a_header_is_said(tmp_path: Path) -> None:
    """Which column is the photographs', which their classes', and how to say another."""
    make(tmp_path, [f"{number}.png" for number in range(4)])
    (tmp_path / "shifts.csv").write_text("0.png,early\n1.png,early\n2.png,late\n3.png,early\n")
    (said,) = [note for note in scan_folder(tmp_path).notes if "shifts.csv" in note]
    assert "column 1 is taken for the photographs, column 2 for their classes" in said
    assert "(early 3, late 1)" in said
    assert "--label-column NAME, or --labels none" in said


def test_views_below_numbered_classes(tmp_path: Path) -> None:
    """0/cam1, 1/cam1: the numbers are the classes; of other words it is asked."""
    make(tmp_path / "a", [f"{c}/cam{v}/1.png" for c in (0, 1) for v in (1, 2)])
    assert counts(tmp_path / "a") == {("0", ""): 2, ("1", ""): 2}
    make(tmp_path / "b", [f"{c}/cam{v}/1.png" for c in ("A", "B") for v in (1, 2)])
    with pytest.raises(DataError, match=r"the classes may stand one level below.*--classes A,B"):
        scan_folder(tmp_path / "b")


READ = {
    "training_set/training_set/cat test_set/test_set/cat": "cat train, cat test",
    "anomaly/train/normal anomaly/test/abnormal": "normal train, abnormal test",
    "Faulty_panel/Clean Faulty_panel/Dusty": "Clean, Dusty",
    "train/good test/bad calibration/bad Unlabeled": "good train, bad test, bad validation, ",
    "no_visible_defect_on_view scratch": "no_visible_defect_on_view, scratch",
    "X_images_part_1 X_images_part_2": "",
    "OK_confirmed NG_confirmed HOLD_unverified": "OK_confirmed, NG_confirmed, ",
    "archive/data/0 archive/data/1 to_check": "0, 1, ",
    "OK/train OK/test NG/train NG/test trash": "OK train, OK test, NG train, NG test, ",
    "data/OK data/NG masks": "OK, NG",
}


def test_chosen_from_public_sets(tmp_path: Path) -> None:
    """Layouts that strangers published: each is read as it is meant, or refused with a command."""
    for at, (folders, expected) in enumerate(READ.items()):
        root = make(tmp_path / str(at), [f"{folder}/1.png" for folder in folders.split()])
        found = {f"{label} {split}".strip() for label, split in counts(root)}
        assert found == set(expected.split(", "))
    refused = {
        ("Crops/train/good", "Crops/test/bad", "Images"): "if Crops is meant: extract .*Crops",
        ("set/train/a", "set/valid/b", "test/test"): "if set is meant: extract .*set;",
        ("seg_train/seg_train/sea", "seg_test/seg_test/ice", "extra"): "--classes ice,sea",
        ("archive/data/0", "archive/data/1", "backup/0"): "extract .*archive; if all",
        (
            "2026/01/OK",
            "2026/02/NG",
            "OK - Copy",
        ): "is none; take the others also below it: --classes NG,OK;",
        (
            "lot 7/0",
            "lot 7/1",
            "lot 8/0",
            "lot 8/1",
            "other",
        ): "below each of lot 7, lot 8.*--classes 0,1, or",
        ("day1/train/OK", "day2/test/NG"): "several days or lots.*--classes NG,OK, or",
        ("OK", "NG", "day 3/NG"): "--classes NG,OK;",
        ("data/OK", "data/NG", "augmented-data/OK"): "take those of data together: --classes NG,OK",
    }
    for at, (folders, said) in enumerate(refused.items()):
        root = make(tmp_path / f"refused{at}", [f"{folder}/1.png" for folder in folders])
        with pytest.raises(DataError, match=said):
            scan_folder(root)
    scan = scan_folder(root, ["OK", "NG"])
    assert [p.path for p in scan.photographs] == ["data/NG/1.png", "data/OK/1.png"]
    assert "augmented-data (1 photographs), too: they are left out" in scan.notes[0]
    assert order_classes(["no_visible_defect_on_view", "scratch"]).names[1] == "scratch"
    assert order_classes(["瑕疵样本", "无瑕疵样本"]).names[1] == "瑕疵样本"
    below = make(tmp_path / "below", ["NG/HOLD_unverified/1.png", "NG/2.png", "OK/3.png"])
    assert any("NG/HOLD_unverified are taken for the first" in n for n in scan_folder(below).notes)


OUTER = ("", "2026-01-07/ 2026-01-08/", "lot 7/ lot 8/", "line1/ line2/", "train/ test/", "data/",
         "2026/01/ 2026/02/", "archive/data/", "train/day1/ test/day2/", "day1/train/ day2/test/",
         "Training/ val/ testing/", "early/ late/")  # fmt: skip
INNER = ("", "cam1/ cam2/", "part-1/ part-2/", "2026-01-07/ 2026-01-08/", "train/ test/", "images/")
BESIDE = (
    "unsicher",
    "trash",
    "augmented/{good}",
    "backup/{good}",
    "masks",
    "results",
    "lot 9/{bad}",
    "2026-02-01/{good}",
    "{good} - Copy",
    "to_check",
    "preview",
    "extra/x",
    "{bad}/{good}",
)
PAIRS = ("OK NG", "good bad", "i.O. n.i.O.", "pass crack", "Gutteile Ausschuss", "合格 不良", "0 1")


def test_no_drawn_layout_is_read_wrongly_without_a_word() -> None:
    """Days, lots, splits and packing above, cameras below, odd folders beside: read or refused."""
    rng, read = random.Random(0), 0
    for _ in range(600):
        good, bad = rng.choice(PAIRS).split()
        truth = {
            (*f"{above}/{name}/{below}".replace("//", "/").strip("/").split("/"), f"{at}.png"): name
            for above in rng.choice(OUTER).split(" ")
            for below in rng.choice(INNER).split(" ")
            for at, name in enumerate((good, bad))
        }
        odd = [one.format(good=good, bad=bad) for one in rng.sample(BESIDE, rng.choice([0, 1, 2]))]
        paths = [*truth, *((*one.split("/"), "9.png") for one in odd)]
        try:
            layout = read_layout(Path("root"), paths)
        except DataError as error:
            assert re.search("--classes|extract root", str(error))
            assert "\n" not in str(error)
            continue
        both = zip(paths, layout.label, strict=True)
        wrong = [path for path, label in both if truth.get(path, label) != label]
        assert not wrong or layout.notes, (paths, wrong)
        read += not wrong
    assert read > 150


@pytest.mark.parametrize("name", ["niet_ok", "ikke ok", "ej godkänd", "pas conforme",
                                  "não conforme",
                                  "nie ok", "není ok", "nOK",
                                  "不正常", "非良品", "未合格"])  # fmt: skip
def test_no_in_any_language(name: str) -> None:
    """A no before a good word says defective, in the languages that good words are known in."""
    assert is_defective(name)
    assert not is_healthy(name)


@pytest.mark.parametrize("name", ["Okt_2025", "Oktober", "goodyear", "Oksana", "freeze",
                                  "raw_normalized",
                                  "Wong", "neko", "不锈钢"])  # fmt: skip
def test_what_begins_like_a_word_is_none(name: str) -> None:
    """October, a maker of tyres and a colleague are no good parts."""
    assert not is_healthy(name)


@pytest.mark.parametrize("name", ["OK1", "OKs", "OK-Teile", "okparts", "OK品", "goods",
                                  "free_of_defects",
                                  "Normalteil", "sem defeito",
                                  "无缺陷", "異常なし", "결함 없음"])  # fmt: skip
def test_good_in_more_forms(name: str) -> None:
    """What is said with a number, a word of parts or of none is good still."""
    assert is_healthy(name)


def test_good_and_bad_below_what_says_good_or_bad(tmp_path: Path) -> None:
    """Fresh/OK, Fresh/NG: the classes stand below, though the name above says one."""
    for above in ("clean", "stainless"):
        one = make(tmp_path / above, [f"{above}/{c}/{i}.png" for c in ("OK", "NG") for i in "12"])
        assert counts(one) == {("OK", ""): 2, ("NG", ""): 2}
    two = [f"{a}/{c}/1.png" for a in ("clean", "oily") for c in ("OK", "NG")]
    with pytest.raises(DataError, match="--classes NG,OK"):
        scan_folder(make(tmp_path / "two", two))


def test_days_of_which_one_lacks_a_class_and_cameras_below(tmp_path: Path) -> None:
    """What stands below a class is not offered as one."""
    make(
        tmp_path, [f"d1/{c}/cam1/1.png" for c in ("OK", "NG")] + ["d2/OK/a/1.png", "d2/OK/b/1.png"]
    )
    with pytest.raises(DataError, match="--classes NG,OK, or"):
        scan_folder(tmp_path)


def test_classes_of_a_model_do_not_hide_others(tmp_path: Path) -> None:
    """A model of good and crack, scored on ok and nok/crack: ok is not left out."""
    make(tmp_path, ["ok/1.png", "nok/crack/1.png", "nok/hole/1.png"])
    assert counts(tmp_path, known=["good", "crack"]) == {("ok", ""): 1, ("nok", ""): 2}


def test_leftovers_beside_good_alone_and_below_a_split(tmp_path: Path) -> None:
    """OK, unsure: unsure is no class of defects; nor is it below train and test."""
    assert counts(make(tmp_path / "a", ["OK/1.png", "unsure/2.png"])) == {
        ("OK", ""): 1,
        ("", ""): 1,
    }
    files = [f"{s}/{c}/1.png" for s in ("train", "test") for c in ("OK", "NG", "unsure")]
    scan = scan_folder(make(tmp_path / "b", files))
    assert {p.label for p in scan.photographs if "unsure" in p.path} == {""}
    assert any("--classes NG,OK,unsure" in note for note in scan.notes)


def test_a_class_with_a_comma_beside_a_split(tmp_path: Path) -> None:
    """The option that is given is not refused again: a shell takes its quotes off."""
    files = [f"{s}/{c}/1.png" for s in ("train", "test") for c in ("ok", "scratch, deep")]
    make(tmp_path, [*files, "x/1.png"])
    found = counts(tmp_path, classes=["ok", "scratch", "deep"])
    assert found == {(c, s): 1 for c in ("ok", "scratch, deep") for s in ("train", "test")}


@pytest.mark.parametrize("day", ["2026-01-07", "lot 7", "Nachtschicht", "line2/week 3"])
def test_days_beside_the_classes_themselves(tmp_path: Path, day: str) -> None:
    """--classes OK,NG: what is called so below a day is read, and it is said; so is the rest."""
    make(tmp_path, [f"{above}{c}/1.png" for above in ("", f"{day}/") for c in ("OK", "NG")])
    make(tmp_path, ["2026-01-09/1.png", "other/x/1.png", f"{day}/dent/1.png"])
    with pytest.raises(DataError, match="with what is called so below it: --classes NG,OK,other"):
        scan_folder(tmp_path)
    scan = scan_folder(tmp_path, ["OK", "NG"])
    assert Counter(p.label for p in scan.photographs) == {"OK": 2, "NG": 2}
    (read, left) = scan.notes
    assert re.search(rf"stand below {day[:5]}.* \(2 photographs\), too: they are read", read)
    assert all(f"{name} 1" in left for name in ("2026-01-09", "other", "dent"))
    of_a_model = counts(tmp_path, known=["OK", "NG"])
    assert of_a_model["OK", ""] == of_a_model["NG", ""] == 2
    assert of_a_model["2026-01-09", ""] == 0  # a day is no class


@pytest.mark.parametrize("made", ["augmented", "aug_90", "backup", "old 2", "224x224", "misc"])
def test_what_was_made_of_photographs_beside_the_classes_is_left_out(
    tmp_path: Path, made: str
) -> None:
    """It holds the named classes, too: which of the two readings is taken is said."""
    make(tmp_path, [f"{above}{c}/1.png" for above in ("", f"{made}/") for c in ("OK", "NG")])
    with pytest.raises(DataError, match="take the others alone: --classes NG,OK"):
        scan_folder(tmp_path)
    scan = scan_folder(tmp_path, ["OK", "NG"])
    assert Counter(p.path.count("/") for p in scan.photographs) == {1: 2}
    assert f"below {made} (2 photographs), too: they are left out" in scan.notes[0]


def test_named_classes_beside_a_split_are_left_out(tmp_path: Path) -> None:
    """In no part of the split they would be trained on: left out, and said; below it they count."""
    files = [f"{s}/{c}/1.png" for s in ("train", "test", "old") for c in ("OK", "NG")]
    make(tmp_path, [*files, "train/day3/OK/1.png", "day4/OK/1.png"])
    scan = scan_folder(tmp_path, ["OK", "NG"])
    assert Counter((p.label, p.split) for p in scan.photographs) == {
        ("OK", "train"): 2, ("NG", "train"): 1, ("OK", "test"): 1, ("NG", "test"): 1,
    }  # fmt: skip
    assert any("day4 (1 photographs), old (2 photographs)" in note for note in scan.notes)


@pytest.mark.parametrize("files", [
    ["good/1.png", "bad/1.png", "bad/good/1.png"],
    ["good/1.png", "good/crack/1.png", "bad/1.png"],
    ["train/good/1.png", "train/bad/good/1.png", "train/bad/bad/1.png", "test/good/1.png"],
])  # fmt: skip
def test_a_good_folder_below_bad_is_asked_about(tmp_path: Path, files: list[str]) -> None:
    """It was silently bad. Named, it is, and that is said; a view below both is no verdict."""
    make(tmp_path, files)
    with pytest.raises(DataError, match=r"one says good, the other bad;.*--classes bad,good"):
        scan_folder(tmp_path)
    scan = scan_folder(tmp_path, ["good", "bad"])
    assert any("are taken for the first" in note for note in scan.notes)
    make(tmp_path / "views", [f"{c}/hole {n}/1.png" for c in ("ok", "nok") for n in "12"])
    assert not scan_folder(tmp_path / "views").notes


def test_a_folder_of_both_beside_the_classes_is_no_class(tmp_path: Path) -> None:
    """good, bad, d2/ok, d2/nok: d2 was learnt as a third class."""
    make(tmp_path, ["good/1.png", "bad/1.png", "d2/ok/1.png", "d2/nok/1.png"])
    with pytest.raises(DataError, match="found d2/nok beside bad, good"):
        scan_folder(tmp_path)


def test_classes_with_and_without_folders_below(tmp_path: Path) -> None:
    """D/CD, D/UD beside P: the letters may be the classes, which is said; named, they are."""
    make(tmp_path, ["D/CD/1.png", "D/UD/1.png", "P/1.png", "CP/1.png"])
    assert any("--classes CD,CP,P,UD" in note for note in scan_folder(tmp_path).notes)
    assert set(counts(tmp_path, classes=["CD", "CP", "P", "UD"]).values()) == {1}


@pytest.mark.parametrize(
    "name",
    ["unsicher", "to_check", "recheck", "trash", "muell", "Müll", "Papierkorb", "incerto", "?",
     "à_vérifier", "a verifier", "zu prüfen", "Nachkontrolle", "needs_review", "ToCheck", "_unsure",
     "unlabeled_data", "review2", "NaN", "por revisar", "da controllare", "niepewne", "usikker",
     "сомнительные", "на проверку", "мусор",
     "未确认", "要確認", "待定", "ゴミ箱", "미확인", "hold"],
)  # fmt: skip
def test_no_verdict_in_any_language(tmp_path: Path, name: str) -> None:
    """What waits, is not known or was thrown away is no class beside OK and NG, and it is said."""
    make(tmp_path, [f"{folder}/1.png" for folder in ("OK", "NG", name)])
    scan = scan_folder(tmp_path)
    assert scan.class_names == ["NG", "OK"]
    named = shlex.split(scan.notes[0].partition("--classes ")[2])[0]
    assert len(scan_folder(tmp_path, split_names(named)).class_names) == 3
    make(tmp_path, ["1.png"])
    lines = [f"{folder}/1.png,{folder}" for folder in ("OK", "NG", name)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *lines]), "utf-8")
    table = scan_folder(tmp_path, labels=LabelRule(str(tmp_path / "labels.csv")))
    assert table.class_names == ["NG", "OK"]
    assert any("without a class" in note for note in table.notes)


@pytest.mark.parametrize("name", ["holder", "template", "unknown shape", "skip_stitch", "review 7b",
                                  "trashcan", "misaligned", "none", "offen_pore"])  # fmt: skip
def test_what_begins_like_no_verdict_is_a_class(tmp_path: Path, name: str) -> None:
    """Beside a plain bad it is said that it says neither; beside kinds of defects nothing is."""
    make(tmp_path, [f"{folder}/1.png" for folder in ("OK", "NG", name)])
    scan = scan_folder(tmp_path)
    assert len(scan.class_names) == 3
    assert f"{name} says neither good nor bad" in scan.notes[0]
    assert "--positive NG --classes NG,OK" in order_classes(scan.class_names).describe()
    make(tmp_path / "kinds", [f"{folder}/1.png" for folder in ("OK", "crack", name)])
    assert not scan_folder(tmp_path / "kinds").notes


@pytest.mark.parametrize(("level", "said"), [
    (("OK (1)", "OK (2)", "NG (1)"), ["OK (1), OK (2) all say good, and are taken for 2 classes"]),
    (("OK1", "NG1", "NG2"), ["NG1, NG2 all say bad, and are taken for 2 classes"]),
    (("good-A", "good-B", "bad-A", "bad-B"), ["good-A, good-B all say good"]),
    (("IO1", "IO2", "NIO1"), ["IO1, IO2 all say good"]),
    (("годен_смена1", "годен_смена2", "брак_смена1"), ["годен_смена1, годен_смена2 all say good"]),
    (("reprovado 1", "reprovado 2", "aprovado"), ["reprovado 1, reprovado 2 all say bad"]),
    (("OK_1", "NG_1"), []),
    (("OK", "crack_1", "crack_2"), []),  # kinds of defects
])  # fmt: skip
def test_batches_of_one_verdict_are_said_to_be_classes(
    tmp_path: Path, level: tuple[str, ...], said: list[str]
) -> None:
    """The photographs of two days became three classes without a word."""
    make(tmp_path, [f"{folder}/1.png" for folder in level])
    scan = scan_folder(tmp_path)
    assert scan.class_names == sorted(level)
    assert len(scan.notes) == len(said)
    assert all(note.startswith(one) for note, one in zip(scan.notes, said, strict=True))
    assert not scan_folder(tmp_path, list(level)).notes


def test_no_verdict_among_classes_that_say_nothing(tmp_path: Path) -> None:
    """red, blue, unknown: a class as the others, but the option without it is named."""
    make(tmp_path, ["red/1.png", "blue/1.png", "unknown/1.png"])
    assert any("--classes blue,red" in note for note in scan_folder(tmp_path).notes)
    make(tmp_path / "waste", ["OK/1.png", "trash/1.png"])  # the rejected ones
    assert scan_folder(tmp_path / "waste").class_names == ["OK", "trash"]
