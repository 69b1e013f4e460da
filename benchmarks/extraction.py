"""Whole extracts of 12-megapixel photographs, against the write-up's way; and peak memory.

The write-up's way: load_img in a list, np.array, /255, model.predict, rows kept in memory. Its
model is built before the clock starts; this project's building is inside, and shown apart.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers import weights_file
from benchmarks.photographs import LARGE, SMALL, write_folder
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import Measured, Ratio, Variant, as_json, note, once, ratio, take_turns

_TASKS = "benchmarks.tasks"
_WRITE_UP = "the write-up's way"
_AT_ONCE = "both stages at once"


def measure(options: Options) -> Report:
    """Speed, the bound that the stages set, and memory."""
    report = Report("extraction")
    _speed(report, options)
    _bound(report, options)
    _memory(report, options)
    return report


def _speed(report: Report, options: Options) -> None:
    count, rounds, size = (6, 1, SMALL) if options.quick else (96, 3, LARGE)
    with tempfile.TemporaryDirectory() as folder:
        files = write_folder(Path(folder), count, size)
        megabytes = sum(file.stat().st_size for file in files) / count / 1e6
        note(f"{count} photographs of {size[0]}×{size[1]} drawn, {megabytes:.1f} MB each")
        found = take_turns(_variants(folder, options), rounds, warm=0)
    report.details["speed"] = as_json(found)
    report.details["photographs"] = {"count": count, "size": size, "megabytes": megabytes}
    for precision, target in (("float32", "3"), ("bfloat16", "4")):
        name = f"onepass {precision}"
        if name not in found or found[name].missing:
            report.notes.append(f"no {precision} here")
            continue
        what = f"whole extract, {size[0]}×{size[1]}, {precision}"
        ours = found[name]
        report.compare(what, ours, found[_WRITE_UP], count, "images", target)
        running = Measured(f"{name}, running", [_running(f) for f in ours.facts])
        report.compare(f"{what}, without load", running, found[_WRITE_UP], count, "images", target)
        spent = [[facts["cpu"] for facts in one.facts] for one in (ours, found[_WRITE_UP])]
        mine, theirs = (f"{1e3 * min(seconds) / count:.1f} ms" for seconds in spent)
        report.lines.append(Line(f"{what}, processor time", mine, theirs, ratio(*spent)))
        stages = ours.facts[-1]["stages"].items()
        report.notes.append(
            f"{name}, seconds in the last round (read and decode add up over threads): "
            + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages)
        )


def _variants(folder: str, options: Options) -> list[Variant]:
    shared: dict[str, Any] = {"weights": options.weights, "toy": options.quick}
    variants = [Variant(_WRITE_UP, f"{_TASKS}:write_up", {"folder": folder} | shared)]
    for precision in ("float32",) if options.quick else ("float32", "bfloat16"):
        mine = shared | {"precision": precision}
        variants.append(
            Variant(f"onepass {precision}", f"{_TASKS}:extract", {"folder": folder} | mine)
        )
    return variants


def _running(facts: dict[str, Any]) -> float:
    """Seconds without building the network."""
    return float(facts["seconds"] - facts["stages"].get("load", 0.0))


def _bound(report: Report, options: Options) -> None:
    """Give the share of its time that a whole extract spends in its two stages.

    Decoding and network both keep all cores busy, so what they need alone, added up, is the bound
    of what they can reach together. Other work on the machine hardly changes processor time; on a
    quiet one the clock says nearly the same.
    """
    with tempfile.TemporaryDirectory() as root:
        weights = "random" if options.quick else weights_file(options.weights, Path(root))
        for count, rounds in ((6, 1),) if options.quick else ((100, 5), (1000, 1)):
            _bound_of(report, Path(root), weights, count, rounds)


def _bound_of(report: Report, root: Path, weights: str, count: int, rounds: int) -> None:
    quick = weights == "random"
    folder = str(root / f"{count}")
    write_folder(Path(folder), count, SMALL if quick else LARGE)
    shared = {"weights": weights, "toy": quick, "precision": "float32"}
    whole = {"folder": folder, "networks": str(root / "networks")} | shared
    variants = [
        Variant("extract", f"{_TASKS}:extract", whole),
        Variant("decoding", f"{_TASKS}:decode_alone", {"folder": folder}),
        Variant("network", f"{_TASKS}:backbone_alone", {"count": count} | shared),
    ]
    few, target = count <= 100, "0.92" if count <= 100 else "0.97"
    if few:
        both = {"folder": folder, "count": count} | shared
        variants.append(Variant(_AT_ONCE, f"{_TASKS}:stages_at_once", both))
    # The first extract keeps the compiled network.
    found = take_turns(variants, rounds, warm=int(few and not quick))
    report.details[f"bound {count}"] = as_json(found)
    spent = {name: [facts["cpu"] for facts in one.facts] for name, one in found.items()}
    clock = {name: one.seconds for name, one in found.items()}
    for what, seconds in (("processor time", spent), ("time by the clock", clock)):
        stages = [seconds["decoding"], seconds["network"]]
        alone = [sum(pair) for pair in zip(*stages, strict=True)]
        each = " + ".join(f"{1e3 * min(one) / count:.1f}" for one in stages)
        for name in ("extract", *([_AT_ONCE] if few else [])):
            report.lines.append(
                Line(
                    f"{what} of a photograph, {count:,} of them, {name} against both stages alone",
                    f"{1e3 * min(seconds[name]) / count:.1f} ms",
                    f"{each} ms",
                    ratio(seconds[name], alone),
                    target if name == "extract" else "",
                )
            )


def _memory(report: Report, options: Options) -> None:
    few, many, thousand = (8, 24, 12) if options.quick else (200, 2000, 1000)
    shared: dict[str, Any] = {"weights": options.weights, "toy": options.quick}
    mine = shared | {"precision": "float32"}
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for count, task, settings in (
            (few, "extract", mine),
            (many, "extract", mine),
            (thousand, "write_up", shared),
        ):
            photographs = Path(folder) / f"{task}-{count}"
            write_folder(photographs, count, SMALL)
            variant = Variant(task, f"{_TASKS}:{task}", {"folder": str(photographs)} | settings)
            peaks[task, count] = once(variant)["peak_mb"]
            note(f"{task} of {count}: {peaks[task, count]:.0f} MB")
    report.details["peak_mb"] = {f"{task} {count}": mb for (task, count), mb in peaks.items()}
    small, large = peaks["extract", few], peaks["extract", many]
    theirs = peaks["write_up", thousand]
    report.lines += [
        _megabytes(f"peak memory, {few} against {many} photographs", large, small, "0.95"),
        _megabytes(
            f"peak memory, {many} against {thousand} the write-up's way", large, theirs, "3"
        ),
    ]


def _megabytes(what: str, ours: float, peer: float, target: str) -> Line:
    times = peer / ours
    found = Ratio(times, times, times, times, [times])
    return Line(what, f"{ours:.0f} MB", f"{peer:.0f} MB", found, target)


if __name__ == "__main__":
    run({"extraction": measure}, __doc__)
