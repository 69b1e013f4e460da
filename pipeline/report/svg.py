"""Draw charts as SVG: axes, bands, lines, points, their legend.

All are told apart by shape as well as by colour. Colours come from the page's style sheet, so that
one drawing serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.report.html import Child, Html, Row, element, folded, table

Point = tuple[float, float]

_DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 2 4 6", "1 5")
STYLES = len(_DASHES)
"""How many lines of one chart can be told apart."""

GUIDE = -1
"""The style of a line that is no result: a threshold, or what chance would give."""


@dataclass(frozen=True)
class Axis:
    """One direction of a chart.

    Attributes:
        title: what is measured, with its unit.
        low, high: its ends.
        ticks: the values that are written.
        label: how one is written.
    """

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    label: Callable[[float], str] = "{:g}".format

    @classmethod
    def shares(cls, title: str) -> Axis:
        """Make an axis from 0 to 100 %."""
        return cls(title, 0, 1, (0, 0.25, 0.5, 0.75, 1), lambda value: f"{100 * value:.0f} %")

    @classmethod
    def doublings(cls, title: str, ticks: Sequence[float], low: float, high: float) -> Axis:
        """Make an axis whose doublings stand equally far apart: what is drawn are their log2."""
        marks = [math.log2(value) for value in ticks]
        ends = math.log2(low), math.log2(high)
        return cls(title, *ends, marks, lambda value: f"{2**value:,.0f}")

    @classmethod
    def covering(cls, title: str, values: Iterable[float], *, at_least: Point) -> Axis:
        """Round ends that hold all finite values and the two of `at_least`."""
        known = [value for value in values if math.isfinite(value)]
        low, high = min([*known, at_least[0]]), max([*known, at_least[1]])
        step = _round_step(high - low)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        ticks = [number * step for number in range(first, last + 1)]
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return cls(title, ticks[0], ticks[-1], ticks, lambda value: f"{value:.{digits}f}")


@dataclass(frozen=True)
class Band:
    """A shaded range: (x, low, high) from left to right."""

    name: str
    points: Sequence[tuple[float, float, float]]
    style: int = 0


@dataclass(frozen=True)
class Line:
    """Points joined from left to right; one that is not finite leaves a gap; dotted if a guess."""

    name: str
    points: Sequence[Point]
    style: int = 0
    guess: bool = False


@dataclass(frozen=True)
class Mark:
    """Points that are not joined; the style decides their shape; hollow if a guess."""

    name: str
    points: Sequence[Point]
    style: int = 0
    guess: bool = False


Drawn = Band | Line | Mark


@dataclass(frozen=True)
class Place:
    """Place values in the drawing.

    Attributes:
        across, up: the axes.
        left_right, bottom_top: where their ends are, in units of the drawing, from the top left.
    """

    across: Axis
    up: Axis
    left_right: tuple[float, float]
    bottom_top: tuple[float, float]

    def x(self, value: float) -> float:
        """Compute the distance from the left."""
        return _between(self.across, value, *self.left_right)

    def y(self, value: float) -> float:
        """Compute the distance from the top."""
        return _between(self.up, value, *self.bottom_top)


def _between(axis: Axis, value: float, start: float, end: float) -> float:
    share = (value - axis.low) / (axis.high - axis.low)
    return start + min(max(share, 0.0), 1.0) * (end - start)


def axes(place: Place) -> list[Html]:
    """Draw grid, values and titles of both axes."""
    (left, right), (bottom, top) = place.left_right, sorted(place.bottom_top, reverse=True)
    made = []
    for value in place.across.ticks:
        x = place.x(value)
        made += [
            element("path", d=f"M{at(x)} {at(bottom)}V{at(top)}", class_="grid"),
            _text(place.across.label(value), x, bottom + 18, "tick middle"),
        ]
    for value in place.up.ticks:
        y = place.y(value)
        made += [
            element("path", d=f"M{at(left)} {at(y)}H{at(right)}", class_="grid"),
            _text(place.up.label(value), left - 8, y + 4.5, "tick end"),
        ]
    made.append(element("path", d=f"M{at(left)} {at(bottom)}H{at(right)}", class_="axis"))
    made.append(_text(place.across.title, (left + right) / 2, bottom + 40, "axis-title middle"))
    if place.up.title:
        middle = (top + bottom) / 2
        turn = f"rotate(-90 14 {at(middle)})"
        made.append(_text(place.up.title, 14, middle, "axis-title middle", transform=turn))
    return made


def _text(text: str, x: float, y: float, class_: str, transform: str | None = None) -> Html:
    return element("text", text, x=at(x), y=at(y), class_=class_, transform=transform)


def draw_band(band: Band, place: Place) -> Html:
    """Give a band as one shape."""
    there = [(x, low, high) for x, low, high in band.points if _finite(x, low, high)]
    lows = [(x, low) for x, low, _ in there]
    highs = [(x, high) for x, _, high in reversed(there)]
    outline = "L".join(_pair(place, point) for point in lows + highs)
    return element("path", d=f"M{outline}Z" if there else "", class_=f"band style-{band.style}")


def draw_line(line: Line, place: Place) -> Html:
    """Give a line as one path."""
    path: list[str] = []
    last = None  # where the pen is, if it is down
    for point in line.points:
        here = _pair(place, point) if _finite(*point) else None
        if here is not None and here != last:
            path.append(("M" if last is None else "L") + here)
        last = here
    return _stroke("".join(path), line.style, line.guess)


def _stroke(path: str, style: int, guess: bool) -> Html:
    dashes = "3 4" if style == GUIDE else "2 5" if guess else _DASHES[style] or None
    kind = "guide" if style == GUIDE else f"style-{style}{' guess' * guess}"
    return element("path", d=path, fill="none", stroke_dasharray=dashes, class_=f"line {kind}")


def draw_mark(mark: Mark, place: Place, class_: str = "") -> Html:
    """Draw all points of a mark as one path."""
    shapes = [_shape(place.x(x), place.y(y), mark.style) for x, y in mark.points if _finite(x, y)]
    kind = f"mark style-{mark.style}{' guess' * mark.guess} {class_}"
    return element("path", d="".join(shapes), class_=kind.strip())


def _shape(x: float, y: float, style: int) -> str:
    """Give a disc, diamond, square, triangle, its reverse or a cross around a point."""
    if style == 0:
        return f"M{at(x - 4)} {at(y)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z"
    if style == 1:
        return f"M{at(x)} {at(y - 7)}l6 7l-6 7l-6 -7Z"
    if style == 2:
        return f"M{at(x - 4.5)} {at(y - 4.5)}h9v9h-9Z"
    if style == 3:
        return f"M{at(x)} {at(y - 6)}l6 10h-12Z"
    if style == 4:
        return f"M{at(x)} {at(y + 6)}l6 -10h-12Z"
    return f"M{at(x - 2)} {at(y - 6)}h4v4h4v4h-4v4h-4v-4h-4v-4h4Z"


def legend(drawn: Sequence[Drawn]) -> Html:
    """Name everything with a sample, beside the drawing, so that it wraps."""
    return element("ul", [_legend_entry(entry) for entry in drawn if entry.name], class_="legend")


def _legend_entry(entry: Drawn) -> Html:
    if isinstance(entry, Band):
        sample = element("path", d="M1 2H29V14H1Z", class_=f"band style-{entry.style}")
    elif isinstance(entry, Line):
        sample = _stroke("M1 8H29", entry.style, entry.guess)
    else:
        sample = element("path", d=_shape(15, 8, entry.style), class_=f"mark style-{entry.style}")
    swatch = element("svg", sample, viewBox="0 0 30 16", aria_hidden="true", class_="swatch")
    return element("li", swatch, entry.name)


def _pair(place: Place, point: Point) -> str:
    return f"{at(place.x(point[0]))} {at(place.y(point[1]))}"


def at(value: float) -> str:
    """Give a coordinate, to a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)


def _round_step(span: float) -> float:
    """Choose 1, 2 or 5 times a power of ten, such that two to five of it make the span."""
    rough = max(span, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * 0.999)


WIDTH, HEIGHT = 440, 330  # of the drawing, in its own units: at a phone's width about one pixel
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 24, 12, 50
_ROW, _ROW_LEFT = 30, 112  # height of a row, and room for its name
_SHORT, _HIGH_ROW, _MIDDLE = 16, 46, 0.7  # a longer name stands above its row, which is higher
_LONGEST = 54  # characters that have room there; the table has the whole name


@dataclass(frozen=True)
class Chart:
    """A chart with its words and its numbers.

    Attributes:
        anchor: of its own on the page.
        title: what it shows.
        description: what there is to see in it, for who cannot.
        x, y: the axes.
        columns, rows: its numbers as a table.
        bands, lines, marks: what is drawn, in this order.
    """

    anchor: str
    title: str
    description: str
    x: Axis
    y: Axis
    columns: Sequence[Child]
    rows: Sequence[Row]
    bands: Sequence[Band] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()

    def html(self) -> Html:
        """Give the figure: title, drawing, legend, table."""
        place = Place(self.x, self.y, (_LEFT, WIDTH - _RIGHT), (HEIGHT - _BOTTOM, _TOP))
        content = [
            *axes(place),
            *(draw_band(band, place) for band in self.bands),
            *(draw_line(line, place) for line in self.lines),
            *(draw_mark(mark, place) for mark in self.marks),
        ]
        drawn: list[Drawn] = [*self.bands, *self.lines, *self.marks]
        return _figure(self, HEIGHT, content, legend(drawn))


@dataclass(frozen=True)
class RowChart:
    """One named row after another on a common axis: single points, their mean and its range.

    Attributes:
        anchor, title, description, x, columns: as in `Chart`.
        entries: name of the row, the points, the mean, low and high end of the range.
        rows: the numbers as a table.
        legend: what points, mean and range are.
    """

    anchor: str
    title: str
    description: str
    x: Axis
    entries: Sequence[tuple[str, Sequence[float], float, float, float]]
    columns: Sequence[Child]
    rows: Sequence[Row]
    legend: tuple[str, str, str]

    def html(self) -> Html:
        """Give the figure: title, drawing, legend, table."""
        above = any(len(name) > _SHORT for name, *_ in self.entries)
        row, left, middle = (_HIGH_ROW, _LEFT, _MIDDLE) if above else (_ROW, _ROW_LEFT, 0.5)
        height = _TOP + row * len(self.entries) + _BOTTOM
        across = Axis("", 0, len(self.entries), ())
        place = Place(self.x, across, (left, WIDTH - _RIGHT), (_TOP, height - _BOTTOM))
        content = axes(place)
        for number, (name, points, mean, low, high) in enumerate(self.entries):
            y = number + middle
            short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
            named = (
                element("text", short, x=8, y=at(place.y(number) + 16), class_="row-name above")
                if above
                else element("text", name, x=left - 8, y=at(place.y(y) + 4.5), class_="row-name")
            )
            content += [
                named,
                draw_mark(Mark("", [(p, y) for p in points], 0), place, class_="faint"),
                draw_line(Line("", [(low, y), (high, y)], 0), place),
                draw_mark(Mark("", [(mean, y)], 1), place),
            ]
        drawn = (Mark(self.legend[0], (), 0), Mark(self.legend[1], (), 1), Line(self.legend[2], ()))
        return _figure(self, height, content, legend(drawn))


def _figure(chart: Chart | RowChart, height: int, content: Sequence[Html], key: Html) -> Html:
    title, description = f"{chart.anchor}-title", f"{chart.anchor}-description"
    drawing = element(
        "svg",
        element("title", chart.title, id=title),
        element("desc", chart.description, id=description),
        content,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_labelledby=f"{title} {description}",
        class_="chart",
    )
    numbers = table(chart.title, chart.columns, chart.rows)
    return element(
        "figure",
        element("figcaption", chart.title),
        drawing,
        key,
        folded("The numbers as a table", numbers),
        class_="chart",
    )
