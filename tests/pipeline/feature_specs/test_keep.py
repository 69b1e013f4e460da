"""Slim caches: what feature specs read and no more, with the bits of the full rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import write_parts
from toy import ToyBackbone

import pipeline
from features.cache.cache import Cache
from features.cache.probe_row import read_probe
from features.cache.row_parts import RowParts
from features.errors import DataError, FeatureSpecError, FingerprintError
from pipeline.data.dataset import load_dataset
from pipeline.data.extract_folder import ExtractOptions, extract_folder
from pipeline.feature_specs.keep import kept_by, parse_keep, slim_cache
from pipeline.feature_specs.rows import load_rows
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.groups.rules import GroupRule
from pipeline.model.probabilities import predict_table_rows
from pipeline.model.slim_rows import on_fewest

CLOSER = "full+large+five:colour+white"
PARTS = GroupRule("regex", r"part-(\d+)")
KEPT = ["avg:root", "avg+max", "five:colour:root", "full+five:colour:max"]


def options(**more: object) -> ExtractOptions:
    return replace(ExtractOptions("toy", "random", group_rule=PARTS), **more)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of photographs `data` beside a cache of a closer look at them."""
    root = tmp_path_factory.mktemp("full")
    path = root / "features.h5"
    extract_folder(write_parts(root / "data", 15), path, options(look=CLOSER))
    return path


def values(path: Path, features: str) -> np.ndarray:
    return load_rows(path, features=features).X


def test_slim_rows_have_the_bits_of_full_ones(full: Path, tmp_path: Path) -> None:
    made = slim_cache(full, ",".join(KEPT), tmp_path / "small.h5")
    for text in KEPT:
        np.testing.assert_array_equal(values(made.path, text), values(full, text))
    assert (made.cached_width, made.width_before) == (3 + 3 + 3 + 5 * 3, 48 + 5 + 6 * 5)
    assert made.rows == made.photographs == 45
    assert pipeline.verify(made.path, full=True).sound
    a, b = load_dataset(full), load_dataset(made.path)
    assert a.content == b.content
    assert [one.path for one in a.table_rows] == [one.path for one in b.table_rows]


def test_extract_keeps_what_slim_makes_of_a_full_cache(full: Path, tmp_path: Path) -> None:
    keep, twin = "avg,five:colour:root", tmp_path / "twin.h5"
    slim_cache(full, keep, twin)
    path = tmp_path / "kept.h5"
    done = extract_folder(full.parent / "data", path, options(keep=parse_keep(keep)))
    assert done.extraction.rows == 45
    with Cache.read(twin) as slim, Cache.read(path) as kept:
        assert slim.fields == kept.fields
        assert slim.keys == kept.keys
        np.testing.assert_array_equal(slim.take(range(45)), kept.take(range(45)))
        probe = read_probe(kept)
        assert probe is not None
        assert len(probe) == RowParts.of(kept.fields).with_map.cached_width
        np.testing.assert_array_equal(probe, read_probe(slim))
    again = extract_folder(full.parent / "data", twin, ExtractOptions())
    assert (again.extraction.rows, again.extraction.reused) == (0, 45)
    assert load_dataset(twin).folder.kept == ("avg", "five:colour:root")
    with pytest.raises(FingerprintError, match=r"of the map avg in the cache, none asked for"):
        extract_folder(full.parent / "data", twin, options(look=CLOSER))


def test_float16_rows_are_the_same_rounded(full: Path, tmp_path: Path) -> None:
    made = slim_cache(full, "avg", tmp_path / "half.h5", precision="float16")
    expected = values(full, "avg").astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(values(made.path, "avg"), expected)
    with pytest.raises(DataError, match="for rows in float16; expected float16"):
        slim_cache(made.path, "avg", tmp_path / "x.h5", precision="float32")


@pytest.mark.parametrize("features", ["flat", "max", "white", "full+five:white", "tiles:2x2:avg"])
def test_what_is_not_kept_is_refused_in_one_line(full: Path, tmp_path: Path, features: str) -> None:
    made = slim_cache(full, "avg,five:colour", tmp_path / "small.h5")
    with pytest.raises(FeatureSpecError) as error:
        load_rows(made.path, features=features)
    text = str(error.value)
    assert "keeps what the features avg, five:colour read; found" in text
    assert f"--keep avg,five:colour,{features}" in text
    assert "\n" not in text


def test_rows_of_tiles_are_kept_beside_those_of_the_whole(full: Path, tmp_path: Path) -> None:
    tiled = tmp_path / "tiled.h5"
    extract_folder(full.parent / "data", tiled, options(views=["tiles:2x2", "five"], taps=[]))
    made = slim_cache(tiled, "tiles:2x2:avg", tmp_path / "small.h5")
    assert made.rows == 45 * 5
    np.testing.assert_array_equal(
        values(made.path, "tiles:2x2:avg"), values(tiled, "tiles:2x2:avg")
    )
    with pytest.raises(FeatureSpecError, match=r"expected tiles:3x3 too for --keep"):
        slim_cache(tiled, "tiles:3x3:avg", tmp_path / "x.h5")


def test_specs_that_cannot_stand_in_one_cache_are_refused() -> None:
    assert parse_keep("flat+mixed8").pooled == ()  # type: ignore[union-attr]
    with pytest.raises(FeatureSpecError, match="cannot stand in one cache"):
        parse_keep("five:mixed8,tiles:2x2:avg")
    with pytest.raises(FeatureSpecError, match="expected their names"):
        parse_keep("taps")
    with pytest.raises(FeatureSpecError, match="found no features"):
        parse_keep(" , ")
    with pytest.raises(DataError, match="--keep alone"):
        ExtractOptions(look="plain", keep=kept_by([FeatureSpec.parse("avg")]))


def test_a_model_judges_from_slim_rows_as_from_full_ones(full: Path, tmp_path: Path) -> None:
    """Whichever of the two it was fitted on, and with the fewest rows where none are kept."""
    spec = "five:colour:root"
    small = slim_cache(full, f"avg,{spec}", tmp_path / "small.h5").path
    other = slim_cache(full, "max", tmp_path / "other.h5").path
    for of, model in ((full, tmp_path / "m1"), (small, tmp_path / "m2")):
        asked = pipeline.FitOptions(head="ridge", features=FeatureSpec.parse(spec), optimism=False)
        pipeline.fit(load_dataset(of), model, asked)
        bundle = pipeline.load_bundle(model)
        rows = load_dataset(full).table_rows[:9]
        found = [predict_table_rows(bundle, path, rows) for path in (full, small)]
        np.testing.assert_array_equal(found[0].probabilities, found[1].probabilities)
        np.testing.assert_array_equal(found[0].strangeness, found[1].strangeness)
        with pytest.raises(FingerprintError, match="keeps what the features max read; expected"):
            predict_table_rows(bundle, other, rows)
        ToyBackbone.reset()
        photographs = pipeline.find_photographs([str(full.parent / "data" / "defects")])[:3]
        judged = pipeline.predict(bundle, photographs, None)
        assert [one.verdict for one in judged] == ["defects"] * 3
        assert on_fewest(bundle).settings().fields["map"] == ["avg"]
        seen = pipeline.predict(bundle, photographs, small)
        assert [one.probability for one in seen] == pytest.approx(
            [one.probability for one in judged], abs=1e-6
        )


def test_the_commands_know_slim_caches(run: Run, full: Path, tmp_path: Path) -> None:
    code, out, err = run(
        "cache", "slim", str(full), "--keep", "avg:root", "--out", str(tmp_path / "small.h5")
    )
    assert code == 0, err
    assert "45 rows of 3 values instead of 83" in out
    assert "kept for the features avg:root" in out
    code, out, err = run("info", str(tmp_path / "small.h5"))
    assert "slim: kept for  avg:root" in out
    assert (
        "it is slim: it keeps what the features avg:root read"
        in run("cache", "verify", str(tmp_path / "small.h5"))[1]
    )
    cache = ("--cache", str(tmp_path / "small.h5"))
    fails(run("fit", *cache, "--features", "flat"), "keeps what the features avg:root read")
    assert run("audit", *cache)[0] == 0
    assert run("groups", *cache)[0] == 0
    data = str(full.parent / "data")
    words = ("--keep", "avg,avg+max", "--backbone", "toy", "--weights", "random")
    code, planned, err = run("extract", data, "--cache", "new.h5", *words, "--dry-run")
    assert "45, from 1 picture a photograph" in planned
    assert "0.2 MB" in planned  # 45 thumbnails of 4 kB beside rows of 6 values
    code, out, err = run("extract", data, "--cache", "new.h5", *words)
    assert code == 0, err
    assert Path("new.h5").stat().st_size == pytest.approx(0.25e6, rel=0.2)
    assert "plain, the avg and max of the last map alone" in out
    with Cache.read(Path("new.h5")) as made:
        assert made.cached_width == 6
    crops = ("--cache", "crops.h5", "--keep", "five:white:root", *words[2:])
    said = "5 crops, 1 layer, the avg of the last map alone"
    assert said in run("extract", data, *crops)[1]
    fails(
        run("extract", data, "--cache", "new.h5", "--keep", "avg", "--look", "plain"),
        "expected --keep alone",
    )
