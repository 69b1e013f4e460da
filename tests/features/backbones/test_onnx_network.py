"""A network that a team already has: ONNX and a card, through OpenVINO."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.extract_folder import ExtractOptions

pytest.importorskip("openvino", reason="needs the extra: pip install -e '.[openvino]'")

from toy import write_folder

from features.backbones.onnx_network import OnnxNetwork
from features.backbones.settings import (
    BackboneSettings,
    backbone_asked_for,
    settings_from_fields,
)
from features.backbones.weights import RecordedWeights
from features.cache.cache import Cache
from features.errors import DataError, FingerprintError, WeightsError
from features.photographs.recipe import RECIPES
from pipeline.data.extract_folder import extract_folder

SIDE = 16
CARD = {"input_size": [SIDE, SIDE], "scale": [[0.01, 0.02, 0.03], -1.0], "output": "r2"}


# ---- a writer of just enough ONNX: protobuf by hand -------------------------------------------


def varint(value: int) -> bytes:
    out = b""
    while True:
        out += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return out


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def weights_of(name: str, values: np.ndarray, external: str = "") -> bytes:
    head = b"".join(field(1, size) for size in values.shape) + field(2, 1) + field(8, name)
    if external:
        return head + field(13, field(1, "location") + field(2, external)) + field(14, 1)
    return head + field(9, values.astype("<f4").tobytes())


def node(kind: str, inputs: list[str], output: str, **numbers: list[int]) -> bytes:
    found = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    for name, values in numbers.items():
        listed = b"".join(field(8, value) for value in values)
        found += field(5, field(1, name) + listed + field(20, 7))
    return found


def port(name: str, shape: list[int]) -> bytes:
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes)))


KERNELS = [
    np.random.default_rng(number).standard_normal(shape).astype(np.float32)
    for number, shape in enumerate([(4, 3, 3, 3), (5, 4, 1, 1)])
]


def onnx(external: str = "") -> bytes:
    """Two convolutions: 16×16×3 to 8×8×4 ("r1") to 8×8×5 ("r2"), and their mean ("mean")."""
    nodes = [
        node("Conv", ["x", "w1"], "c1", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", "w2"], "c2"),
        node("Relu", ["c2"], "r2"),
        node("GlobalAveragePool", ["r2"], "mean"),
    ]
    graph = b"".join(field(1, each) for each in nodes) + field(2, "toy")
    for name, values in zip(("w1", "w2"), KERNELS, strict=True):
        graph += field(5, weights_of(name, values, external if name == "w1" else ""))
    graph += field(11, port("x", [1, 3, SIDE, SIDE])) + field(12, port("mean", [1, 5, 1, 1]))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def expected(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both maps, channels last, by plain sums."""
    x = pixels * np.float32([0.01, 0.02, 0.03]) - 1.0
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    first = np.zeros((len(x), SIDE // 2, SIDE // 2, 4))
    for row in range(3):
        for column in range(3):
            part = padded[:, row : row + SIDE : 2, column : column + SIDE : 2]
            first += part @ KERNELS[0][:, :, row, column].T
    first = np.maximum(first, 0)
    return first, np.maximum(first @ KERNELS[1][:, :, 0, 0].T, 0)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "net" / "part-net.onnx"
    path.parent.mkdir()
    path.write_bytes(onnx())
    path.with_suffix(".json").write_text(json.dumps(CARD | {"layers": ["r1"]}), "utf-8")
    return path


def settings(path: Path, **changes: Any) -> BackboneSettings:
    name, card, weights = backbone_asked_for(str(path), None, 0)
    return BackboneSettings(RECIPES["imagenet"], weights, name=name, network=card, **changes)


def test_rows_are_the_networks(network: Path) -> None:
    """The named map of scaled pixels, then the layers asked for; any batch, short ones too."""
    made = settings(network, taps=("r1", "r1-max"))
    assert made.entry.map_shape == (8, 8, 5)
    assert made.cached_width == 8 * 8 * 5 + 2 * 4
    pixels = np.random.default_rng(9).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    rows = made.load(4).run(pixels)
    first, second = expected(pixels)
    parts = [second.reshape(3, -1), first.mean(axis=(1, 2)), first.max(axis=(1, 2))]
    assert np.allclose(rows, np.concatenate(parts, axis=1), rtol=1e-4, atol=1e-4)


def test_a_cache_is_kept_in_line_without_saying_so_again(network: Path, tmp_path: Path) -> None:
    """Check that file and card are noted: the short command goes on, others are refused."""
    data, cache = write_folder(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "f.h5"
    extract_folder(data, cache, ExtractOptions(backbone=str(network), taps=["r1-max"]))
    write_folder(data, {"a": 1}, first_seed=90)
    again = extract_folder(data, cache)
    assert (again.extraction.extracted, again.extraction.reused) == (1, 5)
    with Cache.read(cache) as opened:
        fields = opened.fields
        weights = RecordedWeights(**{
            key: opened.note["weights"][key] for key in ("source", "digest", "seed", "name")
        })  # fmt: skip
    assert settings_from_fields(fields, weights).fingerprint == again.settings.fingerprint
    other = network.with_name("other.onnx")
    other.write_bytes(onnx() + field(6, "another one"))
    other.with_suffix(".json").write_text(json.dumps(CARD), "utf-8")
    with pytest.raises(FingerprintError, match="weights"):
        extract_folder(data, cache, ExtractOptions(backbone=str(other)))
    other.write_bytes(onnx())
    card = CARD | {"scale": [1.0, 0.0], "layers": ["r1"]}
    other.with_suffix(".json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(FingerprintError, match="network"):
        extract_folder(data, cache, ExtractOptions(backbone=str(other), taps=["r1-max"]))
    network.write_bytes(onnx() + field(6, "changed in place"))
    write_folder(data, {"a": 1}, first_seed=95)
    with pytest.raises(WeightsError, match="but the model was made with sha256"):
        extract_folder(data, cache)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (None, "needs a card beside it, part-net.json"),
        ([], "is no card"),
        (CARD | {"input_size": [0, 5]}, "has input_size"),
        (CARD | {"input_size": 224}, "has input_size"),
        (CARD | {"scale": "1/255"}, "has scale"),
        (CARD | {"scale": [1.0, [1, 2]]}, "has scale"),
        (CARD | {"scale": [float("nan"), 0]}, "has scale"),
        (CARD | {"output": 3}, "names the output 3"),
        (CARD | {"layers": 3}, "has layers"),
    ],
)
def test_cards_that_cannot_be_used(network: Path, card: object, message: str) -> None:
    """What is wrong with a card is a line that shows it."""
    if card is None:
        network.with_suffix(".json").unlink()
    else:
        network.with_suffix(".json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(DataError, match=message) as caught:
        OnnxNetwork.of_file(network)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(network: Path, tmp_path: Path) -> None:
    """No ONNX, a tensor that is not there, and weights in another file are refused."""
    card = network.with_suffix(".json")
    card.write_text(json.dumps(CARD | {"output": "nowhere"}), "utf-8")
    with pytest.raises(WeightsError, match="it has no tensor 'nowhere'"):
        OnnxNetwork.of_file(network)
    card.write_text(json.dumps(CARD), "utf-8")
    network.write_bytes(b"no network at all")
    with pytest.raises(WeightsError, match="cannot be computed"):
        OnnxNetwork.of_file(network)
    network.write_bytes(onnx(external="w1.bin"))
    (network.parent / "w1.bin").write_bytes(struct.pack("<4f", 1, 2, 3, 4))
    with pytest.raises(WeightsError, match="keeps its weights in another file"):
        OnnxNetwork.of_file(network)
    with pytest.raises(WeightsError, match="no weights file at"):
        backbone_asked_for(str(tmp_path / "none.onnx"), None, 0)
    with pytest.raises(WeightsError, match="has its own weights"):
        backbone_asked_for(str(network), "imagenet", 0)


def test_without_openvino(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenVINO is not installed, one line says what to install."""
    import sys

    from features.errors import EngineError

    monkeypatch.delitem(sys.modules, "features.backbones.openvino_engine", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match=r'pip install "onepass\[openvino\]"'):
        OnnxNetwork.of_file(network)
