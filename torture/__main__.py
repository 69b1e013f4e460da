"""All parts, one table: under 40 minutes on two cores, --quick under a minute.

A part is a module with `run(quick: bool) -> list[Figure]`; a new one is a line of PARTS.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence

from torture.figures import ROOT, Part, keep, table

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
}


def run_part(name: str, *, quick: bool) -> Part:
    """Run one part, without its losses ending the run."""
    started = time.perf_counter()
    figures = importlib.import_module(PARTS[name]).run(quick)
    return Part(name, figures, time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; returns 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few tries: does it run?")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser.error(f"unknown {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    done = []
    for name in given.parts or PARTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        done.append(run_part(name, quick=given.quick))
        path = keep(done[-1], quick=given.quick)
        print(f"{name}: {done[-1].seconds:.0f} s, {path.relative_to(ROOT)}", file=sys.stderr)
    print(table(done))
    if given.quick:
        print("QUICK: few tries.")
    losses = sum(part.losses for part in done)
    if losses:
        print(f"LOST: {losses:,} promises were broken; see {ROOT / 'torture' / 'results'}")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
