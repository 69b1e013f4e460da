"""What is installed: a wheel that runs the main job elsewhere, and the one name `onepass`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import types
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT

import features
import onepass
import pipeline
from pipeline.demo.draw_parts import draw_parts

PACKAGES = ("features", "onepass", "pipeline")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_onepass_is_both_menus_and_nothing_else() -> None:
    """Every public name, the same object; no name stands in both menus; others are refused."""
    names = [*pipeline.__all__, *features.__all__]
    assert sorted(onepass.__all__) == sorted(names)
    assert len(set(names)) == len(names)
    assert set(names) <= set(dir(onepass))
    for menu in (features, pipeline):
        for name in menu.__all__:
            assert getattr(onepass, name) is getattr(menu, name)
            assert not isinstance(getattr(onepass, name), types.ModuleType), name
    for name in ("nothing", "importlib_", "_private"):
        with pytest.raises(AttributeError, match=name):
            getattr(onepass, name)


def test_importing_onepass_loads_nothing() -> None:
    """Neither our own packages nor NumPy, until a name is used."""
    code = (
        "import sys, onepass\n"
        "print([m for m in ('features', 'pipeline', 'numpy', 'h5py') if m in sys.modules])\n"
        "print(onepass.OnepassError.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "OnepassError"]


def test_a_checker_knows_the_names(tmp_path: Path) -> None:
    """Check that mypy sees types through `onepass`, and that a name is misspelt."""
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text("import onepass\nreveal_type(onepass.fit)\nonepass.fitt\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(script)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    assert 'Revealed type is "def (dataset: ' in done.stdout
    assert 'has no attribute "fitt"' in done.stdout


# ---- a wheel in an empty environment ----------------------------------------------------


def build(folder: Path) -> Path:
    """Give a wheel of the sources, built from a copy, without the network."""
    source = folder / "source"
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("cli.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--no-deps", "--no-index", "--quiet"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def check_contents(wheel: Path) -> None:
    """All files of the packages are in it, and what a package index shows."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        (metadata,) = (name for name in inside if name.endswith(".dist-info/METADATA"))
        facts = archive.read(metadata).decode().splitlines()
    ours = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"cli.py", *ours} == {name for name in inside if ".dist-info/" not in name}
    assert {f"{name}/py.typed" for name in PACKAGES} <= ours
    assert f"Version: {PROJECT['version']}" in facts
    assert "License-Expression: Apache-2.0" in facts
    assert any(line.startswith("Project-URL: Homepage") for line in facts)
    assert "Classifier: Typing :: Typed" in facts


def test_a_wheel_in_an_empty_environment_runs_the_main_job(tmp_path: Path) -> None:
    """Built, installed into an empty folder, and run elsewhere on drawn photographs."""
    wheel = build(tmp_path)
    check_contents(wheel)
    site, work = tmp_path / "site", tmp_path / "elsewhere"
    pip("install", "--target", str(site), str(wheel))
    draw_parts(work / "data", parts=16, views=1, seed=1)
    draw_parts(work / "new", parts=4, views=1, seed=1, lot=1)
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    script = shutil.which("onepass", path=str(site / "bin"))
    assert script is not None
    rule = r"part-(\d+)"
    plain = ("--look", "plain", "--group-regex", rule)  # sixteen pictures, not ninety-six
    assert "extracted    16" in run(script, "extract", "--weights", "random", *plain)
    where = run(sys.executable, "-c", "import onepass, pipeline; print(pipeline.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    run(script, "fit", "--head", "logistic", "--threshold", "0.5", "--no-gap")
    out = run(sys.executable, "-m", "onepass", "predict", "model", "new", "--sheet", "sheet.png")
    assert "4 photographs: " in out
    assert len((work / "predictions.csv").read_text("utf-8").splitlines()) == 5
    page = (work / "model" / "report.html").read_text("utf-8")
    assert f"Made by Onepass {PROJECT['version']}" in page
    assert "<style>" in page
