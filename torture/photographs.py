"""Hostile photographs through the decoder, and through `extract`: each is a row or has a reason."""

from __future__ import annotations

import resource
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np

from features.backbones.registry import BACKBONES
from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights
from features.cache.cache import Cache
from features.errors import ImageError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import (
    BYTES_PER_PIXEL,
    SECONDS,
    SPARE_MEMORY,
    decode_apart,
    stop,
)
from features.photographs.file import Photograph
from features.photographs.file_header import read_declared
from features.photographs.recipe import RECIPES
from features.runtime import core_count
from torture.corpus import Mutant, corpus
from torture.figures import Figure

COUNT, QUICK_COUNT = 5000, 40
_SEED = 20


class Counting:
    """A backbone that costs nothing: mean colours of sixteen squares."""

    cached_width = 48
    map_shape = (4, 4, 3)
    tap_widths: ClassVar[dict[str, int]] = {}

    def __init__(self, _path: Path | None, **_settings: object) -> None:
        """There is nothing to load."""

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, height, width, 3) -> float32 (n, 48)."""
        side = pixels.shape[1] // 4
        squares = pixels.reshape(len(pixels), 4, side, 4, side, 3).mean(axis=(2, 4))
        return np.asarray(squares.reshape(len(pixels), 48), dtype=np.float32)


def run(quick: bool) -> list[Figure]:
    """Both figures, on the same files."""
    count = QUICK_COUNT if quick else COUNT
    return [decoding(count), extracting(count)]


def decoding(count: int) -> Figure:
    """Every file through the decoder, by every core at once."""
    with ThreadPoolExecutor(core_count()) as pool:
        seen = list(pool.map(_decode, corpus(_SEED, count)))
    stop()  # what a process used is known when it has ended
    endings = Counter(ending for ending, _, _ in seen)
    slowest = max(seen, key=lambda entry: entry[1])
    losses = sum(n for e, n in endings.items() if e.startswith("LOST"))
    most = SPARE_MEMORY + BYTES_PER_PIXEL * MAX_PIXELS
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    refused = count - endings["row"] - losses
    return Figure(
        "hostile photographs decoded",
        count,
        refused,
        losses + (slowest[1] > 2 * SECONDS) + (children > most),
        f"{endings['row']:,} still read, {refused:,} refused with a reason "
        f"({endings['ended its decoder']:,} by ending their decoder); slowest {slowest[1]:.1f} s; "
        f"largest process {children / 2**20:,.0f} MB",
        {"endings": dict(endings), "slowest": list(slowest), "largest_bytes": children},
    )


def _decode(mutant: Mutant) -> tuple[str, float, str]:
    """How it ended, after how many seconds, and the file's name."""
    started = time.monotonic()
    recipe = RECIPES["imagenet" if len(mutant.data) % 2 else "docs"]
    try:
        pixels = decode_apart(mutant.data, recipe)
        ending = "row" if pixels.shape == (224, 224, 3) else "LOST: odd pixels"
        if read_declared(mutant.data) is None:
            ending = "LOST: a format that is not allowed was parsed"
    except ImageError as error:
        reason = str(error)
        ending = "refused" if reason and "\n" not in reason else "LOST: no reason"
        if "crashed the decoder" in reason or "decoding took" in reason:
            ending = "ended its decoder"
    except Exception as error:  # noqa: BLE001 - that there is none is what is tested
        ending = f"LOST: {type(error).__name__}: {str(error)[:80]}"
    return ending, time.monotonic() - started, mutant.name


def extracting(count: int) -> Figure:
    """Give the files as a folder through `extract`: as many samples as files, each of one kind."""
    # A name of its own: "torture" is the toy of other parts in this process.
    BACKBONES["counting"] = f"{__name__}:Counting"
    settings = BackboneSettings(
        RECIPES["imagenet"], Weights("random", None, "random:0"), "float32", "counting"
    )
    with tempfile.TemporaryDirectory(prefix="onepass-") as name:
        folder = Path(name)
        photographs = []
        for mutant in corpus(_SEED, count):
            (folder / mutant.name).write_bytes(mutant.data)
            photographs.append(Photograph(folder / mutant.name, mutant.name, "any"))
        done = extract(
            photographs,
            settings,
            folder / "features.h5",
            RunOptions(max_failures=1.0),
            note={"root": name},
        )
        with Cache.read(folder / "features.h5") as cache:
            kept, rows = cache.table_rows, len(cache)
            cache.take(list(range(rows)))
    broken = [s for s in kept if (s.row < 0) != bool(s.reason) or not -1 <= s.row < rows]
    losses = len(broken) + abs(len(kept) - count)
    return Figure(
        "the same through extract",
        count,
        len(done.failed),
        losses,
        f"{len(kept) - len(done.failed):,} with a row, {len(done.failed):,} with a reason",
        {"rows": rows},
    )
