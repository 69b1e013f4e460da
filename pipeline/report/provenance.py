"""List what decides a model's numbers for a report: network, settings, split, fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.backbones.weights import UNTRAINED_WARNING, RecordedWeights
from features.fingerprint import fingerprint_of
from pipeline.data.dataset import Dataset
from pipeline.data.folder_record import FolderRecord
from pipeline.groups.rules import GroupRule
from pipeline.model.record import FitRecord
from pipeline.report.html import Child, name
from pipeline.training.compare_heads import HeadComparison
from pipeline.training.learning_curve import LearningCurve

Facts = list[tuple[str, Child]]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Write the settings of a head on one line."""
    return ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in settings.items()
    )


def feature_facts(fields: Mapping[str, Any], weights: RecordedWeights | None) -> Facts:
    """Say where rows come from.

    Args:
        fields: of the cache's fingerprint.
        weights: what `extract` recorded of them.
    """
    recipe = fields["recipe"]
    return [
        ("backbone", f"{fields['backbone']}, {fields['precision']}"),
        ("recipe", f"{recipe['name']}, {recipe['width']}×{recipe['height']} pixels"),
        ("weights", name(weights.name if weights else "not noted")),
        ("weights, SHA-256", weights.digest if weights else "not noted"),
        ("fingerprint of the features", fingerprint_of(dict(fields))),
    ]


def model_facts(record: FitRecord, chosen: Mapping[str, Any]) -> Facts:
    """Say what a model is made of; `chosen` are the settings in force."""
    split = record.split
    found: Facts = [
        ("settings in force", settings_text(chosen) or "none"),
        ("split", f"{split.kind}, {100 * split.test_size:.0f} % held out"),
        ("seed", str(split.seed)),
        *([("trained again", record.refit.describe())] if record.refit else []),
    ]
    if record.sees == "pixels":
        recipe = record.recipe
        return [
            *found,
            ("recipe", f"{recipe['name']}, {recipe['width']}×{recipe['height']} pixels"),
        ]
    return [*found, *feature_facts(record.fingerprint, record.folder.weights)]


def comparison_facts(dataset: Dataset, found: HeadComparison) -> Facts:
    """Say what a comparison was made of."""
    return [
        ("split", f"{found.split}, {len(found.result.folds)} folds"),
        ("seed", str(found.result.seed)),
        *feature_facts(dataset.fields, dataset.folder.weights),
    ]


def refitted(record: FitRecord) -> list[str]:
    """Say that the model is not the one that was scored, where that is so."""
    if record.refit is None:
        return []
    return [
        f"The model in the folder was trained again {record.refit.describe()}. Heatmaps are those "
        "of the model in the folder, which has seen these photographs."
    ]


def learning_facts(dataset: Dataset, found: LearningCurve) -> Facts:
    """Say what a learning curve was made of."""
    return [
        ("held out", f"{100 * found.options.test_size:.0f} %, by part"),
        ("seed", str(found.result.seed)),
        *feature_facts(dataset.fields, dataset.folder.weights),
    ]


def untrained(folder: FolderRecord) -> list[str]:
    """Give the warning of untrained weights, where they are."""
    return [UNTRAINED_WARNING] if folder.untrained else []


def apart(group_rule: GroupRule, split: str, torn: int = 0) -> bool:
    """Say whether no part is known to stand on both sides; `torn` are the parts that do."""
    kept = split == "grouped" or (split == "given" and not torn)
    return kept and group_rule.known


def proposed_warning(group_rule: GroupRule) -> list[str]:
    """Give the warning that parts are a proposal, where they are."""
    if group_rule.kind != "proposed":
        return []
    return [
        "Nobody said which photographs show one part, so that was proposed (see Groups). Parts "
        "torn apart by mistake make all scores too good: look at them with “groups”."
    ]


def split_warning(kind: str, torn: int = 0) -> list[str]:
    """Give the warning of a random split, or of a given one that tears parts."""
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
