"""pipeline.model.familiar: what is unlike, how often that is wrong, and how it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.cache.row_parts import RowParts
from pipeline.model.familiar import RATE, Familiar, familiar_vectors, too_many
from pipeline.model.predict import Prediction
from pipeline.terminal.predictions import predictions


def photographs(parts: int, each: int, seed: int, kind: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length 1 of parts of one product, `each` photographs of a part."""
    product = np.abs(np.random.default_rng((kind, 9)).normal(1, 0.6, 64))
    rng = np.random.default_rng((seed, kind))
    groups = np.repeat(np.arange(parts), each)
    values = product + 0.25 * rng.standard_normal((parts, 64))[groups]
    values += 0.1 * rng.standard_normal((len(groups), 64))
    found = np.maximum(values, 0).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True), groups


def test_new_parts_are_called_unlike_as_rarely_as_is_stated() -> None:
    """Over draws, 1 % of new parts have a photograph above the limit; another product always."""
    alarms = []
    for seed in range(25):
        known = Familiar.of(*photographs(120, 3, seed))
        assert known is not None
        assert known.rate == RATE
        new, groups = photographs(100, 3, seed + 1000)
        unlike = known.distances(new) > 1
        alarms.append(len(np.unique(groups[unlike])) / 100)
        assert (known.distances(photographs(5, 1, seed, kind=1)[0]) > 1).all()
    assert np.mean(alarms) <= 0.02


def test_few_parts_state_what_they_can() -> None:
    """Of 30 parts one in 31 is the least that can be promised; of four nothing is said."""
    found = Familiar.of(*photographs(30, 2, 0))
    assert found is not None
    assert found.rate == pytest.approx(1 / 31)
    assert Familiar.of(*photographs(4, 2, 0)) is None


def test_a_part_is_not_compared_with_itself() -> None:
    """Many photographs of each part, nearly alike, do not make the limit small."""
    few, many = (Familiar.of(*photographs(120, each, 3)) for each in (1, 6))
    assert few is not None
    assert many is not None
    assert many.limit > 0.7 * few.limit


def test_it_is_kept_as_plain_arrays() -> None:
    """To the bit, and anything else in its place is refused."""
    found = Familiar.of(*photographs(30, 2, 0))
    assert found is not None
    again = Familiar.from_bytes(found.to_bytes())
    assert (again.vectors == found.vectors).all()
    assert (again.limit, again.rate) == (found.limit, found.rate)
    broken = Familiar(found.vectors[:1], found.limit, found.rate)
    with pytest.raises(ValueError, match="vectors of shape"):
        Familiar.from_bytes(broken.to_bytes())


def test_looks_are_means_of_the_map_over_places_and_views() -> None:
    """By hand: two views of a map of 1 x 2 places and two channels, with a tap behind it."""
    row_parts = RowParts((1, 2, 2), {"tap": 1})
    inputs = np.array([[1, 0, 3, 0, 99, 0, 2, 0, 4, 99]], dtype=np.float32)
    assert familiar_vectors(inputs, row_parts, 2) == pytest.approx(
        np.array([[0.5547, 0.8321]]), abs=1e-4
    )


def test_a_batch_that_changed_is_told_from_chance() -> None:
    """One or two in a hundred are chance; a third of twenty is not."""
    assert not too_many(2, 100, 0.01)
    assert not too_many(3, 300, 0.01)
    assert too_many(7, 20, 0.01)


def test_what_cannot_be_read_is_no_part_to_compare() -> None:
    """Unreadable files beside three strange photographs do not make these few."""
    strange = [Prediction(f"{n}.png", Path(f"{n}.png"), "review", strangeness=2) for n in range(3)]
    broken = [Prediction(f"x{n}", Path(f"x{n}"), error="the file is empty") for n in range(60)]
    assert "warning: 3 of 3 new parts are unlike" in predictions([*strange, *broken], rate=0.05)
