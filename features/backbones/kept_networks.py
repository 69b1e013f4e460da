"""Compiled networks, kept on disk so that a later start neither reads weights nor builds anything.

They lie in the person's own folder for such things, at most `MOST` of them, the longest unused is
dropped. A file's name is a digest of all that decides it: the backbone's source and weights, the
size of its pictures, precision, layers, the engine and its version. It begins with this account's
mark of its bytes (`features.own_files`), and the name is among them: what another wrote, a disk
damaged, or somebody gave another name is built anew and never opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np

from features.backbones.engines import FixedBatch, load_engine
from features.errors import EngineError, OutputError, PrecisionError
from features.files import write_whole
from features.own_files import MARK, is_marked, mark

MOST = 4
"""Networks that are kept; one of InceptionV3 takes 87 MB."""

KEEPS = "openvino"
"""The engine whose networks can be kept."""

Shape = tuple[int, int, int, int]
_LARGEST = 2**30  # bytes of a file that is read; InceptionV3's has 87 MB
_ALIGNED = 64  # bytes that a name takes, so that the network behind it begins at a round address


def kept_file(
    entry: object,
    fields: Mapping[str, Any],
    layers: Sequence[str],
    shape: Shape,
    *,
    with_map: bool,
) -> Path:
    """Name the file in which a network is kept, whether it is there or not.

    Args:
        entry: the backbone's class.
        fields: of the fingerprint: backbone, weights, recipe, precision.
        layers: that it gives behind the map, in their order.
        shape: of the pixels: (batch_size, height, width, 3).
        with_map: whether it gives the map.
    """
    version = load_engine(KEEPS, "VERSION")  # the engine's module is there from now on
    sources = [getattr(entry, "__module__", ""), "features.backbones.openvino_engine"]
    found = hashlib.sha256()
    for name in sources:
        file = getattr(sys.modules.get(name), "__file__", None)
        found.update(Path(file).read_bytes() if file else name.encode())
    network = {name: fields[name] for name in ("backbone", "weights", "precision")}
    size = [load_engine(KEEPS, "step_of")(shape[0]), *shape[1:]]
    scale = fields["recipe"].get("scale")
    known = [network, scale, list(layers), size, with_map, platform.machine()]
    found.update(json.dumps([known, version], sort_keys=True).encode())
    return _folder() / f"{found.hexdigest()[:32]}.network"


def open_kept(file: Path, shape: Shape, precision: str) -> FixedBatch | None:
    """Give a network that was kept; None where it is not there, or not as this account wrote it."""
    try:
        stat = file.lstat()
        if not S_ISREG(stat.st_mode) or stat.st_size > _LARGEST:
            return None
        whole = np.fromfile(file, np.uint8)
        content = whole[MARK:]
        name = _name(file)
        if not is_marked(content.data, whole[:MARK].tobytes()):
            return None
        if content[: len(name)].tobytes() != name:
            return None
        opened = load_engine(KEEPS, "open_network")
        network = opened(content[len(name) :], precision, shape[0])
        os.utime(file)  # the longest unused is dropped first
    except (OSError, RuntimeError, EngineError, PrecisionError):
        return None
    return FixedBatch(network, shape)


def keep(file: Path, network: object) -> None:
    """Keep a compiled network; where that cannot be done it is built again the next time."""
    write = getattr(network, "to_bytes", None)
    if write is None:
        return
    try:
        content = _name(file) + write()
    except (MemoryError, OSError, RuntimeError, ValueError):  # too little memory for a second copy
        return
    seal = mark(content)
    if not any(seal):  # no key can be kept here: it would never be opened
        return
    with contextlib.suppress(OSError, OutputError, RuntimeError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(file, seal + content)
        others = sorted(file.parent.glob("*.network"), key=lambda path: path.stat().st_mtime)
        for path in others[:-MOST]:
            path.unlink(missing_ok=True)


def _name(file: Path) -> bytes:
    return file.stem.encode().ljust(_ALIGNED, b"\0")


def _folder() -> Path:
    """Say where caches lie, as systems have it (on Linux the XDG base directories)."""
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "onepass" / "networks"
    except RuntimeError:  # an account without a home
        return Path("onepass-networks")
