"""Bring a cache in line with a folder: scan, group, extract what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from features.arrays import Row
from features.backbones.drift_probe import Watch, moved
from features.backbones.engines import DEFAULT_ENGINE, check_engine
from features.backbones.onnx_network import ONNX
from features.backbones.registry import DEFAULT_BACKBONE
from features.backbones.settings import (
    BackboneSettings,
    backbone_asked_for,
    check_names,
    settings_from_fields,
)
from features.backbones.weights import RecordedWeights
from features.cache.cache import Cache
from features.errors import DriftError
from features.extract import Extraction, Progress, extract
from features.photographs.decode import MAX_PIXELS, Recipe, get_recipe, recorded_recipe
from features.photographs.survey import Settled, settle_depth
from features.photographs.views import FULL, Chosen
from pipeline.data.folder import Scan, scan_folder
from pipeline.data.label_table import LabelRule
from pipeline.groups.proposal_cache import doubts_of_groups
from pipeline.groups.rules import GroupRule, apply_rule


@dataclass
class FolderExtraction:
    """What `extract_folder` did.

    Attributes:
        scan: what the folder holds.
        extraction: what was computed, reused and unreadable, and the seconds of each stage.
        settings: recipe, weights and precision of the rows.
        group_rule: where groups came from.
        ungrouped: photographs that the rule says nothing of.
        views: what is looked at of every photograph.
        said: what a person should know of the photographs.
    """

    scan: Scan
    extraction: Extraction
    settings: BackboneSettings
    group_rule: GroupRule
    ungrouped: int
    views: Chosen
    said: list[str]


def extract_folder(
    data: Path,
    cache_path: Path,
    *,
    backbone: str | None = None,
    weights: str | None = None,
    recipe: str | None = None,
    precision: str | None = None,
    engine: str = DEFAULT_ENGINE,
    taps: Sequence[str] | None = None,
    views: Sequence[str] | None = None,
    seed: int = 0,
    batch_size: int = 32,
    classes: Sequence[str] | None = None,
    group_rule: GroupRule | None = None,
    labels: LabelRule | None = None,
    max_failures: float = 0.1,
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FolderExtraction:
    """See that every photograph of a folder has its rows in the cache, and note its class.

    What is None is taken from the cache where there is one, so that the same short command keeps
    it in line; for a new cache it is "inception_v3", "imagenet", "imagenet", "float32", no taps,
    the full view and no groups.

    Args:
        data: one folder of photographs per class.
        cache_path: made where it does not exist.
        backbone: a registered name, or an ONNX file; see `features.backbone.backbone_asked_for`.
        weights: "imagenet", "random" or a file; see `features.backbones.weights.resolve_weights`.
        recipe: one of `features.photographs.decode.RECIPES`.
        precision: one of `features.backbone.PRECISIONS`.
        engine: one of `features.backbones.engines.ENGINES`; for this run, no part of the cache.
        taps: names of the backbone's taps; part of what a row is.
        views: names of view sets (`views`); of known photographs only those that are
            missing are computed. Rows of sets that are no longer named stay until `cache gc`.
        seed: of random weights.
        batch_size: views per call of the backbone.
        classes: only these class folders; None for all.
        group_rule: which photographs show one part.
        labels: where classes come from: a table, or the folders.
        max_failures: share of unreadable photographs (0 to 1) above which the run stops.
        max_pixels: refuse larger photographs.
        workers: reader threads; None for one per core.
        progress: called as `progress(done, total)`.

    Raises:
        DataError: the folder or the groups cannot be used.
        OnepassError: see `features.extract.extract`.
    """
    recorded = _recorded(cache_path)
    about = recorded[1] if recorded else {}
    labels = labels or LabelRule(**about.get("labels", {}))
    scan = scan_folder(data, classes, labels)
    check_names(recipe=recipe, precision=precision)  # before weights are looked for
    check_engine(engine)
    settings = replace(
        _settings(recorded, backbone, weights, recipe, precision, seed, taps), engine=engine
    )
    noted = Chosen.noted(about)
    chosen = noted if views is None else Chosen(tuple(dict.fromkeys([FULL, *views])))
    rule = group_rule or GroupRule(**about.get("group_rule", {}))
    photographs, ungrouped, notes = apply_rule(rule, scan.photographs)
    scan.notes += notes
    settled = Settled(settings.recipe)
    if recorded is None:
        settled = settle_depth(photographs, settings.recipe, max_pixels=max_pixels, workers=workers)
        settings = replace(settings, recipe=settled.recipe)
    extraction = extract(
        photographs,
        settings,
        cache_path,
        views=chosen.names,
        batch_size=batch_size,
        dataset={
            "root": str(data.resolve()),
            "group_rule": asdict(rule),
            **({"labels": asdict(labels)} if labels.file else {}),
            "weights": _weights_record(settings, about),
            **chosen.to_note(),
        },
        max_failures=max_failures,
        max_pixels=max_pixels,
        workers=workers,
        progress=progress,
        watch=_watch(cache_path, settings.precision),
    )
    if group_rule is not None and rule.kind == "file":
        scan.notes += doubts_of_groups(cache_path)
    said = [*filter(None, [settled.said]), *extraction.remarks.lines(chosen.sets)]
    return FolderExtraction(scan, extraction, settings, rule, ungrouped, chosen, said)


def settings_asked_for(
    cache_path: Path,
    *,
    backbone: str | None = None,
    weights: str | None = None,
    recipe: str | None = None,
    precision: str | None = None,
    taps: Sequence[str] | None = None,
    engine: str = DEFAULT_ENGINE,
    seed: int = 0,
) -> BackboneSettings:
    """Say how photographs become rows; what is None is the cache's, see `extract_folder`.

    Raises:
        OnepassError: a name that is unknown, or weights that are not there.
    """
    check_names(recipe=recipe, precision=precision)
    check_engine(engine)
    recorded = _recorded(cache_path)
    made = _settings(recorded, backbone, weights, recipe, precision, seed, taps)
    return replace(made, engine=engine)


def _watch(cache_path: Path, precision: str) -> Watch:
    """Refuse to add rows of a backbone that no longer computes what the cache holds."""

    def watch(row: Row, known: Row | None) -> None:
        text = moved(row, row if known is None else known, precision)
        if text is not None:
            raise DriftError(
                f"the backbone no longer gives the rows that {cache_path} holds: {text}; use the "
                "TensorFlow that it was made with, or extract into another --cache"
            )

    return watch


def recorded_weights(record: Mapping[str, Any], override: str | None = None) -> RecordedWeights:
    """The weights that a cache or a bundle recorded, to be found when they are needed."""
    return RecordedWeights(
        source=str(record["source"]),
        digest=str(record["digest"]),
        seed=int(record["seed"]),
        name=str(record["name"]),
        override=override,
    )


def _recorded(cache_path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The fingerprint's fields and what was noted of the folder; None for a cache not begun."""
    if not cache_path.exists():
        return None
    with Cache.read(cache_path) as cache:
        return cache.fields, cache.dataset


def _recipe(name: str | None, fields: Mapping[str, Any]) -> Recipe | None:
    """Give the recipe that is asked for; where the cache has it, in the cache's own revision."""
    known = recorded_recipe(fields["recipe"]) if fields else None
    if known is not None and name in (None, known.name):
        return known
    return get_recipe(name) if name else None


def _settings(
    recorded: tuple[dict[str, Any], dict[str, Any]] | None,
    backbone: str | None,
    weights: str | None,
    recipe: str | None,
    precision: str | None,
    seed: int,
    taps: Sequence[str] | None,
) -> BackboneSettings:
    fields, about = recorded or ({}, {})
    if backbone is None and weights is None and "weights" in about:
        made = settings_from_fields(fields, recorded_weights(about["weights"]))
    else:
        name = backbone or _known_backbone(fields, about)
        chosen, network, found = backbone_asked_for(name, weights, seed)
        made = BackboneSettings(get_recipe("imagenet"), found, name=chosen, network=network)
    known = tuple(fields.get("taps", ()))
    if not set(known) <= set(made.entry.tap_widths):  # of another backbone
        known = ()
    return replace(
        made,
        recipe=_recipe(recipe, fields) or made.recipe,
        precision=precision or made.precision,
        taps=known if taps is None else tuple(taps),
    )


def _known_backbone(fields: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """What `--backbone` would have to say for a cache's own; of a new cache the default."""
    name = str(fields.get("backbone", DEFAULT_BACKBONE))
    return str(about["weights"]["name"]) if name == ONNX and "weights" in about else name


def _weights_record(settings: BackboneSettings, about: Mapping[str, Any]) -> dict[str, Any]:
    found = settings.weights
    if isinstance(found, RecordedWeights):
        return dict(about["weights"])
    shown = str(found.path.resolve()) if found.source == "file" and found.path else found.source
    return {"source": found.source, "name": shown, "digest": found.digest, "seed": found.seed}
