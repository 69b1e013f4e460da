"""benchmarks.pointing: what it counts, on maps whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.pointing import Pointed, interval, line, point, read_boxes, read_mask, touched
from features.cache.sample_table import TableRow
from pipeline.demo.draw_parts import draw_parts


def one_cell(row: int, column: int) -> np.ndarray:
    cells = np.zeros((5, 5))
    cells[row, column] = 1.0
    return cells


def test_hits_chance_and_mass_of_known_maps() -> None:
    """A map on the defect hits and has more mass there than chance; one beside it does not."""
    mask = np.zeros((100, 200), dtype=bool)
    mask[5:35, 130:150] = True  # two cells: rows 0 and 1 of column 3
    assert np.argwhere(touched(mask, (5, 5))).tolist() == [[0, 3], [1, 3]]
    on = point(one_cell(0, 3), mask, 0, True)
    beside = point(one_cell(4, 0), mask, 0, True)
    flat = point(np.ones((5, 5)), mask, 0, True)
    assert (on.hit, beside.hit, on.middle) == (True, False, False)
    assert on.chance == beside.chance == pytest.approx(2 / 25)
    assert on.mass > 5
    assert beside.mass == 0
    assert flat.mass == pytest.approx(1)
    assert point(np.zeros((5, 5)), mask, 0, True).mass == 1


def test_drawn_cracks_have_a_place(tmp_path: Path) -> None:
    """Boxes of drawn parts become masks; a map of it hits, and all cells together hit by chance."""
    drawn = draw_parts(tmp_path, parts=6, views=2, seed=3, size=(320, 240))
    masks = read_boxes(tmp_path / "truth.csv", tmp_path)
    assert set(masks) == {entry.path for entry in drawn if entry.defect}
    for mask in masks.values():
        assert mask.shape == (240, 320)
        cells = touched(mask, (5, 5)).astype(float)
        assert point(cells, mask, 0, True).hit
    hits = [point(one_cell(i, j), mask, 0, True).hit for i in range(5) for j in range(5)]
    assert np.mean(hits) == pytest.approx(cells.mean())


def test_masks_are_found_by_name_and_empty_ones_left_out(tmp_path: Path) -> None:
    """CLASS/NAME.png of CLASS/NAME.jpg; none, or nothing white in it: no mask."""
    table_row = TableRow("Crack/a.jpg", "Crack", "", "", 0, "", 0, 0, 0, 0)
    assert read_mask(tmp_path, table_row) is None
    (tmp_path / "Crack").mkdir()
    pixels = np.zeros((8, 9), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "Crack" / "a.png")
    assert read_mask(tmp_path, table_row) is None
    pixels[2, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "Crack" / "a.png")
    mask = read_mask(tmp_path, table_row)
    assert mask is not None
    assert np.argwhere(mask).tolist() == [[2, 3]]


def test_intervals_go_by_part() -> None:
    """Ten copies of a part are no more evidence than one."""
    values = np.array([1.0, 0.0, 1.0, 0.0])
    parts = np.arange(4)
    wide = interval(np.repeat(values, 10), np.repeat(parts, 10))
    assert wide == interval(values, parts)
    assert wide[0] < 0.25 < 0.75 < wide[1]


def test_what_is_more_than_the_middle_is_taken_on_the_same_photographs() -> None:
    """Two parts where the map hits and the middle does not, two where both do: half more."""
    found = [Pointed(part, True, True, 0.1, part > 1, 2.0) for part in range(4)]
    row = line("ridge", "crops", found)
    assert "| 1.00 [1.00, 1.00] | 0.10 | 0.50 | +0.50 [" in row
    assert row.count("|") == 9
