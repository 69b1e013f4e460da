"""ROC and precision-recall curves: what other thresholds could reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import DEFAULT_THRESHOLD
from pipeline.evaluation.bootstrap import Parts, TableRow
from pipeline.evaluation.intervals import LEVEL, too_few
from pipeline.evaluation.predictions import Predictions
from pipeline.output.wording import between, percent
from pipeline.report.html import Row, element, join
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import GUIDE, STYLES, Axis, Band, Chart, Line, Mark

_RESAMPLES = 400  # or fewer, so that a great many photographs take no longer than seconds
_MOST_WORK, _FEWEST_RESAMPLES = 40_000_000, 100


@dataclass(frozen=True)
class RankingCurves:
    """Both curves, and between which ends they run with 95 % confidence.

    Attributes:
        false_alarms, found: float64 (k,) shares of the negative and the positive photographs that
            score at least each threshold, from none to all: the ROC curve; `found` is the recall.
        precision: float64 (k,) of each threshold; 1 where nothing is called positive.
        grid: float64 (m,) from 0 to 1.
        found_band: float64 (2, m), low and high share found at false alarms of `grid`.
        precision_band: float64 (2, m), low and high precision at a recall of `grid`.
    """

    false_alarms: Floats
    found: Floats
    precision: Floats
    grid: Floats
    found_band: Floats
    precision_band: Floats


def ranking_curves(
    positive: Indices, p: Floats, groups: Indices, *, seed: int = 0
) -> RankingCurves:
    """Give the curves of scores.

    The bands are those of `pipeline.evaluation.intervals`, at each point: of the low end the model
    fails on one unseen part of each class. So they agree with the interval of the area.

    Args:
        positive: int64 (n,) of 0 and 1, both present.
        p: float64 (n,), higher is more positive.
        groups: int64 (n,).
        seed: of the draws.
    """
    parts = Parts.of(positive, groups)
    P = np.stack([1 - p, p], axis=1)
    rows = TableRow.of(positive, P, parts.of_row, parts, DEFAULT_THRESHOLD)
    resamples = min(_RESAMPLES, max(_FEWEST_RESAMPLES, _MOST_WORK // len(p)))
    weights = parts.bayesian(np.random.default_rng(seed), resamples)
    (curves,) = _curves(positive, p, np.ones((1, len(p))))
    grid = np.linspace(0, 1, 101)
    bands = np.full((2, 2, 101), np.nan)
    if not too_few(parts):
        here = _on(grid, curves)
        low = np.quantile(_drawn(rows.failing, weights, grid), (1 - LEVEL) / 2, axis=0)
        high = np.quantile(_drawn(rows.convincing, weights, grid), (1 + LEVEL) / 2, axis=0)
        bands = np.stack([np.minimum(low, here), np.maximum(high, here)], axis=1)
    return RankingCurves(*curves, grid, bands[0], bands[1])


_Rows = Callable[[Floats, Floats], tuple[Indices, Floats, Floats]]


def _drawn(rows_of: _Rows, weights: tuple[Floats, Floats], grid: Floats) -> Floats:
    """Give (draws, 2, m): found at false alarms of `grid`, and precision at a recall of it."""
    made = []
    for seen, unseen in zip(*weights, strict=True):  # one at a time: rows may be many
        positive, P, counts = rows_of(seen[None], unseen[None])
        made += [_on(grid, curves) for curves in _curves(positive, P[:, 1], counts)]
    return np.array(made)


def _on(grid: Floats, curves: tuple[Floats, Floats, Floats]) -> Floats:
    alarms, found, precision = curves
    return np.array([np.interp(grid, alarms, found), np.interp(grid, found, precision)])


def _curves(
    positive: Indices, p: Floats, weights: Floats
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Count false alarms, found and precision for each row of weights (draws, n)."""
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))  # ties fall together
    is_positive = positive[order] == 1
    for one in weights[:, order]:
        hits = np.append(0, np.cumsum(one * is_positive)[ends])
        alarms = np.append(0, np.cumsum(one * ~is_positive)[ends])
        calls = hits + alarms
        precision = np.divide(hits, calls, out=np.ones_like(hits), where=calls > 0)
        yield alarms / alarms[-1], hits / hits[-1], precision


_EVERY = 5  # of the grid's 101 values, those that stand in the table

_Curve = tuple[str, RankingCurves, float]  # class, its curves, its share of the photographs


def section(predicted: Predictions) -> Section | None:
    """Show both curves, with the model's threshold marked; None where one class stands alone.

    Args:
        predicted: photographs that the model never saw. Of more than two classes, each is set
            against the rest.
    """
    binary = predicted.classes.binary
    curves: list[_Curve] = []
    for number, title in enumerate(predicted.classes.names):
        positive = (predicted.y == number).astype(np.int64)
        if 0 < positive.sum() < len(positive) and not (binary and number == 0):
            p = predicted.probabilities[:, number]
            found = ranking_curves(positive, p, predicted.groups)
            curves.append((title, found, float(positive.mean())))
    if not curves:
        return None
    shown = curves[:STYLES]
    left_out = len(curves) - len(shown)
    what = "a defect" if binary else "the class"
    body = [
        paragraphs(
            f"{predicted.unit.capitalize()}s are put in the order of their probability of {what}; "
            "every point of a curve is one threshold. A curve near the corner is good, the dotted "
            "line is chance."
            + (
                " The diamond is the model's own threshold, below which it passes."
                if binary
                else ""
            ),
            f"{left_out} more classes are left out of the drawings." if left_out else None,
        ),
        element(
            "div", _roc(predicted, shown).html(), _precision(predicted, shown).html(), class_="pair"
        ),
    ]
    return Section("ranking", "Curves: what other thresholds would reach", join(body))


def _roc(predicted: Predictions, curves: Sequence[_Curve]) -> Chart:
    title, found, _ = curves[0]
    hits, alarms, _ = _operating_point(predicted)
    lines = [
        Line(name if len(curves) > 1 else "ROC curve", _points(c.false_alarms, c.found), style)
        for style, (name, c, _) in enumerate(curves)
    ]
    binary = predicted.classes.binary
    return Chart(
        "roc",
        "Found against false alarms (ROC)",
        f"{title}: with 5 % false alarms {percent(_at(0.05, found.false_alarms, found.found))} are "
        f"found, with 20 % {percent(_at(0.2, found.false_alarms, found.found))}.",
        Axis.shares("false alarms" + (" among healthy ones" if binary else "")),
        Axis.shares("found" + (" among defective ones" if binary else "")),
        ["false alarms", *_columns(curves, "found")],
        _rows(
            found.grid,
            [(np.interp(found.grid, c.false_alarms, c.found), c.found_band) for _, c, _ in curves],
        ),
        bands=_bands(curves, [c.found_band for _, c, _ in curves]),
        lines=[Line("chance", [(0, 0), (1, 1)], GUIDE), *lines],
        marks=[Mark("this model's threshold", [(alarms, hits)], 1)] if binary else [],
    )


def _precision(predicted: Predictions, curves: Sequence[_Curve]) -> Chart:
    title, found, share = curves[0]
    hits, _, precision = _operating_point(predicted)
    lines = [
        Line(name if len(curves) > 1 else "precision", _points(c.found, c.precision), style)
        for style, (name, c, _) in enumerate(curves)
    ]
    binary = predicted.classes.binary
    chance = [Line("chance", [(0, share), (1, share)], GUIDE)] if len(curves) == 1 else []
    return Chart(
        "precision-recall",
        "Precision against found (precision and recall)",
        f"{title}: where half are found, {percent(_at(0.5, found.found, found.precision))} of the "
        "alarms are right.",
        Axis.shares("found" + (" among defective ones" if binary else "")),
        Axis.shares("right among the alarms"),
        ["found", *_columns(curves, "right among the alarms")],
        _rows(
            found.grid,
            [(np.interp(found.grid, c.found, c.precision), c.precision_band) for _, c, _ in curves],
        ),
        bands=_bands(curves, [c.precision_band for _, c, _ in curves]),
        lines=[*chance, *lines],
        marks=[Mark("this model's threshold", [(hits, precision)], 1)] if binary else [],
    )


def _operating_point(predicted: Predictions) -> tuple[float, float, float]:
    """Share found, false alarms and precision of what is not passed; nan where undefined."""
    called, positive = predicted.verdicts != 0, predicted.y == 1
    with np.errstate(invalid="ignore"):
        hits = np.float64((called & positive).sum())
        alarms = np.float64((called & ~positive).sum())
        return (
            float(hits / positive.sum()),
            float(alarms / (~positive).sum()),
            float(hits / called.sum()),
        )


def _points(xs: Floats, ys: Floats) -> list[tuple[float, float]]:
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _at(x: float, xs: Floats, ys: Floats) -> float:
    return float(np.interp(x, xs, ys))


def _bands(curves: Sequence[_Curve], bands: Sequence[Floats]) -> list[Band]:
    """Give one band; several would hide each other and stand in the table."""
    if len(curves) > 1:
        return []
    points = zip(curves[0][1].grid.tolist(), *bands[0].tolist(), strict=True)
    return [Band("95 % band, one unseen part of each class", list(points))]


def _columns(curves: Sequence[_Curve], what: str) -> list[str]:
    return [
        f"{title}{column}"
        for title in ([f"{name}: " for name, _, _ in curves] if len(curves) > 1 else [""])
        for column in (what, "95 % band")
    ]


def _rows(grid: Floats, columns: Sequence[tuple[Floats, Floats]]) -> list[Row]:
    return [
        [
            percent(grid[i]),
            *(
                cell
                for values, band in columns
                for cell in (percent(values[i]), between(band[0, i], band[1, i]))
            ),
        ]
        for i in range(0, len(grid), _EVERY)
    ]
