"""Backbones as the first nodes of a graph: hand-made networks, and ONNX files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from features.backbones.engines import tap_source
from features.backbones.onnx_engine import PICTURES, ROWS, WrittenNetwork
from features.backbones.onnx_graph import Graph
from features.backbones.onnx_network import OnnxNetwork
from features.backbones.registry import check_taps, trained_weights
from features.backbones.settings import BackboneSettings
from features.errors import EngineError, ExportError
from features.photographs.look import NO_CROPS
from features.untrusted_files import read_bytes

LARGE_PICTURES, LARGE_ROWS = "large_pictures", "large_rows"
"""Of a network at a second, larger input size."""


def backbone_graph(settings: BackboneSettings, *, large: bool = False) -> Graph:
    """Write the backbone of a model.

    Args:
        settings: whose engine is "onnx".
        large: write it a second time, for larger pictures and with the same weights.

    Returns:
        From PICTURES, uint8 (m, height, width, 3), to ROWS, float32 (m, values); and from
        LARGE_PICTURES to LARGE_ROWS, of which the last map is left out.

    Raises:
        ExportError: it cannot be written as ONNX.
        WeightsError: the weights are not on this computer.
    """
    if settings.network is not None:
        return _of_file(settings, settings.network)
    layers = check_taps(settings.entry, [*settings.taps, *settings.crops.taps])
    alone = replace(settings, taps=layers, crops=NO_CROPS)
    graph = _written(alone)
    if large:
        other = _written(alone)
        rows = other.nodes.pop()  # the map, and the layers behind it
        graph.scope = "backbone/large/"
        names = graph.join(other, {PICTURES: LARGE_PICTURES})
        graph.scope = ""
        graph.add("Concat", *(names[one] for one in rows.input[1:]), name=LARGE_ROWS, axis=1)
    return graph


def _written(settings: BackboneSettings) -> Graph:
    try:
        backbone: Any = settings.load(1)
    except EngineError as error:
        raise ExportError(str(error)) from error
    network = getattr(backbone, "network", None)
    if not isinstance(network, WrittenNetwork):
        raise ExportError(
            f"the backbone {settings.name} does not write itself as ONNX; expected inception_v3, "
            "efficientnet-lite0 or a FILE.onnx; extract and fit with one of these"
        )
    return network.graph


def _of_file(settings: BackboneSettings, network: OnnxNetwork) -> Graph:
    """Take over the nodes of an ONNX file, with scaling before them and pooling behind them."""
    path = settings.weights.locate(trained_weights(settings.entry)).path
    assert path is not None
    content, graph = read_bytes(path), Graph()
    graph.scope = "backbone/"
    factor, offset = (np.asarray(part, np.float32) for part in network.scale)
    x = graph.add("Add", graph.add("Mul", graph.as_float(PICTURES), factor), offset)
    try:
        first = _channels_first(content)
        names = graph.adopt(content, x, first)
    except EngineError as error:
        raise ExportError(f"{path} cannot be exported: {error}") from error
    layers = check_taps(network, [*settings.taps, *settings.crops.taps])
    vector = network.map_shape[:2] == (1, 1)
    parts = [_flat(graph, names[network.output], first, vector)]
    for name, largest in map(tap_source, layers):
        axes = (2, 3) if first else (1, 2)
        parts.append(graph.reduce("Max" if largest else "Mean", names[name], *axes))
    graph.scope = ""
    graph.add("Concat", *parts, name=ROWS, axis=1)
    return graph


def _flat(graph: Graph, x: str, channels_first: bool, vector: bool) -> str:
    """Give a map position by position, as a row has it; a vector as it is."""
    if channels_first and not vector:
        x = graph.add("Transpose", x, perm=[0, 2, 3, 1])
    return graph.add("Flatten", x, axis=1)


def _channels_first(content: bytes) -> bool:
    """Say whether a file's only input is (m, 3, height, width); as the engine decides it."""
    import onnx

    graph = onnx.load_from_string(content).graph
    weights = {one.name for one in graph.initializer}
    (shape,) = [one.type.tensor_type.shape for one in graph.input if one.name not in weights]
    return bool(shape.dim[1].dim_value == 3)
