"""pipeline.heads.tuning: settings are chosen on parts that were not learned from."""

from __future__ import annotations

import numpy as np

from pipeline.heads.tuning import inner_folds


def test_inner_folds_keep_parts_together() -> None:
    """A part on both sides would choose settings that remember it."""
    groups = np.repeat(np.arange(18), 4)
    y = (groups % 2).astype(np.int64)
    rounds = inner_folds(y, groups, 0)
    assert len(rounds) == 3
    for one in rounds:
        assert not np.intersect1d(groups[one.train], groups[one.test]).size
