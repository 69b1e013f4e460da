"""Synthetic rows for tests of heads: non-negative, about 70 % zeros, a few rows per part."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

QUICK: dict[str, dict[str, Any]] = {
    "dense": {"epochs": 6, "learning_rate": 0.003, "dropout_1": 0.1, "dropout_2": 0.1},
    "forest": {"trees": 30},
    "boosting": {"trees": 30},
}


Indices = npt.NDArray[np.int64]


def sparse_rows(
    n: int, width: int, *, n_classes: int = 2, per_part: int = 3, effect: float = 0.6, seed: int = 0
) -> tuple[npt.NDArray[np.float32], Indices, Indices]:
    """Rows, class numbers and groups; rows of one part resemble each other."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // per_part
    y = groups % n_classes
    hidden = rng.standard_normal((n, width)) - 0.7
    hidden += 0.4 * rng.standard_normal((groups.max() + 1, width))[groups]
    marks = rng.standard_normal((n_classes, width)) * (rng.random(width) < 0.1)
    hidden += effect * marks[y]
    order = rng.permutation(n)
    return np.maximum(hidden, 0).astype(np.float32)[order], y[order], groups[order]


def history(epochs: int, validation: bool = False) -> list[dict[str, float]]:
    """Give a training that goes well."""
    rows = []
    for n in range(1, epochs + 1):
        row = {"epoch": float(n), "loss": 0.7 / n, "accuracy": 1 - 0.4 / n}
        rows.append(row | ({"val_loss": 0.8 / n, "val_accuracy": 0.5} if validation else {}))
    return rows
