"""The audit: planted shortcuts, wrong labels, outliers and spoilt photographs are found."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, PngImagePlugin
from rows import sparse_rows
from toy import ToyBackbone, toy_settings

import cli
import pipeline
from features.backbones.registry import BACKBONES
from features.cache.sample_table import TableRow, blank_row
from features.errors import OutputError
from features.extract import extract
from features.photographs.metadata import FileFacts
from pipeline.audit.background import _finding, covered
from pipeline.audit.bins import Column
from pipeline.audit.columns import COPIED, GONE, RENUMBERED, _from_table, collect
from pipeline.audit.finding_tables import copies_table, photographs_table
from pipeline.audit.labels import out_of_fold, suspect_labels
from pipeline.audit.outliers import find_outliers, neighbour_distances, sampled_distances
from pipeline.audit.result import LabelFindings
from pipeline.audit.run import _side_and_distances, audit_dataset
from pipeline.audit.shortcuts import _same_facts, describe_facts
from pipeline.audit.unusable import find_unusable
from pipeline.data.classes import Classes
from pipeline.data.dataset import Labelled
from pipeline.data.splits import folds
from pipeline.heads.columns import ColumnSide
from pipeline.heads.gram import GramSide, gram
from pipeline.heads.sides import smaller_side
from pipeline.report.html import result_table
from pipeline.report.sections.audit import Audited
from pipeline.report.sections.audit import section as audit_section
from pipeline.terminal.audit import _labels, _shortcuts
from pipeline.terminal.audit import audit as audit_text

PARTS = 14  # of each class, two photographs each


def surface(rng: np.random.Generator) -> np.ndarray:
    """Give a grainy surface, its brightness and contrast by chance."""
    grain = rng.standard_normal((48, 64, 1)) * rng.uniform(12, 22)
    return np.clip(rng.uniform(90, 150) + grain + rng.standard_normal((48, 64, 3)), 0, 255)


def encode(pixels: np.ndarray, *, pad: int = 0, camera: str = "") -> bytes:
    """Give a PNG with a comment of `pad` bytes and a camera's name."""
    out, comment, exif = io.BytesIO(), PngImagePlugin.PngInfo(), Image.Exif()
    comment.add_text("comment", "x" * pad)
    if camera:
        exif[0x0110] = camera
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    image.save(out, "PNG", pnginfo=comment, exif=exif.tobytes() if camera else b"")
    return out.getvalue()


def plant(kind: str, pixels: np.ndarray, defective: bool, rng: np.random.Generator) -> bytes:
    """One photograph; `kind` says what gives its class away."""
    pad, camera = int(rng.integers(0, 3000)), f"camera {rng.integers(2)}"
    if kind == "file size" and defective:
        pad += 4000
    if kind == "brightness" and defective:
        pixels = pixels + 60
    if kind == "border" and defective:
        pixels = pixels.copy()
        pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = (160, 90, 90)
    if kind == "camera":
        camera = "new camera" if defective else "old camera"
    return encode(pixels, pad=pad, camera=camera)


def write_set(root: Path, kind: str = "nothing", seed: int = 0) -> Path:
    """Two classes of parts that differ in what was planted and in nothing else."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(10_000)
    for part in range(2 * PARTS):
        label = ("Healthy", "defects")[part % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        for view in range(2):
            data = plant(kind, surface(rng), part % 2 == 1, rng)
            (root / label / f"part-{part}_{names[2 * part + view]}.png").write_bytes(data)
    return root


def load(root: Path, cache: Path) -> pipeline.Dataset:
    """Rows of the toy backbone."""
    from pipeline.data.folder import scan_folder
    from pipeline.groups.rules import GroupRule, apply_rule

    photographs, *_ = apply_rule(GroupRule("regex", r"part-(\d+)"), scan_folder(root).photographs)
    about = {"root": str(root), "weights": {"source": "file"}}
    extract(photographs, toy_settings(), cache, note=about)
    return pipeline.load_dataset(cache)


def found_in(tmp_path: Path, kind: str, seed: int = 0) -> dict[str, pipeline.audit.FactFinding]:
    data = load(write_set(tmp_path / f"{kind}{seed}", kind, seed), tmp_path / f"{kind}{seed}.h5")
    shortcuts = audit_dataset(data, shuffles=199, seed=seed).shortcuts
    assert shortcuts is not None
    return {finding.name: finding for finding in shortcuts.found}


def test_file_size_that_tells_the_class_is_found(tmp_path: Path) -> None:
    """Longer files of the defective parts: found, and nothing of the pixels is accused."""
    found = found_in(tmp_path, "file size")
    assert len(found) == 1  # file size and bytes per pixel say the same: once
    fact = next(iter(found.values()))
    assert fact.name in {"file_size", "bytes_per_pixel"}
    assert fact.auc > 0.9
    assert "alone tells defects from Healthy with AUC " in fact.sentence


def test_brightness_that_tells_the_class_is_found(tmp_path: Path) -> None:
    """Brighter photographs of the defective parts."""
    found = found_in(tmp_path, "brightness")
    assert "brightness" in found
    assert "border_brightness" not in found  # says the same, and is said once
    assert not found.keys() & {"file_size", "camera", "width"}


def test_a_border_that_tells_the_class_is_found(tmp_path: Path) -> None:
    """A frame of another colour around the defective parts."""
    found = found_in(tmp_path, "border")
    assert found["border_red"].auc > 0.95
    assert found["border_red"].in_pixels
    assert not found.keys() & {"camera", "width", "contrast"}


def test_a_camera_that_tells_the_class_is_found(tmp_path: Path) -> None:
    """EXIF names another camera for the defective parts; typical values say which."""
    found = found_in(tmp_path, "camera")
    assert found.keys() == {"camera"}
    assert found["camera"].typical == {"Healthy": "old camera", "defects": "new camera"}
    assert not found["camera"].in_pixels


def test_nothing_planted_nothing_found(tmp_path: Path) -> None:
    """Of 5 whole sets of photographs without a shortcut, at most one has a false alarm."""
    assert sum(bool(found_in(tmp_path, "nothing", seed)) for seed in range(5)) <= 1


# ---- what is judged, and what is not -----------------------------------------------------


def table_row(path: str, **more: object) -> TableRow:
    blank = TableRow(path, path.split("/")[0], "", path, 0, "", 1000, 0, 0, 0)
    return blank._replace(**more)


def test_facts_that_need_files_are_left_out_where_files_are_gone(tmp_path: Path) -> None:
    """Without files: file size and names are judged, the rest is named; nothing is unusable."""
    data = load(write_set(tmp_path / "data", "file size"), tmp_path / "a.h5")
    shutil.rmtree(tmp_path / "data")
    found = audit_dataset(data, tmp_path / "audit", shuffles=99)
    assert found.shortcuts is not None
    assert found.shortcuts.facts[0].name == "file_size"
    assert "brightness" in found.shortcuts.left_out[GONE]
    assert "camera (EXIF)" in found.shortcuts.left_out[GONE]
    assert found.unusable == []
    assert "56 of 56 photographs are gone" in found.notes[0]


def test_a_changed_file_is_not_the_one_that_was_seen(tmp_path: Path) -> None:
    """A file that was replaced since extract has no facts here; the others are judged."""
    root = write_set(tmp_path / "data", "brightness")
    data = load(root, tmp_path / "a.h5")
    (root / data.table_rows[3].path).write_bytes(encode(np.zeros((48, 64, 3))))
    found = audit_dataset(data, shuffles=99)
    assert "1 of 56 photographs are gone" in found.notes[0]
    assert data.table_rows[3].path in found.notes[0]
    assert found.shortcuts is not None
    assert {f.name: f.photographs for f in found.shortcuts.facts}["brightness"] == 55
    assert found.unusable == []


def test_numbers_and_times_that_only_tell_of_copying_are_not_judged() -> None:
    """Files copied in one go, and classes numbered from 1 each, are left out with the reason."""
    names = [f"a/{i}_{i % 5}.png" for i in range(1, 41)] + [f"b/{i}_{i % 5}.png" for i in range(20)]
    table_rows = [table_row(name, mtime_ns=10**9 + i) for i, name in enumerate(names)]
    y, groups = np.repeat([0, 1], [40, 20]), np.arange(60)
    found = collect(table_rows, [None] * 60, y, groups)
    assert found.left_out["file_time"] == COPIED
    assert found.left_out["number_1"] == RENUMBERED
    assert [column.name for column in found.columns] == ["number_2"]
    slow = [one._replace(mtime_ns=i * 60 * 10**9) for i, one in enumerate(table_rows)]
    assert "file_time" in [c.name for c in collect(slow, [None] * 60, y, groups).columns]


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("train/ok/1.png", "."), ("ok/test/1.png", "."), ("x/train/ok/cam1/1.png", "x/cam1"),
        ("train_ok/cam1/1.png", "cam1"), ("2024-05-01/OK/1.png", "2024-05-01"),
        ("line1/1.png", "line1"),
    ],
)  # fmt: skip
def test_folders_around_the_class_are_a_fact_and_those_of_a_split_are_none(
    path: str, folder: str
) -> None:
    """Days above, cameras below; of a table's classes all folders."""
    row = table_row(path)._replace(label="ok")
    assert _from_table([row], np.zeros(1), np.zeros(1))["subfolder"] == [folder]


def test_times_in_names_are_called_times() -> None:
    """Names of a phone: one fact, the time of capture, and not its digits as numbers."""
    table_rows = [
        blank_row(f"x/IMG20180905{hour:02d}{minute:02d}12.jpg")
        for hour in (9, 15)
        for minute in range(10, 50)
    ]
    y = np.repeat([0, 1], 40)
    found = collect(table_rows, [None] * 80, y, np.arange(80))
    named = next(column for column in found.columns if column.name == "named_time")
    assert named.values[40] - named.values[0] == 6 * 3600
    assert found.left_out["number_1"] == "part of the time in the file name"


def test_too_few_parts_are_a_note_and_the_rest_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part of a class allows no folds: said so; outliers and copies are still looked for."""
    root = write_set(tmp_path / "data")
    for file in sorted((root / "defects").iterdir())[2:]:
        file.unlink()
    shutil.copy(next((root / "defects").iterdir()), root / "Healthy" / "part-1_9.png")
    monkeypatch.setattr("pipeline.audit.run._background", lambda *_: time.sleep(0.5))
    found = audit_dataset(load(root, tmp_path / "a.h5"), tmp_path / "audit")
    assert found.seconds > 0.5  # the background, which takes longest, is counted
    assert found.shortcuts is not None
    assert found.shortcuts.folds == 0
    assert found.shortcuts.found == []  # facts are described, and nothing is called proved
    assert {"brightness", "contrast"} <= {fact.name for fact in found.shortcuts.facts}
    assert found.labels is None
    assert "labels are not judged: class 'defects' has 1 part; expected" in found.notes[0]
    assert "less cannot be told from chance here" in audit_text(found, tmp_path)
    assert len(found.copies) == 1
    assert sorted(found.copies[0].copies.values()) == ["Healthy", "defects"]
    assert "Exact copies under two labels: 1" in audit_text(found, tmp_path)


def test_a_perfect_separation_of_too_few_parts_is_said(tmp_path: Path) -> None:
    """One part of a class, darker than all others: never "no shortcut was found"."""
    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    for part in range(8):
        label = "defects" if part == 0 else "Healthy"
        (root / label).mkdir(parents=True, exist_ok=True)
        pixels = surface(rng) - (70 if part == 0 else 0)
        (root / label / f"part-{part}_0.png").write_bytes(encode(pixels))
    found = audit_dataset(load(root, tmp_path / "a.h5"))
    assert found.shortcuts is not None
    assert "brightness" in {fact.name for fact in found.shortcuts.unproven}
    text = audit_text(found, tmp_path)
    assert "Brightness separates the classes perfectly: too few parts to prove" in text
    assert "No shortcut was found" not in text


@pytest.mark.parametrize(("parts", "said"), [
    (2, "the background separates the classes perfectly, too few parts to prove"),
    (40, "unless the part or its defect reaches to the border"),
])  # fmt: skip
def test_a_perfect_border_on_few_parts_is_not_called_harmless(parts: int, said: str) -> None:
    """AUC 1.00 of four parts proves nothing, and is not "does not tell the classes"."""
    y, every = np.repeat([0, 1], parts), np.arange(2 * parts)
    P = np.column_stack([1 - 0.8 * y, 0.8 * y])
    assert said in _finding(y, every, P, P, ("ok", "nok")).sentence


def test_the_background_is_told_from_the_part() -> None:
    """The middle is painted in the mean colour of the border, and nothing else changes."""
    pixels = np.random.default_rng(0).integers(0, 255, (100, 80, 3)).astype(np.uint8)
    painted = covered(pixels)
    assert np.array_equal(painted[:20], pixels[:20])
    assert np.array_equal(painted[:, :16], pixels[:, :16])
    assert (painted[20:80, 16:64] == painted[50, 40]).all()
    again = pixels.copy()
    again[20:80, 16:64] = 7
    assert np.array_equal(covered(again), painted)


# ---- labels ------------------------------------------------------------------------------


def test_wrong_labels_are_found_and_counted() -> None:
    """24 of 300 labels turned: most of the top of the list are those, and most of those are in."""
    found = []
    for seed in range(2):
        rows, y, groups = sparse_rows(300, 400, effect=1.3, seed=seed)
        turned = np.random.default_rng(seed).choice(300, 24, replace=False)
        given = y.copy()
        given[turned] = 1 - y[turned]
        rounds = folds(given, groups, n_folds=5, repeats=1, seed=seed)
        P = out_of_fold(GramSide(gram(rows), 400), given, groups, rounds)
        suspects = suspect_labels(given, P)
        top = {one.row for one in suspects.ranked[:24]}
        listed = {one.row for one in suspects.ranked}
        found.append((len(top & set(turned)) / 24, len(listed & set(turned)) / 24))
        assert 12 <= suspects.estimated <= 48
        assert all(one.suggested == y[one.row] for one in suspects.ranked if one.row in turned)
    precision, recall = np.mean(found, axis=0)
    assert precision > 0.8
    assert recall > 0.8


def test_right_labels_are_left_alone() -> None:
    """With classes that a head tells apart and right labels, next to nothing is suspect."""
    rows, y, groups = sparse_rows(300, 400, n_classes=3, effect=1.2, seed=1)
    rounds = folds(y, groups, n_folds=5, repeats=1)
    suspects = suspect_labels(y, out_of_fold(smaller_side(rows), y, groups, rounds))
    assert len(suspects.ranked) <= 6
    assert suspects.estimated <= len(suspects.ranked)


def test_ranked_by_what_is_usual_for_the_class() -> None:
    """A doubt about a class that the head knows well goes before one about one it hardly knows."""
    known = np.tile([0.95, 0.05], (20, 1))
    hardly = np.tile([0.7, 0.3], (10, 1))
    P = np.vstack([known, [[0.2, 0.8]], hardly, [[0.97, 0.03]], [[0.1, 0.9]] * 3])
    y = np.array([0] * 21 + [1] * 14)
    ranked = suspect_labels(y, P).ranked
    assert [one.row for one in ranked][:2] == [20, 31]


# ---- outliers and unusable photographs ---------------------------------------------------


def test_outliers_are_found_with_their_reason() -> None:
    """An odd part is found though its own photographs are alike; an unusual fact is named."""
    rows, _, groups = sparse_rows(120, 300, seed=2)
    odd = np.flatnonzero(groups == groups[0])
    rows[odd] += 3 * np.abs(np.random.default_rng(0).standard_normal(300)).astype(np.float32)
    brightness = np.random.default_rng(1).normal(100, 5, 120)
    brightness[odd[0]] = 230
    found = find_outliers(
        neighbour_distances(gram(rows), groups), {"brightness": Column("brightness", brightness)}
    )
    assert {one.row for one in found} == set(odd.tolist())
    reasons = {one.row: one.reason for one in found}
    assert "brightness 230 (usual: 1" in reasons[odd[0]]
    assert "brightness" not in reasons[odd[1]]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_of_many_rows_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances to all rows are those of the Gram matrix; to a third of them, the same outliers."""
    rows, _, groups = sparse_rows(150, 300, seed=2)
    odd = np.flatnonzero(groups == groups[0])
    rows[odd] += 3 * np.abs(np.random.default_rng(0).standard_normal(300)).astype(np.float32)
    exact = neighbour_distances(gram(rows), groups)
    np.testing.assert_allclose(sampled_distances(rows, groups, 0), exact, rtol=1e-6)
    monkeypatch.setattr("pipeline.audit.outliers.SEEN", 50)
    few = find_outliers(sampled_distances(rows, groups, 0), {})
    assert {one.row for one in few} == set(odd.tolist())


def test_many_photographs_are_judged_by_their_averages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit labels and outliers are still judged, and a note says by what."""
    monkeypatch.setattr("pipeline.audit.run.MOST_ROWS", 20)
    data = load(write_set(tmp_path / "data"), tmp_path / "a.h5")
    found = audit_dataset(data)
    assert found.labels is not None
    assert any("by the averages of their maps" in note for note in found.notes)
    monkeypatch.undo()
    notes: list[str] = []
    assert isinstance(_side_and_distances(data, 0, notes)[0], GramSide)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.0001")
    side, distances = _side_and_distances(data, 0, notes)
    assert isinstance(side, ColumnSide) and np.isfinite(distances).all()
    assert [note.split(" are judged by")[0] for note in notes] == [
        f"labels and outliers of {len(data)} photographs, more than the memory limit holds,"
    ]


def test_rows_without_others_are_no_outliers() -> None:
    """One part alone, or equal rows, leave nothing to compare with."""
    rows, _, _ = sparse_rows(20, 30)
    assert find_outliers(neighbour_distances(gram(rows), np.zeros(20, np.int64)), {}) == []
    assert find_outliers(neighbour_distances(gram(np.ones((20, 30))), np.arange(20)), {}) == []


def test_spoilt_photographs_are_found_and_others_are_not(tmp_path: Path) -> None:
    """Blurred, over-, under-exposed and uniform ones, each by its name; none of the 56 others."""
    root = write_set(tmp_path / "data")
    rng = np.random.default_rng(9)
    shaded = surface(rng) + np.linspace(-60, 60, 64)[None, :, None]
    shaded = Image.fromarray(np.clip(shaded, 0, 255).astype(np.uint8))
    spoilt = {
        "blurred": np.asarray(shaded.filter(ImageFilter.GaussianBlur(3))),
        "over-exposed": surface(rng) + 110,
        "under-exposed": surface(rng) / 12,
        "near-uniform": 120 + rng.uniform(0, 2, (48, 64, 3)),
    }
    for number, (name, pixels) in enumerate(spoilt.items()):
        (root / "Healthy" / f"part-9{number}_{name}.png").write_bytes(encode(pixels))
    found = audit_dataset(load(root, tmp_path / "a.h5"), shuffles=9).unusable
    assert {Path(one.path).stem.split("_")[1]: one.problem for one in found} == {
        name: name for name in spoilt
    }


def test_what_is_usual_for_a_set_is_not_unusable() -> None:
    """White backgrounds everywhere are no over-exposure; a set that is all blurred is blurred."""
    usual = FileFacts(white=0.7, black=0, brightest=255, contrast=60, sharpness=0.2)
    assert find_unusable([usual] * 30) == []
    worse = FileFacts(white=0.99, black=0, brightest=255, contrast=4, sharpness=0.2)
    assert [(one.row, one.problem) for one in find_unusable([usual] * 9 + [worse])] == [
        (9, "over-exposed")
    ]
    blurred = FileFacts(white=0, black=0, brightest=200, contrast=30, sharpness=0.0004)
    assert len(find_unusable([blurred] * 5)) == 5
    assert find_unusable([None, None]) == []
    assert find_unusable([]) == []


# ---- files and the command ---------------------------------------------------------------


def test_written_files_hold_what_was_found(tmp_path: Path) -> None:
    """JSON without nan, tables with a line per finding, sheets where there is something to see."""
    root = write_set(tmp_path / "data", "file size")
    (root / "Healthy" / "part-1_5.png").write_bytes(encode(np.full((48, 64, 3), 255)))
    data = load(root, tmp_path / "a.h5")
    found = audit_dataset(data, tmp_path / "audit", shuffles=99)
    record = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert record["shortcuts"]["facts"][0]["name"] == found.shortcuts.facts[0].name
    assert record["photographs"] == 57
    assert record["labels"]["head"] == "ridge"
    facts = list(csv.DictReader((tmp_path / "audit" / "audit.csv").open(encoding="utf-8-sig")))
    assert [row["shortcut"] for row in facts][:2] == ["yes", "yes"]
    assert float(facts[0]["low"]) < float(facts[0]["auc"]) <= float(facts[0]["high"])
    photographs = list(
        csv.DictReader((tmp_path / "audit" / "photographs.csv").open(encoding="utf-8-sig"))
    )
    spoilt = next(row for row in photographs if row["finding"] == "over-exposed")
    assert spoilt["path"] == "Healthy/part-1_5.png"
    assert (tmp_path / "audit" / "unusable.png").read_bytes().startswith(b"\x89PNG")


def test_tables_and_screen_are_safe_from_names() -> None:
    """A name that is a formula runs in no spreadsheet; one with escapes colours no terminal."""
    evil = "=1+1\x1b[31m/a.png"
    found = pipeline.Audit(
        root=Path("data"), photographs=2, parts=2, classes={"ok": 1, "@x": 1}, notes=[],
        shortcuts=None, labels=None, unusable=[],
        outliers=[pipeline.audit.PhotographFinding(evil, "@x", "outlier", "far", "far", 9.0)],
        copies=[pipeline.audit.CopyFinding("0" * 64, {evil: "@x", "ok/a.png": "ok"})],
        seconds=math.nan,
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(found.photographs_csv())))
    shown = r"'=1+1\x1b[31m/a.png"
    assert [row["path"] for row in rows] == [shown, "ok/a.png", shown]
    assert rows[0]["class"] == "'@x"
    text, page = audit_text(found, Path("audit")), audit_section(Audited(found)).body
    assert "\x1b" not in text + page
    for table in (photographs_table(found.outliers, 10), copies_table(found.copies, 10)):
        assert table.text() in text  # the same table for both readers
        assert result_table(table) in page
    assert json.loads(found.to_json())["seconds"] is None


def test_a_folder_with_something_else_is_never_replaced(tmp_path: Path) -> None:
    """A person's photographs named as --out stay; an older audit is replaced."""
    data = load(write_set(tmp_path / "data"), tmp_path / "a.h5")
    with pytest.raises(OutputError, match="holds no audit"):
        audit_dataset(data, tmp_path / "data", shuffles=9)
    assert len(list((tmp_path / "data").rglob("*.png"))) == 56
    for _ in range(2):
        audit_dataset(data, tmp_path / "audit", shuffles=9)
    assert (tmp_path / "audit" / "audit.json").is_file()


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`audit` bare: sentences on screen, files in audit/, exit code 0; mistakes are one line."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    monkeypatch.chdir(tmp_path)
    ToyBackbone.reset()

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["onepass", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    write_set(Path("data"), "brightness")
    assert run("extract", "--weights", "random", "--group-regex", r"part-(\d+)")[0] == 0
    code, out, err = run("audit")
    assert (code, err) == (0, "")
    assert "Brightness alone tells defects from Healthy with AUC" in out
    assert "Background: With the middle 60 % of each side covered, the same head still tells" in out
    assert "Labels: at most about" in out
    assert "written: audit" in out
    assert {"audit.json", "audit.csv", "photographs.csv"} <= {
        p.name for p in Path("audit").iterdir()
    }
    code, _, err = run("audit", "--out", "data")
    assert code == 1
    assert "error: data exists and holds no audit" in err
    assert "Example: onepass audit" in " ".join(run("audit", "--help")[1].split())
    assert run("audit", "--cache", "none.h5")[0] == 1


def test_one_fact_is_said_once() -> None:
    """Quality and tables of JPEG part photographs alike; a camera parts them otherwise."""
    quality = np.repeat([90.0, 70.0], 20)
    tables = Column("jpeg_tables", np.repeat([0.0, 1.0], 20), ordered=False)
    camera = Column("camera", np.tile([0.0, 1.0], 20), ordered=False)
    size = Column("file_size", np.arange(40.0))
    titles = _same_facts([Column("jpeg_quality", quality), tables, camera, size])
    assert titles == ["", "JPEG quality", "", ""]
    a_pixel = Column("bytes_per_pixel", np.tile([3.0, 1.0], 20))  # sizes vary: one fact even so
    assert _same_facts([a_pixel, size]) == ["", "bytes per pixel"]


def test_the_table_of_facts_lists_each_once() -> None:
    """File size and bytes per pixel order these photographs alike: one row, and a line below."""
    rows = [TableRow(f"{7 * n % 40}.png", "ok", "", "", 0, "", 100 + n, 0, 0, 0) for n in range(40)]
    y, parts = np.repeat([0, 1], 20), np.arange(40)
    facts = [FileFacts(bytes=100 + n, width=10, height=10) for n in range(40)]
    data = Labelled(Classes(("ok", "bad"), {"ok": 0, "bad": 1}), rows, y, parts, [])
    found = describe_facts(data, collect(rows, facts, y, parts))
    shown = [row[0] for row in found.table(("ok", "bad")).rows]
    assert "file size" in shown
    assert "bytes per pixel" not in shown
    assert found.repeated == "not listed, for another fact says it: bytes per pixel (file size)"
    assert found.repeated in _shortcuts(found, ["ok", "bad"])


def test_a_head_that_hardly_tells_the_classes_says_nothing_of_labels() -> None:
    """No count of wrong labels, not even 0; from 0.65 on it does."""
    found = LabelFindings([], 0, "ridge", 5, 0.44, {}, ["a", "b"])
    assert _labels(found).startswith("Labels: not judged, for the head hardly tells the classes")
    assert "at most about 0 are wrong" in _labels(replace(found, roc_auc=0.65))
    few = _labels(replace(found, roc_auc=0.685, low=0.46, high=0.84))  # on 17 and 20 parts
    assert few.startswith("Labels: not judged")
    assert "AUC 0.685 [0.46, 0.84] over parts" in few
    assert "are wrong" in _labels(replace(found, roc_auc=0.685, low=0.6, high=0.76))
    assert "are wrong" in _labels(replace(found, roc_auc=0.946, low=0.47, high=1.0))  # of 3 parts
