"""pipeline.thresholds.claims: nothing is claimed of parts that nobody named."""

from __future__ import annotations

import numpy as np
import pytest

from features.errors import ThresholdError
from pipeline.thresholds.claims import require_told, why_apart
from pipeline.thresholds.rule import ThresholdRule


@pytest.mark.parametrize("groups", ["proposed", "none"])
@pytest.mark.parametrize("option", ["max_missed", "max_false"])
def test_a_claim_about_proposed_parts_is_refused(groups: str, option: str) -> None:
    """With the three ways to say which photographs show one part."""
    rule = ThresholdRule(**{option: 0.05})
    with pytest.raises(ThresholdError, match=f"--{option.replace('_', '-')} .*only proposed") as e:
        require_told(rule, groups)
    for way in ("--groups", "--group-regex", "--group-gap"):
        assert way in str(e.value)


@pytest.mark.parametrize("groups", ["table", "regex", "gap"])
def test_a_claim_about_parts_that_somebody_named_is_taken(groups: str) -> None:
    """And what is no claim is taken of any parts."""
    require_told(ThresholdRule(max_missed=0.05), groups)
    require_told(ThresholdRule(), "proposed")
    require_told(ThresholdRule(cost_missed=50, cost_false=1), "none")


@pytest.mark.parametrize(
    ("kind", "mixed", "apart"),
    [("proposed", 0, False), ("proposed", 1, False), ("proposed", 2, True), ("regex", 9, False)],
)
def test_proposed_parts_of_several_classes_are_judged_photograph_by_photograph(
    kind: str, mixed: int, apart: bool
) -> None:
    """A merged part would pass a defective one among good ones; who named parts is believed."""
    groups = np.repeat(np.arange(20), 2)
    y = (groups % 2).astype(np.int64)
    y[: 2 * mixed : 2] = 1 - y[: 2 * mixed : 2]
    said = f"{mixed} of the 20 proposed parts with several photographs have several classes"
    assert why_apart(kind, y, groups) == (said if apart else "")


def test_one_mixed_part_is_the_only_one() -> None:
    """Two photographs of it have two classes; the others stand alone."""
    said = why_apart("proposed", np.array([0, 1, 0]), np.array([7, 7, 8]))
    assert said == "the only proposed part with several photographs has several classes"
