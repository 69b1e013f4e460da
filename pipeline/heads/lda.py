"""Linear discriminant analysis with a shrunk covariance, solved in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pipeline.heads.base import Floats, Indices
from pipeline.heads.linear import Linear, LinearHead
from pipeline.rowspace import RowSpace


class LDAHead(LinearHead):
    """Normal classes with one covariance, shrunk by a fixed share towards its mean variance.

    The same as scikit-learn's LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...) on raw
    rows. (Ledoit and Wolf's automatic shrinkage looks at single values, so it has no such form.)
    The mean variance is over all raw values, most directions of which the training rows do not
    reach: with n much smaller than the row's width, useful shares lie close to 1.
    """

    name = "lda"
    title = "LDA (shrinkage)"
    defaults: ClassVar = {"shrinkage": 0.99}
    ranges: ClassVar = {"shrinkage": (1e-6, 1.0)}
    grid: ClassVar = {"shrinkage": (0.9999, 0.999, 0.99, 0.9, 0.5)}

    def train_compact(
        self, space: RowSpace, y: Indices, n_classes: int, candidates: Sequence[Mapping[str, Any]]
    ) -> Iterator[Linear]:
        """Solve (D - U U') w = mean by the Woodbury identity.

        The scatter of all rows is diagonal in the row space; that within the classes is the same
        less one term per class, so each solution costs r numbers and one small system.
        """
        coordinates, n = space.train.coordinates, len(y)
        members = np.bincount(y, minlength=n_classes)
        means = (coordinates.T @ np.eye(n_classes)[y]) / members
        factors = means * np.sqrt(members / n)
        trace = space.values.sum() / n - (factors**2).sum()
        for candidate in candidates:
            share = float(candidate["shrinkage"])
            diagonal = (1 - share) * space.values / n + share * trace / self.row_width
            solved = _woodbury(diagonal, np.sqrt(1 - share) * factors, means)
            offset = np.log(members / n) - (means * solved).sum(axis=0) / 2
            if n_classes == 2:
                yield Linear(solved[:, 1:] - solved[:, :1], offset[1:] - offset[:1])
            else:
                yield Linear(solved, offset)


def _woodbury(diagonal: Floats, U: Floats, B: Floats) -> Floats:
    """Solve (diag(diagonal) - U U') W = B for U (r, k) and B (r, c) with k much below r."""
    # Rows that do not vary within their classes leave nothing to divide by.
    inverse = 1 / np.maximum(diagonal, 1e-12 * max(float(diagonal.max()), 1e-12))
    scaled = U * inverse[:, None]
    small = np.eye(U.shape[1]) - U.T @ scaled
    return B * inverse[:, None] + scaled @ np.linalg.solve(small, scaled.T @ B)
