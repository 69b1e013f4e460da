"""What every test may use."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before NumPy is imported: threads of two workers on two cores wait for each other, spinning, which
# doubles the processor time of linear algebra. Processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from checkout import SHARED
from commands import Run
from hypothesis import HealthCheck, settings
from models import Toy, copy_line, make_line
from toy import ToyBackbone

import cli
from features.backbones.registry import BACKBONES

# The key of `features.own_files`, compiled networks and what Dask's workers need lie in a folder of
# the tests, which goes with them, not in the person's own.
_HOME = tempfile.TemporaryDirectory(prefix="onepass-home-", ignore_cleanup_errors=True)
for _name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "DASK_TEMPORARY_DIRECTORY"):
    os.environ[_name] = _HOME.name

# The same examples in every run, however slow the computer: what a random one finds must not fail
# the next change that happens to be tested. To search anew: --hypothesis-profile=default
settings.register_profile(
    "same", derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def no_disk_to_wait_for() -> Iterator[None]:
    """Sync nothing: no test cuts the power, and ten thousand times 3 ms are half a minute.

    What reaches the disk before what is proved by the order of the calls, on stand-ins of `fsync`
    (test_journal.py, test_files.py), and by `torture.power_cuts`, in processes of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which refuses what is no open file, too
        yield


@pytest.fixture(autouse=True)
def same_backbones() -> Iterator[None]:
    """Leave no toy in a backbone's place: the next test would see with it, and say nothing."""
    before = dict(BACKBONES)
    yield
    BACKBONES.update(before)  # what a module adds when it is imported stays


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sentences in one line: whoever set COLUMNS, they would be wrapped."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def toy() -> type[ToyBackbone]:
    """Give the toy backbone with its counters at zero."""
    ToyBackbone.reset()
    return ToyBackbone


@pytest.fixture(scope="session")
def tile_folder() -> Path:
    """Give the shared photographs of magnetic tiles; skips where they are absent."""
    folder = SHARED / "data" / "magnetic_tile"
    if not folder.is_dir():
        pytest.skip(f"needs the real photographs in {folder}")
    return folder


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """Give the shared InceptionV3 weights; skips where they are absent."""
    file = SHARED / "weights" / "inception_v3_imagenet_2015_notop.weights.h5"
    if not file.is_file():
        pytest.skip(f"needs the real weights in {file}")
    return file


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in an empty folder with the toy in the backbone's place."""
    ToyBackbone.reset()
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["onepass", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what `cache`, `model` and `line` are copies of, made once: nobody changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
        return make_line(tmp_path_factory.mktemp("master"))


@pytest.fixture
def cache(master: Path, tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache of drawn parts, made by the toy in the real backbone's place."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    return copy_line(master, tmp_path, "data", "features.h5") / "features.h5"


@pytest.fixture(scope="module")
def line(master: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with data, features.h5 and model, once for a file of tests, seen by the toy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
        folder = tmp_path_factory.mktemp("line")
        yield copy_line(master, folder, "data", "features.h5", "model")


@pytest.fixture
def model(master: Path, cache: Path) -> Path:
    """Give a fitted model beside its cache."""
    return copy_line(master, cache.parent, "model") / "model"
