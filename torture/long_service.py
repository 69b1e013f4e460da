"""A service for long: sound, hostile and huge photographs from several sides, decoders killed.

Every sound photograph must have the same verdict each time, whatever came before; every other one
is a reason in one line. Processes, open files and memory must be flat once everything is warm.
`python -m torture.long_service 20` takes 20 minutes; as a part of `endurance` it takes five.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from models import shade
from PIL import Image
from serving import Answer, Service

from features.backbones.registry import BACKBONES
from torture.corpus import corpus
from torture.figures import ROOT, Figure
from torture.station import prepare

_CLIENTS = 3
_WARM = 0.4  # share of the time before everything is warm
_NURSERY = 20  # decoders that are killed before the process that forks them is
_PER_SECOND = 8 * 1024  # bytes by which memory may grow
_NOISE = 60 << 20


class _Seen:
    """What clients were told, and how large the service was meanwhile."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.nurseries: set[int] = set()
        self.losses: list[str] = []
        self.at: list[float] = []
        self.memory: list[int] = []
        self.processes: list[int] = []
        self.files: list[int] = []


def run(quick: bool, minutes: float = 5.0) -> Figure:
    """So many minutes; quick: 2 s."""
    seconds = 2.0 if quick else 60 * minutes
    with (
        patch.dict(BACKBONES, inception_v3="toy:ToyBackbone"),
        tempfile.TemporaryDirectory(prefix="onepass-") as name,
    ):
        folder, seen, ended = Path(name), _Seen(), threading.Event()
        prepare(folder)
        with _served(folder) as (service, pid):
            sound = _sound()
            known = {key: _verdict(service.predict((key, data))) for key, data in sound.items()}
            work = [
                threading.Thread(target=_client, args=(service, sound, known, seed, seen, ended))
                for seed in range(_CLIENTS)
            ]
            work.append(threading.Thread(target=_killer, args=(pid, seen, ended)))
            for thread in work:
                thread.start()
            _watch(pid, seconds, seen)
            ended.set()
            for thread in work:
                thread.join(150)
            for key, data in sound.items():
                if (again := _verdict(service.predict((key, data)))) != known[key]:
                    seen.losses.append(f"at the end: {key} {again}")
    return _figure(seen, seconds, quick=quick)


def _figure(seen: _Seen, seconds: float, *, quick: bool) -> Figure:
    at, memory = np.array(seen.at), np.array(seen.memory, float)
    warm = at >= _WARM * seconds
    slope = float(np.polyfit(at[warm], memory[warm], 1)[0])
    # A short run cannot tell a slope from what the allocator does: only a large one counts.
    lost = len(seen.losses) + int(slope > max(_PER_SECOND, quick * _NOISE / seconds))
    for sizes in (seen.processes, seen.files):
        lost += int(max(np.array(sizes)[warm]) > max(np.array(sizes)[~warm]) + 8)
    counts = seen.counts
    note = (
        f"{counts['sound']} sound, {counts['refused']} refused, {counts['killed']} decoders and "
        f"what forks them killed ({counts['blamed']} photographs blamed); memory {slope:+,.0f} "
        f"bytes a second after warm-up ({memory[warm][0] / 1e6:.0f} to {memory[-1] / 1e6:.0f} MB)"
        f", at most {max(seen.processes)} processes, {max(seen.files)} open files"
    )
    return Figure(
        f"a service for {seconds / 60:.0f} minutes", sum(counts.values()), counts["killed"],
        lost, note, vars(seen) | {"counts": dict(counts), "nurseries": len(seen.nurseries)},
    )  # fmt: skip


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[tuple[Service, int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "torture.station", str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield Service(int(process.stdout.readline()), folder, None, None), process.pid
    finally:
        process.kill()
        process.wait()


def _sound() -> dict[str, bytes]:
    """Photographs that have verdicts: small ones, and one of 12 megapixels."""
    found = {}
    for number in range(12):
        kind = ("PNG", "JPEG", "WEBP")[number % 3]
        found[f"{number}.{kind.lower()}"] = _encoded(shade(number, bright=bool(number % 2)), kind)
    large = np.asarray(Image.fromarray(shade(99, bright=True)).resize((4000, 3000)))
    return found | {"large.jpeg": _encoded(large, "JPEG")}


def _encoded(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def _verdict(answer: Answer) -> str:
    """Say what was told of one photograph, without what differs each time."""
    told = answer.json()
    if answer.status != 200:
        return f"{answer.status}: {told['error']}"
    (part,) = told["parts"]
    reasons = [one["error"] for one in part["photographs"] if one["error"]]
    return reasons[0] if reasons else f"{part['verdict']} {part['probability']:.6f}"


def _client(
    service: Service,
    sound: dict[str, bytes],
    known: dict[str, str],
    seed: int,
    seen: _Seen,
    ended: threading.Event,
) -> None:
    """Send one photograph after the other, and look at each answer."""
    rng, number = random.Random(seed), 0
    while not ended.is_set():
        number += 1
        hostile = {one.name: one.data for one in corpus(1000 * number + seed, 25)}
        for key, data in [*hostile.items(), *rng.choices([*sound.items()], k=25)]:
            if ended.is_set():
                return
            try:
                answer = service.predict((key, data))
                told = _verdict(answer)
            except Exception as error:  # noqa: BLE001 - whatever it is, it was no answer
                seen.losses.append(f"{key}: {error!r}")
                continue
            if answer.status == 429:
                time.sleep(0.2)
            elif answer.status >= 500 or "\n" in told:
                seen.losses.append(f"{key}: {told}")
            elif key in hostile:
                seen.counts["refused"] += 1
            elif told == known[key]:
                seen.counts["sound"] += 1
            elif "crashed the decoder" in told:  # killed twice in a row
                seen.counts["blamed"] += 1
            else:
                seen.losses.append(f"{key}: {told} instead of {known[key]}")


def _killer(pid: int, seen: _Seen, ended: threading.Event) -> None:
    """End a decoder now and then, and now and then the process that forks them."""
    rng = random.Random(0)
    while not ended.wait(rng.uniform(0.2, 1.5)):
        nurseries, decoders = _started(pid, seen.nurseries)
        some = nurseries if seen.counts["killed"] % _NURSERY == _NURSERY - 1 else decoders
        if some:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(some), signal.SIGKILL)
            seen.counts["killed"] += 1


def _started(pid: int, nurseries: set[int]) -> tuple[list[int], list[int]]:
    """Give a service's nurseries, and the decoders of all that it had: they outlive a killed one.

    A nursery is the first of a group of processes, and what it forks stays in that.
    """
    alive, decoders = [], []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, group = place.read_text().rpartition(")")[2].split()[:3]
            one = int(place.parent.name)
            if state != "Z" and int(parent) == pid:
                nurseries.add(one)
                alive.append(one)
            elif state != "Z" and int(group) in nurseries:
                decoders.append(one)
    return alive, decoders


def _watch(pid: int, seconds: float, seen: _Seen) -> None:
    """Look once a second at the service and all that it has started."""
    started = time.monotonic()
    while (now := time.monotonic() - started) < seconds:
        nurseries, decoders = _started(pid, seen.nurseries)
        tree = [pid, *nurseries, *decoders]
        seen.at.append(now)
        seen.processes.append(len(tree))
        seen.memory.append(sum(map(_own, tree)))
        seen.files.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
        time.sleep(min(1.0, seconds / 20))


def _own(pid: int) -> int:
    """Give the bytes that a process shares with no other."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private"))
    return 0


if __name__ == "__main__":
    found = run(quick=False, minutes=float(sys.argv[1]))
    print(found.note, json.dumps(found.details["losses"][:20]), sep="\n")
