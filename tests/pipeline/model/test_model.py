"""pipeline.training.fit, bundle, predict, evaluate and info: from rows to verdicts and back."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from models import Toy, load, write_parts
from PIL import Image
from toy import photograph, write_folder

import pipeline
from features.errors import (
    BundleError,
    CacheError,
    DataError,
    FingerprintError,
    HeadError,
    OutputError,
    SplitError,
    WeightsError,
)
from pipeline.model.info import describe
from pipeline.terminal import results as text
from pipeline.terminal.predictions import predictions as predictions_text
from pipeline.terminal.results import dataset as dataset_text


def test_fit_holds_out_whole_parts_and_scores_both_sides(cache: Path, tmp_path: Path) -> None:
    """No part stands on both sides, and the scores are of the model that is saved."""
    data = pipeline.load_dataset(cache)
    done = pipeline.fit(data, tmp_path / "m", pipeline.FitOptions(head="logistic", seed=3))
    bundle = load(tmp_path / "m")
    sides: dict[str, set[str]] = {"train": set(), "holdout": set()}
    for entry in bundle.split():
        sides[entry["side"]].add(entry["path"].split("/")[1][:8])
    assert not sides["train"] & sides["holdout"]
    assert len(sides["holdout"]) == done.held_out.parts == 6
    assert done.held_out.scores["roc_auc"] > 0.9
    low, high = done.held_out.intervals["balanced_accuracy"]
    assert low <= done.held_out.scores["balanced_accuracy"] <= high
    again = pipeline.evaluate_holdout(bundle, cache)
    assert again.assessment.scores == pytest.approx(done.held_out.scores, abs=1e-9, nan_ok=True)
    assert int(again.confusion.sum()) == done.held_out.count


def test_random_split_is_there_for_who_asks(cache: Path, tmp_path: Path) -> None:
    """--split random ignores parts; the model says which split it was."""
    pipeline.fit(
        pipeline.load_dataset(cache),
        tmp_path / "m",
        pipeline.FitOptions(head="logistic", split="random"),
    )
    bundle = load(tmp_path / "m")
    assert bundle.record.fit.split.kind == "random"
    sides: dict[str, set[str]] = {"train": set(), "holdout": set()}
    for entry in bundle.split():
        sides[entry["side"]].add(entry["group"])
    assert sides["train"] & sides["holdout"]


def test_dense_head_writes_its_curves(cache: Path, tmp_path: Path) -> None:
    """A Keras head leaves training curves as CSV in the model, which its report draws."""
    done = pipeline.fit(
        pipeline.load_dataset(cache),
        tmp_path / "m",
        pipeline.FitOptions(
            head="dense",
            settings={"epochs": "3"},
            threshold=pipeline.ThresholdRule(fixed=(0.5, 0.5)),
            optimism=False,
        ),
    )
    lines = (tmp_path / "m" / "curves.csv").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("epoch,")
    assert not (tmp_path / "m" / "curves.png").exists()
    assert done.head.history is not None
    load(tmp_path / "m")


def test_a_model_with_the_picture_of_earlier_versions_loads_and_is_replaced(
    cache: Path, tmp_path: Path
) -> None:
    """Their curves.png is a file of the model like any other, and goes with it."""
    dataset, options = pipeline.load_dataset(cache), pipeline.FitOptions(head="lda")
    pipeline.fit(dataset, tmp_path / "m", options)
    picture, record = tmp_path / "m" / "curves.png", tmp_path / "m" / "model.json"
    picture.write_bytes(b"\x89PNG")
    facts = json.loads(record.read_text("utf-8"))
    facts["files"]["curves.png"] = hashlib.sha256(b"\x89PNG").hexdigest()
    record.write_text(json.dumps(facts), "utf-8")
    load(tmp_path / "m")
    pipeline.fit(dataset, tmp_path / "m", options)
    assert not picture.exists()


def test_predict_uses_and_fills_the_cache(
    cache: Path, model: Path, tmp_path: Path, toy: Toy
) -> None:
    """Known photographs cost nothing, new ones once, and verdicts follow the threshold."""
    toy.reset()
    known = pipeline.find_photographs([str(tmp_path / "data")])
    found = pipeline.predict(load(model), known, cache)
    assert toy.loads == 0
    assert [p.truth for p in found[:1]] == ["Healthy"]
    assert np.mean([p.verdict == p.truth for p in found]) > 0.9
    called = {True: "defects", False: "Healthy"}
    like = [p for p in found if not p.unlike]
    assert len(like) > 0.9 * len(found)
    assert all(p.verdict == called[(p.probability or 0) >= 0.5] for p in like)
    new = pipeline.find_photographs([str(write_parts(tmp_path / "new", 3, first=900))])
    for expected in (9 + 1, 0):  # the drift probe rides along where the backbone runs
        toy.reset()
        pipeline.predict(load(model), new, cache)
        assert toy.photographs == expected


def test_what_was_trained_on_is_marked(cache: Path, model: Path, tmp_path: Path) -> None:
    """Verdicts on photographs that the model learned from are told apart, whatever their name."""
    bundle = load(model)
    (tmp_path / "again").mkdir()
    sides = {entry["path"]: entry["side"] for entry in bundle.split()}
    for number, path in enumerate(sides):
        shutil.copy(tmp_path / "data" / path, tmp_path / "again" / f"{number:03d}.png")
    found = pipeline.predict(bundle, pipeline.find_photographs([str(tmp_path / "again")]), cache)
    assert [p.trained_on for p in found] == [side == "train" for side in sides.values()]
    assert "the model was trained on 54 of them" in predictions_text(found)


def test_predict_without_a_cache_keeps_nothing(model: Path, tmp_path: Path, toy: Toy) -> None:
    """`cache_path` None computes and forgets."""
    new = pipeline.find_photographs([str(write_parts(tmp_path / "new", 1))])
    before = sorted(p.name for p in tmp_path.iterdir())
    assert len(pipeline.predict(load(model), new, None)) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_predict_reports_every_unreadable_photograph(
    model: Path, cache: Path, tmp_path: Path
) -> None:
    """A broken, an absent and a good file: three entries, two with a reason."""
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    (tmp_path / "good.png").write_bytes(photograph(5))
    names = [str(tmp_path / n) for n in ("bad.jpg", "absent.png", "good.png")]
    bad, absent, good = pipeline.predict(load(model), pipeline.find_photographs(names), cache)
    assert bad.error is not None
    assert "not a photograph" in bad.error
    assert absent.error is not None
    assert "No such file" in absent.error
    assert good.error is None
    assert good.verdict in {"Healthy", "defects"}


def test_predictions_as_text(
    model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV, JSON and JSON lines hold the same; a name that is a formula is made harmless."""
    evil = tmp_path / "=cmd|'calc'!A1.png"
    evil.write_bytes(photograph(5))
    monkeypatch.chdir(tmp_path)
    bundle = load(model)
    found = pipeline.predict(bundle, pipeline.find_photographs([evil.name]), cache)
    table = pipeline.format_predictions(bundle, found, ".csv").splitlines()
    assert table[0] == "\ufeffpath,class,probability_of_defect,error"
    assert table[1].startswith("'=cmd")
    as_list = json.loads(pipeline.format_predictions(bundle, found, ".json"))
    lines = pipeline.format_predictions(bundle, found, ".jsonl").splitlines()
    assert [json.loads(line) for line in lines] == as_list
    assert as_list[0]["path"] == evil.name
    with pytest.raises(DataError, match=r"expected \.csv, \.json or \.jsonl"):
        pipeline.format_predictions(bundle, found, ".xlsx")


def test_photographs_can_be_named_in_many_ways(tmp_path: Path) -> None:
    """Files, folders and patterns, each photograph once, in the order named."""
    write_folder(tmp_path, {"A": 2, "B": 1})
    one = str(tmp_path / "B" / "part-000_view-0.png")
    found = pipeline.find_photographs([one, str(tmp_path), str(tmp_path / "A" / "*.png")])
    assert [p.path for p in found] == [
        one, *(str(tmp_path / "A" / f"part-000_view-{i}.png") for i in (0, 1))
    ]  # fmt: skip


def test_a_folder_by_several_names_is_judged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative, absolute and roundabout: each photograph once, as it was named first."""
    write_folder(tmp_path / "new", {"A": 2})
    monkeypatch.chdir(tmp_path)
    found = pipeline.find_photographs(["new", str(tmp_path / "new"), "new/../new", "./new"])
    assert [p.path for p in found] == [f"new/A/part-000_view-{i}.png" for i in (0, 1)]


def test_evaluate_on_a_new_folder_leaves_out_what_was_trained_on(
    model: Path, cache: Path, tmp_path: Path
) -> None:
    """Photographs of the training part do not count, whatever they are called now."""
    new = write_parts(tmp_path / "new", 6, first=600)
    for number, file in enumerate(sorted((tmp_path / "data" / "Healthy").iterdir())):
        shutil.copy(file, new / "Healthy" / f"renamed {number}.png")
    trained = sum(e["side"] == "train" and e["class"] == "Healthy" for e in load(model).split())
    found = pipeline.evaluate_folder(load(model), new, cache)
    assert found.assessment.count == 18 + 48 - trained
    assert any(
        note.startswith(f"left out: {trained} photographs that the model was made from")
        for note in found.notes
    )
    with pytest.raises(DataError, match=r"nothing in .* is new"):
        shutil.rmtree(new)
        for entry in load(model).split():
            if entry["side"] == "train":
                (new / entry["class"]).mkdir(parents=True, exist_ok=True)
                shutil.copy(tmp_path / "data" / entry["path"], new / entry["path"])
        pipeline.evaluate_folder(load(model), new, cache)


def test_evaluate_proposes_groups_where_none_are_given(
    model: Path, cache: Path, tmp_path: Path
) -> None:
    """Six new parts of three photographs are six parts, unless somebody says otherwise."""
    new = write_parts(tmp_path / "new", 6, first=600)
    found = pipeline.evaluate_folder(load(model), new, cache)
    assert found.group_rule.kind == "proposed"
    assert found.proposal is not None
    assert found.assessment.parts == 6
    assert found.known == 0
    assert "so they are proposed: 18 photographs in 6 groups" in text.evaluation(
        found, load(model).classes.names
    )
    alone = pipeline.GroupRule("regex", ".+")
    given = pipeline.evaluate_folder(
        load(model), new, cache, pipeline.EvaluateOptions(group_rule=alone)
    )
    assert given.proposal is None
    assert given.assessment.parts == 18


def test_near_copies_of_what_was_trained_on_are_told(
    model: Path, cache: Path, tmp_path: Path
) -> None:
    """Encoded anew, a training photograph is another file, but no new part: a warning."""
    trained = [e["path"] for e in load(model).split() if e["side"] == "train"]
    new = write_parts(tmp_path / "new", 6, first=600)
    for number, path in enumerate(trained[:5]):
        with Image.open(tmp_path / "data" / path) as image:
            image.convert("RGB").save(new / "Healthy" / f"again {number}.jpg", quality=95)
    found = pipeline.evaluate_folder(load(model), new, cache)
    assert found.known == 5
    said = text.evaluation(found, load(model).classes.names)
    assert "warning: 5 photographs look so much like what the model was trained on" in said
    page = pipeline.evaluation_report(load(model), found)
    assert "5 photographs look so much like what the model was trained on" in page


def test_evaluate_needs_the_models_cache_and_classes(model: Path, tmp_path: Path, toy: Toy) -> None:
    """Another cache, or a folder of other classes, is named as such."""
    write_folder(tmp_path / "other", {"X": 1})
    with pytest.raises(DataError, match=r"found X as classes .*knows Healthy, defects"):
        pipeline.evaluate_folder(load(model), tmp_path / "other", tmp_path / "features.h5")
    pipeline.extract_folder(
        tmp_path / "other", tmp_path / "o.h5", pipeline.ExtractOptions(weights="random")
    )
    with pytest.raises(CacheError, match="lacks 18 of the 18"):
        pipeline.evaluate_holdout(load(model), tmp_path / "o.h5")
    pipeline.extract_folder(
        tmp_path / "other",
        tmp_path / "d.h5",
        pipeline.ExtractOptions(weights="random", recipe="docs"),
    )
    with pytest.raises(FingerprintError, match="recipe docs in the cache, imagenet asked for"):
        pipeline.evaluate_holdout(load(model), tmp_path / "d.h5")


def test_a_damaged_model_is_named(model: Path, tmp_path: Path) -> None:
    """A changed, missing or foreign file in a model's folder is an error that names it."""
    files = sorted(p for p in model.rglob("*") if p.is_file() and p.name != "model.json")
    assert len(files) >= 3
    for file in files:
        data = file.read_bytes()
        file.write_bytes(data[:-1])
        with pytest.raises(BundleError, match=f"{file.name} is damaged or was changed"):
            load(model)
        file.unlink()
        with pytest.raises(BundleError, match=f"{file.name} is missing"):
            load(model)
        file.write_bytes(data)
    load(model)
    (model / "model.json").write_text("{}")
    with pytest.raises(BundleError, match="no model of schema 1"):
        load(model)
    packed = tmp_path / "model.onepass"
    packed.touch()
    with pytest.raises(BundleError, match=r"is a file; expected the folder of a model.*unpack"):
        load(packed)
    with pytest.raises(BundleError, match="no model at"):
        load(tmp_path / "nowhere")


def test_a_model_that_answers_differently_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The self-test is replayed at load: other probabilities than at the start are an error."""
    from pipeline.heads.linear_heads import LogisticHead

    real = LogisticHead.predict_proba
    monkeypatch.setattr(LogisticHead, "predict_proba", lambda self, x: real(self, x)[:, ::-1])
    with pytest.raises(BundleError, match="no longer gives the probabilities"):
        load(model)


def test_models_replace_models_and_nothing_else(cache: Path, model: Path, tmp_path: Path) -> None:
    """A new fit takes an old model's place; a folder of anything else is left alone."""
    data = pipeline.load_dataset(cache)
    pipeline.fit(data, model, pipeline.FitOptions(head="majority"))
    assert load(model).record.fit.head == "majority"
    with pytest.raises(OutputError, match="exists and is no model"):
        pipeline.fit(data, tmp_path / "data", pipeline.FitOptions(head="majority"))
    assert (tmp_path / "data" / "Healthy").is_dir()
    assert not [p for p in tmp_path.iterdir() if p.name.endswith((".part", ".old"))]


def test_extract_remembers_its_settings(cache: Path, tmp_path: Path, toy: Toy) -> None:
    """The short command keeps weights, recipe and groups; another recipe is refused."""
    write_parts(tmp_path / "data", 2, first=500)
    done = pipeline.extract_folder(tmp_path / "data", cache)
    assert done.extraction.extracted == 6
    assert done.group_rule.kind == "regex"
    assert done.settings.weights.source == "random"
    with pytest.raises(FingerprintError, match="recipe imagenet in the cache, docs asked for"):
        pipeline.extract_folder(tmp_path / "data", cache, pipeline.ExtractOptions(recipe="docs"))
    with pytest.raises(WeightsError, match="no weights file at"):
        pipeline.extract_folder(
            tmp_path / "data", cache, pipeline.ExtractOptions(weights=str(tmp_path / "none.h5"))
        )


def test_one_class_and_few_groups_are_errors(tmp_path: Path, toy: Toy, cache: Path) -> None:
    """One class, or a class of a single part, cannot be split honestly, and the error says so."""
    pipeline.extract_folder(
        write_folder(tmp_path / "one", {"Healthy": 5}),
        tmp_path / "one.h5",
        pipeline.ExtractOptions(weights="random"),
    )
    one = pipeline.load_dataset(tmp_path / "one.h5")
    assert one.classes.only_good
    with pytest.raises(HeadError, match="--head novelty"):
        pipeline.fit(one, tmp_path / "m", pipeline.FitOptions(head="logistic"))
    with pytest.raises(DataError, match=r"comparing heads takes defective ones.*--head novelty"):
        pipeline.compare_heads(one, tmp_path / "c")
    write_folder(tmp_path / "few", {"Healthy": 9, "defects": 2})
    pipeline.extract_folder(
        tmp_path / "few",
        tmp_path / "few.h5",
        pipeline.ExtractOptions(
            weights="random", group_rule=pipeline.GroupRule("regex", r"s/part-(\d+)|y/part-(\d+)_")
        ),
    )
    with pytest.raises(SplitError, match="defects"):
        pipeline.fit(
            pipeline.load_dataset(tmp_path / "few.h5"),
            tmp_path / "m",
            pipeline.FitOptions(head="logistic"),
        )


def test_warnings_tell_what_a_score_is_worth(tmp_path: Path, cache: Path, toy: Toy) -> None:
    """Proposed groups, torn copies and unreadable photographs are said before any score."""
    folder = write_folder(tmp_path / "w", {"Healthy": 20, "defects": 20})
    (folder / "Healthy" / "same.png").write_bytes(photograph(4000))
    (folder / "defects" / "same.png").write_bytes(photograph(4000))
    (folder / "defects" / "bad.png").write_bytes(b"")
    (folder / "loose.png").write_bytes(photograph(4001))
    pipeline.extract_folder(folder, tmp_path / "w.h5", pipeline.ExtractOptions(weights="random"))
    data = pipeline.load_dataset(tmp_path / "w.h5")
    text = "\n".join(data.warnings)
    for part in ("1 photographs could not be read", "1 photographs lie in no class folder",
                 "1 photographs stand in two classes"):  # fmt: skip
        assert part in text
    assert data.proposal is not None
    assert "so they are proposed" in dataset_text(data)


def test_info_says_what_a_thing_is(cache: Path, model: Path, tmp_path: Path) -> None:
    """Caches and models describe themselves; anything else is an error."""
    facts = describe(cache)
    assert (facts["kind"], facts["rows"], facts["photographs"]) == ("cache", 72, 72)
    assert facts["classes"] == {"Healthy": 48, "defects": 24}
    assert describe(model)["kind"] == "model"
    assert json.loads(json.dumps(describe(model)))["head"] == "logistic"
    with pytest.raises(DataError, match="nothing at"):
        describe(tmp_path / "nothing")
