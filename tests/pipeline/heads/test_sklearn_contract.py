"""Every registered head is a classifier to scikit-learn: clones, pipelines, searches, checks."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest
from rows import sparse_rows
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from features.errors import HeadError
from pipeline.heads import HEADS, Head, make_head

SMALL: dict[str, dict[str, Any]] = {
    "dense": {"epochs": 2}, "forest": {"trees": 5}, "boosting": {"trees": 5},
    "linear-svm": {"C": 1.0}, "rbf-svm": {"C": 1.0, "gamma": 0.5},
    "knn": {"k": 3}, "logistic": {"C": 10.0},
}  # fmt: skip


def small(name: str) -> Head:
    """Give a head that trains in little time."""
    return make_head(name, seed=3, settings=SMALL.get(name))


@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_a_classifier_to_scikit_learn(name: str) -> None:
    """Parameters, clone, labels of any kind, pipeline, cross-validation, search, pickle."""
    X, numbers, groups = sparse_rows(36, 12, effect=3.0)
    y = np.array(["good", "torn"])[numbers]
    head = small(name)
    assert is_classifier(head)
    parameters = head.get_params()
    assert set(parameters) == {"seed", *head.defaults}
    assert list(inspect.signature(type(head)).parameters) == list(parameters)
    copy = clone(head)
    assert copy is not head
    assert copy.get_params() == parameters
    assert copy.set_params(seed=4).seed == 4
    assert repr(head).startswith(f"{type(head).__name__}(seed=3")
    with pytest.raises(ValueError, match="no setting 'colour'"):
        copy.set_params(colour=1)
    with pytest.raises(NotFittedError, match="is not trained"):
        head.predict(X)
    head.fit(X.astype(np.float64).tolist(), y, [f"part {n}" for n in groups])
    assert head.classes_.tolist() == ["good", "torn"]
    assert set(head.predict(X)) <= {"good", "torn"}
    assert not hasattr(copy, "classes_")
    again = pickle.loads(pickle.dumps(head))
    np.testing.assert_allclose(again.predict_proba(X), head.predict_proba(X), atol=1e-6)
    found = cross_validate(
        make_pipeline(StandardScaler(), small(name)), X, y, groups=groups,
        cv=StratifiedGroupKFold(2), error_score="raise",
    )  # fmt: skip
    assert np.isfinite(found["test_score"]).all()


@pytest.mark.parametrize("name", [name for name in HEADS if make_head(name).defaults])
def test_every_head_can_be_searched(name: str) -> None:
    """GridSearchCV sets settings by name; the settings in force are those that it chose."""
    X, y, groups = sparse_rows(36, 12, effect=3.0)
    head = small(name)
    setting, value = next(
        (k, v) for k, v in head.defaults.items() if k not in head.options and k != "epochs"
    )
    values = [value, max(1, value * 2) if isinstance(value, int) else value / 2]
    search = GridSearchCV(head, {setting: values}, cv=StratifiedGroupKFold(2), error_score="raise")
    search.fit(X, y, groups=groups)
    assert search.best_estimator_.chosen[setting] == search.best_params_[setting]
    assert search.best_params_[setting] in values


def test_parts_go_to_fit_where_metadata_are_routed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With scikit-learn's routing on, `groups` reach splitter and head alike."""
    X, y, groups = sparse_rows(36, 12, effect=3.0)
    seen = []
    real = Head._check

    def note(self: Head, X: Any, y: Any, groups: Any) -> None:
        seen.append(len(np.unique(groups)) < len(y))
        real(self, X, y, groups)

    monkeypatch.setattr(Head, "_check", note)
    with config_context(enable_metadata_routing=True):
        cross_validate(small("ridge"), X, y, params={"groups": groups}, cv=StratifiedGroupKFold(3),
                       error_score="raise")  # fmt: skip
    assert seen == [True] * 3
    cross_validate(small("ridge"), X, y, groups=groups, cv=StratifiedGroupKFold(3))
    assert seen[3:] == [False] * 3


def test_values_are_checked_when_the_head_is_fitted() -> None:
    """A setting of the wrong kind that came by set_params is a HeadError, and a ValueError."""
    X, y, _ = sparse_rows(36, 12)
    with pytest.raises(ValueError, match="expected a number from") as caught:
        make_head("ridge").set_params(alpha="much").fit(X, y)
    assert isinstance(caught.value, HeadError)
    with pytest.raises(HeadError, match="and 3 groups; expected one"):
        make_head("ridge").fit(X, y, [1, 2, 3])


EXCLUDED: dict[str, dict[str, str]] = {
    "majority": {
        "check_classifiers_train": "it looks at no row, so it is right about half of them"
    },
}
"""scikit-learn's checks that a head does not pass, and why; every other one, of all heads, is."""

LEFT_OUT = {
    "dense": "fifty networks built and trained take minutes; it passes with 30 epochs",
    "ensemble": "fifty ensembles take long; its members are checked one by one, as is its contract",
}


@pytest.mark.parametrize("name", [name for name in HEADS if name not in LEFT_OUT])
@pytest.mark.filterwarnings("ignore:.*does not inherit from:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(name: str) -> None:
    """`check_estimator` finds nothing but what is excluded for a reason."""
    excluded = EXCLUDED.get(name, {})
    head = make_head(name, settings=SMALL.get(name))
    results = check_estimator(head, expected_failed_checks=excluded, on_fail=None)
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(excluded)
    assert sum(r["status"] == "passed" for r in results) >= 49
