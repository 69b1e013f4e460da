"""Any terminal, any pipe: no character ends a command, and no table is wider than 80 columns."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from checkout import ROOT
from models import write_parts

from pipeline.output.stream import encodable, write_lines
from pipeline.output.tables import align

TOY = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
import toy
from features.backbones.registry import BACKBONES
BACKBONES["inception_v3"] = "toy:ToyBackbone"
import cli
for line in {lines!r}:
    sys.argv = ["onepass", *line]
    try: cli.main()
    except SystemExit as stopped:
        if stopped.code: raise
"""


def onepass(folder: Path, *lines: Sequence[str], **environment: str) -> tuple[int, bytes]:
    """Run command lines in a process of their own, with the toy in the backbone's place."""
    done = subprocess.run(
        [sys.executable, "-c", TOY.format(root=str(ROOT), lines=lines)],
        cwd=folder, capture_output=True, check=False, timeout=300,
        env={k: v for k, v in os.environ.items() if k not in ("HOME", "COLUMNS")} | environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "49% ≥ 2% é 合"),
        ("latin-1", "49% >= 2% é \\u5408"),
        ("ascii", "49% >= 2% \\xe9 \\u5408"),
        ("cp437", "49% ≥ 2% é \\u5408"),
        ("cp932", "49% >= 2% \\xe9 合"),
        ("cp1252", "49% >= 2% é \\u5408"),
        ("no such", "49% >= 2% \\xe9 \\u5408"),
    ],
)
def test_what_an_encoding_lacks_is_replaced(encoding: str, expected: str) -> None:
    """Signs become plain letters that mean the same, other characters escapes."""
    shown = encodable("49% ≥ 2% é 合", encoding)
    if encoding != "no such":
        shown.encode(encoding)
    assert shown == expected


def test_sentences_are_wrapped_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is piped stays one line, unless COLUMNS is set; further lines stand below the first."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("COLUMNS", raising=False)
    line = "note         " + "chosen on good parts that no head has seen " * 4
    piped, shown = io.StringIO(), Terminal()
    write_lines(line.strip(), piped)
    monkeypatch.setenv("COLUMNS", "60")
    asked = io.StringIO()
    write_lines(line.strip(), asked)
    assert max(map(len, asked.getvalue().splitlines())) <= 60
    write_lines(line.strip() + "\na  table  of  columns  " + "x" * 60, shown)
    assert piped.getvalue().count("\n") == 1
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines[:-1])) <= 60
    assert all(text.startswith(" " * 13) for text in lines[1:-1])
    assert lines[-1].endswith("x" * 60)


def test_tables_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wider table is cut between columns, each piece with its first column."""
    monkeypatch.setenv("COLUMNS", "40")
    text = align([["head", *(f"{n} of a long name" for n in range(9))], ["ridge", *"123456789"]])
    assert max(map(len, text.splitlines())) <= 40
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.__stdout__", io.StringIO())  # no terminal that knows its width
    text = align([["head", *(f"{n} of a long name" for n in range(9))], ["ridge", *"123456789"]])
    assert 40 < max(map(len, text.splitlines())) <= 80
    assert text.count("ridge") == text.count("head") > 1
    monkeypatch.setenv("COLUMNS", "300")
    wide = align([["head", *(f"{n} of a long name" for n in range(9))], ["ridge", *"123456789"]])
    assert wide.count("ridge") == 1


def test_no_surroundings_end_a_command(tmp_path: Path) -> None:
    """Encodings of Windows and Linux, locales, no home: every command ends well, with its files."""
    write_parts(tmp_path / "合格 é", parts=12)
    data = "合格 é"
    plain = {"NO_COLOR": "1"}
    surroundings = [
        plain | {"PYTHONIOENCODING": "cp1252"},
        plain | {"PYTHONIOENCODING": "cp437", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        plain | {"PYTHONIOENCODING": "cp932"},
        plain | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        {"LC_ALL": "C", "HOME": str(tmp_path / "nowhere"), "COLUMNS": "40"},
    ]
    rule = ("--group-regex", r"part-(\d+)")
    fit = ("fit", "--head", "logistic", "--threshold", "0.5", "--no-optimism", "--force")
    quick = ("--heads", "majority", "--folds", "2", "--repeats", "1", "--jobs", "1", "--force")
    commands = [
        [("extract", data, "--weights", "random", *rule), ("audit",)],
        [(*fit, "--out", "é"), ("info", "é")],
        [("compare-heads", *quick)],
        [("evaluate", "é", "--force")],
        [("predict", "é", data)],
    ]
    for around, lines in zip(surroundings, commands, strict=True):
        code, said = onepass(tmp_path, *lines, **around)
        assert code == 0, said.decode("utf-8", "replace")
        assert b"Traceback" not in said
    for name in ("é/report.html", "comparison/report.html", "evaluation.html", "predictions.csv"):
        assert (tmp_path / name).is_file()
    code, said = onepass(tmp_path, ("extract", "不良"), **surroundings[0])
    assert code == 1
    assert rb"\u4e0d\u826f" in said


def test_nothing_needs_a_module_that_only_posix_has() -> None:
    """Every module can be imported where these are hidden, as on Windows."""
    code = """
import importlib, pkgutil, sys
HIDDEN = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "spwd", "crypt"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(name)
for name in HIDDEN:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hide())
import features, pipeline
for package in (features, pipeline):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name.rsplit(".", 1)[-1] != "__main__":
            importlib.import_module(found.name)
import cli
print("all imported")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("all imported"), done.stderr
