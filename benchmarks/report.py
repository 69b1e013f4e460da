"""A benchmark's result: lines of one table, details, the machine; printed and kept as JSON."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.turns import ROOT, Measured, Ratio, ratio
from features.backbones.weights import ENVIRONMENT_VARIABLE
from features.runtime import core_count

RESULTS = ROOT / "benchmarks" / "results"
_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "h5py", "pillow")
_PEERS = ("onnxruntime", "openvino", "hdf5plugin")


@dataclass(frozen=True)
class Options:
    """What every benchmark is told.

    Attributes:
        quick: tiny sizes, to see that it runs; the numbers mean nothing.
        weights: "random" or a weights file; speed does not depend on it.
        cache: a cache of real rows, where a benchmark can use one; else rows are drawn.
    """

    quick: bool = False
    weights: str = "random"
    cache: Path | None = None


@dataclass
class Line:
    """One line of the table.

    Attributes:
        what: was measured.
        ours, peer: what this project and the peer reached, for a person.
        ratio: how many times faster (smaller); None for a line that is no comparison.
        target: of the ratio, or of what `ours` says; "" for none.
    """

    what: str
    ours: str
    peer: str = ""
    ratio: Ratio | None = None
    target: str = ""


@dataclass
class Report:
    """The result of one benchmark.

    Attributes:
        name: of the module in `benchmarks`.
        lines: of the table.
        notes: what a reader must know to believe the lines.
        details: everything measured.
    """

    name: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What reproduces it."""
        return f"python -m benchmarks.{self.name}"

    def compare(
        self, what: str, ours: Measured, peer: Measured, count: int, unit: str, target: str = ""
    ) -> None:
        """Add a line: `count` of `unit` per round; a peer that is not there is a note."""
        if ours.missing or peer.missing:
            absent = ours if ours.missing else peer
            hint = " (pip install -e '.[bench]')" if absent is peer else ""
            self.notes.append(f"{what}: no {absent.name} here: {absent.missing}{hint}")
            return
        speeds = [f"{m.name}: {count / min(m.seconds):.3g} {unit}/s" for m in (ours, peer)]
        self.lines.append(
            Line(what, speeds[0], speeds[1], ratio(ours.seconds, peer.seconds), target)
        )


def machine() -> dict[str, Any]:
    """Say what it was measured on."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    found |= {n: metadata.version(n) for n in _PEERS if importlib.util.find_spec(n)}
    return {
        "processor": _processor(),
        "cores": core_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": found,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    flags = set(next((x for x in lines if x.startswith("flags")), "").split())
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return f"{name or platform.machine()} ({', '.join(f for f in known if f in flags)})"


def keep(report: Report, options: Options, seconds: float, folder: Path = RESULTS) -> Path:
    """Write benchmarks/results/NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}.json"
    facts = {
        "benchmark": report.name,
        "command": report.command,
        "quick": options.quick,
        "weights": "random" if options.weights == "random" else "file",
        "seconds": seconds,
        "machine": machine(),
        "lines": [asdict(line) for line in report.lines],
        "notes": report.notes,
        "details": report.details,
    }
    path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    return path


def show(reports: list[Report], options: Options) -> None:
    """Print the one table."""
    where = machine()
    load = ", ".join(f"{x:.1f}" for x in where["load"])
    print(f"\n{where['processor']}, {where['cores']} cores, load {load}; Python {where['python']}")
    print(", ".join(f"{name} {version}" for name, version in where["packages"].items()))
    if options.quick:
        print("QUICK: tiny sizes; these numbers mean nothing.")
    head = ["what", "this project", "peer", "ratio [quartiles]", "target", "command"]
    rows = [
        [x.what, x.ours, x.peer, str(x.ratio or ""), x.target, report.command]
        for report in reports
        for x in report.lines
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) + " |")
    for report in reports:
        for text in report.notes:
            print(f"{report.name}: {text}")


def parse(description: str | None) -> Options:
    """Read the command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run?")
    parser.add_argument(
        "--weights",
        default=os.environ.get(ENVIRONMENT_VARIABLE) or "random",
        help=f"weights file; ${ENVIRONMENT_VARIABLE} or random by default",
    )
    parser.add_argument("--cache", type=Path, help="a cache of real rows")
    given = parser.parse_args()
    return Options(given.quick, given.weights, given.cache)


Benchmark = Callable[[Options], Report]


def run(benchmarks: Mapping[str, Benchmark], description: str | None) -> None:
    """Run benchmarks one after the other, keep each result, print one table."""
    options, reports = parse(description), []
    for name, benchmark in benchmarks.items():
        print(f"{name}", file=sys.stderr, flush=True)
        started = time.perf_counter()
        reports.append(benchmark(options))
        path = keep(reports[-1], options, time.perf_counter() - started)
        print(f"{name}: {path.relative_to(ROOT)}", file=sys.stderr, flush=True)
    show(reports, options)
