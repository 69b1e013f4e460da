"""The second extract: 10,000 small photographs unchanged, and ten new ones among them.

The first run is made with the tests' toy in the place of the network, with rows of the real width:
all else is real, the cache too. Its time is no fair peer, so the share of a real first run is
computed from the real network's speed on the same photographs, and both shares are shown. The
unchanged run and the run with ten new photographs are real: the real network, or none at all.
All seconds are those of whole processes, the start of Python included.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.photographs import write_folder
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import Facts, Ratio, Variant, note, once, ratio

_TASKS = "benchmarks.tasks"
_SIZE = (32, 24)
_NEW = 10
_TICK = (
    2.1  # seconds after which a file is no longer "just changed"; see features.cache.sample_table
)


def measure(options: Options) -> Report:
    """First run, unchanged runs, runs with new photographs."""
    count, rounds = (60, 1) if options.quick else (10_000, 3)
    report = Report("incremental")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_folder(root / "data", count, _SIZE)
        write_folder(root / "few", _NEW, _SIZE, first=count)
        write_folder(root / "new", _NEW * rounds, _SIZE, first=2 * count)
        write_folder(root / "sample", 4 if options.quick else 256, _SIZE)
        time.sleep(_TICK)
        first = _extract(options, root, "data", "features.h5", toy=True)
        note(f"first run without the network: {first['wall']:.1f} s")
        unchanged, added, alone = [], [], []
        for number in range(rounds):
            unchanged.append(_extract(options, root, "data", "features.h5"))
            added.append(_add(options, root))
            alone.append(_extract(options, root, "few", f"few-{number}.h5"))
            if number + 1 < rounds:  # the new ones' time stamps too must be of another tick
                time.sleep(_TICK)
                _extract(options, root, "data", "features.h5")
        sample = _extract(options, root, "sample", "sample.h5")
    for facts in unchanged:
        if facts["tensorflow"] or facts["extracted"]:
            raise RuntimeError("an unchanged folder was extracted again, or loaded TensorFlow")
    if any(facts["extracted"] != _NEW for facts in added):
        raise RuntimeError(f"{_NEW} photographs were added, and others were extracted")
    report.details = {
        "first": first,
        "unchanged": unchanged,
        "added": added,
        "alone": alone,
        "sample": sample,
    }
    _lines(report, count)
    return report


def _extract(options: Options, root: Path, folder: str, cache: str, *, toy: bool = False) -> Facts:
    settings: dict[str, Any] = {
        "folder": str(root / folder),
        "weights": options.weights,
        "precision": "float16",
        "toy": toy or options.quick,
        "cache": str(root / cache),
        "ready": False,
    }
    return once(Variant("extract", f"{_TASKS}:extract", settings))


def _add(options: Options, root: Path) -> Facts:
    settings = {
        "folder": str(root / "data"),
        "weights": options.weights,
        "cache": str(root / "features.h5"),
        "extra": str(root / "new"),
        "count": _NEW,
        "toy": options.quick,
    }
    return once(Variant("add", f"{_TASKS}:add_photographs", settings))


def _lines(report: Report, count: int) -> None:
    d = report.details
    walls = {name: [f["wall"] for f in d[name]] for name in ("unchanged", "added", "alone")}
    stages = d["sample"]["stages"]
    speed = d["sample"]["extracted"] / (stages["total"] - stages["load"])
    real = count / speed
    best = min(walls["unchanged"])
    for what, seconds, how in (
        ("real network", real, f"{speed:.0f} images/s, computed"),
        ("without the network", d["first"]["wall"], "measured"),
    ):
        shares = ratio(walls["unchanged"], [seconds] * len(walls["unchanged"]))
        report.lines.append(
            Line(
                f"unchanged folder of {count:,}, first run {what}",
                f"{best:.2f} s ({best / seconds:.2%} of it)",
                f"first run: {seconds:.1f} s ({how})",
                shares,
                "50 (2 %)" if what == "real network" else "",
            )
        )
    together = [a + b for a, b in zip(walls["unchanged"], walls["alone"], strict=True)]
    cost = ratio(walls["added"], together)
    report.lines.append(
        Line(
            f"{_NEW} photographs added to {count:,}",
            f"{min(walls['added']):.1f} s",
            f"unchanged + {_NEW} alone in a new cache: {min(together):.1f} s",
            Ratio(cost.median, cost.low, cost.high, cost.best, cost.pairs),
            "1",
        )
    )


if __name__ == "__main__":
    run({"incremental": measure}, __doc__)
