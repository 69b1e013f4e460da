"""pipeline.heads.dense: what it trains on and what it stops by."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from rows import sparse_rows

from pipeline.heads import dense


class Seen(Exception):
    """Stands for the training, of which only the rows matter."""


def test_threads_that_draw_meanwhile_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's generator is that of all threads of a process: a cluster's worker draws of it."""
    X, y, groups = sparse_rows(40, 20)

    def trained() -> bytes:
        head = dense.DenseHead(seed=5, epochs=2)
        head.fit(X, y, groups, n_classes=2)
        return head.predict_proba(X).tobytes()

    undisturbed, seed = trained(), dense.seed_everything
    monkeypatch.setattr(dense, "seed_everything", lambda given: (seed(given), random.random()))
    assert trained() == undisturbed
    # The seeds are those that Keras draws by itself where nobody else does.
    seed(5)
    own = keras.layers.Dense(8, name="own")
    own.build((None, 20))
    start = dense.build_model(20, 2, (0.1, 0.1, 0.1), 5).get_layer("dense_1")
    assert own.kernel_initializer.seed == start.kernel_initializer.seed


def test_early_stopping_holds_out_whole_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No part has photographs on both sides, or training would stop by what it has learned."""

    def epochs(_head: object, _X: object, _y: object, train: object, *rest: object) -> None:
        raise Seen(train, rest[0])

    monkeypatch.setattr(dense, "seed_everything", lambda _: None)
    monkeypatch.setattr(dense, "build_model", lambda *_: None)
    monkeypatch.setattr(dense.DenseHead, "_epochs", epochs)
    X, y, groups = sparse_rows(90, 20)
    with pytest.raises(Seen) as caught:
        dense.DenseHead(patience=3).fit(X, y, groups, n_classes=2)
    train, validation = caught.value.args
    assert len(train) > len(validation) > 0
    assert sorted([*train, *validation]) == list(range(90))
    assert not np.intersect1d(groups[train], groups[validation]).size
