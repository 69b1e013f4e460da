"""Views and taps in the cache: added later, kept in line, counted, checked, collected, read."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import caches
import numpy as np
import pytest
from checkout import ROOT, TESTS
from toy import WIDTH, ToyBackbone, photograph, toy_settings, write_folder

import pipeline
from features.backbones.registry import BACKBONES
from features.cache.cache import Cache
from features.cache.maintenance import collect, merge, verify
from features.cache.repair import repair
from features.cache.row_parts import RowParts
from features.errors import CacheError, DataError, FingerprintError
from features.extract import extract
from features.extract_outcome import Extraction, RunOptions
from features.photographs.decode import decode_views
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES
from features.photographs.views import FULL, Chosen, views_of
from pipeline.data.extract_folder import ExtractOptions, FolderExtraction, extract_folder
from pipeline.data.folder import scan_folder
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.model.info import describe
from pipeline.terminal import cache as upkeep_text
from pipeline.terminal.info import info
from pipeline.terminal.results import extraction

Toy = type[ToyBackbone]
TILES = Chosen((FULL, "tiles:2x2"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", {"Healthy": 9, "defects": 6})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "features.h5"


def look(folder: Path, cache: Path, chosen: Chosen = TILES, **options: object) -> Extraction:
    """Extract with the toy, a batch of four views."""
    photographs = scan_folder(folder).photographs
    note = {"root": str(folder), **chosen.to_note()}
    options = {"note": note, **options}
    settings = options.pop("settings", None) or toy_settings()
    names = {field.name for field in dataclasses.fields(RunOptions)} & set(options)
    run = {"views": chosen.names, "batch_size": 4, **{name: options.pop(name) for name in names}}
    return extract(photographs, settings, cache, RunOptions(**run), **options)


def rows(path: Path, view: str, columns: slice = slice(None)) -> np.ndarray:
    """Rows of all photographs of the table."""
    with Cache.read(path) as opened:
        return opened.take(opened.rows_of([s.digest for s in opened.table_rows], view), columns)


def test_a_row_of_each_view_is_what_the_backbone_sees_in_it(
    folder: Path, cache: Path, toy: Toy
) -> None:
    """Five rows per photograph, each of its own crop; photographs are counted once."""
    done = look(folder, cache)
    assert (done.extracted, done.rows, done.reused) == (15, 75, 0)
    assert (toy.photographs, toy.calls) == (75, 19)
    backbone = ToyBackbone(None, batch_size=5)
    for number, table_row in enumerate(done.table_rows):
        data = (folder / table_row.path).read_bytes()
        expected = backbone.run(decode_views(data, RECIPES["imagenet"], TILES.names))
        for view, row in zip(TILES.names, expected, strict=True):
            assert np.array_equal(rows(cache, view)[number], row)


def test_views_added_later_cost_only_themselves(folder: Path, cache: Path, toy: Toy) -> None:
    """Known rows stay as they are, to the bit; one cache equals that which was made at once."""
    look(folder, cache, Chosen())
    before = rows(cache, FULL)
    toy.reset()
    done = look(folder, cache)
    assert (done.extracted, done.rows, done.reused, toy.photographs) == (15, 60, 0, 60)
    assert np.array_equal(rows(cache, FULL), before)
    toy.reset()
    done = look(folder, cache)
    assert (done.extracted, done.rows, done.reused, toy.loads) == (0, 0, 15, 0)
    done = look(folder, cache, Chosen((FULL, "tiles:2x2", "five")))
    assert (done.rows, toy.photographs) == (15, 15), "five shares four views with tiles:2x2"
    look(folder, cache.with_name("at-once.h5"), Chosen((FULL, "tiles:2x2", "five")))
    for view in (*TILES.names, "centre"):
        assert np.array_equal(rows(cache, view), rows(cache.with_name("at-once.h5"), view))


def test_progress_counts_photographs_whose_views_are_all_there(
    folder: Path, cache: Path, toy: Toy
) -> None:
    """It ends at the number of photographs, whose last views may come batches later."""
    (folder / "defects" / "bad.png").write_bytes(b"x")
    seen: list[tuple[int, int]] = []
    done = look(folder, cache, progress=lambda a, b: seen.append((a, b)), max_failures=0.5)
    assert seen[-1] == (16, 16)
    assert [a for a, _ in seen] == sorted(a for a, _ in seen)
    assert max(b - a for (a, _), (b, _) in itertools.pairwise(seen)) == 1
    assert (done.extracted, done.reused, len(done.failed)) == (15, 0, 1)


def test_a_batch_is_no_larger_than_all_views(tmp_path: Path, cache: Path, toy: Toy) -> None:
    """One photograph with its tiles is one call of the backbone."""
    (tmp_path / "one.png").write_bytes(photograph(1))
    named = [Photograph(tmp_path / "one.png", "one.png")]
    extract(named, toy_settings(), cache, RunOptions(views=TILES.names))
    assert (toy.calls, toy.photographs) == (1, 5)


RUNNER = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
import time, toy
from test_view_rows import look
run = toy.ToyBackbone.run
def stay(self, pixels):
    if toy.ToyBackbone.calls == 3:  # batches before it are committed
        print("there", flush=True)
        time.sleep(600)
    return run(self, pixels)
toy.ToyBackbone.run = stay
look(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed_between_the_views_of_a_photograph(folder: Path, cache: Path, toy: Toy) -> None:
    """What is committed stays; the next run computes the other views, and no row twice."""
    paths = [str(ROOT), str(TESTS), str(TESTS / "features")]
    command = [sys.executable, "-c", RUNNER.format(paths=paths), str(folder), str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.kill()
    with Cache.read(cache) as opened:
        kept, keys = len(opened), opened.keys
        assert opened.table_rows == []
    assert 4 <= kept < 75
    done = look(folder, cache)
    assert done.rows == 75 - kept
    with Cache.read(cache) as opened:
        assert opened.keys[:kept] == keys
        assert len(set(opened.keys)) == 75
    assert verify(cache, full=True).sound


def test_photographs_that_can_no_longer_be_decoded_are_named(
    folder: Path, cache: Path, toy: Toy
) -> None:
    """The full row is there and the tiles cannot be made: a reason, and no row in the table."""
    (folder / "Healthy" / "large.png").write_bytes(photograph(50, (60, 50)))
    look(folder, cache, Chosen())
    done = look(folder, cache, max_failures=1.0, max_pixels=1000)
    assert [(Path(s.path).name, s.row) for s in done.failed] == [("large.png", -1)]
    assert "--max-pixels" in done.failed[0].reason
    assert (done.extracted, done.reused) == (15, 0)
    assert verify(cache).sound


# ---- upkeep -----------------------------------------------------------------------------


def test_gc_keeps_the_views_that_are_noted(folder: Path, cache: Path, toy: Toy) -> None:
    """Nothing goes while they are; once `full` alone is asked for, the tiles can go."""
    look(folder, cache)
    assert collect(cache).unused == 0
    assert "75 rows" in upkeep_text.collected(collect(cache))
    look(folder, cache, Chosen())
    planned = collect(cache)
    assert (planned.unused, planned.of_views) == (60, 60)
    assert "(60 are of tiles)" in upkeep_text.collected(planned)
    collect(cache, apply=True)
    with Cache.read(cache) as opened:
        assert len(opened) == 15
    assert verify(cache, full=True).sound


def test_verify_finds_views_that_are_missing(folder: Path, cache: Path, toy: Toy) -> None:
    """A note that promises what is not there is a fault."""
    look(folder, cache)
    photographs, settings = scan_folder(folder).photographs, toy_settings()
    extract(photographs, settings, cache, note=Chosen((FULL, "tiles:3x3")).to_note())
    faults = verify(cache).faults
    assert faults == [
        "15 photographs of the table lack rows of some of their views; run extract again"
    ]


def test_repair_drops_a_tile_and_extract_fills_it_in(folder: Path, cache: Path, toy: Toy) -> None:
    """A photograph that lost a view counts as one without a row until it is there again."""
    done = look(folder, cache)
    broken = done.table_rows[3]
    with Cache.read(cache) as opened:
        data = opened.take([opened.find(broken.digest, "tiles:2x2/2")]).tobytes()
    content = bytearray(cache.read_bytes())
    content[content.index(data) + 1] ^= 4
    cache.write_bytes(content)
    repaired = repair(cache)
    assert (repaired.photographs, len(repaired.dropped)) == ([broken.path], 1)
    assert verify(cache).sound
    done = look(folder, cache)
    assert (done.extracted, done.rows) == (1, 1)
    assert verify(cache, full=True).sound
    assert all(table_row.row >= 0 for table_row in done.table_rows)


def test_merged_caches_keep_all_rows(folder: Path, cache: Path, toy: Toy, tmp_path: Path) -> None:
    """Rows of views come along; the first cache's views are kept in line afterwards."""
    other = tmp_path / "other.h5"
    look(folder, cache)
    look(folder, other, Chosen((FULL, "tiles:1x2")))
    merge(cache, other, tmp_path / "both.h5")
    toy.reset()
    with Cache.read(tmp_path / "both.h5") as both:
        assert len(both) == 75 + 30
        assert Chosen.noted(both.note) == TILES
    assert look(folder, tmp_path / "both.h5").rows == 0


# ---- the folder's choice ----------------------------------------------------------------


@pytest.fixture
def as_inception(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """Give the toy in the real backbone's place."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    return toy


def sync(folder: Path, cache: Path, **options: object) -> FolderExtraction:
    weights = None if cache.exists() else "random"
    return extract_folder(folder, cache, ExtractOptions(**{"weights": weights, **options}))


def test_a_plain_extract_keeps_views_in_line(folder: Path, cache: Path, as_inception: Toy) -> None:
    """Views are remembered: new photographs get all, and nothing else is computed."""
    first = sync(folder, cache, views=["tiles:2x2"])
    assert "look         full, tiles:2x2 (4), with a row each" in extraction(first, cache)
    assert "extracted    15, 75 rows" in extraction(first, cache)
    (folder / "Healthy" / "new.png").write_bytes(photograph(99))
    done = sync(folder, cache)
    assert (done.extraction.extracted, done.extraction.rows) == (1, 5)
    data = pipeline.load_dataset(cache)
    assert (data.views, data.taps) == (("full", "tiles:2x2"), ())
    done = sync(folder, cache, views=["full"])
    assert done.extraction.rows == 0
    assert pipeline.load_dataset(cache).views == ("full",)
    assert collect(cache).unused == 16 * 4


def test_what_info_tells(folder: Path, cache: Path, as_inception: Toy) -> None:
    """Which views there are, and how many rows of each set."""
    sync(folder, cache, views=["tiles:2x2"], taps=["colour"])
    facts = describe(cache)
    assert facts["views"] == ["full", "tiles:2x2"]
    assert facts["rows_by_view"] == {"full": 15, "tiles:2x2": 60}
    assert "full, tiles:2x2 (4)" in info(facts)
    assert "layers colour" in info(facts)


def test_rows_of_a_view_by_photograph(folder: Path, cache: Path, as_inception: Toy) -> None:
    """`whole_rows` names a view and gives its rows in the photographs' order."""
    sync(folder, cache, views=["tiles:2x2"])
    data = pipeline.load_dataset(cache)
    some = np.array([4, 0, 9])
    for view in views_of("tiles:2x2"):
        expected = rows(cache, view)[some]
        np.testing.assert_array_equal(data.whole_rows(some, view)[:], expected)
        np.testing.assert_array_equal(data.whole_rows(None, view).subset(some)[1:], expected[1:])
    np.testing.assert_array_equal(data.rows(), rows(cache, FULL))
    with pytest.raises(CacheError, match="lacks 15 of 15"):
        data.whole_rows(None, "tiles:3x3/0")[:]


def test_unknown_views_and_taps_are_refused_before_any_work(
    folder: Path, cache: Path, as_inception: Toy
) -> None:
    """One line that says what there is; no cache is begun."""
    with pytest.raises(DataError, match="unknown views 'rings'"):
        sync(folder, cache, views=["rings"])
    with pytest.raises(DataError, match="unknown layer 'mixed4'; expected some of colour, white"):
        sync(folder, cache, taps=["mixed4"])
    assert not cache.exists()


# ---- taps -------------------------------------------------------------------------------


def test_taps_stand_behind_the_same_row(folder: Path, cache: Path, toy: Toy) -> None:
    """The first values are what they are without taps; each tap has its columns."""
    settings = replace(toy_settings(), taps=("white", "colour"))
    assert settings.taps == ("colour", "white"), "in the order of the network"
    assert settings.cached_width == WIDTH + 5
    look(folder, cache)
    look(folder, cache.with_name("taps.h5"), settings=settings)
    tapped = cache.with_name("taps.h5")
    layout = RowParts.of(settings.fields)
    assert layout.cached_width == settings.cached_width
    for view in TILES.names:
        plain = rows(cache, view)
        assert np.array_equal(rows(tapped, view, layout.flat), plain)
        means = plain.reshape(len(plain), 16, 3).mean(axis=1)
        np.testing.assert_allclose(rows(tapped, view, layout.tap("colour")), means, rtol=1e-5)
        assert (rows(tapped, view, layout.tap("white")) == 1).all()


def test_taps_are_part_of_the_fingerprint(folder: Path, cache: Path, toy: Toy) -> None:
    """None at all leaves it as it was before there were taps; others are refused side by side."""
    assert "taps" not in toy_settings().fields
    look(folder, cache, settings=replace(toy_settings(), taps=("white",)))
    with pytest.raises(FingerprintError, match=r"layers white in the cache, none asked for"):
        look(folder, cache)


def test_rows_of_another_width_than_the_cache_says_are_refused(cache: Path, toy: Toy) -> None:
    """Taps that are noted, but not there, would be read out of the map."""
    fields = replace(toy_settings(), taps=("white",)).fields
    with Cache.write(cache, fields, WIDTH, np.float32) as made:
        numbers = range(15)
        made.append([caches.digest(n) for n in numbers], np.stack([caches.row(n) for n in numbers]))
        table = [caches.table_row(f"A/{n}.png", n, n) for n in numbers]
        made.replace_table(table, {"root": "r"})
        made.commit()
    for read in (pipeline.load_dataset, pipeline.proposed_groups):
        with pytest.raises(CacheError, match=r"has rows of 48 values; expected 50"):
            read(cache)


def test_models_of_a_cache_with_taps_see_flat_rows(
    tmp_path: Path, cache: Path, as_inception: Toy
) -> None:
    """Everything that wants the flat row takes these columns alone, in a cache without taps too."""
    folder = write_folder(tmp_path / "parts", {"Healthy": 20, "defects": 16})
    rule = pipeline.GroupRule("regex", r"(\w+/part-\d+)")
    sync(folder, cache, taps=["white"], group_rule=rule)
    plain = cache.with_name("plain.h5")
    sync(folder, plain, group_rule=rule)
    data = pipeline.load_dataset(cache)
    assert (data.taps, data.cached_width) == (("white",), WIDTH)
    np.testing.assert_array_equal(data.whole_rows()[:][:, WIDTH:], np.ones((36, 2)))
    made = []
    for path in (cache, plain):
        done = pipeline.fit(
            pipeline.load_dataset(path),
            path.with_suffix(".model"),
            pipeline.FitOptions(
                head="logistic",
                features=pipeline.FLAT,
                threshold=pipeline.ThresholdRule.parse("0.5"),
                optimism=False,
            ),
        )
        bundle = pipeline.load_bundle(done.folder)
        files = pipeline.find_photographs([str(folder)])
        found = pipeline.predict(bundle, files, None, explain=pipeline.explain)
        made.append([p.probability for p in found])
        assert pipeline.evaluate_holdout(bundle, path).assessment.count == len(done.sides[1])
    np.testing.assert_allclose(made[0], made[1])
    other = pipeline.predict(pipeline.load_bundle(cache.with_suffix(".model")), files, plain)
    np.testing.assert_allclose([p.probability for p in other], made[0])


def test_predict_gets_the_views_that_a_model_wants(
    folder: Path, cache: Path, as_inception: Toy, tmp_path: Path
) -> None:
    """New photographs get rows of all of them, in the cache that is named."""
    sync(folder, cache, views=["full", "tiles:2x2"])
    data = pipeline.load_dataset(cache)
    pipeline.fit(
        data,
        tmp_path / "m",
        pipeline.FitOptions(head="majority", features=FeatureSpec.parse("full+tiles:2x2:avg")),
    )
    bundle = pipeline.load_bundle(tmp_path / "m")
    assert bundle.views == TILES
    shutil.copy(cache, tmp_path / "other.h5")
    new = tmp_path / "new.png"
    new.write_bytes(photograph(1234))
    os.utime(new, (1, 1))
    as_inception.reset()
    pipeline.predict(bundle, pipeline.find_photographs([str(new)]), tmp_path / "other.h5")
    assert as_inception.photographs - 1 == 5  # and the drift probe
