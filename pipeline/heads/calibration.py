"""Decision values to probabilities: a sigmoid, or softmax for more than two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.heads.base import Floats, Indices


@dataclass(frozen=True)
class Calibration:
    """An affine map of decision values to logits.

    Attributes:
        slope: float64 (k, k_out); k is 1 for two classes, else the number of classes.
        offset: float64 (k_out,).
    """

    slope: Floats
    offset: Floats

    @classmethod
    def fit(cls, decisions: Floats, y: Indices, n_classes: int) -> Calibration:
        """Fit on decision values (n,) or (n, n_classes) of rows that the head was not trained on.

        Platt's sigmoid with his smoothed targets ("Probabilistic outputs for support vector
        machines", 1999), and its multinomial form: a row of a class with n members counts as that
        class with probability (n + 1) / (n + n_classes), the rest going to the other classes
        evenly. So perfectly separated values do not become perfect certainty.
        """
        from sklearn.linear_model import LogisticRegression

        values = decisions.reshape(len(y), -1)
        centre, unit = values.mean(axis=0), values.std(axis=0)
        unit = np.where(unit > 1e-12 * np.abs(centre).max(initial=1e-300), unit, 1.0)
        members = np.bincount(y, minlength=n_classes)
        own = (members + 1) / (members + n_classes)
        weights = np.repeat(((1 - own) / (n_classes - 1))[y][:, None], n_classes, axis=1)
        weights[np.arange(len(y)), y] = own[y]
        model = LogisticRegression(C=1e4, solver="lbfgs", tol=1e-8, max_iter=10_000)
        model.fit(
            np.repeat((values - centre) / unit, n_classes, axis=0),
            np.tile(np.arange(n_classes), len(y)),
            sample_weight=weights.ravel(),
        )
        slope = model.coef_.T / unit[:, None]
        return cls(slope, model.intercept_ - centre @ slope)

    def logits(self, decisions: Floats) -> Floats:
        """(n, 1) for two classes, else (n, n_classes)."""
        return decisions.reshape(len(decisions), -1) @ self.slope + self.offset


def probabilities(logits: npt.NDArray[Any]) -> Floats:
    """Sigmoid of (n, 1) as two columns, or softmax of (n, k)."""
    values: Floats = logits.astype(np.float64)
    if values.shape[1] == 1:
        values = np.column_stack([np.zeros(len(values)), values[:, 0]])
    highest: Floats = values.max(axis=1, keepdims=True)
    values = np.exp(values - highest)
    total: Floats = values.sum(axis=1, keepdims=True)
    return values / total
