"""Small caches for tests: rows of known values under keys that are made of numbers."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path

import h5py
import numpy as np

from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.schema import row_check, write_table
from features.fingerprint import fingerprint_of

WIDTH = 48  # as the toy backbone has it
FIELDS = {
    "backbone": "toy",
    "precision": "float32",
    "recipe": {"name": "a", "x": 1},
    "weights": "w",
}


def digest(number: int) -> str:
    """Give the key of photograph `number`."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int, width: int = WIDTH) -> np.ndarray:
    """Its row."""
    return np.random.default_rng(number).random(width, dtype=np.float32)


def table_row(path: str, number: int, at: int, **extra: object) -> TableRow:
    """Its line in the table."""
    return TableRow(path, "A", "", digest(number), at, "", 1, 2, 3, 4)._replace(**extra)


def fill(path: Path, numbers: range, dtype: str = "float32", *, width: int = WIDTH) -> None:
    """Add rows to a cache, which is made where there is none."""
    with Cache.write(path, FIELDS, width, dtype) as cache:
        cache.append([digest(n) for n in numbers], np.stack([row(n, width) for n in numbers]))
        cache.commit()


def fill_whole(path: Path, rows: int, photographs: int) -> None:
    """Give a cache of `rows` rows, whose table names the first `photographs` of them."""
    fill(path, range(rows))
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        table = [table_row(f"A/{n}.png", n, n) for n in range(photographs)]
        cache.replace_table(table, {"root": "r", "weights": "w"})
        cache.commit()


def holds(path: Path, numbers: range) -> bool:
    """Whether a cache has exactly these rows, each right."""
    with Cache.read(path) as cache:
        found = cache.take(cache.rows_of([digest(n) for n in numbers]))
        same = np.array_equal(found, np.stack([row(n) for n in numbers]))
        return len(cache) == len(numbers) and same


def fill_as_version_1(path: Path, rows: int) -> None:
    """Give a cache as the first version made it: no seal, no checksums in the index."""
    with h5py.File(path, "w", userblock_size=512) as h5:
        h5.attrs["onepass_schema"] = 1
        h5.attrs["fingerprint"] = fingerprint_of(FIELDS)
        h5.attrs["fingerprint_fields"] = json.dumps(FIELDS, sort_keys=True)
        h5.attrs["dataset"] = json.dumps({"root": "r"})
        keys, values = [digest(n).encode() for n in range(rows)], [row(n) for n in range(rows)]
        for name, data, chunk in (
            ("features", np.stack(values), (1, WIDTH)),
            ("row_digest", np.array(keys, "S64"), (256,)),
            ("row_view", np.array([b"full"] * rows, "S32"), (256,)),
            (
                "row_check",
                np.array(list(map(row_check, keys, [b"full"] * rows, values)), "u4"),
                (256,),
            ),
        ):
            shape = (None, *data.shape[1:])
            h5.create_dataset(name, data=data, maxshape=shape, chunks=chunk, fletcher32=True)
        write_table(h5, [table_row(f"A/{n}.png", n, n) for n in range(rows)])
    with path.open("r+b") as file:
        file.write(struct.pack("<16s16sQ", b"onepass cache 1\n", os.urandom(16), 3))
