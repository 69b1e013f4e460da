"""Commands on many photographs: seconds, processor seconds, peak memory, and what they write.

    python -m benchmarks.many --rows 100000 --memory 2
    python -m benchmarks.many --rows 20000 --commands groups --cluster local:2
    python -m benchmarks.many --rows 100000 --keep FOLDER
    python -m benchmarks.many --keep FOLDER --commands groups,audit,dense --memory 0.1,0.3,1

Photographs are drawn, small (64 pixels) and with names that tell nothing, so that pixels alone say
which show one part: two of each part of one design, one in ten nearly the same picture as the one
before. No network sees them: their rows of 2,048 values are drawn, too, as `benchmarks.growth`
draws them, into a slim cache. A folder with a features.h5 of your own photographs is taken as it
is. Each command is run by itself under --memory gigabytes (ONEPASS_MEMORY; this machine's half
unless told), the kept proposal removed before. Seconds and peaks
are those of the command and of all processes that it started at once, libraries' files not counted;
what Python and its libraries hold before they do anything stands above the table.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.turns import ROOT, note, own_megabytes
from features.arrays import Array, Flags
from features.backbones.settings import BackboneSettings
from features.backbones.weights import resolve_weights
from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.thumbnails import SIDE, Grey, thumbnail_of
from features.photographs.recipe import RECIPES
from pipeline.data.folder_record import FolderRecord

COMMANDS = {
    "groups": ["groups", "--out", "groups"],
    "audit": ["audit", "--out", "audit"],
    "fit": ["fit", "--head", "ridge", "--features", "avg", "--out", "model", "--force"],
    "dense": ["fit", "--head", "dense", "--out", "model", "--force"],
    "compare": ["compare-heads", "--out", "compared"],
}
_LIBRARIES = {
    "Python and its libraries": "import cli, scipy.ndimage, sklearn.cluster",
    "with TensorFlow": "import cli, scipy.ndimage, sklearn.cluster, keras",
}
_EVERY = 0.02  # seconds between two looks at the memory
_BLOCK = 4000  # photographs that are drawn at once
_PATTERNS, _VIEWS = 80, 20  # in which parts differ, and in which views do
_COPY = 10  # one in so many is nearly the same as the one before
_WIDTH = 2048


class _Design(NamedTuple):
    """What all photographs share: the picture, the patterns that are added to it, rows' axes."""

    picture: Array
    patterns: Array
    loads: Array
    shift: Array


def draw_folder(folder: Path, count: int) -> Path:
    """Draw photographs into `folder`/data, and a cache of them, `folder`/features.h5."""
    settings = BackboneSettings(RECIPES["imagenet"], resolve_weights("random"), pooled=("avg",))
    path, data = folder / "features.h5", folder / "data"
    design, table_rows = _design(), list[TableRow]()
    with Cache.write(path, settings.fields, settings.cached_width, "float32") as cache:
        for start in range(0, count, _BLOCK):
            grey, rows, bad = _drawn(design, start, min(_BLOCK, count - start))
            some = [
                _written(data, start + number, picture, bad[number])
                for number, picture in enumerate(grey)
            ]
            seen = [thumbnail_of(np.repeat(one[:, :, None], 3, axis=2), -1) for one in grey]
            cache.append([one.digest for one in some], rows, thumbnails=seen)
            table_rows += some
            note(f"{start + len(some):,} of {count:,} photographs drawn")
        table_rows = [one._replace(row=cache.find(one.digest)) for one in table_rows]
        record = FolderRecord(root=str(data), kept=("avg",))
        cache.replace_table(table_rows, record.to_note(), own=True)
        cache.commit()
    return path


def _design() -> _Design:
    rng = np.random.default_rng(0)
    patterns = np.stack([_blotches(rng, 4 + n // 8) for n in range(_PATTERNS + _VIEWS)])
    loads = rng.standard_normal((_WIDTH, _WIDTH), np.float32)
    loads *= (0.3 * np.arange(1, _WIDTH + 1, dtype=np.float32) ** -0.6)[:, None]
    shift = 0.25 * rng.standard_normal(_WIDTH, np.float32)
    return _Design(120 + 45 * _blotches(rng, 6), patterns.reshape(len(patterns), -1), loads, shift)


def _blotches(rng: np.random.Generator, cells: int) -> Array:
    bumps = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(bumps).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _drawn(design: _Design, start: int, count: int) -> tuple[Grey, Array, Flags]:
    """Draw consecutive photographs: uint8 (n, 64, 64), rows (n, 2048), and which are bad."""
    rng = np.random.default_rng((1, start))
    numbers = np.arange(count)
    part = numbers // 2
    bad = (rng.random(count // 2 + 1) < 0.25)[part]
    weights = np.concatenate(
        [
            1.5 * rng.standard_normal((count // 2 + 1, _PATTERNS), np.float32)[part],
            6.0 * rng.standard_normal((count, _VIEWS), np.float32),
        ],
        axis=1,
    )
    hidden = rng.standard_normal((count, _WIDTH), np.float32)
    hidden += rng.standard_normal((count // 2 + 1, _WIDTH), np.float32)[part]
    hidden += design.shift * (bad[:, None] - np.float32(0.5))
    copies = numbers[_COPY - 1 :: _COPY]
    weights[copies] = weights[copies - 1]
    hidden[copies] = hidden[copies - 1] + 0.05 * hidden[copies]
    pictures = design.picture.ravel() + weights @ design.patterns
    pictures += 2 * rng.standard_normal(pictures.shape, np.float32)
    rows = np.maximum(hidden @ design.loads + np.float32(0.2), 0)
    grey = np.clip(pictures, 0, 255).astype(np.uint8).reshape(count, SIDE, SIDE)
    return grey, rows, bad


def _written(data: Path, number: int, picture: Grey, bad: bool) -> TableRow:
    """Write one photograph and give its line of the table."""
    name = hashlib.sha256(str(number).encode()).hexdigest()[:16]
    label = "defects" if bad else "good"
    path, out = data / label / f"{name}.png", io.BytesIO()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(out, "PNG")
    path.write_bytes(out.getvalue())
    seen, digest = path.stat(), hashlib.sha256(out.getvalue()).hexdigest()
    return TableRow(
        f"{label}/{name}.png", label, "", digest, -1, "", seen.st_size, seen.st_mtime_ns,
        seen.st_ctime_ns, time.time_ns(),
    )  # fmt: skip


def run_command(folder: Path, arguments: list[str], memory: float | None) -> str:
    """Run one command in the folder; give a line of what it took and wrote."""
    given = {} if memory is None else {"ONEPASS_MEMORY": f"{memory:g}"}
    (folder / "features.groups.json").unlink(missing_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [sys.executable, str(ROOT / "cli.py"), *arguments], cwd=folder, env=os.environ | given,
            stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip
        peak = list(_memory_of(child))
        _, status, used = os.wait4(child.pid, 0)  # with those of its own that it waited for
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        ended = f"{child.returncode}: {said.read().strip()[-300:]}" if status else ""
    wall, cpu = time.perf_counter() - started, used.ru_utime + used.ru_stime
    written = ", ".join(
        f"{file.name} {size / 1e6:.2f} MB" for file, size in _written_by(arguments, folder)
    )
    limit = "" if memory is None else f"{memory:g}"
    took = f"{wall:.0f} | {cpu:.0f} | {max(peak) / 1e3:.2f}"
    return f"| {' '.join(arguments)} | {limit} | {took} | {ended or written} |"


def _memory_of(child: subprocess.Popen[bytes]) -> Iterator[float]:
    """Look again and again at what a command holds, until it ends: megabytes."""
    yield 0.0
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(OSError, IndexError):  # one of its processes has just ended
            yield own_megabytes(str(child.pid))
        time.sleep(_EVERY)


def _print_libraries() -> None:
    """Say what a process holds that has imported libraries and done nothing."""
    for name, imports in _LIBRARIES.items():
        code = f"{imports}, os; from benchmarks.turns import own_megabytes as own"
        held = subprocess.run(
            [sys.executable, "-c", f"{code}; print(own(str(os.getpid())))"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        print(f"{name}: {float(held.stdout) / 1e3:.2f} GB")


def _written_by(arguments: list[str], folder: Path) -> Iterator[tuple[Path, int]]:
    out = folder / arguments[arguments.index("--out") + 1]
    for file in sorted(out.glob("*")):
        if file.is_file() and file.suffix in (".csv", ".html", ".json", ".png"):
            yield file, file.stat().st_size


def main() -> None:
    """Draw, run, and print one line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument(
        "--commands", type=lambda text: text.split(","), default=["groups", "audit"]
    )
    parser.add_argument(
        "--memory", type=lambda text: [float(one) for one in text.split(",")], default=[None],
        help="GB, one or several",
    )  # fmt: skip
    parser.add_argument("--cluster", help="as of the commands")
    parser.add_argument("--keep", type=Path, help="where the folder is drawn, or is already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "features.h5").exists():
            draw_folder(folder, options.rows)
        _print_libraries()
        print("| command | limit | seconds | of processor | peak GB | written, or why not |")
        print("|---|---|---|---|---|---|")
        more = ["--cluster", options.cluster] if options.cluster else []
        for name, memory in itertools.product(options.commands, options.memory):
            print(run_command(folder, [*COMMANDS[name], *more], memory), flush=True)


if __name__ == "__main__":
    main()
