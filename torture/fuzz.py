"""The decoder under a fuzzer: ten minutes of inputs that look for code not yet reached.

Guided by coverage where there is an environment with atheris; it is no dependency of Onepass:

    python -m venv .venv-fuzz && .venv-fuzz/bin/pip install atheris pillow numpy

Without it, the same time is spent on mutations that nothing guides, and the figure says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from features.errors import ImageError
from features.photographs.decode_worker_pool import decode_apart
from features.photographs.recipe import RECIPES
from torture.corpus import corpus, draw_seeds
from torture.figures import ROOT, Figure

SECONDS, QUICK_SECONDS = 600, 2
_TARGET = Path(__file__).with_name("fuzz_target.py")
_SEED = 21
_OPTIONS = ("-timeout=60", "-rss_limit_mb=2048", "-max_len=20000", "-print_final_stats=1")


def run(quick: bool) -> list[Figure]:
    """One figure: how many inputs, and how many of them broke out."""
    seconds = QUICK_SECONDS if quick else SECONDS
    python = _python()
    if python is None:
        return [_unguided(seconds)]
    with tempfile.TemporaryDirectory(prefix="onepass-fuzz-") as folder:
        return [_guided(python, Path(folder), seconds)]


def _python() -> str | None:
    """Give a Python that has atheris: named by ONEPASS_FUZZ_PYTHON, or of .venv-fuzz."""
    for found in (os.environ.get("ONEPASS_FUZZ_PYTHON"), str(ROOT / ".venv-fuzz/bin/python")):
        if found and Path(found).exists():
            return found
    return None


def _guided(python: str, folder: Path, seconds: int) -> Figure:
    seeds, broken = folder / "seeds", folder / "broken"
    seeds.mkdir()
    broken.mkdir()
    for number, (_, data) in enumerate(draw_seeds(np.random.default_rng(_SEED))):
        (seeds / str(number)).write_bytes(data)
    for mutant in corpus(_SEED, 200):
        if len(mutant.data) < 20_000:
            (seeds / mutant.name).write_bytes(mutant.data)
    done = subprocess.run(
        [python, "-P", str(_TARGET), str(seeds), f"-max_total_time={seconds}", *_OPTIONS,
         f"-artifact_prefix={broken}/", f"-seed={_SEED}"],
        capture_output=True,
        text=True,
        errors="replace",
    )  # fmt: skip
    found = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    tries = int(found[1]) if found else 0
    coverage = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)
    kept = [(path.name, path.read_bytes().hex()) for path in sorted(broken.iterdir())]
    losses = len(kept) + (tries == 0)
    return Figure(
        "inputs of a coverage-guided fuzzer (atheris) on the decoder",
        tries,
        tries,
        losses,
        f"{coverage[-1][0]} places reached, {coverage[-1][2].split('/')[0]} inputs kept"
        if coverage
        else "it did not start: " + done.stderr.strip().splitlines()[-1][:200],
        {"seconds": seconds, "broken": kept, "end": done.stderr[-3000:] if losses else ""},
    )


def _unguided(seconds: int) -> Figure:
    ends, tries, read = time.monotonic() + seconds, 0, 0
    broken: list[str] = []
    seed = _SEED
    while time.monotonic() < ends:
        seed += 1
        for mutant in corpus(seed, 100):
            tries += 1
            try:
                decode_apart(mutant.data, RECIPES["imagenet"])
                read += 1
            except ImageError as error:
                if "decoding took" in str(error):
                    broken.append(f"seed {seed}, {mutant.name}: {error}")
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                broken.append(f"seed {seed}, {mutant.name}: {error!r}")
            if time.monotonic() >= ends:
                break
    return Figure(
        "random mutations on the decoder (no .venv-fuzz, so nothing guides them)",
        tries,
        tries - read,
        len(broken),
        f"{read:,} still read, {tries - read:,} refused with a reason",
        {"seconds": seconds, "broken": broken},
    )
