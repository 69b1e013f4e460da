"""A user's own scikit-learn estimator as a head, and rows for scikit-learn's own tools."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from models import Toy, write_parts
from rows import sparse_rows
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pipeline
from features.backbones.registry import BACKBONES
from features.errors import BundleError, HeadError
from pipeline.heads import load_head_class, make_head

NEAREST = '''
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Nearest(ClassifierMixin, BaseEstimator):
    """The nearer mean."""

    def __init__(self, power=2.0, square=False, note=None):
        self.power, self.square, self.note = power, square, note

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == c].mean(axis=0) for c in self.classes_])
        if self.note == "odd":
            self.odd_ = lambda: 0
        return self

    def predict_proba(self, X):
        far = np.stack([((X - m) ** 2).sum(axis=1) ** (self.power / 2) for m in self.means_], 1)
        e = np.exp(-(far - far.min(axis=1, keepdims=True)))
        return e / e.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Sure(BaseEstimator):
    """No classifier."""

    def fit(self, X, y):
        return self
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a module of the user's, in the current folder."""
    name = f"mine_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(NEAREST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


@pytest.mark.parametrize(
    "path",
    ["sklearn.naive_bayes:GaussianNB", "sklearn.ensemble:HistGradientBoostingClassifier",
     "sklearn.neighbors:KNeighborsClassifier", "Nearest"],
)  # fmt: skip
def test_a_users_estimator_is_a_head(path: str, module: str, tmp_path: Path) -> None:
    """It learns, predicts as it does alone, and comes back from the disk without pickle."""
    name = path if ":" in path else f"{module}:{path}"
    X, y, groups = sparse_rows(60, 20, effect=2.0)
    head = make_head(name, seed=1).fit(X, y * 2, groups, n_classes=3)
    alone = load_head_class(name).kind()
    if "random_state" in alone.get_params():
        alone.set_params(random_state=1)
    P = head.predict_proba(X)
    np.testing.assert_allclose(P[:, [0, 2]], alone.fit(X, y).predict_proba(X), atol=1e-6)
    assert not P[:, 1].any()
    (tmp_path / "head").mkdir()
    head.save(tmp_path / "head")
    again = load_head_class(name).load(tmp_path / "head")
    np.testing.assert_array_equal(again.predict_proba(X), P)
    assert again.chosen == head.chosen


def test_settings_are_the_constructors_parameters(module: str) -> None:
    """Texts are read by the type of the default; what the class does not have is refused."""
    head = make_head(f"{module}:Nearest", settings={"power": "1", "square": "true", "note": "7"})
    assert head.settings == {"power": 1.0, "square": True, "note": 7}
    with pytest.raises(HeadError, match=r"setting power of head .* is 'much'; expected a value"):
        make_head(f"{module}:Nearest", settings={"power": "much"})
    with pytest.raises(HeadError, match="has no setting 'k'; its settings are: note, power"):
        make_head(f"{module}:Nearest", settings={"k": 1})


def test_what_is_no_estimator_is_refused(module: str, tmp_path: Path) -> None:
    """Each with its reason: no module, no class, no classifier, nothing that can be kept."""
    X, y, groups = sparse_rows(20, 6)
    for name in ("nowhere:Class", f"{module}:Absent", "os:system", ":", f"{module}:np"):
        with pytest.raises(HeadError, match="expected module:Class of a scikit-learn estimator"):
            load_head_class(name)
    for name in (f"{module}:Sure", "sklearn.linear_model:Ridge", "sklearn.svm:LinearSVC"):
        with pytest.raises(HeadError, match="no classifier with probabilities"):
            make_head(name).fit(X, y, groups, n_classes=2)
    odd = make_head(f"{module}:Nearest", settings={"note": "odd"}).fit(X, y, groups, n_classes=2)
    with pytest.raises(HeadError, match="cannot be kept without pickle"):
        odd.save(tmp_path)


def test_a_model_with_a_users_estimator_opens_where_the_user_says_so(
    run: Run, module: str, tmp_path: Path
) -> None:
    """Fit and compare-heads take it; predict and evaluate want --trust, and import nothing else."""
    name = f"{module}:Nearest"
    write_parts(Path("data"), 12)
    assert run("extract", "--weights", "random", "--group-regex", r"part-(\d+)")[0] == 0
    code, _, err = run("fit", "--head", name, "--set", "power=1")
    assert code == 0, err
    write_parts(Path("new"), 1, first=600)
    code, _, err = run("predict", "model", "new")
    assert code == 1
    assert f"error: model holds a user's own estimator, {name}" in err
    assert "--trust" in err
    assert err.count("\n") == 1
    assert run("predict", "model", "new", "--trust")[0] == 0
    assert run("evaluate")[0] == 1
    assert run("evaluate", "--trust")[0] == 0
    assert run("info", "model")[0] == 0
    code, _, err = run(
        "compare-heads", "--heads", f"{name},majority", "--folds", "2", "--repeats", "1"
    )
    assert code == 0, err
    code, _, err = run("fit", "--head", "best", "--out", "m2")
    assert code == 1
    assert f"name it yourself: --head {name}" in err


def test_a_model_cannot_name_a_module_by_itself(run: Run, module: str) -> None:
    """A forged name imports nothing without --trust; with it, what is no estimator is refused."""
    import json

    write_parts(Path("data"), 12)
    assert run("extract", "--weights", "random", "--group-regex", r"part-(\d+)")[0] == 0
    assert run("fit", "--head", "majority")[0] == 0
    about = json.loads(Path("model/model.json").read_text())
    Path("model/model.json").write_text(json.dumps(about | {"head": f"{module}:Absent"}))
    with pytest.raises(BundleError, match="--trust"):
        pipeline.load_bundle(Path("model"))
    assert module not in sys.modules
    with pytest.raises(HeadError, match="expected module:Class"):
        pipeline.load_bundle(Path("model"), trust=True)


def test_rows_for_scikit_learn(tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_rows` gives X, y and groups; `BottleneckFeatures` turns paths into the same rows."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    root, cache = write_parts(tmp_path / "data", 12), tmp_path / "features.h5"
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    pipeline.extract_folder(root, cache, pipeline.ExtractOptions(weights="random", group_rule=rule))
    X, y, groups = pipeline.load_rows(cache, features="avg")
    assert (X.shape, X.dtype, y.shape, len(set(groups))) == ((36, 3), np.float32, (36,), 12)
    dataset = pipeline.load_dataset(cache)
    paths = [root / table_row.path for table_row in dataset.table_rows]
    calls = toy.photographs
    features = pipeline.BottleneckFeatures(cache, weights="random", features="avg")
    np.testing.assert_array_equal(features.fit_transform(paths), X)
    assert toy.photographs == calls  # every row was there
    model = make_pipeline(features, StandardScaler(), LogisticRegression())
    scores = cross_val_score(model, [str(path) for path in paths], y, groups=groups,
                             cv=GroupKFold(3), error_score="raise")  # fmt: skip
    assert scores.mean() > 0.8
    fresh = write_parts(tmp_path / "new", 1, first=900)
    new = sorted(fresh.rglob("*.png"))
    assert features.transform(new).shape == (3, 3)
    assert toy.photographs == calls + 3
    with pytest.raises(ValueError, match="cannot be read"):
        (tmp_path / "broken.png").write_bytes(b"\x89PNG")
        features.transform([tmp_path / "broken.png"])
    with pytest.raises(ValueError, match="expected root"):
        pipeline.BottleneckFeatures(cache, features="nothing:such").fit(paths)
