"""pipeline.groups.changed_copies: turned, mirrored and cropped copies among parts of one design."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from features.cache.thumbnails import SIDE, Grey, thumbnail_of
from pipeline.groups import changed_copies
from pipeline.groups.changed_copies import (
    FEWEST,
    MOST_CUT,
    Pairs,
    _turned_on,
    cropped_copies,
    turned_copies,
)
from pipeline.groups.pictures import Pictures

PARTS, COPIES = 60, 10


def blotches(seed: tuple[int, ...], cells: int) -> np.ndarray:
    bumps = np.random.default_rng(seed).standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(bumps).resize((128, 128), Image.Resampling.BICUBIC))


def picture(part: int, own: float = 15) -> Image.Image:
    """One part: a design that all share, and a third as much of its own."""
    values = 120 + 45 * blotches((0,), 6) + own * blotches((1, part), 9)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def disc(part: int) -> Image.Image:
    """One round part, a pixel or two off the middle: rings that all share, little of its own."""
    y, x = np.mgrid[:128, :128] - 63.5
    right, down = np.random.default_rng((4, part)).normal(0, 1.5, 2)
    radius = np.hypot(x - right, y - down)
    rings = np.where(radius < 58, 150 + 60 * np.cos(radius / 6), 80)
    values = rings + 3 * blotches((1, part), 9)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def small(pictures: list[Image.Image]) -> Grey:
    found = []
    for number, one in enumerate(pictures):
        noise = np.random.default_rng((2, number)).normal(0, 2, (128, 128))
        values = np.clip(np.asarray(one, dtype=np.float64) + noise, 0, 255).astype(np.uint8)
        found.append(thumbnail_of(np.repeat(values[:, :, None], 3, axis=2), -1).grey)
    return np.stack(found)


def seen(pictures: list[Image.Image]) -> Pictures:
    return Pictures.of(small(pictures))


def turned(number: int) -> Image.Image:
    return changed(picture(number), number)


def changed(one: Image.Image, number: int) -> Image.Image:
    one = one.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if number % 2 else one
    return one.rotate(20 + 17 * number, Image.Resampling.BICUBIC)


def cropped(number: int) -> Image.Image:
    rng = np.random.default_rng((3, number))
    side = round(128 * float(rng.uniform(0.7, 0.95)))
    left, top = rng.integers(0, 128 - side + 1, 2).tolist()
    return picture(number).crop((left, top, left + side, top + side)).resize((128, 128))


def surely(pairs: Pairs | None) -> set[tuple[int, int]]:
    """Pairs of which one link is enough to put them together."""
    assert pairs is not None
    sure = pairs.expected < 0.01
    return set(zip(pairs.a[sure].tolist(), pairs.b[sure].tolist(), strict=True))


@pytest.fixture(scope="module")
def parts() -> list[Image.Image]:
    return [picture(number) for number in range(PARTS)]


def test_turned_and_mirrored_copies_are_told_from_parts_of_one_design(
    parts: list[Image.Image],
) -> None:
    """Nine of ten are found, turned by any angle or mirrored, too; two wrong pairs at most."""
    found = surely(turned_copies(seen([*parts, *map(turned, range(COPIES))])))
    right = {(number, PARTS + number) for number in range(COPIES)}
    assert len(found & right) >= 0.9 * COPIES
    assert len(found - right) <= 2


def test_cropped_copies_are_told_from_parts_of_one_design(parts: list[Image.Image]) -> None:
    """Nine of ten are found, of 70 to 95 % of both sides, wherever; two wrong pairs at most."""
    found = surely(cropped_copies(seen([*parts, *map(cropped, range(COPIES))])))
    right = {(number, PARTS + number) for number in range(COPIES)}
    assert len(found & right) >= 0.9 * COPIES
    assert len(found - right) <= 2


def test_copies_cropped_and_mirrored_are_told_from_parts_of_one_design(
    parts: list[Image.Image],
) -> None:
    """Nine of ten are found, mirrored in turns in all three ways; two wrong pairs at most."""
    way = Image.Transpose
    ways = (way.FLIP_LEFT_RIGHT, way.FLIP_TOP_BOTTOM, way.ROTATE_180)
    copies = [cropped(number).transpose(ways[number % 3]) for number in range(COPIES)]
    found = surely(cropped_copies(seen([*parts, *copies])))
    right = {(number, PARTS + number) for number in range(COPIES)}
    assert len(found & right) >= 0.9 * COPIES
    assert len(found - right) <= 2


def test_many_copies_of_one_photograph_are_found(parts: list[Image.Image]) -> None:
    """Twenty of one part, more than are taken for its neighbours: all, and two wrong at most."""
    copies = [changed(parts[7], number) for number in range(20)]
    found = surely(turned_copies(seen([*parts, *copies])))
    members = {7, *range(PARTS, PARTS + 20)}
    right = {pair for pair in itertools.combinations(sorted(members), 2) if pair in found}
    assert len(right) >= 0.95 * 210
    assert len(found - right) <= 2


def test_an_export_of_nothing_but_copies_is_found(parts: list[Image.Image]) -> None:
    """Six parts, ten times each: every pair of one part, and none of two."""
    found = surely(turned_copies(seen([changed(parts[n // 10], n) for n in range(60)])))
    assert len(found) >= 0.95 * 270
    assert all(a // 10 == b // 10 for a, b in found)


def test_parts_of_one_design_are_no_copies(parts: list[Image.Image]) -> None:
    """Where there is no copy, hardly a pair is taken for one."""
    grey = small(parts)
    assert len(surely(turned_copies(Pictures.of(grey)))) <= 2
    assert len(surely(cropped_copies(Pictures.of(grey)))) <= 2


def test_parts_of_one_design_that_lie_alike_are_no_windows_of_one_another() -> None:
    """A fixture puts each in the same place: whole ones leave less than as windows."""
    same = seen([picture(number, own=5) for number in range(100)])
    assert len(surely(cropped_copies(same))) <= 2


def test_round_parts_that_lie_a_little_off_are_no_copies() -> None:
    """Laid on one another they look alike; along rings no more than strangers do."""
    assert len(surely(turned_copies(seen([disc(number) for number in range(100)])))) <= 2


def test_too_few_and_too_many_are_not_judged() -> None:
    """Nobody can say what is usual among a few; all windows of very many would take hours."""
    few = np.zeros((FEWEST - 1, SIDE, SIDE), np.uint8)
    assert turned_copies(Pictures.of(few)) is None
    assert cropped_copies(Pictures.of(few)) is None
    assert cropped_copies(Pictures.of(np.zeros((MOST_CUT + 1, SIDE, SIDE), np.uint8))) is None


def test_pictures_without_anything_are_no_error() -> None:
    """All black, or all of one grey each: no warning and no number that is not finite."""
    flat = np.repeat(np.arange(60, dtype=np.uint8), SIDE * SIDE).reshape(60, SIDE, SIDE)
    for pairs in (turned_copies(Pictures.of(flat)), cropped_copies(Pictures.of(flat))):
        assert pairs is not None
        assert np.isfinite(pairs.expected).all()


@pytest.mark.parametrize(("most", "side"), [(FEWEST, 64), (FEWEST - 1, 32)])
def test_turned_pictures_are_laid_at_whole_size_while_there_are_not_too_many(
    most: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real castings lose copies at half the size, which spares memory among a great many."""
    sides = set()

    def note(call: Any, fine: np.ndarray) -> np.ndarray:
        sides.add(fine.shape[1:])
        return _turned_on(call, fine)

    monkeypatch.setattr(changed_copies, "MOST_WHOLE", most)
    monkeypatch.setattr(changed_copies, "_turned_on", note)
    pictures = [turned(number // 2) if number % 2 else picture(number // 2) for number in range(40)]
    assert turned_copies(seen(pictures)) is not None
    assert sides == {(side, side)}
