"""The baseline: what every other head has to beat."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from pipeline.heads.base import AnyRows, EpochProgress, Head
from pipeline.heads.files import Arrays


class MajorityHead(Head):
    """Always the class shares of the training rows: what every other head has to beat."""

    name = "majority"
    title = "Majority class"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    _shares: Floats

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        self._shares = np.bincount(y, minlength=self.n_classes) / len(y)

    def _predict_proba(self, X: Rows) -> Floats:
        return np.tile(self._shares, (len(X), 1))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"shares": self._shares}

    def _restore(self, arrays: Arrays) -> None:
        shares = arrays.floats("shares", (self.n_classes,))
        if (shares < 0).any() or not 0.999 < shares.sum() < 1.001:
            arrays.refuse("shares", f"shares that add up to {shares.sum():g}", "1")
        self._shares = shares
