"""The reliability diagram: whether a probability of 80 % is right in 80 % of the cases."""

from __future__ import annotations

import numpy as np

from pipeline.judgements import Floats, Indices, Judgements
from pipeline.report.chart import Chart
from pipeline.report.drawing import GUIDE, Axis, Line, Mark
from pipeline.report.html import element, join
from pipeline.report.page import Section, paragraphs
from pipeline.report.table import Row
from pipeline.report.wording import between, percent

_BINS = 10
_TOLD = {True: "told probability of a defect", False: "told probability of the verdict"}


def section(judged: Judgements) -> Section:
    """Told probabilities against what was true, and how often each was told.

    Args:
        judged: photographs that the model never saw. Of more than two classes, the probability of
            the verdict is set against how often it is right.
    """
    binary = judged.classes.binary
    clipped = np.clip(judged.probabilities[np.arange(len(judged.y)), judged.y], 1e-15, 1)
    text = (
        "If 80 % is told for a hundred photographs, about eighty of them should be "
        f"{'defective' if binary else 'of that class'}: the points should lie on the dotted line. "
        "The intervals take photographs as independent; where these are of few parts, they should "
        f"be wider. Log loss {-np.log(clipped).mean():.3f}; less is better."
    )
    pair = element("div", _told_and_true(judged).html(), _how_often(judged).html(), class_="pair")
    title = "Reliability: can the probabilities be believed?"
    return Section("reliability", title, join([paragraphs(text), pair]))


def _told_and_true(judged: Judgements) -> Chart:
    binary, p = judged.classes.binary, judged.shown
    true = judged.y == 1 if binary else judged.y == judged.verdicts
    count = np.bincount(_bins(p), minlength=_BINS)
    held = np.flatnonzero(count)
    told = np.bincount(_bins(p), p, minlength=_BINS)[held] / count[held]
    happened = np.bincount(_bins(p), true, minlength=_BINS)[held] / count[held]
    points = list(zip(told.tolist(), happened.tolist(), strict=True))
    low, high = _wilson(happened, count[held])
    ranges = [Line("", [(x, a), (x, b)]) for x, a, b in zip(told, low, high, strict=True)]
    rows: list[Row] = [
        [
            _range(b), f"{count[b]:,}", percent(told[i]), percent(happened[i]),
            between(low[i], high[i]),
        ]
        for i, b in enumerate(held.tolist())
    ]  # fmt: skip
    what = "that are defective" if binary else "that are right"
    return Chart(
        "reliability-chart",
        "Told probability against what was true",
        "; ".join(f"told {percent(a)}: {percent(b)} {what[5:]}" for a, b in points) + ".",
        Axis.shares(_TOLD[binary]),
        Axis.shares(f"share {what}"),
        ["told", "photographs", "mean of the told", f"share {what}", "95 % interval"],
        rows,
        lines=[
            Line("as it should be", [(0, 0), (1, 1)], GUIDE),
            *ranges,
            Line("95 % interval", []),
        ],
        marks=[Mark("photographs of one range of ten", points, 0)],
    )


def _how_often(judged: Judgements) -> Chart:
    """Of two classes, how the probabilities of each are spread; of more, those of all verdicts."""
    if judged.classes.binary:
        sides = {"healthy ones": judged.y == 0, "defective ones": judged.y == 1}
    else:
        sides = {"all verdicts": np.ones(len(judged.y), dtype=bool)}
    shares = {
        title: np.bincount(_bins(judged.shown[mine]), minlength=_BINS) / mine.sum()
        for title, mine in sides.items()
        if mine.any()
    }
    rows: list[Row] = [
        [_range(b), *(percent(share[b]) for share in shares.values())] for b in range(_BINS)
    ]
    return Chart(
        "told",
        "How often each probability was told",
        "; ".join(
            f"of the {title}, {percent(share[0])} lie below 10 % and {percent(share[-1])} at 90 % "
            "or above"
            for title, share in shares.items()
        )
        + ".",
        Axis.shares(_TOLD[judged.classes.binary]),
        Axis.shares("share of the photographs"),
        ["told", *shares],
        rows,
        lines=[
            Line(title, [(x / _BINS, share[b]) for b in range(_BINS) for x in (b, b + 1)], style)
            for style, (title, share) in enumerate(shares.items())
        ],
    )


def _bins(p: Floats) -> Indices:
    return np.minimum((p * _BINS).astype(np.int64), _BINS - 1)


def _range(number: int) -> str:
    return f"{number / _BINS:.0%} to {(number + 1) / _BINS:.0%}"


def _wilson(share: Floats, count: Indices) -> tuple[Floats, Floats]:
    """95 % interval of shares among `count` independent cases (Wilson, 1927)."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)
