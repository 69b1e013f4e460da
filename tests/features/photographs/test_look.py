"""A look: what one row keeps of a photograph and its crops, and how it is asked for."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import WIDTH, ToyBackbone, toy_settings, write_folder

from features.backbones.drift_probe import probe_pixels
from features.backbones.registry import BACKBONES
from features.backbones.settings import BackboneSettings, settings_from_fields
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.cache.slim import slim_fields
from features.errors import DataError, FeatureSpecError, WeightsError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.decode import decode_views
from features.photographs.look import Crops, Look, parse_look
from features.photographs.views import FULL, views_of
from pipeline.data.extract_folder import ExtractOptions, extract_folder
from pipeline.data.folder import scan_folder
from pipeline.feature_specs.keep import kept_by
from pipeline.feature_specs.spec import FeatureSpec

CLOSER = Look(("colour", "white"), Crops(("five",), ("colour",)))


def settings(look: Look) -> BackboneSettings:
    return replace(toy_settings(), taps=look.taps, crops=look.crops)


def rows(
    folder: Path, cache: Path, made: BackboneSettings, views: tuple[str, ...] = (FULL,)
) -> np.ndarray:
    extract(scan_folder(folder).photographs, made, cache, RunOptions(views=views, batch_size=13))
    with Cache.read(cache) as opened:
        return opened.take(range(len(opened)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", {"Healthy": 4, "defects": 3})


def test_a_row_keeps_the_layers_of_crops_and_not_their_maps(folder: Path, tmp_path: Path) -> None:
    """What stands of a crop is what a row of that view of its own would say of it."""
    made = settings(CLOSER)
    seen = rows(folder, tmp_path / "look.h5", made)
    layout = RowParts.of(made.fields)
    assert seen.shape == (7, made.cached_width) == (7, WIDTH + 5 + 5 * 3)
    assert layout.cached_width == made.cached_width
    views = views_of("five")
    whole = settings(Look(("colour", "white")))
    for photograph in range(7):
        one = [scan_folder(folder).photographs[photograph]]
        path = tmp_path / f"{photograph}.h5"
        extract(one, whole, path, RunOptions(views=(FULL, *views), batch_size=4))
        with Cache.read(path) as cache:
            own = cache.take(range(6))
        np.testing.assert_allclose(seen[photograph, : WIDTH + 5], own[0], atol=1e-6)
        for number, view in enumerate(views, start=1):
            np.testing.assert_allclose(
                seen[photograph, layout.crop(view)], own[number, WIDTH : WIDTH + 3], atol=1e-6
            )


def test_a_spec_sees_crops_in_one_row_as_in_rows_of_their_own(folder: Path, tmp_path: Path) -> None:
    made, whole = settings(CLOSER), settings(Look(("colour", "white")))
    row = rows(folder, tmp_path / "look.h5", made)
    views = (FULL, *views_of("five"))
    stored = rows(folder, tmp_path / "views.h5", whole, views)
    apart = stored.reshape(7, 6, -1)
    for text in ("full+five:colour:root", "five:colour", "five:colour:max"):
        spec = FeatureSpec.parse(text)
        layouts = RowParts.of(made.fields), RowParts.of(whole.fields)
        assert spec.stored_views(layouts[0]) == (FULL,)
        chosen = [apart[:, views.index(view)] for view in spec.stored_views(layouts[1])]
        np.testing.assert_allclose(
            spec.of([row], layouts[0]), spec.of(chosen, layouts[1]), atol=1e-6
        )
        assert spec.width(layouts[0]) == 3
    with pytest.raises(FeatureSpecError, match="need more than the rows keep of crops: colour"):
        FeatureSpec.parse("five:avg").width(RowParts.of(made.fields))


def test_a_look_is_part_of_the_fingerprint_and_comes_back_from_it(tmp_path: Path) -> None:
    made = settings(CLOSER)
    assert made.fields["crops"] == {"sets": ["five"], "taps": ["colour"]}
    assert settings_from_fields(made.fields, made.weights).look == CLOSER
    assert "crops" not in toy_settings().fields
    with pytest.raises(DataError, match="notes the crops"):
        RowParts.of({**made.fields, "crops": {"sets": ["six"], "taps": ["colour"]}})


def test_one_photograph_with_all_its_crops_costs_one_call(folder: Path, tmp_path: Path) -> None:
    ToyBackbone.reset()
    one = scan_folder(folder).photographs[:1]
    extract(one, settings(CLOSER), tmp_path / "one.h5")
    assert (ToyBackbone.calls, ToyBackbone.photographs) == (1, 6)


LARGE = Look(("colour",), Crops(("large", "five"), ("colour", "white")))


def test_a_large_view_is_seen_by_the_network_of_its_size(folder: Path, tmp_path: Path) -> None:
    """Its layers stand in the row as that network alone gives them, whatever the batch."""
    made = settings(LARGE)
    assert made.recipe.large == ToyBackbone.large_size
    seen = rows(folder, tmp_path / "look.h5", made)
    parts = RowParts.of(made.fields)
    network = ToyBackbone(None, batch_size=1, taps=("colour", "white"))
    for number, photograph in enumerate(scan_folder(folder).photographs):
        data = photograph.file.read_bytes()
        for view, picture in zip(
            (FULL, *parts.crops), decode_views(data, made.recipe, (FULL, *parts.crops)), strict=True
        ):
            assert picture.shape == (*((256, 256) if view == "large" else (224, 224)), 3)
            row = network.run(picture[None])[0]
            own = row[: WIDTH + 3] if view == FULL else row[WIDTH:]
            place = slice(0, WIDTH + 3) if view == FULL else parts.crop(view)
            np.testing.assert_array_equal(seen[number, place], own)
    one = scan_folder(folder).photographs[2:3]
    extract(one, made, tmp_path / "one.h5")
    with Cache.read(tmp_path / "one.h5") as cache:
        np.testing.assert_array_equal(cache.take([0])[0], seen[2])


def test_the_size_of_a_large_view_is_part_of_the_fingerprint() -> None:
    """It is in the recipe, comes back from a cache's fields, and is gone where nothing is kept."""
    made = settings(LARGE)
    assert made.fields["recipe"]["large"] == [256, 256]
    back = settings_from_fields(json.loads(json.dumps(made.fields)), made.weights)
    assert (back.look, back.recipe) == (LARGE, made.recipe)
    assert "large" not in settings(CLOSER).fields["recipe"]
    kept = kept_by([FeatureSpec.parse("five:white")])
    assert made.keeping(kept).fields == slim_fields(made.fields, kept)
    kept = kept_by([FeatureSpec.parse("large+five:white:root")])
    assert made.keeping(kept).fields == slim_fields(made.fields, kept)
    other = made.fields | {"recipe": made.fields["recipe"] | {"large": [300, 300]}}
    with pytest.raises(DataError, match="which this version does not have"):
        settings_from_fields(other, made.weights)


def test_the_drift_probe_is_shown_at_both_sizes(folder: Path, tmp_path: Path) -> None:
    """A network that computes large pictures otherwise is found out."""
    made, heard = settings(LARGE), list[np.ndarray]()
    photographs = scan_folder(folder).photographs
    extract(photographs, made, tmp_path / "c.h5", watch=lambda row, _: heard.append(row))
    (row,), parts = heard, RowParts.of(made.fields)
    network = ToyBackbone(None, batch_size=1, taps=("colour", "white"))
    for view, side in (("large", 256), ("centre", 224)):
        alone = network.run(probe_pixels(side, side)[None])[0]
        np.testing.assert_array_equal(row[parts.crop(view)], alone[WIDTH:])
    assert not np.array_equal(row[parts.crop("large")], row[parts.crop("centre")])


def test_a_network_that_sees_nothing_is_found_among_pictures_of_two_sizes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(self: ToyBackbone, pixels: np.ndarray) -> np.ndarray:
        return np.full((len(pixels), WIDTH + 5), pixels.shape[1], np.float32)

    monkeypatch.setattr(ToyBackbone, "run", blind)
    made = settings(Look(("colour",), Crops(("large",), ("colour", "white"))))
    with pytest.raises(WeightsError, match="sees nothing"):
        extract(scan_folder(folder).photographs, made, tmp_path / "c.h5")


def test_where_there_is_no_large_view_it_is_refused(folder: Path, tmp_path: Path) -> None:
    """A backbone of one input size; rows of its own, whose maps would have other shapes."""
    with pytest.raises(DataError, match="this backbone has one input size"):
        replace(toy_settings(), name="mobilenet").looking("full+large:conv_pw_11_relu")
    options = ExtractOptions(backbone="toy", weights="random", views=["full", "large"])
    with pytest.raises(DataError, match="extract --look full\\+large:LAYERS"):
        extract_folder(folder, tmp_path / "c.h5", options)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", Look()),
        ("close", Look(("white",), Crops(("five",), ("white",)))),
        ("full:colour", Look(("colour",))),
        ("five:colour+white", Look((), Crops(("five",), ("colour", "white")))),
        ("full+large+five:white", Look(("white",), Crops(("large", "five"), ("white",)))),
    ],
)
def test_a_look_is_read_from_a_text(text: str, found: Look) -> None:
    assert parse_look(text, "full+five:white", tuple) == found
    if text != "close":
        assert str(found) == text


@pytest.mark.parametrize("text", ["", "five", "five:", ":white", "six:white", "full+five:red"])
def test_a_look_that_is_not_understood_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(DataError) as error:
        toy_settings().looking(text)
    assert "\n" not in str(error.value)


def test_networks_of_two_sizes_are_built_one_after_the_other_in_tensorflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two threads cannot import TensorFlow at once; kept networks of OpenVINO open side by side."""
    events: list[str] = []

    class Slow(ToyBackbone):
        def __init__(self, *args: Any, **settings: Any) -> None:
            events.append("begins")
            time.sleep(0.02)  # in which another would begin
            super().__init__(*args, **settings)
            events.append("ends")

    monkeypatch.setitem(BACKBONES, "toy", Slow)
    replace(settings(LARGE), engine="tensorflow").load(4)
    assert events == ["begins", "ends"] * 2
