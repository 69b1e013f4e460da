"""Networks that are kept on disk: the same rows without weights; nothing else is ever opened."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from features.backbones import engine_choice, kept_networks, networks
from features.backbones.engines import FixedBatch
from features.backbones.settings import BackboneSettings
from features.backbones.two_sizes import known_probe, see
from features.backbones.weights import RecordedWeights, Weights
from features.errors import WeightsError
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
        made.load(3)  # the same network, in three steps
        assert len(list((tmp_path / "networks").iterdir())) == number + 1
    first = min((tmp_path / "networks").iterdir(), key=lambda path: path.stat().st_mtime)
    os.utime(first, (1, 1))
    for digit in "34":
        replace(settings, weights=replace(settings.weights, digest=digit * 64)).load(1)
    assert len(list((tmp_path / "networks").iterdir())) == kept_networks.MOST
    assert not first.exists()


def test_what_was_kept_is_opened_with_its_probe_and_no_proof(
    settings: BackboneSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, engine="auto").looking("full+large:mixed-max")
    pictures = settings.probe_pictures
    built = settings.load(4)
    monkeypatch.setattr(engine_choice, "is_right", None)  # nobody asks
    monkeypatch.setattr(tiny, "architecture", None)
    found = settings.load(8)
    for backbone in (built, found):
        np.testing.assert_array_equal(known_probe(backbone), see(found, pictures))
    assert known_probe(found).shape == (2, settings.seen_width)


def test_steps_of_any_number_of_pictures_have_the_same_bits(settings: BackboneSettings) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    one, many = settings.load(1), settings.load(9)
    assert (one.network.step, many.network.step) == (1, 4)
    expected = np.concatenate([one.run(pixel[None]) for pixel in pixels])
    for count in (1, 4, 5, 9):
        np.testing.assert_array_equal(many.run(pixels[:count]), expected[:count])


def test_random_weights_and_other_engines_are_not_kept(
    settings: BackboneSettings, tmp_path: Path
) -> None:
    replace(settings, weights=Weights("random", None, "random:0")).load(1)
    assert not (tmp_path / "networks").exists()
    bare = FixedBatch(lambda pixels: pixels.reshape(1, -1), (1, 2, 2, 3))
    kept_networks.keep(tmp_path / "networks" / "x.network", bare)
    assert not (tmp_path / "networks").exists()


def test_another_processor_is_another_file(
    settings: BackboneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows may be rounded otherwise, and no probe is computed of what was kept."""
    settings.load(1)
    monkeypatch.setattr(kept_networks, "_processor", lambda: "x86_64 with other flags")
    settings.load(1)
    assert len(list((tmp_path / "networks").iterdir())) == 2


def test_what_oneDNN_is_told_is_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802 - its name
    """ONEDNN_MAX_CPU_ISA and the like decide how it rounds."""
    untold = kept_networks._processor.__wrapped__()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    told = kept_networks._processor.__wrapped__()
    assert told != untold
    assert "ONEDNN_MAX_CPU_ISA=AVX2" in told


def test_an_engine_that_is_not_right_keeps_nothing(
    settings: BackboneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is opened later is not proven again."""
    monkeypatch.setattr(networks, "is_right", lambda _: False)
    settings.load(1)
    assert not (tmp_path / "networks").exists()


def test_other_weights_that_are_named_are_refused_though_a_network_was_kept(
    settings: BackboneSettings, tmp_path: Path
) -> None:
    """Nobody names a file for nothing: it is read, and compared with what the model had."""
    settings.load(1)
    recorded = RecordedWeights("file", "1" * 64, 0, str(tmp_path / "w.h5"))
    assert isinstance(replace(settings, weights=recorded).load(1), FixedBatch)
    other = tmp_path / "other.h5"
    other.write_bytes(b"other weights")
    with pytest.raises(WeightsError):
        replace(settings, weights=replace(recorded, override=str(other))).load(1)
