"""Keras networks as files: whole or not at all, and read as weights alone."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from features.errors import BundleError
from features.files import whole_file


def save_network(network: Any, path: Path) -> None:  # noqa: ANN401 - Keras has no types
    """Write a network as .keras.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as temporary:
        named = temporary.with_suffix(".keras")  # Keras goes by the suffix
        network.save(named)
        named.replace(temporary)


def load_weights(network: Any, path: Path, allowed: frozenset[str]) -> None:  # noqa: ANN401
    """Give a network, built from settings, the weights of a .keras file.

    The file's own description is run nowhere. It must still name no other Keras layers than
    `allowed`, or the file is not one of ours.

    Raises:
        BundleError: it is missing or damaged, names other layers, or does not fit.
    """
    _check_layers(path, allowed)
    try:
        network.load_weights(path)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise BundleError(
            f"{path} does not fit the network ({reason}); expected its weights; train it again"
        ) from error


def _check_layers(path: Path, allowed: frozenset[str]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            description = json.loads(archive.read("config.json"))
        layers = description["config"]["layers"]
        kinds = [(str(layer["class_name"]), str(layer["module"])) for layer in layers]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path} cannot be read ({error!r}); expected a Keras model; train it again"
        ) from error
    for kind, module in kinds:
        if kind not in allowed or module != "keras.layers":
            raise BundleError(
                f"{path} has a layer {module}.{kind}; such a network has only "
                f"{', '.join(sorted(allowed))}; do not use this model"
            )
