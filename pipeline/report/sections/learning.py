"""The learning curve: scores against the parts trained on, and one doubling ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pipeline.output.wording import interval, score, sentence
from pipeline.report.html import Row, element, join, result_table
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import STYLES, Axis, Band, Chart, Line, Mark, Point
from pipeline.training.learning_curve import BAND, SHOWN, TITLES, LearningCurve, Span

LOW, HIGH = (round(100 * quantile) for quantile in BAND)
_AHEAD = "forecast for twice as many parts"
_APART = 1.03  # of parts, between the forecasts of two heads, so that none hides another


def section(found: LearningCurve) -> Section:
    """Show a chart for each score, and the table of all sizes.

    Args:
        found: of `pipeline.training.learning_curve.learning_curve`.
    """
    left_out = len(found.result.heads) - STYLES
    body = [
        paragraphs(
            f"{sentence(found.how())} In the drawings the band holds these; the dotted end is a "
            "forecast from a power law through the errors, with its 95 % interval.",
            f"{left_out} more heads stand in the table alone." if left_out > 0 else None,
        ),
        element("div", [_chart(found, name).html() for name in SHOWN], class_="pair"),
        element("h3", "All sizes"),
        result_table(found.table_of_sizes()),
    ]
    return Section("curve", "Curve: scores against parts trained on", join(body))


def _chart(found: LearningCurve, name: str) -> Chart:
    heads = found.result.heads[:STYLES]
    spans = {
        head: [(row.size.parts, row.scores[name]) for row in found.rows() if row.head == head]
        for head in heads
    }
    parts = [size.parts for size in reversed(found.sizes)]
    ends = {head: _ahead(found, head, name, style) for style, head in enumerate(heads)}
    seen = [value for curve in spans.values() for _, span in curve for value in span]
    seen += [y for guess, reach in ends.values() for _, y in [*guess, *reach]]
    rows: list[Row] = [
        [f"{parts[i]:,.0f}", *(cell for curve in spans.values() for cell in _cells(curve[i][1]))]
        for i in range(len(parts))
    ]
    ahead = [2 ** guess[-1][0] for guess, _ in ends.values() if guess]
    return Chart(
        f"curve-{name}",
        TITLES[name],
        _description(found, name),
        Axis.doublings(
            "parts trained on",
            [*parts[::-2][::-1], *([2 * round(parts[-1])] if ahead else [])],
            parts[0] / 1.06,
            1.06 * max([*ahead, parts[-1]]),
        ),
        Axis.covering(TITLES[name], [min(value, 1.0) for value in seen], at_least=(0.9, 1.0)),
        ["parts", *(text for head in heads for text in (head, f"{LOW} to {HIGH} %"))],
        rows,
        bands=[_band(curve, style) for style, curve in enumerate(spans.values())],
        lines=[*_known(spans), *_guessed(ends.values())],
        marks=[
            mark
            for style, head in enumerate(heads)
            for mark in _marks(spans[head], ends[head][0][1:], style)
        ],
    )  # fmt: skip


def _ahead(
    found: LearningCurve, head: str, name: str, style: int
) -> tuple[list[Point], list[Point]]:
    """Give the forecast as a line from the largest size on, and its interval as another."""
    ahead = found.forecasts.get((head, name))
    if ahead is None:
        return [], []
    last = found.sizes[0].parts
    x = math.log2(2 * last * _APART**style)
    guess = [(math.log2(last), ahead.now), (x, ahead.now + ahead.gain)]
    return guess, [(x, ahead.now + ahead.low), (x, ahead.now + ahead.high)]


def _cells(span: Span) -> tuple[str, str]:
    return score(span.mean), interval(span.low, span.high)


def _band(curve: Sequence[tuple[float, Span]], style: int) -> Band:
    title = f"{LOW} to {HIGH} % of the draws" if style == 0 else ""
    return Band(title, [(math.log2(x), span.low, span.high) for x, span in curve], style)


def _known(spans: Mapping[str, Sequence[tuple[float, Span]]]) -> list[Line]:
    return [
        Line(head, [(math.log2(x), span.mean) for x, span in curve], style)
        for style, (head, curve) in enumerate(spans.items())
    ]


def _guessed(ends: Iterable[tuple[Sequence[Point], Sequence[Point]]]) -> list[Line]:
    return [
        Line(_AHEAD if style == 0 and line is guess else "", line, style, guess=True)
        for style, (guess, reach) in enumerate(ends)
        for line in (guess, reach)
        if line
    ]


def _marks(curve: Sequence[tuple[float, Span]], guess: Sequence[Point], style: int) -> list[Mark]:
    known = [(math.log2(x), span.mean) for x, span in curve]
    return [Mark("", known, style), Mark("", guess, style, guess=True)]


def _description(found: LearningCurve, name: str) -> str:
    said = []
    for head in found.result.heads:
        rows = [row for row in found.rows() if row.head == head]
        first, last = rows[0], rows[-1]
        said.append(
            f"{head}: {score(first.scores[name].mean)} with {first.size.parts:,.0f} parts, "
            f"{score(last.scores[name].mean)} with {last.size.parts:,.0f}"
        )
    return "; ".join(said) + "."
