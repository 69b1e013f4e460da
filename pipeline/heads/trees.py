"""Trained trees out of a file: scikit-learn follows their numbers without looking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from features.errors import BundleError

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
