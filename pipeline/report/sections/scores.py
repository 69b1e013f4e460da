"""All scores of a model with their intervals, and what each of them means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pipeline.evaluation.intervals import Intervals
from pipeline.evaluation.predictions import Predictions
from pipeline.report.html import Row, element, join, table
from pipeline.report.page import Section, paragraphs
from pipeline.report.wording import NBSP, count, interval, score

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
}
"""Scores by name, as a report calls them."""

_MEANINGS = {
    "accuracy": "share of right verdicts; says little where one class is rare",
    "balanced_accuracy": "mean of the shares that are recognised of each class; a coin has 0.5",
    "recall": "share of the defective photographs that are called defective",
    "precision": "share of truly defective ones among those called defective",
    "f1": "harmonic mean of recall and precision",
    "roc_auc": "how often a defective photograph is put above a healthy one; a coin has 0.5",
    "average_precision": "precision over all thresholds; a coin has the share of defects",
    "brier": "mean squared error of the probabilities; less is better",
    "log_loss": "punishes probabilities that are sure and wrong; less is better",
}

_OF_EACH_CLASS = {
    "balanced_accuracy": "share of a class that is recognised, mean over classes",
    "recall": "the same",
    "precision": "share of right ones among the verdicts for a class, mean over classes",
    "roc_auc": "each class against the rest, mean over classes; a coin has 0.5",
    "average_precision": "each class against the rest, mean over classes",
}


class Scored(Protocol):
    """Scores of one set of photographs; `pipeline.evaluation.predictions.Assessment` is one."""

    count: int
    parts: int
    scores: dict[str, float]
    intervals: Intervals


def section(
    sides: Mapping[str, Scored], predicted: Predictions, lead: str | None = None
) -> Section:
    """Give a table of every score.

    Args:
        sides: by name, such as "held out"; the one that counts first.
        predicted: the photographs that count.
        lead: what to say before.
    """
    binary = predicted.classes.binary
    meanings = _MEANINGS | ({} if binary else _OF_EACH_CLASS)
    first, *others = sides.values()
    titles = [title.replace(" ", NBSP) for title in sides]
    columns = ["score", titles[0], f"95{NBSP}%{NBSP}interval", *titles[1:], "what it is"]
    rows: list[Row] = [
        [
            TITLES[name],
            score(first.scores[name]),
            interval(*first.intervals[name]),
            *(score(side.scores[name]) for side in others),
            element("span", meanings[name], class_="meaning"),
        ]
        for name in TITLES
    ]
    of = "; ".join(
        f"{name}: {count(s.count, 'photograph')} of {count(s.parts, 'part')}"
        for name, s in sides.items()
    )
    body = [
        paragraphs(lead),
        table("Scores with their 95 % intervals", columns, rows, texts=[len(columns) - 1]),
        paragraphs(
            f"{of[:1].upper()}{of[1:]}. {about_intervals(first.intervals)}"
            + (_at_threshold(predicted) if binary else "")
        ),
    ]
    return Section("scores", "Scores: how good it is", join(body))


def _at_threshold(predicted: Predictions) -> str:
    if predicted.band.has_review:
        return (
            f" What is not passed, from {predicted.threshold:.4g} on, counts as called defective "
            "here, and so does what a person has to look at."
        )
    return f" Verdicts are at the threshold {predicted.threshold:.4g}."


def about_intervals(found: Intervals) -> str:
    """Say how the intervals were made, or why there are none."""
    if found.reason:
        return f"There are no intervals, for {found.reason}."
    return (
        f"Intervals: {found.method}. Photographs of one part resemble each other, so what counts "
        "is parts: few of them make wide intervals."
    )
