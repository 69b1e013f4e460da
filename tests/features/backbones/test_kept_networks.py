"""Networks that are kept on disk: the same rows without weights; nothing else is ever opened."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
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
from features.backbones import openvino_engine


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


def test_steps_of_any_number_of_pictures_have_the_same_bits(settings: BackboneSettings) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    one, many = settings.load(1), settings.load(9)
    assert (one.network.step, many.network.step) == (1, 2)
    expected = np.concatenate([one.run(pixel[None]) for pixel in pixels])
    for count in (1, 4, 5, 9):
        np.testing.assert_array_equal(many.run(pixels[:count]), expected[:count])


@pytest.mark.parametrize(
    ("cores", "batch_size", "expected"),
    [(1, 32, 1), (2, 32, 2), (2, 1, 1), (2, 6, 2), (6, 32, 6), (24, 32, 12), (7, 8, 1)],
)
def test_cores_are_shared_evenly_among_steps(
    cores: int, batch_size: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never more at once than there are steps, and each with as many cores."""
    monkeypatch.setattr(openvino_engine, "core_count", lambda: cores)
    assert openvino_engine.streams_of(batch_size) == expected


def test_random_weights_and_other_engines_are_not_kept(
    settings: BackboneSettings, tmp_path: Path
) -> None:
    replace(settings, weights=Weights("random", None, "random:0")).load(1)
    assert not (tmp_path / "networks").exists()
    kept_networks.keep(tmp_path / "networks" / "x.network", object())
    assert not (tmp_path / "networks").exists()


def test_a_file_under_another_name_is_not_opened(settings: BackboneSettings) -> None:
    """A network of other weights has the same shape; its rows would be taken for these."""
    others = replace(settings, weights=replace(settings.weights, digest="2" * 64))
    files = [kept_networks.kept_file(
        one.entry, one.fields, (), (1, 32, 32, 3), with_map=True) for one in (settings, others)
    ]  # fmt: skip
    settings.load(1)
    assert kept_networks.open_kept(files[0], (1, 32, 32, 3), "float32") is not None
    files[0].rename(files[1])
    assert kept_networks.open_kept(files[1], (1, 32, 32, 3), "float32") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_file_of_such_a_size_is_not_read(
    settings: BackboneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO would never end, a link leads elsewhere, a sparse file would fill the memory."""
    settings.load(1)
    (kept,) = (tmp_path / "networks").iterdir()
    ask = partial(kept_networks.open_kept, shape=(1, 32, 32, 3), precision="float32")
    assert ask(kept) is not None
    os.mkfifo(tmp_path / "fifo.network")
    (tmp_path / "link.network").symlink_to(kept)
    assert ask(tmp_path / "fifo.network") is None
    assert ask(tmp_path / "link.network") is None
    with kept.open("ab") as file:
        file.truncate(kept_networks._LARGEST + 1)
    monkeypatch.setattr(np, "fromfile", None)  # nobody reads it
    assert ask(kept) is None


def test_a_network_that_cannot_be_written_down_is_not_kept(tmp_path: Path) -> None:
    """With little memory there is no second copy: the run goes on without."""

    class Full:
        def to_bytes(self) -> bytes:
            raise ValueError("I/O operation on closed file.")  # as io.BytesIO says

    kept_networks.keep(tmp_path / "networks" / "x.network", Full())
    assert not (tmp_path / "networks").exists()
