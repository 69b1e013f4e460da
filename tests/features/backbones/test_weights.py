"""features.backbones.weights: found, given a digest, never replaced silently."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from features.backbones import weights as module
from features.backbones.registry import entry_of, trained_weights
from features.backbones.weights import INCEPTION_V3, RecordedWeights, resolve_weights
from features.errors import DataError, WeightsError


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a Keras home without weights, no variable, and a download that must not be."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("ONEPASS_WEIGHTS", raising=False)
    monkeypatch.setattr(module, "_download", lambda wanted: None)
    return tmp_path / "keras" / "models" / INCEPTION_V3.file


def write(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_order_of_places(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variable comes before Keras's cache."""
    trained = replace(INCEPTION_V3, checksum=hashlib.md5(b"keras").hexdigest())
    write(offline, b"keras")
    assert resolve_weights("imagenet", trained=trained).path == offline
    named = write(tmp_path / "mine.h5", b"mine")
    monkeypatch.setenv("ONEPASS_WEIGHTS", str(named))
    found = resolve_weights("imagenet", trained=trained)
    assert (found.path, found.digest) == (named, hashlib.sha256(b"mine").hexdigest())


def test_a_cut_off_download_is_not_used(offline: Path) -> None:
    """A file in Keras's cache with another checksum than Keras's is not taken."""
    write(offline, b"half of it")
    with pytest.raises(WeightsError, match="expected checksum"):
        resolve_weights("imagenet")


def test_a_named_file_that_is_absent_is_an_error(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another file nor random weights take its place."""
    with pytest.raises(WeightsError, match="no weights file at"):
        resolve_weights(str(tmp_path / "none.h5"))
    with pytest.raises(WeightsError, match=r"no weights file by its name; expected \.h5"):
        resolve_weights(str(write(tmp_path / "weights.txt")))
    monkeypatch.setenv("ONEPASS_WEIGHTS", str(tmp_path / "gone.h5"))
    with pytest.raises(WeightsError, match="correct or unset ONEPASS_WEIGHTS"):
        resolve_weights("imagenet")


def test_random_weights_say_so() -> None:
    """Untrained weights are marked, and another seed is another digest."""
    one, other = resolve_weights("random", seed=1), resolve_weights("random", seed=2)
    assert not one.trained
    assert "untrained" in one.describe()
    assert one.digest != other.digest


def test_recorded_weights_must_be_the_same_ones(tmp_path: Path) -> None:
    """A model's weights are found by name and refused when the content is another."""
    file = write(tmp_path / "w.h5")
    digest = hashlib.sha256(b"weights").hexdigest()
    recorded = RecordedWeights("file", digest, 0, str(file))
    assert recorded.locate().path == file
    moved = write(tmp_path / "moved.h5")
    file.write_bytes(b"others")
    with pytest.raises(WeightsError, match="but the model was made with sha256"):
        recorded.locate()
    assert RecordedWeights("file", digest, 0, str(file), str(moved)).locate().path == moved


def test_fingerprints_cover_what_decides_a_row() -> None:
    """Another recipe, weights or precision is another fingerprint; the same is the same."""
    from toy import toy_settings

    from features.backbones.settings import BackboneSettings, settings_from_fields
    from features.photographs.recipe import RECIPES

    base = toy_settings()
    others = [
        toy_settings(recipe="docs"),
        toy_settings(precision="float16"),
        BackboneSettings(RECIPES["imagenet"], resolve_weights("random", seed=5), name="toy"),
        BackboneSettings(RECIPES["imagenet"], base.weights),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert settings_from_fields(base.fields, base.weights).fingerprint == base.fingerprint
    with pytest.raises(DataError, match="recipe 'imagenet', revision 7"):
        settings_from_fields(
            base.fields | {"recipe": base.recipe.fields() | {"revision": 7}}, base.weights
        )


def test_without_a_network_four_ways_on_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights that came with the installation are the first; nothing is taken by itself."""
    import keras

    def offline(**_: object) -> None:
        raise Exception("URL fetch failure on https://… : None -- no route to host")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("ONEPASS_WEIGHTS", raising=False)
    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    with pytest.raises(WeightsError) as caught:
        resolve_weights("imagenet")
    message = str(caught.value)
    assert "\n" not in message
    assert "(no route to host); four ways on: " in message
    ways = ["--backbone efficientnet-lite0", INCEPTION_V3.file, "--weights FILE", "ONEPASS_WEIGHTS"]
    places = [message.index(way) for way in [*ways, "--weights random"]]
    assert places == sorted(places)
    other = trained_weights(entry_of({"backbone": "mobilenet-v2"}))
    with pytest.raises(WeightsError) as caught:
        resolve_weights("imagenet", trained=other)
    assert "mobilenet_v2_weights" in str(caught.value)
    assert "ONEPASS_WEIGHTS" not in str(caught.value)


def test_the_installed_weights_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of efficientnet-lite0 are found in the package, with their digest as recorded."""
    monkeypatch.setattr(module, "_download", lambda wanted: pytest.fail("it asked for a download"))
    trained = trained_weights(entry_of({"backbone": "efficientnet-lite0"}))
    found = resolve_weights("imagenet", trained=trained)
    assert found.source == "imagenet"
    assert found.digest.startswith("579344248a93")
    recorded = RecordedWeights(found.source, found.digest, 0, "imagenet")
    assert recorded.locate(trained).path == found.path
    with pytest.raises(WeightsError, match=r"expected \.pth"):
        resolve_weights(str(Path(module.__file__)), trained=trained)
