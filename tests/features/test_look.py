"""A look: what one row keeps of a photograph and its crops, and how it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy import WIDTH, ToyBackbone, toy_settings, write_folder

from features.backbones.settings import BackboneSettings, settings_from_fields
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.errors import DataError, FeatureSpecError
from features.extract import extract
from features.extraction import RunOptions
from features.look import Crops, Look, parse_look
from features.photographs.views import FULL, views_of
from pipeline.data.folder import scan_folder
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", Look()),
        ("close", Look(("white",), Crops(("five",), ("white",)))),
        ("full:colour", Look(("colour",))),
        ("five:colour+white", Look((), Crops(("five",), ("colour", "white")))),
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
