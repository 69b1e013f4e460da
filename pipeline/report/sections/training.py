"""Training curves of heads that train in epochs."""

from __future__ import annotations

import math

from pipeline.output.wording import score
from pipeline.report.html import Row, element, join
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import Axis, Chart, Line, Mark, Point
from pipeline.training.training_curves import History, epochs_of

_SERIES = (("training", ""), ("validation", "val_"))


def section(history: History | None) -> Section | None:
    """Show loss and accuracy per epoch; None for heads without epochs.

    Args:
        history: per epoch, any of epoch, loss, accuracy, val_loss, val_accuracy.
    """
    if not history:
        return None
    charts = [
        curve_chart(history, name, f"training-{name}", f"{name} per epoch", at_least).html()
        for name, at_least in (("loss", (0.0, 0.1)), ("accuracy", (0.5, 1.0)))
    ]
    text = f"{len(history)} epochs."
    if any("val_loss" in entry for entry in history):
        text += (
            " Where the validation curve turns up while the training curve still falls, the head "
            "learns its photographs by heart."
        )
    body = [paragraphs(text), element("div", charts, class_="pair")]
    return Section("training", "Training: how it learned", join(body))


def curve_chart(history: History, name: str, anchor: str, title: str, at_least: Point) -> Chart:
    """Draw one score of a training per epoch, beside that of the validation where there is one.

    Args:
        history: see `section`; what is missing or no number leaves a gap.
        name: "loss" or "accuracy".
        anchor: of the chart.
        title: of the chart.
        at_least: ends of the upward axis, which is longer where values lie beyond.
    """
    epochs = epochs_of(history) or [0]
    series = {
        label: [entry.get(prefix + name, math.nan) for entry in history]
        for label, prefix in _SERIES
        if any(prefix + name in entry for entry in history)
    }
    values = [value for column in series.values() for value in column]
    rows: list[Row] = [
        [str(epoch), *(score(column[i]) for column in series.values())]
        for i, epoch in enumerate(epochs)
    ]
    last = "; ".join(f"{label} ends at {score(column[-1])}" for label, column in series.items())
    return Chart(
        anchor,
        title,
        f"{last or 'not recorded'}.",
        Axis.covering("epoch", epochs, at_least=(0, max(epochs[-1], 1))),
        Axis.covering(name, values, at_least=at_least),
        ["epoch", *series],
        rows,
        lines=[
            Line(label, list(zip(map(float, epochs), column, strict=True)), style)
            for style, (label, column) in enumerate(series.items())
        ],
        # Of a single epoch there is no line to see.
        marks=[
            Mark("", [(float(epochs[-1]), column[-1])], style)
            for style, column in enumerate(series.values())
        ],
    )
