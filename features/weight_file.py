"""Keras weight files to arrays, without building a model: the backbone's quick start needs them.

Besides `features.cache` the only file that imports h5py: it reads weights, that one owns the cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py


def read_layers(path: Path) -> dict[str, list[Any]]:
    """Read a file that Keras wrote: legacy .h5, or .weights.h5 of Keras 3.

    Returns:
        Layer name -> its arrays in Keras's order; empty where the file is none of these.
    """

    def texts(names: Any) -> list[str]:  # noqa: ANN401
        """Names are bytes in files of Keras 2, Keras's own downloads among them."""
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]

    def legacy(root: Any) -> dict[str, list[Any]]:  # noqa: ANN401
        return {
            layer: [root[layer][name][()] for name in texts(root[layer].attrs["weight_names"])]
            for layer in texts(root.attrs["layer_names"])
        }

    try:
        with h5py.File(path, "r") as file:
            if "layers" not in file:
                return legacy(file.get("model_weights", file))
            stores = [group["vars"] for group in file["layers"].values()]
            return {
                store.attrs["name"]: [store[str(n)][()] for n in range(len(store))]
                for store in stores
                if len(store)
            }
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError):
        return {}
