"""Backbones as the first nodes of a graph: hand-made networks, and ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from features.backbones.engines import tap_source
from features.backbones.onnx_engine import PICTURES, ROWS, WrittenNetwork
from features.backbones.onnx_graph import OPSET, Graph
from features.backbones.onnx_network import OnnxNetwork
from features.backbones.registry import check_taps, trained_weights
from features.backbones.settings import BackboneSettings
from features.errors import EngineError, ExportError
from features.untrusted_files import read_bytes


def backbone_graph(settings: BackboneSettings) -> Graph:
    """Write the backbone of a model.

    Args:
        settings: whose engine is "onnx".

    Returns:
        From PICTURES, uint8 (m, height, width, 3), to ROWS, float32 (m, values).

    Raises:
        ExportError: it cannot be written as ONNX.
        WeightsError: the weights are not on this computer.
    """
    if settings.network is not None:
        return _of_file(settings, settings.network)
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
    """Take over the nodes of an ONNX file, scaling before and pooling behind them."""
    path = settings.weights.locate(trained_weights(settings.entry)).path
    assert path is not None
    taken = _read(path)
    raise NotImplementedError(taken, tap_source, PICTURES, ROWS, check_taps, np)


def _read(path: Path) -> Any:  # noqa: ANN401 - onnx.ModelProto
    """Read a file, in the operator set that is written here."""
    import onnx
    from onnx import version_converter

    model = onnx.load_from_string(read_bytes(path))
    return version_converter.convert_version(model, OPSET)
