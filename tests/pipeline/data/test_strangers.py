"""Folders of strangers through the commands: given splits, good parts alone, other formats."""

from __future__ import annotations

import csv
import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import shade
from parts import encode, part
from PIL import Image

import pipeline
from features.cache.cache import Cache
from features.errors import DataError
from features.photographs.recipe import get_recipe
from pipeline.cnn.photograph_batches import look_at_folder
from pipeline.data.dataset import to_compare_on
from pipeline.data.folder import LabelRule, scan_folder
from pipeline.data.given_split import given_sides


def parts(folder: Path, count: int, *, bright: bool, first: int = 0) -> None:
    """Photographs of so many parts, defective where they are bright."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        image = Image.fromarray(shade(1000 * bright + number, bright))
        image.save(folder / f"p{number:03d}.png")


def splits(root: Path, *, overlap: int = 0) -> Path:
    """Write train and test above good and bad; so many test parts are those of train."""
    for name, bright in (("good", False), ("bad", True)):
        parts(root / "train" / name, 12, bright=bright)
        parts(root / "test" / name, 6, bright=bright, first=12 - overlap)
    return root


PART = r"(\w+/p\d+)"
FIT = ("fit", "--head", "logistic", "--threshold", "0.5", "--no-optimism")


def test_a_given_split_is_kept(run: Run, tmp_path: Path) -> None:
    """What lies in test is the holdout of fit, and is not looked at by compare-heads."""
    splits(tmp_path / "data")
    code, out, _ = run("extract", "data", "--weights", "random", "--group-regex", PART)
    assert code == 0
    assert "test, train above the classes" in out
    assert "given split: test 12, train 24" in out
    with Cache.read(tmp_path / "features.h5") as cache:
        assert {s.split for s in cache.table_rows} == {"train", "test"}
        assert all(s.path.startswith(s.split) for s in cache.table_rows)
    assert run("extract", "data")[0] == 0  # and again, as it is noted

    assert run(*FIT)[0] == 0
    entries = json.loads((tmp_path / "model" / "split.json").read_text("utf-8"))
    text = json.dumps(entries)
    assert '"train/good/p000.png"' in text
    about = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert about["split"]["kind"] == "given"
    assert about["holdout"]["photographs"] == 12
    report = (tmp_path / "model" / "report.html").read_text("utf-8")
    assert "--split given" in report
    assert "--test-size" not in report

    quick = ("--heads", "majority,logistic", "--folds", "2", "--repeats", "1", "--jobs", "1")
    code, out, _ = run("compare-heads", *quick)
    assert code == 0
    assert "compared on the 24 photographs that are not held out" in out
    dataset = pipeline.load_dataset(tmp_path / "features.h5")
    compared, _, _ = to_compare_on(dataset, None)
    assert compared.part_of == dataset.content != compared.content  # an audit of all is of these
    assert run(*FIT, "--split", "grouped", "--out", "other")[0] == 0
    about = json.loads((tmp_path / "other" / "model.json").read_text("utf-8"))
    assert about["split"]["kind"] == "grouped"


def test_parts_on_both_sides_of_a_given_split_are_said(run: Run, tmp_path: Path) -> None:
    """The same photographs in train and test flatter, and the count is said."""
    splits(tmp_path / "data", overlap=2)
    run("extract", "data", "--weights", "random", "--group-regex", PART)
    code, out, _ = run(*FIT)
    assert code == 0
    assert "4 parts stand on both sides of the given split, with 4 of the 12" in out
    assert "4 parts stand on both sides" in (tmp_path / "model" / "report.html").read_text("utf-8")


def test_near_copies_across_a_given_split_are_said(run: Run, tmp_path: Path) -> None:
    """Photographs of one part in train and test, told apart by the groups: the pixels know."""
    for side, noise in (("train", 0), ("test", 1)):
        for name, first in (("good", 0), ("bad", 50)):
            folder = tmp_path / "data" / side / name
            folder.mkdir(parents=True)
            for number in range(first, first + 12):
                shift = 0 if side == "train" or number % 4 else 100
                pixels = part(number + shift, noise=noise)
                (folder / f"{side}{number:02d}.jpg").write_bytes(encode(pixels))
    run("extract", "data", "--weights", "random", "--group-regex", r"(t\w+\d+)\.jpg")
    code, out, _ = run(*FIT)
    assert code == 0
    found = re.search(r"(\d+) of the 24 photographs held out look so much like some to train", out)
    assert found
    assert 12 <= int(found[1]) <= 18


def test_a_given_split_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """Asking for it without one is an error that says what to do."""
    parts(tmp_path / "data" / "good", 6, bright=False)
    parts(tmp_path / "data" / "bad", 6, bright=True)
    run("extract", "data", "--weights", "random", "--no-groups")
    fails(run(*FIT, "--split", "given"), "no split in the folder", "--split grouped")


def test_sides_of_a_given_split() -> None:
    """Check that test is held out; without it validation is; one part alone is no split."""
    train, test = given_sides(["train", "test", "validation", "train"]) or (None, None)
    assert np.array_equal(train, [0, 2, 3])
    assert np.array_equal(test, [1])
    train, test = given_sides(["train", "validation"]) or (None, None)
    assert np.array_equal(test, [1])
    assert given_sides(["train", "train"]) is None
    assert given_sides(["", ""]) is None


def test_mvtec_learns_good_and_is_judged_on_defects(run: Run, tmp_path: Path) -> None:
    """Good alone in train, several defects in test: these together are the defective class."""
    root = tmp_path / "tile"
    parts(root / "train" / "good", 24, bright=False)
    parts(root / "test" / "good", 8, bright=False, first=40)
    parts(root / "test" / "crack", 4, bright=True)
    parts(root / "test" / "hole", 4, bright=True, first=10)
    parts(root / "ground_truth" / "crack", 4, bright=True, first=90)
    assert run("extract", "tile", "--weights", "random", "--no-groups")[0] == 0
    code, out, _ = run("fit", "--head", "novelty", "--set", "channels=48")
    assert code == 0
    assert "crack + hole" in out
    assert "trained on good photographs alone" in out
    about = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert about["holdout"]["photographs"] == 16
    fails(run(*FIT), "all of one class", "--head novelty", "--split grouped")
    fails(run("compare-heads"), "'good' alone", "--split grouped", "--head novelty")


def test_good_parts_alone(run: Run, tmp_path: Path) -> None:
    """extract, audit, fit --head novelty and predict work; what is not known is said."""
    parts(tmp_path / "data" / "good", 40, bright=False)
    parts(tmp_path / "new", 3, bright=True)
    parts(tmp_path / "new", 3, bright=False, first=50)
    assert run("extract", "data", "--weights", "random", "--no-groups")[0] == 0
    code, out, _ = run("audit")
    assert code == 0
    assert "all photographs are of one class, good" in out
    assert "Shortcuts: not judged" in out
    assert "separates" not in out
    assert "typical defective" not in out
    code, out, _ = run("fit", "--head", "novelty", "--max-false", "0.1")
    assert code == 0
    assert "nan" not in out
    assert "for at most 0.1 of good parts rejected" in out
    assert "how many defective parts it misses cannot be known" in out
    assert "cannot be known" in (tmp_path / "model" / "report.html").read_text("utf-8")
    assert run("predict", "model", "new")[0] == 0
    with (tmp_path / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        verdicts = {row["path"]: row["class"] for row in csv.DictReader(file)}
    assert [verdicts[str(Path("new") / f"p{n:03d}.png")] for n in range(3)] == ["defective"] * 3
    code, out, _ = run("info", "model")
    assert code == 0
    assert "nan" not in out
    assert "of one class, so that no score is known" in out
    facts = json.loads(run("info", "model", "--json")[1], parse_constant=pytest.fail)
    assert facts["holdout"]["scores"]["roc_auc"] is None
    fails(run("fit", "--head", "novelty", "--cost-missed", "5", "--cost-false", "1"), "--max-false")
    fails(run("compare-heads"), "takes defective ones", "--head novelty")

    # the first defects: they count as defective, whatever they are called
    parts(tmp_path / "later" / "scratch", 4, bright=True, first=20)
    parts(tmp_path / "later" / "good", 4, bright=False, first=70)
    code, out, _ = run("evaluate", "model", "later")
    assert code == 0
    assert "scratch counts as defective" in out


def test_every_picture_gets_a_line(run: Run, tmp_path: Path) -> None:
    """HEIC, GIF and JPEG 2000 are named with the reason, exit 3; extract counts what it skips."""
    parts(tmp_path / "data" / "good", 8, bright=False)
    parts(tmp_path / "data" / "bad", 8, bright=True)
    for name in ("a.JP2", "b.gif", "c.gif"):
        (tmp_path / "data" / "good" / name).write_bytes(b"GIF89a" + bytes(20))
    code, out, _ = run("extract", "data", "--weights", "random", "--no-groups")
    assert code == 0
    assert "2 .gif, 1 .jp2" in out
    run(*FIT)
    parts(tmp_path / "new", 1, bright=True, first=60)
    for name in ("x.heic", "y.jp2", "IMG_0007"):
        (tmp_path / "new" / name).write_bytes(b"GIF89a" + bytes(20))
    (tmp_path / "new" / "notes.txt").write_text("no picture")
    code, _, err = run("predict", "model", "new")
    assert code == 3
    with (tmp_path / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {Path(row["path"]).name for row in rows} == {"p060.png", "x.heic", "y.jp2", "IMG_0007"}
    assert sum(bool(row["error"]) for row in rows) == 3
    assert "x.heic" in err


def test_classes_that_a_model_does_not_know_come_first(run: Run, tmp_path: Path) -> None:
    """They are named with counts, no accuracy of the good ones alone is shown, exit 3."""
    parts(tmp_path / "data" / "good", 10, bright=False)
    parts(tmp_path / "data" / "bad", 10, bright=True)
    run("extract", "data", "--weights", "random", "--no-groups")
    run(*FIT)
    parts(tmp_path / "new" / "good", 6, bright=False, first=50)
    parts(tmp_path / "new" / "scratch", 5, bright=True, first=50)
    code, out, _ = run("evaluate", "model", "new")
    assert code == 3
    assert out.startswith("warning: 5 photographs are NOT scored")
    assert "scratch 5" in out
    assert "accuracy  " not in out
    assert "scratch" in (tmp_path / "evaluation.html").read_text("utf-8")
    code, out, _ = run("evaluate", "model", "new", "--positive", "scratch")
    assert code == 0
    assert "balanced accuracy" in out
    fails(run("evaluate", "model", "new", "--positive", "dent"), "no class 'dent'", "scratch")
    for photograph in (tmp_path / "new" / "good").iterdir():
        photograph.write_bytes(b"")
    fails(run("evaluate", "model", "new"), "6 cannot be read", "5 photographs are NOT scored")


def test_what_has_no_verdict_is_not_scored_and_said_first(run: Run, tmp_path: Path) -> None:
    """Unsure beside the model's classes: named with counts, in the report too, exit 3."""
    parts(tmp_path / "data" / "good", 10, bright=False)
    parts(tmp_path / "data" / "bad", 10, bright=True)
    run("extract", "data", "--weights", "random", "--no-groups")
    run(*FIT)
    new = tmp_path / "new"
    parts(new / "good", 6, bright=False, first=50)
    parts(new / "bad", 5, bright=True, first=50)
    parts(new / "unsure", 4, bright=True, first=70)
    parts(new, 1, bright=True, first=80)
    code, out, _ = run("evaluate", "model", "new")
    assert code == 3
    assert out.startswith("warning: 5 photographs are NOT scored, for they have no class: ")
    assert "unsure 4" in out.splitlines()[0]
    assert "--classes bad,good" in out.splitlines()[0]
    assert "unsure 4" in (tmp_path / "evaluation.html").read_text("utf-8")
    assert "new (11 of " in out
    code, out, _ = run("evaluate", "model", "new", "--classes", "bad,good")
    assert code == 0
    assert "left out, for they are none of the classes named: unsure 4, no folder 1" in out
    (new / "good" / "p999.png").write_bytes(b"none")
    assert run("evaluate", "model", "new", "--classes", "bad,good")[0] == 3  # it cannot be read

    parts(new / "misc box" / "good", 2, bright=False, first=90)
    code, out, _ = run("evaluate", "model", "new")
    assert code == 3
    assert "folders called as the classes stand below misc box (2 photographs), too: they" in out
    assert "--positive" not in out  # misc box holds the model's own classes
    for command in (("evaluate",), ("rethreshold", "--out", "other")):
        code, out, err = run(command[0], "model", "new", *command[1:])
        assert "unsure 4" in out + err

    run("predict", "model", "new/unsure", "new/good", "--out", "v.json")
    (tmp_path / "good").mkdir()
    new.rename(tmp_path / "good" / "new")
    bundle = pipeline.load_bundle(tmp_path / "model")
    asked = pipeline.find_photographs(
        [str(tmp_path / "good" / "new" / n) for n in ("unsure", "bad")]
    )
    told = pipeline.predict(bundle, asked, tmp_path / "features.h5")
    assert {one.truth for one in told if "unsure" in one.path} == {None}
    assert {one.truth for one in told if "bad" in one.path} == {"bad"}


def test_a_class_that_holds_the_classes_is_not_called_defective(run: Run, tmp_path: Path) -> None:
    """Days that the model does not know: the hint is not --positive DAY."""
    parts(tmp_path / "data" / "good", 10, bright=False)
    parts(tmp_path / "data" / "bad", 10, bright=True)
    run("extract", "data", "--weights", "random", "--no-groups")
    run(*FIT)
    for name in ("good", "bad"):
        parts(tmp_path / "new" / name, 4, bright=name == "bad", first=50)
    parts(tmp_path / "new" / "parts_two" / "ok", 3, bright=False, first=60)
    parts(tmp_path / "new" / "parts_two" / "nok", 3, bright=True, first=60)
    code, out, _ = run("evaluate", "model", "new")
    assert code == 3
    assert "6 photographs are NOT scored, for parts_two is no class that the model knows" in out
    assert "--positive" not in out


@pytest.mark.parametrize(
    "name", [os.fsdecode(b"d\xe9faut"), unicodedata.normalize("NFD", "défaut")]
)
def test_odd_names_of_classes_through_every_command(run: Run, tmp_path: Path, name: str) -> None:
    """A class folder of Latin-1 bytes, or of a Mac, works everywhere."""
    try:
        parts(tmp_path / "data" / name, 10, bright=True)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    parts(tmp_path / "data" / "ok", 10, bright=False)
    parts(tmp_path / "new" / name, 4, bright=True, first=30)
    parts(tmp_path / "new" / "ok", 4, bright=False, first=30)
    assert run("extract", "data", "--weights", "random", "--group-regex", "p([0-9]+)")[0] == 0
    assert run("audit")[0] == 0
    assert run("groups")[0] == 0
    assert run(*FIT, "--positive", name)[0] == 0
    assert run(*FIT)[0] == 0
    quick = ("--heads", "majority,logistic", "--folds", "2", "--repeats", "1", "--jobs", "1")
    assert run("compare-heads", *quick)[0] == 0
    assert run("info", "features.h5")[0] == 0
    assert run("info", "model")[0] == 0
    assert run("predict", "model", "new", "--sheet", "sheet.png")[0] == 0
    code, out, _ = run("evaluate", "model", "new")
    assert code == 0
    assert "new (8 of at most 8 parts, could be far fewer)" in out


def _said(root: Path, table: str, text: str) -> dict[str, str]:
    for name in ("train/1.png", "val/1.png", "train/2.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / table).write_text(text)
    found = scan_folder(root, labels=LabelRule(str(root / table)))
    return {photograph.path: photograph.label for photograph in found.photographs}


def test_a_list_of_two_parts_names_both(tmp_path: Path) -> None:
    """train_val.csv says val/1.png with its folder: that is no photograph of train."""
    said = _said(tmp_path, "train_val.csv", "path,label\ntrain/1.png,ok\nval/1.png,ng\n2.png,ok\n")
    assert said == {"train/1.png": "ok", "val/1.png": "ng", "train/2.png": "ok"}


@pytest.mark.parametrize("table, text, why", [
    ("a.json", '{"train/1.png": "ok", "train/1.png": "ng"}', "two values"),
    ("a.json", '{"train/1.png": {"label": "ok"}}', "expected one class"),
    ("a.json", '[{"path": "train/1.png", "label": {"name": "ok"}}]', r"ok.* in label; exp"),
    ("a.jsonl", '{"file": "train/1.png", "class": ["ok"]}', r"ok.* in class; exp"),
    ("a.csv", "path,label,split\ntrain/1.png,ok,train\ntrain/1.png,ok,test\n", "two parts of"),
])  # fmt: skip
def test_tables_that_contradict_themselves(tmp_path: Path, table: str, text: str, why: str) -> None:
    """Two values of one photograph are refused, in JSON and of its split, too."""
    with pytest.raises(DataError, match=why):
        _said(tmp_path, table, text)


def test_a_dry_run_says_how_the_folder_is_read(run: Run, tmp_path: Path) -> None:
    """Classes, layout, split and notes stand there as the run itself says them; nothing is kept."""
    splits(tmp_path / "data")
    parts(tmp_path / "data" / "train" / "unsure", 3, bright=True)
    (tmp_path / "data" / "train" / "good" / "a.gif").write_bytes(b"GIF89a" + bytes(20))
    code, plan, _ = run("extract", "data", "--weights", "random", "--dry-run")
    assert code == 0
    assert not (tmp_path / "features.h5").exists()
    assert "39 ((no class folder) 3, bad 18, good 18), of which 39 to be looked at" in plan
    _, done, _ = run("extract", "data", "--weights", "random")
    said = [line for line in done.splitlines() if re.match("layout|ignored|given split|warn", line)]
    assert len(said) >= 5
    assert [line for line in said if " ".join(line.split()) not in " ".join(plan.split())] == []


PAIR = {"train": "{0}a.png 0\n{0}b.png 1\n", "test": "{0}c.png 0\n{0}d.png 1\n"}


@pytest.mark.parametrize("suffix, head, where", [
    (".txt", "", ""), (".txt", "", "lists/"), (".csv", "path label\n", ""), (".tsv", "", "meta/"),
])  # fmt: skip
@pytest.mark.parametrize("folder", ["", "images/"])
def test_lists_of_a_split_are_read_together(
    tmp_path: Path, suffix: str, head: str, where: str, folder: str
) -> None:
    """train.txt and test.txt with a class behind each photograph: a given split, and it is said."""
    root = tmp_path / "data"
    for name in "abcd":
        _file(root / "images" / f"{name}.png")
    for side, text in PAIR.items():
        _file(root / where / f"{side}{suffix}", head + text.format(folder))
    _file(root / where / "val.txt", "")  # of nothing
    scan = scan_folder(root)
    read = {p.path[7]: (p.label, p.split) for p in scan.photographs}
    assert read == {
        "a": ("0", "train"),
        "b": ("1", "train"),
        "c": ("0", "test"),
        "d": ("1", "test"),
    }
    assert f"train{suffix}" in scan.layout
    named = scan_folder(root, labels=LabelRule(str(root / where)))
    assert [(p.label, p.split) for p in named.photographs] == [read[name] for name in "abcd"]
    one = scan_folder(root, labels=LabelRule(str(root / where / f"train{suffix}")))
    assert any(f"with --labels {root / where}".rstrip("/") in note for note in one.notes)
    assert not scan_folder(root, labels=LabelRule("none")).class_names


def test_lists_with_more_columns_are_asked_about(tmp_path: Path) -> None:
    """cls_trainval.txt: name, class, species; which is the class says --label-column, of both."""
    root = tmp_path / "data"
    for name in "abcd":
        _file(root / "images" / f"{name}.jpg")
    _file(root / "annotations" / "cls_trainval.txt", "a 1 1 1\nb 2 2 1\n")
    _file(root / "annotations" / "cls_test.txt", "c 1 1 1\nd 2 2 1\n")
    option = f"--labels {root / 'annotations'} --label-column NAME"
    assert any(option in note for note in scan_folder(root).notes)
    rule = LabelRule(str(root / "annotations"), label_column="column 2")
    found = {p.path[7]: p.label + p.split for p in scan_folder(root, labels=rule).photographs}
    assert found == {"a": "1train", "b": "2train", "c": "1test", "d": "2test"}


def test_lists_without_classes_are_the_split_of_the_folders_of_classes(
    run: Run, tmp_path: Path
) -> None:
    """ok/a.png in train.txt: what lies in test is held out; with --labels none nothing is."""
    data = tmp_path / "data"
    for name, bright in (("good", False), ("bad", True)):
        parts(data / name, 12, bright=bright)
    names = [f"{name}/p{number:03d}" for name in ("good", "bad") for number in range(12)]
    _file(data / "splits" / "train.txt", "\n".join(n for n in names if n[-1] not in "02"))
    _file(data / "splits" / "test.txt", "\n".join(n for n in names if n[-1] in "02"))
    code, out, _ = run("extract", "data", "--weights", "random", "--no-groups")
    assert code == 0
    assert "test.txt, " in out
    assert "given split: test 6, train 18" in out
    assert run(*FIT)[0] == 0
    about = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert about["holdout"]["photographs"] == 6
    assert "given split" not in run("extract", "data", "--labels", "none")[1]
    _file(data / "splits" / "test.txt", "good/p000\nbad/p000\n")  # the others are named nowhere
    (note,) = [n for n in scan_folder(data).notes if "test.txt" in n]
    assert "20 of 24 photographs, and not bad/p002.png: they are not used" in note


@pytest.mark.parametrize("lists, said", [
    ({"train": "ok/a\nng/c\n", "test": "ok/b\nng/d\nng/c\n"}, "two parts of the split of"),
    ({"train1": "ok/a\nng/c", "test1": "ok/b\nng/d", "train2": "ok/b", "test2": "ng/d"}, "several"),
])  # fmt: skip
def test_lists_that_say_no_one_split_are_not_used(
    tmp_path: Path, lists: dict[str, str], said: str
) -> None:
    """Photographs on both sides, or a split drawn several times: why is said in one line."""
    for name in ("ok/a", "ok/b", "ng/c", "ng/d"):
        _file(tmp_path / f"{name}.png")
    for name, text in lists.items():
        _file(tmp_path / f"{name}.txt", text)
    scan = scan_folder(tmp_path)
    assert not any(p.split for p in scan.photographs)
    assert any(said in note for note in scan.notes)


def test_a_list_of_train_that_names_photographs_of_val(tmp_path: Path) -> None:
    """By a name that is there once they are meant; where names are there twice it is said."""
    for name in ("train/a", "train/b", "val/c"):
        _file(tmp_path / f"{name}.png")
    _file(tmp_path / "train.csv", "id,label\na,ok\nb,ng\nc,ok\n")
    scan = scan_folder(tmp_path)
    assert [(p.label, p.split) for p in scan.photographs][-1] == ("ok", "validation")
    assert any(
        "in another part, such as val/c.png: their classes are taken" in n for n in scan.notes
    )
    _file(tmp_path / "val" / "a.png")
    scan = scan_folder(tmp_path)
    assert [p.label for p in scan.photographs] == ["ok", "ng", "", ""]
    assert any("such as val/c.png: they are left without a class" in n for n in scan.notes)


def test_the_classes_of_a_submission_are_made_up(tmp_path: Path) -> None:
    """sample_submission.csv says 0 of all; numbers for names of folders contradict none."""
    for name in ("ok/a", "ok/b", "ng/c"):
        _file(tmp_path / f"{name}.png")
    _file(tmp_path / "sample_submission.csv", "id,label\na,0\nb,0\nc,0\n")
    assert scan_folder(tmp_path).class_names == ["ng", "ok"]
    _file(tmp_path / "labels.csv", "id,label\na,0\nb,0\nc,1\n")
    assert scan_folder(tmp_path).class_names == ["ng", "ok"]
    _file(tmp_path / "labels.csv", "id,label\na,0\nb,1\nc,1\n")
    with pytest.raises(DataError, match="another class for 3"):
        scan_folder(tmp_path)


def test_what_train_cnn_makes_of_a_folder_is_said(tmp_path: Path) -> None:
    """It reads the folder itself: how, stands among its warnings."""
    for name in ("OK", "NG", "to check"):
        parts(tmp_path / name, 2, bright=name == "NG")
    found = look_at_folder(tmp_path, get_recipe("docs"))
    assert len(found) == 4
    assert any('--classes NG,OK,"to check"' in warning for warning in found.warnings)


def _file(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
