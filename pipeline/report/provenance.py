"""What decides a model's numbers, as facts for a report: network, settings, split, fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.backbones.settings import fingerprint_of
from features.backbones.weights import UNTRAINED_WARNING
from pipeline.data.dataset import Dataset
from pipeline.report.html import Child, name
from pipeline.training.compare_heads import HeadComparison

Facts = list[tuple[str, Child]]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings of a head on one line."""
    return ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in settings.items()
    )


def feature_facts(fields: Mapping[str, Any], weights: Mapping[str, Any]) -> Facts:
    """Where rows come from.

    Args:
        fields: of the cache's fingerprint.
        weights: what `extract` recorded of them.
    """
    recipe = fields["recipe"]
    return [
        ("backbone", f"{fields['backbone']}, {fields['precision']}"),
        ("recipe", f"{recipe['name']}, {recipe['width']}×{recipe['height']} pixels"),
        ("weights", name(str(weights["name"]))),
        ("weights, SHA-256", str(weights["digest"])),
        ("fingerprint of the features", fingerprint_of(dict(fields))),
    ]


def model_facts(about: Mapping[str, Any], chosen: Mapping[str, Any]) -> Facts:
    """What a model is made of; `about` as in `pipeline.training.fit.Fit`, `chosen` as of a head."""
    split = about["split"]
    found: Facts = [
        ("settings in force", settings_text(chosen) or "none"),
        ("split", f"{split['kind']}, {split['test_size']:.0%} held out"),
        ("seed", str(split["seed"])),
    ]
    if about.get("sees") == "pixels":
        recipe = about["recipe"]
        return [
            *found,
            ("recipe", f"{recipe['name']}, {recipe['width']}×{recipe['height']} pixels"),
        ]
    return [*found, *feature_facts(about["features"], about["weights"])]


def comparison_facts(dataset: Dataset, found: HeadComparison) -> Facts:
    """What a comparison was made of."""
    return [
        ("split", f"{found.split}, {len(found.result.folds)} folds"),
        ("seed", str(found.result.seed)),
        *feature_facts(dataset.fields, dataset.about["weights"]),
    ]


def untrained(about: Mapping[str, Any]) -> list[str]:
    """The warning of untrained weights, where they are."""
    return [UNTRAINED_WARNING] if about.get("weights", {}).get("source") == "random" else []


def apart(group_rule: Mapping[str, Any], split: str, torn: int = 0) -> bool:
    """Whether it is known that no part stands on both sides; `torn` are the parts that do."""
    kept = split == "grouped" or (split == "given" and not torn)
    return kept and group_rule["kind"] not in ("none", "proposed")


def proposed_warning(group_rule: Mapping[str, Any]) -> list[str]:
    """The warning that parts are a proposal, where they are."""
    if group_rule["kind"] != "proposed":
        return []
    return [
        "Nobody said which photographs show one part, so that was proposed (see Groups). Parts "
        "torn apart by mistake make all scores too good: look at them with “groups”."
    ]


def split_warning(kind: str, torn: int = 0) -> list[str]:
    """The warning of a random split, or of a given one that tears parts."""
    if kind == "given" and torn:
        return [
            f"{torn:,} parts stand on both sides of the split that the folder came with, so parts "
            "that are really new will score worse. Keep them apart with --split grouped."
        ]
    if kind != "random":
        return []
    return [
        "The split was drawn at random: photographs of one part may stand on both sides, so parts "
        "that are really new will score worse. Make it again without --split random."
    ]
