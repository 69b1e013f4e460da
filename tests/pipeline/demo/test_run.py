"""The demo sees with trained weights, with and without the internet."""

from __future__ import annotations

import pytest

from features.backbones.registry import check_taps, close_look, entry_of
from features.backbones.weights import Weights
from features.errors import WeightsError
from features.photographs.look import PLAIN, parse_look
from pipeline.demo import run as demo


def test_without_the_internet_it_takes_the_installed_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line says which network sees, and why; nothing speaks of untrained weights."""

    def offline(_name: str) -> Weights:
        raise WeightsError("no network; four ways on")

    said: list[str] = []
    monkeypatch.setattr(demo, "resolve_weights", offline)
    assert demo._backbone(said.append) == "efficientnet-lite0"
    assert len(said) == 1
    assert len(said[0].strip().splitlines()) == 1
    assert "inception_v3 cannot be had" in said[0]
    assert "UNTRAINED" not in said[0]


def test_with_weights_it_takes_the_default_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where ImageNet's InceptionV3 is there, it is used."""
    said: list[str] = []
    monkeypatch.setattr(demo, "resolve_weights", lambda _name: None)
    assert demo._backbone(said.append) == "inception_v3"
    assert not said


@pytest.mark.parametrize(("name", "pictures"), [("inception_v3", 7), (demo._INSTALLED, 6)])
def test_its_backbones_look_closely_without_being_asked(name: str, pictures: int) -> None:
    """Each backbone of the demo is registered, and has the layers that a close look keeps."""
    entry = entry_of({"backbone": name})
    look = parse_look(close_look(entry), PLAIN, lambda taps: check_taps(entry, taps))
    assert look.images == pictures
    assert look.taps == look.crops.taps == check_taps(entry, look.taps)
