"""The real InceptionV3, and real photographs where they are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT

import pipeline
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights, resolve_weights
from features.cache.cache import Cache
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES
from pipeline.demo.draw_parts import draw_parts

BATCH_TOLERANCE = 1e-5  # of a row's largest value, whatever batch a photograph comes in


def rows_of(files: list[Path], weights: Weights, cache: Path, batch_size: int) -> np.ndarray:
    """Rows of the `docs` recipe, through extract and the cache."""
    settings = BackboneSettings(RECIPES["docs"], weights)
    photographs = [Photograph(file, file.name) for file in files]
    result = extract(photographs, settings, cache, RunOptions(batch_size=batch_size))
    assert not result.failed
    with Cache.read(cache) as opened:
        return opened.take([table_row.row for table_row in result.table_rows])


def rows_by_keras(files: list[Path], weights: Weights) -> np.ndarray:
    """Say what the write-up does: load_img, / 255, InceptionV3(include_top=False), flatten."""
    import keras

    from features.backbones.inception_v3 import InceptionV3Backbone

    if weights.path is None:
        # Keras's own random weights are others; take its model with ours.
        model = InceptionV3Backbone(None, seed=weights.seed, scale=(1, 0)).keras_model()
    else:
        model = keras.applications.InceptionV3(
            weights=None, include_top=False, input_shape=(224, 224, 3)
        )
        model.load_weights(weights.path)
    pixels = np.stack(
        [np.asarray(keras.utils.load_img(file, target_size=(224, 224))) for file in files]
    )
    rows = model.predict(pixels.astype(np.float32) / 255.0, batch_size=16, verbose=0)
    return rows.reshape(len(files), -1)


def assert_close(rows: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Check the largest difference, relative to the largest value of the row."""
    assert rows.shape == expected.shape == (len(rows), 51_200)
    scale = np.abs(expected).max(axis=1)
    assert scale.min() > 0
    assert (np.abs(rows - expected).max(axis=1) / scale).max() < tolerance


def test_rows_equal_plain_keras_and_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    """8 photographs with untrained weights: rows are Keras's, in batches of 8 as of 5."""
    drawn = draw_parts(tmp_path / "parts", parts=4, views=2, seed=11, size=(320, 240))
    files = [tmp_path / "parts" / d.path for d in drawn]
    weights = resolve_weights("random", seed=4)
    rows = rows_of(files, weights, tmp_path / "a.h5", 8)
    assert_close(rows, rows_by_keras(files, weights), 1e-4)
    few = rows_of(files[:7], weights, tmp_path / "b.h5", 5)
    assert_close(few, rows[:7], BATCH_TOLERANCE)


def test_rows_equal_plain_keras_on_real_photographs(
    tmp_path: Path, tile_folder: Path, real_weights: Path
) -> None:
    """8 tiles, real weights: rows are Keras's within 1e-4; half to 9 in 10 values are 0."""
    files = sorted((tile_folder / "Crack").glob("*.jpg"))[:4]
    files += sorted((tile_folder / "Free").glob("*.jpg"))[:4]
    weights = resolve_weights(str(real_weights))
    rows = rows_of(files, weights, tmp_path / "a.h5", 8)
    assert_close(rows, rows_by_keras(files, weights), 1e-4)
    assert 0.5 < (rows == 0).mean() < 0.9


def test_tensorflow_is_quiet_unless_asked(tmp_path: Path) -> None:
    """Nothing of TensorFlow's start reaches standard error; -v brings it back."""
    draw_parts(tmp_path / "data", parts=2, views=1, seed=1, size=(320, 240))
    command = [sys.executable, "cli.py", "extract", str(tmp_path / "data"), "--weights", "random"]
    command += ["--batch-size", "2", "--engine", "tensorflow", "--look", "plain"]
    quiet = subprocess.run(
        [*command, "--cache", str(tmp_path / "a.h5")], cwd=ROOT, capture_output=True, text=True
    )
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "extracted    2" in quiet.stdout
    loud = subprocess.run(
        [*command, "--cache", str(tmp_path / "b.h5"), "-v", "--backbone", "efficientnet-lite0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert loud.returncode == 0
    assert "oneDNN" in loud.stderr or "CPU" in loud.stderr


@pytest.fixture(scope="module")
def tile_cache(
    tmp_path_factory: pytest.TempPathFactory, tile_folder: Path, real_weights: Path
) -> Path:
    """Rows of 170 real photographs as wholes: all cracks, and free tiles of as many parts."""
    root = tmp_path_factory.mktemp("tiles")
    for label, step in (("Crack", 1), ("Free", 9)):
        (root / "data" / label).mkdir(parents=True)
        for file in sorted((tile_folder / label).glob("*.jpg"))[::step]:
            (root / "data" / label / file.name).symlink_to(file)
    pipeline.extract_folder(
        root / "data",
        root / "features.h5",
        pipeline.ExtractOptions(
            weights=str(real_weights),
            look="plain",
            group_rule=pipeline.GroupRule("file", str(tile_folder / "groups.csv")),
        ),
    )
    return root / "features.h5"


def test_cracks_are_told_from_free_tiles_across_parts(tile_cache: Path, tmp_path: Path) -> None:
    """On real photographs with real weights a linear head finds cracks on tiles never seen."""
    data = pipeline.load_dataset(tile_cache)
    found = pipeline.compare_heads(
        data,
        tmp_path,
        pipeline.CompareOptions(heads=["logistic", "majority"], folds=4, repeats=1, jobs=1),
    )
    scores = {row.head: row.mean["roc_auc"] for row in found.result.table()}
    assert scores["logistic"] > 0.85
    assert scores["majority"] == pytest.approx(0.5)


def test_a_random_split_flatters(tile_cache: Path, tmp_path: Path) -> None:
    """Photographs of one tile on both sides make the score better than it is."""
    data = pipeline.load_dataset(tile_cache)
    auc = {}
    for split in ("grouped", "random"):
        options = pipeline.CompareOptions(["logistic"], folds=4, repeats=1, split=split, jobs=1)
        found = pipeline.compare_heads(data, tmp_path, options)
        auc[split] = found.result.table()[0].mean["roc_auc"]
    assert auc["random"] > auc["grouped"] + 0.01
