"""The commands that give a result again, with every option that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from features.backbones.onnx_network import ONNX
from features.photographs.views import FULL
from pipeline.data.classes import Classes
from pipeline.data.dataset import Dataset
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.groups.rules import GroupRule
from pipeline.model.bundle import Bundle
from pipeline.model.evaluate import Evaluation
from pipeline.thresholds.rule import FOLDS, ThresholdRule
from pipeline.training.compare_heads import HeadComparison
from pipeline.training.fit import Fit
from pipeline.training.learning_curve import LearningCurve

Command = list[str]


def extract_command(dataset: Dataset) -> Command:
    """Write how the cache was filled."""
    folder, recipe = dataset.folder, dataset.fields["recipe"]
    words = ["onepass", "extract", folder.root, "--cache", str(dataset.cache_path)]
    words += ["--recipe", str(recipe["name"]), "--precision", str(dataset.fields["precision"])]
    if dataset.fields["backbone"] == ONNX:
        words += ["--backbone", folder.weights.name if folder.weights else ""]
    else:
        words += ["--backbone", str(dataset.fields["backbone"])]
        words += ["--weights", folder.weights.name] if folder.weights else []
    labels = folder.labels
    if labels.file:
        words += ["--labels", labels.file]
        words += ["--path-column", labels.path_column] if labels.path_column else []
        words += ["--label-column", labels.label_column] if labels.label_column else []
    if folder.weights and folder.untrained:
        words += ["--seed", str(folder.weights.seed)]
    if folder.kept:
        return [*words, "--keep", ",".join(folder.kept), *_groups(folder.group_rule)]
    if dataset.views == (FULL,):
        words += ["--look", str(dataset.look)]  # without, a new cache would look closely
    else:
        words += ["--views", ",".join(dataset.views)]
        words += ["--taps", ",".join(dataset.taps)] if dataset.taps else []
    return [*words, *_groups(folder.group_rule)]


def audit_command(dataset: Dataset, file: Path) -> Command:
    """Write how the audit in this file is made."""
    words = ["onepass", "audit", "--cache", str(dataset.cache_path), *_classes(dataset.classes)]
    return [*words, "--out", str(file.parent)]


def audit_of_model_command(bundle: Bundle, found: Evaluation, file: Path) -> Command:
    """Write how the photographs that a model was made of are audited."""
    words = ["onepass", "audit", "--cache", str(found.cache_path), *_classes(bundle.classes)]
    return [*words, "--out", str(file.parent)]


def fit_command(dataset: Dataset, done: Fit) -> Command:
    """Write how a model was trained."""
    split = done.record.split
    words = ["onepass", "fit", "--head", done.record.head]
    words += _features([done.record.spec])
    words += ["--cache", str(dataset.cache_path), *_classes(dataset.classes)]
    words += _options(split=split.kind)
    words += [] if split.kind == "given" else _options(test_size=split.test_size)
    words += _options(seed=split.seed)
    words += threshold_words(done.decision.rule)
    for name, value in done.record.settings.items():
        words += ["--set", f"{name}={value}"]
    words += ["--refit"] if done.record.refit else []
    return [*words, "--out", str(done.folder)]


def compare_command(dataset: Dataset, found: HeadComparison) -> Command:
    """Write how heads were compared."""
    result = found.result
    contenders = result.contenders.values()
    words = ["onepass", "compare-heads"]
    words += ["--heads", ",".join(dict.fromkeys(c.head for c in contenders))]
    words += _features(list(dict.fromkeys(c.spec for c in contenders)))
    words += ["--cache", str(dataset.cache_path), *_classes(dataset.classes)]
    folds, repeats = (len({getattr(f, of) for f in result.folds}) for of in ("fold", "repeat"))
    words += _options(folds=folds, repeats=repeats, split=found.split, sort_by=result.sort_by)
    words += _options(rope=f"{result.rope:g}")
    return [*words, *_options(seed=result.seed), "--out", str(found.folder)]


def learning_curve_command(dataset: Dataset, found: LearningCurve) -> Command:
    """Write how a learning curve was made."""
    options = found.options
    words = ["onepass", "learning-curve", "--heads", ",".join(options.heads)]
    words += _features(options.features)
    words += ["--cache", str(dataset.cache_path), *_classes(dataset.classes)]
    words += _options(draws=options.draws, test_size=options.test_size, seed=options.seed)
    return [*words, "--out", str(found.table.parent)]


def evaluate_command(bundle: Bundle, found: Evaluation) -> Command:
    """Write how a model was scored."""
    words = ["onepass", "evaluate", str(bundle.folder)]
    if found.data is None:
        return [*words, "--cache", str(found.cache_path)]
    return [*words, str(found.data), "--cache", str(found.cache_path), *_groups(found.group_rule)]


def threshold_words(rule: ThresholdRule) -> Command:
    """Give the wishes that were given; none for the default."""
    wishes = rule.to_json()
    fixed = wishes.pop("fixed", None)
    if wishes.pop("balanced", False):
        wishes["threshold"] = "balanced"
    elif fixed is not None:
        wishes["threshold"] = ",".join(f"{number!r}" for number in dict.fromkeys(fixed))
    if wishes["folds"] == FOLDS:
        del wishes["folds"]
    return _options(**wishes)


def _features(features: Sequence[FeatureSpec]) -> Command:
    return [] if list(features) == [FLAT] else ["--features", ",".join(map(str, features))]


def _groups(rule: GroupRule) -> Command:
    options = {"file": "--groups", "regex": "--group-regex", "gap": "--group-gap"}
    return [options[rule.kind], rule.value] if rule.kind in options else []


def _classes(classes: Classes) -> Command:
    words = ["--classes", ",".join(classes.members)]
    if classes.binary:
        positive = [name for name, number in classes.members.items() if number == 1]
        words += ["--positive", ",".join(positive)]
    return words


def _options(**values: Any) -> Command:  # noqa: ANN401 - text and numbers
    return [
        word
        for name, value in values.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
