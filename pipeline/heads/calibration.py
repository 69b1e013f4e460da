"""Decision values to probabilities, and probabilities that cannot be believed to such that can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices

LEAST_SLOPE = 0.01
"""Log-odds for each standard deviation of decision values: next to nothing, but a rising map."""


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

        The map always rises, by LEAST_SLOPE at least. Few parts can make values that were not
        trained on look as if less were more, even of a head that ranks well: folds with many
        defects leave few to train on, and are judged low. Then the order is kept, and all
        probabilities lie close to the share of defects; of several classes, to those that one
        slope for all of them gives.
        """
        made = cls.fit_freely(decisions, y, n_classes)
        values = decisions.reshape(len(y), -1)
        unit = _units(values)
        if n_classes > 2:
            own = np.diag(made.slope) - (made.slope.sum(axis=1) - np.diag(made.slope)) / (
                n_classes - 1
            )
            return made if (own * unit >= LEAST_SLOPE).all() else cls._of_one_slope(values, y)
        if made.slope[0, 0] * unit[0] >= LEAST_SLOPE:
            return made
        share = float(_smoothed(y, 2)[:, 1].mean())
        slope = np.array([[LEAST_SLOPE / unit[0]]])
        return cls(slope, np.log([share / (1 - share)]) - decisions.mean() * slope[0])

    @classmethod
    def _of_one_slope(cls, values: Floats, y: Indices) -> Calibration:
        """Fit one slope for all of several classes, above 0, and an offset for each."""
        from scipy.optimize import minimize
        from scipy.special import log_softmax

        n_classes = values.shape[1]
        centre, unit = values.mean(axis=0), float(_units(values.reshape(-1, 1))[0])
        scaled, wanted = (values - centre) / unit, _smoothed(y, n_classes)

        def loss(free: Floats) -> float:
            """Give the cross entropy of a slope and offsets."""
            return -float((wanted * log_softmax(free[0] * scaled + free[1:], axis=1)).sum())

        start = np.concatenate([[LEAST_SLOPE], np.log(wanted.mean(axis=0))])
        bounds = [(LEAST_SLOPE, None)] + [(None, None)] * n_classes
        slope, *offset = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x.tolist()
        return cls(np.eye(n_classes) * slope / unit, np.array(offset) - centre * slope / unit)

    @classmethod
    def fit_freely(cls, decisions: Floats, y: Indices, n_classes: int) -> Calibration:
        """Fit as `fit` does, but the map may fall."""
        from sklearn.linear_model import LogisticRegression

        values = decisions.reshape(len(y), -1)
        centre, unit = values.mean(axis=0), _units(values)
        model = LogisticRegression(C=1e4, solver="lbfgs", tol=1e-8, max_iter=10_000)
        model.fit(
            np.repeat((values - centre) / unit, n_classes, axis=0),
            np.tile(np.arange(n_classes), len(y)),
            sample_weight=_smoothed(y, n_classes).ravel(),
        )
        slope = model.coef_.T / unit[:, None]
        return cls(slope, model.intercept_ - centre @ slope)

    def logits(self, decisions: Floats) -> Floats:
        """Compute (n, 1) for two classes, else (n, n_classes)."""
        return decisions.reshape(len(decisions), -1) @ self.slope + self.offset


def _units(values: Floats) -> Floats:
    """Give the standard deviations of the columns; 1 where nothing varies."""
    centre, unit = values.mean(axis=0), values.std(axis=0)
    return np.where(unit > 1e-12 * np.abs(centre).max(initial=1e-300), unit, 1.0)


def _smoothed(y: Indices, n_classes: int) -> Floats:
    """Say how far each row counts as each class, (n, n_classes)."""
    members = np.bincount(y, minlength=n_classes)
    own = (members + 1) / (members + n_classes)
    weights: Floats = np.repeat(((1 - own) / (n_classes - 1))[y][:, None], n_classes, axis=1)
    weights[np.arange(len(y)), y] = own[y]
    return weights


Scale = Literal["logit", "share"]
"""What a sigmoid is fitted on: log-odds, for heads that end in a sigmoid of their own, or the
probability itself, for those that count votes."""

# What keeps log-odds finite at 0 and 1. Networks that are too sure say 1e-14 of half of the
# photographs, and their order has to stay; close to 1 float32 has no steps smaller than this.
ABOVE_0, BELOW_1 = 1e-15, 6e-8


@dataclass(frozen=True)
class Recalibration:
    """A rising map of a head's own probability of a defect to a calibrated one; two classes.

    Attributes:
        scale: what `slope` and `offset` work on.
        slope: above 0, so that the order of photographs stays.
        offset: of the log-odds.
    """

    scale: Scale
    slope: float
    offset: float

    @classmethod
    def fit(cls, p: Floats, y: Indices, scale: Scale) -> Self | None:
        """Fit `Calibration`'s sigmoid on probabilities (n,) of rows that were not trained on.

        Returns:
            None where a higher probability does not mean more defects.
        """
        made = Calibration.fit_freely(_on_scale(p, scale), y, 2)
        slope = float(made.slope[0, 0])
        return cls(scale, slope, float(made.offset[0])) if slope > 0 else None

    def apply(self, P: Floats) -> Floats:
        """Map probabilities (n, 2) to probabilities (n, 2)."""
        return probabilities(
            (self.slope * _on_scale(P[:, 1], self.scale) + self.offset).reshape(-1, 1)
        )

    def to_json(self) -> dict[str, str | float]:
        """Give the map as it stands in `model.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it wrote something else.
        """
        scale: Scale = "logit" if record["scale"] == "logit" else "share"
        made = cls(scale, float(record["slope"]), float(record["offset"]))
        if record["scale"] != scale or not (0 < made.slope < np.inf and np.isfinite(made.offset)):
            raise ValueError(f"no calibration: {dict(record)}")
        return made


def _on_scale(p: Floats, scale: Scale) -> Floats:
    if scale == "share":
        return p
    return np.asarray(np.log(p + ABOVE_0) - np.log(1 - p + BELOW_1))


def probabilities(logits: npt.NDArray[Any]) -> Floats:
    """Compute the sigmoid of (n, 1) as two columns, or the softmax of (n, k)."""
    values: Floats = logits.astype(np.float64)
    if values.shape[1] == 1:
        values = np.column_stack([np.zeros(len(values)), values[:, 0]])
    highest: Floats = values.max(axis=1, keepdims=True)
    values = np.exp(values - highest)
    total: Floats = values.sum(axis=1, keepdims=True)
    return values / total
