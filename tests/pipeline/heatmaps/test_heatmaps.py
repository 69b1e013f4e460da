"""Heatmaps as people meet them: pictures, folders, models, the command line."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import fails
from models import write_parts
from PIL import Image
from toy import ToyBackbone, photograph

import pipeline
from features.backbones.registry import BACKBONES
from features.errors import BundleError, CacheError, HeadError, OutputError
from pipeline.heatmaps import explain
from pipeline.heatmaps.drawing import (
    AGAINST,
    FOR,
    OPACITY,
    colour,
    describe,
    draw_page,
    mark,
    spread,
)
from pipeline.heatmaps.explain import Frame
from pipeline.heatmaps.maps import Reference
from pipeline.model.predict import Prediction

Run = Callable[..., tuple[int, str, str]]
FRAME = Frame(2.0, "a defect", True)


def lab(colours: np.ndarray) -> np.ndarray:
    """Give sRGB (…, 3), 0 to 255, in CIELAB (D65)."""
    values = np.asarray(colours) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array(
        [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]
    )
    f = np.cbrt(xyz / (0.9505, 1.0, 1.089))
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )


def test_nothing_is_transparent_and_more_is_stronger() -> None:
    """0 leaves every pixel as it is; beyond full colour nothing grows."""
    grey = np.full((1, 5, 3), 128, np.uint8)
    drawn = colour(grey, np.array([[0, 0.5, 1, 7, -1]]))[0].astype(float)
    assert (drawn[0] == 128).all()
    np.testing.assert_allclose(drawn[2], 128 * (1 - OPACITY) + np.array(FOR) * OPACITY, atol=0.5)
    np.testing.assert_allclose(drawn[4], 128 * (1 - OPACITY) + np.array(AGAINST) * OPACITY, atol=1)
    assert (drawn[3] == drawn[2]).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("grey", [60, 128, 200])
def test_equal_steps_look_equal(sign: int, grey: int) -> None:
    """In CIELAB the largest of ten equal steps is at most 1.35 times the smallest."""
    base = np.full((1, 11, 3), grey, np.uint8)
    steps = np.diff(lab(colour(base, sign * np.linspace(0, 1, 11)[None])[0]), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    assert lengths.max() / lengths.min() < 1.35


@pytest.mark.parametrize(
    "eyes",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]],
    ],
    ids=["protanopia", "deuteranopia"],
)  # fmt: skip
def test_colour_blind_people_tell_for_from_against(eyes: list[list[float]]) -> None:
    """As Machado, Oliveira and Fernandes (2009) simulate them, the two stay far apart."""
    base = np.full((1, 2, 3), 128, np.uint8)
    seen = np.clip(colour(base, np.array([[1.0, -1.0]]))[0] @ np.array(eyes).T, 0, 255)
    assert np.linalg.norm(np.diff(lab(seen), axis=0)) > 40


def test_cells_lie_in_proportion_and_never_overshoot() -> None:
    """A cell's middle keeps its number, whatever the picture's shape."""
    cells = np.random.default_rng(0).normal(size=(5, 5))
    for size in ((500, 250), (55, 505)):
        values = spread(cells, size)
        assert values.shape == size[::-1]
        rows, columns = (np.arange(5) * n // 5 + n // 10 for n in size[::-1])
        np.testing.assert_allclose(values[np.ix_(rows, columns)], cells, atol=0.25)
        assert cells.min() - 1e-6 <= values.min()
        assert values.max() <= cells.max() + 1e-6
    assert (spread(np.ones((1, 1)), (7, 9)) == 1).all()


def turned(orientation: int) -> bytes:
    """Give a photograph whose upright picture is bright at the top right, stored turned."""
    pixels = np.full((60, 90, 3), 60, np.uint8)
    pixels[:15, 68:] = 250
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    upright = Image.fromarray(pixels)
    upright.getexif()[0x0112] = back
    from PIL import ImageOps

    stored = ImageOps.exif_transpose(upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(out := io.BytesIO(), "PNG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("recipe", ["imagenet", "docs"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_heat_lies_where_the_bright_spot_is_seen(orientation: int, recipe: str) -> None:
    """Upright for eyes, whether or not the model saw the photograph upright."""
    from features.photographs.decode import decode
    from features.photographs.recipe import RECIPES

    data = turned(orientation)
    seen = ToyBackbone(None, batch_size=1).run(decode(data, RECIPES[recipe])[None])
    cells = seen.reshape(4, 4, 3).sum(axis=2) - 0.75
    frame = Frame(1.0, "a defect", RECIPES[recipe].exif_orientation)
    marked = mark(data, cells, frame, 90)
    assert marked.photograph.size == marked.heatmap.size == (90, 60)
    assert marked.values.shape == (60, 90)
    row, column = np.unravel_index(marked.values.argmax(), marked.values.shape)
    assert row < 15
    assert column >= 67
    assert np.asarray(marked.photograph)[5, 80].min() > 200
    assert describe(marked.values, frame).endswith("at the top right (clearly)")


def test_words_say_where_and_how_clearly() -> None:
    """Nine places, two strengths, or nothing."""
    values = np.zeros((30, 30))
    assert describe(values, FRAME) == "nothing in it speaks clearly for a defect"
    values[15, 15] = 0.4
    assert describe(values, FRAME).endswith("at the middle (weakly)")
    values[29, 0] = 0.8
    assert describe(values, FRAME).endswith("at the bottom left (clearly)")


def test_pictures_for_pages() -> None:
    """A small JPEG with alternative text, a legend, and a page that holds both panels."""
    data = photograph(3, (300, 200))
    cells = np.zeros((5, 5))
    cells[0, 4] = 2.0
    picture = pipeline.heatmap_picture(data, cells, FRAME, "part-3.png", side=150)
    assert picture.media_type == "image/jpeg"
    assert len(picture.content) < 20_000
    with Image.open(io.BytesIO(picture.content)) as image:
        assert (image.format, image.size) == ("JPEG", (150, 100))
    assert picture.size == (150, 100)
    assert picture.alt == (
        "Heatmap of part-3.png: what speaks for a defect lies at the top right (clearly)."
    )
    legend = pipeline.legend_picture(FRAME)
    assert "7.39-fold" in legend.alt
    page = draw_page(mark(data, cells, FRAME, 448), FRAME, (5, 5), "Crack: 97 %", "part-3.png")
    with Image.open(io.BytesIO(page)) as image:
        assert image.format == "PNG"
        assert image.width > 2 * 448


def predictions(folder: Path, names: list[str]) -> list[Prediction]:
    """One prediction per name, with a photograph of that name."""
    made = []
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photograph(number))
        made.append(Prediction(str(file), file, "defects", 0.9, cells=np.full((2, 2), 0.5)))
    return made


def test_names_are_safe_unique_and_in_order(tmp_path: Path) -> None:
    """Equal, hostile, foreign and long names each get a file of their own, numbered in order."""
    names = ["a/part.png", "b/part.png", "x\n\x1b[31m.png", "größe деталь.png", "..png.png",
             "部.png", "n" * 200 + ".png", "=cmd.png"]  # fmt: skip
    made = predictions(tmp_path / "in", names)
    made.insert(2, Prediction("gone.png", tmp_path / "gone.png", error="no such file"))
    assert pipeline.write_heatmaps(tmp_path / "maps", FRAME, made) == 8
    files = sorted(file.name for file in (tmp_path / "maps").glob("*.png"))
    assert len(files) == 8
    assert files[:3] == ["0001_part.png", "0002_part.png", "0004_x_31m.png"]
    assert all(name.isascii() and len(name) < 80 for name in files)
    with (tmp_path / "maps" / "heatmaps.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["heatmap"] for row in table if row["heatmap"]] == files
    assert table[2] == {"path": "gone.png", "heatmap": "", **dict.fromkeys(list(table[0])[2:], "")}
    assert table[0]["cell_2_1"] == "0.5"


def test_only_heatmaps_are_replaced(tmp_path: Path) -> None:
    """A second run replaces the first; a folder that holds anything else is left alone."""
    made = predictions(tmp_path / "in", ["a.png", "b.png"])
    maps = tmp_path / "maps"
    pipeline.write_heatmaps(maps, FRAME, made)
    pipeline.write_heatmaps(maps, FRAME, made[1:])
    assert sorted(p.name for p in maps.iterdir()) == ["0001_b.png", "heatmaps.csv"]
    (maps / "mine.jpg").write_bytes(photograph(9))
    for folder, reason in (
        (maps, "holds mine.jpg, which is no heatmap of ours"),
        (tmp_path / "in", "which is no heatmap of ours"),
        (tmp_path / "in" / "a.png", "is a file"),
    ):
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        with pytest.raises(OutputError, match=reason):
            pipeline.write_heatmaps(folder, FRAME, made)
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_heatmaps_need_no_second_pass_and_no_company(
    cache: Path,
    model: Path,
    toy: type[ToyBackbone],
    tmp_path: Path,
) -> None:
    """Known photographs never reach the backbone; alone or among others, the map is the same."""
    bundle = pipeline.load_bundle(model)
    toy.reset()
    photographs = pipeline.find_photographs([str(tmp_path / "data")])
    found = pipeline.predict(bundle, photographs, cache, explain=pipeline.explain)
    assert (toy.loads, toy.photographs) == (0, 0)
    assert all(p.cells is not None and p.cells.shape == (4, 4) for p in found)
    alone = pipeline.predict(bundle, photographs[:1], cache, explain=pipeline.explain)
    np.testing.assert_array_equal(alone[0].cells, found[0].cells)
    kept_nowhere = pipeline.predict(bundle, photographs[:1], None, explain=pipeline.explain)
    np.testing.assert_allclose(kept_nowhere[0].cells, found[0].cells, atol=1e-6)
    assert toy.photographs == 2, "the photograph, once, and the drift probe"
    assert pipeline.predict(bundle, photographs[:1], cache)[0].cells is None
    # write_parts makes the right half of defective parts brighter.
    defects = [p.cells for p in found if p.truth == "defects"]
    mean = np.mean(defects, axis=0)
    assert mean[:, 2:].sum() > mean[:, :2].sum()


def test_what_has_no_heatmaps_says_so(
    cache: Path,
    model: Path,
    tmp_path: Path,
) -> None:
    """A model on pixels, one from before heatmaps, and another cache: one line each."""
    bundle = pipeline.load_bundle(model)
    table_rows = pipeline.load_dataset(cache).table_rows
    chances = np.full((len(table_rows), 2), 0.5)
    pipeline.extract_folder(
        write_parts(tmp_path / "few", 2),
        tmp_path / "few.h5",
        pipeline.ExtractOptions(weights="random"),
    )
    with pytest.raises(CacheError, match="lacks 66 of the 72 photographs"):
        pipeline.explain(bundle, tmp_path / "few.h5", table_rows, chances)
    del bundle.record.files["heatmaps.npz"]
    with pytest.raises(BundleError, match=r"fitted before there were heatmaps.*fit it again"):
        pipeline.frame_of(bundle)
    bundle.head = object()  # type: ignore[assignment]
    with pytest.raises(HeadError, match="sees pixels and has no map of cells"):
        pipeline.frame_of(bundle)


def test_what_they_are_measured_against_is_numbers(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drawing of what is no number would be a mistake in this program."""
    bundle = pipeline.load_bundle(model)
    for baseline, scale in ((np.nan, 1), (np.inf, 1), (0.5, 1e-45), (0.5, np.nan), (0.5, 0)):
        kept = Reference(np.full(48, baseline, np.float32), scale)
        (model / "heatmaps.npz").write_bytes(kept.to_bytes())
        with pytest.raises(BundleError, match=r"heatmaps\.npz holds .* expected finite numbers"):
            pipeline.frame_of(bundle)
    (model / "heatmaps.npz").write_bytes(Reference(np.ones(48, np.float32), 1.0).to_bytes())
    monkeypatch.setattr(explain, "cell_scores", lambda *_: np.full((1, 4, 4), np.nan))
    with pytest.raises(BundleError, match="heatmaps without numbers"):
        explain.explain_rows(bundle, np.ones((1, 48), np.float32), np.array([[0.5, 0.5]]))


def test_the_command(run: Run, tmp_path: Path) -> None:
    """Predict --heatmaps writes a folder and marks the sheet; mistakes come before the work."""
    write_parts(Path("data"), 12)
    Path("more").mkdir()
    for file in sorted(Path("data/Healthy").iterdir())[:3]:
        shutil.copy(file, "more")
    Path("more/broken.jpg").write_bytes(b"x")
    run("extract", "--weights", "random", "--group-regex", r"part-(\d+)")
    run("fit", "--head", "logistic")
    assert run("predict", "model", "more", "--sheet", "plain.png")[0] == 3
    code, out, _ = run("predict", "model", "more", "--heatmaps", "maps", "--sheet", "s.png")
    assert code == 3
    assert "written: predictions.csv, s.png, maps" in out
    assert len(list(Path("maps").glob("*.png"))) == 3
    assert Path("s.png").read_bytes() != Path("plain.png").read_bytes()
    before = Path("predictions.csv").stat().st_mtime_ns
    fails(run("predict", "model", "more", "--heatmaps", "more/maps"), "lies in more")
    fails(run("predict", "model", "more", "--heatmaps", "data"), "no heatmap of ours")
    assert Path("predictions.csv").stat().st_mtime_ns == before


def test_a_model_without_heatmaps_still_gives_verdicts(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for and cannot be had is a line; the verdicts are the same as without."""

    def none(_bundle: Any, **_: Any) -> Frame:
        raise HeadError("found a model on crops; expected one map")

    monkeypatch.setattr(pipeline.heatmaps.explain, "frame_of", none)
    write_parts(Path("more"), 2)
    common = ("predict", str(model), "more", "--weights", "random")
    assert run(*common, "--out", "a.csv")[0] == 0
    code, out, err = run(*common, "--out", "b.csv", "--heatmaps", "maps", "--sheet", "s.png")
    assert code == 0
    assert "no heatmaps: found a model on crops" in err
    assert "written: b.csv, s.png\n" in out.replace("b.parts.csv, ", "")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    assert not Path("maps").exists()


def test_three_classes_explain_the_verdict(
    tmp_path: Path, toy: type[ToyBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more than two classes the map speaks for the verdict, whatever the head."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    write_parts(tmp_path / "data", 24)
    for file in sorted((tmp_path / "data" / "Healthy").iterdir())[24:]:
        target = tmp_path / "data" / "scratch" / file.name
        target.parent.mkdir(exist_ok=True)
        pixels = np.array(Image.open(file))
        pixels[:10] = pixels[:10] // 2
        Image.fromarray(pixels).save(target)
        file.unlink()
    pipeline.extract_folder(
        tmp_path / "data",
        tmp_path / "f.h5",
        pipeline.ExtractOptions(
            weights="random", group_rule=pipeline.GroupRule("regex", r"part-(\d+)")
        ),
    )
    data = pipeline.load_dataset(tmp_path / "f.h5")
    photographs = pipeline.find_photographs([str(tmp_path / "data")])
    for head in ("logistic", "knn"):
        pipeline.fit(data, tmp_path / "m", pipeline.FitOptions(head=head))
        bundle = pipeline.load_bundle(tmp_path / "m")
        assert pipeline.frame_of(bundle).subject == "its verdict"
        found = pipeline.predict(bundle, photographs, tmp_path / "f.h5", explain=pipeline.explain)
        assert np.isfinite([p.cells for p in found]).all()
        top = np.mean([p.cells for p in found if p.verdict == "scratch"], axis=0)
        assert top[:2].sum() > top[2:].sum()
