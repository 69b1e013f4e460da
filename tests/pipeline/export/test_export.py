"""Exports from end to end: the proof, the check that repeats it, and what breaks them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tiny  # noqa: F401 - registers the backbone
from commands import Run, fails
from models import write_parts

import pipeline
from features.errors import ExportError, FingerprintError, MemoryLimitError, OutputError
from pipeline.model.predict import find_photographs, predict
from pipeline.model.probabilities import PredictOptions

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")
pytest.importorskip("openvino", reason="needs the extra export")

from pipeline.export.export import Wish, export_model  # noqa: E402
from pipeline.export.proof import TOLERANCE, Proof, known_photographs  # noqa: E402


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with data/, features.h5, model/ and exports of it, onnx/ and openvino/."""
    home = tmp_path_factory.mktemp("exported")
    cache = home / "features.h5"
    pipeline.extract_folder(
        write_parts(home / "data"),
        cache,
        pipeline.ExtractOptions(
            backbone="tiny",
            weights="random",
            engine="openvino",
            group_rule=pipeline.GroupRule("regex", r"part-(\d+)"),
        ),
    )
    spec = pipeline.FeatureSpec.parse("full+crops:mixed-max")
    data = pipeline.load_dataset(cache)
    pipeline.fit(
        data, home / "model", pipeline.FitOptions(head="logistic", features=spec, optimism=False)
    )
    for to in ("onnx", "openvino"):
        export_model(home / "model", home / to, Wish(to, cache=cache, engine="openvino"))
    return home


def copied(home: Path, target: str, tmp_path: Path) -> Path:
    shutil.copytree(home / target, tmp_path / "copy")
    return tmp_path / "copy"


def signed(folder: Path) -> Path:
    """Forge the digests, so that only what is computed can tell."""
    card = json.loads((folder / "card.json").read_text("utf-8"))
    for name in card["files"]:
        card["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card), "utf-8")
    return folder


def loaded(folder: Path) -> ModuleType:
    """Give the folder's own check.py."""
    spec = importlib.util.spec_from_file_location("shipped_check", folder / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_the_check_runs_alone(home: Path, target: str, tmp_path: Path) -> None:
    """In a process that cannot see this project: it exits with 0, and with 1 where it is broken."""
    folder = copied(home, target, tmp_path)
    code = f"import runpy, sys; sys.argv = ['check.py']\ntry: runpy.run_path({str(folder / 'check.py')!r}, run_name='__main__')\nfinally: print([m for m in sys.modules if m.split('.')[0] in ('features', 'pipeline', 'onepass', 'sklearn', 'tensorflow')])"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the same: 3 photographs")
    assert done.stdout.strip().endswith("[]")
    path = folder / json.loads((folder / "card.json").read_text("utf-8"))["file"]
    path.write_bytes(path.read_bytes() + b" ")
    assert loaded(folder).main([]) == 1


def test_one_weight_is_noticed(home: Path, tmp_path: Path) -> None:
    """Without digests too: a weight of the backbone, a coefficient of the head."""
    for number, scope in enumerate(("backbone/", "head/")):
        folder = copied(home, "onnx", tmp_path / str(number))
        model = onnx.load(folder / "model.onnx")
        tensor = next(
            t for t in model.graph.initializer
            if t.name.startswith(scope) and t.data_type == onnx.TensorProto.FLOAT
            and np.prod(t.dims) > 5
        )  # fmt: skip
        values = onnx.numpy_helper.to_array(tensor).copy()
        place = np.unravel_index(np.abs(values).argmax(), values.shape)
        values[place] *= 1.2
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        onnx.save(model, folder / "model.onnx")
        assert loaded(folder).check(folder) == ["model.onnx is not the file that was exported"]
        found = loaded(signed(folder)).check(folder)
        assert found, scope
        assert "a probability moved by" in found[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("np.asarray(cut)", "np.asarray(cut)[..., ::-1]"), "its pixels are up to"),
        (("np.asarray(cut)", "np.asarray(cut).swapaxes(0, 1)"), "its pixels are up to"),
        (('filters[recipe["resize"]]', "Image.Resampling.NEAREST"), "its pixels are up to"),
        (("turn = _orientation(image) if", "turn = 1 if"), "its pixels are up to"),
        (("model(given[None])", "model(given[None, ..., ::-1].copy())"), "moved by"),
        (("model(given[None])", "model(given[None].swapaxes(2, 3).copy())"), "moved by"),
        (('if p < card["pass_below"]', 'if p > card["pass_below"]'), "not "),
    ],
    ids=["channels", "transposed", "filter", "exif", "shown channels", "shown turned", "limit"],
)  # fmt: skip
def test_another_preprocessing_is_noticed(
    home: Path, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    """Whoever reads, shows or judges photographs otherwise is told so."""
    folder = copied(home, "onnx", tmp_path)
    text = (folder / "check.py").read_text("utf-8")
    assert change[0] in text
    (folder / "check.py").write_text(text.replace(*change), "utf-8")
    signed(folder)
    found = loaded(folder).check(folder)
    assert any(said in line for line in found), found
    assert loaded(folder).main([]) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pass_below", 0.0), ("reject_from", 1.0), ("classes", ["a", "b"]), ("part_rule", "share"),
        ("part_calibration", {"scale": "logit", "slope": 1.0, "offset": 0.1}),
        ("tolerance", 0.5), ("precision", "int8"), ("outputs", ["probabilities"]),
    ],
)  # fmt: skip
def test_another_card_is_noticed(home: Path, tmp_path: Path, key: str, value: object) -> None:
    """No digest is of the card itself: what verdicts hang on stands in expected.json once more."""
    folder = copied(home, "onnx", tmp_path)
    card = json.loads((folder / "card.json").read_text("utf-8"))
    assert card[key] != value
    (folder / "card.json").write_text(json.dumps({**card, key: value}), "utf-8")
    (found,) = loaded(folder).check(folder)
    assert found.startswith(f"card.json says {key} {value!r}, and said ")


def test_what_is_damaged_or_of_another_export_is_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a file, none, another export's card; with forged digests, too."""
    folder = copied(home, "onnx", tmp_path)
    names = ["model.onnx", "card.json", "expected.json", "photographs/clear.png"]
    for name in names:
        whole = (folder / name).read_bytes()
        for content in (whole[: len(whole) // 2], b"[]", None):
            if content is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(content)
            if name == "model.onnx" and content is not None:
                signed(folder)
            code = loaded(folder).main([])
            out, err = capsys.readouterr()
            assert (code, out.count("\n"), err) == (1, 1, ""), (name, content, out)
            assert out.startswith("NOT the same: "), out
            (folder / name).write_bytes(whole)
            signed(folder)
    assert loaded(folder).main([]) == 0
    shutil.copy(home / "openvino" / "card.json", folder / "card.json")
    assert loaded(folder).main([]) == 1
    (folder / "card.json").write_text("[]")
    capsys.readouterr()
    assert loaded(folder).main(["part.jpg"]) == 1
    assert capsys.readouterr().err.startswith("the model cannot be opened (")


def test_who_reads_only_the_beginning_is_no_error(home: Path, tmp_path: Path) -> None:
    """`python check.py PHOTOGRAPH ... | head`."""
    command = [sys.executable, str(home / "onnx" / "check.py"), str(tmp_path / "none.jpg")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_verdicts_are_those_of_predict(home: Path, target: str, tmp_path: Path) -> None:
    """New photographs, some of them unlike anything: the same verdicts, and parts too."""
    write_parts(tmp_path / "new", parts=6, first=100)
    from PIL import Image

    Image.new("RGB", (300, 100), "white").save(tmp_path / "new" / "white.jpg")
    bundle = pipeline.load_bundle(home / "model")
    found = find_photographs([str(tmp_path / "new")])
    ours = predict(bundle, found, None, PredictOptions(engine="openvino"))
    check = loaded(home / target)
    card = json.loads((home / target / "card.json").read_text("utf-8"))
    model = check.load(home / target, card)
    for one in ours:
        made = model(check.read_pictures(one.file.read_bytes(), card)[None])
        verdict, p, _ = check.verdict_of(card, made["probabilities"][0], made["strangeness"][0])
        assert one.verdict == verdict
        assert one.probability == pytest.approx(p, abs=1e-4)
    assert ours[-1].unlike


def test_the_card_says_what_a_program_needs(home: Path) -> None:
    """Classes, limits, part rule, recipe, pictures and the proof."""
    card = json.loads((home / "openvino" / "card.json").read_text("utf-8"))
    about = json.loads((home / "model" / "model.json").read_text("utf-8"))
    assert card["classes"] == about["classes"]
    assert card["pass_below"] == about["decision"]["pass_below"]
    assert card["part_rule"] == about["decision"]["part_rule"]
    assert card["proof"]["drawn_photographs"] == 3
    assert card["proof"]["held_out_photographs"] == 18
    assert card["proof"]["parts"] == 6
    assert card["proof"]["verdicts_that_differ"] == 0
    assert card["proof"]["largest_difference"] < 1e-4
    assert card["accepted_difference"] is None


def test_photographs_are_held_out_and_as_they_were(home: Path, tmp_path: Path) -> None:
    """Of the side that is asked for, in whole parts, and not where a byte has changed."""
    bundle = pipeline.load_bundle(home / "model")
    sides = {entry["path"]: entry["side"] for entry in bundle.split()}
    for side in ("holdout", "train"):
        found = known_photographs(bundle, side, 1000, None)
        assert {one.photograph.path for one in found} == {p for p, s in sides.items() if s == side}
    held_out = known_photographs(bundle, "holdout", 4, None)
    assert len({one.part for one in held_out}) == 2  # of three photographs each
    shutil.copytree(home / "data", tmp_path / "data")
    changed, gone = (tmp_path / "data" / one.photograph.path for one in held_out[:2])
    changed.write_bytes(changed.read_bytes() + b" ")
    gone.unlink()
    left = known_photographs(bundle, "holdout", 4, tmp_path / "data")
    assert not {one.photograph.path for one in left} & {one.photograph.path for one in held_out[:2]}


def test_a_verdict_that_differs_fails_the_proof() -> None:
    """However little the probabilities differ, unless a difference is accepted."""
    same = Proof(3, 18, 6, 1e-6, 1e-6, 0, 1e-6, 0, {}, None)
    assert same.failure(TOLERANCE) == ""
    for changed in ({"verdicts": 1}, {"part_verdicts": 1}):
        other = replace(same, **changed)
        assert other.failure(TOLERANCE) == "1 verdict differs, by differences of up to 1e-06"
        assert other.failure(0.01) == ""
    assert "more than 0.0001" in replace(same, part_difference=2e-4).failure(TOLERANCE)
    assert "no drawn photograph" in replace(same, drawn=0).failure(1.0)


def test_a_file_that_fails_the_proof_is_not_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and nothing is left; what is accepted stands in the card."""
    from pipeline.export import export

    real = export.write_graph

    def wrong(*given: object) -> object:
        written = real(*given)  # type: ignore[arg-type]
        for name, values in written.graph._constants.items():
            if name.startswith("head/") and values.shape == (1,) and values.dtype == np.float32:
                written.graph._constants[name] = values + np.float32(0.5)
        return written

    monkeypatch.setattr(export, "write_graph", wrong)
    wish = Wish("onnx", cache=home / "features.h5", engine="openvino")
    with pytest.raises(ExportError, match=r"differs by 0\.\d+.* nothing was written; accept it"):
        export_model(home / "model", tmp_path / "out", wish)
    assert list(tmp_path.iterdir()) == []
    accepted = Wish("onnx", accept=0.3, cache=home / "features.h5", engine="openvino")
    done = export_model(home / "model", tmp_path / "out", accepted)
    assert done.card["accepted_difference"] == 0.3
    assert 1e-3 < done.proof.difference < 0.3


def test_a_file_that_computes_no_numbers_is_not_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is about one held-out photograph alone, and any difference is accepted."""
    from pipeline.export import proof

    real = proof.check.load

    def broken(*given: object) -> object:
        model, calls = real(*given), []  # type: ignore[arg-type]

        def run(x: np.ndarray) -> dict[str, np.ndarray]:
            calls.append(1)
            made = model(x)
            return {n: np.full_like(a, np.nan) if len(calls) == 9 else a for n, a in made.items()}

        return run

    monkeypatch.setattr(proof.check, "load", broken)
    wish = Wish("onnx", accept=1.0, cache=home / "features.h5", engine="openvino")
    with pytest.raises(ExportError, match=r"cannot compute what was written \(of .*: no numbers"):
        export_model(home / "model", tmp_path / "out", wish)
    assert list(tmp_path.iterdir()) == []


def test_what_writing_takes_is_held_against_the_limit(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beforehand; of InceptionV3 LiteRT took 5.5 GB at a limit of 0.6, and said 0.5 at less."""
    monkeypatch.setattr("pipeline.export.export.weight_bytes", lambda *_: 88_025_432)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.6")
    for target, needed in (("onnx", "1.06"), ("openvino", "1.41"), ("tflite", "5.64")):
        pytest.importorskip("ai_edge_litert" if target == "tflite" else target)
        refused = rf"in float32 takes some {needed} GB; expected at most the limit of 0\.6 GB"
        with pytest.raises(MemoryLimitError, match=refused):
            export_model(home / "model", tmp_path / "new", Wish(target))
    assert not (tmp_path / "new").exists()


def test_a_cache_of_other_rows_is_refused_before_work(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default `features.h5` of another project: noticed after the model had been written."""
    monkeypatch.setattr("pipeline.export.export.write_graph", lambda *_: pytest.fail("worked"))
    other = tmp_path / "features.h5"
    options = pipeline.ExtractOptions(backbone="tiny", weights="random", seed=1)
    pipeline.extract_folder(home / "data", other, options)
    with pytest.raises(
        FingerprintError, match=r"features.h5 holds rows of other settings.*--cache"
    ):
        export_model(home / "model", tmp_path / "new", Wish("onnx", cache=other))
    assert not (tmp_path / "new").exists()


def test_int8_is_written_where_its_difference_is_accepted(home: Path, tmp_path: Path) -> None:
    """Not otherwise; the check allows what was accepted, and no more."""
    pytest.importorskip("nncf", reason="needs the extra export")
    wish = Wish("openvino", "int8", 0.9, cache=home / "features.h5", engine="openvino")
    done = export_model(home / "model", tmp_path / "out", wish)
    assert "a probability differs by" in done.proof.failure(1e-4)
    assert 1e-4 < done.proof.difference < 0.9
    assert done.card["tolerance"] == done.card["accepted_difference"] == 0.9
    assert loaded(tmp_path / "out").check(tmp_path / "out") == []
    assert "FakeQuantize" in (tmp_path / "out" / "model.xml").read_text("utf-8")


def test_only_an_export_is_replaced(home: Path, tmp_path: Path) -> None:
    """A folder of something else stays."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists and is no export"):
        export_model(home / "model", tmp_path / "mine", Wish("onnx"))
    for out in (home / "model" / "onnx", home / "model", home):
        with pytest.raises(OutputError, match="is the model's own folder, lies in it or holds it"):
            export_model(home / "model", out, Wish("onnx"), force=True)
    with pytest.raises(ExportError, match="proves nothing of it"):
        export_model(home / "model", tmp_path / "new", Wish("onnx", engine="onnx"))


def test_the_command(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As typed; wrong words are one line."""
    monkeypatch.chdir(home)
    words = ("export", "model", "out", "--engine", "openvino")
    code, out, err = run(*words, "--to", "onnx", "--precision", "float16",
                         "--accept-difference", "0.01")  # fmt: skip
    assert code == 0, err
    assert "3 drawn photographs, 18 held-out photographs of 6 parts" in out
    assert "AUC      by part" in out
    fails(
        run(*words, "--to", "coreml"),
        "unknown target 'coreml'; expected --to onnx, openvino, tflite",
    )
    fails(run(*words, "--to", "onnx", "--precision", "int4"), "expected one of float32, float16")
    fails(run("export", "data", "out", "--to", "onnx"), "data")
