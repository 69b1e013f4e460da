"""Keras weight files to arrays, without building a model: the backbone's quick start needs them.

`features.cache.cache` owns the cache; this reads weights.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py

from features.cache.hdf5_guard import COMPRESSED, refuse_unsafe
from features.untrusted_files import UnsafeFileError, open_archive, read_bytes

_WEIGHTS = "model.weights.h5"  # the part of a .keras file
_MOST_COMPRESSION = 16  # weights are noise: compressed, they save a tenth


def read_layers(source: Path | bytes) -> dict[str, list[Any]]:
    """Read a file that Keras wrote: legacy .h5, .weights.h5 or .keras of Keras 3.

    Args:
        source: its path, or the bytes of a .h5.

    Returns:
        Layer name -> its arrays in Keras's order; empty where the file is none of these.

    Raises:
        UnsafeFileError: it reaches outside itself, or claims more than it holds.
    """

    def texts(names: Any) -> list[str]:  # noqa: ANN401
        """Names are bytes in files of Keras 2, Keras's own downloads among them."""
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]

    def legacy(root: Any) -> dict[str, list[Any]]:  # noqa: ANN401
        return {
            layer: [root[layer][name][()] for name in texts(root[layer].attrs["weight_names"])]
            for layer in texts(root.attrs["layer_names"])
        }

    if isinstance(source, Path) and zipfile.is_zipfile(source):
        source = read_network(read_bytes(source))
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
    """The weights inside a .keras file: the bytes of a .h5; none where it has no such part.

    Raises:
        UnsafeFileError: see `features.untrusted_files.open_archive`.
    """
    with open_archive(archive) as opened:
        return opened.read(_WEIGHTS) if _WEIGHTS in opened.namelist() else b""
