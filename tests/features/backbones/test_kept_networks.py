"""Networks that are kept on disk: the same rows without weights; nothing else is ever opened."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from features.backbones import kept_networks
from features.backbones.engines import FixedBatch
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights
from features.photographs.recipe import RECIPES

pytest.importorskip("openvino")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackboneSettings:
    """Give a tiny network whose weights are said to lie in a file."""
    monkeypatch.setattr(kept_networks, "_folder", lambda: tmp_path / "networks")
    weights = Weights("file", tmp_path / "w.h5", "1" * 64)
    return BackboneSettings(RECIPES["imagenet"], weights, name="tiny", engine="openvino")


def test_a_kept_network_gives_the_same_rows_without_being_built(
    settings: BackboneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    expected = settings.load(2).run(pixels)
    (kept,) = (tmp_path / "networks").iterdir()
    monkeypatch.setattr(tiny, "architecture", None)  # what builds it is gone
    np.testing.assert_array_equal(settings.load(2).run(pixels), expected)
    assert isinstance(settings.load(2), FixedBatch)
    content = bytearray(kept.read_bytes())
    content[-9] ^= 1
    kept.write_bytes(content)
    with pytest.raises(TypeError):  # a damaged one is built anew
        settings.load(2)


def test_other_settings_are_other_files_and_few_are_kept(
    settings: BackboneSettings, tmp_path: Path
) -> None:
    for number, made in enumerate(
        (
            settings,
            replace(settings, taps=("mixed",)),
            replace(settings, weights=replace(settings.weights, digest="2" * 64)),
        )
    ):
        made.load(1)
        assert len(list((tmp_path / "networks").iterdir())) == number + 1
    first = min((tmp_path / "networks").iterdir(), key=lambda path: path.stat().st_mtime)
    os.utime(first, (1, 1))
    for batch_size in (2, 3):
        settings.load(batch_size)
    assert len(list((tmp_path / "networks").iterdir())) == kept_networks.MOST
    assert not first.exists()


def test_random_weights_and_other_engines_are_not_kept(
    settings: BackboneSettings, tmp_path: Path
) -> None:
    replace(settings, weights=Weights("random", None, "random:0")).load(1)
    assert not (tmp_path / "networks").exists()
    kept_networks.keep(tmp_path / "networks" / "x.network", object())
    assert not (tmp_path / "networks").exists()
