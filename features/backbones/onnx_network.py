"""A network that a team already has: an ONNX file and a small card beside it, through OpenVINO.

The card has the file's name with .json at its end and says what the file cannot:

    {
      "input_size": [224, 224],              height and width that the network sees
      "scale": [0.00784313725, -1.0],        it sees value * factor + offset, RGB, 0 to 255; either
                                             may be a list of three, one per channel
      "output": "features",                  the tensor that a row is made of
      "layers": ["stage3", "stage4"]         tensors worth tapping (optional)
    }

What the card says is part of every row's fingerprint; so is the SHA-256 of the ONNX file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn, cast

import numpy as np

from features.arrays import Array, Pixels, Scale
from features.backbones.engines import FixedBatch, load_engine, tap_source, to_bfloat16
from features.errors import DataError, WeightsError
from features.untrusted_files import read_bytes, read_json

ONNX = "onnx"
"""The backbone's name in fingerprints; which network it is, the digest of the weights says."""

_MOST_CARD = 65_536  # bytes
_MOST_SIDE = 4096  # pixels
_EXTERNAL = b"\x0a\x08location\x12"  # how a tensor names the other file that its values lie in


class OnnxFile:
    """The weights of an ONNX network: in its own file and nowhere else."""

    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    def find(self) -> NoReturn:
        """Raise WeightsError: nobody but the user knows where the file is."""
        raise WeightsError("an ONNX network has its weights in its file; use --backbone FILE.onnx")


@dataclass(frozen=True)
class OnnxNetwork:
    """An entry like those of the registry, made from a card; called, it builds a backbone.

    Attributes:
        input_size: height and width.
        scale: (factor, offset) of the pixels, numbers or one per channel.
        output: name of the tensor that a row is made of.
        layers: channels of the tensors worth tapping, by name.
        map_shape: height, width and channels of the output; (1, 1, n) for a vector of n.
    """

    input_size: tuple[int, int]
    scale: Scale
    output: str
    layers: Mapping[str, int]
    map_shape: tuple[int, int, int]
    trained: ClassVar[OnnxFile] = OnnxFile()

    @property
    def tap_widths(self) -> Mapping[str, int]:
        """Count the values that a tap adds: a layer's means, or under "-max" its largest values."""
        return {tap: n for name, n in self.layers.items() for tap in (name, f"{name}-max")}

    def fields(self) -> dict[str, Any]:
        """Give what a cache or a model keeps of it, as JSON has it."""
        return {
            "input_size": list(self.input_size),
            "scale": _listed(self.scale),
            "output": self.output,
            "layers": dict(self.layers),
            "map_shape": list(self.map_shape),
        }

    @classmethod
    def from_fields(cls, fields: object) -> OnnxNetwork:
        """Read what `fields` made.

        Raises:
            DataError: it is not that.
        """
        if not isinstance(fields, dict):
            raise DataError("it names no ONNX network; expected what `extract --backbone` noted")
        network = _from_card(fields, "what it notes of its ONNX network")
        layers, shape = fields.get("layers"), fields.get("map_shape")
        if not isinstance(layers, dict) or not _is_sizes(list(layers.values())):
            raise DataError(f"what it notes of its ONNX network has layers {layers!r:.80}")
        if not isinstance(shape, list) or len(shape) != 3 or not _is_sizes(shape):
            raise DataError(f"what it notes of its ONNX network has the map {shape!r:.80}")
        height, width, channels = shape
        return replace(network, layers=dict(layers), map_shape=(height, width, channels))

    @classmethod
    def of_file(cls, path: Path) -> OnnxNetwork:
        """Read a file's card, and from the file the shapes of what the card names.

        Raises:
            DataError: there is no card, or it cannot be used.
            WeightsError: the file cannot be read, or has no such tensors.
            EngineError: OpenVINO is not installed.
        """
        card = path.with_suffix(".json")
        try:
            found = read_json(card, _MOST_CARD)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} needs a card beside it, {card.name}, which cannot be read ({error}); "
                'expected {"input_size": [224, 224], "scale": [0.00784, -1.0], "output": "NAME"}'
            ) from error
        network = _from_card(found, str(card))
        opened = _open(path, 1, network)
        shapes = [opened.shapes[name] for name in (network.output, *network.layers)]
        layers = dict(zip(network.layers, (shape[2] for shape in shapes[1:]), strict=True))
        return replace(network, layers=layers, map_shape=shapes[0])

    def __call__(
        self,
        weights: Path | None,
        *,
        seed: int = 0,
        scale: Scale,
        batch_size: int = 32,
        precision: str = "float32",
        engine: str = "openvino",
        taps: Sequence[str] = (),
    ) -> FixedBatch:
        """Build it; see `features.backbones.registry.BackboneEntry`.

        Raises:
            WeightsError: there is no file, or its tensors have other shapes.
            EngineError: OpenVINO is not installed.
        """
        assert scale == self.scale, scale
        if weights is None:
            self.trained.find()
        opened = _open(weights, batch_size, self, precision)
        shapes = opened.shapes
        if shapes[self.output] != self.map_shape or any(
            shapes[name][2] != channels for name, channels in self.layers.items()
        ):
            raise WeightsError(f"{weights} has tensors of other shapes than when rows were made")

        def network(pixels: Pixels) -> Array:
            """Run photographs: the output flat, the layers' means or largest values behind it."""
            maps = opened.run(pixels)
            rows = [maps[self.output].reshape(batch_size, -1)]
            for name, largest in map(tap_source, taps):
                rows.append((np.max if largest else np.mean)(maps[name], axis=(1, 2)))
            found = np.concatenate(rows, axis=1)
            return to_bfloat16(found) if precision == "bfloat16" else found

        return FixedBatch(network, (batch_size, *self.input_size, 3))


def _from_card(card: object, where: str) -> OnnxNetwork:
    """Check a card; the channels of layers and the map's shape are filled in later."""
    if not isinstance(card, dict):
        raise DataError(f"{where} is no card; expected an object of JSON")
    size, scale, output = card.get("input_size"), card.get("scale"), card.get("output")
    layers = card.get("layers", [])
    if not isinstance(size, list) or len(size) != 2 or not _is_sizes(size):
        raise DataError(f"{where} has input_size {size!r:.60}; expected [height, width] in pixels")
    parts = scale if isinstance(scale, list) and len(scale) == 2 else [None]
    if not all(_is_number(part) or _is_three(part) for part in parts):
        raise DataError(
            f"{where} has scale {scale!r:.60}; expected [factor, offset], numbers or one for "
            "each of R, G, B"
        )
    if not isinstance(output, str):
        raise DataError(f"{where} names the output {output!r:.60}; expected the name of a tensor")
    if not isinstance(layers, list | dict) or not all(isinstance(name, str) for name in layers):
        raise DataError(f"{where} has layers {layers!r:.60}; expected a list of names of tensors")
    factor, offset = (
        tuple(map(float, part)) if isinstance(part, list) else float(cast("float", part))
        for part in parts
    )
    height, width = size
    names = dict.fromkeys(layers, 1)
    return OnnxNetwork((height, width), (factor, offset), output, names, (1, 1, 1))


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and bool(np.isfinite(cast("float", value)))


def _is_three(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))


def _is_sizes(values: Sequence[object]) -> bool:
    return all(type(value) is int and 1 <= value <= _MOST_SIDE * 16 for value in values)


def _listed(scale: Scale) -> list[Any]:
    return [list(part) if isinstance(part, tuple) else part for part in scale]


class _Opened:
    """An ONNX file compiled by OpenVINO; `shapes` are (height, width, channels) by name."""

    def __init__(self, compiled: Any, names: Sequence[str], channels_first: bool) -> None:  # noqa: ANN401 - protobuf has few types
        self._request = compiled.create_infer_request()
        self._names, self._channels_first = names, channels_first
        self.shapes: dict[str, tuple[int, int, int]] = {}
        for name, port in zip(names, compiled.outputs, strict=True):
            shape = list(port.get_shape())
            if len(shape) == 2:
                self.shapes[name] = (1, 1, shape[1])
            elif len(shape) == 4:
                height, width, channels = (2, 3, 1) if channels_first else (1, 2, 3)
                self.shapes[name] = (shape[height], shape[width], shape[channels])
            else:
                raise WeightsError(f"its tensor {name} has the shape {shape}; expected a map")

    def run(self, pixels: Pixels) -> dict[str, Array]:
        """Run float32 (n, height, width, channels); give the outputs by name."""
        found = {}
        for name, values in zip(self._names, self._request.infer([pixels]).to_tuple(), strict=True):
            if values.ndim == 2:
                maps = values[:, None, None, :]
            else:
                maps = values.transpose(0, 2, 3, 1) if self._channels_first else values
            found[name] = np.array(maps, np.float32)
        return found


def _refuse_other_files(path: Path, content: bytes) -> None:
    """Raise WeightsError for weights that lie elsewhere: the digest would not cover them."""
    if _EXTERNAL in content:
        raise WeightsError(
            f"{path} keeps its weights in another file; save it as one file (onnx.save with "
            "save_as_external_data=False)"
        )


def _open(path: Path, batch_size: int, network: OnnxNetwork, precision: str = "float32") -> _Opened:
    """Compile the part of a file that computes what the card names.

    Raises:
        WeightsError: it cannot be read, keeps values in other files, or has other tensors.
    """
    compile_onnx = load_engine("openvino", "compile_onnx")
    names = (network.output, *network.layers)
    try:
        content = read_bytes(path)
        _refuse_other_files(path, content)
        shape = (batch_size, *network.input_size, 3)
        compiled, first = compile_onnx(content, names, shape, network.scale, precision)
        return _Opened(compiled, names, first)
    except WeightsError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{path} cannot be computed ({reason}); expected an ONNX network of one input, RGB "
            f"{network.input_size[0]}×{network.input_size[1]}, with the tensors {', '.join(names)}"
        ) from error
