"""pipeline.line.rethreshold: limits anew from new parts; the head stays to the last bit."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import load, shade, write_parts
from PIL import Image

import pipeline
from features.errors import DataError, ThresholdError
from pipeline.data.folder import scan_folder
from pipeline.groups.rules import GroupRule, apply_rule
from pipeline.line.rethreshold import Rethreshold, rethreshold, save_rethreshold
from pipeline.thresholds.rule import ThresholdRule

BY_PART = GroupRule("regex", r"part-(\d+)")


@pytest.fixture
def cache(line: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(line / "features.h5", tmp_path))


def brighter(root: Path, parts: int, first: int) -> Path:
    """Give new parts under a light that makes all look a little like defects."""
    for part in range(first, first + parts):
        label = "defects" if part % 3 == 0 else "Healthy"
        (root / label).mkdir(parents=True, exist_ok=True)
        for view in range(3):
            pixels = shade(part * 10 + view, part % 3 == 0).astype(int)
            pixels[:, 10:] += 36
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(root / label / f"part-{part:03d}_{view}.png")
    return root


def asked(
    line: Path, folder: Path, cache: Path, *, groups: GroupRule = BY_PART, **wishes: object
) -> Rethreshold:
    photographs = apply_rule(groups, scan_folder(folder).photographs).photographs
    rule = ThresholdRule(**wishes) if wishes else None
    return rethreshold(load(line / "model"), photographs, cache, groups=groups, rule=rule)


def test_the_limit_follows_the_light(line: Path, tmp_path: Path, cache: Path) -> None:
    """Under a light that shifts all probabilities the old limit rejects good parts, the new none.

    What the new one does is counted on parts that neither saw.
    """
    done = asked(line, brighter(tmp_path / "new", 24, 100), cache)
    assert done.old_outcome.good_parts.rejected >= 8
    assert done.after.unseen is not None
    assert done.after.unseen.outcome.good_parts.rejected == 0
    assert done.after.part_rule == done.before.part_rule
    save_rethreshold(load(line / "model"), done, tmp_path / "model")
    other = brighter(tmp_path / "other", 18, 200)
    scores = {}
    for name, model in (("old", line / "model"), ("new", tmp_path / "model")):
        found = pipeline.evaluate_folder(
            load(model), other, cache, pipeline.EvaluateOptions(group_rule=BY_PART)
        )
        assert found.part_assessment is not None
        scores[name] = found.part_assessment.scores["balanced_accuracy"]
    assert scores["new"] > scores["old"] + 0.2
    assert scores["new"] > 0.95


def test_the_head_stays_and_the_old_model_is_kept(line: Path, tmp_path: Path, cache: Path) -> None:
    """Every file of the head is as it was; the old model beside it can be used as ever."""
    model = Path(shutil.copytree(line / "model", tmp_path / "model"))
    before = {f.name: f.read_bytes() for f in (model / "head").iterdir()}
    old = (model / "model.json").read_bytes()
    done = asked(line, brighter(tmp_path / "new", 24, 100), cache)
    kept = save_rethreshold(load(model), done, model)
    assert kept is not None
    assert kept.parent == model.parent
    assert (kept / "model.json").read_bytes() == old
    assert load(kept).decision.band == done.before.band
    assert {f.name: f.read_bytes() for f in (model / "head").iterdir()} == before
    now = load(model)
    assert now.decision.band == done.after.band
    assert now.decision.holdout == done.after.holdout
    again = save_rethreshold(now, done, model)
    assert again is not None
    assert again != kept  # nothing that is kept is overwritten


def test_what_was_chosen_on_counts_as_known(line: Path, tmp_path: Path, cache: Path) -> None:
    """The new parts are no test of the new model: `evaluate` leaves them out."""
    folder = brighter(tmp_path / "new", 24, 100)
    save_rethreshold(load(line / "model"), asked(line, folder, cache), tmp_path / "model")
    digests = {hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.rglob("*.png")}
    assert digests <= load(tmp_path / "model").trained_on()
    with pytest.raises(DataError, match=r"nothing in .* is new"):
        pipeline.evaluate_folder(load(tmp_path / "model"), folder, cache)
    lines = (tmp_path / "model" / "unseen.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 72


def test_a_claim_is_the_order_statistic_of_the_new_parts(
    line: Path, tmp_path: Path, cache: Path
) -> None:
    """At most a fifth missed: of 14 parts none may lie below the limit, and the next may."""
    folder = brighter(tmp_path / "new", 42, 100)
    done = asked(line, folder, cache, max_missed=0.2)
    (claim,) = done.after.claims
    assert (claim.what, claim.share, claim.parts, claim.allowed) == ("missed", 0.2, 14, 0)
    assert done.after.unseen is not None
    assert done.after.unseen.outcome.defective_parts.passed == 0
    table = done.after.parts(done.y, np.column_stack([1 - done.p, done.p]), done.groups)
    assert (table.y == 1).sum() == 14


@pytest.mark.parametrize(
    ("groups", "wishes", "match"),
    [
        (BY_PART, {"max_missed": 0.05}, "found 8 new defective parts; expected 59"),
        (GroupRule(), {"max_missed": 0.3}, "only proposed"),
        (BY_PART, {"part_rule": "max"}, "judges parts by mean"),
    ],
)
def test_what_cannot_be_had_is_refused(
    line: Path, tmp_path: Path, cache: Path, groups: GroupRule, wishes: dict, match: str
) -> None:
    """Too few parts, a claim on proposed parts, and another way to judge parts."""
    folder = brighter(tmp_path / "new", 24, 100)
    with pytest.raises(ThresholdError, match=match):
        asked(line, folder, cache, groups=groups, **wishes)


def test_parts_that_the_model_knows_are_left_out(line: Path, tmp_path: Path, cache: Path) -> None:
    """Its own data say nothing new, nor does another photograph of a part of them."""
    with pytest.raises(DataError, match="expected photographs of new parts"):
        asked(line, line / "data", cache)
    folder = brighter(tmp_path / "new", 24, 100)
    shutil.copy(line / "data" / "Healthy" / "part-001_0.png", folder / "Healthy")
    shutil.copy(folder / "Healthy" / "part-100_0.png", folder / "Healthy" / "part-001_again.png")
    done = asked(line, folder, cache)
    assert len(done.table_rows) == 72
    assert not any("part-001" in table_row.path for table_row in done.table_rows)


def test_fewer_parts_than_before_are_said(line: Path, tmp_path: Path, cache: Path) -> None:
    """A limit from six parts is less sure than one from eighteen."""
    done = asked(line, brighter(tmp_path / "new", 6, 100), cache)
    assert any("fewer parts than the old limit" in note for note in done.notes)


def test_without_the_old_rows_the_holdout_is_not_known(line: Path, tmp_path: Path) -> None:
    """On another computer: said, and no old count stands beside the new limit."""
    done = asked(line, brighter(tmp_path / "new", 24, 100), tmp_path / "empty.h5")
    assert done.after.holdout is None
    assert any("old holdout is not known" in note for note in done.notes)


def test_the_command(line: Path, tmp_path: Path, run: Run) -> None:
    """What changed is said: limit, counts with both, and where the old model is."""
    shutil.copytree(line / "model", tmp_path / "model")
    shutil.copy(line / "features.h5", tmp_path)
    write_parts(tmp_path / "same", 24, 300)
    brighter(tmp_path / "new", 24, 100)
    by_part = ("--group-regex", r"part-(\d+)")
    code, out, err = run("rethreshold", "model", "new", *by_part)
    assert code == 0, err
    for text in (
        "threshold was",
        "threshold is",
        "old limit, new parts",
        "as it was: model.before-",
    ):
        assert text in out
    about = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert about["decision"]["unseen"]["how"] == "set aside"
    assert about["threshold"] == about["decision"]["pass_below"]
    code, out, err = run("info", "model")
    assert code == 0, err
    code, out, _ = run("rethreshold", "model", "same", *by_part, "--threshold", "0.5", "-o", "half")
    assert code == 0
    assert load(tmp_path / "half").threshold == 0.5
    fails(run("rethreshold", "model", "nothing"), "nothing")
