"""The contract of every registered head, and what is particular to some."""

from __future__ import annotations

import json
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from rows import QUICK, sparse_rows
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from features.errors import BundleError, HeadError
from pipeline.evaluation.metrics import score
from pipeline.heads import HEADS, dense, load_head_class, make_head
from pipeline.heads.base import Head
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.dense import DenseHead, build_model

WIDTH = 160


def problem(n_classes: int = 2, *, held_out: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One of two halves of a small synthetic problem; they have no part in common."""
    X, y, groups = sparse_rows(240, WIDTH, n_classes=n_classes, effect=1.0)
    side = (groups >= 40) == held_out
    return X[side], y[side], groups[side]


def trained(name: str, n_classes: int = 2) -> Head:
    """Give a head trained on the half that is not held out."""
    X, y, groups = problem(n_classes, held_out=False)
    return make_head(name, settings=QUICK.get(name)).fit(X, y, groups, n_classes=n_classes)


def fresh(n_classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Give the half that was held out."""
    X, y, _ = problem(n_classes, held_out=True)
    return X, y


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", HEADS)
def test_every_head_learns_and_comes_back_from_the_disk(
    name: str, n_classes: int, tmp_path: Path
) -> None:
    """Probabilities are proper, better than chance, the same after save and load within 1e-5."""
    head = trained(name, n_classes)
    X, y = fresh(n_classes)
    P = head.predict_proba(X)
    assert P.shape == (len(X), n_classes)
    assert P.dtype == np.float64
    assert (P >= 0).all()
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-9)
    auc = score(y, P)["roc_auc"]
    assert auc == pytest.approx(0.5) if name == "majority" else auc > 0.7
    assert set(head.chosen) == set(head.defaults)
    assert head.predict_proba(X[:0]).shape == (0, n_classes)
    head.save(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = load_head_class(name).load(tmp_path)
    np.testing.assert_allclose(again.predict_proba(X), P, atol=1e-5)
    assert again.chosen == head.chosen
    assert (again.name, again.n_classes, again.input_width) == (name, n_classes, WIDTH)
    assert all(b"pickle" not in file.read_bytes() for file in tmp_path.glob("*.json"))


@pytest.mark.parametrize("name", HEADS)
def test_every_head_repeats_itself(name: str) -> None:
    """The same seed and rows give the same probabilities."""
    X, _ = fresh()
    np.testing.assert_allclose(
        trained(name).predict_proba(X), trained(name).predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize("name", HEADS)
def test_every_head_says_what_is_wrong(name: str) -> None:
    """Unknown settings, rows of another width and a single class are errors of one line."""
    with pytest.raises(HeadError, match=f"head '{name}' has no setting 'colour'"):
        make_head(name, settings={"colour": 1})
    head = trained(name)
    with pytest.raises(HeadError, match=f"trained on rows of {WIDTH} values"):
        head.predict_proba(np.zeros((2, WIDTH + 1), dtype=np.float32))
    X, _, groups = sparse_rows(12, WIDTH)
    with pytest.raises(HeadError, match="all of one class"):
        make_head(name).fit(X, np.ones(12, dtype=np.int64), groups, n_classes=2)


@pytest.mark.parametrize("name", HEADS)
def test_every_head_copes_with_too_few_parts_for_inner_folds(name: str) -> None:
    """With a single part in each class nothing can be chosen: the defaults are in force."""
    X, y, _ = sparse_rows(24, WIDTH, effect=1.0)
    head = make_head(name, settings=QUICK.get(name)).fit(X, y, y.copy(), n_classes=2)
    P = head.predict_proba(X)
    assert np.isfinite(P).all()
    assert head.chosen == dict(head.defaults) | QUICK.get(name, {})


@pytest.mark.parametrize("name", [n for n in HEADS if n != "majority"])
def test_every_head_copes_with_a_class_that_is_absent(name: str) -> None:
    """A class without training rows is possible in name, and never predicted."""
    X, y, groups = sparse_rows(60, WIDTH, effect=1.0)
    head = make_head(name, settings=QUICK.get(name)).fit(X, y * 2, groups, n_classes=3)
    P = head.predict_proba(X)
    assert P.shape == (60, 3)
    assert not (P.argmax(axis=1) == 1).any()


def test_an_unknown_head_is_refused_with_the_known_ones() -> None:
    """The message lists the registry."""
    with pytest.raises(HeadError, match="unknown head 'best'; expected one of dense, logistic"):
        make_head("best")


@pytest.mark.parametrize("value", ["many", "2.5", -3, 0, "nan"])
def test_a_setting_of_the_wrong_kind_is_refused(value: str | int) -> None:
    """A whole number in range is asked for; the message lists the settings."""
    with pytest.raises(HeadError, match=r"trees of head 'forest'.*whole number from 1"):
        make_head("forest", settings={"trees": value})


def test_settings_come_as_text_and_are_not_searched() -> None:
    """A given setting is taken as it is; a text setting has fixed options."""
    X, y, groups = sparse_rows(60, WIDTH)
    head = make_head("knn", settings={"k": "4", "weights": "uniform"})
    assert head.fit(X, y, groups, n_classes=2).chosen == {"k": 4, "weights": "uniform"}
    with pytest.raises(HeadError, match="expected one of distance, uniform"):
        make_head("knn", settings={"weights": "heavy"})


@pytest.mark.parametrize("name", ["logistic", "ridge", "linear-svm", "lda"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_a_linear_head_saves_works_on_raw_rows(
    name: str, n_classes: int, tmp_path: Path
) -> None:
    """The arrays alone, given to scikit-learn, give the head's probabilities for raw rows."""
    head = trained(name, n_classes)
    head.save(tmp_path)
    arrays = load_file(tmp_path / "head.safetensors")
    estimator = LogisticRegression()
    estimator.classes_ = np.arange(n_classes)
    estimator.coef_, estimator.intercept_ = arrays["coefficients"], arrays["intercepts"]
    X, _ = fresh(n_classes)
    np.testing.assert_allclose(estimator.predict_proba(X), head.predict_proba(X), atol=1e-12)
    assert estimator.coef_.shape == (1 if n_classes == 2 else n_classes, WIDTH)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_the_walk_down_the_trees_is_scikit_learns(
    name: str, absent: bool, n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept as arrays, trees say what scikit-learn's estimator says, to 1e-12."""
    X, y, _ = problem(n_classes, held_out=False)
    estimators = []
    kind = load_head_class(name)
    build = kind.estimator
    monkeypatch.setattr(kind, "estimator", lambda s: estimators.append(build(s)) or estimators[-1])
    classes = n_classes + absent
    head = make_head(name, settings={"trees": 20}).fit(
        X, np.where(y == n_classes - 1, classes - 1, y), np.arange(len(y)), n_classes=classes
    )
    rows, _ = fresh(n_classes)
    found = head.predict_proba(rows)
    expected = estimators[0].predict_proba(rows)
    np.testing.assert_allclose(found[:, estimators[0].classes_], expected, atol=1e-12, rtol=0)
    assert found[:, estimators[0].classes_].sum() == pytest.approx(len(rows))


@pytest.mark.parametrize("weights", ["distance", "uniform"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_vote_of_neighbours_is_scikit_learns(weights: str, n_classes: int) -> None:
    """On raw rows, in units of the row space, with distances under a tenth counting as a tenth."""
    X, y, groups = problem(n_classes, held_out=False)
    head = make_head("knn", settings={"k": 4, "weights": weights})
    head.fit(X, y, groups, n_classes=n_classes)
    scale = head._scale
    reference = KNeighborsClassifier(
        4, weights=weights if weights == "uniform" else lambda d: 1 / np.maximum(d, 0.1)
    ).fit(X.astype(float) / scale, y)
    rows = np.concatenate([fresh(n_classes)[0], X[:5]])
    np.testing.assert_allclose(
        head.predict_proba(rows), reference.predict_proba(rows.astype(float) / scale), atol=2e-5
    )


OLD = sorted((Path(__file__).parent / "old_models").glob("*.tar.xz"))


@pytest.mark.parametrize("archive", OLD, ids=lambda path: path.name.partition(".")[0])
def test_heads_of_the_first_version_predict_what_they_predicted(
    archive: Path, tmp_path: Path
) -> None:
    """Made by version 0.1.0, with skops: read as arrays, no object built, the same verdicts."""
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    name = archive.name.partition(".")[0][:-2]
    expected = json.loads((tmp_path / "expected.json").read_text())
    head = load_head_class(name).load(tmp_path)
    rows = np.array(expected["rows"], np.float32)
    np.testing.assert_allclose(
        head.predict_proba(rows),
        expected["probabilities"],
        atol=1e-12 if "svm" not in name else 1e-6,
    )
    assert head.chosen == expected["chosen"]
    (tmp_path / "again").mkdir()
    head.save(tmp_path / "again")
    again = load_head_class(name).load(tmp_path / "again")
    assert np.array_equal(again.predict_proba(rows), head.predict_proba(rows))


def test_a_dense_head_of_the_first_version_loads(tmp_path: Path) -> None:
    """Its weights stood in a Keras file."""
    head = trained("dense")
    network = build_model(WIDTH, 2, (0.1, 0.1, 0.3))
    layers = [layer for layer in network.layers if layer.weights]
    for layer, weights in zip(layers, head._layers, strict=True):
        layer.set_weights(list(weights))
    network.save(tmp_path / "head.keras")
    X, _ = fresh()
    expected = np.asarray(network(X))[:, 0]
    np.testing.assert_allclose(head.predict_proba(X)[:, 1], expected, atol=1e-6)
    record = {"head": "dense", "seed": 0, "n_classes": 2, "row_width": WIDTH,
              "chosen": head.chosen, "more": {}}  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(record))
    np.testing.assert_array_equal(DenseHead.load(tmp_path).predict_proba(X), head.predict_proba(X))


@pytest.mark.parametrize("name", HEADS)
def test_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    """Each file of a head cut short or missing is a BundleError, never a wrong answer."""
    head = trained(name)
    head.save(tmp_path)
    for file in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        content = file.read_bytes()
        for damaged in (b"", content[: len(content) // 2]):
            file.write_bytes(damaged)
            with pytest.raises(BundleError):
                type(head).load(tmp_path)
        file.unlink()
        with pytest.raises(BundleError):
            type(head).load(tmp_path)
        file.write_bytes(content)
    type(head).load(tmp_path)
    record = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps(record | {"head": "another"}))
    with pytest.raises(BundleError, match="'another'"):
        type(head).load(tmp_path)


def test_dense_is_the_write_ups_network() -> None:
    """On 51,200 values: 3,283,137 parameters, three hidden layers, one sigmoid."""
    model = build_model(51_200, 2, (0.5, 0.4, 0.3))
    assert model.count_params() == 3_283_137
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [64, 64, 32, 1]
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.5, 0.4, 0.3]
    assert model.layers[-1].activation.__name__ == "sigmoid"


def test_dense_reports_every_epoch_and_stops_early() -> None:
    """Progress comes per epoch; with patience, validation parts decide when to stop."""
    X, y, groups = sparse_rows(90, WIDTH, effect=1.0)
    seen: list[tuple[int, int]] = []
    head = make_head(
        "dense", settings={"epochs": 60, "patience": 2, "learning_rate": 0.02, "batch_size": 16}
    )
    head.fit(
        X, y, groups, n_classes=2, progress=lambda epoch, epochs, _: seen.append((epoch, epochs))
    )
    assert head.history is not None
    assert seen == [(i + 1, 60) for i in range(len(head.history))]
    assert len(seen) < 60
    losses = [epoch["val_loss"] for epoch in head.history]
    assert losses[-1] > min(losses) or len(losses) - 1 - int(np.argmin(losses)) == 2
    assert set(head.history[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.mark.parametrize("most", [10_000, 20])
def test_dense_is_kept_on_whole_rows_though_trained_along_axes(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first layer turned back gives the sums that the trained one gives."""
    monkeypatch.setattr(dense, "_AXES_ROWS", most)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 300)).astype(np.float32) + 5
    axes = dense._Axes.of(X, 0)
    seen = axes.along(X)
    assert seen.shape == (60, min(60, most) - 1)
    kernel = rng.normal(size=(seen.shape[1], 4)).astype(np.float32)
    bias = np.arange(4, dtype=np.float32)
    whole, shifted = axes.turned_back(kernel, bias)
    np.testing.assert_allclose(X @ whole + shifted, seen @ kernel + bias, atol=2e-3)


def test_dense_is_the_bare_network_where_that_is_asked_for() -> None:
    X = np.random.default_rng(0).normal(size=(20, 12)).astype(np.float32)
    y = np.arange(20) % 2
    bare = {"inputs": "raw", "learning_rate": 3e-4, "weight_decay": 0.0, "epochs": 1}
    head = make_head("dense", settings=bare).fit(X, y, np.arange(20), n_classes=2)
    assert head.chosen["inputs"] == "raw"
    assert [layer[0].shape for layer in head._layers] == [(12, 64), (64, 64), (64, 32), (32, 1)]


def test_dense_training_lowers_the_loss() -> None:
    """The loss of the last epoch is well below the first, and history has no validation."""
    head = trained("dense")
    assert head.history is not None
    assert head.history[-1]["loss"] < 0.8 * head.history[0]["loss"]
    assert set(head.history[0]) == {"epoch", "loss", "accuracy"}


def test_calibration_never_turns_the_order_round() -> None:
    """Values that look as if less were more: the order stays, close to the share of defects."""
    y = np.repeat([1, 0], [6, 14])
    decisions = np.linspace(-1, 1, 20) * 1e3
    made = Calibration.fit(decisions, y, 2)
    told = probabilities(made.logits(np.array([-2e3, 0.0, 2e3])))[:, 1]
    assert (np.diff(told) > 0).all()
    assert told == pytest.approx([0.3, 0.3, 0.3], abs=0.02)  # (6 + 1) / (20 + 2), smoothed
    constant = Calibration.fit(np.zeros(20), y, 2)
    assert probabilities(constant.logits(np.zeros(1)))[0, 1] == pytest.approx(told[1], abs=0.01)
    rising = probabilities(Calibration.fit(-decisions, y, 2).logits(-decisions))[:, 1]
    assert rising[0] > 0.8  # what does rank is calibrated as ever


def test_calibration_of_several_classes_never_turns_the_order_round() -> None:
    """Each class's values are low on its own rows, as folds of few parts can have them."""
    y = np.repeat([0, 1, 2], [6, 8, 14])
    rng = np.random.default_rng(1)
    decisions = rng.normal(0, 0.3, (28, 3)) - np.eye(3)[y] * [1e3, 1e3, 1.5e3]
    free = probabilities(Calibration.fit_freely(decisions, y, 3).logits(1e3 * np.eye(3)))
    assert (np.argmax(free, axis=1) != np.arange(3)).all()
    made = Calibration.fit(decisions, y, 3)
    told = probabilities(made.logits(decisions.mean(axis=0) + 1e3 * np.eye(3)))
    base = probabilities(made.logits(decisions.mean(axis=0)[None]))[0]
    assert (np.diag(told) > base).all()
    assert base == pytest.approx(np.array([6, 8, 14]) / 28, abs=0.05)
    right = Calibration.fit(-decisions, y, 3).logits(-decisions)
    assert (np.argmax(right, axis=1) == y).all()  # what does rank is calibrated as ever


def test_few_parts_do_not_turn_a_head_round() -> None:
    """Ridge on 20 parts: it never ranks new parts the wrong way round, though folds may say so."""
    turned = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y, fresh_y = np.repeat([1, 0], [6, 14]), np.repeat([1, 0], 150)
        shift = 3 * rng.standard_normal(60) / 60**0.5
        X, fresh_X = (
            rng.standard_normal((len(of), 60)) + of[:, None] * shift for of in (y, fresh_y)
        )
        head = make_head("ridge").fit(X.astype(np.float32), y, np.arange(20), n_classes=2)
        turned += score(fresh_y, head.predict_proba(fresh_X.astype(np.float32)))["roc_auc"] < 0.5
    assert turned == 0


def test_novelty_with_one_defective_part_knows_healthy_ones_that_it_has_not_seen() -> None:
    """Healthy parts are judged by the others, not by themselves: unseen ones pass as they do."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((123, 60)).astype(np.float32)
    y = np.array([0] * 80 + [1] * 3 + [0] * 40)
    X[y == 1, :20] += 3
    groups = np.array([n // 2 for n in range(80)] + [40] * 3 + list(range(41, 81)))
    head = make_head("novelty").fit(X[:83], y[:83], groups[:83], n_classes=2)
    assert (head.predict_proba(X[83:])[:, 1] >= 0.5).mean() < 0.2
    assert (head.predict_proba(X[80:83])[:, 1] > head.predict_proba(X[83:])[:, 1].mean()).all()
