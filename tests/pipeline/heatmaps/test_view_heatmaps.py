"""Heatmaps of heads on crops: each crop is asked, and laid where it lies in the photograph."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from models import write_parts
from PIL import Image
from toy import photograph, toy_settings

import pipeline
from benchmarks.pointing import of_views, point_views
from features.cache.cache import Cache
from features.cache.shards import open_cache
from features.errors import HeadError
from features.extract import extract
from features.photographs.views import views_of
from pipeline.data import lazy_rows
from pipeline.data.folder import scan_folder
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.feature_specs.rows import WholeRows, raw_rows
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heatmaps.covers import GRID, _covered
from pipeline.heatmaps.drawing import describe, mark, shares_of_full
from pipeline.heatmaps.explain import Frame, explain, explain_rows
from pipeline.heatmaps.maps import logits, read_reference
from pipeline.heatmaps.views import lay_out, view_scores
from pipeline.model.predict import Prediction
from pipeline.model.probabilities import predict_holdout

CROPS = views_of("crops")
SPEC = FeatureSpec.parse("full+crops:colour+white")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cache with crops and a linear model on them; defects are bright at the right."""
    from features.photographs.look import Crops

    folder = tmp_path_factory.mktemp("views")
    layers = ("colour", "white")
    settings = replace(toy_settings(), taps=layers, crops=Crops(("crops",), layers))
    record = {"source": "random", "name": "random", "digest": "random:0", "seed": 0}
    rule = {"kind": "regex", "value": r"part-(\d+)"}
    data = write_parts(folder / "data")
    about = {"root": str(data), "weights": record, "group_rule": rule, "views": ["full"]}
    found = scan_folder(data).photographs
    photographs = [p._replace(group=p.path.split("part-")[1][:3]) for p in found]
    extract(photographs, settings, folder / "f.h5", note=about)
    dataset = pipeline.load_dataset(folder / "f.h5")
    for name, spec in (("m", SPEC), ("whole", FeatureSpec.parse("colour+white"))):
        options = pipeline.FitOptions(head="logistic", features=spec, optimism=False)
        pipeline.fit(dataset, folder / name, options)
    return folder


def test_the_crops_that_show_the_defect_speak(fitted: Path) -> None:
    """At the right lie crops 1 and 3; leaving a crop out takes away what it alone adds."""
    bundle, cache = pipeline.load_bundle(fitted / "m"), fitted / "f.h5"
    frame = pipeline.frame_of(bundle)
    assert frame.views == CROPS
    table_rows, P, *_ = predict_holdout(bundle, cache)
    scores = explain(bundle, cache, table_rows, P)
    assert scores.shape == (len(table_rows), 1, 5)
    defects = [s for s, row in zip(scores, table_rows, strict=True) if row.label == "defects"]
    for one in defects:
        assert {int(i) for i in np.argsort(-one[0])[:2]} == {1, 3}
        values = shares_of_full(one, frame, (90, 60))
        assert values.shape == (60, 90)
        assert values[:, 60:].mean() > 0 > values[:, :30].mean()
        assert values[:, 45:].max() == values.max() > values[:, :45].max()
    head = bundle.head
    assert isinstance(head, HeadOnCachedRows)
    dataset = pipeline.load_dataset(cache)
    X = raw_rows(dataset, SPEC, np.arange(6))
    baseline = read_reference(bundle, head.input_width).baseline
    for number, view in enumerate(CROPS):
        without = X.copy()
        without[:, head.place(view)] = baseline[head.place(view)]
        taken = logits(head, X, 1) - logits(head, without, 1)
        own = view_scores(head, X, baseline, np.ones(6, dtype=np.int64))[:, 0, number]
        np.testing.assert_allclose(own, taken, atol=1e-4)
    np.testing.assert_allclose(
        explain_rows(bundle, X, np.full((6, 2), 0.5)),
        view_scores(head, X, baseline, np.ones(6, dtype=np.int64)),
    )


def grey_between(fitted: Path) -> np.ndarray:
    """Give a grey that lies between the classes: uint8 (224, 224, 3)."""
    dataset = pipeline.load_dataset(fitted / "f.h5")
    colour = dataset.whole_rows(np.arange(len(dataset)))[:][:, 48:51].mean()
    return np.full((224, 224, 3), round(255 * float(colour)), np.uint8)


def test_layers_of_the_whole_photograph_are_asked_by_covering_it(
    fitted: Path, tmp_path: Path
) -> None:
    """Each score is what the logit loses where a piece is blurred; asked for by predict alone."""
    bundle = pipeline.load_bundle(fitted / "whole")
    with pytest.raises(HeadError, match=r"49 looks.*predict MODEL PHOTOGRAPHS --heatmaps"):
        pipeline.frame_of(bundle)
    notes: list[str] = []
    assert pipeline.find_frame(bundle, notes) is None
    assert notes[0].startswith("no heatmaps: ")
    frame = pipeline.frame_of(bundle, covering=True)
    assert frame.covered
    # Noise at the top right alone: where it is blurred, the mean colour changes.
    pixels = grey_between(fitted)
    pixels[16:48, 176:208] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    Image.fromarray(pixels).save(tmp_path / "spot.png")
    covered = list(_covered(pixels))[1 + 1 * GRID + 5]
    Image.fromarray(covered).save(tmp_path / "covered.png")
    names = [str(tmp_path / name) for name in ("spot.png", "covered.png", "gone.png")]
    heard: list[tuple[int, int]] = []
    tell = partial(explain, progress=lambda *done: heard.append(done))
    told = pipeline.predict(bundle, pipeline.find_photographs(names), None, explain=tell)
    assert heard == [(0, 3), (1, 3), (2, 3)]
    assert told[2].cells is None
    cells = told[0].cells
    assert cells is not None
    assert cells.shape == (GRID, GRID)
    assert np.isfinite(cells).all()
    assert np.abs(cells[3:, :3]).max() < 1e-9  # grey stays grey
    assert bundle.calibration is None
    whole, without = (np.log(one.chances[1] / one.chances[0]) for one in told[:2])
    assert cells[1, 5] == pytest.approx(whole - without, abs=1e-5)
    assert abs(cells[1, 5]) > 1e-4
    assert pipeline.write_heatmaps(tmp_path / "maps", frame, told) == 2


def test_covers_overlap_and_show_what_lies_beside(fitted: Path) -> None:
    """Every place is covered by some; what is covered is blurred, and the rest as it was."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (56, 56, 3), dtype=np.uint8)
    shown = list(_covered(picture))
    assert len(shown) == 1 + GRID**2
    np.testing.assert_array_equal(shown[0], picture)
    changed = np.array([(one != picture).any(axis=2) for one in shown[1:]])
    assert changed.any(axis=0).mean() > 0.99
    corner = changed[0]
    assert corner[:8, :8].mean() > 0.9
    assert not corner[16:, :].any()
    assert shown[1][:8, :8].std() < 0.6 * picture[:8, :8].std()


def test_places_follow_the_shape_of_the_photograph() -> None:
    """The fifth crop lies at the end of a long photograph, in the middle of a square one."""
    scores = np.array([[0.0, 0, 0, 0, 1]])
    square, long = lay_out(scores, CROPS), lay_out(scores, CROPS, (800, 100))
    assert square.shape == (7, 7)
    around = square[[2, 2, 4, 4], [2, 4, 2, 4]]  # in the middle one all five overlap
    np.testing.assert_allclose(around, square.max())
    assert square.max() > square[0].max() + 0.5
    assert (long[:, -1] == long.max()).all()
    assert long[:, 0].max() < 0
    tall = lay_out(scores, CROPS, (100, 800))
    np.testing.assert_array_equal(tall, long.T)
    tiles = lay_out(np.eye(9)[None, 8], views_of("tiles:3x3"))
    assert tiles.shape == (10, 10)
    assert tiles[9, 9] == pytest.approx(1)
    alike = lay_out(np.ones((1, 5)), CROPS)  # all say the same: the one place that all of them show
    assert alike[3, 3] == pytest.approx(1)
    assert np.abs(np.delete(alike.ravel(), 24)).max() == pytest.approx(0)
    frame = Frame(1.0, "a defect", True, CROPS)
    assert "clearly louder" in describe(shares_of_full(np.zeros((1, 5)), frame, (9, 9)), frame)


@pytest.mark.parametrize("turn", [1, 6])
def test_a_model_that_sees_photographs_as_stored_is_drawn_upright(turn: int) -> None:
    """The first crop lies at the top left of what is stored."""
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.new("RGB", (90, 60)).save(out := io.BytesIO(), "JPEG", exif=exif)
    frame = Frame(1.0, "a defect", False, CROPS)
    values = mark(out.getvalue(), np.array([[1.0, 0, 0, 0, 0]]), frame, 90).values
    corner = values[0, 0] if turn == 1 else values[0, -1]
    assert corner == values.max() > 0.9


def test_the_table_names_the_crops(tmp_path: Path) -> None:
    """A column for each; the page says that crops are asked."""
    file = tmp_path / "a.jpg"
    file.write_bytes(photograph(0))
    scores = np.arange(5.0)[None]
    frame = Frame(4.0, "a defect", True, CROPS)
    made = [Prediction("a.jpg", file, "defects", 0.9, cells=scores)]
    assert pipeline.write_heatmaps(tmp_path / "maps", frame, made) == 1
    with (tmp_path / "maps" / "heatmaps.csv").open(encoding="utf-8-sig", newline="") as table:
        row = next(csv.DictReader(table))
    assert [row[view] for view in CROPS] == ["0.0", "1.0", "2.0", "3.0", "4.0"]


def test_rows_are_read_as_they_are_asked_for(fitted: Path) -> None:
    dataset = pipeline.load_dataset(fitted / "f.h5")
    rows = WholeRows(SPEC, dataset, np.arange(2, 8))
    X = raw_rows(dataset, SPEC, np.arange(2, 8))
    assert (len(rows), rows.shape) == (6, X.shape)
    np.testing.assert_array_equal(rows.subset(np.array([4, 1]))[:], X[[4, 1]])


def test_the_cache_is_opened_once_for_all_blocks_of_rows(
    fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening one of 100,000 photographs takes seconds: once a block made `fit` take hours."""
    dataset = pipeline.load_dataset(fitted / "f.h5")
    opened = []

    def counted(path: Path) -> Cache:
        opened.append(path)
        return open_cache(path)

    monkeypatch.setattr(lazy_rows, "open_cache", counted)
    rows = WholeRows(SPEC, dataset, np.arange(8))
    for start in range(8):
        assert len(rows[start : start + 1]) == len(rows.subset(np.array([start]))[:]) == 1
    assert len(opened) == len(SPEC.stored_views(dataset.row_parts))


def test_pointing_counts_crops(fitted: Path) -> None:
    """The loudest crop holds half of the mask, or not; the middle one and chance beside it."""
    mask = np.zeros((70, 70), dtype=bool)
    mask[2:10, 60:69] = True  # the top right corner: crop 1 alone
    found = point_views(np.array([[0.0, 1, 0, 0, 0]]), CROPS, mask, 0, True)
    assert (found.hit, found.middle, found.chance) == (True, False, pytest.approx(0.2))
    assert found.mass > 1.5
    assert not point_views(np.array([[1.0, 0, 0, 0, 0]]), CROPS, mask, 0, True).hit
    dataset = pipeline.load_dataset(fitted / "f.h5")
    masks = [np.pad(np.ones((20, 10), bool), ((0, 0), (10, 0))) for _ in dataset.table_rows]
    pointed = of_views(dataset, ["logistic"], masks, 3, SPEC.text)
    ((_, lines),) = pointed.items()
    assert np.mean([one.hit for one in lines]) > np.mean([one.middle for one in lines])
