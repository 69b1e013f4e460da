"""The choice of head and features: what is tried, by what it is chosen, and that it is honest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy import toy_settings, write_folder

import pipeline
from features.errors import HeadError
from features.extract import extract
from features.photographs.look import PLAIN, Crops, Look
from pipeline.data.dataset import Dataset
from pipeline.data.folder import scan_folder
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heads import HEADS
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.line.live_model import LiveModel
from pipeline.terminal.comparison import comparison
from pipeline.training import auto
from pipeline.training.auto import choose, contenders, specs_of

CLOSER = Look(("colour", "white"), Crops(("five",), ("colour", "white")))


def made(folder: Path, cache: Path, look: Look) -> Dataset:
    """Give a cache of the toy's rows with a look."""
    settings = replace(toy_settings(), taps=look.taps, crops=look.crops)
    record = {"source": "random", "name": "random", "digest": "random:0", "seed": 0}
    rule = {"kind": "regex", "value": r"(\d+)"}
    about = {"root": str(folder), "weights": record, "group_rule": rule, "views": ["full"]}
    photographs = [p._replace(group=p.path) for p in scan_folder(folder).photographs]
    extract(photographs, settings, cache, note=about)
    return pipeline.load_dataset(cache)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", {"Healthy": 14, "defects": 12})


@pytest.fixture
def closer(folder: Path, tmp_path: Path) -> Dataset:
    return made(folder, tmp_path / "closer.h5", CLOSER)


@pytest.fixture
def plain(folder: Path, tmp_path: Path) -> Dataset:
    return made(folder, tmp_path / "plain.h5", Look())


def test_rows_of_the_map_alone_are_seen_flat(plain: Dataset) -> None:
    assert specs_of(plain) == [FLAT]
    assert contenders(plain) == [Contender(name) for name in auto.HEADS]


def test_a_closer_look_is_used(closer: Dataset) -> None:
    assert [spec.text for spec in specs_of(closer)] == ["five:colour+white:root"]
    assert {pair.spec.text for pair in contenders(closer)} == {"five:colour+white:root"}


def test_the_layers_of_the_default_look_are_tried_with_and_without_the_top_one(
    closer: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = {"mixed5-max": 2, "mixed7-max": 2, "mixed8": 2, "mixed8-max": 2, "mixed9-max": 2}
    row_parts = replace(closer.row_parts, taps=layers, crop_taps=layers)
    monkeypatch.setattr(Dataset, "row_parts", row_parts)
    assert [spec.text for spec in specs_of(closer)] == [
        "five:mixed8:root",
        "full+five:mixed5-max+mixed7-max+mixed8-max:root",
        "full+five:mixed5-max+mixed7-max+mixed8-max+mixed9-max:root",
    ]
    pairs = contenders(closer)
    assert [pair.head for pair in pairs] == ["ridge", *["linear-svm"] * 2, *["rbf-svm"] * 2]


@pytest.mark.parametrize(
    ("sets", "texts"),
    [
        (("large", "crops"), ["large:{all}:root", "large+crops:{all}:root"]),
        (("large",), ["large:{low}:root", "large:{all}:root"]),
    ],
)
def test_the_large_view_is_tried_alone_and_with_crops(
    sets: tuple[str, ...], texts: list[str], closer: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = {"mixed7-max": 2, "mixed8": 2, "mixed8-max": 2, "mixed9-max": 2}
    low, whole = "mixed7-max+mixed8-max", "mixed7-max+mixed8-max+mixed9-max"
    row_parts = replace(closer.row_parts, taps=layers, crop_taps=layers)
    monkeypatch.setattr(Dataset, "row_parts", row_parts)
    monkeypatch.setattr(Dataset, "look", Look(tuple(layers), Crops(sets, tuple(layers))))
    found = [spec.text for spec in specs_of(closer)]
    assert found == [text.format(all=whole, low=low) for text in texts]
    heads = [pair.head for pair in contenders(closer)]
    assert heads == [*["linear-svm"] * 2, *["rbf-svm"] * 2]


@pytest.mark.parametrize("head", sorted(HEADS))
def test_a_named_head_that_sees_single_values_sees_flat_rows(head: str, closer: Dataset) -> None:
    alone = contenders(closer, head)
    if issubclass(pipeline.heads.load_head_class(head), RowSpaceHead):  # type: ignore[attr-defined]
        assert [pair.spec for pair in alone] == specs_of(closer)
    else:
        assert alone == [Contender(head)]
    assert contenders(closer, head, FLAT) == [Contender(head)]


def test_the_choice_never_sees_the_holdout(closer: Dataset) -> None:
    """Other labels of the photographs that are not of the training part change nothing."""
    side = np.arange(0, len(closer), 2)
    first = choose(closer, side)
    closer.y[np.arange(1, len(closer), 2)] ^= 1
    assert choose(closer, side) == first
    assert all(0 <= trial.score <= 1 for trial in first.trials)
    assert first.describe().startswith("chosen: ")
    assert "\n" not in first.describe()


def test_of_equals_the_simpler_is_taken() -> None:
    pairs = [Contender("ridge"), Contender("linear-svm"), Contender("rbf-svm")]
    trials = [
        auto.Trial(pair, score) for pair, score in zip(pairs, (0.9, 0.95, 0.9505), strict=True)
    ]
    assert auto._best(trials).contender.head == "linear-svm"
    trials[2] = auto.Trial(pairs[2], 0.96)
    assert auto._best(trials).contender.head == "rbf-svm"


def test_parts_too_few_to_choose_by_get_the_simplest(closer: Dataset) -> None:
    side = np.concatenate([np.flatnonzero(closer.y == 0), np.flatnonzero(closer.y == 1)[:1]])
    found = choose(closer, side)
    assert found.contender == found.trials[0].contender
    assert "too few parts to choose by" in found.describe()


def test_photographs_of_a_part_count_as_one() -> None:
    y, groups = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 2, 2, 1])
    classes, means = auto._by_part(y, np.array([0.9, 0.5, 0.1, 0.3, 0.0]), groups)
    assert sorted(zip(classes.tolist(), means.round(3).tolist(), strict=True)) == [
        (0, 0.0), (0, 0.2), (1, 0.7),
    ]  # fmt: skip


def test_fit_chooses_and_says_so(closer: Dataset, tmp_path: Path) -> None:
    from pipeline.terminal.results import fit

    done = pipeline.fit(closer, tmp_path / "model", pipeline.FitOptions(optimism=False))
    assert done.choice is not None
    assert done.choice.describe() in fit(done)
    about = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert len(about["choice"]["tried"]) == len(contenders(closer))
    assert about["head"] == done.choice.contender.head
    bundle = pipeline.load_bundle(tmp_path / "model")
    files = scan_folder(Path(closer.folder.root)).photographs[:3]
    found = pipeline.predict(bundle, files, tmp_path / "closer.h5")
    assert all(0 <= p.probability <= 1 for p in found if p.probability is not None)
    fresh = pipeline.predict(bundle, files, None)
    assert [p.probability for p in fresh] == pytest.approx([p.probability for p in found])


def test_a_model_on_the_large_view_judges_alike_everywhere(folder: Path, tmp_path: Path) -> None:
    """On cached rows, on photographs alone, and in memory as `serve` has it."""
    look = CLOSER._replace(crops=Crops(("large", "five"), ("colour", "white")))
    data = made(folder, tmp_path / "large.h5", look)
    spec = FeatureSpec.parse("large:colour+white:root")
    asked = pipeline.FitOptions(head="ridge", features=spec, optimism=False)
    bundle = pipeline.load_bundle(pipeline.fit(data, tmp_path / "model", asked).folder)
    files = scan_folder(folder).photographs[:3]
    cached = [p.probability for p in pipeline.predict(bundle, files, tmp_path / "large.h5")]
    fresh = [p.probability for p in pipeline.predict(bundle, files, None)]
    live = LiveModel(bundle)
    shown = [live.decode(one.path, one.file.read_bytes()) for one in files]
    judged = [one.prediction.probability for one in live.predict_photographs(shown)]
    assert cached == pytest.approx(fresh, abs=1e-6)
    assert cached == pytest.approx(judged, abs=1e-6)


def test_settings_want_a_head(closer: Dataset, tmp_path: Path) -> None:
    with pytest.raises(HeadError, match="name one with --head"):
        pipeline.fit(closer, tmp_path / "model", pipeline.FitOptions(settings={"C": 1}))


def test_comparing_without_words_compares_the_few_that_matter(
    closer: Dataset, plain: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pipeline.compare_heads(
        closer, tmp_path / "few", pipeline.CompareOptions(folds=3, repeats=1, jobs=1)
    )
    pairs = {(c.head, c.spec.text) for c in found.result.contenders.values()}
    specs = [*specs_of(closer), FLAT]
    assert pairs == {(head, spec.text) for head in auto.HEADS for spec in specs}
    monkeypatch.setattr(
        "pipeline.training.comparison_table._LONG", 8
    )  # a letter stands for longer ones
    said = comparison(found, tmp_path / "few")
    assert " on A" in said.split("A: ")[1]
    assert [said.count(f" on {spec}") for spec in specs] == [0] * len(specs)
    named = pipeline.compare_heads(
        closer,
        tmp_path / "named",
        pipeline.CompareOptions(heads=["ridge"], folds=3, repeats=1, jobs=1),
    )
    assert list(named.result.contenders) == ["ridge"]
    assert FeatureSpec.parse("flat") == FLAT
    assert str(Look()) == PLAIN
