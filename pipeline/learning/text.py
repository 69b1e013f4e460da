"""A learning curve as plain text for a terminal. Nothing here computes or prints."""

from __future__ import annotations

import numpy as np

from pipeline.learning.curve import SHOWN, LearningCurve
from pipeline.learning.picture import BAND, TITLES
from pipeline.tables import align, printable


def learning(found: LearningCurve) -> str:
    """One line per size and head, and what twice as many parts would bring to each head."""
    draws = len({fold.repeat for fold in found.result.folds})
    rarest = printable(found.rarest)
    head = ["parts", f"of {rarest}", "photographs", "head", *(TITLES[score] for score in SHOWN)]
    rows = [
        [
            f"{size.parts:,.0f}",
            f"{size.rarest:,.0f}",
            f"{size.photographs:,.0f}",
            name,
            *(_span(found, name, score, number) for score in SHOWN),
        ]
        for number, size in reversed(list(enumerate(found.sizes)))
        for name in found.result.heads
    ]
    low, high = (round(100 * quantile) for quantile in BAND)
    lines = [
        align([head, *rows]),
        f"mean over {draws} draws of whole parts, on parts held out; in brackets: the {low} and "
        f"{high} % quantiles of the draws; verdicts at the threshold 0.5",
        "",
    ]
    for (name, score), ahead in found.forecasts.items():
        if score == SHOWN[0]:
            lines.append(f"{name}: {ahead.sentence(TITLES[score])}")
    lines += [
        "from a power law through the errors; it knows nothing of kinds of defects that nobody "
        "has photographed yet",
        "",
        f"written: {found.picture}, {found.table}",
    ]
    return "\n".join(lines)


def _span(found: LearningCurve, head: str, score: str, size: int) -> str:
    values = found.scores(head, score)[:, size]
    values = values[np.isfinite(values)]
    if not len(values):
        return "not defined"
    low, high = np.quantile(values, BAND)
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"
