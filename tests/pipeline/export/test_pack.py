"""Models as one file: the same bytes each time, and nothing comes out that is not whole."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import write_parts

import pipeline
from features.errors import BundleError, OutputError
from pipeline.export.model_card import model_card
from pipeline.export.pack import pack, unpack


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a fitted model."""
    folder = tmp_path_factory.mktemp("pack")
    pipeline.extract_folder(
        write_parts(folder / "data"),
        folder / "features.h5",
        pipeline.ExtractOptions(
            backbone="toy", weights="random", group_rule=pipeline.GroupRule("regex", r"part-(\d+)")
        ),
    )
    data = pipeline.load_dataset(folder / "features.h5")
    flat = pipeline.FeatureSpec.parse("flat")
    pipeline.fit(
        data, folder / "model", pipeline.FitOptions(head="logistic", features=flat, optimism=False)
    )
    return folder / "model"


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """Give a copy of it, to be changed."""
    shutil.copytree(made, tmp_path / "model")
    return tmp_path / "model"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_model_comes_back_and_gives_the_same(model: Path, tmp_path: Path) -> None:
    """Every file as it was, two packings the same bytes, and the report stays at home."""
    (model / "report.html").write_text("a report")
    file = tmp_path / "model.onepass"
    size = pack(model, file)
    first = file.read_bytes()
    assert size == len(first)
    pack(model, file)  # a packed model is replaced
    assert file.read_bytes() == first
    about = unpack(file, tmp_path / "again")
    found = contents(tmp_path / "again")
    assert found == {k: v for k, v in contents(model).items() if k != "report.html"}
    assert about["head"] == "logistic"
    again, ours = pipeline.load_bundle(tmp_path / "again"), pipeline.load_bundle(model)
    rows = ours.tested.rows
    assert (again.probabilities(rows) == ours.probabilities(rows)).all()


def test_a_damaged_model_is_not_packed(model: Path, tmp_path: Path) -> None:
    """A file of it that is no longer what it was, or is gone: one line, and no file."""
    for change in (lambda file: file.write_bytes(b"other"), Path.unlink):
        change(model / "selftest.npz")
        with pytest.raises(BundleError, match=r"selftest\.npz"):
            pack(model, tmp_path / "model.onepass")
        assert not (tmp_path / "model.onepass").exists()


def test_what_is_there_stays(model: Path, tmp_path: Path) -> None:
    """Neither another file nor another folder is lost."""
    file, folder = tmp_path / "notes.onepass", tmp_path / "mine"
    file.write_text("mine")
    with pytest.raises(OutputError, match="was not written by this program"):
        pack(model, file)
    pack(model, file, force=True)
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists and is no model"):
        unpack(file, folder)
    unpack(file, tmp_path / "again")
    unpack(file, tmp_path / "again")  # the same model
    record = tmp_path / "again" / "model.json"
    record.write_text(record.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(OutputError, match="holds another model"):
        unpack(file, tmp_path / "again")
    unpack(file, tmp_path / "again", force=True)
    assert not record.read_text(encoding="utf-8").endswith(" ")


def rewritten(
    file: Path, change: Callable[[dict[str, bytes]], None], kind: int = zipfile.ZIP_STORED
) -> bytes:
    """Give the archive again, its members changed."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def put(name: str, content: bytes = b"x") -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.__setitem__(name, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("../evil.txt"), "called '../evil.txt'"),
        (put("/etc/evil"), "called '/etc/evil'"),
        (put("C:/evil"), "called 'C:/evil'"),
        (put("head\\evil"), "which no model has"),
        (put("head/../../evil"), "which no model has"),
        (put("aux.txt"), "which no model has"),
        (put("extra.txt"), "'extra.txt' is missing, or not named"),
        (put("MODEL.json"), "two of its files would have one place"),
        (put("model.json/x"), "two of its files would have one place"),
        (put("head/settings.json"), "is not the file that was packed"),
        (put("model.json", b"{}"), "another version"),
        (put("model.json", b"[" * 100_000), "is no packed model, or damaged"),
        (lambda members: members.pop("selftest.npz"), "is missing, or not named"),
        (lambda members: members.pop("model.json"), "holds no model.json"),
        (lambda members: members.update({f"{n}": b"" for n in range(1001)}), "more than 1,000"),
    ],
)
def test_what_is_not_whole_is_refused(
    model: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], said: str
) -> None:
    """Paths that lead elsewhere, strange members, digests that do not fit: nothing is written."""
    file, out = tmp_path / "model.onepass", tmp_path / "out"
    pack(model, file)
    file.write_bytes(rewritten(file, change))
    with pytest.raises(BundleError) as refused:
        unpack(file, out)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not out.exists()
    assert not (tmp_path.parent / "evil.txt").exists()


def test_bombs_links_and_cut_files_are_refused(model: Path, tmp_path: Path) -> None:
    """Compressed members, links, half a file, something else."""
    file, out = tmp_path / "model.onepass", tmp_path / "out"
    pack(model, file)
    whole = file.read_bytes()
    bomb = rewritten(file, put("bomb", bytes(50_000_000)), zipfile.ZIP_DEFLATED)
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        member = zipfile.ZipInfo("model.json")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        archive.writestr(member, b"/etc/passwd")
    for content, said in (
        (bomb, "is compressed or encrypted"),
        (link.getvalue(), "is no regular file"),
        (whole[: len(whole) // 2], "is no packed model"),
        (b"", "is no packed model"),
    ):
        file.write_bytes(content)
        with pytest.raises(BundleError, match=said):
            unpack(file, out)
    assert not out.exists()
    for at in range(0, len(whole), len(whole) // 40):  # a flipped bit anywhere
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            unpack(file, out, force=True)
        except BundleError:
            continue
        assert contents(out) == {k: v for k, v in contents(model).items() if k in contents(out)}


def test_no_byte_of_an_archive_ends_in_a_mistake(model: Path, tmp_path: Path) -> None:
    """Bytes of the directory changed: whole, or one line; 3 in 1,000 were a mistake once."""
    file = tmp_path / "m.onepass"
    pack(model, file)
    content, rng = file.read_bytes(), np.random.default_rng(0)
    end = content.rindex(b"PK\5\6")
    directory = int.from_bytes(content[end + 16 : end + 20], "little")
    changes = [(directory + 6, 255), (directory + 8, 0x20), (directory + 8, 0x40), (end + 10, 255)]
    changes += [
        (int(at), int(value))
        for at, value in zip(
            rng.integers(directory, len(content), 150), rng.integers(0, 256, 150), strict=True
        )
    ]
    refused = 0
    for at, value in changes:
        file.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
        try:
            unpack(file, tmp_path / "out")
        except BundleError:
            refused += 1
    assert refused > len(changes) // 2


def test_the_commands(model: Path, run: Run, tmp_path: Path) -> None:
    """As typed."""
    code, out, err = run("pack", "model", "model.onepass")
    assert code == 0, err
    assert "there: onepass unpack model.onepass model" in out
    code, out, err = run("unpack", "model.onepass", "there")
    assert code == 0, err
    assert "whole by its digests" in out
    fails(run("unpack", "nothing.onepass", "x"), "no file at nothing.onepass", "onepass pack")
    fails(run("pack", "none", "x.onepass"), "no model at none")
    code, out, _ = run("info", "model", "--card")
    assert code == 0
    assert out.startswith("---\nlicense: other\n")
    (tmp_path / "features.h5").touch()
    fails(run("info", "features.h5", "--card"), "features.h5 is no folder")


def test_the_card_says_what_the_model_says(model: Path) -> None:
    """Scores, parts, limits and uses, out of model.json; its metadata is YAML."""
    yaml = pytest.importorskip("yaml")
    about = json.loads((model / "model.json").read_text())
    about["classes"][0] = "Good|<b>`x`"
    (model / "model.json").write_text(json.dumps(about))
    text = model_card(model)
    _, head, body = text.split("---\n", 2)
    told = yaml.safe_load(head)
    metric = told["model-index"][0]["results"][0]["metrics"][0]
    assert metric["value"] == pytest.approx(about["holdout_parts"]["scores"]["roc_auc"], abs=1e-6)
    low, high = about["holdout_parts"]["intervals_95"]["balanced_accuracy"]
    assert f"({low:.3f} to {high:.3f})" in body
    assert f"{about['decision']['pass_below']:.4g}" in body
    assert "| held out | 18 | 6 parts | 12 Healthy, 6 defects |" in body
    assert "## What it scores on parts that it never saw" in body
    assert "**Not** for other parts" in body
    assert "<b>" not in body.replace("`Good/<b>'x'`", "")
    assert str(model.parent) not in text


def test_the_card_does_not_sell_what_is_only_proposed(model: Path) -> None:
    """Parts that nobody said: not "as told", and no parts that it never saw."""
    about = json.loads((model / "model.json").read_text())
    about["data"]["group_rule"] = {"kind": "proposed", "value": ""}
    (model / "model.json").write_text(json.dumps(about))
    text = model_card(model)
    assert 'held out, by part, parts only proposed"' in text
    assert "| held out | 18 | probably 6 parts |" in text
    assert "stay together as far as that is known" in text
    assert "parts are proposed from times, names and pixels, for nobody said them" in text
    assert "never saw" in text.partition("## What it scores on photographs that it ")[2][:12]
    assert "some may show parts that it learned from" in text
