"""The threshold of a model that knows good parts alone, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.good_alone import rejected
from pipeline.thresholds.facts import threshold_facts
from pipeline.thresholds.good_alone import choose_by_good
from pipeline.thresholds.rule import ThresholdRule


@pytest.mark.parametrize(("parts", "share"), [(10, 0.05), (18, 0.05), (60, 0.05), (300, 0.02)])
def test_no_confidence_is_claimed_of_parts_that_were_trained_on(parts: int, share: float) -> None:
    """The model that judges learned from these parts: what is said is an expectation."""
    p = (np.arange(parts) + 1) / (parts + 1)
    decision = choose_by_good(p, np.arange(parts), share, ThresholdRule())
    assert "95%" not in decision.note
    assert "confidence" not in decision.note
    assert "of good parts" in decision.note
    assert "an estimate, no bound" in decision.note
    above = int((p >= decision.band.reject_from).sum())
    assert f"about {(above + 1) / (parts + 1):.2g} of good parts" in decision.note
    assert "nothing" not in threshold_facts(decision, ("good", "bad")).text()  # the note says it


def test_on_average_fewer_good_parts_are_rejected_than_asked_for() -> None:
    """With the head itself, on rows that neither it nor its threshold has seen."""
    found = [rejected(60, 0.1, seed, heavy=False) for seed in range(8)]
    assert np.mean(found) < 0.1
