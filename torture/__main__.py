"""All parts, as many at once as there are cores, one table: under 40 minutes on two cores.

--quick takes two minutes.

A part is a module with `run(quick: bool) -> list[Figure]`; a new one is a line of PARTS.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from features.runtime import core_count
from torture.figures import RESULTS, ROOT, Part, keep, read, table

PARTS: dict[str, str] = {
    "crashes": "torture.crashes",
    "faults": "torture.faults",
    "power_cuts": "torture.power_cuts",
    "damage": "torture.damage",
    "together": "torture.together",
    "endurance": "torture.endurance",
    "photographs": "torture.photographs",
    "fuzz": "torture.fuzz",
    "network": "torture.network",
    "models": "torture.models",
    "kills": "torture.kills",
    "foreign": "torture.foreign",
    "station": "torture.station",
    "cluster": "torture.cluster",
}
_LONGEST = (
    "models",
    "fuzz",
    "faults",
    "damage",
    "together",
    "endurance",
    "cluster",
)  # begun first, so that none runs on alone


def run_part(name: str, *, quick: bool, **more: int) -> Part:
    """Run one part, without its losses ending the run; `more`: what this part alone takes."""
    started = time.perf_counter()
    figures = importlib.import_module(PARTS[name]).run(quick, **more)
    return Part(name, figures, time.perf_counter() - started)


def _run_apart(name: str, *, quick: bool) -> Part:
    """Run one part in a process of its own."""
    print(f"{name} …", file=sys.stderr, flush=True)
    (RESULTS / f"{name}.json").unlink(missing_ok=True)
    options = ["--quick"] if quick else []
    done = subprocess.run(
        [sys.executable, "-m", "torture", name, *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        part = read(name)
    except FileNotFoundError:
        raise RuntimeError(f"{name} ended without a result: {done.stderr[-2000:]}") from None
    print(f"{name}: {part.seconds:.0f} s", file=sys.stderr, flush=True)
    return part


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; returns 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few tries: does it run?")
    parser.add_argument("--count", type=int, metavar="N", help="tries, of models or foreign alone")
    parser.add_argument("--seed", type=int, metavar="N", help="others than before, likewise")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser.error(f"unknown {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    names = given.parts or list(PARTS)
    more = {name: getattr(given, name) for name in ("count", "seed") if getattr(given, name)}
    if more and names not in (["models"], ["foreign"]):
        parser.error(
            "--count and --seed are of models and foreign: python -m torture models --count 2000"
        )
    if len(names) == 1:
        done = [run_part(names[0], quick=given.quick, **more)]
        keep(done[0], quick=given.quick)
    else:
        order = sorted(names, key=lambda name: name not in _LONGEST)
        with ThreadPoolExecutor(core_count()) as pool:
            done = list(pool.map(lambda name: _run_apart(name, quick=given.quick), order))
    print(table(done))
    if given.quick:
        print("QUICK: few tries.")
    losses = sum(part.losses for part in done)
    if losses:
        print(f"LOST: {losses:,} promises were broken; see {ROOT / 'torture' / 'results'}")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
