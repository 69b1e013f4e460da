"""The examples in docstrings run, and every function of the public menu has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import ROOT

import onepass
from features.backbones.registry import BACKBONES

HOMES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("features", "pipeline", "onepass")
    for path in sorted(ROOT.glob(f"{package}/**/*.py"))
    if ">>>" in path.read_text("utf-8")
]
FUNCTIONS = [n for n in onepass.__all__ if inspect.isfunction(getattr(onepass, n))]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="module")
def world(line: Path) -> dict[str, Any]:
    """Give what examples take for granted: a folder, its cache, a model, rows and verdicts."""
    dataset = onepass.load_dataset(line / "features.h5")
    bundle = onepass.load_bundle(line / "model")
    X, y, groups = onepass.load_rows(line / "features.h5")
    paths = [str(line / "data" / row.path) for row in dataset.table_rows]
    names = {"Path": Path, "np": np, "onepass": onepass, "dataset": dataset, "bundle": bundle}
    return names | {"X": X, "y": y, "groups": groups, "paths": paths}


@pytest.fixture
def at_work(line: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in the folder, with the toy in the backbone's place."""
    monkeypatch.chdir(line)
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    yield


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("home", HOMES)
def test_examples_run(home: str, world: dict[str, Any]) -> None:
    """What an example shows is what comes out."""
    module = importlib.import_module(home)
    runner, said = doctest.DocTestRunner(optionflags=OPTIONS), list[str]()
    for test in doctest.DocTestFinder().find(module, home, extraglobs=world):
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_have_examples(name: str) -> None:
    """`help(onepass.fit)` shows how it is called."""
    assert ">>>" in (getattr(onepass, name).__doc__ or "")


def exists(name: str) -> bool:
    """Find a module, or what one holds, by its dotted name; attributes of classes count."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if part in getattr(found, "__annotations__", {}):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_what_docstrings_refer_to_is_there() -> None:
    """A reader who follows `package.module.name` arrives."""
    named = re.compile(r"`((?:features|pipeline)\.[A-Za-z_.]+[A-Za-z_])`")
    for path in (*ROOT.glob("features/**/*.py"), *ROOT.glob("pipeline/**/*.py")):
        for name in set(named.findall(path.read_text("utf-8"))):
            assert exists(name), f"{path} names {name}"
