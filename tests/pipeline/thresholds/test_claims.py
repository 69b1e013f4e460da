"""pipeline.thresholds.claims: nothing is claimed of parts that nobody named."""

from __future__ import annotations

import pytest

from features.errors import ThresholdError
from pipeline.thresholds.claims import require_told
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
