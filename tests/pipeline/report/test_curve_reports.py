"""Curves on pages: trainings and the the learning curve, drawn as the numbers are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from report_check import plain
from rows import history

from pipeline.output.photograph_grid import font_of
from pipeline.report.curve_reports import _growth
from pipeline.report.sections import learning
from pipeline.report.sections.training import curve_chart
from pipeline.training.forecast import Forecast
from pipeline.training.learning_curve import SHOWN, CurveOptions, LearningCurve, Size

NAN = float("nan")


def drawn(markup: str, class_: str) -> list[list[tuple[float, float]]]:
    """Give the points of every line of a class in drawings, from the top left; legends left out."""
    drawings = re.findall(r'<svg[^>]*role="img".*?</svg>', markup, re.DOTALL)
    found = re.findall(rf'<path d="([^"]*)"[^>]*class="line {class_}"', "".join(drawings))
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)] for path in found
    ]


def test_curves_go_where_the_numbers_go() -> None:
    """A loss that falls is drawn falling, an accuracy that rises rising, at every epoch."""
    for name, at_least, falls in (("loss", (0, 0.1), True), ("accuracy", (0.5, 1), False)):
        made = curve_chart(history(9), name, "c", "t", at_least).html()
        (points,) = drawn(made, "style-0")
        assert len(points) == 9
        for (x, y), (after_x, after_y) in pairwise(points):
            assert after_x > x
            assert (after_y > y) == falls


def test_validation_is_drawn_where_there_is_one() -> None:
    """Training is the first line; a second one and its name appear with validation only."""
    alone, both = (
        curve_chart(history(9, validation=v), "accuracy", "c", "t", (0.5, 1)).html()
        for v in (False, True)
    )
    assert "validation" not in plain(alone)
    assert not drawn(alone, "style-1")
    (points,) = drawn(both, "style-1")
    assert len({y for _, y in points}) == 1
    assert "training" in plain(both)
    assert "validation" in plain(both)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rows",
    [
        [],
        history(1),
        [{"epoch": 1.0}],
        [{"loss": 0.0, "accuracy": 1.0}] * 2,
        [{"loss": NAN}, {"loss": 3.0, "accuracy": 0.1}, {"loss": float("inf")}],
    ],
)
def test_odd_histories_draw_without_complaint(rows: list[dict[str, float]]) -> None:
    """No epoch, one epoch, no numbers or constant ones: a chart, and no nan in its places."""
    for name in ("loss", "accuracy"):
        made = curve_chart(rows, name, "c", "odd <b> title", (0.5, 1)).html()
        assert "odd &lt;b&gt; title" in made
        assert not re.search(r'd="[^"]*(nan|inf)', made)
        known = name in rows[-1] and np.isfinite(rows[-1][name]) if rows else False
        assert bool(re.search(r'<path d="M[^"]+" class="mark style-0"', made)) == known


# ---- the learning curve ------------------------------------------------------------------


def curve(
    scores: dict[str, Sequence[Sequence[float]]], ahead: Forecast | None, note: str = ""
) -> LearningCurve:
    """Give a curve of these heads, (draws, sizes), the largest size first: 40, 28 and 20 parts."""
    results = {
        head: [SimpleNamespace(scores=dict.fromkeys(SHOWN, v)) for draw in rows for v in draw]
        for head, rows in scores.items()
    }
    draws = len(next(iter(scores.values())))
    comparison = SimpleNamespace(
        heads=list(scores), of=results.__getitem__, seed=0,
        folds=[SimpleNamespace(repeat=n) for n in range(draws)],
    )  # fmt: skip
    sizes = [Size(40, 8, 120), Size(28, 6, 84), Size(20, 4, 60)]
    found = LearningCurve(
        comparison, sizes, "a <defect>", CurveOptions(), Path("c.csv"), Path("c.html"), note  # type: ignore[arg-type]
    )  # fmt: skip
    forecasts = {(head, name): ahead for head in scores for name in SHOWN} if ahead else {}
    vars(found)["forecasts"] = forecasts  # where the cached one would be
    return found


def test_a_learning_curve_is_drawn_with_its_band_and_its_forecast() -> None:
    """Means at each size, the band around them, a dotted end at twice the parts with its range."""
    ahead = Forecast(40, 0.9, 0.04, 0.01, 0.07, 0.5)
    body = learning.section(curve({"ridge": [[0.85, 0.8, 0.7], [0.95, 0.9, 0.8]]}, ahead)).body
    known, *_ = drawn(body, "style-0")
    assert len(known) == 3
    assert [y for _, y in known] == sorted((y for _, y in known), reverse=True)
    guess, reach, *_ = drawn(body, "style-0 guess")
    assert guess[0] == known[-1]
    doubling = 2 * (known[-1][0] - known[1][0])  # 28 to 40 is half of one
    assert guess[1][0] - guess[0][0] == pytest.approx(doubling, rel=0.05)
    assert guess[1][1] < guess[0][1]
    low, high = (y for _, y in reach)
    assert high < guess[1][1] < low
    assert 'class="band style-0"' in body
    said = plain(body)
    assert "10 to 90 % of the draws" in said
    assert "40 8 120 ridge 0.900 [0.860, 0.940]" in said
    assert "of a <defect>" in said
    for number in ("20", "40", "80"):
        assert f">{number}</text>" in body


def test_a_learning_curve_of_undefined_scores_and_of_many_heads() -> None:
    """What is not defined leaves a gap; the seventh head stands in the table alone, and is said."""
    rows = [[0.9, NAN, 0.7], [0.9, NAN, 0.8]]
    body = learning.section(curve({f"head {n}": rows for n in range(7)}, None)).body
    assert "nan" not in body
    assert "1 more heads stand in the table alone" in plain(body)
    assert not drawn(body, "style-0 guess")
    assert "28 6 84 head 6 – –" in plain(body)


def test_the_verdict_says_what_can_be_said() -> None:
    """A gain, none, or nothing known; without a forecast that there is none, and the note."""
    found = curve({"ridge": [[0.9, 0.8, 0.7]] * 2}, Forecast(40, 0.9, 0.04, 0.01, 0.07, 0.5))
    made = _growth(found, ["w"])
    assert made.headline.startswith("More parts would help: ridge would gain about +0.040 ROC AUC")
    assert [figure.value for figure in made.figures] == ["0.900", "0.940"]
    assert made.figures[1].note == "95 % interval 0.910 to 0.970"
    little = curve({"ridge": [[0.9, 0.8, 0.7]] * 2}, Forecast(40, 0.9, 0.0, 0.0, 0.001, 0.5))
    assert "next to nothing" in _growth(little, []).headline
    wide = curve({"ridge": [[0.9, 0.8, 0.7]] * 2}, Forecast(40, 0.9, 0.02, -0.1, 0.1, 0.5))
    assert "Nobody can tell" in _growth(wide, []).headline
    none = _growth(curve({"ridge": [[NAN] * 3] * 2}, None, note="the rest waits"), [])
    assert none.figures == []
    assert none.sentences == ["The rest waits"]


def test_the_font_comes_with_the_program() -> None:
    """Letters of many scripts, regular and bold, from a file beside the code."""
    for bold in (False, True):
        font = font_of(12, bold=bold)
        assert font.getname() == ("DejaVu Sans", "Bold" if bold else "Book")
        missing = bytes(font.getmask("\U0010ffff"))
        assert all(bytes(font.getmask(letter)) != missing for letter in "aßЖλ✓✗…")
