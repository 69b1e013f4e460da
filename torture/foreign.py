"""Files of strangers: old-format caches and weights with random bytes, journals of other states.

Caches of the first version and weights as Keras writes them have no checksums in their index, and
HDF5's parser follows whatever stands there. Each mutated file is read whole by `cache verify
--full` or as weights, in a process of its own: a crash, a hang or an error that is not one line is
a loss. A journal of one state of a cache is laid beside another: what is there afterwards is that
state, or the next of the same history, to the byte.
"""

from __future__ import annotations

import logging
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import caches
import h5py
import numpy as np

from features.backbones.weight_files import read_layers
from features.cache import hdf5_process, journal, redo_log
from features.cache.journal import JournaledFile
from features.cache.maintenance import verify
from features.cache.redo_log import SEAL, SIZE, journal_path, new_header, recover
from features.untrusted_files import UnsafeFileError
from torture.children import Nursery
from torture.figures import Figure

_ROWS = 30
_SECONDS = 300.0
_PARSER_SECONDS = 3  # instead of ten
_STATES = 6

State = tuple[bytes, bytes, bytes]
"""A file with what a commit appended, the file after the commit, and the commit's journal."""


def run(quick: bool, count: int = 300, seed: int = 0) -> list[Figure]:
    """So many caches, as many files of weights, 2,000 pairs of states and journals."""
    with tempfile.TemporaryDirectory() as name, Nursery([__name__]) as nursery:
        folder = Path(name)
        caches.fill_as_version_1(folder / "old.h5", _ROWS)
        _old_weights(folder / "weights.h5")
        tries, pairs = (12, 40) if quick else (count, 2000)
        return [
            _mutate(
                "caches of the first version", folder / "old.h5", tries, nursery, "use_cache", seed
            ),
            _mutate("weights", folder / "weights.h5", tries, nursery, "use_weights", seed),
            _stale_journals(folder / "c.h5", pairs, seed),
        ]


def _old_weights(path: Path) -> None:
    """As Keras 2 wrote them: texts of any length in attributes, superblock 0."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        names = [f"conv2d_{number}" for number in range(8)]
        file.attrs.create("layer_names", names, dtype=h5py.string_dtype())
        for name in names:
            group = file.create_group(name)
            group.attrs.create("weight_names", [f"{name}/kernel:0"], dtype=h5py.string_dtype())
            group.create_dataset(
                f"{name}/kernel:0", data=rng.random((3, 3, 4, 4), dtype=np.float32)
            )


def _mutate(what: str, whole: Path, tries: int, nursery: Nursery, use: str, seed: int) -> Figure:
    rng = random.Random(17 + 1000 * seed)
    data = whole.read_bytes()
    structure = _structure(whole, data)
    ends: Counter[str] = Counter()
    lost: list[str] = []
    for number in range(tries):
        hurt = bytearray(data)
        for _ in range(rng.choice((1, 4, 40))):
            at = rng.choice(structure) if rng.random() < 0.7 else rng.randrange(8, len(hurt))
            hurt[at] = rng.randrange(256)
        path = whole.with_name("hurt.h5")
        path.write_bytes(hurt)
        ended = nursery.run(f"{__name__}:{use}", timeout=_SECONDS, path=str(path))
        ends[str(ended.result) if ended.how == "done" else ended.how] += 1
        if ended.how != "done":
            lost.append(f"file {number}: {ended.how}: {ended.result}")
    note = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
    faults = tries - ends["read"]
    return Figure(f"random bytes: {what}", tries, faults, len(lost), note, {"lost": lost})


def _structure(path: Path, data: bytes) -> list[int]:
    """Find the bytes that HDF5's parser follows: in use, and no value of a dataset.

    Most of such a small file is values and empty space, in which a random byte changes nothing.
    """
    values = bytearray(len(data))

    def mark(_: str, found: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(found, h5py.Dataset):
            return
        if found.chunks is None:
            stretches = [(found.id.get_offset(), found.id.get_storage_size())]
        else:
            chunks = [found.id.get_chunk_info(n) for n in range(found.id.get_num_chunks())]
            stretches = [(chunk.byte_offset, chunk.size) for chunk in chunks]
        for start, size in stretches:
            if start is not None:  # nothing was written
                values[start : start + size] = b"\1" * size

    with h5py.File(path) as file:
        file.visititems(mark)
    return [at for at in range(8, len(data)) if data[at] and not values[at]]


def use_cache(path: str) -> str:
    """Verify one whole; in a child process."""
    hdf5_process._SECONDS = _PARSER_SECONDS
    found = verify(Path(path), full=True)
    return "read" if found.sound else _end("; ".join(found.faults))


def use_weights(path: str) -> str:
    """Read one; in a child process."""
    hdf5_process._SECONDS = _PARSER_SECONDS
    try:
        layers = read_layers(Path(path))
    except UnsafeFileError as error:
        return _end(str(error))
    return "read" if layers else "refused"  # a backbone refuses weights of no layer


def _end(said: str) -> str:
    for words, end in (
        ("crashes", "crashed the parser, refused"),
        ("had not ended", "hung the parser, refused"),
        ("out of memory", "ate memory, refused"),
    ):
        if words in said:
            return end
    return "refused"


def _stale_journals(path: Path, pairs: int, seed: int) -> Figure:
    """Two histories from one state; every journal of either beside every state of either."""
    logging.getLogger("onepass").setLevel(logging.ERROR)  # a line for each one set aside
    rng = random.Random(23 + 1000 * seed)
    path.write_bytes(new_header().pack() + rng.randbytes(9000)[SIZE:])
    stem = _history(path, rng)
    path.write_bytes(stem[1][1])
    states = [*stem, *_history(path, rng)]
    aside, lost = 0, []
    for number in range(pairs):
        before, after, _ = rng.choice(states)
        begun = _begun(before, after, rng)
        there, log = rng.choice((before, begun, after)), rng.choice(states)[2]
        path.write_bytes(there)
        journal_path(path).write_bytes(log)
        applied = recover(path)
        aside += not applied
        nexts = [then for _, then, theirs in states if theirs == log]
        if path.read_bytes() not in (nexts if applied else [there]):
            lost.append(f"pair {number}: neither the state nor the next")
        for left in path.parent.glob("*.set-aside-*"):
            left.unlink()
    note = f"{pairs - aside:,} applied, {aside:,} set aside"
    return Figure("journals beside other states", pairs, aside, len(lost), note, {"lost": lost})


def _history(path: Path, rng: random.Random) -> list[State]:
    found = []
    for _ in range(_STATES):
        kept: list[bytes] = []
        with JournaledFile(path, writable=True) as file:
            for _ in range(rng.randrange(1, 4)):
                file.seek(rng.randrange(512, 8000))
                file.write(rng.randbytes(rng.randrange(1, 3000)))
            file.seek(0, 2)
            file.write(rng.randbytes(rng.randrange(0, 9000)))
            _commit_watched(file, rng.randbytes(SEAL), lambda: kept.extend(_both(path)))  # noqa: B023
        found.append((kept[0], path.read_bytes(), kept[1]))
    return found


def _both(path: Path) -> list[bytes]:
    return [path.read_bytes(), journal_path(path).read_bytes()]


def _commit_watched(file: JournaledFile, seal: bytes, look: Callable[[], None]) -> None:
    """Commit, and look between the journal's end and its first page in the file."""
    real = redo_log.apply_journal

    def apply(target: Any, entry: Any) -> None:  # noqa: ANN401
        look()
        real(target, entry)

    with patch.object(journal, "apply_journal", apply):
        file.commit(seal)


def _begun(before: bytes, after: bytes, rng: random.Random) -> bytes:
    """Write some pages of the commit, the first of them first."""
    torn = bytearray(before)
    for start in range(0, len(before), 4096):
        if start == 0 or rng.random() < 0.5:
            end = min(start + 4096, len(before))
            torn[start:end] = after[start:end]
    return bytes(torn)
