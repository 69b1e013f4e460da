"""Ways to forge a model: bytes of its files, fields of its JSON, shapes and values of its arrays.

Each takes a copy of a model's folder and a generator; the same generator forges the same. Digests
are made to fit afterwards, as anybody can.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

Way = Callable[[Path, random.Random], None]
Named = dict[str, npt.NDArray[Any]]

_ODD: list[Any] = [
    None, True, -1, 0, 1, 3, 1.0, 2**31, 2**63, -(2**70), 0.5, 1e308, -0.0, float("nan"),
    float("inf"), "", "x", "../x", "/dev/zero", "//host/share", "a\nb", "\ud800", "é" * 99,
    [], [[]], {}, {"a": {"b": [1]}}, [0] * 99, "9" * 5000,
]  # fmt: skip
_FILES = (".safetensors", ".npz", ".json", ".csv")
_RECORDS = (
    "fingerprint", "data", "split", "weights", "decision", "calibration", "holdout", "train",
    "class_members", "classes", "settings_given", "settings", "versions", "recipe", "choice",
)  # fmt: skip
_TYPES = ("F16", "BF16", "F32", "F64", "I8", "I32", "I64", "U64", "BOOL", "F8_E4M3", "C64", "X", "")


def nothing(folder: Path, rng: random.Random) -> None:
    """Change nothing."""


def some_bytes(folder: Path, rng: random.Random) -> None:
    """Change bytes of a model's files."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix in _FILES]
    file = rng.choice(files)
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        # The heads of files say what is in them: half of the changes hit there.
        at = rng.randrange(min(len(content), rng.choice([64, 600, len(content)])))
        kind = rng.random()
        if kind < 0.5:
            content[at] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            content[at] = rng.choice([0, 255, 127, 128, 48, 57, 45, 91, 123])
        elif kind < 0.9:
            del content[at : at + rng.choice([1, 8, 100])]
        else:
            content[at:at] = rng.randbytes(rng.choice([1, 8, 100]))
        if not content:
            break
    file.write_bytes(content)
    if file.name != "model.json":
        _sign(folder)


def json_files(folder: Path, rng: random.Random) -> None:
    """Replace fields of a model's JSON."""
    name = rng.choice(["model.json", "model.json", "head/settings.json", "split.json"])
    path = folder / name
    content = json.loads(path.read_text())
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        _replace_one(content, rng)
        if not content:
            break
    path.write_text(json.dumps(content))
    if name != "model.json" or rng.random() < 0.5:
        _sign(folder)


def records(folder: Path, rng: random.Random) -> None:
    """Replace what a record says of backbone, data, groups, thresholds or calibration."""
    path = folder / "model.json"
    content = json.loads(path.read_text())
    named = [name for name in _RECORDS if content.get(name)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        record = content[rng.choice(named)]
        if record:
            _replace_one(record, rng)
    path.write_text(json.dumps(content))


def head_arrays(folder: Path, rng: random.Random) -> None:
    """Give a head's arrays other values, shapes and types."""
    path = folder / "head" / "head.safetensors"
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    _change(arrays, rng)
    save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)
    _sign(folder)


def header(folder: Path, rng: random.Random) -> None:
    """Change the header of a head's arrays: names, types, shapes, places, its own length."""
    path = folder / "head" / "head.safetensors"
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    entries = json.loads(content[8 : 8 + length])
    for _ in range(rng.choice([1, 1, 2, 4])):
        if not entries:
            break
        name = rng.choice(sorted(entries))
        entry, kind = entries[name], rng.random()
        if not isinstance(entry, dict) or kind < 0.2:
            _replace_one(entries, rng)
        elif kind < 0.4:
            entry["dtype"] = rng.choice(_TYPES)
        elif kind < 0.6:
            entry["shape"] = [
                rng.choice([0, 1, 2, 3, 2**31, 2**62, 2**64, -1, 0.5])
                for _ in range(rng.choice([0, 1, 2, 3, 9]))
            ]
        elif kind < 0.8:
            entry["data_offsets"] = [rng.choice([0, 8, 64, 2**63, -8, 1]) for _ in range(2)]
        else:
            entries[rng.choice(["", "x", "é" * 99, "a\x00b", "__metadata__"])] = entries.pop(name)
    text = json.dumps(entries).encode() if rng.random() < 0.9 else rng.randbytes(length)
    claimed = len(text) if rng.random() < 0.9 else rng.choice([0, 1, 2**31, 2**63, 2**64 - 1])
    path.write_bytes(struct.pack("<Q", claimed) + text + content[8 + length :])
    _sign(folder)


def npz_arrays(folder: Path, rng: random.Random) -> None:
    """Give arrays of self-test, what is familiar and heatmaps other values and shapes."""
    path = rng.choice(sorted(folder.glob("*.npz")))
    with np.load(path, allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    _change(arrays, rng)
    np.savez(path, allow_pickle=False, **arrays)
    _sign(folder)


WAYS: tuple[Way, ...] = (some_bytes, json_files, records, head_arrays, header, npz_arrays)


def _change(arrays: Named, rng: random.Random) -> None:
    """Change values, shape or type of some arrays, or leave one out."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        name = rng.choice(sorted(arrays))
        array, kind = arrays[name], rng.random()
        with np.errstate(all="ignore"):
            if kind < 0.5 and array.size:
                flat = array.reshape(-1)
                where = slice(None) if rng.random() < 0.2 else rng.randrange(flat.size)
                flat[where] = np.asarray(rng.choice(_values(array))).astype(array.dtype)
            elif kind < 0.6:
                arrays[name] = array[..., :-1] if array.ndim else array.reshape(1)
            elif kind < 0.7:
                arrays[name] = np.repeat(array.reshape(-1), 2)
            elif kind < 0.8:
                kinds = ["f2", "f4", "f8", "i1", "i8", "u8", "?"]
                arrays[name] = array.astype(rng.choice(kinds))
            elif kind < 0.9:
                arrays[name] = array[:0] if array.ndim else array
            else:
                arrays.pop(name)
                if not arrays:
                    return


def _values(array: npt.NDArray[Any]) -> list[Any]:
    if array.dtype.kind == "f":
        return [np.nan, np.inf, -np.inf, 1e30, -1e30, 0, 1e-45]
    if array.dtype.kind not in "iu":
        return [0, 1]
    most = int(array.max(initial=0))
    return [-1, -2, 0, 1, 2, 2**31, 2**62, -(2**63), array.size, most + 1]


def _replace_one(place: Any, rng: random.Random) -> None:  # noqa: ANN401 - JSON
    """Replace or delete one entry, somewhere below."""
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
            place = place[key]
            continue
        break
    if isinstance(place, dict) and rng.random() < 0.2:
        del place[key]
    else:
        place[key] = copy.deepcopy(rng.choice(_ODD))


def _sign(folder: Path) -> None:
    """Make the digests fit, where model.json still has any."""
    try:
        about = json.loads((folder / "model.json").read_text())
        for name in about["files"]:
            about["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        (folder / "model.json").write_text(json.dumps(about))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return
