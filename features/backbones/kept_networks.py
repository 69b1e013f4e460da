"""Compiled networks, kept on disk so that a later start neither reads weights nor builds anything.

They lie in the person's own folder for such things, at most `MOST` of them, the longest unused is
dropped. A file's name is a digest of all that decides it: the backbone's source and weights, its
pictures' size, precision, layers, the engine and its version, and the processor. It begins with
this account's mark of its bytes (`features.own_files`): what another wrote, or a disk damaged, is
built anew and never opened. It ends with the network's row of the drift probe as computed here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from features.backbones.drift_probe import probe_pixels
from features.backbones.engines import FixedBatch, load_engine
from features.errors import EngineError, OutputError, PrecisionError
from features.files import write_whole
from features.own_files import MARK, is_marked, mark

MOST = 4
"""Networks that are kept; one of InceptionV3 takes 87 MB."""

KEEPS = "openvino"
"""The engine whose networks can be kept."""

Shape = tuple[int, int, int, int]
_LENGTH = 8  # bytes that say how many the row in front of them has
_SOURCES = ("features.backbones.openvino_engine", "features.backbones.drift_probe")


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
    step = load_engine(KEEPS, "step_of")(shape[0])
    sources = [getattr(entry, "__module__", ""), *_SOURCES]
    found = hashlib.sha256()
    for name in sources:
        file = getattr(sys.modules.get(name), "__file__", None)
        found.update(Path(file).read_bytes() if file else name.encode())
    network = {name: fields[name] for name in ("backbone", "weights", "precision")}
    known = [
        network, fields["recipe"].get("scale"), list(layers), [step, *shape[1:]], with_map,
        _processor(),
    ]  # fmt: skip
    found.update(json.dumps([known, version], sort_keys=True).encode())
    return _folder() / f"{found.hexdigest()[:32]}.network"


def open_kept(file: Path, shape: Shape, precision: str) -> FixedBatch | None:
    """Give a network that was kept; None where it is not there, or not as this account wrote it."""
    try:
        whole = np.fromfile(file, np.uint8)
        content = whole[MARK:]
        if not is_marked(content.data, whole[:MARK].tobytes()):
            return None
        length = int.from_bytes(content[-_LENGTH:].tobytes(), "little") + _LENGTH
        probe = np.frombuffer(content[-length:-_LENGTH].tobytes(), np.float32)
        network = load_engine(KEEPS, "open_network")(content[:-length], precision)
        os.utime(file)  # the longest unused is dropped first
    except (OSError, RuntimeError, ValueError, EngineError, PrecisionError):
        return None
    found = FixedBatch(network, shape)
    found.probe = probe
    return found


def keep(file: Path, built: FixedBatch) -> None:
    """Keep a compiled network; where that cannot be done it is built again the next time.

    Its row of the drift probe is computed, and known to it from now on.
    """
    write = getattr(built.network, "to_bytes", None)
    if write is None:
        return
    built.probe = built.run(probe_pixels(*built.shape[1:3])[None])[0]
    row = np.ascontiguousarray(built.probe, np.float32).tobytes()
    content = b"".join((write(), row, len(row).to_bytes(_LENGTH, "little")))
    seal = mark(content)
    if not any(seal):  # no key can be kept here: it would never be opened
        return
    with contextlib.suppress(OSError, OutputError, RuntimeError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(file, seal + content)
        others = sorted(file.parent.glob("*.network"), key=lambda path: path.stat().st_mtime)
        for path in others[:-MOST]:
            path.unlink(missing_ok=True)


@cache
def _processor() -> str:
    """Say what decides how a compiled network rounds: the processor, and what oneDNN is told."""
    told = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(("ONEDNN_", "DNNL_")))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = [platform.processor()]
    first = lines[: lines.index("")] if "" in lines else lines
    kept = [line for line in first if line.startswith(("model name", "stepping", "flags"))]
    return "\n".join([platform.machine(), *(kept or first[:1]), *told])


def _folder() -> Path:
    """Say where caches lie, as systems have it (on Linux the XDG base directories)."""
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "onepass" / "networks"
    except RuntimeError:  # an account without a home
        return Path("onepass-networks")
