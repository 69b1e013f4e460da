"""From a probability of a defect to pass, reject or "a person has to look"."""

from pipeline.evaluation.band import DEFAULT_THRESHOLD, REVIEW, REVIEW_NAME, Band
from pipeline.thresholds.decision import Decision, Unseen
from pipeline.thresholds.outcome import Outcome, Reliability
from pipeline.thresholds.rule import ThresholdRule

__all__ = [
    "DEFAULT_THRESHOLD",
    "REVIEW",
    "REVIEW_NAME",
    "Band",
    "Decision",
    "Outcome",
    "Reliability",
    "ThresholdRule",
    "Unseen",
]
