"""README.md and docs/: their code runs, and the commands, options, files and links are there."""

from __future__ import annotations

import argparse
import functools
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
from checkout import ROOT
from models import write_parts
from PIL import Image

import cli
from features.backbones.registry import BACKBONES

PAGES = sorted(ROOT.glob("docs/*.md"))
DOCUMENTS = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")), *PAGES]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in DOCUMENTS}
CODE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
IN_LINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def blocks(text: str, language: str) -> list[str]:
    return [code for name, code in CODE.findall(text) if name == language]


def prose(text: str) -> str:
    """Give a page without its blocks of code."""
    return CODE.sub("", text)


def commands(text: str) -> list[list[str]]:
    """List what a page tells people to type: bash blocks, and whole commands in a line."""
    lines = "\n".join(blocks(text, "bash")).replace("\\\n", "").splitlines()
    lines += [" ".join(code.split()) for code in IN_LINE.findall(prose(text))]
    found = (shlex.split(line, comments=True) for line in lines if not {"…", "→"} & set(line))
    return [words for words in found if words]


def typed(*programs: str) -> list[tuple[str, list[str]]]:
    """Give the arguments of every command, in all documents, that begins with one of these."""
    starts = [program.split() for program in programs]
    return [
        (name, words[len(start) :])
        for name, text in TEXTS.items()
        for words in commands(text)
        for start in starts
        if words[: len(start)] == start and len(words) > len(start)
    ]


def parse(arguments: list[str]) -> None:
    """Hold a command line against the parser; a wrong one raises."""
    command: Any = typer.main.get_command(cli.app)
    name, *rest = arguments
    command = command.commands[name]
    if hasattr(command, "commands"):
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest)


OURS = typed("onepass", "python cli.py")


@pytest.mark.parametrize(
    ("page", "arguments"), OURS, ids=[f"{p}: {' '.join(a)[:60]}" for p, a in OURS]
)
def test_commands_and_options_exist(page: str, arguments: list[str]) -> None:
    """Each command line of a document is one that the parser accepts."""
    parse(arguments)


@pytest.mark.parametrize("page", TEXTS)
def test_commands_hold_in_every_shell(page: str) -> None:
    """To cmd.exe of Windows a single quote is a letter: a pattern in single quotes fits nothing."""
    lines = "\n".join(blocks(TEXTS[page], "bash")).splitlines()
    for line in [*lines, *IN_LINE.findall(prose(TEXTS[page]))]:
        typed_on_windows = line.startswith(("onepass ", "pip ", "python ", "--"))
        assert not typed_on_windows or "'" not in line.partition("  #")[0], line


def test_measurement_commands_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `python -m benchmarks.…` names a module, whose parser takes the options."""
    read = argparse.ArgumentParser.parse_args

    class UnderstoodError(Exception):
        """Raised in place of the measurement."""

    def only_parse(parser: argparse.ArgumentParser, *given: object, **named: object) -> None:
        read(parser, *given, **named)  # type: ignore[call-overload]
        raise UnderstoodError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    wanted = {
        (words[2], *words[3:])
        for text in TEXTS.values()
        for words in commands(text)
        if words[:2] == ["python", "-m"] and words[2].startswith("benchmarks")
    }
    assert len(wanted) >= 8
    for module, *arguments in sorted(wanted):
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        with pytest.raises(UnderstoodError):
            runpy.run_module(module, run_name="__main__")


def test_make_has_every_target_that_is_named() -> None:
    """`make demo` and the like exist; `make torture PART=crashes` names a part."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {words[0] for _, words in typed("make")}
    assert {"demo", "test", "docs", "bench", "torture", "mutants"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_is_in_the_readme() -> None:
    """No command without a word in the README."""
    readme = TEXTS["README.md"]
    for name in typer.main.get_command(cli.app).commands:  # type: ignore[attr-defined]
        assert f"`{name}" in readme, name


@functools.cache
def option_names() -> set[str]:
    waiting: list[Any] = [typer.main.get_command(cli.app)]
    found: set[str] = {"--help"}
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_options_and_files_that_prose_names_exist(page: str) -> None:
    """An option in a sentence is one of the program's; a path of the project is there."""
    elsewhere = {"--strict"}  # mypy's
    for code in IN_LINE.findall(prose(TEXTS[page])):
        if not code.startswith(("python -m", "pip ", "git ", "dask ")):
            unknown = set(re.findall(r"(?<!\S)--[a-z][a-z-]+", code)) - option_names() - elsewhere
            assert not unknown, f"{page} names {unknown}, which no command has"
        if re.fullmatch(r"(features|pipeline|onepass|tests|docs|benchmarks)/[\w/.]*", code):
            assert (ROOT / code).exists(), f"{page} names {code}, which is not there"


def anchor(heading: str) -> str:
    """Give the anchor that a heading gets, as site and code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_links_lead_somewhere(page: str) -> None:
    """Every link to a file or a heading of the project finds it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(TEXTS[page])):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.is_file(), f"{page} links to {link}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in [anchor(text) for text in headings], f"{page} links to {link}"


def test_pages_are_listed_wherever_a_reader_looks() -> None:
    """Every page is in the README's table, the overview's table and the site's menu."""
    for page in PAGES:
        assert f"(docs/{page.name})" in TEXTS["README.md"], page.name
        assert f": {page.name}\n" in (ROOT / "mkdocs.yml").read_text("utf-8"), page.name
        assert page.name == "index.md" or f"({page.name})" in TEXTS["docs/index.md"], page.name


def test_the_map_has_every_folder() -> None:
    """Each package of the house is in the table of folders."""
    table = TEXTS["docs/architecture.md"]
    for top in ("features", "pipeline"):
        for package in ROOT.glob(f"{top}/*/__init__.py"):
            assert f"`{top}/{package.parent.name}/`" in table, package.parent


def test_the_readme_is_short_and_its_pictures_small() -> None:
    """A quality engineer reads it at once: 160 lines, three pictures, 400 kB with all."""
    readme = TEXTS["README.md"]
    assert readme.count("\n") <= 160
    pictures = [ROOT / name for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)]
    assert len(pictures) == 3
    assert sum(path.stat().st_size for path in pictures) < 400_000
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width <= 1000


def test_words_that_the_program_no_longer_uses() -> None:
    """One word, one meaning: the documents use those of the table in docs/index.md."""
    for page, text in TEXTS.items():
        found = re.search(r"\b(glimpses?|witness(es)?|judgements?|lower blocks?)\b", text, re.I)
        assert found is None, f"{page}: {found.group() if found else ''}"


def test_versions_agree() -> None:
    """pyproject.toml, CITATION.cff and the newest version of CHANGELOG.md are one number."""
    version = PROJECT["version"]
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (.*)$", changes, re.MULTILINE)[0] == "Unreleased"
    assert re.findall(r"^## (\d\S+) - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)[0] == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """`make docs` has nothing to complain of; needs the extra `docs`."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "trust.html").read_text("utf-8")
    assert not re.search(r'(src|href)="https?://[^"]*\.(js|css|woff2?)"', page)


# ---- what a person types, run -----------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder with drawn parts in data/, and the toy in the real backbone's place."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    monkeypatch.chdir(tmp_path)
    write_parts(Path("data"))
    return tmp_path


def test_python_blocks_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every Python block runs as it stands; the one that makes the cache first."""
    found = [code for text in TEXTS.values() for code in blocks(text, "python")]
    assert len(found) >= 3
    names: dict[str, Any] = {}
    for code in sorted(found, key=lambda text: "extract_folder" not in text):
        exec(code, names)
    assert np.shape(names["X"]) == (72, 48)
    assert np.shape(names["folds"]) == (4,)
    own = names["onepass"].load_bundle(Path("linear")).head.predict_proba(names["X"][:3])
    assert np.allclose(names["same"], own, atol=1e-6)
    assert len(capsys.readouterr().out.splitlines()) == 73


def test_the_five_lines_of_the_readme_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand, one after the other, but for untrained weights and less of the same."""
    write_parts(Path("new-photographs"), parts=6, first=100)
    less = {
        "extract": ["--weights", "random"],
        "fit": ["--no-gap"],
        "compare-heads": ["--heads", "logistic,majority", "--repeats", "1", "--jobs", "1"],
    }
    lines = next(code for code in blocks(TEXTS["README.md"], "bash") if "onepass extract" in code)
    assert len(lines.splitlines()) == 5
    for line in lines.splitlines():
        program, name, *arguments = shlex.split(line, comments=True)
        assert program == "onepass"
        argv = [program, name, *arguments, *less.get(name, [])]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 0, (line, capsys.readouterr().err)
    assert "(24 parts)" in capsys.readouterr().out
    for made in ("model/report.html", "comparison/report.html", "audit/audit.json", "sheet.png"):
        assert Path(made).is_file(), made
    assert len(Path("predictions.csv").read_text("utf-8").splitlines()) == 19
