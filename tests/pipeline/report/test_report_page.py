"""What reports are made of: safe HTML, charts, tables, words."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from report_check import check_page

from pipeline.evaluation.intervals import intervals
from pipeline.evaluation.metrics import binary_scores
from pipeline.output.wording import between, count, interval, of, percent, score
from pipeline.report.html import Html, element, facts, folded, join, name, table
from pipeline.report.page import KeyFigure, Page, Section, Verdict
from pipeline.report.sections.ranking import ranking_curves
from pipeline.report.svg import GUIDE, STYLES, Axis, Band, Chart, Line, Mark, RowChart

HOSTILE = "<script>alert(1)</script>\"' onload=\x1b[31m\u202egpj.exe\udcff&amp;\n"


class _Text(HTMLParser):
    """The text and the tags of markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_text_never_becomes_markup() -> None:
    """Names in text and in attributes are shown, not run; what would hide is an escape."""
    made = element("p", HOSTILE, title=HOSTILE)
    read = _Text(made)
    assert [tag for tag, _ in read.tags] == ["p"]
    shown = (
        HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e").replace("\udcff", r"\udcff")
    )
    assert read.text == shown
    assert read.tags[0][1] == {"title": shown}
    made.encode("utf-8")  # no half of a character is left


def test_names_are_shown_whole_and_alone() -> None:
    """A name turns no text around it, shows line breaks, and may be broken between its words."""
    made = name("a/b_c\nd\u05d0")
    assert made.startswith("<bdi ")
    assert _Text(made).text == "a/b_c\\nd\u05d0"
    assert made.count("<wbr>") == 2


def test_markup_stays_and_the_rest_is_escaped() -> None:
    """`Html` is taken as it is; what is made of it with text alone is text again."""
    safe = element("b", "x")
    assert join([safe, "<", None, 3, [safe]]) == "<b>x</b>&lt;3<b>x</b>"
    assert element("p", f"{safe}") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    assert element("p", safe + "<i>") == "<p>&lt;b&gt;x&lt;/b&gt;&lt;i&gt;</p>"
    assert element("img", alt=None, hidden=True, class_="a") == '<img hidden class="a">'


def test_shares_are_never_rounded_to_certainty() -> None:
    """0 % and 100 % stand for none and all alone."""
    shown = [percent(x).replace("\u00a0", " ") for x in (0, 1e-6, 0.013, 0.05, 0.43, 0.9999, 1)]
    assert shown == ["0 %", "0.1 %", "1.3 %", "5 %", "43 %", "99.9 %", "100 %"]
    assert percent(float("nan")) == between(0.1, float("nan")) == "not defined"
    assert between(0.2, 0.95).replace("\u00a0", " ") == "20 to 95 %"
    assert (score(float("nan")), interval(float("nan"), 1), score(0.5)) == ("–", "–", "0.500")
    assert count(1, "part").replace("\u00a0", " ") == "1 part"
    assert count(1200, "class", "classes").replace("\u00a0", " ") == "1,200 classes"
    assert (of(0, 0, "ones"), of(1, 2, "ones")) == ("0 of 0 ones", "1 of 2 ones (50\u00a0%)")


def chart(**changes: object) -> Chart:
    axis = Axis("x", 0, 10, (0, 5, 10))
    given = {
        "anchor": "c", "title": "A <title>", "description": "What & where", "x": axis, "y": axis,
        "columns": ["x", "y"], "rows": [["1", "2"]],
    }  # fmt: skip
    return Chart(**(given | changes))  # type: ignore[arg-type]


def paths(markup: str, class_: str) -> list[str]:
    return re.findall(rf'<path d="([^"]*)"[^>]*class="{class_}[^"]*"', markup)


def test_points_stand_where_their_values_are() -> None:
    """Corners of the axes are corners of the plot; a missing value leaves a gap."""
    nan = float("nan")
    made = chart(lines=[Line("one", [(0, 0), (5, 10), (6, nan), (10, 0)])]).html()
    assert paths(made, "line style-0")[0] == "M60 280L238 12M416 280"
    band = chart(bands=[Band("b", [(0, 0, 5), (10, nan, 5), (5, 5, 10)])]).html()
    assert paths(band, "band")[0] == "M60 280L238 146L238 12L60 146Z"
    assert paths(chart(bands=[Band("b", [])]).html(), "band")[0] == ""


def test_lines_differ_without_colour() -> None:
    """Each style of a line has its own dashes, each mark its own shape."""
    lines = [Line(str(style), [(0, 0), (1, 1)], style) for style in (*range(STYLES), GUIDE)]
    made = chart(lines=lines).html()
    drawing = made[: made.index("</svg>")]
    dashes = re.findall(r'fill="none"( stroke-dasharray="[\d ]+")? class="line', drawing)
    assert len(dashes) == len(set(dashes)) == STYLES + 1
    marks = [paths(chart(marks=[Mark("m", [(5, 5)], s)]).html(), "mark")[0] for s in range(STYLES)]
    assert len(set(marks)) == STYLES


def test_charts_tell_what_they_show() -> None:
    """Title, description, legend and a table of the numbers, for who does not see the drawing."""
    made = chart(lines=[Line("a line", [(0, 0)])], marks=[Mark("", [(1, 1)])]).html()
    read = _Text(made)
    svg = next(attributes for tag, attributes in read.tags if tag == "svg")
    assert (svg["role"], svg["aria-labelledby"]) == ("img", "c-title c-description")
    for text in ("A <title>", "What & where", "a line", "The numbers as a table"):
        assert text in read.text
    assert made.count("<li>") == 1
    rows = RowChart(
        "r", "Rows", "What", Axis("score", 0, 1, (0, 1)), [("first", [0.2, 0.4], 0.3, 0.2, 0.4)],
        ["head", "mean"], [["first", "0.3"]], ("fold", "mean", "range"),
    ).html()  # fmt: skip
    assert paths(rows, "line style-0")[0] == "M172.8 27L233.6 27"
    assert "first" in _Text(rows).text
    name = "linear-svm on crops:expand7-max:root"
    long = RowChart(
        "r", "Rows", "What", Axis("score", 0, 1, (0, 1)), [(name, [0.2, 0.4], 0.3, 0.2, 0.4)],
        ["head", "mean"], [[name, "0.3"]], ("fold", "mean", "range"),
    ).html()  # fmt: skip
    placed = next(a for tag, a in _Text(long).tags if "row-name" in a.get("class", ""))
    assert (placed["x"], placed["class"]) == ("8", "row-name above")  # the whole name is seen


@pytest.mark.parametrize(
    ("values", "at_least", "low", "high"),
    [([], (0, 1), 0, 1), ([0.013], (0, 0.01), 0, 0.015), ([-3, 97], (0, 1), -20, 100)],
)
def test_axes_hold_all_values(
    values: list[float], at_least: tuple[float, float], low: float, high: float
) -> None:
    """Ends are round numbers around the values; ticks are written apart from each other."""
    axis = Axis.covering("x", [*values, float("nan")], at_least=at_least)
    assert (axis.low, axis.high) == (pytest.approx(low), pytest.approx(high))
    labels = [axis.label(tick) for tick in axis.ticks]
    assert 3 <= len(set(labels)) == len(labels) <= 9


def test_tables_have_headers() -> None:
    """Columns and rows have headers with a scope; a wide table can be scrolled by keyboard."""
    made = table("What", ["name", "n", "text"], [["a", "1", "x"]], texts=[2])
    read = _Text(made)
    scopes = [a["scope"] for tag, a in read.tags if tag == "th"]
    assert scopes == ["col", "col", "col", "row"]
    assert [a.get("class") for tag, a in read.tags if tag == "td"] == ["number", None]
    assert read.tags[0][1] == {
        "class": "scroll", "role": "region", "aria-label": "What", "tabindex": "0"
    }  # fmt: skip
    assert folded("more", made).startswith("<details><summary>more</summary>")
    assert facts([("seed", "1")]).count("<dt>seed</dt><dd>1</dd>") == 1


def test_a_page_is_complete_and_forbids_the_rest() -> None:
    """Verdict before all sections; those without content are left out; nothing is loaded."""
    verdict = Verdict("It works.", ["So."], [KeyFigure("recall", "50 %", "1 of 2")], ["but"])
    sections = [Section("one", "First", element("p", "1")), None, Section("two", "Last", Html("x"))]
    text = Page("A page", [("made", "now")], verdict, sections, "the end").html()
    check_page(text)
    order = ["A page", "It works.", "But.", "Contents", 'id="one"', 'id="two"', "the end"]
    places = [text.index(piece, text.index("<body>")) for piece in order]
    assert places == sorted(places)


def test_the_roc_curve_is_that_of_the_score() -> None:
    """The area under the curve is the ROC AUC, ties included; the step sums the precision."""
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 40), 3)
    p = np.round(np.clip(0.3 * y + rng.random(120) * 0.7, 0, 1), 1)
    groups = np.repeat(np.arange(40), 3)
    found = ranking_curves(y, p, groups)
    scores = binary_scores(y, p)
    area = np.sum(np.diff(found.false_alarms) * (found.found[1:] + found.found[:-1]) / 2)
    assert area == pytest.approx(scores["roc_auc"])
    steps = np.sum(np.diff(found.found) * found.precision[1:])
    assert steps == pytest.approx(scores["average_precision"])


def test_bands_know_a_kind_of_defect_that_no_part_had() -> None:
    """Six parts told apart without a mistake prove little: as the interval of the area says."""
    y, groups = np.repeat([0, 0, 0, 0, 1, 1], 3), np.repeat(np.arange(6), 3)
    p = 0.1 + 0.8 * y
    found = ranking_curves(y, p, groups)
    low, high = intervals(y, np.stack([1 - p, p], axis=1), groups)["roc_auc"]
    ends = np.trapezoid(found.found_band, found.grid)
    assert found.found.max() == high == 1
    assert ends == pytest.approx([low, high], abs=0.15)
    assert np.isnan(ranking_curves(y[6:15], p[6:15], groups[6:15]).found_band).all()  # one part


def test_bands_are_wider_where_parts_are_fewer() -> None:
    """The same photographs, said to be of few parts or each of its own: few parts, wide band."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.tile([0, 1], 10), 10)
    p = 0.5 * y + np.repeat(rng.random(20), 10) + 0.2 * rng.random(200)
    few = ranking_curves(y, p, np.repeat(np.arange(20), 10))
    many = ranking_curves(y, p, np.arange(200))
    width = [float(np.mean(c.found_band[1] - c.found_band[0])) for c in (few, many)]
    assert width[0] > 1.5 * width[1] > 0
    curve = np.interp(few.grid, few.false_alarms, few.found)
    inside = (few.found_band[0] - 1e-9 <= curve) & (curve <= few.found_band[1] + 1e-9)
    assert inside.mean() > 0.95
