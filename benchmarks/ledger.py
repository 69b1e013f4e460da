"""Where the processor time of extract goes beside decoding and network, each step by itself.

Of photographs of 12 megapixels, in this process and its decoder's; the whole against its two stages
is in `python -m benchmarks.extraction`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import BATCH, draw_pixels, weights_file
from benchmarks.photographs import LARGE, SMALL, write_folder
from benchmarks.report import Line, Options, Report, run
from features.backbones.settings import BackboneSettings
from features.backbones.weights import resolve_weights
from features.cache.cache import Cache
from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.photographs import jpeg
from features.photographs.decode import capture_time, decode
from features.photographs.decode_worker_pool import Decoders, lend, look_apart, stop
from features.photographs.file import read_photograph
from features.photographs.recipe import RECIPES
from features.runtime import core_count

_RECIPE = RECIPES["imagenet"]


class _Ledger:
    """Adds up seconds of processor time by what they were spent on; the least of several rounds."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []

    def begin(self) -> None:
        self.rounds.append(defaultdict(float))

    def take(self, what: str, task: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the task gives
        started = time.thread_time()
        found = task()
        self.rounds[-1][what] += time.thread_time() - started
        return found

    def least(self) -> dict[str, float]:
        return {what: min(one[what] for one in self.rounds) for what in self.rounds[0]}


def measure(options: Options) -> Report:
    """Take the steps of one photograph after the other, then what is paid once a run."""
    report, count, rounds = Report("ledger"), *((3, 1) if options.quick else (20, 5))
    with tempfile.TemporaryDirectory() as root:
        files = write_folder(Path(root), count, SMALL if options.quick else LARGE)
        each = _Ledger()
        for _ in range(rounds):
            each.begin()
            for file in files:
                _photograph(file, each)
            _rows(Path(root), count, each)
        once = [_once(Path(root), options) for _ in range(rounds)]
        stop()
    report.details = {"each": each.rounds, "once": once}
    report.lines += [
        Line(f"each photograph: {what}", f"{1e3 * seconds / count:.2f} ms")
        for what, seconds in each.least().items()
    ]
    report.lines += [
        Line(f"once: {what}", f"{1e3 * min(one[what] for one in once):.0f} ms") for what in once[0]
    ]
    return report


def _photograph(file: Path, ledger: _Ledger) -> None:
    with lend() as decoder:
        decoder.start()
        room = decoder.room
        data = ledger.take("read, into shared memory", lambda: read_photograph(file, room=room))
        ledger.take("digest (SHA-256)", lambda: hashlib.sha256(data).hexdigest())
        ledger.take("asking the decoder", lambda: look_apart(data, _RECIPE))
    whole = ledger.take("(read, as decoding alone does)", file.read_bytes)
    pixels = ledger.take("(decoding alone)", lambda: decode(whole, _RECIPE))
    jpeg.read_frame(whole)  # the decoder has just done so
    ledger.take("capture time", lambda: capture_time(whole))
    ledger.take("thumbnail", lambda: thumbnail_of(pixels, 0))


def _rows(root: Path, count: int, ledger: _Ledger) -> None:
    settings = BackboneSettings(_RECIPE, resolve_weights("random"))
    rows = np.random.default_rng(0).random((count, settings.cached_width), np.float32)
    small = [Thumbnail(np.zeros((64, 64), np.uint8), 0)] * count
    digests = [hashlib.sha256(row).hexdigest() for row in rows]
    path = root / f"{len(ledger.rounds)}.h5"
    with Cache.write(path, settings.fields, settings.cached_width, settings.row_dtype) as cache:

        def write() -> None:
            cache.append(digests, rows, thumbnails=small)
            cache.commit()

        ledger.take("write", write)


def _once(root: Path, options: Options) -> dict[str, float]:
    """Measure what is paid once a run, over all threads; of other processes in steps of 10 ms."""
    found, decoders = {}, Decoders()
    before = os.times()
    with contextlib.ExitStack() as stack:
        for _ in range(core_count()):
            stack.enter_context(decoders.lend()).start()
    decoders.close()
    after = os.times()
    found[f"start of {core_count()} decoders"] = sum(after[2:4]) - sum(before[2:4])
    if options.quick:
        return found
    file = Path(weights_file(options.weights, root))
    started = time.process_time()
    weights = resolve_weights(str(file))
    found["digest of the weights"] = time.process_time() - started
    settings = BackboneSettings(_RECIPE, weights)
    os.environ |= dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA"), str(root / "networks"))
    settings.load(BATCH)  # the first of several keeps it
    started = time.process_time()
    network = settings.load(BATCH)
    found["network opened"] = time.process_time() - started
    pixels = draw_pixels(BATCH)
    network.run(pixels)
    started = time.process_time()
    network.run(pixels)
    found["(network alone, a photograph)"] = (time.process_time() - started) / BATCH
    return found


if __name__ == "__main__":
    run({"ledger": measure}, __doc__)
