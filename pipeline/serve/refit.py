"""Learn from the corrections: the active model's head anew, and proof of what that brought.

The new model is trained on what the old one was trained on and on the corrections; the old one's
holdout stays the holdout. So both can be asked on the same parts, which neither learned from. On
the corrections the old model is asked as it is, and the new one by models that were trained without
the part in question (out of fold), at the new thresholds. Corrections that the old model learned
from already are left out of that.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Floats, Indices
from features.backbones.engines import DEFAULT_ENGINE
from features.cache.sample_table import TableRow
from features.errors import DataError, OnepassError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.file import Photograph
from pipeline.cnn.cnn import Cnn
from pipeline.data.classes import Classes
from pipeline.data.dataset import Dataset, load_dataset
from pipeline.data.given_split import GIVEN
from pipeline.data.splits import Fold
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.rows import rows_in
from pipeline.heads import is_users
from pipeline.line.corrections import Inbox, model_fingerprint
from pipeline.model.bundle import Bundle, load_bundle
from pipeline.model.files import REPORT
from pipeline.model.probabilities import predict_table_rows
from pipeline.report.reports import fit_report, write_report
from pipeline.serve.compare_models import ModelComparison, Photographs, compare_models
from pipeline.serve.versions import write_story
from pipeline.thresholds.train import TrainingRows, out_of_fold
from pipeline.training.fit import Fit, FitOptions, fit

Say = Callable[[str, int, int], None]
"""Called as `say(stage, done, total)`; the stages are `STAGES`."""

STAGES = ("photographs", "training", "comparing")
_FOLDS = 5
_log = logging.getLogger("onepass")
_UNFINISHED = "refit-"


@dataclass(frozen=True)
class Merged:
    """Training photographs and corrections together.

    Attributes:
        dataset: all of them, with the old model's holdout as the given split.
        corrected: int64, numbers of the photographs that have a correction and are trained on.
    """

    dataset: Dataset
    corrected: Indices


@dataclass(frozen=True)
class Refitted:
    """Hold what a refit made.

    Attributes:
        fingerprint: of the new model, which is kept and not active.
        held_out, on_corrections: the old and the new model compared.
        has_report: whether the full report stands beside the model.
    """

    fingerprint: str
    held_out: ModelComparison
    on_corrections: ModelComparison
    has_report: bool = False


def refit(
    bundle: Bundle,
    cache_path: Path,
    inbox: Inbox,
    versions: Path,
    *,
    weights: str | None = None,
    engine: str = DEFAULT_ENGINE,
    say: Say,
) -> Refitted:
    """Train the model's head on its photographs and on the corrections; keep what comes out.

    Args:
        bundle: the active model.
        cache_path: that it was fitted on; it gets the rows of the corrected photographs.
        inbox: of the corrections.
        versions: where the new model is kept, see `pipeline.serve.versions`.
        weights: where the backbone's weights are now, if not where they were.
        engine: what computes rows that are missing.
        say: hears what is going on.

    Raises:
        DataError: there is nothing to learn from, or it is not the cache of this model.
        HeadError, BundleError: a model that cannot be refitted here.
        OnepassError: see `features.extract.extract` and `pipeline.training.fit.fit`.
    """
    started = time.time()
    if refusal := why_not(bundle):
        raise DataError(refusal)
    contender = Contender(bundle.record.fit.head, bundle.record.fit.spec)
    photographs = inbox.photographs()
    if not photographs:
        raise DataError(
            "found no correction with a class; expected some to learn from: correct verdicts first"
        )
    done = extract(
        photographs,
        bundle.settings(weights, engine),
        cache_path,
        RunOptions(views=bundle.views.names, max_failures=1.0),
        progress=lambda at, of: say(STAGES[0], at, of),
    )
    merged = merge_corrections(bundle, cache_path, photographs, done.table_rows)
    clear_unfinished(versions)
    fitted = _fit_anew(bundle, contender, merged.dataset, versions, say)
    say(STAGES[2], 0, 2)
    held_out = _on_holdout(bundle, fitted, merged.dataset, cache_path)
    say(STAGES[2], 1, 2)
    on_corrections = _on_corrections(bundle, fitted, merged, cache_path, contender)
    say(STAGES[2], 2, 2)
    made = Refitted(model_fingerprint(fitted.folder), held_out, on_corrections)
    place = versions / made.fingerprint
    _keep(fitted.folder, place, _story(bundle, merged, made, time.time() - started))
    has_report = _report(merged.dataset, replace(fitted, folder=place), bundle.folder, inbox)
    return replace(made, has_report=has_report)


def _story(bundle: Bundle, merged: Merged, done: Refitted, seconds: float) -> dict[str, Any]:
    """Tell where a new model comes from and what it is worth, as it is kept beside it."""
    return {
        "from": model_fingerprint(bundle.folder),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 1),
        "corrected_photographs": len(merged.corrected),
        "held_out": done.held_out.to_json(),
        "on_corrections": done.on_corrections.to_json(),
    }


def _fit_anew(
    bundle: Bundle, contender: Contender, dataset: Dataset, versions: Path, say: Say
) -> Fit:
    """Train what the active model was trained as, beside the kept versions."""
    asked = bundle.record.fit
    options = FitOptions(
        head=contender.head,
        features=contender.spec,
        split=GIVEN,
        seed=asked.split.seed,
        threshold=bundle.decision.rule,
        settings=asked.settings,
        optimism=False,
    )
    return fit(
        dataset,
        versions / f"{_UNFINISHED}{secrets.token_hex(4)}",
        options,
        progress=lambda epoch, epochs, _scores: say(STAGES[1], epoch, epochs),
    )


def _keep(made: Path, place: Path, story: dict[str, Any]) -> None:
    """Put a new model and its story where versions are kept."""
    write_story(place, story)
    if place.is_dir():  # the very same model as before
        shutil.rmtree(made)
    else:
        made.rename(place)


def _report(dataset: Dataset, fitted: Fit, model: Path, inbox: Inbox) -> bool:
    """Write the full report beside the model; one that cannot be written takes no model back."""
    command = ["onepass", "serve", str(model), "--cache", str(dataset.cache_path)]
    way = [[*command, "--inbox", str(inbox.folder)]], "Press Refit, with the same corrections."
    try:
        write_report(fitted.folder / REPORT, fit_report(dataset, fitted, way=way), force=True)
    except OnepassError as error:
        _log.warning("note: the new model has no report: %s", error)
        return False
    return True


def clear_unfinished(versions: Path) -> None:
    """Remove what a refit left that was killed."""
    for folder in versions.glob(f"{_UNFINISHED}*") if versions.is_dir() else ():
        shutil.rmtree(folder, ignore_errors=True)


def why_not(bundle: Bundle) -> str:
    """Say in one line why a model cannot be refitted here; "" where it can."""
    pixels = isinstance(bundle.head, Cnn)
    if pixels or is_users(bundle.record.fit.head):
        kind = "sees pixels" if pixels else "is a user's own estimator"
        return (
            f"the model {kind} and is not refitted here; expected a head of Onepass on rows; train "
            "it again with the command that made it, with the inbox in the data"
        )
    if (trained := bundle.record.fit.refit) is not None:
        return (
            f"{bundle.folder} was trained {trained.describe()}, so no parts are left to compare "
            "old and new on; expected a model of fit without --refit; fit it without, and serve "
            "that"
        )
    return ""


def merge_corrections(
    bundle: Bundle,
    cache_path: Path,
    photographs: Sequence[Photograph],
    table_rows: Sequence[TableRow],
) -> Merged:
    """Put corrected photographs to those of a cache, and the model's holdout on the other side.

    A photograph that the cache has already gets the class of its correction. One of a part that
    was held out is held out, too.

    Args:
        bundle: the model whose holdout counts.
        cache_path: with its photographs.
        photographs: corrected ones, with class and part.
        table_rows: the same as `extract` found them.

    Raises:
        DataError: the cache has other classes, or nothing of the model's holdout.
    """
    classes = bundle.classes
    positive = [name for name, number in classes.members.items() if number == 1]
    data = load_dataset(
        cache_path, classes=list(classes.members), positive=positive if classes.binary else None
    )
    if data.classes.names != classes.names:
        raise DataError(
            f"{cache_path} has {data.classes.describe()}; expected the classes of the model, "
            f"{', '.join(classes.names)}; name the cache that the model was fitted on: --cache"
        )
    held_out = {entry["digest"] for entry in bundle.split() if entry["side"] == "holdout"}
    places: dict[str, list[int]] = {}
    for number, table_row in enumerate(data.table_rows):
        places.setdefault(table_row.digest, []).append(number)
    if not held_out & set(places):
        raise DataError(
            f"{cache_path} has none of the photographs that {bundle.folder} was held out on; "
            "expected the cache that it was fitted on; name it with --cache"
        )
    rows, y, groups = list(data.table_rows), data.y.tolist(), data.groups.tolist()
    numbers = _numbers(data.classes, photographs)
    corrected = _put_together(numbers, photographs, table_rows, places, (rows, y, groups))
    y_all, groups_all = np.array(y, dtype=np.int64), np.array(groups, dtype=np.int64)
    apart = [n for n, table_row in enumerate(rows) if table_row.digest in held_out]
    test = np.flatnonzero(np.isin(groups_all, groups_all[apart]))
    train = np.setdiff1d(np.arange(len(rows)), test)
    dataset = replace(data, table_rows=rows, y=y_all, groups=groups_all, given=(train, test))
    return Merged(dataset, np.intersect1d(corrected, train).astype(np.int64))


def _numbers(classes: Classes, photographs: Sequence[Photograph]) -> dict[str, int]:
    """Give the class numbers of labels: of the folders, and of a class that has no folder yet."""
    unused = {n: i for i, n in enumerate(classes.names) if i not in classes.members.values()}
    numbers = unused | classes.members
    for one in photographs:
        if one.label not in numbers:
            raise DataError(
                f"found a correction to {one.label!r}; expected one of {', '.join(numbers)}: the "
                "model has other classes than the one that was corrected; take it back in History"
            )
    return numbers


def _put_together(
    numbers: Mapping[str, int],
    photographs: Sequence[Photograph],
    table_rows: Sequence[TableRow],
    places: Mapping[str, list[int]],
    table: tuple[list[TableRow], list[int], list[int]],
) -> list[int]:
    """Relabel or append each corrected photograph; returns their numbers."""
    rows, y, groups = table
    parts = {
        photograph.group: groups[places[table_row.digest][0]]
        for photograph, table_row in zip(photographs, table_rows, strict=True)
        if table_row.digest in places
    }
    following = max(groups, default=-1) + 1
    corrected = []
    for photograph, table_row in zip(photographs, table_rows, strict=True):
        if table_row.reason:
            continue
        number = numbers[photograph.label]
        for place in places.get(table_row.digest, ()):
            rows[place], y[place] = rows[place]._replace(label=photograph.label), number
            corrected.append(place)
        if table_row.digest not in places:
            if photograph.group not in parts:
                parts[photograph.group], following = following, following + 1
            corrected.append(len(rows))
            rows.append(table_row._replace(path=f"inbox/{photograph.path}"))
            y.append(number)
            groups.append(parts[photograph.group])
    return corrected


def _shown(dataset: Dataset, numbers: Indices) -> Photographs:
    table_rows = [dataset.table_rows[number] for number in numbers]
    return Photographs(
        [table_row.group or table_row.path for table_row in table_rows],
        [table_row.digest for table_row in table_rows],
        dataset.y[numbers],
        dataset.groups[numbers],
    )


def _asked(bundle: Bundle, cache_path: Path, dataset: Dataset, numbers: Indices) -> Floats:
    table_rows = [dataset.table_rows[number] for number in numbers]
    return predict_table_rows(bundle, cache_path, table_rows).probabilities


def _on_holdout(bundle: Bundle, fitted: Fit, dataset: Dataset, cache_path: Path) -> ModelComparison:
    test, new = fitted.sides[1], load_bundle(fitted.folder)
    return compare_models(
        _shown(dataset, test),
        bundle.classes.names,
        (bundle.decision, _asked(bundle, cache_path, dataset, test)),
        (new.decision, _asked(new, cache_path, dataset, test)),
    )


def _on_corrections(
    bundle: Bundle, fitted: Fit, merged: Merged, cache_path: Path, contender: Contender
) -> ModelComparison:
    """Compare where the new model did not learn: its own head trained without each part."""
    dataset, known = merged.dataset, bundle.trained_on()
    fresh = [n for n in merged.corrected.tolist() if dataset.table_rows[n].digest not in known]
    numbers, train = np.array(fresh, dtype=np.int64), fitted.sides[0]
    P = np.empty((0, len(bundle.classes.names)))
    if len(numbers):
        groups, X = dataset.groups[train], rows_in(dataset, contender.spec, train)
        rows = TrainingRows(X, dataset.y[train], groups, bundle.classes.names, test_size=0.0)
        own = out_of_fold(
            contender, rows, _rounds(groups, np.unique(dataset.groups[numbers])),
            seed=fitted.record.split.seed, settings=fitted.record.settings,
        )[np.searchsorted(train, numbers)]  # fmt: skip
        P = own if fitted.calibration is None else fitted.calibration.apply(own)
    return compare_models(
        _shown(dataset, numbers),
        bundle.classes.names,
        (bundle.decision, _asked(bundle, cache_path, dataset, numbers)),
        (fitted.decision, P),
    )


def _rounds(groups: Indices, parts: Indices) -> list[Fold]:
    """Make folds whose tested sides are these parts, each once; groups are those of all rows."""
    rng = np.random.default_rng(11)
    found = []
    for number, some in enumerate(np.array_split(rng.permutation(parts), min(_FOLDS, len(parts)))):
        tested = np.isin(groups, some)
        found.append(Fold(0, number, np.flatnonzero(~tested), np.flatnonzero(tested)))
    return found
