"""views and the decoder: tiles that overlap, cut at the scale that they need."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from toy import photograph

from features.errors import DataError
from features.photographs.decode import decode, decode_views
from features.photographs.decode_worker_pool import look_apart
from features.photographs.recipe import RECIPES
from features.photographs.views import Chosen, parse_views, view_named, views_of

IMAGENET, DOCS = RECIPES["imagenet"], RECIPES["docs"]
ALL = Chosen(("full", "tiles:2x2", "tiles:3x3", "five", "crops")).names


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def test_sets_expand_to_names() -> None:
    """A set's views are numbered row by row; sets that share views look at them once."""
    assert views_of("full") == ("full",)
    assert views_of("tiles:2x3") == tuple(f"tiles:2x3/{number}" for number in range(6))
    assert views_of("five") == (*views_of("tiles:2x2"), "centre")
    chosen = Chosen(("full", "five", "tiles:2x2"))
    assert chosen.names == ("full", *views_of("five"))
    assert all(view_named(name).name == name for name in ALL)
    assert max(len(name) for name in ALL) <= 32


def test_what_is_asked_for() -> None:
    """The full view is always among them, nothing is asked for twice, nothing said stays None."""
    assert parse_views("tiles:2x2, full,tiles:2x2") == ("full", "tiles:2x2")
    assert parse_views(None) is None


@pytest.mark.parametrize(
    "text", ["", ",", "tile", "tiles", "tiles:", "tiles:1x1", "tiles:9x2", "tiles:2", "full:2"]
)
def test_views_that_are_none_are_refused(text: str) -> None:
    """An unknown set is one line that says what there is."""
    with pytest.raises(DataError, match="tiles:2x2"):
        parse_views(text)
    with pytest.raises(DataError):
        view_named("tiles:2x2/4")


def test_what_is_noted_comes_back() -> None:
    """A cache's note holds the choice; one without is of an earlier version; others are refused."""
    chosen = Chosen(("full", "tiles:2x2"))
    assert Chosen.noted(chosen.to_note()) == chosen
    assert Chosen.noted({}) == Chosen(("full",))
    for note in ({"views": "full"}, {"views": 3}):
        with pytest.raises(DataError, match="the cache notes"):
            Chosen.noted(note)


@pytest.mark.parametrize(("shape", "side"), [("2x2", 4 / 7), ("3x3", 2 / 5), ("1x8", 4 / 25)])
def test_tiles_cover_the_photograph_and_overlap_by_a_quarter(shape: str, side: float) -> None:
    """Neighbours share a quarter of a tile; the first and the last reach the edges."""
    boxes = [view_named(name).box for name in views_of(f"tiles:{shape}")]
    columns = int(shape[-1])
    row = boxes[:columns]
    assert row[0][0] == 0
    assert boxes[-1][2:] == pytest.approx((1, 1))
    assert row[0][2] - row[0][0] == pytest.approx(side)
    for left, right in itertools.pairwise(row):
        assert left[2] - right[0] == pytest.approx(side / 4)


@pytest.mark.parametrize("recipe", [IMAGENET, DOCS], ids=["imagenet", "docs"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_view_does_not_depend_on_what_else_is_asked_for(recipe: object, kind: str) -> None:
    """Each view has the pixels that it has alone; the full one is what `decode` gives."""
    data = photograph(4, (1900, 1800) if kind == "JPEG" else (500, 400), kind)
    together = decode_views(data, recipe, ALL)
    for name in ("tiles:2x2/1", "tiles:3x3/8", "centre"):
        alone = decode_views(data, recipe, [name])[0]
        assert np.array_equal(alone, together[ALL.index(name)]), name
    assert np.array_equal(together[0], decode(data, recipe))
    assert np.array_equal(look_apart(data, recipe, ALL[::5]).pixels, together[::5])


def test_a_tile_sees_what_the_whole_loses() -> None:
    """Lines four pixels wide in 12 megapixels: grey in the full view, lines in a tile of 8x8."""
    lines = np.zeros((3000, 4000, 3), np.uint8)
    lines[:, np.arange(4000) % 8 < 4] = 255
    data = jpeg(lines)
    full, tile = decode_views(data, IMAGENET, ["full", "tiles:8x8/0"]).astype(float)
    assert full[:, 20:-20].std() < 3
    assert tile[:, 20:-20].std() > 20


@pytest.mark.parametrize("recipe", [IMAGENET, DOCS], ids=["imagenet", "docs"])
def test_tiles_are_cut_from_the_upright_photograph(recipe: object) -> None:
    """A red corner is top left once the camera's orientation is applied, if the recipe does so."""
    pixels = np.zeros((600, 800, 3), np.uint8)
    pixels[:300, 400:, 0] = 255  # stored at the top right: "turn by 90 degrees to the left"
    exif = Image.Exif()
    exif[0x0112] = 8
    data = jpeg(pixels, exif=exif.tobytes())
    tiles = decode_views(data, recipe, views_of("tiles:2x2"))
    red = [tile[..., 0].mean() for tile in tiles]
    assert int(np.argmax(red)) == (0 if recipe is IMAGENET else 1)


def test_a_photograph_of_one_pixel_has_tiles() -> None:
    """However small, every view can be cut."""
    pixels = np.full((1, 1, 3), 77, np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    for recipe in RECIPES.values():
        assert (decode_views(out.getvalue(), recipe, ALL[:-2]) == 77).all()


@pytest.mark.parametrize(
    ("width", "height", "first", "last"),
    [
        (300, 300, (0.0, 0.0, 4 / 7, 4 / 7), (3 / 14, 3 / 14, 11 / 14, 11 / 14)),
        (640, 480, (0.0, 0.0, 4 / 7, 4 / 7), (3 / 14, 3 / 14, 11 / 14, 11 / 14)),
        (1000, 400, (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)),
        (400, 1000, (0.0, 0.0, 1.0, 0.4), (0.0, 0.6, 1.0, 1.0)),
        (8000, 100, (0.0, 0.0, 0.25, 1.0), (0.75, 0.0, 1.0, 1.0)),
    ],
)
def test_crops_fit_the_shape_of_a_photograph(
    width: int, height: int, first: tuple[float, ...], last: tuple[float, ...]
) -> None:
    boxes = [view_named(name).fitted(width, height).box for name in views_of("crops")]
    assert len(boxes) == 5
    np.testing.assert_allclose(boxes[0], first)
    np.testing.assert_allclose(boxes[-1], last)
    if max(width, height) >= 2.4 * min(width, height):
        side = 0 if width > height else 1
        starts = [box[side] for box in boxes]
        np.testing.assert_allclose(np.diff(starts), starts[1])
        assert starts[1] < boxes[0][2 + side]  # nothing is left out between them


def test_crops_of_a_photograph_on_its_side_are_those_of_the_upright_one() -> None:
    """A photograph that its EXIF orientation turns is cut along the way that a person sees."""
    pixels = np.random.default_rng(0).integers(0, 256, (200, 600, 3), dtype=np.uint8)
    stored = Image.fromarray(pixels)
    upright, on_its_side = io.BytesIO(), io.BytesIO()
    stored.save(upright, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    stored.transpose(Image.Transpose.ROTATE_90).save(on_its_side, "PNG", exif=exif)
    names = views_of("crops")
    found = [decode_views(file.getvalue(), IMAGENET, names) for file in (upright, on_its_side)]
    np.testing.assert_array_equal(*found)
    alone = decode_views(upright.getvalue(), IMAGENET, [names[2]])
    np.testing.assert_array_equal(alone[0], found[0][2])
