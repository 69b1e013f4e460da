"""Engines compute the same rows; one that is not installed says what to install."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from toy import toy_settings

from features.backbones.engines import ENGINES, load_engine
from features.backbones.inception_v3 import InceptionV3Backbone
from features.errors import EngineError
from features.photographs.recipe import RECIPES

SCALE = RECIPES["imagenet"].scale

# In a process of its own: whatever this one has loaded, and with the network cut off.
_ALONE = """
import socket, sys
import numpy as np
def refuse(*_, **__):
    raise AssertionError("something asked for the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from features.backbones.inception_v3 import InceptionV3Backbone
pixels = np.load(sys.argv[1])
backbone = InceptionV3Backbone(
    None, scale=(1 / 127.5, -1.0), batch_size=len(pixels), precision=sys.argv[3], engine="openvino",
    taps=("mixed4", "mixed9-max"),
)
np.save(sys.argv[2], backbone.run(pixels))
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (3, 14, 14, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def test_openvino_computes_tensorflows_rows(pixels: np.ndarray, tmp_path: Path) -> None:
    """Rows agree within 1e-4 of the largest value; no TensorFlow is loaded, no network asked."""
    pytest.importorskip("openvino", reason="needs the extra: pip install -e '.[openvino]'")
    np.save(tmp_path / "pixels.npy", pixels)
    files = str(tmp_path / "pixels.npy"), str(tmp_path / "rows.npy")
    subprocess.run([sys.executable, "-c", _ALONE, *files, "float32"], cwd=ROOT, check=True)
    rows = np.load(tmp_path / "rows.npy")
    taps = ("mixed4", "mixed9-max")
    expected = InceptionV3Backbone(None, scale=SCALE, batch_size=3, taps=taps).run(pixels)
    assert rows.shape == expected.shape == (3, 51_200 + 768 + 2048)
    assert rows.dtype == np.float32
    assert expected.max(axis=1).min() > 0
    for part in (slice(51_200), slice(51_200, 51_968), slice(51_968, None)):
        gap = np.abs(rows[:, part] - expected[:, part]).max(axis=1)
        assert (gap / expected[:, part].max(axis=1)).max() < 1e-4
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * expected.max(), "rows must differ"


def test_an_engine_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenVINO one line says what to install, before any weights are read."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "features.backbones.openvino_engine", raising=False)
    with pytest.raises(EngineError, match=r'run: pip install "onepass\[openvino\]"'):
        InceptionV3Backbone(Path("nowhere.h5"), scale=SCALE, engine="openvino")


def test_unknown_engines_are_refused() -> None:
    """A name in no registry is an error that lists those that are."""
    with pytest.raises(EngineError, match="'abacus'; expected auto or one of tensorflow, openvino"):
        replace(toy_settings(), engine="abacus")
    with pytest.raises(EngineError):
        load_engine("abacus")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_is_no_part_of_a_row(engine: str) -> None:
    """Rows of one engine are reused by another: both have one fingerprint."""
    assert replace(toy_settings(), engine=engine).fingerprint == toy_settings().fingerprint
