"""pipeline.cnn.cnn, cnn_data, train_cnn and judge: models that see pixels."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from models import write_parts
from PIL import Image
from safetensors.numpy import load_file, save_file
from toy import photograph

import pipeline
from features.errors import BundleError, DataError, HeadError, OutputError, TooManyFailuresError
from features.photographs.decode import decode
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES, Recipe
from features.runtime import seed_everything
from pipeline.cnn import cnn as cnn_module
from pipeline.cnn import photograph_batches as cnn_data
from pipeline.cnn.cnn import Cnn
from pipeline.cnn.cnn_network import (
    LAYERS,
    VARIANTS,
    build_augmentation,
    build_network,
    weight_shapes,
)
from pipeline.cnn.photograph_batches import Batches, look, look_at_folder
from pipeline.heads.old_files import read_weights
from pipeline.model.info import describe
from pipeline.terminal import results as text

PARTS = pipeline.GroupRule("regex", r"part-(\d+)")
SMALL = replace(RECIPES["docs"], height=32, width=32)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Give the `docs` recipe at 32×32, so that a network trains in a moment."""
    monkeypatch.setitem(RECIPES, "docs", SMALL)
    return SMALL


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with photographs, one of them unreadable, and a base CNN trained on them."""
    root = tmp_path_factory.mktemp("cnn")
    write_parts(root / "data")
    (root / "data" / "defects" / "bad.png").write_bytes(b"no photograph")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "docs", SMALL)
        done = pipeline.train_cnn(
            root / "data",
            root / "cnn",
            pipeline.CnnOptions(epochs=3, batch_size=8, group_rule=PARTS),
        )
    assert [sample.path for sample in done.photographs.failed] == ["defects/bad.png"]
    assert done.train.count + done.held_out.count == 72
    return root


def files_of(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*.png") if file.name != "bad.png")


def test_parameter_counts_are_the_write_ups() -> None:
    """Each layer's parameters by hand: base 2,797,665; the second hidden layer adds 4,160."""
    convolutions = (3 * 3 * 3 * 32 + 32) + (3 * 3 * 32 * 32 + 32) + (3 * 3 * 32 * 64 + 64)
    side = 224
    for _ in range(3):
        side = (side - 2) // 2  # a 3×3 convolution without padding, then pooling
    assert side == 26
    base = convolutions + (side * side * 64 * 64 + 64) + (64 + 1)
    assert base == 2_797_665
    shape = (224, 224, 3)
    assert build_network(VARIANTS["base"], shape, 2).count_params() == base
    assert build_network(VARIANTS["dropout"], shape, 2).count_params() == base + 64 * 64 + 64
    small = [build_network(VARIANTS["base"], (32, 32, 3), n).count_params() for n in (2, 6)]
    assert small[1] - small[0] == 5 * (64 + 1)


def test_layers_are_the_write_ups() -> None:
    """Order, kinds, activations and dropout of the two networks."""
    for name, hidden in (("base", 1), ("dropout", 2)):
        network = build_network(VARIANTS[name], (32, 32, 3), 2)
        kinds = [type(layer).__name__ for layer in network.layers]
        assert kinds == [
            "InputLayer", *["Conv2D", "MaxPooling2D"] * 3, "Flatten",
            *["Dense", "Dropout"] * hidden, "Dense",
        ]  # fmt: skip
        assert {la.rate for la in network.layers if type(la).__name__ == "Dropout"} == {0.5}
        assert network.layers[-1].activation.__name__ == "sigmoid"
    last = build_network(VARIANTS["base"], (32, 32, 3), 3).layers[-1]
    assert last.activation.__name__ == "softmax"


def test_augmentation_changes_photographs_and_nothing_else() -> None:
    """Another picture each time, the same ones for a seed, in range, edges repeated."""
    rng = np.random.default_rng(0)
    batch = rng.uniform(0.3, 1, (4, 32, 32, 3)).astype(np.float32)
    drawn = []
    for _ in range(2):
        seed_everything(1)
        augment = build_augmentation(1)
        drawn.append([np.asarray(augment(batch)) for _ in range(2)])
    assert np.array_equal(drawn[0], drawn[1])
    first, second = drawn[0]
    assert np.abs(first - batch).mean() > 0.05
    assert np.abs(first - second).mean() > 0.05
    # Black or mirrored corners would come from another way to fill.
    assert first.min() >= 0.3 - 1e-5
    assert first.max() <= 1 + 1e-5


def test_photographs_stream_through_the_one_decoder(tmp_path: Path) -> None:
    """Every photograph once per epoch, in another order each, scaled as the recipe says."""
    files = files_of(write_parts(tmp_path, 4))
    y = np.arange(len(files))
    batches = Batches(files, y, SMALL, 5, shuffle_seed=3)
    epochs = [list(batches.dataset.as_numpy_iterator()) for _ in range(2)]
    assert [len(labels) for _, labels in epochs[0]] == [5, 5, 2]
    orders = [np.concatenate([labels for _, labels in epoch]).astype(int) for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == y.tolist()
    assert orders[0].tolist() != orders[1].tolist()
    pixels = np.concatenate([values for values, _ in epochs[0]])
    for values, number in zip(pixels, orders[0], strict=True):
        expected = decode(files[number].read_bytes(), SMALL) / 255
        assert np.abs(values - expected).max() < 1e-6


def test_looking_keeps_few_photographs_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readers run a bounded number of photographs ahead of who asks."""
    decoded = []
    real = cnn_data.look_apart
    monkeypatch.setattr(
        cnn_data, "look_apart", lambda *a, **k: (decoded.append(1), real(*a, **k))[1]
    )  # fmt: skip
    (tmp_path / "one.png").write_bytes(photograph(1))
    seen = look([Photograph(tmp_path / "one.png", str(i)) for i in range(200)], SMALL)
    assert [next(seen).table_row.path for _ in range(3)] == ["0", "1", "2"]
    seen.close()
    assert 3 <= len(decoded) < 60


def test_training_leaves_out_the_unreadable_and_keeps_parts_together(trained: Path) -> None:
    """The split has whole parts on one side, and no photograph that could not be read."""
    entries = json.loads(
        (trained / "cnn" / "split.json").read_text()
    )  # fmt: skip
    sides: dict[str, set[str]] = {"train": set(), "holdout": set()}
    for entry in entries:
        sides[entry["side"]].add(entry["path"].split("/")[1][:8])
    assert not sides["train"] & sides["holdout"]
    assert len(entries) == 72
    lines = (trained / "cnn" / "curves.csv").read_text().splitlines()
    assert lines[0].split(",")[0] == "epoch"
    assert {"accuracy", "loss", "val_accuracy", "val_loss"} <= set(lines[0].split(","))
    assert len(lines) == 4


def test_a_cnn_is_a_model_like_any_other(trained: Path, small: Recipe, tmp_path: Path) -> None:
    """load, predict and evaluate work on it; no cache is made and no weights are needed."""
    bundle = pipeline.load_bundle(trained / "cnn")
    cache = tmp_path / "features.h5"
    found = pipeline.predict(
        bundle,
        pipeline.find_photographs([str(trained / "data")]),
        cache,
        pipeline.PredictOptions(batch_size=7),
    )
    assert [p.error is None for p in found].count(False) == 1
    good = [p for p in found if p.error is None]
    pixels = np.stack([decode(p.file.read_bytes(), small) for p in good])
    expected = bundle.head.predict_proba(pixels)[:, 1]
    assert [p.probability for p in good] == pytest.approx(expected, abs=1e-5)
    predicted = pipeline.evaluate_holdout(bundle, cache)
    recorded = bundle.record.scores["holdout"]
    assert predicted.assessment.scores == pytest.approx(recorded["scores"], abs=1e-5, nan_ok=True)
    assert predicted.assessment.count == recorded["photographs"]
    folder = pipeline.evaluate_folder(
        bundle, trained / "data", cache, pipeline.EvaluateOptions(group_rule=PARTS)
    )
    assert folder.assessment.count == recorded["photographs"]
    assert not list(tmp_path.iterdir())
    facts = describe(trained / "cnn")
    assert (facts["sees"], facts["recipe"]["width"]) == ("pixels", 32)


def test_a_cnn_decides_about_parts(trained: Path, small: Recipe, tmp_path: Path) -> None:
    """From the mean log-odds of their photographs, in its scores, in evaluate and in predict."""
    bundle = pipeline.load_bundle(trained / "cnn")
    assert bundle.decision.part_rule == "mean"
    assert bundle.decision.holdout is not None
    scored = bundle.record.scores["holdout_parts"]
    assert 3 * scored["parts"] == bundle.record.scores["holdout"]["photographs"]
    again = pipeline.evaluate_holdout(bundle, tmp_path / "features.h5").part_assessment
    assert again is not None
    assert again.scores == pytest.approx(scored["scores"], abs=1e-5, nan_ok=True)
    names = [str(trained / "data")]
    photographs = pipeline.told_parts(PARTS, names, pipeline.find_photographs(names))
    found = pipeline.predict(bundle, photographs, None)
    parts = pipeline.predict_parts(bundle, found)
    assert len([part for part in parts if len(part.photographs) == 3]) == 24


def test_a_cnn_learns(tmp_path: Path, small: Recipe) -> None:
    """Bright and dark photographs are told apart, with probabilities of class 1 in column 1."""
    for number in range(24):
        value = 200 if number % 2 else 40
        Image.new("RGB", (32, 32), (value, value, value)).save(tmp_path / f"{number:02d}.png")
    files, y = files_of(tmp_path), np.arange(24) % 2
    calls = []
    cnn = Cnn("base", small, 2, epochs=8, batch_size=8)
    cnn.fit(files, y, progress=lambda epoch, epochs, _scores: calls.append((epoch, epochs)))
    pixels = np.stack([decode(file.read_bytes(), small) for file in files])
    chances = cnn.predict_proba(pixels)
    assert ((chances[:, 1] > 0.5) == y).all()
    assert np.allclose(chances.sum(axis=1), 1)
    assert calls == [(epoch, 8) for epoch in range(1, 9)]
    assert cnn.predict_proba(pixels[:0]).shape == (0, 2)


@pytest.mark.parametrize("variant", ["dropout", "augmented"])
def test_a_training_can_be_repeated(tmp_path: Path, small: Recipe, variant: str) -> None:
    """The same seed gives the same losses, also with augmentation; another seed others."""
    files = files_of(write_parts(tmp_path, 8))
    y = np.array([int(file.parent.name == "defects") for file in files])

    def losses(seed: int) -> list[float]:
        cnn = Cnn(variant, small, 2, seed=seed, epochs=2, batch_size=8).fit(files, y)
        return [entry["loss"] for entry in cnn.history or []]

    first = losses(1)
    assert losses(1) == pytest.approx(first, rel=1e-4)
    assert losses(2) != pytest.approx(first, rel=1e-4)


def test_a_moved_or_changed_holdout_is_named(trained: Path, small: Recipe, tmp_path: Path) -> None:
    """Scores of other photographs than those held out would be wrong: an error says so."""
    bundle = pipeline.load_bundle(trained / "cnn")
    data, cache = trained / "data", tmp_path / "features.h5"
    data.rename(trained / "elsewhere")
    try:
        with pytest.raises(DataError, match=r"18 of the 18 .* evaluate MODEL FOLDER"):
            pipeline.evaluate_holdout(bundle, cache)
    finally:
        (trained / "elsewhere").rename(data)
    victim = data / next(e["path"] for e in bundle.split() if e["side"] == "holdout")
    before = victim.read_bytes()
    victim.write_bytes(photograph(77))
    try:
        with pytest.raises(DataError, match=r"1 of the 18 .* changed, such as"):
            pipeline.evaluate_holdout(bundle, cache)
    finally:
        victim.write_bytes(before)


def test_a_model_of_another_recipe_or_sight_is_refused(trained: Path, tmp_path: Path) -> None:
    """A recipe that this version has otherwise, or something it cannot see, is an error."""
    with pytest.raises(BundleError, match=r"recipe \('docs'\) that this version does not have"):
        pipeline.load_bundle(trained / "cnn")  # here `docs` has its real size again
    record = json.loads((trained / "cnn" / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(record | {"sees": "x-rays", "files": {}}))
    with pytest.raises(BundleError, match="sees 'x-rays'; expected rows or pixels"):
        pipeline.load_bundle(tmp_path)


@pytest.fixture
def head(trained: Path, tmp_path: Path) -> Path:
    """Give a copy of the trained network's folder."""
    return Path(shutil.copytree(trained / "cnn" / "head", tmp_path / "head"))


def test_weights_are_plain_arrays(head: Path, small: Recipe) -> None:
    """Their names and shapes are known without building the network, for every variant."""
    arrays = load_file(head / "head.safetensors")
    for name, n_classes in (("base", 2), ("dropout", 2), ("augmented", 3)):
        shapes = weight_shapes(VARIANTS[name], (32, 32, 3), n_classes)
        network = build_network(VARIANTS[name], (32, 32, 3), n_classes)
        built = {
            layer.name: tuple(weight.shape for weight in layer.weights)
            for layer in network.layers
            if layer.weights
        }
        assert built == shapes
        if name == "base":
            assert {k: v.shape for k, v in arrays.items()} == {
                f"{layer}.{kind}": shape
                for layer, both in shapes.items()
                for kind, shape in zip(("kernel", "bias"), both, strict=True)
            }
    assert sorted(file.name for file in head.iterdir()) == ["head.safetensors", "settings.json"]


def test_forged_weights_are_refused_before_a_network_is_built(
    head: Path, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other shapes, other types, values that are no numbers, a missing array, 2 ** 40 classes."""

    def built(*_: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(cnn_module, "build_network", built)
    path = head / "head.safetensors"
    whole = load_file(path)
    kernel = whole["dense_1.kernel"]
    forged: list[dict[str, np.ndarray]] = [
        {"dense_1.kernel": np.ascontiguousarray(kernel[:, :-1])},
        {"dense_1.kernel": kernel.astype(np.int64)},
        {"conv_1.bias": np.full(32, np.nan, np.float32)},
        {"output.kernel": np.zeros((64, 5), np.float32)},
    ]
    for change in forged:
        save_file(whole | change, path)
        with pytest.raises(BundleError, match=next(iter(change))):
            Cnn.load(head)
    save_file({k: v for k, v in whole.items() if k != "output.bias"}, path)
    with pytest.raises(BundleError, match=r"holds nothing as 'output.bias'"):
        Cnn.load(head)
    save_file(whole, path)
    settings = json.loads((head / "settings.json").read_text())
    for change_of in ({"n_classes": 2**40}, {"n_classes": -1}, {"variant": "dropout"}):
        (head / "settings.json").write_text(json.dumps(settings | change_of))
        with pytest.raises(BundleError):
            Cnn.load(head)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, of the foreign file
def test_a_network_of_the_version_before_loads(head: Path, small: Recipe) -> None:
    """Its weights stood in a .keras file: parsed apart, they give what they gave."""
    cnn = Cnn.load(head)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected = cnn.predict_proba(pixels)
    cnn._network.save(head / "cnn.keras")
    (head / "head.safetensors").unlink()
    np.testing.assert_allclose(Cnn.load(head).predict_proba(pixels), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, of the foreign file
def test_only_our_layers_are_loaded(head: Path, small: Recipe, tmp_path: Path) -> None:
    """A .keras file that names another layer, or holds other weights, is refused."""
    source = head / "cnn.keras"
    Cnn.load(head)._network.save(source)
    (head / "head.safetensors").unlink()
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    evil = parts | {"config.json": parts["config.json"].replace(b'"Flatten"', b'"Lambda"')}
    path = tmp_path / "evil.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in evil.items():
            archive.writestr(name, content)
    with pytest.raises(BundleError, match=r"layer keras.layers.Lambda"):
        read_weights(path, LAYERS)
    build_network(VARIANTS["base"], (40, 40, 3), 2).save(source)
    with pytest.raises(BundleError, match=r"cnn.keras holds 576 × 64 .* as 'dense_1.kernel'"):
        Cnn.load(head)
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(BundleError, match="expected the settings of a CNN"):
        Cnn.load(tmp_path)


def test_a_photograph_that_vanishes_stops_the_training(tmp_path: Path, small: Recipe) -> None:
    """It is never replaced by another: the error names it."""
    files = files_of(write_parts(tmp_path, 4))
    y = np.arange(len(files)) % 2
    cnn = Cnn("base", small, 2, epochs=2)
    files[3].unlink()
    with pytest.raises(DataError, match=f"{files[3].name} was readable at first"):
        cnn.fit(files, y)


def test_what_cannot_be_trained_is_said_first(tmp_path: Path, small: Recipe) -> None:
    """Unknown variants, foreign folders, one class, too many unreadable photographs."""
    data = write_parts(tmp_path / "data", 6)
    with pytest.raises(DataError, match="unknown variant 'deep'; expected one of base"):
        pipeline.train_cnn(data, tmp_path / "m", pipeline.CnnOptions(variant="deep"))
    with pytest.raises(OutputError, match="is no model"):
        pipeline.train_cnn(data, data)
    with pytest.raises(HeadError, match="all of one class"):
        Cnn("base", small, 2).fit(files_of(data)[:3], np.zeros(3, dtype=np.int64))
    with pytest.raises(DataError, match="makes 8×8 pixels"):
        Cnn("base", replace(small, height=8, width=8), 2)
    for number in range(5):
        (data / "defects" / f"{number}.png").write_bytes(b"x")
    with pytest.raises(TooManyFailuresError, match="5 of 23 photographs cannot be read"):
        pipeline.train_cnn(data, tmp_path / "m")


def test_groups_are_proposed_from_pictures_and_names(
    trained: Path, small: Recipe, tmp_path: Path
) -> None:
    """Without rows, too: for training and for a new folder; a given rule is not second-guessed."""
    found = look_at_folder(trained / "data", small)
    assert found.group_rule.kind == "proposed"
    assert found.proposal is not None
    assert len(set(found.groups.tolist())) == 24
    assert "so they are proposed: 72 photographs in 24 groups" in text.dataset(found)
    assert look_at_folder(trained / "data", small, group_rule=PARTS).proposal is None
    new = write_parts(tmp_path / "new", 6, first=600)
    bundle = pipeline.load_bundle(trained / "cnn")
    scored = pipeline.evaluate_folder(bundle, new, tmp_path / "features.h5")
    assert scored.assessment.parts == 6
    assert scored.group_rule.kind == "proposed"
    gap = pipeline.PredictOptions(gap=5.0)
    with pytest.raises(DataError, match="--group-gap: none of"):  # not silently without parts
        pipeline.predict(bundle, pipeline.find_photographs([str(new)]), None, gap)
    for number, file in enumerate(sorted(new.rglob("*.png"))):
        file.rename(file.with_name(f"IMG_20260302_08{number // 3:02d}0{number % 3}.png"))
    timed = pipeline.predict(bundle, pipeline.find_photographs([str(new)]), None, gap)
    assert {len(part.photographs) for part in pipeline.predict_parts(bundle, timed)} == {3}


def test_the_commands_take_a_cnn(trained: Path, small: Recipe, run: Run) -> None:
    """train-cnn, evaluate, predict and info; one unreadable photograph makes the exit code 3."""
    data = str(trained / "data")
    code, out, err = run(
        "train-cnn", data, "--variant", "dropout", "--epochs", "1", "--group-regex", r"part-(\d+)"
    )
    assert code == 3
    assert "defects/bad.png: not a photograph" in err
    assert "72 photographs of 24 parts (Healthy 48 of 16, defects 24 of 8)" in out
    assert "CNN, more dropout, trained in" in out
    assert "holdout, by part (6 parts)" in out
    assert "by photograph (18 of 6 parts)" in out
    assert "truth \\ verdict" in run("evaluate", "cnn")[1]
    assert run("predict", "cnn", data, "--sheet", "sheet.png")[0] == 3
    assert "sees 32×32 pixels, recipe docs" in run("info", "cnn")[1]
    written = ["cnn", "evaluation.html", "predictions.csv", "sheet.png"]
    assert sorted(p.name for p in Path().iterdir()) == written


def test_models_made_before_there_were_cnns_load(tmp_path: Path, toy: object) -> None:
    """A model.json without "sees" is of a head on rows."""
    from features.backbones.registry import BACKBONES

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
        write_parts(tmp_path / "data")
        pipeline.extract_folder(
            tmp_path / "data",
            tmp_path / "f.h5",
            pipeline.ExtractOptions(weights="random", group_rule=PARTS),
        )
        pipeline.fit(
            pipeline.load_dataset(tmp_path / "f.h5"),
            tmp_path / "m",
            pipeline.FitOptions(head="majority"),
        )
        path = tmp_path / "m" / "model.json"
        record = json.loads(path.read_text())
        assert record.pop("sees") == "rows"
        path.write_text(json.dumps(record))
        assert pipeline.load_bundle(tmp_path / "m").record.fit.head == "majority"
