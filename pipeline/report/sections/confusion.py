"""The confusion matrix: what is taken for what, by photograph and by part."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.score_table import confusion_table
from pipeline.report.html import Html, Row, element, folded, join, name, result_table, table
from pipeline.report.page import Section, paragraphs
from pipeline.thresholds.facts import meaning


def section(predicted: Predictions, photographs: Predictions | None = None) -> Section:
    """Count verdicts for each class, and how often all photographs of a part agree.

    Args:
        predicted: photographs that the model never saw, or their parts, judged as wholes.
        photographs: of these parts, each judged as if it were all there is of its part.
    """
    where = (
        f"{meaning(predicted.band, predicted.classes.names)}."
        if predicted.classes.binary
        else "The most probable class is the verdict."
    )
    body = [
        paragraphs(f"Verdicts: {where} Right ones are underlined."),
        result_table(confusion_table(predicted)),
        _by_photograph(photographs) if photographs else _parts(predicted),
    ]
    return Section("confusion", "Confusion matrix: what is taken for what", join(body))


def _by_photograph(photographs: Predictions) -> Html:
    """Give the same of photographs, which have no verdict where their part has one."""
    return folded(
        "The same by photograph, each as if it were all there is of its part",
        result_table(confusion_table(photographs)),
        _parts(photographs),
    )


def _parts(predicted: Predictions) -> Html | None:
    """Show, by class, the parts of which all, some or no photographs are recognised."""
    if len(np.unique(predicted.groups)) == len(predicted.groups):
        return None
    rows: list[Row] = []
    right = predicted.verdicts == predicted.y
    for number, title in enumerate(predicted.classes.names):
        mine = predicted.y == number
        _, part = np.unique(predicted.groups[mine], return_inverse=True)
        share = np.bincount(part, right[mine]) / np.maximum(np.bincount(part), 1)
        found = (share == 1).sum(), ((share > 0) & (share < 1)).sum(), (share == 0).sum()
        rows.append([name(title), *(f"{n:,}" for n in found), f"{len(share):,}"])
    caption = "Parts, by how many of their photographs are right"
    return join([
        element("h3", "The same by part"),
        table(caption, ["class", "all", "some", "none", "parts"], rows),
        paragraphs("What a person has to look at counts as not right here.")
        if predicted.band.has_review
        else None,
    ])  # fmt: skip
