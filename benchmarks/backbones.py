"""Backbones side by side: photographs per second of each in both engines, in turns."""

from __future__ import annotations

from benchmarks.peers import BATCH, draw_pixels
from benchmarks.report import Options, Report, run
from benchmarks.turns import Round, Variant, as_json, take_turns
from features.backbones.settings import BackboneSettings, backbone_asked_for
from features.photographs.recipe import RECIPES

_NAMES = ("inception_v3", "efficientnet-lite0")
_ENGINES = ("tensorflow", "openvino")


def measure(options: Options) -> Report:
    """Time the backbones on the same photographs, the last batch padded, and nothing else."""
    count, rounds = (2, 2) if options.quick else (64, 7)
    variants = [
        Variant(
            f"{name}, {engine}",
            "benchmarks.backbones:prepare",
            {"name": name, "engine": engine, "count": count},
        )
        for engine in _ENGINES[: 1 if options.quick else None]
        for name in _NAMES
    ]
    found = take_turns(variants, rounds)
    report = Report("backbones")
    report.details["rounds"] = as_json(found)
    for engine in _ENGINES:
        reference = found.get(f"{_NAMES[0]}, {engine}")
        for name in _NAMES[1:]:
            if reference is not None:
                mine = found[f"{name}, {engine}"]
                report.compare(f"{name}, {engine}", mine, reference, count, "images")
    return report


def prepare(name: str, engine: str, count: int) -> Round:
    """Give a round: untrained, for speed does not depend on weights; the first call compiles."""
    found, network, weights = backbone_asked_for(name, "random", 0)
    settings = BackboneSettings(
        RECIPES["imagenet"], weights, name=found, engine=engine, network=network
    )
    backbone, pixels = settings.load(BATCH), draw_pixels(BATCH)
    backbone.run(pixels)

    def round_() -> None:
        for start in range(0, count, BATCH):
            backbone.run(pixels[: count - start])

    return round_


if __name__ == "__main__":
    run({"backbones": measure}, __doc__)
