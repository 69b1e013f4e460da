"""All scores of a model with their intervals, and what each of them means."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.evaluation.predictions import Assessment, Predictions
from pipeline.evaluation.score_table import about_intervals, scores_table
from pipeline.groups.rules import GroupRule
from pipeline.output.wording import sentence
from pipeline.report.html import join, result_table
from pipeline.report.page import Section, paragraphs
from pipeline.thresholds.facts import NEITHER_WAY


def section(
    sides: Mapping[str, Assessment],
    predicted: Predictions,
    rule: GroupRule | None,
    lead: str | None = None,
) -> Section:
    """Give a table of every score.

    Args:
        sides: by name, such as "held out"; the one that counts first.
        predicted: the photographs that count.
        rule: where parts are known from; None where somebody said.
        lead: what to say before.
    """
    about = about_intervals(sides, rule)
    body = [
        paragraphs(lead),
        result_table(scores_table(sides, predicted.classes.binary, rule)),
        paragraphs(
            " ".join(map(sentence, about))
            + " Photographs of one part resemble each other, so what counts is parts: few of them "
            "make wide intervals." + (_at_threshold(predicted) if predicted.classes.binary else "")
        ),
    ]
    return Section("scores", "Scores: how good it is", join(body))


def _at_threshold(predicted: Predictions) -> str:
    if predicted.band.has_review:
        low, high = predicted.band.limits
        return f" Verdicts are below {low:.4g} and from {high:.4g} on; {NEITHER_WAY}."
    return f" Verdicts are at the threshold {predicted.threshold:.4g}."
