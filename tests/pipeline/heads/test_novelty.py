"""pipeline.heads.novelty: how the ensemble's members are put together."""

from __future__ import annotations

import numpy as np
import pytest
from rows import sparse_rows

from pipeline.heads import make_head
from pipeline.heads.novelty import EnsembleHead


def test_the_ensemble_says_the_mean_of_its_members_log_odds() -> None:
    """Each member counts for half, also where one is much surer than the other."""
    X, y, groups = sparse_rows(60, 40)
    head = make_head("ensemble").fit(X, y, groups, n_classes=2)
    assert isinstance(head, EnsembleHead)
    members = [member.predict_proba(X) for member in head._trained]
    odds = [np.log(P[:, 1] / P[:, 0]) for P in members]
    assert np.abs(odds[0] - odds[1]).max() > 0.5
    P = head.predict_proba(X)
    assert np.log(P[:, 1] / P[:, 0]) == pytest.approx(np.mean(odds, axis=0), abs=1e-6)
