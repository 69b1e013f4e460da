"""Keras weight files to arrays, without building a model: the backbone's quick start needs them.

`features.cache.cache` owns the cache; this reads weights.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from features.cache.hdf5_guard import COMPRESSED, refuse_unsafe
from features.cache.hdf5_process import ParserError, ask
from features.untrusted_files import UnsafeFileError, open_archive, read_bytes

_WEIGHTS = "model.weights.h5"  # the part of a .keras file
_MOST_COMPRESSION = 16  # weights are noise: compressed, they save a tenth


def read_layers(source: Path | bytes) -> dict[str, list[Any]]:
    """Read a file that Keras wrote: legacy .h5, .weights.h5 or .keras of Keras 3.

    HDF5's parser meets it in a process of its own (`features.cache.hdf5_process`).

    Args:
        source: its path, or the bytes of a .h5.

    Returns:
        Layer name -> its arrays in Keras's order; empty where the file is none of these.

    Raises:
        UnsafeFileError: it reaches outside itself, claims more than it holds, or crashes or hangs
            the parser.
        OSError: it is not there.
    """
    if isinstance(source, Path) and zipfile.is_zipfile(source):
        source = read_network(read_bytes(source))
    try:
        return _unpacked(ask("features.backbones.weight_files:packed_layers", source))
    except ParserError as error:
        raise UnsafeFileError(str(error)) from None


def packed_layers(source: Path | bytes) -> bytes:
    """Pack what `read_layers` sends to the other process: a head in JSON, then the values."""
    layers = _read_here(source)
    arrays = [np.ascontiguousarray(array).data for found in layers.values() for array in found]
    head = json.dumps(
        [
            [name, [[np.asarray(array).dtype.str, np.shape(array)] for array in found]]
            for name, found in layers.items()
        ]
    ).encode()
    return b"".join([len(head).to_bytes(8, "little"), head, *arrays])


def _unpacked(answer: bytes) -> dict[str, list[Any]]:
    """Give the inverse of `packed_layers`; of numbers and plain texts alone."""
    at = 8 + int.from_bytes(answer[:8], "little")
    layers: dict[str, list[Any]] = {}
    for name, found in json.loads(answer[8:at]):
        layers[name] = []
        for code, shape in found:
            dtype = np.dtype(code)
            if dtype.kind not in "biufS":
                raise UnsafeFileError(f"its layer {name} holds values of type {dtype}")
            count = math.prod(shape)
            values = np.frombuffer(answer, dtype, count, at) if dtype.itemsize else np.empty(0)
            layers[name].append(values.reshape(shape).copy())
            at += count * dtype.itemsize
    return layers


def _read_here(source: Path | bytes) -> dict[str, list[Any]]:
    """Do what `read_layers` does, of a .h5, in this process."""

    def texts(names: Any) -> list[str]:  # noqa: ANN401 - a library's objects, which have no types
        """Decode names: they are bytes in files of Keras 2, Keras's own downloads among them."""
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]

    def legacy(root: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - a library's objects, which have no types
        """Read the layout of Keras 2: names in attributes."""
        return {
            layer: [root[layer][name][()] for name in texts(root[layer].attrs["weight_names"])]
            for layer in texts(root.attrs["layer_names"])
        }

    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    try:
        with h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
            refuse_unsafe(file, _MOST_COMPRESSION * size, COMPRESSED)
            if "layers" not in file:
                return legacy(file.get("model_weights", file))
            stores = [group["vars"] for group in file["layers"].values()]
            return {
                store.attrs["name"]: [store[str(n)][()] for n in range(len(store))]
                for store in stores
                if len(store)
            }
    except UnsafeFileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError):
        return {}


def read_network(archive: bytes) -> bytes:
    """Give the weights inside a .keras file: the bytes of a .h5; none where it has no such part.

    Raises:
        UnsafeFileError: see `features.untrusted_files.open_archive`.
    """
    with open_archive(archive) as opened:
        return opened.read(_WEIGHTS) if _WEIGHTS in opened.namelist() else b""
