"""Keras networks as files: whole or not at all, and read as weights alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from features.backbones.weight_files import read_layers, read_network
from features.errors import BundleError
from features.files import whole_file
from features.untrusted_files import open_archive, read_bytes


def save_network(network: Any, path: Path) -> None:  # noqa: ANN401 - Keras has no types
    """Write a network as .keras.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as temporary:
        named = temporary.with_suffix(".keras")  # Keras goes by the suffix
        network.save(named)
        named.replace(temporary)


def read_weights(path: Path, allowed: frozenset[str]) -> dict[str, list[Any]]:
    """Give the weights in a .keras file, layer by layer; Keras itself never opens it.

    The file's own description is run nowhere. It must still name no other Keras layers than
    `allowed`, or the file is not one of ours.

    Raises:
        BundleError: it is missing or damaged, names other layers, or claims more than it holds.
    """
    try:
        content = read_bytes(path)
        with open_archive(content) as archive:
            description = json.loads(archive.read("config.json"))
        layers = description["config"]["layers"]
        kinds = [(str(layer["class_name"]), str(layer["module"])) for layer in layers]
        found = read_layers(read_network(content))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BadZipFile) as error:
        raise BundleError(
            f"{path} cannot be read ({error!r}); expected a Keras model; train it again"
        ) from error
    for kind, module in kinds:
        if kind not in allowed or module != "keras.layers":
            raise BundleError(
                f"{path} has a layer {module}.{kind}; such a network has only "
                f"{', '.join(sorted(allowed))}; do not use this model"
            )
    return found


def expect_shapes(
    found: Mapping[str, list[Any]], wanted: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    """Hold settings against weights before a network is built, and memory taken, by the settings.

    Args:
        found: of `read_weights`.
        wanted: the shape of the first weight of some layers.
        path: of the file.

    Raises:
        BundleError: a layer is missing, or its weight has another shape.
    """
    for name, shape in wanted.items():
        arrays = found.get(name) or [None]
        if np.shape(arrays[0]) != shape:
            raise BundleError(
                f"{path} does not fit its settings: layer {name} has weights of shape "
                f"{np.shape(arrays[0])}; expected {shape}; train it again"
            )


def give_weights(network: Any, found: Mapping[str, list[Any]], path: Path) -> None:  # noqa: ANN401
    """Give a network, built from settings, the weights of `read_weights`.

    Raises:
        BundleError: they do not fit.
    """
    for layer in network.layers:
        wanted = [tuple(weight.shape) for weight in layer.weights]
        arrays = found.get(layer.name, [])
        if [np.shape(array) for array in arrays] != wanted:
            raise BundleError(
                f"{path} does not fit the network (layer {layer.name} has weights of shapes "
                f"{[np.shape(array) for array in arrays]}, expected {wanted}); train it again"
            )
        if wanted:
            layer.set_weights(arrays)
