"""The table of mutants is right, and no broken promise passes `make mutants`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from checkout import ROOT

from mutants import __main__ as script
from mutants.mutant import MovedError, Mutant, mutated
from mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.promise)
def test_every_line_to_break_is_there_once_and_breaks(mutant: Mutant) -> None:
    """And what takes its place is Python; the test that has to fail exists."""
    text = mutated(mutant)
    assert text != (ROOT / mutant.file).read_text("utf-8")
    ast.parse(text)
    file, name = mutant.test.split("::")
    functions = {
        node.name
        for node in ast.parse((ROOT / file).read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert name.split("[")[0] in functions


def test_promises_have_one_mutant_each_and_stand_in_the_documents() -> None:
    """Word for word: docs/promises.md has what `python -m mutants --docs` prints."""
    assert len({mutant.promise for mutant in MUTANTS}) == len(MUTANTS)
    page = (ROOT / "docs" / "promises.md").read_text("utf-8")
    missing = [line for line in script.docs_table().splitlines() if line not in page]
    assert not missing, "python -m mutants --docs, into docs/promises.md"


def test_a_line_that_moved_is_said(tmp_path: Path) -> None:
    """Gone, changed, or there twice: an error that names the file and what to do."""
    mutant = Mutant("p", "a.py", "x = 1", "x = 2", "t.py::t")
    for text, expected in (
        (None, "is gone"),
        ("x = 3\n", "0 times"),
        ("x = 1\nx = 1\n", "2 times"),
    ):
        if text is not None:
            (tmp_path / "a.py").write_text(text)
        with pytest.raises(MovedError, match=rf"a\.py .*{expected}.*mutants/table\.py"):
            mutated(mutant, tmp_path)
    (tmp_path / "a.py").write_text("if y:\n    x = 1\nx = 11\n")
    assert mutated(mutant, tmp_path) == "if y:\n    x = 2\nx = 11\n"


@pytest.fixture
def toy_project(tmp_path: Path) -> Path:
    """Give a project with one function and a test of half of it."""
    root = tmp_path / "toy"
    root.mkdir()
    (root / "toy_code.py").write_text(
        "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x\n"
    )
    (root / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = "--import-mode=importlib"\n'
    )
    (root / "test_toy.py").write_text(
        "from toy_code import double, half\n\n\ndef test_double():\n    assert double(2) == 4\n\n\n"
        "def test_half():\n    assert half(2) == 1\n"
    )
    return root


def test_what_becomes_of_a_mutant_is_told(toy_project: Path) -> None:
    """Killed, survived, moved, or of a test that fails by itself; the files are as they were."""
    kill = Mutant(
        "doubles", "toy_code.py", "return 2 * x", "return 3 * x", "test_toy.py::test_double"
    )
    live = kill._replace(promise="survives", after="return x + x")
    gone = kill._replace(promise="moved", before="return 2 * y")
    ends = script.check_all([kill, live, gone], toy_project)
    assert [end.how for end in ends] == [script.KILLED, script.SURVIVED, script.MOVED]
    assert (toy_project / "toy_code.py").read_text().count("2 * x") == 1
    ends = script.check_all([kill._replace(test="test_toy.py::test_half")], toy_project)
    assert [end.how for end in ends] == [script.BROKEN]


def test_a_test_that_does_not_end_kills_nothing(
    toy_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told apart and ends with 1, but where a promise is that something ends."""
    monkeypatch.setattr(script, "_SECONDS", 0.01)
    one = Mutant("halves", "toy_code.py", "return 2 * x", "return x", "test_toy.py::test_double")
    assert script.check(one, toy_project).how == script.TIMEOUT
    assert script.check(one._replace(hangs=True), toy_project).how == script.KILLED


def test_the_exit_code_is_0_only_where_all_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else happened to one of them is 1."""
    mutants = MUTANTS[:2]
    for hows, code in (
        ((script.KILLED, script.KILLED), 0), ((script.KILLED, script.SURVIVED), 1),
        ((script.MOVED, script.KILLED), 1), ((script.KILLED, script.BROKEN), 1),
        ((script.KILLED, script.TIMEOUT), 1),
    ):  # fmt: skip
        ends = [script.End(one, how, "", 0.0) for one, how in zip(mutants, hows, strict=True)]
        monkeypatch.setattr(script, "check_all", lambda _, ends=ends: ends)
        assert script.main([]) == code
