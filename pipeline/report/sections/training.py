"""Training curves of heads that train in epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.report.html import Row, element, join
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import Axis, Chart, Line
from pipeline.report.wording import score

History = Sequence[Mapping[str, float]]

_SERIES = (("training", ""), ("validation", "val_"))


def section(history: History | None) -> Section | None:
    """Loss and accuracy per epoch; None for heads without epochs.

    Args:
        history: per epoch, any of epoch, loss, accuracy, val_loss, val_accuracy.
    """
    if not history:
        return None
    charts = [_chart(history, name).html() for name in ("loss", "accuracy")]
    text = f"{len(history)} epochs."
    if any("val_loss" in entry for entry in history):
        text += (
            " Where the validation curve turns up while the training curve still falls, the head "
            "learns its photographs by heart."
        )
    body = [paragraphs(text), element("div", charts, class_="pair")]
    return Section("training", "Training: how it learned", join(body))


def _chart(history: History, name: str) -> Chart:
    epochs = [int(entry.get("epoch", number)) for number, entry in enumerate(history, 1)]
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
        f"training-{name}",
        f"{name} per epoch",
        f"{last or 'not recorded'}.",
        Axis.covering("epoch", epochs, at_least=(0, epochs[-1])),
        Axis.covering(name, values, at_least=(0, 0.1) if name == "loss" else (0.5, 1)),
        ["epoch", *series],
        rows,
        lines=[
            Line(label, list(zip(map(float, epochs), column, strict=True)), style)
            for style, (label, column) in enumerate(series.items())
        ],
    )
