"""pipeline.groups.similarity: how likely strangers are to look so much alike."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.groups.similarity import Similarity, Tail, similarity_of, ticks


def test_a_pair_counts_as_the_photograph_with_the_more_alike_strangers_sees_it() -> None:
    """Alike means little to a photograph that many strangers resemble, whoever is asked first."""
    vectors = np.array([[1, 0], [0.8, 0.6], [0.8, 0.6]], dtype=np.float32)
    floor, spread = np.array([0.1, 0.7, 0.1]), np.array([0.05, 0.05, 0.05])
    tail = Tail(floor.astype(np.float32), spread.astype(np.float32), 4)
    similarity = Similarity(vectors, tail, np.zeros((3, 1), np.int64))
    usual = 4 * np.exp(-(0.8 - 0.1) / 0.05)
    common = 4 * np.exp(-(0.8 - 0.7) / 0.05)
    a, b = np.array([0, 1, 0]), np.array([1, 0, 2])
    assert tail.strangers(similarity.likeness(a, b), a, b) == pytest.approx(
        [common, common, usual], rel=1e-4
    )


def test_passes_are_told_of_as_photographs() -> None:
    """Two passes over ten photographs are ten photographs, and never more."""
    told: list[tuple[int, int]] = []
    tick = ticks(lambda done, total: told.append((done, total)), 10, passes=2)
    for _ in range(5):
        tick(5)
    assert told == [(2, 10), (5, 10), (7, 10), (10, 10), (10, 10)]
    ticks(None, 10)(3)


def test_comparing_tells_how_far_it_is() -> None:
    """Each vector is counted once it was compared with all others."""
    told: list[tuple[int, int]] = []
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity_of(vectors, ticks(lambda done, total: told.append((done, total)), 40, 1))
    assert told[-1] == (40, 40)
