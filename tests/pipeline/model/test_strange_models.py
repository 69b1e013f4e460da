"""A stranger's model does not choose where pictures are read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Run, fails
from models import sign

import pipeline
from features.errors import BundleError, OutputError
from features.own_files import is_remote, is_strange_root
from pipeline.export.pack import pack, unpack
from pipeline.export.proof import known_photographs
from pipeline.heatmaps.maps import read_reference
from pipeline.line.drift import Arrival
from pipeline.line.drift_sources import sharpness_of
from pipeline.model.evaluate import evaluate_folder, evaluate_holdout
from pipeline.model.files import check_replaceable
from pipeline.report.reports import evaluation_report


@pytest.fixture
def packed(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a model packed by another account, unpacked in a folder of its own."""
    file = tmp_path / "mail" / "model.onepass"
    file.parent.mkdir()
    pack(model, file)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "other account"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "other account"))
    monkeypatch.chdir(file.parent)
    unpack(file, file.parent / "model")
    return file.parent / "model"


def test_its_folder_is_asked_for(packed: Path, tmp_path: Path) -> None:
    """By evaluate and its report, by export's proof, and drift leaves out what needs it."""
    bundle, cache = pipeline.load_bundle(packed), tmp_path / "features.h5"
    told = rf"not made by this account .* lie in {tmp_path / 'data'}; nothing is read there unasked"
    with pytest.raises(BundleError, match=told):
        evaluate_holdout(bundle, cache)
    with pytest.raises(BundleError, match="export --data FOLDER"):
        known_photographs(bundle, "holdout", 9, None)
    notes: list[str] = []
    assert sharpness_of(bundle, [Arrival("0", 0.0, "", "", Path("x.png"))], notes) is None
    assert len(notes) == 1
    assert "sharpness is left out" in notes[0]


def test_who_names_the_folder_goes_on(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named, above the current folder, or gone: then there is no question."""
    bundle, cache = pipeline.load_bundle(packed), tmp_path / "features.h5"
    assert known_photographs(bundle, "holdout", 9, tmp_path / "data")
    found = evaluate_folder(bundle, tmp_path / "data", cache)
    assert found.assessment.count > 0
    assert "<html" in evaluation_report(bundle, found)
    monkeypatch.chdir(tmp_path)
    assert evaluate_holdout(bundle, cache).assessment.count > 0
    monkeypatch.chdir(packed.parent)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert evaluate_holdout(bundle, cache).assessment.count > 0


def test_the_mark_is_of_every_field(model: Path, tmp_path: Path) -> None:
    """A model of this account whose root somebody changed is no longer its own."""
    assert pipeline.load_bundle(model).record.own
    entries = json.loads((model / "model.json").read_text("utf-8"))
    for change in (
        {"data": entries["data"] | {"root": str(tmp_path.parent)}},
        {"mark": "00"},
        {"mark": 7},
        {"mark": "no number"},
        {"title": "Another"},
    ):
        (model / "model.json").write_text(json.dumps(entries | change), "utf-8")
        assert not pipeline.load_bundle(model).record.own
    (model / "model.json").write_text(json.dumps(entries, sort_keys=True), "utf-8")
    assert pipeline.load_bundle(model).record.own


def test_what_is_made_of_it_stays_a_strangers(packed: Path, tmp_path: Path) -> None:
    """`rethreshold` writes the record anew: the folder in it is still one that nobody named."""
    record = replace(pipeline.load_bundle(packed).record, title="Another")
    out = Path(shutil.copytree(packed, tmp_path / "mail" / "again"))
    (out / "model.json").write_bytes(record.to_bytes())
    with pytest.raises(BundleError, match="not made by this account"):
        _ = pipeline.load_bundle(out).root


@pytest.mark.parametrize("name", ["\\\\server\\s", "//server/s", "\\/server/s", "/\\server\\s"])
def test_another_computer_in_any_slashes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows takes each of these for a share, and logs in when it is looked for."""

    def looked(_: Path) -> bool:
        raise AssertionError("it was looked for")

    monkeypatch.setattr(Path, "exists", looked)
    assert is_remote(name)
    assert is_strange_root(Path("model"), name)
    assert not is_remote("/srv/share")
    assert is_strange_root(Path("model"), "a\0b")


@pytest.mark.parametrize("side", [7, {"scores": 7}, {"scores": {}, "photographs": "x"}, [[]]])
def test_info_of_forged_scores_is_one_line(model: Path, run: Run, side: object) -> None:
    """What nobody needs for a verdict is not checked at load, and must not end in a mistake."""
    entries = json.loads((model / "model.json").read_text("utf-8"))
    (model / "model.json").write_text(json.dumps(entries | {"holdout": side}), "utf-8")
    fails(run("info", str(model)), "is damaged or was tampered with")
    run("info", str(model), "--card")


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no archive", b"\x93NUMPY", b"\xff\xfe,\n"])
def test_files_that_are_read_later_are_refused(model: Path, run: Run, content: bytes) -> None:
    """Heatmaps, curves and what thresholds were chosen on: found by forged models."""
    entries = json.loads((model / "model.json").read_text("utf-8"))
    for name in ("heatmaps.npz", "curves.csv", "unseen.csv"):
        if name in entries["files"]:
            (model / name).write_bytes(content)
    sign(model)
    bundle = pipeline.load_bundle(model)
    with pytest.raises(BundleError):
        read_reference(bundle, 48)
    for words in (["evaluate", str(model)], ["drift", str(model), "data"]):
        code, _, said = run(*words, "--cache", "features.h5")
        assert code in (0, 1)
        assert "a mistake in this program" not in said


def test_fit_goes_on_where_it_was_killed_at_its_report(model: Path) -> None:
    """Half a report under its temporary name is nobody's: found by `python -m torture kills`."""
    (model / ".report.html.el9035pl.part").write_text("<html>")
    check_replaceable(model)
    (model / "notes.part").touch()
    with pytest.raises(OutputError, match=r"holds notes\.part"):
        check_replaceable(model)
