"""The backbone alone: photographs per second of this project and of its peers.

Rows of every engine are held against Keras's: an engine that computes others is an error. Large
matrix products (NumPy), run in the same turns, say what these cores do in another well-kept
library; convolutions by tricks that save multiplications (Winograd), or by better kernels, go
beyond that, so it is no bound.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.peers import Rows
from benchmarks.report import Line, Options, Report, run
from benchmarks.turns import Facts, Measured, Round, Variant, as_json, ratio, take_turns
from features.backbones.inception_v3 import architecture

_ENGINES = (
    # name, engine, precision; who is compared stands side by side
    ("Keras model.predict", "keras", "float32"),
    ("onepass tensorflow float32", "onepass", "float32"),
    ("tf.function of Keras's model", "function", "float32"),
    ("ONNX Runtime", "onnxruntime", "float32"),
    ("OpenVINO", "openvino", "float32"),
    ("onepass openvino float32", "onepass openvino", "float32"),
    ("OpenVINO, a stream a core", "openvino streams", "float32"),
    ("onepass tensorflow bfloat16", "onepass", "bfloat16"),
    ("OpenVINO bfloat16", "openvino", "bfloat16"),
    ("onepass openvino bfloat16", "onepass openvino", "bfloat16"),
    ("OpenVINO bfloat16, a stream a core", "openvino streams", "bfloat16"),
)
_PRODUCTS = "matrix products"
_QUICK = ("Keras model.predict", "onepass tensorflow float32")
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.25}  # of the largest value of the row


def measure(options: Options) -> Report:
    """Time all engines in turns on the same photographs: many short ones, for noise comes and goes.

    Other work on the machine slows the clock of one turn and not of the next; processor time, which
    it hardly changes, is compared as well.
    """
    count, rounds = (2, 2) if options.quick else (16, 17)
    chosen = [e for e in _ENGINES if not options.quick or e[0] in _QUICK]
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: Path(folder) / f"{number}.npy" for number, (name, *_) in enumerate(chosen)}
        variants = [
            Variant(
                name,
                "benchmarks.peers:prepare",
                {
                    "engine": engine,
                    "weights": options.weights,
                    "count": count,
                    "keep": str(kept[name]),
                    "precision": precision,
                },
            )
            for name, engine, precision in chosen
        ]
        size = 256 if options.quick else 3072
        variants.append(Variant(_PRODUCTS, "benchmarks.backbone:products", {"size": size}))
        found = take_turns(variants, rounds)
        rows = {name: np.load(path) for name, path in kept.items() if path.exists()}
    report = Report("backbone")
    report.details["rounds"] = as_json(found)
    report.details["rows"] = _check(rows)
    _lines(report, found, count)
    _against_products(report, found, count)
    _say_agreement(report)
    return report


def _check(rows: dict[str, Rows]) -> dict[str, dict[str, float]]:
    """Largest difference from Keras's rows, and the lowest cosine; raises where rows are others."""
    expected = rows["Keras model.predict"].astype(np.float64)
    found = {}
    for name, mine in rows.items():
        difference = np.abs(mine - expected).max(axis=1) / expected.max(axis=1)
        lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(expected, axis=1)
        cosine = (mine * expected).sum(axis=1) / lengths
        found[name] = {
            "largest_difference": float(difference.max()),
            "lowest_cosine": float(cosine.min()),
            "share_equal_to_the_bit": float((mine == expected).mean()),
        }
        allowed = TOLERANCE["bfloat16" if "bfloat16" in name else "float32"]
        if not difference.max() <= allowed:
            raise RuntimeError(f"{name} computes other rows than Keras: {found[name]}")
    return found


_LINES = (
    # ours, peer, target
    ("onepass openvino float32", "Keras model.predict", ""),
    ("onepass openvino float32", "OpenVINO", "0.97"),
    ("onepass openvino float32", "OpenVINO, a stream a core", "0.97"),
    ("onepass openvino float32", "ONNX Runtime", ""),
    ("onepass tensorflow float32", "Keras model.predict", "1.3"),
    ("onepass tensorflow float32", "tf.function of Keras's model", ""),
    ("onepass tensorflow float32", "OpenVINO", ""),
    ("onepass openvino bfloat16", "Keras model.predict", "2.4"),
    ("onepass openvino bfloat16", "OpenVINO bfloat16", "0.95"),
    ("onepass openvino bfloat16", "OpenVINO bfloat16, a stream a core", "0.95"),
    ("onepass tensorflow bfloat16", "Keras model.predict", "2.4"),
)


def _lines(report: Report, found: dict[str, Measured], count: int) -> None:
    """Compare by the clock and in processor time."""
    for name, peer_name, target in _LINES:
        if name not in found or peer_name not in found:
            continue
        what, ours, peer = (
            f"backbone, {name.removeprefix('onepass ')}",
            found[name],
            found[peer_name],
        )
        report.compare(what, ours, peer, count, "images", target)
        if ours.missing or peer.missing:
            continue
        spent = [[facts["cpu"] for facts in one.facts] for one in (ours, peer)]
        each = [f"{1e3 * min(seconds) / count:.1f} ms" for seconds in spent]
        report.lines.append(
            Line(f"{what}, processor time", each[0], each[1], ratio(spent[0], spent[1]), target)
        )


def _against_products(report: Report, found: dict[str, Measured], count: int) -> None:
    """Compare with what large matrix products of as many operations would take."""
    gigaflops = _Flops().total / 1e9
    speeds = [facts["gigaflops_per_second"] for facts in found[_PRODUCTS].facts]
    as_products = [count * gigaflops / speed for speed in speeds]
    name = "onepass openvino float32"
    ours = found[name if name in found and not found[name].missing else _QUICK[1]]
    report.details["gigaflops_per_photograph"] = gigaflops
    report.lines.append(
        Line(
            "backbone, float32, against NumPy's matrix products",
            f"{ours.name}: {count / min(ours.seconds):.3g} images/s",
            f"{gigaflops:.1f} GFLOP at {max(speeds):.0f} GFLOP/s (matrix products): "
            f"{count / min(as_products):.3g} images/s",
            ratio(ours.seconds, as_products),
        )
    )


def products(size: int) -> Round:
    """Give a round: float32 matrix products of this size on all cores."""
    a = np.random.default_rng(0).standard_normal((size, size), np.float32)

    def round_() -> Facts:
        started = time.perf_counter()
        for _ in range(4):
            a @ a
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "gigaflops_per_second": 4 * 2e-9 * size**3 / seconds}

    return round_


class _Flops:
    """Walks the architecture with shapes (side, channels) and counts what convolutions compute."""

    def __init__(self) -> None:
        self.total = 0
        architecture(self, (224, 3))

    def conv(
        self, x: tuple[int, int], filters: int, rows: int, columns: int, stride: int, padding: str
    ) -> tuple[int, int]:
        side = x[0] if padding == "SAME" else (x[0] - rows) // stride + 1
        self.total += 2 * side**2 * rows * columns * x[1] * filters
        return side, filters

    def max_pool(self, x: tuple[int, int]) -> tuple[int, int]:
        return (x[0] - 3) // 2 + 1, x[1]

    def average_pool(self, x: tuple[int, int]) -> tuple[int, int]:
        return x

    def concat(self, _name: str, parts: list[tuple[int, int]]) -> tuple[int, int]:
        return parts[0][0], sum(channels for _, channels in parts)


def _say_agreement(report: Report) -> None:
    for name, facts in report.details["rows"].items():
        if name != "Keras model.predict":
            report.notes.append(
                f"rows of {name} against Keras's: largest difference "
                f"{facts['largest_difference']:.1e} of the row's largest value, "
                f"lowest cosine {facts['lowest_cosine']:.6f}"
            )


if __name__ == "__main__":
    run({"backbone": measure}, __doc__)
