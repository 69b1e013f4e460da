"""Tables of results: one definition, and the same characters in a terminal and on a page."""

from __future__ import annotations

import math

import numpy as np
import pytest
from report_check import plain

from pipeline.output.result_table import (
    Cell,
    Column,
    Estimate,
    Likely,
    Name,
    Share,
    Spread,
    Table,
    told,
)
from pipeline.report.html import result_table


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (Estimate(0.9514, 0.9, 1), "0.951 [0.900, 1.000]"),
        (Estimate(0.5), "0.500"),
        (Estimate(math.nan, math.nan, math.nan), "–"),
        (Spread(0.5, 0.25), "0.500 ±0.250"),
        (Spread(0.5, math.nan), "0.500"),
        (Share(3, 14), "3 of 14 (21 %)"),
        (Share(3, 14, of=False), "3 (21 %)"),
        (Share(0, 0), "–"),
        (Share(0, 0, of=False), "0"),
        (12345, "12,345"),
        (Likely("bad", 0.25), "bad (25 %)"),
        (np.float64(0.25), "0.250"),
        ("as it is", "as it is"),
    ],
)
def test_cells_say_the_same_everywhere(cell: Cell, words: str) -> None:
    """Three decimals, brackets around an interval, nothing where there is none."""
    table = Table("t", [Column("row"), Column("value")], [["a", cell]])
    assert told(cell).replace("\u00a0", " ") == words
    assert table.text().splitlines()[1].split(maxsplit=1) == ["a", words]
    assert plain(result_table(table)) == f"t row value a {words}"


def test_counts_go_without_shares_where_that_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight classes stand side by side in 60 columns; where all fits, the shares stay."""
    rows = [["row", *(Share(number, 10, of=False) for number in range(8))]]
    table = Table("t", [Column("of"), *(Column(f"c{n}") for n in range(8))], rows)
    monkeypatch.setenv("COLUMNS", "60")
    assert table.text().splitlines()[1].split() == ["row", *"01234567"]
    monkeypatch.setenv("COLUMNS", "200")
    assert "7 (70 %)" in table.text()


def test_names_do_no_harm() -> None:
    """Markup stays text on a page, and what moves a cursor is an escape in both."""
    table = Table("t", [Column("of"), Column(Name("<b>\x1b[2J"))], [[Name("a\x1b.jpg"), 1]])
    page = result_table(table)
    for text in (table.text(), page):
        assert "\x1b" not in text
    assert "&lt;b&gt;" in page
    assert r"a\x1b" in table.text()


def test_words_are_set_to_the_left_and_meanings_are_for_pages() -> None:
    """A table of words alone is not cut into columns; meanings stand on the page only."""
    table = Table("t", [Column("a"), Column("b", words=True)], [["x", "long words"]], ["an x"])
    assert table.text() == "a  b\nx  long words"
    assert "an x" in plain(result_table(table))
