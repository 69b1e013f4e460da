"""SIGKILL before every call to the disk of the commands that write results.

`fit` (a new model, and one in the place of another), `compare-heads`, `groups` and `audit` are run
as a person types them, once for each call that they make to the disk in their folder, and killed
before this call. What then has its name must be whole: a model loads, tables and JSON parse,
pictures decode, pages end. The cache must be as it was. And the same command must go on to its end.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer.main
from models import write_parts
from PIL import Image

import cli
import pipeline
from features.backbones.registry import BACKBONES
from features.cache.maintenance import verify
from features.runtime import core_count
from torture.children import Nursery
from torture.disk import Watcher, watched
from torture.figures import Figure

_COMMAND = typer.main.get_command(cli.app)  # built once: most of a short command's time
_IMPORTS = [__name__, "pipeline.training.fit", "sklearn.linear_model"]
_QUICK = ["--head", "logistic", "--features", "flat", "--threshold", "0.5", "--no-optimism"]
_COMMANDS: dict[str, list[str]] = {
    "fit": ["fit", *_QUICK, "--out", "model"],
    "fit over a model": ["fit", *_QUICK, "--seed", "1", "--out", "model"],
    "groups": ["groups", "--out", "groups"],
    "audit": ["audit", "--out", "audit"],
    "compare-heads": ["compare-heads", "--heads", "lda,majority", "--features", "flat", "--folds",
                      "2", "--repeats", "1", "--jobs", "1", "--out", "comparison"],
}  # fmt: skip


class Killing(Watcher):
    """Ends this process before call number `at`; counts them."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def _call(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def opened(self, path: str, *, creates: bool, truncates: bool) -> None:
        """Count the files that are made; reading changes nothing."""
        if creates or truncates:
            self._call()

    def write(self, path: str, offset: int, data: memoryview, *, raw: bool) -> int:
        """Count it."""
        self._call()
        return len(data)

    def truncated(self, path: str, size: int) -> None:
        """Count it."""
        self._call()

    def synced(self, path: str) -> None:
        """Count it: between two renames nothing else may be called."""
        self._call()

    def renamed(self, old: str, new: str) -> None:
        """Count it."""
        self._call()

    def linked(self, old: str, new: str) -> None:
        """Count it."""
        self._call()

    def unlinked(self, path: str) -> None:
        """Count it."""
        self._call()


def run(quick: bool) -> list[Figure]:
    """Every call of every command; quick: one in the middle of `fit` over a model."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        with Nursery(_IMPORTS) as nursery:
            made = nursery.run(f"{__name__}:prepare", root=name, timeout=600.0)
            if made.how != "done":
                raise RuntimeError(f"nothing to begin with: {made}")
            if quick:
                with _toy():
                    return [_kill("fit over a model", root, nursery, quick=True)]

        def kill(what: str) -> Figure:
            with Nursery(_IMPORTS) as nursery:
                return _kill(what, root, nursery, quick=False)

        with _toy(), ThreadPoolExecutor(core_count()) as pool:
            return list(pool.map(kill, _COMMANDS))


def _toy() -> contextlib.AbstractContextManager[object]:
    """Put the toy in the backbone's place: models are opened here, too."""
    return patch.dict(BACKBONES, inception_v3="toy:ToyBackbone")


def prepare(root: str) -> None:
    """Make a cache, its photographs and a model beside it."""
    BACKBONES["inception_v3"] = "toy:ToyBackbone"
    start = Path(root) / "start"
    start.mkdir()
    os.chdir(start)
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    pipeline.extract_folder(
        write_parts(Path("data"), 12),
        Path("features.h5"),
        pipeline.ExtractOptions(weights="random", group_rule=rule),
    )
    command(str(start), _COMMANDS["fit"], 0)


def command(folder: str, words: list[str], at: int) -> list[Any]:
    """Run one command line in a folder, killed before a call (0: never): calls, status, said."""
    BACKBONES["inception_v3"] = "toy:ToyBackbone"
    os.chdir(folder)
    typer.main.get_command = lambda _app: _COMMAND  # type: ignore[assignment]
    sys.argv = ["onepass", *words]
    said, status, watcher = io.StringIO(), 0, Killing(at)
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
        _relative(Path(folder), watcher),
    ):
        try:
            cli.main()
        except SystemExit as stopped:
            status = int(stopped.code or 0)
    return [watcher.calls, status, said.getvalue()[-500:]]


@contextlib.contextmanager
def _relative(folder: Path, watcher: Watcher) -> Iterator[None]:
    """As `watched`, of names as the command writes them: relative to its folder, and absolute."""
    with contextlib.ExitStack() as stack:
        for name in ("model", "groups", "audit", "comparison"):
            stack.enter_context(watched(Path(name), watcher))
        stack.enter_context(watched(folder, watcher))
        yield


def _kill(what: str, root: Path, nursery: Nursery, *, quick: bool) -> Figure:
    words, place = _COMMANDS[what], root / what
    place.mkdir()
    folder = place / "w"
    lost: list[str] = []
    ends: Counter[str] = Counter()
    _set_scene(root, folder, what)
    whole = nursery.run(f"{__name__}:command", folder=str(folder), words=words, at=0, timeout=300.0)
    if whole.how != "done" or whole.result[1]:
        return Figure(f"SIGKILL at every call: {what}", 1, 0, 1, str(whole), {})
    calls = whole.result[0]
    numbers = [calls // 2 + 1] if quick else range(1, calls + 1)
    for at in numbers:
        _set_scene(root, folder, what)
        ended = nursery.run(
            f"{__name__}:command", folder=str(folder), words=words, at=at, timeout=300.0
        )
        ends["killed" if ended.how == "crashed" else ended.how] += 1
        lost += [f"call {at}: {one}" for one in _broken(folder, needs=what.endswith("model"))]
        again = nursery.run(
            f"{__name__}:command", folder=str(folder), words=words, at=0, timeout=300.0
        )
        if again.how != "done" or again.result[1]:
            lost.append(f"call {at}: the same command does not go on: {again.how} {again.result}")
        lost += [f"call {at}, at the end: {one}" for one in _broken(folder)]
    note = ", ".join(f"{count:,} {how}" for how, count in ends.most_common())
    tries, kills = len(numbers), ends["killed"]
    return Figure(f"SIGKILL at every call: {what}", tries, kills, len(lost), note, {"lost": lost})


def _set_scene(root: Path, folder: Path, what: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    leave = shutil.ignore_patterns(*([] if what == "fit over a model" else ["model"]))
    shutil.copytree(root / "start", folder, ignore=leave)


def _broken(folder: Path, *, needs: bool = False) -> list[str]:
    """Name what has its name and is not whole; hidden files are nobody's yet."""
    lost = [] if verify(folder / "features.h5", full=True).sound else ["the cache is not sound"]
    if needs and not (folder / "model").is_dir():
        lost.append("there is no model any more")
    if (folder / "model").is_dir():
        try:
            pipeline.load_bundle(folder / "model")
        except Exception as error:  # noqa: BLE001 - whatever it is, a promise is broken
            lost.append(f"the model: {error}")
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in path.parts)
        if file.is_file() and not hidden and path.parts[0] != "data":
            try:
                _parse(file)
            except Exception as error:  # noqa: BLE001 - as above
                lost.append(f"{path}: {error}")
    return lost


def _parse(file: Path) -> None:
    if file.suffix == ".json":
        json.loads(file.read_text("utf-8"))
    elif file.suffix == ".csv":
        text = file.read_text("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
        if not text.endswith("\n") or len({len(row) for row in rows}) != 1:
            raise ValueError("its last lines are missing")
    elif file.suffix in (".png", ".jpg"):
        with Image.open(file) as image:
            image.load()
    elif file.suffix == ".html" and not file.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError("its end is missing")
