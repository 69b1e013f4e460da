"""Layouts of rows on the disk: chunk shapes, number formats, compression.

Written and read through plain h5py with Fletcher32 checksums, as the cache has them, without its
journal and CRCs. Read and written from memory that the system keeps of the disk, in blocks of 32
rows, as `extract` writes; and 32 rows one by one in random order, as `predict` and folds may ask.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from benchmarks.heads import _draw
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import Measured, Ratio, as_json, ratio, take_turns_here

_BLOCK = 32
Rows = npt.NDArray[Any]
_DEFAULT = "float32, 1 row, none"


def measure(options: Options) -> Report:
    """Write and read every layout in turns."""
    report = Report("layout")
    rows, source = _rows(options)
    rounds = 1 if options.quick else 3
    layouts = _layouts(options.quick, report)
    order = np.random.default_rng(0).permutation(len(rows))[:_BLOCK]
    with tempfile.TemporaryDirectory() as name:
        files = {key: Path(name) / f"{i}.h5" for i, key in enumerate(layouts)}
        write = {k: _writer(files[k], rows.astype(dt), s) for k, (dt, s) in layouts.items()}
        read = {k: _reader(files[k]) for k in layouts}
        single = {k: _single_reader(files[k], order) for k in layouts}
        found = {
            kind: take_turns_here(tasks, rounds)
            for kind, tasks in (("write", write), ("read", read), ("single", single))
        }
        bytes_per_row = {k: files[k].stat().st_size / len(rows) for k in layouts}
    report.details = {k: as_json(v) for k, v in found.items()} | {"bytes_per_row": bytes_per_row}
    zeros = float((rows == 0).mean())
    report.notes.append(f"{len(rows)} {source}, {zeros:.0%} zeros; MB are those of the plain rows")
    for key, (dtype, _) in layouts.items():
        megabytes = rows.size * np.dtype(dtype).itemsize / 1e6
        report.lines.append(_line(key, found, megabytes, bytes_per_row))
    return report


def _rows(options: Options) -> tuple[Rows, str]:
    if options.cache is None:
        n, width = (16, 2_000) if options.quick else (256, 51_200)
        return _draw(n, width)[0], "drawn rows"
    from features.cache.cache import Cache

    with Cache.read(options.cache) as cache:
        return cache.take(np.arange(min(256, len(cache)))), "rows of a cache"


def _layouts(quick: bool, report: Report) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> (dtype, keywords of `create_dataset`; "chunks" counts rows)."""
    filters: dict[str, Mapping[str, Any]] = {
        "none": {},
        "lzf": {"compression": "lzf"},
        "gzip-1": {"compression": "gzip", "compression_opts": 1},
        "gzip-1 + shuffle": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    }
    try:
        plugin = importlib.import_module("hdf5plugin")
        filters |= {
            "bitshuffle + lz4": plugin.Bitshuffle(cname="lz4"),
            "bitshuffle + zstd": plugin.Bitshuffle(cname="zstd", clevel=1),
            "blosc2 lz4": plugin.Blosc2(cname="lz4", clevel=1, filters=plugin.Blosc2.BITSHUFFLE),
            "blosc2 zstd": plugin.Blosc2(cname="zstd", clevel=1, filters=plugin.Blosc2.BITSHUFFLE),
        }
    except ImportError:
        report.notes.append("no hdf5plugin here (pip install -e '.[bench]')")
    shapes: dict[str, Any] = {"1 row": 1, "4 rows": 4, "32 rows": 32, "automatic": True}
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for dtype in ("float32", "float16"):
        for shape, chunk in shapes.items() if dtype == "float32" else [("1 row", 1)]:
            found[f"{dtype}, {shape}, none"] = dtype, {"chunks": chunk}
        for name, keywords in filters.items():
            found[f"{dtype}, 1 row, {name}"] = dtype, {"chunks": 1, **keywords}
    return dict(list(found.items())[:6]) if quick else found


def _writer(file: Path, rows: Rows, settings: dict[str, Any]) -> Any:  # noqa: ANN401
    keywords = dict(settings)
    if keywords["chunks"] is not True:
        keywords["chunks"] = (keywords["chunks"], rows.shape[1])

    def task() -> None:
        with h5py.File(file, "w") as h5:
            shape = {"shape": (0, rows.shape[1]), "maxshape": (None, rows.shape[1])}
            features = h5.create_dataset(
                "features", dtype=rows.dtype, fletcher32=True, **shape, **keywords
            )
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                features.resize(start + len(block), axis=0)
                features[start : start + len(block)] = block

    return task


def _reader(file: Path) -> Any:  # noqa: ANN401
    def task() -> None:
        with h5py.File(file, "r") as h5:
            features = h5["features"]
            for start in range(0, len(features), _BLOCK):
                features[start : start + _BLOCK]

    return task


def _single_reader(file: Path, order: npt.NDArray[np.int64]) -> Any:  # noqa: ANN401
    def task() -> None:
        with h5py.File(file, "r") as h5:
            for row in order.tolist():
                h5["features"][row]

    return task


def _line(
    key: str,
    found: Mapping[str, Mapping[str, Measured]],
    megabytes: float,
    bytes_per_row: Mapping[str, float],
) -> Line:
    writing, reading, single = (found[kind][key].seconds for kind in ("write", "read", "single"))
    plain = found["read"][_DEFAULT].seconds
    faster: Ratio = ratio(reading, plain)
    return Line(
        f"rows as {key}",
        f"write {megabytes / min(writing):.0f} MB/s, read {megabytes / min(reading):.0f} MB/s, "
        f"one row {1e3 * min(single) / _BLOCK:.2f} ms",
        f"{bytes_per_row[key] / 1e3:.0f} kB a row",
        faster,
        "",
    )


if __name__ == "__main__":
    run({"layout": measure}, __doc__)
