"""Write what `info` says of a cache or a model. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

from features.backbones.weights import UNTRAINED_WARNING
from features.photographs.look import Crops, Look, pooled_of
from features.photographs.views import FULL, Chosen, views_of
from pipeline.evaluation.metrics import TITLES
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule
from pipeline.model.record import RefitRecord
from pipeline.output.result_table import Estimate, told
from pipeline.output.tables import align, printable
from pipeline.terminal import thresholds as thresholds_text


def info(facts: Mapping[str, Any]) -> str:
    """Give a cache's or a model's facts."""
    if facts["kind"] == "cache":
        kept, fields = facts["folder"].get("kept", ()), facts["features"]
        look = Look(tuple(fields.get("taps", ())), Crops.of(fields), pooled_of(fields))
        views = Chosen(tuple(facts["views"]))
        digest = fields["weights"] if len(fields["weights"]) < 64 else fields["weights"][:12] + "…"
        rows = [
            ["cache", f"{facts['path']}, {facts['bytes'] / 1e6:,.1f} MB"],
            ["rows", f"{facts['rows']:,} × {facts['cached_width']:,} {facts['dtype']}"],
            [
                "photographs",
                f"{facts['photographs']:,} ({_counts(facts['classes']) or 'none yet'})",
            ],
            ["parts named", f"{facts['parts_named']:,}"],
            ["unreadable", f"{len(facts['unreadable']):,}"],
            ["look", str(look)] if views.sets == (FULL,) else ["views", describe_views(views)],
            *([["slim: kept for", printable(", ".join(kept))]] if kept else []),
            ["settings", settings(fields, digest)],
            ["fingerprint", facts["fingerprint"][:16] + "…"],
            ["folder", printable(str(facts["folder"].get("root", "no finished extract")))],
        ]
        return align(rows, right=False)
    split, refit = facts["split"], facts.get("refit")
    rows = [
        ["model", printable(f"{facts['path']}, {facts['title']}, made {facts['created']}")],
        ["classes", printable(", ".join(facts["classes"]))],
        ["threshold", thresholds_text.info(facts)],
        [
            "split",
            f"{split['kind']}, {100 * split['test_size']:.0f} % held out, seed {split['seed']}",
        ],
        ["settings", _model_settings(facts)],
        *([["refit", f"trained {RefitRecord(**refit).describe()}"]] if refit else []),
        *(
            [
                f"scored: {side.partition('_')[0]}" if refit else side.partition("_")[0],
                _size(side, facts) + _side_scores(facts[side]),
            ]
            for side in ("train", "holdout_parts", "holdout")
            if facts.get(side)
        ),
    ]
    text = align(rows, right=False)
    return (
        text
        if facts.get("weights", {}).get("source") != "random"
        else f"{text}\n\n{UNTRAINED_WARNING}"
    )


def _size(side: str, facts: Mapping[str, Any]) -> str:
    """Say what was scored: parts, where these have one verdict each, or photographs."""
    rule = facts.get("data", {}).get("group_rule")
    parts = say_parts(facts[side]["parts"], GroupRule(**rule) if rule else None)
    if side == "holdout_parts":
        return f"{parts}, each as a whole: "
    alone = ", each by itself" if facts.get("holdout_parts") else ""
    return f"{facts[side]['photographs']:,} photographs of {parts}{alone}: "


def _side_scores(side: Mapping[str, Any]) -> str:
    """Write scores of a model's side; those of good photographs alone are not known."""
    scores, intervals = side["scores"], side["intervals_95"]
    known = [
        f"{TITLES[name]} {told(Estimate(scores[name], *ends))}"
        for name in ("accuracy", "balanced_accuracy", "roc_auc")
        for ends in [(nan if end is None else end for end in intervals[name])]
        if scores[name] is not None and isfinite(scores[name])
    ]
    if len(known) < 2:
        return "of one class, so that no score is known"
    return ", ".join(known)


def settings(fields: Mapping[str, Any], weights: str) -> str:
    """Say what a row is made with: backbone, recipe, precision, weights and layers."""
    taps = ", ".join(fields.get("taps", ()))
    return (
        f"{fields['backbone']}, recipe {fields['recipe']['name']}, {fields['precision']}, "
        f"weights {weights}" + (f", layers {taps}" if taps else "")
    )


def describe_views(chosen: Chosen) -> str:
    """Say which sets of views were looked at, and how many each has."""
    sets = [f"{one} ({len(views_of(one))})" if one != FULL else one for one in chosen.sets]
    return ", ".join(sets)


def _model_settings(facts: Mapping[str, Any]) -> str:
    spec = facts["feature_spec"]
    if spec != "flat":
        facts = {**facts, "feature_spec": "flat"}
        return f"sees {printable(str(spec))} of {_model_settings(facts)}"
    if facts.get("sees") == "pixels":
        recipe = facts["recipe"]
        return f"sees {recipe['width']}×{recipe['height']} pixels, recipe {recipe['name']}"
    return settings(facts["fingerprint"], facts["weights"]["source"])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{printable(name)} {count:,}" for name, count in counts.items())
