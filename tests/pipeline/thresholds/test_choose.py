"""pipeline.thresholds.choose: a calibration is judged by photographs that it was not fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.thresholds.choose import OutOfFold, choose
from pipeline.thresholds.rule import ThresholdRule


def predicted(seed: int, parts: int = 40) -> OutOfFold:
    """Parts with a photograph each, whose probabilities are true."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, parts)
    y = (rng.random(parts) < p).astype(np.int64)
    rows = np.arange(parts)
    return OutOfFold(rows, y, rows, p, rows % 5, aside=False, seconds=0.0)


def test_probabilities_that_are_true_are_seldom_calibrated() -> None:
    """On the photographs that it is fitted on a map always helps; on others, only if it is one."""
    made = [choose(predicted(seed), ThresholdRule(), "logit").calibration for seed in range(20)]
    assert sum(one is not None for one in made) <= 6


def test_a_calibration_is_worth_what_it_does_to_other_photographs() -> None:
    """What is told of calibrated probabilities is worse than on what the map was fitted on."""
    one = predicted(0, 60)
    p = 1 / (1 + ((1 - one.p) / one.p) ** 4)  # four times too sure
    told = replace(one, p=p)
    made = choose(told, ThresholdRule(), "logit")
    assert made.calibration is not None
    unseen = made.decision.unseen
    assert unseen is not None
    fitted = made.calibration.apply(np.column_stack([1 - p, p]))[np.arange(60), one.y]
    assert unseen.reliability.log_loss > -np.log(fitted).mean() + 1e-4
