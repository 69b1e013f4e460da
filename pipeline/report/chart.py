"""Charts as figures of a report: title, drawing, legend, and the numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.drawing import (
    Axis,
    Band,
    Drawn,
    Line,
    Mark,
    Place,
    at,
    axes,
    draw_band,
    draw_line,
    draw_mark,
    legend,
)
from pipeline.report.html import Child, Html, element
from pipeline.report.table import Row, folded, table

WIDTH, HEIGHT = 440, 330  # of the drawing, in its own units: at a phone's width about one pixel
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 24, 12, 50
_ROW, _ROW_LEFT = 30, 112  # height of a row, and room for its name


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
        """The figure: title, drawing, legend, table."""
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
        """The figure: title, drawing, legend, table."""
        height = _TOP + _ROW * len(self.entries) + _BOTTOM
        across = Axis("", 0, len(self.entries), ())
        place = Place(self.x, across, (_ROW_LEFT, WIDTH - _RIGHT), (_TOP, height - _BOTTOM))
        content = axes(place)
        for number, (name, points, mean, low, high) in enumerate(self.entries):
            y = number + 0.5
            content += [
                element("text", name, x=_ROW_LEFT - 8, y=at(place.y(y) + 4.5), class_="row-name"),
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
