"""`--engine auto`: the fastest engine that gives right rows, and another one where rows moved."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import TinyBackbone  # noqa: F401 - registers itself
from toy import ToyBackbone, photograph, toy_settings

from features.backbones import engine_choice
from features.backbones.engine_choice import engines_to_try
from features.backbones.engines import AUTO, EngineError, load_engine
from features.backbones.loading import Loading
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights
from features.errors import DriftError, PrecisionError
from features.extract import extract
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES

INSTALLED = importlib.util.find_spec("openvino") is not None
RANDOM = Weights("random", None, "random:0")


@pytest.fixture(autouse=True)
def unknown() -> None:
    engine_choice._is_right.cache_clear()


@pytest.mark.skipif(not INSTALLED, reason="needs the extra openvino")
def test_an_engine_proves_itself_before_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert next(engines_to_try(AUTO)) == "openvino"
    assert list(engines_to_try("onnx")) == ["onnx"]
    assert list(engines_to_try(AUTO, ("tensorflow",))) == ["tensorflow"]
    engine_choice._is_right.cache_clear()

    def coarse(name: str) -> object:
        def compile_network(plan: object) -> object:
            network = load_engine(name)(plan)
            return lambda pixels: (network(pixels) * np.float32(1.004)).astype(np.float32)

        return compile_network

    monkeypatch.setattr(engine_choice, "load_engine", coarse)
    assert list(engines_to_try(AUTO)) == ["tensorflow"]


def test_tensorflow_is_left_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "find_spec", lambda _: None)
    assert list(engines_to_try(AUTO)) == ["tensorflow"]
    engine_choice._is_right.cache_clear()
    monkeypatch.undo()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert list(engines_to_try(AUTO)) == ["tensorflow"]
    with pytest.raises(EngineError, match="expected one of tensorflow, openvino, onnx here"):
        load_engine(AUTO)


def settings(monkeypatch: pytest.MonkeyPatch) -> BackboneSettings:
    """Give a toy that two engines compute, the first of them never in bfloat16 and wrong."""
    made: list[str] = []

    def build(_weights: object, *, engine: str, **given: object) -> ToyBackbone:
        made.append(engine)
        if engine == "openvino" and given["precision"] == "bfloat16":
            raise PrecisionError("not on this processor")
        toy = ToyBackbone(None, **given)
        if engine == "openvino":
            own = toy.run
            toy.run = lambda pixels: own(pixels) * np.float32(1.01)  # type: ignore[method-assign]
        return toy

    class Entry:
        engines = ("openvino",)
        map_shape, tap_widths = ToyBackbone.map_shape, ToyBackbone.tap_widths

        def __new__(cls, *given: object, **named: object) -> ToyBackbone:
            return build(*given, **named)

    monkeypatch.setattr(engine_choice, "_is_right", lambda _: True)
    monkeypatch.setattr("features.backbones.settings.entry_of", lambda _: Entry)
    Entry.made = made  # type: ignore[attr-defined]
    return replace(toy_settings(), engine=AUTO)


def test_an_engine_whose_rows_moved_is_left_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that a cache holds decide, and a named engine is never replaced."""
    asked, heard = settings(monkeypatch), []
    (tmp_path / "a.png").write_bytes(photograph(1))

    def watch(row: np.ndarray, _known: np.ndarray | None) -> None:
        heard.append(row)
        if len(heard) == 1:
            raise DriftError("moved")

    photographs = [Photograph(tmp_path / "a.png", "a.png")]
    done = extract(photographs, asked, tmp_path / "f.h5", watch=watch)
    assert done.engine == "tensorflow"
    assert len(heard) == 2
    np.testing.assert_allclose(heard[0], heard[1] * 1.01, rtol=1e-6)
    heard.clear()
    with pytest.raises(DriftError):
        extract(photographs, replace(asked, engine="openvino"), tmp_path / "g.h5", watch=watch)


def test_what_an_engine_cannot_have_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = settings(monkeypatch)
    loading = Loading(replace(asked, precision="bfloat16"), 1)
    assert isinstance(loading.backbone(), ToyBackbone)
    assert (loading.engine, loading.next_engine()) == ("tensorflow", False)
    with pytest.raises(PrecisionError):
        Loading(replace(asked, precision="bfloat16", engine="openvino"), 1).backbone()


@pytest.mark.skipif(not INSTALLED, reason="needs the extra openvino")
def test_auto_gives_the_rows_that_openvino_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    made = BackboneSettings(RECIPES["imagenet"], RANDOM, name="tiny", taps=("mixed",))
    loading = Loading(made, 2)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    named = replace(made, engine="openvino")
    np.testing.assert_array_equal(loading.backbone().run(pixels), named.load(2).run(pixels))
    assert loading.engine == "openvino"
    assert made.fingerprint == named.fingerprint
