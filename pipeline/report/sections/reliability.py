"""Reliability diagrams: whether a probability of 80 % is right in 80 % of the cases."""

from __future__ import annotations

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.predictions import Predictions
from pipeline.output.wording import between, percent, score
from pipeline.report.html import Html, Row, element, join, table
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import GUIDE, Axis, Chart, Line, Mark
from pipeline.thresholds.decision import Unseen
from pipeline.thresholds.outcome import BINS, Reliability

_HERE = "reliability-chart"
_TOLD = {True: "told probability of a defect", False: "told probability of the verdict"}


def section(predicted: Predictions, unseen: Unseen | None = None) -> Section:
    """Show told probabilities against what was true, how often each was told, and calibration.

    Args:
        predicted: photographs that the model never saw. Of more than two classes, the probability
            of the verdict is set against how often it is right.
        unseen: what the thresholds were chosen on, where they were: there, calibrated
            probabilities are set against the head's own.
    """
    binary = predicted.classes.binary
    true = predicted.y == 1 if binary else predicted.y == predicted.verdicts
    found = Reliability.of(true.astype(np.int64), predicted.shown, predicted.groups)
    text = (
        f"If 80 % is told for a hundred {predicted.unit}s, about eighty of them should be "
        f"{'defective' if binary else 'of that class'}: the points should lie on the dotted line. "
        f"{'' if predicted.unit == 'part' else 'The intervals count parts, not photographs.'}"
    )
    heading = "Told probability against what was true"
    here = _told_and_true(_HERE, heading, found, binary, predicted.unit)
    pair = element("div", here.html(), _how_often(predicted).html(), class_="pair")
    title = "Reliability: can the probabilities be believed?"
    body = [paragraphs(text), pair, _losses(found, unseen, predicted.unit) if binary else None]
    if unseen is not None and unseen.own is not None:
        body += [_calibrated(unseen, unseen.own, predicted.unit)]
    return Section("reliability", title, join(body))


def _losses(found: Reliability, unseen: Unseen | None, unit: str) -> Html:
    """Show Brier score and log loss, with and without calibration."""
    lines = {f"these {unit}s, as told": found}
    if unseen is not None:
        lines[f"{unseen.how}, as told"] = unseen.reliability
        if unseen.own is not None:
            lines[f"{unseen.how}, before calibration"] = unseen.own
    rows: list[Row] = [[what, score(r.brier), score(r.log_loss)] for what, r in lines.items()]
    if unseen is None:
        said = None
    elif unseen.own is None:
        said = "The head's own probabilities are told: calibrating them would have won nothing."
    else:
        said = "The head's own probabilities are calibrated, on the training part alone."
    caption = "Errors of the probabilities; less is better"
    return join([
        table(caption, [f"{unit}s", "Brier score", "log loss"], rows), paragraphs(said)
    ])  # fmt: skip


def _calibrated(unseen: Unseen, own: Reliability, unit: str) -> Html:
    charts = [
        _told_and_true(
            f"{anchor}-calibration", f"{when} calibration, {unseen.how}", found, True, unit
        )
        for anchor, when, found in (
            ("before", "Before", own), ("after", "After", unseen.reliability)
        )
    ]  # fmt: skip
    return element("div", [chart.html() for chart in charts], class_="pair")


def _told_and_true(
    anchor: str, title: str, found: Reliability, binary: bool, unit: str = "photograph"
) -> Chart:
    points = [(one.told, one.found) for one in found.bins]
    ranges = [Line("", [(one.told, end) for end in one.interval]) for one in found.bins]
    rows: list[Row] = [
        [
            f"{100 * one.low:.0f} % to {100 * one.high:.0f} %",
            *([f"{one.photographs:,}"] if unit == "photograph" else []), f"{one.parts:,}",
            percent(one.told), percent(one.found), between(*one.interval),
        ]
        for one in found.bins
    ]  # fmt: skip
    what = "that are defective" if binary else "that are right"
    return Chart(
        anchor,
        title,
        "; ".join(f"told {percent(a)}: {percent(b)} {what[5:]}" for a, b in points) + ".",
        Axis.shares(_TOLD[binary]),
        Axis.shares(f"share {what}"),
        [
            "told",
            *(["photographs"] if unit == "photograph" else []),
            "parts",
            "mean of the told",
            f"share {what}",
            "95 % interval",
        ],
        rows,
        lines=[
            Line("as it should be", [(0, 0), (1, 1)], GUIDE),
            *ranges,
            Line("95 % interval", []),
        ],
        marks=[Mark(f"{unit}s of one range of ten", points, 0)],
    )


def _how_often(predicted: Predictions) -> Chart:
    """Draw how probabilities spread: of two classes, of each; of more, those of all verdicts."""
    if predicted.classes.binary:
        sides = {"healthy ones": predicted.y == 0, "defective ones": predicted.y == 1}
    else:
        sides = {"all verdicts": np.ones(len(predicted.y), dtype=bool)}
    shares = {
        title: np.bincount(_bins(predicted.shown[mine]), minlength=BINS) / mine.sum()
        for title, mine in sides.items()
        if mine.any()
    }
    rows: list[Row] = [
        [_range(b), *(percent(share[b]) for share in shares.values())] for b in range(BINS)
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
        Axis.shares(_TOLD[predicted.classes.binary]),
        Axis.shares(f"share of the {predicted.unit}s"),
        ["told", *shares],
        rows,
        lines=[
            Line(title, [(x / BINS, share[b]) for b in range(BINS) for x in (b, b + 1)], style)
            for style, (title, share) in enumerate(shares.items())
        ],
    )


def _bins(p: Floats) -> Indices:
    return np.minimum((p * BINS).astype(np.int64), BINS - 1)


def _range(number: int) -> str:
    return f"{100 * (number / BINS):.0f} % to {100 * ((number + 1) / BINS):.0f} %"
