"""Feature spaces: what a head sees of a photograph, from cached rows to fit and heatmap."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import write_parts
from toy import ToyBackbone

import pipeline
from features.backbones.registry import BACKBONES
from features.cache.cache import Cache
from features.cache.row_parts import RowParts
from features.errors import BundleError, FeatureSpecError, HeadError
from pipeline.feature_specs.heads import Contender, HeadOnCachedRows, on_cached_rows
from pipeline.feature_specs.rows import SpecRows, rows_in
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heatmaps.explain import explain
from pipeline.heatmaps.maps import cell_scores, logits
from pipeline.model.probabilities import predict_holdout

spec_of = FeatureSpec.parse

PARTS = RowParts((2, 3, 4), {"mixed4-max": 3, "mixed7": 2})


def rows(n: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, PARTS.cached_width), dtype=np.float32)


def seen(text: str, *views: np.ndarray) -> np.ndarray:
    return spec_of(text).of(views or (rows(),), PARTS)


def test_poolings_are_what_their_names_say() -> None:
    """Mean and largest over positions, the map, intermediate layers by name, side by side."""
    X = rows()
    maps = X[:, :24].reshape(5, 6, 4)
    np.testing.assert_array_equal(seen("flat"), X[:, :24])
    np.testing.assert_allclose(seen("avg"), maps.mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(seen("max"), maps.max(axis=1))
    np.testing.assert_array_equal(seen("taps"), X[:, 24:])
    np.testing.assert_array_equal(seen("mixed7"), X[:, 27:])
    both = np.hstack([maps.max(axis=1), X[:, 24:27]])
    np.testing.assert_array_equal(seen("max+mixed4-max"), both)
    assert spec_of("max+mixed4-max").width(PARTS) == 7


def test_root_takes_roots_and_brings_every_pooling_to_length_1() -> None:
    """So that one with large values does not outvote the other; zeros stay zeros."""
    X = rows()
    X[0] = 0
    X[1] *= -1
    found = seen("avg+mixed4-max:root", X)
    assert (found[0] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(found[1:, :4], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[1:, 4:], axis=1), 1, rtol=1e-5)
    assert (found[1] < 0).all()
    np.testing.assert_array_equal(seen("taps:root"), seen("mixed4-max+mixed7:root"))
    plain = seen("avg", X)[2]
    np.testing.assert_allclose((found[2, :4] / found[2, 0]) ** 2, plain / plain[0], rtol=1e-4)


def test_views_are_averaged_or_their_largest_taken() -> None:
    """Views are pooled one by one; the sets of a spec may share views."""
    views = [rows(seed=seed) for seed in range(5)]
    pooled = np.stack([seen("avg", view) for view in views])
    both = spec_of("full+tiles:2x2:avg")
    assert both.views == ("full", *(f"tiles:2x2/{number}" for number in range(4)))
    np.testing.assert_allclose(both.of(views, PARTS), pooled.mean(axis=0), rtol=1e-5)
    largest = spec_of("full+tiles:2x2:avg:max").of(views, PARTS)
    np.testing.assert_array_equal(largest, pooled.max(axis=0))
    assert len(spec_of("tiles:2x2+five:avg").views) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are not understood"),
        ("avg,max", "are not understood"),
        ("tiles:2x2", "are not understood"),
        ("avg+avg", "name something twice"),
        ("avg:root:root", "name something twice"),
        ("avg:min", "end in 'min'; expected root or max there"),
        ("avg:max", "see one view"),
        ("five:avg:any", "end in 'any', which this version no longer has"),
        ("five:avg:vote:root", "end in 'vote', which this version no longer has"),
        ("tiles:0x2:avg", "unknown views 'tiles:0x2'"),
        ("../x", "are not understood"),
    ],
)
def test_what_is_not_understood_is_said_in_one_line(text: str, message: str) -> None:
    """Found, expected, what to do."""
    with pytest.raises(FeatureSpecError, match=message) as error:
        spec_of(text)
    assert "\n" not in str(error.value)


def test_a_tap_that_the_cache_does_not_have_is_refused() -> None:
    """The message says what there is, and how to get others."""
    with pytest.raises(
        FeatureSpecError, match=r"found 'mixed9'.*expected flat, avg, max, taps or a layer"
    ):
        spec_of("avg+mixed9").width(PARTS)
    with pytest.raises(FeatureSpecError, match=r"the layers of this cache are mixed4-max, mixed7$"):
        spec_of("mean").width(PARTS)
    with pytest.raises(FeatureSpecError, match=r"say what is made of the view, as full:avg"):
        spec_of("full").width(PARTS)
    with pytest.raises(
        FeatureSpecError, match=r"found 'taps'.*--taps mixed4-max,mixed7-max,mixed9-max"
    ):
        spec_of("taps").width(RowParts((2, 3, 4)))


@pytest.mark.parametrize("text", ["flat", "avg", "taps+avg", "mixed7+flat"])
def test_slopes_go_back_to_the_row(text: str) -> None:
    """For linear poolings the pulled-back slopes give the same sums on rows of the cache."""
    spec, X = spec_of(text), rows()
    assert spec.linear
    slopes = np.random.default_rng(1).standard_normal((1, spec.width(PARTS)))
    back = spec.back(slopes, PARTS)
    np.testing.assert_allclose((X * back).sum(axis=1), seen(text) @ slopes[0], rtol=1e-5)
    assert not spec_of("max").linear
    assert not spec_of("avg:root").linear
    assert not spec_of("tiles:2x2:avg").linear


def test_flat_rows_are_the_cache_s_own(cache: Path) -> None:
    """The default reads what it always read; other features are pooled from it, in any order."""
    data = pipeline.load_dataset(cache)
    assert not isinstance(rows_in(data, spec_of("flat")), SpecRows)
    pooled = rows_in(data, spec_of("avg+max"))
    assert pooled.shape == (72, 6)
    chosen = np.array([70, 3, 3, 11])
    expected = spec_of("avg+max").of([data.rows(chosen)], RowParts((4, 4, 3)))
    np.testing.assert_array_equal(pooled[chosen], expected)
    np.testing.assert_array_equal(pooled.subset(chosen)[1:3], expected[1:3])
    np.testing.assert_array_equal(pooled.in_memory(), pooled[:])
    with pytest.raises(FeatureSpecError, match=r"has the views full; expected tiles:2x2 too"):
        rows_in(data, spec_of("full+tiles:2x2:avg"))


def test_from_folder_to_verdict_on_views_and_taps(
    tmp_path: Path, toy: type[ToyBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extract keeps them, fit names them, and predict looks at new photographs in the same way."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    cache = tmp_path / "features.h5"
    pipeline.extract_folder(
        write_parts(tmp_path / "data"),
        cache,
        pipeline.ExtractOptions(
            weights="random",
            views=["full", "tiles:2x2"],
            taps=["colour"],
            group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
        ),
    )
    data = pipeline.load_dataset(cache)
    features = ["full+tiles:2x2:avg+colour:root", "tiles:2x2:max:max"]
    new = write_parts(tmp_path / "new", parts=4, first=60)
    for number, text in enumerate(features):
        model = tmp_path / f"model{number}"
        pipeline.fit(
            data,
            model,
            pipeline.FitOptions(head="logistic", features=spec_of(text), optimism=False),
        )
        bundle = pipeline.load_bundle(model)
        toy.reset()
        found = pipeline.predict(bundle, pipeline.find_photographs([str(new)]), None)
        assert toy.photographs == (12 + 1) * len(bundle.views.names) - len(bundle.views.names) + 1
        copy = shutil.copy(cache, tmp_path / "copy.h5")
        again = pipeline.predict(bundle, pipeline.find_photographs([str(new)]), copy)
        assert [p.probability for p in found] == pytest.approx([p.probability for p in again])


def add_views(cache_path: Path, names: tuple[str, ...]) -> None:
    """Rows of further views, which differ from the full one by a factor."""
    with Cache.read(cache_path) as old:
        fields, width, dtype, about = old.fields, old.cached_width, old.dtype, old.note
        digests = [table_row.digest for table_row in old.table_rows]
        table_rows = old.table_rows
        X = old.take(old.rows_of(digests))
    with Cache.write(cache_path, fields, width, dtype) as new:
        for number, name in enumerate(names):
            new.append(digests, X * np.float32(0.5 + number), name)
        new.replace_table(table_rows, {**about, "views": ["full", "tiles:2x2"]})
        new.commit()


def test_a_model_on_views_is_fitted_saved_and_asked(cache: Path, tmp_path: Path) -> None:
    """Fit, evaluate and self-test see the same pooled views; heatmaps say why there are none."""
    add_views(cache, tuple(f"tiles:2x2/{number}" for number in range(4)))
    data = pipeline.load_dataset(cache)
    done = pipeline.fit(
        data,
        tmp_path / "m",
        pipeline.FitOptions(head="logistic", features=spec_of("tiles:2x2:avg:max")),
    )
    bundle = pipeline.load_bundle(tmp_path / "m")
    assert bundle.seen[0] == tuple(f"tiles:2x2/{number}" for number in range(4))
    again = pipeline.evaluate_holdout(bundle, cache)
    assert again.assessment.scores == pytest.approx(done.held_out.scores, abs=1e-6, nan_ok=True)
    # The fourth view is the largest: its average alone decides.
    head = bundle.head
    assert isinstance(head, HeadOnCachedRows)
    X = data.rows(np.arange(6))
    expected = head.head.predict_proba((X * np.float32(3.5)).reshape(6, 16, 3).mean(axis=1))
    views = [data.whole_rows(np.arange(6), view)[:] for view in bundle.seen[0]]
    np.testing.assert_allclose(head.predict_proba(np.hstack(views)), expected, atol=1e-6)
    assert pipeline.frame_of(bundle).views == bundle.seen[0]


def test_the_map_of_a_linear_head_on_averages_sums_to_the_logit(
    cache: Path, tmp_path: Path
) -> None:
    """Against the baseline, exactly; of largest values cells are covered one by one instead."""
    data = pipeline.load_dataset(cache)
    pipeline.fit(
        data, tmp_path / "avg", pipeline.FitOptions(head="logistic", features=spec_of("avg"))
    )
    bundle = pipeline.load_bundle(tmp_path / "avg")
    table_rows, P, *_ = predict_holdout(bundle, cache)
    cells = explain(bundle, cache, table_rows, P)
    baseline = np.load(tmp_path / "avg" / "heatmaps.npz")["baseline"]
    head = bundle.head
    assert isinstance(head, HeadOnCachedRows)
    with Cache.read(cache) as opened:
        X = opened.take(opened.rows_of([table_row.digest for table_row in table_rows]))
    expected = logits(head, X, 1) - logits(head, baseline[None], 1)
    np.testing.assert_allclose(cells.sum(axis=(1, 2)), expected, atol=1e-3)
    assert head.slopes(X, baseline, 1) is not None
    assert on_cached_rows(head.head, spec_of("max"), data.fields).slopes(X, baseline, 1) is None


def test_taps_belong_to_no_cell() -> None:
    """Of rows that go on behind the map the cells are those of the map, covered or by slopes."""
    X, y = rows(40), np.arange(40) % 2
    X[y == 1, 4:8] += 2  # the second of six cells
    for text in ("avg+mixed4-max", "max+mixed4-max"):
        trained = (
            Contender("logistic", spec_of(text))
            .make()
            .fit(seen(text, X), y, np.arange(40), n_classes=2)
        )
        head = HeadOnCachedRows(trained, spec_of(text), PARTS)
        targets = np.ones(20, dtype=np.int64)
        cells = cell_scores(head, X[y == 1], X[y == 0].mean(axis=0), PARTS.shape, targets)
        assert cells.shape == (20, 2, 3)
        assert (cells.reshape(20, -1).argmax(axis=1) == 1).mean() > 0.9


def test_what_has_no_map_is_asked_by_covering_or_not_at_all(tmp_path: Path, cache: Path) -> None:
    """Intermediate layers have no place in the photograph: rows alone tell nothing of places."""
    folder = tmp_path / "data"
    pipeline.extract_folder(
        folder,
        tmp_path / "t.h5",
        pipeline.ExtractOptions(
            weights="random", taps=["colour"], group_rule=pipeline.GroupRule("regex", r"part-(\d+)")
        ),
    )
    data = pipeline.load_dataset(tmp_path / "t.h5")
    done = pipeline.fit(
        data, tmp_path / "m", pipeline.FitOptions(head="logistic", features=spec_of("avg+colour"))
    )
    bundle = pipeline.load_bundle(done.folder)
    rows = predict_holdout(bundle, tmp_path / "t.h5")
    with pytest.raises(HeadError, match=r"layers of the whole photograph.*PHOTOGRAPHS --heatmaps"):
        explain(bundle, tmp_path / "t.h5", rows.table_rows, rows.probabilities)
    told = pipeline.predict(
        bundle, pipeline.find_photographs([str(folder)])[:1], tmp_path / "t.h5", explain=explain
    )
    assert told[0].cells is not None
    assert np.isfinite(told[0].cells).all()


def test_a_head_of_other_features_than_the_model_says_is_refused(
    cache: Path, tmp_path: Path
) -> None:
    """A model.json that was edited is no way to another model."""
    pipeline.fit(
        pipeline.load_dataset(cache),
        tmp_path / "m",
        pipeline.FitOptions(head="logistic", features=spec_of("avg")),
    )
    about = (tmp_path / "m" / "model.json").read_text()
    for features, error in (("avg+max", BundleError), ("flat", HeadError), ("x", FeatureSpecError)):
        changed = re.sub(r'"feature_spec": "avg"', f'"feature_spec": "{features}"', about)
        (tmp_path / "m" / "model.json").write_text(changed)
        with pytest.raises(error):
            pipeline.load_bundle(tmp_path / "m")


def test_heads_and_features_are_compared_on_the_same_folds(cache: Path, tmp_path: Path) -> None:
    """Every pair has every fold and counts in the choice; the winner is fitted by best."""
    data = pipeline.load_dataset(cache)
    found = pipeline.compare_heads(
        data,
        tmp_path / "c",
        pipeline.CompareOptions(
            heads=["ridge", "forest"], features=[FLAT, spec_of("avg")], folds=3, repeats=1, jobs=1
        ),
    )
    result = found.result
    names = ["ridge", "forest", "ridge on avg", "forest on avg"]
    assert sorted(result.heads) == sorted(names)
    assert all(len(result.of(name)) == 3 for name in names)
    assert result.findings.nested is not None
    assert set(result.findings.nested.chosen) == set(names)
    best = pipeline.best_head(tmp_path / "c", data)
    assert best.name == result.best
    assert ("ridge on avg", "Ridge on avg") in [(row.head, row.title) for row in result.table()]
    alone = pipeline.compare_heads(
        data,
        tmp_path / "d",
        pipeline.CompareOptions(
            heads=["ridge"], features=[spec_of("avg")], folds=3, repeats=1, jobs=1
        ),
    ).result
    for one, other in zip(alone.of("ridge on avg"), result.of("ridge on avg"), strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-9)


def test_sets_that_hold_the_views_will_do(tmp_path: Path, cache: Path) -> None:
    """The five views are the tiles of 2x2 and one more: features of these tiles need no others."""
    pipeline.extract_folder(
        tmp_path / "data", cache, pipeline.ExtractOptions(weights="random", views=["five"])
    )
    data = pipeline.load_dataset(cache)
    assert rows_in(data, spec_of("full+tiles:2x2:avg")).shape == (len(data), 3)
    with pytest.raises(FeatureSpecError, match="expected tiles:3x3 too"):
        rows_in(data, spec_of("tiles:3x3:avg"))


def test_a_contender_has_a_name_that_nobody_takes_apart() -> None:
    """Flat rows keep the head's own name; specs of the same text are one contender."""
    assert Contender("ridge").name == "ridge"
    pair = Contender("ridge", spec_of("tiles:2x2:avg"))
    assert pair.name == "ridge on tiles:2x2:avg"
    assert pair == Contender("ridge", spec_of("tiles:2x2:avg"))
    assert pair != Contender("ridge")


def test_the_winner_of_an_earlier_version_is_understood(cache: Path, tmp_path: Path) -> None:
    """A comparison.json that has the pair's name alone still names a head and what it saw."""
    data = pipeline.load_dataset(cache)
    pipeline.compare_heads(
        data,
        tmp_path / "c",
        pipeline.CompareOptions(
            heads=["ridge"], features=[spec_of("avg")], folds=3, repeats=1, jobs=1
        ),
    )
    path = tmp_path / "c" / "comparison.json"
    record = json.loads(path.read_text())
    assert (record.pop("best_head"), record.pop("best_features")) == ("ridge", "avg")
    path.write_text(json.dumps(record))
    assert pipeline.best_head(tmp_path / "c", data) == Contender("ridge", spec_of("avg"))


def test_models_of_the_version_before_load(cache: Path, tmp_path: Path) -> None:
    """What was called space is the feature spec."""
    pipeline.fit(
        pipeline.load_dataset(cache),
        tmp_path / "m",
        pipeline.FitOptions(head="ridge", features=spec_of("avg")),
    )
    path = tmp_path / "m" / "model.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "space": about.pop("feature_spec")}))
    assert pipeline.load_bundle(tmp_path / "m").head.title == "Ridge on avg"


def test_features_from_the_command_line(cache: Path, run: Run, tmp_path: Path) -> None:
    """Check that fit and compare-heads take --features; best brings its own along."""
    base = ["--cache", str(cache), "--out"]
    heads = ["--heads", "ridge", "--features", "avg,max", "--folds", "2", "--repeats", "1"]
    code, out, _ = run("compare-heads", *base, str(tmp_path / "c"), *heads, "--jobs", "1")
    assert code == 0
    assert "ridge on avg" in out
    best = ["--head", "best", "--comparison", str(tmp_path / "c"), "--no-gap"]
    code, out, _ = run("fit", *base, str(tmp_path / "m"), *best)
    assert code == 0
    assert "Ridge on " in out
    code, out, _ = run("info", str(tmp_path / "m"))
    assert "sees " in out
    base += [str(tmp_path / "m")]
    fails(run("fit", *base, *best, "--features", "flat"), "beside the head best, which won on")
    fails(run("fit", *base, "--features", "average"), "found 'average' in the features")
