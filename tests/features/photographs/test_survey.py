"""What is found out, and said, once for a folder; and how it travels in caches and models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import Run
from models import write_parts
from PIL import Image

import pipeline
from features.backbones.registry import BACKBONES
from features.backbones.settings import settings_from_fields
from features.backbones.weights import Weights
from features.cache.cache import Cache
from features.errors import DataError
from features.photographs.decode import decode
from features.photographs.file import Photograph
from features.photographs.file_header import Declared
from features.photographs.recipe import RECIPES, recorded_recipe
from features.photographs.survey import Remarks, settle_depth

IMAGENET = RECIPES["imagenet"]


def deepen(folder: Path, bits: int) -> None:
    """Replace every photograph by what a camera of so many bits would have written into 16."""
    for file in sorted(folder.rglob("*.png")):
        grey = np.asarray(Image.open(file).convert("L")).astype(float) / 255
        tifffile.imwrite(file.with_suffix(".tif"), (grey * (2**bits - 1)).round().astype(np.uint16))
        file.unlink()


def photographs(folder: Path) -> list[Photograph]:
    return [Photograph(f, f.name) for f in sorted(folder.rglob("*")) if f.is_file()]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_one_depth_holds_for_the_folder(tmp_path: Path, bits: int) -> None:
    """The fewest bits that hold its largest value; a dark photograph stays dark."""
    values = np.linspace(0, 2**bits - 1, 600).reshape(20, 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "bright.tif", values)
    Image.fromarray(values // 16).save(tmp_path / "dark.png")
    Image.fromarray((values // 2 ** (bits - 8)).astype(np.uint8)).save(tmp_path / "plain.png")
    (tmp_path / "broken.tif").write_bytes(b"II*")
    settled = settle_depth(photographs(tmp_path), IMAGENET)
    assert settled.recipe == replace(IMAGENET, bits=bits)
    assert "2 photographs have samples of 16 bits" in settled.said
    assert f"{2**bits - 1:,} (in bright.tif): read as {bits} bits" in settled.said
    assert decode((tmp_path / "bright.tif").read_bytes(), settled.recipe).max() == 255
    assert 14 <= decode((tmp_path / "dark.png").read_bytes(), settled.recipe).max() <= 16


def test_two_cameras_in_one_folder_are_said(tmp_path: Path) -> None:
    """One photograph of full 16 bits would turn those of 12 bits black without a word."""
    values = np.linspace(0, 4095, 600).reshape(20, 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert "read dark" not in settle_depth(photographs(tmp_path), IMAGENET).said
    tifffile.imwrite(tmp_path / "b.tif", values * 16)
    settled = settle_depth(photographs(tmp_path), IMAGENET)
    assert settled.recipe == replace(IMAGENET, bits=16)
    assert "1 of them use less than a sixteenth of the range and are read dark" in settled.said
    (tmp_path / "a.tif").unlink()
    assert not settle_depth(photographs(tmp_path), IMAGENET).said


def test_what_says_its_depth_needs_no_rule(tmp_path: Path) -> None:
    """Eight bits, a stated depth, the first revision, a recipe that has bits: left as they are."""
    values = np.linspace(0, 1023, 600).reshape(20, 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "said.tif", values, extratags=[(281, 3, 1, 1023, True)])
    tifffile.imwrite(tmp_path / "plain.tif", (values // 4).astype(np.uint8))
    files = photographs(tmp_path)
    assert settle_depth(files, IMAGENET).recipe == IMAGENET
    tifffile.imwrite(tmp_path / "silent.tif", values)
    files = photographs(tmp_path)
    for recipe in (replace(IMAGENET, revision=1, srgb=False), replace(IMAGENET, bits=14)):
        assert settle_depth(files, recipe).recipe == recipe
    assert settle_depth(files, IMAGENET).recipe.bits == 10
    tifffile.imwrite(tmp_path / "full.tif", values * 64)
    full = settle_depth(photographs(tmp_path), IMAGENET)
    assert full.recipe.bits == 16
    assert "1 of them use less than a sixteenth of the range" in full.said


def test_the_depth_travels_from_the_folder_to_the_verdict(run: Run, tmp_path: Path) -> None:
    """Extract says it once and keeps it in the fingerprint; predict and audit use it."""
    deepen(write_parts(tmp_path / "data"), 12)
    options = ("--weights", "random", "--group-regex", r"part-(\d+)")
    code, out, err = run("extract", "data", *options)
    assert code == 0, err
    assert "read as 12 bits" in " ".join(out.split())
    code, out, err = run("extract", "data", "--recipe", "imagenet")
    assert (code, "read as 12 bits" in out) == (0, False), err
    with Cache.read(tmp_path / "features.h5") as cache:
        assert cache.fields["recipe"]["bits"] == 12
        # Read as 16 bits they would be a sixteenth as bright: 0.05 at most.
        assert cache.take(range(len(cache))).max() > 0.5
    code, _, err = run("fit", "--head", "logistic", "--out", "model")
    assert code == 0, err
    assert pipeline.load_bundle(tmp_path / "model").record.fit.fingerprint["recipe"]["bits"] == 12
    deepen(write_parts(tmp_path / "new", parts=2, first=90), 12)
    tifffile.imwrite(tmp_path / "new" / "over.tif", np.full((9, 9), 5000, np.uint16))
    code, _, err = run("predict", "model", "new", "--no-cache")
    assert code == 3
    assert "more than the 12 bits (4,095)" in err
    assert len((tmp_path / "predictions.csv").read_text("utf-8").splitlines()) > 4
    code, _, err = run("audit", "--out", "audit")
    assert code == 0, err
    table = (tmp_path / "audit" / "photographs.csv").read_text("utf-8")
    assert "under-exposed" not in table


def test_the_largest_value_of_a_network_on_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """train-cnn keeps the folder's bits in its model, and reads with them."""
    monkeypatch.setitem(RECIPES, "docs", replace(RECIPES["docs"], height=32, width=32))
    deepen(write_parts(tmp_path / "data", parts=8), 10)
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    done = pipeline.train_cnn(
        tmp_path / "data", tmp_path / "cnn", pipeline.CnnOptions(epochs=1, group_rule=rule)
    )
    assert done.photographs.recipe.bits == 10
    assert any("read as 10 bits" in warning for warning in done.photographs.warnings)
    assert done.record.recipe["bits"] == 10


def test_a_cache_of_the_first_revision_goes_on_as_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fingerprint is known, new photographs join it, and they are read as the others were."""
    first = replace(IMAGENET, revision=1, srgb=False)
    write_parts(tmp_path / "data", parts=4)
    monkeypatch.setitem(RECIPES, "imagenet", first)
    options = ("--weights", "random", "--group-regex", r"part-(\d+)")
    assert run("extract", "data", *options)[0] == 0
    monkeypatch.setitem(RECIPES, "imagenet", IMAGENET)
    write_parts(tmp_path / "data", parts=2, first=50)
    code, _, err = run("extract", "data", "--recipe", "imagenet")
    assert code == 0, err
    with Cache.read(tmp_path / "features.h5") as cache:
        assert cache.fields["recipe"] == first.fields()
        assert "srgb" not in cache.fields["recipe"]


def test_a_recipe_that_is_not_known_is_an_error() -> None:
    """Whatever is in the way of the same pixels."""
    fields = {"recipe": IMAGENET.fields(), "precision": "float32", "backbone": "inception_v3"}
    weights = Weights("random", None, "random:0")
    assert settings_from_fields(fields, weights).recipe == IMAGENET
    for change in ({"bits": 13}, {"revision": 3}, {"srgb": False}, {"name": "eyes"}):
        changed = IMAGENET.fields() | change
        assert recorded_recipe(changed) is None
        with pytest.raises(DataError, match="which this version does not have"):
            settings_from_fields(fields | {"recipe": changed}, weights)
    assert "inception_v3" in BACKBONES


def test_remarks_are_made_once() -> None:
    """Several pictures in a file; line scans, with tiles along them, unless tiles are looked at."""
    remarks = Remarks()
    remarks.note("plain.jpg", Declared("JPEG", 640, 480))
    assert remarks.lines(["full"]) == []
    for number in range(3):
        remarks.note(f"pages-{number}.tif", Declared("TIFF", 640, 480, pictures=7))
        remarks.note(f"scan-{number}.png", Declared("PNG", 8192, 1024 + number))
    remarks.note("unknown", None)
    pages, scans = remarks.lines(["full"])
    assert "3 photographs have several pictures in one file, such as pages-0.tif (7)" in pages
    assert "scan-0.png (8,192×1,024)" in scans
    assert scans.endswith("--views full,tiles:1x8")
    assert len(remarks.lines(["full", "tiles:1x6"])) == 1
    tall = Remarks()
    tall.note("tall.png", Declared("PNG", 100, 500))
    assert "1 photograph has one side more than 4 times the other" in tall.lines(["full"])[0]
    assert tall.lines(["full"])[0].endswith("tiles:5x1")


def test_extract_says_what_it_met(run: Run, tmp_path: Path) -> None:
    """Line scans and pages, in the summary."""
    for name in ("good", "bad"):
        (tmp_path / "data" / name).mkdir(parents=True)
        noise = np.random.default_rng(len(name)).integers(0, 255, (40, 400), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "data" / name / "scan.png")
        pages = [Image.fromarray(noise[:, :50]), Image.fromarray(noise[:, 50:100])]
        pages[0].save(tmp_path / "data" / name / "p.tif", save_all=True, append_images=pages[1:])
    code, out, err = run("extract", "data", "--weights", "random", "--no-groups")
    assert code == 0, err
    said = " ".join(out.split())
    assert "2 photographs have several pictures in one file" in said
    assert "--views full,tiles:1x8" in said


def test_predict_says_that_only_a_first_picture_was_judged(run: Run, tmp_path: Path) -> None:
    """One line for all such files."""
    write_parts(tmp_path / "data", parts=12)
    run("extract", "data", "--weights", "random", "--group-regex", r"part-(\d+)")
    run("fit", "--head", "logistic", "--out", "model", "--no-optimism")
    pages = [Image.new("RGB", (24, 18), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    code, _, err = run("predict", "model", "pages.tif")
    assert code == 0, err
    assert "1 photograph has several pictures in one file" in " ".join(err.split())
