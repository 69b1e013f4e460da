"""pipeline.line.drift: planted changes are found and dated, and no change raises no alarm."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import load, shade
from PIL import Image, ImageFilter

import pipeline
from features.cache.cache import Cache
from features.errors import DataError
from features.photographs.recipe import RECIPES
from pipeline.cnn.cnn import Cnn
from pipeline.groups.rules import GroupRule
from pipeline.line.drift import FALSE_ALARM, Drift, arrivals_of, measure_drift
from pipeline.line.drift_sides import one_of_each
from pipeline.line.drift_sources import find_arrivals, sharpness_of, time_of
from pipeline.line.drift_tests import change_point, distances, energy_test
from pipeline.line.verdict_log import LoggedVerdict, append_verdicts
from pipeline.model.bundle import Bundle

BY_PART = GroupRule("regex", r"part-(\d+)")
DAY = 86400.0

Change = Callable[[Image.Image], Image.Image]


def same(image: Image.Image) -> Image.Image:
    return image


def darker(image: Image.Image) -> Image.Image:
    return image.point(lambda value: value * 0.8)


def redder(image: Image.Image) -> Image.Image:
    red, green, blue = image.split()
    return Image.merge("RGB", (red, green, blue.point(lambda value: value * 0.8)))


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(1.0))


def photograph(
    folder: Path, parts: range, change: Change = same, *, defects: bool = True, day: int = 20_000
) -> Path:
    """Give new parts, two photographs each, one part a day."""
    folder.mkdir(exist_ok=True)
    for at, part in enumerate(parts):
        for view in range(2):
            image = Image.fromarray(shade(part * 10 + view, defects and part % 3 == 0))
            file = folder / f"part-{part:03d}_{view}.png"
            change(image).save(file)
            os.utime(file, (DAY * (day + at), DAY * (day + at)))
    return folder


@pytest.fixture(scope="module")
def bundle(line: Path) -> Bundle:
    return load(line / "model")


@pytest.fixture
def cache(line: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(line / "features.h5", tmp_path))


def measured(bundle: Bundle, cache: Path, folder: Path, since: float | None = None) -> Drift:
    found = find_arrivals(bundle, [str(folder)], cache, Path("none"), BY_PART, [])
    return measure_drift(bundle, cache, found, since=since, sharpness=sharpness_of(bundle, found))


# ---- the tests by themselves ---------------------------------------------------------------


def test_without_a_change_p_values_are_even() -> None:
    """Of 200 draws about a tenth is below 0.1; no more than chance allows (99.9 %)."""
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.standard_t(3, (45, 3))
        p_values.append(energy_test(distances(values), np.arange(45) >= 30, seed=seed, deals=99))
    assert 8 <= sum(p <= 0.1 for p in p_values) <= 36
    assert 70 <= sum(p <= 0.5 for p in p_values) <= 130


@pytest.mark.parametrize("shift", [(1.5, 1.0), (0.0, 4.0)], ids=["place", "spread"])
def test_another_place_or_spread_is_found(shift: tuple[float, float]) -> None:
    """With the smallest p-value there is."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, (60, 4)), rng.normal(shift[0], shift[1], (30, 4))])
    assert energy_test(distances(values), np.arange(90) >= 60, deals=199) == 0.005


def test_a_cut_is_found_where_it_is() -> None:
    """And none where there is none."""
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0, 1, (40, 3)), rng.normal(2, 1, (25, 3))])
    at, p = change_point(distances(values))
    assert abs(at - 40) <= 2
    assert p == 0.005
    assert change_point(distances(values[:40]))[1] > 0.05
    assert change_point(distances(values[:9])) == (0, 1.0)


def test_one_photograph_stands_for_a_part() -> None:
    """Whatever the number of its photographs."""
    groups = np.repeat([0, 1, 2, 3], [1, 5, 2, 9])
    chosen = one_of_each(groups, 0)
    assert groups[chosen].tolist() == [0, 1, 2, 3]
    assert len(one_of_each(np.arange(50), 0, most=20)) == 20


# ---- on photographs ------------------------------------------------------------------------


def test_no_change_is_none(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """Nor are fewer defects one: a line has fewer than the training data."""
    for number, defects in enumerate((True, False)):
        folder = photograph(tmp_path / f"new{number}", range(100, 130), defects=defects)
        found = measured(bundle, cache, folder)
        assert not found.drifted, found.said
        assert found.p_value > FALSE_ALARM
        assert (found.parts, found.examples, found.since) == (30, [], None)
        assert "do not differ" in found.said[0]


@pytest.mark.parametrize(
    ("change", "what"), [(darker, "brightness"), (redder, "unlike"), (blurred, "sharpness")]
)
def test_planted_changes_are_found_and_dated(
    bundle: Bundle, cache: Path, tmp_path: Path, change: Change, what: str
) -> None:
    """Light, colour and focus from the twentieth part on: what, since when, and which show it."""
    folder = photograph(tmp_path / "new", range(100, 120))
    photograph(folder, range(120, 145), change, day=20_020)
    found = measured(bundle, cache, folder)
    assert found.drifted, found.said
    assert min(found.p_values, key=lambda name: found.p_values[name]).startswith(what)
    assert (found.p_values["rows of passed parts"] <= FALSE_ALARM) == (change is redder)
    assert found.since is not None
    assert abs(found.since / DAY - 20_020) <= 2
    assert found.examples
    late = [one for one in found.examples[:10] if int(one.path[-9:-6]) >= 120]
    assert len(late) >= 8
    assert any(line.startswith("since part") for line in found.said)


def test_changed_from_the_start(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """All new photographs differ, and no time among them is named as the change."""
    found = measured(bundle, cache, photograph(tmp_path / "new", range(100, 125), redder))
    assert found.drifted
    assert found.since == 20_000 * DAY
    assert "from the first of them on" in found.said[-1]


def test_only_what_is_asked_for(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """Before the change there was none; too few say nothing."""
    folder = photograph(tmp_path / "new", range(100, 120), redder)
    photograph(folder, range(120, 145), day=20_020)
    assert not measured(bundle, cache, folder, since=20_020 * DAY).drifted
    few = measured(bundle, cache, folder, since=20_041 * DAY)
    assert not few.drifted
    assert "expected 10 or more" in few.said[0]


def test_the_latest_parts_alone(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """What one measurement costs is bounded: the latest parts count, with all their photographs."""
    photograph(tmp_path / "new", range(100, 114), darker)
    photograph(tmp_path / "new", range(200, 212), day=20_100)
    found = find_arrivals(bundle, [str(tmp_path / "new")], cache, Path("none"), BY_PART, [])
    every = measure_drift(bundle, cache, found)
    latest = measure_drift(bundle, cache, found, latest=12)
    assert (every.parts, every.drifted) == (26, True)
    assert (latest.parts, latest.drifted) == (12, False)


def test_a_log_says_which_came_when(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """As `watch` and `serve` write it; one part of the same name each day is a part each day."""
    folder = photograph(tmp_path / "new", range(100, 112))
    photograph(folder, range(112, 124), redder)
    named = measured(bundle, cache, folder)  # brings the rows into the cache
    digests = {one.path: one.digest for one in find_arrivals(
        bundle, [str(folder)], cache, Path("none"), BY_PART, []
    )}  # fmt: skip
    log = tmp_path / "verdicts.jsonl"
    for at, name in enumerate(sorted(digests)):
        verdict = LoggedVerdict(1e6 + at, "watch", "A", (digests[name],), "x", 0.5, 0.5, "m")
        append_verdicts(log, [verdict])
    arrivals = find_arrivals(bundle, [], cache, log, GroupRule(), [])
    assert len({one.part for one in arrivals}) == len(digests)
    found = measure_drift(
        bundle, cache, [replace(a, part=str(i // 2)) for i, a in enumerate(arrivals)]
    )
    assert found.drifted == named.drifted
    assert found.parts == 24
    assert arrivals_of([]) == []


def test_rows_of_the_cache_alone(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """What `predict` left there; where there is nothing but the model's own, that is said."""
    with pytest.raises(DataError, match="no photographs but those"):
        find_arrivals(bundle, [], cache, tmp_path / "no", GroupRule(), [])
    folder = photograph(tmp_path / "new", range(100, 112), redder)
    pipeline.predict(bundle, pipeline.find_photographs([str(folder)]), cache)
    notes: list[str] = []
    found = find_arrivals(bundle, [], cache, tmp_path / "no", GroupRule(), notes)
    assert len(found) == 24
    assert any("model was not made from" in note for note in notes)
    assert measure_drift(bundle, cache, [replace(one, part="") for one in found]).drifted


def test_times_in_names_order_the_parts(bundle: Bundle, cache: Path, tmp_path: Path) -> None:
    """They were copied in another order, so that the times of the files say nothing."""
    folder = photograph(tmp_path / "new", range(100, 112))
    for at, file in enumerate(sorted(folder.iterdir(), reverse=True)):
        file.rename(folder / f"IMG_20240301_12{at:02d}07.png")
    found = find_arrivals(bundle, [str(folder)], cache, tmp_path / "no", GroupRule(), [])
    first = min(found, key=lambda one: one.time)
    assert Path(first.path).name == "IMG_20240301_120007.png"
    assert max(one.time for one in found) - first.time == 23 * 60


def test_another_cache_is_named(bundle: Bundle, line: Path, tmp_path: Path) -> None:
    """One that does not have the model's own photographs cannot tell."""
    folder = photograph(tmp_path / "new", range(100, 112))
    with pytest.raises(DataError, match="name the cache that it was fitted on"):
        measured(bundle, tmp_path / "other.h5", folder)


def test_times() -> None:
    """Days, times and spans; anything else is refused."""
    assert time_of("1970-01-02") == DAY
    assert time_of("1970-01-02T01:00") == DAY + 3600
    assert time_of("2d") - time_of("3d") == pytest.approx(DAY, abs=5)
    with pytest.raises(DataError, match="--since 'soon' is no time"):
        time_of("soon")


def test_the_command(line: Path, tmp_path: Path, run: Run) -> None:
    """What changed, since when, and files of what shows it."""
    shutil.copy(line / "features.h5", tmp_path)
    photograph(tmp_path / "new", range(100, 120))
    photograph(tmp_path / "new", range(120, 140), redder, day=20_020)
    asked = ("drift", str(line / "model"), "new", "--group-regex", r"part-(\d+)")
    code, out, err = run(*asked, "--out", "drift.csv", "--sheet", "drift.png")
    assert code == 0, err
    assert "DIFFER" in out
    assert "since part 2" in out
    with (tmp_path / "drift.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert rows[0]["time"].startswith("2024-")
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")
    fails(run(*asked, "--since", "soon"), "soon")
    code, out, _ = run(*asked, "--since", "2024-12-01", "--sheet", "none.png")
    assert "not written: none.png" in out
    with Cache.read(tmp_path / "features.h5") as cache:
        assert len(cache) == 72 + 80


def test_a_model_that_sees_pixels_is_refused_in_words(line: Path, tmp_path: Path) -> None:
    """It has no fingerprint of rows to look into, neither for a log nor for named photographs."""
    network = Cnn("base", RECIPES["imagenet"], 2)
    bundle = replace(load(line / "model"), head=network)
    cache = line / "features.h5"
    with pytest.raises(DataError, match="sees pixels and keeps no rows"):
        measure_drift(bundle, cache, [])
    for names in ([str(line / "data")], []):
        with pytest.raises(DataError, match="sees pixels and keeps no rows"):
            find_arrivals(bundle, names, cache, tmp_path / "none", BY_PART, [])
