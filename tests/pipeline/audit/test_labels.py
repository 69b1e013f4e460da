"""pipeline.audit.labels: what makes a label suspect, on probabilities made by hand."""

from __future__ import annotations

import numpy as np

from pipeline.audit.labels import suspect_labels


def test_a_suggested_class_is_more_probable_than_all_others_together() -> None:
    """A weak head's thresholds are low: reaching one of them is not enough."""
    y = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    P = np.array(
        [
            [0.50, 0.25, 0.25], [0.50, 0.25, 0.25], [0.28, 0.45, 0.27],
            [0.30, 0.40, 0.30], [0.30, 0.40, 0.30], [0.30, 0.40, 0.30],
            [0.05, 0.60, 0.35], [0.30, 0.30, 0.40], [0.30, 0.30, 0.40],
        ]
    )  # fmt: skip
    ranked = suspect_labels(y, P).ranked
    assert [(one.row, one.given, one.suggested) for one in ranked] == [(6, 2, 1)]
