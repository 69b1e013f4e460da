"""Bring a cache in line with a folder: scan, group, extract what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from features.cache.sample_table import TableRow
from features.cache.shards import is_begun, open_cache
from features.cluster.connection import Cluster
from features.cluster.extraction import extract_on
from features.errors import DataError, DriftError
from features.extract import Progress, extract
from features.extract_outcome import Extraction, RunOptions
from features.files import absolute_name
from features.photographs.decode import MAX_PIXELS
from features.photographs.look import CLOSE, NO_CROPS, Crops, Kept, pooled_of
from features.photographs.recipe import Recipe, get_recipe, recorded_recipe
from features.photographs.survey import Settled, settle_depth
from features.photographs.views import FULL, LARGE, Chosen
from pipeline.data.folder import Scan, scan_folder
from pipeline.data.folder_record import (
    FolderRecord,
    Told,
    recorded_weights,
    refuse_others,
    refuse_strange_rules,
)
from pipeline.data.label_table import LabelRule
from pipeline.groups.proposal_cache import doubts_of_groups, proposed_groups
from pipeline.groups.rules import GroupRule, apply_rule


@dataclass
class FolderExtraction:
    """Hold what `extract_folder` did.

    Attributes:
        scan: what the folder holds.
        extraction: what was computed, reused and unreadable, and the seconds of each stage.
        settings: recipe, weights and precision of the rows.
        group_rule: where groups came from.
        parts: that were told or cut; 0 where they are to be proposed.
        ungrouped: photographs that the rule says nothing of.
        views: what is looked at of every photograph.
        said: what a person should know of the photographs.
    """

    scan: Scan
    extraction: Extraction
    settings: BackboneSettings
    group_rule: GroupRule
    parts: int
    ungrouped: int
    views: Chosen
    said: list[str]


@dataclass(frozen=True)
class ExtractOptions:
    """Hold what is asked for of a folder and its cache.

    What is None is taken from the cache where there is one, so that the same short command keeps
    it in line; for a new cache it is "inception_v3", "imagenet", "imagenet", "float32", a close
    look and no groups.

    Attributes:
        backbone: a registered name, or an ONNX file; see
            `features.backbones.settings.backbone_asked_for`.
        weights: "imagenet", "random" or a file; see `features.backbones.weights.resolve_weights`.
        recipe: one of `features.photographs.recipe.RECIPES`.
        precision: one of `features.backbones.settings.PRECISIONS`.
        engine: one of `features.backbones.engines.ENGINES`; for this run, no part of the cache.
        look: what is looked at and kept, see `features.photographs.look`; part of what a row is.
            "close" for a new cache where neither `taps` nor `views` are given.
        taps: names of the backbone's intermediate layers; part of what a row is.
        keep: what a slim cache keeps, from `pipeline.feature_specs.keep`; part of what a row is.
        views: names of view sets; of known photographs only those that are missing are computed.
            Rows of sets that are no longer named stay until `cache gc`.
        seed: of random weights.
        classes: only these class folders; None for all.
        labels: where classes come from: a table, or the folders.
        group_rule: which photographs show one part.
        batch_size: views per call of the backbone.
        max_failures: share of unreadable photographs (0 to 1) above which the run stops.
        max_pixels: refuse larger photographs.
        workers: reader threads; None for one per core.
        rehash: read every file again, also where size and times are as before.
        cluster: where the work is done; the cache is then a folder of shards. None for here.

    Raises:
        DataError: `look` is given beside `taps` or `views`, or a name is unknown.
        EngineError: there is no such engine here.

    Example:
        >>> ExtractOptions(weights="random", look="plain").recipe is None
        True
    """

    backbone: str | None = None
    weights: str | None = None
    recipe: str | None = None
    precision: str | None = None
    engine: str = DEFAULT_ENGINE
    look: str | None = None
    taps: Sequence[str] | None = None
    views: Sequence[str] | None = None
    keep: Kept | None = None
    seed: int = 0
    classes: Sequence[str] | None = None
    labels: LabelRule | None = None
    group_rule: GroupRule | None = None
    batch_size: int = 32
    max_failures: float = 0.1
    max_pixels: int = MAX_PIXELS
    workers: int | None = None
    rehash: bool = False
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant before weights or photographs are looked for."""
        check_names(recipe=self.recipe, precision=self.precision)
        check_engine(self.engine)
        if self.look is not None and self.names_rows:
            raise DataError(
                f"found --look {self.look} beside --views or --taps; expected one of the two: "
                "--look says which views and layers are kept"
            )
        if self.keep is not None and (self.look is not None or self.names_rows):
            raise DataError(
                "found --keep beside --look, --views or --taps; expected --keep alone: what its "
                "feature specs read says which views and layers are kept"
            )

    @property
    def names_rows(self) -> bool:
        """Say whether views or intermediate layers are named one by one."""
        return self.taps is not None or self.views is not None

    def run_options(self, chosen: Chosen) -> RunOptions:
        """Give how the run goes that computes the views that were chosen."""
        return RunOptions(
            views=chosen.names,
            batch_size=self.batch_size,
            max_failures=self.max_failures,
            max_pixels=self.max_pixels,
            workers=self.workers,
            rehash=self.rehash,
        )


def extract_folder(
    data: Path,
    cache_path: Path,
    options: ExtractOptions | None = None,
    *,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> FolderExtraction:
    """See that every photograph of a folder has its rows in the cache, and note its class.

    Args:
        data: one folder of photographs per class, or another layout of `pipeline.data.layouts`.
        cache_path: made where it does not exist.
        options: None for `ExtractOptions()`.
        progress: called as `progress(done, total)`.
        warn: takes a line of text where the run is going to last longer than `LONG`.

    Raises:
        DataError: the folder, its labels or the groups cannot be used; a gap behind the run.
        OnepassError: see `features.extract.extract`.

    Example:
        >>> options = onepass.ExtractOptions(weights="random")  # the default needs ImageNet's
        >>> done = onepass.extract_folder(Path("data"), Path("features.h5"), options)
        >>> done.extraction.extracted, done.extraction.reused
        (0, 72)
    """
    options = options or ExtractOptions()
    ready = prepare(data, cache_path, options)
    scan, settings, chosen = ready.scan, ready.settings, ready.chosen
    rule = options.group_rule or ready.noted.group_rule
    photographs, ungrouped, notes = apply_rule(rule, scan.photographs)
    scan.notes += notes
    settled = Settled(settings.recipe)
    if ready.fresh:
        settled = settle_depth(
            photographs, settings.recipe, max_pixels=options.max_pixels, workers=options.workers
        )
    settings = replace(settings, recipe=settled.recipe)
    kept = ready.noted.kept if options.keep is None else options.keep.specs
    record = FolderRecord(
        absolute_name(data), rule, recorded_weights(settings, ready.noted), ready.labels, chosen,
        kept if settings.pooled or options.keep else (),
    )  # fmt: skip
    into = extract if options.cluster is None else partial(extract_on, options.cluster, told=warn)
    extraction = into(
        photographs, settings, cache_path, options.run_options(chosen), note=record.to_note(),
        progress=_foretelling(progress, warn, settings.look.images > 1) if warn else progress,
        watch=_watch(cache_path, settings.precision),
    )  # fmt: skip
    if options.group_rule is not None and rule.kind == "file":
        scan.notes += doubts_of_groups(cache_path)
    parts = len({row.group for row in extraction.table_rows if row.group})
    if rule.kind == "gap":  # without capture times said here, not by each command that follows
        cut = proposed_groups(cache_path)
        parts, scan.notes = len(cut.sizes), scan.notes + cut.notes
    said = [*filter(None, [settled.said]), *extraction.remarks.lines(chosen.sets)]
    return FolderExtraction(scan, extraction, settings, rule, parts, ungrouped, chosen, said)


class Ready(NamedTuple):
    """Hold what is known before the first photograph is read.

    Attributes:
        scan: what the folder holds.
        settings: how photographs become rows.
        noted: what the cache says of its folder.
        chosen: what has rows of its own.
        labels: where classes come from.
        fresh: whether the cache is yet to be made.
    """

    scan: Scan
    settings: BackboneSettings
    noted: FolderRecord
    chosen: Chosen
    labels: LabelRule
    fresh: bool


def prepare(data: Path, cache_path: Path, options: ExtractOptions) -> Ready:
    """Scan the folder and settle what is computed, before any photograph is read.

    Raises:
        DataError: the folder, its labels or the options cannot be used.
        CacheError: a stranger's cache names a table or a pattern that nobody here named.
        WeightsError: there are no such weights.
    """
    known = _known(cache_path)
    noted = known.noted if known else FolderRecord()
    told = Told(options.group_rule is not None, options.labels is not None)
    if known and not known.own:
        refuse_strange_rules(cache_path, noted, told)
    labels = options.labels or noted.labels
    scan = scan_folder(data, options.classes, labels)
    if known:
        refuse_others(cache_path, noted, known.table_rows, told, data, scan.photographs)
    settings = _settings(known, options)
    look = options.look or (None if known or options.names_rows else CLOSE)
    views = options.views
    if options.keep is not None:
        settings, views = settings.keeping(options.keep), options.keep.views
    elif look is not None:
        settings = settings.looking(look)
    chosen = _chosen(cache_path, settings, noted.views, views)
    return Ready(scan, settings, noted, chosen, labels, known is None)


def settings_asked_for(cache_path: Path, options: ExtractOptions) -> BackboneSettings:
    """Say how photographs become rows; what is None is the cache's.

    Raises:
        OnepassError: a name that is unknown, or weights that are not there.
    """
    return _settings(_known(cache_path), options)


def _chosen(
    cache_path: Path, settings: BackboneSettings, noted: Chosen, views: Sequence[str] | None
) -> Chosen:
    """Choose what has rows of its own; a row that keeps crops has no other views beside it."""
    chosen = noted if views is None else Chosen(tuple(dict.fromkeys([FULL, *views])))
    if LARGE in chosen.sets:
        raise DataError(
            f"found the view {LARGE} among those with rows of their own; expected it in a look, "
            f"which keeps layers of it: extract --look full+{LARGE}:LAYERS"
        )
    if settings.crops.sets and chosen != Chosen():
        raise DataError(
            f"{cache_path} keeps the look {settings.look} in one row a photograph; expected no "
            "--views beside it; name another --cache for views with rows of their own"
        )
    return chosen


def _foretelling(progress: Progress | None, warn: Callable[[str], None], close: bool) -> Progress:
    """Say once, after `_SOON` seconds, that the run is long; and of a `close` look what is not."""
    started: list[float] = []
    first = 0

    def say(done: int, total: int) -> None:
        """Pass progress on, and once, after a while, say how long it will take."""
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
                shorter = ", and --look plain in another --cache takes a fraction of the time"
                warn(
                    f"about {left / 60:.0f} minutes to go; what is done is kept if you stop"
                    + (shorter if close else "")
                )

    return say


def _watch(cache_path: Path, precision: str) -> Watch:
    """Refuse to add rows of a backbone that no longer computes what the cache holds."""

    def watch(row: Row, known: Row | None) -> None:
        """Refuse a drift probe that is not the cache's."""
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


class _Known(NamedTuple):
    """The fingerprint's fields, the note and the table, and whether this account wrote them."""

    fields: dict[str, Any]
    noted: FolderRecord
    table_rows: Sequence[TableRow]
    own: bool


def _known(cache_path: Path) -> _Known | None:
    """Read what is known of a cache; None where there is none."""
    if not is_begun(cache_path):
        return None
    with open_cache(cache_path) as cache:
        return _Known(cache.fields, FolderRecord.noted(cache.note), cache.table_rows, cache.own)


def _recipe(name: str | None, fields: Mapping[str, Any]) -> Recipe | None:
    """Give the recipe that is asked for; where the cache has it, in the cache's own revision."""
    known = recorded_recipe(fields["recipe"]) if fields else None
    if known is not None and name in (None, known.name):
        return known
    return get_recipe(name) if name else None


def _settings(known: _Known | None, options: ExtractOptions) -> BackboneSettings:
    fields, noted = known[:2] if known else ({}, FolderRecord())
    if options.backbone is None and options.weights is None and noted.weights is not None:
        made = settings_from_fields(fields, noted.weights)
    else:
        name = options.backbone or _known_backbone(fields, noted)
        chosen, network, found = backbone_asked_for(name, options.weights, options.seed)
        made = BackboneSettings(get_recipe("imagenet"), found, name=chosen, network=network)
    taps, crops, pooled = tuple(fields.get("taps", ())), Crops.of(fields), pooled_of(fields)
    if not {*taps, *crops.taps} <= set(made.entry.tap_widths):  # of another backbone
        taps, crops, pooled = (), NO_CROPS, ()
    return replace(
        made,
        recipe=_recipe(options.recipe, fields) or made.recipe,
        precision=options.precision or made.precision,
        engine=options.engine,
        taps=taps if options.taps is None else tuple(options.taps),
        crops=crops if options.taps is None else NO_CROPS,
        pooled=pooled,
    )


def _known_backbone(fields: Mapping[str, Any], noted: FolderRecord) -> str:
    """Find what `--backbone` would have to say for a cache's own; of a new cache the default."""
    name = str(fields.get("backbone", DEFAULT_BACKBONE))
    return noted.weights.name if name == ONNX and noted.weights is not None else name
