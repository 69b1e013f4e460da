"""Bring a cache in line with a folder: scan, group, extract what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

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
from features.errors import DataError, DriftError
from features.extract import Progress, extract
from features.extraction import Extraction
from features.look import CLOSE, NO_CROPS, Crops
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
    look: str | None = None,
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
    rehash: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> FolderExtraction:
    """See that every photograph of a folder has its rows in the cache, and note its class.

    What is None is taken from the cache where there is one, so that the same short command keeps
    it in line; for a new cache it is "inception_v3", "imagenet", "imagenet", "float32", a close
    look and no groups.

    Args:
        data: one folder of photographs per class.
        cache_path: made where it does not exist.
        backbone: a registered name, or an ONNX file; see `features.backbone.backbone_asked_for`.
        weights: "imagenet", "random" or a file; see `features.backbones.weights.resolve_weights`.
        recipe: one of `features.photographs.decode.RECIPES`.
        precision: one of `features.backbone.PRECISIONS`.
        engine: one of `features.backbones.engines.ENGINES`; for this run, no part of the cache.
        look: what is looked at and kept, see `features.look`; part of what a row is. "close" for a
            new cache where neither `taps` nor `views` are given.
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
        rehash: read every file again, also where size and times are as before.
        progress: called as `progress(done, total)`.
        warn: takes a line of text where the run is going to last longer than `LONG`.

    Raises:
        DataError: the folder or the groups cannot be used, or `look` is given beside `taps` or
            `views`.
        OnepassError: see `features.extract.extract`.
    """
    wanted = Wanted(
        backbone, weights, recipe, precision, engine, look, taps, views, seed, classes, labels
    )
    ready = prepare(data, cache_path, wanted)
    scan, settings, about, chosen, labels, fresh = ready
    rule = group_rule or GroupRule(**about.get("group_rule", {}))
    photographs, ungrouped, notes = apply_rule(rule, scan.photographs)
    scan.notes += notes
    settled = Settled(settings.recipe)
    if fresh:
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
        rehash=rehash,
        progress=_foretelling(progress, warn) if warn else progress,
        watch=_watch(cache_path, settings.precision),
    )
    if group_rule is not None and rule.kind == "file":
        scan.notes += doubts_of_groups(cache_path)
    said = [*filter(None, [settled.said]), *extraction.remarks.lines(chosen.sets)]
    return FolderExtraction(scan, extraction, settings, rule, ungrouped, chosen, said)


@dataclass(frozen=True)
class Wanted:
    """What is asked for of a folder and its cache; see `extract_folder` for each.

    What is None is taken from the cache where there is one.
    """

    backbone: str | None = None
    weights: str | None = None
    recipe: str | None = None
    precision: str | None = None
    engine: str = DEFAULT_ENGINE
    look: str | None = None
    taps: Sequence[str] | None = None
    views: Sequence[str] | None = None
    seed: int = 0
    classes: Sequence[str] | None = None
    labels: LabelRule | None = None


class Ready(NamedTuple):
    """What is known before the first photograph is read."""

    scan: Scan
    settings: BackboneSettings
    about: Mapping[str, Any]
    chosen: Chosen
    labels: LabelRule
    fresh: bool


def prepare(data: Path, cache_path: Path, wanted: Wanted) -> Ready:
    """Scan the folder and settle what is computed, before any photograph is read.

    Raises:
        DataError: the folder, its labels or the options cannot be used.
        WeightsError: there are no such weights.
    """
    recorded = _recorded(cache_path)
    about = recorded[1] if recorded else {}
    labels = wanted.labels or LabelRule(**about.get("labels", {}))
    scan = scan_folder(data, wanted.classes, labels)
    check_names(recipe=wanted.recipe, precision=wanted.precision)  # before weights are looked for
    check_engine(wanted.engine)
    explicit = wanted.taps is not None or wanted.views is not None
    if wanted.look is not None and explicit:
        raise DataError(
            f"found --look {wanted.look} beside --views or --taps; expected one of the two: --look "
            "says which views and layers are kept"
        )
    settings = _settings(recorded, wanted)
    look = wanted.look or (None if recorded or explicit else CLOSE)
    if look is not None:
        settings = settings.looking(look)
    chosen = _chosen(cache_path, settings, Chosen.noted(about), wanted.views)
    return Ready(scan, settings, about, chosen, labels, recorded is None)


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
    wanted = Wanted(backbone, weights, recipe, precision, engine, taps=taps, seed=seed)
    return _settings(_recorded(cache_path), wanted)


def _chosen(
    cache_path: Path, settings: BackboneSettings, noted: Chosen, views: Sequence[str] | None
) -> Chosen:
    """What has rows of its own; a row that keeps crops has no other views beside it."""
    chosen = noted if views is None else Chosen(tuple(dict.fromkeys([FULL, *views])))
    if settings.crops.sets and chosen != Chosen():
        raise DataError(
            f"{cache_path} keeps the look {settings.look} in one row a photograph; expected no "
            "--views beside it; name another --cache for views with rows of their own"
        )
    return chosen


def _foretelling(progress: Progress | None, warn: Callable[[str], None]) -> Progress:
    """Progress that says once, after `_SOON` seconds, that the run is going to be long."""
    started: list[float] = []
    first = 0

    def say(done: int, total: int) -> None:
        nonlocal first
        if progress is not None:
            progress(done, total)
        now = time.monotonic()
        if not started and done:
            started.append(now)  # loading the backbone is behind us
            first = done
        elif len(started) == 1 and now - started[0] >= _SOON and done > first:
            left = (now - started[0]) / (done - first) * (total - done)
            started.append(now)
            if left > LONG:
                warn(
                    f"about {left / 60:.0f} minutes to go; what is done is kept if you stop, and "
                    "--look plain in another --cache takes a fraction of the time"
                )

    return say


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


LONG = 600.0
"""Seconds: a run that lasts longer says so."""

_SOON = 10.0


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
    recorded: tuple[dict[str, Any], dict[str, Any]] | None, wanted: Wanted
) -> BackboneSettings:
    fields, about = recorded or ({}, {})
    if wanted.backbone is None and wanted.weights is None and "weights" in about:
        made = settings_from_fields(fields, recorded_weights(about["weights"]))
    else:
        name = wanted.backbone or _known_backbone(fields, about)
        chosen, network, found = backbone_asked_for(name, wanted.weights, wanted.seed)
        made = BackboneSettings(get_recipe("imagenet"), found, name=chosen, network=network)
    known, crops = tuple(fields.get("taps", ())), Crops.of(fields)
    if not {*known, *crops.taps} <= set(made.entry.tap_widths):  # of another backbone
        known, crops = (), NO_CROPS
    return replace(
        made,
        recipe=_recipe(wanted.recipe, fields) or made.recipe,
        precision=wanted.precision or made.precision,
        engine=wanted.engine,
        taps=known if wanted.taps is None else tuple(wanted.taps),
        crops=crops if wanted.taps is None else NO_CROPS,
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
