"""The reliability diagram: whether a probability of 80 % is right in 80 % of the cases."""

from __future__ import annotations

import numpy as np

from pipeline.judgements import Floats, Indices, Judgements
from pipeline.report.chart import Chart
from pipeline.report.drawing import GUIDE, Axis, Line, Mark
from pipeline.report.html import join
from pipeline.report.page import Section, paragraphs
from pipeline.report.table import Row
from pipeline.report.wording import between, percent

_BINS = 10
_RANGE = "95 % interval"


def section(judged: Judgements) -> Section:
    """Told probabilities against what was true, in ten ranges of equal width.

    Args:
        judged: photographs that the model never saw. Of more than two classes, the probability of
            the verdict is set against how often it is right.
    """
    binary = judged.classes.binary
    p = judged.shown
    true = judged.y == 1 if binary else judged.y == judged.verdicts
    bins = np.minimum((p * _BINS).astype(np.int64), _BINS - 1)
    count = np.bincount(bins, minlength=_BINS)
    held = np.flatnonzero(count)
    told = np.bincount(bins, p, minlength=_BINS)[held] / count[held]
    happened = np.bincount(bins, true, minlength=_BINS)[held] / count[held]
    points = list(zip(told.tolist(), happened.tolist(), strict=True))
    low, high = _wilson(happened, count[held])
    ranges = [Line("", [(x, a), (x, b)]) for x, a, b in zip(told, low, high, strict=True)]
    rows: list[Row] = [
        [
            f"{b / _BINS:.0%} to {(b + 1) / _BINS:.0%}", f"{count[b]:,}",
            percent(told[i]), percent(happened[i]), between(low[i], high[i]),
        ]
        for i, b in enumerate(held.tolist())
    ]  # fmt: skip
    what = "are defective" if binary else "are of the class that was told"
    chart = Chart(
        "reliability-chart",
        "Told probability against what was true",
        "; ".join(f"told {percent(a)}: {percent(b)} {what}" for a, b in points) + ".",
        Axis.shares("told probability" + (" of a defect" if binary else " of the verdict")),
        Axis.shares(f"share that {what}"),
        ["told", "photographs", "mean of the told", f"share that {what}", "95 % interval"],
        rows,
        lines=[Line("as it should be", [(0, 0), (1, 1)], GUIDE), *ranges, Line(_RANGE, [])],
        marks=[Mark("photographs of one range of ten", points, 0)],
    )
    clipped = np.clip(judged.probabilities[np.arange(len(judged.y)), judged.y], 1e-15, 1)
    text = (
        "If 80 % is told for a hundred photographs, about eighty of them should be "
        f"{'defective' if binary else 'of that class'}: the points should lie on the dotted line. "
        "Ranges that hold few photographs have wide intervals, and wider still where these are of "
        "few parts. "
        f"Log loss {-np.log(clipped).mean():.3f}; less is better."
    )
    return Section("reliability", "Reliability: can the probabilities be believed?", join(
        [paragraphs(text), chart.html()]
    ))  # fmt: skip


def _wilson(share: Floats, count: Indices) -> tuple[Floats, Floats]:
    """95 % interval of shares among `count` independent cases (Wilson, 1927)."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)
