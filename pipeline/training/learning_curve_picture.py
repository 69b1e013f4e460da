"""Learning curves as a picture: a line with its band for each head, dashed where it is a guess."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.arrays import Floats
from pipeline.output.overwrite import SOFTWARE
from pipeline.training.forecast import Forecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {"roc_auc": "ROC AUC", "balanced_accuracy": "balanced accuracy"}
BAND = (0.1, 0.9)
"""Quantiles of the draws between which the band lies."""

# Okabe and Ito's colours that stand out on white; the marks say it without colour.
_STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#56B4E9", "v"),
    ("#E69F00", "P"),
    ("#000000", "X"),
)


class Series(NamedTuple):
    """One head and score: parts (sizes,), scores (draws, sizes), and one doubling ahead."""

    title: str
    score: str
    parts: Sequence[float]
    scores: Floats
    ahead: Forecast | None


def learning_png(series: Sequence[Series]) -> bytes:
    """Give a panel for each score.

    Args:
        series: of all heads and scores.

    Returns:
        A PNG of 1,650 by 750 pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scores = list(dict.fromkeys(one.score for one in series))
    figure = Figure(figsize=(11, 5), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for panel, score in zip(panels, scores, strict=True):
        _draw_panel(panel, [one for one in series if one.score == score])
    low, high = (round(100 * quantile) for quantile in BAND)
    figure.suptitle(
        "Score on parts held out, against the parts trained on\n"
        f"bands: {low} to {high} % of the draws; dashed: what twice as many parts may bring (95 %)",
        fontsize=10,
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False
    )
    out = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png", metadata={"Software": SOFTWARE})
    return out.getvalue()


def _draw_panel(panel: Axes, series: Sequence[Series]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    lowest = 1.0
    for number, one in enumerate(series):
        colour, mark = _STYLES[number % len(_STYLES)]
        with np.errstate(invalid="ignore"):
            mean = np.nanmean(one.scores, axis=0)
            low, high = np.nanquantile(one.scores, BAND, axis=0)
        title = one.title.replace("$", r"\$")  # never taken for mathematics
        panel.fill_between(one.parts, low, high, color=colour, alpha=0.13, linewidth=0)
        panel.plot(one.parts, mean, mark, ls="-", color=colour, label=title, linewidth=1.8, ms=5)
        lowest = min(lowest, float(np.nanmin(low, initial=1.0)))
        if one.ahead is not None:
            ends = [one.parts[0], 2 * one.parts[0]]
            value = one.ahead.now + one.ahead.gain
            panel.plot(ends, [mean[0], value], ls=(0, (4, 3)), color=colour, linewidth=1.4)
            span = [
                [value - max(0.0, one.ahead.now + one.ahead.low)],
                [max(0.0, one.ahead.high - one.ahead.gain)],
            ]
            panel.errorbar(
                [2 * one.parts[0] * 1.03**number], [value], np.abs(span), fmt=mark, mfc="white",
                color=colour, capsize=3, ms=5,
            )  # fmt: skip
    panel.set_xscale("log", base=2)
    ticks = [*series[0].parts[::2], 2 * series[0].parts[0]]
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panel.set_ylim(max(0.0, math.floor(20 * lowest) / 20), 1.005)
    panel.set(xlabel="parts trained on", title=TITLES[series[0].score])
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
