"""The registry of heads: a new head is one class and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from features.errors import HeadError
from pipeline.heads.base import Head, Scalar

HEADS: dict[str, str] = {
    "dense": "pipeline.heads.dense:DenseHead",
    "logistic": "pipeline.heads.linear_heads:LogisticHead",
    "ridge": "pipeline.heads.linear_heads:RidgeHead",
    "linear-svm": "pipeline.heads.linear_heads:LinearSVMHead",
    "lda": "pipeline.heads.kernel_heads:LDAHead",
    "rbf-svm": "pipeline.heads.kernel_heads:RBFSVMHead",
    "knn": "pipeline.heads.kernel_heads:KNNHead",
    "forest": "pipeline.heads.tree_heads:ForestHead",
    "boosting": "pipeline.heads.tree_heads:BoostingHead",
    "novelty": "pipeline.heads.novelty:NoveltyHead",
    "ensemble": "pipeline.heads.novelty:EnsembleHead",
    "majority": "pipeline.heads.tree_heads:MajorityHead",
}
"""Name on the command line -> "module:class"."""


def is_users(name: str) -> bool:
    """Say whether a head is a user's own estimator, named "module:Class"."""
    return ":" in name


def load_head_class(name: str) -> type[Head]:
    """Find the class of a head; its module is imported only now.

    Args:
        name: one of HEADS, or "module:Class" of a scikit-learn estimator, whose module is run:
            never a name that stands in a file, unless the user trusts it.

    Raises:
        HeadError: no head of this name, or no estimator there.
    """
    if is_users(name):
        from pipeline.heads.user_heads import user_head_class

        return user_head_class(name)
    if name not in HEADS:
        raise HeadError(
            f"unknown head {name!r}; expected one of {', '.join(HEADS)}, or module:Class of a "
            "scikit-learn estimator"
        )
    module, _, class_name = HEADS[name].partition(":")
    found: type[Head] = getattr(importlib.import_module(module), class_name)
    return found


def make_head(
    name: str, *, seed: int = 0, settings: Mapping[str, str | int | float] | None = None
) -> Head:
    """Give an untrained head.

    Args:
        name: one of HEADS, or "module:Class"; see `load_head_class`.
        seed: of everything random in its training.
        settings: by name, as text or numbers; those not given are chosen in `fit` or default.

    Raises:
        HeadError: unknown head or setting, or a value of the wrong type or out of range.

    Example:
        >>> head = onepass.make_head("knn", settings={"k": 5}).fit(X, y, groups)
        >>> head.predict_proba(X).shape
        (72, 2)
    """
    head = load_head_class(name)(seed=seed, **(settings or {}))
    head.settings  # noqa: B018 - a wrong value is said now, before anything is read or trained
    return head


__all__ = ["HEADS", "Head", "Scalar", "is_users", "load_head_class", "make_head"]
