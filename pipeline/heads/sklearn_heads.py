"""Heads that look at single features, trained on raw rows: forest, boosting, and the baseline."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from features.arrays import Floats, Indices, Rows
from features.errors import BundleError
from pipeline.heads.base import AnyRows, EpochProgress, Head, as_probabilities
from pipeline.heads.files import load_estimator, save_estimator


class RawHead(Head):
    """A scikit-learn estimator on raw rows."""

    space: ClassVar[Literal["rows", "raw"]] = "raw"
    streams: ClassVar[bool] = False
    _estimator: Any = None

    @abstractmethod
    def build(self, settings: dict[str, Any]) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """An untrained estimator with these settings and `self.seed`."""

    def seen(self, X: AnyRows) -> Rows:
        """What the estimator gets: columns that lie together make trees some 1.7 times faster."""
        return np.asfortranarray(X)

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        """Train on rows; see `Head._fit`. The settings are fixed, not searched."""
        self._estimator = self.build(self.chosen).fit(self.seen(X), y)

    def _predict_proba(self, X: Rows) -> Floats:
        """Probabilities (n, n_classes) of raw rows."""
        found = self._estimator.predict_proba(X)
        return as_probabilities(found, self.n_classes, self._estimator.classes_)

    def save(self, folder: Path) -> None:
        """Write settings.json and head.skops; see `Head.save`."""
        save_estimator(folder, self._estimator)
        self._save_settings(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; see `Head.load`."""
        head, _ = cls._load_settings(folder)
        head._estimator = load_estimator(folder, head.build(head.chosen))
        try:
            head.check(head._estimator)
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            raise BundleError(
                f"{folder} holds an estimator that was not trained ({error!r}); fit the model again"
            ) from error
        return head

    def check(self, estimator: Any) -> None:  # noqa: ANN401
        """Raise BundleError for a loaded estimator that does not fit `self`; see subclasses."""
        classes = np.asarray(estimator.classes_)
        if (
            classes.ndim != 1
            or classes.dtype.kind != "i"
            or not (0 <= classes.min() <= classes.max() < self.n_classes)
        ):
            raise BundleError(
                f"the head knows the classes {classes.tolist()}; expected numbers below "
                f"{self.n_classes}; do not use this model"
            )


class ForestHead(RawHead):
    """Random forest (Breiman, 2001): each split looks at the square root of the raw values."""

    name = "forest"
    title = "Random forest"
    calibrate_on: ClassVar = "share"
    finest = 0.01
    defaults: ClassVar = {"trees": 100, "min_samples_leaf": 1}
    ranges: ClassVar = {"trees": (1, 100_000), "min_samples_leaf": (1, 1_000_000)}

    def build(self, settings: dict[str, Any]) -> Any:  # noqa: ANN401
        """See `RawHead.build`."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_estimators=settings["trees"],
            min_samples_leaf=settings["min_samples_leaf"],
            max_features="sqrt",
            random_state=self.seed % 2**32,
        )

    def check(self, estimator: Any) -> None:  # noqa: ANN401
        """See `RawHead.check`; its trees as `check_trees`."""
        from sklearn.tree import DecisionTreeClassifier

        super().check(estimator)
        present = len(estimator.classes_)
        check_trees(estimator.estimators_, DecisionTreeClassifier, self.row_width, present)


class BoostingHead(RawHead):
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

    def build(self, settings: dict[str, Any]) -> Any:  # noqa: ANN401
        """See `RawHead.build`."""
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(
            n_estimators=settings["trees"],
            learning_rate=settings["learning_rate"],
            max_depth=settings["depth"],
            subsample=settings["subsample"],
            max_features="sqrt",
            random_state=self.seed % 2**32,
        )

    def check(self, estimator: Any) -> None:  # noqa: ANN401
        """See `RawHead.check`; its trees as `check_trees`."""
        from sklearn.tree import DecisionTreeRegressor

        super().check(estimator)
        trees = np.asarray(estimator.estimators_, object)
        check_trees(trees.ravel(), DecisionTreeRegressor, self.row_width, 1)


class MajorityHead(RawHead):
    """Always the class shares of the training rows: what every other head has to beat."""

    name = "majority"
    title = "Majority class"
    streams = True

    def seen(self, X: AnyRows) -> Rows:
        """Only how many rows there are."""
        return np.zeros((len(X), 1), np.float32)

    def build(self, settings: dict[str, Any]) -> Any:  # noqa: ANN401
        """See `RawHead.build`."""
        from sklearn.dummy import DummyClassifier

        return DummyClassifier(strategy="prior")


_LEAF = -1  # the children of a leaf


def check_trees(trees: Iterable[Any], kind: type[Any], row_width: int, outputs: int) -> None:
    """See that trees end, and look only at values that a row has.

    A node names its children and a value of the row by number. A number out of bounds reads
    other memory or ends the process; a child before its parent is a walk without end.

    Args:
        trees: scikit-learn's tree estimators.
        kind: their class.
        row_width: values of a row.
        outputs: values in a leaf: classes of a classifier, 1 of a regressor.

    Raises:
        BundleError: a tree is something else, or would not end well.
    """
    for number, estimator in enumerate(trees):
        tree = getattr(estimator, "tree_", None)
        if (
            type(estimator) is not kind
            or type(tree).__name__ != "Tree"
            or not _is_sound(tree, row_width, outputs)
        ):
            raise BundleError(
                f"tree {number} of the head is none that was trained on rows of {row_width} "
                "values; do not use this model"
            )


def _is_sound(tree: Any, row_width: int, outputs: int) -> bool:  # noqa: ANN401 - sklearn's Tree
    nodes = tree.node_count
    if nodes < 1 or tree.n_features != row_width or tree.value.shape != (nodes, 1, outputs):
        return False
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    own = np.arange(nodes)
    inner = left != _LEAF
    after = (left > own) & (left < nodes) & (right > own) & (right < nodes)
    inside = (feature >= 0) & (feature < row_width)
    return bool((after & inside)[inner].all() and (right[~inner] == _LEAF).all())
