"""Variants: seeded, and for training only: no split judges one, no head hears of a held-out one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rows import sparse_rows
from toy import ToyBackbone, photograph, write_folder

import pipeline
from features.backbones.settings import BACKBONES
from features.cache.cache import Cache
from features.errors import DataError, SplitError
from features.photographs.decode import RECIPES, decode, decode_views
from features.photographs.views import variants_of, vary
from pipeline.data.splits import folds, holdout, variant_group
from pipeline.heads import HEADS
from pipeline.heads.gram import gram
from pipeline.heads.tuning import TrainingPart
from pipeline.thresholds.rule import ThresholdRule
from pipeline.thresholds.train import TrainingRows, train
from pipeline.training.cross_validate import compare

DIGEST = "ab" * 32
N, WIDTH, K = 60, 40, 2


def smooth() -> np.ndarray:
    """A photograph whose pixels differ from place to place, softly."""
    y, x = np.mgrid[0:224, 0:224]
    return np.stack([x, y, 120 + 0 * x], axis=2).astype(np.uint8)


def test_a_variant_is_seeded_by_photograph_and_number() -> None:
    """The same twice, another for another number or photograph, and never the photograph itself."""
    pixels = smooth()
    made = vary(pixels, DIGEST, 0)
    assert made.shape == pixels.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, vary(pixels, DIGEST, 0))
    for other in (pixels, vary(pixels, DIGEST, 1), vary(pixels, "cd" * 32, 0)):
        assert np.abs(made.astype(int) - other).mean() > 1


def test_a_variants_pixels_are_pinned() -> None:
    """Cached rows depend on them: whoever changes these must change the name of the view."""
    made = vary(smooth(), DIGEST, 0).astype(int)
    corners = [made[place].tolist() for place in ((0, 0), (0, -1), (111, 111), (-1, 0), (-1, -1))]
    assert corners == [[21, 0, 116], [216, 49, 116], [86, 86, 116], [0, 124, 116], [152, 216, 116]]


def test_variants_stay_within_their_ranges() -> None:
    """The middle of the photograph stays in the picture, and no light is more than 20 % off."""
    pixels = np.full((64, 64, 3), 100, np.uint8)
    lights = [int(vary(pixels, DIGEST, number).mean()) for number in range(60)]
    assert 80 <= min(lights) < 86
    assert 114 < max(lights) <= 120
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[28:36, 28:36] = 255
    assert all(vary(pixels, DIGEST, number).max() > 150 for number in range(60))


def test_the_decoder_makes_them_of_the_full_view() -> None:
    """A variant of a file is `vary` of its decoded pixels and the SHA-256 of its bytes."""
    import hashlib

    data, recipe = photograph(3, (300, 200), "JPEG"), RECIPES["imagenet"]
    made = decode_views(data, recipe, variants_of(2))
    digest = hashlib.sha256(data).hexdigest()
    for number in range(2):
        assert np.array_equal(made[number], vary(decode(data, recipe), digest, number))


# ---- splits -----------------------------------------------------------------------------


def with_variants() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, classes and groups of photographs, and behind them of K variants of each."""
    X, y, groups = sparse_rows(N, WIDTH)
    rng = np.random.default_rng(3)
    moved = [X + 0.05 * rng.random(X.shape, np.float32) for _ in range(K)]
    all_groups = np.concatenate([groups, *[variant_group(groups)] * K])
    return np.concatenate([X, *moved]), np.tile(y, K + 1), all_groups


def test_splits_never_judge_a_variant() -> None:
    """Folds and holdouts are those without variants; these are trained on with their part."""
    _, y, groups = with_variants()
    plain = folds(y[:N], groups[:N], n_folds=4, repeats=2)
    found = folds(y, groups, n_folds=4, repeats=2)
    pairs = [(one.train, one.test) for one in found] + [holdout(y, groups)]
    bare = [(one.train, one.test) for one in plain] + [holdout(y[:N], groups[:N])]
    for (train_rows, test), (train_alone, test_alone) in zip(pairs, bare, strict=True):
        assert np.array_equal(test, test_alone)
        assert np.array_equal(train_rows[train_rows < N], train_alone)
        variants = train_rows[train_rows >= N]
        assert np.array_equal(np.unique(variants % N), train_alone)
        assert len(variants) == K * len(train_alone)
    with pytest.raises(SplitError, match="by part"):
        folds(y, groups, kind="random")


def test_inner_folds_of_the_row_space_keep_them_out() -> None:
    """What is in the rows of a part's variants reaches nothing that is trained without the part."""
    X, y, groups = with_variants()
    part = TrainingPart(gram(X), y, groups, n_classes=2, row_width=WIDTH, seed=0)
    for fold in part.inner:
        assert (groups[fold.test_rows] >= 0).all()
    first = part.inner[0]
    held = np.isin(variant_group(groups), groups[first.test_rows])
    poisoned = X + 100 * held[:, None] * np.arange(WIDTH, dtype=np.float32)
    again = TrainingPart(gram(poisoned), y, groups, n_classes=2, row_width=WIDTH, seed=0)
    np.testing.assert_array_equal(again.inner[0].space.basis, first.space.basis)
    np.testing.assert_array_equal(again.inner[0].test.coordinates, first.test.coordinates)
    assert not np.array_equal(again.inner[1].space.values, part.inner[1].space.values)


@pytest.mark.parametrize(
    ("kind", "heads"), [("grouped", ["logistic", "boosting"]), ("random", ["knn"])]
)
def test_held_out_variants_change_nothing(kind: str, heads: list[str]) -> None:
    """A fold's results are the same to the bit whatever its held-out photographs' variants are."""
    X, y, groups = with_variants()
    options = {"heads": heads, "n_folds": 2, "repeats": 1, "kind": kind, "n_jobs": 1}
    found = compare(X, y[:N], groups[:N], augmented=K, **options)
    alone = compare(X[:N], y[:N], groups[:N], **options)
    fold = found.folds[0]
    poisoned = X.copy()
    for block in range(1, K + 1):
        poisoned[fold.test + block * N] = 1e3 * np.arange(1, WIDTH + 1)
    again = compare(poisoned, y[:N], groups[:N], augmented=K, **options)
    for head in heads:
        one, other = found.of(head)[0], again.of(head)[0]
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert len(one.probabilities) == len(fold.test)
    changed = [found.of(h)[0].probabilities - alone.of(h)[0].probabilities for h in heads]
    assert all(np.abs(difference).max() > 0 for difference in changed), "variants must be learnt"
    assert np.array_equal(found.folds[0].train, alone.folds[0].train)


@pytest.mark.parametrize(
    "rule", [ThresholdRule(), ThresholdRule.parse("0.5"), ThresholdRule.parse(None, max_missed=0.4)]
)
def test_thresholds_are_chosen_on_photographs_alone(rule: ThresholdRule) -> None:
    """What was judged and what was learned are photographs; the variants were trained on."""
    X, y, groups = with_variants()
    made = train("lda", TrainingRows(X, y, groups, ("ok", "bad"), 0.25), rule)
    bare = train("lda", TrainingRows(X[:N], y[:N], groups[:N], ("ok", "bad"), 0.25), rule)
    assert np.array_equal(made.learned, bare.learned)
    assert np.isfinite(made.p).all()
    if made.judged is not None and bare.judged is not None:
        assert np.array_equal(made.judged.rows, bare.judged.rows)
    assert not np.array_equal(made.head.predict_proba(X[:N]), bare.head.predict_proba(X[:N]))


@pytest.mark.parametrize("head", HEADS)
def test_every_head_takes_variants(head: str) -> None:
    """Whatever a head does inside, it trains on rows of variants and gives probabilities."""
    X, y, groups = with_variants()
    settings = {"epochs": 2, "patience": 1} if head == "dense" else {}
    made = pipeline.make_head(head, settings=settings)
    made.fit(X, y, groups, n_classes=2)
    P = made.predict_proba(X[:N])
    assert np.isfinite(P).all()
    np.testing.assert_allclose(P.sum(axis=1), 1)


# ---- the whole way ----------------------------------------------------------------------


def test_fit_with_variants(
    tmp_path: Path, toy: type[ToyBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`augment` is refused without variants; with them the model says so, the holdout is bare."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    folder, cache = write_folder(tmp_path / "data", {"Healthy": 24, "defects": 16}), tmp_path / "c"
    rule = pipeline.GroupRule("regex", r"(\w+/part-\d+)")
    pipeline.extract_folder(folder, cache, weights="random", group_rule=rule)
    fixed = ThresholdRule.parse("0.5")
    options = {"head": "logistic", "threshold": fixed, "with_gap": False}
    data = pipeline.load_dataset(cache)
    with pytest.raises(DataError, match="--augment 4"):
        pipeline.fit(data, tmp_path / "m", augment=True, **options)
    pipeline.extract_folder(folder, cache, augment=2)
    data = pipeline.load_dataset(cache)
    assert data.augmented == 2
    done = pipeline.fit(data, tmp_path / "m", augment=True, **options)
    bare = pipeline.fit(data, tmp_path / "bare", **options)
    assert (done.about["augmented"], bare.about["augmented"]) == (2, 0)
    assert np.array_equal(done.sides[0], bare.sides[0])
    assert done.train.count == bare.train.count == len(done.sides[0])
    assert not np.array_equal(done.judged.probabilities, bare.judged.probabilities)
    bundle = pipeline.load_bundle(tmp_path / "m")
    assert bundle.about["augmented"] == 2
    assert bundle.views.names == ("full",)
    with Cache.read(cache) as opened:
        assert len(opened) == 3 * 40 + 1  # and the witness
