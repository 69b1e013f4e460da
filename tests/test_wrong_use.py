"""Wrong use: formulas, control characters, files that would be lost, and the network."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from commands import Run, fails
from models import copy_line, write_parts
from PIL import Image

from features.errors import OutputError
from pipeline.export.commands import info
from pipeline.output.overwrite import PICTURE, PREDICTIONS, check_overwritable
from pipeline.output.photograph_grid import SheetEntry, draw_sheet
from pipeline.output.tables import escaped_json, printable, to_csv, visible

ESCAPES = "\x1b[31m\x07\u202egnp.exe\x9b\u2066\u200f\x7f\r\n"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1+1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "a;=1", "a;\t@x", "a|-x",
     "＝1+1", "＠x", "x\n=cmd|' /C calc'!A0"],
)  # fmt: skip
def test_no_cell_is_a_formula(text: str) -> None:
    """In no column, under no separator, is text left that a spreadsheet would compute."""
    for columns in ([text, "n"], ["n", text]):
        written = to_csv(columns, [{text: text, "n": 1}, {text: None, "n": 2.5}])
        for delimiter in ",;\t|":
            for row in csv.reader(io.StringIO(written), delimiter=delimiter):
                for cell in row:
                    assert cell.lstrip()[:1] not in set("=+-@＝＋－＠"), cell


def test_numbers_and_plain_names_are_left_alone() -> None:
    """Negative numbers stay numbers, and a path keeps its name."""
    written = to_csv(["a", "b"], [{"a": "teil-03/bild -1.jpg", "b": -3.5}])
    assert written == "a,b\nteil-03/bild -1.jpg,-3.5\n"


def test_control_characters_reach_neither_terminal_nor_table() -> None:
    """Cursor, colours, direction: written as escapes; JSON still means the same."""
    for shown in (printable(ESCAPES), visible(ESCAPES), to_csv(["x"], [{"x": ESCAPES}])):
        assert not set(shown) & set(ESCAPES.replace("\n", "")) - set("[31mgnp.exe")
    text = escaped_json(json.dumps({"path": ESCAPES}, ensure_ascii=False))
    assert json.loads(text) == {"path": ESCAPES}
    assert text.isprintable()


def test_every_command_prints_hostile_names_harmlessly(run: Run) -> None:
    """Folders, files and options with escapes in their names do nothing to the terminal."""
    evil = "\x1b]0;owned\x07\u202e\nerror: forged"
    write_parts(Path("data"))
    Path("data/defects").rename(f"data/defects{evil}")
    Path(f"data/defects{evil}/bad{evil}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    commands = [
        ["extract", "--weights", "random", "--group-regex", r"part-(\d+)"],
        ["fit", "--head", "majority"],
        ["compare-heads", "--heads", "majority,logistic", "--repeats", "1", "--jobs", "1"],
        ["evaluate"], ["predict", "model", "data"], ["info", "model"], ["info", "features.h5"],
        ["info", f"none{evil}"], [f"--{evil}"], ["predict", "model", f"x{evil}.jpg", f"--{evil}"],
        ["evaluate", "model", f"none{evil}"],
    ]  # fmt: skip
    for command in commands:
        _, out, err = run(*command)
        assert out + err
        assert not {c for c in out + err if not c.isprintable()} - {"\n"}, command
        assert "\nerror: forged" not in out + err, command
    text = Path("predictions.csv").read_text("utf-8-sig")
    assert not {c for c in text if not c.isprintable()} - {"\n"}
    assert len(text.splitlines()) == 74


def test_only_one_function_prints() -> None:
    """There is one door to the terminal, so that no command can forget to neutralise."""
    door = ROOT / "pipeline" / "output" / "stream.py"
    assert door.read_text("utf-8").count("print(") == 1
    assert (ROOT / "cli.py").read_text("utf-8").count("typer.echo(") == 1  # verdicts as a file
    check = ROOT / "pipeline" / "export" / "check.py"  # goes along with a model, without Onepass
    line = ROOT / "pipeline" / "line" / "delivery.py"  # JSON lines for a gateway, through a pipe
    assert line.read_text("utf-8").count("print(") - 1 == line.read_text().count("fingerprint(")
    for path in [*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("features/**/*.py")]:
        text = path.read_text("utf-8").replace("fingerprint(", "").replace(">>> print(", "")
        assert path in (door, check, line) or ("print(" not in text and "echo(" not in text), path


# ---- what would be lost -----------------------------------------------------------------------


@pytest.fixture
def fitted(run: Run, master: Path, tmp_path: Path) -> Run:
    """Give a folder with a cache and a model, for commands that write."""
    copy_line(master, tmp_path, "data", "features.h5")
    assert run("fit", "--head", "majority", "--threshold", "0.5", "--no-optimism")[0] == 0
    return run


def test_fit_again_replaces_its_model_and_nothing_else(fitted: Run) -> None:
    """The daily loop needs no --force; a file of somebody's own in the folder stops it."""
    assert fitted("fit", "--head", "logistic")[0] == 0
    Path("model/.DS_Store").write_bytes(b"litter of the system")
    assert fitted("fit", "--head", "majority")[0] == 0
    Path("model/notes.txt").write_text("what the customer said")
    fails(fitted("fit", "--head", "logistic"), "notes.txt", "--force")
    assert Path("model/notes.txt").read_text() == "what the customer said"
    assert json.loads(Path("model/model.json").read_text())["head"] == "majority"
    assert fitted("fit", "--head", "logistic", "--force")[0] == 0
    assert not Path("model/notes.txt").exists()


def test_fit_never_replaces_what_only_looks_like_a_model(fitted: Run) -> None:
    """A model.json of another program, a folder of files, a file: each needs --force or a name."""
    Path("other").mkdir()
    Path("other/model.json").write_text('{"format": "layers-model"}')
    Path("other/weights.bin").write_bytes(b"x")
    fails(fitted("fit", "--head", "majority", "--out", "other"), "--force")
    fails(fitted("fit", "--head", "majority", "--out", "data"), "exists and is no model")
    fails(fitted("fit", "--head", "majority", "--out", "features.h5"), "is no folder")
    assert fitted("fit", "--head", "majority", "--out", "features.h5", "--force")[0] == 1
    assert fitted("evaluate")[0] == 0


def test_predict_overwrites_its_own_results_alone(fitted: Run) -> None:
    """predictions.csv again and again; groups.csv, a photograph, a JSON of others: never."""
    one = str(next(Path("data/defects").iterdir()))
    for out in ("predictions.csv", "p.json", "p.jsonl"):
        for _ in range(2):
            assert fitted("predict", "model", one, "--out", out, "--sheet", "s.png")[0] == 0
    Path("groups.csv").write_text("path,group\na.png,1\n")
    Path("package.json").write_text('{"name": "x"}')
    Path("log.jsonl").write_text('{"event": 1}\n')
    for name in ("groups.csv", "package.json", "log.jsonl"):
        before = Path(name).read_bytes()
        fails(fitted("predict", "model", "data", "--out", name), name, "would be lost", "--force")
        assert Path(name).read_bytes() == before
    photograph = next(Path("data/Healthy").iterdir())
    before = photograph.read_bytes()
    fails(fitted("predict", "model", one, "--sheet", str(photograph)), "would be lost")
    assert photograph.read_bytes() == before
    assert fitted("predict", "model", "data", "--out", "groups.csv", "--force")[0] == 0


def test_no_picture_of_ours_becomes_a_photograph(fitted: Run) -> None:
    """A sheet in the folder that is judged would be judged, or trained on, the next time."""
    for name in ("data/sheet.png", "data/defects/../sheet.png", str(Path("data/s.png").resolve())):
        fails(fitted("predict", "model", "data", "--sheet", name), "lies in data", "--sheet")
        fails(fitted("predict", "model", "data", "-o", "-", "--sheet", name), "lies in data")
        fails(fitted("next", "data", "--sheet", name), "lies in data")
        fails(fitted("drift", "model", "data", "--sheet", name), "lies in data")
    fails(fitted("audit", "--out", "data/audit"), "lies in", "--out")
    fails(fitted("predict", "model", "data", "--sheet", "sheet.jpg"), "expected a name in .png")
    assert sorted(path.name for path in Path("data").iterdir()) == ["Healthy", "defects"]


def test_compare_heads_overwrites_its_own_tables_alone(fitted: Run) -> None:
    """A comparison.csv that somebody else wrote stays."""
    arguments = ("compare-heads", "--heads", "majority", "--repeats", "1", "--jobs", "1")
    for _ in range(2):
        assert fitted(*arguments)[0] == 0
    Path("comparison/comparison.csv").write_text("my,own\n1,2\n")
    fails(fitted(*arguments), "comparison.csv", "would be lost")
    assert fitted(*arguments, "--force")[0] == 0


def test_a_report_that_cannot_be_written_is_said_before_the_work(fitted: Run) -> None:
    """The place of the report is looked at first: no model is made, no score computed for it."""
    Path("notes.html").write_text("<p>mine</p>")
    for command in (("fit", "--out", "m"), ("compare-heads", "--out", "c"), ("evaluate",)):
        for place, why in (("data", "is a folder"), ("notes.html", "would be lost")):
            fails(fitted(*command, "--report", place), place, why)
    assert not Path("m").exists()
    assert not Path("c").exists()


def test_a_folder_that_is_closed_is_said_before_the_work(
    fitted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained, compared or judged for a place where nothing can be written."""
    Path("closed").mkdir()
    real = os.access

    def access(path: Path, mode: int) -> bool:
        return real(path, mode) and not (mode == os.W_OK and path.name == "closed")

    def work(*_: object, **__: object) -> None:
        raise AssertionError("it was begun")

    monkeypatch.setattr(os, "access", access)
    for begun in ("training.fit.train", "training.compare_heads.compare", "audit.run._read_files"):
        monkeypatch.setattr(f"pipeline.{begun}", work)
    monkeypatch.setattr("pipeline.heatmaps.predict_to_files.predict", work)
    for command in (
        ("fit", "--out", "closed/m"), ("compare-heads", "--out", "closed/c"),
        ("audit", "--out", "closed/a"), ("predict", "model", "data", "--out", "closed/p.csv"),
        ("fit", "--out", "m", "--report", "closed/new/r.html"),
    ):  # fmt: skip
        fails(fitted(*command), "this account may write nothing in", "closed")


def test_a_reader_who_leaves_a_pipe_is_no_damage(
    fitted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`info model | head` says nothing of the model."""

    def left(_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("pipeline.export.commands.show", left)
    for more in ({}, {"card": True}):
        with pytest.raises(BrokenPipeError):
            info(Path("model"), **more)


def test_what_counts_as_ours(tmp_path: Path) -> None:
    """Nothing there, an empty file, and what this program wrote; anything else is not."""
    path = tmp_path / "x.png"
    check_overwritable(path, PICTURE)
    path.touch()
    check_overwritable(path, PICTURE)
    path.write_bytes(draw_sheet([SheetEntry(path, None, error="none")], "title"))
    check_overwritable(path, PICTURE)
    Image.new("RGB", (9, 9)).save(path)
    with pytest.raises(OutputError, match="would be lost"):
        check_overwritable(path, PICTURE)
    check_overwritable(path, PICTURE, force=True)
    with pytest.raises(OutputError, match="is a folder"):
        check_overwritable(tmp_path, PREDICTIONS[".csv"], force=True)


def test_a_demo_removes_only_what_a_demo_made(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second demo in the same folder leaves a person's own files there."""
    from pipeline.demo import run as demo

    Path("demo/model").mkdir(parents=True)
    Path("demo/demo.json").write_text("{}")
    Path("demo/mine.txt").write_text("mine")
    monkeypatch.setattr(demo, "draw_parts", lambda *_a, **_k: (_ for _ in ()).throw(OSError("x")))
    run("demo", "--seed", "1")
    assert Path("demo/mine.txt").read_text() == "mine"
    assert not Path("demo/model").exists()


# ---- the network ------------------------------------------------------------------------------

_HOOK = """
import sys
def _refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        with open({log!r}, "a") as log:
            print(event, arguments[1:], file=log)
        raise OSError("no network in this test")
sys.addaudithook(_refuse)
"""
_JOB = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import cli, toy
from features.backbones.registry import BACKBONES
BACKBONES["inception_v3"] = "toy:ToyBackbone"
for line in {commands!r}:
    sys.argv = ["onepass", *line]
    try: cli.main()
    except SystemExit as stopped:
        if stopped.code: raise
"""


def test_the_main_job_runs_with_the_network_cut_off(tmp_path: Path) -> None:
    """extract, compare-heads, fit, evaluate, predict: nothing calls out, nothing is missed.

    (Keras, where it is imported, binds a socket to ::1 to see whether there is IPv6.)

    Every Python process of the job, workers included, refuses and notes each attempt; where the
    system allows it, the job is also in a network namespace that has no network at all.
    """
    write_parts(tmp_path / "data")
    write_parts(tmp_path / "new", 2, first=900)
    (tmp_path / "hook").mkdir()
    log = tmp_path / "log.txt"
    (tmp_path / "hook" / "sitecustomize.py").write_text(_HOOK.format(log=str(log)))
    commands = [
        ["extract", "data", "--weights", "random", "--group-regex", r"part-(\d+)"],
        ["compare-heads", "--heads", "logistic,majority", "--repeats", "1", "--jobs", "2"],
        ["fit", "--head", "best"], ["evaluate"], ["predict", "model", "new", "--sheet", "s.png"],
    ]  # fmt: skip
    job = _JOB.format(root=str(ROOT), tests=str(ROOT / "tests"), commands=commands)
    cut = ["unshare", "-rn"] if _can_cut() else []
    done = subprocess.run(
        [*cut, sys.executable, "-c", job],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "hook")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "6 photographs" in done.stdout
    assert not log.exists(), log.read_text()


def _can_cut() -> bool:
    """Whether this system lets a process leave the network."""
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def test_the_hook_of_the_test_above_does_find_a_socket(tmp_path: Path) -> None:
    """What proves that nothing calls out would notice if something did."""
    log = tmp_path / "log.txt"
    (tmp_path / "sitecustomize.py").write_text(_HOOK.format(log=str(log)))
    subprocess.run(
        [sys.executable, "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9/')"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
    )
    assert "socket" in log.read_text()
