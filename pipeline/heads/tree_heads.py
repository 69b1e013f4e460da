"""Heads made of trees: trained by scikit-learn, kept as arrays, asked by walking down these.

The baseline that every head has to beat is the smallest tree: one leaf with the class shares.

scikit-learn walks its trees without looking where it steps: a node that names a child or a value
out of bounds reads other memory, one that names itself is a walk without end. So no tree of a file
is ever given to it. The walk here is the same, one level of all trees at a time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from pipeline.heads.base import AnyRows, EpochProgress, Head, as_probabilities, by_columns
from pipeline.heads.calibration import probabilities
from pipeline.heads.files import Arrays
from pipeline.heads.old_files import Found, join_trees, log_odds

_BLOCK_ROWS = 512


class Trees(NamedTuple):
    """Trees one behind the other, their nodes numbered through.

    Attributes:
        starts: int64 (trees + 1,), the first node of each, and how many nodes there are.
        left, right: int64 (nodes,), the children; -1 of a leaf.
        feature: int64 (nodes,), the value of a row that is looked at; -1 of a leaf.
        threshold: float64 (nodes,); rows whose value is at most this go left.
        values: float64 (nodes, outputs), what a leaf says.
    """

    starts: Indices
    left: Indices
    right: Indices
    feature: Indices
    threshold: Floats
    values: Floats

    @classmethod
    def of(cls, estimators: Sequence[Any]) -> Trees:
        """Take the trees out of scikit-learn's estimators, which were trained here."""
        states = [estimator.tree_.__getstate__() for estimator in estimators]
        return cls(**join_trees([(state["nodes"], state["values"]) for state in states]))

    @classmethod
    def restore(cls, arrays: Arrays, input_width: int, outputs: int) -> Trees:
        """Read trees, and see that each walk ends and looks only at values that a row has.

        Raises:
            BundleError: a child does not stand behind its parent in the same tree, a leaf has
                one, or a number is out of range.
        """
        left = arrays.integers("left", (None,), -1, 2**40)
        nodes = len(left)
        right = arrays.integers("right", (nodes,), -1, nodes)
        starts = arrays.integers("starts", (None,), 0, nodes + 1)
        feature = arrays.integers("feature", (nodes,), -1, input_width)
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != nodes or (np.diff(starts) < 1).any():
            arrays.refuse("starts", f"no first nodes of trees of {nodes} nodes", "rising numbers")
        own, inner = np.arange(nodes), left != -1
        end = np.repeat(starts[1:], np.diff(starts))
        behind = (left > own) & (left < end) & (right > own) & (right < end) & (feature >= 0)
        if not np.where(inner, behind, right == -1).all():
            arrays.refuse("left", "trees whose walks do not end", "children behind their parents")
        return cls(
            starts,
            left,
            right,
            feature,
            arrays.floats("threshold", (nodes,)).astype(np.float64),
            arrays.floats("values", (nodes, outputs)).astype(np.float64),
        )

    def sums(self, X: Rows, start: Floats) -> Floats:
        """Add up what the leaves of all trees say of rows (n, input_width), tree by tree.

        Args:
            X: float32 rows.
            start: float64 (outputs, or any number that the trees are dealt out to in turn).

        Returns:
            float64 (n, len(start)).
        """
        found = np.tile(start, (len(X), 1))
        turns = len(start) // self.values.shape[1]
        for at in range(0, len(X), _BLOCK_ROWS):
            block = found[at : at + _BLOCK_ROWS]
            for number, leaves in enumerate(self._leaves(X[at : at + _BLOCK_ROWS]).T):
                column = number % turns
                width = self.values.shape[1]
                block[:, column * width : (column + 1) * width] += self.values[leaves]
        return found

    def _leaves(self, X: Rows) -> Indices:
        """Find where each row (n) ends in each tree: node numbers (n, trees)."""
        trees = len(self.starts) - 1
        at = np.tile(self.starts[:-1], len(X))
        row = np.repeat(np.arange(len(X)), trees)
        walking = np.flatnonzero(self.left[at] != -1)
        while len(walking):
            nodes = at[walking]
            goes_left = X[row[walking], self.feature[nodes]] <= self.threshold[nodes]
            nodes = np.where(goes_left, self.left[nodes], self.right[nodes])
            at[walking] = nodes
            walking = walking[self.left[nodes] != -1]
        return at.reshape(len(X), trees)


class TreeHead(Head):
    """A head made of trees; its settings are fixed, not searched.

    The classes that stood in the training rows, which its outputs are of, are `_present`.
    """

    space: ClassVar[Literal["rows", "raw"]] = "raw"
    streams: ClassVar[bool] = False
    by_columns: ClassVar[bool] = True
    _trees: Trees
    _present: Indices

    @abstractmethod
    def estimator(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Make an untrained estimator with the settings in force."""

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        # Columns that lie together make trees some 1.7 times faster.
        lie_so = isinstance(X, np.ndarray) and X.flags.f_contiguous
        rows = X if lie_so else by_columns(X, np.arange(len(X)))
        trained = self.estimator().fit(rows, y)
        self._present = trained.classes_.astype(np.int64)
        self._keep(trained, y)

    @abstractmethod
    def _keep(self, trained: Any, y: Indices) -> None:  # noqa: ANN401 - scikit-learn has no types
        """Take what is needed out of the trained estimator."""

    def _arrays(self) -> Found:
        return self._trees._asdict() | {"present": self._present}

    def _restore_present(self, arrays: Arrays) -> int:
        """Read which classes the trees know; how many."""
        self._present = arrays.integers("present", (None,), 0, self.n_classes)
        known = len(self._present)
        if known < 2 or (np.diff(self._present) < 1).any():
            arrays.refuse("present", f"{known} classes", "rising class numbers, two or more")
        return known


class ForestHead(TreeHead):
    """Random forest (Breiman, 2001): each split looks at the square root of the raw values."""

    name = "forest"
    title = "Random forest"
    calibrate_on: ClassVar = "share"
    finest = 0.01
    defaults: ClassVar = {"trees": 100, "min_samples_leaf": 1}
    ranges: ClassVar = {"trees": (1, 100_000), "min_samples_leaf": (1, 1_000_000)}

    def estimator(self) -> Any:  # noqa: ANN401 - of scikit-learn, by name
        """See `TreeHead.estimator`."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_estimators=self.chosen["trees"],
            min_samples_leaf=self.chosen["min_samples_leaf"],
            max_features="sqrt",
            random_state=self.seed % 2**32,
        )

    def _keep(self, trained: Any, y: Indices) -> None:  # noqa: ANN401 - of scikit-learn, by name
        self._trees = Trees.of(trained.estimators_)

    def _predict_proba(self, X: Rows) -> Floats:
        """Average the class shares in the trees' leaves."""
        shares = self._trees.sums(X, np.zeros(len(self._present)))
        return as_probabilities(shares, self.n_classes, self._present)

    def _restore(self, arrays: Arrays) -> None:
        known = self._restore_present(arrays)
        self._trees = Trees.restore(arrays, self.input_width, known)
        shares = self._trees.values[self._trees.left == -1]
        if (shares < 0).any() or (shares.sum(axis=1) <= 0).any():
            arrays.refuse("values", "leaves without shares of the classes", "shares above 0")


class BoostingHead(TreeHead):
    """Stochastic gradient boosting (Friedman, 2002).

    Half the rows per tree, and at each split the square root of the raw values, which is what
    makes 51,200 of them affordable.
    """

    name = "boosting"
    title = "Gradient boosting"
    calibrate_on: ClassVar = "logit"
    defaults: ClassVar = {"trees": 150, "learning_rate": 0.1, "depth": 3, "subsample": 0.5}
    ranges: ClassVar = {
        "trees": (1, 100_000),
        "learning_rate": (1e-6, 10.0),
        "depth": (1, 64),
        "subsample": (0.01, 1.0),
    }
    _initial: Floats

    def estimator(self) -> Any:  # noqa: ANN401 - of scikit-learn, by name
        """See `TreeHead.estimator`."""
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(
            n_estimators=self.chosen["trees"],
            learning_rate=self.chosen["learning_rate"],
            max_depth=self.chosen["depth"],
            subsample=self.chosen["subsample"],
            max_features="sqrt",
            random_state=self.seed % 2**32,
        )

    def _keep(self, trained: Any, y: Indices) -> None:  # noqa: ANN401 - of scikit-learn, by name
        trees = Trees.of(trained.estimators_.ravel())
        self._trees = trees._replace(values=trees.values * float(trained.learning_rate))
        self._initial = log_odds(np.bincount(y)[self._present] / len(y))

    def _predict_proba(self, X: Rows) -> Floats:
        """Compute sigmoid, or softmax, of where boosting started and what each tree adds."""
        shares = probabilities(self._trees.sums(X, self._initial))
        return as_probabilities(shares, self.n_classes, self._present)

    def _arrays(self) -> Found:
        return super()._arrays() | {"initial": self._initial}

    def _restore(self, arrays: Arrays) -> None:
        known = self._restore_present(arrays)
        self._initial = arrays.floats("initial", (1 if known == 2 else known,)).astype(np.float64)
        self._trees = Trees.restore(arrays, self.input_width, 1)


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
