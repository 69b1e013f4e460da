"""What another threshold would cost: missed defects against false alarms."""

from __future__ import annotations

import numpy as np

from pipeline.judgements import Floats, Judgements
from pipeline.report.chart import Chart
from pipeline.report.drawing import GUIDE, Axis, Line
from pipeline.report.html import Html, element, join
from pipeline.report.page import Section, paragraphs
from pipeline.report.table import Row, table
from pipeline.report.wording import percent

_RATIOS = (1, 10, 100)  # what a missed defect costs, if a false alarm costs 1
_THRESHOLDS = np.linspace(0, 1, 201)
_EVERY = 10  # of the thresholds, those that stand in the tables


def section(judged: Judgements) -> Section | None:
    """Errors and costs over all thresholds; None without both of two classes.

    Args:
        judged: photographs that the model never saw.
    """
    positive = judged.y == 1
    if not judged.classes.binary or positive.all() or not positive.any():
        return None
    defects, healthy = np.sort(judged.shown[positive]), np.sort(judged.shown[~positive])
    missed = np.searchsorted(defects, _THRESHOLDS, side="left") / len(defects)
    alarms = 1 - np.searchsorted(healthy, _THRESHOLDS, side="left") / len(healthy)
    share = float(positive.mean())
    costs = {ratio: 100 * (share * missed * ratio + (1 - share) * alarms) for ratio in _RATIOS}
    body = [
        paragraphs(
            "A lower threshold misses fewer defects and rejects more healthy parts. What is best "
            "depends on what either costs you.",
            f"The costs are for {percent(share)} of defective photographs, as here; with another "
            "share of defects they move.",
        ),
        element(
            "div", _errors(judged.threshold, missed, alarms).html(),
            _costs(judged.threshold, costs).html(), class_="pair",
        ),
        _cheapest(costs, missed, alarms),
        paragraphs(
            "This is to show what is at stake. Do not quote these shares as a result: the "
            "thresholds were found on the very photographs that they are scored on."
        ),
    ]  # fmt: skip
    return Section("cost", "Cost: what another threshold would change", join(body))


def _errors(threshold: float, missed: Floats, alarms: Floats) -> Chart:
    rows: list[Row] = [
        [f"{_THRESHOLDS[i]:.2f}", percent(missed[i]), percent(alarms[i])]
        for i in range(0, len(_THRESHOLDS), _EVERY)
    ]
    here = int(np.searchsorted(_THRESHOLDS, threshold))
    return Chart(
        "errors",
        "Errors of both kinds by threshold",
        f"At the model's threshold {threshold:g}, {percent(missed[here])} of the defective "
        f"photographs are missed and {percent(alarms[here])} of the healthy ones rejected.",
        _threshold_axis(),
        Axis.shares("share"),
        ["threshold", "defective ones missed", "healthy ones rejected"],
        rows,
        lines=[
            _guide(threshold),
            Line("defective ones missed", _over_thresholds(missed), 1),
            Line("healthy ones rejected", _over_thresholds(alarms), 0),
        ],
    )


def _cheapest(costs: dict[int, Floats], missed: Floats, alarms: Floats) -> Html:
    rows: list[Row] = []
    for ratio, values in costs.items():
        best = int(values.argmin())
        rows.append([
            f"{ratio} times a false alarm", f"{_THRESHOLDS[best]:.2f}",
            percent(missed[best]), percent(alarms[best]),
        ])  # fmt: skip
    columns = ["a missed defect costs", "threshold", "defective missed", "healthy rejected"]
    return table("The cheapest threshold on these photographs", columns, rows)


def _costs(threshold: float, costs: dict[int, Floats]) -> Chart:
    relative = {ratio: values / max(values.max(), 1e-12) for ratio, values in costs.items()}
    cheapest = {ratio: float(_THRESHOLDS[values.argmin()]) for ratio, values in costs.items()}
    rows: list[Row] = [
        [f"{_THRESHOLDS[i]:.2f}", *(f"{values[i]:.1f}" for values in costs.values())]
        for i in range(0, len(_THRESHOLDS), _EVERY)
    ]
    return Chart(
        "costs",
        "Cost of 100 photographs by threshold",
        "; ".join(
            f"if a missed defect costs {ratio} times a false alarm, threshold {best:.2f} is the "
            "cheapest here"
            for ratio, best in cheapest.items()
        )
        + ".",
        _threshold_axis(),
        Axis.shares("share of the highest cost"),
        ["threshold", *(f"missed = {ratio} × false alarm" for ratio in costs)],
        rows,
        lines=[
            _guide(threshold),
            *(
                Line(
                    f"a missed defect costs {ratio} times a false alarm", _over_thresholds(v), style
                )
                for style, (ratio, v) in enumerate(relative.items())
            ),
        ],
    )


def _threshold_axis() -> Axis:
    return Axis("threshold", 0, 1, (0, 0.25, 0.5, 0.75, 1))


def _guide(threshold: float) -> Line:
    return Line("this model's threshold", [(threshold, 0), (threshold, 1)], GUIDE)


def _over_thresholds(values: Floats) -> list[tuple[float, float]]:
    return list(zip(_THRESHOLDS.tolist(), values.tolist(), strict=True))
