"""selftest and drift_probe: what moved is named, stage by stage."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import Run
from models import Toy, load, write_parts
from toy import WIDTH, ToyBackbone, photograph, toy_settings

import pipeline
from features.backbones.drift_probe import VIEW, difference, probe_digest, probe_pixels
from features.backbones.registry import BACKBONES
from features.cache.cache import Cache
from features.cache.lock import set_patience, writing
from features.cache.maintenance import collect
from features.cache.probe_row import read_probe
from features.errors import BundleError, CacheBusyError, DriftError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.decode import decode
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES
from pipeline.heads.linear_heads import LogisticHead
from pipeline.model import selftest
from pipeline.model.selftest_images import IMAGES


def new_photographs(folder: Path, first: int = 700) -> list[Photograph]:
    return pipeline.find_photographs([str(write_parts(folder / f"new-{first}", 1, first=first))])


def drawn_otherwise(by: int) -> Callable[..., np.ndarray]:
    """Give a decoder whose pixels are so much brighter."""

    def decoded(data: bytes, recipe: object) -> np.ndarray:
        return np.clip(decode(data, recipe).astype(int) + by, 0, 255).astype(np.uint8)

    return decoded


def other_rows(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Another TensorFlow, or other weights: each row is a little longer."""
    real = ToyBackbone.run
    monkeypatch.setattr(ToyBackbone, "run", lambda self, x: real(self, x) * np.float32(factor))


def test_a_decoder_that_moved_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Pillow that gives other pixels is a refusal at load that names the pixels stage."""
    monkeypatch.setattr(selftest, "decode", drawn_otherwise(9))
    with pytest.raises(DriftError, match=r"the pixels stage moved: .*--accept-drift"):
        load(model)


def test_a_head_that_moved_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another scikit-learn or Keras that gives other probabilities: the head stage."""
    real = LogisticHead.predict_proba
    monkeypatch.setattr(LogisticHead, "predict_proba", lambda self, x: real(self, x * 1.01))
    with pytest.raises(DriftError, match="the head stage moved"):
        load(model)
    monkeypatch.setattr(LogisticHead, "predict_proba", lambda self, x: real(self, x) * np.nan)
    with pytest.raises(DriftError, match="the head stage moved"):
        load(model)


def test_a_backbone_that_moved_is_named(
    model: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other rows of the drift probe stop a prediction before it keeps or says anything."""
    other_rows(monkeypatch, 1.02)
    bundle = load(model)  # the backbone is not loaded for this
    known = pipeline.find_photographs([str(tmp_path / "data")])
    assert len(pipeline.predict(bundle, known, cache)) == 72  # nor for rows that are there
    with Cache.read(cache) as before:
        rows = len(before)
    with pytest.raises(DriftError, match=r"the backbone stage moved: rows differ by 0\.02"):
        pipeline.predict(bundle, new_photographs(tmp_path), cache)
    with pytest.raises(DriftError, match="the backbone stage moved"):
        pipeline.evaluate_folder(bundle, write_parts(tmp_path / "e", 3, first=800), cache)
    with Cache.read(cache) as after:
        assert len(after) == rows


def test_drift_can_be_accepted_and_is_said(
    model: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `accept_drift` it goes on, and what moved stands in the bundle."""
    monkeypatch.setattr(selftest, "decode", drawn_otherwise(9))
    other_rows(monkeypatch, 1.02)
    bundle = pipeline.load_bundle(model, accept_drift=True)
    assert len(pipeline.predict(bundle, new_photographs(tmp_path), cache)) == 3
    assert [text.split(":")[0] for text in bundle.drift] == [
        "the pixels stage moved", "the backbone stage moved",
    ]  # fmt: skip


def test_rounding_is_no_drift(
    model: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a grey level and one part in ten thousand pass: processors round differently."""

    def rounded(data: bytes, recipe: object) -> np.ndarray:
        pixels = decode(data, recipe)
        return np.where(np.indices(pixels.shape).sum(0) % 3 == 0, pixels ^ 1, pixels)

    monkeypatch.setattr(selftest, "decode", rounded)
    other_rows(monkeypatch, 1.0001)
    bundle = load(model)
    assert len(pipeline.predict(bundle, new_photographs(tmp_path), cache)) == 3
    assert bundle.drift == []


def test_older_models_load_and_predict_without_the_new_stages(
    model: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A self-test of rows alone, as before, is replayed as before."""
    from models import sign

    tested = selftest.read((model / "selftest.npz").read_bytes())
    out = io.BytesIO()
    np.savez(out, rows=tested.rows, probabilities=tested.probabilities)
    (model / "selftest.npz").write_bytes(out.getvalue())
    sign(model)
    monkeypatch.setattr(selftest, "decode", drawn_otherwise(99))
    ToyBackbone.reset()
    assert len(pipeline.predict(load(model), new_photographs(tmp_path), None)) == 3
    assert ToyBackbone.photographs == 3  # nothing rides along
    real = LogisticHead.predict_proba
    monkeypatch.setattr(LogisticHead, "predict_proba", lambda self, x: real(self, x)[:, ::-1])
    with pytest.raises(BundleError, match="the head stage moved"):
        load(model)


def test_extract_refuses_to_mix_rows_of_two_backbones(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the backbone gives other rows than the cache holds, none is added."""
    write_parts(tmp_path / "data", 1, first=500)
    with Cache.read(cache) as before:
        rows = len(before)
    with monkeypatch.context() as patch:
        other_rows(patch, 1.02)
        with pytest.raises(DriftError, match=r"no longer gives the rows that .*another --cache"):
            pipeline.extract_folder(tmp_path / "data", cache)
    with Cache.read(cache) as after:
        assert len(after) == rows
    assert pipeline.extract_folder(tmp_path / "data", cache).extraction.extracted == 3


def test_the_drift_probe_survives_a_collection(cache: Path) -> None:
    """`cache gc` drops rows that no photograph uses, and keeps the probe's."""
    with Cache.read(cache) as before:
        row = read_probe(before)
    assert row is not None
    collect(cache, apply=True)
    with Cache.read(cache) as after:
        assert np.array_equal(read_probe(after), row)
    data = pipeline.load_dataset(cache)
    drift_probe = data.drift_probe()
    assert drift_probe is not None
    assert difference(drift_probe, row) == 0


def test_a_probe_among_the_rows_is_found_and_moved(cache: Path, tmp_path: Path) -> None:
    """Caches of 0.1.0 keep it under a view of its own; what writes them anew moves it."""
    with Cache.read(cache) as made:
        row, fields, width = read_probe(made), made.fields, made.cached_width
        digests = [table_row.digest for table_row in made.table_rows]
        X, table_rows, about = made.take(made.rows_of(digests)), made.table_rows, made.note
    assert row is not None
    with Cache.write(tmp_path / "old.h5", fields, width, np.float32) as old:
        old.append(digests, X)
        old.append([probe_digest(224, 224)], row[None], VIEW)
        old.replace_table(table_rows, about)
        old.commit()
    with Cache.read(tmp_path / "old.h5") as old:
        assert len(old) == len(table_rows) + 1
        assert np.array_equal(read_probe(old), row)
    collect(tmp_path / "old.h5", apply=True)
    with h5py.File(tmp_path / "old.h5") as plain:
        assert len(plain["features"]) == len(table_rows)
        assert np.array_equal(plain["probe"][0], row)
        assert plain["samples/label"].asstr()[0] == table_rows[0].label


def test_a_prediction_of_known_rows_only_reads(model: Path, cache: Path, tmp_path: Path) -> None:
    """Beside a writer, and without changing the file; only what is missing needs the lock."""
    known = pipeline.find_photographs([str(tmp_path / "data")])
    before = cache.read_bytes()
    with writing(cache):
        assert len(pipeline.predict(load(model), known, cache)) == 72
    assert cache.read_bytes() == before
    set_patience(0.1)
    try:
        with writing(cache), pytest.raises(CacheBusyError):  # evaluate needs its rows kept
            pipeline.evaluate_folder(load(model), write_parts(tmp_path / "e", 3, first=800), cache)
    finally:
        set_patience(None)
    assert cache.read_bytes() == before


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16])
@pytest.mark.parametrize("batch_size", [1, 8, 32])
def test_the_drift_probe_changes_no_other_row(
    tmp_path: Path, count: int, batch_size: int, toy: Toy
) -> None:
    """In the first batch, whatever its size; each photograph has the row that it has without."""
    files = []
    for number in range(count):
        (tmp_path / f"{number}.png").write_bytes(photograph(number))
        files.append(Photograph(tmp_path / f"{number}.png", f"{number}.png"))
    heard: list[np.ndarray] = []
    rows = []
    for name, watch in (("a", None), ("b", lambda row, known: heard.append(row))):
        done = extract(
            files,
            toy_settings(),
            tmp_path / f"{name}.h5",
            RunOptions(batch_size=batch_size),
            watch=watch,
        )
        assert (done.extracted, done.reused) == (count, 0)
        with Cache.read(tmp_path / f"{name}.h5") as cache:
            rows.append(cache.take([table_row.row for table_row in done.table_rows]))
            assert len(cache) == count  # the probe has a place of its own
            assert (read_probe(cache) is None) == (watch is None)
    assert np.array_equal(*rows)
    expected = ToyBackbone(None, batch_size=1).run(probe_pixels(224, 224)[None])[0]
    assert len(heard) == 1
    assert heard[0].shape == (WIDTH,)
    assert np.array_equal(heard[0], expected)


def test_the_drawn_photographs_are_decoded_alike_by_both_recipes() -> None:
    """They are photographs with a picture in them, and one of them is turned by its EXIF tag."""
    for name, data in IMAGES.items():
        for recipe in RECIPES.values():
            pixels = decode(data, recipe)
            assert pixels.std() > 20, name
    turned = [decode(IMAGES["turned"], recipe).astype(int) for recipe in RECIPES.values()]
    assert np.abs(turned[0] - turned[1]).mean() > 20


def test_the_command_line_says_what_moved(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict refuses with one line; --accept-drift goes on with a warning; so does evaluate."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    write_parts(Path("data"))
    run("extract", "--weights", "random", "--group-regex", r"part-(\d+)")
    run("fit", "--head", "logistic")
    write_parts(Path("new"), 1, first=600)
    other_rows(monkeypatch, 1.1)
    code, _, err = run("predict", "model", "new")
    assert code == 1
    assert "the backbone stage moved" in err
    assert not Path("predictions.csv").exists()
    code, _, err = run("predict", "model", "new", "--accept-drift", "--no-cache")
    assert code == 0
    assert err.startswith("warning: drift accepted: the backbone stage moved")
    monkeypatch.setattr(selftest, "decode", drawn_otherwise(9))
    assert run("evaluate")[0] == 1
    code, _, err = run("evaluate", "--accept-drift")
    assert code == 0
    assert "the pixels stage moved" in err


@pytest.mark.parametrize(("by", "moves"), [(5e-5, False), (5e-4, True), (5e-3, True)])
def test_a_probability_may_move_by_a_ten_thousandth(by: float, moves: bool) -> None:
    """Ten times what processors differ by (up to 1e-5), and no more: a changed head is found."""

    class Constant:
        def __init__(self, p: float) -> None:
            self.p = p

        def predict_proba(self, X: np.ndarray, /) -> np.ndarray:
            return np.tile([1 - self.p, self.p], (len(X), 1))

    kept = selftest.read(selftest.write(Constant(0.3), np.ones((4, 6), np.float32), None, None))
    said = kept.moved_at_load(Constant(0.3 + by), None)
    assert (said is not None and "the head stage moved" in said) is moves
